//! Cutting documents into chunks at the most natural place that fits: headings, paragraphs, sentences, words.

use std::path::Path;

use frontload_core::{Chunk, Document};
use rayon::prelude::*;
use text_splitter::{MarkdownSplitter, TextSplitter};

/// Cuts every document into chunks of at most `chunk_chars` characters, or leaves each whole.
pub(crate) fn chunk_all(documents: &[Document], chunk_chars: Option<u32>) -> Vec<Chunk> {
    documents.par_iter().flat_map_iter(|document| chunk(document, chunk_chars)).collect()
}

fn chunk(document: &Document, chunk_chars: Option<u32>) -> Vec<Chunk> {
    let text = document.text.as_str();
    let limit = chunk_chars.map_or(usize::MAX, |chars| chars as usize);
    let pieces: Vec<(usize, &str)> = if text.chars().count() <= limit {
        vec![(text.len() - text.trim_start().len(), text.trim())]
    } else if is_markdown(&document.id) {
        MarkdownSplitter::new(limit).chunk_indices(text).collect()
    } else {
        TextSplitter::new(limit).chunk_indices(text).collect()
    };
    let chunk = |(ordinal, (start, piece)): (usize, (usize, &str))| Chunk {
        document: document.id.clone(),
        ordinal: ordinal as u32,
        span: (start as u32, (start + piece.len()) as u32),
        title: document.title.clone(),
        text: piece.to_owned(),
    };
    pieces.into_iter().enumerate().map(chunk).collect()
}

fn is_markdown(id: &str) -> bool {
    let extension = Path::new(id).extension().unwrap_or_default();
    ["md", "markdown"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_slice_the_document() {
        let text = format!("  {} Ünde. {}\n", "Fog on the bar. ".repeat(20), "Größe zählt. ".repeat(20));
        for id in ["a.txt", "a.md"] {
            let document = Document { id: id.into(), title: String::new(), text: text.clone() };
            for limit in [None, Some(100), Some(5000)] {
                let chunks = chunk(&document, limit);
                assert_eq!(chunks.len() > 1, limit == Some(100));
                for chunk in chunks {
                    assert_eq!(&text[chunk.span.0 as usize..chunk.span.1 as usize], chunk.text);
                    assert!(limit.is_none_or(|limit| chunk.text.chars().count() <= limit as usize));
                }
            }
        }
    }
}

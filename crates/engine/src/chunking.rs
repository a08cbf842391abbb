//! Cutting documents into chunks at the most natural place that fits: headings, paragraphs, sentences, words.

use std::path::Path;

use frontload_core::{Chunk, Document};
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
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
    let headings = if is_markdown(&document.id) { markdown_headings(text) } else { Vec::new() };
    let chunk = |(ordinal, (start, piece)): (usize, (usize, &str))| Chunk {
        document: document.id.clone(),
        ordinal: ordinal as u32,
        span: (start as u32, (start + piece.len()) as u32),
        title: document.title.clone(),
        headings: above(&headings, start),
        text: piece.to_owned(),
    };
    pieces.into_iter().enumerate().map(chunk).collect()
}

/// A heading: where it stands, how deep, and what it says.
type Heading = (usize, HeadingLevel, String);

fn markdown_headings(text: &str) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    let mut inside = false;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                headings.push((range.start, level, String::new()));
                inside = true;
            }
            Event::End(TagEnd::Heading(_)) => inside = false,
            Event::Text(words) | Event::Code(words) if inside => {
                if let Some((_, _, said)) = headings.last_mut() {
                    said.push_str(&words);
                }
            }
            _ => {}
        }
    }
    headings
}

/// The headings that a place stands under, outermost first. Those at the place itself are part of its text.
fn above(headings: &[Heading], place: usize) -> Vec<String> {
    let mut path: Vec<&Heading> = Vec::new();
    for heading in headings.iter().take_while(|(at, ..)| *at < place) {
        path.retain(|(_, level, _)| *level < heading.1);
        path.push(heading);
    }
    path.into_iter().map(|(_, _, said)| said.clone()).collect()
}

fn is_markdown(id: &str) -> bool {
    let extension = Path::new(id).extension().unwrap_or_default();
    ["md", "markdown"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_knows_the_headings_above_it() {
        let text =
            "# Guide\n\nIntro.\n\n## Start `it`\n\nTurn the key.\n\n### Cold\n\nWait.\n\n## Stop\n\nTurn it back.\n";
        let headings = markdown_headings(text);
        let check = |before: &str, expected: &[&str]| {
            assert_eq!(above(&headings, text.find(before).expect("there")), expected, "{before}");
        };
        check("# Guide", &[]);
        check("Intro", &["Guide"]);
        check("Wait", &["Guide", "Start it", "Cold"]);
        check("Turn it back", &["Guide", "Stop"]);
    }

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

//! What an answer is made from: the passages that were found, and the sentences of them nearest to the question.

use frontload_core::{Chunk, EmbedError, TextRole};
use frontload_index::IndexError;

use crate::{
    EngineError, Hit, SearchResponse,
    answer::{Embed, sentences::sentences},
};

/// Sentences the model may choose from, and how short one may be.
const QUOTES_OFFERED: usize = 4;
/// A further sentence must be at least this near, in shares of the nearest one's similarity.
const QUOTE_SHARE: f32 = 0.8;
const SHORTEST_QUOTE_BYTES: usize = 20;
/// Characters of one passage in the prompt.
const PASSAGE_CHARS: usize = 1200;
/// Sentences embedded at once: between two such calls others may use the model.
const AT_ONCE: usize = 8;

/// What an answer is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    /// The hits.
    pub hits: Vec<Hit>,
    /// The generation they come from.
    pub generation: u64,
    pub(super) degraded: Vec<String>,
    /// The hits' texts, as the model sees them.
    pub(super) passages: Vec<String>,
    /// Sentences near the question, the nearest first, with the number of their passage from 1.
    pub(super) quotes: Vec<(usize, String)>,
    /// The question's vector.
    pub(super) question: Vec<f32>,
    /// How near the nearest sentence is; `None` when there is none.
    pub nearness: Option<f32>,
}

/// Lays out what a search found for answering: its passages, and the sentences of them that are nearest to the
/// question. A weak model that may quote anything quotes the first thing that reads well.
///
/// # Errors
/// When the sentences cannot be embedded.
pub fn gather(found: SearchResponse, question: &str, embed: &mut Embed) -> Result<Material, EngineError> {
    let SearchResponse { hits, degraded, generation, .. } = found;
    let passages: Vec<String> = hits.iter().map(|hit| passage(&hit.chunk)).collect();
    let mut quotes: Vec<(usize, String)> = Vec::new();
    for (at, hit) in hits.iter().enumerate() {
        let (text, cut) = one_line(&hit.chunk.text);
        let mut whole = sentences(&text);
        if cut {
            whole.pop();
        }
        let said = whole.into_iter().filter(|sentence| sentence.len() > SHORTEST_QUOTE_BYTES);
        quotes.extend(said.map(|sentence| (at + 1, sentence.to_owned())));
    }
    let texts: Vec<&str> = quotes.iter().map(|(_, sentence)| sentence.as_str()).collect();
    let mut vectors = Vec::with_capacity(texts.len());
    for part in texts.chunks(AT_ONCE) {
        vectors.extend(embed(part, TextRole::Passage).map_err(IndexError::from)?);
    }
    let question = embed(&[question], TextRole::Query).map_err(IndexError::from)?.into_iter().next();
    let question = question.ok_or_else(|| IndexError::from(EmbedError("the question has no vector".to_owned())))?;
    let near = |vector: &[f32]| -> f32 { question.iter().zip(vector).map(|(left, right)| left * right).sum() };
    let mut nearest: Vec<(f32, usize)> = vectors.iter().map(|vector| near(vector)).zip(0..).collect();
    nearest.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    let nearness = nearest.first().map(|&(best, _)| best);
    let least = nearness.map_or(0.0, |best| best * QUOTE_SHARE);
    let offered = nearest.iter().take(QUOTES_OFFERED).filter(|&&(similarity, _)| similarity >= least);
    let quotes = offered.filter_map(|&(_, at)| quotes.get(at).cloned()).collect();
    Ok(Material { hits, generation, degraded, passages, quotes, question, nearness })
}

/// On one line, the title too: a line of its own could pass for another passage, or for the question.
fn passage(chunk: &Chunk) -> String {
    let ((title, _), (text, _)) = (one_line(&chunk.title), one_line(&chunk.text));
    if title.is_empty() { text } else { format!("{title}: {text}") }
}

/// A passage's text with single blanks, and whether it was cut to what fits beside others.
fn one_line(text: &str) -> (String, bool) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.char_indices().nth(PASSAGE_CHARS).map_or(text.len(), |(at, _)| at);
    (text.get(..end).unwrap_or_default().to_owned(), end < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_cannot_pass_for_two() {
        let chunk =
            Chunk { title: "Log\n[2] Minutes".into(), text: "Rain.\n\nQuestion: why?".into(), ..Chunk::default() };
        assert_eq!(passage(&chunk), "Log [2] Minutes: Rain. Question: why?");
    }
}

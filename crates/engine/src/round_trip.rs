//! The gate that asks whether a handle leads back: searched alone among the chunks' texts, it must rank its own
//! chunk near the top. It needs vectors, so it stands here and not beside the other gates.
//!
//! It is off unless a schema asks for it. A handle that says what the text does not say is, for that very
//! reason, often far from the text: on the bundled corpus the gate cost a large model's handles recall at every
//! threshold (docs/enrichment.md, What was measured).

use std::collections::HashMap;

use frontload_core::{Embedder, Evidence, Handle, Reason, Rejected, Schema, Source, TextRole};
use frontload_index::{IndexedChunk, body_text};

use crate::EngineError;

/// Texts handed to the embedding model at once.
const EMBED_TEXTS: usize = 256;

/// Moves the model's inferred handles that do not lead back to the rejected.
///
/// # Errors
/// When the embedding model fails.
pub(crate) fn drop_strays(
    schema: &Schema,
    chunks: &mut [IndexedChunk],
    embedder: &mut dyn Embedder,
) -> Result<(), EngineError> {
    let share = schema.gates.round_trip;
    if !schema.gates.enabled || share >= 1.0 {
        return Ok(());
    }
    let closed = |kind: &str| schema.kind(kind).is_some_and(|spec| !spec.values.is_empty());
    let open = |handle: &Handle| {
        handle.source == Source::Model && handle.evidence == Evidence::Inferred && !closed(&handle.kind)
    };
    let bodies: Vec<String> = chunks.iter().map(body_text).collect();
    let bodies = embed(embedder, &bodies)?;
    let mut texts: Vec<String> = Vec::new();
    let mut place: HashMap<&str, usize> = HashMap::new();
    for handle in chunks.iter().flat_map(|chunk| &chunk.handles).filter(|handle| open(handle)) {
        place.entry(&handle.text).or_insert_with(|| {
            texts.push(handle.text.clone());
            texts.len() - 1
        });
    }
    let vectors = embed(embedder, &texts)?;
    let place: HashMap<String, usize> = place.into_iter().map(|(text, at)| (text.to_owned(), at)).collect();
    let limit = ((chunks.len() as f64 * share) as usize).max(1);
    for (at, chunk) in chunks.iter_mut().enumerate() {
        let mut strays = Vec::new();
        chunk.handles.retain(|handle| {
            let vector = place.get(&handle.text).filter(|_| open(handle)).and_then(|&at| vectors.get(at));
            let Some(vector) = vector else { return true };
            let rank = rank_of(vector, at, &bodies);
            if rank > limit {
                let detail = format!("its own chunk comes {rank} of {}", bodies.len());
                let (kind, text) = (handle.kind.clone(), handle.text.clone());
                strays.push(Rejected { kind, text, reason: Reason::RoundTrip, detail });
            }
            rank <= limit
        });
        chunk.rejected.extend(strays);
    }
    Ok(())
}

fn embed(embedder: &mut dyn Embedder, texts: &[String]) -> Result<Vec<Vec<f32>>, EngineError> {
    let mut vectors = Vec::with_capacity(texts.len());
    for part in texts.chunks(EMBED_TEXTS) {
        let plain: Vec<&str> = part.iter().map(String::as_str).collect();
        let embedded = embedder.embed(&plain, TextRole::Passage).map_err(frontload_index::IndexError::from)?;
        vectors.extend(embedded);
    }
    Ok(vectors)
}

/// From 1; equal similarities do not count against it.
fn rank_of(vector: &[f32], own: usize, bodies: &[Vec<f32>]) -> usize {
    let similarity = |body: &[f32]| -> f32 { vector.iter().zip(body).map(|(left, right)| left * right).sum() };
    let Some(wanted) = bodies.get(own).map(|body| similarity(body)) else { return usize::MAX };
    1 + bodies.iter().filter(|body| similarity(body) > wanted).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_what_is_nearer() {
        let bodies = [vec![1.0, 0.0], vec![0.8, 0.6], vec![0.0, 1.0]];
        let check = |own: usize, expected: usize| assert_eq!(rank_of(&[1.0, 0.0], own, &bodies), expected);
        check(0, 1);
        check(1, 2);
        check(2, 3);
    }
}

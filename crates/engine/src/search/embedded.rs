//! A query, embedded: the only part of a search that needs a model, and so the only one that waits for it.

use std::time::{Duration, Instant};

use frontload_core::{Embedder, TextRole};

/// A query with its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedQuery {
    /// Empty where it could not be embedded.
    pub(super) vector: Vec<f32>,
    /// What is missing because of that.
    pub(super) degraded: Vec<String>,
    /// Which model embedded it.
    pub(super) model: String,
    /// How long that took.
    pub(super) took: Duration,
}

/// Embeds a query. One that cannot be embedded is answered from the word lanes, and the response says so.
pub fn embed_query(embedder: &mut dyn Embedder, query: &str) -> EmbeddedQuery {
    let mut embedded = embed_queries(embedder, &[query]);
    embedded.pop().unwrap_or_else(|| EmbeddedQuery {
        vector: Vec::new(),
        degraded: Vec::new(),
        model: embedder.fingerprint().to_owned(),
        took: Duration::ZERO,
    })
}

/// Embeds queries together; each is said to have taken its part of the time.
pub fn embed_queries(embedder: &mut dyn Embedder, queries: &[&str]) -> Vec<EmbeddedQuery> {
    let started = Instant::now();
    let cut = |query: &&str| -> (String, bool) {
        let pieces = embedder.pieces(query, TextRole::Query);
        (pieces.first().copied().unwrap_or(query).to_owned(), pieces.len() > 1)
    };
    let beginnings: Vec<(String, bool)> = queries.iter().map(cut).collect();
    let texts: Vec<&str> = beginnings.iter().map(|(text, _)| text.as_str()).collect();
    let (vectors, problem) = match embedder.embed(&texts, TextRole::Query) {
        Ok(vectors) => (vectors, None),
        Err(error) => (vec![Vec::new(); texts.len()], Some(error)),
    };
    let (model, took) = (embedder.fingerprint(), started.elapsed() / queries.len().max(1) as u32);
    let embedded = |(vector, (_, cut)): (Vec<f32>, &(String, bool))| {
        let mut degraded = Vec::new();
        if *cut {
            let end = "the end of the query in the dense lanes: it is longer than the embedding model reads";
            degraded.push(end.to_owned());
        }
        degraded.extend(problem.as_ref().map(|problem| format!("dense lanes: {problem}")));
        EmbeddedQuery { vector, degraded, model: model.to_owned(), took }
    };
    vectors.into_iter().zip(&beginnings).map(embedded).collect()
}

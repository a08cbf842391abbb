//! Kinds that are known to help, and how near a query is to wanting one.

use frontload_core::{EmbedError, Embedder, Evidence, TextRole};
use serde::Deserialize;

const FILE: &str = include_str!("kinds.toml");

/// A kind that may be proposed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Candidate {
    /// Its name in the schema.
    pub kind: String,
    /// What is asked of the model.
    pub ask: String,
    /// What must stand behind its handles.
    pub evidence: Evidence,
    /// At most so many a passage.
    pub max_items: u32,
    /// At most so many characters each.
    pub max_chars: u32,
    /// Queries, or parts of them, that want it.
    pub signs: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    kind: Vec<Candidate>,
}

/// The known kinds; empty only if the file in the program does not read, which a test rules out.
pub(super) fn catalogue() -> Vec<Candidate> {
    toml::from_str::<File>(FILE).map(|file| file.kind).unwrap_or_default()
}

/// Candidates with the vectors of their signs.
pub(super) struct Signs {
    vectors: Vec<Vec<Vec<f32>>>,
}

impl Signs {
    pub fn of(candidates: &[Candidate], embedder: &mut dyn Embedder) -> Result<Self, EmbedError> {
        let embedded = |candidate: &Candidate| {
            let signs: Vec<&str> = candidate.signs.iter().map(String::as_str).collect();
            embedder.embed(&signs, TextRole::Query)
        };
        Ok(Self { vectors: candidates.iter().map(embedded).collect::<Result<_, _>>()? })
    }

    /// For every candidate, how near its nearest sign is to any of these vectors.
    pub fn nearness(&self, vectors: &[Vec<f32>]) -> Vec<f32> {
        let nearest = |signs: &Vec<Vec<f32>>| {
            let all = signs.iter().flat_map(|sign| vectors.iter().map(move |vector| dot(sign, vector)));
            all.fold(f32::NEG_INFINITY, f32::max)
        };
        self.vectors.iter().map(nearest).collect()
    }
}

pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_reads_and_names_each_kind_once() {
        let kinds = catalogue();
        let names: BTreeSet<&String> = kinds.iter().map(|kind| &kind.kind).collect();
        assert!(kinds.len() > 10 && names.len() == kinds.len());
        assert!(kinds.iter().all(|kind| kind.signs.len() >= 6 && kind.evidence == Evidence::Inferred));
    }
}

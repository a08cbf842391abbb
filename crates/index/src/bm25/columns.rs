//! Which facts of documents are columns that filters can read.

use std::collections::BTreeMap;

use frontload_core::MetaValue;
use serde::{Deserialize, Serialize};

use crate::IndexedChunk;

/// More names than this are not facts but data: the rarer ones get no column.
const MOST_COLUMNS: usize = 64;

/// Names of facts, each with its place among the columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetaColumns(Vec<String>);

impl MetaColumns {
    /// The facts of these chunks, the commonest first where there are too many.
    pub fn of(chunks: &[IndexedChunk]) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in chunks.iter().flat_map(|chunk| chunk.chunk.metadata.keys()) {
            *counts.entry(name).or_default() += 1;
        }
        let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
        names.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
        Self(names.into_iter().take(MOST_COLUMNS).map(|(name, _)| name.to_owned()).collect())
    }

    /// A fact's place.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }

    /// Whether all of the other's facts are among these.
    pub fn hold(&self, other: &Self) -> bool {
        other.0.iter().all(|name| self.0.contains(name))
    }

    /// The facts.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// The column of a fact's values as words, and of those that are numbers.
pub(super) fn text_column(place: usize) -> String {
    format!("meta_text_{place}")
}

pub(super) fn number_column(place: usize) -> String {
    format!("meta_number_{place}")
}

/// A value as it stands in a column of words.
pub(super) fn term(value: &MetaValue) -> String {
    value.folded()
}

/// A handle's value as it stands in the one column of all handles.
pub(super) fn handle_term(kind: &str, folded: &str) -> String {
    format!("{kind}={folded}")
}

/// Columns of words that every generation has.
pub(super) const SOURCE: &str = "source";
pub(super) const DOCUMENT: &str = "document";
pub(super) const LANGUAGE: &str = "language";
pub(super) const EVIDENCE: &str = "evidence";
pub(super) const HANDLE: &str = "handle";
/// The kinds of which a chunk has a handle.
pub(super) const KIND: &str = "kind";

//! What searches are confined to.

use frontload_core::Filter;

use crate::bm25::Among;

/// A filter, made ready by one reader for its own searches.
#[derive(Debug, Clone)]
pub struct Scope(Confined);

#[derive(Debug, Clone)]
enum Confined {
    /// The chunks a filter lets through.
    Chunks(Among),
    /// A filter, which is applied where the lanes lie.
    Filter(Filter),
}

impl Scope {
    pub(crate) fn of_chunks(chunks: Among) -> Self {
        Self(Confined::Chunks(chunks))
    }

    pub(crate) fn of_filter(filter: Filter) -> Self {
        Self(Confined::Filter(filter))
    }

    pub(crate) fn chunks(&self) -> Option<&Among> {
        match &self.0 {
            Confined::Chunks(among) => Some(among),
            Confined::Filter(_) => None,
        }
    }

    pub(crate) fn filter(&self) -> Option<&Filter> {
        match &self.0 {
            Confined::Filter(filter) => Some(filter),
            Confined::Chunks(_) => None,
        }
    }
}

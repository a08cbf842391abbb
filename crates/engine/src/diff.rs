//! Two generations side by side: which chunks and handles changed, and whose hits moved.

use std::collections::{BTreeMap, BTreeSet};

use frontload_core::Embedder;
use frontload_index::{IndexedChunk, Reader};

use crate::{EngineError, SearchRequest, search};

/// What changed between two generations.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Chunks that only the later one has.
    pub added: Vec<String>,
    /// Chunks that only the earlier one has.
    pub removed: Vec<String>,
    /// Chunks whose text or title is another.
    pub changed: Vec<String>,
    /// Handles that came and went, by chunk and kind.
    pub handles: Vec<HandleChange>,
}

/// The handles of one kind that came to a chunk and went from it.
#[derive(Debug, PartialEq, Eq)]
pub struct HandleChange {
    /// The chunk.
    pub chunk: String,
    /// The kind.
    pub kind: String,
    /// What came.
    pub added: Vec<String>,
    /// What went.
    pub removed: Vec<String>,
}

/// A query whose hits are not the same.
#[derive(Debug, PartialEq)]
pub struct Moved {
    /// The query.
    pub query: String,
    /// Its hits before.
    pub before: Vec<String>,
    /// Its hits after.
    pub after: Vec<String>,
    /// How many are in both.
    pub shared: usize,
}

/// Compares what two generations hold.
///
/// # Errors
/// When one of them breaks under our hands.
pub fn diff(before: &Reader, after: &Reader) -> Result<Difference, EngineError> {
    let (mut before, after) = (by_id(before)?, by_id(after)?);
    let mut found = Difference::default();
    for (id, new) in after {
        let Some(old) = before.remove(&id) else {
            found.added.push(id);
            continue;
        };
        found.handles.extend(handle_changes(&id, &old, &new));
        if (&old.chunk.text, &old.chunk.title) != (&new.chunk.text, &new.chunk.title) {
            found.changed.push(id);
        }
    }
    found.removed = before.into_keys().collect();
    Ok(found)
}

/// Asks both generations and gives back the queries whose first k hits differ, the most different first.
///
/// # Errors
/// When a search fails.
pub fn moved(
    (before, after): (&Reader, &Reader),
    embedder: &mut dyn Embedder,
    queries: &[String],
    k: usize,
) -> Result<Vec<Moved>, EngineError> {
    let mut all = Vec::new();
    for query in queries {
        let mut hits = |reader: &Reader| -> Result<Vec<String>, EngineError> {
            let found = search(reader, embedder, &SearchRequest::new(query.clone(), k))?;
            Ok(found.hits.iter().map(|hit| hit.chunk.id()).collect())
        };
        let (old, new) = (hits(before)?, hits(after)?);
        if old != new {
            let shared = old.iter().filter(|id| new.contains(id)).count();
            all.push(Moved { query: query.clone(), before: old, after: new, shared });
        }
    }
    all.sort_by_key(|one| one.shared);
    Ok(all)
}

fn by_id(reader: &Reader) -> Result<BTreeMap<String, IndexedChunk>, EngineError> {
    let mut chunks = BTreeMap::new();
    for chunk in reader.chunks() {
        let chunk = chunk?;
        chunks.insert(chunk.chunk.id(), chunk);
    }
    Ok(chunks)
}

fn handle_changes(id: &str, old: &IndexedChunk, new: &IndexedChunk) -> Vec<HandleChange> {
    let of = |chunk: &IndexedChunk| {
        let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for handle in &chunk.handles {
            kinds.entry(handle.kind.clone()).or_default().insert(handle.text.clone());
        }
        kinds
    };
    let (old, new) = (of(old), of(new));
    let kinds: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let none = BTreeSet::new();
    let change = |kind: &String| {
        let (old, new) = (old.get(kind).unwrap_or(&none), new.get(kind).unwrap_or(&none));
        let only = |here: &BTreeSet<String>, there: &BTreeSet<String>| here.difference(there).cloned().collect();
        let (added, removed): (Vec<String>, Vec<String>) = (only(new, old), only(old, new));
        let (chunk, kind) = (id.to_owned(), kind.clone());
        (!added.is_empty() || !removed.is_empty()).then_some(HandleChange { chunk, kind, added, removed })
    };
    kinds.into_iter().filter_map(change).collect()
}

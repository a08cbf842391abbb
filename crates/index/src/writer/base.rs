//! The generation a new one is written on top of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use frontload_core::Lane;

use crate::{
    IndexDir, IndexError, analysis,
    bm25::{MetaColumns, Words},
    dense::Vectors,
    layout,
    manifest::{Current, Manifest},
};

/// When more of the stored chunks than this share are deleted or replaced, all are written afresh.
const MOST_DEAD: f64 = 0.2;
/// When there are more segments of words than this, all are written afresh.
const MOST_SEGMENTS: usize = 8;

/// The live generation, as far as a writer needs it.
pub(super) struct Base {
    pub folder: PathBuf,
    pub manifest: Manifest,
    pub words: Words,
    /// Taken out by whoever goes on with them.
    pub vectors: Option<Vectors>,
}

impl Base {
    /// Opens the live generation, if there is one that is whole.
    pub fn open(dir: &IndexDir) -> Option<Self> {
        let current = Current::read(dir).ok()?;
        let folder = dir.generation(&current.generation);
        let manifest = Manifest::read(&folder, Some(current.manifest)).ok()?;
        manifest.check_files(&folder).ok()?;
        let words = Words::open(&folder.join(layout::BM25), manifest.metadata.clone()).ok()?;
        let vectors = Vectors::read(&folder, manifest.dimension, manifest.vector_parts).ok()?;
        Some(Self { folder, manifest, words, vectors: Some(vectors) })
    }

    /// The number of the live generation, whole or not.
    pub fn named(dir: &IndexDir) -> Option<u64> {
        layout::generation_number(&Current::read(dir).ok()?.generation)
    }

    /// Whether its segments have a place for all of this: tantivy's fields are settled with its first segment, and
    /// which lanes an entry has with the entry.
    pub fn takes(&self, lanes: &[Lane], metadata: &MetaColumns) -> bool {
        let entries = self.manifest.lanes.iter();
        self.manifest.words == analysis::VERSION
            && self.manifest.metadata.hold(metadata)
            && entries.map(|entry| &entry.lane).eq(lanes)
            && lanes.iter().all(|lane| self.words.has(&lane.field))
    }

    /// Whether so many more chunks may be added and removed before all is better written afresh.
    pub fn bears(&self, added: usize, removed: usize) -> bool {
        let (segments, dead) = self.words.fragments();
        let alive = self.words.chunks().count() as f64;
        let dead = dead * alive / (1.0 - dead).max(0.01) + removed as f64;
        segments < MOST_SEGMENTS && alive > 0.0 && dead.max(added as f64) <= alive * MOST_DEAD
    }

    /// Shares its segments, which nobody ever changes, with a new folder.
    pub fn share_words(&self, folder: &Path) -> Result<(), IndexError> {
        for entry in &self.manifest.files {
            if entry.path.starts_with(layout::BM25) {
                share(&self.folder, folder, &entry.path)?;
            }
        }
        Ok(())
    }

    /// Shares the first parts of its vectors.
    pub fn share_vectors(&self, folder: &Path, parts: usize) -> Result<(), IndexError> {
        for part in 0..parts {
            share(&self.folder, folder, &layout::vectors_file(part))?;
            share(&self.folder, folder, &layout::keys_file(part))?;
        }
        Ok(())
    }
}

/// The same file under a second name; a copy where the disk has no such thing. tantivy's `meta.json` is replaced
/// whole by its writer, never written into, so that the first name keeps what it had.
fn share(from: &Path, to: &Path, name: &str) -> Result<(), IndexError> {
    let (old, new) = (from.join(name), to.join(name));
    let linked = fs::hard_link(&old, &new).or_else(|_| fs::copy(&old, &new).map(drop));
    linked.map_err(|source| IndexError::io(&new, source))
}

//! What a generation is made of, for whoever copies it elsewhere: words with their statistics, vectors with the hashes of
//! their texts. Copying back keeps the vectors, so that nothing is embedded again.

use std::collections::{BTreeMap, HashSet};

use frontload_core::{ChunkId, Digest, Field, Lane};

use crate::{
    IndexDir, IndexError, IndexedChunk, LaneStatistics, Reader, WriterLock,
    analysis::Analysis,
    dense::{DenseLane, Row},
    writer::{Unfinished, texts},
};

/// One place a vector stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VectorRow<'a> {
    /// The handle's position among the chunk's handles of its kind, or the piece of the chunk's text.
    pub item: u32,
    /// The hash of the embedded text and what the model was told before it.
    pub text: Digest,
    /// The vector.
    pub vector: &'a [f32],
}

impl Reader {
    /// What is counted of a field's words; nothing where the field has no lane of words here.
    ///
    /// # Errors
    /// When a file that was whole when opened no longer is.
    pub fn statistics(&self, field: &Field) -> Result<LaneStatistics, IndexError> {
        let Some(files) = self.files() else { return Ok(LaneStatistics::default()) };
        files.words.statistics(field).map_err(|error| files.broken(&error))
    }

    /// A chunk's words in one field, each with how often it stands there, and how many there are.
    pub fn words_of_chunk(&self, field: &Field, chunk: &IndexedChunk) -> (BTreeMap<String, u32>, u32) {
        let schema = self.manifest().schema.as_ref();
        let kind = match field {
            Field::Handle(kind) => schema.and_then(|schema| schema.kind(kind)),
            Field::Body | Field::Title | Field::Concatenated => None,
        };
        let analysis = Analysis::of(field, chunk, kind, self.manifest().language.as_deref());
        let (mut counts, mut length) = (BTreeMap::new(), 0);
        for word in texts(chunk, field).iter().flat_map(|text| analysis.words(text)) {
            *counts.entry(word).or_default() += 1;
            length += 1;
        }
        (counts, length)
    }

    /// A chunk's vectors in one lane.
    pub fn vectors_of_chunk(&self, lane: &Lane, chunk: ChunkId) -> Vec<VectorRow<'_>> {
        let Some(files) = self.files() else { return Vec::new() };
        let rows = files.dense.get(&lane.field).map(|dense| dense.rows_of(chunk)).unwrap_or_default();
        let row = |row: &Row| {
            let (vector, text) = (files.vectors.get(row.vector)?, *files.vectors.keys.get(row.vector as usize)?);
            Some(VectorRow { item: row.item, text, vector })
        };
        rows.iter().filter_map(row).collect()
    }

    /// The mean of a lane's vectors.
    pub fn mean_vector(&self, lane: &Lane) -> &[f32] {
        self.files().and_then(|files| files.dense.get(&lane.field)).map(DenseLane::mean).unwrap_or_default()
    }
}

/// Vectors that the next build takes instead of embedding their texts.
pub struct KeptVectors {
    unfinished: Unfinished,
    kept: HashSet<Digest>,
}

impl KeptVectors {
    /// Opens what is kept for builds with this embedding model.
    pub fn open(dir: &IndexDir, _lock: &WriterLock, embedder: &str, dimension: usize) -> Self {
        let (unfinished, kept) = Unfinished::open(dir, embedder, dimension);
        Self { unfinished, kept: kept.into_iter().map(|(text, _)| text).collect() }
    }

    /// Keeps vectors, each with the hash of its text.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep(&mut self, vectors: &[(Digest, Vec<f32>)]) -> Result<(), IndexError> {
        let new: Vec<(Digest, Vec<f32>)> =
            vectors.iter().filter(|(text, _)| self.kept.insert(*text)).cloned().collect();
        self.unfinished.keep(&new)
    }
}

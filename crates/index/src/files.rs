//! The files of one generation, open: what is searched when the lanes lie on this disk.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use frontload_core::{ChunkId, Field, Filter, Lane, Method, Scale, Scored};

use crate::{
    IndexError, IndexedChunk,
    bm25::{Among, UnknownInFilter, Words},
    dense::{DenseLane, Vectors},
    layout,
    manifest::Manifest,
    places::Places,
};

/// All that is open of a generation.
pub(crate) struct Files {
    folder: PathBuf,
    pub(crate) words: Words,
    places: Places,
    pub(crate) vectors: Vectors,
    pub(crate) dense: BTreeMap<Field, DenseLane>,
}

impl Files {
    pub fn open(folder: &Path, manifest: &Manifest) -> Result<Self, IndexError> {
        // Before anything else touches a byte: tantivy trusts what it reads.
        manifest.check_files(folder)?;
        let words = Words::open(&folder.join(layout::BM25), manifest.metadata.clone())?;
        let vectors = Vectors::read(folder, manifest.dimension, manifest.vector_parts)?;
        let mut dense = BTreeMap::new();
        for entry in manifest.lanes.iter().filter(|entry| entry.lane.method == Method::Dense) {
            let lane = DenseLane::open(folder, &entry.lane.field, &vectors, entry.graph.is_some())?;
            if lane.len() as u64 != entry.rows {
                let problem = format!("lane {} has {} rows, the manifest says {}", entry.lane, lane.len(), entry.rows);
                return Err(IndexError::corrupt(folder, problem));
            }
            dense.insert(entry.lane.field.clone(), lane);
        }
        let places = Places::read(folder)?;
        Ok(Self { folder: folder.to_owned(), words, places, vectors, dense })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn among(&self, filter: &Filter) -> Result<Among, IndexError> {
        self.words.among(filter).map_err(|error| match error {
            UnknownInFilter::Subject { subject, known } => IndexError::UnknownInFilter { subject, known },
            UnknownInFilter::Broken(error) => self.broken(&error),
        })
    }

    pub fn search_words(
        &self,
        field: &Field,
        words: &[String],
        limits: (usize, Option<&Among>),
    ) -> Result<(Vec<Scored>, Scale), IndexError> {
        self.words.search(field, words, limits).map_err(|error| self.broken(&error))
    }

    /// An empty vector finds nothing.
    pub fn search_vectors(
        &self,
        field: &Field,
        vector: &[f32],
        limits: (usize, Option<&Among>),
    ) -> (Vec<Scored>, Scale) {
        match self.dense.get(field) {
            Some(dense) if !vector.is_empty() => (dense.search(vector, &self.vectors, limits), dense.scale(vector)),
            _ => (Vec::new(), Scale { floor: 0.0, ceiling: 0.0 }),
        }
    }

    pub fn score_words(&self, field: &Field, words: &[String], chunks: &[ChunkId]) -> Result<Vec<Scored>, IndexError> {
        self.words.score(field, words, chunks).map_err(|error| self.broken(&error))
    }

    pub fn score_vectors(&self, field: &Field, vector: &[f32], chunks: &[ChunkId]) -> Vec<Scored> {
        let dense = self.dense.get(field).filter(|_| !vector.is_empty());
        let score = |dense: &DenseLane, chunk: &ChunkId| dense.score(vector, &self.vectors, *chunk);
        dense.map_or_else(Vec::new, |dense| chunks.iter().filter_map(|chunk| score(dense, chunk)).collect())
    }

    pub fn lane_bytes(&self, lane: &Lane, manifest: &Manifest) -> Result<u64, IndexError> {
        if lane.method == Method::Bm25 {
            return self.words.bytes(&lane.field).map_err(|error| self.broken(&error));
        }
        let Some(own) = self.dense.get(&lane.field) else { return Ok(0) };
        let others = self.dense.iter().filter(|(field, _)| **field != lane.field);
        let elsewhere: HashSet<u32> = others.flat_map(|(_, other)| other.vectors()).copied().collect();
        let vectors = own.vectors().iter().filter(|vector| !elsewhere.contains(vector)).count();
        let files = layout::lane_files(&lane.field);
        let listed = manifest.files.iter().filter(|entry| files.contains(&entry.path));
        Ok(listed.map(|entry| entry.bytes).sum::<u64>() + (vectors * manifest.dimension * size_of::<f32>()) as u64)
    }

    pub fn graph_state(&self, lane: &Lane) -> Option<(usize, usize, usize)> {
        self.dense.get(&lane.field).filter(|_| lane.method == Method::Dense)?.graph_state()
    }

    pub fn chunk(&self, chunk: ChunkId) -> Result<IndexedChunk, IndexError> {
        let record = self.words.record(chunk).map_err(|error| self.broken(&error))?;
        let mut record =
            record.ok_or_else(|| IndexError::corrupt(&self.folder, format!("chunk {} is not stored", chunk.0)))?;
        record.chunk.place = self.places.get(chunk);
        Ok(record)
    }

    pub fn lane_items(&self, field: &Field) -> impl Iterator<Item = (ChunkId, u32, &[f32])> {
        let rows = self.dense.get(field).map(DenseLane::rows).into_iter().flatten();
        rows.filter_map(|row| Some((ChunkId(row.chunk), row.item, self.vectors.get(row.vector)?)))
    }

    pub fn ids(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.words.chunks().map(|(chunk, _)| chunk)
    }

    pub fn broken(&self, error: &tantivy::TantivyError) -> IndexError {
        IndexError::corrupt(&self.folder.join(layout::BM25), error)
    }
}

//! Reading a generation: checked first, then searched lane by lane.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use frontload_core::{Chunk, ChunkId, Digest, Field, Handle, Interval, Lane, Method, Rejected, Scored};
use serde::{Deserialize, Serialize};

use crate::{
    IndexDir, IndexError,
    bm25::{self, Among, Words},
    dense::{DenseLane, Vectors},
    layout,
    manifest::{Current, Manifest},
};

/// A chunk as it is stored in a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedChunk {
    /// The chunk.
    pub chunk: Chunk,
    /// Its handles, those of one kind in the order of their item numbers.
    pub handles: Vec<Handle>,
    /// What the gates turned away: shown to people, never searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// An open generation. It holds everything it needs: neither the ledger nor the state is ever opened.
pub struct Reader {
    folder: PathBuf,
    manifest: Manifest,
    words: Words,
    vectors: Vectors,
    dense: BTreeMap<Field, DenseLane>,
}

/// What opening found.
pub struct Opened {
    /// The generation.
    pub reader: Reader,
    /// When the live generation is damaged and an older one answers instead: what is wrong with it.
    pub stale: Option<IndexError>,
}

impl Reader {
    /// Opens the live generation, or the newest whole one when the live one is damaged.
    ///
    /// # Errors
    /// When there is no index, it is of a newer format, or no generation is whole.
    pub fn open(dir: &IndexDir) -> Result<Opened, IndexError> {
        let current = Current::read(dir);
        let live = current.as_ref().map_or_else(|_| None, |current| Some(current.generation.clone()));
        let damage = match current {
            Ok(current) => {
                let folder = dir.generation(&current.generation);
                match Manifest::read(&folder, Some(current.manifest)).and_then(|found| Self::load(&folder, found)) {
                    Ok(reader) => return Ok(Opened { reader, stale: None }),
                    Err(error @ IndexError::Corrupt { .. }) => error,
                    Err(error) => return Err(error),
                }
            }
            Err(error @ IndexError::Corrupt { .. }) => error,
            Err(error) => return Err(error),
        };
        let mut numbers = generations(dir);
        numbers.sort_unstable_by(|left, right| right.cmp(left));
        for name in numbers.into_iter().map(layout::generation_name).filter(|name| Some(name) != live.as_ref()) {
            let folder = dir.generation(&name);
            if let Ok(reader) = Manifest::read(&folder, None).and_then(|manifest| Self::load(&folder, manifest)) {
                return Ok(Opened { reader, stale: Some(damage) });
            }
        }
        Err(damage)
    }

    /// The hash of the live generation's manifest, to notice another one without opening it.
    ///
    /// # Errors
    /// When `CURRENT` cannot be read.
    pub fn live_manifest(dir: &IndexDir) -> Result<Digest, IndexError> {
        Ok(Current::read(dir)?.manifest)
    }

    fn load(folder: &Path, manifest: Manifest) -> Result<Self, IndexError> {
        // Before tantivy or hnsw_rs touch a byte: both trust what they read.
        manifest.check_files(folder)?;
        let words = Words::open(&folder.join(layout::BM25))?;
        let vectors = Vectors::read(folder, manifest.dimension)?;
        let mut dense = BTreeMap::new();
        for entry in manifest.lanes.iter().filter(|entry| entry.lane.method == Method::Dense) {
            let lane = DenseLane::open(folder, &entry.lane.field, &vectors, entry.graph)?;
            if lane.len() as u64 != entry.rows {
                let problem = format!("lane {} has {} rows, the manifest says {}", entry.lane, lane.len(), entry.rows);
                return Err(IndexError::corrupt(folder, problem));
            }
            dense.insert(entry.lane.field.clone(), lane);
        }
        Ok(Self { folder: folder.to_owned(), manifest, words, vectors, dense })
    }

    /// What the generation is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The chunks with a handle of a time that touches these days.
    ///
    /// # Errors
    /// When a file that was whole when opened no longer is.
    pub fn during(&self, days: Interval) -> Result<Among, IndexError> {
        self.words.during(days).map_err(|error| self.broken(&error))
    }

    /// Looks along one lane, among some chunks or all: `words` are matched in a BM25 lane, `vector` in a dense one.
    ///
    /// # Errors
    /// When a file that was whole when opened no longer is.
    pub fn search(
        &self,
        lane: &Lane,
        (words, vector): (&str, &[f32]),
        limits: (usize, Option<&Among>),
    ) -> Result<Vec<Scored>, IndexError> {
        match lane.method {
            Method::Bm25 => self.words.search(&lane.field, words, limits).map_err(|error| self.broken(&error)),
            Method::Dense if vector.len() != self.manifest.dimension => Ok(Vec::new()),
            Method::Dense => {
                let lane = self.dense.get(&lane.field);
                Ok(lane.map_or_else(Vec::new, |lane| lane.search(vector, &self.vectors, limits)))
            }
        }
    }

    /// One chunk with its handles.
    ///
    /// # Errors
    /// When the chunk is not in the generation.
    pub fn chunk(&self, chunk: ChunkId) -> Result<IndexedChunk, IndexError> {
        let record = self.words.record(chunk).map_err(|error| self.broken(&error))?;
        record.ok_or_else(|| IndexError::corrupt(&self.folder, format!("chunk {} is not stored", chunk.0)))
    }

    /// All chunks, in order.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub fn chunks(&self) -> impl Iterator<Item = Result<IndexedChunk, IndexError>> + '_ {
        (0..self.manifest.chunks).map(|id| self.chunk(ChunkId(id as u32)))
    }

    /// Which of these texts shares most words with the query, the first one winning a tie: how a BM25 lane's
    /// hit is traced to a handle.
    pub fn closest_text(query: &str, texts: &[&str]) -> Option<usize> {
        let wanted: HashSet<String> = bm25::words(query).into_iter().collect();
        let shared = |text: &str| bm25::words(text).iter().filter(|word| wanted.contains(*word)).count();
        let best = texts.iter().enumerate().max_by_key(|(at, text)| (shared(text), std::cmp::Reverse(*at)))?;
        (shared(best.1) > 0).then_some(best.0)
    }

    pub(crate) fn into_vectors(self) -> Vectors {
        self.vectors
    }

    fn broken(&self, error: &tantivy::TantivyError) -> IndexError {
        IndexError::corrupt(&self.folder.join(layout::BM25), error)
    }
}

/// The numbers of all generations on disk.
pub(crate) fn generations(dir: &IndexDir) -> Vec<u64> {
    let entries = std::fs::read_dir(dir.generations()).into_iter().flatten().flatten();
    entries.filter_map(|entry| layout::generation_number(entry.file_name().to_str()?)).collect()
}

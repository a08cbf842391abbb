//! Reading a generation: checked first, then searched lane by lane.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use frontload_core::{Chunk, ChunkId, Digest, Field, Filter, Handle, Lane, Method, Rejected, Said, Scale, Scored};
use serde::{Deserialize, Serialize};

use crate::{
    IndexDir, IndexError,
    analysis::{self, Analysis},
    bm25::{Among, UnknownInFilter, Words},
    dense::{DenseLane, Vectors},
    layout,
    manifest::{Current, LaneEntry, Manifest},
    places::Places,
};

/// A chunk as it is stored in a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexedChunk {
    /// The chunk.
    pub chunk: Chunk,
    /// Its handles, those of one kind in the order of their item numbers.
    pub handles: Vec<Handle>,
    /// What the gates turned away: shown to people, never searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// What the model said, raw: shown to people, never searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
}

/// An open generation. It holds everything it needs: neither the ledger nor the state is ever opened.
pub struct Reader {
    folder: PathBuf,
    manifest: Manifest,
    words: Words,
    places: Places,
    vectors: Vectors,
    dense: BTreeMap<Field, DenseLane>,
}

/// A query, made ready for every lane of one generation.
#[derive(Debug, Clone, Default)]
pub struct LaneQuery {
    /// Its words, by the ways in which a lane's were made.
    words: BTreeMap<String, Vec<String>>,
    /// Its vector; empty where there is none.
    vector: Vec<f32>,
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
                    // One flipped bit makes a format another: only what CURRENT vouches for is really of that one.
                    Err(error @ (IndexError::Newer { .. } | IndexError::Older { .. })) if !current.vouches(dir) => {
                        error
                    }
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

    /// Opens one generation by its number.
    ///
    /// # Errors
    /// When it is not there, damaged, or of another format.
    pub fn open_generation(dir: &IndexDir, number: u64) -> Result<Self, IndexError> {
        let folder = dir.generation(&layout::generation_name(number));
        if !folder.is_dir() {
            let (path, mut kept) = (dir.path().to_owned(), generations(dir));
            kept.sort_unstable();
            return Err(IndexError::NoGeneration { path, number, kept });
        }
        Manifest::read(&folder, None).and_then(|manifest| Self::load(&folder, manifest))
    }

    /// The numbers of the generations on disk, ascending.
    pub fn generations(dir: &IndexDir) -> Vec<u64> {
        let mut numbers = generations(dir);
        numbers.sort_unstable();
        numbers
    }

    /// The hash of the live generation's manifest, to notice another one without opening it.
    ///
    /// # Errors
    /// When `CURRENT` cannot be read.
    pub fn live_manifest(dir: &IndexDir) -> Result<Digest, IndexError> {
        Ok(Current::read(dir)?.manifest)
    }

    fn load(folder: &Path, manifest: Manifest) -> Result<Self, IndexError> {
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
        Ok(Self { folder: folder.to_owned(), manifest, words, places, vectors, dense })
    }

    /// What the generation is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The chunks a filter lets through.
    ///
    /// # Errors
    /// When it names a fact or kind that no chunk has, or a file that was whole when opened no longer is.
    pub fn among(&self, filter: &Filter) -> Result<Among, IndexError> {
        self.words.among(filter).map_err(|error| match error {
            UnknownInFilter::Subject { subject, known } => IndexError::UnknownInFilter { subject, known },
            UnknownInFilter::Broken(error) => self.broken(&error),
        })
    }

    /// Makes a query ready: `vector` is its own, or empty.
    pub fn prepare(&self, query: &str, vector: Vec<f32>) -> LaneQuery {
        let mut words = BTreeMap::new();
        for entry in self.manifest.lanes.iter().filter(|entry| entry.lane.method == Method::Bm25) {
            let found = || analysis::query_words(query, &entry.analyses);
            words.entry(ways(&entry.analyses)).or_insert_with(found);
        }
        let usable = vector.len() == self.manifest.dimension && vector.iter().any(|&value| value != 0.0);
        LaneQuery { words, vector: if usable { vector } else { Vec::new() } }
    }

    /// Looks along one lane, among some chunks or all; also says what the scores mean.
    ///
    /// # Errors
    /// When a file that was whole when opened no longer is.
    pub fn search(
        &self,
        lane: &Lane,
        query: &LaneQuery,
        limits: (usize, Option<&Among>),
    ) -> Result<(Vec<Scored>, Scale), IndexError> {
        let nothing = (Vec::new(), Scale { floor: 0.0, ceiling: 0.0 });
        match lane.method {
            Method::Bm25 => match self.words_of(lane, query) {
                Some(words) => self.words.search(&lane.field, words, limits).map_err(|error| self.broken(&error)),
                None => Ok(nothing),
            },
            Method::Dense => match self.dense.get(&lane.field) {
                Some(dense) if !query.vector.is_empty() => {
                    let vector = &query.vector;
                    Ok((dense.search(vector, &self.vectors, limits), dense.scale(vector)))
                }
                _ => Ok(nothing),
            },
        }
    }

    /// The exact scores of some chunks in one lane; those that have none there are left out.
    ///
    /// # Errors
    /// When a file that was whole when opened no longer is.
    pub fn score(&self, lane: &Lane, query: &LaneQuery, chunks: &[ChunkId]) -> Result<Vec<Scored>, IndexError> {
        match lane.method {
            Method::Bm25 => match self.words_of(lane, query) {
                Some(words) => self.words.score(&lane.field, words, chunks).map_err(|error| self.broken(&error)),
                None => Ok(Vec::new()),
            },
            Method::Dense => {
                let dense = self.dense.get(&lane.field).filter(|_| !query.vector.is_empty());
                let score = |dense: &DenseLane, chunk: &ChunkId| dense.score(&query.vector, &self.vectors, *chunk);
                Ok(dense.map_or_else(Vec::new, |dense| chunks.iter().filter_map(|chunk| score(dense, chunk)).collect()))
            }
        }
    }

    fn words_of<'a>(&self, lane: &Lane, query: &'a LaneQuery) -> Option<&'a [String]> {
        query.words.get(&ways(&self.entry(lane)?.analyses)).map(Vec::as_slice)
    }

    fn entry(&self, lane: &Lane) -> Option<&LaneEntry> {
        self.manifest.lanes.iter().find(|entry| entry.lane == *lane)
    }

    /// What a lane takes on disk, in bytes: its part of the word index, or its own files and the vectors that stand in
    /// no other lane.
    ///
    /// # Errors
    /// When a file that was whole when opened no longer is.
    pub fn lane_bytes(&self, lane: &Lane) -> Result<u64, IndexError> {
        if lane.method == Method::Bm25 {
            return self.words.bytes(&lane.field).map_err(|error| self.broken(&error));
        }
        let Some(own) = self.dense.get(&lane.field) else { return Ok(0) };
        let others = self.dense.iter().filter(|(field, _)| **field != lane.field);
        let elsewhere: HashSet<u32> = others.flat_map(|(_, other)| other.vectors()).copied().collect();
        let vectors = own.vectors().iter().filter(|vector| !elsewhere.contains(vector)).count();
        let files = layout::lane_files(&lane.field);
        let listed = self.manifest.files.iter().filter(|entry| files.contains(&entry.path));
        Ok(listed.map(|entry| entry.bytes).sum::<u64>() + (vectors * self.manifest.dimension * size_of::<f32>()) as u64)
    }

    /// Of a lane's graph: its points, how many of them live, and how many vectors are scanned beside it.
    pub fn graph_state(&self, lane: &Lane) -> Option<(usize, usize, usize)> {
        self.dense.get(&lane.field).filter(|_| lane.method == Method::Dense)?.graph_state()
    }

    /// One chunk with its handles.
    ///
    /// # Errors
    /// When the chunk is not in the generation.
    pub fn chunk(&self, chunk: ChunkId) -> Result<IndexedChunk, IndexError> {
        let record = self.words.record(chunk).map_err(|error| self.broken(&error))?;
        let mut record =
            record.ok_or_else(|| IndexError::corrupt(&self.folder, format!("chunk {} is not stored", chunk.0)))?;
        record.chunk.place = self.places.get(chunk);
        Ok(record)
    }

    /// The folder of the generation.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every place of a vector lane: the chunk and the vector.
    pub fn lane_vectors(&self, lane: &Lane) -> impl Iterator<Item = (ChunkId, &[f32])> {
        let rows = self.dense.get(&lane.field).map(DenseLane::rows).into_iter().flatten();
        rows.filter_map(|row| Some((ChunkId(row.chunk), self.vectors.get(row.vector)?)))
    }

    /// Every place of a vector lane with the number of its item: of a kind, which of the chunk's handles.
    pub fn lane_items(&self, lane: &Lane) -> impl Iterator<Item = (ChunkId, u32, &[f32])> {
        let rows = self.dense.get(&lane.field).map(DenseLane::rows).into_iter().flatten();
        rows.filter_map(|row| Some((ChunkId(row.chunk), row.item, self.vectors.get(row.vector)?)))
    }

    /// The words of a prepared query, as the body's lane is asked for them.
    pub fn words_of_query<'a>(&self, query: &'a LaneQuery) -> &'a [String] {
        let body = Lane { field: Field::Body, method: Method::Bm25 };
        self.words_of(&body, query).unwrap_or_default()
    }

    /// The numbers of all chunks, ascending.
    pub fn ids(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.words.chunks().map(|(chunk, _)| chunk)
    }

    /// All chunks, by their numbers.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub fn chunks(&self) -> impl Iterator<Item = Result<IndexedChunk, IndexError>> + '_ {
        self.ids().map(|id| self.chunk(id))
    }

    /// Which of these texts of a field shares most words with the query, the first one winning a tie: how a BM25
    /// lane's hit is traced to a handle.
    pub fn closest_text(&self, lane: &Lane, query: &LaneQuery, texts: &[&str]) -> Option<usize> {
        let wanted: HashSet<&String> = self.words_of(lane, query)?.iter().collect();
        let ways = &self.entry(lane)?.analyses;
        let shared = |text: &str| analysis::query_words(text, ways).iter().filter(|word| wanted.contains(word)).count();
        let best = texts.iter().enumerate().max_by_key(|(at, text)| (shared(text), std::cmp::Reverse(*at)))?;
        (shared(best.1) > 0).then_some(best.0)
    }

    fn broken(&self, error: &tantivy::TantivyError) -> IndexError {
        IndexError::corrupt(&self.folder.join(layout::BM25), error)
    }
}

/// Lanes whose words were made in the same ways are asked for the same words.
fn ways(analyses: &[Analysis]) -> String {
    analyses.iter().map(Analysis::to_string).collect::<Vec<_>>().join(" ")
}

/// The numbers of all generations on disk.
pub(crate) fn generations(dir: &IndexDir) -> Vec<u64> {
    let entries = std::fs::read_dir(dir.generations()).into_iter().flatten().flatten();
    entries.filter_map(|entry| layout::generation_number(entry.file_name().to_str()?)).collect()
}

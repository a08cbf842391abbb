//! Reading a generation: checked first, then searched lane by lane. Its files lie here, or its lanes in an engine
//! elsewhere; whoever searches does not know which.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use frontload_core::{Chunk, ChunkId, Digest, Field, Filter, Handle, Lane, Method, Rejected, Said, Scale, Scored};
use serde::{Deserialize, Serialize};

use crate::{
    Ask, Elsewhere, IndexDir, IndexError, Sought,
    analysis::{self, Analysis},
    bm25::Among,
    files::Files,
    layout,
    manifest::{Current, LaneEntry, Manifest},
    scope::Scope,
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
    manifest: Manifest,
    store: Store,
}

/// Where a generation lies.
enum Store {
    Here(Box<Files>),
    Elsewhere(Box<Elsewhere>),
}

/// What the scores of a lane mean that has nothing to say.
const NOTHING: Scale = Scale { floor: 0.0, ceiling: 0.0 };

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
        let files = Files::open(folder, &manifest)?;
        Ok(Self { manifest, store: Store::Here(Box::new(files)) })
    }

    /// Where the live generation was copied from, if it was and has handles, whose ledger is elsewhere then.
    pub fn copied_from(dir: &IndexDir) -> Option<String> {
        let current = Current::read(dir).ok()?;
        let manifest = Manifest::read(&dir.generation(&current.generation), Some(current.manifest)).ok()?;
        manifest.copied_from.filter(|_| manifest.handles > 0)
    }

    /// A generation whose lanes lie elsewhere.
    pub fn elsewhere(manifest: Manifest, elsewhere: Elsewhere) -> Self {
        Self { manifest, store: Store::Elsewhere(Box::new(elsewhere)) }
    }

    /// Another generation, if one was published where this one lies since it was opened. Files on this disk say so
    /// themselves: see [`live_manifest`](Self::live_manifest).
    ///
    /// # Errors
    /// When what holds the lanes does not answer, or the new generation cannot be opened.
    pub fn newer(&self) -> Result<Option<Self>, IndexError> {
        match &self.store {
            Store::Here(_) => Ok(None),
            Store::Elsewhere(place) => Ok(place.ask(|reply| Ask::Newer { reply })?.map(|reader| *reader)),
        }
    }

    /// The files, where they lie here.
    pub(crate) fn files(&self) -> Option<&Files> {
        match &self.store {
            Store::Here(files) => Some(files),
            Store::Elsewhere(_) => None,
        }
    }

    /// What the generation is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The chunks a filter lets through.
    ///
    /// # Errors
    /// When it names a fact or kind that no chunk has, a file that was whole when opened no longer is, or what holds
    /// the lanes does not answer.
    pub fn among(&self, filter: &Filter) -> Result<Among, IndexError> {
        match &self.store {
            Store::Here(files) => files.among(filter),
            Store::Elsewhere(place) => place.ask(|reply| Ask::Among { filter: filter.clone(), reply }).map(Among::of),
        }
    }

    /// A filter, made ready to confine searches.
    ///
    /// # Errors
    /// As [`among`](Self::among).
    pub fn scope(&self, filter: &Filter) -> Result<Scope, IndexError> {
        Ok(match &self.store {
            Store::Here(files) => Scope::of_chunks(files.among(filter)?),
            Store::Elsewhere(place) => {
                place.ask(|reply| Ask::Check { filter: filter.clone(), reply })?;
                Scope::of_filter(filter.clone())
            }
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

    /// Looks along one lane, within a scope or all of it; also says what the scores mean.
    ///
    /// # Errors
    /// When a file that was whole when opened no longer is, or what holds the lanes does not answer.
    pub fn search(
        &self,
        lane: &Lane,
        query: &LaneQuery,
        (depth, scope): (usize, Option<&Scope>),
    ) -> Result<(Vec<Scored>, Scale), IndexError> {
        match &self.store {
            Store::Here(files) => {
                let among = scope.and_then(Scope::chunks);
                match lane.method {
                    Method::Bm25 => match self.words_of(lane, query) {
                        Some(words) => files.search_words(&lane.field, words, (depth, among)),
                        None => Ok((Vec::new(), NOTHING)),
                    },
                    Method::Dense => Ok(files.search_vectors(&lane.field, &query.vector, (depth, among))),
                }
            }
            Store::Elsewhere(place) => {
                let Some(sought) = self.sought(lane, query).filter(|_| depth > 0) else {
                    return Ok((Vec::new(), NOTHING));
                };
                let filter = scope.and_then(Scope::filter).cloned();
                place.ask(|reply| Ask::Search { lane: lane.clone(), sought, depth, filter, reply })
            }
        }
    }

    /// The exact scores of some chunks in one lane; those that have none there are left out.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn score(&self, lane: &Lane, query: &LaneQuery, chunks: &[ChunkId]) -> Result<Vec<Scored>, IndexError> {
        match &self.store {
            Store::Here(files) => match lane.method {
                Method::Bm25 => match self.words_of(lane, query) {
                    Some(words) => files.score_words(&lane.field, words, chunks),
                    None => Ok(Vec::new()),
                },
                Method::Dense => Ok(files.score_vectors(&lane.field, &query.vector, chunks)),
            },
            Store::Elsewhere(place) => {
                let Some(sought) = self.sought(lane, query).filter(|_| !chunks.is_empty()) else {
                    return Ok(Vec::new());
                };
                place.ask(|reply| Ask::Score { lane: lane.clone(), sought, chunks: chunks.to_vec(), reply })
            }
        }
    }

    /// What a lane is asked for, if this generation has it and the query has anything for it.
    fn sought(&self, lane: &Lane, query: &LaneQuery) -> Option<Sought> {
        self.entry(lane)?;
        match lane.method {
            Method::Bm25 => {
                self.words_of(lane, query).filter(|words| !words.is_empty()).map(|words| Sought::Words(words.to_vec()))
            }
            Method::Dense => (!query.vector.is_empty()).then(|| Sought::Vector(query.vector.clone())),
        }
    }

    fn words_of<'a>(&self, lane: &Lane, query: &'a LaneQuery) -> Option<&'a [String]> {
        query.words.get(&ways(&self.entry(lane)?.analyses)).map(Vec::as_slice)
    }

    fn entry(&self, lane: &Lane) -> Option<&LaneEntry> {
        self.manifest.lanes.iter().find(|entry| entry.lane == *lane)
    }

    /// What a lane takes on disk, in bytes: its part of the word index, or its own files and the vectors that stand in
    /// no other lane. Of one that lies elsewhere, what it took where it was built.
    ///
    /// # Errors
    /// When a file that was whole when opened no longer is.
    pub fn lane_bytes(&self, lane: &Lane) -> Result<u64, IndexError> {
        match &self.store {
            Store::Here(files) => files.lane_bytes(lane, &self.manifest),
            Store::Elsewhere(place) => Ok(place.lane_bytes.get(lane).copied().unwrap_or(0)),
        }
    }

    /// Of a lane's graph: its points, how many of them live, and how many vectors are scanned beside it.
    pub fn graph_state(&self, lane: &Lane) -> Option<(usize, usize, usize)> {
        self.files()?.graph_state(lane)
    }

    /// One chunk with its handles.
    ///
    /// # Errors
    /// When the chunk is not in the generation, or what holds it does not answer.
    pub fn chunk(&self, chunk: ChunkId) -> Result<IndexedChunk, IndexError> {
        match &self.store {
            Store::Here(files) => files.chunk(chunk),
            Store::Elsewhere(place) => {
                let mut found = self.fetch(&[chunk])?;
                found.pop().ok_or_else(|| IndexError::Elsewhere {
                    place: place.place.clone(),
                    problem: format!("chunk {} is not stored", chunk.0),
                })
            }
        }
    }

    /// Several chunks at once, in this order.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub fn fetch(&self, chunks: &[ChunkId]) -> Result<Vec<IndexedChunk>, IndexError> {
        match &self.store {
            Store::Here(files) => chunks.iter().map(|chunk| files.chunk(*chunk)).collect(),
            Store::Elsewhere(_) if chunks.is_empty() => Ok(Vec::new()),
            Store::Elsewhere(place) => place.ask(|reply| Ask::Chunks { chunks: chunks.to_vec(), reply }),
        }
    }

    /// The folder of the generation; of one that lies elsewhere there is none.
    pub fn folder(&self) -> Option<&Path> {
        self.files().map(Files::folder)
    }

    /// Every place of a vector lane: the chunk and the vector. Of one that lies elsewhere, none.
    pub fn lane_vectors(&self, lane: &Lane) -> impl Iterator<Item = (ChunkId, &[f32])> {
        self.lane_items(lane).map(|(chunk, _, vector)| (chunk, vector))
    }

    /// Every place of a vector lane with the number of its item: of a kind, which of the chunk's handles. Of one that
    /// lies elsewhere, none.
    pub fn lane_items(&self, lane: &Lane) -> impl Iterator<Item = (ChunkId, u32, &[f32])> {
        self.files().into_iter().flat_map(|files| files.lane_items(&lane.field))
    }

    /// The words of a prepared query, as the body's lane is asked for them.
    pub fn words_of_query<'a>(&self, query: &'a LaneQuery) -> &'a [String] {
        let body = Lane { field: Field::Body, method: Method::Bm25 };
        self.words_of(&body, query).unwrap_or_default()
    }

    /// The numbers of all chunks, ascending.
    pub fn ids(&self) -> impl Iterator<Item = ChunkId> + '_ {
        let (here, there) = match &self.store {
            Store::Here(files) => (Some(files.ids()), None),
            Store::Elsewhere(place) => (None, Some(place.ids())),
        };
        here.into_iter().flatten().chain(there.into_iter().flatten())
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

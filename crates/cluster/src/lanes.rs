//! Searching a published index: each lane is looked along where it lies, and comes back as raw scores. Everything that
//! makes hits of them happens where it always does.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use frontload_core::{ChunkId, Field, Filter, Lane, Method, Scale, Scored};
use frontload_index::{IndexedChunk, Sought, most, query_weight};
use milvus::v2::{ConsistencyLevel, FieldData, SearchVectors, SparseVector, request::dql::SearchRequest};

use crate::{
    ClusterError, Connection, Reason,
    connection::Milvus,
    expression::{both, expression, quoted},
    layout::{HAVING, ITEM, KEY, Kind, MOST_ROWS, NUMBER, RECORD, Set, VECTOR, WEIGHTS, partition},
    near::{Near, best_chunks, best_of},
    publication::{LaneAbout, Publication, beginning, live, live_set},
    publish::windows,
    rows::term_key,
    shelf::{Shelf, built},
};

/// Rows asked for beyond what is wanted, so that equal scores are not parted where the list ends.
const BEYOND: usize = 64;
/// Words remembered; when there are more, all are forgotten.
const REMEMBERED: usize = 200_000;

/// A word's dimension, and how many texts have it.
type Term = (u32, u64);

/// A published index.
pub struct Lanes {
    pub milvus: Milvus,
    pub publication: Publication,
    set: Set,
    /// The first part of its description as it was written, with the hash of what was published in it.
    beginning: Option<String>,
    /// The dimension of a word in its field and how many texts have it; `None` for a word that none has. What is
    /// published never changes, so that a word once looked up stays true.
    terms: Mutex<HashMap<(Field, String), Option<Term>>>,
}

impl Lanes {
    /// Connects and reads what is published.
    ///
    /// # Errors
    /// When nobody answers, or there is nothing.
    pub async fn open(connection: &Connection) -> Result<Self, ClusterError> {
        let mut milvus = connection.connect().await?;
        let Some((set, publication)) = live(&milvus).await? else {
            let (uri, collection) = (connection.uri.clone(), connection.collection.clone());
            return Err(ClusterError::NothingPublished { uri, collection });
        };
        let beginning = beginning(&milvus, set).await?;
        milvus.patience = connection.patience_of_searches;
        Ok(Self { milvus, publication, set, beginning, terms: Mutex::new(HashMap::new()) })
    }

    /// Whether something else is published by now: the alias leads elsewhere, or came back to this set after it was
    /// written anew.
    pub async fn has_newer(&self) -> Result<bool, ClusterError> {
        match live_set(&self.milvus).await? {
            None => Ok(false),
            Some(set) if set != self.set => Ok(true),
            Some(_) => Ok(beginning(&self.milvus, self.set).await? != self.beginning),
        }
    }

    /// A filter as Milvus reads it.
    pub fn expression(&self, filter: &Filter) -> Result<String, ClusterError> {
        Ok(expression(filter, &self.publication.known)?)
    }

    pub async fn search(
        &self,
        lane: &Lane,
        sought: Sought,
        (depth, filter): (usize, Option<&Filter>),
    ) -> Result<(Vec<Scored>, Scale), ClusterError> {
        let nothing = (Vec::new(), Scale { floor: 0.0, ceiling: 0.0 });
        let Some(about) = self.publication.lane(lane) else { return Ok(nothing) };
        let filter = filter.map(|filter| self.expression(filter)).transpose()?;
        let Some((vectors, scale)) = self.vectors(about, sought).await? else { return Ok(nothing) };
        let chunks = self.publication.manifest.chunks.max(1);
        let rows_a_chunk = (about.rows as f64 / chunks as f64).clamp(1.0, 4.0);
        let first = (depth as f64 * rows_a_chunk) as usize + BEYOND;
        let (vectors, filter) = (&vectors, filter.as_deref());
        let best = best_chunks(depth, first, async |limit| self.nearest(lane, vectors, (limit, filter)).await);
        Ok((best.await?, scale))
    }

    pub async fn score(&self, lane: &Lane, sought: Sought, chunks: &[ChunkId]) -> Result<Vec<Scored>, ClusterError> {
        let Some(about) = self.publication.lane(lane) else { return Ok(Vec::new()) };
        let Some((vectors, _)) = self.vectors(about, sought).await? else { return Ok(Vec::new()) };
        let rows = about.most_rows.max(1);
        let mut scored = Vec::with_capacity(chunks.len());
        for part in chunks.chunks((MOST_ROWS / rows).clamp(1, 1024)) {
            let among = numbers_among(part);
            let near = self.nearest(lane, &vectors, ((part.len() * rows).min(MOST_ROWS), Some(&among))).await?;
            scored.extend(best_of(near));
        }
        Ok(scored)
    }

    /// What is looked for, as Milvus takes it, and what its scores mean; nothing where no text has any of the words.
    async fn vectors(&self, about: &LaneAbout, sought: Sought) -> Result<Option<(SearchVectors, Scale)>, ClusterError> {
        match sought {
            Sought::Vector(vector) => {
                // In the order of a scan on disk, up to the last digits.
                let mean = about.mean.iter().map(|bits| f32::from_bits(*bits));
                let floor = vector.iter().zip(mean).map(|(value, mean)| value * mean).sum();
                Ok(Some((SearchVectors::Float(vec![vector]), Scale { floor, ceiling: 1.0 })))
            }
            Sought::Words(words) => {
                let (mut weights, mut ceiling) = (SparseVector::new(), 0.0);
                for (dimension, having) in self.terms(&about.lane.field, &words).await? {
                    ceiling += most(having, about.documents);
                    weights.insert(dimension, query_weight(having, about.documents));
                }
                let vectors = SearchVectors::SparseFloat(vec![weights.clone()]);
                Ok((!weights.is_empty()).then_some((vectors, Scale { floor: 0.0, ceiling })))
            }
        }
    }

    /// The dimensions of words that some text has, in the order of the words.
    async fn terms(&self, field: &Field, words: &[String]) -> Result<Vec<(u32, u64)>, ClusterError> {
        let name = |word: &String| (field.clone(), word.clone());
        let missing: Vec<&String> = {
            let known = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
            words.iter().filter(|word| !known.contains_key(&name(word))).collect()
        };
        let mut looked_up: HashMap<String, (u32, u64)> = HashMap::new();
        if !missing.is_empty() {
            let keys: Vec<String> = missing.iter().map(|word| quoted(&term_key(field, word))).collect();
            let (shelf, filter) = (self.shelf(Kind::Terms), format!("{KEY} in [{}]", keys.join(", ")));
            let found = shelf.query(None, &filter, &[KEY, NUMBER, HAVING], keys.len()).await?;
            let (numbers, havings) = (shelf.numbers(&found, NUMBER)?, shelf.numbers(&found, HAVING)?);
            for ((key, number), having) in shelf.strings(&found, KEY)?.iter().zip(numbers).zip(havings) {
                looked_up.insert(key.clone(), (*number as u32, *having as u64));
            }
        }
        let mut known = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > REMEMBERED {
            known.clear();
        }
        for word in missing {
            known.insert(name(word), looked_up.get(&term_key(field, word)).copied());
        }
        Ok(words.iter().filter_map(|word| known.get(&name(word)).copied().flatten()).collect())
    }

    async fn nearest(
        &self,
        lane: &Lane,
        vectors: &SearchVectors,
        (limit, filter): (usize, Option<&str>),
    ) -> Result<Vec<Near>, ClusterError> {
        let (kind, field) = match lane.method {
            Method::Bm25 => (Kind::Words, WEIGHTS),
            Method::Dense => (Kind::Vectors, VECTOR),
        };
        let shelf = self.shelf(kind);
        let outputs: &[&str] = if kind == Kind::Words { &[NUMBER] } else { &[NUMBER, ITEM] };
        let mut search = SearchRequest::builder()
            .collection_name(&shelf.name)
            .partition_names([partition(&lane.field)])
            .vector_field(field)
            .vectors(vectors.clone())
            .limit(limit as i64)
            .output_fields(outputs.iter().copied())
            .consistency_level(ConsistencyLevel::Bounded);
        if let Some(filter) = filter {
            search = search.filter(filter);
        }
        let graph = self.publication.manifest.lanes.iter().any(|entry| entry.graph.is_some());
        if kind == Kind::Vectors && graph {
            search = search.extra_params([("ef".to_owned(), limit.max(128).to_string())].into());
        }
        let search = built(&shelf, search.build())?;
        let found = shelf.read("search", async |client| client.search(search.clone()).await).await?;
        let Some(found) = found.results().get_results().first() else { return Ok(Vec::new()) };
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let column = |name: &str| {
            let values = found.get_output_field(name).and_then(FieldData::as_int64);
            values.ok_or_else(|| self.milvus.damaged(&shelf.name, format!("field {name} is not what was written")))
        };
        let numbers = column(NUMBER)?;
        let items = if kind == Kind::Vectors { column(ITEM)? } else { &[] };
        let near = |(at, (score, number)): (usize, (&f32, &i64))| {
            let item = items.get(at).map(|item| *item as u32);
            Near { score: *score, chunk: ChunkId(*number as u32), item }
        };
        Ok(found.get_scores().iter().zip(numbers).enumerate().map(near).collect())
    }

    pub async fn chunks(&self, chunks: &[ChunkId]) -> Result<Vec<IndexedChunk>, ClusterError> {
        let shelf = self.shelf(Kind::Chunks);
        let mut records: HashMap<u32, IndexedChunk> = HashMap::with_capacity(chunks.len());
        // A message holds 4 MB, and most chunks are short.
        let mut left: Vec<&[ChunkId]> = chunks.chunks(100).collect();
        while let Some(part) = left.pop() {
            let found = shelf.query(None, &numbers_among(part), &[NUMBER, RECORD], part.len()).await;
            let found = match found {
                Err(ClusterError::Refused { reason: Reason::TooLarge, .. }) if part.len() > 1 => {
                    let (one, other) = part.split_at(part.len() / 2);
                    left.extend([one, other]);
                    continue;
                }
                found => found?,
            };
            let stored = shelf.column(&found, RECORD, FieldData::as_array_varchar)?;
            for (number, record) in shelf.numbers(&found, NUMBER)?.iter().zip(stored) {
                let read = serde_json::from_str(&record.concat());
                records.insert(*number as u32, read.map_err(|error| self.milvus.damaged(&shelf.name, error))?);
            }
        }
        let take = |chunk: &ChunkId| {
            let missing = || self.milvus.damaged(&shelf.name, format!("chunk {} is not stored", chunk.0));
            records.get(&chunk.0).cloned().ok_or_else(missing)
        };
        chunks.iter().map(take).collect()
    }

    pub async fn among(&self, filter: &Filter) -> Result<Vec<ChunkId>, ClusterError> {
        let (shelf, expression) = (self.shelf(Kind::Chunks), self.expression(filter)?);
        let end = self.publication.numbers.last().map_or(0, |range| range.end);
        let mut chunks = Vec::new();
        for window in windows(end, MOST_ROWS as u32) {
            let range = format!("{NUMBER} >= {} and {NUMBER} < {}", window.start, window.end);
            let found = shelf.query(None, &both(&range, Some(&expression)), &[NUMBER], MOST_ROWS).await?;
            chunks.extend(shelf.numbers(&found, NUMBER)?.iter().map(|number| ChunkId(*number as u32)));
        }
        Ok(chunks)
    }

    pub fn shelf(&self, kind: Kind) -> Shelf {
        let name = self.set.collection(&self.milvus.connection.collection, kind);
        Shelf { milvus: self.milvus.clone(), name, kind }
    }
}

fn numbers_among(chunks: &[ChunkId]) -> String {
    let numbers: Vec<String> = chunks.iter().map(|chunk| chunk.0.to_string()).collect();
    format!("{NUMBER} in [{}]", numbers.join(", "))
}

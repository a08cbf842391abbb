//! The word lanes, in tantivy: one text field for the body, one for the title and one for each kind of handle;
//! beside them the columns that filters read.
//!
//! tantivy's query parser is never used: queries are built from analysed words. Words are analysed before tantivy
//! sees them, because the way depends on the document.

mod columns;
mod filter;
mod statistics;
mod weight;
mod write;

use std::path::Path;

use frontload_core::{ChunkId, Field, Filter, Scale, Scored, best_first};
use tantivy::{
    DocAddress, DocSet, Index, IndexReader, ReloadPolicy, Searcher, TERMINATED, TantivyDocument, TantivyError, Term,
    collector::{FilterCollector, TopDocs},
    directory::error::OpenReadError,
    query::{BooleanQuery, EnableScoring, Occur, Query, TermQuery},
    schema::{Field as TantivyField, IndexRecordOption, Value},
};

pub use columns::MetaColumns;
pub use filter::Among;
pub use statistics::LaneStatistics;
pub use weight::{chunk_weight, most, query_weight};
pub(crate) use write::{Change, entry, write};

use crate::{IndexError, IndexedChunk, layout::bm25_field};

/// What a generation may store and open: its words are analysed before, so that this is never asked for.
const TOKENIZER: &str = "raw";
const CHUNK: &str = "chunk";
const RECORD: &str = "record";
/// The first half of a hash over everything that is indexed for a chunk: the same hash, the same entry.
const DIGEST: &str = "digest";
/// The first and last days of a chunk's times, counted from 1970: two columns, in step.
const FROM: &str = "from";
const TO: &str = "to";

/// The open word lanes.
pub(crate) struct Words {
    index: Index,
    searcher: Searcher,
    record: TantivyField,
    /// Where each chunk is stored; `None` where a number is not in use.
    places: Vec<Option<DocAddress>>,
    /// The way back: by segment and document, the chunk. Opening the column for every hit costs more than the search.
    stored: Vec<Vec<ChunkId>>,
    /// Each chunk's [`DIGEST`], in the order of `places`.
    digests: Vec<u64>,
    metadata: MetaColumns,
}

impl Words {
    pub fn open(folder: &Path, metadata: MetaColumns) -> Result<Self, IndexError> {
        // The files were hashed a moment ago: what cannot be opened or locked now was refused by the system, which
        // says nothing against them.
        let wrong = |error: TantivyError| match error {
            TantivyError::IoError(_)
            | TantivyError::LockFailure(..)
            | TantivyError::OpenReadError(OpenReadError::IoError { .. }) => {
                IndexError::io(folder, std::io::Error::other(error))
            }
            _ => IndexError::corrupt(folder, error),
        };
        let index = Index::open_in_dir(folder).map_err(wrong)?;
        let reader: IndexReader =
            index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(wrong)?;
        let record = index.schema().get_field(RECORD).map_err(wrong)?;
        let searcher = reader.searcher();
        let mut words = Self { index, searcher, record, places: vec![], stored: vec![], digests: vec![], metadata };
        words.find_places().map_err(wrong)?;
        Ok(words)
    }

    fn find_places(&mut self) -> Result<(), TantivyError> {
        for (ordinal, segment) in self.searcher.segment_readers().iter().enumerate() {
            let (chunks, digests) = (segment.fast_fields().u64(CHUNK)?, segment.fast_fields().u64(DIGEST)?);
            let mut stored = vec![ChunkId(u32::MAX); segment.max_doc() as usize];
            for document in segment.doc_ids_alive() {
                let Some(chunk) = chunks.first(document) else { continue };
                if let Some(stored) = stored.get_mut(document as usize) {
                    *stored = ChunkId(chunk as u32);
                }
                let chunk = chunk as usize;
                if self.places.len() <= chunk {
                    self.places.resize(chunk + 1, None);
                    self.digests.resize(chunk + 1, 0);
                }
                if let (Some(place), Some(digest)) = (self.places.get_mut(chunk), self.digests.get_mut(chunk)) {
                    *place = Some(DocAddress::new(ordinal as u32, document));
                    *digest = digests.first(document).unwrap_or(0);
                }
            }
            self.stored.push(stored);
        }
        Ok(())
    }

    /// Numbers in use, with what stands under each.
    pub fn chunks(&self) -> impl Iterator<Item = (ChunkId, u64)> + '_ {
        let used =
            |(at, (place, digest)): (usize, (&Option<DocAddress>, &u64))| place.map(|_| (ChunkId(at as u32), *digest));
        self.places.iter().zip(&self.digests).enumerate().filter_map(used)
    }

    /// One more than the highest number in use.
    pub fn capacity(&self) -> usize {
        self.places.len()
    }

    /// Segments, and the share of what they hold that is deleted.
    pub fn fragments(&self) -> (usize, f64) {
        let segments = self.searcher.segment_readers();
        let (all, alive) = segments.iter().fold((0, 0), |(all, alive), segment| {
            (all + u64::from(segment.max_doc()), alive + u64::from(segment.num_docs()))
        });
        (segments.len(), if all == 0 { 0.0 } else { 1.0 - alive as f64 / all as f64 })
    }

    /// Whether a field is indexed.
    pub fn has(&self, field: &Field) -> bool {
        self.index.schema().get_field(&bm25_field(field)).is_ok()
    }

    /// The best chunks for some words in one field, best first, and what their scores mean.
    pub fn search(
        &self,
        field: &Field,
        words: &[String],
        (depth, among): (usize, Option<&Among>),
    ) -> Result<(Vec<Scored>, Scale), TantivyError> {
        let nothing = Scale { floor: 0.0, ceiling: 0.0 };
        let Some((query, ceiling)) = self.query(field, words)?.filter(|_| depth > 0) else {
            return Ok((Vec::new(), nothing));
        };
        let best = TopDocs::with_limit(depth).order_by_score();
        let found = match among.cloned() {
            None => self.searcher.search(&query, &best)?,
            Some(among) => {
                let inside = move |chunk: u64| among.holds(ChunkId(chunk as u32));
                self.searcher.search(&query, &FilterCollector::new(CHUNK.to_owned(), inside, best))?
            }
        };
        let chunk = |at: DocAddress| self.stored.get(at.segment_ord as usize)?.get(at.doc_id as usize).copied();
        let hit = |(score, at)| Some(Scored { chunk: chunk(at)?, score, item: None });
        let mut scored: Vec<Scored> = found.into_iter().filter_map(hit).collect();
        scored.sort_by(best_first);
        Ok((scored, Scale { floor: 0.0, ceiling }))
    }

    /// The scores of these chunks, those that have none of the words left out.
    pub fn score(&self, field: &Field, words: &[String], chunks: &[ChunkId]) -> Result<Vec<Scored>, TantivyError> {
        let Some((query, _)) = self.query(field, words)? else { return Ok(Vec::new()) };
        let place = |&chunk: &ChunkId| Some(((*self.places.get(chunk.0 as usize)?)?, chunk));
        let mut places: Vec<(DocAddress, ChunkId)> = chunks.iter().filter_map(place).collect();
        places.sort_unstable();
        let weight = query.weight(EnableScoring::enabled_from_searcher(&self.searcher))?;
        let mut scored = Vec::with_capacity(places.len());
        for in_segment in places.chunk_by(|left, right| left.0.segment_ord == right.0.segment_ord) {
            let Some((first, _)) = in_segment.first() else { continue };
            let mut scorer = weight.scorer(self.searcher.segment_reader(first.segment_ord), 1.0)?;
            for &(address, chunk) in in_segment {
                // A scorer goes forwards only, and may stand on this document already.
                let at = if scorer.doc() < address.doc_id { scorer.seek(address.doc_id) } else { scorer.doc() };
                if at == TERMINATED {
                    break;
                }
                if at == address.doc_id {
                    scored.push(Scored { chunk, score: scorer.score(), item: None });
                }
            }
        }
        Ok(scored)
    }

    /// The words as a flat list of terms, which tantivy's block-max WAND wants, and the most they could score.
    fn query(&self, field: &Field, words: &[String]) -> Result<Option<(BooleanQuery, f32)>, TantivyError> {
        let Ok(field) = self.index.schema().get_field(&bm25_field(field)) else { return Ok(None) };
        let documents: u64 = self.searcher.segment_readers().iter().map(|one| u64::from(one.max_doc())).sum();
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::with_capacity(words.len());
        let mut ceiling = 0.0;
        for word in words {
            let term = Term::from_field_text(field, word);
            let having = self.searcher.doc_freq(&term)?;
            if having > 0 {
                ceiling += most(having, documents);
                clauses.push((Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))));
            }
        }
        Ok((!clauses.is_empty()).then(|| (BooleanQuery::new(clauses), ceiling)))
    }

    /// What a field's words take on disk, in bytes.
    pub fn bytes(&self, field: &Field) -> Result<u64, TantivyError> {
        let name = bm25_field(field);
        let mut bytes = 0;
        for segment in self.searcher.segment_readers() {
            let usage = segment.space_usage()?;
            for part in [usage.termdict(), usage.postings(), usage.positions(), usage.fieldnorms()] {
                let of_field = part.fields().filter(|usage| usage.field_name() == name);
                bytes += of_field.map(|usage| usage.total().get_bytes()).sum::<u64>();
            }
        }
        Ok(bytes)
    }

    /// The chunks a filter lets through.
    pub fn among(&self, filter: &Filter) -> Result<Among, filter::Unknown> {
        filter::among(self, filter)
    }

    /// One chunk's stored text and handles.
    pub fn record(&self, chunk: ChunkId) -> Result<Option<IndexedChunk>, TantivyError> {
        let Some(address) = self.places.get(chunk.0 as usize).copied().flatten() else { return Ok(None) };
        let document: TantivyDocument = self.searcher.doc(address)?;
        let record = document.get_first(self.record).and_then(|value| value.as_str());
        Ok(record.and_then(|record| serde_json::from_str(record).ok()))
    }
}

pub(crate) use filter::Unknown as UnknownInFilter;

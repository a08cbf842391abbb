//! A filter as the set of chunks it lets through: every condition is one look into a column, the rest is
//! intersection, union and difference of sets.

use std::{ops::Bound, sync::Arc};

use fixedbitset::FixedBitSet;
use frontload_core::{ChunkId, Comparison, Filter, Interval, MetaValue, Operand, Subject};
use tantivy::{
    DocId, Score, SegmentReader, TantivyError, Term,
    collector::{Collector, SegmentCollector},
    columnar::Column,
    query::{Query, RangeQuery, TermQuery},
    schema::IndexRecordOption,
};

use super::{
    CHUNK, FROM, TO, Words,
    columns::{DOCUMENT, EVIDENCE, HANDLE, KIND, LANGUAGE, SOURCE, handle_term, number_column, term, text_column},
};

/// The chunks a search is confined to.
#[derive(Debug, Clone)]
pub struct Among {
    chunks: Arc<FixedBitSet>,
    count: usize,
}

impl Among {
    fn new(chunks: FixedBitSet) -> Self {
        let count = chunks.count_ones(..);
        Self { chunks: Arc::new(chunks), count }
    }

    /// These chunks.
    pub(crate) fn of(chunks: impl IntoIterator<Item = ChunkId>) -> Self {
        let numbers: Vec<usize> = chunks.into_iter().map(|chunk| chunk.0 as usize).collect();
        let mut set = FixedBitSet::with_capacity(numbers.iter().max().map_or(0, |last| last + 1));
        set.extend(numbers);
        Self::new(set)
    }

    /// Whether a chunk is one of them.
    pub fn holds(&self, chunk: ChunkId) -> bool {
        self.chunks.contains(chunk.0 as usize)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.chunks.ones().map(|chunk| ChunkId(chunk as u32))
    }
}

/// Why a filter has no answer here.
pub enum Unknown {
    /// It names what no chunk has.
    Subject {
        /// What it names.
        subject: Subject,
        /// What there is.
        known: Vec<String>,
    },
    /// The index is broken.
    Broken(TantivyError),
}

impl From<TantivyError> for Unknown {
    fn from(error: TantivyError) -> Self {
        Self::Broken(error)
    }
}

pub(super) fn among(words: &Words, filter: &Filter) -> Result<Among, Unknown> {
    set(words, filter).map(Among::new)
}

fn set(words: &Words, filter: &Filter) -> Result<FixedBitSet, Unknown> {
    match filter {
        Filter::And(parts) => {
            let mut all = everything(words);
            for part in parts {
                all.intersect_with(&set(words, part)?);
            }
            Ok(all)
        }
        Filter::Or(parts) => {
            let mut any = nothing(words);
            for part in parts {
                any.union_with(&set(words, part)?);
            }
            Ok(any)
        }
        Filter::Not(part) => {
            let mut rest = everything(words);
            rest.difference_with(&set(words, part)?);
            Ok(rest)
        }
        Filter::Has(subject) => has(words, subject),
        Filter::Is(subject, comparison, operand) => is(words, subject, *comparison, operand),
        Filter::During(days) => Ok(during(words, *days)?),
    }
}

fn nothing(words: &Words) -> FixedBitSet {
    FixedBitSet::with_capacity(words.capacity())
}

fn everything(words: &Words) -> FixedBitSet {
    let mut all = nothing(words);
    all.extend(words.chunks().map(|(chunk, _)| chunk.0 as usize));
    all
}

fn has(words: &Words, subject: &Subject) -> Result<FixedBitSet, Unknown> {
    match subject {
        Subject::Source | Subject::Document => Ok(everything(words)),
        Subject::Handle(kind) => matching(words, &exactly(words, KIND, kind)?),
        Subject::Language | Subject::Evidence | Subject::Meta(_) => {
            let column = column_of(words, subject)?;
            let mut having = nothing(words);
            for segment in words.searcher.segment_readers() {
                let chunks = segment.fast_fields().u64(CHUNK)?;
                let Some(values) = segment.fast_fields().str(&column)? else { continue };
                for document in segment.doc_ids_alive() {
                    if values.term_ords(document).next().is_some() {
                        having.extend(chunks.first(document).map(|chunk| chunk as usize));
                    }
                }
            }
            Ok(having)
        }
    }
}

fn is(words: &Words, subject: &Subject, comparison: Comparison, operand: &Operand) -> Result<FixedBitSet, Unknown> {
    let folded = match subject {
        Subject::Document => operand.as_written(),
        _ => operand.folded(),
    };
    if let Subject::Handle(kind) = subject {
        // A kind that nobody declared is a mistake worth naming; one without this value is not.
        if has(words, subject)?.is_clear() {
            return Err(unknown(words, subject));
        }
        return matching(words, &exactly(words, HANDLE, &handle_term(kind, &folded))?);
    }
    let column = column_of(words, subject)?;
    if comparison == Comparison::Equal {
        return matching(words, &exactly(words, &column, &folded)?);
    }
    let schema = words.index.schema();
    let bound = || match (operand, subject) {
        (Operand::Number(number), Subject::Meta(name)) => {
            let place = words.metadata.place(name).unwrap_or(0);
            Ok(Term::from_field_f64(schema.get_field(&number_column(place))?, *number))
        }
        _ => Ok::<_, TantivyError>(Term::from_field_text(schema.get_field(&column)?, &folded)),
    };
    let (low, high) = match comparison {
        Comparison::Less => (Bound::Unbounded, Bound::Excluded(bound()?)),
        Comparison::AtMost | Comparison::Equal => (Bound::Unbounded, Bound::Included(bound()?)),
        Comparison::More => (Bound::Excluded(bound()?), Bound::Unbounded),
        Comparison::AtLeast => (Bound::Included(bound()?), Bound::Unbounded),
    };
    matching(words, &RangeQuery::new(low, high))
}

fn column_of(words: &Words, subject: &Subject) -> Result<String, Unknown> {
    Ok(match subject {
        Subject::Source => SOURCE.to_owned(),
        Subject::Document => DOCUMENT.to_owned(),
        Subject::Language => LANGUAGE.to_owned(),
        Subject::Evidence => EVIDENCE.to_owned(),
        Subject::Meta(name) => text_column(words.metadata.place(name).ok_or_else(|| unknown(words, subject))?),
        Subject::Handle(_) => HANDLE.to_owned(),
    })
}

fn unknown(words: &Words, subject: &Subject) -> Unknown {
    let known = match subject {
        Subject::Meta(_) => words.metadata.names().to_vec(),
        _ => Vec::new(),
    };
    Unknown::Subject { subject: subject.clone(), known }
}

fn exactly(words: &Words, column: &str, value: &str) -> Result<TermQuery, TantivyError> {
    let field = words.index.schema().get_field(column)?;
    Ok(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
}

fn matching(words: &Words, query: &dyn Query) -> Result<FixedBitSet, Unknown> {
    let mut set = nothing(words);
    set.extend(words.searcher.search(query, &Chunks)?);
    Ok(set)
}

/// The chunks with a handle whose days touch these.
fn during(words: &Words, wanted: Interval) -> Result<FixedBitSet, TantivyError> {
    let (first, last) = wanted.days();
    let mut touched = nothing(words);
    for segment in words.searcher.segment_readers() {
        let fast = segment.fast_fields();
        let (chunk, from, to) = (fast.u64(CHUNK)?, fast.i64(FROM)?, fast.i64(TO)?);
        for document in segment.doc_ids_alive() {
            // Both columns keep a document's values in the order they were added.
            let mut spans = from.values_for_doc(document).zip(to.values_for_doc(document));
            if spans.any(|(from, to)| from <= last && to >= first) {
                touched.extend(chunk.first(document).map(|chunk| chunk as usize));
            }
        }
    }
    Ok(touched)
}

/// Collects the numbers of all chunks that match.
struct Chunks;

struct ChunksOfSegment {
    column: Column<u64>,
    found: Vec<usize>,
}

impl Collector for Chunks {
    type Fruit = Vec<usize>;
    type Child = ChunksOfSegment;

    fn for_segment(&self, _ordinal: u32, segment: &SegmentReader) -> tantivy::Result<ChunksOfSegment> {
        Ok(ChunksOfSegment { column: segment.fast_fields().u64(CHUNK)?, found: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, parts: Vec<Vec<usize>>) -> tantivy::Result<Vec<usize>> {
        Ok(parts.concat())
    }
}

impl SegmentCollector for ChunksOfSegment {
    type Fruit = Vec<usize>;

    fn collect(&mut self, document: DocId, _score: Score) {
        self.found.extend(self.column.first(document).map(|chunk| chunk as usize));
    }

    fn harvest(self) -> Vec<usize> {
        self.found
    }
}

/// The values of a fact, each as it stands in its column.
pub(super) fn values(value: &MetaValue) -> impl Iterator<Item = (String, Option<f64>)> {
    value.flat().into_iter().map(|value| (term(&value), value.number()))
}

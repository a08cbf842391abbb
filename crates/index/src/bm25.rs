//! The word lanes, in tantivy: one text field for the body and one for each kind of handle.
//!
//! tantivy's query parser is never used: queries are built from analysed words.

use std::{collections::HashSet, path::Path, sync::Arc};

use frontload_core::{ChunkId, Field, Interval, Scored, best_first};
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term,
    collector::{FilterCollector, TopDocs},
    query::{BooleanQuery, Occur, Query, TermQuery},
    schema::{
        FAST, Field as TantivyField, INDEXED, IndexRecordOption, STORED, Schema as TantivySchema, TextFieldIndexing,
        TextOptions, Value,
    },
    tokenizer::{
        AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer, TokenStream,
    },
};

use crate::{IndexError, IndexedChunk, layout::bm25_field};

const ANALYZER: &str = "frontload_en";
const CHUNK: &str = "chunk";
const RECORD: &str = "record";
/// The first and last days of a chunk's times, counted from 1970: two columns, in step.
const FROM: &str = "from";
const TO: &str = "to";
/// tantivy's own smallest budget is 15 MB a thread.
const WRITER_BYTES: usize = 64 << 20;
/// A query longer than this is a passage: the words past it are dropped.
const QUERY_WORDS: usize = 64;

fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(60))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(Stemmer::new(Language::English))
        .build()
}

/// Writes the word lanes of all chunks into an empty folder, as one segment.
pub(crate) fn write(folder: &Path, chunks: &[IndexedChunk], fields: &[Field]) -> Result<(), IndexError> {
    let wrong = |error: tantivy::TantivyError| IndexError::io(folder, std::io::Error::other(error));
    let mut builder = TantivySchema::builder();
    let chunk_field = builder.add_u64_field(CHUNK, FAST | INDEXED);
    let record_field = builder.add_text_field(RECORD, STORED);
    let (from_field, to_field) = (builder.add_i64_field(FROM, FAST), builder.add_i64_field(TO, FAST));
    let indexing = TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqs);
    let options = TextOptions::default().set_indexing_options(indexing);
    let text_fields: Vec<(TantivyField, &Field)> =
        fields.iter().map(|field| (builder.add_text_field(&bm25_field(field), options.clone()), field)).collect();
    let index = Index::create_in_dir(folder, builder.build()).map_err(wrong)?;
    index.tokenizers().register(ANALYZER, analyzer());
    // One thread keeps the documents in order.
    let mut writer: IndexWriter = index.writer_with_num_threads(1, WRITER_BYTES).map_err(wrong)?;
    for (id, indexed) in chunks.iter().enumerate() {
        let mut document = TantivyDocument::new();
        document.add_u64(chunk_field, id as u64);
        document.add_text(record_field, serde_json::to_string(indexed).unwrap_or_default());
        for interval in indexed.handles.iter().filter_map(|handle| handle.interval) {
            let (from, to) = interval.days();
            document.add_i64(from_field, from);
            document.add_i64(to_field, to);
        }
        for (text_field, field) in &text_fields {
            for text in texts(indexed, field) {
                document.add_text(*text_field, text);
            }
        }
        writer.add_document(document).map_err(wrong)?;
    }
    writer.commit().map_err(wrong)?;
    let segments = index.searchable_segment_ids().map_err(wrong)?;
    if segments.len() > 1 {
        writer.merge(&segments).wait().map_err(wrong)?;
    }
    writer.garbage_collect_files().wait().map_err(wrong)?;
    writer.wait_merging_threads().map_err(wrong)
}

/// The texts of one field of one chunk.
pub(crate) fn texts<'a>(indexed: &'a IndexedChunk, field: &Field) -> Vec<&'a str> {
    match field {
        Field::Body => [indexed.chunk.title.as_str(), indexed.chunk.text.as_str()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect(),
        Field::Handle(kind) => {
            let handles = indexed.handles.iter().filter(|handle| handle.kind == *kind);
            handles.map(|handle| handle.text.as_str()).collect()
        }
    }
}

/// The chunks a search is confined to.
#[derive(Debug, Clone)]
pub struct Among(Arc<HashSet<u32>>);

impl Among {
    /// Whether a chunk is one of them.
    pub fn holds(&self, chunk: ChunkId) -> bool {
        self.0.contains(&chunk.0)
    }
}

/// The open word lanes.
pub(crate) struct Words {
    index: Index,
    reader: IndexReader,
    chunk: TantivyField,
    record: TantivyField,
}

impl Words {
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        let wrong = |error: tantivy::TantivyError| IndexError::corrupt(folder, error);
        let index = Index::open_in_dir(folder).map_err(wrong)?;
        index.tokenizers().register(ANALYZER, analyzer());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(wrong)?;
        let schema = index.schema();
        let chunk = schema.get_field(CHUNK).map_err(wrong)?;
        let record = schema.get_field(RECORD).map_err(wrong)?;
        Ok(Self { index, reader, chunk, record })
    }

    /// The best chunks for a query in one field, best first.
    pub fn search(
        &self,
        field: &Field,
        query: &str,
        (depth, among): (usize, Option<&Among>),
    ) -> Result<Vec<Scored>, tantivy::TantivyError> {
        let Ok(field) = self.index.schema().get_field(&bm25_field(field)) else { return Ok(Vec::new()) };
        let clauses: Vec<(Occur, Box<dyn Query>)> = words(query)
            .into_iter()
            .map(|word| {
                let term = Term::from_field_text(field, &word);
                let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
                (Occur::Should, query)
            })
            .collect();
        if clauses.is_empty() || depth == 0 {
            return Ok(Vec::new());
        }
        let searcher = self.reader.searcher();
        let (query, best) = (BooleanQuery::new(clauses), TopDocs::with_limit(depth).order_by_score());
        let found = match among.cloned() {
            None => searcher.search(&query, &best)?,
            Some(among) => {
                let inside = move |chunk: u64| among.holds(ChunkId(chunk as u32));
                searcher.search(&query, &FilterCollector::new(CHUNK.to_owned(), inside, best))?
            }
        };
        let mut scored = Vec::with_capacity(found.len());
        for (score, address) in found {
            let column = searcher.segment_reader(address.segment_ord).fast_fields().u64(CHUNK)?;
            let Some(chunk) = column.first(address.doc_id) else { continue };
            scored.push(Scored { chunk: ChunkId(chunk as u32), score, item: None });
        }
        scored.sort_by(best_first);
        Ok(scored)
    }

    /// The chunks with a handle whose days touch these.
    pub fn during(&self, wanted: Interval) -> Result<Among, tantivy::TantivyError> {
        let (first, last) = wanted.days();
        let mut chunks = HashSet::new();
        // A generation of an older program has no times.
        if self.index.schema().get_field(FROM).is_err() {
            return Ok(Among(Arc::new(chunks)));
        }
        for segment in self.reader.searcher().segment_readers() {
            let fast = segment.fast_fields();
            let (chunk, from, to) = (fast.u64(CHUNK)?, fast.i64(FROM)?, fast.i64(TO)?);
            for document in 0..segment.max_doc() {
                // Both columns keep a document's values in the order they were added.
                let mut spans = from.values_for_doc(document).zip(to.values_for_doc(document));
                if spans.any(|(from, to)| from <= last && to >= first) {
                    chunks.extend(chunk.first(document).map(|chunk| chunk as u32));
                }
            }
        }
        Ok(Among(Arc::new(chunks)))
    }

    /// One chunk's stored text and handles.
    pub fn record(&self, chunk: ChunkId) -> Result<Option<IndexedChunk>, tantivy::TantivyError> {
        let searcher = self.reader.searcher();
        let term = Term::from_field_u64(self.chunk, u64::from(chunk.0));
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let found = searcher.search(&query, &TopDocs::with_limit(1).order_by_score())?;
        let Some((_, address)) = found.first() else { return Ok(None) };
        let document: TantivyDocument = searcher.doc(*address)?;
        let record = document.get_first(self.record).and_then(|value| value.as_str());
        Ok(record.and_then(|record| serde_json::from_str(record).ok()))
    }
}

/// A text's distinct analysed words, in order.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut analyzer = analyzer();
    let mut stream = analyzer.token_stream(text);
    let mut words: Vec<String> = Vec::new();
    while let Some(token) = stream.next() {
        if !words.contains(&token.text) {
            words.push(token.text.clone());
        }
        if words.len() == QUERY_WORDS {
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stemmed_folded_and_distinct() {
        assert_eq!(words("Boats, boat; the CAFÉS café!"), ["boat", "the", "cafe"]);
        assert!(words(" … ").is_empty());
    }
}

//! Writing the word lanes: afresh, or what changed on top of a generation's segments, which are never touched.

use std::path::Path;

use frontload_core::{Chunk, ChunkId, Field, MetaValue};
use tantivy::{
    Index, IndexWriter, TantivyDocument, TantivyError, Term,
    indexer::NoMergePolicy,
    schema::{
        FAST, Field as TantivyField, INDEXED, IndexRecordOption, STORED, STRING, Schema as TantivySchema,
        TextFieldIndexing, TextOptions,
    },
    tokenizer::{PreTokenizedString, Token},
};

use super::{
    CHUNK, DIGEST, FROM, MetaColumns, RECORD, TO, TOKENIZER,
    columns::{DOCUMENT, EVIDENCE, HANDLE, KIND, LANGUAGE, SOURCE, handle_term, number_column, text_column},
    filter::values,
};
use crate::{IndexError, IndexedChunk, analysis::Analysis, layout::bm25_field};

/// tantivy's own smallest budget is 15 MB a thread.
const WRITER_BYTES: usize = 128 << 20;

/// Gives a field's texts, and how they become words.
type Texts<'a> = dyn Fn(&IndexedChunk, &Field) -> (Vec<String>, Analysis) + 'a;

/// What is to be done to a folder of word lanes.
pub(crate) struct Change<'a> {
    /// Chunks to add, each under its number and with its digest.
    pub added: Vec<(ChunkId, &'a IndexedChunk, u64)>,
    /// Numbers to take out.
    pub removed: Vec<ChunkId>,
    /// All fields, whether a chunk has text for them or not.
    pub fields: &'a [Field],
    /// The texts of a field of a chunk, and how they become words.
    pub texts: Box<Texts<'a>>,
    /// The facts that get columns.
    pub metadata: &'a MetaColumns,
}

/// The fields of the tantivy schema.
struct Columns {
    chunk: TantivyField,
    digest: TantivyField,
    record: TantivyField,
    from: TantivyField,
    to: TantivyField,
    words: [TantivyField; 6],
    metadata: Vec<(TantivyField, TantivyField)>,
    texts: Vec<TantivyField>,
}

/// Changes a folder of word lanes: an empty one, or one that holds another generation's files.
pub(crate) fn write(folder: &Path, change: &Change) -> Result<(), IndexError> {
    write_index(folder, change).map_err(|error| IndexError::io(folder, std::io::Error::other(error)))
}

fn write_index(folder: &Path, change: &Change) -> Result<(), TantivyError> {
    let (schema, columns) = schema(change.fields, change.metadata);
    let fresh = !folder.join("meta.json").exists();
    let index = if fresh { Index::create_in_dir(folder, schema)? } else { Index::open_in_dir(folder)? };
    // One thread keeps the documents in order.
    let mut writer: IndexWriter = index.writer_with_num_threads(1, WRITER_BYTES)?;
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for chunk in &change.removed {
        writer.delete_term(Term::from_field_u64(columns.chunk, u64::from(chunk.0)));
    }
    for (id, chunk, digest) in &change.added {
        writer.add_document(document(*id, chunk, *digest, change, &columns))?;
    }
    writer.commit()?;
    let segments = index.searchable_segment_ids()?;
    if fresh && segments.len() > 1 {
        writer.merge(&segments).wait()?;
    }
    writer.garbage_collect_files().wait()?;
    writer.wait_merging_threads()
}

fn schema(fields: &[Field], metadata: &MetaColumns) -> (TantivySchema, Columns) {
    let mut builder = TantivySchema::builder();
    let words = [SOURCE, DOCUMENT, LANGUAGE, EVIDENCE, HANDLE, KIND];
    let indexing = TextFieldIndexing::default().set_tokenizer(TOKENIZER).set_index_option(IndexRecordOption::WithFreqs);
    let text = TextOptions::default().set_indexing_options(indexing);
    let columns = Columns {
        chunk: builder.add_u64_field(CHUNK, FAST | INDEXED),
        digest: builder.add_u64_field(DIGEST, FAST),
        record: builder.add_text_field(RECORD, STORED),
        from: builder.add_i64_field(FROM, FAST),
        to: builder.add_i64_field(TO, FAST),
        words: words.map(|name| builder.add_text_field(name, STRING | FAST)),
        metadata: (0..metadata.names().len())
            .map(|place| {
                let text = builder.add_text_field(&text_column(place), STRING | FAST);
                (text, builder.add_f64_field(&number_column(place), FAST | INDEXED))
            })
            .collect(),
        texts: fields.iter().map(|field| builder.add_text_field(&bm25_field(field), text.clone())).collect(),
    };
    (builder.build(), columns)
}

fn document(id: ChunkId, indexed: &IndexedChunk, digest: u64, change: &Change, columns: &Columns) -> TantivyDocument {
    let IndexedChunk { chunk, handles, .. } = indexed;
    let mut document = TantivyDocument::new();
    document.add_u64(columns.chunk, u64::from(id.0));
    document.add_u64(columns.digest, digest);
    document.add_text(columns.record, entry(indexed));
    for interval in handles.iter().filter_map(|handle| handle.interval) {
        let (from, to) = interval.days();
        document.add_i64(columns.from, from);
        document.add_i64(columns.to, to);
    }
    let [source, document_id, language, evidence, handle_value, kind] = columns.words;
    let folded = |text: &str| MetaValue::Text(text.to_owned()).folded();
    document.add_text(source, folded(&chunk.source));
    document.add_text(document_id, &chunk.document);
    if let Some(code) = &chunk.language {
        document.add_text(language, folded(code));
    }
    for handle in handles {
        document.add_text(evidence, handle.evidence.to_string());
        document.add_text(kind, &handle.kind);
        document.add_text(handle_value, handle_term(&handle.kind, &folded(&handle.text)));
    }
    for (name, value) in &chunk.metadata {
        let fields = change.metadata.place(name).and_then(|place| columns.metadata.get(place));
        let Some(&(text, number)) = fields else { continue };
        for (words, as_number) in values(value) {
            document.add_text(text, words);
            if let Some(as_number) = as_number {
                document.add_f64(number, as_number);
            }
        }
    }
    for (field, column) in change.fields.iter().zip(&columns.texts) {
        let (texts, analysis) = (change.texts)(indexed, field);
        for text in texts {
            document.add_pre_tokenized_text(*column, tokenized(analysis.words(&text)));
        }
    }
    document
}

/// What is stored of a chunk: all but its place, which changes with what stands before it.
pub(crate) fn entry(indexed: &IndexedChunk) -> String {
    let without_place = IndexedChunk { chunk: Chunk { place: None, ..indexed.chunk.clone() }, ..indexed.clone() };
    serde_json::to_string(&without_place).unwrap_or_default()
}

/// Only the words and how often they occur are indexed: where they stand is not asked for.
fn tokenized(words: Vec<String>) -> PreTokenizedString {
    let token = |(position, text): (usize, String)| Token { position, text, ..Token::default() };
    PreTokenizedString { text: String::new(), tokens: words.into_iter().enumerate().map(token).collect() }
}

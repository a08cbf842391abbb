//! Training rows out of an index: what a model is asked about each passage, and the handles that stand there now as its
//! answer. A tuned model is asked the same, word for word.
//!
//! Rows are split by document, by a hash, so that a document keeps its side however the corpus grows.

mod asking;
pub(crate) mod row;
mod weigh;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

use frontload_core::{AnswerForm, ChunkKey, Digest, Generator, Schema};
use frontload_index::Reader;
use serde::Serialize;
use serde_json::{Value, json};

use crate::EngineError;
use asking::asking;
use row::{Row, rows};
use weigh::weigh;

/// Said in words in `split.json`, so that another program can tell on which side a document is.
const SPLIT_RULE: &str = "a document is held out when the first 64 bits of the BLAKE3 hash over 'split', the seed and \
                          its id, each after its length in bytes as 64 bits, little end first, are below held_out \
                          times 2^64";

/// How a row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainingFormat {
    /// `{"messages": [{"role", "content"}]}`.
    Messages,
    /// `{"instruction", "input", "output"}`: no more than one turn.
    Alpaca,
    /// `{"conversations": [{"from", "value"}]}`.
    ShareGpt,
    /// `{"prompt": […], "chosen": […], "rejected": […]}`: what stands, against what the model said.
    Preferences,
}

impl TrainingFormat {
    /// Its name, as flags write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Alpaca => "alpaca",
            Self::ShareGpt => "sharegpt",
            Self::Preferences => "preferences",
        }
    }
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct TrainingOptions<'a> {
    /// What asks for the handles, where it is not the index's own schema.
    pub schema: Option<&'a Schema>,
    /// Where the schema stands, for messages.
    pub place: &'a Path,
    /// Only these kinds; all that are asked for when empty.
    pub kinds: &'a [String],
    /// How rows are written.
    pub format: TrainingFormat,
    /// The form of the answers, where it is not the model's own.
    pub answers: Option<AnswerForm>,
    /// Whether the schema's few-shots stand before each passage.
    pub examples: bool,
    /// The share of documents held out for testing.
    pub held_out: f64,
    /// Of the split.
    pub seed: u64,
    /// Longer rows are left out.
    pub max_tokens: u32,
}

/// The rows, and what became of the rest.
#[derive(Debug)]
pub struct Training {
    /// To learn from.
    pub train: Vec<Value>,
    /// Of documents that no row of the others is from.
    pub test: Vec<Value>,
    /// Documents on either side.
    pub documents: (usize, usize),
    /// What is in neither.
    pub left_out: LeftOut,
    /// Tokens of the longest row, as the model's own template writes it; `None` when that is out of reach.
    pub longest: Option<u32>,
    /// Says how the rows came about and which documents were held out.
    pub split: Value,
}

/// What is left out of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Rows without an answer: no handle stands there, and the model said nothing that can be read. In preferences, all
    /// rows the model said nothing to.
    pub unanswered: usize,
    /// Rows longer than allowed.
    pub too_long: usize,
    /// In preferences: rows where what the model said is what stands.
    pub agreed: usize,
    /// Training rows about a passage that stands in a test document too.
    pub twins: usize,
    /// Handles that the model could not have written: their kind quotes, and the passage does not say them, or they are
    /// longer or more than the kind allows.
    pub unfit_handles: usize,
    /// Handles of kinds that the schema does not ask for.
    pub unasked_handles: BTreeMap<String, usize>,
    /// Kinds that the schema asks for, and of which the index holds nothing.
    pub unknown_kinds: Vec<String>,
}

/// Makes training rows out of what stands in a generation, weighed by the model they are for.
///
/// # Errors
/// When nothing says how to ask for the handles, the model cannot be used, or its template does not render a row.
pub fn training(
    reader: &Reader,
    options: &TrainingOptions,
    generator: &mut dyn Generator,
) -> Result<Training, EngineError> {
    let mut indexed = reader.chunks().collect::<Result<Vec<_>, _>>()?;
    // A document's chunks must follow each other, and after a change to it they do not.
    indexed.sort_by(|left, right| {
        (&left.chunk.document, left.chunk.ordinal).cmp(&(&right.chunk.document, right.chunk.ordinal))
    });
    let mut left_out = LeftOut::default();
    let (schema, kinds) = asking(reader, &indexed, options, &mut left_out)?;
    let form = options.answers.unwrap_or_else(|| generator.form());
    let rows = rows(&indexed, (&schema, &kinds), (form, options.format), &mut left_out);
    let (rows, longest) = weigh(rows, options.max_tokens, generator, &mut left_out)?;

    let documents: BTreeSet<&str> = indexed.iter().map(|indexed| indexed.chunk.document.as_str()).collect();
    let held: BTreeSet<&str> = documents.iter().copied().filter(|document| is_held_out(document, options)).collect();
    let (test, mut train): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| held.contains(row.document.as_str()));
    // Two documents may hold the same passage: what is tested on must not have been learnt from another one.
    let of_test = indexed.iter().filter(|indexed| held.contains(indexed.chunk.document.as_str()));
    let unseen: HashSet<ChunkKey> = of_test.map(|indexed| indexed.chunk.key()).collect();
    let before = train.len();
    train.retain(|row| !unseen.contains(&row.key));
    left_out.twins = before - train.len();

    let specs = schema.asked().filter(|spec| kinds.contains(&spec.kind));
    let fingerprints: Vec<String> = specs.map(|spec| schema.fingerprint(spec).to_hex()).collect();
    let split = json!({
        "schema_version": 1,
        "rule": SPLIT_RULE,
        "seed": options.seed,
        "held_out": options.held_out,
        "format": options.format.name(),
        "answers": form_name(form),
        "kinds": kinds,
        "examples": schema.examples.len(),
        "max_tokens": options.max_tokens,
        "schema": schema.name,
        "schema_fingerprint": Digest::of_parts(fingerprints.iter().map(String::as_str)),
        "generation": reader.manifest().generation,
        "model": generator.fingerprint(),
        "rows": {"train": train.len(), "test": test.len()},
        "documents": {"train": documents.len() - held.len(), "test": held.len()},
        "test_documents": held,
    });
    let written = |rows: &[Row]| -> Vec<Value> { rows.iter().map(|row| row.written(options.format)).collect() };
    Ok(Training {
        train: written(&train),
        test: written(&test),
        documents: (documents.len() - held.len(), held.len()),
        left_out,
        longest,
        split,
    })
}

/// The name of a form of answers, as flags write it.
fn form_name(form: AnswerForm) -> &'static str {
    match form {
        AnswerForm::Lines => "lines",
        AnswerForm::Json => "json",
    }
}

fn is_held_out(document: &str, options: &TrainingOptions) -> bool {
    let digest = Digest::of_parts(["split", &options.seed.to_string(), document]);
    let first = digest.0.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    (first as f64) < options.held_out * 2_f64.powi(64)
}

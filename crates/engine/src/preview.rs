//! `index --dry-run`: what a build would cost in calls, tokens, time and disk. Its pilot is really asked, and kept.

use std::{collections::HashSet, ops::ControlFlow};

use frontload_core::{Generator, Schema};
use frontload_corpus::{Skipped, chunk_all};
use frontload_enrich::{Collected, Estimate, Job, Limits, Range, collect, estimate};
use frontload_index::IndexDir;

use crate::{
    EngineError,
    build::{BuildOptions, Event},
    workshop::{Workshop, healed},
};

/// Bytes a vector takes beside its numbers: its key and its row.
const VECTOR_BYTES: usize = 44;
/// Bytes a handle takes beside its vector: its text, its postings, its record.
const HANDLE_BYTES: f64 = 150.0;
/// What postings and stored text take, as a share of the text.
const TEXT_SHARE: f64 = 1.1;
/// What the estimate of the index may be off by.
const INDEX_ERROR: f64 = 0.25;

/// What a build would cost.
#[derive(Debug)]
pub struct Preview {
    /// Documents.
    pub documents: usize,
    /// Chunks.
    pub chunks: usize,
    /// What asking would cost; `None` when there is nothing to ask.
    pub estimate: Option<Estimate>,
    /// Handles a chunk, after the gates, on the chunks that have been asked about.
    pub handles_a_chunk: f64,
    /// The size of the generation that would be published.
    pub index_bytes: Range,
    /// Input that would be left out.
    pub skipped: Vec<Skipped>,
}

/// Weighs a build. `None` when it was stopped.
///
/// # Errors
/// As [`crate::build()`].
pub fn preview(
    dir: &IndexDir,
    options: &BuildOptions,
    schema: &Schema,
    generator: &mut dyn Generator,
    dimension: usize,
    (limits, report): (Limits, &mut dyn FnMut(Event) -> ControlFlow<()>),
) -> Result<Option<Preview>, EngineError> {
    healed(dir, &mut || {
        let mut shop = Workshop::open(dir)?;
        let corpus = shop.read(&options.sources)?;
        let chunks = chunk_all(&corpus.documents, options.chunk_chars);
        let documents = corpus.documents.len();
        let job = Job::new(&chunks, schema);
        let plan = job.plan(generator.fingerprint(), &shop.state, options.retry_failed)?;
        let _ = report(Event::Read { documents, chunks: chunks.len(), calls: plan.len() });
        let estimate = if plan.calls.is_empty() {
            None
        } else {
            let (ledger, state) = (&mut shop.ledger, &shop.state);
            let mut progress = |progress| {
                let _ = report(Event::Enrich(progress));
            };
            match estimate(&job, &plan, generator, (ledger, state), limits, &mut progress)? {
                Some(estimate) => Some(estimate),
                None => return Ok(None),
            }
        };
        let model = Some(generator.fingerprint());
        let Collected { handles, unasked, .. } = collect(&chunks, schema, model, (&shop.ledger, &shop.state))?;
        let asked = (chunks.len() - unasked).max(1) as f64;
        let all: Vec<&str> = handles.iter().flatten().map(|handle| handle.text.as_str()).collect();
        let handles_a_chunk = all.len() as f64 / asked;
        let distinct = all.iter().collect::<HashSet<_>>().len() as f64 / all.len().max(1) as f64;
        let text: usize = chunks.iter().map(|chunk| chunk.text.len() + chunk.title.len()).sum();
        let count = chunks.len() as f64;
        let vectors = count * (1.0 + handles_a_chunk * distinct) * (dimension * size_of::<f32>() + VECTOR_BYTES) as f64;
        let bytes = text as f64 * TEXT_SHARE + count * handles_a_chunk * HANDLE_BYTES + vectors;
        let text_alone = text as f64 * TEXT_SHARE + count * (dimension * size_of::<f32>() + VECTOR_BYTES) as f64;
        Ok(Some(Preview {
            documents,
            chunks: chunks.len(),
            estimate,
            handles_a_chunk,
            // What a handle is worth beside all others is only known when all are there: many may go as filler.
            index_bytes: Range { low: text_alone, likely: bytes, high: bytes * (1.0 + INDEX_ERROR) },
            skipped: corpus.skipped.clone(),
        }))
    })
}

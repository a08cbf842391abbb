//! How much there is to ask about a corpus, and what asking has taken so far: what machines are reckoned from.

use frontload_core::Schema;
use frontload_corpus::{chunk_all, read_corpus};
use frontload_enrich::{Job, Measured, measured};
use frontload_index::IndexDir;

use crate::{
    EngineError,
    build::BuildOptions,
    workshop::{Workshop, healed},
};

/// What is to be asked, and what asking took.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Documents.
    pub documents: usize,
    /// Chunks.
    pub chunks: usize,
    /// Calls for all of them, made or not.
    pub calls: usize,
    /// Calls that are missing.
    pub left: usize,
    /// What this model's calls have taken so far.
    pub measured: Measured,
}

/// Reads the corpus and the ledger. Nothing is asked.
///
/// # Errors
/// When the corpus or the ledger cannot be read.
pub fn workload(
    dir: &IndexDir,
    options: &BuildOptions,
    schema: &Schema,
    fingerprint: &str,
) -> Result<Workload, EngineError> {
    healed(dir, &mut || {
        let shop = Workshop::open(dir)?;
        let corpus = read_corpus(&options.sources)?;
        let chunks = chunk_all(&corpus.documents, options.chunk_chars);
        let job = Job::new(&chunks, schema);
        let plan = job.plan(fingerprint, &shop.state, options.retry_failed)?;
        Ok(Workload {
            documents: corpus.documents.len(),
            chunks: chunks.len(),
            calls: job.every_call(fingerprint).len(),
            left: plan.len(),
            measured: measured(&dir.ledger(), fingerprint)?,
        })
    })
}

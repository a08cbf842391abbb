//! The use cases: build an index, search it, answer from it. Models come in through the two traits of
//! `frontload-core`; this crate never links one.

mod aliases;
mod answer;
mod batch;
mod browse;
mod build;
mod complete;
mod conduct;
mod diff;
mod hubs;
mod import;
mod preview;
mod provenance;
mod publish;
mod purge;
mod review;
mod round_trip;
mod search;
mod starters;
mod suggest;
mod synth;
mod training;
mod workload;
mod workshop;

pub use aliases::{AliasError, Proposal, Why, decide_alias, held_aliases, propose_aliases};
pub use answer::{
    Answer, Answering, CitedSentence, DEFAULT_PROMPT_TOKENS, DEFAULT_REFUSAL, DEFAULT_SHOWN, Embed, Exemplar,
    Exemplars, Manner, Material, Refusal, answer, gather, read_exemplars,
};
pub use batch::{BatchReport, Elsewhere, export_prompts, import_completions};
pub use browse::{HandlePage, HandleQuery, Shown, document, handles, show};
pub use build::{BuildOptions, Event, Rebuilding, Report, build, rebuild};
pub use conduct::{Conduct, Passed};
pub use diff::{Difference, HandleChange, Moved, diff, moved};
pub use frontload_corpus::{Corpus, FORMATS, SCHEMA_FILE, Skipped, parse_pdfs_with, pdf_worker, read_corpus};
pub use hubs::{HUB_HITS, Hub, HubCount, Hubs, Probe, look_for_hubs, sample_probes};
pub use import::{ExportRow, ImportReport, export_handles, import_handles};
pub use preview::{Preview, preview};
pub use provenance::{Provenance, provenance};
pub use publish::{DEFAULT_FUSION, untuned_weights};
pub use purge::{Going, PurgeAsk, PurgeReport, Reach, held_purges, purge, purge_reach, undo_purge};
pub use review::{
    Agreement, Ask, Decided, Desk, Item, ItemState, Orphan, QueuePage, QueueQuery, ReviewError, reviewed_examples,
    source_name,
};
pub use search::{
    EmbeddedQuery, Hit, LaneEvidence, LaneSelection, SearchRequest, SearchResponse, Timings, embed_queries,
    embed_query, lane_times, rank_lanes, search, search_embedded,
};
pub use starters::{STARTERS, starter};
pub use suggest::{Candidate, Gap, LoggedQuery, Missed, Proposed, SuggestOptions, Suggestion, suggest};
pub use synth::{QueryType, SynthOptions, SynthQuery, Synthesis, synthesise};
pub use training::{LeftOut, Training, TrainingFormat, TrainingOptions, training};
pub use workload::{Workload, workload};

use std::path::PathBuf;

/// The chunk size documents are cut to unless asked otherwise, in characters: about 400 tokens, inside what
/// the usual embedding models read.
pub const DEFAULT_CHUNK_CHARS: u32 = 1800;

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The index.
    #[error(transparent)]
    Index(#[from] frontload_index::IndexError),
    /// The enrichment.
    #[error(transparent)]
    Enrich(#[from] frontload_enrich::EnrichError),
    /// The schema stored in the ledger.
    #[error("the schema kept in the ledger is not valid: {0}")]
    Schema(#[from] frontload_core::SchemaError),
    /// The corpus.
    #[error(transparent)]
    Corpus(#[from] frontload_corpus::CorpusError),
    /// A file a person gave cannot be used.
    #[error("{path}{}: {problem}", line.map_or_else(String::new, |line| format!(", line {line}")))]
    Input {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// The output a person asked for cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(std::io::Error),
    /// Nothing was ever built here.
    #[error("{0}: nothing was built here yet; start with `frontload index PATH --index {0}`")]
    NeverBuilt(PathBuf),
    /// An index without the ledger that its handles came from: what is built here would have none of them.
    #[error(
        "{folder}: copied from {from}, without the ledger its handles came from: building here would lose them, and \
         nothing was changed. Build where the ledger is, or put its folder here; --index names another folder to begin \
         anew in"
    )]
    Copied {
        /// The index's folder.
        folder: PathBuf,
        /// Where it was copied from.
        from: String,
    },
    /// The generator.
    #[error(transparent)]
    Model(#[from] frontload_core::GeneratorError),
}

impl From<frontload_enrich::LedgerError> for EngineError {
    fn from(error: frontload_enrich::LedgerError) -> Self {
        Self::Enrich(error.into())
    }
}

pub(crate) fn input(path: &std::path::Path, line: Option<usize>, problem: impl std::fmt::Display) -> EngineError {
    EngineError::Input { path: path.to_owned(), line, problem: problem.to_string() }
}

//! Building an index: corpus to chunks, missing handles from the model, everything into a new generation.

use std::{ops::ControlFlow, path::PathBuf};

use frontload_core::{Embedder, Generator, Schema, Tuning};
use frontload_corpus::{Corpus, Skipped, chunk_all};
use frontload_enrich::{Ending, Job, Limits, Outcome, Progress, Rejections, Settings, enrich};
use frontload_index::{Built, IndexDir};

use crate::{
    EngineError,
    publish::publish,
    workshop::{Workshop, healed},
};

/// What to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Files and folders, absolute.
    pub sources: Vec<PathBuf>,
    /// The schema with its file's text; `None` builds without asking a model.
    pub schema: Option<(Schema, String)>,
    /// The largest chunk in characters; `None` leaves documents whole.
    pub chunk_chars: Option<u32>,
    /// Whether calls that failed before are made again.
    pub retry_failed: bool,
    /// Lanes with at least this many vectors get a graph.
    pub graph_rows: usize,
    /// Whether the baseline lanes over text and handles together are built.
    pub concatenated: bool,
}

/// How far a build has come.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// The corpus is read and cut.
    Read {
        /// Documents.
        documents: usize,
        /// Chunks.
        chunks: usize,
        /// Calls to make.
        calls: usize,
    },
    /// The model answered once more.
    Enrich(Progress),
    /// Texts were embedded.
    Embed {
        /// So many.
        done: usize,
        /// Of so many.
        total: usize,
    },
}

/// What a build did.
#[derive(Debug)]
pub struct Report {
    /// The published generation; `None` when the run was interrupted before.
    pub built: Option<Built>,
    /// How the model's run ended; `None` when there was nothing to ask.
    pub outcome: Option<Outcome>,
    /// What the gates turned away.
    pub rejections: Rejections,
    /// Input that was left out.
    pub skipped: Vec<Skipped>,
    /// Documents that people took out of the index.
    pub withheld: usize,
    /// Chunks left without handles, by id, with the reason.
    pub quarantined: Vec<(String, String)>,
    /// Chunks that were not asked about, because the time allowed was over.
    pub unasked: usize,
    /// Ledger lines that are damaged, and bytes of an unfinished one that were cut off.
    pub ledger_damage: usize,
    /// Bytes of an unfinished ledger line that were cut off.
    pub torn_bytes: u64,
}

impl Report {
    /// Nothing was published; what was answered is in the ledger.
    fn interrupted(outcome: Outcome, corpus: Corpus, shop: &Workshop) -> Self {
        Self {
            built: None,
            outcome: Some(outcome),
            rejections: Rejections::new(),
            withheld: corpus.withheld.len(),
            skipped: corpus.skipped,
            quarantined: Vec::new(),
            unasked: 0,
            ledger_damage: shop.state.damage.len(),
            torn_bytes: shop.torn_bytes,
        }
    }
}

/// Builds the next generation and publishes it. Interrupted, it keeps every answer and publishes nothing.
///
/// # Errors
/// When the corpus is empty, the model or the embedder fail, or the disk refuses.
pub fn build(
    dir: &IndexDir,
    options: &BuildOptions,
    mut generator: Option<&mut dyn Generator>,
    embedder: &mut dyn Embedder,
    (limits, report): (Limits, &mut dyn FnMut(Event) -> ControlFlow<()>),
) -> Result<Report, EngineError> {
    healed(dir, &mut || {
        let generator = generator.as_mut().map(|generator| &mut **generator as &mut dyn Generator);
        build_once(dir, options, generator, embedder, (limits, report))
    })
}

fn build_once(
    dir: &IndexDir,
    options: &BuildOptions,
    generator: Option<&mut dyn Generator>,
    embedder: &mut dyn Embedder,
    (limits, report): (Limits, &mut dyn FnMut(Event) -> ControlFlow<()>),
) -> Result<Report, EngineError> {
    let mut shop = Workshop::open(dir)?;
    let corpus = shop.read(&options.sources)?;
    let chunks = chunk_all(&corpus.documents, options.chunk_chars);
    let schema = options.schema.as_ref().map(|(schema, _)| schema);
    let model = generator.as_ref().map(|generator| generator.fingerprint().to_owned());
    let mut settings = Settings {
        sources: options.sources.clone(),
        schema_toml: options.schema.as_ref().map(|(_, toml)| toml.clone()),
        model: model.clone().filter(|_| schema.is_some()),
        chunk_chars: options.chunk_chars,
        graph_rows: Some(options.graph_rows),
        tuning: None,
        concatenated: options.concatenated,
    };
    let before = shop.state.settings(&shop.ledger)?;
    // Weights were measured on one model's handles of one schema, and hold for no other.
    let same = |before: &&Settings| before.schema_toml == settings.schema_toml && before.model == settings.model;
    settings.tuning = before.as_ref().filter(same).and_then(|before| before.tuning.clone());
    let documents = corpus.documents.len();
    let outcome = if let (Some(schema), Some(generator)) = (schema, generator) {
        let job = Job::new(&chunks, schema);
        let plan = job.plan(generator.fingerprint(), &shop.state, options.retry_failed)?;
        let _ = report(Event::Read { documents, chunks: chunks.len(), calls: plan.len() });
        let (ledger, state) = (&mut shop.ledger, &shop.state);
        // What stops the asking is among the limits.
        let mut progress = |progress| {
            let _ = report(Event::Enrich(progress));
        };
        (!plan.is_empty())
            .then(|| enrich(&job, &plan, generator, (ledger, state), limits, &mut progress))
            .transpose()?
    } else {
        let _ = report(Event::Read { documents, chunks: chunks.len(), calls: 0 });
        None
    };
    match outcome {
        Some(ended) if ended.ending == Ending::Interrupted => Ok(Report::interrupted(ended, corpus, &shop)),
        _ => publish(dir, &mut shop, (corpus, chunks), (&settings, outcome, false), embedder, report),
    }
}

/// How a generation is built again.
#[derive(Debug, Clone, Default)]
pub struct Rebuilding {
    /// The corpus, if it has moved; absolute paths.
    pub sources: Vec<PathBuf>,
    /// Measured weights; later builds keep them while schema and model stay.
    pub tuning: Option<Tuning>,
    /// Whether every file is written anew, rather than what changed beside the live generation's.
    pub afresh: bool,
    /// Whether to build the baseline lanes over text and handles together, from now on.
    pub concatenated: Option<bool>,
}

/// Builds the next generation from the corpus and the ledger alone, without a model.
///
/// # Errors
/// As [`build`]; also when nothing was ever built here.
pub fn rebuild(
    dir: &IndexDir,
    rebuilding: &Rebuilding,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Report, EngineError> {
    if !dir.exists() {
        return Err(EngineError::NeverBuilt(dir.path().to_owned()));
    }
    healed(dir, &mut || rebuild_in(dir, &mut Workshop::open(dir)?, rebuilding, embedder, report))
}

/// The same for who holds the index already.
pub(crate) fn rebuild_in(
    dir: &IndexDir,
    shop: &mut Workshop,
    rebuilding: &Rebuilding,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Report, EngineError> {
    let mut settings = shop.settings(dir)?;
    settings.tuning = rebuilding.tuning.clone().or(settings.tuning);
    settings.concatenated = rebuilding.concatenated.unwrap_or(settings.concatenated);
    if !rebuilding.sources.is_empty() {
        settings.sources.clone_from(&rebuilding.sources);
    }
    let corpus = shop.read(&settings.sources)?;
    let chunks = chunk_all(&corpus.documents, settings.chunk_chars);
    let _ = report(Event::Read { documents: corpus.documents.len(), chunks: chunks.len(), calls: 0 });
    publish(dir, shop, (corpus, chunks), (&settings, None, rebuilding.afresh), embedder, report)
}

//! Building an index: corpus to chunks, missing handles from the model, everything into a new generation.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use frontload_core::{Chunk, Embedder, Field, Fusion, Generator, Lane, Schema, Tuning};
use frontload_enrich::{
    Collected, EnrichError, Ledger, LedgerError, Outcome, Progress, Record, Rejections, Settings, State, StateError,
    collect, enrich, plan, quarantined,
};
use frontload_index::{Build, Built, DEFAULT_GRAPH_ROWS, IndexDir, IndexedChunk, WriterLock, write};

use crate::{
    EngineError,
    chunking::chunk_all,
    corpus::{Corpus, Skipped, read_corpus},
};

/// What a handle lane counts beside a body lane until it is measured. On dev topics a large model's handles
/// would bear 1 (R@10 0.676 against 0.632) and the 135M model's nothing at all: half is a compromise.
const HANDLE_WEIGHT: f32 = 0.5;

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
    /// Chunks left without handles, by id, with the reason.
    pub quarantined: Vec<(String, String)>,
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
            skipped: corpus.skipped,
            quarantined: Vec::new(),
            ledger_damage: shop.state.damage.len(),
            torn_bytes: shop.torn_bytes,
        }
    }
}

/// The default weight of a lane.
pub fn default_weight(lane: &Lane) -> f32 {
    match lane.field {
        Field::Body => 1.0,
        Field::Handle(_) => HANDLE_WEIGHT,
    }
}

/// The default fusion.
pub(crate) const DEFAULT_FUSION: Fusion = Fusion::Convex;

/// The writer's hold on an index: lock, ledger, state.
pub(crate) struct Workshop {
    pub lock: WriterLock,
    pub ledger: Ledger,
    pub state: State,
    pub torn_bytes: u64,
}

impl Workshop {
    pub fn open(dir: &IndexDir) -> Result<Self, EngineError> {
        let lock = WriterLock::take(dir)?;
        let (ledger, torn_bytes) = Ledger::open(&dir.ledger())?;
        let state = State::open(&dir.state(), &ledger)?;
        Ok(Self { lock, ledger, state, torn_bytes })
    }

    pub fn settings(&self, dir: &IndexDir) -> Result<Settings, EngineError> {
        let settings = self.state.settings(&self.ledger)?;
        settings.ok_or_else(|| EngineError::NeverBuilt(dir.path().to_owned()))
    }

    /// Notes how the generation that is about to be published is built.
    fn settle(&mut self, settings: &Settings) -> Result<(), EngineError> {
        if self.state.settings(&self.ledger)?.as_ref() != Some(settings) {
            self.append(&[Record::Settings(settings.clone())])?;
        }
        Ok(())
    }

    pub fn append(&mut self, records: &[Record]) -> Result<(), EngineError> {
        let places = self.ledger.append(records)?;
        for (place, record) in places.into_iter().zip(records) {
            self.state.apply(place, record).map_err(EnrichError::from)?;
        }
        Ok(())
    }
}

/// Does work that needs the state; when the state turns out broken, or to know a ledger line that no longer
/// reads, it is moved aside and the work done again: opening it anew replays the ledger without such lines.
pub(crate) fn healed<T>(dir: &IndexDir, work: &mut dyn FnMut() -> Result<T, EngineError>) -> Result<T, EngineError> {
    match work() {
        Err(EngineError::Enrich(
            EnrichError::Ledger(LedgerError::Damaged { .. }) | EnrichError::State(StateError::Sled { .. }),
        )) => {
            let _lock = WriterLock::take(dir)?;
            State::discard(&dir.state()).map_err(EnrichError::from)?;
        }
        ended => return ended,
    }
    work()
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
    (stop, report): (&AtomicBool, &mut dyn FnMut(Event)),
) -> Result<Report, EngineError> {
    healed(dir, &mut || {
        let generator = generator.as_mut().map(|generator| &mut **generator as &mut dyn Generator);
        build_once(dir, options, generator, embedder, (stop, report))
    })
}

fn build_once(
    dir: &IndexDir,
    options: &BuildOptions,
    generator: Option<&mut dyn Generator>,
    embedder: &mut dyn Embedder,
    (stop, report): (&AtomicBool, &mut dyn FnMut(Event)),
) -> Result<Report, EngineError> {
    let mut shop = Workshop::open(dir)?;
    let corpus = read_corpus(&options.sources)?;
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
    };
    let before = shop.state.settings(&shop.ledger)?;
    // Weights were measured on one model's handles of one schema, and hold for no other.
    let same = |before: &&Settings| before.schema_toml == settings.schema_toml && before.model == settings.model;
    settings.tuning = before.as_ref().filter(same).and_then(|before| before.tuning.clone());
    let mut outcome = None;
    if let (Some(schema), Some(generator)) = (schema, generator) {
        let calls = plan(&chunks, schema, generator.fingerprint(), &shop.state, options.retry_failed)?;
        report(Event::Read { documents: corpus.documents.len(), chunks: chunks.len(), calls: calls.len() });
        if !calls.is_empty() {
            let ended = enrich(
                &chunks,
                schema,
                &calls,
                generator,
                (&mut shop.ledger, &shop.state),
                (stop, &mut |progress| report(Event::Enrich(progress))),
            )?;
            if ended.interrupted {
                return Ok(Report::interrupted(ended, corpus, &shop));
            }
            outcome = Some(ended);
        }
    } else {
        report(Event::Read { documents: corpus.documents.len(), chunks: chunks.len(), calls: 0 });
    }
    publish(dir, shop, (corpus, chunks), (&settings, outcome), embedder, report)
}

/// Builds the next generation from the corpus and the ledger alone, without a model.
///
/// # Errors
/// As [`build`]; also when nothing was ever built here.
pub fn rebuild(
    dir: &IndexDir,
    sources: &[PathBuf],
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event),
) -> Result<Report, EngineError> {
    rebuild_with(dir, sources, None, embedder, report)
}

/// Publishes a generation with measured weights; later builds keep them while schema and model stay.
///
/// # Errors
/// As [`rebuild`].
pub fn apply_tuning(
    dir: &IndexDir,
    tuning: Tuning,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event),
) -> Result<Report, EngineError> {
    rebuild_with(dir, &[], Some(&tuning), embedder, report)
}

fn rebuild_with(
    dir: &IndexDir,
    sources: &[PathBuf],
    tuning: Option<&Tuning>,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event),
) -> Result<Report, EngineError> {
    if !dir.exists() {
        return Err(EngineError::NeverBuilt(dir.path().to_owned()));
    }
    healed(dir, &mut || {
        let shop = Workshop::open(dir)?;
        let mut settings = shop.settings(dir)?;
        settings.tuning = tuning.cloned().or(settings.tuning);
        if !sources.is_empty() {
            settings.sources = sources.to_vec();
        }
        let corpus = read_corpus(&settings.sources)?;
        let chunks = chunk_all(&corpus.documents, settings.chunk_chars);
        report(Event::Read { documents: corpus.documents.len(), chunks: chunks.len(), calls: 0 });
        publish(dir, shop, (corpus, chunks), (&settings, None), embedder, report)
    })
}

fn publish(
    dir: &IndexDir,
    mut shop: Workshop,
    (corpus, chunks): (Corpus, Vec<Chunk>),
    (settings, outcome): (&Settings, Option<Outcome>),
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event),
) -> Result<Report, EngineError> {
    let schema = settings.schema_toml.as_deref().map(Schema::from_toml).transpose()?;
    let model = settings.model.as_deref();
    // An index without a schema still takes imports: they are collected against an empty one.
    let empty = Schema { name: String::new(), about: String::new(), kinds: vec![], examples: vec![] };
    let collecting = schema.as_ref().unwrap_or(&empty);
    let Collected { handles, rejections } = collect(&chunks, collecting, model, (&shop.ledger, &shop.state))?;
    let quarantine = match model {
        Some(model) => quarantined(&chunks, collecting, model, (&shop.ledger, &shop.state))?,
        None => Vec::new(),
    };
    let quarantined = quarantine.into_iter().filter_map(|(at, reason)| Some((chunks.get(at)?.id(), reason))).collect();
    let indexed: Vec<IndexedChunk> =
        chunks.into_iter().zip(handles).map(|(chunk, handles)| IndexedChunk { chunk, handles }).collect();
    let build = Build {
        chunks: &indexed,
        schema: schema.as_ref(),
        model,
        weight: &|lane| match &settings.tuning {
            // A kind that came after the measuring is searched until it is measured too.
            Some(tuning) => tuning.weights.get(lane).copied().unwrap_or_else(|| default_weight(lane)),
            None => default_weight(lane),
        },
        tuning: settings.tuning.as_ref(),
        fusion: DEFAULT_FUSION,
        graph_rows: settings.graph_rows.unwrap_or(DEFAULT_GRAPH_ROWS),
    };
    shop.settle(settings)?;
    let built = write(dir, &shop.lock, &build, embedder, &mut |done, total| report(Event::Embed { done, total }))?;
    Ok(Report {
        built: Some(built),
        outcome,
        rejections,
        skipped: corpus.skipped,
        quarantined,
        ledger_damage: shop.state.damage.len(),
        torn_bytes: shop.torn_bytes,
    })
}

//! Taking a source out of an index for good: a decision in the ledger, which every later build follows until somebody
//! takes it back. It is published at once, and older generations go, so that nothing of it is left to be found.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use frontload_core::{Chunk, ChunkKey, Embedder, Purge, Purged};
use frontload_corpus::{chunk_all, read_corpus, source_names};
use frontload_enrich::{Erasure, Record, Rewritten, erase, now};
use frontload_index::{IndexDir, Reader, remove_older};

use crate::{
    EngineError, Event, Rebuilding, Report,
    build::rebuild_in,
    input,
    workshop::{Workshop, healed},
};

/// The longest name and the longest reason, in characters.
const NAME_CHARS: usize = 80;
const REASON_CHARS: usize = 500;

/// What somebody wants taken out, or put back.
#[derive(Debug, Clone)]
pub struct PurgeAsk {
    /// What. A pattern that names no source or file may be a path on this machine.
    pub what: Purged,
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// Whether the text of everything that was said about it goes from the ledger too.
    pub erase: bool,
}

/// A document that goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Going {
    /// Its source.
    pub source: String,
    /// Its file in that.
    pub path: String,
    /// Its id.
    pub document: String,
    /// Its chunks in the live generation.
    pub chunks: usize,
    /// Their handles there.
    pub handles: usize,
}

/// What a purge takes out.
#[derive(Debug, Clone)]
pub struct Reach {
    /// As the decision names it.
    pub what: Purged,
    /// The documents, by source and id.
    pub documents: Vec<Going>,
    /// Records of the ledger that erasing would change.
    pub records: usize,
    /// Chunks whose title and text stand in a document that stays, too, or that could be put back: what was said about
    /// those stays with it.
    pub shared: usize,
}

/// What a purge did.
#[derive(Debug)]
pub struct PurgeReport {
    /// What it took out.
    pub reach: Reach,
    /// What it erased, if it was to.
    pub erased: Option<Rewritten>,
    /// Older generations that are removed.
    pub removed: usize,
    /// The build that followed.
    pub report: Report,
}

/// A chunk of the corpus as it is now, or of a generation.
struct Known {
    source: String,
    path: String,
    document: String,
    key: ChunkKey,
    handles: usize,
    at: Standing,
}

/// Where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Corpus,
    Live,
    Older,
}

impl Known {
    fn of(chunk: Chunk, handles: usize, at: Standing) -> Self {
        let key = chunk.key();
        let path = chunk.place.map(|place| place.path).unwrap_or_default();
        Self { source: chunk.source, path, document: chunk.document, key, handles, at }
    }

    fn is_covered(&self, what: &Purged) -> bool {
        what.covers(&self.source, &self.path, &self.document)
    }
}

/// Says what a purge would take out, and takes nothing.
///
/// # Errors
/// As [`purge`].
pub fn purge_reach(dir: &IndexDir, what: &Purged) -> Result<Reach, EngineError> {
    built_here(dir)?;
    healed(dir, &mut || Ok(survey(dir, &Workshop::open(dir)?, what)?.0))
}

/// Takes documents out, publishes a generation without them and removes all others. Done again, it finishes what was
/// interrupted.
///
/// # Errors
/// When nothing or everything would be taken out, another writer is at work, or the build fails: the decision is then
/// kept, and the same command, or any other that publishes, follows it.
pub fn purge(
    dir: &IndexDir,
    ask: &PurgeAsk,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<PurgeReport, EngineError> {
    built_here(dir)?;
    check(ask)?;
    healed(dir, &mut || {
        let mut shop = Workshop::open(dir)?;
        let (reach, erasure) = survey(dir, &shop, &ask.what)?;
        shop.append(&[decision(reach.what.clone(), true, ask)])?;
        let erased = if ask.erase { Some(erase(&mut shop.ledger, &mut shop.state, &erasure)?) } else { None };
        // What is written beside a live generation shares files with it, and those still hold what is deleted.
        let afresh = Rebuilding { afresh: true, ..Rebuilding::default() };
        let report = rebuild_in(dir, &mut shop, &afresh, embedder, report)?;
        let removed = remove_older(dir, &shop.lock)?;
        Ok(PurgeReport { reach, erased, removed, report })
    })
}

/// Takes a purge back and publishes. What was not erased is found again as it was.
///
/// # Errors
/// When no such purge holds, another writer is at work, or the build fails: the purge is then taken back all the same.
pub fn undo_purge(
    dir: &IndexDir,
    ask: &PurgeAsk,
    embedder: &mut dyn Embedder,
    report: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Report, EngineError> {
    built_here(dir)?;
    check(ask)?;
    healed(dir, &mut || {
        let mut shop = Workshop::open(dir)?;
        let held = shop.purges()?;
        let sources = shop.settings(dir)?.sources;
        let what = meant(&ask.what, &sources, &|what| held.iter().any(|purge| purge.what == *what));
        if !held.iter().any(|purge| purge.what == what) {
            let known = held.iter().map(|purge| purge.what.to_string()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "nothing is".to_owned() } else { format!("these are: {known}") };
            return Err(input(Path::new("--undo"), None, format!("{} is not taken out; {known}", ask.what)));
        }
        shop.append(&[decision(what, false, ask)])?;
        rebuild_in(dir, &mut shop, &Rebuilding::default(), embedder, report)
    })
}

/// Everything that is taken out, the earliest decision first.
///
/// # Errors
/// When another writer is at work, or the ledger cannot be read.
pub fn held_purges(dir: &IndexDir) -> Result<Vec<Purge>, EngineError> {
    built_here(dir)?;
    healed(dir, &mut || Workshop::open(dir)?.purges())
}

fn built_here(dir: &IndexDir) -> Result<(), EngineError> {
    if dir.exists() { Ok(()) } else { Err(EngineError::NeverBuilt(dir.path().to_owned())) }
}

fn check(ask: &PurgeAsk) -> Result<(), EngineError> {
    let what = match &ask.what {
        Purged::Source(pattern) => ("--source", pattern.trim_matches('/'), usize::MAX),
        Purged::Document(id) => ("--document", id.as_str(), usize::MAX),
    };
    let by = ("--by", ask.by.as_str(), NAME_CHARS);
    let reason = ("--reason", ask.reason.as_str(), REASON_CHARS);
    for (flag, text, most) in [what, by, reason] {
        let letters = text.chars().count();
        let problem = if text.trim().is_empty() && flag != "--reason" {
            "it is empty".to_owned()
        } else if letters > most {
            format!("it is {letters} characters long, at most {most} are taken")
        } else if flag != "--document" && text.chars().any(char::is_control) {
            "it holds control characters".to_owned()
        } else {
            continue;
        };
        return Err(input(Path::new(flag), None, problem));
    }
    Ok(())
}

fn decision(what: Purged, holds: bool, ask: &PurgeAsk) -> Record {
    let (reason, by) = (ask.reason.clone(), ask.by.clone());
    Record::Purge(Purge { what, holds, erased: holds && ask.erase, reason, by, at: now() })
}

/// Everything that is taken out, and what the ledger must say nothing about to have it erased.
fn survey(dir: &IndexDir, shop: &Workshop, asked: &Purged) -> Result<(Reach, Erasure), EngineError> {
    let settings = shop.settings(dir)?;
    let mut known = generations(dir)?;
    // All of it, also what was taken out before: it may be erased now.
    let corpus = read_corpus(&settings.sources)?;
    let chunks = chunk_all(&corpus.documents, settings.chunk_chars);
    known.extend(chunks.into_iter().map(|chunk| Known::of(chunk, 0, Standing::Corpus)));
    let what = meant(asked, &settings.sources, &|what| known.iter().any(|one| one.is_covered(what)));
    let (covered, others): (Vec<Known>, Vec<Known>) = known.into_iter().partition(|one| one.is_covered(&what));
    let mut staying: Vec<&Known> = others.iter().filter(|one| one.at == Standing::Corpus).collect();
    if covered.is_empty() {
        let sources: BTreeSet<&str> = others.iter().map(|one| one.source.as_str()).collect();
        let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
        let problem = format!(
            "nothing here is of {what}; the sources are {sources}, and `frontload inspect ID` shows a passage's source and \
             file"
        );
        return Err(input(Path::new("purge"), None, problem));
    }
    let before = shop.purges()?;
    if staying.iter().all(|one| before.iter().any(|purge| one.is_covered(&purge.what))) {
        let folder = dir.path().display();
        let problem = format!("{what} is all there is: nothing would be left. Remove the folder {folder} instead");
        return Err(input(Path::new("purge"), None, problem));
    }
    // What was erased earlier may still be in the corpus, and keeps nothing that others said in its words.
    staying.retain(|one| !before.iter().any(|purge| purge.erased && one.is_covered(&purge.what)));
    let erasure = erasure(&covered, &staying);
    let keys: HashSet<ChunkKey> = covered.iter().map(|one| one.key).collect();
    let reach = Reach {
        what,
        documents: going(&covered),
        records: erasure.count(&dir.ledger())?,
        shared: keys.len() - erasure.chunks.len(),
    };
    Ok((reach, erasure))
}

/// Every chunk of every generation that can be read: a file that is gone from the corpus may still be found.
fn generations(dir: &IndexDir) -> Result<Vec<Known>, EngineError> {
    let numbers = Reader::generations(dir);
    let mut known = Vec::new();
    for number in &numbers {
        let at = if Some(number) == numbers.last() { Standing::Live } else { Standing::Older };
        let Ok(reader) = Reader::open_generation(dir, *number) else { continue };
        for indexed in reader.chunks() {
            let indexed = indexed?;
            known.push(Known::of(indexed.chunk, indexed.handles.len(), at));
        }
    }
    Ok(known)
}

fn erasure(covered: &[Known], staying: &[&Known]) -> Erasure {
    let stay: HashSet<ChunkKey> = staying.iter().map(|one| one.key).collect();
    let chunks = covered.iter().map(|one| one.key).filter(|key| !stay.contains(key)).collect();
    let ids: HashSet<&str> = staying.iter().map(|one| one.document.as_str()).collect();
    let documents = covered.iter().map(|one| one.document.clone()).filter(|id| !ids.contains(id.as_str())).collect();
    Erasure { chunks, documents, staying: stay }
}

fn going(covered: &[Known]) -> Vec<Going> {
    let mut documents: BTreeMap<(&str, &str), Going> = BTreeMap::new();
    for one in covered {
        let going = documents.entry((one.source.as_str(), one.document.as_str())).or_insert_with(|| Going {
            source: one.source.clone(),
            path: one.path.clone(),
            document: one.document.clone(),
            ..Going::default()
        });
        if one.at == Standing::Live {
            going.chunks += 1;
            going.handles += one.handles;
        }
    }
    documents.into_values().collect()
}

/// What is meant: as it is written, if that is something, else what it is as a path on this machine.
fn meant(asked: &Purged, sources: &[PathBuf], is_known: &dyn Fn(&Purged) -> bool) -> Purged {
    let as_path = match asked {
        Purged::Source(given) if !is_known(asked) => as_named(given, sources).map(Purged::Source),
        Purged::Source(_) | Purged::Document(_) => None,
    };
    as_path.unwrap_or_else(|| asked.clone())
}

/// A path on this machine, which need not be there any more, as its documents are named: `source/file`.
fn as_named(given: &str, sources: &[PathBuf]) -> Option<String> {
    let path = fs::canonicalize(given).or_else(|_| std::path::absolute(given)).ok()?;
    let named = |(source, name): (&PathBuf, Option<String>)| {
        let below = path.strip_prefix(source).ok()?;
        let parts = below.iter().map(|part| part.to_string_lossy().into_owned());
        Some([name?].into_iter().chain(parts).collect::<Vec<_>>().join("/"))
    };
    sources.iter().zip(source_names(sources)).find_map(named)
}

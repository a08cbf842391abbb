//! People looking at handles: what is worth looking at first, what they decide, and what becomes of it.
//!
//! A decision is a record of the ledger. It stands above whatever a model says about that text, now or later, and waits
//! when the text changes.

mod agreement;
mod error;
mod examples;
mod queue;

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
};

use frontload_core::{Chunk, ChunkId, ChunkKey, Decision, Embedder, Schema, Verdict, fold};
use frontload_enrich::{Place, Record, now, vouched};
use frontload_index::{IndexDir, Reader};

pub use agreement::Agreement;
pub use error::ReviewError;
pub use examples::reviewed_examples;
pub use queue::{Item, ItemState, QueuePage, QueueQuery, source_name};

use crate::{
    EmbeddedQuery, EngineError, Event, Rebuilding, Report,
    build::rebuild_in,
    search::SearchRequest,
    search_embedded,
    workshop::{Workshop, healed},
};
use queue::weigh_doubt;

/// Hits of a query that its handles are credited for.
const CREDITED_HITS: usize = 10;
/// The longest name of a reviewer, and the longest handle a person may write, in characters.
const NAME_CHARS: usize = 80;
const HANDLE_CHARS: usize = 200;

/// A decision as a reviewer sends it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The chunk's id.
    pub chunk: String,
    /// The handle's kind.
    pub kind: String,
    /// Its text; of one that nobody said, with [`Verdict::Accept`], the new one's.
    pub text: String,
    /// What is decided.
    pub verdict: Verdict,
    /// By whom.
    pub by: String,
    /// The revision that the reviewer saw; `None` does not ask whether somebody else decided meanwhile.
    pub seen: Option<String>,
}

/// A decision as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What.
    pub decision: Decision,
    /// Changes with each decision about the same handle.
    pub revision: String,
}

/// A decision whose passage is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The decision.
    pub decided: Decided,
    /// What stands in the chunk's place now; `None` when nothing does.
    pub now: Option<String>,
}

/// A handle, whatever it is called: its chunk, its kind, its folded text.
type Named = (ChunkKey, String, String);

/// What a reviewer works at. It holds the writer's lock.
pub struct Desk {
    dir: IndexDir,
    shop: Workshop,
    reader: Reader,
    schema: Schema,
    chunks: HashMap<String, ChunkId>,
    keys: HashMap<ChunkKey, ChunkId>,
    latest: HashMap<Named, Decided>,
    items: Vec<Item>,
    queries: Vec<(String, EmbeddedQuery)>,
    unpublished: BTreeSet<Named>,
}

impl Desk {
    /// Takes the writer's lock and lays out the live generation. `queries` tell which handles decide searches.
    ///
    /// # Errors
    /// When another writer is at work, or the index cannot be read.
    pub fn open(dir: &IndexDir, queries: Vec<(String, EmbeddedQuery)>) -> Result<Self, EngineError> {
        if !dir.exists() {
            return Err(EngineError::NeverBuilt(dir.path().to_owned()));
        }
        healed(dir, &mut || Self::open_once(dir, queries.clone()))
    }

    fn open_once(dir: &IndexDir, queries: Vec<(String, EmbeddedQuery)>) -> Result<Self, EngineError> {
        let shop = Workshop::open(dir)?;
        let mut desk = Self {
            dir: dir.clone(),
            reader: Reader::open(dir)?.reader,
            schema: Schema::default(),
            shop,
            chunks: HashMap::new(),
            keys: HashMap::new(),
            latest: HashMap::new(),
            items: Vec::new(),
            queries,
            unpublished: BTreeSet::new(),
        };
        for place in desk.shop.state.all_reviews().map_err(frontload_enrich::EnrichError::from)? {
            if let Record::Review(decision) = desk.shop.ledger.read(place)? {
                desk.note(decision, place);
            }
        }
        desk.lay_out()?;
        desk.unpublished = desk.latest.keys().filter(|named| desk.is_unpublished(named)).cloned().collect();
        Ok(desk)
    }

    /// Reads the live generation again.
    fn lay_out(&mut self) -> Result<(), EngineError> {
        self.reader = Reader::open(&self.dir)?.reader;
        self.schema = self.reader.manifest().schema.clone().unwrap_or_default();
        (self.chunks, self.keys) = (HashMap::new(), HashMap::new());
        let mut items = Vec::new();
        for id in self.reader.ids() {
            let indexed = self.reader.chunk(id)?;
            self.chunks.insert(indexed.chunk.id(), id);
            self.keys.insert(indexed.chunk.key(), id);
            items.extend(queue::items(id, &indexed));
        }
        let impact = self.impact()?;
        for item in &mut items {
            item.impact = impact.get(&(item.chunk, item.kind.clone(), item.text.clone())).copied().unwrap_or(0.0);
        }
        weigh_doubt(&self.reader, &mut items);
        self.items = items;
        Ok(())
    }

    /// What share of the queries' first hits each handle brings.
    fn impact(&self) -> Result<HashMap<(ChunkId, String, String), f64>, EngineError> {
        let mut impact = HashMap::new();
        for (query, embedded) in &self.queries {
            let found = search_embedded(&self.reader, embedded, &SearchRequest::new(query, CREDITED_HITS))?;
            for hit in found.hits {
                let Some(&chunk) = self.chunks.get(&hit.chunk.id()) else { continue };
                for given in hit.evidence {
                    if let Some(handle) = given.handle {
                        let share = f64::from(given.given.share) / f64::from(hit.score.max(f32::MIN_POSITIVE));
                        *impact.entry((chunk, handle.kind, handle.text)).or_insert(0.0) += share;
                    }
                }
            }
        }
        Ok(impact)
    }

    fn note(&mut self, decision: Decision, place: Place) {
        let revision = format!("{}.{}", place.file, place.offset);
        let named = (decision.chunk, decision.kind.clone(), fold::fold(&decision.text));
        self.latest.insert(named, Decided { decision, revision });
    }

    /// Takes a decision into the ledger. It is on the disk when this returns; the next publish reflects it.
    ///
    /// # Errors
    /// When the handle is not there, what a person wrote cannot stand, or somebody decided meanwhile.
    pub fn decide(&mut self, ask: Ask) -> Result<Decided, ReviewError> {
        check_field("by", &ask.by, NAME_CHARS)?;
        check_field("text", &ask.text, HANDLE_CHARS)?;
        let chunk = self.decided_on(&ask)?;
        let named = (chunk.key(), ask.kind.clone(), fold::fold(&ask.text));
        // To let go of a decision whose passage is gone, the one that is left over is meant.
        let named = match &ask.verdict {
            Verdict::Withdraw if !self.latest.contains_key(&named) => self.left_over(&ask).unwrap_or(named),
            _ => named,
        };
        let before = self.latest.get(&named);
        check_conflict(before, &ask)?;
        self.check(&chunk, &named, &ask)?;
        let at = now();
        let Ask { kind, text, verdict, by, .. } = ask;
        let chunk_id = before.map_or_else(|| chunk.id(), |before| before.decision.chunk_id.clone());
        let decision = Decision { chunk: named.0, chunk_id, kind, text, verdict, by, at };
        let place = self.shop.append_one(Record::Review(decision.clone()))?;
        self.note(decision, place);
        self.unpublished.insert(named.clone());
        self.latest.get(&named).cloned().ok_or_else(|| ReviewError::Field("the decision was not kept".to_owned()))
    }

    /// The chunk that a decision is about; of one that is gone, only what a decision needs.
    fn decided_on(&self, ask: &Ask) -> Result<Chunk, ReviewError> {
        match self.chunks.get(&ask.chunk) {
            Some(&id) => Ok(self.reader.chunk(id)?.chunk),
            None if ask.verdict == Verdict::Withdraw => Ok(Chunk::default()),
            None => Err(ReviewError::NoSuchChunk(ask.chunk.clone())),
        }
    }

    fn left_over(&self, ask: &Ask) -> Option<Named> {
        let folded = fold::fold(&ask.text);
        let meant = |named: &&Named| {
            let about = self.latest.get(*named).is_some_and(|decided| decided.decision.chunk_id == ask.chunk);
            about && named.1 == ask.kind && named.2 == folded && !self.keys.contains_key(&named.0)
        };
        self.latest.keys().find(meant).cloned()
    }

    fn check(&self, chunk: &Chunk, named: &Named, ask: &Ask) -> Result<(), ReviewError> {
        let stands = |text: &str| {
            let judged = vouched(&self.schema, chunk, &ask.kind, text);
            judged.map(drop).map_err(|(reason, why)| ReviewError::CannotStand {
                kind: ask.kind.clone(),
                text: text.to_owned(),
                reason: reason.to_string(),
                why,
            })
        };
        let there = || {
            let item = |item: &&Item| item.key == named.0 && item.is(&named.1, &named.2);
            let known = self.latest.contains_key(named) || self.items.iter().any(|one| item(&one));
            let (chunk, kind, text) = (ask.chunk.clone(), ask.kind.clone(), ask.text.clone());
            if known { Ok(()) } else { Err(ReviewError::NotThere { chunk, kind, text }) }
        };
        match &ask.verdict {
            Verdict::Accept => {
                self.check_kind(&ask.kind)?;
                stands(&ask.text)
            }
            Verdict::Edit(to) => {
                check_field("to", to, HANDLE_CHARS)?;
                there()?;
                stands(to)
            }
            Verdict::Reject | Verdict::Flag => there(),
            Verdict::Withdraw if self.latest.contains_key(named) => Ok(()),
            Verdict::Withdraw => Err(ReviewError::Field("nobody decided on this: there is nothing to undo".to_owned())),
        }
    }

    /// A kind that neither the schema declares nor any handle has is a slip.
    fn check_kind(&self, kind: &str) -> Result<(), ReviewError> {
        let declared = self.schema.kinds.iter().map(|spec| spec.kind.as_str());
        let known: BTreeSet<&str> = declared.chain(self.items.iter().map(|item| item.kind.as_str())).collect();
        if known.contains(kind) {
            return Ok(());
        }
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        Err(ReviewError::NoSuchKind { kind: kind.to_owned(), known })
    }

    /// Publishes a generation that reflects every decision.
    ///
    /// # Errors
    /// As [`rebuild`](crate::rebuild).
    pub fn publish(
        &mut self,
        embedder: &mut dyn Embedder,
        report: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Report, EngineError> {
        let published = rebuild_in(&self.dir, &mut self.shop, &Rebuilding::default(), embedder, report)?;
        self.lay_out()?;
        self.unpublished.clear();
        Ok(published)
    }

    /// How many decisions the live generation does not reflect yet.
    pub fn unpublished(&self) -> usize {
        self.unpublished.len()
    }

    fn is_unpublished(&self, named: &Named) -> bool {
        let Some(decided) = self.latest.get(named).filter(|_| self.keys.contains_key(&named.0)) else { return false };
        let stands = |text: &str| {
            let folded = fold::fold(text);
            let here = |item: &&Item| item.key == named.0 && item.gate.is_none() && item.is(&named.1, &folded);
            self.items.iter().find(here)
        };
        let by_person = |text: &str| stands(text).is_some_and(|item| item.source == frontload_core::Source::Person);
        match &decided.decision.verdict {
            Verdict::Accept => !by_person(&decided.decision.text),
            Verdict::Edit(to) => !by_person(to),
            Verdict::Reject => stands(&decided.decision.text).is_some(),
            Verdict::Flag | Verdict::Withdraw => false,
        }
    }

    /// Who decided anything.
    pub fn reviewers(&self) -> BTreeSet<&str> {
        self.latest.values().map(|decided| decided.decision.by.as_str()).collect()
    }

    /// Decisions about passages that have changed since, or are gone.
    ///
    /// # Errors
    /// When the generation breaks under our hands.
    pub fn orphans(&self) -> Result<Vec<Orphan>, EngineError> {
        let mut orphans = Vec::new();
        for (named, decided) in &self.latest {
            if self.keys.contains_key(&named.0) || decided.decision.verdict == Verdict::Withdraw {
                continue;
            }
            let here = self.chunks.get(&decided.decision.chunk_id);
            let now = here.map(|&id| self.reader.chunk(id)).transpose()?.map(|indexed| indexed.chunk);
            // Decided again on what stands there now.
            let again = |now: &Chunk| self.latest.contains_key(&(now.key(), named.1.clone(), named.2.clone()));
            if !now.as_ref().is_some_and(again) {
                orphans.push(Orphan { decided: decided.clone(), now: now.map(|chunk| chunk.text) });
            }
        }
        orphans.sort_by(|left, right| left.decided.revision.cmp(&right.decided.revision));
        Ok(orphans)
    }
}

fn check_conflict(before: Option<&Decided>, ask: &Ask) -> Result<(), ReviewError> {
    let Some(seen) = &ask.seen else { return Ok(()) };
    match before {
        Some(before) if before.revision != *seen => {
            let Decision { by, verdict, at, .. } = &before.decision;
            let seconds = now().saturating_sub(*at);
            Err(ReviewError::Conflict { by: by.clone(), verdict: verdict.name(), seconds })
        }
        _ => Ok(()),
    }
}

fn check_field(name: &str, text: &str, most: usize) -> Result<(), ReviewError> {
    let letters = text.chars().count();
    let problem = if text.trim().is_empty() {
        "is empty".to_owned()
    } else if letters > most {
        format!("is {letters} characters long, at most {most} are taken")
    } else if text.chars().any(char::is_control) {
        "holds control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(ReviewError::Field(format!("{name} {problem}")))
}

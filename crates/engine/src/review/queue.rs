//! What is worth a look first: what decides many searches, and what there is reason to doubt.

use std::collections::{HashMap, HashSet};

use frontload_core::{ChunkId, ChunkKey, Evidence, Field, Handle, Lane, Method, Reason, Source, Verdict, fold};
use frontload_index::{IndexedChunk, Reader};

use super::{Decided, Desk, Named};
use crate::EngineError;

/// What a quote, and what rests on one, is doubted.
const QUOTED_DOUBT: f64 = 0.05;
const DERIVED_DOUBT: f64 = 0.2;
/// A handle that no query asked for still has some impact.
const LEAST_IMPACT: f64 = 0.05;
/// From so large a share of the chunks on, a text is filler as the gate has it unless a schema says otherwise.
const FILLER_SHARE: f64 = 0.02;
/// Below so many chunks nothing is.
const FILLER_CHUNKS: f64 = 4.0;

/// A handle, or what a gate turned away, as a reviewer sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its chunk.
    pub chunk: ChunkId,
    /// What that says.
    pub key: ChunkKey,
    /// Its kind.
    pub kind: String,
    /// Its text.
    pub text: String,
    /// What stands behind it.
    pub evidence: Evidence,
    /// What it rests on, in bytes of the chunk's text.
    pub span: Option<(u32, u32)>,
    /// Who said it.
    pub source: Source,
    /// The gate that turned it away, and what was measured.
    pub gate: Option<(Reason, String)>,
    /// In how many of the queries' hits it counts, each by its share.
    pub impact: f64,
    /// How much there is to doubt, from 0 to 1.
    pub doubt: f64,
}

impl Item {
    pub(super) fn is(&self, kind: &str, folded: &str) -> bool {
        self.kind == kind && fold::fold(&self.text) == folded
    }

    fn worth(&self) -> f64 {
        (self.impact + LEAST_IMPACT) * self.doubt
    }
}

/// What was decided about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemState {
    /// Nothing.
    Open,
    /// It stands.
    Accepted,
    /// Another text is in its place.
    Edited,
    /// It is gone.
    Rejected,
    /// Somebody should look again.
    Flagged,
}

impl ItemState {
    /// What a decision comes to.
    pub fn of(decided: Option<&Decided>) -> Self {
        match decided.map(|decided| &decided.decision.verdict) {
            None | Some(Verdict::Withdraw) => Self::Open,
            Some(Verdict::Accept) => Self::Accepted,
            Some(Verdict::Edit(_)) => Self::Edited,
            Some(Verdict::Reject) => Self::Rejected,
            Some(Verdict::Flag) => Self::Flagged,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Edited => "edited",
            Self::Rejected => "rejected",
            Self::Flagged => "flagged",
        }
    }
}

/// Which items are wanted; what is `None` or empty is not asked about.
#[derive(Debug, Clone, Default)]
pub struct QueueQuery {
    /// Of this chunk, by its id.
    pub chunk: String,
    /// Of this kind.
    pub kind: String,
    /// "open", "decided", "flagged" or "all".
    pub state: String,
    /// "model", "rule", "import", "person" or "alias".
    pub source: String,
    /// Empty: what passed; "any": what a gate turned away; "all": both; else a gate's name.
    pub gate: String,
    /// From here on.
    pub after: usize,
    /// So many.
    pub size: usize,
}

/// A page of the queue.
#[derive(Debug, Clone, Default)]
pub struct QueuePage {
    /// Each with its chunk and what was decided.
    pub items: Vec<(Item, IndexedChunk, Option<Decided>)>,
    /// Where the next page begins.
    pub next: Option<usize>,
    /// How many there are in all.
    pub total: usize,
}

/// Everything that was said of one chunk.
pub(super) fn items(id: ChunkId, indexed: &IndexedChunk) -> Vec<Item> {
    let key = indexed.chunk.key();
    let item = |handle: &Handle| Item {
        chunk: id,
        key,
        kind: handle.kind.clone(),
        text: handle.text.clone(),
        evidence: handle.evidence,
        span: handle.span,
        source: handle.source,
        gate: None,
        impact: 0.0,
        doubt: 0.0,
    };
    let fallen = indexed.rejected.iter().map(|fallen| Item {
        chunk: id,
        key,
        kind: fallen.kind.clone(),
        text: fallen.text.clone(),
        evidence: Evidence::Inferred,
        span: None,
        source: Source::Model,
        gate: Some((fallen.reason, fallen.detail.clone())),
        impact: 0.0,
        doubt: 1.0,
    });
    indexed.handles.iter().map(item).chain(fallen).collect()
}

/// An inferred handle is doubted the more, the farther it is from its passage and the more passages have it too.
pub(super) fn weigh_doubt(reader: &Reader, items: &mut [Item]) {
    let lane = |field: Field| Lane { field, method: Method::Dense };
    let mut bodies: HashMap<ChunkId, Vec<&[f32]>> = HashMap::new();
    for (chunk, vector) in reader.lane_vectors(&lane(Field::Body)) {
        bodies.entry(chunk).or_default().push(vector);
    }
    let mut near: HashMap<(ChunkId, String, u32), f64> = HashMap::new();
    for entry in reader.manifest().lanes.iter().filter(|entry| entry.lane.method == Method::Dense) {
        let Field::Handle(kind) = &entry.lane.field else { continue };
        for (chunk, item, vector) in reader.lane_items(&entry.lane) {
            let dot = |body: &&[f32]| body.iter().zip(vector).map(|(left, right)| f64::from(left * right)).sum::<f64>();
            let best = bodies.get(&chunk).into_iter().flatten().map(dot).fold(0.0, f64::max);
            near.insert((chunk, kind.clone(), item), best);
        }
    }
    let mut chunks_with: HashMap<(String, String), f64> = HashMap::new();
    for item in items.iter().filter(|item| item.gate.is_none()) {
        *chunks_with.entry((item.kind.clone(), fold::fold(&item.text))).or_insert(0.0) += 1.0;
    }
    let limit = (reader.manifest().chunks as f64 * FILLER_SHARE).max(FILLER_CHUNKS);
    let mut numbers: HashMap<(ChunkId, String), u32> = HashMap::new();
    for item in items.iter_mut().filter(|item| item.gate.is_none()) {
        let number = numbers.entry((item.chunk, item.kind.clone())).or_insert(0);
        let nearness = near.get(&(item.chunk, item.kind.clone(), *number)).copied().unwrap_or(0.0);
        *number += 1;
        let common = chunks_with.get(&(item.kind.clone(), fold::fold(&item.text))).copied().unwrap_or(1.0);
        item.doubt = match (item.source, item.evidence) {
            (Source::Person, _) => 0.0,
            (_, Evidence::Verbatim) => QUOTED_DOUBT,
            (_, Evidence::Normalised) => DERIVED_DOUBT,
            (_, Evidence::Inferred) => (1.0 - nearness).max((common - 1.0) / limit).clamp(QUOTED_DOUBT, 1.0),
        };
    }
}

impl Desk {
    /// What is worth a look, the most worth first.
    ///
    /// # Errors
    /// When the generation breaks under our hands.
    pub fn queue(&self, wanted: &QueueQuery) -> Result<QueuePage, EngineError> {
        let added = self.added();
        let all = self.items.iter().chain(&added).map(|item| (item, self.decided(item)));
        let chunk = (!wanted.chunk.is_empty()).then(|| self.chunks.get(&wanted.chunk).copied());
        let here = |item: &Item| chunk.is_none_or(|chunk| chunk == Some(item.chunk));
        let mut fitting: Vec<(&Item, Option<&Decided>)> =
            all.filter(|(item, decided)| here(item) && fits(wanted, item, *decided)).collect();
        fitting.sort_by(|(left, _), (right, _)| {
            let place = |item: &Item| (item.chunk, item.kind.clone(), item.text.clone());
            right.worth().total_cmp(&left.worth()).then_with(|| place(left).cmp(&place(right)))
        });
        let total = fitting.len();
        let mut page = QueuePage { total, ..QueuePage::default() };
        for (item, decided) in fitting.into_iter().skip(wanted.after).take(wanted.size) {
            page.items.push((item.clone(), self.reader.chunk(item.chunk)?, decided.cloned()));
        }
        let end = wanted.after + page.items.len();
        page.next = (end < total).then_some(end);
        Ok(page)
    }

    /// What people added and did not publish yet: no generation has it.
    fn added(&self) -> Vec<Item> {
        let known: HashSet<Named> =
            self.items.iter().map(|item| (item.key, item.kind.clone(), fold::fold(&item.text))).collect();
        let news = self.latest.iter().filter(|(named, _)| !known.contains(*named));
        let item = |(named, decided): (&Named, &Decided)| {
            let text = decided.decision.text.clone();
            Some(Item {
                chunk: *self.keys.get(&named.0)?,
                key: named.0,
                kind: named.1.clone(),
                text,
                evidence: Evidence::Inferred,
                span: None,
                source: Source::Person,
                gate: None,
                impact: 0.0,
                doubt: 0.0,
            })
        };
        news.filter_map(item).collect()
    }

    /// What was decided about an item.
    pub(super) fn decided(&self, item: &Item) -> Option<&Decided> {
        self.latest.get(&(item.key, item.kind.clone(), fold::fold(&item.text)))
    }
}

fn fits(wanted: &QueueQuery, item: &Item, decided: Option<&Decided>) -> bool {
    let state = ItemState::of(decided);
    let of_kind = wanted.kind.is_empty() || wanted.kind == item.kind;
    let of_source = wanted.source.is_empty() || wanted.source == source_name(item.source);
    let of_gate = match (wanted.gate.as_str(), &item.gate) {
        ("", gate) => gate.is_none() || state != ItemState::Open,
        ("all", _) => true,
        ("any", gate) => gate.is_some(),
        (name, Some((reason, _))) => serde_json::to_value(reason).is_ok_and(|own| own == name),
        (_, None) => false,
    };
    let in_state = match wanted.state.as_str() {
        "" | "open" => state == ItemState::Open && item.source != Source::Person,
        "decided" => state != ItemState::Open && state != ItemState::Flagged,
        "flagged" => state == ItemState::Flagged,
        _ => true,
    };
    of_kind && of_source && of_gate && in_state
}

/// Who said it, in a word.
pub fn source_name(source: Source) -> &'static str {
    match source {
        Source::Model => "model",
        Source::Rule => "rule",
        Source::Import => "import",
        Source::Person => "person",
        Source::Alias => "alias",
    }
}

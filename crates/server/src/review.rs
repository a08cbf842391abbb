//! People reviewing handles: the desk they share, one at a time.

use std::{
    ops::ControlFlow,
    sync::{Mutex, MutexGuard, PoisonError},
};

use frontload_core::{Embedder, Evidence, Verdict};
use frontload_engine::{Ask, Decided, Desk, EngineError, Item, ItemState, QueueQuery, ReviewError, source_name};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::convert;

/// Items on a page of the queue.
const PAGE: usize = 20;
const MOST_ITEMS: usize = 200;

/// Opens the embedding model for a publish.
pub type OpenEmbedder = Box<dyn Fn() -> Result<Box<dyn Embedder + Send>, String> + Send + Sync>;

/// The desk, and what publishing needs.
pub struct Reviewing {
    desk: Mutex<Desk>,
    embedder: OpenEmbedder,
}

/// Which part of the queue is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QueueOptions {
    chunk_id: String,
    kind: String,
    state: String,
    source: String,
    gate: String,
    after: String,
    size: usize,
}

/// What a reviewer decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionRequest {
    chunk_id: String,
    kind: String,
    text: String,
    verdict: String,
    #[serde(default)]
    to: String,
    by: String,
    #[serde(default)]
    seen: String,
}

impl Reviewing {
    /// A desk, and how the embedding model is opened when its decisions are published.
    pub fn new(desk: Desk, embedder: OpenEmbedder) -> Self {
        Self { desk: Mutex::new(desk), embedder }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn queue(&self, asked: &QueueOptions) -> Result<Value, Status> {
        let wrong =
            |field: &str, value: &str, known: &str| convert::invalid(field, format!("is {value:?}, expected {known}"));
        if !["", "open", "decided", "flagged", "all"].contains(&asked.state.as_str()) {
            return Err(wrong("state", &asked.state, "open, decided, flagged or all"));
        }
        if !["", "model", "rule", "import", "person", "alias"].contains(&asked.source.as_str()) {
            return Err(wrong("source", &asked.source, "model, rule, import, person or alias"));
        }
        let after = match asked.after.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| convert::invalid("after", "is not one that this service gave"))?,
        };
        let size = if asked.size == 0 { PAGE } else { asked.size.min(MOST_ITEMS) };
        let (kind, state, source, gate) =
            (asked.kind.clone(), asked.state.clone(), asked.source.clone(), asked.gate.clone());
        let chunk = asked.chunk_id.clone();
        let page = self.desk().queue(&QueueQuery { chunk, kind, state, source, gate, after, size });
        let page = page.map_err(|error| convert::status(&error))?;
        let left = page.total - after.min(page.total);
        let items: Vec<Value> = page
            .items
            .into_iter()
            .map(|(item, indexed, decided)| {
                let (id, chunk) = (indexed.chunk.id(), indexed.chunk);
                let state = ItemState::of(decided.as_ref()).name();
                let quote = item.span.and_then(|(start, end)| chunk.text.get(start as usize..end as usize));
                let mut value = described(&item, quote.unwrap_or_default());
                value["chunk_id"] = id.into();
                value["document_id"] = chunk.document.into();
                value["title"] = chunk.title.into();
                value["text"] = chunk.text.into();
                value["state"] = state.into();
                decision_into(&mut value, decided.as_ref());
                value
            })
            .collect();
        let next = page.next.map_or_else(String::new, |next| next.to_string());
        Ok(json!({"items": items, "next": next, "left": left}))
    }

    pub(crate) fn decide(&self, asked: DecisionRequest) -> Result<Value, Status> {
        let DecisionRequest { chunk_id, kind, text, verdict, to, by, seen } = asked;
        let verdict = match verdict.as_str() {
            "accept" => Verdict::Accept,
            "edit" => Verdict::Edit(to),
            "reject" => Verdict::Reject,
            "flag" => Verdict::Flag,
            "withdraw" => Verdict::Withdraw,
            other => {
                let told = format!("is {other:?}, expected accept, edit, reject, flag or withdraw");
                return Err(convert::invalid("verdict", told));
            }
        };
        let ask = Ask { chunk: chunk_id, kind, text, verdict, by, seen: Some(seen) };
        let decided = self.desk().decide(ask).map_err(|error| refused(&error))?;
        Ok(json!({"revision": decided.revision, "state": ItemState::of(Some(&decided)).name()}))
    }

    pub(crate) fn agreement(&self) -> Value {
        let desk = self.desk();
        let kinds: Vec<Value> = desk
            .agreement()
            .into_iter()
            .map(|(kind, of_kind)| {
                let (low, high) = of_kind.interval();
                json!({
                    "kind": kind, "accepted": of_kind.accepted, "edited": of_kind.edited, "rejected": of_kind.rejected,
                    "flagged": of_kind.flagged, "open": of_kind.open, "agreement": of_kind.rate(), "low": low,
                    "high": high,
                })
            })
            .collect();
        json!({"kinds": kinds, "unpublished": desk.unpublished(), "reviewers": desk.reviewers()})
    }

    pub(crate) fn publish(&self) -> Result<Value, Status> {
        let mut embedder = (self.embedder)().map_err(|told| convert::error(Code::Unavailable, "NO_EMBEDDER", told))?;
        let published = self.desk().publish(embedder.as_mut(), &mut |_| ControlFlow::Continue(()));
        let report = published.map_err(|error| convert::status(&error))?;
        let manifest = report.built.map(|built| built.manifest);
        let manifest = manifest.ok_or_else(|| Status::internal("nothing was published"))?;
        Ok(json!({"generation": manifest.generation, "handles": manifest.handles}))
    }

    pub(crate) fn conflicts(&self) -> Result<Value, Status> {
        let orphans = self.desk().orphans().map_err(|error| convert::status(&error))?;
        let conflicts: Vec<Value> = orphans
            .into_iter()
            .map(|orphan| {
                let why = if orphan.now.is_some() { "the passage changed since" } else { "the passage is gone" };
                let decision = &orphan.decided.decision;
                let mut value = json!({
                    "chunk_id": decision.chunk_id, "kind": decision.kind, "text": decision.text,
                    "verdict": decision.verdict.name(), "why": why, "now": orphan.now.unwrap_or_default(),
                });
                decision_into(&mut value, Some(&orphan.decided));
                value
            })
            .collect();
        Ok(json!({"conflicts": conflicts}))
    }
}

fn described(item: &Item, quote: &str) -> Value {
    let evidence = match item.evidence {
        Evidence::Verbatim => "verbatim",
        Evidence::Normalised => "normalised",
        Evidence::Inferred => "inferred",
    };
    let (start, end) = item.span.unwrap_or_default();
    let (gate, detail) = item.gate.as_ref().map_or((json!(""), ""), |(gate, why)| (json!(gate), why));
    json!({
        "kind": item.kind,
        "handle": {"text": item.text, "evidence": evidence, "quote": quote, "span_start": start, "span_end": end},
        "source": source_name(item.source), "gate": gate, "gate_detail": detail,
        "impact": item.impact, "doubt": item.doubt,
    })
}

/// Who decided what, when; empty where nobody did.
fn decision_into(value: &mut Value, decided: Option<&Decided>) {
    let decision = decided.map(|decided| &decided.decision);
    let to = match decision.map(|decision| &decision.verdict) {
        Some(Verdict::Edit(to)) => to.as_str(),
        _ => "",
    };
    value["by"] = decision.map_or("", |decision| &decision.by).into();
    value["at"] = decision.map_or(0, |decision| decision.at).into();
    value["to"] = to.into();
    value["revision"] = decided.map_or("", |decided| &decided.revision).into();
}

fn refused(error: &ReviewError) -> Status {
    match error {
        ReviewError::Conflict { .. } => convert::error(Code::Aborted, "CONFLICT", error.to_string()),
        ReviewError::NoSuchChunk(id) => convert::not_found("chunk", id),
        ReviewError::NotThere { .. } => convert::error(Code::NotFound, "NO_SUCH_HANDLE", error.to_string()),
        ReviewError::NoSuchKind { .. } => convert::invalid("kind", error.to_string()),
        ReviewError::CannotStand { .. } => convert::invalid("text", error.to_string()),
        ReviewError::Field(told) => {
            let (field, what) = told.split_once(' ').unwrap_or(("decision", told));
            convert::invalid(field, what)
        }
        ReviewError::Engine(EngineError::Index(error)) => Status::internal(error.to_string()),
        ReviewError::Engine(error) => convert::status(error),
    }
}

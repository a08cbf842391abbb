//! One query: every lane is looked along, the rankings are fused, and every hit says why it came.

use std::{collections::HashMap, time::Instant};

use frontload_core::{
    Chunk, ChunkId, Contribution, EmbedError, Embedder, Field, Fused, Fusion, Handle, Interval, Lane, LaneRanking,
    Method, TextRole, fusion,
};
use frontload_index::{IndexError, IndexedChunk, Reader};

use crate::EngineError;

/// Hits taken from each lane: deep enough that what only fusion brings up is in it.
const DEPTH: usize = 200;

/// Which lanes are looked along.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LaneSelection {
    /// All that the generation has, with their weights.
    #[default]
    All,
    /// The body's two alone.
    Plain,
    /// These.
    Listed(Vec<Lane>),
}

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// What is looked for.
    pub query: String,
    /// Hits wanted.
    pub k: usize,
    /// Along which lanes.
    pub lanes: LaneSelection,
    /// How rankings are joined; the generation's own way when `None`.
    pub fusion: Option<Fusion>,
    /// Only chunks with a handle of a time that touches these days.
    pub during: Option<Interval>,
}

impl SearchRequest {
    /// All lanes, the generation's fusion.
    pub fn new(query: impl Into<String>, k: usize) -> Self {
        Self { query: query.into(), k, lanes: LaneSelection::All, fusion: None, during: None }
    }
}

/// What one lane gave to a hit.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneEvidence {
    /// The lane, the rank and score there, and the share of the hit's score.
    pub given: Contribution,
    /// For a handle lane: the handle that matched.
    pub handle: Option<Handle>,
}

/// One hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// From 1.
    pub rank: usize,
    /// The fused score; the lanes' shares sum to it.
    pub score: f32,
    /// The chunk found.
    pub chunk: Chunk,
    /// What each lane gave, largest share first.
    pub evidence: Vec<LaneEvidence>,
    /// The rank it would have had by the body lanes alone, within the depth that is looked at.
    pub plain_rank: Option<usize>,
}

/// A query's hits.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResponse {
    /// Best first.
    pub hits: Vec<Hit>,
    /// What was missing, such as the dense lanes when the query could not be embedded.
    pub degraded: Vec<String>,
    /// The generation that answered.
    pub generation: u64,
    /// Embedding the query, in milliseconds.
    pub embed_ms: f64,
    /// Everything, in milliseconds.
    pub total_ms: f64,
}

/// Answers one query from one generation.
///
/// # Errors
/// When a listed lane is not in the generation, the embedding model is another one, or the generation breaks
/// under our hands. A query that cannot be embedded is answered from the word lanes, and says so.
pub fn search(
    reader: &Reader,
    embedder: &mut dyn Embedder,
    request: &SearchRequest,
) -> Result<SearchResponse, EngineError> {
    let started = Instant::now();
    let mut lanes = chosen_lanes(reader, &request.lanes)?;
    // The plain lanes are looked along whatever was asked, to say where a hit would stand without handles.
    for lane in Lane::plain() {
        if lanes.iter().all(|(chosen, _)| *chosen != lane) {
            lanes.push((lane, 0.0));
        }
    }
    let Looked { rankings, embed_ms, degraded } = look(reader, embedder, (&request.query, request.during), lanes)?;
    let manifest = reader.manifest();
    let how = request.fusion.unwrap_or(manifest.fusion);
    let plain = rankings.iter().filter(|ranking| ranking.lane.is_plain()).cloned();
    let plain: Vec<LaneRanking> = plain.map(|ranking| LaneRanking { weight: 1.0, ..ranking }).collect();
    let plain_ranks: HashMap<ChunkId, usize> =
        fusion::fuse(&plain, how).into_iter().enumerate().map(|(at, hit)| (hit.chunk, at + 1)).collect();
    let mut hits = Vec::new();
    for (at, fused) in fusion::fuse(&rankings, how).into_iter().take(request.k).enumerate() {
        let plain_rank = plain_ranks.get(&fused.chunk).copied();
        hits.push(explain(reader, &request.query, fused, (at + 1, plain_rank))?);
    }
    let total_ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(SearchResponse { hits, degraded, generation: manifest.generation, embed_ms, total_ms })
}

/// Every lane's ranking for a query, those of weight 0 too: what tuning chooses from.
///
/// # Errors
/// As [`search`]; also when the query cannot be embedded.
pub fn rank_lanes(reader: &Reader, embedder: &mut dyn Embedder, query: &str) -> Result<Vec<LaneRanking>, EngineError> {
    let lanes = reader.manifest().lanes.iter().map(|entry| (entry.lane.clone(), entry.weight)).collect();
    let looked = look(reader, embedder, (query, None), lanes)?;
    match looked.degraded.into_iter().next() {
        Some(missing) => Err(IndexError::Embed(EmbedError(missing)).into()),
        None => Ok(looked.rankings),
    }
}

/// What looking along some lanes gave.
struct Looked {
    rankings: Vec<LaneRanking>,
    embed_ms: f64,
    degraded: Vec<String>,
}

fn look(
    reader: &Reader,
    embedder: &mut dyn Embedder,
    (query, during): (&str, Option<Interval>),
    lanes: Vec<(Lane, f32)>,
) -> Result<Looked, EngineError> {
    if reader.manifest().embedder != embedder.fingerprint() {
        let (index, given) = (reader.manifest().embedder.clone(), embedder.fingerprint().to_owned());
        return Err(IndexError::OtherEmbedder { index, given }.into());
    }
    let mut degraded = Vec::new();
    let embedding = Instant::now();
    let wants_vector = lanes.iter().any(|(lane, _)| lane.method == Method::Dense);
    let vector = if wants_vector { query_vector(embedder, query, &mut degraded) } else { Vec::new() };
    let embed_ms = embedding.elapsed().as_secs_f64() * 1e3;
    let among = during.map(|days| reader.during(days)).transpose()?;
    let mut rankings = Vec::new();
    for (lane, weight) in lanes {
        let hits = if lane.method == Method::Dense && vector.iter().all(|&value| value == 0.0) {
            Vec::new()
        } else {
            reader.search(&lane, (query, &vector), (DEPTH, among.as_ref()))?
        };
        rankings.push(LaneRanking { lane, weight, hits });
    }
    Ok(Looked { rankings, embed_ms, degraded })
}

/// The query's vector; without one the dense lanes stay silent and the response says so.
fn query_vector(embedder: &mut dyn Embedder, query: &str, degraded: &mut Vec<String>) -> Vec<f32> {
    match embedder.embed(&[query], TextRole::Query) {
        Ok(vectors) => vectors.into_iter().next().unwrap_or_default(),
        Err(error) => {
            degraded.push(format!("dense lanes: {error}"));
            Vec::new()
        }
    }
}

fn chosen_lanes(reader: &Reader, selection: &LaneSelection) -> Result<Vec<(Lane, f32)>, EngineError> {
    let entries = &reader.manifest().lanes;
    let all = || entries.iter().map(|entry| (entry.lane.clone(), entry.weight));
    match selection {
        LaneSelection::All => Ok(all().filter(|(_, weight)| *weight > 0.0).collect()),
        LaneSelection::Plain => Ok(all().filter(|(lane, _)| lane.is_plain()).collect()),
        LaneSelection::Listed(wanted) => wanted
            .iter()
            .map(|lane| {
                let found = all().find(|(entry, _)| entry == lane);
                // A lane that is switched off by its weight but asked for by name is meant.
                found.map(|(lane, weight)| (lane, if weight > 0.0 { weight } else { 1.0 })).ok_or_else(|| {
                    let known: Vec<String> = entries.iter().map(|entry| entry.lane.to_string()).collect();
                    let problem = format!("no lane {lane} in this index; it has {}", known.join(" "));
                    crate::input(std::path::Path::new("--lanes"), None, problem)
                })
            })
            .collect(),
    }
}

fn explain(
    reader: &Reader,
    query: &str,
    fused: Fused,
    (rank, plain_rank): (usize, Option<usize>),
) -> Result<Hit, EngineError> {
    let IndexedChunk { chunk, handles, .. } = reader.chunk(fused.chunk)?;
    let mut evidence: Vec<LaneEvidence> = fused
        .contributions
        .into_iter()
        .map(|given| {
            let handle = match &given.lane.field {
                Field::Body => None,
                Field::Handle(kind) => matched(query, kind, given.item, &handles),
            };
            LaneEvidence { given, handle }
        })
        .collect();
    evidence.sort_by(|left, right| right.given.share.total_cmp(&left.given.share));
    Ok(Hit { rank, score: fused.score, chunk, evidence, plain_rank })
}

/// A dense lane says which handle matched; for a word lane it is the one that shares most words.
fn matched(query: &str, kind: &str, item: Option<u32>, handles: &[Handle]) -> Option<Handle> {
    let of_kind: Vec<&Handle> = handles.iter().filter(|handle| handle.kind == kind).collect();
    let at = if let Some(item) = item {
        item as usize
    } else {
        let texts: Vec<&str> = of_kind.iter().map(|handle| handle.text.as_str()).collect();
        Reader::closest_text(query, &texts)?
    };
    of_kind.get(at).map(|handle| (*handle).clone())
}

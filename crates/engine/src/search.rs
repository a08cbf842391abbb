//! One query: every lane is looked along, the rankings are fused, and every hit says why it came.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use frontload_core::{
    Against, Chunk, Contribution, EmbedError, Embedder, Field, Filter, Fused, Fusion, Handle, Lane, LaneRanking,
    Method, Scored, TextRole, WeighedLane, fusion,
};
use frontload_index::{Among, IndexError, IndexedChunk, LaneEntry, LaneQuery, Reader};
use rayon::prelude::*;

use crate::{EngineError, complete::complete};

/// Hits taken from each lane, whatever is wanted of them: the first k hits are always the first of k + 1.
pub(crate) const DEPTH: usize = 200;

/// Which lanes are looked along.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum LaneSelection {
    /// All that the generation has, with their weights.
    #[default]
    All,
    /// Those over what the corpus says itself alone.
    Plain,
    /// These, some perhaps with a weight of their own.
    Listed(Vec<WeighedLane>),
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
    /// Only chunks it lets through.
    pub filter: Option<Filter>,
    /// Only the best chunk of each document.
    pub group: bool,
}

impl SearchRequest {
    /// All lanes, the generation's fusion, no filter.
    pub fn new(query: impl Into<String>, k: usize) -> Self {
        let lanes = LaneSelection::All;
        Self { query: query.into(), k, lanes, fusion: None, filter: None, group: false }
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
/// When a listed lane is not in the generation, the filter names what is not in it, the embedding model is another
/// one, or the generation breaks under our hands. A query that cannot be embedded is answered from the word lanes,
/// and says so.
pub fn search(
    reader: &Reader,
    embedder: &mut dyn Embedder,
    request: &SearchRequest,
) -> Result<SearchResponse, EngineError> {
    let started = Instant::now();
    if request.query.trim().is_empty() {
        return Err(crate::input(std::path::Path::new("query"), None, "it is empty"));
    }
    let mut lanes = chosen_lanes(reader, &request.lanes)?;
    // The plain lanes are looked along whatever was asked, to say where a hit would stand without handles.
    for entry in &reader.manifest().lanes {
        if entry.lane.is_plain() && lanes.iter().all(|(chosen, _)| *chosen != entry.lane) {
            lanes.push((entry.lane.clone(), 0.0));
        }
    }
    let Looked { query, mut rankings, embed_ms, degraded } =
        look(reader, embedder, (&request.query, request.filter.as_ref()), lanes)?;
    let manifest = reader.manifest();
    let how = request.fusion.unwrap_or(manifest.fusion);
    let plain_ranks = plain_ranks(reader, &query, &mut rankings, how)?;
    // Which documents come first is only known when all candidates are.
    let wanted = if request.group { usize::MAX } else { request.k };
    complete(reader, &query, &mut rankings, how, wanted)?;
    let mut documents = HashSet::new();
    let mut hits = Vec::new();
    for Scored { chunk, score, .. } in fusion::rank(&rankings, how) {
        if hits.len() == request.k {
            break;
        }
        let indexed = reader.chunk(chunk)?;
        if request.group && !documents.insert(indexed.chunk.document.clone()) {
            continue;
        }
        let fused = Fused { chunk, score, contributions: fusion::contributions(&rankings, how, chunk) };
        let plain_rank = plain_ranks.iter().position(|hit| hit.chunk == chunk).map(|at| at + 1);
        hits.push(explain(reader, &query, (fused, indexed), (hits.len() + 1, plain_rank)));
    }
    let total_ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(SearchResponse { hits, degraded, generation: manifest.generation, embed_ms, total_ms })
}

/// Every candidate of the plain lanes as it would stand by them alone. The scores looked up for it stay in the
/// rankings.
fn plain_ranks(
    reader: &Reader,
    query: &LaneQuery,
    rankings: &mut [LaneRanking],
    how: Fusion,
) -> Result<Vec<Scored>, EngineError> {
    let entries = &reader.manifest().lanes;
    let weight = |lane: &Lane| entries.iter().find(|entry| entry.lane == *lane).map_or(1.0, |entry| entry.weight);
    rankings.sort_by_key(|ranking| !ranking.lane.is_plain());
    let plain = rankings.iter().take_while(|ranking| ranking.lane.is_plain()).count();
    let Some(plain) = rankings.get_mut(..plain) else { return Ok(Vec::new()) };
    let asked: Vec<f32> = plain.iter().map(|ranking| ranking.weight).collect();
    for ranking in plain.iter_mut() {
        ranking.weight = weight(&ranking.lane);
    }
    complete(reader, query, plain, how, usize::MAX)?;
    let ranked = fusion::rank(plain, how);
    plain.iter_mut().zip(asked).for_each(|(ranking, asked)| ranking.weight = asked);
    Ok(ranked)
}

/// Every lane's ranking for a query, those of weight 0 too, each with its score for every candidate: what tuning
/// chooses from.
///
/// # Errors
/// As [`search`]; also when the query cannot be embedded.
pub fn rank_lanes(reader: &Reader, embedder: &mut dyn Embedder, query: &str) -> Result<Vec<LaneRanking>, EngineError> {
    let entries = reader.manifest().lanes.iter().filter(|entry| entry.lane.field != Field::Concatenated);
    let lanes = entries.map(|entry| (entry.lane.clone(), entry.weight)).collect();
    let mut looked = look(reader, embedder, (query, None), lanes)?;
    if let Some(missing) = looked.degraded.into_iter().next() {
        return Err(IndexError::Embed(EmbedError(missing)).into());
    }
    let weights: Vec<f32> = looked.rankings.iter().map(|ranking| ranking.weight).collect();
    looked.rankings.iter_mut().for_each(|ranking| ranking.weight = 1.0);
    // The fusion that wants most scores: any other can be tried with them.
    let how = Fusion::Convex { against: Against::Ceiling };
    complete(reader, &looked.query, &mut looked.rankings, how, usize::MAX)?;
    looked.rankings.iter_mut().zip(weights).for_each(|(ranking, weight)| ranking.weight = weight);
    Ok(looked.rankings)
}

/// How long looking along each lane takes for a query, one after another.
///
/// # Errors
/// As [`search`].
pub fn lane_times(
    reader: &Reader,
    embedder: &mut dyn Embedder,
    query: &str,
) -> Result<Vec<(Lane, Duration)>, EngineError> {
    let query = reader.prepare(query, query_vector(embedder, query, &mut Vec::new()));
    let timed = |entry: &LaneEntry| {
        let started = Instant::now();
        reader.search(&entry.lane, &query, (DEPTH, None))?;
        Ok((entry.lane.clone(), started.elapsed()))
    };
    reader.manifest().lanes.iter().map(timed).collect()
}

/// What looking along some lanes gave.
struct Looked {
    query: LaneQuery,
    rankings: Vec<LaneRanking>,
    embed_ms: f64,
    degraded: Vec<String>,
}

fn look(
    reader: &Reader,
    embedder: &mut dyn Embedder,
    (query, filter): (&str, Option<&Filter>),
    lanes: Vec<(Lane, f32)>,
) -> Result<Looked, EngineError> {
    if reader.manifest().embedder != embedder.fingerprint() {
        let (index, given) = (reader.manifest().embedder.clone(), embedder.fingerprint().to_owned());
        return Err(IndexError::OtherEmbedder { index, given }.into());
    }
    // A filter that cannot be is refused before anything is spent on it.
    let among: Option<Among> = filter.map(|filter| reader.among(filter)).transpose()?;
    let mut degraded = Vec::new();
    let embedding = Instant::now();
    let wants_vector = lanes.iter().any(|(lane, _)| lane.method == Method::Dense);
    let vector = if wants_vector { query_vector(embedder, query, &mut degraded) } else { Vec::new() };
    let embed_ms = embedding.elapsed().as_secs_f64() * 1e3;
    let query = reader.prepare(query, vector);
    let along = |(lane, weight): (Lane, f32)| {
        let (hits, scale) = reader.search(&lane, &query, (DEPTH, among.as_ref()))?;
        Ok(LaneRanking { lane, weight, hits, behind: Vec::new(), scale })
    };
    let rankings = lanes.into_par_iter().map(along).collect::<Result<_, IndexError>>()?;
    Ok(Looked { query, rankings, embed_ms, degraded })
}

/// The query's vector; without one the dense lanes stay silent and the response says so.
fn query_vector(embedder: &mut dyn Embedder, query: &str, degraded: &mut Vec<String>) -> Vec<f32> {
    let pieces = embedder.pieces(query, TextRole::Query);
    let (first, cut) = (pieces.first().copied().unwrap_or(query), pieces.len() > 1);
    if cut {
        degraded
            .push("the end of the query in the dense lanes: it is longer than the embedding model reads".to_owned());
    }
    match embedder.embed(&[first], TextRole::Query) {
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
        LaneSelection::Plain => Ok(all().filter(|(lane, weight)| lane.is_plain() && *weight > 0.0).collect()),
        LaneSelection::Listed(wanted) => wanted
            .iter()
            .map(|WeighedLane { lane, weight: asked }| {
                let Some((lane, own)) = all().find(|(entry, _)| entry == lane) else {
                    let known: Vec<String> = entries.iter().map(|entry| entry.lane.to_string()).collect();
                    let problem = format!("no lane {lane} in this index; it has {}", known.join(" "));
                    return Err(crate::input(std::path::Path::new("--lanes"), None, problem));
                };
                // A lane that is switched off by its weight but asked for by name is meant.
                Ok((lane, asked.unwrap_or(if own > 0.0 { own } else { 1.0 })))
            })
            .collect(),
    }
}

fn explain(
    reader: &Reader,
    query: &LaneQuery,
    (fused, indexed): (Fused, IndexedChunk),
    (rank, plain_rank): (usize, Option<usize>),
) -> Hit {
    let IndexedChunk { chunk, handles, .. } = indexed;
    let mut evidence: Vec<LaneEvidence> = fused
        .contributions
        .into_iter()
        .map(|given| LaneEvidence { handle: matched(reader, query, &given, &handles), given })
        .collect();
    evidence.sort_by(|left, right| right.given.share.total_cmp(&left.given.share));
    Hit { rank, score: fused.score, chunk, evidence, plain_rank }
}

/// A dense lane says which handle matched; for a word lane it is the one that shares most words.
fn matched(reader: &Reader, query: &LaneQuery, given: &Contribution, handles: &[Handle]) -> Option<Handle> {
    let Field::Handle(kind) = &given.lane.field else { return None };
    let of_kind: Vec<&Handle> = handles.iter().filter(|handle| handle.kind == *kind).collect();
    let at = if let Some(item) = given.item {
        item as usize
    } else {
        let texts: Vec<&str> = of_kind.iter().map(|handle| handle.text.as_str()).collect();
        reader.closest_text(&given.lane, query, &texts)?
    };
    of_kind.get(at).map(|handle| (*handle).clone())
}

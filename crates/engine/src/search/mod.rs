//! One query: every lane is looked along, the rankings are fused, and every hit says why it came.

mod embedded;
mod request;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use frontload_core::{
    Against, ChunkId, Contribution, EmbedError, Embedder, Field, Filter, Fused, Fusion, Handle, Lane, LaneRanking,
    Scored, WeighedLane, fusion,
};
use frontload_index::{IndexError, IndexedChunk, LaneEntry, LaneQuery, Reader, Scope};
use rayon::prelude::*;

pub use embedded::{EmbeddedQuery, embed_queries, embed_query};
pub use request::{Hit, LaneEvidence, LaneSelection, SearchRequest, SearchResponse, Timings};

use crate::{EngineError, complete::complete};

/// Hits taken from each lane, whatever is wanted of them: the first k hits are always the first of k + 1.
pub(crate) const DEPTH: usize = 200;

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
    refuse_empty(&request.query)?;
    search_embedded(reader, &embed_query(embedder, &request.query), request)
}

/// Answers a query that is embedded already.
///
/// # Errors
/// As [`search`].
pub fn search_embedded(
    reader: &Reader,
    embedded: &EmbeddedQuery,
    request: &SearchRequest,
) -> Result<SearchResponse, EngineError> {
    let started = Instant::now();
    refuse_empty(&request.query)?;
    let mut lanes = chosen_lanes(reader, &request.lanes)?;
    // The plain lanes are looked along whatever was asked, to say where a hit would stand without handles.
    for entry in &reader.manifest().lanes {
        if entry.lane.is_plain() && lanes.iter().all(|(chosen, _)| *chosen != entry.lane) {
            lanes.push((entry.lane.clone(), 0.0));
        }
    }
    let Looked { query, mut rankings, mut timings } =
        look(reader, embedded, (&request.query, request.filter.as_ref()), lanes)?;
    let fusing = Instant::now();
    let span = tracing::info_span!("fuse").entered();
    let manifest = reader.manifest();
    let how = request.fusion.unwrap_or(manifest.fusion);
    let plain_ranks = plain_ranks(reader, &query, &mut rankings, how)?;
    // Which documents come first is only known when all candidates are.
    let wanted = if request.group { usize::MAX } else { request.k };
    complete(reader, &query, &mut rankings, how, wanted)?;
    let ranked = fusion::rank(&rankings, how);
    timings.fuse = fusing.elapsed();
    drop(span);
    let explaining = Instant::now();
    let _span = tracing::info_span!("explain").entered();
    let mut documents = HashSet::new();
    let mut hits = Vec::new();
    let mut left = ranked.as_slice();
    // As many at once as are still wanted: where chunks lie elsewhere, each question costs a journey.
    while hits.len() < request.k && !left.is_empty() {
        let (next, after) = left.split_at(left.len().min(request.k - hits.len()));
        left = after;
        let chunks: Vec<ChunkId> = next.iter().map(|hit| hit.chunk).collect();
        for (&Scored { chunk, score, .. }, indexed) in next.iter().zip(reader.fetch(&chunks)?) {
            if request.group && !documents.insert(indexed.chunk.document.clone()) {
                continue;
            }
            let fused = Fused { chunk, score, contributions: fusion::contributions(&rankings, how, chunk) };
            let plain_rank = plain_ranks.iter().position(|hit| hit.chunk == chunk).map(|at| at + 1);
            hits.push(explain(reader, &query, (fused, indexed), (hits.len() + 1, plain_rank)));
        }
    }
    timings.explain = explaining.elapsed();
    let embed_ms = milliseconds(embedded.took);
    let total_ms = embed_ms + milliseconds(started.elapsed());
    let degraded = embedded.degraded.clone();
    Ok(SearchResponse { hits, degraded, generation: manifest.generation, embed_ms, total_ms, timings })
}

fn refuse_empty(query: &str) -> Result<(), EngineError> {
    if query.trim().is_empty() {
        return Err(crate::input(std::path::Path::new("query"), None, "it is empty"));
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
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
    let embedded = embed_query(embedder, query);
    if let (true, Some(missing)) = (embedded.vector.is_empty(), embedded.degraded.last()) {
        return Err(IndexError::Embed(EmbedError(missing.clone())).into());
    }
    let mut looked = look(reader, &embedded, (query, None), lanes)?;
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
    let query = reader.prepare(query, embed_query(embedder, query).vector);
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
    timings: Timings,
}

fn look(
    reader: &Reader,
    embedded: &EmbeddedQuery,
    (query, filter): (&str, Option<&Filter>),
    lanes: Vec<(Lane, f32)>,
) -> Result<Looked, EngineError> {
    if reader.manifest().embedder != embedded.model {
        let (index, given) = (reader.manifest().embedder.clone(), embedded.model.clone());
        return Err(IndexError::OtherEmbedder { index, given }.into());
    }
    let looking = Instant::now();
    let span = tracing::info_span!("look").entered();
    let scope: Option<Scope> = filter.map(|filter| reader.scope(filter)).transpose()?;
    let query = reader.prepare(query, embedded.vector.clone());
    let along = |(lane, weight): (Lane, f32)| {
        let started = Instant::now();
        // On a thread of another pool, which knows nothing of the span around this.
        let _span = tracing::info_span!(parent: &span, "lane", lane = %lane).entered();
        let (hits, scale) = reader.search(&lane, &query, (DEPTH, scope.as_ref()))?;
        Ok((LaneRanking { lane, weight, hits, behind: Vec::new(), scale }, started.elapsed()))
    };
    let looked: Vec<(LaneRanking, Duration)> = lanes.into_par_iter().map(along).collect::<Result<_, IndexError>>()?;
    let mut timings = Timings { look: looking.elapsed(), ..Timings::default() };
    timings.lanes = looked.iter().map(|(ranking, took)| (ranking.lane.clone(), *took)).collect();
    let rankings = looked.into_iter().map(|(ranking, _)| ranking).collect();
    Ok(Looked { query, rankings, timings })
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
    Hit { rank, score: fused.score, chunk, evidence, plain_rank, handles }
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

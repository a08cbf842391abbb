//! Scoring exactly what a lane did not list.
//!
//! A chunk that one lane found may come behind the last hit that another lane listed. Taking it for worthless there
//! would favour whatever happens to be listed, so its score is looked up: but only of chunks that could still come
//! among the first, which few can.

use frontload_core::{Against, ChunkId, Fusion, LaneRanking, Method, fusion::total_weight};
use frontload_index::{LaneQuery, Reader};

use crate::{EngineError, search::DEPTH};

/// Looks up scores that are still missing so that the first `wanted` hits of the fusion are exact.
///
/// # Errors
/// When the generation breaks under our hands.
pub(crate) fn complete(
    reader: &Reader,
    query: &LaneQuery,
    rankings: &mut [LaneRanking],
    how: Fusion,
    wanted: usize,
) -> Result<(), EngineError> {
    if matches!(how, Fusion::Rrf { .. } | Fusion::Convex { against: Against::Candidates }) {
        return Ok(());
    }
    let total = total_weight(rankings, how);
    // What each lane that has a score for a chunk gives it; one list for all, which costs less than a list for each.
    let mut given: Vec<(ChunkId, usize, f32)> = Vec::new();
    let mut behind = Vec::with_capacity(rankings.len());
    for (number, ranking) in rankings.iter().enumerate() {
        // A list of words that is not full has everything that matches.
        let everything = ranking.lane.method == Method::Bm25 && ranking.hits.len() < DEPTH;
        let most = if ranking.speaks() && !everything { ranking.worth_behind(how) } else { 0.0 };
        behind.push(ranking.weight / total * most);
        let parts = ranking.parts(how).into_iter().filter(|_| ranking.speaks());
        given.extend(parts.map(|part| (part.hit.chunk, number, ranking.weight / total * part.worth)));
    }
    given.sort_unstable_by_key(|&(chunk, number, _)| (chunk, number));
    let candidates = || given.chunk_by(|left, right| left.0 == right.0);
    let score = |candidate: &[(ChunkId, usize, f32)]| candidate.iter().map(|(_, _, share)| share).sum::<f32>();
    let mut scores: Vec<f32> = candidates().map(score).collect();
    let bar = match wanted.checked_sub(1) {
        Some(at) if at < scores.len() => *scores.select_nth_unstable_by(at, |left, right| right.total_cmp(left)).1,
        _ => f32::NEG_INFINITY,
    };
    let all: f32 = behind.iter().sum();
    let mut asked: Vec<Vec<ChunkId>> = vec![Vec::new(); rankings.len()];
    for candidate in candidates() {
        let Some((chunk, ..)) = candidate.first() else { continue };
        let listed: f32 = candidate.iter().filter_map(|&(_, number, _)| behind.get(number)).sum();
        // Sums in another order may differ in their last digits.
        if score(candidate) + (all - listed) * 1.0001 < bar {
            continue;
        }
        for (number, asked) in asked.iter_mut().enumerate() {
            let lists = candidate.iter().any(|&(_, by, _)| by == number);
            if !lists && behind.get(number).is_some_and(|&most| most > 0.0) {
                asked.push(*chunk);
            }
        }
    }
    for (ranking, asked) in rankings.iter_mut().zip(asked) {
        if !asked.is_empty() {
            ranking.behind.extend(reader.score(&ranking.lane, query, &asked)?);
        }
    }
    Ok(())
}

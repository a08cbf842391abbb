//! Scoring exactly what a lane did not list.
//!
//! A chunk that one lane found may come behind the last hit that another lane listed. Taking it for worthless there
//! would favour whatever happens to be listed, so its score is looked up: but only of chunks that could still come
//! among the first, which few can.

use std::collections::HashMap;

use frontload_core::{Against, ChunkId, Fusion, LaneRanking, Method, fusion::total_weight};
use frontload_index::{LaneQuery, Reader};

use crate::{EngineError, search::DEPTH};

/// A candidate: what the lanes that listed it give at least, and which they are.
#[derive(Default)]
struct Candidate {
    score: f32,
    listed: Vec<usize>,
}

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
    let mut candidates: HashMap<ChunkId, Candidate> = HashMap::new();
    let mut behind = Vec::with_capacity(rankings.len());
    for (number, ranking) in rankings.iter().enumerate() {
        // A list of words that is not full has everything that matches.
        let everything = ranking.lane.method == Method::Bm25 && ranking.hits.len() < DEPTH;
        let most = if ranking.speaks() && !everything { ranking.worth_behind(how) } else { 0.0 };
        behind.push(ranking.weight / total * most);
        for part in ranking.parts(how).into_iter().filter(|_| ranking.speaks()) {
            let candidate = candidates.entry(part.hit.chunk).or_default();
            candidate.score += ranking.weight / total * part.worth;
            candidate.listed.push(number);
        }
    }
    let mut scores: Vec<f32> = candidates.values().map(|candidate| candidate.score).collect();
    scores.sort_unstable_by(|left, right| right.total_cmp(left));
    let bar = wanted.checked_sub(1).and_then(|at| scores.get(at)).copied().unwrap_or(f32::NEG_INFINITY);
    let all: f32 = behind.iter().sum();
    let mut asked: Vec<Vec<ChunkId>> = vec![Vec::new(); rankings.len()];
    for (&chunk, candidate) in &candidates {
        let listed: f32 = candidate.listed.iter().filter_map(|&number| behind.get(number)).sum();
        // Sums in another order may differ in their last digits.
        if candidate.score + (all - listed) * 1.0001 < bar {
            continue;
        }
        for (number, asked) in asked.iter_mut().enumerate() {
            if behind.get(number).is_some_and(|&most| most > 0.0) && !candidate.listed.contains(&number) {
                asked.push(chunk);
            }
        }
    }
    for (ranking, mut asked) in rankings.iter_mut().zip(asked) {
        if !asked.is_empty() {
            asked.sort_unstable();
            ranking.behind.extend(reader.score(&ranking.lane, query, &asked)?);
        }
    }
    Ok(())
}

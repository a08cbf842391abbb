//! Fusion: several lanes' rankings become one, and every contribution stays visible.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{ChunkId, Lane, Scored, best_first};

/// How rankings are joined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "method")]
pub enum Fusion {
    /// Reciprocal rank: a lane gives `weight / (k + rank)`, rank from 1.
    /// Cormack, Clarke and Büttcher, SIGIR 2009, with `k = 60`.
    Rrf {
        /// Larger flattens the difference between ranks.
        k: f32,
    },
    /// Convex combination: a lane gives `weight · normalised score`, the weights scaled to sum to 1.
    /// Bruch, Gai and Ingber, ACM TOIS 2023. Normalisation is min-max over the lane's candidates for this
    /// query: the best gets 1, the last 0, and so does what the lane did not find. Cosines taken as they are
    /// lie so close together that BM25 decides alone (README, Results).
    Convex,
}

/// One lane's ranking on its way into fusion.
#[derive(Debug, Clone)]
pub struct LaneRanking {
    /// Which lane.
    pub lane: Lane,
    /// Its weight, at least 0.
    pub weight: f32,
    /// Its hits, best first.
    pub hits: Vec<Scored>,
}

/// What one lane gave to one fused hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// Which lane.
    pub lane: Lane,
    /// The chunk's rank in that lane, from 1.
    pub rank: u32,
    /// The lane's own score.
    pub score: f32,
    /// Its share of the fused score; a hit's shares sum to its score.
    pub share: f32,
    /// For a handle lane: the position of the handle that matched.
    pub item: Option<u32>,
}

/// A fused hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// The chunk.
    pub chunk: ChunkId,
    /// The sum of the shares.
    pub score: f32,
    /// What each lane gave, in the order the lanes came in.
    pub contributions: Vec<Contribution>,
}

/// Joins the lanes' rankings, best first; equal scores fall by chunk id. An empty lane, or one of weight
/// 0, contributes nothing.
pub fn fuse(lanes: &[LaneRanking], fusion: Fusion) -> Vec<Fused> {
    let live = || lanes.iter().filter(|lane| lane.weight > 0.0 && !lane.hits.is_empty());
    let scale = match fusion {
        Fusion::Rrf { .. } => 1.0,
        Fusion::Convex => live().map(|lane| lane.weight).sum(),
    };
    let mut fused: HashMap<ChunkId, Fused> = HashMap::new();
    for lane in live() {
        for ((at, hit), part) in lane.hits.iter().enumerate().zip(parts(&lane.hits, fusion)) {
            let rank = at as u32 + 1;
            let share = lane.weight / scale * part;
            let entry =
                fused.entry(hit.chunk).or_insert_with(|| Fused { chunk: hit.chunk, score: 0.0, contributions: vec![] });
            entry.score += share;
            entry.contributions.push(Contribution {
                lane: lane.lane.clone(),
                rank,
                score: hit.score,
                share,
                item: hit.item,
            });
        }
    }
    let mut fused: Vec<Fused> = fused.into_values().collect();
    let scored = |hit: &Fused| Scored { chunk: hit.chunk, score: hit.score, item: None };
    fused.sort_by(|left, right| best_first(&scored(left), &scored(right)));
    fused
}

/// What each hit of a lane is worth before weights: the one place where ranks and scores become comparable.
pub fn parts(hits: &[Scored], fusion: Fusion) -> Vec<f32> {
    match fusion {
        Fusion::Rrf { k } => (1..=hits.len()).map(|rank| 1.0 / (k + rank as f32)).collect(),
        Fusion::Convex => {
            let scores = || hits.iter().map(|hit| hit.score);
            let (least, best) = (scores().fold(f32::INFINITY, f32::min), scores().fold(f32::NEG_INFINITY, f32::max));
            let range = best - least;
            scores().map(|score| if range > 0.0 { (score - least) / range } else { 1.0 }).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str, weight: f32, hits: &[(u32, f32)]) -> LaneRanking {
        let hits = hits.iter().map(|&(chunk, score)| Scored { chunk: ChunkId(chunk), score, item: None }).collect();
        LaneRanking { lane: name.parse().expect("a lane"), weight, hits }
    }

    fn check(lanes: &[LaneRanking], fusion: Fusion, expected: &[(u32, f32)]) {
        let fused = fuse(lanes, fusion);
        assert_eq!(fused.len(), expected.len());
        for (hit, &(chunk, score)) in fused.iter().zip(expected) {
            assert_eq!(hit.chunk, ChunkId(chunk));
            assert!((hit.score - score).abs() < 1e-6, "chunk {chunk}: {} is not {score}", hit.score);
            let shares: f32 = hit.contributions.iter().map(|given| given.share).sum();
            assert!((shares - hit.score).abs() < 1e-6);
        }
    }

    #[test]
    fn reciprocal_rank_by_hand() {
        let lanes = [lane("body.bm25", 1.0, &[(7, 9.0), (3, 4.0)]), lane("time.dense", 0.5, &[(3, 0.9)])];
        check(&lanes, Fusion::Rrf { k: 60.0 }, &[(3, 1.0 / 62.0 + 0.5 / 61.0), (7, 1.0 / 61.0)]);
    }

    #[test]
    fn convex_by_hand() {
        let words = lane("body.bm25", 1.0, &[(1, 8.0), (2, 5.0), (3, 2.0)]);
        let vectors = lane("body.dense", 3.0, &[(2, 0.6), (1, 0.5), (4, -0.4)]);
        let (one, two) = (0.25 + 0.75 * 0.9, 0.25 * 0.5 + 0.75);
        check(&[words, vectors], Fusion::Convex, &[(1, one), (2, two), (3, 0.0), (4, 0.0)]);
    }

    #[test]
    fn equal_scores_are_worth_all() {
        check(&[lane("body.bm25", 2.0, &[(1, 3.0), (2, 3.0)])], Fusion::Convex, &[(1, 1.0), (2, 1.0)]);
    }

    #[test]
    fn empty_and_weightless_lanes_change_nothing() {
        let alone = [lane("body.bm25", 1.0, &[(1, 2.0)])];
        let beside =
            [lane("body.bm25", 1.0, &[(1, 2.0)]), lane("a.dense", 1.0, &[]), lane("b.dense", 0.0, &[(9, 1.0)])];
        for fusion in [Fusion::Convex, Fusion::Rrf { k: 60.0 }] {
            assert_eq!(fuse(&alone, fusion), fuse(&beside, fusion));
        }
    }

    #[test]
    fn equal_scores_fall_by_chunk_id() {
        let lanes = [lane("body.bm25", 1.0, &[(9, 1.0)]), lane("body.dense", 1.0, &[(4, 1.0)])];
        let order: Vec<u32> = fuse(&lanes, Fusion::Rrf { k: 60.0 }).iter().map(|hit| hit.chunk.0).collect();
        assert_eq!(order, [4, 9]);
    }
}

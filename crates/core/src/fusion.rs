//! Fusion: several lanes' rankings become one, and every contribution stays visible.

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
    /// Bruch, Gai and Ingber, ACM TOIS 2023.
    Convex {
        /// What a score is measured against.
        #[serde(default = "Against::of_old")]
        against: Against,
    },
}

/// What a lane's scores are measured against before they are weighed: 0 is worth nothing, 1 all. docs/search.md,
/// says what each came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// The lane's own candidates for this query: its last is worth 0, its best 1. What it did not find is worth 0.
    Candidates,
    /// From what any chunk would score to the lane's best for this query, in the lanes over the text: a score there
    /// is worth the same however deep the lane was looked along, and what another lane found can be scored too. In a
    /// handle lane from its last candidate, as above: a handle that is merely not far says nothing.
    Best,
    /// From what any chunk would score to the most that this query could score at all: a lane that found nothing
    /// good does not speak as loudly as one that did.
    Ceiling,
}

impl Against {
    /// What manifests mean that do not say.
    fn of_old() -> Self {
        Self::Candidates
    }
}

/// What scores of a lane mean for one query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// What any chunk would score: 0 for BM25, the query's mean similarity to the lane for vectors.
    pub floor: f32,
    /// The most that a chunk could score.
    pub ceiling: f32,
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
    /// Exact scores of chunks that other lanes found and this one ranks behind its last hit.
    pub behind: Vec<Scored>,
    /// What its scores are measured against.
    pub scale: Scale,
}

/// What one lane gave to one fused hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// Which lane.
    pub lane: Lane,
    /// The chunk's rank in that lane, from 1; `None` when it comes behind the last that was looked at.
    pub rank: Option<u32>,
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
/// 0, contributes nothing. Where only some hits are shown, [`rank`] and [`contributions`] do less.
pub fn fuse(lanes: &[LaneRanking], fusion: Fusion) -> Vec<Fused> {
    let fused = |hit: Scored| {
        let contributions = contributions(lanes, fusion, hit.chunk);
        Fused { chunk: hit.chunk, score: hit.score, contributions }
    };
    rank(lanes, fusion).into_iter().map(fused).collect()
}

/// The chunks in the order of their fused scores.
pub fn rank(lanes: &[LaneRanking], fusion: Fusion) -> Vec<Scored> {
    let total = total_weight(lanes, fusion);
    let speaking = lanes.iter().filter(|lane| lane.speaks());
    let mut shares: Vec<(ChunkId, f32)> = speaking
        .flat_map(|lane| {
            lane.parts(fusion).into_iter().map(move |part| (part.hit.chunk, lane.weight / total * part.worth))
        })
        .collect();
    // Stable, so that a chunk's shares are summed in the order of the lanes.
    shares.sort_by_key(|(chunk, _)| *chunk);
    let sum = |of_chunk: &[(ChunkId, f32)]| {
        let score = of_chunk.iter().fold(0.0, |sum, (_, share)| sum + share);
        of_chunk.first().map(|(chunk, _)| Scored { chunk: *chunk, score, item: None })
    };
    let mut ranked: Vec<Scored> = shares.chunk_by(|left, right| left.0 == right.0).filter_map(sum).collect();
    ranked.sort_unstable_by(best_first);
    ranked
}

/// What each lane gives to one chunk, in the order of the lanes: the shares sum to its score.
pub fn contributions(lanes: &[LaneRanking], fusion: Fusion, chunk: ChunkId) -> Vec<Contribution> {
    let total = total_weight(lanes, fusion);
    let speaking = lanes.iter().filter(|lane| lane.speaks());
    let given = |lane: &LaneRanking| {
        let Part { rank, hit, worth } = lane.part(chunk, fusion)?;
        let (score, item, share) = (hit.score, hit.item, lane.weight / total * worth);
        Some(Contribution { lane: lane.lane.clone(), rank, score, share, item })
    };
    speaking.filter_map(given).collect()
}

/// What the lanes' weights are divided by.
pub fn total_weight(lanes: &[LaneRanking], fusion: Fusion) -> f32 {
    match fusion {
        Fusion::Rrf { .. } => 1.0,
        Fusion::Convex { .. } => lanes.iter().filter(|lane| lane.speaks()).map(|lane| lane.weight).sum(),
    }
}

/// What one hit of a lane is worth before weights: the one place where ranks and scores become comparable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// From 1; `None` behind the last hit.
    pub rank: Option<u32>,
    /// The hit.
    pub hit: Scored,
    /// From 0 to 1.
    pub worth: f32,
}

impl LaneRanking {
    /// Whether the lane has anything to say.
    pub fn speaks(&self) -> bool {
        self.weight > 0.0 && !self.hits.is_empty()
    }

    /// What every hit is worth. Scores from behind count only where they are comparable.
    pub fn parts(&self, fusion: Fusion) -> Vec<Part> {
        let ranked = self.hits.iter().zip(1..).map(|(&hit, rank)| self.ranked(hit, rank, fusion));
        ranked.chain(self.behind.iter().filter_map(|&hit| self.unlisted(hit, fusion))).collect()
    }

    /// What one chunk is worth, if the lane has a score for it.
    pub fn part(&self, chunk: ChunkId, fusion: Fusion) -> Option<Part> {
        if let Some((&hit, rank)) = self.hits.iter().zip(1..).find(|(hit, _)| hit.chunk == chunk) {
            return Some(self.ranked(hit, rank, fusion));
        }
        self.unlisted(*self.behind.iter().find(|hit| hit.chunk == chunk)?, fusion)
    }

    fn ranked(&self, hit: Scored, rank: u32, fusion: Fusion) -> Part {
        let worth = match fusion {
            Fusion::Rrf { k } => 1.0 / (k + rank as f32),
            Fusion::Convex { against } => self.worth(hit.score, against),
        };
        Part { rank: Some(rank), hit, worth }
    }

    fn unlisted(&self, hit: Scored, fusion: Fusion) -> Option<Part> {
        match fusion {
            Fusion::Rrf { .. } | Fusion::Convex { against: Against::Candidates } => None,
            Fusion::Convex { against } => Some(Part { rank: None, hit, worth: self.worth(hit.score, against) }),
        }
    }

    /// The most that a chunk the lane did not list can be worth.
    pub fn worth_behind(&self, fusion: Fusion) -> f32 {
        match (fusion, self.hits.last()) {
            (Fusion::Rrf { .. } | Fusion::Convex { against: Against::Candidates }, _) | (_, None) => 0.0,
            (Fusion::Convex { against }, Some(last)) => self.worth(last.score, against),
        }
    }

    fn worth(&self, score: f32, against: Against) -> f32 {
        let best = self.hits.first().map_or(score, |hit| hit.score);
        let (low, high) = match against {
            Against::Candidates => (self.hits.last().map_or(score, |hit| hit.score), best),
            Against::Best if self.lane.is_plain() => (self.scale.floor.min(best), best),
            Against::Best => (self.hits.last().map_or(score, |hit| hit.score), best),
            Against::Ceiling => (self.scale.floor.min(best), self.scale.ceiling.max(best)),
        };
        let range = high - low;
        if range > 0.0 { ((score - low) / range).clamp(0.0, 1.0) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATES: Fusion = Fusion::Convex { against: Against::Candidates };

    fn lane(name: &str, weight: f32, hits: &[(u32, f32)]) -> LaneRanking {
        let hits = hits.iter().map(|&(chunk, score)| Scored { chunk: ChunkId(chunk), score, item: None }).collect();
        let scale = Scale { floor: 0.0, ceiling: 10.0 };
        LaneRanking { lane: name.parse().expect("a lane"), weight, hits, behind: vec![], scale }
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
        check(&[words, vectors], CANDIDATES, &[(1, one), (2, two), (3, 0.0), (4, 0.0)]);
    }

    #[test]
    fn equal_scores_are_worth_all() {
        check(&[lane("body.bm25", 2.0, &[(1, 3.0), (2, 3.0)])], CANDIDATES, &[(1, 1.0), (2, 1.0)]);
    }

    #[test]
    fn empty_and_weightless_lanes_change_nothing() {
        let alone = [lane("body.bm25", 1.0, &[(1, 2.0)])];
        let beside =
            [lane("body.bm25", 1.0, &[(1, 2.0)]), lane("a.dense", 1.0, &[]), lane("b.dense", 0.0, &[(9, 1.0)])];
        for fusion in [CANDIDATES, Fusion::Rrf { k: 60.0 }] {
            assert_eq!(fuse(&alone, fusion), fuse(&beside, fusion));
        }
    }

    #[test]
    fn equal_scores_fall_by_chunk_id() {
        let lanes = [lane("body.bm25", 1.0, &[(9, 1.0)]), lane("body.dense", 1.0, &[(4, 1.0)])];
        let order: Vec<u32> = fuse(&lanes, Fusion::Rrf { k: 60.0 }).iter().map(|hit| hit.chunk.0).collect();
        assert_eq!(order, [4, 9]);
    }

    #[test]
    fn scores_unlisted_count_where_they_are_comparable() {
        let words = lane("body.bm25", 1.0, &[(1, 8.0), (2, 4.0)]);
        let mut vectors = lane("body.dense", 1.0, &[(3, 0.9)]);
        vectors.scale = Scale { floor: 0.1, ceiling: 1.0 };
        vectors.behind = vec![Scored { chunk: ChunkId(1), score: 0.5, item: None }];
        let lanes = [words, vectors];
        let best = Fusion::Convex { against: Against::Best };
        check(&lanes, best, &[(1, 0.5 + 0.5 * 0.5), (3, 0.5), (2, 0.25)]);
        let ceiling = Fusion::Convex { against: Against::Ceiling };
        check(&lanes, ceiling, &[(1, 0.4 + 0.5 * 0.4 / 0.9), (3, 0.5 * 0.8 / 0.9), (2, 0.2)]);
        check(&lanes, CANDIDATES, &[(1, 0.5), (3, 0.5), (2, 0.0)]);
        let ranks: Vec<_> = fuse(&lanes, best)[0].contributions.iter().map(|given| given.rank).collect();
        assert_eq!(ranks, [Some(1), None]);
    }

    #[test]
    fn nothing_behind_is_worth_more_than_the_last() {
        let words = lane("body.bm25", 1.0, &[(1, 8.0), (2, 4.0)]);
        let check = |fusion: Fusion, expected: f32| {
            assert!((words.worth_behind(fusion) - expected).abs() < 1e-6, "{fusion:?}");
        };
        check(CANDIDATES, 0.0);
        check(Fusion::Convex { against: Against::Best }, 0.5);
        check(Fusion::Convex { against: Against::Ceiling }, 0.4);
        check(Fusion::Rrf { k: 60.0 }, 0.0);
    }
}

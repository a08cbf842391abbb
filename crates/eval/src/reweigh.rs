//! What a search would have found with other lanes or weights, without looking along the lanes again.

use std::collections::{BTreeMap, HashMap, HashSet};

use frontload_core::{ChunkId, Fusion, Lane, LaneRanking, Scored, best_first, fusion::total_weight};

/// Documents a ranking is cut off at.
const DEPTH: usize = 100;

/// What each lane counts; a lane that is not in it is switched off.
pub type Weights = BTreeMap<Lane, f32>;

/// One judged topic, looked along every lane.
pub struct RankedTopic<'a> {
    /// The topic's id.
    pub id: &'a str,
    /// Every lane's ranking, with its score for every candidate; their own weights are not looked at.
    pub lanes: &'a [LaneRanking],
    /// Relevance by document.
    pub judged: &'a BTreeMap<String, i64>,
}

/// The documents a search with these weights finds, best first, each where its best chunk stands. `document` names a
/// chunk's document.
pub fn reweigh<'a>(
    lanes: &[LaneRanking],
    weights: &Weights,
    fusion: Fusion,
    document: &dyn Fn(ChunkId) -> &'a str,
) -> Vec<(String, f64)> {
    let weighed: Vec<LaneRanking> = lanes
        .iter()
        .filter(|ranking| weights.get(&ranking.lane).is_some_and(|&weight| weight > 0.0))
        .map(|ranking| LaneRanking { weight: weights.get(&ranking.lane).copied().unwrap_or(0.0), ..ranking.clone() })
        .collect();
    let total = total_weight(&weighed, fusion);
    // A chunk that only lanes which are switched off have listed would not have been a candidate.
    let listed: HashSet<ChunkId> = weighed.iter().flat_map(|ranking| &ranking.hits).map(|hit| hit.chunk).collect();
    let mut scores: HashMap<ChunkId, f32> = HashMap::with_capacity(listed.len());
    for ranking in weighed.iter().filter(|ranking| ranking.speaks()) {
        for part in ranking.parts(fusion).into_iter().filter(|part| listed.contains(&part.hit.chunk)) {
            *scores.entry(part.hit.chunk).or_default() += ranking.weight / total * part.worth;
        }
    }
    let mut fused: Vec<Scored> = scores.into_iter().map(|(chunk, score)| Scored { chunk, score, item: None }).collect();
    fused.sort_unstable_by(best_first);
    let mut seen = HashSet::new();
    let documents = fused.into_iter().map(|hit| (document(hit.chunk), f64::from(hit.score)));
    let first = documents.filter(|(name, _)| seen.insert(*name)).take(DEPTH);
    first.map(|(name, score)| (name.to_owned(), score)).collect()
}

#[cfg(test)]
mod tests {
    use frontload_core::{Against, Scale};

    use super::*;

    fn lane(name: &str, hits: &[(u32, f32)], behind: &[(u32, f32)]) -> LaneRanking {
        let scored = |list: &[(u32, f32)]| {
            list.iter().map(|&(chunk, score)| Scored { chunk: ChunkId(chunk), score, item: None }).collect()
        };
        let (lane, scale) = (name.parse().expect("a lane"), Scale { floor: 0.0, ceiling: 1.0 });
        LaneRanking { lane, weight: 1.0, hits: scored(hits), behind: scored(behind), scale }
    }

    #[test]
    fn what_only_silent_lanes_found_is_not_found() {
        // Chunk 3 comes from the mood lane alone, though the body lane has a score for it.
        let lanes = [lane("body.bm25", &[(1, 4.0), (2, 2.0)], &[(3, 1.0)]), lane("mood.dense", &[(3, 0.9)], &[])];
        let documents = ["", "a", "a", "b"];
        let found = |weights: &[(&str, f32)]| -> Vec<(String, f64)> {
            let weights = weights.iter().map(|&(name, weight)| (name.parse().expect("a lane"), weight)).collect();
            let best = Fusion::Convex { against: Against::Best };
            reweigh(&lanes, &weights, best, &|chunk| documents[chunk.0 as usize])
        };
        assert_eq!(found(&[("body.bm25", 1.0)]), [("a".to_owned(), 1.0)]);
        let both = found(&[("body.bm25", 1.0), ("mood.dense", 3.0)]);
        assert_eq!(both.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert!((both[0].1 - (0.25 * 0.25 + 0.75)).abs() < 1e-6 && (both[1].1 - 0.25).abs() < 1e-6, "{both:?}");
        assert!(found(&[("mood.dense", 0.0)]).is_empty());
    }
}

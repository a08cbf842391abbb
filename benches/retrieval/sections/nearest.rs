//! The nearest along the text's vectors: looked up, found without an index, and compared.

use std::{collections::HashSet, hash::Hash};

use frontload_core::{ChunkId, Field, Lane, Method};
use frontload_index::{LaneQuery, Reader};

use crate::{
    Result,
    data::DEPTH,
    figures::{ROUNDS, at, timed},
};

pub fn body() -> Lane {
    Lane { field: Field::Body, method: Method::Dense }
}

/// What every query finds, and the milliseconds it took.
pub fn nearest(reader: &Reader, queries: &[LaneQuery]) -> Result<(Vec<f64>, Vec<Vec<ChunkId>>)> {
    let lane = body();
    let (mut times, mut found) = (Vec::new(), Vec::new());
    for query in queries {
        let (ms, hits) = timed(|| reader.search(&lane, query, (DEPTH, None)));
        times.push(ms);
        found.push(hits?.0.iter().map(|hit| hit.chunk).collect());
    }
    Ok((times, found))
}

/// What every query would find by a look at every vector, each with the name of what it stands for: one that has
/// several counts by its best.
pub fn exact<T: Copy + Eq + Hash>(vectors: &[(T, &[f32])], queries: &[Vec<f32>]) -> Vec<Vec<T>> {
    let mut found = Vec::new();
    for query in queries {
        let score = |vector: &[f32]| vector.iter().zip(query).map(|(left, right)| left * right).sum::<f32>();
        let mut scored: Vec<(f32, T)> = vectors.iter().map(|(name, vector)| (score(vector), *name)).collect();
        // Stable: equal vectors stay in their order, as they do in an index.
        scored.sort_by(|left, right| right.0.total_cmp(&left.0));
        let mut seen = HashSet::new();
        let names = scored.into_iter().map(|(_, name)| name).filter(|name| seen.insert(*name));
        found.push(names.take(DEPTH).collect());
    }
    found
}

/// The share of the nearest that was found among as many.
pub fn recall<T: Eq>(found: &[Vec<T>], exact: &[Vec<T>], depth: usize) -> f64 {
    let (mut shared, mut all) = (0, 0);
    for (found, exact) in found.iter().zip(exact) {
        let wanted = exact.get(..depth).unwrap_or(exact);
        shared += found.iter().take(depth).filter(|one| wanted.contains(one)).count();
        all += wanted.len();
    }
    shared as f64 / all as f64
}

/// Milliseconds of two readers that took turns, and how many times as long the first one's median is in each round.
pub struct Turns {
    pub first: Vec<f64>,
    pub second: Vec<f64>,
    pub ratios: Vec<f64>,
}

pub fn turns(first: &Reader, second: &Reader, queries: &[LaneQuery]) -> Result<Turns> {
    let mut turns = Turns { first: Vec::new(), second: Vec::new(), ratios: Vec::new() };
    for _ in 0..ROUNDS {
        let before = nearest(first, queries)?.0;
        let between = [nearest(second, queries)?.0, nearest(second, queries)?.0].concat();
        let around = [before, nearest(first, queries)?.0].concat();
        turns.ratios.push(at(&around, 0.5) / at(&between, 0.5));
        turns.first.extend(around);
        turns.second.extend(between);
    }
    Ok(turns)
}

//! The HNSW graph of a lane: built from its vectors, measured, carried from generation to generation while most of
//! its points live.

use std::{fs, path::Path};

use fixedbitset::FixedBitSet;
use frontload_core::Field;
use hnsw_rs::{anndists::dist::distances::Distance, hnsw::Hnsw};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    coarse::Coarse,
    dot::dot,
    links::Links,
    vectors::{Vectors, write_file},
};
use crate::{IndexError, layout};

/// Neighbours a point keeps, and candidates weighed while building: `hnsw_rs`'s usual choices.
const NEIGHBOURS: usize = 24;
const BUILD_CANDIDATES: usize = 200;
/// More layers than any graph that fits in memory has.
const LAYERS: usize = 16;
/// Candidates a search weighs at least: with fewer than these, 128 say, a graph of 100,000 finds 0.93 of the nearest 100.
const SEARCH_CANDIDATES: usize = 200;
/// Vectors the graph is measured with.
const PROBES: usize = 200;

/// What is known of a graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphEntry {
    /// Vectors in it.
    pub points: u64,
    /// Those it does not lead to, which are scanned beside it.
    pub unreached: u64,
    /// The share of the nearest 10 and 100 that it finds, over [`probes`](Self::probes). These are vectors of other lanes
    /// where there are any: like a query's, they do not stand in this one.
    pub recall_at_10: f64,
    /// See [`recall_at_10`](Self::recall_at_10).
    pub recall_at_100: f64,
    /// Vectors it was measured with.
    pub probes: u64,
}

/// Cosine distance of unit vectors. `hnsw_rs`'s own dot distance asserts on what rounding may overshoot.
#[derive(Clone, Copy, Default)]
pub(super) struct UnitDistance;

impl Distance<f32> for UnitDistance {
    fn eval(&self, left: &[f32], right: &[f32]) -> f32 {
        (1.0 - dot(left, right)).max(0.0)
    }
}

/// An open graph.
pub(super) struct Graph {
    links: Links,
    copies: Coarse,
    /// Vectors it leads to.
    reached: FixedBitSet,
}

/// Builds a graph, measures it and writes it.
pub(crate) fn write_graph(
    generation: &Path,
    field: &Field,
    vectors: &Vectors,
    distinct: &[u32],
) -> Result<GraphEntry, IndexError> {
    let hnsw: Hnsw<f32, UnitDistance> = Hnsw::new(NEIGHBOURS, distinct.len(), LAYERS, BUILD_CANDIDATES, UnitDistance);
    // Each vector once: equal ones would link to one another until nothing else is reached.
    let points: Vec<(&[f32], usize)> =
        distinct.iter().filter_map(|&at| Some((vectors.get(at)?, at as usize))).collect();
    hnsw.parallel_insert_slice(&points);
    let links = Links::of(&hnsw);
    drop(hnsw);
    let copies = links.copies(vectors);
    let leads_to = |&&(vector, at): &&(&[f32], usize)| {
        links.nearest((&copies, vectors), vector, (10, SEARCH_CANDIDATES)).iter().any(|near| near.1 as usize == at)
    };
    let reached: Vec<u32> = points.par_iter().filter(leads_to).map(|(_, at)| *at as u32).collect();
    let unreached = points.len() - reached.len();
    let (recall_at_10, recall_at_100, probes) =
        measure(&links, (&copies, vectors), &points, &probes(vectors, distinct));
    links.write(&generation.join(layout::links_file(field)))?;
    let all = [points.len() as u32].into_iter().chain(reached);
    let bytes: Vec<u8> = all.flat_map(u32::to_le_bytes).collect();
    write_file(&generation.join(layout::points_file(field)), &bytes)?;
    let (points, unreached) = (points.len() as u64, unreached as u64);
    Ok(GraphEntry { points, unreached, recall_at_10, recall_at_100, probes })
}

/// How many vectors a graph holds, and which of them it leads to.
pub(crate) fn reached(generation: &Path, field: &Field) -> Result<(usize, FixedBitSet), IndexError> {
    let path = generation.join(layout::points_file(field));
    let bytes = fs::read(&path).map_err(|source| IndexError::io(&path, source))?;
    let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let (&points, reached) = words.split_first().ok_or_else(|| IndexError::corrupt(&path, "empty"))?;
    Ok((points as usize, reached.iter().map(|&at| at as usize).collect()))
}

impl Graph {
    /// Opens a graph whose files have been checked.
    pub fn open(generation: &Path, field: &Field, vectors: &Vectors) -> Result<Self, IndexError> {
        let (points, reached) = reached(generation, field)?;
        let path = generation.join(layout::links_file(field));
        let links = Links::read(&path)?;
        let known = links.vectors();
        if known.len() != points || known.iter().any(|&at| at as usize >= vectors.len()) {
            return Err(IndexError::corrupt(&path, "its points are not those of its vectors"));
        }
        let copies = links.copies(vectors);
        Ok(Self { links, copies, reached })
    }

    /// Whether a search can find a vector.
    pub fn leads_to(&self, vector: u32) -> bool {
        self.reached.contains(vector as usize)
    }

    /// Vectors it holds, those that are dead by now too.
    pub fn points(&self) -> usize {
        self.links.vectors().len()
    }

    /// The vectors near a unit vector, with their similarity.
    ///
    /// `scarce` is the share of its points that are wanted at all: the others use up what a search may look at.
    pub fn search(&self, vectors: &Vectors, query: &[f32], wanted: usize, scarce: f64) -> Vec<(f32, u32)> {
        let candidates = (SEARCH_CANDIDATES as f64 / scarce) as usize;
        self.links.nearest((&self.copies, vectors), query, (wanted.min(self.points()), candidates))
    }
}

/// What a graph is measured with: vectors of other lanes, or its own where the others have too few.
fn probes<'a>(vectors: &'a Vectors, distinct: &[u32]) -> Vec<&'a [f32]> {
    let own: FixedBitSet = distinct.iter().map(|&at| at as usize).collect();
    let all = 0..u32::try_from(vectors.len()).unwrap_or(u32::MAX);
    let others: Vec<u32> = all.filter(|&at| !own.contains(at as usize)).collect();
    let from = if others.len() >= PROBES { &others } else { distinct };
    let step = from.len().div_ceil(PROBES).max(1);
    from.iter().step_by(step).filter_map(|&at| vectors.get(at)).collect()
}

/// Recall of the nearest 10 and 100 against a scan, and with how many probes it was measured.
fn measure(
    links: &Links,
    (copies, vectors): (&Coarse, &Vectors),
    points: &[(&[f32], usize)],
    probes: &[&[f32]],
) -> (f64, f64, u64) {
    let found: Vec<(usize, usize, usize, usize)> = probes
        .par_iter()
        .map(|probe| {
            let mut exact: Vec<(f32, usize)> = points.iter().map(|(vector, at)| (dot(probe, vector), *at)).collect();
            exact.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
            let near = links.nearest((copies, vectors), probe, (100, SEARCH_CANDIDATES));
            let shared = |depth: usize| {
                let wanted = exact.iter().take(depth);
                let hit = |at: usize| near.iter().take(depth).any(|near| near.1 as usize == at);
                (wanted.clone().filter(|(_, at)| hit(*at)).count(), wanted.len())
            };
            let ((ten, of_ten), (hundred, of_hundred)) = (shared(10), shared(100));
            (ten, of_ten, hundred, of_hundred)
        })
        .collect();
    let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
    let sum = |value: fn(&(usize, usize, usize, usize)) -> usize| found.iter().map(value).sum::<usize>();
    let (ten, hundred) = (share(sum(|one| one.0), sum(|one| one.1)), share(sum(|one| one.2), sum(|one| one.3)));
    (ten, hundred, probes.len() as u64)
}

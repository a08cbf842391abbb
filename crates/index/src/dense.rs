//! The vector lanes: unit vectors, each distinct text once, and a row for every place it stands in.
//!
//! A lane with few rows is scanned, which is exact. Above a threshold an HNSW graph stands beside the
//! vectors; the vectors stay the truth and the graph can be built again from them.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use frontload_core::{ChunkId, Digest, Field, Scored, best_first};
use hnsw_rs::{anndists::dist::distances::Distance, api::AnnT, hnsw::Hnsw, hnswio::HnswIo};

use crate::{Among, IndexError, layout};

/// Neighbours a point keeps, and candidates weighed while building: `hnsw_rs`'s usual choices.
const GRAPH_NEIGHBOURS: usize = 24;
const GRAPH_BUILD_CANDIDATES: usize = 200;
/// `hnsw_rs` can only write a graph of exactly this many layers.
const GRAPH_LAYERS: usize = 16;

/// One place a vector stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// The vector's position among the distinct ones.
    pub vector: u32,
    pub chunk: u32,
    /// The handle's position among the chunk's handles of its kind; 0 for the body.
    pub item: u32,
}

/// Cosine distance of unit vectors. `hnsw_rs`'s own dot distance asserts on what rounding may overshoot.
#[derive(Clone, Copy, Default)]
struct UnitDistance;

impl Distance<f32> for UnitDistance {
    fn eval(&self, left: &[f32], right: &[f32]) -> f32 {
        (1.0 - dot(left, right)).max(0.0)
    }
}

/// Eight sums side by side, which a compiler turns into vector instructions.
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (left_parts, right_parts) = (left.chunks_exact(8), right.chunks_exact(8));
    let rest: f32 = left_parts.remainder().iter().zip(right_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left_parts.zip(right_parts) {
        for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The distinct vectors of a generation, by the hash of their text.
pub(crate) struct Vectors {
    pub dimension: usize,
    pub values: Vec<f32>,
    pub keys: Vec<Digest>,
}

impl Vectors {
    pub fn new(dimension: usize) -> Self {
        Self { dimension, values: Vec::new(), keys: Vec::new() }
    }

    pub fn get(&self, at: u32) -> Option<&[f32]> {
        let start = at as usize * self.dimension;
        self.values.get(start..start + self.dimension)
    }

    pub fn push(&mut self, key: Digest, vector: &[f32]) {
        self.keys.push(key);
        self.values.extend_from_slice(vector);
    }

    pub fn by_key(&self) -> HashMap<Digest, u32> {
        self.keys.iter().enumerate().map(|(at, &key)| (key, at as u32)).collect()
    }

    pub fn write(&self, generation: &Path) -> Result<(), IndexError> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        write_file(&generation.join(layout::VECTORS), &bytes)?;
        let keys: Vec<u8> = self.keys.iter().flat_map(|key| key.0).collect();
        write_file(&generation.join(layout::KEYS), &keys)
    }

    pub fn read(generation: &Path, dimension: usize) -> Result<Self, IndexError> {
        let path = generation.join(layout::VECTORS);
        let bytes = read_file(&path)?;
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
        let keys_path = generation.join(layout::KEYS);
        let keys: Vec<Digest> = read_file(&keys_path)?.as_chunks::<32>().0.iter().map(|key| Digest(*key)).collect();
        if dimension == 0 || values.len() != keys.len() * dimension {
            return Err(IndexError::corrupt(&path, "its length does not fit its keys"));
        }
        Ok(Self { dimension, values, keys })
    }
}

/// Writes one lane's rows, and its graph when there are at least `graph_rows` distinct vectors; gives back
/// whether there is one.
pub(crate) fn write_lane(
    generation: &Path,
    field: &Field,
    rows: &[Row],
    vectors: &Vectors,
    graph_rows: usize,
) -> Result<bool, IndexError> {
    let bytes: Vec<u8> =
        rows.iter().flat_map(|row| [row.vector, row.chunk, row.item]).flat_map(u32::to_le_bytes).collect();
    write_file(&generation.join(layout::rows_file(field)), &bytes)?;
    let distinct: Vec<u32> = rows_of(rows).into_keys().collect();
    if distinct.len() < graph_rows.max(1) {
        return Ok(false);
    }
    let graph: Hnsw<f32, UnitDistance> =
        Hnsw::new(GRAPH_NEIGHBOURS, distinct.len(), GRAPH_LAYERS, GRAPH_BUILD_CANDIDATES, UnitDistance);
    // Each vector once: equal ones would link to one another until nothing else is reached.
    let points: Vec<(&[f32], usize)> =
        distinct.iter().filter_map(|&at| Some((vectors.get(at)?, at as usize))).collect();
    graph.parallel_insert_slice(&points);
    let folder = generation.join("dense");
    // hnsw_rs panics on an unwritable folder; a failed graph is an I/O failure like any other.
    let dumped = catch_unwind(AssertUnwindSafe(|| graph.file_dump(&folder, &layout::graph_base(field))));
    match dumped {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) => Err(IndexError::io(&folder, std::io::Error::other(error))),
        Err(_) => Err(IndexError::io(&folder, std::io::Error::other("the graph could not be written"))),
    }
}

/// Where each distinct vector stands.
fn rows_of(rows: &[Row]) -> BTreeMap<u32, Vec<Row>> {
    let mut rows_of: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for row in rows {
        rows_of.entry(row.vector).or_default().push(*row);
    }
    rows_of
}

/// One open vector lane.
pub(crate) struct DenseLane {
    /// Where each distinct vector stands.
    rows_of: BTreeMap<u32, Vec<Row>>,
    graph: Option<Hnsw<'static, f32, UnitDistance>>,
}

impl DenseLane {
    /// Opens a lane whose files have been checked against the manifest.
    pub fn open(generation: &Path, field: &Field, vectors: &Vectors, has_graph: bool) -> Result<Self, IndexError> {
        let path = generation.join(layout::rows_file(field));
        let bytes = read_file(&path)?;
        let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
        let rows: Vec<Row> =
            words.as_chunks::<3>().0.iter().map(|&[vector, chunk, item]| Row { vector, chunk, item }).collect();
        if rows.iter().any(|row| row.vector as usize >= vectors.keys.len()) {
            return Err(IndexError::corrupt(&path, "a row points past the vectors"));
        }
        let graph = if has_graph { Some(load_graph(generation, field)?) } else { None };
        Ok(Self { rows_of: rows_of(&rows), graph })
    }

    /// The best chunks for a unit vector, best first, each with its best row's item.
    pub fn search(&self, query: &[f32], vectors: &Vectors, (depth, among): (usize, Option<&Among>)) -> Vec<Scored> {
        // A graph does not know which chunks are wanted: among some of them the scan is exact, and short enough.
        let near: Vec<(f32, u32)> = match self.graph.as_ref().filter(|_| among.is_none()) {
            // A chunk may have many rows: look for more vectors than chunks are wanted.
            Some(graph) => {
                let wanted = (depth * 4).min(self.rows_of.len());
                let found = graph.search(query, wanted, wanted.max(GRAPH_BUILD_CANDIDATES));
                found.iter().map(|near| (1.0 - near.distance, near.d_id as u32)).collect()
            }
            None => self.rows_of.keys().filter_map(|&at| Some((dot(query, vectors.get(at)?), at))).collect(),
        };
        let mut best: HashMap<u32, (f32, u32)> = HashMap::with_capacity(near.len().min(4096));
        for (score, vector) in near {
            let rows = self.rows_of.get(&vector).into_iter().flatten();
            for row in rows.filter(|row| among.is_none_or(|among| among.holds(ChunkId(row.chunk)))) {
                let entry = best.entry(row.chunk).or_insert((score, row.item));
                if score > entry.0 || (score.total_cmp(&entry.0).is_eq() && row.item < entry.1) {
                    *entry = (score, row.item);
                }
            }
        }
        let mut scored: Vec<Scored> = best
            .into_iter()
            .map(|(chunk, (score, item))| Scored { chunk: ChunkId(chunk), score, item: Some(item) })
            .collect();
        scored.sort_by(best_first);
        scored.truncate(depth);
        scored
    }

    /// Rows in the lane.
    pub fn len(&self) -> usize {
        self.rows_of.values().map(Vec::len).sum()
    }
}

fn load_graph(generation: &Path, field: &Field) -> Result<Hnsw<'static, f32, UnitDistance>, IndexError> {
    let folder = generation.join("dense");
    // The graph borrows its loader, which is a few hundred bytes: leaking it gives the graph an owner.
    let loader: &'static HnswIo = Box::leak(Box::new(HnswIo::new(&folder, &layout::graph_base(field))));
    match catch_unwind(AssertUnwindSafe(|| loader.load_hnsw_with_dist(UnitDistance))) {
        Ok(Ok(graph)) => Ok(graph),
        Ok(Err(error)) => Err(IndexError::corrupt(&folder, error)),
        Err(_) => Err(IndexError::corrupt(&folder, "its graph does not load")),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), IndexError> {
    fs::write(path, bytes).map_err(|source| IndexError::io(path, source))
}

fn read_file(path: &Path) -> Result<Vec<u8>, IndexError> {
    fs::read(path).map_err(|source| IndexError::io(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit vectors from a small linear congruential generator: repeatable without a dependency.
    fn vectors(count: u32, dimension: usize) -> Vectors {
        let mut seed = 7_u64;
        let mut vectors = Vectors::new(dimension);
        for at in 0..count {
            let raw: Vec<f32> = (0..dimension)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (seed >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
                })
                .collect();
            let length = dot(&raw, &raw).sqrt();
            let unit: Vec<f32> = raw.iter().map(|value| value / length).collect();
            vectors.push(Digest::of_bytes(&at.to_le_bytes()), &unit);
        }
        vectors
    }

    #[test]
    fn the_graph_finds_what_the_scan_finds() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("dense")).expect("made");
        let vectors = vectors(2000, 32);
        let rows: Vec<Row> = (0..2000).map(|at| Row { vector: at, chunk: at / 2, item: at % 2 }).collect();
        let field = Field::Handle("mood".into());
        assert!(write_lane(folder.path(), &field, &rows, &vectors, 1).expect("written"));
        let graph = DenseLane::open(folder.path(), &field, &vectors, true).expect("opens");
        let scan = DenseLane::open(folder.path(), &field, &vectors, false).expect("opens");
        let mut found = 0;
        for at in 0..50 {
            let query = vectors.get(at * 37).expect("there");
            let exact = scan.search(query, &vectors, (10, None));
            let near = graph.search(query, &vectors, (10, None));
            assert_eq!(exact.first().map(|hit| hit.chunk), Some(ChunkId(at * 37 / 2)));
            found += exact.iter().filter(|hit| near.iter().any(|other| other.chunk == hit.chunk)).count();
        }
        assert!(found >= 475, "recall {found}/500");
    }

    #[test]
    fn a_graph_of_repeated_vectors_finds_them_all() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("dense")).expect("made");
        let vectors = vectors(20, 32);
        let rows: Vec<Row> = (0..5000).map(|at| Row { vector: at % 20, chunk: at, item: 0 }).collect();
        let field = Field::Handle("form".into());
        assert!(write_lane(folder.path(), &field, &rows, &vectors, 20).expect("written"));
        let graph = DenseLane::open(folder.path(), &field, &vectors, true).expect("opens");
        for at in 0..20 {
            let found = graph.search(vectors.get(at).expect("there"), &vectors, (200, None));
            assert!(found.len() == 200 && found.iter().all(|hit| hit.chunk.0 % 20 == at), "vector {at}");
        }
    }

    #[test]
    fn a_chunk_scores_by_its_best_row() {
        let mut vectors = Vectors::new(2);
        vectors.push(Digest::of_bytes(b"a"), &[1.0, 0.0]);
        vectors.push(Digest::of_bytes(b"b"), &[0.6, 0.8]);
        let rows = vec![Row { vector: 1, chunk: 5, item: 0 }, Row { vector: 0, chunk: 5, item: 1 }];
        let lane = DenseLane { rows_of: rows_of(&rows), graph: None };
        assert_eq!(
            lane.search(&[1.0, 0.0], &vectors, (9, None)),
            [Scored { chunk: ChunkId(5), score: 1.0, item: Some(1) }]
        );
    }
}

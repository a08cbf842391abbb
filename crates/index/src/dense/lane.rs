//! One vector lane: rows, their mean, and a graph where there are many.

use std::{collections::HashMap, fs, path::Path};

use frontload_core::{ChunkId, Field, Scale, Scored, best_first};

use super::{
    coarse::Coarse,
    dot::{dot, scan},
    graph::Graph,
    rows::{Row, Rows},
    vectors::{Vectors, write_file},
};
use crate::{Among, IndexError, layout};

/// Of what a filter lets through, this share must be in it for the graph to be asked: it does not know which chunks
/// are wanted, and finds too few of a few.
const GRAPH_SHARE: f64 = 0.2;
/// A chunk has several rows: at most so many vectors a chunk are asked of a graph.
const MOST_ROWS_A_CHUNK: f64 = 4.0;

/// Writes one lane's rows and their mean.
pub(crate) fn write_rows(generation: &Path, field: &Field, rows: &[Row], vectors: &Vectors) -> Result<(), IndexError> {
    let bytes: Vec<u8> =
        rows.iter().flat_map(|row| [row.vector, row.chunk, row.item]).flat_map(u32::to_le_bytes).collect();
    write_file(&generation.join(layout::rows_file(field)), &bytes)?;
    let mut mean = vec![0.0_f64; vectors.dimension];
    for vector in rows.iter().filter_map(|row| vectors.get(row.vector)) {
        for (sum, value) in mean.iter_mut().zip(vector) {
            *sum += f64::from(*value);
        }
    }
    let count = rows.len().max(1) as f64;
    let bytes: Vec<u8> = mean.iter().flat_map(|sum| ((sum / count) as f32).to_le_bytes()).collect();
    write_file(&generation.join(layout::mean_file(field)), &bytes)
}

/// The rows of a generation whose files have been checked.
pub(crate) fn read_rows(generation: &Path, field: &Field) -> Result<Vec<Row>, IndexError> {
    let words = read_words(&generation.join(layout::rows_file(field)))?;
    let row = |&[vector, chunk, item]: &[u32; 3]| Row { vector, chunk, item };
    Ok(words.as_chunks::<3>().0.iter().map(row).collect())
}

/// One open vector lane.
pub(crate) struct DenseLane {
    rows: Rows,
    /// The mean of all rows' vectors: its product with a query is the mean similarity to the lane.
    mean: Vec<f32>,
    searched: Searched,
}

/// How a lane is searched.
enum Searched {
    /// By looking at every vector, in its coarse form first.
    Scan(Coarse),
    /// Along a graph.
    Graph(Box<BesideGraph>),
}

/// A graph, and what it cannot find.
struct BesideGraph {
    graph: Graph,
    /// Vectors to scan beside it: those it does not lead to, and those that came after it was built.
    flat: Vec<u32>,
}

impl DenseLane {
    /// Opens a lane whose files have been checked against the manifest.
    pub fn open(generation: &Path, field: &Field, vectors: &Vectors, has_graph: bool) -> Result<Self, IndexError> {
        let rows = read_rows(generation, field)?;
        if rows.iter().any(|row| row.vector as usize >= vectors.len()) {
            let path = generation.join(layout::rows_file(field));
            return Err(IndexError::corrupt(&path, "a row points past the vectors"));
        }
        let mean = read_words(&generation.join(layout::mean_file(field)))?.into_iter().map(f32::from_bits).collect();
        let rows = Rows::new(rows);
        let searched = if has_graph {
            Searched::Graph(Box::new(BesideGraph::open(generation, field, (&rows, vectors))?))
        } else {
            Searched::Scan(coarse(&rows, vectors))
        };
        Ok(Self { rows, mean, searched })
    }

    /// What scores mean for a query: any chunk would score the mean, and none more than 1.
    pub fn scale(&self, query: &[f32]) -> Scale {
        Scale { floor: dot(query, &self.mean), ceiling: 1.0 }
    }

    /// The best chunks for a unit vector, best first, each with its best row's item.
    pub fn search(&self, query: &[f32], vectors: &Vectors, (depth, among): (usize, Option<&Among>)) -> Vec<Scored> {
        let rows = self.rows.len().max(1);
        let mut scored = match (&self.searched, among) {
            (Searched::Graph(graph), None) => self.ask_graph(graph, (query, vectors), depth, 1.0, None),
            (Searched::Graph(graph), Some(among)) if among.len() as f64 >= rows as f64 * GRAPH_SHARE => {
                let share = (among.len() as f64 / rows as f64).min(1.0);
                self.ask_graph(graph, (query, vectors), depth, share, Some(among))
            }
            (_, Some(among)) => among.iter().filter_map(|chunk| self.score(query, vectors, chunk)).collect(),
            (Searched::Scan(coarse), None) => self.scan(coarse, query, vectors, depth),
        };
        scored.sort_unstable_by(best_first);
        scored.truncate(depth);
        scored
    }

    /// A chunk's score: that of its best row.
    pub fn score(&self, query: &[f32], vectors: &Vectors, chunk: ChunkId) -> Option<Scored> {
        let rows = self.rows.of_chunk(chunk).iter();
        let scores = rows.filter_map(|row| Some((dot(query, vectors.get(row.vector)?), row.item)));
        let best = scores.max_by(|left, right| left.0.total_cmp(&right.0).then(right.1.cmp(&left.1)));
        best.map(|(score, item)| Scored { chunk, score, item: Some(item) })
    }

    fn ask_graph(
        &self,
        beside: &BesideGraph,
        (query, vectors): (&[f32], &Vectors),
        depth: usize,
        share: f64,
        among: Option<&Among>,
    ) -> Vec<Scored> {
        // Some of what it finds is dead or filtered out, and several of a chunk's rows may be near.
        let in_graph = self.rows.vectors().len() - beside.flat.len();
        let live = in_graph as f64 / beside.graph.points().max(1) as f64;
        let scarce = (live.min(1.0) * share).max(0.05);
        let wanted = depth as f64 * self.rows.per_chunk().clamp(1.0, MOST_ROWS_A_CHUNK) / scarce;
        let mut near = beside.graph.search(vectors, query, wanted as usize, scarce);
        near.extend(scan(query, beside.flat.iter().filter_map(|&at| Some((at, vectors.get(at)?)))));
        self.best_of(&near, among)
    }

    /// Every vector that may be among the nearest, exactly. Only as many of those are traced to chunks as give enough
    /// of them.
    fn scan(&self, coarse: &Coarse, query: &[f32], vectors: &Vectors, depth: usize) -> Vec<Scored> {
        let products = coarse.products(query);
        let mut taken = depth.saturating_mul(4);
        loop {
            let candidates = coarse.candidates(query, &products, taken.saturating_add(1));
            let all = self.rows.vectors();
            let vector = |at: usize| all.get(at).and_then(|&at| Some((at, vectors.get(at)?)));
            let mut near = scan(query, candidates.into_iter().filter_map(vector));
            if taken >= near.len() {
                return self.best_of(&near, None);
            }
            near.select_nth_unstable_by(taken, |left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
            let best = self.best_of(near.get(..=taken).unwrap_or_default(), None);
            if best.len() > depth {
                return best;
            }
            taken = taken.saturating_mul(4);
        }
    }

    fn best_of(&self, near: &[(f32, u32)], among: Option<&Among>) -> Vec<Scored> {
        let mut best: HashMap<u32, (f32, u32)> = HashMap::with_capacity(near.len().min(4096));
        for &(score, vector) in near {
            let rows = self.rows.of_vector(vector).iter();
            for row in rows.filter(|row| among.is_none_or(|among| among.holds(ChunkId(row.chunk)))) {
                let entry = best.entry(row.chunk).or_insert((score, row.item));
                if score > entry.0 || (score.total_cmp(&entry.0).is_eq() && row.item < entry.1) {
                    *entry = (score, row.item);
                }
            }
        }
        let scored = best.into_iter();
        scored.map(|(chunk, (score, item))| Scored { chunk: ChunkId(chunk), score, item: Some(item) }).collect()
    }

    /// Every place, by chunk.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.by_chunk()
    }

    /// A chunk's places.
    pub fn rows_of(&self, chunk: ChunkId) -> &[Row] {
        self.rows.of_chunk(chunk)
    }

    /// The mean of all rows' vectors.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The distinct vectors, by their positions.
    pub fn vectors(&self) -> &[u32] {
        self.rows.vectors()
    }

    /// Rows in the lane.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Of a graph's points: how many there are, how many live, and how many vectors are scanned beside it.
    pub fn graph_state(&self) -> Option<(usize, usize, usize)> {
        let Searched::Graph(beside) = &self.searched else { return None };
        let scanned = beside.flat.len();
        Some((beside.graph.points(), self.rows.vectors().len() - scanned, scanned))
    }
}

fn coarse(rows: &Rows, vectors: &Vectors) -> Coarse {
    Coarse::of(vectors.dimension, rows.vectors().iter().filter_map(|&at| vectors.get(at)))
}

impl BesideGraph {
    fn open(generation: &Path, field: &Field, (rows, vectors): (&Rows, &Vectors)) -> Result<Self, IndexError> {
        let graph = Graph::open(generation, field, vectors)?;
        let flat = rows.vectors().iter().copied().filter(|&vector| !graph.leads_to(vector)).collect();
        Ok(Self { graph, flat })
    }
}

fn read_words(path: &Path) -> Result<Vec<u32>, IndexError> {
    let bytes = fs::read(path).map_err(|source| IndexError::io(path, source))?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

#[cfg(test)]
mod tests {
    use frontload_core::Digest;

    use super::*;
    use crate::dense::write_graph;

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
        write_rows(folder.path(), &field, &rows, &vectors).expect("written");
        let all: Vec<u32> = (0..2000).collect();
        let entry = write_graph(folder.path(), &field, &vectors, &all).expect("written");
        assert!(entry.recall_at_10 > 0.95 && entry.unreached < 20, "{entry:?}");
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

    /// Of the nearest hundred of 50 queries, how many a graph over the first 2,000 vectors finds when these are left.
    fn found_of_those_left(left: impl Iterator<Item = u32>) -> usize {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("dense")).expect("made");
        let vectors = vectors(3000, 32);
        let field = Field::Body;
        let built: Vec<u32> = (0..2000).collect();
        write_graph(folder.path(), &field, &vectors, &built).expect("written");
        let rows: Vec<Row> = left.map(|at| Row { vector: at, chunk: at, item: 0 }).collect();
        write_rows(folder.path(), &field, &rows, &vectors).expect("written");
        let graph = DenseLane::open(folder.path(), &field, &vectors, true).expect("opens");
        let scan = DenseLane::open(folder.path(), &field, &vectors, false).expect("opens");
        let queries = (0..50).map(|at| vectors.get(at * 37).expect("there"));
        let found = queries.map(|query| {
            let exact = scan.search(query, &vectors, (100, None));
            let near = graph.search(query, &vectors, (100, None));
            exact.iter().filter(|hit| near.iter().any(|other| other.chunk == hit.chunk)).count()
        });
        found.sum()
    }

    #[test]
    fn a_graph_is_looked_at_the_wider_the_fewer_of_its_points_live() {
        // As many came that the graph does not know.
        let found = found_of_those_left((0..2000).filter(|at| at % 2 == 0).chain(2000..3000));
        assert!(found >= 4500, "half of them live: recall {found}/5000");
        let found = found_of_those_left((0..2000).filter(|at| at % 8 == 0));
        assert!(found >= 4500, "an eighth of them lives: recall {found}/5000");
    }

    #[test]
    fn a_graph_of_repeated_vectors_finds_them_all() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("dense")).expect("made");
        let vectors = vectors(20, 32);
        let rows: Vec<Row> = (0..5000).map(|at| Row { vector: at % 20, chunk: at, item: 0 }).collect();
        let field = Field::Handle("form".into());
        write_rows(folder.path(), &field, &rows, &vectors).expect("written");
        let all: Vec<u32> = (0..20).collect();
        write_graph(folder.path(), &field, &vectors, &all).expect("written");
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
        let rows = Rows::new(rows);
        let searched = Searched::Scan(coarse(&rows, &vectors));
        let lane = DenseLane { rows, mean: vec![0.0, 0.0], searched };
        assert_eq!(
            lane.search(&[1.0, 0.0], &vectors, (9, None)),
            [Scored { chunk: ChunkId(5), score: 1.0, item: Some(1) }]
        );
    }
}

//! Where vectors stand: from a vector to the chunks it stands in, and from a chunk to its vectors.

use frontload_core::ChunkId;

/// One place a vector stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// The vector's position.
    pub vector: u32,
    /// The chunk.
    pub chunk: u32,
    /// The handle's position among the chunk's handles of its kind, or the piece of the chunk's text.
    pub item: u32,
}

/// All places of a lane, in both orders.
#[derive(Default)]
pub(crate) struct Rows {
    /// The distinct vectors, ascending.
    vectors: Vec<u32>,
    /// Where each of them begins in `by_vector`, and the end.
    starts: Vec<u32>,
    by_vector: Vec<Row>,
    /// Where each chunk begins in `by_chunk`, and the end.
    chunk_starts: Vec<u32>,
    by_chunk: Vec<Row>,
    /// Chunks that have any row.
    having: usize,
}

impl Rows {
    pub fn new(mut rows: Vec<Row>) -> Self {
        let mut by_chunk = rows.clone();
        by_chunk.sort_unstable_by_key(|row| (row.chunk, row.item));
        let chunks = by_chunk.last().map_or(0, |row| row.chunk + 1);
        let mut chunk_starts = Vec::with_capacity(chunks as usize + 1);
        let mut at = 0;
        for chunk in 0..=chunks {
            while by_chunk.get(at).is_some_and(|row| row.chunk < chunk) {
                at += 1;
            }
            chunk_starts.push(at as u32);
        }
        rows.sort_unstable();
        let (mut vectors, mut starts) = (Vec::new(), Vec::new());
        for (at, row) in rows.iter().enumerate() {
            if vectors.last() != Some(&row.vector) {
                vectors.push(row.vector);
                starts.push(at as u32);
            }
        }
        starts.push(rows.len() as u32);
        let having = by_chunk.chunk_by(|left, right| left.chunk == right.chunk).count();
        Self { vectors, starts, by_vector: rows, chunk_starts, by_chunk, having }
    }

    /// The distinct vectors, ascending.
    pub fn vectors(&self) -> &[u32] {
        &self.vectors
    }

    pub fn of_vector(&self, vector: u32) -> &[Row] {
        let Ok(at) = self.vectors.binary_search(&vector) else { return &[] };
        slice(&self.by_vector, self.starts.get(at..at + 2))
    }

    pub fn of_chunk(&self, chunk: ChunkId) -> &[Row] {
        let at = chunk.0 as usize;
        slice(&self.by_chunk, self.chunk_starts.get(at..at + 2))
    }

    pub fn by_chunk(&self) -> impl Iterator<Item = &Row> {
        self.by_chunk.iter()
    }

    pub fn len(&self) -> usize {
        self.by_vector.len()
    }

    /// How many rows a chunk that has any has, on average.
    pub fn per_chunk(&self) -> f64 {
        self.len() as f64 / self.having.max(1) as f64
    }
}

fn slice<'a>(rows: &'a [Row], range: Option<&[u32]>) -> &'a [Row] {
    match range {
        Some(&[start, end]) => rows.get(start as usize..end as usize).unwrap_or_default(),
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_both_ways() {
        let row = |(vector, chunk, item)| Row { vector, chunk, item };
        let rows = Rows::new([(7, 2, 0), (3, 2, 1), (7, 5, 0), (3, 0, 0)].map(row).to_vec());
        assert_eq!((rows.vectors(), rows.len()), (&[3, 7][..], 4));
        assert_eq!(rows.of_vector(7), [row((7, 2, 0)), row((7, 5, 0))]);
        assert_eq!(rows.of_chunk(ChunkId(2)), [row((7, 2, 0)), row((3, 2, 1))]);
        assert!(rows.of_chunk(ChunkId(1)).is_empty() && rows.of_chunk(ChunkId(6)).is_empty());
        assert!(rows.of_vector(4).is_empty());
        assert!((rows.per_chunk() - 4.0 / 3.0).abs() < 1e-9);
        assert!(Rows::new(vec![]).of_chunk(ChunkId(0)).is_empty());
    }
}

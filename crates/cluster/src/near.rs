//! From rows that were found to chunks: a chunk has several rows in a lane and counts by its best. Where the rows lie is
//! all one: whoever answers, one server or several merged, gives the best rows it has and no more than it was asked for.

use std::collections::HashMap;

use frontload_core::{ChunkId, Scored, best_first};

use crate::layout::MOST_ROWS;

/// Scores this near to each other may be the same, added up in another order.
const SAME: f32 = 1e-5;

/// A row that was found.
#[derive(Debug, Clone, Copy)]
pub struct Near {
    pub score: f32,
    pub chunk: ChunkId,
    pub item: Option<u32>,
}

/// The best chunks, so many of them at most. `ask` gives so many rows, best first; it is asked for four times as many for
/// as long as a chunk may be missing: behind several rows of others, or among equal scores where the list ends.
pub async fn best_chunks<E>(
    depth: usize,
    first: usize,
    ask: impl AsyncFn(usize) -> Result<Vec<Near>, E>,
) -> Result<Vec<Scored>, E> {
    let mut limit = first.clamp(1, MOST_ROWS);
    loop {
        let near = ask(limit).await?;
        let (found, last) = (near.len(), near.last().map_or(f32::NEG_INFINITY, |row| row.score));
        let mut best = best_of(near);
        // Only what scores less than the last one wanted may be missing.
        let whole = found < limit || best.get(depth.saturating_sub(1)).is_some_and(|hit| below(last, hit.score));
        if whole || limit == MOST_ROWS {
            best.truncate(depth);
            return Ok(best);
        }
        limit = (limit * 4).min(MOST_ROWS);
    }
}

/// The best row of each chunk, best first.
pub fn best_of(near: Vec<Near>) -> Vec<Scored> {
    let mut best: HashMap<ChunkId, Scored> = HashMap::with_capacity(near.len());
    for Near { score, chunk, item } in near {
        let entry = best.entry(chunk).or_insert(Scored { chunk, score, item });
        if score > entry.score || (score.total_cmp(&entry.score).is_eq() && item < entry.item) {
            *entry = Scored { chunk, score, item };
        }
    }
    let mut best: Vec<Scored> = best.into_values().collect();
    best.sort_unstable_by(best_first);
    best
}

/// Whether a score is less than another, and not only by what adding in another order may change.
fn below(score: f32, other: f32) -> bool {
    other - score > SAME * other.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look like chance and are the same each time.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % sides
        }
    }

    /// Chunks of one to five rows with coarse scores, so that many are equal; each row with a number for its key's hash.
    fn rows(dice: &mut Dice) -> Vec<(u64, Near)> {
        let mut rows = Vec::new();
        for chunk in 0..700 {
            for item in 0..=dice.roll(5) as u32 {
                let score = dice.roll(400) as f32 / 400.0;
                rows.push((dice.roll(1 << 30), Near { score, chunk: ChunkId(chunk), item: Some(item) }));
            }
        }
        rows
    }

    /// Each server gives its best rows, equal ones in an order of its own; the best of all these come back.
    fn merged(servers: &[Vec<Near>], limit: usize) -> Vec<Near> {
        let mut all: Vec<Near> = Vec::new();
        for (at, server) in servers.iter().enumerate() {
            let mut own = server.clone();
            own.sort_by(|one, other| {
                let order = one.chunk.cmp(&other.chunk);
                other.score.total_cmp(&one.score).then(if at.is_multiple_of(2) { order } else { order.reverse() })
            });
            all.extend(own.into_iter().take(limit));
        }
        all.sort_by(|one, other| other.score.total_cmp(&one.score));
        all.truncate(limit);
        all
    }

    #[test]
    fn rows_dealt_to_servers_give_the_chunks_of_one() {
        let mut dice = Dice(7);
        for _ in 0..5 {
            let rows = rows(&mut dice);
            let exact = best_of(rows.iter().map(|(_, row)| *row).collect());
            for servers in [1, 3, 7] {
                let mut dealt = vec![Vec::new(); servers];
                for (hash, row) in &rows {
                    // By the key of the row, as Milvus deals them: a chunk's rows come to lie apart.
                    dealt[(hash % servers as u64) as usize].push(*row);
                }
                assert!(dealt.iter().all(|server| !server.is_empty()));
                for (depth, first) in [(1, 1), (10, 10), (200, 264)] {
                    let best = best_chunks(depth, first, async |limit| Ok(merged(&dealt, limit)));
                    let best = crate::block_on(best).expect("answers");
                    assert_eq!(best, exact[..depth], "{depth} of {servers} servers");
                }
            }
        }
    }
}

//! A graph as it is searched: who is linked to whom, in flat arrays, over vectors that lie elsewhere.
//!
//! `hnsw_rs` builds it. Its own search keeps a lock, a vector and a counted pointer for every link, and makes two counted
//! pointers for every candidate; walking the same links here takes a quarter of the time, and a link takes 4 bytes. The
//! way is found by coarse copies of the vectors, and what was found is weighed by the vectors themselves.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap},
    fs,
    path::Path,
};

use fixedbitset::FixedBitSet;
use hnsw_rs::hnsw::Hnsw;

use super::{
    coarse::Coarse,
    dot::scan,
    graph::UnitDistance,
    vectors::{Vectors, write_file},
};
use crate::IndexError;

/// Points and their links, layer by layer (Malkov and Yashunin 2018, arXiv:1603.09320).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    /// The vector each point stands for. Points of higher layers come first, so that each layer is a beginning of this.
    vectors: Vec<u32>,
    /// The lowest, which has every point, first.
    layers: Vec<Layer>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Layer {
    /// Where each point's links begin in `to`, and the end.
    starts: Vec<u32>,
    /// Points of the same layer.
    to: Vec<u32>,
}

/// A point and how near it is to what is looked for; the nearer is the greater.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Near {
    similarity: f32,
    point: u32,
}

impl Eq for Near {}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.similarity.total_cmp(&other.similarity).then(other.point.cmp(&self.point))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Links {
    /// What a finished graph's points are linked to.
    pub fn of(hnsw: &Hnsw<f32, UnitDistance>) -> Self {
        let mut points: Vec<_> = hnsw.get_point_indexation().into_iter().collect();
        points.sort_by_key(|point| (Reverse(point.get_point_id().0), point.get_origin_id()));
        let vectors: Vec<u32> = points.iter().map(|point| point.get_origin_id() as u32).collect();
        let numbers: HashMap<usize, u32> =
            points.iter().zip(0..).map(|(point, number)| (point.get_origin_id(), number)).collect();
        let highest = points.first().map_or(0, |point| point.get_point_id().0);
        let mut layers: Vec<Layer> = (0..=highest).map(|_| Layer { starts: vec![0], to: Vec::new() }).collect();
        let in_layer =
            |layer: usize| points.iter().take_while(move |point| usize::from(point.get_point_id().0) >= layer);
        let sizes: Vec<u32> = (0..layers.len()).map(|layer| in_layer(layer).count() as u32).collect();
        for point in &points {
            let linked = point.get_neighborhood_id();
            let own = usize::from(point.get_point_id().0) + 1;
            for ((layer, linked), size) in layers.iter_mut().zip(&linked).zip(&sizes).take(own) {
                let known = linked.iter().filter_map(|near| numbers.get(&near.get_origin_id()).copied());
                layer.to.extend(known.filter(|number| number < size));
                layer.starts.push(layer.to.len() as u32);
            }
        }
        Self { vectors, layers }
    }

    /// Writes them: how many layers and points there are, the points' vectors, then each layer with its sizes.
    pub fn write(&self, path: &Path) -> Result<(), IndexError> {
        let mut words = vec![self.layers.len() as u32, self.vectors.len() as u32];
        words.extend(&self.vectors);
        for layer in &self.layers {
            words.extend([layer.starts.len() as u32, layer.to.len() as u32]);
            words.extend(layer.starts.iter().chain(&layer.to));
        }
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        write_file(path, &bytes)
    }

    /// Reads what [`write`](Self::write) wrote; every link is checked, so that a search cannot leave the graph.
    pub fn read(path: &Path) -> Result<Self, IndexError> {
        let bytes = fs::read(path).map_err(|source| IndexError::io(path, source))?;
        let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        Self::parse(&words).ok_or_else(|| IndexError::corrupt(path, "its links do not fit together"))
    }

    fn parse(words: &[u32]) -> Option<Self> {
        let (&[layers, points], mut rest) = words.split_first_chunk::<2>()?;
        let mut take = |count: u32| {
            let (taken, left) = rest.split_at_checked(count as usize)?;
            rest = left;
            Some(taken.to_vec())
        };
        let vectors = take(points)?;
        let mut read = Vec::new();
        let mut size = points as usize;
        for _ in 0..layers {
            let sizes = take(2)?;
            let &[starts, links] = sizes.as_slice() else { return None };
            let layer = Layer { starts: take(starts)?, to: take(links)? };
            let members = layer.starts.len().checked_sub(1)?;
            let whole = layer.starts.is_sorted() && layer.starts.last() == Some(&links);
            if !whole || members > size || layer.to.iter().any(|&point| point as usize >= members) {
                return None;
            }
            size = members;
            read.push(layer);
        }
        let all = read.first().map_or(0, |layer| layer.starts.len() - 1);
        (rest.is_empty() && all == points as usize).then_some(Self { vectors, layers: read })
    }

    /// The vectors of its points.
    pub fn vectors(&self) -> &[u32] {
        &self.vectors
    }

    /// Coarse copies of its points' vectors, to find the way by.
    pub fn copies(&self, all: &Vectors) -> Coarse {
        Coarse::of(all.dimension, self.vectors.iter().filter_map(|&at| all.get(at)))
    }

    /// The `wanted` vectors nearest to a unit vector, the nearest first, with their similarity, looking at `candidates`
    /// at a time.
    pub fn nearest(
        &self,
        (copies, all): (&Coarse, &Vectors),
        query: &[f32],
        (wanted, candidates): (usize, usize),
    ) -> Vec<(f32, u32)> {
        let mut walk = Walk { copies, query, seen: FixedBitSet::new(), fresh: vec![0], near: Vec::new() };
        let Some(mut near) = self.vectors.first().and_then(|_| walk.weigh().next()) else { return Vec::new() };
        for layer in self.layers.iter().skip(1).rev() {
            while let Some(nearer) = walk.step(layer, near.point).max().filter(|nearer| *nearer > near) {
                near = nearer;
            }
        }
        let Some(lowest) = self.layers.first() else { return Vec::new() };
        walk.seen = FixedBitSet::with_capacity(self.vectors.len());
        let found = walk.widen(lowest, near, candidates.max(wanted).max(1));
        let vector = |near: &Near| {
            let at = *self.vectors.get(near.point as usize)?;
            Some((at, all.get(at)?))
        };
        let mut found = scan(query, found.iter().filter_map(vector));
        found.sort_unstable_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        found.truncate(wanted);
        found
    }
}

/// One search on its way.
struct Walk<'a> {
    copies: &'a Coarse,
    query: &'a [f32],
    /// Points of the lowest layer that were looked at; none are noted above it, where few steps are taken.
    seen: FixedBitSet,
    fresh: Vec<u32>,
    near: Vec<(f32, u32)>,
}

impl Walk<'_> {
    /// How near the points are that a point is linked to, without those that were seen.
    fn step(&mut self, layer: &Layer, from: u32) -> impl Iterator<Item = Near> {
        let from = from as usize;
        let linked = match layer.starts.get(from..from + 2) {
            Some(&[start, end]) => layer.to.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        };
        let noted = !self.seen.is_empty();
        self.fresh.clear();
        self.fresh.extend(linked.iter().copied().filter(|&point| !noted || !self.seen.put(point as usize)));
        self.weigh()
    }

    /// How near the fresh points are, about.
    fn weigh(&mut self) -> impl Iterator<Item = Near> {
        self.near.clear();
        self.copies.products_of(self.query, &self.fresh, &mut self.near);
        self.near.iter().map(|&(similarity, point)| Near { similarity, point })
    }

    /// From a point on to all that are as near as the best `candidates` found so far.
    fn widen(&mut self, layer: &Layer, from: Near, candidates: usize) -> Vec<Near> {
        self.seen.insert(from.point as usize);
        let mut open = BinaryHeap::from([from]);
        let mut found = BinaryHeap::from([Reverse(from)]);
        while let Some(next) = open.pop() {
            let farthest = found.peek().map_or(next, |farthest| farthest.0);
            if found.len() >= candidates && next < farthest {
                break;
            }
            for near in self.step(layer, next.point) {
                if found.len() < candidates || found.peek().is_some_and(|farthest| near > farthest.0) {
                    open.push(near);
                    found.push(Reverse(near));
                    if found.len() > candidates {
                        found.pop();
                    }
                }
            }
        }
        found.into_iter().map(|near| near.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use frontload_core::Digest;

    use super::*;

    /// Eight points on a half circle, in a line of links; two of them in a higher layer.
    fn line() -> (Links, Vectors) {
        let mut vectors = Vectors::new(2);
        for at in 0..8_u8 {
            let angle = f32::from(at) * 0.4;
            vectors.push(Digest::of_bytes(&[at]), &[angle.cos(), angle.sin()]);
        }
        // Points 0 and 1 stand for vectors 0 and 5: a long way apart, which is what a higher layer is for.
        let order = [0, 5, 1, 2, 3, 4, 6, 7];
        let number = |vector: u32| order.iter().position(|&at| at == vector).map_or(0, |at| at as u32);
        let mut lowest = Layer { starts: vec![0], to: vec![] };
        for vector in order {
            let linked = [vector.checked_sub(1), (vector < 7).then_some(vector + 1)];
            lowest.to.extend(linked.into_iter().flatten().map(number));
            lowest.starts.push(lowest.to.len() as u32);
        }
        let higher = Layer { starts: vec![0, 1, 2], to: vec![1, 0] };
        (Links { vectors: order.to_vec(), layers: vec![lowest, higher] }, vectors)
    }

    #[test]
    fn a_search_walks_down_and_along() {
        let (links, vectors) = line();
        let query = vectors.get(6).expect("there");
        let copies = links.copies(&vectors);
        let nearest = |wanted, candidates| links.nearest((&copies, &vectors), query, (wanted, candidates));
        let found: Vec<u32> = nearest(3, 3).into_iter().map(|(_, vector)| vector).collect();
        assert_eq!(found[0], 6);
        assert_eq!(found[1..].iter().copied().collect::<std::collections::BTreeSet<_>>(), [5, 7].into());
        assert_eq!(nearest(99, 1).len(), 8);
        assert_eq!(nearest(0, 4), []);
        assert_eq!(Links::default().nearest((&copies, &vectors), query, (3, 3)), []);
    }

    #[test]
    fn what_is_written_is_read_and_what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("links");
        let (links, _) = line();
        links.write(&path).expect("written");
        assert_eq!(Links::read(&path).expect("reads"), links);
        let bytes = fs::read(&path).expect("there");
        for cut in (0..bytes.len()).step_by(4) {
            fs::write(&path, &bytes[..cut]).expect("written");
            assert!(Links::read(&path).is_err(), "{cut} bytes of {}", bytes.len());
        }
        for at in (0..bytes.len()).step_by(4) {
            let mut wrong = bytes.clone();
            wrong[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            fs::write(&path, wrong).expect("written");
            // A point's vector is checked where the vectors are at hand.
            let of_a_point = (2..10).contains(&(at / 4));
            assert_eq!(Links::read(&path).is_err(), !of_a_point, "word {}", at / 4);
        }
    }
}

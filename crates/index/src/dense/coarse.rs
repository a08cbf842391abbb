//! A coarse copy of vectors, a byte a number: a quarter of the memory to read, which is what looking at many waits for.
//!
//! In a scan it decides nothing. Each copy's distance from its vector is known, so that its product with a query says where the
//! true one lies (Cauchy and Schwarz); whatever could be among the nearest is then weighed exactly. The scan stays
//! exact, and reads most vectors in their coarse form alone.

use super::dot::{length, products_of_bytes, some_products_of_bytes};

/// More than rounding can change a product of two vectors of length 1.
const ROUNDING: f32 = 1e-4;

#[derive(Default)]
pub(super) struct Coarse {
    dimension: usize,
    codes: Vec<i8>,
    /// What a copy's numbers are multiplied with.
    scales: Vec<f32>,
    /// How far a copy is from its vector.
    distances: Vec<f32>,
}

impl Coarse {
    pub fn of<'a>(dimension: usize, vectors: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut coarse = Self { dimension, ..Self::default() };
        for vector in vectors {
            let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
            let mut missed = 0.0;
            for value in vector {
                let code = (value / scale).round() as i8;
                missed += (value - f32::from(code) * scale).powi(2);
                coarse.codes.push(code);
            }
            coarse.scales.push(scale);
            coarse.distances.push(missed.sqrt());
        }
        coarse
    }

    /// About what every vector's product with a query is.
    pub fn products(&self, query: &[f32]) -> Vec<f32> {
        products_of_bytes(query, &self.codes, &self.scales, self.dimension)
    }

    /// About what the product of each of some places is with a query, added to what is there.
    pub fn products_of(&self, query: &[f32], places: &[u32], products: &mut Vec<(f32, u32)>) {
        some_products_of_bytes(query, (&self.codes, &self.scales, self.dimension), places, products);
    }

    /// The places of all vectors that may be among the `wanted` nearest to a query, by their coarse products.
    pub fn candidates(&self, query: &[f32], products: &[f32], wanted: usize) -> Vec<usize> {
        let length = length(query);
        let off = |distance: &f32| distance * length + ROUNDING * length;
        let mut at_least: Vec<f32> =
            products.iter().zip(&self.distances).map(|(product, distance)| product - off(distance)).collect();
        let Some(last) = wanted.checked_sub(1).filter(|&last| last < at_least.len()) else {
            return (0..products.len()).collect();
        };
        let (_, &mut bar, _) = at_least.select_nth_unstable_by(last, |left, right| right.total_cmp(left));
        let reaches = |(_, (product, distance)): &(usize, (&f32, &f32))| *product + off(distance) >= bar;
        products.iter().zip(&self.distances).enumerate().filter(reaches).map(|(at, _)| at).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dense::dot::dot;

    /// Unit vectors in clusters, some of them equal.
    fn vectors(count: usize, dimension: usize) -> Vec<Vec<f32>> {
        let mut rng = fastrand::Rng::with_seed(11);
        let middles: Vec<Vec<f32>> = (0..12).map(|_| (0..dimension).map(|_| rng.f32() - 0.5).collect()).collect();
        let mut vectors: Vec<Vec<f32>> = Vec::new();
        for at in 0..count {
            let raw: Vec<f32> = match vectors.get(at / 2) {
                Some(earlier) if at.is_multiple_of(7) => earlier.clone(),
                _ => middles[at % 12].iter().map(|value| value + (rng.f32() - 0.5) * 0.3).collect(),
            };
            let length = length(&raw);
            vectors.push(raw.iter().map(|value| value / length).collect());
        }
        vectors
    }

    #[test]
    fn the_nearest_are_always_among_the_candidates_and_few_others() {
        let dimension = 100;
        let all = vectors(3000, dimension);
        let coarse = Coarse::of(dimension, all.iter().map(Vec::as_slice));
        let mut others = 0;
        for query in all.iter().step_by(97) {
            let mut exact: Vec<(f32, usize)> = all.iter().enumerate().map(|(at, one)| (dot(query, one), at)).collect();
            exact.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
            let products = coarse.products(query);
            for wanted in [1, 10, 200] {
                let found: BTreeSet<usize> = coarse.candidates(query, &products, wanted).into_iter().collect();
                assert!(exact.iter().take(wanted).all(|(_, at)| found.contains(at)), "{wanted}");
                others += found.len() - wanted;
            }
            assert_eq!(coarse.candidates(query, &products, 5000).len(), 3000);
        }
        assert!(others < 31 * 3 * 300, "the copy is too coarse to save anything: {others}");
    }

    #[test]
    fn products_are_off_by_no_more_than_is_said() {
        let all = [vec![1.0, 0.0, 0.0], vec![0.6, -0.8, 0.0], vec![1e-30, 0.0, 0.0], vec![0.0, 0.0, 0.0]];
        let coarse = Coarse::of(3, all.iter().map(Vec::as_slice));
        let query = [0.3, 0.9, -0.2];
        for ((product, distance), vector) in coarse.products(&query).iter().zip(&coarse.distances).zip(&all) {
            assert!((product - dot(&query, vector)).abs() <= distance * length(&query) + ROUNDING, "{vector:?}");
        }
    }
}

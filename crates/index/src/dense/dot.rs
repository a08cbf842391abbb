//! The inner product of two vectors, with the widest instructions of the processor at hand: the program is built
//! for all processors and finds out when it runs.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

struct Dot<'a>(&'a [f32], &'a [f32]);

impl WithSimd for Dot<'_> {
    type Output = f32;

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        product(simd, self.0, self.1)
    }
}

struct Scan<'a, I>(&'a [f32], I);

impl<'a, I: Iterator<Item = (u32, &'a [f32])>> WithSimd for Scan<'_, I> {
    type Output = Vec<(f32, u32)>;

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<(f32, u32)> {
        let Self(query, vectors) = self;
        let mut products = Vec::with_capacity(vectors.size_hint().1.unwrap_or(0));
        // Not `map`: what stands in a closure need not be inlined into this.
        for (at, vector) in vectors {
            products.push((product(simd, query, vector), at));
        }
        products
    }
}

// pulp compiles this once for each set of instructions, which only works on what is inlined into it.
#[allow(clippy::inline_always)]
#[inline(always)]
fn product<S: Simd>(simd: S, left: &[f32], right: &[f32]) -> f32 {
    let (left, left_rest) = S::as_simd_f32s(left);
    let (right, right_rest) = S::as_simd_f32s(right);
    // Four sums side by side: one would wait for its own last addition.
    let mut sums = [simd.splat_f32s(0.0); 4];
    let (left_fours, left_few) = left.as_chunks::<4>();
    let (right_fours, right_few) = right.as_chunks::<4>();
    for (left, right) in left_fours.iter().zip(right_fours) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum = simd.mul_add_e_f32s(*left, *right, *sum);
        }
    }
    let [mut first, second, third, fourth] = sums;
    for (left, right) in left_few.iter().zip(right_few) {
        first = simd.mul_add_e_f32s(*left, *right, first);
    }
    let all = simd.add_f32s(simd.add_f32s(first, second), simd.add_f32s(third, fourth));
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    simd.reduce_sum_f32s(all) + rest
}

struct Bytes<'a> {
    query: &'a [f32],
    codes: &'a [i8],
    scales: &'a [f32],
    dimension: usize,
}

impl WithSimd for Bytes<'_> {
    type Output = Vec<f32>;

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let mut products = Vec::with_capacity(self.scales.len());
        for (codes, scale) in self.codes.chunks_exact(self.dimension.max(1)).zip(self.scales) {
            products.push(product_of_bytes(simd, self.query, codes) * scale);
        }
        products
    }
}

struct SomeBytes<'a>(Bytes<'a>, &'a [u32], &'a mut Vec<(f32, u32)>);

impl WithSimd for SomeBytes<'_> {
    type Output = ();

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(Bytes { query, codes, scales, dimension }, places, products) = self;
        for &place in places {
            let at = place as usize;
            let codes = codes.get(at * dimension..(at + 1) * dimension).unwrap_or_default();
            let scale = scales.get(at).copied().unwrap_or_default();
            products.push((product_of_bytes(simd, query, codes) * scale, place));
        }
    }
}

/// In a form that the compiler turns into the widest instructions of what it is inlined into.
#[allow(clippy::inline_always)]
#[inline(always)]
fn product_of_bytes<S: Simd>(simd: S, query: &[f32], codes: &[i8]) -> f32 {
    let (query, query_rest) = query.as_chunks::<32>();
    let (codes, codes_rest) = codes.as_chunks::<32>();
    let mut sums = [0.0_f32; 32];
    for (query, codes) in query.iter().zip(codes) {
        for ((sum, value), code) in sums.iter_mut().zip(query).zip(codes) {
            *sum += value * f32::from(*code);
        }
    }
    // One after another, these additions would take longer than all before them.
    let (parts, _) = S::as_simd_f32s(&sums);
    let all = parts.iter().fold(simd.splat_f32s(0.0), |all, part| simd.add_f32s(all, *part));
    let rest: f32 = query_rest.iter().zip(codes_rest).map(|(value, code)| value * f32::from(*code)).sum();
    simd.reduce_sum_f32s(all) + rest
}

/// The inner products of a vector with many that are written as bytes, each times its scale.
pub(super) fn products_of_bytes(query: &[f32], codes: &[i8], scales: &[f32], dimension: usize) -> Vec<f32> {
    ARCH.dispatch(Bytes { query, codes, scales, dimension })
}

/// As [`products_of_bytes`], of the vectors at some places alone, added to what is there.
pub(super) fn some_products_of_bytes(
    query: &[f32],
    (codes, scales, dimension): (&[i8], &[f32], usize),
    places: &[u32],
    products: &mut Vec<(f32, u32)>,
) {
    ARCH.dispatch(SomeBytes(Bytes { query, codes, scales, dimension }, places, products));
}

/// A vector's length.
pub(super) fn length(vector: &[f32]) -> f32 {
    dot(vector, vector).sqrt()
}

/// The inner products of a vector with many of its length: the processor is asked once what it can.
pub(crate) fn scan<'a>(query: &[f32], vectors: impl Iterator<Item = (u32, &'a [f32])>) -> Vec<(f32, u32)> {
    ARCH.dispatch(Scan(query, vectors))
}

/// The inner product; of the shorter length if they differ.
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let length = left.len().min(right.len());
    let (left, right) = (left.get(..length).unwrap_or_default(), right.get(..length).unwrap_or_default());
    ARCH.dispatch(Dot(left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_equals_the_plain_sum() {
        for length in [0, 1, 7, 16, 63, 64, 100, 384, 385] {
            let left: Vec<f32> = (0..length).map(|at| (at as f32 * 0.37).sin()).collect();
            let right: Vec<f32> = (0..length).map(|at| (at as f32 * 0.11).cos()).collect();
            let plain: f64 = left.iter().zip(&right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((f64::from(dot(&left, &right)) - plain).abs() < 1e-4, "{length}");
        }
        assert!((dot(&[1.0, 2.0], &[3.0]) - 3.0).abs() < f32::EPSILON);
    }
}

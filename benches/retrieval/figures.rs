//! Times, and how they are told.

use std::time::Instant;

/// How often engines take turns.
pub const ROUNDS: usize = 5;

/// Milliseconds of one call.
pub fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let value = work();
    (started.elapsed().as_secs_f64() * 1e3, value)
}

/// The value that so large a share of the values reaches at most.
pub fn at(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

pub fn told(name: &str, values: &[f64]) {
    println!("  {name:<38} p50 {:.3}  p90 {:.3}  p99 {:.3} ms", at(values, 0.5), at(values, 0.9), at(values, 0.99));
}

pub fn ratio(what: &str, ratios: &[f64]) {
    println!("  {what:<38} {:.2}  (rounds {:.2} to {:.2})", at(ratios, 0.5), at(ratios, 0.0), at(ratios, 1.0));
}

/// The power of its size with which something grows: the slope of the logarithms, by least squares.
pub fn power(points: &[(f64, f64)]) -> f64 {
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(size, value)| (size.ln(), value.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| logarithms.iter().map(of).sum::<f64>() / logarithms.len() as f64;
    let (size, value) = (mean(|point| point.0), mean(|point| point.1));
    let together: f64 = logarithms.iter().map(|point| (point.0 - size) * (point.1 - value)).sum();
    let alone: f64 = logarithms.iter().map(|point| (point.0 - size).powi(2)).sum();
    together / alone
}

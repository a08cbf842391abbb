//! Whether a difference is more than chance: the same topics under two systems.

use fastrand::Rng;

/// Rounds of the randomisation test, and resamples of the bootstrap.
const ROUNDS: usize = 20_000;
/// Below this a difference is called significant.
pub const ALPHA: f64 = 0.05;
/// Standard normal quantiles: two-sided [`ALPHA`], and the power a sample size is stated for.
const Z_ALPHA: f64 = 1.959_964;
const Z_POWER_80: f64 = 0.841_621;

/// Two systems' values, topic by topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// Topics compared.
    pub topics: usize,
    /// The mean of the second system less that of the first.
    pub difference: f64,
    /// 95% of the bootstrap's mean differences lie between these.
    pub interval: (f64, f64),
    /// How often chance alone gives so large a difference, either way: a paired randomisation test, the signs of the
    /// differences flipped 20,000 times. Smucker, Allan and Carterette, CIKM 2007.
    pub p: f64,
    /// So many topics like these would show a difference of this size in four cases of five; `None` when there is no
    /// difference at all.
    pub topics_needed: Option<usize>,
}

impl Paired {
    /// Whether chance is an unlikely explanation.
    pub fn is_significant(&self) -> bool {
        self.p < ALPHA
    }
}

/// Compares two systems on the same topics: pairs of the first's and the second's value.
pub fn paired(values: &[(f64, f64)], seed: u64) -> Paired {
    let differences: Vec<f64> = values.iter().map(|(first, second)| second - first).collect();
    let topics = differences.len();
    let mean = |sum: f64| sum / topics.max(1) as f64;
    let difference = mean(differences.iter().sum());
    let mut rng = Rng::with_seed(seed);
    let flipped = |rng: &mut Rng| mean(differences.iter().map(|one| if rng.bool() { *one } else { -one }).sum());
    // Sums in another order differ in their last digits.
    let as_large = difference.abs() - 1e-12;
    let reached = (0..ROUNDS).filter(|_| flipped(&mut rng).abs() >= as_large).count();
    Paired {
        topics,
        difference,
        interval: resampled(&differences, &mut rng),
        p: (reached + 1) as f64 / (ROUNDS + 1) as f64,
        topics_needed: topics_needed(&differences, difference),
    }
}

/// 95% of a bootstrap's means of these values lie between what this gives back: where the mean over other topics like
/// these might be. Efron, Annals of Statistics 1979.
pub fn interval(values: &[f64], seed: u64) -> (f64, f64) {
    resampled(values, &mut Rng::with_seed(seed))
}

fn resampled(values: &[f64], rng: &mut Rng) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let drawn = |rng: &mut Rng| -> f64 {
        (0..values.len()).filter_map(|_| values.get(rng.usize(..values.len()))).sum::<f64>() / values.len() as f64
    };
    let mut means: Vec<f64> = (0..ROUNDS).map(|_| drawn(rng)).collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means.get((ROUNDS as f64 * share) as usize).copied().unwrap_or_default();
    (at(0.025), at(0.975))
}

/// The sample size of a paired test, from the spread of the differences at hand.
fn topics_needed(differences: &[f64], difference: f64) -> Option<usize> {
    if differences.len() < 2 || difference == 0.0 {
        return None;
    }
    let squares: f64 = differences.iter().map(|one| (one - difference).powi(2)).sum();
    let spread = (squares / (differences.len() - 1) as f64).sqrt();
    Some((((Z_ALPHA + Z_POWER_80) * spread / difference).powi(2).ceil() as usize).max(2))
}

/// Corrects p-values for how many were looked at. Holm, Scandinavian Journal of Statistics 1979.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&left, &right| {
        p_values.get(left).partial_cmp(&p_values.get(right)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut corrected = vec![1.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, at) in order.into_iter().enumerate() {
        let (Some(p), Some(place)) = (p_values.get(at), corrected.get_mut(at)) else { continue };
        least = least.max(p * (p_values.len() - rank) as f64).min(1.0);
        *place = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_pairs_give_the_exact_p() {
        // Of the eight ways to sign three equal differences, two are as large.
        let three = paired(&[(0.0, 1.0), (0.0, 1.0), (0.0, 1.0)], 1);
        assert!((three.p - 0.25).abs() < 0.02, "{three:?}");
        assert!((three.difference - 1.0).abs() < 1e-12 && three.interval == (1.0, 1.0));
        let ten = paired(&[(0.2, 0.7); 10], 1);
        assert!(ten.p < 0.01 && ten.is_significant());
        let none = paired(&[(0.5, 0.5); 10], 1);
        assert_eq!((none.p, none.difference, none.topics_needed), (1.0, 0.0, None));
    }

    #[test]
    fn the_interval_holds_the_mean_and_narrows_with_topics() {
        let noisy = |count: usize| -> Paired {
            let values: Vec<(f64, f64)> = (0..count).map(|at| (0.0, if at % 2 == 0 { 0.3 } else { -0.1 })).collect();
            paired(&values, 3)
        };
        let (few, many) = (noisy(20), noisy(200));
        assert!(few.interval.0 < 0.1 && few.interval.1 > 0.1, "{few:?}");
        assert!(many.interval.1 - many.interval.0 < (few.interval.1 - few.interval.0) / 2.5, "{many:?}");
        // A standard deviation of 0.2 around 0.1 (a little more in a sample): (2.8016 · 2)² = 31.4.
        assert!(many.topics_needed.is_some_and(|needed| (31..=33).contains(&needed)), "{many:?}");
        assert_eq!(noisy(20), few, "the same seed gives the same");
    }

    #[test]
    fn holm_by_hand() {
        let corrected = holm(&[0.01, 0.04, 0.03, 0.5]);
        for (found, expected) in corrected.iter().zip([0.04, 0.09, 0.09, 0.5]) {
            assert!((found - expected).abs() < 1e-12, "{corrected:?}");
        }
        assert!(holm(&[]).is_empty());
    }
}

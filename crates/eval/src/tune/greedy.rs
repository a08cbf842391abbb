//! Choosing on some topics: a field's weight at a time.

use frontload_core::Field;

use super::topic::{FieldWeights, Prepared};

/// Weights tried for a field.
const WEIGHTS: [f32; 5] = [0.0, 0.25, 0.5, 1.0, 2.0];
/// Parts the topics are cut into, and on how many of them a step must help.
const PARTS: usize = 5;
const PARTS_HELPED: usize = 4;
/// A step that gains less than this is not worth a lane.
pub(super) const SMALLEST_GAIN: f64 = 0.005;

/// One step that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The field whose weight changed: a kind, or the titles.
    pub field: String,
    /// Its new weight.
    pub weight: f32,
    /// The mean before.
    pub before: f64,
    /// The mean after.
    pub after: f64,
}

/// Changes one weight after another, as long as that helps enough. Gives back each topic's value under what it came to.
pub(super) fn climb(
    topics: &[&Prepared],
    fields: &[Field],
    mut weights: FieldWeights,
) -> (FieldWeights, Vec<f64>, Vec<Step>) {
    let mut values = gains(topics, &weights);
    let mut steps = Vec::new();
    while let Some((field, weight, next)) = best_step(topics, fields, &weights, &values) {
        weights.insert(field.clone(), weight);
        steps.push(Step { field: field.to_string(), weight, before: mean(&values), after: mean(&next) });
        values = next;
    }
    (weights, values, steps)
}

/// The change of one weight that gains most, if any gains enough on enough parts.
fn best_step<'a>(
    topics: &[&Prepared],
    fields: &'a [Field],
    weights: &FieldWeights,
    values: &[f64],
) -> Option<(&'a Field, f32, Vec<f64>)> {
    let mut best: Option<(f64, &Field, f32, Vec<f64>)> = None;
    for field in fields {
        let now = weights.get(field).copied().unwrap_or(0.0);
        for weight in WEIGHTS.into_iter().filter(|weight| weight.total_cmp(&now).is_ne()) {
            let mut changed = weights.clone();
            changed.insert(field.clone(), weight);
            let next = gains(topics, &changed);
            let gain = mean(&next) - mean(values);
            let helped = (0..PARTS).filter(|&part| part_gain(part, values, &next) > 0.0).count();
            let enough = gain >= SMALLEST_GAIN && helped >= PARTS_HELPED;
            if enough && best.as_ref().is_none_or(|(most, ..)| gain > *most) {
                best = Some((gain, field, weight, next));
            }
        }
    }
    best.map(|(_, field, weight, next)| (field, weight, next))
}

fn part_gain(part: usize, before: &[f64], after: &[f64]) -> f64 {
    before.iter().zip(after).skip(part).step_by(PARTS).map(|(before, after)| after - before).sum()
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

pub(super) fn gains(topics: &[&Prepared], weights: &FieldWeights) -> Vec<f64> {
    topics.iter().map(|topic| topic.gain(weights)).collect()
}

//! Lane weights that were measured, with the measurement they rest on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Lane;

/// Weights chosen on judged topics. A lane that is not in it came later and was not measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Every lane that was measured; 0 for one that did not earn a place.
    pub weights: BTreeMap<Lane, f32>,
    /// What was measured, such as `nDCG@10`.
    pub measure: String,
    /// On how many topics.
    pub topics: u64,
    /// Its mean with the plain lanes alone.
    pub plain: f64,
    /// Its mean with these weights, on the same topics: an optimistic figure.
    pub tuned: f64,
}

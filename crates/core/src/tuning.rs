//! Lane weights that were measured, with the measurement they rest on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Fusion, Lane};

/// Where weights come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// They were chosen on the topics, and choosing so did better than not on topics it did not see.
    Chosen,
    /// Choosing did not do better than the weights an index has by default, which do better than the text alone.
    Default,
    /// Nothing did better than the text alone.
    Plain,
}

/// Weights that rest on judged topics. A lane that is not in it came later and was not measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Every lane that was measured; 0 for one that did not earn a place.
    pub weights: BTreeMap<Lane, f32>,
    /// How rankings are joined; as by default when absent.
    #[serde(default)]
    pub fusion: Option<Fusion>,
    /// What was measured, such as `nDCG@10`.
    pub measure: String,
    /// On how many topics.
    pub topics: u64,
    /// Its mean with the plain lanes alone.
    pub plain: f64,
    /// Its mean with the weights an index has by default.
    #[serde(default)]
    pub untuned: Option<f64>,
    /// Its mean with these weights, on the same topics: an optimistic figure where they were chosen.
    pub tuned: f64,
    /// Its mean over the topics, each ranked with what was chosen on others.
    #[serde(default)]
    pub held_out: Option<f64>,
    /// How often chance alone would set that so far apart from the plain lanes.
    #[serde(default)]
    pub p: Option<f64>,
    /// Where the weights come from.
    #[serde(default)]
    pub basis: Option<Basis>,
    /// Fields that were switched off because they did significant harm.
    #[serde(default)]
    pub off: Vec<String>,
}

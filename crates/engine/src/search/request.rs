//! What is asked of a search, and what comes back.

use std::time::Duration;

use frontload_core::{Chunk, Contribution, Filter, Fusion, Handle, Lane, WeighedLane};

/// Which lanes are looked along.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum LaneSelection {
    /// All that the generation has, with their weights.
    #[default]
    All,
    /// Those over what the corpus says itself alone.
    Plain,
    /// These, some perhaps with a weight of their own.
    Listed(Vec<WeighedLane>),
}

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// What is looked for.
    pub query: String,
    /// Hits wanted.
    pub k: usize,
    /// Along which lanes.
    pub lanes: LaneSelection,
    /// How rankings are joined; the generation's own way when `None`.
    pub fusion: Option<Fusion>,
    /// Only chunks it lets through.
    pub filter: Option<Filter>,
    /// Only the best chunk of each document.
    pub group: bool,
}

impl SearchRequest {
    /// All lanes, the generation's fusion, no filter.
    pub fn new(query: impl Into<String>, k: usize) -> Self {
        let lanes = LaneSelection::All;
        Self { query: query.into(), k, lanes, fusion: None, filter: None, group: false }
    }
}

/// What one lane gave to a hit.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneEvidence {
    /// The lane, the rank and score there, and the share of the hit's score.
    pub given: Contribution,
    /// For a handle lane: the handle that matched.
    pub handle: Option<Handle>,
}

/// One hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// From 1.
    pub rank: usize,
    /// The fused score; the lanes' shares sum to it.
    pub score: f32,
    /// The chunk found.
    pub chunk: Chunk,
    /// What each lane gave, largest share first.
    pub evidence: Vec<LaneEvidence>,
    /// The rank it would have had by the body lanes alone, within the depth that is looked at.
    pub plain_rank: Option<usize>,
    /// Everything that was said of it.
    pub handles: Vec<Handle>,
}

/// A query's hits.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResponse {
    /// Best first.
    pub hits: Vec<Hit>,
    /// What was missing, such as the dense lanes when the query could not be embedded.
    pub degraded: Vec<String>,
    /// The generation that answered.
    pub generation: u64,
    /// Embedding the query, in milliseconds.
    pub embed_ms: f64,
    /// Everything, in milliseconds.
    pub total_ms: f64,
    /// Where the rest of it went.
    pub timings: Timings,
}

/// Where a search's time went, but for embedding its query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timings {
    /// Looking along each lane; lanes are looked along side by side.
    pub lanes: Vec<(Lane, Duration)>,
    /// Looking along all of them.
    pub look: Duration,
    /// Completing and joining the rankings.
    pub fuse: Duration,
    /// Reading the hits and saying why they came.
    pub explain: Duration,
}

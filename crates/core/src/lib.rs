//! Plain types and pure functions every other crate speaks in: document, chunk, handle, schema,
//! lane, ranking, fusion, and the two seams to native models ([`Generator`] and [`Embedder`]).
//!
//! Nothing here reads a file, starts a thread or knows a model.

mod chunk;
mod digest;
mod document;
mod filter;
pub mod fold;
pub mod fusion;
mod handle;
mod hidden;
mod interval;
mod lane;
mod model;
mod moment;
mod purge;
mod review;
mod schema;
mod tuning;

pub use chunk::{Chunk, ChunkId, ChunkKey};
pub use digest::Digest;
pub use document::{Anchor, Document, Form, MetaValue, Metadata, Origin, Place, Unit};
pub use filter::{Comparison, Filter, FilterError, Operand, Subject};
pub use fusion::{Against, Contribution, Fused, Fusion, LaneRanking, Part, Scale};
pub use handle::{Evidence, Handle, Reason, Rejected, Said, Source};
pub use hidden::{escape_json, is_hidden};
pub use interval::{Interval, IntervalError};
pub use lane::{Field, Lane, LaneError, Method, WeighedLane};
pub use model::{
    AnswerForm, Completion, Constraint, EmbedError, Embedder, Ended, Failure, FailureKind, Finish, Generator,
    GeneratorError, Loaded, Message, Prompt, PromptSize, Role, TextRole, ask_once,
};
pub use moment::utc;
pub use purge::{Purge, Purged};
pub use review::{Alias, Decision, Verdict};
pub use schema::{Analyzer, Example, Gates, KindSpec, Normaliser, Schema, SchemaError, Scope};
pub use tuning::{Basis, Tuning};

/// A score attached to a chunk by one lane; higher is better, comparable only inside that lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The chunk found.
    pub chunk: ChunkId,
    /// BM25 score, or cosine similarity in `-1.0..=1.0`.
    pub score: f32,
    /// For a handle lane: the position of the best handle among the chunk's handles of that kind.
    pub item: Option<u32>,
}

/// Orders best first: by score, then by chunk id, so that equal scores never depend on arrival order.
pub fn best_first(left: &Scored, right: &Scored) -> std::cmp::Ordering {
    right.score.total_cmp(&left.score).then(left.chunk.cmp(&right.chunk))
}

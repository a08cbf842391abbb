//! Why a decision was not taken.

use frontload_index::IndexError;

use crate::EngineError;

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The chunk is not in the live generation.
    #[error("no chunk {0:?} in this index")]
    NoSuchChunk(String),
    /// The chunk has no such handle.
    #[error("{chunk} has no {kind} {text:?}; `frontload inspect {chunk}` shows what it has")]
    NotThere {
        /// The chunk's id.
        chunk: String,
        /// The kind.
        kind: String,
        /// The text.
        text: String,
    },
    /// The schema has no such kind.
    #[error("no kind {kind:?} in this index; it has {known}")]
    NoSuchKind {
        /// The kind.
        kind: String,
        /// Those there are.
        known: String,
    },
    /// What a person wrote cannot stand.
    #[error("{kind} {text:?}: {reason}: {why}")]
    CannotStand {
        /// The kind.
        kind: String,
        /// The text.
        text: String,
        /// The gate's name.
        reason: String,
        /// What is wrong.
        why: String,
    },
    /// A field of the decision cannot be used.
    #[error("{0}")]
    Field(String),
    /// Somebody decided meanwhile.
    #[error("{by} decided on this {seconds} s ago ({verdict}); look at that first")]
    Conflict {
        /// Who.
        by: String,
        /// What.
        verdict: &'static str,
        /// How long ago.
        seconds: u64,
    },
    /// Everything else.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<IndexError> for ReviewError {
    fn from(error: IndexError) -> Self {
        Self::Engine(error.into())
    }
}

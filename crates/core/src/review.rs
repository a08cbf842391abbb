//! What people decided about handles, and which words they said mean the same.

use serde::{Deserialize, Serialize};

use crate::ChunkKey;

/// A person's word about one handle of one chunk. It stands above whatever a model says, now or later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The chunk it was made for. On another text it does not hold.
    pub chunk: ChunkKey,
    /// Where that stood: a decision whose chunk has changed is shown beside what stands there now.
    pub chunk_id: String,
    /// The handle's kind.
    pub kind: String,
    /// Its text.
    pub text: String,
    /// What was decided.
    pub verdict: Verdict,
    /// Who decided.
    pub by: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// What a person decides about a handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stands, whether or not a model says it.
    Accept,
    /// This is to be in its place.
    Edit(String),
    /// It goes.
    Reject,
    /// Somebody should look at it again.
    Flag,
    /// What was decided before holds no more.
    Withdraw,
}

impl Verdict {
    /// Its name, as messages and flags write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Edit(_) => "edit",
            Self::Reject => "reject",
            Self::Flag => "flag",
            Self::Withdraw => "withdraw",
        }
    }
}

/// Two ways of saying the same, for handles of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alias {
    /// The kind.
    pub kind: String,
    /// One of them.
    pub text: String,
    /// The other, which the people here prefer.
    pub means: String,
}

//! What the parent and the child say to each other: one JSON object a line, over stdin and stdout.

use std::path::PathBuf;

use frontload_core::{Completion, Failure, Prompt};
use serde::{Deserialize, Serialize};

/// Parent to child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// The first line: which model, and how.
    Load(Load),
    /// A prompt to answer.
    Generate(Prompt),
}

/// How a model is loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Load {
    pub path: PathBuf,
    /// Prompts answered side by side.
    pub slots: u32,
    /// Tokens of context for each of them.
    pub context_tokens: u32,
    pub threads: u32,
}

/// Child to parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The model is loaded.
    Ready,
    /// The model cannot be loaded; the child ends.
    LoadFailed(String),
    /// An answer, in any order.
    Answer { id: u64, result: Result<Completion, Failure> },
}

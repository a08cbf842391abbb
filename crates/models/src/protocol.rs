//! What the parent and the child say to each other: one JSON object a line, over stdin and stdout.

use std::path::PathBuf;

use frontload_core::{Completion, Failure, Prompt, PromptSize};
use serde::{Deserialize, Serialize};

/// Parent to child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// The first line: which model, and how.
    Load(Load),
    /// A prompt to answer.
    Generate(Prompt),
    /// One to answer piece by piece.
    Stream(Prompt),
    /// An answer that is wanted no more; nothing comes back.
    Cancel(u64),
    /// A prompt to weigh.
    Measure(Prompt),
}

/// How a model is loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Load {
    pub path: PathBuf,
    /// What the weights are adapted by, if anything.
    pub lora: Option<PathBuf>,
    /// Prompts answered side by side.
    pub slots: u32,
    /// Tokens of context for each of them.
    pub context_tokens: u32,
    pub threads: u32,
    /// Layers computed on a GPU; 0 asks for none.
    pub gpu_layers: u32,
    /// Leaves out the kernels that need their weights in a form of their own.
    pub plain_kernels: bool,
    /// Whether what prompts have in common is decoded once.
    pub share_prefix: bool,
    /// Where shared prefixes are kept between runs.
    pub prefixes: Option<PathBuf>,
    /// What else shapes them.
    pub fingerprint: String,
}

/// What runs a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The processor, or a GPU by name.
    pub device: String,
    /// The kinds of kernel in use.
    pub kernels: String,
    /// Why it is not something faster, where that is known.
    pub note: Option<String>,
}

/// Child to parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The model is loaded.
    Ready(Backend),
    /// The model cannot be loaded; the child ends.
    LoadFailed(String),
    /// An answer, in any order.
    Answer { id: u64, result: Result<Completion, Failure> },
    /// What a streamed answer goes on with, from a byte of it.
    Piece { id: u64, from: usize, text: String },
    /// A prompt's size, in order.
    Size { id: u64, size: Option<PromptSize> },
}

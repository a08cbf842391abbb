//! Handles: the short strings that let a chunk be found by what no word of it says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What stands behind a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// A substring of the chunk, by construction.
    Verbatim,
    /// Derived from a quoted span ("the 1880s" from "1883").
    Normalised,
    /// Nothing to quote: a mood, a point, a kind of thing.
    Inferred,
}

impl fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Verbatim => "verbatim",
            Self::Normalised => "normalised",
            Self::Inferred => "inferred",
        })
    }
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The model named in the schema's run.
    Model,
    /// A file of handles made elsewhere.
    Import,
}

/// One short natural-language string attached to a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// The declared kind.
    pub kind: String,
    /// What is indexed.
    pub text: String,
    /// What stands behind it.
    pub evidence: Evidence,
    /// For verbatim handles: start and end in bytes of the **chunk's** text, whose slice equals `text`
    /// up to case and white space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<(u32, u32)>,
    /// Who said it.
    pub source: Source,
}

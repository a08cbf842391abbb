//! Handles: the short strings that let a chunk be found by what no word of it says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Interval;

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
    /// A normaliser's rules, without a model.
    Rule,
    /// A file of handles made elsewhere.
    Import,
    /// A person who reviewed it, or wrote it.
    Person,
    /// People said that it means the same as another handle of the chunk.
    Alias,
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
    /// What it rests on: start and end in bytes of the **chunk's** text. A verbatim handle's slice equals `text`
    /// up to case and white space; a normalised one was derived from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<(u32, u32)>,
    /// For a normalised time that is certain: the days it spans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Who said it.
    pub source: Source,
}

/// Why an item is not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A quoted kind, and the chunk does not say it.
    NotInText,
    /// A time was asked for, and it tells of none.
    NotATime,
    /// Copied from a few-shot example or the question.
    Echo,
    /// Says nothing, or stands on too many chunks.
    Filler,
    /// Says nothing that the chunk does not say in the same words.
    Copy,
    /// Said before, on this chunk and for this kind.
    Duplicate,
    /// Does not lead back to its own chunk.
    RoundTrip,
    /// Holds control or direction characters, an address, or a model's special token.
    Unsafe,
    /// Longer than the kind allows, or more items than it allows.
    TooLong,
    /// Not one of the kind's values.
    NotAValue,
    /// A person decided against it.
    Reviewer,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotInText => "not in the text",
            Self::NotATime => "no time",
            Self::Echo => "echo of the prompt",
            Self::Filler => "filler",
            Self::Copy => "copy of the text",
            Self::Duplicate => "duplicate",
            Self::RoundTrip => "does not lead back",
            Self::Unsafe => "unsafe characters",
            Self::TooLong => "too long or too many",
            Self::NotAValue => "not an allowed value",
            Self::Reviewer => "a reviewer's decision",
        })
    }
}

/// What the model said about a chunk, before it was read and gated. Shown to people, never indexed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The kinds it was asked for.
    pub kinds: Vec<String>,
    /// The raw answer.
    pub text: String,
}

/// One item that did not pass a gate. It is never indexed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its kind.
    pub kind: String,
    /// The item.
    pub text: String,
    /// Why.
    pub reason: Reason,
    /// What was measured, such as the number of chunks it stands on; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

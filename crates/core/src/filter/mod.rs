//! Filters: which chunks a search is confined to, as an expression such as
//! `source = letters and (language = de or has meta.year) and during 1880..1890`.
//!
//! [`Filter::holds`] is the meaning; an index answers the same from its columns.

mod parse;

use std::fmt;

use crate::{Chunk, Handle, Interval, MetaValue, fold::fold};

pub use parse::FilterError;

/// A condition on a chunk.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them hold.
    And(Vec<Filter>),
    /// One of them holds.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// Some value of the subject compares so.
    Is(Subject, Comparison, Operand),
    /// The subject has a value.
    Has(Subject),
    /// A handle of a time touches these days.
    During(Interval),
}

/// What a condition is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The corpus the chunk came with.
    Source,
    /// The document's id.
    Document,
    /// The document's language.
    Language,
    /// The evidence classes of the chunk's handles.
    Evidence,
    /// A fact of the document.
    Meta(String),
    /// The chunk's handles of a kind.
    Handle(String),
}

/// How a value compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same: numbers by value, words up to case and punctuation.
    Equal,
    /// Before the operand.
    Less,
    /// Before it, or the same.
    AtMost,
    /// After it.
    More,
    /// After it, or the same.
    AtLeast,
}

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A number; orders numbers.
    Number(f64),
    /// Words; orders words, as their folded letters stand.
    Text(String),
}

impl Filter {
    /// Whether a chunk with these handles satisfies it.
    pub fn holds(&self, chunk: &Chunk, handles: &[Handle]) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(chunk, handles)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(chunk, handles)),
            Self::Not(part) => !part.holds(chunk, handles),
            Self::Has(subject) => !subject.values(chunk, handles).is_empty(),
            // An id is what it is, capitals and points too.
            Self::Is(Subject::Document, _, operand) => chunk.document == operand.as_written(),
            Self::Is(subject, comparison, operand) => {
                subject.values(chunk, handles).iter().any(|value| comparison.holds(value, operand))
            }
            Self::During(days) => handles.iter().filter_map(|handle| handle.interval).any(|span| span.overlaps(days)),
        }
    }
}

impl Subject {
    fn values(&self, chunk: &Chunk, handles: &[Handle]) -> Vec<MetaValue> {
        let text = |text: &str| MetaValue::Text(text.to_owned());
        match self {
            Self::Source => vec![text(&chunk.source)],
            Self::Document => vec![text(&chunk.document)],
            Self::Language => chunk.language.iter().map(|language| text(language)).collect(),
            Self::Evidence => handles.iter().map(|handle| text(&handle.evidence.to_string())).collect(),
            Self::Meta(name) => chunk.metadata.get(name).map(MetaValue::flat).unwrap_or_default(),
            Self::Handle(kind) => {
                handles.iter().filter(|handle| handle.kind == *kind).map(|handle| text(&handle.text)).collect()
            }
        }
    }
}

impl Comparison {
    fn holds(self, value: &MetaValue, operand: &Operand) -> bool {
        match (self, operand) {
            (Self::Equal, operand) => value.folded() == operand.folded(),
            (_, Operand::Number(wanted)) => value.number().is_some_and(|found| self.orders(found.total_cmp(wanted))),
            (_, Operand::Text(_)) => self.orders(value.folded().cmp(&operand.folded())),
        }
    }

    fn orders(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl Operand {
    /// The words themselves.
    pub fn as_written(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// The form in which equal values are equal.
    pub fn folded(&self) -> String {
        match self {
            Self::Number(number) => MetaValue::Number(*number).folded(),
            Self::Text(text) => MetaValue::Text(text.clone()).folded(),
        }
    }
}

impl MetaValue {
    /// Its single values, without empty ones.
    pub fn flat(&self) -> Vec<Self> {
        match self {
            Self::Many(values) => values.iter().flat_map(Self::flat).collect(),
            Self::Text(_) if self.folded().is_empty() => vec![],
            Self::Flag(_) | Self::Number(_) | Self::Text(_) => vec![self.clone()],
        }
    }

    /// The form in which equal values are equal. Numbers keep their sign and point, words lose theirs.
    pub fn folded(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            // "1907" in quotes and 1907 are the same value.
            Self::Text(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => number.to_string(),
                _ => fold(text),
            },
            Self::Many(values) => values.iter().map(Self::folded).collect::<Vec<_>>().join(" "),
        }
    }

    /// Its value as a number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Flag(_) | Self::Many(_) => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => formatter.write_str("source"),
            Self::Document => formatter.write_str("document"),
            Self::Language => formatter.write_str("language"),
            Self::Evidence => formatter.write_str("evidence"),
            Self::Meta(name) => write!(formatter, "meta.{name}"),
            Self::Handle(kind) => write!(formatter, "handle.{kind}"),
        }
    }
}

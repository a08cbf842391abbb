//! What a schema must hold before anything is paid for by it.

use std::collections::BTreeSet;

use super::{Example, Gates, KindSpec, Schema};
use crate::{Evidence, Field, fold::find_quote};

/// Why a schema is refused. Every variant names the place.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not TOML, or fields that do not exist.
    #[error("{0}")]
    Toml(#[from] Box<toml::de::Error>),
    /// A kind's name is not usable.
    #[error(
        "kind {0:?}: a kind is lower case, [a-z][a-z0-9_]*, at most 32 letters, and not \"body\", \"title\" or \"concatenated\""
    )]
    KindName(String),
    /// Two kinds of one name.
    #[error("kind {0:?} is declared twice")]
    Twice(String),
    /// No kinds at all.
    #[error("no [[handle]] is declared")]
    Empty,
    /// A limit out of range.
    #[error("kind {kind:?}: {field} is {value}, expected {expected}")]
    Limit {
        /// The kind.
        kind: String,
        /// The field.
        field: &'static str,
        /// What it says.
        value: u32,
        /// What it may say.
        expected: &'static str,
    },
    /// A gate out of range.
    #[error("[gates]: {field} is {value}, expected a share from 0 to 1")]
    Gate {
        /// The field.
        field: &'static str,
        /// What it says.
        value: f64,
    },
    /// Evidence and normaliser do not go together.
    #[error("kind {kind:?}: {problem}")]
    Normaliser {
        /// The kind.
        kind: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A text that would break the line format.
    #[error("{place}: {text:?} holds a line break or '|', which separate handles")]
    Separator {
        /// Where.
        place: String,
        /// What.
        text: String,
    },
    /// An example for a kind nobody declared.
    #[error("example {example}: kind {kind:?} is not declared")]
    Undeclared {
        /// The example's number, from 1.
        example: usize,
        /// The kind.
        kind: String,
    },
    /// An example that breaks its own kind's rule.
    #[error("example {example}: {kind} {text:?} {problem}")]
    Example {
        /// The example's number, from 1.
        example: usize,
        /// The kind.
        kind: String,
        /// The handle.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Schema {
    pub(super) fn validate(&self) -> Result<(), SchemaError> {
        if self.kinds.is_empty() {
            return Err(SchemaError::Empty);
        }
        let mut names = BTreeSet::new();
        for spec in &self.kinds {
            spec.validate()?;
            if !names.insert(&spec.kind) {
                return Err(SchemaError::Twice(spec.kind.clone()));
            }
        }
        self.gates.validate()?;
        self.examples.iter().enumerate().try_for_each(|(at, example)| self.validate_example(at + 1, example))
    }

    fn validate_example(&self, number: usize, example: &Example) -> Result<(), SchemaError> {
        for (kind, texts) in &example.handles {
            let spec =
                self.kind(kind).ok_or_else(|| SchemaError::Undeclared { example: number, kind: kind.clone() })?;
            let wrong = |text: &str, problem| {
                let (kind, text) = (kind.clone(), text.to_owned());
                Err(SchemaError::Example { example: number, kind, text, problem })
            };
            for text in texts {
                check_separators(&format!("example {number}"), text)?;
                if text.chars().count() > spec.max_chars as usize {
                    return wrong(text, "is longer than max_chars");
                }
                if !spec.values.is_empty() && !spec.values.contains(text) {
                    return wrong(text, "is not among the kind's values");
                }
                if spec.evidence != Evidence::Inferred && find_quote(&example.text, text).is_none() {
                    return wrong(text, "is not in the example's text, but its kind is quoted");
                }
            }
            if texts.len() > spec.max_items as usize {
                return wrong(&texts.join(" | "), "is more than max_items");
            }
        }
        Ok(())
    }
}

impl KindSpec {
    fn validate(&self) -> Result<(), SchemaError> {
        let kind = self.kind.clone();
        let mut letters = kind.chars();
        let starts = letters.next().is_some_and(|letter| letter.is_ascii_lowercase());
        let goes_on = letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
        if !starts || !goes_on || Field::is_reserved(&kind) || kind.len() > 32 {
            return Err(SchemaError::KindName(kind));
        }
        if !(1..=16).contains(&self.max_items) {
            let (field, expected) = ("max_items", "1 to 16");
            return Err(SchemaError::Limit { kind, field, value: self.max_items, expected });
        }
        if !(4..=400).contains(&self.max_chars) {
            let (field, expected) = ("max_chars", "4 to 400");
            return Err(SchemaError::Limit { kind, field, value: self.max_chars, expected });
        }
        let normalised = self.evidence == Evidence::Normalised;
        if self.normalise.is_some() && !normalised {
            let problem = "only a kind whose evidence is \"normalised\" can have a normaliser";
            return Err(SchemaError::Normaliser { kind, problem });
        }
        if normalised && self.normalise.is_none() && !self.ask.is_empty() {
            let problem = "a normalised kind that is asked for says how: normalise = \"time\"";
            return Err(SchemaError::Normaliser { kind, problem });
        }
        for value in &self.values {
            check_separators(&format!("kind {kind:?}"), value)?;
        }
        check_separators(&format!("kind {kind:?}"), &self.ask.replace('|', " "))
    }
}

impl Gates {
    fn validate(&self) -> Result<(), SchemaError> {
        let shares =
            [("filler_share", self.filler_share), ("new_words", self.new_words), ("round_trip", self.round_trip)];
        for (field, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(SchemaError::Gate { field, value });
            }
        }
        Ok(())
    }
}

fn check_separators(place: &str, text: &str) -> Result<(), SchemaError> {
    if text.contains(['\n', '\r', '|']) {
        return Err(SchemaError::Separator { place: place.to_owned(), text: text.to_owned() });
    }
    Ok(())
}

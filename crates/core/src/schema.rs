//! The schema: which kinds of handle to write, what each asks, and examples of good answers.
//! Kinds are data; adding one never touches Rust. The TOML form is documented in `docs/schema.md`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Digest, Evidence, Method, fold::find_quote};

/// A validated schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Its name, shown to people.
    pub name: String,
    /// One line about the corpus; goes into the prompt.
    pub about: String,
    /// The declared kinds, in file order, which is the order the model answers in.
    pub kinds: Vec<KindSpec>,
    /// Few-shot examples, in file order.
    pub examples: Vec<Example>,
}

/// One declared kind of handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSpec {
    /// `[a-z][a-z0-9_]*`, not `body`.
    pub kind: String,
    /// What is asked of the model. Empty: the kind only ever arrives by import.
    pub ask: String,
    /// What must stand behind a handle of this kind.
    pub evidence: Evidence,
    /// At most this many handles a chunk.
    pub max_items: u32,
    /// At most this many characters a handle.
    pub max_chars: u32,
    /// When not empty, the only handles there may be.
    pub values: Vec<String>,
    /// What the model sees beside the chunk.
    pub scope: Scope,
    /// How its handles are searched.
    pub lanes: Vec<Method>,
}

/// What the model sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The chunk and its document's title.
    Chunk,
}

/// A few-shot: one user turn and one assistant turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The passage's title; may be empty.
    pub title: String,
    /// The passage.
    pub text: String,
    /// The handles a careful reader would write. A kind that is left out has none.
    pub handles: BTreeMap<String, Vec<String>>,
}

/// Why a schema is refused. Every variant names the place.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not TOML, or fields that do not exist.
    #[error("{0}")]
    Toml(#[from] Box<toml::de::Error>),
    /// A kind's name is not usable.
    #[error("kind {0:?}: a kind is lower case, [a-z][a-z0-9_]*, at most 32 letters, and not \"body\"")]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    schema: RawSchema,
    #[serde(default)]
    handle: Vec<RawKind>,
    #[serde(default)]
    example: Vec<RawExample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSchema {
    name: String,
    #[serde(default)]
    about: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKind {
    kind: String,
    #[serde(default)]
    ask: String,
    evidence: Evidence,
    max_items: Option<u32>,
    max_chars: Option<u32>,
    #[serde(default)]
    values: Vec<String>,
    scope: Option<Scope>,
    lanes: Option<Vec<Method>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExample {
    #[serde(default)]
    title: String,
    text: String,
    #[serde(default)]
    handles: BTreeMap<String, Vec<String>>,
}

impl Schema {
    /// Reads and validates a schema file's text.
    ///
    /// # Errors
    /// [`SchemaError`] names the kind or example at fault.
    pub fn from_toml(text: &str) -> Result<Self, SchemaError> {
        let raw: RawFile = toml::from_str(text).map_err(Box::new)?;
        let kinds: Vec<KindSpec> = raw.handle.into_iter().map(KindSpec::from_raw).collect();
        let examples = raw
            .example
            .into_iter()
            .map(|example| Example { title: example.title, text: example.text, handles: example.handles })
            .collect();
        let schema = Self { name: raw.schema.name, about: raw.schema.about, kinds, examples };
        schema.validate()?;
        Ok(schema)
    }

    /// The kind of this name.
    pub fn kind(&self, kind: &str) -> Option<&KindSpec> {
        self.kinds.iter().find(|spec| spec.kind == kind)
    }

    /// The kinds the model is asked for: those with an `ask`.
    pub fn asked(&self) -> impl Iterator<Item = &KindSpec> {
        self.kinds.iter().filter(|spec| !spec.ask.is_empty())
    }

    /// Hashes everything in the schema that shapes the answers for one kind: its definition, the line
    /// about the corpus and its share of the few-shots. Another kind's change leaves it alone.
    pub fn fingerprint(&self, spec: &KindSpec) -> Digest {
        let definition = serde_json::json!([
            self.about,
            spec.kind,
            spec.ask,
            spec.evidence,
            spec.max_items,
            spec.max_chars,
            spec.values,
            spec.scope,
            self.examples
                .iter()
                .map(|example| (&example.title, &example.text, example.handles.get(&spec.kind)))
                .collect::<Vec<_>>(),
        ]);
        Digest::of_parts(["kind", &definition.to_string()])
    }

    fn validate(&self) -> Result<(), SchemaError> {
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
        for (at, example) in self.examples.iter().enumerate() {
            for (kind, texts) in &example.handles {
                let spec =
                    self.kind(kind).ok_or_else(|| SchemaError::Undeclared { example: at + 1, kind: kind.clone() })?;
                for text in texts {
                    let wrong = |problem| {
                        Err(SchemaError::Example { example: at + 1, kind: kind.clone(), text: text.clone(), problem })
                    };
                    check_separators(&format!("example {}", at + 1), text)?;
                    if text.chars().count() > spec.max_chars as usize {
                        return wrong("is longer than max_chars");
                    }
                    if !spec.values.is_empty() && !spec.values.contains(text) {
                        return wrong("is not among the kind's values");
                    }
                    if spec.evidence == Evidence::Verbatim && find_quote(&example.text, text).is_none() {
                        return wrong("is not in the example's text, but the kind is verbatim");
                    }
                }
                if texts.len() > spec.max_items as usize {
                    let text = texts.join(" | ");
                    let problem = "is more than max_items";
                    return Err(SchemaError::Example { example: at + 1, kind: kind.clone(), text, problem });
                }
            }
        }
        Ok(())
    }
}

impl KindSpec {
    fn from_raw(raw: RawKind) -> Self {
        Self {
            kind: raw.kind,
            ask: raw.ask,
            evidence: raw.evidence,
            max_items: raw.max_items.unwrap_or(3),
            max_chars: raw.max_chars.unwrap_or(60),
            values: raw.values,
            scope: raw.scope.unwrap_or(Scope::Chunk),
            lanes: raw.lanes.unwrap_or_else(|| vec![Method::Bm25, Method::Dense]),
        }
    }

    fn validate(&self) -> Result<(), SchemaError> {
        let kind = self.kind.clone();
        let mut letters = kind.chars();
        let starts = letters.next().is_some_and(|letter| letter.is_ascii_lowercase());
        let goes_on = letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
        if !starts || !goes_on || kind == "body" || kind.len() > 32 {
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
        for value in &self.values {
            check_separators(&format!("kind {kind:?}"), value)?;
        }
        check_separators(&format!("kind {kind:?}"), &self.ask.replace('|', " "))
    }
}

fn check_separators(place: &str, text: &str) -> Result<(), SchemaError> {
    if text.contains(['\n', '\r', '|']) {
        return Err(SchemaError::Separator { place: place.to_owned(), text: text.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[schema]\nname = \"s\"\nabout = \"a harbour\"\n";
    const TIME: &str = "[[handle]]\nkind = \"time\"\nask = \"When?\"\nevidence = \"verbatim\"\n";
    const MOOD: &str = "[[handle]]\nkind = \"mood\"\nask = \"How does it feel?\"\nevidence = \"inferred\"\n";

    fn schema(parts: &[&str]) -> Schema {
        Schema::from_toml(&parts.concat()).expect("valid")
    }

    #[test]
    fn defaults_are_filled_in() {
        let schema = schema(&[HEAD, TIME]);
        let time = schema.kind("time").expect("declared");
        assert_eq!((time.max_items, time.max_chars, time.scope), (3, 60, Scope::Chunk));
        assert_eq!(time.lanes, [Method::Bm25, Method::Dense]);
    }

    #[test]
    fn a_kinds_fingerprint_ignores_its_neighbours() {
        let alone = schema(&[HEAD, TIME]);
        let beside = schema(&[HEAD, MOOD, TIME]);
        let reworded = schema(&[HEAD, &TIME.replace("When?", "What year?")]);
        let of = |schema: &Schema| schema.fingerprint(schema.kind("time").expect("declared"));
        assert_eq!(of(&alone), of(&beside));
        assert_ne!(of(&alone), of(&reworded));
    }

    #[test]
    fn wrong_schemas_are_named() {
        let check = |parts: &[&str], expected: &str| {
            let error = Schema::from_toml(&parts.concat()).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&[HEAD], "no [[handle]]");
        check(&[HEAD, TIME, TIME], "declared twice");
        check(&[HEAD, &TIME.replace("\"time\"", "\"Time\"")], "lower case");
        check(&[HEAD, &TIME.replace("\"time\"", "\"body\"")], "not \"body\"");
        check(&[HEAD, TIME, "max_items = 0\n"], "max_items is 0");
        check(&[HEAD, TIME, "colour = 1\n"], "colour");
        check(&[HEAD, TIME, "values = [\"a|b\"]\n"], "'|'");
        let example = "[[example]]\ntext = \"At dawn.\"\n";
        check(&[HEAD, TIME, example, "handles = { time = [\"dusk\"] }\n"], "not in the example's text");
        check(&[HEAD, TIME, example, "handles = { mood = [\"dusk\"] }\n"], "not declared");
    }
}

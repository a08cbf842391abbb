//! The schema: which kinds of handle to write, what each asks, and examples of good answers.
//! Kinds are data; adding one never touches Rust. The TOML form is documented in `docs/schema.md`.

mod file;
mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use validate::SchemaError;

use crate::{Digest, Evidence, Method};

/// A validated schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// Its name, shown to people.
    pub name: String,
    /// One line about the corpus; goes into the prompt.
    pub about: String,
    /// The declared kinds, in file order, which is the order the model answers in.
    pub kinds: Vec<KindSpec>,
    /// Few-shot examples, in file order.
    pub examples: Vec<Example>,
    /// How strictly answers are judged.
    #[serde(default)]
    pub gates: Gates,
}

/// One declared kind of handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSpec {
    /// `[a-z][a-z0-9_]*`, not `body`, `title` or `concatenated`.
    pub kind: String,
    /// What is asked of the model. Empty: the kind arrives by import, or by its normaliser's rules.
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
    /// How they become words in the BM25 lane. It shapes no answer, so a change costs no call.
    #[serde(default)]
    pub analyzer: Analyzer,
    /// How a quote becomes a handle of a normalised kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise: Option<Normaliser>,
}

/// How a kind's handles become words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Analyzer {
    /// Words of the document's language, stemmed.
    #[default]
    Words,
    /// Identifiers, whole and in their parts.
    Code,
    /// The whole handle as one word.
    Exact,
}

/// What the model sees beside the chunk, its document's title and the headings above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Nothing.
    Chunk,
    /// The end of the chunk before and the beginning of the one after.
    Neighbours,
    /// What else stands under the same heading.
    Section,
    /// A digest of the document: its headings, its beginning and its end.
    Document,
}

/// A way to turn a quoted span into a readable handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normaliser {
    /// Dates and periods: "the winter of '43" becomes "winter 1943–44" and the days it spans.
    Time,
}

/// A few-shot: one user turn and one assistant turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The passage's title; may be empty.
    pub title: String,
    /// What stands around the passage, for kinds of a wider scope; may be empty.
    #[serde(default)]
    pub context: String,
    /// The passage.
    pub text: String,
    /// The handles a careful reader would write. A kind that is left out has none.
    pub handles: BTreeMap<String, Vec<String>>,
}

/// How strictly the model's answers are judged. Nothing here shapes an answer, so a change costs no call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gates {
    /// `false` lets everything pass that is safe to show and inside its limits: for measuring what gates are worth.
    pub enabled: bool,
    /// An inferred handle that stands on a larger share of the chunks than this is filler.
    pub filler_share: f64,
    /// At least this share of an inferred handle's telling words must be missing from its chunk: a handle without
    /// any finds nothing that the text does not find better. 0 switches the gate off.
    pub new_words: f64,
    /// Searched alone among the texts, an inferred handle must bring its own chunk into the best so large a share of
    /// the corpus. 1 switches the gate off.
    pub round_trip: f64,
    /// Phrases that say nothing: a handle that is one of them, after folding, is filler.
    pub stop_phrases: Vec<String>,
}

impl Default for Gates {
    fn default() -> Self {
        Self { enabled: true, filler_share: 0.02, new_words: 0.01, round_trip: 1.0, stop_phrases: Vec::new() }
    }
}

impl Schema {
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
        let examples: Vec<_> = self
            .examples
            .iter()
            .map(|example| {
                let context = if spec.scope == Scope::Chunk { "" } else { &example.context };
                (&example.title, context, &example.text, example.handles.get(&spec.kind))
            })
            .collect();
        let definition = serde_json::json!([
            self.about,
            spec.kind,
            spec.ask,
            spec.evidence,
            spec.max_items,
            spec.max_chars,
            spec.values,
            spec.scope,
            examples,
        ]);
        Digest::of_parts(["kind", &definition.to_string()])
    }
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
        assert_eq!(schema.gates, Gates::default());
    }

    #[test]
    fn a_kinds_fingerprint_ignores_its_neighbours() {
        let of = |schema: &Schema| schema.fingerprint(schema.kind("time").expect("declared"));
        let alone = schema(&[HEAD, TIME]);
        assert_eq!(of(&alone), of(&schema(&[HEAD, MOOD, TIME])));
        assert_eq!(of(&alone), of(&schema(&[HEAD, TIME, "[gates]\nfiller_share = 0.5\n"])));
        assert_ne!(of(&alone), of(&schema(&[HEAD, &TIME.replace("When?", "What year?")])));
        assert_ne!(of(&alone), of(&schema(&[HEAD, TIME, "scope = \"section\"\n"])));
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
        check(&[HEAD, TIME, "scope = \"shelf\"\n"], "shelf");
        check(&[HEAD, TIME, "values = [\"a|b\"]\n"], "'|'");
        check(&[HEAD, TIME, "normalise = \"time\"\n"], "normalised");
        check(&[HEAD, &TIME.replace("verbatim", "normalised")], "normalise = \"time\"");
        check(&[HEAD, TIME, "[gates]\nfiller_share = 2.0\n"], "filler_share is 2");
        check(&[HEAD, TIME, "[gates]\nfiller = 2.0\n"], "filler");
        let example = "[[example]]\ntext = \"At dawn.\"\n";
        check(&[HEAD, TIME, example, "handles = { time = [\"dusk\"] }\n"], "not in the example's text");
        check(&[HEAD, TIME, example, "handles = { mood = [\"dusk\"] }\n"], "not declared");
    }
}

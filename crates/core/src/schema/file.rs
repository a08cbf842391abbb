//! The TOML form of a schema.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Analyzer, Example, Gates, KindSpec, Normaliser, Schema, SchemaError, Scope};
use crate::{Evidence, Method};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    schema: RawSchema,
    #[serde(default)]
    handle: Vec<RawKind>,
    #[serde(default)]
    example: Vec<RawExample>,
    #[serde(default)]
    gates: Gates,
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
    analyzer: Option<Analyzer>,
    normalise: Option<Normaliser>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExample {
    #[serde(default)]
    title: String,
    #[serde(default)]
    context: String,
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
        let schema = Self {
            name: raw.schema.name,
            about: raw.schema.about,
            kinds: raw.handle.into_iter().map(KindSpec::from).collect(),
            examples: raw.example.into_iter().map(Example::from).collect(),
            gates: raw.gates,
        };
        schema.validate()?;
        Ok(schema)
    }
}

impl From<RawKind> for KindSpec {
    fn from(raw: RawKind) -> Self {
        Self {
            kind: raw.kind,
            ask: raw.ask,
            evidence: raw.evidence,
            max_items: raw.max_items.unwrap_or(3),
            max_chars: raw.max_chars.unwrap_or(60),
            values: raw.values,
            scope: raw.scope.unwrap_or(Scope::Chunk),
            lanes: raw.lanes.unwrap_or_else(|| vec![Method::Bm25, Method::Dense]),
            analyzer: raw.analyzer.unwrap_or_default(),
            normalise: raw.normalise,
        }
    }
}

impl From<RawExample> for Example {
    fn from(raw: RawExample) -> Self {
        Self { title: raw.title, context: raw.context, text: raw.text, handles: raw.handles }
    }
}

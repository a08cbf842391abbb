//! What a filter can ask of a chunk, as one JSON value that stands in every row of it. A name that has no value is left
//! out, so that every condition first asks whether there is one: what an engine makes of a missing value then matters
//! to none.

use std::collections::BTreeSet;

use frontload_core::{MetaValue, Subject};
use frontload_index::{IndexedChunk, Manifest, MetaColumns};
use serde_json::{Map, Value, json};

use crate::{ClusterError, layout::MOST_TEXT};

pub const SOURCE: &str = "source";
pub const DOCUMENT: &str = "document";
pub const LANGUAGE: &str = "language";
pub const EVIDENCE: &str = "evidence";
pub const KINDS: &str = "kinds";
pub const HANDLES: &str = "handles";

/// A fact's values as words, the first and the last of them, and of those that are numbers the least and the most.
pub fn words(place: usize) -> String {
    format!("w{place}")
}
pub fn first_word(place: usize) -> String {
    format!("wa{place}")
}
pub fn last_word(place: usize) -> String {
    format!("wz{place}")
}
pub fn least(place: usize) -> String {
    format!("na{place}")
}
pub fn most(place: usize) -> String {
    format!("nz{place}")
}

/// The first and last day of a chunk's nth time.
pub fn from(nth: usize) -> String {
    format!("from{nth}")
}
pub fn to(nth: usize) -> String {
    format!("to{nth}")
}

/// A handle's value among those of all kinds.
pub fn handle(kind: &str, folded: &str) -> String {
    format!("{kind}={folded}")
}

/// A chunk's facts.
pub fn facts(indexed: &IndexedChunk, columns: &MetaColumns) -> Result<Value, ClusterError> {
    let IndexedChunk { chunk, handles, .. } = indexed;
    let mut facts = Map::new();
    let folded = |text: &str| MetaValue::Text(text.to_owned()).folded();
    facts.insert(SOURCE.into(), json!(folded(&chunk.source)));
    facts.insert(DOCUMENT.into(), json!(chunk.document));
    if let Some(language) = &chunk.language {
        facts.insert(LANGUAGE.into(), json!(folded(language)));
    }
    let mut list = |name: &str, values: BTreeSet<String>| {
        if !values.is_empty() {
            facts.insert(name.to_owned(), json!(values));
        }
    };
    list(EVIDENCE, handles.iter().map(|handle| handle.evidence.to_string()).collect());
    list(KINDS, handles.iter().map(|handle| handle.kind.clone()).collect());
    list(HANDLES, handles.iter().map(|one| handle(&one.kind, &folded(&one.text))).collect());
    for (name, value) in &chunk.metadata {
        let Some(place) = columns.place(name) else { continue };
        let values = value.flat();
        let texts: BTreeSet<String> = values.iter().map(MetaValue::folded).collect();
        if let (Some(first), Some(last)) = (texts.first(), texts.last()) {
            facts.insert(first_word(place), json!(first));
            facts.insert(last_word(place), json!(last));
            facts.insert(words(place), json!(texts));
        }
        let mut numbers: Vec<f64> = values.iter().filter_map(MetaValue::number).collect();
        numbers.sort_by(f64::total_cmp);
        if let (Some(low), Some(high)) = (numbers.first(), numbers.last()) {
            facts.insert(least(place), json!(low));
            facts.insert(most(place), json!(high));
        }
    }
    for (nth, interval) in handles.iter().filter_map(|handle| handle.interval).enumerate() {
        let (first, last) = interval.days();
        facts.insert(from(nth), json!(first));
        facts.insert(to(nth), json!(last));
    }
    let facts = Value::Object(facts);
    let bytes = facts.to_string().len();
    if bytes > MOST_TEXT {
        return Err(ClusterError::TooLarge { chunk: chunk.id(), what: "facts for filters", bytes, most: MOST_TEXT });
    }
    Ok(facts)
}

/// What filters can name in an index.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Known {
    /// Facts that have columns.
    pub columns: MetaColumns,
    /// Kinds that some chunk has a handle of.
    pub kinds: BTreeSet<String>,
    /// The most times that one chunk tells of.
    pub times: usize,
}

impl Known {
    /// Nothing but the columns yet.
    pub fn of(manifest: &Manifest) -> Self {
        Self { columns: manifest.metadata.clone(), ..Self::default() }
    }

    /// Learns what one chunk has.
    pub fn add(&mut self, indexed: &IndexedChunk) {
        for handle in &indexed.handles {
            if !self.kinds.contains(&handle.kind) {
                self.kinds.insert(handle.kind.clone());
            }
        }
        let times = indexed.handles.iter().filter(|handle| handle.interval.is_some()).count();
        self.times = self.times.max(times);
    }

    /// The error for what no chunk has.
    pub fn unknown(&self, subject: &Subject) -> frontload_index::IndexError {
        let known = match subject {
            Subject::Meta(_) => self.columns.names().to_vec(),
            _ => Vec::new(),
        };
        frontload_index::IndexError::UnknownInFilter { subject: subject.clone(), known }
    }
}

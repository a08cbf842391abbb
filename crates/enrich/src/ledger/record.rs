//! What the ledger's lines say.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use frontload_core::{Alias, ChunkKey, Completion, Decision, Digest, Evidence, Failure, Finish, Purge, Tuning};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, parse};

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// How the index was last built: what `rebuild` and `handles import` go by.
    Settings(Settings),
    /// What the model said, or why it said nothing, about one chunk.
    Answer(SettledAnswer),
    /// A call is about to be made. Not synced: it is for finding the call that ends the program.
    Attempt {
        /// Which, by [`crate::Call::id`].
        call: Digest,
        /// Whether nothing else is being asked meanwhile.
        alone: bool,
    },
    /// Calls that were given up because the run was stopped: their attempts say nothing against them.
    Released {
        /// Which.
        calls: Vec<Digest>,
    },
    /// A run of calls has ended: what it took, so that what a kind of handle costs can be told later.
    Ran {
        /// The model's fingerprint.
        model: String,
        /// Calls that ended.
        calls: u64,
        /// From the first call to the last end.
        seconds: f64,
    },
    /// What a person decided about a handle.
    Review(Decision),
    /// Two ways of saying the same, or that they are not after all.
    Alias {
        /// Which.
        #[serde(flatten)]
        alias: Alias,
        /// Whether they are.
        holds: bool,
        /// Who said so.
        by: String,
        /// When, in seconds since 1970.
        at: u64,
    },
    /// What a person took out of the index, or put back.
    Purge(Purge),
    /// Here stood something about a chunk that was taken out with everything said of it.
    Erased {},
    /// A handle made elsewhere.
    Import {
        /// The chunk it was made for; a chunk whose text has changed since does not get it.
        chunk: ChunkKey,
        /// Its kind.
        kind: String,
        /// Its text.
        text: String,
        /// What the file claims stands behind it.
        evidence: Evidence,
        /// When it was imported, in seconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
}

/// How an index was last built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The corpus paths, absolute.
    pub sources: Vec<PathBuf>,
    /// The schema file's text, if handles were asked for.
    pub schema_toml: Option<String>,
    /// The model's fingerprint, if one was used.
    pub model: Option<String>,
    /// The largest chunk, in characters; absent when documents are not cut.
    pub chunk_chars: Option<u32>,
    /// Lanes with at least this many distinct vectors have a graph; the usual number when absent.
    #[serde(default)]
    pub graph_rows: Option<usize>,
    /// Lane weights, if they were measured.
    #[serde(default)]
    pub tuning: Option<Tuning>,
    /// Whether the baseline lanes over text and handles together are built.
    #[serde(default)]
    pub concatenated: bool,
}

/// One call's end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettledAnswer {
    /// The chunk it was about.
    pub chunk: ChunkKey,
    /// The kinds asked for, each with the hash of everything that shaped its answer.
    pub kinds: BTreeMap<String, Digest>,
    /// The model's fingerprint.
    pub model: String,
    /// The raw answer, or the failure.
    pub result: Result<Completion, Failure>,
    /// When it ended, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// The moment, as records keep it: in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Names a call by the keys of the answers it is to give.
pub(crate) fn call_id(kinds: &BTreeMap<String, Digest>) -> Digest {
    let keys: Vec<String> = kinds.values().map(|key| key.to_hex()).collect();
    Digest::of_parts(keys.iter().map(String::as_str))
}

impl SettledAnswer {
    /// The items of each kind.
    ///
    /// # Errors
    /// Why there are none: a failure, an answer that was cut and whose last item is half a thought, or one that
    /// cannot be read.
    pub fn items(&self) -> Result<Answer, String> {
        let completion = self.result.as_ref().map_err(|failure| failure.reason.clone())?;
        if completion.finish == Finish::Length {
            return Err("the answer ran into its length limit".to_owned());
        }
        let kinds: Vec<&str> = self.kinds.keys().map(String::as_str).collect();
        parse(&completion.text, &kinds)
    }
}

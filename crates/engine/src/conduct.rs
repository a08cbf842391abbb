//! How a model did its work: what its answers were like, what passed the gates, how fast it was.

use std::collections::{BTreeMap, BTreeSet};

use frontload_core::{ChunkKey, Source, fold::fold};
use frontload_enrich::{Record, scan};
use frontload_index::{IndexDir, Reader};

use crate::EngineError;

/// What became of one kind's handles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Handles that are searched.
    pub kept: usize,
    /// Handles that the gates turned away.
    pub turned_away: usize,
}

/// One index's model at work.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conduct {
    /// The model's fingerprint.
    pub model: String,
    /// Calls that came to an end.
    pub calls: usize,
    /// Calls whose answer could be read.
    pub parsed: usize,
    /// Tokens it read for one call alone, and wrote.
    pub tokens: u64,
    /// What its runs took, as far as the ledger tells: calls and seconds.
    pub timed: (u64, f64),
    /// By kind.
    pub kinds: BTreeMap<String, Passed>,
    /// What it said of each passage, folded, by kind.
    said: BTreeMap<String, BTreeMap<ChunkKey, BTreeSet<String>>>,
}

impl Conduct {
    /// Reads it out of an index and its ledger.
    ///
    /// # Errors
    /// When either cannot be read, or the index was built without a model.
    pub fn read(dir: &IndexDir, reader: &Reader) -> Result<Self, EngineError> {
        let Some(model) = reader.manifest().model.clone() else {
            return Err(crate::input(dir.path(), None, "no model has written handles for this index"));
        };
        let mut conduct = Self { model, ..Self::default() };
        let mut chunks = BTreeSet::new();
        for indexed in reader.chunks() {
            let indexed = indexed?;
            let key = indexed.chunk.key();
            chunks.insert(key);
            for handle in indexed.handles.iter().filter(|handle| handle.source == Source::Model) {
                conduct.kinds.entry(handle.kind.clone()).or_default().kept += 1;
                let said = conduct.said.entry(handle.kind.clone()).or_default();
                said.entry(key).or_default().insert(fold(&handle.text));
            }
            for rejected in &indexed.rejected {
                conduct.kinds.entry(rejected.kind.clone()).or_default().turned_away += 1;
            }
        }
        scan(&dir.ledger(), None, &mut |_, record| match record {
            Record::Answer(settled) if settled.model == conduct.model && chunks.contains(&settled.chunk) => {
                conduct.calls += 1;
                conduct.parsed += usize::from(settled.items().is_ok());
                if let Ok(completion) = &settled.result {
                    conduct.tokens += u64::from(completion.prefill_tokens) + u64::from(completion.answer_tokens);
                }
            }
            Record::Ran { model, calls, seconds } if model == conduct.model => {
                conduct.timed.0 += calls;
                conduct.timed.1 += seconds;
            }
            _ => {}
        })?;
        Ok(conduct)
    }

    /// Tokens read and written in a second, of the runs whose time is known.
    pub fn tokens_a_second(&self) -> Option<f64> {
        let (calls, seconds) = self.timed;
        (calls > 0 && seconds > 0.0 && self.calls > 0)
            .then(|| self.tokens as f64 * (calls as f64 / self.calls as f64) / seconds)
    }

    /// How alike two models' handles of a kind are: the share of handles they have in common, averaged over the passages
    /// of which either says something (Jaccard, 1912). `None` when neither says anything.
    pub fn agreement(&self, other: &Self, kind: &str) -> Option<f64> {
        let none = BTreeMap::new();
        let (mine, theirs) = (self.said.get(kind).unwrap_or(&none), other.said.get(kind).unwrap_or(&none));
        let chunks: BTreeSet<&ChunkKey> = mine.keys().chain(theirs.keys()).collect();
        let alike = |chunk: &&ChunkKey| match (mine.get(chunk), theirs.get(chunk)) {
            (Some(mine), Some(theirs)) => mine.intersection(theirs).count() as f64 / mine.union(theirs).count() as f64,
            _ => 0.0,
        };
        (!chunks.is_empty()).then(|| chunks.iter().map(alike).sum::<f64>() / chunks.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use frontload_core::Digest;

    use super::*;

    #[test]
    fn agreement_by_hand() {
        let conduct = |said: &[(&str, &[&str])]| {
            let key = |name: &str| ChunkKey(Digest::of_bytes(name.as_bytes()));
            let of_kind =
                said.iter().map(|(chunk, items)| (key(chunk), items.iter().map(|item| (*item).to_owned()).collect()));
            Conduct { said: BTreeMap::from([("mood".to_owned(), of_kind.collect())]), ..Conduct::default() }
        };
        let one = conduct(&[("a", &["weary", "cross"]), ("b", &["calm"])]);
        let other = conduct(&[("a", &["weary"]), ("c", &["calm"])]);
        // Half of what is said of a, nothing of b and c.
        assert!((one.agreement(&other, "mood").expect("said") - 0.5 / 3.0).abs() < 1e-12);
        assert_eq!((one.agreement(&one, "mood"), one.agreement(&other, "time")), (Some(1.0), None));
    }
}

//! What the handles of each kind have cost, out of the ledger.

use std::{collections::BTreeMap, path::Path};

use crate::{
    answer::Answer,
    ledger::{LedgerError, Record, SettledAnswer, scan},
};

/// What one kind of handle took to write. Several kinds are asked for in one call: the tokens of its prompt are
/// shared evenly among them, those of its answer by how much of it each kind's items are, and the time of a run by
/// tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Calls that asked for the kind.
    pub calls: u64,
    /// Tokens of prompts that were decoded for one call alone.
    pub prefill_tokens: f64,
    /// Tokens of answers.
    pub answer_tokens: f64,
    /// Time, where the ledger tells how long the model's runs took: not of imported completions, nor of runs that
    /// were killed.
    pub seconds: Option<f64>,
}

/// What one model's calls and runs took.
#[derive(Default)]
struct OfModel {
    kinds: BTreeMap<String, Spent>,
    calls: u64,
    timed_calls: u64,
    seconds: f64,
}

/// What each kind has cost so far, over all models. Lines of the ledger that cannot be read are not counted;
/// `verify` tells of them.
///
/// # Errors
/// When a file of the ledger cannot be read.
pub fn spent(ledger: &Path) -> Result<BTreeMap<String, Spent>, LedgerError> {
    let mut models: BTreeMap<String, OfModel> = BTreeMap::new();
    scan(ledger, None, &mut |_, record| match record {
        Record::Answer(settled) => models.entry(settled.model.clone()).or_default().count(&settled),
        Record::Ran { model, calls, seconds } => {
            let of_model = models.entry(model).or_default();
            of_model.timed_calls += calls;
            of_model.seconds += seconds;
        }
        _ => {}
    })?;
    let mut all: BTreeMap<String, Spent> = BTreeMap::new();
    for of_model in models.into_values() {
        for (kind, spent) in of_model.timed() {
            let sum = all.entry(kind).or_default();
            sum.calls += spent.calls;
            sum.prefill_tokens += spent.prefill_tokens;
            sum.answer_tokens += spent.answer_tokens;
            sum.seconds = sum.seconds.map_or(spent.seconds, |before| Some(before + spent.seconds.unwrap_or(0.0)));
        }
    }
    Ok(all)
}

impl OfModel {
    fn count(&mut self, settled: &SettledAnswer) {
        self.calls += 1;
        let Ok(completion) = &settled.result else { return };
        let answer = settled.items().unwrap_or_default();
        let kinds = settled.kinds.len().max(1) as f64;
        let lengths: BTreeMap<&String, f64> = settled.kinds.keys().map(|kind| (kind, length(kind, &answer))).collect();
        let whole: f64 = lengths.values().sum();
        for (kind, length) in lengths {
            let spent = self.kinds.entry(kind.clone()).or_default();
            spent.calls += 1;
            spent.prefill_tokens += f64::from(completion.prefill_tokens) / kinds;
            spent.answer_tokens += f64::from(completion.answer_tokens) * length / whole;
        }
    }

    /// Every kind with its share of the time: that of the runs that told theirs, reckoned up for calls that did not.
    fn timed(mut self) -> BTreeMap<String, Spent> {
        let tokens = |spent: &Spent| spent.prefill_tokens + spent.answer_tokens;
        let whole: f64 = self.kinds.values().map(tokens).sum();
        if self.timed_calls > 0 && whole > 0.0 {
            let seconds = self.seconds * self.calls as f64 / self.timed_calls as f64;
            self.kinds.values_mut().for_each(|spent| spent.seconds = Some(seconds * tokens(spent) / whole));
        }
        self.kinds
    }
}

/// How much of an answer one kind is, in bytes: its name and its items, and what stands between them.
fn length(kind: &str, answer: &Answer) -> f64 {
    let items = answer.get(kind).map(Vec::as_slice).unwrap_or_default();
    (kind.len() + 2 + items.iter().map(|item| item.len() + 1).sum::<usize>()) as f64
}

#[cfg(test)]
mod tests {
    use frontload_core::{ChunkKey, Completion, Digest, Finish};

    use super::*;
    use crate::Ledger;

    #[test]
    fn a_call_is_shared_among_its_kinds() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(folder.path()).expect("opens");
        let answer = |text: &str| {
            let kinds = ["mood", "time"].map(|kind| (kind.to_owned(), Digest::of_bytes(kind.as_bytes())));
            let completion = Completion {
                text: text.to_owned(),
                finish: Finish::Stop,
                prompt_tokens: 500,
                prefill_tokens: 100,
                answer_tokens: 20,
            };
            let chunk = ChunkKey(Digest::of_bytes(text.as_bytes()));
            Record::Answer(SettledAnswer {
                chunk,
                kinds: kinds.into(),
                model: "m".to_owned(),
                result: Ok(completion),
                at: None,
            })
        };
        let ran = Record::Ran { model: "m".to_owned(), calls: 2, seconds: 12.0 };
        ledger.append(&[answer("mood: weary\ntime: at dusk"), answer("mood: none\ntime: none"), ran]).expect("kept");
        let spent = spent(folder.path()).expect("read");
        let (mood, time) = (spent["mood"], spent["time"]);
        assert_eq!((mood.calls, time.calls), (2, 2));
        assert!((mood.prefill_tokens - 100.0).abs() < 1e-9 && (time.prefill_tokens - 100.0).abs() < 1e-9);
        assert!(
            (mood.answer_tokens + time.answer_tokens - 40.0).abs() < 1e-9 && time.answer_tokens > mood.answer_tokens
        );
        let seconds = mood.seconds.expect("timed") + time.seconds.expect("timed");
        assert!((seconds - 12.0).abs() < 1e-9, "{seconds}");
    }
}

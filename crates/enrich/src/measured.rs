//! What a model's calls have taken so far, out of the ledger: what a plan for more of them goes by.

use std::path::Path;

use crate::{
    estimate::{DRIFT, Range, STANDARD_ERRORS},
    ledger::{LedgerError, Record, scan},
};

/// What the ledger tells of one model's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// Calls with an answer.
    pub answered: u64,
    /// Calls without one.
    pub failed: u64,
    /// Tokens of prompts that were decoded for one call alone.
    pub prefill_tokens: f64,
    /// Tokens of answers.
    pub answer_tokens: f64,
    /// Of the tokens of each answered call, both sorts together.
    squares: f64,
    /// Calls of runs that told how long they took: not imported ones, nor those of runs that were killed.
    pub timed_calls: u64,
    /// How long these took.
    pub seconds: f64,
}

impl Measured {
    /// Tokens of a call, read and written; `None` when nothing was answered, or whoever answered counts none.
    pub fn tokens_a_call(&self) -> Option<f64> {
        let tokens = self.prefill_tokens + self.answer_tokens;
        (tokens > 0.0).then(|| tokens / self.answered as f64)
    }

    /// Seconds a call took, with as many beside it as there were; `None` when no run told its time.
    pub fn seconds_a_call(&self) -> Option<f64> {
        (self.timed_calls > 0 && self.seconds > 0.0).then(|| self.seconds / self.timed_calls as f64)
    }

    /// What other calls may come to, as a share of what these came to.
    pub fn spread(&self) -> Range {
        let count = self.answered.max(1) as f64;
        let error = self.tokens_a_call().map_or(0.0, |mean| {
            let variance = (self.squares / count - mean * mean).max(0.0);
            (variance / count).sqrt() / mean
        });
        Range::around(1.0, STANDARD_ERRORS * error + DRIFT)
    }
}

/// What one model's calls have taken. Lines of the ledger that cannot be read are not counted; `verify` tells of them.
///
/// # Errors
/// When a file of the ledger cannot be read.
pub fn measured(ledger: &Path, model: &str) -> Result<Measured, LedgerError> {
    let mut measured = Measured::default();
    scan(ledger, None, &mut |_, record| match record {
        Record::Answer(settled) if settled.model == model => match &settled.result {
            Ok(completion) => {
                let (read, written) = (f64::from(completion.prefill_tokens), f64::from(completion.answer_tokens));
                measured.answered += 1;
                measured.prefill_tokens += read;
                measured.answer_tokens += written;
                measured.squares += (read + written).powi(2);
            }
            Err(_) => measured.failed += 1,
        },
        Record::Ran { model: of, calls, seconds } if of == model => {
            measured.timed_calls += calls;
            measured.seconds += seconds;
        }
        _ => {}
    })?;
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use frontload_core::{ChunkKey, Completion, Digest, Finish};

    use super::*;
    use crate::{Ledger, SettledAnswer};

    #[test]
    fn one_models_calls_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(folder.path()).expect("opens");
        let answer = |model: &str, tokens: u32| {
            let result = Ok(Completion {
                text: tokens.to_string(),
                finish: Finish::Stop,
                prompt_tokens: 900,
                prefill_tokens: tokens,
                answer_tokens: 10,
            });
            let chunk = ChunkKey(Digest::of_bytes(&tokens.to_le_bytes()));
            Record::Answer(SettledAnswer { chunk, kinds: BTreeMap::new(), model: model.to_owned(), result, at: None })
        };
        let ran = |model: &str| Record::Ran { model: model.to_owned(), calls: 2, seconds: 4.0 };
        let records = [answer("m", 80), answer("m", 100), answer("other", 5000), ran("m"), ran("other")];
        ledger.append(&records).expect("kept");
        let told = measured(folder.path(), "m").expect("read");
        assert_eq!((told.answered, told.failed, told.timed_calls), (2, 0, 2));
        assert_eq!((told.tokens_a_call(), told.seconds_a_call()), (Some(100.0), Some(2.0)));
        // Two calls of 90 and 110 tokens: the standard error of their mean is 7.07 of 100.
        let spread = told.spread();
        assert!((spread.high - 1.341).abs() < 0.001 && (spread.low - 0.659).abs() < 0.001, "{spread:?}");
        let none = measured(folder.path(), "nobody").expect("read");
        assert_eq!((none.tokens_a_call(), none.seconds_a_call()), (None, None));
    }
}

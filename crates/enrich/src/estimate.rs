//! What a run would cost: the real prompts tokenised, a small pilot really asked (and kept), and the rest
//! extrapolated with an interval.

use std::time::Duration;

use frontload_core::{Generator, Prompt, PromptSize};

use crate::{
    EnrichError,
    ledger::Ledger,
    plan::{Call, Job, Plan},
    run::{Ending, Limits, Progress, enrich},
    state::State,
};

/// Calls of a pilot, and the largest share of a small job it may take.
const PILOT_CALLS: usize = 40;
const PILOT_SHARE: usize = 4;
const SMALLEST_PILOT: usize = 8;
/// The share of a pilot's first and of its last calls left out of the timing: the slots fill and drain.
const EDGE_SHARE: usize = 5;
/// Half-widths of intervals: so many standard errors, and besides a share for what a pilot cannot see (a machine
/// that does something else meanwhile; a later part of the corpus that is unlike the rest).
pub(crate) const STANDARD_ERRORS: f64 = 2.0;
pub(crate) const DRIFT: f64 = 0.2;

/// A figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// As little as this.
    pub low: f64,
    /// Most likely.
    pub likely: f64,
    /// As much as this.
    pub high: f64,
}

impl Range {
    /// A figure known but for a share of itself.
    pub fn around(likely: f64, share: f64) -> Self {
        Self { low: likely * (1.0 - share).max(0.0), likely, high: likely * (1.0 + share) }
    }

    /// Every figure times another.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { low: self.low * factor, likely: self.likely * factor, high: self.high * factor }
    }

    /// Whether a figure lies inside.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// What the rest of a job would cost.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    /// Calls left.
    pub calls: usize,
    /// Calls of the pilot: answered, kept, not to be made again.
    pub pilot: usize,
    /// How many of them failed.
    pub pilot_failed: usize,
    /// Tokens that are decoded for one chunk alone; exact where the model's tokenizer is at hand.
    pub prefill_tokens: Range,
    /// Tokens the model writes.
    pub answer_tokens: Range,
    /// The run's length in seconds.
    pub seconds: Range,
    /// What it adds to the ledger.
    pub ledger_bytes: Range,
    /// Prompts that do not fit the model's context, or cannot be rendered.
    pub unfit: usize,
}

/// One call of the pilot, as it ended.
#[derive(Clone, Copy)]
struct Ended {
    at: Duration,
    answer_tokens: f64,
    prefill_tokens: f64,
}

/// Weighs a plan's prompts, makes a few of its calls, and extrapolates. `None` when it was stopped.
///
/// # Errors
/// As [`enrich`].
pub fn estimate(
    job: &Job,
    plan: &Plan,
    generator: &mut dyn Generator,
    (ledger, state): (&mut Ledger, &State),
    limits: Limits,
    report: &mut dyn FnMut(Progress),
) -> Result<Option<Estimate>, EnrichError> {
    let sizes = sizes(job, &plan.calls, generator)?;
    let weigh = |at: usize| match &sizes {
        Some(sizes) => sizes.get(at).copied().flatten().map(|size| f64::from(size.own_tokens)),
        None => plan.calls.get(at).and_then(|call| job.chunks.get(call.chunk)).map(|chunk| chunk.text.len() as f64),
    };
    let weights: Vec<f64> = (0..plan.calls.len()).filter_map(weigh).collect();
    let pilot = pilot(&plan.calls, |at| weigh(at).unwrap_or_default());
    let before = ledger.end();
    let mut ended: Vec<Ended> = Vec::new();
    let mut last = Progress::default();
    let trial = Plan { calls: pilot, ..Plan::default() };
    let outcome = enrich(job, &trial, generator, (ledger, state), limits, &mut |progress| {
        ended.push(Ended {
            at: progress.elapsed,
            answer_tokens: (progress.answer_tokens - last.answer_tokens) as f64,
            prefill_tokens: (progress.prefill_tokens - last.prefill_tokens) as f64,
        });
        last = progress;
        report(progress);
    })?;
    if outcome.ending != Ending::Complete || ended.is_empty() {
        return Ok(None);
    }
    let count = ended.len() as f64;
    let left = plan.len() - ended.len();
    let mean = |values: &dyn Fn(&Ended) -> f64| ended.iter().map(values).sum::<f64>() / count;
    // How much heavier the rest is than the pilot was, by what is known of every prompt.
    let weight_left = weights.iter().sum::<f64>() - trial_weight(&plan.calls, &trial.calls, &weigh);
    let heavier = ratio(weight_left / left.max(1) as f64, trial_weight(&plan.calls, &trial.calls, &weigh) / count);
    let error = relative_error(&ended);
    let answers = mean(&|one| one.answer_tokens) * left as f64;
    let prefill = mean(&|one| one.prefill_tokens) * left as f64 * heavier;
    let written = if ledger.end().file == before.file { ledger.end().offset - before.offset } else { 0 };
    Ok(Some(Estimate {
        calls: left,
        pilot: ended.len(),
        pilot_failed: last.failed,
        prefill_tokens: Range::around(prefill, if sizes.is_some() { 0.02 } else { DRIFT }),
        answer_tokens: Range::around(answers, STANDARD_ERRORS * error + DRIFT),
        seconds: Range::around(seconds_a_call(&ended) * left as f64 * heavier, STANDARD_ERRORS * error + DRIFT),
        ledger_bytes: Range::around(written as f64 / count * left as f64, STANDARD_ERRORS * error + DRIFT),
        unfit: sizes.map_or(0, |sizes| sizes.iter().filter(|size| size.is_none()).count()),
    }))
}

fn sizes(
    job: &Job,
    calls: &[Call],
    generator: &mut dyn Generator,
) -> Result<Option<Vec<Option<PromptSize>>>, EnrichError> {
    let form = generator.form();
    let mut prompts =
        calls.iter().enumerate().filter_map(|(id, call)| -> Option<Prompt> { job.prompt(id as u64, call, form) });
    Ok(generator.measure(&mut prompts)?)
}

/// Calls at even distances in the order of their weight: a small corpus that looks like the whole.
fn pilot(calls: &[Call], weight: impl Fn(usize) -> f64) -> Vec<Call> {
    let count = PILOT_CALLS.min(SMALLEST_PILOT.max(calls.len() / PILOT_SHARE)).min(calls.len());
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by(|&left, &right| weight(left).total_cmp(&weight(right)));
    let mut chosen: Vec<usize> =
        (0..count).filter_map(|at| order.get((2 * at + 1) * order.len() / (2 * count)).copied()).collect();
    // In the order of the corpus, so that what a document shares is shared here too.
    chosen.sort_unstable();
    chosen.dedup();
    chosen.into_iter().filter_map(|at| calls.get(at).cloned()).collect()
}

fn trial_weight(calls: &[Call], trial: &[Call], weigh: &dyn Fn(usize) -> Option<f64>) -> f64 {
    let mut trial = trial.iter().peekable();
    let mut sum = 0.0;
    for (at, call) in calls.iter().enumerate() {
        if trial.next_if(|chosen| chosen.chunk == call.chunk && chosen.scope == call.scope).is_some() {
            sum += weigh(at).unwrap_or_default();
        }
    }
    sum
}

/// Seconds a call takes when every slot is busy: the calls between the edges, over the time between them.
fn seconds_a_call(ended: &[Ended]) -> f64 {
    let edge = ended.len() / EDGE_SHARE;
    let inner = ended.get(edge.saturating_sub(1)..ended.len() - edge).unwrap_or_default();
    match (edge, inner.first(), inner.last()) {
        (1.., Some(first), Some(last)) if last.at > first.at => {
            last.at.saturating_sub(first.at).as_secs_f64() / (inner.len() - 1) as f64
        }
        _ => ended.last().map_or(0.0, |last| last.at.as_secs_f64()) / ended.len() as f64,
    }
}

/// The standard error of a call's mean cost as a share of it. A written token costs several read ones.
fn relative_error(ended: &[Ended]) -> f64 {
    const READ_TOKENS: f64 = 8.0;
    let costs: Vec<f64> = ended.iter().map(|one| one.answer_tokens + one.prefill_tokens / READ_TOKENS).collect();
    let count = costs.len() as f64;
    let mean = costs.iter().sum::<f64>() / count;
    let variance = costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    ratio((variance / count).sqrt(), mean)
}

fn ratio(above: f64, below: f64) -> f64 {
    if below > 0.0 && above.is_finite() { above / below } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pilot_looks_like_the_whole() {
        let calls: Vec<Call> = (0..1000)
            .map(|chunk| Call { chunk, scope: frontload_core::Scope::Chunk, kinds: std::collections::BTreeMap::new() })
            .collect();
        // One call in ten is ten times as heavy.
        let weight = |at: usize| if at % 10 == 3 { 1000.0 } else { 100.0 };
        let chosen = pilot(&calls, weight);
        assert_eq!(chosen.len(), PILOT_CALLS);
        assert_eq!(chosen.iter().filter(|call| call.chunk % 10 == 3).count(), PILOT_CALLS / 10);
        assert_eq!(pilot(&calls[..3], weight).len(), 3);
        assert_eq!(pilot(&calls[..40], weight).len(), 10);
    }

    #[test]
    fn filling_and_draining_are_left_out() {
        let times = [5.0, 5.5, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 30.0, 31.0];
        let ended: Vec<Ended> = times
            .iter()
            .map(|&at| Ended { at: Duration::from_secs_f64(at), answer_tokens: 10.0, prefill_tokens: 80.0 })
            .collect();
        assert!((seconds_a_call(&ended) - 5.5 / 6.0).abs() < 1e-9, "{}", seconds_a_call(&ended));
        assert!(relative_error(&ended) < 1e-9);
    }
}

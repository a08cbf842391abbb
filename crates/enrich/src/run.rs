//! The run: making the missing calls. Each answer is in the ledger, synced, before it counts as done.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use frontload_core::{ChunkKey, Completion, Digest, Evidence, Failure, FailureKind, Finish, Generator};

use crate::{
    EnrichError,
    ledger::{Ledger, Record, SettledAnswer, now},
    plan::{Call, Job, Plan},
    state::State,
};

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Calls ended.
    pub done: usize,
    /// Calls in all.
    pub total: usize,
    /// Calls that gave no answer.
    pub failed: usize,
    /// Tokens the model wrote.
    pub answer_tokens: u64,
    /// Tokens of prompts that were decoded for one chunk alone.
    pub prefill_tokens: u64,
    /// Since the first call.
    pub elapsed: Duration,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every call was made.
    Complete,
    /// Somebody stopped it: what was being answered is given up.
    Interrupted,
    /// The time allowed was over: what was being answered was waited for.
    OutOfTime,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// The last progress.
    pub progress: Progress,
    /// Why it ended.
    pub ending: Ending,
}

/// What can end a run early.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Set by an interrupt.
    pub stop: &'a AtomicBool,
    /// No call is begun after this.
    pub deadline: Option<Instant>,
}

impl Limits<'_> {
    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn out_of_time(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// A handle made elsewhere, for a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The chunk.
    pub chunk: ChunkKey,
    /// Its kind.
    pub kind: String,
    /// Its text.
    pub text: String,
    /// What stands behind it.
    pub evidence: Evidence,
}

impl From<Imported> for Record {
    fn from(row: Imported) -> Self {
        Self::Import { chunk: row.chunk, kind: row.kind, text: row.text, evidence: row.evidence, at: Some(now()) }
    }
}

/// Makes the calls of a plan.
///
/// # Errors
/// When the model is unusable or the disk refuses; what was answered before is kept.
pub fn enrich(
    job: &Job,
    plan: &Plan,
    generator: &mut dyn Generator,
    (ledger, state): (&mut Ledger, &State),
    limits: Limits,
    report: &mut dyn FnMut(Progress),
) -> Result<Outcome, EnrichError> {
    let progress = Progress { total: plan.len(), ..Progress::default() };
    let model = generator.fingerprint().to_owned();
    let desk = Desk { ledger, state, open: BTreeSet::new(), failed: None };
    let mut run = Run { job, model, started: Instant::now(), desk: RefCell::new(desk), progress, limits };
    for call in &plan.given_up {
        let reason = "the program died twice while this passage alone was asked about".to_owned();
        run.settle(call, Err(Failure { kind: FailureKind::Crashed, reason }))?;
    }
    run.progress = Progress { total: plan.len(), ..Progress::default() };
    run.ask(&plan.calls, false, generator, report)?;
    for suspect in &plan.suspects {
        run.ask(std::slice::from_ref(suspect), true, generator, report)?;
    }
    run.release()?;
    run.note_time()?;
    let ending = if run.progress.done >= run.progress.total {
        Ending::Complete
    } else if limits.interrupted() {
        Ending::Interrupted
    } else {
        Ending::OutOfTime
    };
    Ok(Outcome { progress: run.progress, ending })
}

struct Run<'a> {
    job: &'a Job<'a>,
    model: String,
    started: Instant,
    desk: RefCell<Desk<'a>>,
    progress: Progress,
    limits: Limits<'a>,
}

/// Where records are written, from both ends of a call.
struct Desk<'a> {
    ledger: &'a mut Ledger,
    state: &'a State,
    /// Calls begun and not ended.
    open: BTreeSet<Digest>,
    failed: Option<EnrichError>,
}

impl Desk<'_> {
    /// Notes that a call begins; `false` when that cannot be written.
    fn begin(&mut self, call: &Call, alone: bool) -> bool {
        let record = Record::Attempt { call: call.id(), alone };
        let noted = self.ledger.note(&record).map_err(EnrichError::from).and_then(|places| {
            places.into_iter().try_for_each(|place| self.state.apply(place, &record).map_err(EnrichError::from))
        });
        self.open.insert(call.id());
        self.failed = self.failed.take().or(noted.err());
        self.failed.is_none()
    }

    fn keep(&mut self, record: &Record) -> Result<(), EnrichError> {
        for place in self.ledger.append(std::slice::from_ref(record))? {
            self.state.apply(place, record)?;
        }
        Ok(())
    }
}

impl Run<'_> {
    fn ask(
        &mut self,
        calls: &[Call],
        alone: bool,
        generator: &mut dyn Generator,
        report: &mut dyn FnMut(Progress),
    ) -> Result<(), EnrichError> {
        let (job, limits, form) = (self.job, self.limits, generator.form());
        let over = || limits.interrupted() || limits.out_of_time();
        let cell = RefCell::new(self);
        let prompts = calls.iter().enumerate().map_while(|(id, call)| {
            let prompt = job.prompt(id as u64, call, form)?;
            let begun = !over() && cell.borrow().desk.borrow_mut().begin(call, alone);
            begun.then_some(prompt)
        });
        let mut prompts = prompts.fuse();
        let mut done = |id: u64, result: Result<Completion, Failure>| {
            let mut run = cell.borrow_mut();
            let Some(call) = calls.get(id as usize) else { return ControlFlow::Continue(()) };
            if let Err(error) = run.settle(call, result) {
                run.desk.borrow_mut().failed = Some(error);
                return ControlFlow::Break(());
            }
            report(run.progress);
            if limits.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let generated = generator.generate(&mut prompts, &mut done);
        let run = cell.into_inner();
        if generated.is_err() {
            run.release()?;
        }
        generated?;
        match run.desk.borrow_mut().failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn settle(&mut self, call: &Call, result: Result<Completion, Failure>) -> Result<(), EnrichError> {
        let progress = &mut self.progress;
        progress.done += 1;
        match &result {
            Ok(completion) => {
                progress.answer_tokens += u64::from(completion.answer_tokens);
                progress.prefill_tokens += u64::from(completion.prefill_tokens);
                progress.failed += usize::from(completion.finish == Finish::Length);
            }
            Err(_) => progress.failed += 1,
        }
        progress.elapsed = self.started.elapsed();
        let Some(chunk) = self.job.chunks.get(call.chunk) else { return Ok(()) };
        let (chunk, kinds, model) = (chunk.key(), call.kinds.clone(), self.model.clone());
        let mut desk = self.desk.borrow_mut();
        desk.open.remove(&call.id());
        desk.keep(&Record::Answer(SettledAnswer { chunk, kinds, model, result, at: Some(now()) }))
    }

    /// Notes how long the calls took. A run that is killed leaves no such note, and its time is not counted.
    fn note_time(&self) -> Result<(), EnrichError> {
        let (model, calls) = (self.model.clone(), self.progress.done as u64);
        let seconds = self.progress.elapsed.as_secs_f64();
        if calls == 0 { Ok(()) } else { self.desk.borrow_mut().keep(&Record::Ran { model, calls, seconds }) }
    }

    /// Takes back the attempts at calls that were begun and given up.
    fn release(&self) -> Result<(), EnrichError> {
        let mut desk = self.desk.borrow_mut();
        let calls: Vec<Digest> = std::mem::take(&mut desk.open).into_iter().collect();
        if calls.is_empty() { Ok(()) } else { desk.keep(&Record::Released { calls }) }
    }
}

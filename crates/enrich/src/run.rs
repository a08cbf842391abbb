//! The run: making the missing calls. Each answer is in the ledger, synced, before it counts as done; those that came
//! together share one sync.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use frontload_core::{ChunkKey, Completion, Digest, Ended, Evidence, Failure, FailureKind, Finish, Generator};

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

impl Progress {
    /// Counts how a call ended.
    fn count(&mut self, result: &Result<Completion, Failure>) {
        self.done += 1;
        match result {
            Ok(completion) => {
                self.answer_tokens += u64::from(completion.answer_tokens);
                self.prefill_tokens += u64::from(completion.prefill_tokens);
                self.failed += usize::from(completion.finish == Finish::Length);
            }
            Err(_) => self.failed += 1,
        }
    }
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
    let given_up = plan.given_up.iter().map(|call| {
        let reason = "the program died twice while this passage alone was asked about".to_owned();
        (call, Err(Failure { kind: FailureKind::Crashed, reason }))
    });
    run.settle(given_up.collect(), &mut |_| {})?;
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

    /// Keeps records, with one sync: when the ledger refuses, it holds none of them.
    fn keep(&mut self, records: &[Record]) -> Result<(), EnrichError> {
        for (place, record) in self.ledger.append(records)?.into_iter().zip(records) {
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
        let mut done = |group: Vec<Ended>| {
            let mut run = cell.borrow_mut();
            let ended = group.into_iter().filter_map(|(id, result)| Some((calls.get(id as usize)?, result)));
            if let Err(error) = run.settle(ended.collect(), report) {
                run.desk.borrow_mut().failed = Some(error);
                return ControlFlow::Break(());
            }
            if limits.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let generated = generator.generate_in_groups(&mut prompts, &mut done);
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

    /// Keeps how calls ended. None of them counts, or is told of, before the one sync for all of them is over.
    fn settle(
        &mut self,
        ended: Vec<(&Call, Result<Completion, Failure>)>,
        report: &mut dyn FnMut(Progress),
    ) -> Result<(), EnrichError> {
        let desk = self.desk.get_mut();
        let mut records = Vec::new();
        for (call, result) in ended {
            desk.open.remove(&call.id());
            let Some(chunk) = self.job.chunks.get(call.chunk) else { continue };
            let (chunk, kinds, model) = (chunk.key(), call.kinds.clone(), self.model.clone());
            records.push(Record::Answer(SettledAnswer { chunk, kinds, model, result, at: Some(now()) }));
        }
        if records.is_empty() {
            return Ok(());
        }
        desk.keep(&records)?;
        self.progress.elapsed = self.started.elapsed();
        for record in &records {
            if let Record::Answer(settled) = record {
                self.progress.count(&settled.result);
                report(self.progress);
            }
        }
        Ok(())
    }

    /// Notes how long the calls took. A run that is killed leaves no such note, and its time is not counted.
    fn note_time(&self) -> Result<(), EnrichError> {
        let (model, calls) = (self.model.clone(), self.progress.done as u64);
        let seconds = self.progress.elapsed.as_secs_f64();
        if calls == 0 { Ok(()) } else { self.desk.borrow_mut().keep(&[Record::Ran { model, calls, seconds }]) }
    }

    /// Takes back the attempts at calls that were begun and given up.
    fn release(&self) -> Result<(), EnrichError> {
        let mut desk = self.desk.borrow_mut();
        let calls: Vec<Digest> = std::mem::take(&mut desk.open).into_iter().collect();
        if calls.is_empty() { Ok(()) } else { desk.keep(&[Record::Released { calls }]) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use frontload_core::{AnswerForm, Chunk, GeneratorError, Prompt, Schema};

    use super::*;
    use crate::LedgerError;

    const CALLS: usize = 5;

    /// Answers all that it is asked in the same moment.
    struct Chorus(String);

    impl Generator for Chorus {
        fn fingerprint(&self) -> &str {
            &self.0
        }

        fn form(&self) -> AnswerForm {
            AnswerForm::Lines
        }

        fn generate(
            &mut self,
            prompts: &mut dyn Iterator<Item = Prompt>,
            done: &mut dyn FnMut(u64, Result<Completion, Failure>) -> ControlFlow<()>,
        ) -> Result<(), GeneratorError> {
            self.generate_in_groups(prompts, &mut |group| {
                group.into_iter().try_for_each(|(id, result)| done(id, result))
            })
        }

        fn generate_in_groups(
            &mut self,
            prompts: &mut dyn Iterator<Item = Prompt>,
            done: &mut dyn FnMut(Vec<Ended>) -> ControlFlow<()>,
        ) -> Result<(), GeneratorError> {
            let answer = |prompt: Prompt| {
                let (text, finish) = ("mood: calm".to_owned(), Finish::Stop);
                (prompt.id, Ok(Completion { text, finish, prompt_tokens: 9, prefill_tokens: 3, answer_tokens: 2 }))
            };
            let _ = done(prompts.map(answer).collect());
            Ok(())
        }
    }

    fn corpus() -> (Vec<Chunk>, Schema) {
        let chunk = |at: usize| {
            let text = format!("Entry {at}: the ferry was late.");
            Chunk { document: at.to_string(), text, ..Chunk::default() }
        };
        let toml = "[schema]\nname = \"s\"\n\
                    [[handle]]\nkind = \"mood\"\nask = \"How does it feel?\"\nevidence = \"inferred\"\n";
        ((0..CALLS).map(chunk).collect(), Schema::from_toml(toml).expect("valid"))
    }

    /// Asks about the corpus: what was counted meanwhile, how it ended, and how many calls are missing then.
    fn asked(ledger: &mut Ledger, state: &State) -> (Vec<usize>, Result<Outcome, EnrichError>, usize) {
        let (chunks, schema) = corpus();
        let job = Job::new(&chunks, &schema);
        let mut chorus = Chorus("chorus".to_owned());
        let plan = job.plan("chorus", state, false).expect("a plan");
        assert_eq!(plan.calls.len(), CALLS);
        let (stop, mut told) = (AtomicBool::new(false), Vec::new());
        let limits = Limits { stop: &stop, deadline: None };
        let ended = enrich(&job, &plan, &mut chorus, (ledger, state), limits, &mut |progress| told.push(progress.done));
        (told, ended, job.plan("chorus", state, false).expect("a plan").calls.len())
    }

    #[test]
    fn answers_that_come_together_share_a_sync() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(&folder.path().join("ledger")).expect("opens");
        let state = State::open(&folder.path().join("state.sled"), &ledger).expect("opens");
        let (told, ended, left) = asked(&mut ledger, &state);
        assert!(matches!(ended, Ok(Outcome { ending: Ending::Complete, .. })), "{ended:?}");
        assert_eq!((told, left), ((1..=CALLS).collect::<Vec<_>>(), 0));
        // One for the answers, and one for the note of how long they took.
        assert_eq!(ledger.syncs(), 2);
        let mut kept = Vec::new();
        let damage = ledger.scan(None, &mut |place, record| {
            let Record::Answer(settled) = record else { return };
            for key in settled.kinds.values() {
                assert_eq!(state.answer(*key).expect("read").map(|known| known.place), Some(place));
            }
            kept.push(settled.chunk);
        });
        assert!(damage.expect("read").is_empty());
        assert_eq!(kept, corpus().0.iter().map(Chunk::key).collect::<Vec<_>>());
    }

    #[test]
    fn when_their_sync_fails_none_of_them_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger");
        fs::create_dir(&path).expect("made");
        // This device takes every byte, and no sync.
        std::os::unix::fs::symlink("/dev/null", path.join("000001.jsonl")).expect("linked");
        let (mut ledger, _) = Ledger::open(&path).expect("opens");
        let state = State::open(&folder.path().join("state.sled"), &ledger).expect("opens");
        let (told, ended, left) = asked(&mut ledger, &state);
        assert!(matches!(ended, Err(EnrichError::Ledger(LedgerError::Io { .. }))), "{ended:?}");
        assert_eq!((told, left, ledger.syncs()), (vec![], CALLS, 0));
    }
}

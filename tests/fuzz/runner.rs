//! Running one target: every kept input, then changes of them, for a while.

use std::{
    any::Any,
    collections::HashSet,
    fs::{self, File},
    io::{Seek, Write},
    panic::{self, AssertUnwindSafe, catch_unwind},
    process::{self, ExitCode},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    corpus::{Kept, frame},
    mutator::Mutator,
    targets::Target,
};

/// What stands above the figures of a run.
pub const HEADINGS: &str = " executions    CPU s  outcomes  slowest ms";
/// An input that takes longer is a finding. None should take a hundredth of it.
const HANGS_SECONDS: u32 = 30;
/// The slowest input is kept when it takes longer, to be looked at.
const SLOW: Duration = Duration::from_millis(100);
/// Longer inputs are run, but not changed any further.
const KEPT_BYTES: usize = 8 << 10;
/// Inputs that are changed.
const MOST_KEPT: usize = 4000;

/// Inputs run so far, and what the last panic said: both are looked at from other threads.
static EXECUTIONS: AtomicU64 = AtomicU64::new(0);
static PANIC: Mutex<String> = Mutex::new(String::new());

/// A target at work.
struct Run {
    target: &'static Target,
    scratch: TempDir,
    current: File,
    outcomes: HashSet<String>,
    slowest: Duration,
}

/// Runs one input and says what came of it. Its panics are its caller's.
pub fn once(target: &Target, input: &[u8]) -> String {
    (target.run)(scratch().path(), input)
}

/// Runs a target and leaves its figures, or what it panicked with, where its caller looks.
///
/// From a seed the inputs are the same each time, and what is new is not kept; without one they are others, and it goes
/// on from those that were kept.
pub fn run(target: &'static Target, seconds: u64, seed: Option<u64>) -> ExitCode {
    let kept = Kept::of(target.name);
    let inputs = kept.inputs(seed.is_none());
    // Some libraries panic, and are caught, at every other input.
    panic::set_hook(Box::new(|info| *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string()));
    let current = File::create(kept.current_file()).expect("a file for the input at hand");
    let mut run = Run { target, scratch: scratch(), current, outcomes: HashSet::new(), slowest: Duration::ZERO };
    watch(&kept);
    if run.everything(inputs, (&kept, seed), Duration::from_secs(seconds)).is_err() {
        let told = PANIC.lock().map(|told| told.clone()).unwrap_or_default();
        fs::write(kept.told(), told).expect("the finding is written");
        return ExitCode::FAILURE;
    }
    let (executions, outcomes) = (EXECUTIONS.load(Ordering::Relaxed), run.outcomes.len());
    let (cpu, slowest) = (cpu_seconds(), run.slowest.as_millis());
    let told = format!("{executions:>11} {cpu:>8.1} {outcomes:>9} {slowest:>11}");
    fs::write(kept.told(), told).expect("the figures are written");
    ExitCode::SUCCESS
}

impl Run {
    fn everything(
        &mut self,
        mut pool: Vec<Vec<u8>>,
        (kept, seed): (&Kept, Option<u64>),
        time: Duration,
    ) -> Result<(), Box<dyn Any + Send>> {
        for input in &pool {
            self.input(kept, input)?;
        }
        pool.retain(|input| input.len() <= KEPT_BYTES);
        let begun = Instant::now();
        let before = pool.len();
        let mut mutator = Mutator::new(self.target.words, self.target.longest, seed);
        while begun.elapsed() < time {
            let input = mutator.next(&pool);
            let is_new = self.input(kept, &input)?;
            if is_new && input.len() <= KEPT_BYTES && pool.len() < MOST_KEPT {
                pool.push(input);
            }
        }
        if seed.is_none() {
            kept.grow(pool.get(before..).unwrap_or_default());
        }
        Ok(())
    }

    /// Runs one input, which is written down before: the process may not live to say which it was. Says whether what
    /// came of it is new.
    fn input(&mut self, kept: &Kept, input: &[u8]) -> Result<bool, Box<dyn Any + Send>> {
        self.current.rewind().and_then(|()| self.current.write_all(&frame(input))).expect("the input is written");
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.target.run)(self.scratch.path(), input)))?;
        let took = begun.elapsed();
        if took > self.slowest {
            self.slowest = took;
            if took > SLOW {
                kept.keep_slowest(input);
            }
        }
        EXECUTIONS.fetch_add(1, Ordering::Relaxed);
        Ok(self.outcomes.insert(outcome))
    }
}

/// Ends the process when one input takes too long.
fn watch(kept: &Kept) {
    let told = kept.told();
    thread::spawn(move || {
        let (mut before, mut since) = (0, 0);
        loop {
            thread::sleep(Duration::from_secs(1));
            let now = EXECUTIONS.load(Ordering::Relaxed);
            since = if now == before { since + 1 } else { 0 };
            before = now;
            if since == HANGS_SECONDS {
                let _ = fs::write(&told, format!("one input took more than {HANGS_SECONDS} s"));
                process::exit(1);
            }
        }
    });
}

/// A folder in memory where there is one: most targets read files.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// What the process has computed, with all of its threads, in hundredths as Linux counts them.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses, the first field is the third.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

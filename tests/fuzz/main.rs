//! Fuzzing: whatever reads what others wrote is fed what nobody meant to write.
//!
//! `make test` gives every target ten seconds, and each time the same inputs in the same order, so that what it says
//! depends on the program alone; `.ci/run` does the same for a minute. `FRONTLOAD_FUZZ_SECONDS=3600 cargo test --release
//! --test fuzz` is the long form, which draws others each time and goes on from what it kept, with names behind `--` for
//! some targets alone; `FRONTLOAD_FUZZ_SEED` makes it the same each time too. First every kept input is run, then changes
//! of them.
//! A target gets a process of its own, with bounded memory: what ends the process ends no other test, and the input
//! that did it is kept all the same. `-- replay TARGET FILE` runs one input again.

#![allow(clippy::print_stdout, missing_docs)]

mod corpus;
mod mutator;
mod runner;
mod targets;

use std::{
    env, fs,
    process::{Command, ExitCode, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use corpus::Kept;
use targets::{TARGETS, Target};

/// How long each target runs when nothing is said, and from which seed.
const SECONDS: u64 = 10;
const SEED: u64 = 8;
/// What says otherwise. A time without a seed draws other inputs each time.
const SECONDS_SAID: &str = "FRONTLOAD_FUZZ_SECONDS";
const SEED_SAID: &str = "FRONTLOAD_FUZZ_SEED";
/// What a target's process may take, in KiB of address space: stacks and the allocator's reserves are in it.
const MEMORY_KIB: u64 = 3 << 20;

fn main() -> ExitCode {
    // What a test runner is told by options is nothing to us.
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", target] => {
            let seconds = said(SECONDS_SAID);
            let seed = said(SEED_SAID).or_else(|| seconds.is_none().then_some(SEED));
            runner::run(named(target), seconds.unwrap_or(SECONDS), seed)
        }
        ["replay", target, file] => {
            let input = fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
            println!("{}", runner::once(named(target), &input));
            ExitCode::SUCCESS
        }
        names => campaign(names),
    }
}

fn named(name: &str) -> &'static Target {
    let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("{name}: there are {}", names()))
}

/// A number that the environment gives.
fn said(name: &str) -> Option<u64> {
    let said = env::var(name).ok()?;
    Some(said.parse().unwrap_or_else(|_| panic!("{name}: {said:?} is no number")))
}

/// Runs the targets whose names hold one of the words, as many side by side as there are processors.
fn campaign(words: &[&str]) -> ExitCode {
    let chosen = |target: &&Target| words.is_empty() || words.iter().any(|word| target.name.contains(word));
    let targets: Vec<&Target> = TARGETS.iter().filter(chosen).collect();
    println!("fuzzing {} targets for {} s each", targets.len(), said(SECONDS_SAID).unwrap_or(SECONDS));
    let (next, told) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = attend(target);
                    told.lock().expect("no thread panicked").push((target.name, result));
                }
            });
        }
    });
    let mut told = told.into_inner().expect("no thread panicked");
    told.sort_unstable_by_key(|(name, _)| *name);
    println!("{:<14}{}", "target", runner::HEADINGS);
    for (name, result) in &told {
        println!("{name:<14}{}", result.as_deref().unwrap_or("a finding, see below"));
    }
    let findings: Vec<String> = told.into_iter().filter_map(|(_, result)| result.err()).collect();
    println!("{} findings", findings.len());
    for finding in &findings {
        println!("\n{finding}");
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one target in its own process: its figures, or what it found.
fn attend(target: &Target) -> Result<String, String> {
    let kept = Kept::of(target.name);
    let stderr = fs::File::create(kept.stderr()).expect("a file for what it says");
    for old in [kept.told(), kept.current_file()] {
        let _ = fs::remove_file(old);
    }
    let status = Command::new("sh")
        .args(["-c", "ulimit -v \"$0\" 2>/dev/null; exec \"$@\"", &MEMORY_KIB.to_string()])
        .arg(env::current_exe().expect("a path"))
        .args(["run", target.name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .status()
        .expect("sh runs");
    let told = fs::read_to_string(kept.told()).unwrap_or_default();
    if status.success() {
        return Ok(told);
    }
    let name = target.name;
    let Some(input) = kept.current() else { return Err(format!("{name}: {status}, before its first input: {told}")) };
    let path = kept.keep(&input);
    let said = fs::read(kept.stderr()).unwrap_or_default();
    let said = String::from_utf8_lossy(said.get(said.len().saturating_sub(1000)..).unwrap_or_default()).into_owned();
    let shown: String = input.escape_ascii().to_string().chars().take(1500).collect();
    Err(format!(
        "{name}: {status}\n{told}\n{said}\ninput of {} bytes: {shown}\nkept as {path}, where every run begins from \
         now on\nagain: cargo test --release --test fuzz -- replay {name} {path}",
        input.len()
    ))
}

//! Killed at any moment, again and again: what was acknowledged stays, the next command goes on, and no answer is paid
//! for twice but those that were on their way.

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use super::{
    Counts, Figures, Form, Village,
    village::{answered, imports},
};
use crate::bench::Ended;

/// Passages of the corpus; about as many after every change.
const ENTRIES: usize = 40;
/// Prompts answered side by side; twice as many may be in flight.
pub(super) const SLOTS: &str = "2";
pub(super) const IN_FLIGHT: usize = 4;
/// How often everything is run to its end and compared with what it must be.
const SETTLED_EVERY: usize = 25;

/// Where the kill is aimed at.
#[derive(Debug, Clone, Copy)]
enum Aim {
    /// While the model is asked: after so many calls of this run.
    Asking(usize),
    /// From the first file of the new generation to the end.
    Publishing,
    /// From the start to the end.
    Anywhere,
}

/// How long the parts of a command take, undisturbed.
struct Durations {
    whole: Duration,
    publishing: Duration,
}

pub fn run(form: Form) -> Figures {
    let mut choices = form.choices();
    let mut village = Village::new(ENTRIES);
    village.run(&["index", "corpus"]).succeeded();
    village.edit(&mut choices);
    let durations = measure(&village);
    let (mut fell, mut operations) = (Counts::default(), Counts::default());
    let (mut repeated, mut lost, mut most) = (0, 0, 0);
    for cycle in 0..form.cycles {
        let (operation, arguments) = operation(&mut village, &mut choices);
        let aim = match choices.u8(..10) {
            0..=2 if operation == "index" => Aim::Asking(choices.usize(1..4)),
            0..=7 => Aim::Publishing,
            _ => Aim::Anywhere,
        };
        let before = Account::of(&village);
        let mut child = village.command(&arguments).env("SCRIPTED_DELAY", "0.01").spawn().expect("starts");
        wait(&village, &before, aim, &durations, &mut child, &mut choices);
        let killed = kill(&mut child);
        let ended = Ended::of(child.wait_with_output().expect("a child"));
        let what = format!("seed {}, cycle {cycle}, {arguments:?}, {aim:?}: {}", form.seed, ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{what}");
        // Unless it was killed, the command before left nothing that this one could not open. Exit code 3: a call at
        // which the program died four times is given up.
        assert!(ended.code.is_none_or(|code| code == 0 || code == 3), "{what}");
        fell.add(if killed && ended.code.is_none() { place(&village, &before) } else { "after the end" });
        operations.add(operation);
        let calls = before.check(&village, &what);
        repeated += calls.repeated;
        lost += calls.lost;
        most = most.max(calls.lost);
        assert!(repeated <= lost, "{repeated} calls repeated, {lost} were on their way at a kill; {what}");
        village.imported.extend(rows_in_ledger(&village, &arguments));
        if cycle % 10 == 0 {
            let found = village.bench.run(&["--json", "search", "--lanes", "body.bm25", "wind"]);
            assert_eq!(found.code, Some(0), "{what}{}", found.stderr);
        }
        if cycle % SETTLED_EVERY == SETTLED_EVERY - 1 || cycle + 1 == form.cycles {
            settle(&village, &what);
        }
    }
    let broken = fs::read_dir(village.index()).expect("an index").flatten();
    let broken = broken.filter(|entry| entry.file_name().to_string_lossy().starts_with("state.broken")).count();
    vec![
        format!("kill -9: {} cycles ({}), 0 acknowledged records lost, 0 failed opens", form.cycles, operations.told()),
        format!("kill -9 fell: {}", fell.told()),
        format!(
            "kill -9: {repeated} model calls repeated, {lost} were on their way when the program died, at most {most} \
             at once ({IN_FLIGHT} may be)"
        ),
        format!("kill -9: the state had to be built anew {broken} times"),
        format!(
            "kill -9: undisturbed, index takes {} ms, {} ms of it publishing",
            durations.whole.as_millis(),
            durations.publishing.as_millis()
        ),
    ]
}

/// What to run, with the corpus changed or the file of handles written that it needs.
fn operation(village: &mut Village, choices: &mut fastrand::Rng) -> (&'static str, Vec<&'static str>) {
    match choices.u8(..10) {
        0..=4 => {
            village.edit(choices);
            ("index", vec!["index", "--slots", SLOTS, "corpus"])
        }
        5 | 6 => ("rebuild", vec!["rebuild"]),
        7 => ("rebuild --afresh", vec!["rebuild", "--afresh"]),
        _ => {
            village.rows("handles.jsonl", choices);
            ("import", vec!["handles", "import", "handles.jsonl"])
        }
    }
}

/// Rows of the last import that are in the ledger now: they count as acknowledged, whether or not the command said so.
fn rows_in_ledger(village: &Village, arguments: &[&str]) -> BTreeSet<(String, String)> {
    if arguments.first() != Some(&"handles") {
        return BTreeSet::new();
    }
    let held = imports(&village.ledger());
    let rows = crate::bench::json_lines(&village.bench.path("handles.jsonl"))
        .into_iter()
        .map(|row| (row["id"].as_str().expect("an id").to_owned(), row["text"].as_str().expect("a text").to_owned()));
    rows.filter(|(_, text)| held.contains(text)).collect()
}

/// Runs a change to its end and notes when it began to publish.
fn measure(village: &Village) -> Durations {
    let started = Instant::now();
    let mut child = village.command(&["index", "--slots", SLOTS, "corpus"]).spawn().expect("starts");
    let mut publishing = None;
    while child.try_wait().expect("a child").is_none() {
        publishing = publishing.or_else(|| building(village).then(Instant::now));
        thread::sleep(Duration::from_micros(300));
    }
    Ended::of(child.wait_with_output().expect("a child")).succeeded();
    Durations { whole: started.elapsed(), publishing: publishing.map_or(Duration::ZERO, |began| began.elapsed()) }
}

fn building(village: &Village) -> bool {
    let entries = fs::read_dir(village.index().join("generations")).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("building-"))
}

/// Waits until the moment that was aimed at.
fn wait(
    village: &Village,
    before: &Account,
    aim: Aim,
    durations: &Durations,
    child: &mut Child,
    choices: &mut fastrand::Rng,
) {
    let ready = |village: &Village| match aim {
        Aim::Asking(calls) => village.asked().len() >= before.asked.len() + calls,
        // What a killed build left is there until the next one clears it away.
        Aim::Publishing => names(village, "building-") != before.building && building(village),
        Aim::Anywhere => true,
    };
    while !ready(village) && child.try_wait().expect("a child").is_none() {
        thread::sleep(Duration::from_micros(300));
    }
    let longest = match aim {
        Aim::Asking(_) => Duration::from_millis(30),
        Aim::Publishing => durations.publishing.mul_f64(1.1),
        Aim::Anywhere => durations.whole,
    };
    thread::sleep(longest.mul_f64(choices.f64()));
}

/// Kills the program and its model's process; `false` when it had ended before.
pub(super) fn kill(child: &mut Child) -> bool {
    if child.try_wait().expect("a child").is_some() {
        return false;
    }
    let group = format!("-{}", child.id());
    Command::new("kill").args(["-KILL", "--", &group]).status().expect("kill runs").success()
}

/// Where it died, as far as the disk tells.
fn place(village: &Village, before: &Account) -> &'static str {
    let live = fs::read(village.index().join("CURRENT")).unwrap_or_default();
    if live != before.current {
        "after the new generation was live"
    } else if names(village, "gen-") != before.generations {
        "between its rename and CURRENT"
    } else if building(village) {
        "while it was built"
    } else if village.asked().len() > before.asked.len() {
        "while the model was asked"
    } else {
        "before that"
    }
}

fn names(village: &Village, prefix: &str) -> Vec<(String, std::time::SystemTime)> {
    let entries = fs::read_dir(village.index().join("generations")).into_iter().flatten().flatten();
    let named = entries.map(|entry| {
        let made = entry.metadata().and_then(|found| found.created()).unwrap_or(std::time::UNIX_EPOCH);
        (entry.file_name().to_string_lossy().into_owned(), made)
    });
    let mut named: Vec<_> = named.filter(|(name, _)| name.starts_with(prefix)).collect();
    named.sort();
    named
}

/// What was so before a command.
struct Account {
    ledger: Vec<u8>,
    asked: Vec<String>,
    current: Vec<u8>,
    generation: u64,
    generations: Vec<(String, std::time::SystemTime)>,
    building: Vec<(String, std::time::SystemTime)>,
}

impl Account {
    fn of(village: &Village) -> Self {
        Self {
            ledger: village.ledger(),
            asked: village.asked(),
            current: fs::read(village.index().join("CURRENT")).expect("an index"),
            generation: village.whole().expect("a whole index"),
            generations: names(village, "gen-"),
            building: names(village, "building-"),
        }
    }

    /// Checks what is there now against it.
    fn check(&self, village: &Village, what: &str) -> Calls {
        let now = village.ledger();
        assert!(now.starts_with(&self.ledger), "an acknowledged record is gone; {what}");
        let generation = village.whole().unwrap_or_else(|problem| panic!("{problem}; {what}"));
        // A generation that was renamed and never became live takes a number.
        assert!(generation >= self.generation, "generation {generation}; {what}");
        let (known, before) = (answered(&self.ledger), self.asked.iter().collect::<BTreeSet<_>>());
        let asked = village.asked();
        let asked = &asked[self.asked.len()..];
        for tag in asked {
            assert!(!known.contains(tag), "{tag} was answered and is asked again; {what}");
        }
        let held = answered(&now);
        let lost: BTreeSet<&String> = asked.iter().filter(|tag| !held.contains(*tag)).collect();
        assert!(lost.len() <= IN_FLIGHT, "{lost:?} were asked and are lost; {what}");
        Calls { repeated: asked.iter().filter(|tag| before.contains(tag)).count(), lost: lost.len() }
    }
}

/// What became of the calls of one run.
struct Calls {
    /// Made before, without an answer that was kept.
    repeated: usize,
    /// Made now, without an answer that was kept.
    lost: usize,
}

/// Runs everything to its end: all handles are there, and nothing is left over.
fn settle(village: &Village, what: &str) {
    let ended = village.run(&["index", "--slots", SLOTS, "--retry-failed", "corpus"]);
    assert_eq!(ended.code, Some(0), "{what}{}", ended.stderr);
    assert_eq!(village.handles(), village.expected(), "{what}");
    assert!(!building(village) && names(village, "gen-").len() <= 2, "something is left over; {what}");
    village.bench.run(&["verify"]).succeeded();
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    assert_eq!(run(Form::SHORT).len(), 5);
}

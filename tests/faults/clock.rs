//! Clocks that stand wrong, and jump: what is built, kept and served does not depend on them.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{Figures, Form, Village, caller::Caller};
use crate::{bench::Ended, served::Served};

/// Where clocks stand: past the end of 32 bits, at the beginning, far ahead, behind all that was written before.
const CLOCKS: [&str; 4] = ["2038-02-01 12:00:00", "1970-01-02 12:00:00", "2106-03-01 12:00:00", "2001-09-09 12:00:00"];
/// Before what a clock counts from.
const BEFORE: &str = "1969-06-01 12:00:00";
/// A publish is seen within a second or so.
const LONGEST: Duration = Duration::from_secs(30);

pub fn run(form: Form) -> Figures {
    let mut choices = form.choices();
    let mut village = Village::new(8);
    for clock in CLOCKS {
        village.edit(&mut choices);
        let name = format!("{}.jsonl", &clock[..4]);
        let rows = village.rows(&name, &mut choices);
        village.imported.extend(rows);
        for arguments in [&["index", "corpus"][..], &["handles", "import", &name], &["search", "wind"]] {
            let ended = at(&village, clock, arguments);
            assert_eq!(ended.code, Some(0), "{arguments:?} in {clock}: {}", ended.stderr);
        }
        assert_eq!(village.handles(), village.expected(), "{clock}");
        village.whole().unwrap_or_else(|problem| panic!("{clock}: {problem}"));
    }
    let asked = village.asked();
    let again = asked.iter().filter(|tag| asked.iter().filter(|other| other == tag).count() > 1).count();
    assert_eq!(again, 0, "asked again: {asked:?}");
    before_time(&village);
    let jumps = served(&mut village, &mut choices);
    vec![format!(
        "clock: {} wrong clocks, one before all time; {jumps} jumps of a service's clock, a publish after each",
        CLOCKS.len()
    )]
}

/// What cannot be done then is refused, and touches nothing.
fn before_time(village: &Village) {
    let (ledger, whole) = (village.ledger(), village.whole());
    let refused = at(village, BEFORE, &["index", "corpus"]);
    assert!(refused.code == Some(7) && refused.stderr.contains("before 1970"), "{:?} {}", refused.code, refused.stderr);
    assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    let found = at(village, BEFORE, &["search", "wind"]);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    assert!(village.ledger() == ledger && village.whole() == whole, "something was touched");
    let entries = fs::read_dir(village.index()).expect("a folder").flatten();
    let aside: Vec<_> = entries.filter(|entry| entry.file_name().to_string_lossy().contains("broken")).collect();
    assert!(aside.is_empty(), "the state was put aside: {aside:?}");
}

/// A service whose clock jumps; how often.
fn served(village: &mut Village, choices: &mut fastrand::Rng) -> usize {
    let clock = village.bench.path("clock");
    let set = |to: &str| fs::write(&clock, format!("@{to}\n")).expect("written");
    set(CLOCKS[0]);
    let mut command = village.bench.command(["--json", "serve", "--listen", "127.0.0.1:0", "--no-model"]);
    command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
    // A clock that is set goes on counting the time between two looks as before.
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FRONTLOAD_LOG", "warn");
    let mut caller = Caller::of(Served::spawned(command, "http"));
    let body = ["body.bm25".to_owned()];
    let mut jumps = 0;
    for to in [CLOCKS[2], CLOCKS[1], BEFORE, CLOCKS[3]] {
        set(to);
        jumps += 1;
        village.edit(choices);
        village.run(&["index", "corpus"]).succeeded();
        let live = village.whole().expect("a whole index");
        let started = Instant::now();
        while caller.generation() != live {
            assert!(started.elapsed() < LONGEST, "after a jump to {to} it still serves {}", caller.generation());
            thread::sleep(Duration::from_millis(100));
        }
        let (answering, found) = caller.search(&body, "wind");
        assert_eq!((answering, found.len()), (live, village.entries().len()), "after a jump to {to}");
        assert_eq!(caller.reload().problem, "", "after a jump to {to}");
    }
    jumps
}

/// The program under a clock that stands there.
fn at(village: &Village, clock: &str, arguments: &[&str]) -> Ended {
    let mut faketime = Command::new("faketime");
    faketime.args(["-m", clock]);
    let output = village.command_under(faketime, arguments).output();
    Ended::of(output.expect("faketime runs; it is among what the tests need"))
}

/// The library that sets clocks, wherever it lies.
fn library() -> String {
    let told = Command::new("faketime").args(["-m", "now", "sh", "-c", "printf %s \"$LD_PRELOAD\""]).output();
    String::from_utf8(told.expect("faketime runs").stdout).expect("a path")
}

#[test]
fn clocks_may_stand_wrong_and_jump() {
    assert_eq!(run(Form::SHORT).len(), 1);
}

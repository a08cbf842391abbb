//! The model's process misbehaves: that is noticed, ended, and written down against the passage that caused it; the run
//! goes on with the others.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{Figures, Form, Village};
use crate::bench::{Bench, Ended, PASSAGES};

/// What the scripted model does at a passage that holds the word, and what is then said of it.
const FAULTS: [(&str, &str); 12] = [
    ("abort", "the model's process died on it 2 times"),
    ("memory", "the model's process died on it 2 times"),
    ("hang", "no answer within 4 s, 2 times"),
    ("deaf", "no answer within 4 s, 2 times"),
    ("stranger", "no answer within 4 s, 2 times"),
    ("chatter", "no answer within 4 s, 2 times"),
    ("garbage", "wrote what is no reply"),
    ("cut", "wrote what is no reply"),
    ("huge", "wrote a line of more than 1048576 bytes"),
    ("endless", "wrote a line of more than 1048576 bytes"),
    ("empty", "the answer names none of the kinds"),
    ("thinking", "the answer is all thinking"),
];

const ENTRIES: usize = 12;
/// So many that what is asked at once does not fit into a pipe.
const MORE_THAN_A_PIPE: usize = 80;

pub fn run(form: Form) -> Figures {
    let mut figures: Figures = FAULTS.iter().map(|(fault, reason)| one(form, fault, reason)).collect();
    figures.push(starts());
    figures.push(ends_again_and_again());
    figures.push(orphaned());
    if form.long {
        figures.push(the_real_one_killed());
    }
    figures
}

fn one(form: Form, fault: &str, reason: &str) -> String {
    let entries = if fault == "deaf" { MORE_THAN_A_PIPE } else { ENTRIES };
    let village = Village::new(entries);
    village.write(&format!(" !{fault}"));
    // Short where silence is what is waited for; else a busy machine would be taken for one.
    let patience = if reason.contains("no answer within") { "4" } else { "300" };
    let arguments = ["--json", "index", "--patience", patience, "--slots", "100", "corpus"];
    let program = village.command(&arguments);
    // A limit for the hungry one; the program itself lives well within it.
    let mut command = Command::new("prlimit");
    command.arg("--as=6000000000").arg(program.get_program()).args(program.get_args());
    command
        .current_dir(village.bench.path(""))
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.process_group(0);
    let ended = Ended::of(command.output().expect("prlimit runs"));
    let what = format!("{fault}: {} {}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(3), "{what}");
    let built = ended.json();
    let left_out = built["quarantined"].as_array().expect("a list");
    assert_eq!((left_out.len(), left_out[0]["id"].as_str()), (1, Some("e0")), "{what}");
    assert!(left_out[0]["reason"].as_str().expect("a reason").contains(reason), "{what}");
    let mut expected = village.expected();
    expected.retain(|(id, _)| id != "e0");
    assert_eq!(village.handles(), expected, "{what}");
    // It is not asked again unless that is wanted.
    let asked = village.asked();
    if form.long || fault == "abort" {
        village.run(&["index", "corpus"]).exited(3);
        assert_eq!(village.asked().len(), asked.len(), "{what}");
    }
    let about_it = asked.iter().filter(|tag| *tag == "e0v0").count();
    let (calls, passages) = (asked.len(), asked.iter().collect::<BTreeSet<_>>().len());
    assert!(passages == entries && about_it <= 2, "{about_it} calls: {what}");
    // A death takes with it what was being asked beside, once.
    assert!(calls <= 2 * entries, "{calls} calls: {what}");
    format!(
        "child, {fault}: 1 of {entries} passages left out with a reason, asked {about_it} times; {calls} calls in all"
    )
}

fn starts() -> String {
    let village = Village::new(6);
    let index = ["index", "--patience", "4", "corpus"];
    let slow = |seconds: &str| {
        Ended::of(village.command(&index).env("SCRIPTED_START", seconds).output().expect("the binary runs"))
    };
    let refused = slow("600").exited(4).stderr;
    assert!(refused.contains("silent for 4 s while loading"), "{refused}");
    assert!(village.asked().is_empty() && !village.index().join("CURRENT").exists(), "{refused}");
    slow("1").succeeded();
    assert_eq!(village.handles(), village.expected());
    "child, slow start: within its patience waited for, beyond it refused with exit code 4, nothing noted against a \
     passage"
        .to_owned()
}

fn ends_again_and_again() -> String {
    let village = Village::new(20);
    let mut command = village.command(&["--json", "index", "--slots", "2", "corpus"]);
    let ended = Ended::of(command.env("SCRIPTED_EXIT_AFTER", "3").output().expect("the binary runs"));
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
    let left_out = ended.json()["quarantined"].as_array().expect("a list").len();
    let calls = village.asked().len();
    village.run(&["index", "--retry-failed", "corpus"]).succeeded();
    assert_eq!(village.handles(), village.expected());
    format!(
        "child, ends after every third answer: {left_out} of 20 passages left out, {calls} calls; \
         all there after --retry-failed"
    )
}

/// The program is killed and its model's process is not: that ends by itself.
fn orphaned() -> String {
    let village = Village::new(20);
    let mut child = village.command(&["index", "corpus"]).env("SCRIPTED_DELAY", "0.2").spawn().expect("starts");
    let started = Instant::now();
    while village.asked().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(600), "nothing is asked");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("a child");
    let group = format!("-{}", child.id());
    let alive = || Command::new("kill").args(["-0", "--", &group]).output().expect("kill runs").status.success();
    while alive() {
        assert!(started.elapsed() < Duration::from_secs(600), "the model's process outlives the program");
        thread::sleep(Duration::from_millis(20));
    }
    "child, orphaned: it ends with the program".to_owned()
}

/// llama.cpp's own process, killed while it answers: what it was asked is asked again, and nothing is left out.
fn the_real_one_killed() -> String {
    let bench = Bench::new();
    let child = bench.command(["--json", "index", "--slots", "2", "corpus"]).spawn().expect("starts");
    let started = Instant::now();
    while bench.answers() < 1 {
        assert!(started.elapsed() < Duration::from_secs(600), "no answer came");
        thread::sleep(Duration::from_millis(5));
    }
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).expect("its children");
    let worker = children.split_whitespace().next().expect("a model's process").to_owned();
    assert!(Command::new("kill").args(["-KILL", &worker]).status().expect("kill runs").success());
    let built = Ended::of(child.wait_with_output().expect("a child")).succeeded().json();
    assert_eq!((&built["calls"]["done"], &built["calls"]["failed"]), (&PASSAGES.len().into(), &0.into()), "{built}");
    "child, llama.cpp killed in the middle: all 6 passages answered".to_owned()
}

#[test]
fn a_models_process_that_misbehaves_costs_one_passage() {
    assert_eq!(run(Form::SHORT).len(), FAULTS.len() + 3);
}

#[test]
fn llama_killed_in_the_middle_is_started_again() {
    the_real_one_killed();
}

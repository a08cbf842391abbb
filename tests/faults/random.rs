//! A random walk: everything that can be done to an index, drawn from a seed, beside an account of what must then be
//! so. After every step the program and a running service are asked, and have to agree with it.
//!
//! What goes wrong is shown with the steps that lead there: `FAULTS_WALK='index:17 damage:4'` walks these again.

use std::{
    any::Any,
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    Figures, Form,
    walk::{ACTS, Walk},
};

/// How long fewer steps are looked for that go wrong too.
const SHRINKING: Duration = Duration::from_secs(1200);
/// Steps to walk instead of drawn ones.
const AGAIN: &str = "FAULTS_WALK";

/// A thing to do, and what its choices follow from.
#[derive(Debug, Clone, Copy)]
struct Step {
    act: usize,
    seed: u64,
}

pub fn run(form: Form) -> Figures {
    let steps = env::var(AGAIN).map_or_else(|_| drawn(form), |told| read(&told));
    walked(&steps).unwrap_or_else(|(at, problem)| {
        let wrong = steps[..=at].to_vec();
        let fewer = if form.long { shrunk(wrong) } else { wrong };
        panic!("seed {}: {problem}\nto walk it again: {AGAIN}='{}'", form.seed, told(&fewer));
    })
}

/// Everything once, then each as often as it is done beside the others.
fn drawn(form: Form) -> Vec<Step> {
    let mut choices = form.choices();
    let mut acts: Vec<usize> = (0..ACTS.len()).collect();
    choices.shuffle(&mut acts);
    let bag: Vec<usize> = ACTS.iter().enumerate().flat_map(|(act, (_, often, _))| vec![act; *often]).collect();
    while acts.len() < form.cycles {
        acts.extend(choices.choice(&bag));
    }
    acts.truncate(form.cycles);
    acts.into_iter().map(|act| Step { act, seed: u64::from(choices.u32(..)) }).collect()
}

fn told(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{}:{}", ACTS[step.act].0, step.seed)).collect::<Vec<_>>().join(" ")
}

fn read(told: &str) -> Vec<Step> {
    let step = |word: &str| {
        let (name, seed) = word.split_once(':').expect("NAME:SEED");
        let act = ACTS.iter().position(|(act, ..)| *act == name).unwrap_or_else(|| panic!("{name}: no such act"));
        Step { act, seed: seed.parse().expect("a seed") }
    };
    told.split_whitespace().map(step).collect()
}

/// Walks the steps in a village of its own; else which one went wrong, and how.
fn walked(steps: &[Step]) -> Result<Figures, (usize, String)> {
    let mut at = 0;
    let walk = catch_unwind(AssertUnwindSafe(|| {
        let mut walk = Walk::new();
        for (number, step) in steps.iter().enumerate() {
            at = number;
            walk.step(step.act, step.seed);
        }
        walk.figures()
    }));
    walk.map_err(|panic| (at, message(panic.as_ref())))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let plain = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    panic.downcast_ref::<String>().cloned().or(plain).unwrap_or_else(|| "a panic without words".to_owned())
}

/// Fewer of the steps that still go wrong: a half is left out, a quarter, and so on. A kill falls elsewhere each time,
/// so that nothing is promised.
fn shrunk(mut steps: Vec<Step>) -> Vec<Step> {
    let started = Instant::now();
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut from = 0;
        while from < steps.len() && started.elapsed() < SHRINKING {
            let mut fewer = steps.clone();
            fewer.drain(from..steps.len().min(from + size));
            match walked(&fewer) {
                Ok(_) => from += size,
                Err((at, _)) => {
                    fewer.truncate(at + 1);
                    steps = fewer;
                }
            }
        }
        size /= 2;
    }
    steps
}

#[test]
fn whatever_is_done_everything_agrees_with_the_account() {
    assert_eq!(run(Form { cycles: 40, ..Form::SHORT }).len(), 3);
}

//! What breaks, many times over: `cargo bench --bench faults -- [cycles N] [minutes M] [seed S] [SECTION…]`.
//!
//! The long form of the tests in `tests/faults`: 1,000 cycles of the kill loop and as many steps of the random walk
//! unless told otherwise, every system call at which a run can be killed or fail, 1,000 blows to every kind of file, ten
//! minutes of a service under load. Data: a corpus of some forty entries and a scripted model; every choice follows from
//! the seed. A run ends at the first thing that does not hold, with a message that names it; else its figures are
//! printed, a line each. Sections: kill, syscalls, damage, state, child, space, tmpfs, power, clock, random,
//! soak.

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

#[allow(dead_code, unreachable_pub)]
#[path = "../../tests/bench.rs"]
mod bench;

#[path = "../../tests/faults/mod.rs"]
mod faults;

#[allow(dead_code, unreachable_pub)]
#[path = "../../tests/served.rs"]
mod served;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use faults::{Form, SECTIONS};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut form = Form { cycles: 1000, long: true, seed: 8, soak: Duration::from_secs(600) };
    let mut wanted: Vec<String> = Vec::new();
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let mut number = || words.next().ok_or(format!("{word} what?"));
        match word.as_str() {
            "cycles" => form.cycles = number()?.parse()?,
            "minutes" => form.soak = Duration::try_from_secs_f64(60.0 * number()?.parse::<f64>()?)?,
            "seed" => form.seed = number()?.parse()?,
            _ => wanted.push(word),
        }
    }
    if let Some(unknown) = wanted.iter().find(|name| !SECTIONS.iter().any(|(section, _)| section == name)) {
        return Err(format!("{unknown}: no such section").into());
    }
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output()?;
    println!("commit {}, seed {}", String::from_utf8_lossy(&commit.stdout).trim(), form.seed);
    for (name, section) in SECTIONS {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            let started = Instant::now();
            for figure in section(form) {
                println!("{figure}");
            }
            println!("({name}: {} s)", started.elapsed().as_secs());
        }
    }
    Ok(())
}

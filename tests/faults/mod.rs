//! What must hold when things break: the process dies, the disk fills or lies, the power goes, the model's process
//! misbehaves. Each section breaks one thing, many times, and checks against an account that the program cannot touch.
//!
//! The tests run each section in a short form; `cargo bench --bench faults` runs the long form of the same code and
//! prints its figures.

mod account;
mod caller;
mod child;
mod clock;
mod damage;
mod disk;
mod gauge;
mod kill;
mod mix;
mod power;
mod random;
mod soak;
mod space;
mod state;
mod strace;
mod syscalls;
mod village;
mod walk;

use std::{collections::BTreeMap, fmt::Display, time::Duration};

pub use village::Village;

/// How much of a section is run, and from which seed.
#[derive(Clone, Copy)]
pub struct Form {
    /// Cycles of the kill loop, steps of the random walk.
    pub cycles: usize,
    /// Whether every point is tried, or a few that are spread out.
    pub long: bool,
    /// What every choice follows from.
    pub seed: u64,
    /// How long the service is soaked.
    pub soak: Duration,
}

impl Form {
    /// What the tests run.
    #[allow(dead_code)] // the long form has its own
    pub const SHORT: Self = Self { cycles: 25, long: false, seed: 8, soak: Duration::from_secs(16) };

    fn choices(self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }

    /// So many of so many: all of them in the long form.
    fn some<T: Clone>(self, all: &[T], few: usize) -> Vec<T> {
        if self.long || all.len() <= few {
            return all.to_vec();
        }
        (0..few).filter_map(|at| all.get(at * all.len() / few)).cloned().collect()
    }
}

/// What a section came to: one line a figure.
pub type Figures = Vec<String>;

/// A section of the catalogue.
#[allow(dead_code)] // the tests name them one by one
pub type Section = fn(Form) -> Figures;

/// Every section, in the order of their names' importance.
#[allow(dead_code)] // as above
pub const SECTIONS: [(&str, Section); 11] = [
    ("kill", kill::run),
    ("syscalls", syscalls::run),
    ("damage", damage::run),
    ("state", state::run),
    ("child", child::run),
    ("space", space::run),
    ("tmpfs", space::small_disk),
    ("power", power::run),
    ("clock", clock::run),
    ("random", random::run),
    ("soak", soak::run),
];

/// Counts by name, as they are printed.
#[derive(Default)]
struct Counts(BTreeMap<String, usize>);

impl Counts {
    fn add(&mut self, what: impl Display) {
        *self.0.entry(what.to_string()).or_default() += 1;
    }

    fn told(&self) -> String {
        self.0.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
    }
}

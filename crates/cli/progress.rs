//! Progress on stderr: a bar on a terminal, otherwise a line every few seconds.

use std::{
    io::{IsTerminal, stderr},
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use frontload_cluster::Step;
use frontload_engine::Event;
use frontload_models::Tallies;
use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::report::told_of;

const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often each endpoint of several is told of.
const ENDPOINTS_EVERY: Duration = Duration::from_secs(30);

/// Shows a build's events.
pub struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
    tallies: Tallies,
    last_tallies: Instant,
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        let (tallies, last_tallies) = (Tallies::default(), Instant::now());
        Self { quiet, bar: None, last_line: None, tallies, last_tallies }
    }

    /// Also tells of each endpoint, when there are several.
    pub fn watching(self, tallies: &Tallies) -> Self {
        Self { tallies: tallies.clone(), ..self }
    }

    /// Shows an event, and says whether to go on.
    pub fn show(&mut self, event: Event, stop: &AtomicBool) -> ControlFlow<()> {
        if !self.quiet {
            self.tell(event);
        }
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Shows how far a copy is, and says whether to go on.
    pub fn copied(&mut self, step: Step, stop: &AtomicBool) -> ControlFlow<()> {
        if !self.quiet {
            let told = match step.what {
                "words" => "words",
                "verify" => "collections",
                _ => "chunks",
            };
            self.step(step.what, (step.done, step.total), told);
        }
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Read { documents, chunks, calls } => {
                eprintln!("{documents} documents, {chunks} chunks, {calls} to enrich");
            }
            Event::Enrich(progress) => {
                let seconds = progress.elapsed.as_secs_f64().max(1e-3);
                let rate = progress.done as f64 / seconds;
                let tokens = (progress.answer_tokens + progress.prefill_tokens) as f64 / seconds;
                let left = (progress.total - progress.done) as f64 / rate.max(1e-6);
                let failed = if progress.failed > 0 { format!(", {} failed", progress.failed) } else { String::new() };
                let told = format!("{rate:.2} chunks/s, {tokens:.0} tokens/s, {} left{failed}", minutes(left));
                self.step("enrich", (progress.done, progress.total), &told);
                self.endpoints();
            }
            Event::Embed { done, total } => self.step("embed", (done, total), "texts"),
        }
    }

    fn endpoints(&mut self) {
        if self.last_tallies.elapsed() < ENDPOINTS_EVERY {
            return;
        }
        self.last_tallies = Instant::now();
        let tallies = self.tallies.read();
        if tallies.len() < 2 {
            return;
        }
        for told in tallies.iter().map(told_of) {
            match &self.bar {
                Some(bar) => bar.println(format!("  {told}")),
                None => eprintln!("  {told}"),
            }
        }
    }

    fn step(&mut self, what: &str, (done, total): (usize, usize), told: &str) {
        if stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{prefix:<7} [{bar:30}] {pos}/{len}  {msg}");
                ProgressBar::new(total as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            });
            bar.set_prefix(what.to_owned());
            bar.set_length(total as u64);
            bar.set_position(done as u64);
            bar.set_message(told.to_owned());
            if done == total {
                bar.finish();
                self.bar = None;
            }
        } else if done == total || self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            eprintln!("{what} {done}/{total}  {told}");
            self.last_line = Some(Instant::now());
        }
    }
}

fn minutes(seconds: f64) -> String {
    format!("{}m{:02}s", seconds as u64 / 60, seconds as u64 % 60)
}

//! What `frontload index --plan` says: how many machines and hours the asking takes.

use std::process::ExitCode;

use anyhow::bail;
use frontload_engine::{BuildOptions, Workload, workload};
use frontload_enrich::{Measured, Range};
use serde_json::json;

use crate::{args::PlanArgs, config::Config, print};

const SECONDS_AN_HOUR: f64 = 3600.0;

/// What the reckoning goes by.
struct Basis {
    measured: Measured,
    machines: f64,
    /// Seconds of one machine for one call, with as many beside it as it bears.
    seconds_a_call: f64,
    within_hours: Option<f64>,
}

/// So many calls, and what they take.
struct Line {
    what: &'static str,
    chunks: f64,
    calls: f64,
}

impl Basis {
    fn tokens(&self, line: &Line) -> Option<Range> {
        Some(self.measured.spread().times(self.measured.tokens_a_call()? * line.calls))
    }

    fn machine_hours(&self, line: &Line) -> Range {
        self.measured.spread().times(self.seconds_a_call * line.calls / SECONDS_AN_HOUR)
    }

    fn hours(&self, line: &Line) -> Range {
        self.machine_hours(line).times(1.0 / self.machines)
    }

    /// Machines that get done in time: likely, and at worst.
    fn needed(&self, line: &Line) -> Option<(u64, u64)> {
        let hours = self.machine_hours(line);
        let machines = |machine_hours: f64, within: f64| (machine_hours / within).ceil() as u64;
        self.within_hours.map(|within| (machines(hours.likely, within), machines(hours.high, within)))
    }
}

pub fn run(config: &Config, args: &PlanArgs, options: &BuildOptions) -> anyhow::Result<ExitCode> {
    let asking = options.schema.as_ref().filter(|(schema, _)| schema.asked().next().is_some());
    let Some((schema, _)) = asking else {
        bail!("this schema asks a language model nothing: there is nothing to plan");
    };
    let machines = match args.endpoints {
        Some(endpoints) => f64::from(endpoints),
        None => config.model_ref()?.machines()? as f64,
    };
    let generator = config.generator(1)?;
    let workload = workload(&config.index, options, schema, generator.fingerprint())?;
    let measured = workload.measured;
    let seconds_a_call = match (args.rate, measured.tokens_a_call(), measured.seconds_a_call()) {
        (Some(rate), Some(tokens), _) => tokens / rate,
        (Some(_), None, _) => bail!(
            "--rate counts tokens, and the ledger holds no answer of {} whose tokens were counted; `frontload index \
             --dry-run` with the same paths asks a few and keeps the answers",
            config.model
        ),
        (None, _, Some(seconds)) => seconds * machines,
        (None, _, None) => bail!(
            "the ledger holds no run of {} to go by; `frontload index --dry-run` with the same paths asks a few and \
             keeps the answers, or --rate says how many tokens a machine reads and writes in a second",
            config.model
        ),
    };
    let basis = Basis { measured, machines, seconds_a_call, within_hours: args.within };
    let lines = lines(&workload, args.chunks);
    if config.json {
        print::json(&as_json(&workload, &basis, &lines));
    } else {
        describe(&workload, &basis, &lines, args.rate.is_some());
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(workload: &Workload, chunks: Option<u64>) -> Vec<Line> {
    let (here, calls) = (workload.chunks as f64, workload.calls as f64);
    let left = workload.left as f64;
    let mut lines = vec![
        Line { what: "left of this corpus", chunks: here * left / calls.max(1.0), calls: left },
        Line { what: "this corpus", chunks: here, calls },
    ];
    lines.extend(chunks.map(|chunks| {
        let chunks = chunks as f64;
        Line { what: "a corpus like it", chunks, calls: chunks * calls / here.max(1.0) }
    }));
    lines
}

fn describe(workload: &Workload, basis: &Basis, lines: &[Line], given: bool) {
    let Workload { documents, chunks, calls, left, measured } = workload;
    print::line(&format!("{documents} documents, {chunks} chunks, {calls} calls, of which {left} are not made yet"));
    let answered = measured.answered.max(1) as f64;
    print::line(&format!(
        "a call: {:.0} tokens read and {:.0} written, by {} answers in the ledger",
        measured.prefill_tokens / answered,
        measured.answer_tokens / answered,
        measured.answered
    ));
    let tokens = measured
        .tokens_a_call()
        .map_or_else(String::new, |tokens| format!(" and {:.0} tokens", tokens / basis.seconds_a_call));
    let by = if given {
        "as --rate says".to_owned()
    } else {
        format!("by {} calls in {:.0} s on {:.0}", measured.timed_calls, measured.seconds, basis.machines)
    };
    print::line(&format!("a machine: {:.2} calls{tokens} a second, {by}", 1.0 / basis.seconds_a_call));
    for line in lines {
        let tokens = basis.tokens(line).map_or_else(String::new, |tokens| format!(", {} tokens", short(tokens.likely)));
        print::line(&format!("{}: {:.0} chunks, {:.0} calls{tokens}", line.what, line.chunks, line.calls));
        print::line(&format!("  machine-hours  {}", shown(basis.machine_hours(line))));
        print::line(&format!("  hours on {:<5.0} {}", basis.machines, shown(basis.hours(line))));
        if let (Some((likely, most)), Some(within)) = (basis.needed(line), basis.within_hours) {
            print::line(&format!("  machines for {within} hours  {likely}  (at most {most})"));
        }
    }
}

fn shown(hours: Range) -> String {
    format!("{:.2}  ({:.2} to {:.2})", hours.likely, hours.low, hours.high)
}

/// A large number as people say it.
fn short(number: f64) -> String {
    match number {
        number if number >= 1e9 => format!("{:.2} billion", number / 1e9),
        number if number >= 1e6 => format!("{:.2} million", number / 1e6),
        number => format!("{number:.0}"),
    }
}

fn as_json(workload: &Workload, basis: &Basis, lines: &[Line]) -> serde_json::Value {
    let Workload { documents, chunks, calls, left, measured } = workload;
    let range = |range: Range| json!({"low": range.low, "likely": range.likely, "high": range.high});
    let line = |line: &Line| {
        json!({
            "what": line.what,
            "chunks": line.chunks,
            "calls": line.calls,
            "tokens": basis.tokens(line).map(range),
            "machine_hours": range(basis.machine_hours(line)),
            "hours": range(basis.hours(line)),
            "machines_needed": basis.needed(line).map(|(likely, most)| json!({"likely": likely, "high": most})),
        })
    };
    json!({
        "schema_version": 1,
        "documents": documents,
        "chunks": chunks,
        "calls": calls,
        "left": left,
        "answers": measured.answered,
        "tokens_a_call": measured.tokens_a_call(),
        "timed_calls": measured.timed_calls,
        "timed_seconds": measured.seconds,
        "machines": basis.machines,
        "seconds_a_call": basis.seconds_a_call,
        "within_hours": basis.within_hours,
        "plan": lines.iter().map(line).collect::<Vec<_>>(),
    })
}

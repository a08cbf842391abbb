//! `frontload index` and `frontload rebuild`.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use frontload_core::Generator;
use frontload_engine::{BuildOptions, Report, SCHEMA_FILE, build};
use serde_json::json;

use crate::{
    args::{IndexArgs, RebuildArgs},
    commands::{build_threads, interrupts, schema},
    config::Config,
    exit, print,
    progress::Progress,
};

/// Skipped and quarantined items shown by name.
const SHOWN: usize = 10;

pub fn run(config: &Config, args: &IndexArgs) -> anyhow::Result<ExitCode> {
    let sources: Vec<PathBuf> = args
        .paths
        .iter()
        .map(|path| fs::canonicalize(path).with_context(|| path.display().to_string()))
        .collect::<Result<_, _>>()?;
    let schema = if args.no_handles {
        None
    } else {
        let beside = sources.iter().map(|source| source.join(SCHEMA_FILE)).find(|path| path.is_file());
        let Some(path) = args.schema.clone().or_else(|| config.schema.clone()).or(beside) else {
            bail!("no schema: name one with --schema FILE, put {SCHEMA_FILE} beside the corpus, or use --no-handles");
        };
        Some(schema::read(&path)?)
    };
    let mut generator = match schema {
        Some(_) => Some(config.generator(args.slots)?),
        None => None,
    };
    let mut embedder = config.embedder(build_threads())?;
    let options = BuildOptions {
        sources,
        schema,
        chunk_chars: args.chunk.0,
        retry_failed: args.retry_failed,
        graph_rows: args.graph_rows,
    };
    let stop = interrupts()?;
    let mut progress = Progress::new(config.quiet);
    let generator = generator.as_mut().map(|generator| generator.as_mut() as &mut dyn Generator);
    let report = build(&config.index, &options, generator, &mut embedder, (&stop, &mut |event| progress.show(event)))?;
    Ok(finish(config, &report))
}

pub fn rebuild(config: &Config, args: &RebuildArgs) -> anyhow::Result<ExitCode> {
    let mut embedder = config.embedder(build_threads())?;
    let mut progress = Progress::new(config.quiet);
    let report =
        frontload_engine::rebuild(&config.index, &args.paths, &mut embedder, &mut |event| progress.show(event))?;
    Ok(finish(config, &report))
}

/// Reports a build and chooses the exit code.
pub fn finish(config: &Config, report: &Report) -> ExitCode {
    if config.json {
        print::json(&as_json(report));
    } else {
        describe(config, report);
    }
    exit_code(report)
}

/// Whether a build was interrupted, or left something out.
pub fn exit_code(report: &Report) -> ExitCode {
    if report.outcome.is_some_and(|outcome| outcome.interrupted) {
        ExitCode::from(exit::INTERRUPTED)
    } else if report.quarantined.is_empty() && report.skipped.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::QUARANTINED)
    }
}

fn describe(config: &Config, report: &Report) {
    if report.torn_bytes > 0 {
        eprintln!("ledger: cut off {} bytes of a line that a crash left unfinished", report.torn_bytes);
    }
    if report.ledger_damage > 0 {
        eprintln!(
            "warning: {} damaged ledger lines were passed over; `frontload verify` names them",
            report.ledger_damage
        );
    }
    if let Some(outcome) = report.outcome {
        let progress = outcome.progress;
        let seconds = progress.elapsed.as_secs_f64().max(1e-3);
        let kept = if outcome.interrupted { "interrupted, every answer kept: " } else { "" };
        eprintln!(
            "{kept}{} of {} chunks enriched in {seconds:.1} s ({:.2} chunks/s)",
            progress.done,
            progress.total,
            progress.done as f64 / seconds
        );
    }
    for (kind, reasons) in &report.rejections {
        let told: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        eprintln!("  gates, {kind}: {}", told.join(", "));
    }
    list("left out", report.skipped.iter().map(|item| (item.place.as_str(), item.reason.as_str())));
    list("no handles", report.quarantined.iter().map(|(id, reason)| (id.as_str(), reason.as_str())));
    let Some(built) = &report.built else {
        return eprintln!("nothing was published; run the same `frontload index` command again to go on");
    };
    let manifest = &built.manifest;
    print::line(&format!(
        "generation {}: {} chunks of {} documents, {} handles; {} texts embedded, {} reused; {}",
        manifest.generation,
        manifest.chunks,
        manifest.documents,
        manifest.handles,
        built.embedded,
        built.reused,
        config.index.path().display()
    ));
    if manifest.handles > 0 && manifest.tuning.is_none() {
        eprintln!(
            "note: nobody measured whether these handles help; `frontload tune` weighs their lanes on judged topics"
        );
    }
}

fn list<'a>(what: &str, items: impl ExactSizeIterator<Item = (&'a str, &'a str)>) {
    let count = items.len();
    for (place, reason) in items.take(SHOWN) {
        eprintln!("  {what}: {}: {}", print::clean(place), print::clean(reason));
    }
    if count > SHOWN {
        eprintln!("  {what}: {} more (all with --json)", count - SHOWN);
    }
}

fn as_json(report: &Report) -> serde_json::Value {
    let built = report.built.as_ref();
    let manifest = built.map(|built| &built.manifest);
    let calls = report.outcome.map(|outcome| {
        json!({
            "done": outcome.progress.done,
            "planned": outcome.progress.total,
            "failed": outcome.progress.failed,
            "answer_tokens": outcome.progress.answer_tokens,
            "prefill_tokens": outcome.progress.prefill_tokens,
            "seconds": outcome.progress.elapsed.as_secs_f64(),
            "interrupted": outcome.interrupted,
        })
    });
    json!({
        "schema_version": 1,
        "generation": manifest.map(|manifest| manifest.generation),
        "documents": manifest.map(|manifest| manifest.documents),
        "chunks": manifest.map(|manifest| manifest.chunks),
        "handles": manifest.map(|manifest| manifest.handles),
        "calls": calls,
        "embedded": built.map(|built| built.embedded),
        "reused": built.map(|built| built.reused),
        "rejected": report.rejections,
        "skipped": report.skipped.iter().map(|item| json!({"place": item.place, "reason": item.reason})).collect::<Vec<_>>(),
        "quarantined": report.quarantined.iter().map(|(id, reason)| json!({"id": id, "reason": reason})).collect::<Vec<_>>(),
        "ledger_damage": report.ledger_damage,
        "torn_bytes": report.torn_bytes,
    })
}

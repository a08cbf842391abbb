//! What a build did, told to people and to programs.

use std::process::ExitCode;

use frontload_engine::Report;
use frontload_enrich::Ending;
use frontload_models::Tally;
use serde_json::json;

use crate::{config::Config, exit, print};

/// Skipped and quarantined items shown by name.
const SHOWN: usize = 10;
/// Characters of a line about an endpoint.
const WIDEST: usize = 300;

/// Reports a build, with what each endpoint did for it, and chooses the exit code.
pub fn finish(config: &Config, report: &Report, endpoints: &[Tally]) -> ExitCode {
    if config.json {
        print::json(&as_json(report, endpoints));
    } else {
        describe(config, report, endpoints);
    }
    exit_code(report)
}

/// Whether a build was interrupted, or left something out.
pub fn exit_code(report: &Report) -> ExitCode {
    if report.outcome.is_some_and(|outcome| outcome.ending == Ending::Interrupted) {
        ExitCode::from(exit::INTERRUPTED)
    } else if report.quarantined.is_empty() && report.skipped.is_empty() && report.unasked == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::QUARANTINED)
    }
}

/// Tells people what a build did.
pub fn describe(config: &Config, report: &Report, endpoints: &[Tally]) {
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
        let kept = match outcome.ending {
            Ending::Interrupted => "interrupted, every answer kept: ",
            Ending::OutOfTime => "time is over, every answer kept: ",
            Ending::Complete => "",
        };
        eprintln!(
            "{kept}{} of {} calls made in {seconds:.1} s ({:.2} a second)",
            progress.done,
            progress.total,
            progress.done as f64 / seconds
        );
        for tally in endpoints {
            eprintln!("  {}", told_of(tally));
        }
    }
    for (kind, reasons) in &report.rejections {
        let told: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        eprintln!("  gates, {kind}: {}", told.join(", "));
    }
    list("left out", report.skipped.iter().map(|item| (item.place.as_str(), item.reason.as_str())));
    list("no handles", report.quarantined.iter().map(|(id, reason)| (id.as_str(), reason.as_str())));
    if report.withheld > 0 {
        eprintln!(
            "note: {} documents stay out of the index, as people decided; `frontload purge --list` shows why",
            report.withheld
        );
    }
    if report.unasked > 0 {
        eprintln!("  {} chunks were not asked about yet; run the same command again to go on", report.unasked);
    }
    let Some(built) = &report.built else {
        return eprintln!("nothing was published; run the same `frontload index` command again to go on");
    };
    let manifest = &built.manifest;
    print::line(&format!(
        "generation {}: {} chunks of {} documents, {} handles; {} chunks written, {} taken out; {} texts embedded, {} \
         reused; {}",
        manifest.generation,
        manifest.chunks,
        manifest.documents,
        manifest.handles,
        built.written,
        built.removed,
        built.embedded,
        built.reused,
        config.index.path().display()
    ));
    if built.in_pieces > 0 {
        eprintln!(
            "note: {} texts are longer than the embedding model reads: they were embedded in pieces, and count by their \
             best one; a smaller --chunk avoids that",
            built.in_pieces
        );
    }
    if built.without_vector > 0 {
        eprintln!("warning: {} texts have no usable vector: they are found by their words alone", built.without_vector);
    }
    for entry in &manifest.lanes {
        if let Some(graph) = entry.graph.as_ref().filter(|graph| graph.recall_at_100 < 0.95) {
            eprintln!(
                "warning: lane {}: its graph finds {:.3} of the nearest 100; a larger --graph-rows scans instead",
                entry.lane, graph.recall_at_100
            );
        }
    }
    if manifest.handles > 0 && manifest.tuning.is_none() {
        eprintln!(
            "note: nobody measured whether these handles help; `frontload tune` weighs their lanes on judged topics"
        );
    }
}

/// What one endpoint has done, on a line.
pub fn told_of(tally: &Tally) -> String {
    let Tally { endpoint, calls, failures, prompt_tokens, answer_tokens, aside } = tally;
    let aside = aside.as_ref().map_or_else(String::new, |reason| format!("; set aside: {reason}"));
    let told = format!(
        "{endpoint}: {calls} calls, {failures} failures, {prompt_tokens} tokens read, {answer_tokens} written{aside}"
    );
    print::cut(&told, WIDEST)
}

fn list<'a>(what: &str, items: impl ExactSizeIterator<Item = (&'a str, &'a str)>) {
    let count = items.len();
    for (place, reason) in items.take(SHOWN) {
        eprintln!("  {what}: {}: {}", print::name(place), print::name(reason));
    }
    if count > SHOWN {
        eprintln!("  {what}: {} more (all with --json)", count - SHOWN);
    }
}

/// The same for programs.
pub fn as_json(report: &Report, endpoints: &[Tally]) -> serde_json::Value {
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
            "interrupted": outcome.ending == Ending::Interrupted,
            "out_of_time": outcome.ending == Ending::OutOfTime,
        })
    });
    let endpoint = |tally: &Tally| {
        json!({
            "endpoint": tally.endpoint,
            "calls": tally.calls,
            "failures": tally.failures,
            "prompt_tokens": tally.prompt_tokens,
            "answer_tokens": tally.answer_tokens,
            "set_aside": tally.aside,
        })
    };
    json!({
        "schema_version": 1,
        "generation": manifest.map(|manifest| manifest.generation),
        "documents": manifest.map(|manifest| manifest.documents),
        "chunks": manifest.map(|manifest| manifest.chunks),
        "handles": manifest.map(|manifest| manifest.handles),
        "calls": calls,
        "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "embedded": built.map(|built| built.embedded),
        "reused": built.map(|built| built.reused),
        "written": built.map(|built| built.written),
        "removed": built.map(|built| built.removed),
        "in_pieces": built.map(|built| built.in_pieces),
        "without_vector": built.map(|built| built.without_vector),
        "rejected": report.rejections,
        "skipped": report.skipped.iter().map(|item| json!({"place": item.place, "reason": item.reason})).collect::<Vec<_>>(),
        "quarantined": report.quarantined.iter().map(|(id, reason)| json!({"id": id, "reason": reason})).collect::<Vec<_>>(),
        "withheld": report.withheld,
        "unasked": report.unasked,
        "ledger_damage": report.ledger_damage,
        "torn_bytes": report.torn_bytes,
    })
}

//! `frontload purge`: a source or a document out of the index, for good.

use std::process::ExitCode;

use anyhow::bail;
use frontload_core::{Purge, Purged, utc};
use frontload_engine::{Going, PurgeAsk, PurgeReport, Reach, held_purges, purge, purge_reach, undo_purge};
use serde_json::{Value, json};

use crate::{
    args::PurgeArgs,
    commands::{build_threads, handles::reviewer, interrupts, report},
    config::Config,
    exit, print,
    progress::Progress,
};

/// Documents that are named one by one.
const SHOWN: usize = 20;

pub fn run(config: &Config, args: &PurgeArgs) -> anyhow::Result<ExitCode> {
    if args.list {
        return list(config);
    }
    let what = match (&args.source, &args.document) {
        (Some(pattern), _) => Purged::Source(pattern.clone()),
        (None, Some(id)) => Purged::Document(id.clone()),
        // clap asks for one of them before this can be.
        (None, None) => bail!("purge: --source or --document is missing"),
    };
    if args.dry_run {
        let reach = purge_reach(&config.index, &what)?;
        if config.json {
            print::json(&as_json(&reach));
        } else {
            describe(&reach);
            let (records, erased) = (reach.records, if args.erase { "would be erased" } else { "would stay" });
            print::line(&format!("{records} records of the ledger about them {erased}; nothing was taken out"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let by = reviewer(args.by.as_deref());
    let ask = PurgeAsk { what, by, reason: args.reason.clone(), erase: args.erase };
    let mut embedder = config.embedder(build_threads())?;
    let mut progress = Progress::new(config.quiet);
    let stop = interrupts()?;
    let mut show = |event| progress.show(event, &stop);
    if args.undo {
        return Ok(report::finish(config, &undo_purge(&config.index, &ask, &mut embedder, &mut show)?, &[]));
    }
    let done = purge(&config.index, &ask, &mut embedder, &mut show)?;
    Ok(finish(config, &done))
}

fn finish(config: &Config, done: &PurgeReport) -> ExitCode {
    if config.json {
        let mut value = report::as_json(&done.report, &[]);
        value["purged"] = as_json(&done.reach);
        value["erased"] = json!(done.erased.map(|erased| erased.records));
        value["unreadable"] = json!(done.erased.map(|erased| erased.unreadable));
        value["generations_removed"] = json!(done.removed);
        print::json(&value);
    } else {
        describe(&done.reach);
        report::describe(config, &done.report, &[]);
        tell_what_is_left(config, done);
    }
    match done.erased {
        // What could not be read could not be erased: that is for somebody to look at.
        Some(erased) if erased.unreadable > 0 => ExitCode::from(exit::QUARANTINED),
        _ => report::exit_code(&done.report),
    }
}

fn tell_what_is_left(config: &Config, done: &PurgeReport) {
    eprintln!("{} older generations removed; until the next publish there is none to fall back on", done.removed);
    let Some(erased) = done.erased else {
        return eprintln!(
            "what was said about them stays in the ledger ({} records): --undo brings it back, --erase removes it",
            done.reach.records
        );
    };
    eprintln!("{} records of the ledger erased", erased.records);
    if erased.unreadable > 0 {
        eprintln!(
            "warning: {} damaged lines of the ledger cannot be read and may hold some of it; `frontload verify` names \
             them",
            erased.unreadable
        );
    }
    for path in [config.index.feedback(), config.index.report()] {
        if path.exists() {
            eprintln!("note: {} stays as it is, and may quote from them", path.display());
        }
    }
}

fn describe(reach: &Reach) {
    for Going { source, path, document, chunks, handles } in reach.documents.iter().take(SHOWN) {
        let told = format!("{document:<24} {source}/{path}  {chunks} chunks, {handles} handles");
        print::line(&print::clean(&told));
    }
    if reach.documents.len() > SHOWN {
        print::line(&format!("… {} more (all with --json)", reach.documents.len() - SHOWN));
    }
    let chunks: usize = reach.documents.iter().map(|going| going.chunks).sum();
    let handles: usize = reach.documents.iter().map(|going| going.handles).sum();
    let (what, documents) = (print::clean(&reach.what.to_string()), reach.documents.len());
    print::line(&format!(
        "{what}: {documents} documents, {chunks} chunks and {handles} handles of the live generation"
    ));
    if reach.shared > 0 {
        eprintln!(
            "note: {} of the chunks stand in documents that stay, too, in the same words: what was said about those \
             stays",
            reach.shared
        );
    }
}

fn as_json(reach: &Reach) -> Value {
    let row = |going: &Going| {
        let Going { source, path, document, chunks, handles } = going;
        json!({"source": source, "path": path, "document": document, "chunks": chunks, "handles": handles})
    };
    json!({
        "schema_version": 1,
        "what": reach.what,
        "documents": reach.documents.iter().map(row).collect::<Vec<_>>(),
        "ledger_records": reach.records,
        "shared_chunks": reach.shared,
    })
}

fn list(config: &Config) -> anyhow::Result<ExitCode> {
    let held = held_purges(&config.index)?;
    if config.json {
        print::json(&json!({"schema_version": 1, "purges": held}));
        return Ok(ExitCode::SUCCESS);
    }
    for Purge { what, erased, reason, by, at, .. } in &held {
        let erased = if *erased { ", erased" } else { "" };
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        print::line(&print::clean(&format!("{what}   ({by}, {}{erased}){why}", utc(*at))));
    }
    if held.is_empty() {
        print::line("nothing is taken out");
    }
    Ok(ExitCode::SUCCESS)
}

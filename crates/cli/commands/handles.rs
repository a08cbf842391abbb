//! `frontload handles`: in and out, and what people decide about them.

use std::{env, process::ExitCode};

use frontload_core::Verdict;
use frontload_engine::{Ask, Desk, HandleQuery, Orphan, export_handles, handles, import_handles, source_name};
use serde_json::json;

use crate::{
    args::{HandleArgs, HandlesCommand, ImportArgs, ListHandlesArgs},
    commands::{build_threads, copy, interrupts, open, report},
    config::Config,
    exit, print,
    progress::Progress,
};

/// Rows that are named one by one.
const SHOWN: usize = 10;
/// Handles read at once for a list.
const PAGE: usize = 1000;

pub fn run(config: &Config, command: HandlesCommand) -> anyhow::Result<ExitCode> {
    match command {
        HandlesCommand::Import(args) => return import(config, &args),
        HandlesCommand::Export => return export(config),
        HandlesCommand::List(args) if args.conflicts => conflicts(config)?,
        HandlesCommand::List(args) => list(config, &args)?,
        HandlesCommand::Accept(args) => decide(config, args, Verdict::Accept)?,
        HandlesCommand::Edit(args) => decide(config, args.handle, Verdict::Edit(args.to))?,
        HandlesCommand::Disable(args) => decide(config, args, Verdict::Reject)?,
        HandlesCommand::Flag(args) => decide(config, args, Verdict::Flag)?,
        HandlesCommand::Undo(args) => decide(config, args, Verdict::Withdraw)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Who decides: as said, else whoever is logged in.
pub fn reviewer(said: Option<&str>) -> String {
    let logged_in = || env::var("USER").ok().filter(|name| !name.trim().is_empty());
    said.map(str::to_owned).or_else(logged_in).unwrap_or_else(|| "somebody".to_owned())
}

fn decide(config: &Config, args: HandleArgs, verdict: Verdict) -> anyhow::Result<()> {
    let HandleArgs { chunk, kind, text, by } = args;
    let by = reviewer(by.as_deref());
    let decided = Desk::open(&config.index, Vec::new())?.decide(Ask { chunk, kind, text, verdict, by, seen: None })?;
    if config.json {
        let (decision, revision) = (decided.decision, decided.revision);
        print::json(&json!({"schema_version": 1, "verdict": decision.verdict.name(), "revision": revision}));
    } else {
        print::line("kept in the ledger; `frontload rebuild` publishes it");
    }
    Ok(())
}

fn list(config: &Config, args: &ListHandlesArgs) -> anyhow::Result<()> {
    let reader = open(config)?;
    let mut wanted = HandleQuery { kind: args.kind.clone(), contains: args.contains.clone(), from: None, most: PAGE };
    let mut left = args.most;
    loop {
        let page = handles(&reader, &wanted)?;
        for (chunk, _, handle) in page.handles.iter().take(left) {
            if config.json {
                let source = source_name(handle.source);
                print::json(&json!({
                    "id": chunk, "kind": handle.kind, "text": handle.text, "evidence": handle.evidence, "source": source,
                }));
            } else {
                let who = source_name(handle.source);
                let line = format!("{chunk:<16} {:<12} {}  ({}, {who})", handle.kind, handle.text, handle.evidence);
                print::line(&print::clean(&line));
            }
        }
        left = left.saturating_sub(page.handles.len());
        match page.next {
            Some(next) if left > 0 => wanted.from = Some(next),
            _ => return Ok(()),
        }
    }
}

fn conflicts(config: &Config) -> anyhow::Result<()> {
    let orphans = Desk::open(&config.index, Vec::new())?.orphans()?;
    for Orphan { decided, now } in &orphans {
        let decision = &decided.decision;
        let why = if now.is_some() { "the passage changed since" } else { "the passage is gone" };
        if config.json {
            print::json(&json!({
                "id": decision.chunk_id, "kind": decision.kind, "text": decision.text, "by": decision.by,
                "verdict": decision.verdict.name(), "why": why,
            }));
        } else {
            let (kind, text, by) = (&decision.kind, &decision.text, &decision.by);
            let verdict = decision.verdict.name();
            print::line(&print::clean(&format!("{}  {kind} {text:?}  {verdict} by {by}: {why}", decision.chunk_id)));
        }
    }
    if orphans.is_empty() && !config.json {
        print::line("no decision is about a passage that has changed");
    }
    Ok(())
}

fn import(config: &Config, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let mut embedder = config.embedder(build_threads())?;
    let mut progress = Progress::new(config.quiet);
    let stop = interrupts()?;
    let mut show = |event| progress.show(event, &stop);
    let imported = import_handles(&config.index, &args.file, args.partial, &mut embedder, &mut show)?;
    copy::publish_built(config, &imported.report)?;
    eprintln!("{} handles imported from {}", imported.rows, args.file.display());
    if !imported.left_out.is_empty() {
        eprintln!("warning: {} rows left out:", imported.left_out.len());
        imported.left_out.iter().take(SHOWN).for_each(|told| eprintln!("  {}", print::clean(told)));
    }
    let code = report::finish(config, &imported.report, &[]);
    Ok(if imported.left_out.is_empty() { code } else { ExitCode::from(exit::QUARANTINED) })
}

fn export(config: &Config) -> anyhow::Result<ExitCode> {
    for row in export_handles(&open(config)?)? {
        print::json(&row);
    }
    Ok(ExitCode::SUCCESS)
}

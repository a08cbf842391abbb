//! `frontload inspect`: a document's chunks with their handles and what stands behind each.

use std::process::ExitCode;

use serde_json::json;

use crate::{args::InspectArgs, commands::open, config::Config, exit, print};

pub fn run(config: &Config, args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let reader = open(config)?;
    let dim = anstyle::Style::new().dimmed();
    let mut found = false;
    for indexed in reader.chunks() {
        let indexed = indexed?;
        let chunk = &indexed.chunk;
        if chunk.document != args.id && chunk.id() != args.id {
            continue;
        }
        found = true;
        if config.json {
            print::json(
                &json!({"schema_version": 1, "id": chunk.id(), "key": chunk.key(), "chunk": chunk, "handles": indexed.handles, "rejected": indexed.rejected}),
            );
            continue;
        }
        print::line(&format!(
            "{}  {}  (bytes {}–{})",
            print::clean(&chunk.id()),
            print::clean(&chunk.title),
            chunk.span.0,
            chunk.span.1
        ));
        print::line(&format!("\n{}\n", print::clean(&chunk.text)));
        for handle in &indexed.handles {
            let days = handle.interval.map_or_else(String::new, |days| format!(", {days}"));
            let at = handle.span.map_or_else(String::new, |(start, end)| format!(", bytes {start}–{end}"));
            print::line(&format!(
                "  {:<10} {}  ({}{at}{days}, {:?})",
                handle.kind,
                print::clean(&handle.text),
                handle.evidence,
                handle.source
            ));
        }
        for item in &indexed.rejected {
            let why = if item.detail.is_empty() { String::new() } else { format!(": {}", print::clean(&item.detail)) };
            print::line(&format!(
                "  {dim}{:<10} {}  not indexed, {}{why}{dim:#}",
                item.kind,
                print::cut(&item.text, 90),
                item.reason
            ));
        }
    }
    if !found {
        eprintln!("no document or chunk {:?} in {}", args.id, config.index.path().display());
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(exit::NO_HIT) })
}

//! `frontload inspect`: a document's chunks with their handles and what stands behind each.

use std::process::ExitCode;

use serde_json::json;

use crate::{args::InspectArgs, commands::open, config::Config, exit, print};

pub fn run(config: &Config, args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let reader = open(&config.index)?;
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
                &json!({"schema_version": 1, "id": chunk.id(), "key": chunk.key(), "chunk": chunk, "handles": indexed.handles}),
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
            let at = handle.span.map_or_else(String::new, |(start, end)| format!(", bytes {start}–{end}"));
            print::line(&format!(
                "  {:<10} {}  ({}{at}, {:?})",
                handle.kind,
                print::clean(&handle.text),
                handle.evidence,
                handle.source
            ));
        }
    }
    if !found {
        eprintln!("no document or chunk {:?} in {}", args.id, config.index.path().display());
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(exit::NO_HIT) })
}

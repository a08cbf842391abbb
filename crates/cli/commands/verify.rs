//! `frontload verify`.

use std::process::ExitCode;

use serde_json::json;

use crate::{config::Config, exit, print};

pub fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let (manifest, findings) = frontload_index::verify(&config.index)?;
    let mut records = 0_u64;
    let ledger = config.index.ledger();
    let damage =
        frontload_enrich::scan(&ledger, None, &mut |_, _| records += 1).map_err(frontload_engine::EngineError::from)?;
    let mut problems: Vec<String> = findings.iter().map(|finding| finding.error.to_string()).collect();
    problems.extend(damage.iter().map(|line| {
        let (file, offset) = (line.place.file, line.place.offset);
        format!(
            "{}: byte {offset}: {}; the records around it are kept",
            ledger.join(format!("{file:06}.jsonl")).display(),
            line.problem
        )
    }));
    let built_here = manifest.as_ref().is_some_and(|manifest| manifest.copied_from.is_none());
    if records == 0 && damage.is_empty() && built_here {
        problems.push(format!("{}: no records, though a generation was built from some", ledger.display()));
    }
    let generation = manifest.as_ref().map(|manifest| manifest.generation);
    let files = manifest.as_ref().map_or(0, |manifest| manifest.files.len());
    if config.json {
        let whole = problems.is_empty();
        print::json(
            &json!({"schema_version": 1, "whole": whole, "generation": generation, "files": files, "ledger_records": records, "problems": problems}),
        );
    } else if problems.is_empty() {
        let number = generation.unwrap_or_default();
        print::line(&format!("generation {number}: {files} files whole; ledger: {records} records whole"));
    } else {
        for problem in &problems {
            print::line(&format!("damaged: {}", print::clean(problem)));
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::CORRUPT) })
}

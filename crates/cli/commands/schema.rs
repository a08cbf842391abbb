//! `frontload schema check` and `examples`.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};
use frontload_core::Schema;
use frontload_engine::{Desk, reviewed_examples};

use crate::{
    args::{ExamplesArgs, SchemaCheckArgs},
    config::Config,
    print,
};

pub fn check(config: &Config, args: &SchemaCheckArgs) -> anyhow::Result<ExitCode> {
    let (schema, _) = read(&args.file)?;
    if config.json {
        print::json(&schema);
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&format!("{}: {} kinds, {} examples", schema.name, schema.kinds.len(), schema.examples.len()));
    for spec in &schema.kinds {
        let ask = if spec.ask.is_empty() { "(only by import)" } else { &spec.ask };
        print::line(&format!(
            "  {:<12} {:<10} up to {} × {}  {ask}",
            spec.kind, spec.evidence, spec.max_items, spec.max_chars
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a schema file; gives back its text too, which the ledger keeps.
pub fn read(path: &Path) -> anyhow::Result<(Schema, String)> {
    let place = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(place)?;
    let schema = Schema::from_toml(&text).with_context(place)?;
    Ok((schema, text))
}

/// Prints what people reviewed as examples.
pub fn examples(config: &Config, args: &ExamplesArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&config.index, Vec::new())?;
    let (text, count) = reviewed_examples(&desk, args.n)?;
    if count == 0 {
        bail!(
            "no passage has been reviewed in whole: an example needs a decision on each of its handles \
             (`frontload review`, and publish)"
        );
    }
    print::content(text.trim());
    eprintln!(
        "{count} examples; put them in a copy of the schema and measure it before you keep them: docs/training.md"
    );
    Ok(ExitCode::SUCCESS)
}

//! `frontload export prompts` and `frontload import completions`: enrichment by a batch engine.

use std::{
    fs::File,
    io::{BufWriter, Write, stdout},
    process::ExitCode,
};

use anyhow::{Context, bail};
use frontload_engine::{BuildOptions, Elsewhere, EngineError, export_prompts, import_completions};
use frontload_models::{ModelRef, batch_fingerprint, read_completion, request_body};
use serde_json::json;

use crate::{
    args::{ExportPromptsArgs, ImportCompletionsArgs},
    commands::index,
    config::Config,
    exit, print,
};

pub fn export(config: &Config, args: &ExportPromptsArgs) -> anyhow::Result<ExitCode> {
    let options = index::options(config, &args.corpus, true)?;
    let model = model(config)?;
    let place = args.out.as_ref().map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => Box::new(BufWriter::new(File::create(path).with_context(|| place.clone())?)),
        None => Box::new(BufWriter::new(stdout())),
    };
    let written = with_schema(&options, &model, |schema, elsewhere| {
        export_prompts(&config.index, &options, schema, elsewhere, &mut out)
    })?;
    out.flush().with_context(|| place.clone())?;
    eprintln!("{written} prompts written to {place}");
    Ok(ExitCode::SUCCESS)
}

pub fn import(config: &Config, args: &ImportCompletionsArgs) -> anyhow::Result<ExitCode> {
    let options = index::options(config, &args.corpus, true)?;
    let model = model(config)?;
    let report = with_schema(&options, &model, |schema, elsewhere| {
        import_completions(&config.index, &options, schema, elsewhere, &args.file)
    })?;
    if config.json {
        print::json(&json!({
            "schema_version": 1, "taken": report.taken, "failed": report.failed, "unknown": report.unknown,
            "missing": report.missing,
        }));
    } else {
        print::line(&format!("{} completions taken into the ledger, {} of them failures", report.taken, report.failed));
        if report.unknown > 0 {
            print::line(&format!(
                "{} answer no missing call: they were taken before, or the corpus, schema or model is another",
                report.unknown
            ));
        }
        print::line(&format!(
            "{} calls are still missing; `frontload index --model batch:{model}` with the same paths publishes",
            report.missing
        ));
    }
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::QUARANTINED) })
}

fn with_schema<T>(
    options: &BuildOptions,
    model: &str,
    work: impl FnOnce(&frontload_core::Schema, Elsewhere) -> Result<T, EngineError>,
) -> anyhow::Result<T> {
    let Some((schema, _)) = &options.schema else { bail!("no schema") };
    let fingerprint = batch_fingerprint(model);
    let elsewhere = Elsewhere { model, fingerprint: &fingerprint, body: request_body, completion: read_completion };
    Ok(work(schema, elsewhere)?)
}

fn model(config: &Config) -> anyhow::Result<String> {
    match config.model_ref()? {
        ModelRef::Batch(name) => Ok(name),
        other => bail!("{other} is asked directly; for a batch engine name the model with --model batch:NAME"),
    }
}

//! `frontload export prompts` and `frontload import completions`: enrichment by a batch engine.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use frontload_core::{Digest, Schema};
use frontload_engine::{BuildOptions, Elsewhere, EngineError, export_prompts, import_completions};
use frontload_models::{ModelRef, batch_fingerprint, read_completion, request_body};
use serde_json::json;

use crate::{
    args::{ExportPromptsArgs, ImportCompletionsArgs},
    commands::{
        index,
        shards::{Shards, found},
    },
    config::Config,
    exit, print,
};

/// Where prompts go.
enum Output {
    /// To a pipe or a device, line by line.
    Stream(Box<dyn Write>),
    Files(Shards),
}

impl Output {
    fn open(args: &ExportPromptsArgs) -> anyhow::Result<(Self, String)> {
        let Some(path) = &args.out else {
            return Ok((Self::Stream(Box::new(BufWriter::new(stdout()))), "stdout".to_owned()));
        };
        let shards = match args.shards {
            Some(count) => Shards::many(path, count)?,
            None if path.exists() && !path.is_file() => {
                let place = path.display().to_string();
                let file = File::create(path).with_context(|| place.clone())?;
                return Ok((Self::Stream(Box::new(BufWriter::new(file))), place));
            }
            None => Shards::one(path)?,
        };
        let place = shards.place();
        Ok((Self::Files(shards), place))
    }

    fn write(&mut self, call: Digest, line: &str) -> io::Result<()> {
        match self {
            Self::Stream(out) => writeln!(out, "{line}"),
            Self::Files(shards) => shards.write(call, line),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Stream(mut out) => Ok(out.flush()?),
            Self::Files(shards) => shards.finish(),
        }
    }
}

pub fn export(config: &Config, args: &ExportPromptsArgs) -> anyhow::Result<ExitCode> {
    let options = index::options(config, &args.corpus, true)?;
    let model = model(config)?;
    let (mut out, place) = Output::open(args)?;
    let written = with_schema(&options, &model, |schema, elsewhere| {
        export_prompts(&config.index, &options, schema, elsewhere, &mut |call, line| out.write(call, line))
    })?;
    out.finish().with_context(|| place.clone())?;
    eprintln!("{written} prompts written to {place}");
    Ok(ExitCode::SUCCESS)
}

pub fn import(config: &Config, args: &ImportCompletionsArgs) -> anyhow::Result<ExitCode> {
    refuse_results(&args.corpus.paths)?;
    let options = index::options(config, &args.corpus, true)?;
    let model = model(config)?;
    let named: Vec<PathBuf> = std::iter::once(&args.file).chain(&args.also).cloned().collect();
    let (files, absent) = found(&named)?;
    if files.is_empty() {
        bail!("{}: no such file of results, and no folder or pattern that holds any", absent.join(", "));
    }
    let report = with_schema(&options, &model, |schema, elsewhere| {
        import_completions(&config.index, &options, schema, elsewhere, &files)
    })?;
    if config.json {
        print::json(&json!({
            "schema_version": 1, "files": files.len(), "absent": absent, "taken": report.taken,
            "failed": report.failed, "unknown": report.unknown, "missing": report.missing,
        }));
    } else {
        print::line(&format!(
            "{} completions of {} files taken into the ledger, {} of them failures",
            report.taken,
            files.len(),
            report.failed
        ));
        if report.unknown > 0 {
            print::line(&format!(
                "{} answer no missing call: they were taken before, or the corpus, schema or model is another",
                report.unknown
            ));
        }
        for name in &absent {
            print::line(&format!("{}: nothing is there yet; import it when it is", print::clean(name)));
        }
        print::line(&format!(
            "{} calls are still missing; `frontload index --model batch:{model}` with the same paths publishes",
            report.missing
        ));
    }
    let whole = report.failed == 0 && absent.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(exit::QUARANTINED) })
}

/// A pattern that the shell has filled in makes files of results look like a corpus.
fn refuse_results(paths: &[PathBuf]) -> anyhow::Result<()> {
    for path in paths.iter().filter(|path| path.is_file()) {
        if is_results(path) {
            bail!(
                "{}: a file of results, where the corpus is named; put a pattern in quotes ('results.*.jsonl'), or name \
                 more files with --also",
                path.display()
            );
        }
    }
    Ok(())
}

fn is_results(path: &Path) -> bool {
    let mut line = String::new();
    let read = File::open(path).and_then(|file| BufReader::new(file).read_line(&mut line));
    let row = read.ok().and_then(|_| serde_json::from_str::<serde_json::Value>(&line).ok());
    row.is_some_and(|row| row.get("custom_id").is_some() && row.get("response").is_some())
}

fn with_schema<T>(
    options: &BuildOptions,
    model: &str,
    work: impl FnOnce(&Schema, Elsewhere) -> Result<T, EngineError>,
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

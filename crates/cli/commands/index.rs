//! `frontload index` and `frontload rebuild`.

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use frontload_core::{Embedder, Generator};
use frontload_engine::{BuildOptions, Rebuilding, SCHEMA_FILE, build};
use frontload_enrich::Limits;
use frontload_models::{EndpointOptions, GeneratorOptions, Tallies, open_generator};

use crate::{
    args::{CorpusArgs, IndexArgs, RebuildArgs},
    commands::{build_threads, copy, dry_run, interrupts, plan, report::finish, schema},
    config::Config,
    progress::Progress,
};

pub fn run(config: &Config, args: &IndexArgs) -> anyhow::Result<ExitCode> {
    let mut options = options(config, &args.corpus, !args.no_handles)?;
    options.graph_rows = args.graph_rows;
    options.concatenated = args.concatenated;
    if args.plan.plan {
        return plan::run(config, &args.plan, &options);
    }
    let asks = options.schema.as_ref().is_some_and(|(schema, _)| schema.asked().next().is_some());
    let patience = args.patience.map(Duration::from_secs);
    let mut endpoint = EndpointOptions {
        concurrency: usize::from(args.concurrency),
        deadline: Duration::from_secs(args.deadline),
        ..EndpointOptions::default()
    };
    endpoint.patience = patience.unwrap_or(endpoint.patience);
    let mut llama = config.llama(args.slots)?;
    llama.silence = patience.unwrap_or(llama.silence);
    let tallies = Tallies::default();
    let model = GeneratorOptions { llama, endpoint, tallies: tallies.clone() };
    let mut generator = if asks { Some(open_generator(&config.model_ref()?, &model)?) } else { None };
    let mut embedder = config.embedder(build_threads())?;
    let stop = interrupts()?;
    let budget = args.budget_minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let limits = Limits { stop: &stop, deadline: budget.and_then(|budget| Instant::now().checked_add(budget)) };
    let mut progress = Progress::new(config.quiet).watching(&tallies);
    let mut show = |event| progress.show(event, &stop);
    if args.dry_run {
        let (Some(generator), Some((schema, _))) = (generator.as_mut(), &options.schema) else {
            bail!("this schema asks a language model nothing: there is nothing to weigh");
        };
        let dimension = embedder.dimension();
        let weighed = frontload_engine::preview(
            &config.index,
            &options,
            schema,
            generator.as_mut(),
            dimension,
            (limits, &mut show),
        )?;
        return Ok(dry_run::describe(config, weighed.as_ref()));
    }
    let generator = generator.as_mut().map(|generator| generator.as_mut() as &mut dyn Generator);
    let report = build(&config.index, &options, generator, &mut embedder, (limits, &mut show))?;
    copy::publish_built(config, &report)?;
    Ok(finish(config, &report, &tallies.read()))
}

/// Paths that mean the same from everywhere.
fn absolute(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    paths.iter().map(|path| fs::canonicalize(path).with_context(|| path.display().to_string())).collect()
}

/// What is asked about, as the flags and the settings say.
pub fn options(config: &Config, args: &CorpusArgs, with_handles: bool) -> anyhow::Result<BuildOptions> {
    let sources = absolute(&args.paths)?;
    let schema = if with_handles {
        let beside = sources.iter().map(|source| source.join(SCHEMA_FILE)).find(|path| path.is_file());
        let Some(path) = args.schema.clone().or_else(|| config.schema.clone()).or(beside) else {
            bail!(
                "no schema: name one with --schema FILE, put {SCHEMA_FILE} into the corpus's folder (`frontload init` \
                 writes one to start from), or index the text alone with --no-handles"
            );
        };
        Some(schema::read(&path)?)
    } else {
        None
    };
    Ok(BuildOptions {
        sources,
        schema,
        chunk_chars: args.chunk.0,
        retry_failed: args.retry_failed,
        graph_rows: frontload_index::DEFAULT_GRAPH_ROWS,
        concatenated: false,
    })
}

pub fn rebuild(config: &Config, args: &RebuildArgs) -> anyhow::Result<ExitCode> {
    let mut embedder = config.embedder(build_threads())?;
    let mut progress = Progress::new(config.quiet);
    let rebuilding = Rebuilding {
        sources: absolute(&args.paths)?,
        tuning: None,
        afresh: args.afresh,
        concatenated: args.concatenated,
    };
    let stop = interrupts()?;
    let mut show = |event| progress.show(event, &stop);
    let report = frontload_engine::rebuild(&config.index, &rebuilding, &mut embedder, &mut show)?;
    copy::publish_built(config, &report)?;
    Ok(finish(config, &report, &[]))
}

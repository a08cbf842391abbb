//! `frontload tune`: lane weights from judged topics, published with what they rest on.

use std::{collections::HashMap, process::ExitCode};

use anyhow::Context;
use frontload_core::{ChunkId, Tuning};
use frontload_engine::{Rebuilding, rank_lanes, rebuild};
use frontload_eval::{Step, TunedTopic, read_qrels, tune};
use serde_json::json;

use crate::{
    args::TuneArgs,
    commands::{build_threads, eval::judged_topics, open, report},
    config::Config,
    print,
    progress::Progress,
};

pub fn run(config: &Config, args: &TuneArgs) -> anyhow::Result<ExitCode> {
    let qrels = read_qrels(&args.qrels)?;
    let topics = judged_topics(&args.queries, &args.qrels, &qrels)?;
    let mut embedder = config.embedder(build_threads())?;
    let reader = open(&config.index)?;
    let documents = reader
        .ids()
        .map(|id| Ok((id, reader.chunk(id)?.chunk.document)))
        .collect::<anyhow::Result<HashMap<ChunkId, String>>>()?;
    let mut ranked = Vec::new();
    for topic in &topics {
        let Some(judged) = qrels.get(&topic.id) else { continue };
        let lanes = rank_lanes(&reader, &mut embedder, &topic.text).with_context(|| format!("topic {}", topic.id))?;
        ranked.push(TunedTopic { lanes, judged });
    }
    let document = |chunk: ChunkId| documents.get(&chunk).map_or("", String::as_str);
    let (tuning, steps) = tune(&ranked, reader.manifest().fusion, &document);
    describe(config, &tuning, &steps);
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    drop(reader);
    let mut progress = Progress::new(config.quiet);
    let rebuilding = Rebuilding { tuning: Some(tuning), ..Rebuilding::default() };
    let applied = rebuild(&config.index, &rebuilding, &mut embedder, &mut |event| progress.show(event))?;
    let generation = applied.built.as_ref().map_or(0, |built| built.manifest.generation);
    eprintln!("published with these weights: generation {generation}");
    Ok(report::exit_code(&applied))
}

fn describe(config: &Config, tuning: &Tuning, steps: &[Step]) {
    let Tuning { weights, measure, topics, plain, tuned } = tuning;
    if config.json {
        let steps: Vec<serde_json::Value> = steps
            .iter()
            .map(|step| json!({"kind": step.kind, "weight": step.weight, "before": step.before, "after": step.after}))
            .collect();
        return print::json(&json!({
            "schema_version": 1, "measure": measure, "topics": topics, "plain": plain, "tuned": tuned,
            "weights": weights, "steps": steps,
        }));
    }
    print::line(&format!("{measure} on {topics} topics, text alone: {plain:.3}"));
    for step in steps {
        print::line(&format!("  {:<12} weight {:<5} {:.3} -> {:.3}", step.kind, step.weight, step.before, step.after));
    }
    if steps.is_empty() {
        print::line("  no kind of handle helps on these topics: their lanes are switched off");
    }
}

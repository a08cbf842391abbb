//! `frontload tune`: lane weights and fusion from judged topics, published with what they rest on.

use std::process::ExitCode;

use frontload_core::{Basis, Lane, Tuning};
use frontload_engine::{Rebuilding, rebuild, untuned_weights};
use frontload_eval::{Step, Tuned, p_value, tune};
use serde_json::json;

use crate::{
    args::{FusionName, TuneArgs},
    commands::{SEED, build_threads, copy, interrupts, open, report, topics::Ranked},
    config::Config,
    print,
    progress::Progress,
};

pub fn run(config: &Config, args: &TuneArgs) -> anyhow::Result<ExitCode> {
    let mut embedder = config.embedder(build_threads())?;
    let reader = open(config)?;
    let ranked = Ranked::read(&reader, &mut embedder, (&args.queries, &args.qrels))?;
    let untuned = untuned_weights(&reader)?;
    // What an earlier tuning chose is not where this one starts from.
    let fusion = frontload_engine::DEFAULT_FUSION;
    let Tuned { tuning, steps } = tune(&ranked.topics(), &untuned, (fusion, SEED), &|chunk| ranked.document(chunk));
    describe(config, &tuning, &steps);
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    drop(reader);
    let mut progress = Progress::new(config.quiet);
    let rebuilding = Rebuilding { tuning: Some(tuning), ..Rebuilding::default() };
    let stop = interrupts()?;
    let mut show = |event| progress.show(event, &stop);
    let applied = rebuild(&config.index, &rebuilding, &mut embedder, &mut show)?;
    let generation = applied.built.as_ref().map_or(0, |built| built.manifest.generation);
    copy::publish_built(config, &applied)?;
    eprintln!("published with these weights: generation {generation}");
    Ok(report::exit_code(&applied))
}

fn describe(config: &Config, tuning: &Tuning, steps: &[Step]) {
    if config.json {
        let steps: Vec<serde_json::Value> = steps
            .iter()
            .map(|step| json!({"field": step.field, "weight": step.weight, "before": step.before, "after": step.after}))
            .collect();
        let mut value = json!(tuning);
        value["schema_version"] = json!(1);
        value["steps"] = json!(steps);
        return print::json(&value);
    }
    let Tuning { measure, topics, plain, untuned, tuned, held_out, p, basis, off, fusion, .. } = tuning;
    let (untuned, held_out) = (untuned.unwrap_or_default(), held_out.unwrap_or_default());
    print::line(&format!("{measure} on {topics} topics: text alone {plain:.3}, with default weights {untuned:.3}"));
    for step in steps {
        print::line(&format!("  {:<12} weight {:<5} {:.3} -> {:.3}", step.field, step.weight, step.before, step.after));
    }
    let fusion = fusion.and_then(FusionName::of).unwrap_or_default();
    print::line(&format!(
        "choosing on four fifths of them and measuring on the fifth: {held_out:.3} (against the text alone {})",
        p_value(p.unwrap_or(1.0))
    ));
    print::line(&match basis {
        Some(Basis::Chosen) | None => format!("chosen on all: {tuned:.3}, fusion {fusion}"),
        Some(Basis::Default) => format!("choosing gained nothing that lasts: the default weights stay, {tuned:.3}"),
        Some(Basis::Plain) if tuning.weights.keys().all(Lane::is_plain) => {
            "there are no handles to weigh, and the text stays as it was".to_owned()
        }
        Some(Basis::Plain) => "no kind of handle helps on these topics: their lanes are switched off".to_owned(),
    });
    if !off.is_empty() {
        print::line(&format!("switched off, for they do significant harm: {}", off.join(", ")));
    }
}

//! `frontload eval`: one index against judged topics, or several side by side.

mod answers;
mod compare;
mod models;
mod rank;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use frontload_eval::{Measure, Measured, Qrels, Run, Topic, interval, measure, write_run};
use serde_json::json;

pub use rank::MADE_BY;
use rank::Ranking;

use crate::{
    args::{EvalArgs, EvalCommand, EvalSearchArgs},
    commands::{
        SEED, open,
        topics::{check_overlap, judged_topics},
    },
    config::Config,
    print,
};

/// What is ranked.
const UNIT: &str = "documents, each where its best passage stands";
/// How deep unjudged documents are looked for.
const UNJUDGED: Measure = Measure::Judged(10);

/// What one system came to.
struct Outcome {
    measured: Measured,
    /// The share of the first ten that nobody judged.
    unjudged: f64,
}

impl Outcome {
    fn of(args: &EvalSearchArgs, qrels: &Qrels, run: &Run) -> Self {
        let judged = measure(qrels, run, &[UNJUDGED]);
        let unjudged = 1.0 - judged.mean(UNJUDGED, |_| true).unwrap_or(0.0);
        Self { measured: measure(qrels, run, &args.measures.0), unjudged }
    }
}

pub fn run(config: &Config, args: &EvalArgs) -> anyhow::Result<ExitCode> {
    match args {
        EvalArgs { what: Some(EvalCommand::Answers(args)), .. } => answers::run(config, args),
        EvalArgs { what: Some(EvalCommand::Models(args)), .. } => models::run(config, args),
        EvalArgs { search: Some(args), .. } => search(config, args),
        // clap asks for the topics before this can be.
        EvalArgs { what: None, search: None } => anyhow::bail!("eval: --queries and --qrels are missing"),
    }
}

fn search(config: &Config, args: &EvalSearchArgs) -> anyhow::Result<ExitCode> {
    let (topics, qrels) = judged_topics(&args.queries, &args.qrels)?;
    let mut embedder = config.embedder(1)?;
    if !args.system.is_empty() {
        return compare::run(config, args, (&topics, &qrels), &mut embedder);
    }
    let reader = open(config)?;
    check_overlap(&reader, (&args.qrels, &qrels))?;
    let ranking = Ranking::of(&reader, &mut embedder, &topics, &args.lanes)?;
    ranking.warn(&reader, &topics);
    let outcome = Outcome::of(args, &qrels, &ranking.run);
    if let Some(path) = &args.run_out {
        write_run(path, &ranking.run, "frontload")?;
    }
    if config.json {
        let mut value = as_json(args, &topics, &outcome);
        value["leaks"] = json!(
            ranking.leaks.iter().map(|(topic, handle)| json!({"topic": topic, "handle": handle})).collect::<Vec<_>>()
        );
        value["hubs"] = json!(
            ranking.hubs.iter().map(|(chunk, topics)| json!({"id": chunk, "topics": topics})).collect::<Vec<_>>()
        );
        value["made_by_same_model"] = json!(rank::same_maker(&reader, &topics));
        print::json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = args.measures.0.iter().map(|measure| format!("{:>8}", measure.to_string())).collect();
    print::line(&format!("{:<14}{:>7}  {}", format!("{} topics", topics.len()), "", names.join(" ")));
    for (name, ids) in groups(args, &topics) {
        let values = args.measures.0.iter().map(|&measure| {
            let mean = outcome.measured.mean(measure, |topic| ids.contains(topic)).unwrap_or(0.0);
            format!("{mean:>8.3}")
        });
        let name = print::clean(&name);
        print::line(&format!("{name:<14}{:>7}  {}", ids.len(), values.collect::<Vec<_>>().join(" ")));
    }
    let bounds: Vec<(f64, f64)> = args.measures.0.iter().map(|&measure| bounds(&outcome.measured, measure)).collect();
    let list = |bound: &dyn Fn(&(f64, f64)) -> f64| -> String {
        bounds.iter().map(|pair| format!("{:>8.3}", bound(pair))).collect::<Vec<_>>().join(" ")
    };
    print::line(&format!("{:<14}{:>7}  {}", "  95% from", "", list(&|pair| pair.0)));
    print::line(&format!("{:<14}{:>7}  {}", "  to", "", list(&|pair| pair.1)));
    print::line(&format!("{UNIT}; {:.0}% of the first ten not judged", outcome.unjudged * 100.0));
    if args.per_query {
        for (topic, values) in &outcome.measured.per_topic {
            let values: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
            print::line(&format!("{}  {}", print::clean(topic), values.join("  ")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the mean over other topics like these might be.
fn bounds(measured: &Measured, measure: Measure) -> (f64, f64) {
    interval(&measured.values(measure), SEED)
}

/// All topics, then those of each label's value.
fn groups(args: &EvalSearchArgs, topics: &[Topic]) -> Vec<(String, BTreeSet<String>)> {
    let all = topics.iter().map(|topic| topic.id.clone()).collect();
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if let Some(label) = &args.by {
        for topic in topics {
            let value = topic.labels.get(label).cloned().unwrap_or_else(|| "(none)".to_owned());
            groups.entry(value).or_default().insert(topic.id.clone());
        }
    }
    groups.into_iter().chain([("all".to_owned(), all)]).collect()
}

fn as_json(args: &EvalSearchArgs, topics: &[Topic], outcome: &Outcome) -> serde_json::Value {
    let measured = &outcome.measured;
    let means = |ids: &BTreeSet<String>| -> BTreeMap<String, f64> {
        let mean = |&measure: &Measure| Some((measure.to_string(), measured.mean(measure, |id| ids.contains(id))?));
        args.measures.0.iter().filter_map(mean).collect()
    };
    let mut groups = groups(args, topics);
    let all = groups.pop().map(|(_, ids)| means(&ids)).unwrap_or_default();
    let intervals: BTreeMap<String, (f64, f64)> =
        args.measures.0.iter().map(|&measure| (measure.to_string(), bounds(measured, measure))).collect();
    let mut value = json!({
        "schema_version": 1, "queries": topics.len(), "unit": "document", "measures": all, "intervals": intervals,
        "unjudged@10": outcome.unjudged,
    });
    if args.by.is_some() {
        let by: BTreeMap<String, serde_json::Value> = groups
            .iter()
            .map(|(name, ids)| (name.clone(), json!({"queries": ids.len(), "measures": means(ids)})))
            .collect();
        value["by"] = json!(by);
    }
    if args.per_query {
        value["per_query"] = json!(measured.per_topic);
    }
    value
}

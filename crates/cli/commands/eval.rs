//! `frontload eval`: one index against judged topics, or several side by side.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, bail};
use frontload_core::Embedder;
use frontload_engine::{LaneSelection, SearchRequest, search};
use frontload_eval::{
    Measure, Measured, Paired, Qrels, Run, Topic, measure, paired, pairs, read_qrels, read_topics, write_run,
};
use frontload_index::{IndexDir, Reader};
use serde_json::json;

use crate::{
    args::{EvalArgs, LaneArgs},
    commands::open,
    config::Config,
    print,
};

/// Of the tests of significance, so that they give the same each time.
const SEED: u64 = 20_071_105;
/// Documents ranked for each topic.
const DEPTH: usize = 100;

/// One column of a comparison.
struct System {
    name: String,
    index: IndexDir,
    lanes: LaneArgs,
}

pub fn run(config: &Config, args: &EvalArgs) -> anyhow::Result<ExitCode> {
    let qrels = read_qrels(&args.qrels)?;
    let topics = judged_topics(&args.queries, &args.qrels, &qrels)?;
    let mut embedder = config.embedder(1)?;
    if !args.system.is_empty() {
        return compare(config, args, &qrels, &topics, &mut embedder);
    }
    let reader = open(&config.index)?;
    let run = rank(&reader, &mut embedder, &topics, &args.lanes)?;
    let measured = measure(&qrels, &run, &args.measures.0);
    if let Some(path) = &args.run_out {
        write_run(path, &run, "frontload")?;
    }
    if config.json {
        print::json(&as_json(args, &topics, &measured));
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&header(args, &topics));
    for group in groups(args, &topics) {
        print::line(&row(args, &group, &measured));
    }
    if args.per_query {
        for (topic, values) in &measured.per_topic {
            let values: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
            print::line(&format!("{topic}  {}", values.join("  ")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The topics that are judged; a judged topic without a text is a mistake in the files.
pub fn judged_topics(queries: &Path, judgments: &Path, qrels: &Qrels) -> anyhow::Result<Vec<Topic>> {
    let mut topics = read_topics(queries)?;
    topics.retain(|topic| qrels.contains_key(&topic.id));
    let known: BTreeSet<&str> = topics.iter().map(|topic| topic.id.as_str()).collect();
    let missing: Vec<&String> = qrels.keys().filter(|topic| !known.contains(topic.as_str())).collect();
    if let Some(first) = missing.first() {
        let (qrels, queries) = (judgments.display(), queries.display());
        bail!("{qrels} judges {} topics that {queries} does not have, the first {first:?}", missing.len());
    }
    Ok(topics)
}

/// Ranks documents: a document stands where its best chunk does.
fn rank(reader: &Reader, embedder: &mut dyn Embedder, topics: &[Topic], lanes: &LaneArgs) -> anyhow::Result<Run> {
    let mut run = Run::new();
    let selection = match lanes.selection()? {
        LaneSelection::All if reader.manifest().lanes.iter().all(|entry| entry.lane.is_plain()) => LaneSelection::Plain,
        selection => selection,
    };
    for topic in topics {
        let request = SearchRequest {
            lanes: selection.clone(),
            fusion: lanes.fusion(),
            ..SearchRequest::new(topic.text.clone(), DEPTH * 2)
        };
        let found = search(reader, embedder, &request).with_context(|| format!("topic {}", topic.id))?;
        let mut seen = BTreeSet::new();
        let ranking = found
            .hits
            .into_iter()
            .filter(|hit| seen.insert(hit.chunk.document.clone()))
            .map(|hit| (hit.chunk.document, f64::from(hit.score)))
            .take(DEPTH)
            .collect();
        run.insert(topic.id.clone(), ranking);
    }
    Ok(run)
}

/// All topics, then those of each label's value.
fn groups(args: &EvalArgs, topics: &[Topic]) -> Vec<(String, BTreeSet<String>)> {
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

fn header(args: &EvalArgs, topics: &[Topic]) -> String {
    let names: Vec<String> = args.measures.0.iter().map(|measure| format!("{:>8}", measure.to_string())).collect();
    format!("{:<14}{:>7}  {}", format!("{} topics", topics.len()), "", names.join(" "))
}

fn row(args: &EvalArgs, (name, ids): &(String, BTreeSet<String>), measured: &Measured) -> String {
    let values: Vec<String> = args
        .measures
        .0
        .iter()
        .map(|&measure| format!("{:>8.3}", measured.mean(measure, |topic| ids.contains(topic)).unwrap_or(0.0)))
        .collect();
    format!("{name:<14}{:>7}  {}", ids.len(), values.join(" "))
}

fn as_json(args: &EvalArgs, topics: &[Topic], measured: &Measured) -> serde_json::Value {
    let means = |ids: &BTreeSet<String>| -> BTreeMap<String, f64> {
        let mean = |&measure: &Measure| Some((measure.to_string(), measured.mean(measure, |id| ids.contains(id))?));
        args.measures.0.iter().filter_map(mean).collect()
    };
    let mut groups = groups(args, topics);
    let all = groups.pop().map(|(_, ids)| means(&ids)).unwrap_or_default();
    let mut value = json!({"schema_version": 1, "queries": topics.len(), "measures": all});
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

fn compare(
    config: &Config,
    args: &EvalArgs,
    qrels: &Qrels,
    topics: &[Topic],
    embedder: &mut dyn Embedder,
) -> anyhow::Result<ExitCode> {
    let systems: Vec<System> = args.system.iter().map(|text| system(args, text)).collect::<Result<_, _>>()?;
    let mut columns = Vec::new();
    for system in &systems {
        let run = rank(&open(&system.index)?, embedder, topics, &system.lanes)?;
        columns.push((system.name.clone(), measure(qrels, &run, &args.measures.0)));
    }
    if config.json {
        let values: BTreeMap<&String, serde_json::Value> =
            columns.iter().map(|(name, measured)| (name, as_json(args, topics, measured))).collect();
        let differences: BTreeMap<String, serde_json::Value> = args
            .measures
            .0
            .iter()
            .map(|&measure| {
                let of_measure = against_first(&columns, measure).into_iter();
                let rows: BTreeMap<String, serde_json::Value> =
                    of_measure.map(|(name, one)| (name, difference(&one))).collect();
                (measure.to_string(), json!(rows))
            })
            .collect();
        print::json(&json!({"schema_version": 1, "systems": values, "against_first": differences}));
        return Ok(ExitCode::SUCCESS);
    }
    for &measure in &args.measures.0 {
        let names: String = columns.iter().map(|(name, _)| format!("{name:>15}")).collect();
        print::line(&format!("{:<14}{:>7}{names}", measure.to_string(), "topics"));
        for (name, ids) in groups(args, topics) {
            let values: String = columns
                .iter()
                .map(|(_, measured)| format!("{:>15.3}", measured.mean(measure, |id| ids.contains(id)).unwrap_or(0.0)))
                .collect();
            print::line(&format!("{name:<14}{:>7}{values}", ids.len()));
        }
        for (name, compared) in against_first(&columns, measure) {
            print::line(&format!("  {}", told(&name, &compared)));
        }
        print::line("");
    }
    Ok(ExitCode::SUCCESS)
}

/// Every system but the first, compared with it on all topics.
fn against_first(columns: &[(String, Measured)], measure: Measure) -> Vec<(String, Paired)> {
    let Some(((_, first), others)) = columns.split_first() else { return Vec::new() };
    let compare =
        |(name, other): &(String, Measured)| (name.clone(), paired(&pairs(first, other, measure, |_| true), SEED));
    others.iter().map(compare).collect()
}

fn told(name: &str, compared: &Paired) -> String {
    let Paired { difference, interval: (low, high), p, topics_needed, .. } = compared;
    let needed = match topics_needed {
        Some(needed) if !compared.is_significant() => format!("; {needed} topics would tell"),
        _ => String::new(),
    };
    format!("{name} against the first: {difference:+.3} (95% {low:+.3} to {high:+.3}), p = {p:.4}{needed}")
}

fn difference(compared: &Paired) -> serde_json::Value {
    let Paired { topics, difference, interval, p, topics_needed } = compared;
    json!({"topics": topics, "difference": difference, "interval": interval, "p": p, "topics_needed": topics_needed})
}

fn system(args: &EvalArgs, text: &str) -> anyhow::Result<System> {
    let Some((name, place)) = text.split_once('=') else {
        bail!("--system {text:?}: expected NAME=DIR or NAME=DIR@LANES");
    };
    let (folder, lanes) = place.rsplit_once('@').unwrap_or((place, args.lanes.lanes.as_str()));
    let lanes = LaneArgs { lanes: lanes.to_owned(), fusion: args.lanes.fusion };
    Ok(System { name: name.to_owned(), index: IndexDir::new(folder), lanes })
}

//! Several indexes, or one along several lanes, side by side.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::bail;
use frontload_core::Embedder;
use frontload_eval::{Measure, Paired, Qrels, Topic, paired, pairs};
use frontload_index::IndexDir;
use serde_json::json;

use super::{Outcome, UNIT, as_json, groups, rank::Ranking};
use crate::{
    args::{EvalSearchArgs, LaneArgs},
    commands::{SEED, open_folder, topics::check_overlap},
    config::Config,
    print,
};

/// One column of a comparison.
pub(super) struct System {
    pub name: String,
    pub index: IndexDir,
    pub lanes: LaneArgs,
}

/// A system's name and what it came to.
type Column = (String, Outcome);

pub fn run(
    config: &Config,
    args: &EvalSearchArgs,
    (topics, qrels): (&[Topic], &Qrels),
    embedder: &mut dyn Embedder,
) -> anyhow::Result<ExitCode> {
    let systems: Vec<System> = args.system.iter().map(|text| system(&args.lanes, text)).collect::<Result<_, _>>()?;
    let mut columns: Vec<Column> = Vec::new();
    for system in &systems {
        let reader = open_folder(&system.index)?;
        check_overlap(&reader, (&args.qrels, qrels))?;
        let ranking = Ranking::of(&reader, embedder, topics, &system.lanes)?;
        ranking.warn(&reader, topics);
        columns.push((system.name.clone(), Outcome::of(args, qrels, &ranking.run)));
    }
    if config.json {
        print::json(&all_as_json(args, topics, &columns));
        return Ok(ExitCode::SUCCESS);
    }
    for &measure in &args.measures.0 {
        let names: String = columns.iter().map(|(name, _)| format!("{name:>15}")).collect();
        print::line(&format!("{:<14}{:>7}{names}", measure.to_string(), "topics"));
        for (name, ids) in groups(args, topics) {
            let mean = |outcome: &Outcome| outcome.measured.mean(measure, |id| ids.contains(id)).unwrap_or(0.0);
            let values: String = columns.iter().map(|(_, outcome)| format!("{:>15.3}", mean(outcome))).collect();
            print::line(&format!("{:<14}{:>7}{values}", print::clean(&name), ids.len()));
        }
        for (name, compared) in against_first(&columns, measure) {
            print::line(&format!("  {name} against the first: {}", print::difference(&compared, "topics")));
        }
        print::line("");
    }
    let unjudged: Vec<String> =
        columns.iter().map(|(name, outcome)| format!("{name} {:.0}%", outcome.unjudged * 100.0)).collect();
    print::line(&format!("{UNIT}; of the first ten not judged: {}", unjudged.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn all_as_json(args: &EvalSearchArgs, topics: &[Topic], columns: &[Column]) -> serde_json::Value {
    let values: BTreeMap<&String, serde_json::Value> =
        columns.iter().map(|(name, outcome)| (name, as_json(args, topics, outcome))).collect();
    let by_measure = args.measures.0.iter().map(|&measure| {
        let rows: BTreeMap<String, serde_json::Value> =
            against_first(columns, measure).into_iter().map(|(name, one)| (name, print::compared(&one))).collect();
        (measure.to_string(), json!(rows))
    });
    let differences: BTreeMap<String, serde_json::Value> = by_measure.collect();
    json!({"schema_version": 1, "systems": values, "against_first": differences})
}

/// Every system but the first, compared with it on all topics.
fn against_first(columns: &[Column], measure: Measure) -> Vec<(String, Paired)> {
    let Some(((_, first), others)) = columns.split_first() else { return Vec::new() };
    let compare = |(name, other): &Column| {
        (name.clone(), paired(&pairs(&first.measured, &other.measured, measure, |_| true), SEED))
    };
    others.iter().map(compare).collect()
}

/// Reads `NAME=DIR[@LANES]`; lanes that are not named are `usual`.
pub(super) fn system(usual: &LaneArgs, text: &str) -> anyhow::Result<System> {
    let Some((name, place)) = text.split_once('=') else {
        bail!("--system {text:?}: expected NAME=DIR or NAME=DIR@LANES");
    };
    let (folder, lanes) = place.rsplit_once('@').unwrap_or((place, usual.lanes.as_str()));
    let lanes = LaneArgs { lanes: lanes.to_owned(), fusion: usual.fusion };
    Ok(System { name: name.to_owned(), index: IndexDir::new(folder), lanes })
}

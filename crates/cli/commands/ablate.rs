//! `frontload ablate`: what each kind of handle and each lane changes, what it costs, and whether to keep it.

use std::{collections::BTreeMap, fs, process::ExitCode, time::Duration};

use anyhow::Context;
use frontload_core::{Embedder, Field, Lane};
use frontload_engine::{EngineError, lane_times, untuned_weights};
use frontload_enrich::{Spent, spent};
use frontload_eval::{
    Ablated, Ablation, Details, Effect, Paired, Report, RowCost, Verdict, Weights, ablate, details, page, verdict,
};
use frontload_index::Reader;
use serde_json::{Value, json};

use crate::{
    args::{AblateArgs, FusionName},
    commands::{open, topics::Ranked},
    config::Config,
    print,
};

/// Topics whose lanes are timed.
const TIMED: usize = 30;

pub fn run(config: &Config, args: &AblateArgs) -> anyhow::Result<ExitCode> {
    let mut embedder = config.embedder(1)?;
    let reader = open(config)?;
    let ranked = Ranked::read(&reader, &mut embedder, (&args.queries, &args.qrels))?;
    let weights = weights(&reader)?;
    let fusion = args.fusion.map_or(reader.manifest().fusion, FusionName::fusion);
    let how = (fusion, args.measures.0.as_slice(), args.seed);
    let Some(ablation) = ablate(&ranked.topics(), &weights, how, &|chunk| ranked.document(chunk)) else {
        anyhow::bail!("--measures: none given");
    };
    let costs = Costs::read(config, &reader, &mut embedder, &ranked)?;
    let described = ranked.described(args.by.as_deref());
    let how = (fusion, ablation.measure, args.seed);
    let details = details(&ranked.topics(), &described, &weights, how, &|chunk| ranked.document(chunk));
    let place = args.html.as_ref().map(|path| path.clone().unwrap_or_else(|| config.index.report()));
    if let Some(path) = &place {
        let page = page(&report(&reader, args, (&ablation, &costs), &details));
        fs::write(path, page).with_context(|| path.display().to_string())?;
    }
    if config.json {
        let mut value = as_json(&ablation, &costs);
        value["curves"] = json!(details.curves);
        value["groups"] = json!(details.groups);
        value["worst"] = json!(details.worst);
        print::json(&value);
    } else {
        describe(&ablation, &costs);
        if let Some(path) = &place {
            print::line(&format!("page: {}", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report<'a>(
    reader: &Reader,
    args: &AblateArgs,
    (ablation, costs): (&'a Ablation, &Costs),
    details: &Details,
) -> Report<'a> {
    let manifest = reader.manifest();
    let row = |row: &Ablated| {
        let Cost { spent, bytes, query_ms } = costs.of(row);
        let tokens = spent.map(|spent| spent.prefill_tokens + spent.answer_tokens);
        let seconds = spent.and_then(|spent| spent.seconds);
        (row.name.clone(), RowCost { tokens, seconds, index_bytes: bytes, query_ms })
    };
    Report {
        title: format!(
            "What the handles of {} are worth",
            manifest.schema.as_ref().map_or("this index", |schema| &schema.name)
        ),
        about: format!(
            "{} documents, {} passages, {} handles; generation {}; topics of {}",
            manifest.documents,
            manifest.chunks,
            manifest.handles,
            manifest.generation,
            args.qrels.display()
        ),
        ablation,
        costs: ablation.kinds.iter().chain(&ablation.lanes).map(row).collect(),
        curves: details.curves.clone(),
        groups: details.groups.clone(),
        worst: details.worst.clone(),
    }
}

/// What lanes count when they are on: as the index says; a lane that is switched off there, as before it was measured.
fn weights(reader: &Reader) -> anyhow::Result<Weights> {
    let mut weights = untuned_weights(reader)?;
    for entry in reader.manifest().lanes.iter().filter(|entry| entry.weight > 0.0) {
        weights.insert(entry.lane.clone(), entry.weight);
    }
    Ok(weights)
}

/// What everything costs.
struct Costs {
    /// The model's work, by kind.
    spent: BTreeMap<String, Spent>,
    bytes: BTreeMap<Lane, u64>,
    times: BTreeMap<Lane, Duration>,
}

/// What one row of the table costs.
struct Cost {
    spent: Option<Spent>,
    bytes: u64,
    query_ms: f64,
}

impl Costs {
    fn read(config: &Config, reader: &Reader, embedder: &mut dyn Embedder, ranked: &Ranked) -> anyhow::Result<Self> {
        let spent = spent(&config.index.ledger()).map_err(EngineError::from)?;
        let lanes = reader.manifest().lanes.iter().map(|entry| &entry.lane);
        let bytes =
            lanes.map(|lane| Ok((lane.clone(), reader.lane_bytes(lane)?))).collect::<Result<_, EngineError>>()?;
        let mut all: BTreeMap<Lane, Vec<Duration>> = BTreeMap::new();
        for text in ranked.texts().take(TIMED) {
            for (lane, took) in lane_times(reader, embedder, text)? {
                all.entry(lane).or_default().push(took);
            }
        }
        let median = |mut times: Vec<Duration>| {
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        let times = all.into_iter().map(|(lane, times)| (lane, median(times))).collect();
        Ok(Self { spent, bytes, times })
    }

    /// Of a kind, or of one lane: the model's work belongs to the kind.
    fn of(&self, row: &Ablated) -> Cost {
        let lanes = || row.weights.keys();
        let kind = lanes().find_map(|lane| match &lane.field {
            Field::Handle(kind) if *kind == row.name => Some(kind),
            _ => None,
        });
        let time = |lane: &Lane| self.times.get(lane).copied().unwrap_or_default().as_secs_f64() * 1e3;
        Cost {
            spent: kind.and_then(|kind| self.spent.get(kind)).copied(),
            bytes: lanes().filter_map(|lane| self.bytes.get(lane)).sum(),
            query_ms: lanes().map(time).sum(),
        }
    }
}

fn describe(ablation: &Ablation, costs: &Costs) {
    let Ablation { measure, topics, plain, all, all_against_plain, kinds, lanes } = ablation;
    let measure = measure.to_string();
    print::line(&format!(
        "{measure} on {topics} topics: text alone {plain:.3}, with everything {all:.3}, {}",
        print::difference(all_against_plain, "topics")
    ));
    if kinds.is_empty() {
        print::line("no handles in this index: there is nothing to add to the text");
    }
    for (title, rows) in [("kind", kinds), ("lane", lanes)].into_iter().filter(|(_, rows)| !rows.is_empty()) {
        print::line("");
        print::line(&format!(
            "{title:<16} {:<29} {:<29} {:<10} cost",
            "added to the text", "taken from everything", "verdict"
        ));
        for row in rows {
            print::line(&format!(
                "{:<16} {:<29} {:<29} {:<10} {}",
                row.name,
                shown(&row.add_one),
                shown(&row.leave_one_out),
                verdict(row.verdict),
                cost(&costs.of(row))
            ));
            if let Verdict::Undecided { topics_needed: Some(needed) } = row.verdict {
                print::line(&format!("{:<16} {needed} topics would tell", ""));
            }
        }
    }
    print::line("");
    print::line(&format!(
        "Differences are {measure} with it, less without it, with 95% intervals; * where p < 0.05 by a paired \
         randomisation test, corrected for all tests of the table (Holm)."
    ));
}

fn shown(effect: &Effect) -> String {
    let Paired { difference, interval: (low, high), .. } = &effect.compared;
    let mark = if effect.corrected < frontload_eval::ALPHA { "*" } else { " " };
    format!("{difference:+.3}{mark} ({low:+.3} to {high:+.3})")
}

fn cost(cost: &Cost) -> String {
    let Cost { spent, bytes, query_ms } = cost;
    let model = spent.map_or_else(String::new, |spent| {
        let seconds = spent.seconds.map_or_else(String::new, |seconds| format!(", {seconds:.0} s"));
        format!("{:.0} + {:.0} tokens{seconds}; ", spent.prefill_tokens, spent.answer_tokens)
    });
    format!("{model}{:.0} kB, {query_ms:.2} ms", *bytes as f64 / 1e3)
}

fn as_json(ablation: &Ablation, costs: &Costs) -> Value {
    let Ablation { measure, topics, plain, all, all_against_plain, kinds, lanes } = ablation;
    let rows =
        |title: &str, rows: &[Ablated]| -> Vec<Value> { rows.iter().map(|row| row_json(title, row, costs)).collect() };
    json!({
        "schema_version": 1, "measure": measure.to_string(), "topics": topics, "plain": plain, "all": all,
        "all_against_plain": print::compared(all_against_plain),
        "kinds": rows("kind", kinds), "lanes": rows("lane", lanes),
    })
}

fn row_json(title: &str, row: &Ablated, costs: &Costs) -> Value {
    let effect = |effect: &Effect| {
        let mut value = print::compared(&effect.compared);
        value["p_corrected"] = json!(effect.corrected);
        value
    };
    let needed = match row.verdict {
        Verdict::Undecided { topics_needed } => topics_needed,
        _ => None,
    };
    let Cost { spent, bytes, query_ms } = costs.of(row);
    let mut cost = json!({"index_bytes": bytes, "query_ms": query_ms});
    if let Some(Spent { calls, prefill_tokens, answer_tokens, seconds }) = spent {
        cost["calls"] = json!(calls);
        cost["prefill_tokens"] = json!(prefill_tokens);
        cost["answer_tokens"] = json!(answer_tokens);
        cost["seconds"] = json!(seconds);
    }
    let others: BTreeMap<&String, Value> = row
        .others
        .iter()
        .map(|(measure, (added, left))| {
            (measure, json!({"add_one": print::compared(added), "leave_one_out": print::compared(left)}))
        })
        .collect();
    let mut value = json!({
        "verdict": verdict(row.verdict), "add_one": effect(&row.add_one), "leave_one_out": effect(&row.leave_one_out),
        "cost": cost, "weights": row.weights, "topics_needed": needed, "other_measures": others,
    });
    value[title] = json!(row.name);
    value
}

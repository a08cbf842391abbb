//! `frontload eval models`: indexes of one corpus whose handles different models wrote, side by side.

use std::{collections::BTreeSet, process::ExitCode};

use frontload_engine::{Conduct, Passed};
use frontload_eval::{Measured, Paired, measure, paired, pairs};
use serde_json::json;

use super::{compare::system, rank::Ranking};
use crate::{
    args::{EvalModelsArgs, LaneArgs},
    commands::{
        SEED, open_folder,
        topics::{check_overlap, judged_topics},
    },
    config::Config,
    print,
};

/// One model: its name, its work, its rankings' values.
struct Column {
    name: String,
    conduct: Conduct,
    measured: Measured,
}

pub fn run(config: &Config, args: &EvalModelsArgs) -> anyhow::Result<ExitCode> {
    let (topics, qrels) = judged_topics(&args.queries, &args.qrels)?;
    let mut embedder = config.embedder(1)?;
    let mut columns: Vec<Column> = Vec::new();
    for text in &args.system {
        let system = system(&LaneArgs { lanes: "all".to_owned(), fusion: None }, text)?;
        let reader = open_folder(&system.index)?;
        check_overlap(&reader, (&args.qrels, &qrels))?;
        let ranking = Ranking::of(&reader, &mut embedder, &topics, &system.lanes)?;
        let measured = measure(&qrels, &ranking.run, &args.measures.0);
        columns.push(Column { name: system.name, conduct: Conduct::read(&system.index, &reader)?, measured });
    }
    if config.json {
        print::json(&as_json(args, &columns));
    } else {
        describe(args, &columns);
    }
    Ok(ExitCode::SUCCESS)
}

fn kinds(columns: &[Column]) -> BTreeSet<&str> {
    columns.iter().flat_map(|column| column.conduct.kinds.keys()).map(String::as_str).collect()
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}

fn passed(conduct: &Conduct, kind: &str) -> Passed {
    conduct.kinds.get(kind).copied().unwrap_or_default()
}

fn describe(args: &EvalModelsArgs, columns: &[Column]) {
    let line = |title: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: String = columns.iter().map(|column| format!("{:>26}", cell(column))).collect();
        print::line(&format!("{title:<26}{cells}"));
    };
    line("", &|column| column.name.clone());
    line("answers that read", &|Column { conduct, .. }| {
        format!("{} of {} ({:.1}%)", conduct.parsed, conduct.calls, share(conduct.parsed, conduct.calls) * 100.0)
    });
    line("tokens a second", &|column| {
        column.conduct.tokens_a_second().map_or_else(|| "not known".to_owned(), |rate| format!("{rate:.0}"))
    });
    for kind in kinds(columns) {
        line(&format!("{kind}: kept by the gates"), &|column| {
            let Passed { kept, turned_away } = passed(&column.conduct, kind);
            format!("{kept} of {} ({:.0}%)", kept + turned_away, share(kept, kept + turned_away) * 100.0)
        });
        if let Some((first, _)) = columns.split_first() {
            line(&format!("{kind}: like the first's"), &|column| {
                let alike = column.conduct.agreement(&first.conduct, kind);
                alike.map_or_else(|| "–".to_owned(), |alike| format!("{alike:.3}"))
            });
        }
    }
    for &measure in &args.measures.0 {
        line(&measure.to_string(), &|column| format!("{:.3}", column.measured.mean(measure, |_| true).unwrap_or(0.0)));
        line("  against the first", &|column| {
            let Some(Paired { difference, interval: (low, high), p, .. }) = against_first(columns, column, measure)
            else {
                return String::new();
            };
            format!("{difference:+.3} ({low:+.3}…{high:+.3}) p {p:.2}")
        });
    }
}

fn against_first(columns: &[Column], column: &Column, measure: frontload_eval::Measure) -> Option<Paired> {
    let first = columns.first().filter(|first| first.name != column.name)?;
    Some(paired(&pairs(&first.measured, &column.measured, measure, |_| true), SEED))
}

fn as_json(args: &EvalModelsArgs, columns: &[Column]) -> serde_json::Value {
    let rows: Vec<serde_json::Value> = columns
        .iter()
        .map(|column| {
            let conduct = &column.conduct;
            let of_kind = |kind: &str| {
                let Passed { kept, turned_away } = passed(conduct, kind);
                let alike = columns.first().and_then(|first| conduct.agreement(&first.conduct, kind));
                (kind.to_owned(), json!({"kept": kept, "turned_away": turned_away, "agreement_with_first": alike}))
            };
            let kinds: serde_json::Map<String, serde_json::Value> = kinds(columns).into_iter().map(of_kind).collect();
            let of_measure = |&measure: &frontload_eval::Measure| {
                let against = against_first(columns, column, measure).map(|compared| print::compared(&compared));
                let mean = column.measured.mean(measure, |_| true);
                (measure.to_string(), json!({"mean": mean, "against_first": against}))
            };
            let measures: serde_json::Map<String, serde_json::Value> = args.measures.0.iter().map(of_measure).collect();
            json!({
                "name": column.name, "model": conduct.model, "calls": conduct.calls, "parsed": conduct.parsed,
                "tokens_per_second": conduct.tokens_a_second(), "kinds": kinds, "measures": measures,
            })
        })
        .collect();
    json!({"schema_version": 1, "models": rows})
}

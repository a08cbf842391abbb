//! `frontload diff`: what a publish changed.

use std::process::ExitCode;

use anyhow::{Context, bail};
use frontload_engine::{Difference, Moved, diff, moved};
use frontload_eval::read_topics;
use frontload_index::Reader;
use serde_json::json;

use crate::{args::DiffArgs, config::Config, print};

/// Items shown of each sort.
const SHOWN: usize = 10;

pub fn run(config: &Config, args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let kept = Reader::generations(&config.index);
    let after = args.after.or_else(|| kept.last().copied()).context("no generation; `frontload index` makes one")?;
    let earlier = || kept.iter().rev().find(|&&number| number < after).copied();
    let Some(before) = args.before.or_else(earlier) else {
        bail!("generation {after} has none before it: nothing to compare it with");
    };
    let (old, new) = (Reader::open_generation(&config.index, before)?, Reader::open_generation(&config.index, after)?);
    let difference = diff(&old, &new)?;
    let queries: Vec<String> = match &args.queries {
        Some(path) => read_topics(path)?.into_iter().map(|topic| topic.text).collect(),
        None => Vec::new(),
    };
    let moves = if queries.is_empty() {
        Vec::new()
    } else {
        moved((&old, &new), &mut config.embedder(1)?, &queries, args.k as usize)?
    };
    if config.json {
        print::json(&as_json((before, after), &difference, &moves, queries.len()));
    } else {
        describe((before, after), &difference, (&moves, queries.len(), args.k));
    }
    Ok(ExitCode::SUCCESS)
}

fn describe((before, after): (u64, u64), found: &Difference, (moves, queries, k): (&[Moved], usize, u32)) {
    let handles = |added: bool| {
        found.handles.iter().map(|change| if added { change.added.len() } else { change.removed.len() }).sum::<usize>()
    };
    print::line(&format!(
        "generation {before} to {after}: {} chunks added, {} removed, {} changed; {} handles added, {} removed",
        found.added.len(),
        found.removed.len(),
        found.changed.len(),
        handles(true),
        handles(false),
    ));
    for (sign, ids) in [("+", &found.added), ("-", &found.removed), ("~", &found.changed)] {
        some(ids, |id| print::line(&format!("  {sign} {}", print::clean(id))));
    }
    some(&found.handles, |change| {
        let told = |sign: &str, texts: &[String]| -> String {
            texts.iter().map(|text| format!(" {sign}“{}”", print::cut(text, 60))).collect()
        };
        let (came, went) = (told("+", &change.added), told("-", &change.removed));
        print::line(&format!("  {} {}:{came}{went}", print::clean(&change.chunk), change.kind));
    });
    if queries > 0 {
        print::line(&format!("{} of {queries} queries have another first {k}", moves.len()));
        some(moves, |one| {
            print::line(&format!("  {} of {} kept: {}", one.shared, one.before.len(), print::cut(&one.query, 80)));
            print::line(&format!("    was {}", print::cut(&one.before.join(" "), 100)));
            print::line(&format!("    is  {}", print::cut(&one.after.join(" "), 100)));
        });
    }
}

fn some<T>(items: &[T], show: impl Fn(&T)) {
    items.iter().take(SHOWN).for_each(show);
    if items.len() > SHOWN {
        print::line(&format!("  … {} more (all with --json)", items.len() - SHOWN));
    }
}

fn as_json((before, after): (u64, u64), found: &Difference, moves: &[Moved], queries: usize) -> serde_json::Value {
    let handles: Vec<serde_json::Value> = found
        .handles
        .iter()
        .map(|change| {
            json!({"chunk": change.chunk, "kind": change.kind, "added": change.added, "removed": change.removed})
        })
        .collect();
    let moves: Vec<serde_json::Value> = moves
        .iter()
        .map(|one| json!({"query": one.query, "before": one.before, "after": one.after, "shared": one.shared}))
        .collect();
    json!({
        "schema_version": 1, "before": before, "after": after, "added": found.added, "removed": found.removed,
        "changed": found.changed, "handles": handles, "queries": queries, "moved": moves,
    })
}

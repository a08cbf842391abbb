//! `frontload suggest`: from queries that the text does not answer to the kinds of handle that would.

use std::{collections::BTreeSet, fs::OpenOptions, io::Write, process::ExitCode};

use anyhow::Context;
use frontload_core::Generator;
use frontload_engine::{Gap, LoggedQuery, Missed, Proposed, SuggestOptions, Suggestion, suggest};
use frontload_eval::{read_qrels, read_topics};
use serde_json::json;

use crate::{
    args::SuggestArgs,
    commands::{SEED, open, topics::check_overlap},
    config::Config,
    print,
};

/// Queries shown of a group or a kind.
const SHOWN: usize = 3;

pub fn run(config: &Config, args: &SuggestArgs) -> anyhow::Result<ExitCode> {
    let queries = queries(config, args)?;
    let reader = open(config)?;
    let mut embedder = config.embedder(1)?;
    let mut generator = if args.no_model { None } else { Some(config.generator(1)?) };
    let generator = generator.as_mut().map(|generator| generator.as_mut() as &mut dyn Generator);
    let options =
        SuggestOptions { k: args.k as usize, most_kinds: args.kinds as usize, seed: SEED, about: &args.about };
    let suggestion = suggest(&reader, (&mut embedder, generator), &queries, options)?;
    if let Some(path) = &args.out {
        // A schema somebody has worked on is not written over.
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(path).with_context(|| path.display().to_string())?;
        file.write_all(suggestion.schema.as_bytes()).with_context(|| path.display().to_string())?;
    }
    if config.json {
        print::json(&as_json(&suggestion, &queries));
        return Ok(ExitCode::SUCCESS);
    }
    let report = describe(&suggestion, &queries);
    if args.out.is_some() {
        print::line(&report);
    } else {
        eprintln!("{report}\n");
        print::line(suggestion.schema.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

fn queries(config: &Config, args: &SuggestArgs) -> anyhow::Result<Vec<LoggedQuery>> {
    let topics = read_topics(&args.queries)?;
    let Some(path) = &args.qrels else {
        let logged = |topic: frontload_eval::Topic| LoggedQuery { id: topic.id, text: topic.text, relevant: None };
        return Ok(topics.into_iter().map(logged).collect());
    };
    let qrels = read_qrels(path)?;
    check_overlap(&open(config)?, (path, &qrels))?;
    // Only what is judged: another split's topics are not to be looked at.
    let judged = topics.into_iter().filter_map(|topic| {
        let levels = qrels.get(&topic.id)?;
        let relevant: BTreeSet<String> =
            levels.iter().filter(|(_, level)| **level > 0).map(|(document, _)| document.clone()).collect();
        Some(LoggedQuery { id: topic.id, text: topic.text, relevant: Some(relevant) })
    });
    Ok(judged.collect())
}

fn gap(gap: Gap) -> &'static str {
    match gap {
        Gap::Word => "words",
        Gap::Vector => "vector",
        Gap::Both => "both",
        Gap::Order => "order",
    }
}

fn describe(suggestion: &Suggestion, queries: &[LoggedQuery]) -> String {
    let Suggestion { missed, groups, kinds, held_out, .. } = suggestion;
    let count = |wanted: Gap| missed.iter().filter(|missed| missed.gap == wanted).count();
    let text = |query: usize| queries.get(query).map(|query| print::cut(&query.text, 80)).unwrap_or_default();
    let guessed =
        if queries.iter().all(|query| query.relevant.is_none()) { " (guessed: nothing is judged)" } else { "" };
    let mut lines = vec![format!(
        "{} queries, {} not answered by the text alone{guessed}: {} lack words, {} a near vector, {} both, {} neither but \
         the order",
        queries.len(),
        missed.len(),
        count(Gap::Word),
        count(Gap::Vector),
        count(Gap::Both),
        count(Gap::Order)
    )];
    for (number, group) in groups.iter().enumerate() {
        lines.push(format!("\ngroup {}: {} queries", number + 1, group.len()));
        let members = group.iter().filter_map(|&at| missed.get(at)).take(SHOWN);
        lines.extend(members.map(|Missed { query, gap: why, missing, .. }| {
            format!("  {:<80} lacks {}: {}", text(*query), gap(*why), print::cut(&missing.join(", "), 60))
        }));
    }
    lines.push(String::new());
    for Proposed { candidate, named_by_model, wanted_by, examples } in kinds {
        let origin = if *named_by_model { ", named by the model" } else { "" };
        let ask = print::clean(&candidate.ask);
        lines.push(format!("{}: {ask} ({} queries{origin})", candidate.kind, wanted_by.len()));
        let said = |query: usize| examples.iter().find(|(at, _)| *at == query).map(|(_, said)| said);
        lines.extend(wanted_by.iter().take(SHOWN).map(|&query| match said(query) {
            Some(said) => format!("  {}  ->  “{}”", text(query), print::cut(said, 60)),
            None => format!("  {}", text(query)),
        }));
    }
    if kinds.is_empty() {
        lines.push("no kind of handle is called for by these queries".to_owned());
    }
    lines.push(format!(
        "\nchosen on every other failing query; {} of the {} others want one of these kinds",
        held_out.0, held_out.1
    ));
    lines.join("\n")
}

fn as_json(suggestion: &Suggestion, queries: &[LoggedQuery]) -> serde_json::Value {
    let Suggestion { missed, groups, kinds, held_out, schema } = suggestion;
    let id = |query: usize| queries.get(query).map(|query| query.id.as_str()).unwrap_or_default();
    let missed_rows: Vec<serde_json::Value> = missed
        .iter()
        .map(|missed| json!({"query": id(missed.query), "gap": gap(missed.gap), "missing": missed.missing}))
        .collect();
    let group_rows: Vec<Vec<&str>> = groups
        .iter()
        .map(|group| group.iter().filter_map(|&at| missed.get(at)).map(|missed| id(missed.query)).collect())
        .collect();
    let kind_rows: Vec<serde_json::Value> = kinds
        .iter()
        .map(|Proposed { candidate, named_by_model, wanted_by, examples }| {
            json!({
                "kind": candidate.kind, "ask": candidate.ask, "evidence": candidate.evidence,
                "named_by_model": named_by_model,
                "queries": wanted_by.iter().map(|&query| id(query)).collect::<Vec<_>>(),
                "examples": examples.iter().map(|(query, said)| json!({"query": id(*query), "handle": said})).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "schema_version": 1, "queries": queries.len(), "missed": missed_rows, "groups": group_rows, "kinds": kind_rows,
        "held_out": {"reached": held_out.0, "of": held_out.1}, "schema": schema,
    })
}

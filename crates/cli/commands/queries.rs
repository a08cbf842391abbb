//! `frontload queries`: test queries out of the corpus.

use std::{fmt::Write as _, fs, path::Path, process::ExitCode};

use anyhow::{Context, bail};
use frontload_engine::{QueryType, SynthOptions, Synthesis, synthesise};
use frontload_index::Reader;
use serde_json::json;

use crate::{
    args::SynthArgs,
    commands::{eval::MADE_BY, open},
    config::Config,
    exit, print,
};

pub fn synth(config: &Config, args: &SynthArgs) -> anyhow::Result<ExitCode> {
    let reader = open(config)?;
    let types = types(&reader, args)?;
    let mut embedder = config.embedder(1)?;
    let mut generator = config.generator(1)?;
    let by = generator.fingerprint().to_owned();
    for path in [&args.out, &args.qrels_out] {
        if path.exists() {
            bail!("{}: is there already, and is not written over", path.display());
        }
    }
    let options = SynthOptions { types: &types, count: args.count as usize, seed: args.seed };
    let mut last = usize::MAX;
    let synthesis = synthesise(&reader, (&mut embedder, generator.as_mut()), options, &mut |done, of| {
        if !config.quiet && done != last && done.is_multiple_of(10) {
            eprintln!("{done} of {of} queries");
        }
        last = done;
    })?;
    write(&args.out, &args.qrels_out, &synthesis, &by)?;
    let Synthesis { queries, asked, turned_away } = &synthesis;
    if config.json {
        print::json(&json!({
            "schema_version": 1, "queries": queries.len(), "asked": asked, "turned_away": turned_away, "made_by": by,
        }));
    } else {
        print::line(&format!("{} queries from {asked} passages: {}", queries.len(), args.out.display()));
        for (reason, count) in turned_away {
            print::line(&format!("  {count} turned away: {reason}"));
        }
        print::line("Each is judged by the one document it was written from; others may answer it as well.");
    }
    Ok(if queries.len() < args.count as usize { ExitCode::from(exit::QUARANTINED) } else { ExitCode::SUCCESS })
}

/// The kinds of the index's schema that ask something, or those that were named.
fn types(reader: &Reader, args: &SynthArgs) -> anyhow::Result<Vec<QueryType>> {
    let schema = reader.manifest().schema.as_ref();
    let known: Vec<QueryType> = schema
        .iter()
        .flat_map(|schema| schema.asked())
        .map(|spec| QueryType { name: spec.kind.clone(), ask: spec.ask.clone() })
        .collect();
    let mut types = Vec::new();
    for wanted in &args.types {
        let of_own = wanted.split_once('=').map(|(name, ask)| QueryType { name: name.to_owned(), ask: ask.to_owned() });
        let found = of_own.or_else(|| known.iter().find(|known| known.name == *wanted).cloned());
        let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
        types.push(found.with_context(|| {
            format!(
                "--type {wanted}: this index's schema has {}; another type is written NAME=QUESTION",
                names.join(", ")
            )
        })?);
    }
    let types = if types.is_empty() { known } else { types };
    if types.is_empty() {
        bail!("this index has no schema whose kinds could be the queries' types: give some, --type NAME=QUESTION");
    }
    Ok(types)
}

fn write(queries: &Path, qrels: &Path, synthesis: &Synthesis, by: &str) -> anyhow::Result<()> {
    let (mut topics, mut judgments) = (String::new(), "query-id\tcorpus-id\tscore\n".to_owned());
    for (at, query) in synthesis.queries.iter().enumerate() {
        let id = format!("s{:04}", at + 1);
        let row = json!({
            "_id": id, "text": query.text,
            "metadata": {"type": query.query_type, "chunk": query.chunk, MADE_BY: by},
        });
        let _ = writeln!(topics, "{row}");
        let _ = writeln!(judgments, "{id}\t{}\t1", query.document);
    }
    fs::write(queries, topics).with_context(|| queries.display().to_string())?;
    fs::write(qrels, judgments).with_context(|| qrels.display().to_string())
}

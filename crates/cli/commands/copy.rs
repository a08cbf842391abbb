//! `frontload copy`: an index to a cluster and back.

use std::{ops::ControlFlow, process::ExitCode};

use frontload_cluster::{Published, Recovered, Step, publish, recover};
use frontload_engine::Report;
use serde_json::json;

use crate::{
    args::{CopyArgs, Place},
    commands::{build_threads, interrupts, open_folder},
    config::{Backend, Config},
    print,
    progress::Progress,
};

pub fn run(config: &Config, args: &CopyArgs) -> anyhow::Result<ExitCode> {
    match (args.to, args.from) {
        (None, Some(Place::Milvus)) => from_milvus(config),
        // One of both is given: the command line says so.
        (Some(Place::Milvus), _) | (None, None) => told(config),
    }
}

fn told(config: &Config) -> anyhow::Result<ExitCode> {
    let (published, uri) = to_milvus(config)?;
    let Published { generation, chunks, rows, written, already } = published;
    if config.json {
        print::json(&json!({
            "schema_version": 1, "generation": generation, "chunks": chunks, "rows": rows, "written": written,
            "already": already, "uri": uri,
        }));
    } else if already {
        print::line(&format!("generation {generation} is published at {uri} already: {chunks} chunks, {rows} rows"));
    } else {
        print::line(&format!(
            "generation {generation} published at {uri}: {chunks} chunks, {rows} rows, {written} of them written now; \
             count and checksum are those of the index"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Publishes what was built where lanes are searched, if that is a cluster.
pub fn publish_built(config: &Config, report: &Report) -> anyhow::Result<()> {
    if report.built.is_some() && config.backend == Backend::Milvus {
        let (published, uri) = to_milvus(config)?;
        eprintln!(
            "generation {} published at {uri}: {} rows, {} of them written now",
            published.generation, published.rows, published.written
        );
    }
    Ok(())
}

fn to_milvus(config: &Config) -> anyhow::Result<(Published, String)> {
    let connection = config.cluster()?;
    let reader = open_folder(&config.index)?;
    let stop = interrupts()?;
    let mut progress = Progress::new(config.quiet);
    let published =
        publish(&reader, &connection, &mut |step: Step| -> ControlFlow<()> { progress.copied(step, &stop) })?;
    Ok((published, connection.uri))
}

fn from_milvus(config: &Config) -> anyhow::Result<ExitCode> {
    let connection = config.cluster()?;
    // It cuts long texts as it did when the index was built, and embeds none.
    let mut embedder = config.embedder(build_threads())?;
    let stop = interrupts()?;
    let mut progress = Progress::new(config.quiet);
    let mut show = |step: Step| -> ControlFlow<()> { progress.copied(step, &stop) };
    let Recovered { generation, chunks, vectors, embedded } =
        recover(&connection, &config.index, &mut embedder, &mut show)?;
    if config.json {
        print::json(&json!({
            "schema_version": 1, "generation": generation, "chunks": chunks, "vectors": vectors, "embedded": embedded,
            "uri": connection.uri,
        }));
    } else {
        print::line(&format!(
            "{}: generation {generation} from {}: {chunks} chunks, {vectors} vectors, {embedded} texts embedded anew",
            config.index.path().display(),
            connection.uri
        ));
    }
    if !config.index.ledger().exists() {
        eprintln!(
            "the ledger is not in Milvus: this index is searched and measured, but built only where its ledger is"
        );
    }
    Ok(ExitCode::SUCCESS)
}

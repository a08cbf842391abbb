//! One file a command.

pub mod ablate;
pub mod aliases;
pub mod ask;
pub mod batch;
pub mod completions;
pub mod config;
pub mod copy;
pub mod diff;
pub mod doctor;
pub mod dry_run;
pub mod eval;
pub mod handles;
pub mod hubs;
pub mod index;
pub mod init;
pub mod inspect;
pub mod key;
pub mod mcp;
pub mod models;
pub mod plan;
pub mod purge;
pub mod queries;
pub mod report;
pub mod review;
pub mod schema;
pub mod search;
pub mod serve;
pub mod shards;
pub mod suggest;
pub mod topics;
pub mod training;
pub mod tune;
pub mod verify;
pub mod worker;

use std::sync::{Arc, atomic::AtomicBool};

use frontload_index::{IndexDir, Reader};

use crate::config::{Backend, Config};

/// Of the tests of significance, so that they give the same each time.
pub const SEED: u64 = 20_071_105;

/// Threads for embedding while building, when nobody waits for a single text.
fn build_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Opens the live generation, wherever its lanes lie.
fn open(config: &Config) -> anyhow::Result<Reader> {
    match &config.backend {
        Backend::Folder => open_folder(&config.index),
        Backend::Milvus => Ok(frontload_cluster::open(&config.cluster()?)?),
    }
}

/// Opens the live generation of a folder, and says so when an older one has to stand in.
fn open_folder(dir: &IndexDir) -> anyhow::Result<Reader> {
    let opened = Reader::open(dir)?;
    if let Some(damage) = opened.stale {
        eprintln!("warning: {damage}; generation {} answers", opened.reader.manifest().generation);
    }
    Ok(opened.reader)
}

/// Set by the first interrupt; the second one ends the program at once.
fn interrupts() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(crate::exit::INTERRUPTED), stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

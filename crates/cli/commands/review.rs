//! `frontload review`: the page with the review's queue, and the writer's lock held.

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use frontload_engine::{Desk, EmbeddedQuery, embed_queries};
use frontload_eval::read_topics;
use frontload_server::Reviewing;

use crate::{
    args::{ReviewArgs, ServeArgs},
    commands::{build_threads, serve},
    config::{Backend, Config},
};

/// Queries embedded at once.
const AT_ONCE: usize = 64;

pub fn run(config: &Config, args: &ReviewArgs) -> anyhow::Result<ExitCode> {
    if !args.listen.ip().is_loopback() {
        bail!("{}: a review is served on this machine alone; use 127.0.0.1", args.listen);
    }
    if config.backend != Backend::Folder {
        bail!("a review is of the index's folder: give --backend folder, and `frontload copy --to milvus` after it");
    }
    let queries = args.queries.as_deref().map(|path| embedded(config, path)).transpose()?.unwrap_or_default();
    if queries.is_empty() {
        eprintln!("without --queries every handle counts alike; doubt alone orders the queue");
    }
    let desk = Desk::open(&config.index, queries)?;
    let again = config.again();
    let open = move || match again.embedder(build_threads()) {
        Ok(embedder) => Ok(Box::new(embedder) as Box<dyn frontload_core::Embedder + Send>),
        Err(error) => Err(format!("{error:#}")),
    };
    serve::served(config, &ServeArgs::for_review(args.listen), Some(Reviewing::new(desk, Box::new(open))))
}

/// The queries of a file, which tell what a handle decides.
fn embedded(config: &Config, path: &Path) -> anyhow::Result<Vec<(String, EmbeddedQuery)>> {
    let topics = read_topics(path)?;
    let mut embedder = config.embedder(build_threads())?;
    let mut queries = Vec::new();
    for part in topics.chunks(AT_ONCE) {
        let texts: Vec<&str> = part.iter().map(|topic| topic.text.as_str()).collect();
        let embedded = embed_queries(&mut embedder, &texts);
        queries.extend(part.iter().map(|topic| topic.text.clone()).zip(embedded));
    }
    Ok(queries)
}

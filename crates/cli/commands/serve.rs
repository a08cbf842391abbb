//! `frontload serve`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use frontload_core::Embedder;
use frontload_index::IndexError;
use frontload_server::{Live, ServeOptions, Service, serve};
use tokio::{net::TcpListener, signal::unix};

use crate::{args::ServeArgs, config::Config, print};

pub fn run(config: &Config, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    if !args.listen.ip().is_loopback() {
        bail!("{}: only loopback addresses are served, there is no authentication yet; use 127.0.0.1", args.listen);
    }
    let live = Live::open(config.index.clone())?;
    let generation = live.reader().manifest().generation;
    let embedder = config.embedder(1)?;
    let index = live.reader().manifest().embedder.clone();
    if index != embedder.fingerprint() {
        return Err(IndexError::OtherEmbedder { index, given: embedder.fingerprint().to_owned() }.into());
    }
    let options = ServeOptions {
        live,
        embedder: Box::new(embedder),
        generator: if args.no_answers { None } else { Some(config.generator(1)?) },
        exemplars: config.exemplars(args.exemplars.as_deref())?,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let served: anyhow::Result<()> = runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| args.listen.to_string())?;
        let address = listener.local_addr()?;
        // Before anybody is told the address, and may end the service.
        let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
        let mut terminate = unix::signal(unix::SignalKind::terminate())?;
        if config.json {
            print::json(&serde_json::json!({"listening": address.to_string(), "generation": generation}));
        } else {
            print::line(&format!("listening on http://{address}, generation {generation}; Ctrl-C ends it"));
        }
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        serve(Service::new(options), listener, shutdown).await.map_err(|error| anyhow::anyhow!("{error}"))
    });
    // An answer that is still being written keeps its thread; nobody waits for it any more.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

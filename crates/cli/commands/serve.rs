//! `frontload serve`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use frontload_server::{Live, ServeOptions, Service, serve};
use tokio::{net::TcpListener, signal::unix};

use crate::{args::ServeArgs, config::Config, print};

pub fn run(config: &Config, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    if !args.listen.ip().is_loopback() {
        bail!("{}: only loopback addresses are served, there is no authentication yet; use 127.0.0.1", args.listen);
    }
    let live = Live::open(config.index.clone())?;
    let generation = live.reader().manifest().generation;
    let options = ServeOptions {
        live,
        embedder: Box::new(config.embedder(1)?),
        generator: if args.no_answers { None } else { Some(config.generator(1)?) },
        exemplars: config.exemplars(args.exemplars.as_deref())?,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| args.listen.to_string())?;
        let address = listener.local_addr()?;
        if config.json {
            print::json(&serde_json::json!({"listening": address.to_string(), "generation": generation}));
        } else {
            print::line(&format!("listening on http://{address}, generation {generation}; Ctrl-C ends it"));
        }
        let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
        let mut terminate = unix::signal(unix::SignalKind::terminate())?;
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        serve(Service::new(options), listener, shutdown).await.map_err(|error| anyhow::anyhow!("{error}"))
    })?;
    Ok(ExitCode::SUCCESS)
}

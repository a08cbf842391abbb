//! `frontload serve`.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use frontload_core::Embedder;
use frontload_engine::Manner;
use frontload_index::IndexError;
use frontload_server::{Keys, Live, Model, Reviewing, ServeOptions, Service, Tls, serve};
use tokio::{net::TcpListener, signal::unix};

use crate::{
    args::{ModeName, ServeArgs},
    config::{Backend, Config},
    logs, print,
};

/// A caller of the service is not kept waiting longer than this for a cluster that does not answer.
const PATIENCE_OF_CALLERS: Duration = Duration::from_secs(3);

pub fn run(config: &Config, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    served(config, args, None)
}

/// Serves until it is told to end; with a desk, people review there.
pub fn served(config: &Config, args: &ServeArgs, reviewing: Option<Reviewing>) -> anyhow::Result<ExitCode> {
    let (tls, keys) = guards(args)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let logs = runtime.block_on(async { logs::start(args.log_format, args.otlp.as_deref()) })?;
    let service =
        Service::new(ServeOptions { reviewing, ..parts(config, args)? }).map_err(|error| anyhow::anyhow!("{error}"))?;
    let generation = service.generation();
    let served: anyhow::Result<()> = runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| args.listen.to_string())?;
        let address = listener.local_addr()?;
        // Before anybody is told the address, and may end the service.
        let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
        let mut terminate = unix::signal(unix::SignalKind::terminate())?;
        if config.json {
            print::json(&serde_json::json!({"listening": address.to_string(), "generation": generation}));
        } else {
            print::line(&format!(
                "generation {generation} on {scheme}://{address}: the page, JSON and gRPC; Ctrl-C ends it"
            ));
        }
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        Ok(serve(service, (listener, tls, keys), shutdown).await?)
    });
    // While the runtime still runs, which sends them.
    drop(logs);
    // An answer that is still being written keeps its thread; nobody waits for it any more.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

/// Who may come in. An address that others reach needs both.
fn guards(args: &ServeArgs) -> anyhow::Result<(Option<Tls>, Keys)> {
    let keys = args.keys.as_deref().map(Keys::read).transpose()?.unwrap_or_default();
    let files = args.tls_cert.clone().zip(args.tls_key.clone());
    let tls = files.map(|(certificates, key)| Tls { certificates, key, clients: args.client_ca.clone() });
    if !args.listen.ip().is_loopback() && (tls.is_none() || keys.is_empty()) {
        let mut missing = Vec::new();
        if tls.is_none() {
            missing.push("--tls-cert and --tls-key");
        }
        if keys.is_empty() {
            missing.push("--keys");
        }
        bail!(
            "{}: beyond loopback nothing is served in the clear or to everybody; give {}, or use 127.0.0.1",
            args.listen,
            missing.join(", and ")
        );
    }
    Ok((tls, keys))
}

fn parts(config: &Config, args: &ServeArgs) -> anyhow::Result<ServeOptions> {
    let live = match config.backend {
        Backend::Folder => Live::open(config.index.clone())?,
        Backend::Milvus => {
            // Remarks are written down here, where there may be no index.
            std::fs::create_dir_all(config.index.path()).context("the folder for remarks on hits")?;
            let mut cluster = config.cluster()?;
            cluster.patience_of_searches = cluster.patience_of_searches.min(PATIENCE_OF_CALLERS);
            Live::elsewhere(frontload_cluster::open(&cluster)?)
        }
    };
    let mut embedder = config.embedder(1)?;
    let index = live.reader().manifest().embedder.clone();
    if index != embedder.fingerprint() {
        return Err(IndexError::OtherEmbedder { index, given: embedder.fingerprint().to_owned() }.into());
    }
    let without = args.no_model || args.answering.mode == Some(ModeName::Extract);
    let keep_alive = (args.keep_alive > 0).then(|| Duration::from_secs(args.keep_alive));
    let model = if without {
        None
    } else {
        let generator = config.answerer().context("start with --no-model to extract answers without a model")?;
        Some(Model::new(config.model.clone(), generator, keep_alive))
    };
    let manner = model.as_ref().map_or(Manner::Extract, Model::manner);
    let answering = config.answering(&args.answering, manner, &mut |texts, role| embedder.embed(texts, role))?;
    Ok(ServeOptions {
        live,
        embedder: Box::new(embedder),
        model,
        answering,
        feedback: config.index.feedback(),
        report: args.report.clone().unwrap_or_else(|| config.index.report()),
        reviewing: None,
    })
}

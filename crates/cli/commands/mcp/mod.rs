//! `frontload mcp`: the index as tools of an assistant, over stdin and stdout.
//!
//! Stdout belongs to the protocol: what people are told goes to stderr. What is wrong with a call is a result of its
//! tool and no error of the protocol: only the former reaches the assistant, which can then do better.

mod tools;

use std::{
    collections::BTreeSet,
    future::ready,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use frontload_core::{Embedder, Field, Generator};
use frontload_engine::{Answering, Manner};
use frontload_index::{IndexError, Manifest, Reader};
use frontload_models::SentenceEmbedder;
use frontload_server::Live;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::{QuitReason, RequestContext, ServerInitializeError},
    transport::stdio,
};

use crate::{
    args::{McpArgs, ModeName},
    commands::open,
    config::{Backend, Config},
    print,
};

/// Characters of what a schema says about its corpus, and about one of its kinds, in the instructions.
const ABOUT_CHARS: usize = 300;
const KIND_CHARS: usize = 100;
/// Corpora and facts that the instructions name: an assistant reads them in every conversation.
const NAMED: usize = 20;

pub fn run(config: &Config, args: &McpArgs) -> anyhow::Result<ExitCode> {
    let server = Server::new(Desk::open(config, args)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(serve(server));
    // An answer that is still being written keeps its thread; nobody waits for it any more.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

/// Serves until stdin is closed.
async fn serve(server: Server) -> anyhow::Result<()> {
    // The handshake holds whole messages: they are kept off the stack.
    let running = match Box::pin(server.serve(stdio())).await {
        Ok(running) => running,
        // Nobody said anything: that ends like any other conversation.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if let QuitReason::JoinError(error) = running.waiting().await? {
        return Err(error.into());
    }
    Ok(())
}

/// The assistant's side of the protocol.
struct Server {
    about: ServerConfig,
    tools: Vec<Tool>,
    desk: Arc<Desk>,
}

impl Server {
    fn new(desk: Desk) -> Self {
        let about = ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("frontload", env!("CARGO_PKG_VERSION")))
            .with_instructions(instructions(desk.serving.live.reader().manifest()));
        Self { about, tools: tools::all(), desk: Arc::new(desk) }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        self.about.clone()
    }

    fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> {
        ready(Ok(ListToolsResult::with_all_items(self.tools.clone())))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let CallToolRequestParams { name, arguments, .. } = request;
        if !self.tools.iter().any(|tool| tool.name == name) {
            return Err(ErrorData::invalid_params(format!("no tool {name:?}"), None));
        }
        let (desk, cancelled) = (Arc::clone(&self.desk), context.ct);
        // Searching computes and answering waits for a model: meanwhile other messages are read.
        let work = move || desk.call(&name, arguments.unwrap_or_default(), &|| cancelled.is_cancelled());
        let worked = tokio::task::spawn_blocking(work).await.unwrap_or_else(|panicked| Err(panicked.into()));
        let result: CallToolResult = match worked {
            Ok(reply) => reply.into(),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(print::clean(&crate::told(&error)))]),
        };
        Ok(result.into())
    }
}

/// What the tools work with. Each model has a lock of its own: searches do not wait for answers.
struct Desk {
    serving: Serving,
    embedder: Mutex<SentenceEmbedder>,
    /// `None` when answers are extracted.
    generator: Option<Mutex<Box<dyn Generator + Send>>>,
    how: Answering,
}

impl Desk {
    fn open(config: &Config, args: &McpArgs) -> anyhow::Result<Self> {
        let serving = Serving::open(config)?;
        let mut embedder = config.embedder(1)?;
        let index = serving.live.reader().manifest().embedder.clone();
        if index != embedder.fingerprint() {
            return Err(IndexError::OtherEmbedder { index, given: embedder.fingerprint().to_owned() }.into());
        }
        let without = args.no_model || args.answering.mode == Some(ModeName::Extract);
        let generator = if without {
            None
        } else {
            Some(config.answerer().context("start with --no-model to extract answers without a model")?)
        };
        let manner = generator.as_ref().map_or(Manner::Extract, |generator| Manner::of(generator.as_ref()));
        let how = config.answering(&args.answering, manner, &mut |texts, role| embedder.embed(texts, role))?;
        Ok(Self { serving, embedder: Mutex::new(embedder), generator: generator.map(Mutex::new), how })
    }
}

/// The live generation, looked for anew at every call: an assistant may be running for days.
struct Serving {
    live: Live,
    /// Why what was published last is not served, as it was told last.
    told: Mutex<String>,
}

impl Serving {
    fn open(config: &Config) -> anyhow::Result<Self> {
        let live = match config.backend {
            Backend::Folder => Live::open(config.index.clone())?,
            Backend::Milvus => Live::elsewhere(open(config)?),
        };
        let serving = Self { live, told: Mutex::default() };
        serving.tell();
        Ok(serving)
    }

    /// The generation to answer from.
    fn reader(&self) -> Arc<Reader> {
        self.live.look();
        self.tell();
        self.live.reader()
    }

    /// Reports once that one cannot be served, while the one before it answers.
    fn tell(&self) {
        let (why, _) = self.live.stale();
        let mut told = lock(&self.told);
        if *told != why {
            if !why.is_empty() {
                let generation = self.live.reader().manifest().generation;
                eprintln!("warning: {}; generation {generation} answers", print::clean(&why));
            }
            *told = why;
        }
    }
}

/// A call that panicked takes no later one with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an assistant is told before it asks for anything.
fn instructions(manifest: &Manifest) -> String {
    let about = manifest.schema.as_ref().map_or("", |schema| schema.about.trim().trim_end_matches('.'));
    let about = if about.is_empty() { String::new() } else { format!(": {}", print::cut(about, ABOUT_CHARS)) };
    let mut said = vec![format!("{} passages of {} documents{about}.", manifest.chunks, manifest.documents)];
    let kinds = kinds(manifest);
    if !kinds.is_empty() {
        said.push(format!(
            "A passage is found by its words, by what they mean, and by its handles, which say what its words may not. \
             Kinds of handle: {}. So a query may describe what no word of the text says: a time, a mood, a point, a \
             kind of thing.",
            kinds.join("; ")
        ));
    }
    let facts = manifest.metadata.names().iter().map(|name| format!("meta.{name}"));
    let sources = manifest.sources.keys().map(|source| format!("source = {source:?}"));
    let filters: Vec<String> = sources.take(NAMED).chain(facts.take(NAMED)).collect();
    if !filters.is_empty() {
        said.push(format!("Filters can use {}.", print::clean(&filters.join(", "))));
    }
    said.push(
        "`search` finds passages, `answer` answers a question from them and cites them, `read_chunk` shows one whole."
            .to_owned(),
    );
    said.join(" ")
}

/// The kinds of handle that can be found, each with what was asked of the model for it.
fn kinds(manifest: &Manifest) -> Vec<String> {
    let found = manifest.lanes.iter().filter_map(|entry| {
        let Field::Handle(kind) = &entry.lane.field else { return None };
        Some(kind.as_str())
    });
    let found: BTreeSet<&str> = found.collect();
    let specs = || manifest.schema.iter().flat_map(|schema| &schema.kinds);
    let named = |kind: &str| match specs().find(|spec| spec.kind == kind && !spec.ask.is_empty()) {
        Some(spec) => format!("{kind} ({})", print::cut(&spec.ask, KIND_CHARS)),
        None => kind.to_owned(),
    };
    found.into_iter().map(named).collect()
}

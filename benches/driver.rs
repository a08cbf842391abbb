//! The driver's own ceiling: `cargo bench --bench driver -- [IN_FLIGHT] [PROMPTS] [DELAY_MS]`.
//!
//! A scripted endpoint in a process of its own answers every request after a stated delay, at four addresses, so what
//! limits is this program: rendering prompts, sending and reading them, and keeping answers. Each row asks about the
//! bundled corpus (copies are marked) by `benches/enrich/handles.toml`, with so many open at once: first the client
//! alone, then with the ledger, which syncs answers to the disk that holds the system's temporary folder, once for
//! those that came together; "syncs" is how many there were for each answer. The rate is that between 40% and 90% of
//! the prompts, when the pace has settled; "of" is in-flight ÷ delay, which no driver exceeds. Memory is the largest
//! resident set of a row, and what there was before it. The endpoint shares the processor with the driver. Needs more
//! than twice as many open files as requests (`ulimit -n`).

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use frontload_core::{AnswerForm, Chunk, Generator, Schema};
use frontload_enrich::{Job, Ledger, Limits, State, enrich};
use frontload_models::{EndpointOptions, GeneratorOptions, LlamaOptions, ModelRef, Tallies, open_generator};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SERVE: &str = "--serve";
const ADDRESSES: usize = 4;
/// Prompts for each request that is open at once, up to the most.
const ROUNDS: usize = 10;
const ANSWER: &str = concat!(
    r#"{"choices":[{"message":{"role":"assistant","content":"{\"thing\":[\"a ledger of salt\"]}"},"#,
    r#""finish_reason":"stop"}],"usage":{"prompt_tokens":1200,"completion_tokens":50}}"#
);

/// What a row came to: when each answer was there, and how often the ledger was synced.
struct Ran {
    ended: Vec<Instant>,
    syncs: u64,
}

/// One row: what was open, and for how long each prompt was asked.
struct Row {
    in_flight: usize,
    delay: Duration,
    prompts: usize,
    addresses: Vec<String>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut numbers = words.iter().filter_map(|word| word.parse::<usize>().ok());
    if words.iter().any(|word| word == SERVE) {
        let delay = Duration::from_millis(numbers.next().unwrap_or(500) as u64);
        return tokio::runtime::Runtime::new()?.block_on(serve(delay));
    }
    let (in_flight, most) = (numbers.next().unwrap_or(2000), numbers.next().unwrap_or(20_000));
    let delay = Duration::from_millis(numbers.next().unwrap_or(500) as u64);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = Schema::from_toml(&fs::read_to_string(root.join("benches/enrich/handles.toml"))?)?;
    let passages = passages(&root.join("corpora/ostrel/corpus.jsonl"), most)?;
    let server = Server::start(delay)?;
    println!("every answer takes {} ms; {} passages", delay.as_millis(), passages.len());
    for (in_flight, addresses) in [(16, 1), (256, 1), (in_flight, 1), (in_flight, ADDRESSES)] {
        let prompts = (in_flight * ROUNDS).min(passages.len());
        let chunks = passages.get(..prompts).unwrap_or_default();
        let addresses: Vec<String> = server.addresses.iter().take(addresses).cloned().collect();
        let row = Row { in_flight, delay, prompts, addresses };
        row.tell("client alone", &server, |generator| alone(generator, chunks, &schema))?;
        row.tell("with the ledger", &server, |generator| with_ledger(generator, chunks, &schema))?;
    }
    Ok(())
}

impl Row {
    fn tell(&self, what: &str, server: &Server, run: impl FnOnce(&mut dyn Generator) -> Result<Ran>) -> Result<()> {
        let list: Vec<String> = self.addresses.iter().map(|address| format!("http://{address}/v1#scripted")).collect();
        let reference: ModelRef = list.join(",").parse()?;
        let endpoint = EndpointOptions { concurrency: self.in_flight, ..EndpointOptions::default() };
        let llama = LlamaOptions::new(PathBuf::new(), Vec::new());
        let tallies = Tallies::default();
        let mut generator =
            open_generator(&reference, &GeneratorOptions { llama, endpoint, tallies: tallies.clone() })?;
        server.most_open()?;
        // Linux begins to measure the peak anew; elsewhere it is that of the whole run.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let before = memory("VmRSS");
        let Ran { ended, syncs } = run(generator.as_mut())?;
        if ended.len() != self.prompts {
            return Err(format!("{} of {} prompts were answered", ended.len(), self.prompts).into());
        }
        let failures: u64 = tallies.read().iter().map(|tally| tally.failures).sum();
        println!(
            "{:>5} in flight at {} ({:>5} at most), {what:<15} {:>7.0} prompts/s of {:>6.0}; {} MB, {before} before; \
             {failures} failures; {:.3} syncs",
            self.in_flight,
            self.addresses.len(),
            server.most_open()?,
            steady(&ended),
            self.in_flight as f64 / self.delay.as_secs_f64(),
            memory("VmHWM"),
            syncs as f64 / self.prompts as f64,
        );
        Ok(())
    }
}

/// Answers a second when the pace has settled.
fn steady(ended: &[Instant]) -> f64 {
    let inner = ended.get(ended.len() * 2 / 5..ended.len() * 9 / 10).unwrap_or_default();
    match (inner.first(), inner.last()) {
        (Some(first), Some(last)) if last > first => {
            (inner.len() - 1) as f64 / last.duration_since(*first).as_secs_f64()
        }
        _ => f64::NAN,
    }
}

fn alone(generator: &mut dyn Generator, chunks: &[Chunk], schema: &Schema) -> Result<Ran> {
    let job = Job::new(chunks, schema);
    let calls = job.every_call("bench");
    let mut prompts = calls.iter().enumerate().filter_map(|(id, call)| job.prompt(id as u64, call, AnswerForm::Json));
    let mut ended = Vec::new();
    generator.generate(&mut prompts, &mut |_, result| {
        ended.extend(result.ok().map(|_| Instant::now()));
        ControlFlow::Continue(())
    })?;
    Ok(Ran { ended, syncs: 0 })
}

fn with_ledger(generator: &mut dyn Generator, chunks: &[Chunk], schema: &Schema) -> Result<Ran> {
    let folder = tempfile::tempdir()?;
    let (mut ledger, _) = Ledger::open(&folder.path().join("ledger"))?;
    let state = State::open(&folder.path().join("state.sled"), &ledger)?;
    let job = Job::new(chunks, schema);
    let plan = job.plan(generator.fingerprint(), &state, false)?;
    let stop = AtomicBool::new(false);
    let limits = Limits { stop: &stop, deadline: None };
    let mut ended = Vec::new();
    enrich(&job, &plan, generator, (&mut ledger, &state), limits, &mut |_| ended.push(Instant::now()))?;
    Ok(Ran { ended, syncs: ledger.syncs() })
}

/// Passages of the bundled corpus; from the beginning again, marked, when more are wanted.
fn passages(corpus: &Path, count: usize) -> Result<Vec<Chunk>> {
    let text = fs::read_to_string(corpus)?;
    let rows: Vec<serde_json::Value> = text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let passage = |at: usize| {
        let row = rows.get(at % rows.len().max(1))?;
        let text = format!("{} Copy {at}.", field(row, "text"));
        Some(Chunk { document: format!("{at}"), title: field(row, "title"), text, ..Chunk::default() })
    };
    Ok((0..count).filter_map(passage).collect())
}

/// The scripted endpoint; ended when dropped.
struct Server {
    child: Child,
    addresses: Vec<String>,
}

impl Server {
    fn start(delay: Duration) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([SERVE, &delay.as_millis().to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        let addresses = lines.take(ADDRESSES).collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(Self { child, addresses })
    }

    /// The most requests that were open there since this was last asked.
    fn most_open(&self) -> Result<String> {
        let address = self.addresses.first().ok_or("no address")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async { reqwest::get(format!("http://{address}/most")).await?.text().await })?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many requests are open, and were at most.
#[derive(Default)]
struct Gauge {
    open: AtomicUsize,
    most: AtomicUsize,
}

async fn serve(delay: Duration) -> Result<()> {
    let gauge = Arc::new(Gauge::default());
    let asked = Arc::clone(&gauge);
    let answer = move |_: Bytes| {
        let gauge = Arc::clone(&asked);
        async move {
            let open = gauge.open.fetch_add(1, Ordering::Relaxed) + 1;
            gauge.most.fetch_max(open, Ordering::Relaxed);
            tokio::time::sleep(delay).await;
            gauge.open.fetch_sub(1, Ordering::Relaxed);
            ANSWER
        }
    };
    let most = move || {
        let most = gauge.most.swap(0, Ordering::Relaxed);
        async move { most.to_string() }
    };
    let app = Router::new().route("/v1/chat/completions", post(answer)).route("/most", get(most));
    let mut serving = tokio::task::JoinSet::new();
    for _ in 0..ADDRESSES {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let app = app.clone();
        serving.spawn(async move { axum::serve(listener, app).await });
    }
    while let Some(ended) = serving.join_next().await {
        ended??;
    }
    Ok(())
}

/// A figure of this process, in MB.
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) / 1024
}

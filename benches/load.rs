//! Searches through gRPC from many clients: how many a second at best, and what becomes of that at up to four times as many.
//!
//! Data: the bundled corpus with the large model's handles, as `make demo` leaves it in `.demo/large` (or the index folder
//! that is named), and the text of every bundled topic. First each of so many clients asks its next query when it has the
//! answer to the one before; the best rate of these is the peak. Then queries come at a steady rate, whether the ones
//! before were answered or not, each with a deadline of two seconds. Client and service share the machine, so a part of
//! the load is the client's own. Answered in time counts as good.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use frontload_eval::read_topics;
use frontload_server::v1::{SearchRequest, frontload_service_client::FrontloadServiceClient};
use tokio::task::JoinSet;
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const CLIENTS: [usize; 6] = [1, 2, 4, 8, 16, 32];
const TIMES_PEAK: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
const CLOSED: Duration = Duration::from_secs(5);
const OPEN: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(2);
/// A connection carries at most a hundred calls at once.
const CONNECTIONS: usize = 32;

/// How calls ended: milliseconds of each.
#[derive(Default)]
struct Tally {
    good: Vec<f64>,
    refused: Vec<f64>,
    late: Vec<f64>,
    other: usize,
}

impl Tally {
    fn count(&mut self, (code, ms): (Code, f64)) {
        match code {
            Code::Ok => self.good.push(ms),
            Code::ResourceExhausted => self.refused.push(ms),
            Code::DeadlineExceeded | Code::Cancelled => self.late.push(ms),
            _ => self.other += 1,
        }
    }

    fn told(&self, what: &str, seconds: f64) -> String {
        let (good, refused) = (self.good.len() as f64 / seconds, self.refused.len() as f64 / seconds);
        format!(
            "  {what:<22} {good:>7.0}/s good, p50 {:>7.1}, p99 {:>7.1} ms   {refused:>7.0}/s refused, p50 {:>6.1}, p99 \
             {:>6.1} ms   {} late, {} other",
            at(&self.good, 0.5),
            at(&self.good, 0.99),
            at(&self.refused, 0.5),
            at(&self.refused, 0.99),
            self.late.len(),
            self.other
        )
    }
}

fn at(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(0.0)
}

#[allow(clippy::print_stdout)]
#[tokio::main]
async fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::args().skip(1).find(|word| word != "--bench");
    let index = named.map_or_else(|| root.join(".demo/large"), PathBuf::from);
    let queries: Vec<String> =
        read_topics(&root.join("queries/ostrel/queries.jsonl"))?.into_iter().map(|topic| topic.text).collect();
    let queries = Arc::new(queries);
    let mut server = Command::new(env!("CARGO_BIN_EXE_frontload"))
        .args(["--json", "--index"])
        .arg(index)
        .args(["serve", "--no-model", "--listen", "127.0.0.1:0"])
        .env("FRONTLOAD_LOG", "error")
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()?;
    let measured = measure(&mut server, &queries).await;
    server.kill()?;
    server.wait()?;
    measured
}

#[allow(clippy::print_stdout)]
async fn measure(server: &mut Child, queries: &Arc<Vec<String>>) -> Result<()> {
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
    let told: serde_json::Value = serde_json::from_str(&line).map_err(|_| "no service; run `make demo` first")?;
    let address = format!("http://{}", told["listening"].as_str().ok_or("no address")?);
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(Endpoint::from_shared(address.clone())?.connect().await?);
    }
    println!("memory before: {} MB", memory(server, "VmRSS"));
    let mut peak: f64 = 0.0;
    for clients in CLIENTS {
        let tally = closed(&channels, queries, clients).await?;
        println!("{}", tally.told(&format!("{clients} at a time"), CLOSED.as_secs_f64()));
        peak = peak.max(tally.good.len() as f64 / CLOSED.as_secs_f64());
    }
    println!("peak {peak:.0}/s; now a steady rate, whatever is answered:");
    for times in TIMES_PEAK {
        let (sent, tally) = open(&channels, queries, peak * times).await?;
        let seconds = OPEN.as_secs_f64();
        let what = format!("{times} × peak, {:.0}/s", sent as f64 / seconds);
        println!("{}", tally.told(&what, seconds));
        println!("    good ÷ peak {:.2}", tally.good.len() as f64 / seconds / peak);
    }
    println!("memory after: {} MB, at most {} MB", memory(server, "VmRSS"), memory(server, "VmHWM"));
    Ok(())
}

/// Each client asks again when it was answered.
async fn closed(channels: &[Channel], queries: &Arc<Vec<String>>, clients: usize) -> Result<Tally> {
    let until = Instant::now() + CLOSED;
    let mut running = JoinSet::new();
    for client in 0..clients {
        let channel = channels.get(client % channels.len()).ok_or("no connection")?.clone();
        let queries = Arc::clone(queries);
        running.spawn(async move {
            let (mut ended, mut at) = (Vec::new(), client * 7);
            while Instant::now() < until {
                ended.push(search(channel.clone(), &queries, at).await);
                at += 1;
            }
            ended
        });
    }
    let mut tally = Tally::default();
    while let Some(ended) = running.join_next().await {
        ended?.into_iter().for_each(|one| tally.count(one));
    }
    Ok(tally)
}

/// So many a second.
async fn open(channels: &[Channel], queries: &Arc<Vec<String>>, rate: f64) -> Result<(usize, Tally)> {
    let (started, mut sent) = (Instant::now(), 0_usize);
    let (mut running, mut tally) = (JoinSet::new(), Tally::default());
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    while started.elapsed() < OPEN {
        ticks.tick().await;
        let due = (started.elapsed().as_secs_f64() * rate) as usize;
        while sent < due {
            let channel = channels.get(sent % channels.len()).ok_or("no connection")?.clone();
            let (queries, at) = (Arc::clone(queries), sent);
            running.spawn(async move { search(channel, &queries, at).await });
            sent += 1;
        }
        while let Some(ended) = running.try_join_next() {
            tally.count(ended?);
        }
    }
    while let Some(ended) = running.join_next().await {
        tally.count(ended?);
    }
    Ok((sent, tally))
}

async fn search(channel: Channel, queries: &[String], at: usize) -> (Code, f64) {
    let query = queries.get(at % queries.len().max(1)).cloned().unwrap_or_default();
    let mut request = Request::new(SearchRequest { query, k: 10, ..SearchRequest::default() });
    request.set_timeout(DEADLINE);
    let started = Instant::now();
    let found = FrontloadServiceClient::new(channel).search(request).await;
    let code = found.err().map_or(Code::Ok, |status| status.code());
    (code, started.elapsed().as_secs_f64() * 1e3)
}

fn memory(server: &Child, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) / 1024
}

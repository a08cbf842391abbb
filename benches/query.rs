//! Milliseconds of one query through gRPC, client to client, on the demo's index.
//!
//! Data: the bundled corpus with the large model's handles, as `make demo` leaves it in `.demo/large`, and the
//! text of every bundled topic. Each topic is asked once to warm up and then in five rounds, one query at a
//! time, over one connection; embedding caches do not exist, so no round is cheaper than another. Reported are
//! the distribution over all rounds and the part spent embedding the query, which the service measures.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use frontload_eval::read_topics;
use frontload_server::v1::{SearchRequest, frontload_service_client::FrontloadServiceClient};

const ROUNDS: usize = 5;

#[allow(clippy::print_stdout)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let topics = read_topics(&root.join("queries/ostrel/queries.jsonl"))?;
    let mut server = Command::new(env!("CARGO_BIN_EXE_frontload"))
        .args(["--json", "--index", ".demo/large", "serve", "--no-model", "--listen", "127.0.0.1:0"])
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
    let told: serde_json::Value = serde_json::from_str(&line).map_err(|_| "no service; run `make demo` first")?;
    let address = format!("http://{}", told["listening"].as_str().ok_or("no address")?);
    let mut client = FrontloadServiceClient::connect(address).await?;
    let (mut whole, mut embedding) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for topic in &topics {
            let request = SearchRequest { query: topic.text.clone(), k: 10, ..SearchRequest::default() };
            let started = Instant::now();
            let found = client.search(request).await?.into_inner();
            if round > 0 {
                whole.push(started.elapsed().as_secs_f64() * 1e3);
                embedding.push(found.embed_ms);
            }
        }
    }
    server.kill()?;
    server.wait()?;
    println!("{} queries, one at a time, k = 10; milliseconds", whole.len());
    for (name, values) in [("query through gRPC", &mut whole), ("of which embedding", &mut embedding)] {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
        println!("{name:<20} p50 {:.2}  p90 {:.2}  p99 {:.2}  max {:.2}", at(0.5), at(0.9), at(0.99), at(1.0));
    }
    Ok(())
}

//! What is measured.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use frontload_core::{Embedder, Field, Lane, Method, TextRole};
use frontload_server::v1::{LaneSet, SearchRequest, frontload_service_client::FrontloadServiceClient};
use tantivy::{
    Index,
    collector::TopDocs,
    query::QueryParser,
    tokenizer::{SimpleTokenizer, TextAnalyzer},
};

use crate::{
    Result,
    data::{DEPTH, Data, embedder, frontload, models},
    peer::Peer,
};

const ROUNDS: usize = 5;

/// Milliseconds of one call.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let value = work();
    (started.elapsed().as_secs_f64() * 1e3, value)
}

fn at(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

fn told(name: &str, values: &[f64]) {
    println!("  {name:<38} p50 {:.3}  p90 {:.3}  p99 {:.3} ms", at(values, 0.5), at(values, 0.9), at(values, 0.99));
}

fn ratio(what: &str, ratios: &[f64]) {
    println!("  {what:<38} {:.2}  (rounds {:.2} to {:.2})", at(ratios, 0.5), at(ratios, 0.0), at(ratios, 1.0));
}

/// Our vector lane beside hnswlib, both at depth 100, both measured against a scan.
pub fn dense(data: &Data) -> Result<()> {
    println!("vectors alone, nearest {DEPTH}, one thread:");
    let lane = Lane { field: Field::Body, method: Method::Dense };
    let all: Vec<_> = data.reader.lane_vectors(&lane).collect();
    let exact: Vec<HashSet<u64>> = data
        .vectors
        .iter()
        .map(|query| {
            let score = |vector: &[f32]| vector.iter().zip(query).map(|(left, right)| left * right).sum::<f32>();
            let mut scored: Vec<(f32, u64)> =
                all.iter().zip(0..).map(|((_, vector), id)| (score(vector), id)).collect();
            scored.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
            scored.into_iter().take(DEPTH).map(|(_, id)| id).collect()
        })
        .collect();
    let recall = |found: &[Vec<u64>]| {
        let shared = |(found, exact): (&Vec<u64>, &HashSet<u64>)| found.iter().filter(|id| exact.contains(id)).count();
        found.iter().zip(&exact).map(shared).sum::<usize>() as f64 / (found.len() * DEPTH) as f64
    };
    let place: std::collections::HashMap<_, u64> = all.iter().zip(0..).map(|((chunk, _), at)| (*chunk, at)).collect();
    let ours = || -> Result<(Vec<f64>, Vec<Vec<u64>>)> {
        let (mut times, mut found) = (Vec::new(), Vec::new());
        for query in &data.prepared {
            let (ms, hits) = timed(|| data.reader.search(&lane, query, (DEPTH, None)));
            times.push(ms);
            found.push(hits?.0.iter().filter_map(|hit| place.get(&hit.chunk).copied()).collect());
        }
        Ok((times, found))
    };
    let mut peer = Peer::start("hnswlib", &data.place)?;
    let (mut ratios, mut our_times, mut peer_times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (first, found) = ours()?;
        let (second, third) = (peer.round()?, peer.round()?);
        let (fourth, _) = ours()?;
        let (mine, theirs) = ([first, fourth].concat(), [second.ms, third.ms].concat());
        ratios.push(theirs.iter().sum::<f64>() / mine.iter().sum::<f64>());
        if our_times.is_empty() {
            println!("  recall@{DEPTH}: ours {:.3}, hnswlib {:.3}", recall(&found), recall(&third.ids));
        }
        our_times.extend(mine);
        peer_times.extend(theirs);
    }
    told("ours", &our_times);
    told("hnswlib, M 24, ef 128", &peer_times);
    ratio("queries a second, ours ÷ hnswlib", &ratios);
    Ok(())
}

/// Our word lanes beside tantivy's own query parser over the same fields.
pub fn words(data: &Data) -> Result<()> {
    println!("words alone, best {DEPTH}, one thread:");
    let lanes: Vec<Lane> = data.reader.manifest().lanes.iter().map(|entry| entry.lane.clone()).collect();
    let lanes: Vec<Lane> = lanes.into_iter().filter(|lane| lane.method == Method::Bm25).collect();
    let body = Lane { field: Field::Body, method: Method::Bm25 };
    let index = Index::open_in_dir(data.reader.folder().join("bm25"))?;
    // The words are analysed already: the parser only has to cut at blanks.
    index.tokenizers().register("raw", TextAnalyzer::builder(SimpleTokenizer::default()).build());
    let searcher = index.reader()?.searcher();
    let field = |lane: &Lane| match &lane.field {
        Field::Handle(kind) => index.schema().get_field(&format!("handle_{kind}")),
        other => index.schema().get_field(&other.to_string()),
    };
    for (name, lanes) in [("the text's field", vec![body]), ("all fields", lanes)] {
        let fields = lanes.iter().map(field).collect::<std::result::Result<Vec<_>, _>>()?;
        let parser = QueryParser::for_index(&index, fields);
        let (mut ratios, mut same) = (Vec::new(), 0);
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (mut our_round, mut their_round) = (Vec::new(), Vec::new());
            for query in &data.prepared {
                let text = data.reader.words_of_query(query).join(" ");
                let ours =
                    || lanes.iter().map(|lane| data.reader.search(lane, query, (DEPTH, None))).collect::<Vec<_>>();
                let parsed = || {
                    let query = parser.parse_query(&text)?;
                    searcher.search(&query, &TopDocs::with_limit(DEPTH).order_by_score())
                };
                let (first, found) = timed(ours);
                let (second, parsed_hits) = timed(parsed);
                let (third, _) = timed(parsed);
                let (fourth, _) = timed(ours);
                our_round.extend([first, fourth]);
                their_round.extend([second, third]);
                if let (Some(Ok((hits, _))), 1) = (found.first(), lanes.len()) {
                    let scores: Vec<f32> = parsed_hits?.iter().map(|(score, _)| *score).collect();
                    let alike = hits.len() == scores.len()
                        && hits.iter().zip(&scores).all(|(hit, score)| (hit.score - score).abs() < 1e-3);
                    same += usize::from(alike);
                }
            }
            ratios.push(at(&our_round, 0.99) / at(&their_round, 0.99));
            mine.extend(our_round);
            theirs.extend(their_round);
        }
        println!(" {name}:");
        if lanes.len() == 1 {
            println!("  the same first {DEPTH} scores: {same} of {}", data.queries.len() * ROUNDS);
        }
        told("ours, a query a field", &mine);
        told("tantivy's query parser", &theirs);
        ratio("p99, ours ÷ the parser", &ratios);
    }
    Ok(())
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(data: &Data) -> Result<Self> {
        let (ms, server) = timed(|| -> Result<Self> {
            let mut child = Command::new(env!("CARGO_BIN_EXE_frontload"))
                .args(["--json", "--index"])
                .arg(data.index())
                .args(["serve", "--no-answers", "--listen", "127.0.0.1:0"])
                .env("FRONTLOAD_MODELS", models())
                .stdout(Stdio::piped())
                .spawn()?;
            let mut line = String::new();
            BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
            let told: serde_json::Value = serde_json::from_str(&line)?;
            Ok(Self { child, address: format!("http://{}", told["listening"].as_str().ok_or("no address")?) })
        });
        println!("  open to listening: {ms:.0} ms");
        server
    }

    fn memory(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A query through gRPC beside hybrid engines in process, on the same texts and vectors.
pub fn hybrid(data: &Data) -> Result<()> {
    println!("a query through gRPC, ten hits:");
    let server = Server::start(data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut client = runtime.block_on(FrontloadServiceClient::connect(server.address.clone()))?;
    let mut ask = |set: LaneSet| -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
        let (mut whole, mut embedding, mut looking) = (Vec::new(), Vec::new(), Vec::new());
        for query in &data.queries {
            let request = SearchRequest { query: query.clone(), k: 10, lane_set: set.into(), ..Default::default() };
            let (ms, found) = timed(|| runtime.block_on(client.search(request)));
            whole.push(ms);
            let found = found?.into_inner();
            embedding.push(found.embed_ms);
            looking.push(found.total_ms - found.embed_ms);
        }
        Ok((whole, embedding, looking))
    };
    ask(LaneSet::All)?;
    println!("  memory: {} MB resident, of which {} MB file-backed", server.memory("VmRSS"), server.memory("RssFile"));
    for (name, set) in [("text alone", LaneSet::Plain), ("with handles", LaneSet::All)] {
        let (mut whole, mut embedding, mut looking, mut shares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (one, part, other) = ask(set)?;
            shares.push(at(&one, 0.5) / at(&part, 0.5));
            whole.extend(one);
            embedding.extend(part);
            looking.extend(other);
        }
        told(name, &whole);
        told("of which embedding", &embedding);
        told("of which looking, fusing, explaining", &looking);
        ratio("p50, whole ÷ embedding", &shares);
    }
    for engine in ["lancedb", "chroma"] {
        let mut peer = Peer::start(engine, &data.place)?;
        peer.round()?;
        let (mut theirs, mut bare, mut with_embedding) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let first = ask(LaneSet::Plain)?;
            let rounds = [peer.round()?.ms, peer.round()?.ms].concat();
            let second = ask(LaneSet::Plain)?;
            let (whole, embedding) = ([first.0, second.0].concat(), [first.1, second.1].concat());
            let without: Vec<f64> = whole.iter().zip(&embedding).map(|(whole, part)| whole - part).collect();
            let with: Vec<f64> = rounds.iter().zip(&embedding).map(|(peer, part)| peer + part).collect();
            bare.push(at(&without, 0.99) / at(&rounds, 0.99));
            with_embedding.push(at(&whole, 0.99) / at(&with, 0.99));
            theirs.extend(rounds);
        }
        told(engine, &theirs);
        ratio(&format!("p99, ours ÷ {engine}, no embedding"), &bare);
        ratio(&format!("p99, ours ÷ {engine}, both embed"), &with_embedding);
    }
    Ok(())
}

/// Our embedding beside fastembed as it comes, on both cores.
pub fn embedding(data: &Data) -> Result<()> {
    println!("embedding, two cores:");
    let mut texts: Vec<String> = Vec::new();
    // Mixed lengths: texts, their first sentences, and pairs of them.
    for (at, id) in data.reader.ids().take(600).enumerate() {
        let text = data.reader.chunk(id)?.chunk.text;
        match at % 3 {
            0 => texts.push(text),
            1 => texts.push(text.split(". ").next().unwrap_or_default().to_owned()),
            _ => texts.push(format!("{text} {}", texts.last().cloned().unwrap_or_default())),
        }
    }
    let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut ours = embedder(2)?;
    let folder = models().join("all-MiniLM-L6-v2");
    let read = |name: &str| fs::read(folder.join(name));
    let files = TokenizerFiles {
        tokenizer_file: read("tokenizer.json")?,
        config_file: read("config.json")?,
        special_tokens_map_file: read("special_tokens_map.json")?,
        tokenizer_config_file: read("tokenizer_config.json")?,
    };
    let model = UserDefinedEmbeddingModel::new(read("model.onnx")?, files).with_pooling(Pooling::Mean);
    let environment = frontload_models::onnx_environment(&models().join("libonnxruntime.so"))?;
    let options = InitOptionsUserDefined::new().with_environment(environment);
    let mut stock = TextEmbedding::try_new_from_user_defined(model, options)?;
    let mut ratios = Vec::new();
    let mut least: f32 = 1.0;
    for _ in 0..3 {
        let (first, vectors) = timed(|| ours.embed(&plain, TextRole::Passage));
        let (second, stock_vectors) = timed(|| stock.embed(&plain, None));
        let (third, _) = timed(|| stock.embed(&plain, None));
        let (fourth, _) = timed(|| ours.embed(&plain, TextRole::Passage));
        ratios.push((second + third) / (first + fourth));
        for (left, right) in vectors?.iter().zip(stock_vectors?) {
            least = least.min(left.iter().zip(&right).map(|(left, right)| left * right).sum());
        }
        println!(
            "  ours {:.1} texts/s, stock {:.1}",
            2e3 * texts.len() as f64 / (first + fourth),
            2e3 * texts.len() as f64 / (second + third)
        );
    }
    ratio("ours ÷ fastembed as it comes", &ratios);
    println!("  least cosine between the two: {least:.6}");
    Ok(())
}

/// One percent changed and one percent deleted.
pub fn fresh(data: &Data) -> Result<()> {
    println!("one percent of the documents changed, one percent deleted:");
    let path = data.place.join("corpus/corpus.jsonl");
    let whole = fs::read_to_string(&path)?;
    let rows: Vec<&str> = whole.lines().collect();
    let changed: Vec<String> = rows
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 100 != 50)
        .map(
            |(at, row)| {
                if at % 100 == 7 { row.replacen("\"text\":\"", "\"text\":\"Revised. ", 1) } else { (*row).to_owned() }
            },
        )
        .collect();
    fs::write(&path, changed.join("\n"))?;
    let ended = frontload(&data.place, &["rebuild"]);
    fs::write(&path, &whole)?;
    let (seconds, built) = ended?;
    println!(
        "  published after {seconds:.1} s: {} chunks written, {} taken out, {} texts embedded",
        built["written"], built["removed"], built["embedded"]
    );
    let (seconds, built) = frontload(&data.place, &["rebuild"])?;
    println!("  and back after {seconds:.1} s: {} chunks written, {} taken out", built["written"], built["removed"]);
    Ok(())
}

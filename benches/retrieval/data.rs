//! The corpus, its index, and what the peers are given of both.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use frontload_core::{Embedder, Field, Lane, Method, TextRole};
use frontload_corpus::{chunk_all, read_corpus};
use frontload_index::{IndexDir, LaneQuery, Reader};
use frontload_models::{EmbedderRef, SentenceEmbedder};
use serde_json::json;

use crate::Result;

const CHUNK_CHARS: u32 = 300;
const SHORTEST_CHARS: usize = 120;
const QUERIES: usize = 300;
const QUERY_WORDS: usize = 8;
/// Nearest vectors looked for where vectors alone are measured.
pub const DEPTH: usize = 100;

/// Everything a section needs.
pub struct Data {
    pub place: PathBuf,
    pub reader: Reader,
    pub queries: Vec<String>,
    pub prepared: Vec<LaneQuery>,
    pub vectors: Vec<Vec<f32>>,
    pub dimension: usize,
}

impl Data {
    pub fn chunks(&self) -> u64 {
        self.reader.manifest().chunks
    }

    pub fn index(&self) -> PathBuf {
        self.place.join("index")
    }
}

pub fn models() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("FRONTLOAD_MODELS").map_or_else(|| root.join(".models"), PathBuf::from)
}

pub fn embedder(threads: usize) -> Result<SentenceEmbedder> {
    let folder = EmbedderRef::Folder(models().join("all-MiniLM-L6-v2"));
    Ok(SentenceEmbedder::open(&folder, &models().join("libonnxruntime.so"), threads)?)
}

/// The program with arguments, to its end; gives back the seconds and what it printed.
pub fn frontload(place: &Path, arguments: &[&str]) -> Result<(f64, serde_json::Value)> {
    let started = Instant::now();
    let ended = Command::new(env!("CARGO_BIN_EXE_frontload"))
        .args(["--json", "-q", "--index"])
        .arg(place.join("index"))
        .args(arguments)
        .env("FRONTLOAD_MODELS", models())
        .output()?;
    let seconds = started.elapsed().as_secs_f64();
    if !ended.status.success() {
        return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr)).into());
    }
    Ok((seconds, serde_json::from_slice(&ended.stdout).unwrap_or_default()))
}

/// Builds what is missing.
pub fn prepare(folder: &Path, count: usize, place: &Path, again: bool) -> Result<Data> {
    if again {
        let _ = fs::remove_dir_all(place.join("index"));
    }
    let corpus = place.join("corpus");
    if !corpus.join("corpus.jsonl").exists() {
        write_corpus(folder, count, place)?;
    }
    if !place.join("index/CURRENT").exists() {
        let text = corpus.to_string_lossy().into_owned();
        let (seconds, built) = frontload(place, &["index", "--no-handles", "--chunk", "none", &text])?;
        println!("build of the text, embedding included: {seconds:.1} s, {} texts embedded", built["embedded"]);
        let handles = place.join("handles.jsonl").to_string_lossy().into_owned();
        let (seconds, built) = frontload(place, &["handles", "import", &handles])?;
        println!("import of the handles and build: {seconds:.1} s, {} texts embedded", built["embedded"]);
        let (seconds, _) = frontload(place, &["rebuild", "--afresh"])?;
        println!("the same written afresh, every vector reused: {seconds:.1} s");
    }
    let reader = Reader::open(&IndexDir::new(place.join("index")))?.reader;
    let queries: Vec<String> = serde_json::from_str(&fs::read_to_string(place.join("queries.json"))?)?;
    let mut model = embedder(2)?;
    let texts: Vec<&str> = queries.iter().map(String::as_str).collect();
    let vectors = model.embed(&texts, TextRole::Query)?;
    let prepared = queries.iter().zip(&vectors).map(|(query, vector)| reader.prepare(query, vector.clone())).collect();
    let dimension = reader.manifest().dimension;
    for entry in &reader.manifest().lanes {
        if let Some(graph) = &entry.graph {
            println!(
                "graph of {}: {} points, {} unreached, recall@10 {:.3}, recall@100 {:.3}",
                entry.lane, graph.points, graph.unreached, graph.recall_at_10, graph.recall_at_100
            );
        }
    }
    sizes(place)?;
    let data = Data { place: place.to_owned(), reader, queries, prepared, vectors, dimension };
    dump(&data)?;
    Ok(data)
}

fn write_corpus(folder: &Path, count: usize, place: &Path) -> Result<()> {
    let corpus = read_corpus(&[fs::canonicalize(folder)?])?;
    let chunks = chunk_all(&corpus.documents, Some(CHUNK_CHARS));
    let long = chunks.into_iter().filter(|chunk| chunk.text.chars().count() >= SHORTEST_CHARS && !chunk.code);
    let chunks: Vec<_> = long.take(count).collect();
    let (mut rows, mut handles) = (String::new(), String::new());
    for (at, chunk) in chunks.iter().enumerate() {
        writeln!(rows, "{}", json!({"_id": at.to_string(), "title": chunk.title, "text": chunk.text}))?;
        let first: String = chunk.text.split(". ").next().unwrap_or_default().chars().take(100).collect();
        for (kind, text) in [("gist", first.replace('\n', " ")), ("topic", chunk.headings.join(", "))] {
            if !text.trim().is_empty() {
                writeln!(handles, "{}", json!({"id": at.to_string(), "kind": kind, "text": text}))?;
            }
        }
    }
    let queries: Vec<String> = (0..QUERIES)
        .filter_map(|at| {
            let words: Vec<&str> = chunks.get(at * chunks.len() / QUERIES)?.text.split_whitespace().collect();
            Some(words.get(words.len() / 2..)?.iter().take(QUERY_WORDS).copied().collect::<Vec<_>>().join(" "))
        })
        .collect();
    fs::create_dir_all(place.join("corpus"))?;
    fs::write(place.join("handles.jsonl"), handles)?;
    fs::write(place.join("queries.json"), serde_json::to_string(&queries)?)?;
    Ok(fs::write(place.join("corpus/corpus.jsonl"), rows)?)
}

/// What the peers read: texts, their vectors and the queries, in the order of our chunks.
fn dump(data: &Data) -> Result<()> {
    let lane = Lane { field: Field::Body, method: Method::Dense };
    let (mut vectors, mut texts) = (Vec::new(), String::new());
    for (chunk, vector) in data.reader.lane_vectors(&lane) {
        vectors.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        writeln!(texts, "{}", serde_json::to_string(&data.reader.chunk(chunk)?.chunk.text)?)?;
    }
    let queries: Vec<u8> = data.vectors.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let words: String = data.queries.iter().map(|query| format!("{}\n", json!(query))).collect();
    fs::write(data.place.join("vectors.f32"), vectors)?;
    fs::write(data.place.join("texts.jsonl"), texts)?;
    fs::write(data.place.join("queries.f32"), queries)?;
    fs::write(data.place.join("queries.jsonl"), words)?;
    let shape = json!({"dimension": data.dimension, "depth": DEPTH});
    Ok(fs::write(data.place.join("shape.json"), shape.to_string())?)
}

fn sizes(place: &Path) -> Result<()> {
    let generations = place.join("index/generations");
    let mut names: Vec<PathBuf> = fs::read_dir(&generations)?.flatten().map(|entry| entry.path()).collect();
    names.sort();
    let live = names.last().ok_or("no generation")?;
    let of = |part: &str| -> u64 {
        let entries = fs::read_dir(live.join(part)).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
    };
    println!("on disk: words {} MB, vectors and graphs {} MB", of("bm25") >> 20, of("dense") >> 20);
    Ok(())
}

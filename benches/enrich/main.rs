//! Enrichment beside its peer and its limits, in one run: `cargo bench --bench enrich -- [CHUNKS] [BLOCKS] [SLOTS] [FIRST]`.
//!
//! The same passages of the bundled corpus, the same small model and schema: ours with its line grammar, and
//! llama-server with its JSON schema. The passages are cut into blocks, and both answer every block, taken in turns
//! (ours, peer, peer, ours, …): each block gives one ratio. FIRST is the first block to take, for a machine that is idle
//! only now and then. Then what llama.cpp itself can do at the same lengths,
//! and whether sharing and batching change what is said. Needs `make test-setup`.

#![allow(clippy::print_stdout)]

#[path = "../../tests/http.rs"]
#[allow(dead_code)]
mod http;
mod peer;

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Instant,
};

use frontload_core::{AnswerForm, Chunk, Completion, Generator, Prompt, Schema};
use frontload_enrich::Job;
use frontload_models::{LlamaOptions, LlamaProcess};

use peer::{Peer, batched_bench, prefill_rate};

/// Work of the small model, from its file's header: floating-point operations a prompt token and a written one.
const PREFILL_GFLOP: f64 = 0.212;
const DECODE_GFLOP: f64 = 0.269;
/// Chunks of the slow arms: one at a time, and alone and unshared.
const SLOW_CHUNKS: usize = 8;
const ALONE_CHUNKS: usize = 24;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One arm's run.
struct Run {
    chunks: usize,
    seconds: f64,
    answers: Vec<Completion>,
}

impl Run {
    fn rate(&self) -> f64 {
        self.chunks as f64 / self.seconds
    }

    fn mean(&self, value: impl Fn(&Completion) -> u32) -> f64 {
        self.answers.iter().map(|answer| f64::from(value(answer))).sum::<f64>() / self.answers.len() as f64
    }
}

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<usize>().ok());
    let (chunks, blocks) = (numbers.next().unwrap_or(96), numbers.next().unwrap_or(2).max(1));
    let (slots, first_block) = (numbers.next().unwrap_or(8) as u32, numbers.next().unwrap_or(0));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let models = std::env::var_os("FRONTLOAD_MODELS").map_or_else(|| root.join(".models"), PathBuf::from);
    let model = models.join("SmolLM2-135M-Instruct.Q4_1.gguf");
    let schema = Schema::from_toml(&fs::read_to_string(root.join("benches/enrich/handles.toml"))?)?;
    let passages = passages(&root.join("corpora/ostrel/corpus.jsonl"), chunks)?;
    println!("{} passages, load {}", passages.len(), fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());

    let lines = prompts(&passages, &schema, AnswerForm::Lines);
    let json = prompts(&passages, &schema, AnswerForm::Json);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let size = lines.len().div_ceil(blocks).max(1);
    for (block, (lines, json)) in lines.chunks(size).zip(json.chunks(size)).enumerate().skip(first_block) {
        if block % 2 == 0 {
            ours.push(run_ours(&model, slots, true, lines)?.0);
        }
        theirs.push(Peer::start(&model, 4)?.run(json, 4, true)?);
        if block % 2 == 1 {
            ours.push(run_ours(&model, slots, true, lines)?.0);
        }
        let rates = [&ours, &theirs].map(|runs| runs.last().map_or(f64::NAN, Run::rate));
        println!(
            "block {block}: ours {:.3} chunks/s, llama-server {:.3}: {:.2}",
            rates[0],
            rates[1],
            rates[0] / rates[1]
        );
    }
    for (name, runs) in [(format!("ours, {slots} slots"), &ours), ("llama-server, 4 slots".to_owned(), &theirs)] {
        for run in runs {
            println!(
                "{name:<24} {:.2} chunks/s  ({:.0} prompt tokens, {:.0} decoded for one chunk, {:.0} written)",
                run.rate(),
                run.mean(|answer| answer.prompt_tokens),
                run.mean(|answer| answer.prefill_tokens),
                run.mean(|answer| answer.answer_tokens),
            );
        }
    }
    let mut ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.rate() / theirs.rate()).collect();
    ratios.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (ratios.first(), ratios.last()) else { return Err("no passages".into()) };
    println!("ours ÷ llama-server        {:.2}  (blocks {first:.2} to {last:.2})", median(&ratios));

    let slow = Peer::start(&model, 1)?.run(&json[..SLOW_CHUNKS.min(json.len())], 1, false)?;
    let rate =
        ours.iter().map(|run| run.chunks).sum::<usize>() as f64 / ours.iter().map(|run| run.seconds).sum::<f64>();
    println!(
        "one at a time, nothing shared: {:.3} chunks/s on {} chunks; ours ÷ that {:.1}",
        slow.rate(),
        slow.chunks,
        rate / slow.rate()
    );

    limits(&model, &ours, rate)?;
    let (alone, _) = run_ours(&model, 1, false, &lines[..ALONE_CHUNKS.min(lines.len())])?;
    let (same, all) = agreement(&alone, &ours[0]);
    println!(
        "written alike, word by word, alone and unshared: {same} of {all} words ({:.3})",
        same as f64 / all as f64
    );
    let (_, memory) = run_ours(&model, slots, true, &lines[..SLOW_CHUNKS.min(lines.len())])?;
    println!("peak memory of the model's process: {memory} MB");
    Ok(())
}

fn median(sorted: &[f64]) -> f64 {
    let middle = |at: usize| sorted.get(at).copied().unwrap_or(f64::NAN);
    f64::midpoint(middle((sorted.len() - 1) / 2), middle(sorted.len() / 2))
}

/// What the library's own bench does at these lengths, and what the processor could do at most.
fn limits(model: &Path, ours: &[Run], ours_rate: f64) -> Result<()> {
    let Some(run) = ours.first() else { return Ok(()) };
    let (own, written) = (run.mean(|answer| answer.prefill_tokens), run.mean(|answer| answer.answer_tokens));
    let shared = run.mean(|answer| answer.prompt_tokens) - own;
    let mut fastest: Option<(u32, f64)> = None;
    for (batch, prefill, decode) in batched_bench(model, (shared + own) as u32, written as u32)? {
        let rate = 1.0 / (own / prefill + written / decode);
        println!(
            "llama-batched-bench, {batch:>2} sequences: prefill {prefill:.0}, decode {decode:.0} tokens/s: {rate:.2} chunks/s"
        );
        if fastest.is_none_or(|(_, known)| rate > known) {
            fastest = Some((batch, rate));
        }
    }
    let (batch, fastest) = fastest.ok_or("llama-batched-bench said nothing")?;
    println!("ours ÷ llama-batched-bench at its best ({batch}): {:.2}", ours_rate / fastest);
    let rate = prefill_rate(model)?;
    let (limit, work) = (rate * PREFILL_GFLOP, own * PREFILL_GFLOP + written * DECODE_GFLOP);
    println!(
        "roofline: the library prefills {rate:.0} tokens/s on an empty context, {limit:.0} GFLOP/s; a chunk is {work:.0} \
         GFLOP without attention: {:.2} chunks/s; ours is {:.2} of that",
        limit / work,
        ours_rate / (limit / work)
    );
    Ok(())
}

/// Passages of the bundled corpus; from the beginning again, marked, when more are wanted.
fn passages(corpus: &Path, count: usize) -> Result<Vec<Chunk>> {
    let text = fs::read_to_string(corpus)?;
    let rows: Vec<serde_json::Value> = text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    Ok((0..count)
        .filter_map(|at| {
            let row = rows.get(at % rows.len())?;
            let again = if at < rows.len() { String::new() } else { format!(" Copy {}.", at / rows.len()) };
            Some(Chunk {
                document: format!("{}-{at}", field(row, "_id")),
                title: field(row, "title"),
                text: field(row, "text") + &again,
                ..Chunk::default()
            })
        })
        .collect())
}

fn prompts(chunks: &[Chunk], schema: &Schema, form: AnswerForm) -> Vec<Prompt> {
    let job = Job::new(chunks, schema);
    let calls = job.every_call("bench");
    calls.iter().enumerate().filter_map(|(id, call)| job.prompt(id as u64, call, form)).collect()
}

fn run_ours(model: &Path, slots: u32, share_prefix: bool, prompts: &[Prompt]) -> Result<(Run, u64)> {
    let worker = PathBuf::from(env!("CARGO_BIN_EXE_frontload"));
    let options = LlamaOptions { slots, share_prefix, ..LlamaOptions::new(worker, vec!["__llm-worker".to_owned()]) };
    let mut ours = LlamaProcess::new(model, options)?;
    // The model is loaded before the clock starts, as the peer's is.
    ours.runs_on()?;
    let mut answers = BTreeMap::new();
    let started = Instant::now();
    ours.generate(&mut prompts.iter().cloned(), &mut |id, result| {
        answers.extend(result.ok().map(|answer| (id, answer)));
        ControlFlow::Continue(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let memory = peak_memory().unwrap_or(0);
    if answers.len() != prompts.len() {
        return Err(format!("{} of {} prompts were answered", answers.len(), prompts.len()).into());
    }
    Ok((Run { chunks: prompts.len(), seconds, answers: answers.into_values().collect() }, memory))
}

/// The largest peak among this process's children, in megabytes.
fn peak_memory() -> Option<u64> {
    let children = fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id())).ok()?;
    let peak = |pid: &str| -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
    };
    children.split_whitespace().filter_map(peak).max()
}

/// Words that stand in the same place of the same answer.
fn agreement(left: &Run, right: &Run) -> (usize, usize) {
    let (mut same, mut all) = (0, 0);
    for (left, right) in left.answers.iter().zip(&right.answers) {
        for (left, right) in left.text.lines().zip(right.text.lines()) {
            let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
            same += left.iter().zip(&right).filter(|(left, right)| left == right).count();
            all += left.len().max(right.len());
        }
    }
    (same, all)
}

//! llama.cpp's own programs: its server as the peer, its benchmarks as the limit. `tests/peer.sh` builds them.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use frontload_core::{Completion, Constraint, Finish, Prompt};
use serde_json::{Value, json};

use crate::{Result, Run, http::forward};

/// Context a slot of the server has.
const SLOT_TOKENS: u32 = 2048;

fn program(name: &str) -> PathBuf {
    let tools = std::env::var_os("FRONTLOAD_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools"), PathBuf::from);
    tools.join("llama-peer").join(name)
}

/// A running llama-server, with the flags that served this work best: flash attention, prompt cache, as many slots
/// as clients.
pub struct Peer {
    child: Child,
    address: String,
}

impl Peer {
    pub fn start(model: &Path, slots: u32) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let context = (SLOT_TOKENS * slots).to_string();
        let child = Command::new(program("llama-server"))
            .arg("-m")
            .arg(model)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--threads", "2", "-fa", "on", "-cram", "0"])
            .args(["-np", &slots.to_string(), "-c", &context])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("llama-server: {error}; `make test-setup` builds it"))?;
        let peer = Self { child, address: format!("127.0.0.1:{port}") };
        let started = Instant::now();
        let hello = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1});
        while TcpStream::connect(&peer.address).is_err() || forward(&peer.address, &hello).0 != 200 {
            if started.elapsed() > Duration::from_secs(120) {
                return Err("llama-server does not come up".into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(peer)
    }

    /// Asks everything, so many clients at once. The first prompts fill the slots' caches inside the clock, as the
    /// shared prefix is decoded inside ours.
    pub fn run(&self, prompts: &[Prompt], clients: usize, cache: bool) -> Result<Run> {
        let next = AtomicUsize::new(0);
        let answers = Mutex::new(Vec::new());
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    while let Some(prompt) = prompts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (status, body) = forward(&self.address, &body(prompt, cache));
                        let answer = (status == 200).then(|| read(&body)).flatten();
                        if let (Some(answer), Ok(mut answers)) = (answer, answers.lock()) {
                            answers.push(answer);
                        }
                    }
                });
            }
        });
        let seconds = started.elapsed().as_secs_f64();
        let answers = answers.into_inner().map_err(|_| "a client panicked")?;
        if answers.len() != prompts.len() {
            return Err(format!("llama-server answered {} of {} prompts", answers.len(), prompts.len()).into());
        }
        Ok(Run { chunks: prompts.len(), seconds, answers })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn body(prompt: &Prompt, cache: bool) -> Value {
    let mut body = json!({
        "messages": prompt.messages, "max_tokens": prompt.max_tokens, "temperature": 0, "cache_prompt": cache,
    });
    if let Some(Constraint::JsonSchema(schema)) = &prompt.constraint {
        body["response_format"] =
            json!({"type": "json_schema", "json_schema": {"name": "handles", "strict": true, "schema": schema}});
    }
    body
}

fn read(body: &str) -> Option<Completion> {
    let body: Value = serde_json::from_str(body).ok()?;
    let text = body["choices"][0]["message"]["content"].as_str()?.to_owned();
    let count = |value: &Value| value.as_u64().map(|count| count as u32);
    let prompt_tokens = count(&body["usage"]["prompt_tokens"])?;
    let cached = count(&body["usage"]["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0);
    let answer_tokens = count(&body["usage"]["completion_tokens"])?;
    let prefill_tokens = prompt_tokens - cached.min(prompt_tokens);
    Some(Completion { text, finish: Finish::Stop, prompt_tokens, prefill_tokens, answer_tokens })
}

/// Sequences, prefill and decode rate of llama-batched-bench, with a shared prompt.
pub fn batched_bench(model: &Path, prompt: u32, answer: u32) -> Result<Vec<(u32, f64, f64)>> {
    let (prompt, answer) = (prompt.to_string(), answer.to_string());
    let output = Command::new(program("llama-batched-bench"))
        .arg("-m")
        .arg(model)
        .args(["-c", "24576", "-b", "512", "-ub", "512", "-t", "2", "-fa", "on", "-pps"])
        .args(["-npp", &prompt, "-ntg", &answer, "-npl", "4,8,16"])
        .output()
        .map_err(|error| format!("llama-batched-bench: {error}; `make test-setup` builds it"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // | PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | S_TG t/s | T s | S t/s |
    let row = |line: &str| {
        let cells: Vec<f64> = line.split('|').filter_map(|cell| cell.trim().parse().ok()).collect();
        let [_, _, batch, _, _, prefill, _, decode, ..] = cells.as_slice() else { return None };
        Some((*batch as u32, *prefill, *decode))
    };
    Ok(text.lines().filter_map(row).collect())
}

/// Prompt tokens a second of llama-bench, 512 on an empty context.
pub fn prefill_rate(model: &Path) -> Result<f64> {
    let output = Command::new(program("llama-bench"))
        .arg("-m")
        .arg(model)
        .args(["-p", "512", "-n", "0", "-t", "2", "-fa", "1", "-o", "json"])
        .output()
        .map_err(|error| format!("llama-bench: {error}; `make test-setup` builds it"))?;
    let rows: Value = serde_json::from_slice(&output.stdout)?;
    rows[0]["avg_ts"].as_f64().ok_or_else(|| "llama-bench said nothing".into())
}

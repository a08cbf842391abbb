//! The parent's side of the child process that holds llama.cpp: feeds it, restarts it when it dies, and
//! finds out which prompt killed it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    ops::ControlFlow,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use frontload_core::{Completion, Failure, FailureKind, Generator, GeneratorError, Prompt};

use crate::{
    protocol::{Load, Reply, Request},
    reference::{ModelError, hash_file},
};

/// A prompt that has met this many dying or silent workers is given up.
const ATTEMPTS: u32 = 2;

/// How the child is started and watched.
#[derive(Debug, Clone)]
pub struct LlamaOptions {
    /// The program to run as the child, with its arguments: it must call [`crate::worker::run`].
    pub worker: (PathBuf, Vec<String>),
    /// Prompts answered side by side.
    pub slots: u32,
    /// Tokens of context for each.
    pub context_tokens: u32,
    /// Threads for the arithmetic.
    pub threads: u32,
    /// The child is restarted when it has been silent for this long.
    pub silence: Duration,
}

impl LlamaOptions {
    /// Defaults for a worker program: 8 slots of 4,096 tokens, every core, five minutes of silence.
    pub fn new(program: PathBuf, arguments: Vec<String>) -> Self {
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let silence = Duration::from_secs(300);
        Self { worker: (program, arguments), slots: 8, context_tokens: 4096, threads, silence }
    }
}

/// A llama.cpp model in a child process.
pub struct LlamaProcess {
    options: LlamaOptions,
    load: Load,
    fingerprint: String,
    worker: Option<Worker>,
}

struct Worker {
    child: Child,
    stdin: ChildStdin,
    replies: Receiver<Reply>,
}

struct InFlight {
    prompt: Prompt,
    attempts: u32,
}

impl LlamaProcess {
    /// Names the model and hashes its file; the child starts with the first prompt.
    ///
    /// # Errors
    /// When the file is missing or is no GGUF.
    pub fn new(path: &std::path::Path, options: LlamaOptions) -> Result<Self, ModelError> {
        let digest = hash_file(path)?;
        // The sampler is greedy and the cache f16: both shape answers, so both are named.
        let fingerprint = format!("gguf:{}:greedy:f16", digest.to_hex());
        let load = Load {
            path: path.to_owned(),
            slots: options.slots,
            context_tokens: options.context_tokens,
            threads: options.threads,
        };
        Ok(Self { options, load, fingerprint, worker: None })
    }

    fn worker(&mut self) -> Result<&mut Worker, GeneratorError> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => start(&self.options, &self.load)?,
        };
        Ok(self.worker.insert(worker))
    }
}

impl Generator for LlamaProcess {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn generate(
        &mut self,
        prompts: &mut dyn Iterator<Item = Prompt>,
        done: &mut dyn FnMut(u64, Result<Completion, Failure>) -> ControlFlow<()>,
    ) -> Result<(), GeneratorError> {
        let room = self.options.slots as usize * 2;
        let silence = self.options.silence;
        let mut in_flight: BTreeMap<u64, InFlight> = BTreeMap::new();
        let mut suspects: Vec<InFlight> = Vec::new();
        loop {
            // After a death the prompts it took with it run alone, so that the next death names its cause.
            if in_flight.is_empty()
                && let Some(suspect) = suspects.pop()
            {
                send(self.worker()?, &suspect.prompt);
                in_flight.insert(suspect.prompt.id, suspect);
            }
            while suspects.is_empty() && in_flight.len() < room && in_flight.values().all(|lost| lost.attempts == 0) {
                let Some(prompt) = prompts.next() else { break };
                send(self.worker()?, &prompt);
                in_flight.insert(prompt.id, InFlight { prompt, attempts: 0 });
            }
            if in_flight.is_empty() {
                return Ok(());
            }
            let failure = match self.worker()?.replies.recv_timeout(silence) {
                Ok(Reply::Answer { id, result }) => {
                    if in_flight.remove(&id).is_some() && done(id, result).is_break() {
                        self.worker = None;
                        return Ok(());
                    }
                    continue;
                }
                Ok(Reply::Ready) => continue,
                Ok(Reply::LoadFailed(reason)) => return Err(GeneratorError(reason)),
                Err(RecvTimeoutError::Disconnected) => FailureKind::Crashed,
                Err(RecvTimeoutError::Timeout) => FailureKind::TimedOut,
            };
            self.worker = None;
            for (id, mut lost) in std::mem::take(&mut in_flight) {
                lost.attempts += 1;
                if lost.attempts < ATTEMPTS {
                    suspects.push(lost);
                    continue;
                }
                let reason = match failure {
                    FailureKind::TimedOut => format!("no answer within {} s, {ATTEMPTS} times", silence.as_secs()),
                    _ => format!("the model's process died on it {ATTEMPTS} times"),
                };
                if done(id, Err(Failure { kind: failure, reason })).is_break() {
                    return Ok(());
                }
            }
        }
    }
}

/// A failed write needs no handling: the reader meets the closed pipe and reports the death.
fn send(worker: &mut Worker, prompt: &Prompt) {
    if let Ok(mut line) = serde_json::to_vec(&Request::Generate(prompt.clone())) {
        line.push(b'\n');
        let _ = worker.stdin.write_all(&line).and_then(|()| worker.stdin.flush());
    }
}

fn start(options: &LlamaOptions, load: &Load) -> Result<Worker, GeneratorError> {
    let (program, arguments) = &options.worker;
    let failed = |what: &str| GeneratorError(format!("the model's process {}: {what}", program.display()));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("no pipes"));
    };
    let (sender, replies) = channel();
    thread::Builder::new()
        .name("llama-replies".into())
        .spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(reply) = serde_json::from_str::<Reply>(&line) else { return };
                if sender.send(reply).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| failed(&error.to_string()))?;
    let mut line = serde_json::to_vec(&Request::Load(load.clone())).map_err(|error| failed(&error.to_string()))?;
    line.push(b'\n');
    let written = stdin.write_all(&line).and_then(|()| stdin.flush());
    let mut worker = Worker { child, stdin, replies };
    written.map_err(|error| failed(&error.to_string()))?;
    match worker.replies.recv_timeout(options.silence) {
        Ok(Reply::Ready) => Ok(worker),
        Ok(Reply::LoadFailed(reason)) => Err(GeneratorError(reason)),
        Ok(Reply::Answer { .. }) => Err(failed("answered before it was asked")),
        Err(_) => {
            let _ = worker.child.kill();
            let status = worker.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(failed(&format!("died while loading {} ({status})", load.path.display())))
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

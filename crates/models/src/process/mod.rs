//! The parent's side of the child process that holds llama.cpp: feeds it, restarts it when it dies, and
//! finds out which prompt killed it.

mod child;
mod stream;

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::PathBuf,
    sync::mpsc::RecvTimeoutError,
    thread,
    time::{Duration, Instant},
};

use frontload_core::{
    AnswerForm, Completion, Failure, FailureKind, Generator, GeneratorError, Loaded, Prompt, PromptSize,
};

use crate::{
    protocol::{Backend, Load, Reply, Request},
    reference::{ModelError, hash_file},
};
use child::{StartError, Worker, send, start};

/// A prompt that has met this many dying or silent workers is given up.
const ATTEMPTS: u32 = 2;
/// Tokens of context a prompt begins with, and the most it can have.
const FIRST_CONTEXT: u32 = 2048;
pub(crate) const MOST_CONTEXT: u32 = 8192;
/// Prompts handed over to be weighed before the first size is waited for.
const MEASURED_AT_ONCE: usize = 64;

/// Above the numbers of prompts that are answered whole.
const FIRST_STREAMED: u64 = 1 << 48;

/// How the child is started and watched.
#[derive(Debug, Clone)]
pub struct LlamaOptions {
    /// The program to run as the child, with its arguments: it must call [`crate::worker::run`].
    pub worker: (PathBuf, Vec<String>),
    /// A `LoRA` adapter in a GGUF file, if the model is to be adapted.
    pub lora: Option<PathBuf>,
    /// Prompts answered side by side.
    pub slots: u32,
    /// Tokens of context for each to begin with; more when a prompt needs it.
    pub context_tokens: u32,
    /// Threads for the arithmetic.
    pub threads: u32,
    /// Layers computed on a GPU; 0 asks for none. One that is asked for and not there is an error.
    pub gpu_layers: u32,
    /// Whether what prompts have in common is decoded once. Only measurements switch it off.
    pub share_prefix: bool,
    /// Where the shared prefix is kept between runs, if anywhere.
    pub prefixes: Option<PathBuf>,
    /// The child is restarted when it has been silent for this long.
    pub silence: Duration,
}

impl LlamaOptions {
    /// Defaults for a worker program: 8 slots of 2,048 tokens, every core, five minutes of silence.
    pub fn new(program: PathBuf, arguments: Vec<String>) -> Self {
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let silence = Duration::from_secs(300);
        let worker = (program, arguments);
        let context_tokens = FIRST_CONTEXT;
        Self {
            worker,
            lora: None,
            slots: 8,
            context_tokens,
            threads,
            gpu_layers: 0,
            share_prefix: true,
            prefixes: None,
            silence,
        }
    }
}

/// A llama.cpp model in a child process.
pub struct LlamaProcess {
    options: LlamaOptions,
    load: Load,
    fingerprint: String,
    worker: Option<Worker>,
    /// Streamed prompts get numbers of their own: what is still on its way from one that was stopped is then never
    /// taken for another's.
    next_streamed: u64,
}

struct InFlight {
    prompt: Prompt,
    attempts: u32,
}

impl LlamaProcess {
    /// Names the model and hashes its file; the child starts with the first prompt.
    ///
    /// # Errors
    /// When a file is missing or is no GGUF.
    pub fn new(path: &std::path::Path, options: LlamaOptions) -> Result<Self, ModelError> {
        let digest = hash_file(path)?;
        // The sampler is greedy and the cache f16: both shape answers, so both are named.
        let mut fingerprint = format!("gguf:{}:greedy:f16", digest.to_hex());
        if let Some(lora) = &options.lora {
            fingerprint = format!("{fingerprint}:lora:{}", hash_file(lora)?.to_hex());
        }
        Ok(Self::named(path, options, fingerprint))
    }

    /// A program of somebody else's in the child's place: it reads and writes the same lines, and the hash of its file
    /// names what it says.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn program(path: &std::path::Path, options: LlamaOptions) -> Result<Self, ModelError> {
        let fingerprint = format!("program:{}", hash_file(path)?.to_hex());
        let whole = std::path::absolute(path).map_err(|source| ModelError::File { path: path.to_owned(), source })?;
        let options = LlamaOptions { worker: (whole, Vec::new()), lora: None, prefixes: None, ..options };
        Ok(Self::named(path, options, fingerprint))
    }

    fn named(path: &std::path::Path, options: LlamaOptions, fingerprint: String) -> Self {
        let load = Load {
            path: path.to_owned(),
            lora: options.lora.clone(),
            slots: options.slots,
            context_tokens: options.context_tokens,
            threads: options.threads,
            gpu_layers: options.gpu_layers,
            plain_kernels: false,
            share_prefix: options.share_prefix,
            prefixes: options.prefixes.clone(),
            fingerprint: fingerprint.clone(),
        };
        Self { options, load, fingerprint, worker: None, next_streamed: FIRST_STREAMED }
    }

    /// Starts the child if it is not there, and says what runs the model. When it dies at once, the kernels that
    /// need their weights in a form of their own (AMX among them) are left out, from then on.
    ///
    /// # Errors
    /// When the model cannot be loaded either way.
    pub fn runs_on(&mut self) -> Result<Backend, GeneratorError> {
        Ok(self.worker()?.runs_on.clone())
    }

    /// The memory of contexts is paid whether it is used or not, so it grows when it must.
    fn widen(&mut self) {
        self.load.context_tokens = (self.load.context_tokens * 2).min(MOST_CONTEXT);
        self.worker = None;
    }

    fn worker(&mut self) -> Result<&mut Worker, GeneratorError> {
        // It may have died since it was last asked.
        if self.worker.as_mut().is_some_and(|worker| !matches!(worker.child.try_wait(), Ok(None))) {
            self.worker = None;
        }
        self.at_hand()
    }

    /// The child as it is, dead or alive: prompts that were handed to it are only missed when its death is heard of, and
    /// one started in its place meanwhile would never answer them. Started when there is none.
    fn at_hand(&mut self) -> Result<&mut Worker, GeneratorError> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => match start(&self.options, &self.load) {
                Err(StartError::Died(_)) if !self.load.plain_kernels => {
                    self.load.plain_kernels = true;
                    start(&self.options, &self.load)
                }
                started => started,
            }
            .map_err(|error| match error {
                StartError::Died(reason) | StartError::Refused(reason) => GeneratorError(reason),
            })?,
        };
        Ok(self.worker.insert(worker))
    }
}

impl Generator for LlamaProcess {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn form(&self) -> AnswerForm {
        AnswerForm::Lines
    }

    fn measure(
        &mut self,
        prompts: &mut dyn Iterator<Item = Prompt>,
    ) -> Result<Option<Vec<Option<PromptSize>>>, GeneratorError> {
        let silence = self.options.silence;
        let worker = self.worker()?;
        let mut sizes = Vec::new();
        let mut more = true;
        let mut open = 0;
        while more || open > 0 {
            while more && open < MEASURED_AT_ONCE {
                match prompts.next() {
                    Some(prompt) => {
                        send(worker, &Request::Measure(prompt));
                        open += 1;
                    }
                    None => more = false,
                }
            }
            if open == 0 {
                break;
            }
            match worker.replies.recv_timeout(silence) {
                Ok(Ok(Reply::Size { size, .. })) => {
                    sizes.push(size);
                    open -= 1;
                }
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => {
                    self.worker = None;
                    return Err(GeneratorError("the model's process died while it weighed prompts".to_owned()));
                }
            }
        }
        Ok(Some(sizes))
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
        // Only an answer that was waited for counts: a child may also chatter.
        let mut heard = Instant::now();
        loop {
            if in_flight.is_empty() {
                heard = Instant::now();
            }
            // After a death the prompts it took with it run alone, so that the next death names its cause.
            if in_flight.is_empty()
                && let Some(suspect) = suspects.pop()
            {
                send(self.worker()?, &Request::Generate(suspect.prompt.clone()));
                in_flight.insert(suspect.prompt.id, suspect);
            }
            while suspects.is_empty() && in_flight.len() < room && in_flight.values().all(|lost| lost.attempts == 0) {
                let Some(prompt) = prompts.next() else { break };
                let worker = if in_flight.is_empty() { self.worker()? } else { self.at_hand()? };
                send(worker, &Request::Generate(prompt.clone()));
                in_flight.insert(prompt.id, InFlight { prompt, attempts: 0 });
            }
            if in_flight.is_empty() {
                return Ok(());
            }
            // Starting the child takes as long as it takes.
            let started = self.worker.is_none();
            let replies = &self.at_hand()?.replies;
            if started {
                heard = Instant::now();
            }
            let failure = match replies.recv_timeout(silence.saturating_sub(heard.elapsed())) {
                Ok(Ok(Reply::Answer { result: Err(failure), .. }))
                    if failure.kind == FailureKind::TooLong && self.load.context_tokens < MOST_CONTEXT =>
                {
                    self.widen();
                    heard = Instant::now();
                    for lost in in_flight.values() {
                        send(self.at_hand()?, &Request::Generate(lost.prompt.clone()));
                    }
                    continue;
                }
                Ok(Ok(Reply::Answer { id, result })) => {
                    if in_flight.remove(&id).is_some() {
                        heard = Instant::now();
                        if done(id, result).is_break() {
                            self.worker = None;
                            return Ok(());
                        }
                    }
                    continue;
                }
                Ok(Ok(Reply::Ready(_) | Reply::Size { .. } | Reply::Piece { .. })) => continue,
                Ok(Ok(Reply::LoadFailed(reason))) => return Err(GeneratorError(reason)),
                Ok(Err(garbled)) => lost(Some(garbled)),
                Err(RecvTimeoutError::Disconnected) => lost(None),
                Err(RecvTimeoutError::Timeout) => silent(silence),
            };
            self.worker = None;
            for (id, mut taken) in std::mem::take(&mut in_flight) {
                taken.attempts += 1;
                if taken.attempts < ATTEMPTS {
                    suspects.push(taken);
                    continue;
                }
                if done(id, Err(failure.clone())).is_break() {
                    return Ok(());
                }
            }
        }
    }

    fn stream(
        &mut self,
        prompt: Prompt,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Result<Completion, Failure>, GeneratorError> {
        self.stream_to_the_end(prompt, told)
    }

    fn loaded(&self) -> Option<Loaded> {
        self.worker.as_ref().map(|worker| Loaded { process: worker.child.id(), took: worker.took })
    }

    fn unload(&mut self) {
        self.worker = None;
    }
}

/// Why a prompt is given up at which the child died, or said what is no reply, for the last time.
fn lost(garbled: Option<String>) -> Failure {
    let reason = match garbled {
        Some(garbled) => format!("the model's process {garbled}; {ATTEMPTS} times"),
        None => format!("the model's process died on it {ATTEMPTS} times"),
    };
    Failure { kind: FailureKind::Crashed, reason }
}

/// Why a prompt is given up that was not answered in time.
fn silent(silence: Duration) -> Failure {
    let reason = format!("no answer within {} s, {ATTEMPTS} times", silence.as_secs());
    Failure { kind: FailureKind::TimedOut, reason }
}

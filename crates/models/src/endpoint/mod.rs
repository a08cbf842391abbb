//! An OpenAI-compatible chat endpoint (llama-server, vLLM, a vendor's) as a generator: many requests at once, as
//! many as the server bears, each with a deadline, and its answers as JSON where the server can enforce that.

mod pace;
mod request;
mod stream;

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use frontload_core::{AnswerForm, Completion, Failure, FailureKind, Generator, GeneratorError, Prompt};
use tokio::task::JoinSet;

pub(crate) use request::{body, completion};

use crate::reference::ModelError;
use pace::Pace;
use request::{Trouble, malformed, trouble};
use stream::{LISTEN_EVERY, Streamed};

/// A prompt is tried this many times in all.
const ATTEMPTS: u32 = 5;
/// An answer that is not the JSON it should be is taken as it is after so many of them.
const MALFORMED: u32 = 2;
/// The first wait before another try; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The environment variable that holds the endpoint's key, if it wants one.
const KEY_VARIABLE: &str = "FRONTLOAD_API_KEY";

/// How an endpoint is used.
#[derive(Debug, Clone, Copy)]
pub struct EndpointOptions {
    /// The most requests open at once; fewer while the server shows trouble.
    pub concurrency: usize,
    /// A request without an answer is given up, and tried again, after this long.
    pub patience: Duration,
    /// A prompt without an answer is given up for good after this long, however often it was tried.
    pub deadline: Duration,
}

impl Default for EndpointOptions {
    fn default() -> Self {
        Self { concurrency: 16, patience: Duration::from_secs(120), deadline: Duration::from_secs(600) }
    }
}

/// A client of one model at one address.
pub struct Endpoint {
    asker: Arc<Asker>,
    fingerprint: String,
    options: EndpointOptions,
}

struct Asker {
    url: String,
    model: String,
    key: Option<String>,
    patience: Duration,
    /// Cleared when the server turns out not to know about schemas.
    with_schema: AtomicBool,
}

/// A prompt on its way, and how often it was tried.
struct Asked {
    prompt: Prompt,
    attempts: u32,
    malformed: u32,
    not_before: Option<Instant>,
    /// When it is given up for good; set by its first try.
    deadline: Option<Instant>,
}

impl Endpoint {
    /// Names an endpoint: the address up to `/v1`, and the model's name there.
    ///
    /// # Errors
    /// When the address is no URL.
    pub fn new(base_url: &str, model: &str, options: EndpointOptions) -> Result<Self, ModelError> {
        let url = format!("{}/chat/completions", base_url.trim_end_matches('/'));
        reqwest::Url::parse(&url)
            .map_err(|error| ModelError::Endpoint { url: base_url.to_owned(), reason: error.to_string() })?;
        let fingerprint = format!("endpoint:{base_url}#{model}:temperature=0:json");
        let key = std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty());
        let with_schema = AtomicBool::new(true);
        let asker = Asker { url, model: model.to_owned(), key, patience: options.patience, with_schema };
        Ok(Self { asker: Arc::new(asker), fingerprint, options })
    }
}

impl Asker {
    async fn ask(&self, client: &reqwest::Client, asked: &Asked) -> Result<Completion, Trouble> {
        let Asked { prompt, deadline, .. } = asked;
        let left = deadline.map_or(self.patience, |at| at.saturating_duration_since(Instant::now()));
        let with_schema = self.with_schema.load(Ordering::Relaxed);
        let body = body(prompt, &self.model, with_schema);
        let mut request = client.post(&self.url).timeout(self.patience.min(left)).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.map_err(|error| {
            if error.is_connect() {
                Trouble::Fatal(format!("cannot connect: {}", innermost(&error)))
            } else {
                Trouble::Passing(innermost(&error), None)
            }
        })?;
        let status = response.status();
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let bytes = response.bytes().await.map_err(|error| Trouble::Passing(innermost(&error), None))?;
        if !status.is_success() {
            let told = String::from_utf8_lossy(&bytes);
            return Err(trouble(status, &told, wait.map(Duration::from_secs), with_schema));
        }
        completion(&bytes).map_err(|reason| Trouble::Passing(reason, None))
    }
}

/// One run of an endpoint: what is open, what waits to be tried again, and how it has gone so far.
struct Run<'a> {
    prompts: &'a mut dyn Iterator<Item = Prompt>,
    done: &'a mut dyn FnMut(u64, Result<Completion, Failure>) -> ControlFlow<()>,
    pace: Pace,
    again: VecDeque<Asked>,
    /// After fatal trouble nothing new is asked, but what is being answered is paid for and kept.
    fatal: Option<String>,
    answered: bool,
    /// How long one prompt may take in all.
    deadline: Duration,
}

impl Run<'_> {
    /// The next prompt that may be asked now.
    fn next(&mut self, now: Instant) -> Option<Asked> {
        let due = self.again.iter().position(|asked| asked.not_before.is_none_or(|at| at <= now));
        match due {
            Some(at) => self.again.remove(at),
            None => self.prompts.next().map(|prompt| Asked {
                prompt,
                attempts: 0,
                malformed: 0,
                not_before: None,
                deadline: None,
            }),
        }
    }

    /// How long to wait when nothing is open: until the server wants to be asked, or a prompt may be tried again.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let due = self.again.iter().filter_map(|asked| asked.not_before?.checked_duration_since(now)).min();
        self.pace.quiet(now).or(due)
    }

    fn settle(&mut self, mut asked: Asked, result: Result<Completion, Trouble>, asker: &Asker) -> ControlFlow<()> {
        let now = Instant::now();
        let again = asked.attempts < ATTEMPTS && asked.deadline.is_none_or(|at| now < at);
        match result {
            Ok(completion) if malformed(&asked.prompt, &completion) && asked.malformed + 1 < MALFORMED => {
                asked.malformed += 1;
                self.retry(asked, now, None);
            }
            Ok(completion) => {
                self.pace.went_well();
                self.answered = true;
                return (self.done)(asked.prompt.id, Ok(completion));
            }
            Err(Trouble::NoSchema) => {
                asker.with_schema.store(false, Ordering::Relaxed);
                asked.attempts -= 1;
                self.retry(asked, now, None);
            }
            Err(Trouble::Fatal(reason)) => {
                self.fatal.get_or_insert(reason);
            }
            Err(Trouble::Passing(_, wait)) if again => {
                self.pace.met_trouble(now, wait);
                self.retry(asked, now, wait);
            }
            // Trouble that does not pass is the endpoint's, until it has answered something.
            Err(Trouble::Passing(reason, _)) if !self.answered => {
                self.fatal.get_or_insert(format!("{reason}, {} times", asked.attempts));
            }
            Err(Trouble::Passing(reason, _)) => {
                let reason = format!("{reason}, {} times", asked.attempts);
                return (self.done)(asked.prompt.id, Err(Failure { kind: FailureKind::TimedOut, reason }));
            }
            Err(Trouble::Refused(reason)) => {
                return (self.done)(asked.prompt.id, Err(Failure { kind: FailureKind::Refused, reason }));
            }
        }
        ControlFlow::Continue(())
    }

    fn retry(&mut self, mut asked: Asked, now: Instant, wait: Option<Duration>) {
        let doubled = FIRST_WAIT * 2_u32.pow(asked.attempts.saturating_sub(1).min(16));
        asked.not_before = now.checked_add(wait.unwrap_or(doubled).min(LONGEST_WAIT));
        self.again.push_back(asked);
    }

    async fn go(&mut self, asker: &Arc<Asker>, client: &reqwest::Client) -> Result<(), String> {
        let mut open = JoinSet::new();
        loop {
            let now = Instant::now();
            while self.fatal.is_none() && open.len() < self.pace.limit() && self.pace.quiet(now).is_none() {
                let Some(mut asked) = self.next(now) else { break };
                asked.attempts += 1;
                asked.deadline = asked.deadline.or_else(|| now.checked_add(self.deadline));
                let (asker, client) = (Arc::clone(asker), client.clone());
                open.spawn(async move {
                    let result = asker.ask(&client, &asked).await;
                    (asked, result)
                });
            }
            let may_ask = self.fatal.is_none() && open.len() < self.pace.limit();
            let waiting = may_ask.then(|| self.pause(now)).flatten();
            let joined = match (open.is_empty(), waiting) {
                (true, None) => return self.fatal.take().map_or(Ok(()), Err),
                (true, Some(wait)) => {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                (false, Some(wait)) => match tokio::time::timeout(wait, open.join_next()).await {
                    Ok(joined) => joined,
                    Err(_) => continue,
                },
                (false, None) => open.join_next().await,
            };
            let Some(joined) = joined else { continue };
            let (asked, result) = joined.map_err(|error| error.to_string())?;
            if self.settle(asked, result, asker).is_break() {
                return Ok(());
            }
        }
    }
}

impl Generator for Endpoint {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn form(&self) -> AnswerForm {
        AnswerForm::Json
    }

    fn generate(
        &mut self,
        prompts: &mut dyn Iterator<Item = Prompt>,
        done: &mut dyn FnMut(u64, Result<Completion, Failure>) -> ControlFlow<()>,
    ) -> Result<(), GeneratorError> {
        let wrong = |reason: String| self.wrong(reason);
        let (runtime, client) = self.open()?;
        let pace = Pace::new(self.options.concurrency.max(1));
        let deadline = self.options.deadline;
        let mut run = Run { prompts, done, pace, again: VecDeque::new(), fatal: None, answered: false, deadline };
        runtime.block_on(run.go(&self.asker, &client)).map_err(wrong)
    }

    fn stream(
        &mut self,
        prompt: Prompt,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Result<Completion, Failure>, GeneratorError> {
        let (runtime, client) = self.open()?;
        match runtime.block_on(self.asker.stream(&client, &prompt, told)) {
            Streamed::Ended(ended) => Ok(ended),
            Streamed::Broke { told, reason } if told > 0 => Err(self.wrong(reason)),
            // Nothing was told yet: asked whole, it is tried as often as any other prompt.
            Streamed::Broke { .. } => {
                let Some(ended) = self.whole(&runtime, &client, prompt, told)? else {
                    return Ok(Err(Failure::stopped()));
                };
                match &ended {
                    Ok(completion) if told(&completion.text).is_break() => Ok(Err(Failure::stopped())),
                    _ => Ok(ended),
                }
            }
        }
    }
}

impl Endpoint {
    fn wrong(&self, reason: String) -> GeneratorError {
        GeneratorError(format!("endpoint {}: {reason}", self.asker.url))
    }

    /// Asks for a whole answer, as often as that takes; `None` when it was stopped meanwhile.
    fn whole(
        &self,
        runtime: &tokio::runtime::Runtime,
        client: &reqwest::Client,
        prompt: Prompt,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<Result<Completion, Failure>>, GeneratorError> {
        let mut ended = None;
        let mut done = |_: u64, result: Result<Completion, Failure>| {
            ended = Some(result);
            ControlFlow::Break(())
        };
        let (pace, deadline) = (Pace::new(1), self.options.deadline);
        let mut prompts = std::iter::once(prompt);
        let mut run = Run {
            prompts: &mut prompts,
            done: &mut done,
            pace,
            again: VecDeque::new(),
            fatal: None,
            answered: false,
            deadline,
        };
        let stopped = runtime.block_on(async {
            let mut listen = tokio::time::interval(LISTEN_EVERY);
            let mut going = std::pin::pin!(run.go(&self.asker, client));
            loop {
                tokio::select! {
                    gone = &mut going => break gone.map(|()| false),
                    _ = listen.tick() => if told("").is_break() {
                        break Ok(true);
                    },
                }
            }
        });
        if stopped.map_err(|reason| self.wrong(reason))? {
            return Ok(None);
        }
        Ok(Some(ended.ok_or_else(|| self.wrong("no answer came".to_owned()))?))
    }

    fn open(&self) -> Result<(tokio::runtime::Runtime, reqwest::Client), GeneratorError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.wrong(error.to_string()))?;
        let client = reqwest::Client::builder().build().map_err(|error| self.wrong(error.to_string()))?;
        Ok((runtime, client))
    }
}

/// The cause that says most: the client's own message is only that sending failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

//! An OpenAI-compatible chat endpoint (llama-server, vLLM, a vendor's) as a generator.
//!
//! The endpoint is not told the grammar: there is no standard field for one. Its answers go through the
//! same validation as everybody's.

use std::{ops::ControlFlow, time::Duration};

use frontload_core::{Completion, Failure, FailureKind, Finish, Generator, GeneratorError, Prompt};
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::reference::ModelError;

/// Requests open at once.
const IN_FLIGHT: usize = 8;
/// A request that is refused for load or server trouble is tried this many times in all.
const ATTEMPTS: u32 = 5;
/// One try may take this long.
const DEADLINE: Duration = Duration::from_secs(120);
/// The environment variable that holds the endpoint's key, if it wants one.
const KEY_VARIABLE: &str = "FRONTLOAD_API_KEY";

/// A client of one model at one address.
pub struct Endpoint {
    url: String,
    model: String,
    fingerprint: String,
    key: Option<String>,
}

#[derive(Deserialize)]
struct ChatReply {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: ReplyMessage,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct ReplyMessage {
    content: Option<String>,
}

#[derive(Deserialize, Default)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

/// What to do about a try that failed.
enum Trouble {
    /// Worth another try, after this long if the server said so.
    Passing(String, Option<Duration>),
    /// This prompt will never be answered.
    Refused(String),
    /// No prompt will: nothing listens there, or the key or the model's name is wrong.
    Fatal(String),
}

impl Endpoint {
    /// Names an endpoint: the address up to `/v1`, and the model's name there.
    ///
    /// # Errors
    /// When the address is no URL.
    pub fn new(base_url: &str, model: &str) -> Result<Self, ModelError> {
        let url = format!("{}/chat/completions", base_url.trim_end_matches('/'));
        reqwest::Url::parse(&url)
            .map_err(|error| ModelError::Endpoint { url: base_url.to_owned(), reason: error.to_string() })?;
        let fingerprint = format!("endpoint:{base_url}#{model}:temperature=0");
        let key = std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty());
        Ok(Self { url, model: model.to_owned(), fingerprint, key })
    }

    async fn ask(&self, client: &reqwest::Client, prompt: &Prompt) -> Result<Completion, Trouble> {
        let mut body = serde_json::json!({
            "messages": prompt.messages,
            "max_tokens": prompt.max_tokens,
            "temperature": 0,
            "stream": false,
        });
        if !self.model.is_empty() {
            body["model"] = self.model.clone().into();
        }
        let mut request = client.post(&self.url).timeout(DEADLINE).json(&body);
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
        if matches!(status.as_u16(), 408 | 429) || status.is_server_error() {
            let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(Trouble::Passing(format!("the endpoint answered {status}"), wait.map(Duration::from_secs)));
        }
        if !status.is_success() {
            let told = response.text().await.unwrap_or_default();
            let told: String = told.chars().take(200).collect();
            let reason = format!("the endpoint answered {status}: {told}");
            // These say nothing about the prompt: noted as its failure they would outlive the mistake.
            let fatal = matches!(status.as_u16(), 401..=404);
            return Err(if fatal { Trouble::Fatal(reason) } else { Trouble::Refused(reason) });
        }
        let reply: ChatReply = response
            .json()
            .await
            .map_err(|error| Trouble::Refused(format!("unreadable answer: {}", innermost(&error))))?;
        let usage = reply.usage.unwrap_or_default();
        let choice = reply.choices.into_iter().next();
        let Some((text, finish)) = choice.and_then(|choice| Some((choice.message.content?, choice.finish_reason)))
        else {
            return Err(Trouble::Refused("the endpoint answered without content".to_owned()));
        };
        Ok(Completion {
            text,
            finish: if finish.as_deref() == Some("length") { Finish::Length } else { Finish::Stop },
            prompt_tokens: usage.prompt_tokens,
            prefill_tokens: usage.prompt_tokens,
            answer_tokens: usage.completion_tokens,
        })
    }

    /// Tries again while trouble may pass, waiting 1, 2, 4 … seconds or what the server asked for.
    async fn ask_patiently(&self, client: &reqwest::Client, prompt: &Prompt) -> Result<Completion, Trouble> {
        let mut wait = Duration::from_secs(1);
        for attempt in 1.. {
            match self.ask(client, prompt).await {
                Err(Trouble::Passing(_, asked)) if attempt < ATTEMPTS => {
                    tokio::time::sleep(asked.unwrap_or(wait).min(DEADLINE)).await;
                    wait *= 2;
                }
                ended => return ended,
            }
        }
        Err(Trouble::Refused("never tried".to_owned()))
    }
}

impl Generator for Endpoint {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn generate(
        &mut self,
        prompts: &mut dyn Iterator<Item = Prompt>,
        done: &mut dyn FnMut(u64, Result<Completion, Failure>) -> ControlFlow<()>,
    ) -> Result<(), GeneratorError> {
        let wrong = |reason: String| GeneratorError(format!("endpoint {}: {reason}", self.url));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let client = reqwest::Client::builder().build().map_err(|error| wrong(error.to_string()))?;
        let this = std::sync::Arc::new(Self {
            url: self.url.clone(),
            model: self.model.clone(),
            fingerprint: String::new(),
            key: self.key.clone(),
        });
        runtime.block_on(async {
            let mut open = JoinSet::new();
            // After fatal trouble nothing new is asked, but what is being answered is paid for and kept.
            let mut fatal: Option<String> = None;
            let mut answered = false;
            loop {
                while fatal.is_none() && open.len() < IN_FLIGHT {
                    let Some(prompt) = prompts.next() else { break };
                    let (this, client) = (this.clone(), client.clone());
                    open.spawn(async move {
                        let result = this.ask_patiently(&client, &prompt).await;
                        (prompt.id, result)
                    });
                }
                let Some(joined) = open.join_next().await else {
                    return fatal.map_or(Ok(()), |reason| Err(wrong(reason)));
                };
                let (id, result) = joined.map_err(|error| wrong(error.to_string()))?;
                let result = match result {
                    Ok(completion) => Ok(completion),
                    Err(Trouble::Fatal(reason)) => {
                        fatal.get_or_insert(reason);
                        continue;
                    }
                    // Trouble that does not pass is the endpoint's, until it has answered something.
                    Err(Trouble::Passing(reason, _)) if !answered => {
                        fatal.get_or_insert(format!("{reason}, {ATTEMPTS} times"));
                        continue;
                    }
                    Err(Trouble::Passing(reason, _)) => {
                        let reason = format!("{reason}, {ATTEMPTS} times");
                        Err(Failure { kind: FailureKind::Refused, reason })
                    }
                    Err(Trouble::Refused(reason)) => Err(Failure { kind: FailureKind::Refused, reason }),
                };
                answered |= result.is_ok();
                if done(id, result).is_break() {
                    return Ok(());
                }
            }
        })
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

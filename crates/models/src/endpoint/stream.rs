//! An answer of an endpoint, told piece by piece.

use std::{ops::ControlFlow, time::Duration};

use frontload_core::{Completion, Failure, Finish, Prompt};

use super::{
    asker::{Asker, innermost},
    request::{body, delta},
};

/// How often an answer that does not come can be stopped.
pub(super) const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// The longest line of a stream.
const LONGEST_EVENT: usize = 1 << 20;

/// How a streamed request went.
pub(super) enum Streamed {
    /// Everything came, or it was stopped.
    Ended(Result<Completion, Failure>),
    /// It broke off, or did not begin, after this much had been told.
    Broke { told: usize, reason: String },
}

impl Asker {
    pub(super) async fn stream(
        &self,
        client: &reqwest::Client,
        prompt: &Prompt,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Streamed {
        let mut body = body(prompt, &self.model, true);
        body["stream"] = true.into();
        body["stream_options"] = serde_json::json!({"include_usage": true});
        let mut request = client.post(&self.url).timeout(self.patience).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let mut so_far = Completion {
            text: String::new(),
            finish: Finish::Stop,
            prompt_tokens: 0,
            prefill_tokens: 0,
            answer_tokens: 0,
        };
        let mut line = Vec::new();
        let mut finished = false;
        let mut listen = tokio::time::interval(LISTEN_EVERY);
        let mut sending = std::pin::pin!(request.send());
        let response = loop {
            tokio::select! {
                sent = &mut sending => break sent,
                _ = listen.tick() => if told("").is_break() {
                    return Streamed::Ended(Err(Failure::stopped()));
                },
            }
        };
        let broke = |so_far: &Completion, reason: String| Streamed::Broke { told: so_far.text.len(), reason };
        let mut response = match response {
            Ok(response) if response.status().is_success() => response,
            Ok(response) => return broke(&so_far, format!("the endpoint answered {}", response.status())),
            Err(error) => return broke(&so_far, innermost(&error).to_string()),
        };
        loop {
            let chunk = tokio::select! {
                chunk = response.chunk() => chunk,
                _ = listen.tick() => {
                    if told("").is_break() {
                        return Streamed::Ended(Err(Failure::stopped()));
                    }
                    continue;
                }
            };
            let chunk = match chunk {
                Ok(Some(chunk)) => chunk,
                Ok(None) if so_far.text.is_empty() => return broke(&so_far, "the stream was empty".to_owned()),
                Ok(None) => {
                    // Cut off by whoever is between: its last sentence may be half of one.
                    if !finished {
                        so_far.finish = Finish::Length;
                    }
                    return Streamed::Ended(Ok(so_far));
                }
                Err(error) => return broke(&so_far, innermost(&error).to_string()),
            };
            for byte in chunk {
                if byte != b'\n' {
                    if line.len() >= LONGEST_EVENT {
                        return broke(&so_far, "an event without an end".to_owned());
                    }
                    line.push(byte);
                    continue;
                }
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                finished |= text.ends_with("[DONE]");
                let event = delta(&text);
                line.clear();
                match event {
                    None => {}
                    Some(Err(reason)) => return broke(&so_far, reason),
                    Some(Ok(delta)) => {
                        so_far.text.push_str(&delta.text);
                        finished |= delta.finish.is_some();
                        so_far.finish = delta.finish.unwrap_or(so_far.finish);
                        if let Some((prompt_tokens, answer_tokens)) = delta.tokens {
                            (so_far.prompt_tokens, so_far.prefill_tokens) = (prompt_tokens, prompt_tokens);
                            so_far.answer_tokens = answer_tokens;
                        }
                        if !delta.text.is_empty() && told(&delta.text).is_break() {
                            return Streamed::Ended(Err(Failure::stopped()));
                        }
                    }
                }
            }
        }
    }
}

//! One request to a chat endpoint, in the words of the `OpenAI` API, and what became of it.

use std::time::Duration;

use frontload_core::{Completion, Constraint, Finish, Prompt};
use serde::Deserialize;
use serde_json::json;

/// An answer's beginning that is shown in an error.
const SHOWN_CHARS: usize = 200;

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
pub(super) enum Trouble {
    /// Worth another try, after this long if the server said so.
    Passing(String, Option<Duration>),
    /// The server does not know `response_format`; the same without it may do.
    NoSchema,
    /// This prompt will never be answered.
    Refused(String),
    /// No prompt will: nothing listens there, or the key or the model's name is wrong.
    Fatal(String),
}

/// A request's body. The few-shots show the form of the answer too, so it can do without a schema.
pub(crate) fn body(prompt: &Prompt, model: &str, with_schema: bool) -> serde_json::Value {
    let mut body = json!({
        "messages": prompt.messages,
        "max_tokens": prompt.max_tokens,
        "temperature": 0,
        "stream": false,
    });
    if !model.is_empty() {
        body["model"] = model.into();
    }
    if let (Some(Constraint::JsonSchema(schema)), true) = (&prompt.constraint, with_schema) {
        let named = json!({"name": "handles", "strict": true, "schema": schema});
        body["response_format"] = json!({"type": "json_schema", "json_schema": named});
    }
    body
}

/// What one event of a streamed response adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    pub text: String,
    pub finish: Option<Finish>,
    pub tokens: Option<(u32, u32)>,
}

/// Reads a line of a streamed response; `None` for what is no event, and for the last one.
pub(super) fn delta(line: &str) -> Option<Result<Delta, String>> {
    let data = line.strip_prefix("data:")?.trim();
    if data == "[DONE]" {
        return None;
    }
    let event: serde_json::Value = match serde_json::from_str(data) {
        Ok(event) => event,
        Err(error) => return Some(Err(format!("unreadable event: {error}"))),
    };
    if let Some(error) = event.get("error") {
        return Some(Err(format!("the endpoint broke off: {error}")));
    }
    let choice = &event["choices"][0];
    let count = |name: &str| event["usage"][name].as_u64().map(|tokens| tokens as u32);
    Some(Ok(Delta {
        text: choice["delta"]["content"].as_str().unwrap_or_default().to_owned(),
        finish: choice["finish_reason"].as_str().map(|why| if why == "length" { Finish::Length } else { Finish::Stop }),
        tokens: count("prompt_tokens").zip(count("completion_tokens")),
    }))
}

/// What a response's status says.
pub(super) fn trouble(status: reqwest::StatusCode, told: &str, wait: Option<Duration>, with_schema: bool) -> Trouble {
    let told: String = told.chars().take(SHOWN_CHARS).collect();
    let reason = format!("the endpoint answered {status}: {told}");
    if matches!(status.as_u16(), 408 | 409 | 425 | 429) || status.is_server_error() {
        return Trouble::Passing(reason, wait);
    }
    let names_schema = ["response_format", "json_schema", "schema"].iter().any(|word| told.contains(word));
    match status.as_u16() {
        400 | 415 | 422 if with_schema && names_schema => Trouble::NoSchema,
        // These say nothing about the prompt: noted as its failure they would outlive the mistake.
        401..=404 => Trouble::Fatal(reason),
        _ => Trouble::Refused(reason),
    }
}

/// Reads a response's body, which a proxy may have cut.
pub(crate) fn completion(body: &[u8]) -> Result<Completion, String> {
    let reply: ChatReply = serde_json::from_slice(body).map_err(|error| format!("unreadable answer: {error}"))?;
    let usage = reply.usage.unwrap_or_default();
    let choice = reply.choices.into_iter().next();
    let Some((text, finish)) = choice.and_then(|choice| Some((choice.message.content?, choice.finish_reason))) else {
        return Err("the endpoint answered without content".to_owned());
    };
    Ok(Completion {
        text,
        finish: if finish.as_deref() == Some("length") { Finish::Length } else { Finish::Stop },
        prompt_tokens: usage.prompt_tokens,
        prefill_tokens: usage.prompt_tokens,
        answer_tokens: usage.completion_tokens,
    })
}

/// Whether an answer that should be JSON is not even that: asked again, a server under load may do better.
pub(super) fn malformed(prompt: &Prompt, completion: &Completion) -> bool {
    let asked = matches!(prompt.constraint, Some(Constraint::JsonSchema(_)));
    let text = completion.text.trim();
    asked
        && completion.finish == Finish::Stop
        && text.starts_with('{')
        && serde_json::from_str::<serde_json::Value>(text).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read() {
        let check = |line: &str, expected: Option<Result<Delta, String>>| assert_eq!(delta(line), expected, "{line}");
        let said = |text: &str| Delta { text: text.to_owned(), ..Delta::default() };
        check("data: {\"choices\":[{\"delta\":{\"content\":\"Fog\"}}]}", Some(Ok(said("Fog"))));
        check("data:{\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}", Some(Ok(said(""))));
        let last = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\
                    \"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}";
        check(last, Some(Ok(Delta { finish: Some(Finish::Length), tokens: Some((7, 2)), ..Delta::default() })));
        check("data: [DONE]", None);
        check(": a comment", None);
        assert!(matches!(delta("data: {\"error\":{\"message\":\"no\"}}"), Some(Err(_))));
    }
}

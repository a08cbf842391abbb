//! Asking one endpoint one thing.

use std::{
    error::Error,
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use frontload_core::{Completion, Prompt};

use super::{
    EndpointOptions,
    request::{Trouble, body, completion, trouble},
};
use crate::{pool::MemberRef, reference::ModelError};

/// The environment variable that holds the endpoint's key, if it wants one.
const KEY_VARIABLE: &str = "FRONTLOAD_API_KEY";
/// The system's number for a program that has no more files to open: a connection is one.
const NO_MORE_FILES: i32 = 24;
/// How long no further connection is tried then.
const FILES_WAIT: Duration = Duration::from_secs(1);

/// A client of one model at one address.
pub(super) struct Asker {
    pub base_url: String,
    pub url: String,
    pub model: String,
    pub key: Option<String>,
    pub patience: Duration,
    /// Cleared when the server turns out not to know about schemas.
    pub with_schema: AtomicBool,
}

impl Asker {
    pub fn new(member: &MemberRef, model: &str, options: EndpointOptions) -> Result<Self, ModelError> {
        let base_url = member.base_url.clone();
        let url = format!("{base_url}/chat/completions");
        let wrong = |reason: String| ModelError::Endpoint { url: base_url.clone(), reason };
        reqwest::Url::parse(&url).map_err(|error| wrong(error.to_string()))?;
        let variable = member.key_variable.as_deref();
        let key = std::env::var(variable.unwrap_or(KEY_VARIABLE)).ok().filter(|key| !key.is_empty());
        if let (Some(variable), None) = (variable, &key) {
            return Err(wrong(format!("its key is to stand in the environment variable {variable}, which is not set")));
        }
        let with_schema = AtomicBool::new(true);
        Ok(Self { url, model: model.to_owned(), key, patience: options.patience, with_schema, base_url })
    }

    /// One try. `deadline` is the prompt's.
    pub async fn ask(
        &self,
        client: &reqwest::Client,
        prompt: &Prompt,
        deadline: Option<Instant>,
    ) -> Result<Completion, Trouble> {
        let left = deadline.map_or(self.patience, |at| at.saturating_duration_since(Instant::now()));
        let with_schema = self.with_schema.load(Ordering::Relaxed);
        let body = body(prompt, &self.model, with_schema);
        let mut request = client.post(&self.url).timeout(self.patience.min(left)).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.map_err(|error| not_sent(&error))?;
        let status = response.status();
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let bytes = response.bytes().await.map_err(|error| Trouble::Passing(innermost(&error).to_string(), None))?;
        if !status.is_success() {
            let told = String::from_utf8_lossy(&bytes);
            return Err(trouble(status, &told, wait.map(Duration::from_secs), with_schema));
        }
        completion(&bytes).map_err(|reason| Trouble::Passing(reason, None))
    }
}

fn not_sent(error: &reqwest::Error) -> Trouble {
    let cause = innermost(error);
    let system = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    if system == Some(NO_MORE_FILES) {
        // That is this program's limit, not the endpoint's fault.
        let reason = format!("{cause}; `ulimit -n` raises how many, a smaller --concurrency needs fewer");
        Trouble::Passing(reason, Some(FILES_WAIT))
    } else if error.is_connect() {
        Trouble::Fatal(format!("cannot connect: {cause}"))
    } else {
        Trouble::Passing(cause.to_string(), None)
    }
}

/// The cause that says most: the client's own message is only that sending failed.
pub(super) fn innermost(error: &reqwest::Error) -> &(dyn Error + 'static) {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

//! OpenAI-compatible chat endpoints (llama-server, vLLM, a vendor's) as a generator: many requests at once, as many as
//! the servers bear, each with a deadline, and answers as JSON where the server can enforce that. Several endpoints of
//! one model are one generator.

mod asker;
mod member;
mod pace;
mod request;
mod run;
mod stream;
mod tally;

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use frontload_core::{AnswerForm, Completion, Ended, Failure, Generator, GeneratorError, Prompt};

pub(crate) use request::{body, completion};
pub use tally::{Tallies, Tally};

use crate::{
    pool::{MemberRef, PoolRef},
    reference::ModelError,
};
use asker::Asker;
use run::Run;
use stream::{LISTEN_EVERY, Streamed};

/// How an endpoint is used.
#[derive(Debug, Clone, Copy)]
pub struct EndpointOptions {
    /// The most requests open at once, over all endpoints; fewer while a server shows trouble.
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

/// A client of one model, at one address or several.
pub struct Endpoint {
    /// Each address, with its weight.
    members: Vec<(Arc<Asker>, f64)>,
    model: String,
    fingerprint: String,
    options: EndpointOptions,
    tallies: Tallies,
    /// Whom to ask for an answer piece by piece: the same, whose memory of the prompt is warm, until it fails.
    turn: usize,
}

/// What the ledger calls a model at one address.
pub(crate) fn fingerprint_of(base_url: &str, model: &str) -> String {
    format!("endpoint:{base_url}#{model}:temperature=0:json")
}

impl Endpoint {
    /// Names an endpoint: the address up to `/v1`, and the model's name there.
    ///
    /// # Errors
    /// When the address is no URL.
    pub fn new(base_url: &str, model: &str, options: EndpointOptions, tallies: &Tallies) -> Result<Self, ModelError> {
        let fingerprint = fingerprint_of(base_url, model);
        Self::of(&[MemberRef::new(base_url)], model, options, tallies).map(|one| Self { fingerprint, ..one })
    }

    /// All endpoints of a pool, as one.
    ///
    /// # Errors
    /// When a key that is named is not in the environment.
    pub fn pool(pool: &PoolRef, options: EndpointOptions, tallies: &Tallies) -> Result<Self, ModelError> {
        let fingerprint = pool.fingerprint();
        Self::of(&pool.members, &pool.model, options, tallies).map(|all| Self { fingerprint, ..all })
    }

    fn of(members: &[MemberRef], model: &str, options: EndpointOptions, tallies: &Tallies) -> Result<Self, ModelError> {
        let asker = |member: &MemberRef| -> Result<(Arc<Asker>, f64), ModelError> {
            Ok((Arc::new(Asker::new(member, model, options)?), f64::from(member.weight)))
        };
        tallies.begin(members.iter().map(|member| member.base_url.as_str()));
        Ok(Self {
            members: members.iter().map(asker).collect::<Result<_, _>>()?,
            model: model.to_owned(),
            fingerprint: String::new(),
            options,
            tallies: tallies.clone(),
            turn: 0,
        })
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
        self.generate_in_groups(prompts, &mut |group| group.into_iter().try_for_each(|(id, result)| done(id, result)))
    }

    fn generate_in_groups(
        &mut self,
        prompts: &mut dyn Iterator<Item = Prompt>,
        done: &mut dyn FnMut(Vec<Ended>) -> ControlFlow<()>,
    ) -> Result<(), GeneratorError> {
        let (runtime, client) = self.open()?;
        let mut run = Run::new(self, self.options.concurrency.max(1), prompts, done);
        runtime.block_on(run.go(&client)).map_err(|reason| self.wrong(reason))
    }

    fn stream(
        &mut self,
        prompt: Prompt,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Result<Completion, Failure>, GeneratorError> {
        let (runtime, client) = self.open()?;
        let at = self.turn % self.members.len().max(1);
        let Some((asker, _)) = self.members.get(at) else { return Err(self.wrong("there is none".to_owned())) };
        let asker = Arc::clone(asker);
        match runtime.block_on(asker.stream(&client, &prompt, told)) {
            Streamed::Ended(ended) => Ok(ended),
            Streamed::Broke { told, reason } if told > 0 => {
                self.turn += 1;
                Err(GeneratorError(format!("endpoint {}: {reason}", asker.url)))
            }
            // Nothing was told yet: asked whole, it is tried as often as any other prompt.
            Streamed::Broke { .. } => {
                self.turn += 1;
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
        GeneratorError(match self.members.as_slice() {
            [(only, _)] => format!("endpoint {}: {reason}", only.url),
            _ => format!("endpoints of {}: {reason}", self.model),
        })
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
        let mut done = |group: Vec<Ended>| {
            ended = group.into_iter().next().map(|(_, result)| result);
            ControlFlow::Break(())
        };
        let mut prompts = std::iter::once(prompt);
        let mut run = Run::new(self, 1, &mut prompts, &mut done);
        let stopped = runtime.block_on(async {
            let mut listen = tokio::time::interval(LISTEN_EVERY);
            let mut going = std::pin::pin!(run.go(client));
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

//! Answers as they are written: the passages, the text piece by piece, the answer with its citations.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use frontload_engine::{
    Answer, Answering, EngineError, Manner, Material, SearchRequest, answer, gather, search_embedded,
};
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{self, error::TrySendError},
};
use tonic::{Code, Status};

use crate::{Service, convert, v1};

/// Events that wait for a reader before writing waits too …
const EVENTS: usize = 64;
/// … and how long it waits: whoever takes nothing for so long is given up, for others wait for the model.
const STALLED: Duration = Duration::from_secs(30);
/// How often a full stream is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What comes of a question.
pub(crate) type Answers = mpsc::Receiver<Result<v1::AnswerResponse, Status>>;

/// A question that is being answered.
struct Asked {
    service: Arc<Service>,
    wanted: SearchRequest,
    manner: Manner,
    /// Why a model that was asked for is not used.
    without: Option<String>,
    _permit: OwnedSemaphorePermit,
    events: mpsc::Sender<Result<v1::AnswerResponse, Status>>,
    deadline: Option<Instant>,
    started: Instant,
}

impl Service {
    /// Begins to answer. What is wrong with the request is said at once, all else in the stream; when its receiver is
    /// dropped or the deadline passes, the work stops.
    pub(crate) fn answer(
        self: &Arc<Self>,
        request: v1::AnswerRequest,
        deadline: Option<Instant>,
    ) -> Result<Answers, Status> {
        let (wanted, manner) = convert::answer_request(request)?;
        let manner = manner.unwrap_or(self.answering.manner);
        let (manner, without) = match (&self.model, manner) {
            (None, Manner::Quote | Manner::Write) => {
                (Manner::Extract, Some("the language model: the nearest sentences are given instead".to_owned()))
            }
            (_, manner) => (manner, None),
        };
        let permit = match &self.model {
            Some(model) if manner != Manner::Extract => model.reserve()?,
            _ => self.extract()?,
        };
        let (events, answers) = mpsc::channel(EVENTS);
        let service = Arc::clone(self);
        let asked =
            Asked { service, wanted, manner, without, _permit: permit, events, deadline, started: Instant::now() };
        let span = tracing::Span::current();
        let broken = asked.events.clone();
        let work = tokio::task::spawn_blocking(move || span.in_scope(|| asked.answer()));
        tokio::spawn(async move {
            // A stream that just ends would look like an answer.
            if let Err(error) = work.await {
                let _ = broken.send(Err(convert::unfinished(&error))).await;
            }
        });
        Ok(answers)
    }
}

impl Asked {
    fn answer(self) {
        let ended = match self.work() {
            Ok(Some(ended)) => Ok(event(v1::answer_response::Event::Ended(ended))),
            Ok(None) if self.is_late() => {
                Err(convert::error(Code::DeadlineExceeded, "TOO_LATE", "the answer was not ready in time"))
            }
            Ok(None) => Err(convert::error(Code::Cancelled, "NOT_WANTED", "nobody took the answer")),
            Err(error) => Err(convert::status(&error)),
        };
        let code = convert::code_name(ended.as_ref().err().map_or(Code::Ok, Status::code));
        let took = self.started.elapsed();
        self.service.metrics.request("Answer", code, took);
        tracing::info!(code, ms = milliseconds(took), "answered");
        // Nobody may be there any more.
        let _ = self.tell(ended);
    }

    /// Hands an event over. Not by waiting for room: this may run inside a runtime of the model's own.
    fn tell(&self, mut told: Result<v1::AnswerResponse, Status>) -> ControlFlow<()> {
        let since = Instant::now();
        loop {
            told = match self.events.try_send(told) {
                Ok(()) => return ControlFlow::Continue(()),
                Err(TrySendError::Closed(_)) => return ControlFlow::Break(()),
                Err(TrySendError::Full(_)) if self.is_late() || since.elapsed() >= STALLED => {
                    return ControlFlow::Break(());
                }
                Err(TrySendError::Full(back)) => back,
            };
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// `None` when it was stopped.
    fn work(&self) -> Result<Option<v1::AnswerEnded>, EngineError> {
        if self.is_unwanted() {
            return Ok(None);
        }
        let service = &self.service;
        let material = self.material()?;
        let begun = v1::AnswerBegun {
            hits: material.hits.iter().cloned().map(convert::hit).collect(),
            generation: material.generation,
            search_ms: milliseconds(self.started.elapsed()),
        };
        if self.tell(Ok(event(v1::answer_response::Event::Begun(begun)))).is_break() {
            return Ok(None);
        }
        let how = Answering { manner: self.manner, ..service.answering.clone() };
        let mut first_text = None;
        let mut told = |text: &str| {
            if self.is_unwanted() {
                return ControlFlow::Break(());
            }
            if text.is_empty() {
                return ControlFlow::Continue(());
            }
            first_text.get_or_insert_with(|| self.started.elapsed());
            self.tell(Ok(event(v1::answer_response::Event::Text(text.to_owned()))))
        };
        let question = &self.wanted.query;
        let model = service.model.as_ref().filter(|_| self.manner != Manner::Extract);
        let writing = Instant::now();
        let _span = tracing::info_span!("write").entered();
        let answered = match model {
            Some(model) => {
                let unwanted = || self.is_unwanted();
                let work = |generator: &mut dyn frontload_core::Generator| {
                    answer(material, question, &how, Some(generator), &mut told)
                };
                model.with(&unwanted, work).transpose()?.flatten()
            }
            None => answer(material, question, &how, None, &mut told)?,
        };
        service.metrics.stage("write", writing.elapsed());
        let Some(answered) = answered else { return Ok(None) };
        if let Some(first) = first_text {
            service.metrics.stage("first_text", first);
        }
        Ok(Some(self.ended(answered, first_text)))
    }

    fn material(&self) -> Result<Material, EngineError> {
        let (service, question) = (&self.service, &self.wanted.query);
        let embedded = service.embedder.queries(&[question]);
        let embedded = embedded.first().ok_or_else(|| {
            frontload_index::IndexError::from(frontload_core::EmbedError("the question has no vector".to_owned()))
        })?;
        let found = search_embedded(&service.live.reader(), embedded, &self.wanted)?;
        service.metrics.searched(&found);
        // The embedding model is given back between the sentences: searches do not wait for answers.
        gather(found, question, &mut |texts, role| service.embedder.embed(texts, role))
    }

    fn ended(&self, answered: Answer, first_text: Option<Duration>) -> v1::AnswerEnded {
        let mut ended = convert::answer_ended(answered);
        ended.degraded.extend(self.without.clone());
        ended.first_text_ms = first_text.map_or(0.0, milliseconds);
        ended.total_ms = milliseconds(self.started.elapsed());
        if ended.refusal() != v1::Refusal::Unspecified {
            self.service.metrics.refused(ended.refusal().as_str_name());
        }
        ended
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn is_unwanted(&self) -> bool {
        self.events.is_closed() || self.is_late()
    }
}

fn event(event: v1::answer_response::Event) -> v1::AnswerResponse {
    v1::AnswerResponse { event: Some(event) }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

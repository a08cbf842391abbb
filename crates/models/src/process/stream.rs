//! An answer told piece by piece, and stopped when nobody wants it any more.

use std::{
    ops::ControlFlow,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use frontload_core::{Completion, Failure, FailureKind, GeneratorError, Prompt};

use super::{ATTEMPTS, LlamaProcess, MOST_CONTEXT, child::send, lost, silent};
use crate::protocol::{Reply, Request};

/// How often an answer that has not begun can be stopped.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// How a try at a streamed answer went.
enum Tried {
    /// It came, or the reason why none does.
    Ended(Result<Completion, Failure>),
    /// The child died, fell silent or spoke nonsense.
    Lost(Failure),
}

impl LlamaProcess {
    pub(super) fn stream_to_the_end(
        &mut self,
        prompt: Prompt,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Result<Completion, Failure>, GeneratorError> {
        let prompt = Prompt { id: self.next_streamed, ..prompt };
        self.next_streamed += 1;
        let (mut sent, mut attempts) = (0, 0);
        loop {
            match self.try_stream(&prompt, &mut sent, told)? {
                Tried::Ended(Err(failure))
                    if failure.kind == FailureKind::TooLong && self.load.context_tokens < MOST_CONTEXT =>
                {
                    self.widen();
                }
                Tried::Ended(result) => return Ok(result),
                Tried::Lost(failure) => {
                    self.worker = None;
                    attempts += 1;
                    if attempts >= ATTEMPTS {
                        return Ok(Err(failure));
                    }
                }
            }
        }
    }

    /// One try at a streamed answer. `sent` is how many bytes of it were told by the try before: the same words come
    /// again, since decoding is greedy, and are not told twice.
    fn try_stream(
        &mut self,
        prompt: &Prompt,
        sent: &mut usize,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Tried, GeneratorError> {
        let silence = self.options.silence;
        let id = prompt.id;
        let worker = self.worker()?;
        send(worker, &Request::Stream(prompt.clone()));
        let mut quiet = Instant::now();
        loop {
            match worker.replies.recv_timeout(LISTEN_EVERY) {
                Ok(Ok(Reply::Piece { id: of, from, text })) if of == id => {
                    quiet = Instant::now();
                    let new = text.get(sent.saturating_sub(from)..).unwrap_or_default();
                    *sent = (*sent).max(from + text.len());
                    if !new.is_empty() && told(new).is_break() {
                        break;
                    }
                }
                Ok(Ok(Reply::Answer { id: of, result })) if of == id => {
                    if let Ok(completion) = &result
                        && let Some(rest) = completion.text.get(*sent..).filter(|rest| !rest.is_empty())
                    {
                        let _ = told(rest);
                    }
                    return Ok(Tried::Ended(result));
                }
                Ok(Ok(Reply::LoadFailed(reason))) => return Err(GeneratorError(reason)),
                Ok(Ok(_)) => {}
                Ok(Err(garbled)) => return Ok(Tried::Lost(lost(Some(garbled)))),
                Err(RecvTimeoutError::Disconnected) => return Ok(Tried::Lost(lost(None))),
                Err(RecvTimeoutError::Timeout) if quiet.elapsed() >= silence => {
                    return Ok(Tried::Lost(silent(silence)));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if told("").is_break() {
                        break;
                    }
                }
            }
        }
        send(worker, &Request::Cancel(id));
        Ok(Tried::Ended(Err(Failure::stopped())))
    }
}

//! An answer's events, as server-sent events or as one object.

use axum::response::sse::Event;
use serde::Serialize;
use tonic::Status;

use super::described;
use crate::{answering::Answers, v1};

/// One event.
pub(super) fn event(told: Result<v1::AnswerResponse, Status>) -> Event {
    use v1::answer_response::Event as Told;
    let (name, data) = match told {
        Err(status) => ("error", serde_json::to_string(&described(&status))),
        Ok(response) => match response.event {
            Some(Told::Begun(begun)) => ("begun", serde_json::to_string(&begun)),
            Some(Told::Text(text)) => ("text", serde_json::to_string(&serde_json::json!({"text": text}))),
            Some(Told::Ended(ended)) => ("ended", serde_json::to_string(&ended)),
            None => ("text", Ok("{\"text\":\"\"}".to_owned())),
        },
    };
    Event::default().event(name).data(data.unwrap_or_default())
}

/// A whole answer.
#[derive(Serialize)]
pub(super) struct Whole {
    begun: Option<v1::AnswerBegun>,
    ended: v1::AnswerEnded,
}

/// Waits for the end.
pub(super) async fn whole(mut answers: Answers) -> Result<Whole, Status> {
    use v1::answer_response::Event as Told;
    let mut begun = None;
    while let Some(told) = answers.recv().await {
        match told?.event {
            Some(Told::Begun(event)) => begun = Some(event),
            Some(Told::Ended(ended)) => return Ok(Whole { begun, ended }),
            Some(Told::Text(_)) | None => {}
        }
    }
    Err(Status::internal("the answer broke off"))
}

//! The routes of a review. They are there only when people review: `frontload serve` has none of them.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use serde_json::Value;
use tonic::Status;

use super::{Body, Options, Shared, answered, options, read};
use crate::{
    convert,
    review::{DecisionRequest, QueueOptions, Reviewing},
};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/review/queue", get(queue))
        .route("/v1/review/decisions", post(decide))
        .route("/v1/review/agreement", get(agreement))
        .route("/v1/review/publish", post(publish))
        .route("/v1/review/conflicts", get(conflicts))
}

/// Works at the desk, on a thread that may block.
async fn at_desk(
    shared: &Shared,
    method: &'static str,
    work: impl FnOnce(&Reviewing) -> Result<Value, Status> + Send + 'static,
) -> Response {
    let service = Arc::clone(&shared.service);
    let work = async move {
        let done = tokio::task::spawn_blocking(move || match &service.reviewing {
            Some(reviewing) => work(reviewing),
            None => Err(Status::unimplemented("nobody reviews here")),
        });
        done.await.map_err(|error| convert::unfinished(&error))?
    };
    answered(shared, method, work).await
}

async fn queue(State(shared): State<Shared>, asked: Options<QueueOptions>) -> Response {
    match options(asked) {
        Ok(asked) => at_desk(&shared, "ReviewQueue", move |reviewing| reviewing.queue(&asked)).await,
        Err(status) => super::failed(&status),
    }
}

async fn decide(State(shared): State<Shared>, body: Body<DecisionRequest>) -> Response {
    match read(body) {
        Ok(asked) => at_desk(&shared, "ReviewDecide", move |reviewing| reviewing.decide(asked)).await,
        Err(status) => super::failed(&status),
    }
}

async fn agreement(State(shared): State<Shared>) -> Response {
    at_desk(&shared, "ReviewAgreement", |reviewing| Ok(reviewing.agreement())).await
}

/// Publishes, and serves what was published.
async fn publish(State(shared): State<Shared>) -> Response {
    let published = at_desk(&shared, "ReviewPublish", Reviewing::publish).await;
    if published.status().is_success()
        && let Err(status) = shared.service.reload().await
    {
        return super::failed(&status);
    }
    published
}

async fn conflicts(State(shared): State<Shared>) -> Response {
    at_desk(&shared, "ReviewConflicts", Reviewing::conflicts).await
}

//! Every request is counted, timed and logged in one place. What was asked is in no log above `debug`.

use std::{future::Future, time::Instant};

use tonic::{Code, Status};
use tracing::Instrument;

use crate::{Service, convert::code_name};

/// Runs a request to its end.
pub(crate) async fn observed<T>(
    service: &Service,
    method: &'static str,
    request: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let started = Instant::now();
    let span = tracing::info_span!("request", method);
    let ended = request.instrument(span.clone()).await;
    let code = ended.as_ref().err().map_or(Code::Ok, Status::code);
    let took = started.elapsed();
    service.metrics.request(method, code_name(code), took);
    let _entered = span.enter();
    tracing::info!(code = code_name(code), ms = took.as_secs_f64() * 1e3, "answered");
    ended
}

//! Every request is counted, timed and logged in one place. What was asked is in no log above `debug`.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tonic::{Code, Status};
use tracing::Instrument;

use crate::{Service, convert::code_name};

/// What begins a request that ends later, where it is counted then: one that cannot begin is counted here.
pub(crate) fn begun<T>(service: &Service, method: &'static str, begun: Result<T, Status>) -> Result<T, Status> {
    if let Err(status) = &begun {
        service.metrics.request(method, code_name(status.code()), Duration::ZERO);
        tracing::info!(method, code = code_name(status.code()), "refused");
    }
    begun
}

/// A request that nobody waits for any more is counted too.
struct Unfinished<'a> {
    service: &'a Service,
    method: &'static str,
    started: Instant,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.service.metrics.request(self.method, code_name(Code::Cancelled), took);
        tracing::info!(method = self.method, code = code_name(Code::Cancelled), ms = took.as_secs_f64() * 1e3, "left");
    }
}

/// Runs a request to its end.
pub(crate) async fn observed<T>(
    service: &Service,
    method: &'static str,
    request: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let started = Instant::now();
    let span = tracing::info_span!("request", method);
    let unfinished = Unfinished { service, method, started };
    let ended = request.instrument(span.clone()).await;
    std::mem::forget(unfinished);
    let code = ended.as_ref().err().map_or(Code::Ok, Status::code);
    let took = started.elapsed();
    service.metrics.request(method, code_name(code), took);
    let _entered = span.enter();
    tracing::info!(code = code_name(code), ms = took.as_secs_f64() * 1e3, "answered");
    ended
}

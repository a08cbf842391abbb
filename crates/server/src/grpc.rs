//! The service as gRPC.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};

use crate::{
    Service, convert,
    guard::Arrived,
    observe::{begun, observed},
    v1::{self, frontload_service_server::FrontloadService},
};

/// So long before a deadline a call is ended by us: tonic would end it at the deadline, and call that cancelled.
const HEADSTART: Duration = Duration::from_millis(2);

/// Answers calls.
pub(crate) struct Grpc(pub Arc<Service>);

#[tonic::async_trait]
impl FrontloadService for Grpc {
    type AnswerStream = Pin<Box<dyn Stream<Item = Result<v1::AnswerResponse, Status>> + Send>>;

    async fn search(&self, request: Request<v1::SearchRequest>) -> Result<Response<v1::SearchResponse>, Status> {
        let (deadline, request) = opened(request);
        let work = in_time(deadline, self.0.search(request));
        observed(&self.0, "Search", work).await.map(Response::new)
    }

    async fn search_batch(
        &self,
        request: Request<v1::SearchBatchRequest>,
    ) -> Result<Response<v1::SearchBatchResponse>, Status> {
        let (deadline, request) = opened(request);
        let work = in_time(deadline, self.0.search_batch(request));
        observed(&self.0, "SearchBatch", work).await.map(Response::new)
    }

    async fn answer(&self, request: Request<v1::AnswerRequest>) -> Result<Response<Self::AnswerStream>, Status> {
        let (deadline, request) = opened(request);
        let answers = begun(&self.0, "Answer", self.0.answer(request, deadline))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn get_chunk(&self, request: Request<v1::GetChunkRequest>) -> Result<Response<v1::GetChunkResponse>, Status> {
        let (deadline, request) = opened(request);
        let work = in_time(deadline, self.0.chunk(request));
        observed(&self.0, "GetChunk", work).await.map(Response::new)
    }

    async fn list_handles(
        &self,
        request: Request<v1::ListHandlesRequest>,
    ) -> Result<Response<v1::ListHandlesResponse>, Status> {
        let (deadline, request) = opened(request);
        let work = in_time(deadline, self.0.handles(request));
        observed(&self.0, "ListHandles", work).await.map(Response::new)
    }

    async fn stats(&self, _: Request<v1::StatsRequest>) -> Result<Response<v1::StatsResponse>, Status> {
        observed(&self.0, "Stats", async { Ok(self.0.stats()) }).await.map(Response::new)
    }

    async fn feedback(&self, request: Request<v1::FeedbackRequest>) -> Result<Response<v1::FeedbackResponse>, Status> {
        let (deadline, request) = opened(request);
        let work = in_time(deadline, self.0.feedback(request));
        observed(&self.0, "Feedback", work).await.map(Response::new)
    }

    async fn reload(&self, _: Request<v1::ReloadRequest>) -> Result<Response<v1::ReloadResponse>, Status> {
        observed(&self.0, "Reload", self.0.reload()).await.map(Response::new)
    }
}

/// Keeps a caller's deadline.
async fn in_time<T>(deadline: Option<Instant>, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let Some(deadline) = deadline else { return work.await };
    let end = deadline.checked_sub(HEADSTART).unwrap_or(deadline);
    let late = |_| Err(convert::error(Code::DeadlineExceeded, "TOO_LATE", "it was not ready in time"));
    tokio::time::timeout_at(end.into(), work).await.unwrap_or_else(late)
}

/// A request, and when its caller stops waiting.
fn opened<T>(request: Request<T>) -> (Option<Instant>, T) {
    let (metadata, extensions, request) = request.into_parts();
    let arrived = extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
    (deadline(&metadata, arrived), request)
}

/// When the caller stops waiting. tonic keeps this for the start of a response; a stream has to keep it itself.
fn deadline(metadata: &MetadataMap, arrived: Instant) -> Option<Instant> {
    let said = metadata.get("grpc-timeout")?.to_str().ok()?;
    let unit = said.chars().next_back()?;
    let count: u64 = said.get(..said.len() - unit.len_utf8())?.parse().ok()?;
    let time = match unit {
        'H' => Duration::from_secs(count.checked_mul(3600)?),
        'M' => Duration::from_secs(count.checked_mul(60)?),
        'S' => Duration::from_secs(count),
        'm' => Duration::from_millis(count),
        'u' => Duration::from_micros(count),
        'n' => Duration::from_nanos(count),
        _ => return None,
    };
    arrived.checked_add(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_ready_in_time_is_late_and_not_cancelled() {
        let mut request = Request::new(());
        request.set_timeout(Duration::from_millis(10));
        let (deadline, ()) = opened(request);
        let late = in_time(deadline, std::future::pending::<Result<(), Status>>()).await.expect_err("late");
        assert_eq!(late.code(), Code::DeadlineExceeded);
        in_time(deadline, async { Ok(()) }).await.expect("in time");
    }

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let check = |said: &'static str, expected: Option<u64>| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", said.parse().expect("a value"));
            let now = Instant::now();
            let left = deadline(&metadata, now).map(|at| at.saturating_duration_since(now).as_secs());
            assert_eq!(left, expected, "{said}");
        };
        check("2S", Some(2));
        check("3000m", Some(3));
        check("1H", Some(3600));
        check("5000000u", Some(5));
        check("S", None);
        check("5x", None);
    }
}

//! What the service does, whichever way it is asked: gRPC and HTTP both come here. Models are used on threads that may
//! block.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use frontload_core::{Chunk, Embedder};
use frontload_engine::{Answering, EngineError, SearchRequest, handles, search_embedded, show};
use frontload_index::Reader;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};

use crate::{
    Live,
    admission::Admission,
    convert,
    feedback::Feedback,
    live::Refreshed,
    metrics::Metrics,
    model::{Model, SharedEmbedder},
    process,
    review::Reviewing,
    v1,
};

/// Questions answered without a model at once; one more is refused.
const EXTRACTING: usize = 64;

/// Everything that answers.
pub struct Service {
    pub(crate) live: Arc<Live>,
    pub(crate) embedder: SharedEmbedder,
    pub(crate) model: Option<Arc<Model>>,
    pub(crate) answering: Answering,
    pub(crate) metrics: Metrics,
    pub(crate) report: PathBuf,
    pub(crate) reviewing: Option<Reviewing>,
    feedback: Feedback,
    /// As many searches as there are processors to work on them.
    door: Arc<Admission>,
    /// Questions that are answered without a model.
    extracting: Arc<Semaphore>,
    started: Instant,
}

/// The parts of a service.
pub struct ServeOptions {
    /// The generation to serve.
    pub live: Live,
    /// Embeds queries.
    pub embedder: Box<dyn Embedder + Send>,
    /// Writes answers; without one they are extracted.
    pub model: Option<Model>,
    /// How answers are made. Its manner is what a request without one gets.
    pub answering: Answering,
    /// Where remarks on hits are written.
    pub feedback: PathBuf,
    /// The page of measurements that is shown, if it is there.
    pub report: PathBuf,
    /// The desk, when people review here.
    pub reviewing: Option<Reviewing>,
}

impl Service {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When the metrics cannot be set up.
    pub fn new(options: ServeOptions) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let ServeOptions { live, embedder, model, answering, feedback, report, reviewing } = options;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            live: Arc::new(live),
            embedder: SharedEmbedder::new(embedder),
            model: model.map(Arc::new),
            answering,
            metrics: Metrics::new()?,
            report,
            reviewing,
            feedback: Feedback::new(feedback),
            door: Admission::new(processors),
            extracting: Arc::new(Semaphore::new(EXTRACTING)),
            started: Instant::now(),
        })
    }

    /// The generation that is served.
    pub fn generation(&self) -> u64 {
        self.live.reader().manifest().generation
    }

    /// A place among the questions that are answered without a model.
    pub(crate) fn extract(&self) -> Result<OwnedSemaphorePermit, Status> {
        let full =
            |_| convert::busy(&format!("{EXTRACTING} questions are being answered already"), Duration::from_secs(1));
        Arc::clone(&self.extracting).try_acquire_owned().map_err(full)
    }

    pub(crate) async fn search(self: &Arc<Self>, request: v1::SearchRequest) -> Result<v1::SearchResponse, Status> {
        let wanted = convert::search_request(request)?;
        let mut found = self.search_all(vec![wanted]).await?;
        found.pop().ok_or_else(|| Status::internal("a search gave nothing back"))
    }

    pub(crate) async fn search_batch(
        self: &Arc<Self>,
        request: v1::SearchBatchRequest,
    ) -> Result<v1::SearchBatchResponse, Status> {
        let wanted = convert::search_batch(request)?;
        Ok(v1::SearchBatchResponse { responses: self.search_all(wanted).await? })
    }

    /// Searches, all in the same generation.
    async fn search_all(self: &Arc<Self>, wanted: Vec<SearchRequest>) -> Result<Vec<v1::SearchResponse>, Status> {
        self.at_work(move |service| {
            let reader = service.live.reader();
            let queries: Vec<&str> = wanted.iter().map(|request| request.query.as_str()).collect();
            let embedded = service.embedder.queries(&queries);
            let search = |(request, embedded)| {
                let found = search_embedded(&reader, embedded, request)?;
                service.metrics.searched(&found);
                Ok(convert::search_response(found))
            };
            wanted.iter().zip(&embedded).map(search).collect()
        })
        .await
    }

    pub(crate) async fn chunk(self: &Arc<Self>, request: v1::GetChunkRequest) -> Result<v1::GetChunkResponse, Status> {
        let v1::GetChunkRequest { chunk_id, with_prompts } = request;
        convert::check_text("chunk_id", &chunk_id)?;
        let id = chunk_id.clone();
        let shown = self.at_work(move |service| show(&service.live.reader(), &id, with_prompts)).await?;
        let shown = shown.ok_or_else(|| convert::not_found("chunk", &chunk_id))?;
        Ok(v1::GetChunkResponse { chunk: Some(convert::chunk(shown)) })
    }

    pub(crate) async fn handles(
        self: &Arc<Self>,
        request: v1::ListHandlesRequest,
    ) -> Result<v1::ListHandlesResponse, Status> {
        let wanted = convert::list_handles(request)?;
        if let Some(kind) = &wanted.kind {
            convert::check_kind(self.live.reader().manifest(), kind)?;
        }
        let page = self.at_work(move |service| handles(&service.live.reader(), &wanted)).await?;
        Ok(convert::handle_page(page))
    }

    pub(crate) fn stats(&self) -> v1::StatsResponse {
        let reader = self.live.reader();
        v1::StatsResponse {
            model: Some(self.model.as_ref().map(|model| model.stats()).unwrap_or_default()),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            resident_bytes: process::resident_bytes(std::process::id()),
            scope: self.answering.scope.clone().unwrap_or_default(),
            refuse_below: self.answering.refuse_below.unwrap_or(0.0),
            ..convert::stats(reader.manifest())
        }
    }

    pub(crate) async fn feedback(
        self: &Arc<Self>,
        request: v1::FeedbackRequest,
    ) -> Result<v1::FeedbackResponse, Status> {
        let verdict = convert::verdict(&request)?;
        let v1::FeedbackRequest { query, chunk_id, note, .. } = request;
        let id = chunk_id.clone();
        let found: Option<(Chunk, u64)> = self
            .at_work(move |service| {
                let reader: Arc<Reader> = service.live.reader();
                let shown = show(&reader, &id, false)?;
                Ok(shown.map(|shown| (shown.indexed.chunk, reader.manifest().generation)))
            })
            .await?;
        let (chunk, generation) = found.ok_or_else(|| convert::not_found("chunk", &chunk_id))?;
        let service = Arc::clone(self);
        let written =
            tokio::task::spawn_blocking(move || service.feedback.write(&chunk, query, (verdict, note), generation));
        let written = written.await.map_err(|error| Status::internal(error.to_string()))?;
        written.map_err(|error| {
            let told = format!("{}: {error}; the remark was not kept", self.feedback.path().display());
            convert::error(Code::Internal, "NOT_WRITTEN", told)
        })?;
        Ok(v1::FeedbackResponse {})
    }

    pub(crate) async fn reload(self: &Arc<Self>) -> Result<v1::ReloadResponse, Status> {
        let service = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || service.live.refresh(true)).await;
        let looked = looked.map_err(|error| Status::internal(error.to_string()))?;
        Ok(v1::ReloadResponse {
            generation: self.live.reader().manifest().generation,
            changed: looked == Refreshed::Taken,
            problem: if let Refreshed::Refused(why) = looked { why } else { String::new() },
        })
    }

    pub(crate) fn metrics_text(&self) -> Result<String, Status> {
        let reader = self.live.reader();
        let (manifest, stats) = (reader.manifest(), self.stats());
        let loaded = stats.model.is_some_and(|model| model.loaded);
        let text = self.metrics.text((manifest.generation, manifest.chunks), loaded, stats.resident_bytes);
        text.map_err(|error| Status::internal(error.to_string()))
    }

    /// Does work on a thread that may block, when a processor is free for it; refuses it when that would be too late.
    async fn at_work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Status> {
        let leave = self.door.enter().await?;
        let service = Arc::clone(self);
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            // Given back by the work, not by who waits for it: the caller may go away before.
            let _leave = leave;
            span.in_scope(|| work(&service))
        })
        .await;
        done.map_err(|error| Status::internal(error.to_string()))?.map_err(|error| convert::status(&error))
    }
}

//! What the service does, whichever way it is asked: gRPC and HTTP both come here. Models are used on threads that may
//! block.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
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

/// Queries of a batch that are embedded together; in between it is looked whether somebody still waits.
const TOGETHER: usize = 16;

/// Who a piece of work is done for.
struct Caller(Weak<()>);

impl Caller {
    /// Whether they still wait for it.
    fn waits(&self) -> bool {
        self.0.strong_count() > 0
    }
}

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
        self.at_work(move |service, caller| {
            let reader = service.live.reader();
            let mut responses = Vec::with_capacity(wanted.len());
            for some in wanted.chunks(TOGETHER) {
                if !caller.waits() {
                    break;
                }
                let queries: Vec<&str> = some.iter().map(|request| request.query.as_str()).collect();
                let embedded = service.embedder.queries(&queries);
                for (request, embedded) in some.iter().zip(&embedded) {
                    let found = search_embedded(&reader, embedded, request)?;
                    service.metrics.searched(&found);
                    responses.push(convert::search_response(found));
                }
            }
            Ok(responses)
        })
        .await
    }

    pub(crate) async fn chunk(self: &Arc<Self>, request: v1::GetChunkRequest) -> Result<v1::GetChunkResponse, Status> {
        let v1::GetChunkRequest { chunk_id, with_prompts } = request;
        convert::check_text("chunk_id", &chunk_id)?;
        let id = chunk_id.clone();
        let shown = self.at_work(move |service, _| show(&service.live.reader(), &id, with_prompts)).await?;
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
        let page = self.at_work(move |service, _| handles(&service.live.reader(), &wanted)).await?;
        Ok(convert::handle_page(page))
    }

    pub(crate) fn stats(&self) -> v1::StatsResponse {
        let reader = self.live.reader();
        let (stale, stale_for) = self.live.stale();
        v1::StatsResponse {
            model: Some(self.model.as_ref().map(|model| model.stats()).unwrap_or_default()),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            resident_bytes: process::resident_bytes(std::process::id()),
            scope: self.answering.scope.clone().unwrap_or_default(),
            refuse_below: self.answering.refuse_below.unwrap_or(0.0),
            stale,
            stale_seconds: stale_for.as_secs_f64(),
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
            .at_work(move |service, _| {
                let reader: Arc<Reader> = service.live.reader();
                let shown = show(&reader, &id, false)?;
                Ok(shown.map(|shown| (shown.indexed.chunk, reader.manifest().generation)))
            })
            .await?;
        let (chunk, generation) = found.ok_or_else(|| convert::not_found("chunk", &chunk_id))?;
        let service = Arc::clone(self);
        let written =
            tokio::task::spawn_blocking(move || service.feedback.write(&chunk, query, (verdict, note), generation));
        let written = written.await.map_err(|error| convert::unfinished(&error))?;
        written.map_err(|error| {
            let told = format!("{}: {error}; the remark was not kept", self.feedback.path().display());
            convert::error(Code::Internal, "NOT_WRITTEN", told)
        })?;
        Ok(v1::FeedbackResponse {})
    }

    pub(crate) async fn reload(self: &Arc<Self>) -> Result<v1::ReloadResponse, Status> {
        let service = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || service.live.refresh(true)).await;
        let looked = looked.map_err(|error| convert::unfinished(&error))?;
        Ok(v1::ReloadResponse {
            generation: self.live.reader().manifest().generation,
            changed: looked == Refreshed::Taken,
            problem: if let Refreshed::Refused(why) = looked { why } else { String::new() },
        })
    }

    pub(crate) fn metrics_text(&self) -> Result<String, Status> {
        let reader = self.live.reader();
        let (manifest, stats) = (reader.manifest(), self.stats());
        let loaded = stats.model.as_ref().is_some_and(|model| model.loaded);
        let text = self.metrics.text(
            (manifest.generation, manifest.chunks),
            (loaded, !stats.stale.is_empty()),
            stats.resident_bytes,
        );
        text.map_err(|error| Status::internal(error.to_string()))
    }

    /// Does work on a thread that may block, when a processor is free for it; refuses it when that would be too late.
    async fn at_work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Caller) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Status> {
        let leave = self.door.enter().await?;
        // Dropped with this call, whether it ends or nobody waits for it any more.
        let waiting = Arc::new(());
        let caller = Caller(Arc::downgrade(&waiting));
        let service = Arc::clone(self);
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            // Given back by the work, not by who waits for it: the caller may go away before.
            let _leave = leave;
            span.in_scope(|| work(&service, &caller))
        })
        .await;
        done.map_err(|error| convert::unfinished(&error))?.map_err(|error| convert::status(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use frontload_core::{EmbedError, Fusion, Lane, TextRole};
    use frontload_engine::Manner;
    use frontload_index::{Build, DEFAULT_GRAPH_ROWS, DEFAULT_SHARE_ABOVE, IndexDir, IndexedChunk, WriterLock};
    use tempfile::TempDir;
    use tonic_types::StatusExt;

    use super::*;

    /// An embedding model that does what its queries say.
    struct Scripted {
        name: String,
        prefix: String,
    }

    impl Scripted {
        fn new() -> Self {
            Self { name: "scripted".to_owned(), prefix: String::new() }
        }
    }

    impl Embedder for Scripted {
        fn fingerprint(&self) -> &str {
            &self.name
        }

        fn dimension(&self) -> usize {
            2
        }

        fn prefix(&self, _role: TextRole) -> &str {
            &self.prefix
        }

        fn pieces<'t>(&self, text: &'t str, _role: TextRole) -> Vec<&'t str> {
            vec![text]
        }

        fn embed(&mut self, texts: &[&str], _role: TextRole) -> Result<Vec<Vec<f32>>, EmbedError> {
            assert!(!texts.contains(&"break"), "as it was told to");
            if texts.contains(&"fail") {
                return Err(EmbedError("no vectors today".to_owned()));
            }
            Ok(texts.iter().map(|_| vec![1.0, 0.0]).collect())
        }
    }

    /// A service over two passages.
    fn service() -> (TempDir, Arc<Service>) {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = IndexDir::new(folder.path().join("index"));
        let chunk = |(document, text): (&str, &str)| {
            let (document, text) = (document.to_owned(), text.to_owned());
            let chunk = Chunk { document, span: (0, text.len() as u32), text, ..Chunk::default() };
            IndexedChunk { chunk, handles: Vec::new(), rejected: Vec::new(), said: Vec::new() }
        };
        let chunks = [("pump", "Pumps fail when it freezes."), ("bell", "Bells break when it rains.")].map(chunk);
        let build = Build {
            chunks: &chunks,
            schema: None,
            model: None,
            weight: &|_: &Lane| 1.0,
            tuning: None,
            fusion: Fusion::Rrf { k: 60.0 },
            graph_rows: DEFAULT_GRAPH_ROWS,
            share_above: DEFAULT_SHARE_ABOVE,
            concatenated: false,
            copied_from: None,
            afresh: true,
        };
        let lock = WriterLock::take(&dir).expect("free");
        frontload_index::write(&dir, &lock, &build, &mut Scripted::new(), &mut |_, _| ControlFlow::Continue(()))
            .expect("written");
        let options = ServeOptions {
            live: Live::open(dir).expect("a generation"),
            embedder: Box::new(Scripted::new()),
            model: None,
            answering: Answering::new(Manner::Extract),
            feedback: folder.path().join("feedback.jsonl"),
            report: folder.path().join("report.html"),
            reviewing: None,
        };
        (folder, Arc::new(Service::new(options).expect("a service")))
    }

    fn query(text: &str) -> v1::SearchRequest {
        v1::SearchRequest { query: text.to_owned(), ..v1::SearchRequest::default() }
    }

    #[tokio::test]
    async fn without_vectors_words_are_searched_and_that_is_said() {
        let (_folder, service) = service();
        let found = service.search(query("fail")).await.expect("found");
        assert_eq!(found.hits.first().map(|hit| hit.document_id.as_str()), Some("pump"));
        assert!(found.degraded.iter().any(|missing| missing.contains("no vectors today")), "{:?}", found.degraded);
        assert!(service.search(query("freezes")).await.expect("found").degraded.is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_a_number_and_gives_its_place_back() {
        let (_folder, service) = service();
        let check = |broken: Status| {
            let info = broken.get_details_error_info().expect("a reason");
            assert_eq!((broken.code(), info.reason.as_str()), (Code::Internal, "BROKEN"));
            assert!(broken.message().contains(&info.metadata["id"]), "{broken:?}");
            assert!(!broken.message().contains("as it was told to"), "{broken:?}");
        };
        // Once more than there are places.
        for _ in 0..=std::thread::available_parallelism().map_or(1, usize::from) {
            check(service.search(query("break")).await.expect_err("broken"));
        }
        let asked = v1::AnswerRequest { question: "break".to_owned(), ..v1::AnswerRequest::default() };
        let mut answer = service.answer(asked, None).expect("begun");
        check(answer.recv().await.expect("an event").expect_err("broken"));
        assert!(!service.search(query("freezes")).await.expect("found").hits.is_empty());
    }
}

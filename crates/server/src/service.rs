//! The service itself. Models are owned by one thread at a time and used on threads that may block.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use frontload_core::{Embedder, Generator};
use frontload_engine::{EngineError, Exemplar, answer, gather, search};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    Live, convert,
    v1::{
        self,
        frontload_service_server::{FrontloadService, FrontloadServiceServer},
    },
};

/// tonic leaves the number of streams on a connection unlimited.
const STREAMS: u32 = 100;
/// The largest request that is read.
const REQUEST_BYTES: usize = 256 << 10;
/// How long calls in flight may go on after the service is told to end.
const GRACE: Duration = Duration::from_secs(5);

/// What the service answers with.
pub struct Service {
    live: Arc<Live>,
    embedder: Arc<Mutex<Box<dyn Embedder + Send>>>,
    generator: Option<Arc<Mutex<Box<dyn Generator + Send>>>>,
    exemplars: Arc<Vec<Exemplar>>,
}

/// The parts of a service.
pub struct ServeOptions {
    /// The generation to serve.
    pub live: Live,
    /// Embeds queries.
    pub embedder: Box<dyn Embedder + Send>,
    /// Answers questions; without it `Answer` is unavailable.
    pub generator: Option<Box<dyn Generator + Send>>,
    /// Few-shots for answers.
    pub exemplars: Vec<Exemplar>,
}

impl Service {
    /// Puts the parts together.
    pub fn new(options: ServeOptions) -> Self {
        Self {
            live: Arc::new(options.live),
            embedder: Arc::new(Mutex::new(options.embedder)),
            generator: options.generator.map(|generator| Arc::new(Mutex::new(generator))),
            exemplars: Arc::new(options.exemplars),
        }
    }
}

/// Serves on a bound listener until `shutdown` completes, then ends within a few seconds.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    service: Service,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<FrontloadServiceServer<Service>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let following = tokio::spawn(Arc::clone(&service.live).follow());
    let (ended, end) = tokio::sync::oneshot::channel();
    let draining = async move {
        shutdown.await;
        health.set_not_serving::<FrontloadServiceServer<Service>>().await;
        let _ = ended.send(());
    };
    // Without this a small response waits 40 ms for the acknowledgement of the one before.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        .max_concurrent_streams(Some(STREAMS))
        .add_service(health_service)
        .add_service(reflection)
        .add_service(FrontloadServiceServer::new(service).max_decoding_message_size(REQUEST_BYTES))
        .serve_with_incoming_shutdown(incoming, draining);
    // A connection that never closes must not keep the process.
    let grace = async {
        let _ = end.await;
        tokio::time::sleep(GRACE).await;
    };
    let result = tokio::select! {
        served = served => served.map_err(Into::into),
        () = grace => Ok(()),
    };
    following.abort();
    result
}

#[tonic::async_trait]
impl FrontloadService for Service {
    async fn search(&self, request: Request<v1::SearchRequest>) -> Result<Response<v1::SearchResponse>, Status> {
        let wanted = convert::search_request(request.into_inner())?;
        let (live, embedder) = (Arc::clone(&self.live), Arc::clone(&self.embedder));
        let found = blocking(move || {
            let mut embedder = embedder.lock().unwrap_or_else(PoisonError::into_inner);
            search(&live.reader(), embedder.as_mut(), &wanted)
        })
        .await?;
        Ok(Response::new(convert::search_response(found)))
    }

    async fn answer(&self, request: Request<v1::AnswerRequest>) -> Result<Response<v1::AnswerResponse>, Status> {
        let (wanted, free) = convert::answer_request(request.into_inner())?;
        let Some(generator) = self.generator.clone() else {
            return Err(Status::unavailable("no language model: start the service with --model"));
        };
        let (live, embedder) = (Arc::clone(&self.live), Arc::clone(&self.embedder));
        let exemplars = Arc::clone(&self.exemplars);
        let answered = blocking(move || {
            // The embedder is given back before the model starts: searches do not wait for answers.
            let material = {
                let mut embedder = embedder.lock().unwrap_or_else(PoisonError::into_inner);
                let found = search(&live.reader(), embedder.as_mut(), &wanted)?;
                gather(found, &wanted.query, embedder.as_mut())?
            };
            let mut generator = generator.lock().unwrap_or_else(PoisonError::into_inner);
            answer(material, &wanted.query, generator.as_mut(), &exemplars, free)
        })
        .await?;
        Ok(Response::new(convert::answer_response(answered)))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Status::internal(error.to_string()))?.map_err(|error| convert::status(&error))
}

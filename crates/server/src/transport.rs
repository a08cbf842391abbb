//! The listener: one port for gRPC, HTTP and the page, with TLS when it is asked for, drained when it ends.

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use tonic::{codec::CompressionEncoding, service::Routes, transport::Server};

use crate::{
    Keys, Service, access, connection,
    grpc::Grpc,
    guard::guard,
    http,
    v1::{self, frontload_service_server::FrontloadServiceServer},
};

/// tonic leaves the number of streams on a connection unlimited.
const STREAMS: u32 = 100;
/// The largest request that is read.
pub(crate) const REQUEST_BYTES: usize = 256 << 10;
/// How long calls in flight may go on after the service is told to end.
const GRACE: Duration = Duration::from_secs(5);
/// A connection over HTTP/2 that is silent is asked whether it is still there, and closed without an answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(20));

/// Certificates.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The service's own, with those it is vouched for by, PEM.
    pub certificates: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Who vouches for clients: a client without a certificate of theirs is then refused.
    pub clients: Option<PathBuf>,
}

/// Why the service cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A certificate or key is unusable.
    #[error("{0}: {1}")]
    Tls(PathBuf, String),
    /// The transport.
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
    /// The reflection service cannot be made.
    #[error(transparent)]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves on a bound listener until `shutdown` completes, then ends within a few seconds.
///
/// # Errors
/// When the certificates cannot be used or the transport fails.
pub async fn serve(
    service: Service,
    (listener, tls, keys): (TcpListener, Option<Tls>, Keys),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let acceptor = tls.as_ref().map(acceptor).transpose()?;
    let service = Arc::new(service);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<FrontloadServiceServer<Grpc>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let calls = FrontloadServiceServer::new(Grpc(Arc::clone(&service)))
        .max_decoding_message_size(REQUEST_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let grpc = Routes::new(health_service).add_service(reflection).add_service(calls);
    let state = http::Shared::new(Arc::clone(&service));
    let draining_http = state.clone();
    let router: Router = grpc
        .into_axum_router()
        .merge(http::routes(state))
        .fallback(http::nowhere)
        .method_not_allowed_fallback(http::nowhere)
        .layer(axum::middleware::from_fn_with_state(Arc::new(keys), access::check))
        .layer(axum::middleware::from_fn(guard));

    let mut background = vec![tokio::spawn(Arc::clone(&service.live).follow())];
    background.extend(service.model.clone().map(|model| tokio::spawn(model.rest())));
    let (ended, end) = tokio::sync::oneshot::channel();
    let draining = async move {
        shutdown.await;
        tracing::info!("draining");
        health.set_not_serving::<FrontloadServiceServer<Grpc>>().await;
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        draining_http.drain();
        let _ = ended.send(());
    };
    let mut server = Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(Some(STREAMS))
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1));
    let router = server.add_routes(Routes::from(router));
    let served: Pin<Box<dyn Future<Output = Result<(), tonic::transport::Error>> + Send>> = match acceptor {
        None => {
            let connections = connection::accepted(listener, |stream| std::future::ready(Ok(stream)));
            Box::pin(router.serve_with_incoming_shutdown(connections, draining))
        }
        Some(acceptor) => {
            let connections = connection::accepted(listener, move |stream| acceptor.accept(stream));
            Box::pin(router.serve_with_incoming_shutdown(connections, draining))
        }
    };
    // A connection that never closes must not keep the process.
    let grace = async {
        let _ = end.await;
        tokio::time::sleep(GRACE).await;
    };
    let result = tokio::select! {
        served = served => served.map_err(Into::into),
        () = grace => Ok(()),
    };
    background.iter().for_each(tokio::task::JoinHandle::abort);
    result
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, ServeError> {
    let wrong = |path: &PathBuf, why: String| ServeError::Tls(path.clone(), why);
    let read = |path: &PathBuf| -> Result<Vec<CertificateDer<'static>>, ServeError> {
        let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|error| wrong(path, error.to_string()))?;
        if certificates.is_empty() { Err(wrong(path, "it holds no certificate".to_owned())) } else { Ok(certificates) }
    };
    let own = read(&tls.certificates)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| wrong(&tls.key, error.to_string()))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| wrong(&tls.certificates, error.to_string()))?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in read(path)? {
                roots.add(certificate).map_err(|error| wrong(path, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| wrong(path, error.to_string()))?)
        }
    };
    let mut config = builder.with_single_cert(own, key).map_err(|error| wrong(&tls.key, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

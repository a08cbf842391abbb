//! The service as JSON over HTTP, and the page that uses it. The messages are those of the proto, in proto3's JSON
//! mapping with the proto's own field names.

mod assets;
mod events;
mod openapi;
mod review;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware,
    response::{IntoResponse, Response, Sse, sse::Event},
    routing::{get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    Service,
    access::is_grpc,
    convert,
    observe::{begun, observed},
    transport::REQUEST_BYTES,
    v1,
};

/// The reason of a request that is too large.
const TOO_LARGE: &str = "TOO_LARGE";

/// What every route needs.
#[derive(Clone)]
pub(crate) struct Shared {
    service: Arc<Service>,
    draining: Arc<AtomicBool>,
}

impl Shared {
    pub fn new(service: Arc<Service>) -> Self {
        Self { service, draining: Arc::new(AtomicBool::new(false)) }
    }

    /// From now on no new work is wanted.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// Every route that is not gRPC's.
pub(crate) fn routes(shared: Shared) -> Router {
    let api = Router::new()
        .route("/v1/search", post(search).get(search_by_address))
        .route("/v1/search/batch", post(search_batch))
        .route("/v1/answer", post(answer))
        .route("/v1/chunks/{id}", get(chunk))
        .route("/v1/handles", get(handles))
        .route("/v1/stats", get(stats))
        .route("/v1/feedback", post(feedback))
        .route("/v1/reload", post(reload))
        .route("/openapi.json", get(|| async { Json(openapi::document()) }))
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/report", get(report));
    let api = if shared.service.reviewing.is_some() { api.merge(review::routes()) } else { api };
    let api = api.layer(DefaultBodyLimit::max(REQUEST_BYTES)).layer(middleware::map_response(unsniffed));
    let api = api.with_state(shared);
    api.merge(assets::routes())
}

/// What is said holds other people's text: no browser is to guess that it is a page.
async fn unsniffed(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

type Body<T> = Result<Json<T>, JsonRejection>;
type Options<T> = Result<Query<T>, QueryRejection>;

/// What an address asks for, or what is wrong with it.
fn options<T>(asked: Options<T>) -> Result<T, Status> {
    asked.map(|Query(asked)| asked).map_err(|rejection| convert::invalid("address", rejection.body_text()))
}

async fn search(State(shared): State<Shared>, body: Body<v1::SearchRequest>) -> Response {
    answered(&shared, "Search", async { shared.service.search(read(body)?).await }).await
}

/// A search that fits into an address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    q: String,
    #[serde(default)]
    k: u32,
    #[serde(default)]
    filter: String,
    #[serde(default)]
    during: String,
    #[serde(default)]
    group: bool,
    #[serde(default)]
    plain: bool,
}

async fn search_by_address(State(shared): State<Shared>, asked: Options<Asked>) -> Response {
    let work = async {
        let Asked { q, k, filter, during, group, plain } = options(asked)?;
        let lane_set = if plain { v1::LaneSet::Plain } else { v1::LaneSet::All }.into();
        let request = v1::SearchRequest { query: q, k, filter, during, group, lane_set, ..Default::default() };
        shared.service.search(request).await
    };
    answered(&shared, "Search", work).await
}

async fn search_batch(State(shared): State<Shared>, body: Body<v1::SearchBatchRequest>) -> Response {
    answered(&shared, "SearchBatch", async { shared.service.search_batch(read(body)?).await }).await
}

/// As server-sent events for who accepts them, else the whole at the end.
async fn answer(State(shared): State<Shared>, headers: HeaderMap, body: Body<v1::AnswerRequest>) -> Response {
    let asked = read(body).and_then(|asked| shared.service.answer(asked, None));
    let answers = match begun(&shared.service, "Answer", asked) {
        Ok(answers) => answers,
        Err(status) => return failed(&status),
    };
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.contains("text/event-stream") {
        let events = ReceiverStream::new(answers).map(|told| Ok::<Event, Infallible>(events::event(told)));
        let alive = axum::response::sse::KeepAlive::new().interval(Duration::from_secs(15));
        return Sse::new(events).keep_alive(alive).into_response();
    }
    match events::whole(answers).await {
        Ok(whole) => Json(whole).into_response(),
        Err(status) => failed(&status),
    }
}

#[derive(Deserialize)]
struct ChunkOptions {
    #[serde(default)]
    with_prompts: bool,
}

async fn chunk(State(shared): State<Shared>, Path(id): Path<String>, asked: Options<ChunkOptions>) -> Response {
    let work = async {
        let ChunkOptions { with_prompts } = options(asked)?;
        shared.service.chunk(v1::GetChunkRequest { chunk_id: id, with_prompts }).await
    };
    answered(&shared, "GetChunk", work).await
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct HandleOptions {
    kind: String,
    contains: String,
    page_size: u32,
    page_token: String,
}

async fn handles(State(shared): State<Shared>, asked: Options<HandleOptions>) -> Response {
    let work = async {
        let HandleOptions { kind, contains, page_size, page_token } = options(asked)?;
        shared.service.handles(v1::ListHandlesRequest { kind, contains, page_size, page_token }).await
    };
    answered(&shared, "ListHandles", work).await
}

async fn stats(State(shared): State<Shared>) -> Response {
    answered(&shared, "Stats", async { Ok(shared.service.stats()) }).await
}

async fn feedback(State(shared): State<Shared>, body: Body<v1::FeedbackRequest>) -> Response {
    answered(&shared, "Feedback", async { shared.service.feedback(read(body)?).await }).await
}

async fn reload(State(shared): State<Shared>, body: Body<v1::ReloadRequest>) -> Response {
    let work = async {
        read(body)?;
        shared.service.reload().await
    };
    answered(&shared, "Reload", work).await
}

async fn ready(State(shared): State<Shared>) -> Response {
    if shared.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response();
    }
    "ok".into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    match shared.service.metrics_text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(status) => failed(&status),
    }
}

/// The page of measurements, which styles itself and asks nobody for anything.
async fn report(State(shared): State<Shared>) -> Response {
    if let Ok(page) = tokio::fs::read(&shared.service.report).await {
        return assets::report(page);
    }
    let told = "no report was made yet: `frontload ablate … --html` writes one".to_owned();
    failed(&convert::error(Code::NotFound, "NO_REPORT", told))
}

/// What is not there, said in the caller's own protocol.
pub(crate) async fn nowhere(headers: HeaderMap, uri: Uri) -> Response {
    let told = format!("nothing is served at {}", uri.path());
    if is_grpc(&headers) {
        return convert::error(Code::Unimplemented, "NO_SUCH_CALL", told)
            .into_http::<axum::body::Body>()
            .into_response();
    }
    failed(&convert::error(Code::NotFound, "NO_SUCH_PATH", told))
}

/// A body, or what is wrong with it.
fn read<T: DeserializeOwned>(body: Body<T>) -> Result<T, Status> {
    body.map(|Json(body)| body).map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let told = format!("the request is larger than {REQUEST_BYTES} bytes");
            convert::error(Code::ResourceExhausted, TOO_LARGE, told)
        }
        _ => convert::invalid("body", rejection.body_text()),
    })
}

async fn answered<T: Serialize>(
    shared: &Shared,
    method: &'static str,
    work: impl Future<Output = Result<T, Status>>,
) -> Response {
    match observed(&shared.service, method, work).await {
        Ok(message) => Json(message).into_response(),
        Err(status) => failed(&status),
    }
}

/// An error as HTTP says it.
pub(crate) fn failed(status: &Status) -> Response {
    let code = match status.code() {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let reason = status.get_details_error_info().map(|info| info.reason);
    // Trying again does not make it smaller.
    let code = if reason.as_deref() == Some(TOO_LARGE) { StatusCode::PAYLOAD_TOO_LARGE } else { code };
    let mut response = (code, Json(described(status))).into_response();
    if code == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = retry_after(status) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// An error in JSON.
pub(crate) fn described(status: &Status) -> serde_json::Value {
    let violations: Vec<serde_json::Value> = status
        .get_details_bad_request()
        .into_iter()
        .flat_map(|bad| bad.field_violations)
        .map(|violation| json!({"field": violation.field, "description": violation.description}))
        .collect();
    let name = convert::code_name(status.code());
    let reason = status.get_details_error_info().map(|info| info.reason);
    json!({"error": {
        "code": name,
        "reason": reason,
        "message": status.message(),
        "violations": violations,
        "retry_after_seconds": retry_after(status).unwrap_or(0),
    }})
}

fn retry_after(status: &Status) -> Option<u64> {
    status.get_details_retry_info()?.retry_delay.map(|delay| delay.as_secs().max(1))
}

//! The page: its files are in the binary, and it may load nothing else.

use axum::{
    Router,
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// What the page may do: run its own scripts, use its own styles, ask this service.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// What the report may do: use the styles it brings along.
const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'; sandbox";

macro_rules! page {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../../page/", $name)).as_slice())),*]
    };
}

const FILES: [(&str, &[u8]); 18] = page![
    "answer.js",
    "api.js",
    "app.js",
    "chunks.js",
    "dom.js",
    "hits.js",
    "icon.svg",
    "index.html",
    "keys.js",
    "measure.js",
    "review-item.js",
    "review-lists.js",
    "review.js",
    "route.js",
    "search.js",
    "status.js",
    "style.css",
    "text.js"
];

pub(super) fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { file("index.html") }))
        .route("/favicon.ico", get(|| async { file("icon.svg") }))
        .route("/assets/{name}", get(|Path(name): Path<String>| async move { file(&name) }))
}

pub(super) fn report(page: Vec<u8>) -> Response {
    guarded((StatusCode::OK, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page), REPORT_POLICY)
}

fn file(name: &str) -> Response {
    let Some((_, bytes)) = FILES.iter().find(|(known, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match name.rsplit_once('.').map(|(_, kind)| kind) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    };
    // A new program brings new files: they are asked for again rather than mixed.
    guarded(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], *bytes), POLICY)
}

fn guarded(response: impl IntoResponse, policy: &'static str) -> Response {
    let mut response = response.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

//! Every call with every kind of key: what is let in, and that who is not let in learns nothing.

use reqwest::{Client, Method, header};

use crate::{
    bench::Bench,
    served::{Served, handled},
};

/// Every call of the proto, and whether it needs a full key.
const CALLS: [(&str, bool); 9] = [
    ("Search", false),
    ("SearchBatch", false),
    ("Answer", false),
    ("GetChunk", false),
    ("ListHandles", false),
    ("Stats", false),
    ("Feedback", true),
    ("Reload", true),
    // There is no such call.
    ("Forget", false),
];
/// Every route behind a key, likewise.
const ROUTES: [(&str, &str, bool); 13] = [
    ("GET", "/v1/search?q=bell", false),
    ("POST", "/v1/search", false),
    ("POST", "/v1/search/batch", false),
    ("POST", "/v1/answer", false),
    ("GET", "/v1/chunks/bell", false),
    ("GET", "/v1/chunks/nobody", false),
    ("GET", "/v1/handles", false),
    ("GET", "/v1/stats", false),
    ("GET", "/metrics", false),
    ("GET", "/report", false),
    ("GET", "/nowhere", false),
    ("POST", "/v1/feedback", true),
    ("POST", "/v1/reload", true),
];

fn made(bench: &Bench, name: &str, role: &str) -> String {
    let made = bench.run(&["key", name, "--role", role, "--keys", "keys.toml"]).succeeded();
    made.stdout.trim().to_owned()
}

#[tokio::test]
async fn every_call_looks_at_the_key() {
    let bench = handled();
    let (read, full) = (made(&bench, "page", "read"), made(&bench, "admin", "full"));
    let served = Served::start(&bench, &["--no-model", "--keys", "keys.toml"]);
    let shorter = &full[..full.len() - 1];
    // What is sent, and what it allows: nothing, to read, everything.
    let keys = [
        (None, 0),
        (Some(String::new()), 0),
        (Some("Bearer".to_owned()), 0),
        (Some("Bearer frontload_00".to_owned()), 0),
        (Some(format!("Bearer {shorter}")), 0),
        (Some(format!("Bearer {full}0")), 0),
        (Some(format!("Bearer {}", full.to_uppercase())), 0),
        (Some(format!("Basic {full}")), 0),
        (Some(full.clone()), 0),
        (Some(format!("Bearer {read}")), 1),
        (Some(format!("bearer {full}")), 2),
    ];
    let mut refusals = Vec::new();
    for (key, allows) in &keys {
        let send = |method: &str, path: &str, kind: &'static str| {
            let method: Method = method.parse().expect("a method");
            let request = Client::new().request(method, format!("{}{path}", served.address));
            let request = request.header(header::CONTENT_TYPE, kind);
            let request = if let Some(key) = key { request.header(header::AUTHORIZATION, key) } else { request };
            async move { request.send().await.expect("answered") }
        };
        for (call, full) in CALLS {
            let path = format!("/frontload.v1.FrontloadService/{call}");
            let response = send("POST", &path, "application/grpc").await;
            let told = response.headers().get("grpc-status").map(|status| status.to_str().expect("text").to_owned());
            let told = told.as_deref();
            let what = format!("{call} with {key:?}: {told:?}");
            match (*allows, full) {
                (0, _) => assert_eq!(told, Some("16"), "{what}"),
                (1, true) => assert_eq!(told, Some("7"), "{what}"),
                _ => assert!(!matches!(told, Some("7" | "16")), "{what}"),
            }
        }
        for (method, path, full) in ROUTES {
            let response = send(method, path, "application/json").await;
            let status = response.status().as_u16();
            let what = format!("{method} {path} with {key:?}: {status}");
            match (*allows, full) {
                (0, _) => {
                    assert_eq!(status, 401, "{what}");
                    refusals.push(response.text().await.expect("text"));
                }
                (1, true) => assert_eq!(status, 403, "{what}"),
                _ => assert!(!matches!(status, 401 | 403), "{what}"),
            }
        }
    }
    // Whether there is such a path, call, chunk or key makes no difference to what is said.
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}

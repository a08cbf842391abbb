//! The service over HTTP: JSON, events, metrics; who is let in, and over what.

use std::{collections::BTreeSet, fs, time::Duration};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    served::{Served, handled},
};

/// How long something that has to come is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

async fn post(served: &Served, path: &str, body: &Value) -> Response {
    Client::new().post(format!("{}{path}", served.address)).json(body).send().await.expect("answered")
}

async fn get(served: &Served, path: &str) -> Response {
    Client::new().get(format!("{}{path}", served.address)).send().await.expect("answered")
}

async fn value(response: Response) -> Value {
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn says_in_json_what_grpc_says() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    let request = json!({"query": "grief for somebody gone", "k": 3});
    let found = value(post(&served, "/v1/search", &request).await).await;
    assert_eq!((&found["hits"][0]["document_id"], &found["generation"]), (&"letter".into(), &"2".into()), "{found}");
    let by_address = value(get(&served, "/v1/search?q=grief%20for%20somebody%20gone&k=3").await).await;
    assert_eq!(found["hits"], by_address["hits"]);
    let local = bench.json(&["search", "-k", "3", "grief for somebody gone"]);
    let ids = |hits: &Value, name: &str| {
        hits.as_array().expect("hits").iter().map(|hit| hit[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&found["hits"], "chunk_id"), ids(&local["hits"], "id"));
    let batch = value(post(&served, "/v1/search/batch", &json!({"searches": [request]})).await).await;
    assert_eq!(batch["responses"][0]["hits"], found["hits"]);
    let chunk = value(get(&served, "/v1/chunks/letter").await).await;
    assert_eq!(chunk["chunk"]["handles"][0]["text"], "missing a lost companion");
    let handles = value(get(&served, "/v1/handles?kind=mood").await).await;
    assert_eq!(handles["handles"][0]["chunk_id"], "letter");
    let stats = value(get(&served, "/v1/stats").await).await;
    assert_eq!((&stats["chunks"], &stats["model"]["loaded"]), (&"6".into(), &false.into()), "{stats}");
    assert_eq!((&stats["stale"], &stats["stale_seconds"]), (&json!(""), &json!(0.0)), "{stats}");
    let remark = json!({"query": "bell", "chunk_id": "bell", "verdict": "VERDICT_RELEVANT"});
    assert_eq!(post(&served, "/v1/feedback", &remark).await.status(), StatusCode::OK);
    let reloaded = value(post(&served, "/v1/reload", &json!({})).await).await;
    assert_eq!(reloaded["changed"], false);
}

#[tokio::test]
async fn errors_name_their_field() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    let check = |body: Value, field: &'static str| {
        let served = &served;
        async move {
            let response = post(served, "/v1/search", &body).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
            let told = value(response).await;
            assert_eq!(told["error"]["code"], "INVALID_ARGUMENT", "{told}");
            assert_eq!(told["error"]["violations"][0]["field"], field, "{told}");
        }
    };
    check(json!({"query": " "}), "query").await;
    check(json!({"query": "fog", "k": 101}), "k").await;
    check(json!({"query": "fog", "filter": "colour = red"}), "filter").await;
    check(json!({"query": "fog", "filter": "meta.nowhere = 1"}), "filter").await;
    // What is no message at all, and what has a field too many.
    check(json!([1]), "body").await;
    check(json!({"query": "fog", "colour": 1}), "body").await;
    assert_eq!(get(&served, "/v1/chunks/nobody").await.status(), StatusCode::NOT_FOUND);
    let nowhere = get(&served, "/nowhere").await;
    assert_eq!(
        (nowhere.status(), &value(nowhere).await["error"]["code"]),
        (StatusCode::NOT_FOUND, &"NOT_FOUND".into())
    );
    let flood = post(&served, "/v1/search", &json!({"query": "a".repeat(300 << 10)})).await;
    assert_eq!(flood.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let unasked = get(&served, "/v1/search?k=3").await;
    assert_eq!(value(unasked).await["error"]["violations"][0]["field"], "address");
    // A page elsewhere that has its name point here is not answered.
    let foreign = Client::new().get(format!("{}/v1/stats", served.address)).header(header::HOST, "evil.example");
    assert_eq!(foreign.send().await.expect("answered").status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn answers_are_events_for_who_wants_them() {
    let bench = handled();
    let served = Served::start(&bench, &[]);
    let question = json!({"question": "When was the new bell hung?", "k": 2, "mode": "ANSWER_MODE_WRITE"});
    let events = Client::new()
        .post(format!("{}/v1/answer", served.address))
        .header(header::ACCEPT, "text/event-stream")
        .json(&question);
    let text = events.send().await.expect("answered").text().await.expect("text");
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((names.first(), names.last()), (Some(&"begun"), Some(&"ended")), "{text}");
    assert!(names.iter().filter(|name| **name == "text").count() > 1, "{text}");
    let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().expect("data");
    let ended: Value = serde_json::from_str(last).expect("JSON");
    let whole = value(post(&served, "/v1/answer", &question).await).await;
    assert_eq!((&whole["ended"]["text"], &whole["begun"]["hits"][0]["rank"]), (&ended["text"], &1.into()), "{whole}");
}

#[tokio::test]
async fn tells_operators_how_it_is() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(&served, path).await.status(), StatusCode::OK, "{path}");
    }
    post(&served, "/v1/search", &json!({"query": "bell"})).await;
    let metrics = get(&served, "/metrics").await.text().await.expect("text");
    for wanted in [
        "frontload_request_seconds_count{code=\"OK\",method=\"Search\"} 1",
        "frontload_lane_seconds_count{lane=\"body.bm25\"} 1",
        "frontload_stage_seconds_count{stage=\"embed\"} 1",
        "frontload_generation 2",
        "frontload_chunks 6",
    ] {
        assert!(metrics.lines().any(|line| line == wanted), "{wanted} in {metrics}");
    }
    let document = value(get(&served, "/openapi.json").await).await;
    assert_eq!(document["openapi"], "3.1.0");
    let page = get(&served, "/").await;
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(page.text().await.expect("text").contains("<title>"));
    assert_eq!(get(&served, "/report").await.status(), StatusCode::NOT_FOUND);
    bench.write(".frontload/report.html", "<!doctype html><title>r</title>");
    assert!(get(&served, "/report").await.text().await.expect("text").contains("<title>r"));
}

#[tokio::test]
async fn keys_say_who_may_do_what() {
    let bench = handled();
    let key = |name: &str, role: &str| {
        let made = bench.run(&["key", name, "--role", role, "--keys", "keys.toml"]).succeeded();
        made.stdout.trim().to_owned()
    };
    let (read, full) = (key("page", "read"), key("admin", "full"));
    let kept = fs::read_to_string(bench.path("keys.toml")).expect("kept");
    assert!(!kept.contains(&read) && !kept.contains(&full));
    bench.run(&["key", "page", "--keys", "keys.toml"]).exited(2);
    let served = Served::start(&bench, &["--no-model", "--keys", "keys.toml"]);
    let reload = |key: Option<String>| {
        let request = Client::new().post(format!("{}/v1/reload", served.address)).json(&json!({}));
        let request = if let Some(key) = key { request.bearer_auth(key) } else { request };
        async move { request.send().await.expect("answered").status() }
    };
    assert_eq!(reload(None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(reload(Some(format!("{read}0"))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(reload(Some(read.clone())).await, StatusCode::FORBIDDEN);
    assert_eq!(reload(Some(full)).await, StatusCode::OK);
    // The page itself says nothing about what is indexed.
    assert_eq!(get(&served, "/").await.status(), StatusCode::OK);
    assert_eq!(get(&served, "/metrics").await.status(), StatusCode::UNAUTHORIZED);
    // Over gRPC, from the command line.
    let search = ["search", "--server", &served.address, "bell"];
    let refused = bench.run(&search).exited(4);
    assert!(refused.stderr.contains("a key is needed"), "{}", refused.stderr);
    let mut allowed = bench.command(search);
    let ended = crate::bench::Ended::of(allowed.env("FRONTLOAD_KEY", &read).output().expect("runs")).succeeded();
    assert!(ended.stdout.starts_with(" 1. bell"), "{}", ended.stdout);
}

/// Certificates: an authority's, one of the service's, one of a client's.
pub fn certificates(bench: &Bench) -> (String, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("signed");
    let signed = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate =
            CertificateParams::new(names).expect("parameters").signed_by(&key, &authority).expect("signed");
        bench.write(&format!("{name}.pem"), certificate.pem());
        bench.write(&format!("{name}.key"), key.serialize_pem());
        certificate.pem() + &key.serialize_pem()
    };
    bench.write("authority.pem", authority.pem());
    signed("service");
    (authority.pem(), signed("client"))
}

#[tokio::test]
async fn certificates_guard_both_ends() {
    let bench = handled();
    let (authority, client) = certificates(&bench);
    let tls = [
        "--json",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--no-model",
        "--tls-cert",
        "service.pem",
        "--tls-key",
        "service.key",
    ];
    let trusting = || {
        let authority = reqwest::Certificate::from_pem(authority.as_bytes()).expect("a certificate");
        Client::builder().tls_certs_only([authority])
    };
    let served = Served::started(&bench, &tls, "https");
    let url = format!("{}/v1/stats", served.address);
    let stranger = Client::builder().tls_certs_only([]).build().expect("a client").get(&url).send().await;
    assert!(stranger.is_err(), "a certificate nobody vouches for was taken");
    assert!(trusting().build().expect("a client").get(&url).send().await.expect("answered").status().is_success());
    // gRPC on the same port.
    let found = bench.run(&["search", "--server", &served.address, "--ca", "authority.pem", "bell"]).succeeded();
    assert!(found.stdout.starts_with(" 1. bell"), "{}", found.stdout);
    drop(served);

    let served = Served::started(&bench, &[&tls[..], &["--client-ca", "authority.pem"]].concat(), "https");
    let url = format!("{}/v1/stats", served.address);
    assert!(
        trusting().build().expect("a client").get(&url).send().await.is_err(),
        "a client without a certificate got in"
    );
    let identity = reqwest::Identity::from_pem(client.as_bytes()).expect("an identity");
    let known = trusting().identity(identity).build().expect("a client");
    assert!(known.get(&url).send().await.expect("answered").status().is_success());
}

/// A collector that passes on the names of the spans it is sent.
struct Collector(tokio::sync::mpsc::UnboundedSender<(String, Vec<String>)>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            let attributes = span.attributes.iter().map(|attribute| format!("{attribute:?}")).collect();
            self.0.send((span.name, attributes)).expect("the test listens");
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test]
async fn a_collector_is_sent_every_leg_of_a_request() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let collector = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, mut spans) = tokio::sync::mpsc::unbounded_channel();
    let collecting = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Collector(sender)))
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    tokio::spawn(collecting);
    let bench = handled();
    let mut served = Served::start(&bench, &["--no-model", "--otlp", &collector]);
    post(&served, "/v1/search", &json!({"query": "a very private matter"})).await;
    let pid = served.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let mut wanted: BTreeSet<&str> = BTreeSet::from(["request", "embed", "look", "lane", "fuse", "explain"]);
    while !wanted.is_empty() {
        let span = tokio::time::timeout(PATIENCE, spans.recv()).await;
        let (name, attributes) = span.unwrap_or_else(|_| panic!("nothing came of {wanted:?}")).expect("a span");
        assert!(!attributes.iter().any(|attribute| attribute.contains("private")), "{attributes:?}");
        wanted.remove(name.as_str());
    }
    assert!(served.child.wait().expect("a child").success());
}

#[tokio::test]
async fn what_is_asked_is_not_logged() {
    let bench = handled();
    let mut served = Served::start(&bench, &["--no-model", "--log-format", "json"]);
    post(&served, "/v1/search", &json!({"query": "a very private matter"})).await;
    let pid = served.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    assert!(served.child.wait().expect("a child").success());
    let mut logged = String::new();
    std::io::Read::read_to_string(&mut served.child.stderr.take().expect("a pipe"), &mut logged).expect("text");
    let lines: Vec<Value> = logged.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.iter().any(|line| line["code"] == "OK" && line["ms"].is_number()), "{logged}");
    assert!(!logged.contains("private"), "{logged}");
}

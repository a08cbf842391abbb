//! The running service and a real client.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Child,
};

use frontload_server::v1::{AnswerRequest, LaneSet, SearchRequest, frontload_service_client::FrontloadServiceClient};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt;

use crate::bench::{Bench, Ended};

/// A served index; the process ends with it.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(bench: &Bench, more: &[&str]) -> Self {
        let arguments = [&["--json", "serve", "--listen", "127.0.0.1:0"], more].concat();
        let mut child = bench.command(arguments).spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, address: format!("http://{}", told["listening"].as_str().expect("an address")) }
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone()).expect("an address").connect().await.expect("connects")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn handled() -> Bench {
    let bench = Bench::new();
    bench.plain_index();
    bench.import(&[("letter", "mood", "missing a lost companion")]);
    bench
}

fn query(text: &str) -> SearchRequest {
    SearchRequest { query: text.to_owned(), k: 3, ..SearchRequest::default() }
}

#[tokio::test]
async fn searches_and_answers_over_grpc() {
    let bench = handled();
    let served = Served::start(&bench, &[]);
    let mut client = FrontloadServiceClient::new(served.channel().await);

    let found = client.search(query("grief for somebody gone")).await.expect("found").into_inner();
    let hit = &found.hits[0];
    assert_eq!((hit.document_id.as_str(), found.generation, found.hits.len()), ("letter", 2, 3));
    let shares: f32 = hit.evidence.iter().map(|given| given.share).sum();
    assert!((shares - hit.score).abs() < 1e-5);
    let handle = hit.evidence.iter().find_map(|given| given.handle.as_ref()).expect("a handle");
    assert_eq!((handle.text.as_str(), handle.evidence.as_str()), ("missing a lost companion", "inferred"));

    let plain = SearchRequest { lane_set: LaneSet::Plain.into(), ..query("grief for somebody gone") };
    let plain = client.search(plain).await.expect("found").into_inner();
    assert!(plain.hits.iter().flat_map(|hit| &hit.evidence).all(|given| given.lane.starts_with("body.")));

    // The same answer as the command line's, and the command line as a client of it.
    let local = bench.json(&["search", "-k", "3", "grief for somebody gone"]);
    let ids: Vec<&str> = found.hits.iter().map(|hit| hit.chunk_id.as_str()).collect();
    let local: Vec<&str> =
        local["hits"].as_array().expect("hits").iter().filter_map(|hit| hit["id"].as_str()).collect();
    assert_eq!(ids, local);
    let remote = bench.run(&["search", "-k", "3", "--server", &served.address, "grief for somebody gone"]).succeeded();
    assert!(remote.stdout.starts_with(" 1. letter"), "{}", remote.stdout);

    let asked = AnswerRequest { question: "When was the new bell hung?".into(), k: 2, free: false };
    let answer = client.answer(asked).await.expect("answered").into_inner();
    assert!(!answer.sentences.is_empty() && answer.hits.len() == 2);
    assert!(answer.sentences.iter().all(|sentence| sentence.supported && !sentence.citations.is_empty()), "{answer:?}");
}

#[tokio::test]
async fn refuses_bad_requests_by_field() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-answers"]);
    let mut client = FrontloadServiceClient::new(served.channel().await);
    for (request, field) in [
        (query(" "), "query"),
        (query(&"a".repeat(5000)), "query"),
        (SearchRequest { k: 101, ..query("fog") }, "k"),
        (SearchRequest { lanes: vec!["colour.bm25".into()], ..query("fog") }, "lanes"),
    ] {
        let status = client.search(request).await.expect_err("refused");
        let violation = status.get_details_bad_request().and_then(|bad| bad.field_violations.into_iter().next());
        assert_eq!((status.code(), violation.map(|v| v.field).as_deref()), (Code::InvalidArgument, Some(field)));
    }
    let question = AnswerRequest { question: "Who?".into(), ..AnswerRequest::default() };
    assert_eq!(client.answer(question).await.expect_err("no model").code(), Code::Unavailable);
    let flood = query(&"a".repeat(300 << 10));
    assert_eq!(client.search(flood).await.expect_err("too large").code(), Code::OutOfRange);
}

#[tokio::test]
async fn says_it_is_healthy_and_what_it_offers() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-answers"]);
    let channel = served.channel().await;
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "frontload.v1.FrontloadService"] {
        let asked = HealthCheckRequest { service: service.into() };
        let told = health.check(asked).await.expect("answers").into_inner();
        assert_eq!(told.status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = HealthCheckRequest { service: "nobody".into() };
    assert_eq!(health.check(unknown).await.expect_err("unknown").code(), Code::NotFound);

    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let mut told = reflection.server_reflection_info(tokio_stream::once(asked)).await.expect("answers").into_inner();
    let told = told.message().await.expect("a message").expect("one").message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = told else { panic!("{told:?}") };
    assert!(list.service.iter().any(|service| service.name == "frontload.v1.FrontloadService"));
}

#[tokio::test]
async fn opens_nothing_but_the_generation() {
    let bench = handled();
    #[cfg(target_os = "linux")]
    {
        let served = Served::start(&bench, &["--no-answers"]);
        FrontloadServiceClient::new(served.channel().await).search(query("bell")).await.expect("found");
        let open = fs::read_dir(format!("/proc/{}/fd", served.child.id())).expect("a process");
        let open: Vec<_> = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect();
        assert!(open.len() > 3, "{open:?}");
        let ours = |path: &&std::path::PathBuf| path.starts_with(bench.path(".frontload"));
        let generations = bench.path(".frontload/generations");
        assert!(open.iter().filter(ours).all(|path| path.starts_with(&generations)), "{open:?}");
    }
    for name in ["ledger", "state.sled"] {
        fs::rename(bench.path(".frontload").join(name), bench.path(name)).expect("moved away");
    }
    let served = Served::start(&bench, &["--no-answers"]);
    let mut client = FrontloadServiceClient::new(served.channel().await);
    assert_eq!(client.search(query("bell")).await.expect("found").into_inner().hits[0].document_id, "bell");
    for name in ["ledger", "state.sled", "LOCK"] {
        let made = bench.path(".frontload").join(name);
        assert!(name == "LOCK" || !made.exists(), "the service made {}", made.display());
    }
}

#[tokio::test]
async fn takes_up_a_new_generation_while_it_runs() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-answers"]);
    let mut client = FrontloadServiceClient::new(served.channel().await);
    bench.import(&[("fair", "mood", "astonished merriment")]);
    for _ in 0..2000 {
        let found = client.search(query("astonished merriment")).await.expect("found").into_inner();
        if found.generation == 3 {
            assert_eq!(found.hits[0].document_id, "fair");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the new generation was never served");
}

#[test]
fn ends_when_it_is_told_to() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-answers"]);
    let pid = served.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let mut served = served;
    assert!(served.child.wait().expect("a child").success());
}

#[test]
fn listens_on_loopback_only() {
    let bench = handled();
    let ended: Ended = bench.run(&["serve", "--listen", "0.0.0.0:0"]).exited(2);
    assert!(ended.stderr.contains("loopback"), "{}", ended.stderr);
}

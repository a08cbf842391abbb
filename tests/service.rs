//! The running service and a real client.

use std::fs;

use frontload_server::v1::{
    AnswerMode, AnswerRequest, FeedbackRequest, GetChunkRequest, Hit, LaneSet, ListHandlesRequest, Refusal,
    ReloadRequest, SearchBatchRequest, SearchRequest, Verdict, frontload_service_client::FrontloadServiceClient,
};
use tonic::{Code, codec::CompressionEncoding};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt;

use crate::{
    answering::{ask, question},
    bench::{Bench, Ended, PASSAGES},
    served::{Served, handled},
};

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

    // Quoted, the pieces are the answer.
    let asked = question("When was the new bell hung?", AnswerMode::Unspecified);
    let (hits, pieces, answer) = ask(&mut client, asked).await.expect("answered");
    assert_eq!((hits.len(), answer.mode(), answer.refusal()), (2, AnswerMode::Quote, Refusal::Unspecified));
    assert!(!answer.sentences.is_empty() && answer.prompt_tokens > answer.answer_tokens, "{answer:?}");
    assert!(answer.sentences.iter().all(|sentence| sentence.supported && !sentence.citations.is_empty()), "{answer:?}");
    assert!(pieces.concat().starts_with(&answer.sentences[0].text), "{pieces:?}");
    // Written, it comes a few letters at a time.
    let (_, pieces, answer) =
        ask(&mut client, question("When was the new bell hung?", AnswerMode::Write)).await.expect("answered");
    assert!(pieces.len() > 3 && answer.mode() == AnswerMode::Write, "{pieces:?}");
    // Extracted, no model is asked.
    let asked = question("When was the new bell hung?", AnswerMode::Extract);
    let (_, pieces, answer) = ask(&mut client, asked).await.expect("answered");
    assert_eq!((pieces.len(), answer.prompt_tokens, answer.sentences[0].citations.as_slice()), (0, 0, &[1][..]));
    assert!(PASSAGES[0].1.contains(&answer.sentences[0].text), "{answer:?}");
}

#[tokio::test]
async fn a_batch_is_answered_in_order() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    let mut client = served.client().await;
    let searches = vec![query("bell"), query("grief for somebody gone"), query("rye flour")];
    let batch =
        client.search_batch(SearchBatchRequest { searches: searches.clone() }).await.expect("found").into_inner();
    for (search, found) in searches.into_iter().zip(&batch.responses) {
        let alone = client.search(search).await.expect("found").into_inner();
        let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.chunk_id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&alone.hits), ids(&found.hits));
        assert!(found.timings.as_ref().is_some_and(|timings| timings.lanes.len() >= 2), "{found:?}");
    }
    let wrong = SearchBatchRequest { searches: vec![query("bell"), query(" ")] };
    let status = client.search_batch(wrong).await.expect_err("refused");
    let bad = status.get_details_bad_request().expect("a field");
    assert_eq!(bad.field_violations[0].field, "searches[1].query");
    assert_eq!(status.get_details_error_info().expect("a reason").reason, "INVALID_FIELD");
}

#[tokio::test]
async fn chunks_and_handles_can_be_looked_at() {
    let bench = Bench::new();
    bench.json(&["index", "corpus"]);
    let served = Served::start(&bench, &["--no-model"]);
    let mut client = served.client().await;
    let asked = GetChunkRequest { chunk_id: "bell".into(), with_prompts: true };
    let chunk = client.get_chunk(asked).await.expect("found").into_inner().chunk.expect("a chunk");
    assert_eq!(chunk.text, PASSAGES[0].1);
    let said = &chunk.model_answers[0];
    assert_eq!(
        (said.kinds.as_slice(), said.prompt[0].role.as_str()),
        (&["mood".to_owned(), "time".to_owned()][..], "system")
    );
    assert!(said.prompt.last().expect("a turn").content.ends_with(PASSAGES[0].1));
    // What it said is what its handles and what was turned away came from.
    let items = chunk.handles.iter().map(|handle| &handle.text).chain(chunk.rejected.iter().map(|item| &item.text));
    assert!(items.clone().count() > 0 && items.clone().all(|item| said.text.contains(item.as_str())), "{chunk:?}");
    let status = client.get_chunk(GetChunkRequest { chunk_id: "nobody".into(), ..GetChunkRequest::default() }).await;
    assert_eq!(status.expect_err("not there").code(), Code::NotFound);

    bench.import(&[("letter", "mood", "missing a lost companion"), ("fair", "mood", "astonished merriment")]);
    client.reload(ReloadRequest {}).await.expect("reloaded");
    let mut listed = Vec::new();
    let mut token = String::new();
    loop {
        let asked = ListHandlesRequest { kind: "mood".into(), page_size: 1, page_token: token, ..Default::default() };
        let page = client.list_handles(asked).await.expect("a page").into_inner();
        listed.extend(page.handles.into_iter().filter_map(|listed| Some((listed.chunk_id, listed.handle?.text))));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    for wanted in [("letter", "missing a lost companion"), ("fair", "astonished merriment")] {
        assert!(listed.iter().any(|(id, text)| (id.as_str(), text.as_str()) == wanted), "{listed:?}");
    }
    let asked = ListHandlesRequest { contains: "COMPANION".into(), ..Default::default() };
    assert_eq!(client.list_handles(asked).await.expect("a page").into_inner().handles.len(), 1);
    let asked = ListHandlesRequest { kind: "colour".into(), ..Default::default() };
    assert_eq!(client.list_handles(asked).await.expect_err("no such kind").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn what_people_think_of_hits_can_be_tuned_by() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    let mut client = served.client().await;
    let remark = |chunk: &str, verdict: Verdict| FeedbackRequest {
        query: "grief for somebody gone".into(),
        chunk_id: chunk.into(),
        verdict: verdict.into(),
        note: String::new(),
    };
    for (chunk, verdict) in [("letter", Verdict::Relevant), ("bread", Verdict::NotRelevant)] {
        client.feedback(remark(chunk, verdict)).await.expect("written");
    }
    let unsaid = client.feedback(remark("letter", Verdict::Unspecified)).await.expect_err("refused");
    assert_eq!(unsaid.code(), Code::InvalidArgument);
    assert_eq!(client.feedback(remark("nobody", Verdict::Relevant)).await.expect_err("refused").code(), Code::NotFound);
    let log = ".frontload/feedback.jsonl";
    let measured = bench.json(&["eval", "--queries", log, "--qrels", log, "--measures", "RR"]);
    assert_eq!((&measured["queries"], &measured["measures"]["RR"]), (&1.into(), &1.0.into()), "{measured}");
}

#[tokio::test]
async fn a_reload_takes_what_was_published() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    let mut client = served.client().await;
    let same = client.reload(ReloadRequest {}).await.expect("looked").into_inner();
    assert_eq!((same.generation, same.changed), (2, false));
    bench.import(&[("fair", "mood", "astonished merriment")]);
    // Another look may have taken it a moment before.
    let taken = client.reload(ReloadRequest {}).await.expect("looked").into_inner();
    assert_eq!((taken.generation, taken.problem.as_str()), (3, ""));
}

#[tokio::test]
async fn refuses_bad_requests_by_field() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
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
    let asked = AnswerRequest { question: " ".into(), ..AnswerRequest::default() };
    assert_eq!(client.answer(asked).await.expect_err("refused").code(), Code::InvalidArgument);
    let flood = query(&"a".repeat(300 << 10));
    assert_eq!(client.search(flood).await.expect_err("too large").code(), Code::OutOfRange);
}

#[tokio::test]
async fn says_it_is_healthy_and_what_it_offers() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
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
        let served = Served::start(&bench, &["--no-model"]);
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
    let served = Served::start(&bench, &["--no-model"]);
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
    let served = Served::start(&bench, &["--no-model"]);
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
    let served = Served::start(&bench, &["--no-model"]);
    let pid = served.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let mut served = served;
    assert!(served.child.wait().expect("a child").success());
}

#[test]
fn beyond_loopback_needs_keys_and_tls() {
    let bench = handled();
    let ended: Ended = bench.run(&["serve", "--listen", "0.0.0.0:0"]).exited(2);
    assert!(ended.stderr.contains("--tls-cert") && ended.stderr.contains("--keys"), "{}", ended.stderr);
    bench.run(&["key", "page", "--keys", "keys.toml"]).succeeded();
    let ended: Ended = bench.run(&["serve", "--listen", "0.0.0.0:0", "--keys", "keys.toml"]).exited(2);
    assert!(ended.stderr.contains("--tls-cert") && !ended.stderr.contains("--keys, "), "{}", ended.stderr);
}

#[tokio::test]
async fn messages_are_compressed_for_who_asks_for_it_and_a_bomb_is_refused() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    let encoding = |metadata: &tonic::metadata::MetadataMap| {
        metadata.get("grpc-encoding").map(|value| value.to_str().expect("a name").to_owned())
    };
    let mut plain = served.client().await;
    let found = plain.search(query("bell")).await.expect("found");
    assert_eq!(encoding(found.metadata()), None);
    let mut packed =
        served.client().await.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    let small = packed.search(query("bell")).await.expect("found");
    assert_eq!(encoding(small.metadata()).as_deref(), Some("gzip"));
    assert_eq!(small.into_inner().hits, found.into_inner().hits);
    // Small on the way, and 64 MB when it is unpacked.
    let bomb = packed.search(query(&"a".repeat(64 << 20))).await.expect_err("refused");
    assert!(matches!(bomb.code(), Code::OutOfRange | Code::ResourceExhausted), "{bomb:?}");
    assert!(served.stats().await.resident_bytes < 1 << 30);
    packed.search(query("bell")).await.expect("it goes on");
}

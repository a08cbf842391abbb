//! More work than can be done, work that nobody waits for, a model that fails, and the end.

use std::{net::TcpStream, time::Duration};

use frontload_server::v1::{AnswerMode, SearchBatchRequest, SearchRequest, answer_response::Event};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_types::StatusExt;

use super::{
    Watched,
    frames::{Raw, call, field},
    metric, reached, search,
};
use crate::{
    answering::{ask, question},
    http::{Reply, serve},
    served::{Served, handled},
};

#[tokio::test]
async fn more_than_can_be_done_is_refused_and_the_rest_is_answered() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let batch = || {
        let query = |number: u32| format!("{number} {}", "the bell and the river ".repeat(20));
        let one = |number| SearchRequest { query: query(number), k: 3, ..SearchRequest::default() };
        SearchBatchRequest { searches: (0..40).map(one).collect() }
    };
    let client = watched.served.client().await;
    // From now on it is known what such a batch takes.
    client.clone().search_batch(batch()).await.expect("found");
    let mut running = JoinSet::new();
    for _ in 0..80 {
        let (mut client, batch) = (client.clone(), batch());
        running.spawn(async move { client.search_batch(batch).await });
    }
    let (mut answered, mut refused) = (0, 0);
    while let Some(ended) = running.join_next().await {
        match ended.expect("it ends") {
            Ok(found) => {
                assert_eq!(found.into_inner().responses.len(), 40);
                answered += 1;
            }
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                let retry = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
                assert!(retry.is_some(), "{status:?}");
                refused += 1;
            }
        }
    }
    assert!(answered >= 16 && refused > 0, "{answered} answered, {refused} refused");
    watched.goes_on("four times as much as can be done").await;
    watched.ends();
}

#[tokio::test]
async fn what_is_late_is_said_to_be_late_and_stopped() {
    // Together they fit into the window that a connection begins with.
    const CALLS: u32 = 5;
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let searched = "frontload_stage_seconds_count{stage=\"embed\"}";
    let before = metric(&watched.served, searched).await;
    // A client of ours would end the call itself.
    let mut raw = Raw::greeted(&watched.served.address, &[]);
    let one = field(1, &field(1, "the bell and the river and the flour ".repeat(3).as_bytes()));
    for number in 0..CALLS {
        assert!(raw.send(&call(number * 2 + 1, "SearchBatch", Some("10m"), &one.repeat(100))));
    }
    reached(&watched.served, "SearchBatch", &["DEADLINE_EXCEEDED"], u64::from(CALLS)).await;
    // What was begun is not brought to its end: after some of its queries it is looked whether anybody waits.
    let (mut done, mut same) = (0, 0);
    // On a busy machine the first of them may take seconds.
    while same < 4 {
        let now = metric(&watched.served, searched).await - before;
        same = if now == done { same + 1 } else { 0 };
        done = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(done <= u64::from(CALLS) * 16, "{done} searches for nobody");
    watched.goes_on("calls that were late").await;
    drop(raw);
    watched.ends();
}

#[tokio::test]
async fn without_its_model_the_passages_are_given_and_then_an_error() {
    let bench = handled();
    let endpoint = serve(|_, _| Reply::Whole(400, "", "{\"error\": {\"message\": \"no such model\"}}".to_owned()));
    let model = format!("http://{endpoint}/v1#gone");
    let served = Served::started(&bench, &["--json", "--model", &model, "serve", "--listen", "127.0.0.1:0"], "http");
    let mut client = served.client().await;
    let asked = question("When was the new bell hung?", AnswerMode::Write);
    let mut events = client.answer(asked).await.expect("begun").into_inner();
    let first = events.message().await.expect("an event").expect("one").event;
    assert!(matches!(&first, Some(Event::Begun(begun)) if begun.hits.len() == 2), "{first:?}");
    let status = loop {
        match events.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it just ended"),
            Err(status) => break status,
        }
    };
    let reason = status.get_details_error_info().map(|info| info.reason);
    assert_eq!((status.code(), reason.as_deref()), (Code::Unavailable, Some("MODEL_FAILED")), "{status:?}");
    // Searches and extracts need no language model.
    search(&mut client, "bell").await.expect("found");
    let asked = question("When was the new bell hung?", AnswerMode::Extract);
    assert!(!ask(&mut client, asked).await.expect("answered").2.sentences.is_empty());
}

#[tokio::test]
async fn told_to_end_it_says_so_and_ends_though_streams_are_open() {
    let bench = handled();
    let watched = Watched::start(&bench, &[]).await;
    let at = watched.served.address.trim_start_matches("http://").to_owned();
    let asked = HealthCheckRequest { service: "frontload.v1.FrontloadService".into() };
    let mut health = HealthClient::new(watched.served.channel().await);
    let mut statuses = health.watch(asked).await.expect("watched").into_inner();
    let told = statuses.message().await.expect("a message").expect("one");
    assert_eq!(told.status(), ServingStatus::Serving);
    let silent = TcpStream::connect(&at).expect("connects");
    watched.signal("TERM");
    let told = statuses.message().await.expect("a message").expect("one");
    assert_eq!(told.status(), ServingStatus::NotServing);
    // The stream, and the one that says nothing, are still open.
    let mut served = watched.served;
    assert!(served.child.wait().expect("a child").success());
    assert!(TcpStream::connect(&at).is_err(), "it still listens");
    drop(silent);
}

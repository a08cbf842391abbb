//! Answers over gRPC: streamed, refused, stopped, made with a model, an endpoint or none.

use std::time::Duration;

use frontload_server::v1::{
    AnswerEnded, AnswerMode, AnswerRequest, Hit, Refusal, answer_response::Event,
    frontload_service_client::FrontloadServiceClient,
};
use serde_json::json;
use tonic::{Code, Request, Status, transport::Channel};

use crate::{
    http::{Reply, serve},
    served::{Served, handled},
};

/// How long what nobody waits for may take to notice that. A request to a model is given up after twice as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks and waits for the end: the passages, the pieces of text, the answer.
pub async fn ask(
    client: &mut FrontloadServiceClient<Channel>,
    asked: AnswerRequest,
) -> Result<(Vec<Hit>, Vec<String>, AnswerEnded), Status> {
    let mut events = client.answer(asked).await?.into_inner();
    let (mut hits, mut pieces) = (Vec::new(), Vec::new());
    while let Some(told) = events.message().await? {
        match told.event.expect("an event") {
            Event::Begun(begun) => hits = begun.hits,
            Event::Text(text) => pieces.push(text),
            Event::Ended(ended) => return Ok((hits, pieces, ended)),
        }
    }
    Err(Status::internal("no end"))
}

/// A question answered from two passages.
pub fn question(text: &str, mode: AnswerMode) -> AnswerRequest {
    AnswerRequest { question: text.to_owned(), k: 2, mode: mode.into(), ..AnswerRequest::default() }
}

#[tokio::test]
async fn a_question_that_is_too_far_is_refused() {
    let bench = handled();
    bench.write(
        "frontload.toml",
        "[answers]\nscope = \"the papers of a village\"\nrefusal = \"The papers do not say.\"\nrefuse_below = 0.3\n",
    );
    let served = Served::start(&bench, &["--no-model"]);
    let mut client = served.client().await;
    let asked = question("How many moons has Jupiter?", AnswerMode::Unspecified);
    let (hits, _, refused) = ask(&mut client, asked).await.expect("refused");
    assert_eq!((hits.len(), refused.refusal(), refused.text.as_str()), (2, Refusal::TooFar, "The papers do not say."));
    let asked = question("When was the new bell hung?", AnswerMode::Unspecified);
    let (_, _, answered) = ask(&mut client, asked).await.expect("answered");
    assert!(answered.nearness > 0.3 && answered.refusal() == Refusal::Unspecified, "{answered:?}");
    assert_eq!(served.stats().await.scope, "the papers of a village");
}

#[tokio::test]
async fn without_a_model_answers_are_extracted_and_say_so() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    let asked = question("When was the new bell hung?", AnswerMode::Write);
    let (_, _, answer) = ask(&mut served.client().await, asked).await.expect("answered");
    assert_eq!(answer.mode(), AnswerMode::Extract);
    assert!(answer.degraded.iter().any(|missing| missing.contains("language model")), "{answer:?}");
}

#[tokio::test]
async fn what_nobody_waits_for_is_stopped() {
    let bench = handled();
    let served = Served::start(&bench, &[]);
    let mut client = served.client().await;
    // Loading the model alone takes longer than this.
    let mut late = Request::new(question("When was the new bell hung?", AnswerMode::Write));
    late.set_timeout(Duration::from_millis(50));
    let ended = match client.answer(late).await {
        Ok(events) => {
            let mut events = events.into_inner();
            loop {
                match events.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("it ended in time"),
                    Err(status) => break status,
                }
            }
        }
        Err(status) => status,
    };
    assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{ended:?}");
    // A call that is dropped in the middle, and then one that finds the model free.
    let mut dropped =
        client.answer(question("What was carried upstairs?", AnswerMode::Write)).await.expect("begun").into_inner();
    dropped.message().await.expect("the passages");
    drop(dropped);
    was_stopped(&served).await;
    let (_, _, answer) =
        ask(&mut client, question("When was the new bell hung?", AnswerMode::Quote)).await.expect("answered");
    assert!(!answer.sentences.is_empty());
}

#[tokio::test]
async fn a_model_that_says_nothing_is_not_waited_for_by_nobody() {
    let bench = handled();
    // Where no text comes, none is found to have no taker: it must be looked whether anybody is there.
    let endpoint = serve(|_, _| Reply::Silent(Duration::from_secs(600)));
    let model = format!("http://{endpoint}/v1#small");
    let served = Served::started(&bench, &["--json", "--model", &model, "serve", "--listen", "127.0.0.1:0"], "http");
    let asked = question("When was the new bell hung?", AnswerMode::Write);
    let mut client = served.client().await;
    let mut events = client.answer(asked).await.expect("begun").into_inner();
    events.message().await.expect("the passages");
    drop(events);
    was_stopped(&served).await;
}

/// Waits until an answer that nobody waits for has ended.
async fn was_stopped(served: &Served) {
    let metrics = format!("{}/metrics", served.address);
    let ended = |told: &str, code: &str| {
        let count = format!("frontload_request_seconds_count{{code=\"{code}\",method=\"Answer\"}}");
        told.lines().any(|line| line.starts_with(&count))
    };
    let stopped = async {
        loop {
            let told = reqwest::get(&metrics).await.expect("answered").text().await.expect("text");
            if ended(&told, "CANCELLED") {
                return;
            }
            assert!(!ended(&told, "OK"), "it was written to its end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.expect("it goes on for nobody");
}

#[tokio::test]
async fn an_endpoint_answers_piece_by_piece() {
    let bench = handled();
    let endpoint = serve(|_, body| {
        assert_eq!(body["stream"], true);
        let piece = |text: &str| format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]}));
        let usage = json!({"prompt_tokens": 9, "completion_tokens": 4});
        let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage});
        let said = piece("The new bell was hung ") + &piece("in March 1904. [1]");
        Reply::ok(said + &format!("data: {end}\n\ndata: [DONE]\n\n"))
    });
    let model = format!("http://{endpoint}/v1#small");
    let arguments = ["--json", "--model", &model, "serve", "--listen", "127.0.0.1:0"];
    let served = Served::started(&bench, &arguments, "http");
    let asked = question("When was the new bell hung?", AnswerMode::Unspecified);
    let (_, pieces, answer) = ask(&mut served.client().await, asked).await.expect("answered");
    assert_eq!((pieces.len(), answer.mode(), answer.answer_tokens), (2, AnswerMode::Write, 4));
    assert!(answer.sentences[0].supported && answer.sentences[0].citations == [1], "{answer:?}");
}

#[tokio::test]
async fn the_model_is_loaded_by_a_question_and_unloaded_after_a_while() {
    let bench = handled();
    let served = Served::start(&bench, &["--keep-alive", "1"]);
    let model = || async { served.stats().await.model.expect("a model") };
    assert!(!model().await.loaded);
    ask(&mut served.client().await, question("When was the new bell hung?", AnswerMode::Quote))
        .await
        .expect("answered");
    // It may be unloaded already; that it was loaded is seen by how long that took.
    let after = model().await;
    assert!(after.load_ms > 0.0 && after.keep_alive_seconds == 1, "{after:?}");
    for _ in 0..600 {
        if !model().await.loaded {
            // And the next question loads it again.
            let asked = question("When was the new bell hung?", AnswerMode::Quote);
            assert!(!ask(&mut served.client().await, asked).await.expect("answered").2.sentences.is_empty());
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it was never unloaded");
}

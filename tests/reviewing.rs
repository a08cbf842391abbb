//! People review handles: in a browser, and two of them at once.

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    browser::{Browser, ENTER},
    served::{Served, handled},
};

/// The handle there is.
const SAID: &str = "missing a lost companion";

fn reviewing(bench: &Bench) -> Served {
    Served::started(bench, &["--json", "review", "--listen", "127.0.0.1:0"], "http")
}

async fn get(served: &Served, path: &str) -> Value {
    let response = Client::new().get(format!("{}{path}", served.address)).send().await.expect("answered");
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.expect("JSON")
}

async fn post(served: &Served, path: &str, body: &Value) -> Response {
    Client::new().post(format!("{}{path}", served.address)).json(body).send().await.expect("answered")
}

/// Decides about the handle, having seen this revision.
async fn decide(served: &Served, by: &str, (verdict, to): (&str, &str), seen: &Value) -> (StatusCode, Value) {
    let body = json!({
        "chunk_id": "letter", "kind": "mood", "text": SAID, "verdict": verdict, "to": to, "by": by, "seen": seen,
    });
    let response = post(served, "/v1/review/decisions", &body).await;
    (response.status(), response.json().await.expect("JSON"))
}

/// The handle as the queue shows it.
async fn item(served: &Served, state: &str) -> Value {
    let page = get(served, &format!("/v1/review/queue?kind=mood&state={state}&size=20")).await;
    let items = page["items"].as_array().expect("items");
    items.iter().find(|item| item["handle"]["text"] == SAID).unwrap_or_else(|| panic!("not there: {page}")).clone()
}

/// Publishes, and gives back the handles of the kind that are searched then.
async fn published(served: &Served) -> Vec<String> {
    assert_eq!(post(served, "/v1/review/publish", &json!({})).await.status(), StatusCode::OK);
    assert_eq!(post(served, "/v1/reload", &json!({})).await.status(), StatusCode::OK);
    let listed = get(served, "/v1/handles?kind=mood").await;
    let handles = listed["handles"].as_array().expect("handles").iter();
    handles.map(|listed| listed["handle"]["text"].as_str().expect("a text").to_owned()).collect()
}

/// Opens the view and says who is there.
async fn sit_down(browser: &Browser, served: &Served, name: &str) {
    browser.goto(served, "#/review").await;
    browser.until("document.activeElement.id == 'reviewer'").await;
    browser.until("document.querySelector('#review-item') !== null").await;
    browser.press(name).await;
    browser.press(ENTER).await;
    browser.until("document.activeElement.id == 'review-item'").await;
}

#[tokio::test]
async fn what_is_edited_is_found_by_once_it_is_published() {
    let bench = handled();
    let served = reviewing(&bench);
    let browser = Browser::open(1280).await;
    sit_down(&browser, &served, "Mara Quill").await;
    assert!(browser.text("#review-item").await.contains(SAID));
    assert!(browser.text("article .passage").await.contains("taken the dog away"));
    // With the keyboard alone: edited, counted, published.
    browser.press("e").await;
    browser.until("document.activeElement.id == 'review-text'").await;
    browser.press("bereft as a kittiwake").await;
    browser.press(ENTER).await;
    browser.until("document.querySelector('.badge').textContent.startsWith('1 unpublished')").await;
    assert!(browser.text(".queue .entry").await.contains("kittiwake"));
    browser.press("p").await;
    browser.until("document.querySelector('.review-head [role=status]').textContent.startsWith('Published')").await;
    browser.until("document.querySelector('.badge').hidden").await;
    assert_eq!(get(&served, "/v1/review/agreement").await["reviewers"], json!(["Mara Quill"]));
    // No passage says that word.
    assert_eq!(post(&served, "/v1/reload", &json!({})).await.status(), StatusCode::OK);
    browser.goto(&served, "#/search?q=kittiwake").await;
    let first = browser.text(".hits .hit").await;
    assert!(first.contains("letter"), "{first}");
    let why = browser.text(".hits .hit .best").await;
    assert!(why.contains("mood") && why.contains("bereft as a kittiwake"), "{why}");
    // Where nobody reviews, nothing leads there.
    browser.until("!document.querySelector('nav [data-view=review]').hidden").await;
    let only_read = Served::start(&bench, &["--no-model"]);
    browser.goto(&only_read, "#/review").await;
    assert!(browser.text("main .note").await.contains("frontload review"));
    assert_eq!(browser.eval("return document.querySelector('nav [data-view=review]').hidden").await, true);
}

#[tokio::test]
async fn what_somebody_else_decided_is_shown_and_not_replaced() {
    let bench = handled();
    let served = reviewing(&bench);
    let browser = Browser::open(360).await;
    sit_down(&browser, &served, "Mara Quill").await;
    let (status, told) = decide(&served, "Jonas Fenn", ("reject", ""), &json!("")).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    browser.press("a").await;
    let told = browser.text("article .problem").await;
    assert!(told.contains("Not recorded") && told.contains("Jonas Fenn"), "{told}");
    assert!(browser.text("article .decided").await.contains("rejected by Jonas Fenn"));
    let now = item(&served, "decided").await;
    assert_eq!((&now["state"], &now["by"]), (&"rejected".into(), &"Jonas Fenn".into()), "{now}");
    // Having seen it, she may overrule him, and think better of it.
    browser.press("a").await;
    browser.until("document.querySelector('.entry .state.accepted') !== null").await;
    assert_eq!(item(&served, "decided").await["by"], "Mara Quill");
    browser.press("u").await;
    browser.until("document.querySelector('.entry .state') === null").await;
    assert_eq!(item(&served, "open").await["state"], "open");
    assert_eq!(browser.eval("return document.documentElement.scrollWidth <= innerWidth").await, true);
}

#[tokio::test]
async fn of_two_who_saw_the_same_the_second_is_told() {
    let bench = handled();
    let served = reviewing(&bench);
    let seen = item(&served, "open").await["revision"].clone();
    let (status, accepted) = decide(&served, "Mara Quill", ("accept", ""), &seen).await;
    assert_eq!((status, &accepted["state"]), (StatusCode::OK, &"accepted".into()), "{accepted}");
    let (status, told) = decide(&served, "Jonas Fenn", ("reject", ""), &seen).await;
    assert_eq!(status, StatusCode::CONFLICT, "{told}");
    let error = &told["error"];
    assert_eq!((&error["code"], &error["reason"]), (&"ABORTED".into(), &"CONFLICT".into()), "{told}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("Mara Quill")), "{told}");
    let now = item(&served, "decided").await;
    assert_eq!((&now["state"], &now["by"]), (&"accepted".into(), &"Mara Quill".into()), "{now}");
    assert_eq!(now["revision"], accepted["revision"]);
    assert_eq!(published(&served).await, [SAID]);
}

#[tokio::test]
async fn a_decision_outlives_rebuilding_and_can_be_undone() {
    let bench = handled();
    let served = reviewing(&bench);
    let edited = "bereft as a kittiwake";
    let (status, told) = decide(&served, "Mara Quill", ("edit", edited), &json!("")).await;
    assert_eq!((status, &told["state"]), (StatusCode::OK, &"edited".into()), "{told}");
    assert_eq!(get(&served, "/v1/review/agreement").await["unpublished"], 1);
    assert_eq!(published(&served).await, [edited]);
    assert_eq!(get(&served, "/v1/review/agreement").await["unpublished"], 0);
    // Undone, what was said before is back.
    let (status, told) = decide(&served, "Mara Quill", ("withdraw", ""), &told["revision"]).await;
    assert_eq!((status, &told["state"]), (StatusCode::OK, &"open".into()), "{told}");
    assert_eq!(published(&served).await, [SAID]);
    // What is decided and not published waits in the ledger; the next generation has it, whoever writes that.
    let (status, told) = decide(&served, "Mara Quill", ("edit", edited), &told["revision"]).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    drop(served);
    for rebuild in [&["rebuild"][..], &["rebuild", "--afresh"]] {
        bench.json(rebuild);
        let exported = bench.run(&["handles", "export"]).succeeded().stdout;
        assert!(exported.contains(edited) && !exported.contains(SAID), "{rebuild:?}: {exported}");
    }
}

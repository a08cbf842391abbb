//! The service's answers and its page, in a real browser: markup is text.

use reqwest::{Client, Response, header};
use serde_json::{Value, json};

use super::{attacks, corpus, index};
use crate::{bench::PASSAGES, browser::Browser, served::Served};

/// What the page itself never has in its main part.
const FOREIGN: &str =
    "main script, main img, main iframe, main style, main link, main object, main [onload], main [onerror]";

fn named<'a>(response: &'a Response, name: &header::HeaderName) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn markup_is_shown_and_not_run() {
    let attacks = attacks();
    let bench = corpus(&attacks, &PASSAGES);
    index(&bench);
    let served = Served::start(&bench, &["--no-model"]);

    // JSON that no browser takes for a page, and a page that may run nothing but its own.
    let client = Client::new();
    let address = |path: &str| format!("{}{path}", served.address);
    let page = client.get(address("/")).send().await.expect("answered");
    let policy = named(&page, &header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    for attack in attacks.iter().filter(|attack| !attack.markup.is_empty()) {
        let query = json!({"query": attack.canary, "k": 5});
        let found = client.post(address("/v1/search")).json(&query).send().await.expect("answered");
        let chunk = client.get(address(&format!("/v1/chunks/{}", attack.id))).send().await.expect("answered");
        for response in [&found, &chunk] {
            assert_eq!(named(response, &header::CONTENT_TYPE), "application/json", "{}", attack.id);
            assert_eq!(named(response, &header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{}", attack.id);
        }
        let chunk: Value = chunk.json().await.expect("JSON");
        assert_eq!(chunk["chunk"]["text"], attack.text.as_str());
    }

    let browser = Browser::open(1280).await;
    for attack in attacks.iter().filter(|attack| !attack.markup.is_empty()) {
        for hash in [format!("#/search?q={}", attack.canary), format!("#/chunks/{}", attack.id)] {
            browser.goto(&served, &hash).await;
            browser
                .until(&format!("document.querySelector('main').innerText.includes({})", json!(attack.markup)))
                .await;
            let script = format!(
                "return [typeof window.owned, document.title, document.querySelectorAll('{FOREIGN}').length, \
                 getComputedStyle(document.querySelector('main')).display]"
            );
            let seen = browser.eval(&script).await;
            assert_eq!((&seen[0], &seen[2]), (&"undefined".into(), &0.into()), "{hash}: {seen}");
            assert!(!seen[1].as_str().expect("a title").contains("owned"), "{hash}: {seen}");
            assert_ne!(seen[3], "none", "{hash}: {seen}");
        }
    }
}

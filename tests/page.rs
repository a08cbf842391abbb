//! The page in a real browser, headless, asked as a person would ask it.

use std::fs;

use serde_json::json;

use crate::{
    bench::{Bench, PASSAGES},
    browser::{Browser, ENTER},
    served::{Served, handled},
};

#[tokio::test]
async fn a_person_finds_answers_and_looks_closer() {
    let bench = handled();
    let served = Served::start(&bench, &[]);
    let browser = Browser::open(1280).await;
    // Searching, with the keyboard alone.
    browser.goto(&served, "").await;
    browser.until("document.activeElement.id == 'q'").await;
    browser.press("grief for somebody gone").await;
    browser.press(ENTER).await;
    let first = browser.text(".hits .hit").await;
    assert!(first.contains("letter") && first.contains("missing a lost companion"), "{first}");
    assert!(browser.eval("return location.hash").await.as_str().is_some_and(|hash| hash.contains("q=grief")));
    browser.press("j").await;
    browser.press("o").await;
    assert!(browser.text(".hit details[open] table").await.contains("mood.dense"));
    // Both ways beside each other.
    browser.goto(&served, "#/search?q=grief%20for%20somebody%20gone&plain=1").await;
    browser.until("document.querySelectorAll('.columns > section').length == 2").await;
    // A remark is written down.
    browser.click(".verdicts button").await;
    browser.until("document.querySelector('.verdicts button').getAttribute('aria-pressed') == 'true'").await;
    assert!(bench.path(".frontload/feedback.jsonl").is_file());
    // A filter that cannot be is named beside its box.
    browser.goto(&served, "#/search?q=bell&filter=colour%20%3D%20red").await;
    browser.until("document.getElementById('filter-problem').textContent != ''").await;
    // A question is answered while one looks on, and its citation leads to the passage.
    browser.goto(&served, "#/answer?q=When%20was%20the%20new%20bell%20hung%3F").await;
    let cited = browser.text(".sentence .citation").await;
    assert_eq!(cited, "[1]");
    browser.click(".citation").await;
    browser.until("document.activeElement.id == 'passage-1'").await;
    // One chunk, and how it stands.
    browser.goto(&served, "#/chunks/letter").await;
    assert!(browser.text(".chunk .text").await.contains("taken the dog away"));
    browser.goto(&served, "#/status").await;
    assert!(browser.text("main").await.contains("mood.dense"));
    browser.goto(&served, "#/measure").await;
    browser.until("document.querySelector('main').innerText.includes('frontload ablate')").await;
}

#[tokio::test]
async fn the_status_says_when_an_older_generation_answers() {
    let bench = handled();
    let served = Served::start(&bench, &["--no-model"]);
    let browser = Browser::open(360).await;
    let up_to_date =
        "document.getElementById('stale') === null && document.querySelector('main').innerText.includes('mood.dense')";
    browser.goto(&served, "#/status").await;
    browser.until(up_to_date).await;
    // What names the live generation is damaged, with something in it that would like to be markup.
    let current = bench.path(".frontload/CURRENT");
    let named = fs::read(&current).expect("a file");
    let hostile = json!({"generation": "<b>gen</b>", "manifest": "0".repeat(64)});
    fs::write(&current, hostile.to_string()).expect("written");
    browser.click("#reload").await;
    let told = browser.text("#stale").await;
    for part in [
        "Not up to date",
        "Generation 2, from before, goes on answering",
        "Since: ",
        "CURRENT",
        "<b>gen</b>",
        "What to do: ",
        "frontload rebuild",
    ] {
        assert!(told.contains(part), "no {part:?} in {told:?}");
    }
    browser.until("document.querySelector('.actions [role=status]').textContent.includes('Generation 2 stays')").await;
    let seen =
        "return [document.querySelectorAll('main b').length, document.documentElement.scrollWidth <= innerWidth]";
    assert_eq!(browser.eval(seen).await, json!([0, true]));
    // It goes when what was published last is served.
    fs::write(&current, named).expect("written");
    browser.click("#reload").await;
    browser.until(up_to_date).await;
}

#[tokio::test]
async fn the_page_lets_nothing_through_and_fits_a_phone() {
    let bench = Bench::new();
    let hostile = "<img src=x onerror=\"document.title='owned'\"> \u{202e}txet \u{7} and the \u{1f4a1} bell";
    let row = |id: &str, text: &str| json!({"_id": id, "title": "<b>bold</b>", "text": text}).to_string();
    bench.write("corpus/corpus.jsonl", [row("a/b?c#d", hostile), row("bell", PASSAGES[0].1)].join("\n"));
    bench.plain_index();
    bench.import(&[("a/b?c#d", "mood", "<script>document.title='owned'</script>")]);
    let served = Served::start(&bench, &["--no-model"]);
    let browser = Browser::open(360).await;
    for hash in [
        "#/search?q=bell",
        "#/search?q=bell&plain=1",
        "#/answer?q=bell",
        "#/chunks/a%2Fb%3Fc%23d",
        "#/chunks",
        "#/status",
    ] {
        browser.goto(&served, hash).await;
        browser.until("document.querySelector('main').innerText.length > 40").await;
        browser.until("!document.querySelector('main').innerText.includes('Searching…')").await;
        let seen = browser.eval("return [document.title, document.querySelectorAll('main img, main script, main b').length, document.documentElement.scrollWidth <= innerWidth]").await;
        assert_eq!((&seen[1], &seen[2]), (&0.into(), &true.into()), "{hash}: {seen}");
        assert!(!seen[0].as_str().expect("a title").contains("owned"), "{hash}: {seen}");
    }
}

#[tokio::test]
async fn behind_a_key_the_report_is_a_part_of_the_page() {
    let bench = handled();
    let report = "<!doctype html><meta charset=utf-8><style>p { color: rgb(1, 2, 3); }</style><p>what each kind is worth</p>\
                  <i class=bar style=\"width:40%\"></i><script>document.title = 'owned'</script>";
    bench.write(".frontload/report.html", report);
    let made = bench.run(&["key", "page", "--keys", "keys.toml"]).succeeded();
    let key = made.stdout.split_whitespace().find(|word| word.starts_with("frontload_")).expect("a key").to_owned();
    let served = Served::start(&bench, &["--no-model", "--keys", "keys.toml"]);
    let browser = Browser::open(1280).await;
    browser.goto(&served, "#/search").await;
    browser.eval(&format!("sessionStorage.setItem('frontload.key', '{key}'); return 0")).await;
    browser.goto(&served, "#/measure").await;
    browser.until("document.querySelector('.report') !== null").await;
    let shown = browser
        .eval(
            "const root = document.querySelector('.report').shadowRoot; const p = root.querySelector('p'); \
             return [p.innerText, getComputedStyle(p).color, root.querySelector('i').style.width, document.title]",
        )
        .await;
    assert_eq!(
        (&shown[0], &shown[1], &shown[2]),
        (&json!("what each kind is worth"), &json!("rgb(1, 2, 3)"), &json!("40%"))
    );
    assert!(!shown[3].as_str().expect("a title").contains("owned"));
}

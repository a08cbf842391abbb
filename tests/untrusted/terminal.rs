//! What a terminal is shown. Colours are forced, as on a terminal: nothing is taken out on the way.

use serde_json::{Value, json};

use super::{Attack, attacks, corpus, hides, index, obeyed};
use crate::bench::{Bench, Ended, PASSAGES};

/// Bold, dim, and back: the program's own.
const STYLES: [&str; 3] = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"];

/// Neither stream holds what a terminal would obey, or what hides.
fn inert(what: &str, ended: &Ended) {
    for stream in [&ended.stdout, &ended.stderr] {
        let mut bare = stream.clone();
        for style in STYLES {
            bare = bare.replace(style, "");
        }
        let found = bare.char_indices().find(|&(_, letter)| letter != '\n' && letter != '\t' && hides(letter));
        if let Some((at, letter)) = found {
            let around: String = bare.chars().skip(bare[..at].chars().count().saturating_sub(30)).take(60).collect();
            panic!("{what}: {letter:?} in {around:?}");
        }
    }
}

/// Runs it, in text and in JSON, and looks at both. Gives back the text.
fn shown(bench: &Bench, arguments: &[&str]) -> String {
    let what = arguments.join(" ");
    let as_json = obeyed(bench, &[&["--json"], arguments].concat());
    inert(&format!("{what} --json"), &as_json);
    for line in as_json.stdout.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{what}: {error} in {line}"));
    }
    let ended = obeyed(bench, arguments);
    inert(&what, &ended);
    assert!(matches!(ended.code, Some(0 | 1)), "{what}: {}", ended.stderr);
    ended.stdout
}

fn indexed() -> (Vec<Attack>, Bench) {
    let attacks = attacks();
    let bench = corpus(&attacks, &PASSAGES);
    index(&bench);
    (attacks, bench)
}

#[test]
fn no_passage_reaches_the_terminal() {
    let (attacks, bench) = indexed();
    // Nothing is asked again; the failures are told again.
    let again = obeyed(&bench, &["index", "untrusted"]).exited(3);
    inert("index", &again);
    assert!(again.stderr.contains("grammar-04"), "{}", again.stderr);
    for attack in &attacks {
        let told = shown(&bench, &["inspect", &attack.id]);
        assert!(told.contains(&attack.canary), "{told}");
    }
    // Every passage, with what found it.
    let found = shown(&bench, &["search", "renown about wren39", "-k", "100", "--explain"]);
    assert!(found.contains("escape-01") && found.contains("hidden-04"), "{found}");
    assert!(shown(&bench, &["search", "wren47", "--compare"]).contains("hidden-02"));
    assert!(shown(&bench, &["handles", "list", "--most", "1000"]).contains("renown about"));
    assert!(shown(&bench, &["handles", "export"]).contains("renown about"));
    for attack in attacks.iter().filter(|attack| ["escape", "hidden"].contains(&attack.class())) {
        shown(&bench, &["ask", "--mode", "extract", &format!("What is said of {}?", attack.canary)]);
    }
}

#[test]
fn neither_do_the_ids_of_topics() {
    let (_, bench) = indexed();
    let ids = ["t\u{9b}31m", "t\u{202e}drawkcab", "t\u{1b}[2J", "t\u{e0041}"];
    let topics = ids.iter().map(|id| json!({"_id": id, "text": "plain news", "metadata": {"by": id}}).to_string());
    bench.write("queries.jsonl", topics.collect::<Vec<_>>().join("\n"));
    bench.write("test.tsv", ids.map(|id| format!("{id}\tbell\t1")).join("\n"));
    let topics = ["--queries", "queries.jsonl", "--qrels", "test.tsv"];
    let told = shown(&bench, &[&["eval", "--per-query", "--by", "by"][..], &topics].concat());
    assert!(told.contains("t·drawkcab"), "{told}");
    let systems = ["--system", "text=.frontload@plain", "--system", "all=.frontload", "--by", "by"];
    shown(&bench, &[&["eval"][..], &topics, &systems].concat());
}

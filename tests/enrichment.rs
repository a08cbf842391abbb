//! What the model said is paid for once: a second run asks nothing, a killed one loses nothing.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::bench::{Bench, PASSAGES, json_lines};

/// The handles of an index, as exported.
fn handles(bench: &Bench) -> Vec<String> {
    let exported = bench.run(&["handles", "export"]).succeeded().stdout;
    exported.lines().map(str::to_owned).collect()
}

#[test]
fn every_passage_is_asked_about_once() {
    let bench = Bench::new();
    let first = bench.json(&["index", "corpus"]);
    assert_eq!((&first["calls"]["done"], &first["calls"]["failed"]), (&6.into(), &0.into()), "{first}");
    assert_eq!(bench.answers(), PASSAGES.len());
    let before = handles(&bench);
    assert!(!before.is_empty());

    let second = bench.json(&["index", "corpus"]);
    assert!(second["calls"].is_null(), "the model was asked again: {second}");
    assert_eq!((&second["embedded"], bench.answers()), (&0.into(), PASSAGES.len()));
    assert_eq!(handles(&bench), before);

    // The index and the state are lost; the corpus and the ledger are enough.
    fs::remove_dir_all(bench.path(".frontload/generations")).expect("removed");
    fs::remove_dir_all(bench.path(".frontload/state.sled")).expect("removed");
    fs::remove_file(bench.path(".frontload/CURRENT")).expect("removed");
    bench.json(&["rebuild"]);
    assert_eq!((handles(&bench), bench.answers()), (before, PASSAGES.len()));
}

#[test]
fn quotes_slice_out_of_their_chunks() {
    let bench = Bench::new();
    bench.json(&["index", "corpus"]);
    let mut quotes = 0;
    for (id, text) in PASSAGES {
        for handle in bench.json(&["inspect", id])["handles"].as_array().expect("handles") {
            let evidence = handle["evidence"].as_str().expect("evidence");
            assert_eq!(evidence == "verbatim", handle["kind"] == "time", "{handle}");
            let provenance = &handle["provenance"];
            assert!(provenance["model"].is_string() && provenance["at"].as_u64() > Some(1_700_000_000), "{handle}");
            assert_eq!(provenance["prompt"].as_str().map(str::len), Some(64), "{handle}");
            if evidence == "verbatim" {
                let at = |end: usize| handle["span"][end].as_u64().expect("a span") as usize;
                assert_eq!(text.get(at(0)..at(1)), handle["text"].as_str(), "{handle}");
                quotes += 1;
            }
        }
    }
    assert!(quotes >= 3, "only {quotes} quotes");
}

#[test]
fn killed_and_resumed_is_as_if_undisturbed() {
    // One at a time: what is answered beside a prompt may turn a near tie in its answer.
    let undisturbed = Bench::new();
    undisturbed.json(&["index", "--slots", "1", "corpus"]);

    let bench = Bench::new();
    let mut child = bench.command(["index", "--slots", "1", "corpus"]).spawn().expect("starts");
    let started = Instant::now();
    while bench.answers() < 2 {
        assert!(started.elapsed() < Duration::from_secs(600), "no answer came");
        assert!(child.try_wait().expect("a child").is_none(), "it ended before it could be killed");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("a child");
    let kept = bench.answers();
    assert!((2..PASSAGES.len()).contains(&kept), "{kept} answers at the kill");
    bench.run(&["search", "river"]).exited(2);

    let resumed = bench.json(&["index", "--slots", "1", "corpus"]);
    assert_eq!(resumed["calls"]["planned"], PASSAGES.len() - kept, "{resumed}");
    assert_eq!((bench.answers(), handles(&bench)), (PASSAGES.len(), handles(&undisturbed)));
}

#[test]
fn only_what_changed_is_asked_again() {
    let bench = Bench::new();
    bench.json(&["index", "corpus"]);
    let rows = json_lines(&bench.path("corpus/corpus.jsonl"));
    let mut lines: Vec<String> = rows.iter().skip(1).map(Value::to_string).collect();
    lines.push(r#"{"_id": "new", "text": "In May the swallows came back to the forge."}"#.to_owned());
    bench.write("corpus/corpus.jsonl", lines.join("\n"));
    let changed = bench.json(&["index", "corpus"]);
    assert_eq!((&changed["calls"]["planned"], &changed["chunks"]), (&1.into(), &6.into()), "{changed}");
    let found = bench.json(&["search", "the new bell in the tower"]);
    assert!(!found.to_string().contains("bell was hung"), "a deleted document was found");

    // One kind's question is reworded: every passage is asked again, for that kind alone.
    let schema = fs::read_to_string(bench.path("corpus/handles.toml")).expect("a schema");
    bench.write("corpus/handles.toml", schema.replace("How does it feel?", "What is the mood?"));
    assert_eq!(bench.json(&["index", "corpus"])["calls"]["planned"], 6);
    let records = json_lines(&bench.path(".frontload/ledger/000001.jsonl"));
    let mut answers = records.iter().map(|line| &line["record"]["answer"]).filter(|answer| answer.is_object());
    let kinds = &answers.next_back().expect("an answer")["kinds"];
    assert_eq!(kinds.as_object().expect("kinds").keys().collect::<Vec<_>>(), ["mood"]);
}

#[test]
fn an_interrupt_keeps_what_was_answered() {
    let bench = Bench::new();
    let child = bench.command(["index", "--slots", "1", "corpus"]).spawn().expect("starts");
    let started = Instant::now();
    while bench.answers() < 1 {
        assert!(started.elapsed() < Duration::from_secs(600), "no answer came");
        thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let ended = crate::bench::Ended::of(child.wait_with_output().expect("a child")).exited(130);
    assert!(ended.stderr.contains("interrupted") && ended.stderr.contains("frontload index"), "{}", ended.stderr);
    assert!(!bench.path(".frontload/CURRENT").exists(), "a half-enriched index was published");
    let kept = bench.answers();
    assert_eq!(bench.json(&["index", "corpus"])["calls"]["planned"], PASSAGES.len() - kept);
}

#[test]
fn a_model_that_is_not_there_changes_nothing() {
    let bench = Bench::new();
    bench.json(&["index", "corpus"]);
    let before = handles(&bench);
    bench.run(&["--model", "http://127.0.0.1:9/v1#other", "index", "corpus"]).exited(4);
    bench.json(&["rebuild"]);
    assert_eq!(handles(&bench), before);
}

#[test]
fn a_schema_beside_texts_is_no_document() {
    let bench = Bench::new();
    bench.write("texts/handles.toml", crate::bench::SCHEMA);
    bench.write("texts/quay.md", "# The Quay\nOn Monday the crane was painted green.");
    let built = bench.json(&["index", "texts"]);
    assert_eq!((&built["documents"], built["skipped"].as_array().map(Vec::len)), (&1.into(), Some(0)), "{built}");
}

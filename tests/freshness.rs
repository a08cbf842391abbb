//! A corpus that changes a little: what stayed is not touched, what went is not found, what came is.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, json_lines, root};

/// The bundled corpus with its handles, indexed.
fn archive() -> (Bench, Vec<Value>) {
    let bench = Bench::new();
    let rows = json_lines(&root().join("corpora/ostrel/corpus.jsonl"));
    write(&bench, &rows);
    bench.json(&["index", "--no-handles", "archive"]);
    let handles = root().join("corpora/ostrel/handles.jsonl");
    bench.json(&["handles", "import", handles.to_str().expect("a path")]);
    (bench, rows)
}

fn write(bench: &Bench, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
    bench.write("archive/corpus.jsonl", lines.join("\n"));
}

fn ids(found: &Value) -> Vec<String> {
    let hits = found["hits"].as_array().expect("hits").iter();
    hits.map(|hit| hit["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_change_writes_what_changed_and_nothing_else() {
    let (bench, mut rows) = archive();
    let edited = rows[10]["_id"].as_str().expect("an id").to_owned();
    let deleted = rows[20]["_id"].as_str().expect("an id").to_owned();
    rows[10]["text"] = json!("The zeppelin was moored at the gasworks for nine days.");
    rows.remove(20);
    rows.insert(3, json!({"_id": "new", "title": "Log", "text": "A walrus was seen at the sluice."}));
    write(&bench, &rows);
    let built = bench.json(&["rebuild"]);
    assert_eq!((&built["written"], &built["removed"]), (&json!(2), &json!(2)), "{built}");
    assert_eq!(built["embedded"], 2, "{built}");
    for lane in ["body.bm25", "body.dense", "plain"] {
        let first = |query: &str| ids(&bench.json(&["search", "--lanes", lane, query])).remove(0);
        assert_eq!(first("zeppelin at the gasworks"), edited, "{lane}");
        assert_eq!(first("a walrus"), "new", "{lane}");
    }
    // What is gone is gone from every lane.
    let report = bench.json(&["inspect", &edited]);
    assert!(report.to_string().contains("zeppelin"), "{report}");
    bench.run(&["inspect", &deleted]).exited(1);
    let topics = json_lines(&root().join("queries/ostrel/queries.jsonl"));
    let before: Vec<Vec<String>> = topics
        .iter()
        .take(12)
        .map(|topic| ids(&bench.json(&["search", "-k", "20", topic["text"].as_str().expect("a text")])))
        .collect();
    assert!(before.iter().flatten().all(|id| *id != deleted));
    // The same corpus written afresh finds the same, but for statistics that still count what is deleted.
    let afresh = bench.json(&["rebuild", "--afresh"]);
    assert_eq!((&afresh["written"], &afresh["embedded"]), (&json!(261), &json!(0)), "{afresh}");
    for (topic, before) in topics.iter().zip(&before) {
        let after = ids(&bench.json(&["search", "-k", "20", topic["text"].as_str().expect("a text")]));
        let shared = before.iter().take(10).filter(|id| after.contains(id)).count();
        assert!(shared >= 9, "{}: {before:?} {after:?}", topic["text"]);
    }
}

#[test]
fn a_generation_written_on_top_of_another_does_not_need_it() {
    let (bench, mut rows) = archive();
    for round in 0..3 {
        rows[round]["text"] = json!(format!("The xylophone was out of tune, day {round}."));
        write(&bench, &rows);
        bench.json(&["rebuild"]);
    }
    let generations = bench.path(".frontload/generations");
    let names: Vec<String> = fs::read_dir(&generations)
        .expect("there")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    assert_eq!(names.len(), 2, "the live one and the one before: {names:?}");
    bench.run(&["verify"]).succeeded();
    assert_eq!(ids(&bench.json(&["search", "--lanes", "body.bm25", "xylophone"])).len(), 3);
}

#[test]
fn two_generations_are_compared() {
    let (bench, mut rows) = archive();
    let changed = rows[5]["_id"].as_str().expect("an id").to_owned();
    rows[5]["text"] = json!("A parrot recited the tide tables.");
    rows.push(json!({"_id": "new", "text": "An owl in the signal box."}));
    write(&bench, &rows);
    bench.json(&["rebuild"]);
    bench.write("queries.jsonl", "{\"_id\": \"1\", \"text\": \"the parrot and the tide tables\"}\n{\"_id\": \"2\", \"text\": \"an owl in the signal box\"}\n");
    let found = bench.json(&["diff", "--queries", "queries.jsonl"]);
    assert_eq!((&found["added"], &found["changed"]), (&json!(["new"]), &json!([changed])), "{found}");
    // Its handles were made for its old text.
    assert!(found["handles"].as_array().is_some_and(|handles| !handles.is_empty()), "{found}");
    assert_eq!(found["moved"].as_array().map(Vec::len), Some(2), "{found}");
    let told = bench.run(&["diff"]).succeeded().stdout;
    assert!(told.contains("1 chunks added, 0 removed, 1 changed"), "{told}");
    bench.run(&["diff", "1", "99"]).exited(2);
}

#[test]
fn a_build_that_is_stopped_does_not_embed_again_what_it_had() {
    const TEXTS: usize = 1500;
    let bench = Bench::new();
    let row = |at: usize| {
        let text = format!("Entry {at} of the log: the wind stood in the {}, and {at} sails were counted.", at % 32);
        json!({"_id": format!("e{at}"), "title": "", "text": text}).to_string()
    };
    bench.write("log/corpus.jsonl", (0..TEXTS).map(row).collect::<Vec<_>>().join("\n"));
    let unfinished = bench.path(".frontload/embedding.unfinished");
    // A little later each time: killed outright, then asked to stop.
    let mut kept = 0;
    for signal in ["-KILL", "-INT"] {
        let child = bench.command(["index", "--no-handles", "log"]).spawn().expect("starts");
        let started = std::time::Instant::now();
        while std::fs::metadata(&unfinished).map_or(0, |file| file.len()) <= kept {
            assert!(started.elapsed() < std::time::Duration::from_secs(600), "nothing is kept");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
        let ended = crate::bench::Ended::of(child.wait_with_output().expect("a child"));
        if signal == "-INT" {
            let told = ended.exited(130).stderr;
            assert!(told.contains("texts embedded; they are kept"), "{told}");
        }
        kept = std::fs::metadata(&unfinished).expect("kept").len();
    }
    bench.run(&["search", "wind"]).exited(2);
    let built = bench.json(&["index", "--no-handles", "log"]);
    let (embedded, reused) =
        (built["embedded"].as_u64().expect("a number"), built["reused"].as_u64().expect("a number"));
    assert_eq!(embedded + reused, TEXTS as u64, "{built}");
    assert!(reused >= 128, "two runs had embedded at least a batch each: {built}");
    assert!(!unfinished.exists(), "what is published is not kept twice");

    // It is the index that an undisturbed build makes.
    let other = Bench::new();
    other.write("log/corpus.jsonl", std::fs::read(bench.path("log/corpus.jsonl")).expect("read"));
    other.json(&["index", "--no-handles", "log"]);
    let query = ["search", "-k", "20", "seventeen sails in a north wind"];
    let (one, another) = (ids(&bench.json(&query)), ids(&other.json(&query)));
    // Texts embedded side by side may differ in a vector's last digits, which turns a near tie.
    let shared = one.iter().filter(|id| another.contains(id)).count();
    assert!(one.len() == 20 && shared >= 18, "{one:?} is not {another:?}");
}

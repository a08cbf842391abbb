//! What people decide about handles, on the command line; what they join; what they teach.

use serde_json::{Value, json};

use crate::bench::{Bench, PASSAGES, json_lines};

fn first(bench: &Bench, query: &str) -> String {
    let found = bench.json(&["search", "-k", "1", "--lanes", "mood.bm25,mood.dense", query]);
    found["hits"][0]["id"].as_str().unwrap_or_default().to_owned()
}

fn handles(bench: &Bench) -> Vec<(String, String, String)> {
    let listed = bench.run(&["--json", "handles", "list"]).succeeded().stdout;
    let text = |row: &Value, field: &str| row[field].as_str().expect("a text").to_owned();
    let rows = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.map(|row| (text(&row, "id"), text(&row, "text"), text(&row, "source"))).collect()
}

/// The small model's own handles, and three imported ones.
fn said() -> Bench {
    let bench = Bench::new();
    bench.json(&["index", "corpus"]);
    bench.import(&[("letter", "mood", "missing a lost companion"), ("fair", "mood", "mirth")]);
    bench
}

#[test]
fn decisions_stand_whatever_a_model_says_later() {
    let bench = said();
    let of_letter = |bench: &Bench| -> Vec<(String, String)> {
        handles(bench).into_iter().filter(|row| row.0 == "letter").map(|(_, text, source)| (text, source)).collect()
    };
    let lost = "missing a lost companion";
    bench.run(&["handles", "edit", "letter", "mood", lost, "--to", "bereft and listening", "--by", "Mara"]).succeeded();
    bench.run(&["handles", "accept", "pump", "mood", "watchful care"]).succeeded();
    bench.run(&["handles", "disable", "fair", "mood", "mirth"]).succeeded();
    // Not before it is published.
    assert!(of_letter(&bench).contains(&(lost.to_owned(), "import".to_owned())));
    bench.json(&["rebuild"]);
    assert!(of_letter(&bench).contains(&("bereft and listening".to_owned(), "person".to_owned())));
    assert_eq!(
        (first(&bench, "watchful care"), first(&bench, "bereft and listening")),
        ("pump".into(), "letter".into())
    );
    assert!(!handles(&bench).iter().any(|(_, text, _)| text == "mirth" || text == lost));
    // Another prompt, so that the model is asked anew; then an index from the ledger alone.
    let schema = std::fs::read_to_string(bench.path("corpus/handles.toml")).expect("read");
    bench.write("corpus/handles.toml", schema.replace("How does it feel?", "What feeling is in it?"));
    bench.json(&["index", "corpus"]);
    assert!(of_letter(&bench).contains(&("bereft and listening".to_owned(), "person".to_owned())));
    std::fs::remove_dir_all(bench.path(".frontload/state.sled")).expect("removed");
    bench.json(&["rebuild", "--afresh"]);
    assert!(of_letter(&bench).contains(&("bereft and listening".to_owned(), "person".to_owned())));
    // And back.
    bench.run(&["handles", "undo", "letter", "mood", lost]).succeeded();
    bench.run(&["handles", "undo", "letter", "mood", lost]).succeeded();
    bench.json(&["rebuild"]);
    assert!(of_letter(&bench).contains(&(lost.to_owned(), "import".to_owned())));
}

#[test]
fn a_decision_waits_where_its_passage_has_changed() {
    let bench = said();
    bench.run(&["handles", "accept", "pump", "mood", "watchful care", "--by", "Mara"]).succeeded();
    let rows = PASSAGES.map(|(id, text)| {
        let text = if id == "pump" { "The pump was sold for scrap." } else { text };
        json!({"_id": id, "title": "", "text": text}).to_string()
    });
    bench.write("corpus/corpus.jsonl", rows.join("\n"));
    // The model was not asked about the new text.
    bench.run(&["rebuild"]).exited(3);
    assert!(!handles(&bench).iter().any(|(_, text, _)| text == "watchful care"));
    let told = bench.json(&["handles", "list", "--conflicts"]);
    assert_eq!(
        (&told["id"], &told["by"], &told["why"]),
        (&json!("pump"), &json!("Mara"), &json!("the passage changed since"))
    );
    // Decided again on what stands there now, it is no conflict any more.
    bench.run(&["handles", "accept", "pump", "mood", "watchful care"]).succeeded();
    assert!(bench.run(&["handles", "list", "--conflicts"]).succeeded().stdout.contains("no decision"));
}

#[test]
fn what_cannot_be_decided_says_why() {
    let bench = said();
    let check = |arguments: &[&str], told: &str| {
        let ended = bench.run(&[&["handles"], arguments].concat()).exited(2);
        assert!(ended.stderr.contains(told), "{arguments:?}: {}", ended.stderr);
    };
    check(&["accept", "ghost", "mood", "calm"], "no chunk \"ghost\"");
    check(&["disable", "letter", "mood", "never said"], "frontload inspect letter");
    check(&["accept", "letter", "colour", "brown"], "it has mood, time");
    check(&["accept", "letter", "time", "in the year 1850"], "can only quote");
    check(&["accept", "letter", "mood", "see http://x.y"], "unsafe characters");
    check(&["edit", "letter", "mood", "missing a lost companion", "--to", ""], "to is empty");
    check(&["undo", "letter", "mood", "missing a lost companion"], "nothing to undo");
}

#[test]
fn joined_handles_are_found_by_each_others_words() {
    let bench = Bench::new();
    bench.plain_index();
    bench.import(&[("fair", "thing", "hand-pumps"), ("pump", "thing", "hand pump"), ("bell", "thing", "campanile")]);
    let proposed = bench.json(&["aliases", "propose"]);
    let proposal = &proposed["proposals"][0];
    assert_eq!((&proposal["why"], &proposed["total"]), (&json!("another form"), &json!(1)), "{proposed}");
    let found = |query: &str| {
        // No hit at all ends with 1.
        let found = bench.run(&["--json", "search", "-k", "1", "--lanes", "thing.bm25", query]).json();
        found["hits"][0]["id"].clone()
    };
    assert_eq!(found("bell-tower"), Value::Null);
    bench.run(&["aliases", "accept", "thing", "campanile", "bell-tower"]).succeeded();
    bench.json(&["rebuild"]);
    assert_eq!(found("bell-tower"), "bell");
    // The original stays, and the other says where it comes from.
    let listed = bench.run(&["--json", "handles", "list", "--kind", "thing"]).succeeded().stdout;
    assert!(listed.contains("campanile") && listed.contains("\"source\":\"alias\""), "{listed}");
    bench.run(&["aliases", "withdraw", "thing", "campanile", "bell-tower"]).succeeded();
    bench.json(&["rebuild"]);
    assert_eq!(found("bell-tower"), Value::Null);
    let ended = bench.run(&["aliases", "accept", "thing", "zeppelin", "airship"]).exited(2);
    assert!(ended.stderr.contains("no thing says"), "{}", ended.stderr);
    bench.run(&["aliases", "accept", "thing", "Campanile", "campanile"]).exited(2);
}

#[test]
fn reviewed_passages_become_examples() {
    let bench = said();
    bench.run(&["schema", "examples", "--from-review"]).exited(2);
    for (id, text, source) in handles(&bench) {
        let quoted = PASSAGES.iter().any(|(_, passage)| passage.contains(&text));
        let (kind, verdict) =
            if quoted { ("time", "accept") } else { ("mood", if source == "model" { "disable" } else { "accept" }) };
        if id == "letter" {
            bench.run(&["handles", verdict, &id, kind, &text]).succeeded();
        }
    }
    bench.json(&["rebuild"]);
    let examples = bench.run(&["schema", "examples", "--from-review"]).succeeded().stdout;
    assert!(examples.contains("[[example]]") && examples.contains("missing a lost companion"), "{examples}");
    let schema = std::fs::read_to_string(bench.path("corpus/handles.toml")).expect("read");
    bench.write("taught.toml", format!("{schema}\n{examples}"));
    let checked = bench.json(&["schema", "check", "taught.toml"]);
    assert_eq!(checked["examples"].as_array().map(Vec::len), Some(2), "{checked}");
    assert!(
        json_lines(&bench.path(".frontload/ledger/000001.jsonl"))
            .iter()
            .any(|line| line["record"]["review"].is_object())
    );
}

//! Handles made elsewhere come in, are kept through rebuilds, and go out as they came.

use crate::bench::{Bench, json_lines};

#[test]
fn imported_handles_find_and_leave_as_they_came() {
    let bench = Bench::new();
    bench.plain_index();
    let rows = [("letter", "mood", "missing a lost companion"), ("flood", "time", "Tuesday night")];
    let imported = bench.import(&rows);
    assert_eq!((&imported["handles"], &imported["generation"]), (&2.into(), &2.into()));
    // Importing a row twice leaves one.
    bench.json(&["handles", "import", "handles.jsonl"]);
    let exported = bench.run(&["handles", "export"]).succeeded().stdout;
    let exported: Vec<serde_json::Value> =
        exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (row, (id, kind, text)) in exported.iter().zip([rows[1], rows[0]]) {
        assert_eq!((&row["id"], &row["kind"], &row["text"]), (&id.into(), &kind.into(), &text.into()));
    }
    assert_eq!(exported.len(), rows.len());

    let found = bench.json(&["search", "missing a lost companion"]);
    let hit = &found["hits"][0];
    assert_eq!(hit["document"], "letter");
    let lanes: Vec<&str> =
        hit["evidence"].as_array().expect("evidence").iter().filter_map(|e| e["lane"].as_str()).collect();
    assert!(lanes.contains(&"mood.bm25") && lanes.contains(&"mood.dense"), "{lanes:?}");
    let matched = hit["evidence"].as_array().expect("evidence").iter().find(|given| given["lane"] == "mood.dense");
    assert_eq!(matched.expect("the lane")["handle"]["text"], "missing a lost companion");
}

#[test]
fn rows_for_nobody_stop_an_import_unless_a_part_is_enough() {
    let bench = Bench::new();
    bench.plain_index();
    bench.write(
        "handles.jsonl",
        "{\"id\":\"bell\",\"kind\":\"mood\",\"text\":\"pride\"}\n{\"id\":\"ghost\",\"kind\":\"mood\",\"text\":\"x\"}",
    );
    let ended = bench.run(&["handles", "import", "handles.jsonl"]).exited(2);
    assert!(ended.stderr.contains("line 2") && ended.stderr.contains("--partial"), "{}", ended.stderr);
    assert!(!bench.run(&["handles", "export"]).succeeded().stdout.contains("pride"));
    let ended = bench.run(&["handles", "import", "--partial", "handles.jsonl"]).exited(3);
    assert!(ended.stderr.contains("1 rows left out") && ended.stderr.contains("ghost"), "{}", ended.stderr);
    assert!(bench.run(&["handles", "export"]).succeeded().stdout.contains("pride"));
}

#[test]
fn a_quote_that_is_not_there_is_turned_away() {
    let bench = Bench::new();
    bench.plain_index();
    bench.write(
        "handles.jsonl",
        "{\"id\":\"bell\",\"kind\":\"time\",\"text\":\"in the year 1850\",\"evidence\":\"verbatim\"}",
    );
    let imported = bench.json(&["handles", "import", "handles.jsonl"]);
    assert_eq!(
        (&imported["handles"], &imported["rejected"]["time"]["not_in_text"]),
        (&0.into(), &1.into()),
        "{imported}"
    );
}

#[test]
fn an_unreadable_row_stops_the_whole_import() {
    let bench = Bench::new();
    bench.plain_index();
    for (row, told) in
        [("{\"id\":\"bell\"", "line 2"), ("{\"id\":\"bell\",\"kind\":\"body\",\"text\":\"x\"}", "not a kind")]
    {
        bench.write("handles.jsonl", format!("{{\"id\":\"bell\",\"kind\":\"mood\",\"text\":\"pride\"}}\n{row}"));
        let ended = bench.run(&["handles", "import", "handles.jsonl"]).exited(2);
        assert!(ended.stderr.contains(told) && ended.stderr.contains("Nothing was imported"), "{}", ended.stderr);
    }
    assert_eq!(json_lines(&bench.path(".frontload/ledger/000001.jsonl")).len(), 1);
}

#[test]
fn handles_of_one_chunk_stay_with_it() {
    let bench = Bench::new();
    let long = format!("{} {}", "The sea was calm that day. ".repeat(8), "The wind rose at night. ".repeat(8));
    bench.write("long/corpus.jsonl", serde_json::json!({"_id": "long", "text": long}).to_string());
    let built = bench.json(&["index", "--no-handles", "--chunk", "200", "long"]);
    assert!(built["chunks"].as_u64() > Some(1), "{built}");
    bench.import(&[("long#0", "mood", "stillness"), ("long#1", "mood", "unease")]);
    let exported = bench.run(&["handles", "export"]).succeeded().stdout;
    assert_eq!(exported.lines().count(), 2, "{exported}");
    bench.write("again.jsonl", &exported);
    bench.json(&["handles", "import", "again.jsonl"]);
    assert_eq!(bench.run(&["handles", "export"]).succeeded().stdout, exported);
    // The document's own id means all of its chunks.
    let all = bench.import(&[("long", "time", "one day and night")]);
    assert_eq!(all["handles"].as_u64(), built["chunks"].as_u64().map(|chunks| chunks + 2), "{all}");
}

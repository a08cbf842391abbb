//! Finding with the real embedding model, answering with the real small language model, measuring.

use frontload_core::{Embedder, TextRole};
use frontload_models::{EmbedderRef, SentenceEmbedder};
use serde_json::Value;

use crate::bench::{Bench, PASSAGES, models};

/// An index with handles that say what the passages do not.
fn handled() -> Bench {
    let bench = Bench::new();
    bench.plain_index();
    bench.import(&[
        ("fair", "point", "strength impresses more than it earns"),
        ("letter", "mood", "missing a lost companion"),
        ("pump", "style", "operating manual"),
        ("bread", "style", "recipe in commands"),
    ]);
    bench
}

fn documents(found: &Value) -> Vec<&str> {
    found["hits"].as_array().expect("hits").iter().filter_map(|hit| hit["document"].as_str()).collect()
}

#[test]
fn the_embedding_model_is_the_one_its_card_describes() {
    let folder = models();
    let library = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };
    let named = EmbedderRef::Folder(folder.join("all-MiniLM-L6-v2"));
    let mut embedder = SentenceEmbedder::open(&named, &folder.join(library), 1).expect("opens");
    // The sentences of the model's card and the similarities that the original implementation gives.
    let texts =
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"];
    let vectors = embedder.embed(&texts, TextRole::Passage).expect("embeds");
    let cosine = |other: usize| -> f32 { vectors[0].iter().zip(&vectors[other]).map(|(a, b)| a * b).sum() };
    for (other, expected) in [(1, 0.6945), (2, 0.9429), (3, 0.2569)] {
        assert!((cosine(other) - expected).abs() < 1e-3, "{}: {}", texts[other], cosine(other));
    }
}

#[test]
fn handles_lift_what_the_text_does_not_say() {
    let bench = handled();
    let query = "grief for somebody gone";
    let all = bench.json(&["search", query]);
    assert_eq!(documents(&all)[0], "letter");
    let hit = &all["hits"][0];
    let plain = bench.json(&["search", "--lanes", "plain", query]);
    let rank = documents(&plain).iter().position(|&document| document == "letter").map(|at| at + 1);
    assert_eq!(hit["plain_rank"].as_u64(), rank.map(|rank| rank as u64), "the rank without handles is the plain one");
    let alone = bench.json(&["search", "--lanes", "mood.dense", query]);
    assert_eq!(alone["hits"][0]["plain_rank"], hit["plain_rank"], "it does not depend on the lanes asked for");
    let shares: f64 = hit["evidence"].as_array().expect("evidence").iter().filter_map(|e| e["share"].as_f64()).sum();
    assert!((shares - hit["score"].as_f64().expect("a score")).abs() < 1e-5);
}

#[test]
fn fewer_hits_are_the_first_of_more() {
    let bench = handled();
    for fusion in ["rrf", "convex", "minmax", "ceiling"] {
        let whole = bench.json(&["search", "-k", "6", "--fusion", fusion, "bread and salt"]);
        let whole = documents(&whole);
        for k in 1..whole.len() {
            let part = bench.json(&["search", "-k", &k.to_string(), "--fusion", fusion, "bread and salt"]);
            assert_eq!(documents(&part), whole[..k], "{fusion} {k}");
        }
    }
}

#[test]
fn odd_queries_are_answered_or_refused() {
    let bench = handled();
    bench.run(&["search", " "]).exited(2);
    bench.run(&["search", "-k", "0", "fog"]).exited(2);
    bench.run(&["search", "-k", "1000000000", "fog"]).exited(2);
    bench.run(&["search", "--lanes", "body.sparse", "fog"]).exited(2);
    bench.run(&["search", "--lanes", "colour.dense", "fog"]).exited(2);
    let long = "river ".repeat(20_000);
    let marks = "a\u{301}".repeat(5_000);
    let odd = [
        long.as_str(),
        &marks,
        "\u{202e}\u{200b}\u{feff}",
        "🐔🏳️‍🌈",
        "\u{1f600}\u{fe0f} كلب العائلة",
        "--",
        "\"()[]{}^~*?:\\/ AND OR NOT",
        "<script>alert(1)</script>",
        &"(".repeat(50_000),
    ];
    for query in odd {
        let ended = bench.run(&["--json", "search", "--", query]);
        assert!(matches!(ended.code, Some(0 | 1)), "{:?}: {}", query.get(..40), ended.stderr);
        assert!(ended.json()["hits"].is_array());
    }
    // What does not fit the embedding model is said.
    let found = bench.run(&["--json", "search", &long]).json();
    assert!(found["degraded"].to_string().contains("longer than the embedding model reads"), "{}", found["degraded"]);
}

#[test]
fn a_lane_counts_what_is_said_behind_it() {
    let bench = handled();
    let query = "missing a lost companion, and a strong man";
    let scores = |lanes: &str| bench.json(&["search", "--lanes", lanes, query])["hits"][0].clone();
    let share = |hit: &Value, lane: &str| {
        let evidence = hit["evidence"].as_array().expect("evidence").iter();
        evidence.filter(|one| one["lane"] == lane).filter_map(|one| one["share"].as_f64()).sum::<f64>()
    };
    let hit = scores("mood.dense=3,body.dense=1");
    assert_eq!(hit["document"], "letter");
    assert!(share(&hit, "mood.dense") > 0.74, "{hit}");
    assert!(share(&scores("mood.dense=1,body.dense=3"), "mood.dense") < 0.26);
}

#[test]
fn one_lane_can_be_asked_alone() {
    let bench = handled();
    let found = bench.json(&["search", "--lanes", "style.bm25", "a manual"]);
    assert_eq!(documents(&found), ["pump"]);
    assert_eq!(found["hits"][0]["evidence"].as_array().map(Vec::len), Some(1));
    let nothing = bench.run(&["--json", "search", "--lanes", "style.bm25", "zebra"]).exited(1);
    assert_eq!(nothing.json()["hits"], Value::Array(vec![]));
}

#[test]
fn answers_quote_and_cite_what_was_found() {
    let bench = handled();
    let exemplar = r#"{"question": "Who mended the gate?", "passages": ["Old Tam mended the gate on Sunday."], "answer": "Old Tam mended the gate on Sunday. [1]"}"#;
    bench.write("exemplars.jsonl", exemplar);
    let question = "When was the new bell hung?";
    let answer = bench.json(&["ask", "-k", "3", "--exemplars", "exemplars.jsonl", question]);
    let sentences = answer["sentences"].as_array().expect("sentences");
    assert!(!sentences.is_empty());
    let hits = documents(&answer);
    for sentence in sentences {
        assert_eq!(sentence["supported"], true, "{answer}");
        for rank in sentence["citations"].as_array().expect("citations") {
            let cited = hits[rank.as_u64().expect("a rank") as usize - 1];
            let text = PASSAGES.iter().find(|(id, _)| *id == cited).expect("a passage").1;
            assert!(text.contains(sentence["text"].as_str().expect("text")), "{sentence} is not in {text}");
        }
    }
}

#[test]
fn eval_counts_what_search_finds() {
    let bench = handled();
    let topics =
        [("t1", "grief for somebody gone", "mood"), ("t2", "how to start a machine", "object"), ("t3", "x", "none")];
    let lines = topics
        .map(|(id, text, kind)| serde_json::json!({"_id": id, "text": text, "metadata": {"type": kind}}).to_string());
    bench.write("queries.jsonl", lines.join("\n"));
    bench.write("test.tsv", "query-id\tcorpus-id\tscore\nt1\tletter\t2\nt2\tpump\t1\nt2\tbread\t0\n");
    let arguments = ["eval", "--queries", "queries.jsonl", "--qrels", "test.tsv"];
    let report =
        bench.json(&[&arguments[..], &["--measures", "R@10 RR", "--by", "type", "--run-out", "run.txt"]].concat());
    assert_eq!((&report["queries"], &report["measures"]["R@10"]), (&2.into(), &1.0.into()), "{report}");
    assert_eq!(report["by"]["mood"]["measures"]["RR"], 1.0);
    let run = std::fs::read_to_string(bench.path("run.txt")).expect("a run");
    assert!(run.lines().next().is_some_and(|line| line.starts_with("t1 Q0 letter 1 ")), "{run}");
    // TREC's four columns say the same.
    bench.write("test.qrels", "t1 0 letter 2\nt2 0 pump 1\nt2 0 bread 0\n");
    let trec = bench.json(&["eval", "--queries", "queries.jsonl", "--qrels", "test.qrels", "--measures", "R@10 RR"]);
    assert_eq!(trec["measures"], report["measures"]);
}

#[test]
fn tuning_weighs_what_helps_and_is_kept_while_schema_and_model_stay() {
    let bench = Bench::new();
    bench.plain_index();
    // Words that no passage has, so that only the handle can answer; and a kind that says one thing of all.
    let words = ["zorbel", "quimp", "taskle", "vruff", "lemmick", "odrane"];
    let gists = PASSAGES.iter().zip(words).map(|((id, _), word)| (*id, "gist", word));
    let chatter = PASSAGES.iter().map(|(id, _)| (*id, "chatter", "a text"));
    bench.import(&gists.chain(chatter).collect::<Vec<_>>());
    // Asked in several ways: weights are tried on topics they were not chosen on, which takes more than a handful.
    let (mut lines, mut judged) = (Vec::new(), Vec::new());
    for (at, (word, (id, _))) in words.iter().zip(PASSAGES).enumerate() {
        for (way, asked) in ["", "please", "perhaps", "somewhere", "whatever"].iter().enumerate() {
            lines.push(
                serde_json::json!({"_id": format!("t{at}-{way}"), "text": format!("{word} {asked}")}).to_string(),
            );
            judged.push(format!("t{at}-{way}\t{id}\t1"));
        }
    }
    bench.write("queries.jsonl", lines.join("\n"));
    bench.write("dev.tsv", judged.join("\n"));
    let arguments = ["tune", "--queries", "queries.jsonl", "--qrels", "dev.tsv"];
    let lanes_used = || -> Vec<String> {
        let found = bench.json(&["search", "quimp"]);
        let mut lanes: Vec<String> = found["hits"]
            .as_array()
            .expect("hits")
            .iter()
            .flat_map(|hit| {
                let given = hit["evidence"].as_array().expect("evidence").iter();
                given.filter_map(|given| given["lane"].as_str().map(str::to_owned)).collect::<Vec<_>>()
            })
            .filter(|lane| !lane.starts_with("body"))
            .collect();
        lanes.sort();
        lanes.dedup();
        lanes
    };
    let untuned = lanes_used();
    assert!(untuned.contains(&"chatter.dense".to_owned()), "{untuned:?}");

    let shown = bench.json(&[&arguments[..], &["--dry-run"]].concat());
    assert!(shown["tuned"].as_f64() > shown["plain"].as_f64(), "{shown}");
    assert_eq!(lanes_used(), untuned, "a dry run changed something");

    bench.json(&arguments);
    assert_eq!(lanes_used(), ["gist.bm25", "gist.dense"]);
    bench.json(&["rebuild"]);
    bench.json(&["index", "--no-handles", "corpus"]);
    assert_eq!(lanes_used(), ["gist.bm25", "gist.dense"], "the weights were lost");
    // A kind that comes later was not measured, and is searched until it is.
    bench.import(&[("bell", "later", "quimp quimp")]);
    assert!(lanes_used().contains(&"later.bm25".to_owned()));
    // Asking a model is another index: its handles were never measured.
    bench.json(&["index", "corpus"]);
    assert!(lanes_used().contains(&"chatter.dense".to_owned()));
}

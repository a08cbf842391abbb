//! What each kind is worth, what queries call for, and answers against references: seen from outside.

use serde_json::{Value, json};

use crate::bench::{Bench, PASSAGES};

/// Words that no passage has, one a passage.
const WORDS: [&str; 6] = ["zorbel", "quimp", "taskle", "vruff", "lemmick", "odrane"];

/// An index with a kind that answers every topic, one that answers none, and topics that name no passage's words.
fn judged() -> Bench {
    let bench = Bench::new();
    bench.plain_index();
    let gists = PASSAGES.iter().zip(WORDS).map(|((id, _), word)| (*id, "gist", word));
    let others = WORDS.iter().cycle().skip(2);
    let wrong = PASSAGES.iter().zip(others).map(|((id, _), word)| (*id, "noise", *word));
    bench.import(&gists.chain(wrong).collect::<Vec<_>>());
    let topics = WORDS.iter().enumerate().map(|(at, word)| {
        json!({"_id": format!("t{at}"), "text": word, "metadata": {"type": if at.is_multiple_of(2) { "even" } else { "odd" }}}).to_string()
    });
    bench.write("queries.jsonl", topics.collect::<Vec<_>>().join("\n"));
    let judged: Vec<String> = PASSAGES.iter().enumerate().map(|(at, (id, _))| format!("t{at}\t{id}\t1")).collect();
    bench.write("dev.tsv", judged.join("\n"));
    bench
}

fn named<'a>(rows: &'a Value, title: &str, name: &str) -> &'a Value {
    rows.as_array()
        .expect("rows")
        .iter()
        .find(|row| row[title] == name)
        .unwrap_or_else(|| panic!("no {name} in {rows}"))
}

#[test]
fn ablation_tells_what_helps_from_what_does_not() {
    let bench = judged();
    let topics = ["--queries", "queries.jsonl", "--qrels", "dev.tsv"];
    let page = ["--by", "type", "--html", "report.html"];
    let told = bench.json(&[&["ablate"][..], &topics, &page].concat());
    let (gist, noise) = (named(&told["kinds"], "kind", "gist"), named(&told["kinds"], "kind", "noise"));
    assert!(gist["add_one"]["difference"].as_f64() > Some(0.2), "{gist}");
    assert!(noise["leave_one_out"]["difference"].as_f64() < Some(0.0), "{noise}");
    assert_ne!(noise["verdict"], "keep");
    assert!(gist["cost"]["index_bytes"].as_u64() > Some(0), "{gist}");
    assert!(gist["cost"]["calls"].is_null(), "nobody asked a model: {gist}");
    assert!(named(&told["lanes"], "lane", "body.dense")["add_one"]["p_corrected"].is_number());
    // Without a name the page is put where the service shows it.
    let again = bench.json(&[&["ablate"][..], &topics, &page[..3]].concat());
    let pages = ["report.html", ".frontload/report.html"]
        .map(|name| std::fs::read_to_string(bench.path(name)).expect("a page"));
    assert!(pages.iter().all(|page| page.contains("</html>")));
    assert_eq!(without_times(again), without_times(told.clone()), "another time, another result");

    // The kinds are switched, not built: what the whole finds is what a search finds.
    let searched = bench.json(&[&["eval", "--measures", "nDCG@10"][..], &topics].concat());
    let (all, found) =
        (told["all"].as_f64().expect("a mean"), searched["measures"]["nDCG@10"].as_f64().expect("a mean"));
    assert!((all - found).abs() < 1e-6, "{all} is not {found}");
    let plain = bench.json(&[&["eval", "--measures", "nDCG@10", "--lanes", "plain"][..], &topics].concat());
    let (alone, found) =
        (told["plain"].as_f64().expect("a mean"), plain["measures"]["nDCG@10"].as_f64().expect("a mean"));
    assert!((alone - found).abs() < 1e-6, "{alone} is not {found}");

    let page = std::fs::read_to_string(bench.path("report.html")).expect("a page");
    assert!(page.contains("gist") && page.contains("even") && !page.contains("<script"));
    assert_eq!(told["groups"].as_array().map(Vec::len), Some(2));
}

/// Times differ from run to run; nothing else may.
fn without_times(mut told: Value) -> Value {
    for table in ["kinds", "lanes"] {
        told[table].as_array_mut().expect("rows").iter_mut().for_each(|row| row["cost"]["query_ms"] = Value::Null);
    }
    told
}

#[test]
fn what_handles_cost_is_told_from_the_ledger() {
    let bench = Bench::new();
    bench.json(&["index", "corpus"]);
    bench.write("queries.jsonl", r#"{"_id": "t", "text": "somebody grieves"}"#);
    bench.write("dev.tsv", "t\tletter\t1\n");
    let told = bench.json(&["ablate", "--queries", "queries.jsonl", "--qrels", "dev.tsv"]);
    for row in told["kinds"].as_array().expect("kinds") {
        assert_eq!(row["cost"]["calls"], 6, "{row}");
        assert!(
            row["cost"]["answer_tokens"].as_f64() > Some(6.0) && row["cost"]["seconds"].as_f64() > Some(0.0),
            "{row}"
        );
    }
}

#[test]
fn judgments_of_another_corpus_are_an_error() {
    let bench = judged();
    bench.write("other.tsv", "t0\tnowhere\t1\n");
    for command in ["eval", "ablate", "tune"] {
        let ended = bench.run(&[command, "--queries", "queries.jsonl", "--qrels", "other.tsv"]).exited(2);
        assert!(ended.stderr.contains("nowhere") && ended.stderr.contains("other.tsv"), "{command}: {}", ended.stderr);
    }
}

#[test]
fn a_query_that_is_a_handle_is_told() {
    let bench = Bench::new();
    bench.plain_index();
    bench.import(&[("letter", "mood", "longing for a brother far away")]);
    bench.write(
        "queries.jsonl",
        "{\"_id\": \"t0\", \"text\": \"Longing for a brother far away\"}\n{\"_id\": \"t1\", \"text\": \"a manual\"}",
    );
    bench.write("dev.tsv", "t0\tletter\t1\nt1\tpump\t1\n");
    let arguments = ["--json", "eval", "--queries", "queries.jsonl", "--qrels", "dev.tsv"];
    let ended = bench.run(&arguments).succeeded();
    assert_eq!(ended.json()["leaks"].as_array().map(Vec::len), Some(1), "{}", ended.stdout);
    assert!(ended.stderr.contains("1 of 2 topics say what a handle says"), "{}", ended.stderr);
    assert_eq!(ended.json()["unjudged@10"].as_f64().map(|share| share > 0.5), Some(true));
}

#[test]
fn queries_call_for_kinds() {
    let bench = Bench::new();
    bench.plain_index();
    let queries = [
        "furious about a neighbour",
        "sick with envy",
        "quiet grief for somebody gone",
        "ashamed of an honour",
        "in the first weeks of the war",
        "just after the flood",
        "the night of the fire",
        "years before the mine closed",
    ];
    let rows = queries.iter().enumerate().map(|(at, text)| json!({"_id": format!("q{at}"), "text": text}).to_string());
    bench.write("log.jsonl", rows.collect::<Vec<_>>().join("\n"));
    let told =
        bench.json(&["suggest", "--queries", "log.jsonl", "--no-model", "--about", "a village", "--out", "new.toml"]);
    let kinds: Vec<&str> =
        told["kinds"].as_array().expect("kinds").iter().filter_map(|kind| kind["kind"].as_str()).collect();
    assert!(kinds.contains(&"emotion") && kinds.contains(&"period"), "{told}");
    assert!(!kinds.contains(&"symptom") && !kinds.contains(&"task"), "{told}");
    bench.run(&["schema", "check", "new.toml"]).succeeded();
    // A schema somebody may have worked on is not written over.
    bench.run(&["suggest", "--queries", "log.jsonl", "--no-model", "--out", "new.toml"]).exited(2);
    // And the model copies what a handle would have to say.
    let asked = bench.json(&["suggest", "--queries", "log.jsonl"]);
    for kind in asked["kinds"].as_array().expect("kinds") {
        for example in kind["examples"].as_array().expect("examples") {
            let at: usize = example["query"].as_str().expect("an id")[1..].parse().expect("a number");
            let said = example["handle"].as_str().expect("words").to_lowercase();
            assert!(queries[at].contains(&said), "{said:?} is not in {:?}", queries[at]);
        }
    }
}

#[test]
fn answers_are_measured_against_references() {
    let bench = Bench::new();
    bench.plain_index();
    let bell = PASSAGES.iter().find(|(id, _)| *id == "bell").expect("the bell's passage").1;
    let word = bell.split(' ').find(|word| word.len() > 5).expect("a longer word").trim_matches('.');
    let rows = [
        json!({"_id": "q1", "text": "When was the new bell hung?", "answers": [word], "documents": ["bell"]}),
        json!({"_id": "q2", "text": "Who invented the telescope?", "answers": [], "documents": []}),
    ];
    bench.write("questions.jsonl", rows.map(|row| row.to_string()).join("\n"));
    let told = bench.json(&["eval", "answers", "--questions", "questions.jsonl", "--compare", "--per-query"]);
    assert_eq!(told["variants"].as_object().map(serde_json::Map::len), Some(3), "{told}");
    let measures = &told["variants"]["as asked"]["measures"];
    assert_eq!(
        (&measures["citation R"]["mean"], &measures["citation R"]["questions"]),
        (&1.0.into(), &1.into()),
        "{told}"
    );
    assert_eq!(measures["right refusal"]["questions"], 1);
    assert_eq!(measures["contains"]["against_first"], json!(null));
    let without = &told["variants"]["no handles"]["measures"];
    for (measure, questions) in [("contains", 1), ("citation R", 1), ("right refusal", 1)] {
        let against = &without[measure]["against_first"];
        assert_eq!((&against["topics"], &against["difference"]), (&json!(questions), &json!(0.0)), "{measure}: {told}");
    }
    bench.write("wrong.jsonl", r#"{"_id": "q1", "text": "When?", "answers": ["May"], "documents": []}"#);
    let ended = bench.run(&["eval", "answers", "--questions", "wrong.jsonl"]).exited(2);
    assert!(ended.stderr.contains("wrong.jsonl, line 1"), "{}", ended.stderr);
}

#[test]
fn synthetic_queries_say_who_made_them() {
    let bench = Bench::new();
    bench.json(&["index", "corpus"]);
    let arguments = ["--json", "queries", "synth", "--count", "4", "--out", "synth.jsonl", "--qrels-out", "synth.tsv"];
    let ended = bench.run(&arguments);
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
    let told = ended.json();
    let (made, asked) = (told["queries"].as_u64().expect("a number"), told["asked"].as_u64().expect("a number"));
    let away: u64 = told["turned_away"].as_object().expect("reasons").values().filter_map(Value::as_u64).sum();
    assert_eq!(made + away, asked, "{told}");
    bench.run(&arguments).exited(2);
    if made > 0 {
        let arguments = ["--json", "eval", "--queries", "synth.jsonl", "--qrels", "synth.tsv", "--by", "type"];
        let measured = bench.run(&arguments).succeeded();
        assert_eq!(measured.json()["made_by_same_model"], made, "{}", measured.stdout);
        assert!(measured.stderr.contains("written by the model that wrote the handles"), "{}", measured.stderr);
    }
}

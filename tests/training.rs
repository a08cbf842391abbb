//! Rows for training: the prompts the model is asked, the handles that stand as their answers, split by document; and
//! Hugging Face `datasets` reads them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
};

use serde_json::{Value, json};

use crate::bench::{Bench, PASSAGES, json_lines, root};

/// One of a kind the schema lacks, one that its kind cannot quote, and one quoted in other letters than the passage's.
const HANDLES: [(&str, &str, &str); 11] = [
    ("bell", "time", "On the third of March 1904"),
    ("bell", "mood", "solemn pride"),
    ("flood", "time", "tuesday NIGHT"),
    ("flood", "mood", "snug and besieged"),
    ("bread", "mood", "brisk instruction"),
    ("bread", "colour", "brown"),
    ("letter", "mood", "missing a lost companion"),
    ("pump", "mood", "watchful care"),
    ("pump", "time", "in the year 1850"),
    ("fair", "mood", "amazement"),
    ("fair", "mood", "mirth"),
];

/// With this share and the default seed: these.
const SPLIT: [&str; 2] = ["--held-out", "0.34"];
const TRAIN: [&str; 3] = ["bell", "bread", "letter"];
const TEST: [&str; 3] = ["fair", "flood", "pump"];

/// Loads folders of rows as trainers do, and prints what it read.
const SCRIPT: &str = r#"
import json, sys
from datasets import load_dataset
loaded = {}
for folder in sys.argv[2:]:
    files = {"train": folder + "/train.jsonl", "test": folder + "/test.jsonl"}
    sets = load_dataset("json", data_files=files, cache_dir=sys.argv[1])
    loaded[folder] = {name: list(rows) for name, rows in sets.items()}
print(json.dumps(loaded))
"#;

fn with_imports() -> Bench {
    let bench = Bench::new();
    bench.plain_index();
    bench.import(&HANDLES);
    bench
}

/// Exports with the schema beside the corpus.
fn export(bench: &Bench, out: &str, more: &[&str]) -> Value {
    let arguments = ["export", "training", "--schema", "corpus/handles.toml", "--out", out];
    bench.json(&[&arguments[..], &SPLIT[..], more].concat())
}

/// The rows of both files.
fn rows(bench: &Bench, out: &str) -> (Vec<Value>, Vec<Value>) {
    let read = |name: &str| json_lines(&bench.path(&format!("{out}/{name}.jsonl")));
    (read("train"), read("test"))
}

fn turns(row: &Value) -> &[Value] {
    row["messages"].as_array().expect("turns")
}

/// The document whose passage a row asks about.
fn document(asked: &Value) -> &'static str {
    let asked = asked["content"].as_str().expect("a text");
    let found = PASSAGES.iter().find(|(_, text)| asked.ends_with(text));
    found.unwrap_or_else(|| panic!("{asked:?} is no passage")).0
}

#[test]
fn a_row_is_the_prompt_and_what_stands() {
    let bench = with_imports();
    let exported = bench.run(&["--model", "batch:other", "export", "prompts", "corpus"]).succeeded().stdout;
    let prompts: BTreeMap<&str, Value> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["body"]["messages"].clone())
        .map(|messages| (document(messages.as_array().and_then(|turns| turns.last()).expect("turns")), messages))
        .collect();
    assert_eq!(prompts.len(), PASSAGES.len());

    let report = export(&bench, "rows", &["--answers", "json"]);
    assert_eq!((&report["rows"], &report["documents"]), (&json!({"train": 3, "test": 3}), &report["rows"]), "{report}");
    assert_eq!((&report["checked"], &report["answers"]), (&true.into(), &"json".into()));
    assert!((100..600).contains(&report["longest_tokens"].as_u64().expect("a number")), "{report}");
    // The second mood of the fair is more than its kind allows.
    let left_out = &report["left_out"];
    assert_eq!((&left_out["unfit_handles"], &left_out["unasked_handles"]), (&2.into(), &json!({"colour": 1})));
    let (train, test) = rows(&bench, "rows");
    let mut answers: BTreeMap<&str, Value> = BTreeMap::new();
    for row in train.iter().chain(&test) {
        let (answer, asked) = turns(row).split_last().expect("turns");
        let document = document(asked.last().expect("a question"));
        assert_eq!(asked, prompts[document].as_array().expect("turns"), "{document}");
        assert_eq!(answer["role"], "assistant");
        let said =
            serde_json::from_str(answer["content"].as_str().expect("a text")).expect("JSON, as endpoints answer");
        assert!(answers.insert(document, said).is_none(), "{document} is there twice");
    }
    assert_eq!(answers["flood"], json!({"time": ["Tuesday night"], "mood": ["snug and besieged"]}));
    assert_eq!(answers["pump"], json!({"time": [], "mood": ["watchful care"]}));

    // As a model in a file is asked: a line a kind, and perhaps without the example.
    export(&bench, "lines", &["--no-examples"]);
    let (train, _) = rows(&bench, "lines");
    let roles: Vec<&str> = turns(&train[1]).iter().filter_map(|turn| turn["role"].as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant"]);
    assert_eq!(turns(&train[1])[2]["content"], "time: none\nmood: brisk instruction\n");
    export(&bench, "moods", &["--kinds", "mood"]);
    assert_eq!(turns(&rows(&bench, "moods").0[1])[4]["content"], "mood: brisk instruction\n");
}

#[test]
fn no_document_is_on_both_sides() {
    let bench = with_imports();
    export(&bench, "rows", &[]);
    let (train, test) = rows(&bench, "rows");
    let documents = |rows: &[Value]| -> Vec<&'static str> {
        rows.iter()
            .map(|row| document(turns(row).iter().rfind(|turn| turn["role"] == "user").expect("asked")))
            .collect()
    };
    assert_eq!((documents(&train).as_slice(), documents(&test).as_slice()), (&TRAIN[..], &TEST[..]));
    let split: Value = serde_json::from_slice(&fs::read(bench.path("rows/split.json")).expect("a file")).expect("JSON");
    assert_eq!(split["test_documents"], json!(TEST));
    assert_eq!((&split["rows"], &split["kinds"]), (&json!({"train": 3, "test": 3}), &json!(["time", "mood"])));
    assert_eq!(split["schema_fingerprint"].as_str().map(str::len), Some(64), "{split}");

    // The same again, and other sides with another seed.
    export(&bench, "again", &[]);
    export(&bench, "other", &["--seed", "6"]);
    assert_eq!((rows(&bench, "again"), rows(&bench, "other").1.len()), ((train, test), 2));

    // A passage that stands in a document of either side is not learnt from.
    let twins = Bench::new();
    let row = |id: &str, text: &str| json!({"_id": id, "title": "", "text": text}).to_string();
    let (same, other) = (PASSAGES[0].1, PASSAGES[1].1);
    twins.write("corpus/corpus.jsonl", [row("bell", same), row("fair", same), row("bread", other)].join("\n"));
    twins.plain_index();
    twins.import(&[("bell", "mood", "solemn pride"), ("bread", "mood", "snug and besieged")]);
    let report = export(&twins, "rows", &[]);
    assert_eq!(
        (&report["rows"], &report["left_out"]["twins"]),
        (&json!({"train": 1, "test": 1}), &1.into()),
        "{report}"
    );
    // Nobody said anything about when: that is no reason to teach that there is never a time.
    assert_eq!(report["left_out"]["unknown_kinds"], json!(["time"]));
}

#[test]
fn trainers_read_every_format() {
    let bench = with_imports();
    for (format, more) in [("messages", None), ("sharegpt", None), ("alpaca", Some("--no-examples"))] {
        let arguments: Vec<&str> = ["--format", format].into_iter().chain(more).collect();
        export(&bench, format, &arguments);
    }
    // What the small model said itself, and what somebody put in its place.
    let index = ["--index", "spoken"];
    bench.json(&[&index[..], &["index", "corpus"]].concat());
    // One row's kind is not the schema's.
    bench.run(&[&index[..], &["handles", "import", "--partial", "handles.jsonl"]].concat()).exited(3);
    let arguments = ["export", "training", "--format", "preferences", "--kinds", "time,mood", "--out", "preferences"];
    let report = bench.json(&[&index[..], &arguments, &SPLIT[..]].concat());
    let kept = report["rows"]["train"].as_u64().zip(report["rows"]["test"].as_u64());
    let agreed = report["left_out"]["agreed"].as_u64();
    assert_eq!(kept.zip(agreed).map(|((train, test), agreed)| train + test + agreed), Some(6), "{report}");

    let folders = ["messages", "sharegpt", "alpaca", "preferences"];
    let tools = std::env::var_os("FRONTLOAD_TOOLS").map_or_else(|| root().join(".tools"), PathBuf::from);
    let output = Command::new("python3")
        .args(["-c", SCRIPT, "cache"])
        .args(folders)
        .current_dir(bench.path(""))
        .env("PYTHONPATH", tools.join("training"))
        .envs([("HF_HUB_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1"), ("HF_HOME", "cache")])
        .output()
        .expect("python3 runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\nhas tests/training.sh installed datasets into {}?", tools.display());
    let loaded: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for folder in folders {
        let (train, test) = rows(&bench, folder);
        assert_eq!(loaded[folder], json!({"train": train, "test": test}), "{folder}");
    }

    // The columns and values that trainers look for.
    let first = |folder: &str| loaded[folder]["train"][0].clone();
    let columns = |row: &Value| -> Vec<String> {
        let names: BTreeSet<&String> = row.as_object().expect("a row").keys().collect();
        names.into_iter().cloned().collect()
    };
    for turn in turns(&first("messages")) {
        assert_eq!(columns(turn), ["content", "role"]);
    }
    let conversation = first("sharegpt");
    assert_eq!(columns(&conversation), ["conversations"]);
    let speakers: Vec<&Value> =
        conversation["conversations"].as_array().expect("turns").iter().map(|t| &t["from"]).collect();
    assert_eq!(speakers, ["system", "human", "gpt", "human", "gpt"]);
    let single = first("alpaca");
    assert_eq!(columns(&single), ["input", "instruction", "output"]);
    assert_eq!(single["output"], "time: On the third of March 1904\nmood: solemn pride\n");
    assert!(single["instruction"].as_str().is_some_and(|text| text.contains("mood: How does it feel?")), "{single}");
    for row in loaded["preferences"]["train"].as_array().expect("rows") {
        assert_eq!(columns(row), ["chosen", "prompt", "rejected"]);
        let asked = row["prompt"].as_array().and_then(|turns| turns.last()).expect("a prompt");
        let (chosen, rejected) = (&row["chosen"][0], &row["rejected"][0]);
        assert_eq!(
            (&asked["role"], &chosen["role"], &rejected["role"]),
            (&"user".into(), &"assistant".into(), &"assistant".into())
        );
        assert_ne!(chosen["content"], rejected["content"]);
        let (_, _, put) =
            HANDLES.into_iter().find(|(id, kind, _)| *id == document(asked) && *kind == "mood").expect("one");
        assert!(chosen["content"].as_str().is_some_and(|text| text.ends_with(&format!("mood: {put}\n"))), "{row}");
    }
    let of = |side: &str| loaded["preferences"][side].as_array().map_or(0, Vec::len);
    assert!(of("train") > 0 && of("test") > 0, "{report}");
}

#[test]
fn what_cannot_be_exported_is_told() {
    let bench = with_imports();
    let check = |arguments: &[&str], code: i32, told: &[&str]| {
        let ended = bench.run(&[&["export", "training", "--out", "rows"], arguments].concat()).exited(code);
        for word in told {
            assert!(ended.stderr.contains(word), "{arguments:?} does not say {word:?}: {}", ended.stderr);
        }
        assert!(!bench.path("rows").exists(), "{arguments:?} wrote something");
    };
    let schema = ["--schema", "corpus/handles.toml"];
    let with = |more: &[&'static str]| [&schema[..], more].concat();
    check(&[], 2, &["no schema asks for colour, mood, time", "--schema FILE"]);
    check(&with(&["--kinds", "mood,colour"]), 2, &["--kinds colour", "time, mood"]);
    check(&with(&["--format", "alpaca"]), 2, &["1 examples", "--no-examples"]);
    check(&with(&["--held-out", "1"]), 2, &["less than 1"]);
    check(&with(&["--max-tokens", "16"]), 1, &["nothing written", "6 rows longer than 16 tokens"]);
    check(&with(&["--format", "preferences"]), 1, &["6 rows that nobody answered"]);
    check(&["--schema", "nowhere.toml"], 2, &["nowhere.toml"]);

    // A model whose template wants something else says so, with the document.
    let program = bench.path("picky.py");
    bench.write("picky.py", PICKY);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    let picky = format!("program:{}", program.display());
    check(&[&schema[..], &["--model", picky.as_str()]].concat(), 4, &["bell: ", "no system turn, please"]);

    // What is there is not written over unasked.
    export(&bench, "rows", &[]);
    let before = rows(&bench, "rows");
    let again = bench.run(&[&["export", "training", "--out", "rows", "--seed", "6"], &schema[..]].concat()).exited(2);
    assert!(again.stderr.contains("train.jsonl") && again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(rows(&bench, "rows"), before);
    export(&bench, "rows", &["--seed", "6", "--force"]);
    assert_ne!(rows(&bench, "rows"), before);

    // Where the tokenizer is out of reach nothing is asked of it, and that is said.
    let far = export(&bench, "far", &["--model", "http://127.0.0.1:9/v1#far"]);
    assert_eq!(
        (&far["checked"], &far["longest_tokens"], &far["answers"]),
        (&false.into(), &Value::Null, &"json".into())
    );
}

/// Speaks as the process that holds a model does, and renders nothing.
const PICKY: &str = r#"#!/usr/bin/env python3
import json, sys
for line in sys.stdin:
    request, = json.loads(line).items()
    if request[0] == "load":
        reply = {"ready": {"device": "none", "kernels": "none", "note": None}}
    elif request[0] == "measure":
        reply = {"size": {"id": request[1]["id"], "size": None}}
    else:
        failure = {"kind": "refused", "reason": "its chat template does not render: no system turn, please"}
        reply = {"answer": {"id": request[1]["id"], "result": {"Err": failure}}}
    print(json.dumps(reply), flush=True)
"#;

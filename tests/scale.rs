//! Past one machine: prompts in many files, a recipe that answers them, and what a plan says.

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    bench::{Bench, SCHEMA, json_lines, root},
    http::{Reply, serve},
};

const SAID: &str = "{\"time\": [], \"mood\": [\"calm\"]}";
const MODEL: [&str; 2] = ["--model", "batch:small"];

fn passages(bench: &Bench, count: usize) {
    let row =
        |at: usize| json!({"_id": format!("p{at}"), "text": format!("Entry {at}: the ferry was late.")}).to_string();
    bench.write("corpus/corpus.jsonl", (0..count).map(row).collect::<Vec<_>>().join("\n"));
}

fn shard(at: usize) -> String {
    format!("prompts.{at:05}.jsonl")
}

/// Answers files of prompts as the recipe does.
fn complete(bench: &Bench, address: &str, files: &[String]) {
    let output = Command::new("python3")
        .arg(root().join("docs/recipes/complete.py"))
        .args(["--url", &format!("http://{address}/v1"), "--out", "results"])
        .args(files)
        .current_dir(bench.path(""))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn prompts_go_out_in_shards_and_come_back_in_parts() {
    let bench = Bench::new();
    passages(&bench, 60);
    let export = |shards: &str| {
        let arguments = ["export", "prompts", "corpus", "-o", "prompts.jsonl", "--shards", shards];
        bench.run(&[&MODEL[..], &arguments].concat())
    };
    export("3").succeeded();
    let read = || [0, 1, 2].map(|at| json_lines(&bench.path(&shard(at))));
    let shards = read();
    let sizes = shards.each_ref().map(Vec::len);
    assert!(sizes.iter().sum::<usize>() == 60 && sizes.iter().all(|size| *size > 0), "{sizes:?}");
    export("3").succeeded();
    assert!(shards == read(), "a prompt has moved to another file");
    let names = fs::read_dir(bench.path("")).expect("a folder").flatten().map(|entry| entry.file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".unfinished")), "a half file was left");
    let fewer = export("2").exited(2);
    assert!(fewer.stderr.contains("prompts.00002.jsonl"), "{}", fewer.stderr);

    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = serve(move |_, body| {
        count.fetch_add(1, Ordering::SeqCst);
        assert_eq!(body["model"], "small");
        Reply::said(SAID)
    });
    complete(&bench, &address, &[shard(0), shard(1)]);
    assert_eq!(asked.load(Ordering::SeqCst), sizes[0] + sizes[1]);
    let import = |files: &[&str]| {
        let arguments = [&["--json"], &MODEL[..], &["import", "completions"], files, &["corpus"]].concat();
        bench.run(&arguments)
    };
    let part = import(&["results/*.jsonl", "--also", "results/prompts.00002.jsonl"]).exited(3).json();
    assert_eq!((&part["taken"], &part["missing"]), (&json!(sizes[0] + sizes[1]), &json!(sizes[2])), "{part}");
    assert_eq!(part["absent"], json!(["results/prompts.00002.jsonl"]), "{part}");
    // Files that are there already are not answered again.
    complete(&bench, &address, &[shard(0), shard(2)]);
    assert_eq!(asked.load(Ordering::SeqCst), 60);
    let rest = import(&["results"]).succeeded().json();
    assert_eq!((&rest["taken"], &rest["missing"]), (&json!(sizes[2]), &json!(0)), "{rest}");
    let built = bench.json(&[&MODEL[..], &["index", "corpus"]].concat());
    assert!(built["calls"].is_null() && built["chunks"] == 60, "{built}");
}

#[test]
fn an_export_that_fails_leaves_no_half_file_and_the_earlier_ones_as_they_were() {
    let bench = Bench::new();
    let export = |corpus: &str| {
        let arguments = ["export", "prompts", corpus, "-o", "prompts.jsonl", "--shards", "3"];
        bench.run(&[&MODEL[..], &arguments].concat())
    };
    let files = || -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(bench.path("")).expect("a folder").flatten().filter(|entry| entry.path().is_file());
        let file = |entry: fs::DirEntry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()));
        entries.map(file).map(|(name, read)| (name, read.expect("read"))).collect()
    };
    export("corpus").succeeded();
    let before = files();
    assert_eq!(before.keys().cloned().collect::<Vec<_>>(), [0, 1, 2].map(shard));
    // Nothing in it can be read, which is found out after the files were begun.
    bench.write("torn/corpus.jsonl", "{");
    bench.write("torn/handles.toml", SCHEMA);
    export("torn").exited(2);
    assert!(files() == before, "{:?}", files().keys());
    // The last file cannot be begun, when the others were.
    fs::create_dir(bench.path("prompts.00002.jsonl.unfinished")).expect("made");
    let ended = export("corpus").exited(2);
    assert!(ended.stderr.contains("prompts.00002.jsonl.unfinished"), "{}", ended.stderr);
    assert!(files() == before, "{:?}", files().keys());
}

#[test]
fn results_that_cannot_be_read_cost_nothing_beside_them() {
    let bench = Bench::new();
    bench.run(&[&MODEL[..], &["export", "prompts", "corpus", "-o", "prompts.jsonl"]].concat()).succeeded();
    let result = |prompt: &Value| {
        let body = json!({"choices": [{"message": {"content": SAID}, "finish_reason": "stop"}]});
        json!({"custom_id": prompt["custom_id"], "response": {"status_code": 200, "body": body}, "error": null})
            .to_string()
    };
    let results: Vec<String> = json_lines(&bench.path("prompts.jsonl")).iter().map(result).collect();
    bench.write("results/a", format!("{}\n{{\"custom", results[0]));
    bench.write("results/b", results[1..4].join("\n"));
    bench.write("results/_SUCCESS", "");
    let import =
        |files: &[&str]| bench.run(&[&["--json"], &MODEL[..], &["import", "completions"], files, &["corpus"]].concat());
    let wrong = import(&["results"]).exited(2);
    assert!(wrong.stderr.contains("line 2") && wrong.stderr.contains("1 results before it"), "{}", wrong.stderr);
    assert_eq!(bench.answers(), 4);
    bench.write("results/a", &results[4]);
    assert_eq!(import(&["results/?"]).succeeded().json()["missing"], 1);
    // A shell that fills in a pattern names results as the corpus.
    let filled = import(&["results/a", "results/b"]).exited(2);
    assert!(filled.stderr.contains("quotes") && filled.stderr.contains("--also"), "{}", filled.stderr);
    let none = import(&["nowhere/*.jsonl"]).exited(2);
    assert!(none.stderr.contains("nowhere/*.jsonl"), "{}", none.stderr);
}

#[test]
fn a_plan_reckons_machines_from_the_ledger() {
    let bench = Bench::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = serve(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let choice = json!({"message": {"content": SAID}, "finish_reason": "stop"});
        let usage = json!({"prompt_tokens": 90, "completion_tokens": 10});
        Reply::ok(json!({"choices": [choice], "usage": usage}).to_string())
    });
    let model = format!("http://{address}/v1#small");
    let index = |more: &[&str]| bench.run(&[&["--json", "--model", &model, "index", "corpus"], more].concat());
    for unknown in [&["--plan"][..], &["--plan", "--rate", "50"]] {
        let ended = index(unknown).exited(2);
        assert!(ended.stderr.contains("--dry-run"), "{}", ended.stderr);
    }
    index(&[]).succeeded();
    assert_eq!(asked.load(Ordering::SeqCst), 6);
    // A hundred tokens a call at fifty a second are two seconds a call.
    let plan = ["--plan", "--rate", "50", "--within", "10", "--chunks", "3600000", "--endpoints", "4"];
    let told = index(&plan).succeeded().json();
    assert_eq!(
        (&told["calls"], &told["left"], &told["tokens_a_call"]),
        (&6.into(), &0.into(), &json!(100.0)),
        "{told}"
    );
    let large = &told["plan"][2];
    let near = |value: &Value, expected: f64| value.as_f64().is_some_and(|value| (value - expected).abs() < 1e-6);
    assert!(near(&large["machine_hours"]["likely"], 2000.0) && near(&large["hours"]["likely"], 500.0), "{told}");
    assert_eq!(large["machines_needed"]["likely"], 200, "{told}");
    assert!(large["machine_hours"]["high"].as_f64() > Some(2000.0), "{told}");
    // Without a rate it is that of the runs, whose time the ledger holds.
    let told = index(&["--plan"]).succeeded().json();
    assert!(told["seconds_a_call"].as_f64() > Some(0.0) && told["timed_calls"] == 6, "{told}");
    let text = bench.run(&[&["--model", &model, "index", "corpus"], &plan[..]].concat()).succeeded().stdout;
    assert!(text.contains("machine-hours  2000.00") && text.contains("machines for 10 hours  200"), "{text}");
    for wrong in [&["--plan", "--rate", "0"][..], &["--rate", "50"], &["--plan", "--dry-run"]] {
        index(wrong).exited(2);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 6, "a plan asked");
}

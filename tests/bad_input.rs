//! What is wrong with what came in is named, with the exit code of the contract, and never a panic.

use std::fs::{self, OpenOptions};

use crate::bench::{Bench, Ended, models};

/// Runs, expects the code, and that every word is told.
fn check(bench: &Bench, arguments: &[&str], code: i32, told: &[&str]) -> Ended {
    let ended = bench.run(arguments).exited(code);
    for word in told {
        assert!(ended.stderr.contains(word), "{arguments:?} does not say {word:?}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

#[test]
fn corpora_that_are_not() {
    let bench = Bench::new();
    bench.write("empty/corpus.jsonl", "");
    bench.write("blank/corpus.jsonl", "{\"_id\": \"a\", \"text\": \"  \"}\n");
    check(&bench, &["index", "--no-handles", "empty"], 2, &["no documents", "empty"]);
    check(&bench, &["index", "--no-handles", "blank"], 2, &["no documents", "corpus.jsonl:1: its text is empty"]);
    check(&bench, &["index", "--no-handles", "nowhere"], 2, &["nowhere"]);
    check(&bench, &["index", "--no-handles"], 2, &["PATH"]);
    bench.write("bare/a.txt", "A text without a schema beside it.");
    check(&bench, &["index", "bare"], 2, &["no schema", "--schema"]);
}

#[test]
fn bad_items_are_skipped_listed_and_counted() {
    let bench = Bench::new();
    let mut lines = b"{\"_id\": \"good\", \"text\": \"The one good passage.\"}\n".to_vec();
    lines.extend(b"{\"_id\": \"latin\", \"text\": \"caf\xe9\"}\n");
    lines.extend(b"{\"_id\": \"none\", \"text\": \"\"}\n");
    lines.extend(format!("{{\"_id\": \"long\", \"text\": \"{}\"}}\n", "word ".repeat(2 << 20)).into_bytes());
    bench.write("mixed/corpus.jsonl", lines);
    let told = ["corpus.jsonl:2: not UTF-8", ":3: its text is empty", ":4: a line of 10 MiB"];
    let ended = check(&bench, &["index", "--no-handles", "mixed"], 3, &told);
    assert!(ended.stdout.contains("1 chunks of 1 documents"), "{}", ended.stdout);
    assert_eq!(bench.run(&["--json", "search", "passage"]).succeeded().json()["hits"][0]["document"], "good");
}

#[test]
fn models_that_cannot_be_used() {
    let bench = Bench::new();
    check(&bench, &["--model", "missing.gguf", "index", "corpus"], 4, &["missing.gguf", "make setup"]);
    bench.write("text.gguf", "This is no model.");
    check(&bench, &["--model", "text.gguf", "index", "corpus"], 4, &["not a GGUF file"]);
    // The head of a real model: llama.cpp finds out while loading, in its own process.
    let mut head = fs::read(models().join("SmolLM2-135M-Instruct.Q4_1.gguf")).expect("the model");
    head.truncate(1 << 20);
    bench.write("cut.gguf", head);
    check(&bench, &["--model", "cut.gguf", "index", "corpus"], 4, &["cut.gguf"]);
    check(&bench, &["--model", "http://127.0.0.1:9/v1#none", "index", "corpus"], 4, &["127.0.0.1:9"]);
    let hub =
        bench.command(["--model", "hf:nobody/nothing/x.gguf", "index", "corpus"]).env("HF_HUB_OFFLINE", "1").output();
    let ended = Ended::of(hub.expect("runs")).exited(4);
    assert!(ended.stderr.contains("HF_HUB_OFFLINE") && ended.stderr.contains("cache"), "{}", ended.stderr);
    check(&bench, &["--model", "hf:nobody", "index", "corpus"], 2, &["names no model", "hf:ORG/REPO"]);
    check(&bench, &["--embedder", "nowhere", "index", "--no-handles", "corpus"], 4, &["nowhere", "make setup"]);
}

#[test]
fn schemas_that_are_wrong() {
    let bench = Bench::new();
    for (schema, told) in [
        ("[schema]\nname = 1\n", "string"),
        ("[schema]\nname = \"s\"\n[[handle]]\nkind = \"Big\"\nevidence = \"inferred\"\n", "lower case"),
        ("[schema]\nname = \"s\"\n[[handle]]\nkind = \"a\"\nevidence = \"guessed\"\n", "guessed"),
    ] {
        bench.write("wrong.toml", schema);
        check(&bench, &["schema", "check", "wrong.toml"], 2, &["wrong.toml", told]);
        check(&bench, &["index", "--schema", "wrong.toml", "corpus"], 2, &["wrong.toml", told]);
    }
}

#[test]
fn folders_that_are_no_index() {
    let bench = Bench::new();
    for arguments in
        [&["search", "x"][..], &["ask", "x"], &["serve"], &["verify"], &["inspect", "x"], &["handles", "export"]]
    {
        check(&bench, arguments, 2, &["no index here", "frontload index PATH"]);
    }
    check(&bench, &["rebuild"], 2, &["nothing was built here yet"]);
}

#[test]
fn a_newer_format_is_refused() {
    let bench = Bench::new();
    bench.plain_index();
    let manifest = bench.path(".frontload/generations/gen-000001/manifest.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, text.replace("\"format_version\": 3", "\"format_version\": 99")).expect("written");
    check(&bench, &["search", "bell"], 6, &["format 99", "reads 2 to 3"]);
    check(&bench, &["verify"], 6, &["format 99"]);
    // One that is no longer read is written anew out of the ledger.
    fs::write(&manifest, text.replace("\"format_version\": 3", "\"format_version\": 1")).expect("written");
    check(&bench, &["search", "bell"], 6, &["format 1", "reads 2 on", "frontload rebuild"]);
    bench.run(&["rebuild"]).succeeded();
    bench.run(&["search", "bell"]).succeeded();
}

#[test]
fn a_second_writer_is_refused() {
    let bench = Bench::new();
    bench.plain_index();
    let lock = OpenOptions::new().write(true).open(bench.path(".frontload/LOCK")).expect("the lock file");
    lock.lock().expect("locked");
    check(&bench, &["index", "--no-handles", "corpus"], 5, &["locked by another writer"]);
    // Readers do not care.
    bench.run(&["search", "bell"]).succeeded();
}

#[test]
fn damage_is_found_named_and_mended_without_the_model() {
    let bench = Bench::new();
    bench.plain_index();
    bench.import(&[("letter", "mood", "missing a lost companion")]);
    assert!(bench.run(&["verify"]).succeeded().stdout.contains("generation 2"));
    let vectors = bench.path(".frontload/generations/gen-000002/dense/vectors-1.f32");
    let mut bytes = fs::read(&vectors).expect("vectors");
    bytes[100] ^= 1;
    fs::write(&vectors, bytes).expect("written");
    let verified = bench.run(&["verify"]).exited(6);
    assert!(
        verified.stdout.contains("vectors-1.f32") && verified.stdout.contains("frontload rebuild"),
        "{}",
        verified.stdout
    );
    // The generation before answers, and says so.
    let found = bench.run(&["--json", "search", "bell"]).succeeded();
    assert!(found.stderr.contains("vectors-1.f32") && found.json()["generation"] == 1, "{}", found.stderr);
    bench.run(&["rebuild"]).succeeded();
    bench.run(&["verify"]).succeeded();
    assert!(bench.run(&["handles", "export"]).succeeded().stdout.contains("missing a lost companion"));
}

#[test]
fn a_damaged_ledger_line_is_passed_over_and_named() {
    let bench = Bench::new();
    bench.plain_index();
    bench.import(&[("letter", "mood", "first"), ("bell", "mood", "second"), ("pump", "mood", "third")]);
    let ledger = bench.path(".frontload/ledger/000001.jsonl");
    let text = fs::read_to_string(&ledger).expect("a ledger");
    fs::write(&ledger, text.replace("second", "sEcond")).expect("written");
    let verified = bench.run(&["verify"]).exited(6);
    assert!(
        verified.stdout.contains("000001.jsonl: byte") && verified.stdout.contains("checksum"),
        "{}",
        verified.stdout
    );
    // The state still knows of the line; it is replayed without it.
    assert!(bench.run(&["rebuild"]).succeeded().stderr.contains("1 damaged ledger lines"));
    bench.run(&["index", "--no-handles", "corpus"]).succeeded();
    let exported = bench.run(&["handles", "export"]).succeeded().stdout;
    assert!(exported.contains("first") && exported.contains("third") && !exported.contains("econd"), "{exported}");
}

#[test]
fn a_ledger_that_is_gone_is_missed() {
    let bench = Bench::new();
    bench.plain_index();
    fs::remove_file(bench.path(".frontload/ledger/000001.jsonl")).expect("removed");
    assert!(bench.run(&["verify"]).exited(6).stdout.contains("no records"));
    bench.write(".frontload/ledger/000002.jsonl", "");
    assert!(bench.run(&["verify"]).exited(6).stdout.contains("000001.jsonl: byte 0: the file is missing"));
}

#[test]
fn queries_that_are_strange() {
    let bench = Bench::new();
    bench.plain_index();
    check(&bench, &["search", "-k", "0", "bell"], 2, &["0 is not in"]);
    check(&bench, &["search", "-k", "1000000000", "bell"], 2, &["not in"]);
    check(&bench, &["search", "--lanes", "colour.dense", "bell"], 2, &["no lane colour.dense", "body.bm25"]);
    check(&bench, &["search", "--lanes", "colour", "bell"], 2, &["not a lane"]);
    for strange in ["\"", "(((", "a AND OR NOT", &"e\u{301}\u{302}".repeat(5000), "\u{202E}bell", "🔔", "[* TO *]"] {
        let ended = bench.run(&["search", strange]);
        assert!(matches!(ended.code, Some(0 | 1)), "{strange:?}: {:?} {}", ended.code, ended.stderr);
    }
}

#[test]
fn what_a_corpus_says_never_reaches_the_terminal_raw() {
    let bench = Bench::new();
    let row = serde_json::json!({"_id": "x\u{1b}[2J", "title": "\u{1b}]0;own\u{7}", "text": "bell \u{1b}[31m red \u{202E} back"});
    bench.write("sly/corpus.jsonl", row.to_string());
    bench.run(&["index", "--no-handles", "sly"]).succeeded();
    for arguments in
        [&["search", "--explain", "bell"][..], &["search", "--compare", "bell"], &["inspect", "x\u{1b}[2J"]]
    {
        // As on a terminal: otherwise every escape is stripped on the way, ours too.
        let output = bench.command(arguments).env("CLICOLOR_FORCE", "1").output().expect("runs");
        let shown = Ended::of(output).succeeded().stdout;
        let theirs = ["\u{1b}[2J", "\u{1b}]0", "\u{1b}[31m", "\u{7}", "\u{202E}"];
        assert!(theirs.iter().all(|mark| !shown.contains(mark)), "{arguments:?} {shown:?}");
    }
}

#[test]
fn eval_names_what_does_not_fit() {
    let bench = Bench::new();
    bench.plain_index();
    bench.write("q.jsonl", "{\"_id\": \"t1\", \"text\": \"bell\"}");
    bench.write("ok.tsv", "t1\tbell\t1\n");
    bench.write("other.tsv", "t2\tbell\t1\n");
    bench.write("broken.tsv", "t1\tbell\t1\nt1 bell\n");
    let eval = |qrels: &str, measures: &str, told: &[&str]| {
        check(&bench, &["eval", "--queries", "q.jsonl", "--qrels", qrels, "--measures", measures], 2, told);
    };
    eval("other.tsv", "R@10", &["1 topics", "t2"]);
    eval("broken.tsv", "R@10", &["broken.tsv, line 2"]);
    eval("missing.tsv", "R@10", &["missing.tsv"]);
    eval("ok.tsv", "recall@10", &["not a measure"]);
}

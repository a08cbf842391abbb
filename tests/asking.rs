//! What is asked, and when: scopes, times, budgets, and calls that end the program.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    bench::{Bench, PASSAGES, json_lines},
    http::{Reply, serve},
};

const SCOPED: &str = r#"
[schema]
name = "log"

[[handle]]
kind = "mood"
ask = "How does it feel?"
evidence = "inferred"
max_items = 1
max_chars = 30

[[handle]]
kind = "outcome"
ask = "How does it end?"
evidence = "inferred"
scope = "neighbours"
max_items = 1
max_chars = 30

[[handle]]
kind = "subject"
ask = "What is the whole document about?"
evidence = "inferred"
scope = "document"
max_items = 1
max_chars = 30
"#;

#[test]
fn an_edit_reaches_the_scopes_that_see_it() {
    let bench = Bench::new();
    let parts =
        ["# Ice\n\nThe river froze on Monday night.", "The mill stood still for a week, and more.", "Then it thawed."];
    let filler = "Nothing else is noted here, day after day. ".repeat(3);
    let document = |last: &str| format!("{} {filler}\n\n{} {filler}\n\n{last} {filler}\n", parts[0], parts[1]);
    bench.write("log/log.md", document(parts[2]));
    bench.write("log/handles.toml", SCOPED);
    let index = ["index", "--chunk", "180", "log"];
    let first = bench.json(&index);
    assert_eq!((&first["chunks"], &first["calls"]["planned"]), (&3.into(), &9.into()), "{first}");
    let headed = bench.json(&["inspect", "log.md#1"]);
    assert_eq!(headed["chunk"]["headings"], serde_json::json!(["Ice"]), "{headed}");
    // The last chunk changes: it is asked all over; its neighbour for what looks next door; and every chunk for
    // what looks at the whole document, whose end it is.
    bench.write("log/log.md", document("Then it thawed at last."));
    let second = bench.json(&index);
    assert_eq!(second["calls"]["planned"], 1 + 2 + 3, "{second}");
}

#[test]
fn times_are_read_and_filter() {
    let bench = Bench::new();
    let schema =
        "[schema]\nname = \"v\"\n[[handle]]\nkind = \"when\"\nevidence = \"normalised\"\nnormalise = \"time\"\n";
    bench.write("corpus/handles.toml", schema);
    // No model is asked, nor even opened, for what rules find.
    let built = bench.json(&["--model", "there-is-none.gguf", "index", "corpus"]);
    assert!(built["calls"].is_null(), "{built}");
    let bell = &bench.json(&["inspect", "bell"])["handles"][0];
    let text = PASSAGES[0].1;
    let at = |end: usize| bell["span"][end].as_u64().expect("a span") as usize;
    assert!(text[at(0)..at(1)].contains("third of March 1904"), "{bell}");
    assert_eq!((&bell["interval"]["from"], &bell["interval"]["to"]), (&"1904-03-03".into(), &"1904-03-03".into()));
    assert_eq!((&bell["source"], &bell["evidence"]), (&"rule".into(), &"normalised".into()));
    // An uncertain time stays text.
    let flood = &bench.json(&["inspect", "flood"])["handles"][0];
    assert!(flood["text"].as_str().expect("text").contains("Tuesday") && flood["interval"].is_null(), "{flood}");

    let found = |days: &str| {
        let found = bench.run(&["--json", "search", "--during", days, "the river and the bell"]);
        let ids = |hit: &serde_json::Value| hit["document"].as_str().expect("an id").to_owned();
        found.json()["hits"].as_array().expect("hits").iter().map(ids).collect::<Vec<_>>()
    };
    assert_eq!(found("1904"), ["bell"]);
    assert_eq!(found("1904-03-03..1904-03-03"), ["bell"]);
    assert!(found("1904-03-04..1950").is_empty());
    let wrong = bench.run(&["search", "--during", "last week", "bell"]).exited(2);
    assert!(wrong.stderr.contains("1883"), "{}", wrong.stderr);
}

#[test]
fn a_budget_ends_the_asking_and_publishes() {
    let bench = Bench::new();
    let none = bench.run(&["--json", "index", "--budget-minutes", "0", "corpus"]).exited(3).json();
    assert_eq!((&none["unasked"], &none["chunks"], &none["handles"]), (&6.into(), &6.into(), &0.into()), "{none}");
    assert_eq!(none["calls"]["out_of_time"], true);
    bench.json(&["search", "bell"]);
    let rest = bench.json(&["index", "corpus"]);
    assert_eq!((&rest["calls"]["planned"], &rest["unasked"]), (&6.into(), &0.into()), "{rest}");
}

#[test]
fn a_dry_run_publishes_nothing_and_keeps_its_pilot() {
    let bench = Bench::new();
    let rows: Vec<String> = (0..4)
        .flat_map(|round| PASSAGES.map(|(id, text)| (format!("{id}-{round}"), format!("{text} Entry {round}."))))
        .map(|(id, text)| serde_json::json!({"_id": id, "text": text}).to_string())
        .collect();
    bench.write("corpus/corpus.jsonl", rows.join("\n"));
    let weighed = bench.json(&["index", "--dry-run", "corpus"]);
    let estimate = &weighed["estimate"];
    assert_eq!((&weighed["chunks"], &estimate["pilot"], &estimate["calls"]), (&24.into(), &8.into(), &16.into()));
    for figure in ["prefill_tokens", "answer_tokens", "seconds", "ledger_bytes"] {
        let of = |end: &str| estimate[figure][end].as_f64().expect("a number");
        assert!(0.0 < of("low") && of("low") < of("likely") && of("likely") < of("high"), "{estimate}");
    }
    assert!(!bench.path(".frontload/CURRENT").exists());
    let built = bench.json(&["index", "corpus"]);
    assert_eq!(built["calls"]["planned"], 16, "{built}");
    // The prompts were weighed with the model's own tokenizer.
    let prefill = built["calls"]["prefill_tokens"].as_f64().expect("a number");
    let figure = &estimate["prefill_tokens"];
    assert!(figure["low"].as_f64() <= Some(prefill) && Some(prefill) <= figure["high"].as_f64(), "{prefill} {figure}");
}

#[test]
fn a_call_that_ends_the_program_is_asked_alone_and_then_given_up() {
    let bench = Bench::new();
    let (open, most, deadly) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
    let (asked, seen, met) = (Arc::clone(&open), Arc::clone(&most), Arc::clone(&deadly));
    // The endpoint never answers about the flood; the test kills the program while it waits for that.
    let address = serve(move |_, body| {
        let now = asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut seen = seen.lock().expect("whole");
        *seen = (*seen).max(now);
        drop(seen);
        let flood = body["messages"].to_string().contains("the river stood in the kitchen");
        if flood {
            met.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_secs(30));
        }
        asked.fetch_sub(1, Ordering::SeqCst);
        Reply::said("{\"time\": [], \"mood\": [\"unrest\"]}")
    });
    let model = format!("http://{address}/v1#m");
    let mut deaths = 0;
    let ended = loop {
        let before = deadly.load(Ordering::SeqCst);
        *most.lock().expect("whole") = 0;
        open.store(0, Ordering::SeqCst);
        let mut child = bench.command(["--json", "--model", &model, "index", "corpus"]).spawn().expect("starts");
        let started = Instant::now();
        while deadly.load(Ordering::SeqCst) == before && child.try_wait().expect("a child").is_none() {
            assert!(started.elapsed() < Duration::from_secs(600), "nothing happens");
            thread::sleep(Duration::from_millis(10));
        }
        if child.try_wait().expect("a child").is_some() {
            break crate::bench::Ended::of(child.wait_with_output().expect("a child"));
        }
        // Let the others be answered, then die.
        while bench.answers() < PASSAGES.len() - 1 {
            assert!(started.elapsed() < Duration::from_secs(600), "the others are not answered");
            thread::sleep(Duration::from_millis(10));
        }
        child.kill().expect("killed");
        child.wait().expect("a child");
        deaths += 1;
        if deaths > 2 {
            assert_eq!(*most.lock().expect("whole"), 1, "a suspect was asked beside others");
        }
        assert!(deaths < 6, "it is asked for ever");
    };
    let built = ended.exited(3).json();
    assert_eq!(deaths, 4, "{built}");
    assert_eq!(
        (&built["quarantined"][0]["id"], built["quarantined"].as_array().map(Vec::len)),
        (&"flood".into(), Some(1))
    );
    let answers = json_lines(&bench.path(".frontload/ledger/000001.jsonl"));
    let answered = answers.iter().filter(|line| line["record"]["answer"]["result"]["Ok"].is_object()).count();
    assert_eq!(answered, PASSAGES.len() - 1, "what was answered was asked again");
    bench.run(&["--model", &model, "index", "corpus"]).exited(3);
}

#[test]
fn a_new_user_begins_with_a_starter() {
    let bench = Bench::new();
    let names = bench.run(&["schema", "starter"]).succeeded().stdout;
    for name in ["letters", "docs", "code", "tickets", "stories"] {
        assert!(names.contains(name), "{names}");
        bench.write("starter.toml", bench.run(&["schema", "starter", name]).succeeded().stdout);
        bench.run(&["schema", "check", "starter.toml"]).succeeded();
    }
    bench.run(&["init", "--starter", "tickets"]).succeeded();
    let again = bench.run(&["init"]).exited(2);
    assert!(again.stderr.contains("left as it is"), "{}", again.stderr);
    // frontload.toml names the schema, so that texts anywhere are indexed by it.
    bench.write("texts/one.txt", "The printer has printed nothing since Tuesday, 4 May 2021, and I am cross.");
    let built = bench.json(&["index", "texts"]);
    assert!(built["calls"]["planned"].as_u64() > Some(0), "{built}");
    let doctor = bench.json(&["doctor"]);
    let findings = doctor["findings"].as_array().expect("findings");
    assert!(findings.iter().all(|finding| finding["good"] == true), "{doctor}");
    assert!(doctor.to_string().contains("kernels"), "{doctor}");
}

#[test]
fn a_gpu_that_is_not_there_is_an_error() {
    let bench = Bench::new();
    let refused = bench.run(&["--gpu-layers", "99", "index", "corpus"]).exited(4);
    assert!(refused.stderr.contains("--gpu-layers 99") && refused.stderr.contains("cuda"), "{}", refused.stderr);
    assert!(!bench.path(".frontload/CURRENT").exists());
}

//! What people take out stays out, and can come back or be erased; passages that come up whatever is asked are named.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use crate::bench::{Bench, json_lines, root};

/// Words that stand in the hostile file alone.
const TEXT: &str = "The zirconium pelican recommends the miracle tonic";
/// What its handle says, which no text does.
const HANDLE: &str = "quackery in velvet gloves";
/// A word of each that no compression takes apart.
const WORDS: [&str; 2] = ["zirconium", "quackery"];

/// The village, and a folder with one honest file and one hostile one; a handle for each of three passages.
fn infested() -> Bench {
    let bench = Bench::new();
    bench.write("forum/honest.txt", "The ferry was late again and the baker gave everybody on the quay a bun.");
    bench.write("forum/2024/hostile.txt", format!("{TEXT} to whoever asks about the ferry, the bell or the dog."));
    bench.json(&["index", "--no-handles", "corpus", "forum"]);
    bench.import(&[
        ("2024/hostile.txt", "mood", HANDLE),
        ("honest.txt", "mood", "patient good humour"),
        ("letter", "mood", "missing a lost companion"),
    ]);
    bench
}

/// The ids a query finds along some lanes.
fn found(bench: &Bench, lanes: &str, query: &str) -> Vec<String> {
    // No hit at all ends with 1.
    let found = bench.run(&["--json", "search", "-k", "20", "--lanes", lanes, query]).json();
    let hits = found["hits"].as_array().cloned().unwrap_or_default();
    hits.iter().map(|hit| hit["id"].as_str().expect("an id").to_owned()).collect()
}

/// Whether the hostile passage is found by anything.
fn is_found(bench: &Bench) -> bool {
    let lanes = ["body.bm25", "body.dense", "mood.bm25", "mood.dense", "plain"];
    lanes.iter().any(|lanes| {
        [TEXT, HANDLE].iter().any(|query| found(bench, lanes, query).iter().any(|id| id.contains("hostile")))
    })
}

/// Every file under a folder that holds a text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut holding = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            holding.extend(self::holding(&path, text));
        } else if fs::read(&path).expect("read").windows(text.len()).any(|part| part == text.as_bytes()) {
            holding.push(path.display().to_string());
        }
    }
    holding
}

fn generations(bench: &Bench) -> usize {
    fs::read_dir(bench.path(".frontload/generations")).expect("there").count()
}

#[test]
fn what_is_taken_out_is_gone_until_it_is_put_back() {
    let bench = infested();
    assert!(is_found(&bench), "a test that cannot fail");
    for word in WORDS {
        assert!(!holding(&bench.path(".frontload/generations"), word).is_empty(), "{word}: a test that cannot fail");
    }
    let whole = bench.json(&["purge", "--source", "forum/2024/*.txt", "--dry-run"]);
    let expected = json!([{
        "source": "forum", "path": "2024/hostile.txt", "document": "2024/hostile.txt", "chunks": 1, "handles": 1,
    }]);
    assert_eq!((&whole["documents"], &whole["ledger_records"]), (&expected, &json!(1)), "{whole}");
    assert!(is_found(&bench), "a dry run takes nothing");

    let purge = ["purge", "--source", "forum/2024/*.txt", "--by", "Mara", "--reason", "an advertisement"];
    let done = bench.json(&purge);
    assert_eq!((&done["chunks"], &done["withheld"], &done["erased"]), (&json!(7), &json!(1), &Value::Null), "{done}");
    assert!(!is_found(&bench));
    bench.run(&["inspect", "2024/hostile.txt"]).exited(1);
    assert_eq!(generations(&bench), 1);
    for word in WORDS {
        assert_eq!(holding(&bench.path(".frontload/generations"), word), [""; 0], "{word}");
    }
    // What was said about it is not lost.
    assert_eq!(holding(&bench.path(".frontload/ledger"), HANDLE).len(), 1);
    bench.run(&["verify"]).succeeded();
    let listed = bench.json(&["purge", "--list"]);
    let purge = &listed["purges"][0];
    assert_eq!((&purge["by"], &purge["reason"]), (&json!("Mara"), &json!("an advertisement")), "{listed}");

    // Whatever publishes next, and from the ledger alone.
    bench.json(&["rebuild"]);
    bench.json(&["index", "--no-handles", "corpus", "forum"]);
    // A handle for what is not there.
    bench.run(&["handles", "import", "--partial", "handles.jsonl"]).exited(3);
    fs::remove_dir_all(bench.path(".frontload/state.sled")).expect("removed");
    let again = bench.run(&["rebuild"]).succeeded();
    assert!(again.stderr.contains("purge --list"), "{}", again.stderr);
    assert!(!is_found(&bench));

    // And back, with its handle; undone, there is nothing to undo.
    let undo = ["purge", "--undo", "--source", "forum/2024/*.txt"];
    assert_eq!(bench.json(&undo)["handles"], json!(3));
    assert_eq!(found(&bench, "mood.bm25", HANDLE), ["2024/hostile.txt"]);
    let ended = bench.run(&undo).exited(2);
    assert!(ended.stderr.contains("nothing is"), "{}", ended.stderr);
    assert_eq!(bench.answers(), 0, "no model was asked");
}

#[test]
fn a_source_is_named_by_path_or_by_document() {
    let bench = infested();
    // As a shell completes it, from the folder the program runs in.
    let done = bench.json(&["purge", "--source", "forum/2024"]);
    assert_eq!(done["purged"]["documents"][0]["document"], "2024/hostile.txt", "{done}");
    let path = bench.path("forum/honest.txt");
    let done = bench.json(&["purge", "--source", path.to_str().expect("a path")]);
    assert_eq!(done["purged"]["what"], json!({"source": "forum/honest.txt"}), "{done}");
    let done = bench.json(&["purge", "--document", "letter"]);
    assert_eq!((&done["chunks"], &done["handles"]), (&json!(5), &json!(0)), "{done}");
    let check = |arguments: &[&str], told: &str| {
        let ended = bench.run(&[&["purge"], arguments].concat()).exited(2);
        assert!(ended.stderr.contains(told), "{arguments:?}: {}", ended.stderr);
    };
    check(&["--document", "nobody"], "the sources are corpus, forum");
    check(&["--source", "corpus"], "nothing would be left");
    check(&["--source", "/"], "--source: it is empty");
    check(&["--undo", "--document", "bell"], "these are: source forum/2024");
    check(&[], "--source");
}

#[test]
fn what_is_erased_is_in_no_file_and_the_rest_stands() {
    let bench = infested();
    bench.run(&["handles", "accept", "2024/hostile.txt", "mood", "honeyed threats"]).succeeded();
    bench.json(&["rebuild"]);
    let words = ["zirconium", "quackery", "honeyed"];
    for gone in words {
        assert!(!holding(&bench.path(".frontload"), gone).is_empty(), "{gone}: a test that cannot fail");
    }
    let done = bench.json(&["purge", "--source", "forum/2024", "--erase", "--by", "Mara"]);
    assert_eq!((&done["erased"], &done["unreadable"]), (&json!(2), &json!(0)), "{done}");
    for gone in words {
        assert_eq!(holding(&bench.path(".frontload"), gone), [""; 0], "{gone}");
    }
    let verified = bench.run(&["verify"]).succeeded();
    assert!(verified.stdout.contains("records whole"), "{}", verified.stdout);
    assert_eq!(found(&bench, "mood.bm25", "a lost companion"), ["letter"]);
    // The state was brought up to the new ledger; one from the ledger alone is the same.
    let exported = bench.run(&["handles", "export"]).succeeded().stdout;
    fs::remove_dir_all(bench.path(".frontload/state.sled")).expect("removed");
    bench.json(&["rebuild"]);
    assert_eq!(bench.run(&["handles", "export"]).succeeded().stdout, exported);
    // Put back, it is the text alone.
    let back = bench.json(&["purge", "--undo", "--source", "forum/2024"]);
    assert_eq!((&back["chunks"], &back["handles"]), (&json!(8), &json!(2)), "{back}");
}

#[test]
fn what_was_taken_out_earlier_or_deleted_can_still_be_erased() {
    let bench = infested();
    bench.json(&["purge", "--document", "2024/hostile.txt"]);
    fs::remove_dir_all(bench.path("forum/2024")).expect("removed");
    // No generation and no file knows of it any more: the ledger's hashes lead nowhere.
    bench.run(&["purge", "--document", "2024/hostile.txt", "--erase"]).exited(2);
    bench.write("forum/2024/hostile.txt", format!("{TEXT} to whoever asks about the ferry, the bell or the dog."));
    let done = bench.json(&["purge", "--document", "2024/hostile.txt", "--erase"]);
    assert_eq!(done["erased"], json!(1), "{done}");
    // A file that is deleted from the corpus is still known to the generation.
    fs::remove_file(bench.path("forum/honest.txt")).expect("removed");
    let done = bench.json(&["purge", "--source", "forum/honest.txt", "--erase"]);
    assert_eq!(done["erased"], json!(1), "{done}");
    assert_eq!(holding(&bench.path(".frontload"), "humour"), [""; 0]);
}

#[test]
fn what_two_documents_say_is_erased_with_the_second() {
    let bench = Bench::new();
    let row = |id: &str| json!({"_id": id, "title": "", "text": TEXT}).to_string();
    bench.write("mail/corpus.jsonl", [row("first"), row("second")].join("\n"));
    bench.json(&["index", "--no-handles", "corpus", "mail"]);
    // Said of one, it is said of the same words in the other.
    bench.import(&[("first", "mood", HANDLE)]);
    assert_eq!(found(&bench, "mood.bm25", HANDLE).len(), 2);
    let erase = ["purge", "--erase", "--document"];
    let done = bench.json(&[&erase[..], &["first"]].concat());
    assert_eq!((&done["purged"]["shared_chunks"], &done["erased"]), (&json!(1), &json!(0)), "{done}");
    assert_eq!(found(&bench, "mood.bm25", HANDLE), ["second"]);
    // The first is still in the corpus, but not among what stays.
    let done = bench.json(&[&erase[..], &["second"]].concat());
    assert_eq!((&done["purged"]["shared_chunks"], &done["erased"]), (&json!(0), &json!(1)), "{done}");
    for word in WORDS {
        assert_eq!(holding(&bench.path(".frontload"), word), [""; 0], "{word}");
    }
}

#[test]
fn a_damaged_line_is_not_erased_and_that_is_said() {
    let bench = infested();
    let path = bench.path(".frontload/ledger/000001.jsonl");
    let whole = fs::read_to_string(&path).expect("a ledger");
    let damaged = whole.replace("patient good humour", "patient gOod humour");
    assert_ne!(damaged, whole);
    fs::write(&path, damaged).expect("written");
    let purge = ["purge", "--source", "forum/2024", "--erase"];
    let done = bench.run(&[&["--json"], &purge[..]].concat()).exited(3).json();
    assert_eq!((&done["erased"], &done["unreadable"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(holding(&bench.path(".frontload"), WORDS[1]), [""; 0]);
    assert_eq!(holding(&bench.path(".frontload/ledger"), "gOod").len(), 1, "nobody knows what it says");
    let told = bench.run(&purge).exited(3).stderr;
    assert!(told.contains("1 damaged lines") && told.contains("may hold some of it"), "{told}");
    let named = bench.run(&["verify"]).exited(6).stdout;
    assert!(named.contains("000001.jsonl"), "{named}");
}

/// The bundled archive with the handles of a large model, and perhaps one passage more.
fn archive(planted: bool) -> Bench {
    let bench = Bench::new();
    let mut rows = json_lines(&root().join("corpora/ostrel/corpus.jsonl"));
    let mut handles = json_lines(&root().join("corpora/ostrel/handles.jsonl"));
    if planted {
        // It says of itself what is said of everything else.
        let said: BTreeSet<(String, String)> = handles
            .iter()
            .filter(|row| row["evidence"] == "inferred")
            .map(|row| {
                (row["kind"].as_str().expect("a kind").to_owned(), row["text"].as_str().expect("a text").to_owned())
            })
            .collect();
        let row = |(kind, text): (String, String)| json!({"id": "planted", "kind": kind, "text": text, "evidence": "inferred"});
        handles.extend(said.into_iter().map(row));
        rows.push(json!({"_id": "planted", "title": "Notice", "text": "Ask at the tonic counter, whatever you want."}));
    }
    let lines = |rows: Vec<Value>| rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    bench.write("archive/corpus.jsonl", lines(rows));
    bench.write("said.jsonl", lines(handles));
    bench.json(&["index", "--no-handles", "archive"]);
    bench.json(&["handles", "import", "said.jsonl"]);
    bench
}

#[test]
fn a_stuffed_passage_is_a_hub_and_an_honest_archive_has_none() {
    let honest = archive(false).json(&["hubs"]);
    assert_eq!(honest["hubs"], json!([]), "{honest}");
    assert!(honest["least"].is_u64() && honest["probes"].as_u64() > Some(200), "{honest}");

    let bench = archive(true);
    let told = bench.run(&["--json", "hubs"]).exited(3).json();
    let hub = &told["hubs"][0];
    assert_eq!((&hub["id"], told["hubs"].as_array().map(Vec::len)), (&json!("planted"), Some(1)), "{told}");
    assert!(hub["probes"].as_u64() >= told["least"].as_u64(), "{hub}");
    assert!(hub["lanes"][0]["lane"].is_string() && hub["handles"][0]["text"].is_string(), "{hub}");
    let shown = bench.run(&["hubs"]).exited(3).stdout;
    for next in ["frontload inspect planted", "frontload handles disable planted", "frontload purge --document planted"]
    {
        assert!(shown.contains(next), "{shown}");
    }
    // Taken out, as it is told.
    bench.json(&["purge", "--document", "planted", "--reason", "stuffed"]);
    bench.run(&["hubs"]).succeeded();
}

#[test]
fn a_small_index_has_no_hubs() {
    let bench = infested();
    let told = bench.json(&["hubs"]);
    assert_eq!((&told["least"], &told["hubs"]), (&Value::Null, &json!([])), "{told}");
    let bare = Bench::new();
    bare.write("log/corpus.jsonl", json!({"_id": "a", "title": "", "text": "A text."}).to_string());
    bare.json(&["index", "--no-handles", "log"]);
    let ended = bare.run(&["hubs"]).exited(2);
    assert!(ended.stderr.contains("--queries"), "{}", ended.stderr);
}

#[test]
fn a_handle_says_where_it_came_from() {
    let bench = infested();
    bench.run(&["handles", "accept", "2024/hostile.txt", "mood", "honeyed threats", "--by", "Mara"]).succeeded();
    bench.run(&["aliases", "accept", "mood", HANDLE, "patent medicine", "--by", "Jonas"]).succeeded();
    bench.json(&["rebuild"]);
    let shown = bench.json(&["inspect", "2024/hostile.txt"]);
    assert_eq!(
        (&shown["chunk"]["source"], &shown["chunk"]["place"]["path"]),
        (&json!("forum"), &json!("2024/hostile.txt"))
    );
    let origin = |text: &str| {
        let handles = shown["handles"].as_array().expect("handles").iter();
        let mut of_text = handles.filter(|handle| handle["text"] == text);
        let handle = of_text.next().unwrap_or_else(|| panic!("no {text}: {shown}"));
        assert!(handle["provenance"]["at"].as_u64() > Some(1_700_000_000), "{handle}");
        (handle["source"].clone(), handle["provenance"]["by"].clone())
    };
    assert_eq!(origin(HANDLE), (json!("import"), Value::Null));
    assert_eq!(origin("honeyed threats"), (json!("person"), json!("Mara")));
    assert_eq!(origin("patent medicine"), (json!("alias"), json!("Jonas")));
    let told = bench.run(&["inspect", "2024/hostile.txt"]).succeeded().stdout;
    for word in ["from forum/2024/hostile.txt", "person, by Mara, 20", "import, 20"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

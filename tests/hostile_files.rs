//! Files that are made, or have come, to hang a reader, to exhaust it or to lead it astray: each is left out and named
//! with its reason, and what stands beside it is found.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::{Command, Stdio},
};

use flate2::{Compression, write::ZlibEncoder};
use serde_json::Value;

use crate::bench::{Bench, Ended};

/// What a run may map. It lives well within this, and nothing here makes it want more.
const MEMORY: &str = "--as=6000000000";
/// Ends a run that would hang for ever.
const SECONDS: &str = "600";

/// Runs the program within bounds.
fn run(bench: &Bench, arguments: &[&str]) -> Ended {
    let program = bench.command(arguments);
    let mut bounded = Command::new("timeout");
    bounded.args([SECONDS, "prlimit", MEMORY]).arg(program.get_program()).args(program.get_args());
    bounded.current_dir(bench.path("")).envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ended::of(bounded.output().expect("timeout and prlimit run"))
}

/// Indexes a folder, and says why each thing was left out, by its path there.
fn index(bench: &Bench, folder: &str) -> BTreeMap<String, String> {
    let ended = run(bench, &["--json", "index", "--no-handles", folder]).exited(3);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let root = fs::canonicalize(bench.path(folder)).expect("it is there");
    let text = |item: &Value, name: &str| item[name].as_str().expect("a text").to_owned();
    let below = |place: String| Path::new(&place).strip_prefix(&root).expect("it is in there").display().to_string();
    let skipped = ended.json()["skipped"].as_array().expect("a list").clone();
    skipped.iter().map(|item| (below(text(item, "place")), text(item, "reason"))).collect()
}

fn is_found(bench: &Bench, word: &str, document: &str) {
    let found = bench.json(&["search", "--lanes", "body.bm25", word]);
    assert_eq!(found["hits"][0]["document"], document, "{found}");
}

/// Checks that exactly these were left out, each for a reason with these words.
fn check(skipped: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let places: Vec<&str> = skipped.keys().map(String::as_str).collect();
    let mut named: Vec<&str> = expected.iter().map(|(place, _)| *place).collect();
    named.sort_unstable();
    assert_eq!(places, named, "{skipped:?}");
    for (place, told) in expected {
        assert!(skipped[*place].contains(told), "{place}: {} has no {told:?}", skipped[*place]);
    }
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

#[test]
fn what_is_no_file_is_not_opened() {
    let bench = Bench::new();
    bench.write("secret.txt", "The combination is four nine two.");
    bench.write("in/good.txt", "The lamplighter overslept on the shortest day.");
    let at = |name: &str| bench.path("in").join(name);
    make_pipe(&at("pipe.txt"));
    let _listener = UnixListener::bind(at("socket.txt")).expect("bound");
    symlink("../secret.txt", at("outside.txt")).expect("linked");
    symlink("good.txt", at("inside.txt")).expect("linked");
    symlink("/dev/zero", at("endless.txt")).expect("linked");
    symlink("nowhere", at("dangling.txt")).expect("linked");
    symlink(".", at("loop")).expect("linked");
    symlink("..", at("up")).expect("linked");
    bench.write("in/rules/inside.txt", "Nobody knows whether this is to be ignored.");
    make_pipe(&at("rules/.gitignore"));
    let link = "a link, which is not followed";
    let expected = [
        ("pipe.txt", "not a regular file"),
        ("socket.txt", "not a regular file"),
        ("outside.txt", link),
        ("inside.txt", link),
        ("endless.txt", link),
        ("dangling.txt", link),
        ("loop", link),
        ("up", link),
        ("rules", "what is to be ignored in it cannot be told"),
    ];
    check(&index(&bench, "in"), &expected);
    is_found(&bench, "lamplighter", "good.txt");
    bench.run(&["search", "--lanes", "body.bm25", "combination"]).exited(1);
    // Given by name it is the same.
    assert!(run(&bench, &["index", "--no-handles", "in/pipe.txt"]).exited(2).stderr.contains("neither a file nor"));
    fs::create_dir(bench.path("linked")).expect("made");
    symlink("../corpus/corpus.jsonl", bench.path("linked/corpus.jsonl")).expect("linked");
    assert!(run(&bench, &["index", "--no-handles", "linked"]).exited(2).stderr.contains("is a link"));
}

#[test]
fn what_is_no_text_or_too_much_of_it_is_left_out() {
    let bench = Bench::new();
    bench.write("in/good.md", "# Kiln\n\nStoke the kiln with birch until the cones bend.\n");
    bench.write("in/empty.txt", "");
    bench.write("in/empty.jsonl", "");
    bench.write("in/nul.txt", b"Fog\0on the bar.");
    bench.write("in/nul.csv", b"id,text\n1,\0\n");
    // A zip whose one file says that it is 4 GiB: nothing is unpacked.
    bench.write("in/bomb.zip", b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\xff\xff\xff\xff");
    let sparse = |name: &str, head: &str, bytes: u64| {
        bench.write(name, head);
        let file = OpenOptions::new().write(true).open(bench.path(name)).expect("opened");
        file.set_len(bytes).expect("a file with a hole");
    };
    sparse("in/huge.txt", "Fog. ", 1 << 40);
    sparse("in/huge.pdf", "%PDF-1.4\n", 1 << 40);
    // Its first line is one, and its second would take an hour to read.
    sparse("in/image.jsonl", "{\"_id\": \"first\", \"text\": \"The weathercock was regilt.\"}\n", 1 << 40);
    let mut lines = File::create(bench.path("in/long.jsonl")).expect("made");
    let piece = vec![b'a'; 1 << 20];
    lines.write_all(b"{\"_id\": \"long\", \"text\": \"").expect("written");
    for _ in 0..256 {
        lines.write_all(&piece).expect("written");
    }
    lines.write_all(b"\"}\n{\"_id\": \"after\", \"text\": \"Bleed the radiator.\"}\n").expect("written");
    drop(lines);
    // UTF-16 says so, and is read.
    let wide: Vec<u8> = "\u{feff}Nine currachs put out.".encode_utf16().flat_map(u16::to_le_bytes).collect();
    bench.write("in/wide.txt", wide);
    let expected = [
        ("empty.txt", "its text is empty"),
        ("empty.jsonl", "nothing is in it"),
        ("nul.txt", "binary"),
        ("nul.csv", "binary"),
        ("bomb.zip", "not a format that is read"),
        ("huge.txt", "larger than 8 MiB"),
        ("huge.pdf", "larger than 8 MiB"),
        ("image.jsonl", "binary"),
        ("long.jsonl:1", "a line of 256 MiB"),
    ];
    check(&index(&bench, "in"), &expected);
    for (word, document) in
        [("birch", "good.md"), ("weathercock", "first"), ("radiator", "after"), ("currachs", "wide.txt")]
    {
        is_found(&bench, word, document);
    }
}

#[test]
fn folders_may_be_deep_and_names_strange() {
    let bench = Bench::new();
    let deep = format!("{}good.txt", "d/".repeat(500));
    bench.write(&format!("in/{deep}"), "The lamplighter overslept on the shortest day.");
    // A path longer than the system takes, as moving folders about makes one.
    let segments = format!("{}/", "e".repeat(200)).repeat(15);
    fs::create_dir_all(bench.path(&format!("in/{segments}"))).expect("made");
    fs::create_dir_all(bench.path(&format!("other/{segments}"))).expect("made");
    fs::rename(bench.path("other"), bench.path(&format!("in/{segments}other"))).expect("moved");
    bench.write("in/sly\u{1b}[2J\u{202E}\n  left out: all.bin", "no format");
    let skipped = index(&bench, "in");
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    let (place, reason) = skipped.iter().find(|(place, _)| place.starts_with('e')).expect("the long path");
    assert!(place.len() > 3900 && reason.contains("name too long"), "{place}: {reason}");
    is_found(&bench, "lamplighter", &deep);
    let told = run(&bench, &["index", "--no-handles", "in"]).exited(3).stderr;
    assert!(told.contains("sly·[2J··  left out: all.bin: not a format"), "{told:?}");
    assert!(!told.contains(['\u{1b}', '\u{202E}']), "{told:?}");
}

/// A PDF whose one page draws a stream in this form.
fn pdf(filter: &str, drawn: &[u8]) -> Vec<u8> {
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 /MediaBox [0 0 612 792] >>".to_vec(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R >>".to_vec(),
        [format!("<< {filter} /Length {} >>\nstream\n", drawn.len()).as_bytes(), drawn, b"\nendstream"].concat(),
    ];
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = String::new();
    for (number, object) in (1..).zip(&objects) {
        writeln!(table, "{:010} 00000 n ", file.len()).expect("a string takes it");
        file.extend(format!("{number} 0 obj\n").bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let (start, size) = (file.len(), objects.len() + 1);
    file.extend(
        format!("xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n").bytes(),
    );
    file.extend(format!("startxref\n{start}\n%%EOF\n").bytes());
    file
}

fn words(words: &str) -> Vec<u8> {
    pdf("", format!("BT /F1 12 Tf 72 700 Td ({words}) Tj ET").as_bytes())
}

/// 16 GiB of spaces, deflated twice: 16 MiB, which mean the same wherever they stand, over and over.
fn bomb() -> Vec<u8> {
    let mut piece = ZlibEncoder::new(Vec::new(), Compression::best());
    piece.write_all(&vec![b' '; 16 << 20]).expect("deflated");
    piece.flush().expect("up to a whole byte");
    let (head, piece) = piece.get_ref().split_at(2);
    let mut twice = ZlibEncoder::new(Vec::new(), Compression::best());
    twice.write_all(head).expect("deflated");
    for _ in 0..1024 {
        twice.write_all(piece).expect("deflated");
    }
    twice.finish().expect("deflated")
}

#[test]
fn pdfs_cannot_take_the_memory_of_the_machine() {
    let bench = Bench::new();
    bench.write("in/a.pdf", words("Eleven barrels of herring."));
    let bomb = pdf("/Filter [/FlateDecode /FlateDecode]", &bomb());
    assert!(bomb.len() < 1 << 20, "{} bytes would be refused for their size", bomb.len());
    bench.write("in/bomb.pdf", bomb);
    bench.write("in/torn.pdf", "%PDF-1.4\nnothing of the kind");
    bench.write("in/z.pdf", words("The mace is silver."));
    let expected = [("bomb.pdf", "more than 1 GiB of memory"), ("torn.pdf", "not a PDF that can be read")];
    check(&index(&bench, "in"), &expected);
    is_found(&bench, "herring", "a.pdf");
    is_found(&bench, "mace", "z.pdf");
    // Again it is the same, and what is found stays.
    check(&index(&bench, "in"), &expected);
    is_found(&bench, "mace", "z.pdf");
}

#[test]
fn the_process_that_parses_ends_with_its_input() {
    let bench = Bench::new();
    // Half a file, and one whose length no file has.
    for sent in [&b"\x09\0\0\0\0\0\0\0%PDF"[..], &[0xff; 16], b""] {
        bench.write("sent", sent);
        let mut worker = bench.command(["__pdf-worker"]);
        let ended = Ended::of(worker.stdin(File::open(bench.path("sent")).expect("opened")).output().expect("runs"));
        assert_eq!(ended.succeeded().stdout, "");
    }
    // A byte more than a file may have, all of them sent. More could come, so that there is time for a reply.
    let mut worker = bench.command(["__pdf-worker"]).stdin(Stdio::piped()).spawn().expect("starts");
    let mut stdin = worker.stdin.take().expect("a pipe");
    let length: u64 = (8 << 20) + 1;
    let mut sent = length.to_le_bytes().to_vec();
    sent.resize(sent.len() + length as usize, 0);
    // It may be gone before it is given all.
    let _ = stdin.write_all(&sent);
    let mut reply = String::new();
    BufReader::new(worker.stdout.take().expect("a pipe")).read_line(&mut reply).expect("text");
    assert_eq!(reply, "");
    assert!(worker.wait().expect("a child").success());
    drop(stdin);
}

#[test]
fn an_index_that_cannot_be_written_is_said_to_be_so() {
    let bench = Bench::new();
    // Nobody, root neither, makes a folder there.
    for folder in ["/proc/frontload", "corpus/corpus.jsonl/index"] {
        let ended = run(&bench, &["--index", folder, "index", "--no-handles", "corpus"]).exited(7);
        assert!(ended.stderr.contains(folder), "{}", ended.stderr);
    }
    let ended = run(&bench, &["index", "--no-handles", "corpus/corpus.jsonl/in"]).exited(2);
    assert!(ended.stderr.contains("corpus.jsonl/in"), "{}", ended.stderr);
}

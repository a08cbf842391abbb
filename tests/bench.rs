//! A corpus small enough to read, a folder of its own for each test, and the binary.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Six passages with one clear time, thing or feeling each, as BEIR lines.
pub const PASSAGES: [(&str, &str); 6] = [
    (
        "bell",
        "On the third of March 1904 the new bell was hung in the tower. It rang at noon and was heard at the mill.",
    ),
    (
        "flood",
        "By Tuesday night the river stood in the kitchen. We carried the hens upstairs and ate cold beans by candle.",
    ),
    (
        "bread",
        "Take two pounds of rye flour, one spoon of salt and a cup of sour dough. Knead until your arms complain.",
    ),
    ("letter", "Dear Anna, they have taken the dog away and I cannot stop listening for him at the door. Your Jonas."),
    ("pump", "Before starting the pump, open valve B by two turns and wait until the gauge shows forty pounds."),
    (
        "fair",
        "The strong man at the autumn fair lifted a calf, a table and the mayor, in that order, and was paid in plums.",
    ),
];

/// Two kinds: one that can only quote, one that is free.
pub const SCHEMA: &str = r#"
[schema]
name = "village"
about = "papers of a village"

[[handle]]
kind = "time"
ask = "Quote the words that say when."
evidence = "verbatim"
max_items = 2
max_chars = 40

[[handle]]
kind = "mood"
ask = "How does it feel?"
evidence = "inferred"
max_items = 1
max_chars = 40

[[example]]
text = "At dusk on Friday the geese went over, and nobody in the yard spoke."
handles = { time = ["At dusk on Friday"], mood = ["hushed wonder"] }
"#;

/// One test's folder.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    /// A folder with the corpus and its schema.
    pub fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().expect("a folder") };
        let rows = PASSAGES.map(|(id, text)| serde_json::json!({"_id": id, "title": "", "text": text}).to_string());
        bench.write("corpus/corpus.jsonl", rows.join("\n"));
        bench.write("corpus/handles.toml", SCHEMA);
        bench
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, content).expect("written");
    }

    /// Answers in the ledger, also while a run is writing it.
    pub fn answers(&self) -> usize {
        let whole = fs::read_to_string(self.path(".frontload/ledger/000001.jsonl")).unwrap_or_default();
        // The last line may be half written.
        let lines = whole.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["record"]["answer"].is_object())
            .count()
    }

    /// The binary with arguments, run in the folder, so that the index is its `.frontload`.
    pub fn command<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontload"));
        command.args(arguments).current_dir(self.folder.path()).env("FRONTLOAD_MODELS", models());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs it, expects success, and reads its one JSON object.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[&["--json"], arguments].concat()).succeeded().json()
    }

    /// The corpus indexed without a language model.
    pub fn plain_index(&self) -> Value {
        self.json(&["index", "--no-handles", "corpus"])
    }

    /// Imports these handles: document, kind, text.
    pub fn import(&self, rows: &[(&str, &str, &str)]) -> Value {
        let rows =
            rows.iter().map(|(id, kind, text)| serde_json::json!({"id": id, "kind": kind, "text": text}).to_string());
        self.write("handles.jsonl", rows.collect::<Vec<_>>().join("\n"));
        self.json(&["handles", "import", "handles.jsonl"])
    }
}

/// How a run ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub fn succeeded(self) -> Self {
        self.exited(0)
    }

    pub fn exited(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }
}

/// The folder `make setup` fills.
pub fn models() -> PathBuf {
    let folder = std::env::var_os("FRONTLOAD_MODELS").map_or_else(|| root().join(".models"), PathBuf::from);
    assert!(folder.is_dir(), "{}: missing; run `make setup`", folder.display());
    folder
}

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The JSON objects of a file of lines.
pub fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

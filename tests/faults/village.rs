//! A small corpus whose every passage names itself, a scripted model that writes down what it is asked, and what must
//! hold of the index between two commands.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use frontload_index::{IndexDir, Reader, verify};
use serde_json::{Value, json};

use crate::bench::{Bench, Ended, root};

/// One kind that is asked about each passage, and one more that quotes.
const SCHEMA: &str = r#"
[schema]
name = "village"
about = "entries of a village's log"

[[handle]]
kind = "time"
ask = "Quote the words that say when."
evidence = "verbatim"
max_items = 1
max_chars = 40

[[handle]]
kind = "mood"
ask = "How does it feel?"
evidence = "inferred"
max_items = 1
max_chars = 40

[[handle]]
kind = "note"
evidence = "inferred"
"#;

/// Chosen so that short words do not repeat within a text.
const THINGS: [&str; 8] = ["sails", "hens", "lamps", "barrels", "letters", "geese", "ladders", "bells"];

/// The corpus, its index, and the accounts of both.
pub struct Village {
    pub bench: Bench,
    /// Number and version of every entry.
    entries: BTreeMap<usize, usize>,
    next: usize,
    /// Handles that were imported and acknowledged: entry, version, text.
    pub imported: BTreeSet<(String, String)>,
}

impl Village {
    /// A corpus of so many entries, not indexed yet.
    pub fn new(count: usize) -> Self {
        let bench = Bench::new();
        bench.write("corpus/handles.toml", SCHEMA);
        let village =
            Self { bench, entries: (0..count).map(|at| (at, 0)).collect(), next: count, imported: BTreeSet::new() };
        village.write("");
        village
    }

    /// Writes the corpus as it is now; the first entry also says `marked`.
    pub fn write(&self, marked: &str) {
        let rows = self.entries.iter().enumerate().map(|(at, (number, version))| {
            let mark = if at == 0 { marked } else { "" };
            json!({"_id": format!("e{number}"), "title": "", "text": format!("{}{mark}", text(*number, *version))})
                .to_string()
        });
        self.bench.write("corpus/corpus.jsonl", rows.collect::<Vec<_>>().join("\n"));
    }

    /// Changes two entries, adds one and takes one out.
    pub fn edit(&mut self, choices: &mut fastrand::Rng) {
        for _ in 0..2 {
            if let Some(version) = choices.choice(self.entries.values_mut()) {
                *version += 1;
            }
        }
        self.entries.insert(self.next, 0);
        self.next += 1;
        if let Some(gone) = choices.choice(self.entries.keys().copied().collect::<Vec<_>>()) {
            self.entries.remove(&gone);
        }
        self.write("");
    }

    /// Number and version of every entry.
    pub fn entries(&self) -> &BTreeMap<usize, usize> {
        &self.entries
    }

    /// Gives an entry this version, be it new, changed or back again. [`write`](Self::write) writes it.
    pub fn put(&mut self, number: usize, version: usize) {
        self.entries.insert(number, version);
        self.next = self.next.max(number + 1);
    }

    /// Takes an entry out.
    pub fn take_out(&mut self, number: usize) {
        self.entries.remove(&number);
    }

    /// Every entry's number with its tag, which its text, the model's log and its handle have in common.
    pub fn tags(&self) -> BTreeMap<String, String> {
        self.entries.iter().map(|(number, version)| (format!("e{number}"), tag(*number, *version))).collect()
    }

    /// A file of handles for some entries, none of which was imported before.
    pub fn rows(&self, name: &str, choices: &mut fastrand::Rng) -> Vec<(String, String)> {
        let tags: Vec<(String, String)> = self.tags().into_iter().collect();
        let mut rows = Vec::new();
        for _ in 0..3 {
            let (id, tag) = choices.choice(&tags).expect("an entry").clone();
            rows.push((id, format!("note {} on {tag}", choices.u32(..))));
        }
        let lines = rows.iter().map(|(id, text)| json!({"id": id, "kind": "note", "text": text}).to_string());
        self.bench.write(name, lines.collect::<Vec<_>>().join("\n"));
        rows
    }

    /// The program, asked to use the scripted model, in a process group of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bench.command([&["--model", &model()], arguments].concat());
        self.script(&mut command);
        command.process_group(0);
        command
    }

    /// The same, run by another program.
    pub fn command_under(&self, mut wrapper: Command, arguments: &[&str]) -> Command {
        let program = self.command(arguments);
        wrapper.arg(program.get_program()).args(program.get_args());
        wrapper.current_dir(self.bench.path("")).stdin(Stdio::null());
        wrapper.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        wrapper
    }

    /// What the scripted model needs around it.
    pub fn script(&self, command: &mut Command) {
        command.env("SCRIPTED_LOG", self.log());
        // A version manager's stand-in for python3 takes longer than the script.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("/usr/bin:{path}"));
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("the binary runs"))
    }

    fn log(&self) -> PathBuf {
        self.bench.path("asked.log")
    }

    /// Which passages the model was ever asked about, in order.
    pub fn asked(&self) -> Vec<String> {
        fs::read_to_string(self.log()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    pub fn index(&self) -> PathBuf {
        self.bench.path(".frontload")
    }

    pub fn ledger_path(&self) -> PathBuf {
        self.index().join("ledger/000001.jsonl")
    }

    /// The ledger up to its last whole line: what was acknowledged.
    pub fn ledger(&self) -> Vec<u8> {
        let mut bytes = fs::read(self.ledger_path()).unwrap_or_default();
        bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
        bytes
    }

    /// The index looked over as a reader and `verify` do: which generation answers, and that all of it is whole.
    pub fn whole(&self) -> Result<u64, String> {
        let dir = IndexDir::new(self.index());
        let opened = Reader::open(&dir).map_err(|error| format!("does not open: {error}"))?;
        if let Some(stale) = opened.stale {
            return Err(format!("the live generation is not whole: {stale}"));
        }
        let (_, findings) = verify(&dir).map_err(|error| format!("verify: {error}"))?;
        match findings.first() {
            Some(finding) => Err(format!("verify: {}", finding.error)),
            None => Ok(opened.reader.manifest().generation),
        }
    }

    /// Handles of the live generation: entry and text.
    pub fn handles(&self) -> BTreeSet<(String, String)> {
        let exported = self.bench.run(&["handles", "export"]).succeeded().stdout;
        let rows = exported.lines().map(|line| serde_json::from_str::<Value>(line).expect("a row"));
        rows.map(|row| {
            (row["id"].as_str().expect("an id").to_owned(), row["text"].as_str().expect("a text").to_owned())
        })
        .collect()
    }

    /// What they must be once everything is answered: the model's about each entry, and what was imported for the text
    /// that each entry has now.
    pub fn expected(&self) -> BTreeSet<(String, String)> {
        let tags = self.tags();
        let moods = tags.iter().map(|(id, tag)| (id.clone(), format!("unease about {tag}")));
        let notes = self
            .imported
            .iter()
            .filter(|(id, text)| tags.get(id).is_some_and(|tag| text.split(' ').next_back() == Some(tag)));
        moods.chain(notes.cloned()).collect()
    }
}

/// The tags of passages that a ledger holds an answer to.
pub fn answered(ledger: &[u8]) -> BTreeSet<String> {
    records(ledger)
        .filter_map(|record| {
            let said = record["answer"]["result"]["Ok"]["text"].as_str()?;
            Some(said.split_whitespace().next_back()?.to_owned())
        })
        .collect()
}

/// Texts of the handles that a ledger holds as imported.
pub fn imports(ledger: &[u8]) -> BTreeSet<String> {
    records(ledger).filter_map(|record| Some(record["import"]["text"].as_str()?.to_owned())).collect()
}

fn records(ledger: &[u8]) -> impl Iterator<Item = Value> + '_ {
    let lines = ledger.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok()).map(|mut line| line["record"].take())
}

/// What names one version of an entry.
pub fn tag(number: usize, version: usize) -> String {
    format!("e{number}v{version}")
}

/// What it says.
pub fn text(number: usize, version: usize) -> String {
    let thing = THINGS[(number + version) % THINGS.len()];
    format!("Entry {}: the wind stood in the north and {} {thing} were counted.", tag(number, version), number + 3)
}

/// The scripted model's name.
pub fn model() -> String {
    format!("program:{}", root().join("tests/faults/scripted.py").display())
}

/// A folder as it is, hard links kept: generations share files.
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success(), "{} was not copied", from.display());
}

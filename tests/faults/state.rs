//! A damaged state: it is built anew from the ledger, no answer is asked for again and no handle is missing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use frontload_core::{Chunk, Schema};
use frontload_corpus::{chunk_all, read_corpus};
use frontload_enrich::{EnrichError, Job, Ledger, LedgerError, Settings, State, collect};

use super::{Counts, Figures, Form, Village, village::copy};

/// What the index is made of.
struct Made {
    settings: Settings,
    schema: Schema,
    chunks: Vec<Chunk>,
    handles: String,
}

pub fn run(form: Form) -> Figures {
    let mut choices = form.choices();
    let mut village = Village::new(30);
    village.run(&["index", "corpus"]).succeeded();
    let rows = village.rows("handles.jsonl", &mut choices);
    village.run(&["handles", "import", "handles.jsonl"]).succeeded();
    village.imported.extend(rows);
    village.edit(&mut choices);
    village.run(&["index", "corpus"]).succeeded();
    let index = village.index();
    let kept = village.bench.path("kept");
    let made = made(&index);
    copy(&index, &kept);
    let (each, looked_at) = if form.long { (1000, 60) } else { (40, 2) };
    let mut figures = Figures::new();
    for name in names(&kept.join("state.sled")) {
        let path = index.join("state.sled").join(&name);
        let mut became = Counts::default();
        for _ in 0..each {
            let how = harm(&path, &mut choices);
            became.add(again(&index, &made, &how));
            copy(&kept.join("state.sled"), &index.join("state.sled"));
        }
        let kind = name.to_string_lossy();
        let kind = kind.split('.').next().unwrap_or(&kind).to_owned();
        figures.push(format!("damage, state {kind}: {each}: {}", became.told()));
        for number in 0..looked_at {
            let how = harm(&path, &mut choices);
            program(&village, &how, number % 2 == 0);
            copy(&kept, &index);
        }
        figures
            .push(format!("damage, state {kind}: {looked_at} through the program: 0 calls, 0 handles lost, 0 deaths"));
    }
    figures
}

pub(super) fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a state").flatten();
    let mut names: Vec<PathBuf> =
        entries.filter(|entry| entry.path().is_file()).map(|entry| entry.file_name().into()).collect();
    names.sort();
    names
}

/// Flips a bit, cuts, empties, fills with noise, or removes.
pub(super) fn harm(path: &Path, choices: &mut fastrand::Rng) -> String {
    let mut bytes = fs::read(path).expect("a file");
    // Most of the file is room for more: half of the blows fall where something is written.
    let written = bytes.iter().rposition(|&byte| byte != 0).map_or(bytes.len(), |last| last + 1);
    let end = if choices.bool() { written } else { bytes.len() };
    let at = choices.usize(..end.max(1));
    let how = match choices.u8(..16) {
        0..=9 => {
            bytes[at] ^= 1 << choices.u8(..8);
            format!("byte {at} flipped")
        }
        10..=12 => {
            bytes.truncate(at);
            format!("cut at byte {at}")
        }
        13 => {
            bytes.fill(0);
            "all zero".to_owned()
        }
        14 => {
            choices.fill(&mut bytes);
            "all noise".to_owned()
        }
        _ => {
            fs::remove_file(path).expect("removed");
            return format!("{}: removed", path.display());
        }
    };
    fs::write(path, bytes).expect("written");
    format!("{}: {how}", path.display())
}

fn made(index: &Path) -> Made {
    let (ledger, _) = Ledger::open(&index.join("ledger")).expect("a ledger");
    let state = State::open(&index.join("state.sled"), &ledger).expect("a state");
    let settings = state.settings(&ledger).expect("readable").expect("settings");
    let schema = Schema::from_toml(settings.schema_toml.as_deref().expect("a schema")).expect("valid");
    let corpus = read_corpus(&settings.sources).expect("a corpus");
    let chunks = chunk_all(&corpus.documents, settings.chunk_chars);
    let mut made = Made { settings, schema, chunks, handles: String::new() };
    made.handles = known(&made, &ledger, &state).expect("readable");
    made
}

/// What the state leads to: everything, or why it does not.
fn known(made: &Made, ledger: &Ledger, state: &State) -> Result<String, EnrichError> {
    let model = made.settings.model.as_deref().expect("a model");
    let missing = Job::new(&made.chunks, &made.schema).plan(model, state, false)?.len();
    let collected = collect(&made.chunks, &made.schema, Some(model), (ledger, state))?;
    let settings = state.settings(ledger)?.is_some();
    Ok(format!("{missing} missing, settings {settings}, {:?}", collected.handles))
}

/// Opens a damaged state as the program does, and compares what it leads to.
fn again(index: &Path, made: &Made, how: &str) -> &'static str {
    let path = index.join("state.sled");
    let (ledger, _) = Ledger::open(&index.join("ledger")).expect("a ledger");
    let open = || State::open(&path, &ledger).and_then(|state| known(made, &ledger, &state));
    let mut became = "opened";
    let found = match open() {
        Err(EnrichError::Ledger(LedgerError::Damaged { .. }) | EnrichError::State(_)) => {
            became = "built anew when it turned out broken";
            State::discard(&path).expect("moved aside");
            open()
        }
        found => found,
    };
    let found = found.unwrap_or_else(|error| panic!("{how}: {error}"));
    assert_eq!(found, made.handles, "{how}");
    let aside = fs::read_dir(index).expect("an index").flatten();
    let mut moved = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("state.broken")).peekable();
    if moved.peek().is_some() && became == "opened" {
        became = "built anew when it was opened";
    }
    moved.for_each(|entry| fs::remove_dir_all(entry.path()).expect("removed"));
    became
}

/// The same through the program, which may first meet it where people decide.
fn program(village: &Village, how: &str, deciding: bool) {
    let asked = village.asked().len();
    if deciding {
        let ended = village.run(&["handles", "list", "--conflicts"]);
        assert!(ended.code == Some(0) && !ended.stderr.contains("panicked"), "{how}: {}", ended.stderr);
    }
    let ended = village.run(&["rebuild"]);
    let what = format!("{how}: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{what}");
    assert_eq!(ended.code, Some(0), "{what}");
    assert_eq!(village.handles(), village.expected(), "{what}");
    let ended = village.run(&["index", "corpus"]);
    assert!(ended.code == Some(0) && village.asked().len() == asked, "{how}: asked again: {}", ended.stderr);
}

#[test]
fn a_damaged_state_is_built_anew() {
    assert!(run(Form::SHORT).len() >= 6);
}

//! The inputs of a target: those that stand in the repository, those that earlier runs kept, and the one at hand.

use std::{
    fs,
    path::{Path, PathBuf},
};

use frontload_core::Digest;

/// The most that runs keep outside the repository.
const MOST_GROWN: usize = 1000;

/// The files of one target.
pub struct Kept {
    /// Seeds and findings, in the repository.
    seeds: PathBuf,
    /// What is not: inputs that brought something new, and notes of the run.
    state: PathBuf,
}

impl Kept {
    pub fn of(target: &str) -> Self {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
        let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(target);
        fs::create_dir_all(state.join("grown")).expect("a folder for what is kept");
        Self { seeds, state }
    }

    /// Every input to begin with: seeds and findings, then what earlier runs kept, if that is wanted.
    pub fn inputs(&self, with_grown: bool) -> Vec<Vec<u8>> {
        let seeds = files(&self.seeds);
        assert!(!seeds.is_empty(), "{}: no seeds", self.seeds.display());
        let grown = if with_grown { files(&self.state.join("grown")) } else { Vec::new() };
        let read = |path: PathBuf| fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        seeds.into_iter().chain(grown).map(read).collect()
    }

    /// Keeps a finding among the seeds, and says where.
    pub fn keep(&self, input: &[u8]) -> String {
        let path = self.seeds.join(format!("found-{}", Digest::of_bytes(input).short()));
        fs::write(&path, input).expect("the finding is written");
        let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&path);
        shown.display().to_string()
    }

    /// Keeps what brought something new, for the next run.
    pub fn grow(&self, inputs: &[Vec<u8>]) {
        let grown = self.state.join("grown");
        for input in inputs.iter().take(MOST_GROWN.saturating_sub(files(&grown).len())) {
            fs::write(grown.join(Digest::of_bytes(input).short()), input).expect("what is new is written");
        }
    }

    /// Keeps the input that took longest so far, for whoever wants to know why.
    pub fn keep_slowest(&self, input: &[u8]) {
        fs::write(self.state.join("slowest"), input).expect("the slowest input is written");
    }

    /// The input that was run last, as [`frame`] wrote it.
    pub fn current(&self) -> Option<Vec<u8>> {
        let framed = fs::read(self.current_file()).ok()?;
        let (length, input) = framed.split_first_chunk::<8>()?;
        input.get(..u64::from_le_bytes(*length) as usize).map(<[u8]>::to_vec)
    }

    /// Where the input at hand is written before it is run.
    pub fn current_file(&self) -> PathBuf {
        self.state.join("current")
    }

    /// Where a run says what came of it.
    pub fn told(&self) -> PathBuf {
        self.state.join("told")
    }

    /// Where its process says what it says.
    pub fn stderr(&self) -> PathBuf {
        self.state.join("stderr")
    }
}

/// An input behind its length: the file is written over, not cut, for every input.
pub fn frame(input: &[u8]) -> Vec<u8> {
    [&(input.len() as u64).to_le_bytes()[..], input].concat()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

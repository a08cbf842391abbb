//! Every name on disk.

use std::path::{Path, PathBuf};

use frontload_core::Field;

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const BM25: &str = "bm25";
pub(crate) const DENSE: &str = "dense";
pub(crate) const CHUNKS: &str = "chunks";
/// The parts of a generation: a folder each.
pub(crate) const PARTS: [&str; 3] = [BM25, DENSE, CHUNKS];
/// Where chunks stand in their files, and the files' paths.
pub(crate) const PLACES: &str = "chunks/places";
pub(crate) const PATHS: &str = "chunks/paths.json";

/// The folder of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDir(PathBuf);

impl IndexDir {
    /// Names the folder; nothing is touched.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Held by the one writer.
    pub fn lock(&self) -> PathBuf {
        self.0.join("LOCK")
    }

    /// The source of truth.
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }

    /// Rebuildable from the ledger.
    pub fn state(&self) -> PathBuf {
        self.0.join("state.sled")
    }

    /// All generations.
    pub fn generations(&self) -> PathBuf {
        self.0.join("generations")
    }

    /// Vectors of a build that is not published yet.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.0.join("embedding.unfinished")
    }

    /// What people thought of hits, as the service writes it down.
    pub fn feedback(&self) -> PathBuf {
        self.0.join("feedback.jsonl")
    }

    /// The page of measurements that the service shows.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// Names the live generation.
    pub fn current(&self) -> PathBuf {
        self.0.join("CURRENT")
    }

    pub(crate) fn generation(&self, name: &str) -> PathBuf {
        self.generations().join(name)
    }

    /// Whether an index, or the beginning of one, is here.
    pub fn exists(&self) -> bool {
        self.current().exists() || self.ledger().exists()
    }
}

pub(crate) fn generation_name(number: u64) -> String {
    format!("gen-{number:06}")
}

/// The number of a generation's folder; `None` for every other name, so that a damaged `CURRENT` cannot
/// lead out of the folder.
pub(crate) fn generation_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("gen-")?;
    (digits.len() >= 6 && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// A part of the vectors, inside [`DENSE`].
pub(crate) fn vectors_name(part: usize) -> String {
    format!("vectors-{part}.f32")
}

pub(crate) fn vectors_file(part: usize) -> String {
    format!("{DENSE}/{}", vectors_name(part))
}

pub(crate) fn keys_file(part: usize) -> String {
    format!("{DENSE}/keys-{part}")
}

pub(crate) fn rows_file(field: &Field) -> String {
    format!("{DENSE}/{field}.rows")
}

/// The mean of a lane's vectors.
pub(crate) fn mean_file(field: &Field) -> String {
    format!("{DENSE}/{field}.mean")
}

/// Which vectors a graph holds and leads to, and which it holds but does not lead to.
pub(crate) fn points_file(field: &Field) -> String {
    format!("{DENSE}/{field}.points")
}

/// The points of a graph and their links.
pub(crate) fn links_file(field: &Field) -> String {
    format!("{DENSE}/{field}.links")
}

/// The files of a lane's graph.
pub(crate) fn graph_files(field: &Field) -> [String; 2] {
    [links_file(field), points_file(field)]
}

/// All files that a dense lane may have to itself.
pub(crate) fn lane_files(field: &Field) -> Vec<String> {
    let own = [rows_file(field), mean_file(field)];
    own.into_iter().chain(graph_files(field)).collect()
}

/// The tantivy field of a handle kind; the prefix keeps kinds apart from our own fields.
pub(crate) fn bm25_field(field: &Field) -> String {
    match field {
        Field::Body => "body".to_owned(),
        Field::Title => "title".to_owned(),
        Field::Concatenated => "concatenated".to_owned(),
        Field::Handle(kind) => format!("handle_{kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_generation_names_are_numbers() {
        assert_eq!(generation_number(&generation_name(42)), Some(42));
        assert_eq!(generation_number("gen-1234567"), Some(1_234_567));
        for wrong in ["gen-", "gen-42", "../gen-000042", "gen-00004x", "gen-000001/.."] {
            assert_eq!(generation_number(wrong), None, "{wrong}");
        }
    }
}

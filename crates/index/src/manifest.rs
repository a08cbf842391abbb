//! What belongs to a generation: written last, checked first.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path},
};

use frontload_core::{Digest, Fusion, Lane, Schema, Tuning};
use serde::{Deserialize, Serialize};

use crate::{IndexDir, IndexError, analysis::Analysis, bm25::MetaColumns, dense::GraphEntry, layout};

/// The newest format this program reads and the one it writes.
pub const FORMAT_VERSION: u32 = 3;
/// The oldest it reads.
pub(crate) const OLDEST_VERSION: u32 = 2;
/// The first whose graphs are lists of links. Before, they were in `hnsw_rs`'s own form.
const LINKS_VERSION: u32 = 3;

/// One generation's description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format; a reader refuses newer ones.
    pub format_version: u32,
    /// The generation's number.
    pub generation: u64,
    /// The program that wrote it.
    pub built_by: String,
    /// Chunks, documents and handles in it.
    pub chunks: u64,
    /// Distinct documents.
    pub documents: u64,
    /// Documents by the corpus they came with.
    pub sources: BTreeMap<String, u64>,
    /// Handles of every kind together.
    pub handles: u64,
    /// The schema the handles follow.
    pub schema: Option<Schema>,
    /// The language model's fingerprint.
    pub model: Option<String>,
    /// The embedding model's fingerprint.
    pub embedder: String,
    /// The length of every vector.
    pub dimension: usize,
    /// What the embedding model is told before a text, by field, and before a query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prefixes: BTreeMap<String, String>,
    /// In how many files the vectors lie.
    pub vector_parts: usize,
    /// How texts became words.
    pub words: String,
    /// The language of most documents, which those are taken for whose own is not known.
    pub language: Option<String>,
    /// The facts of documents that filters can read.
    pub metadata: MetaColumns,
    /// Every lane that has content, with its default weight.
    pub lanes: Vec<LaneEntry>,
    /// How rankings are joined unless asked otherwise.
    pub fusion: Fusion,
    /// What the weights rest on; `None` when they are the defaults.
    pub tuning: Option<Tuning>,
    /// Where it was copied from, when it was not built from a ledger here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<String>,
    /// Every other file of the generation.
    pub files: Vec<FileEntry>,
}

/// One lane of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneEntry {
    /// Which.
    pub lane: Lane,
    /// Its weight in fusion; 0 switches it off.
    pub weight: f32,
    /// For a lane of words: every way in which they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub analyses: Vec<Analysis>,
    /// For a dense lane: the places its vectors stand in.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// For a dense lane: its graph; without one every vector is scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphEntry>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One file of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path inside the generation, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub blake3: Digest,
}

/// What `CURRENT` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Current {
    pub generation: String,
    pub manifest: Digest,
}

impl Current {
    pub fn read(dir: &IndexDir) -> Result<Self, IndexError> {
        let path = dir.current();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(IndexError::NotAnIndex(dir.path().to_owned()));
            }
            read => read.map_err(|source| IndexError::io(&path, source))?,
        };
        let current: Self = serde_json::from_slice(&text).map_err(|error| IndexError::corrupt(&path, error))?;
        if layout::generation_number(&current.generation).is_none() {
            return Err(IndexError::corrupt(&path, format!("{:?} names no generation", current.generation)));
        }
        Ok(current)
    }

    /// Whether the manifest it leads to is, to the byte, the one it was written for.
    pub fn vouches(&self, dir: &IndexDir) -> bool {
        let path = dir.generation(&self.generation).join(layout::MANIFEST);
        fs::read(path).is_ok_and(|text| Digest::of_bytes(&text) == self.manifest)
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format_version: u32,
}

impl Manifest {
    /// Reads a generation's manifest; `expected` is its hash if that is known.
    pub(crate) fn read(folder: &Path, expected: Option<Digest>) -> Result<Self, IndexError> {
        let path = folder.join(layout::MANIFEST);
        let text = fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => match expected {
                Some(_) => IndexError::corrupt(&path, "missing, though CURRENT names it"),
                None => IndexError::corrupt(&path, "missing"),
            },
            _ => IndexError::io(&path, error),
        })?;
        // The format first: a newer manifest may hash and read differently in every other way.
        let format: FormatOnly = serde_json::from_slice(&text).map_err(|error| IndexError::corrupt(&path, error))?;
        if format.format_version > FORMAT_VERSION {
            return Err(IndexError::Newer { path, found: format.format_version });
        }
        if format.format_version < OLDEST_VERSION {
            return Err(IndexError::Older { path, found: format.format_version });
        }
        if expected.is_some_and(|expected| expected != Digest::of_bytes(&text)) {
            return Err(IndexError::corrupt(&path, "its hash is not the one in CURRENT"));
        }
        let mut manifest: Self = serde_json::from_slice(&text).map_err(|error| IndexError::corrupt(&path, error))?;
        if format.format_version < LINKS_VERSION {
            // Its lanes are scanned, which finds no less, until the next publish makes their graphs anew.
            manifest.lanes.iter_mut().for_each(|entry| entry.graph = None);
        }
        match manifest.problem() {
            Some(problem) => Err(IndexError::corrupt(&path, problem)),
            None => Ok(manifest),
        }
    }

    /// What it says that no generation is like. Its hash only tells that it is what somebody wrote: no path of it may
    /// lead out of the generation, and no number of it is counted up to unseen.
    fn problem(&self) -> Option<String> {
        let is_inside = |path: &str| {
            let mut parts = Path::new(path).components().peekable();
            parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
        };
        if let Some(outside) = self.files.iter().find(|entry| !is_inside(&entry.path)) {
            return Some(format!("{:?} is no file of a generation", outside.path));
        }
        if self.vector_parts > self.files.len() {
            return Some(format!("{} parts of vectors in {} files", self.vector_parts, self.files.len()));
        }
        let wrong = self.lanes.iter().find(|entry| !entry.weight.is_finite() || entry.weight < 0.0);
        wrong.map(|entry| format!("lane {} has the weight {}", entry.lane, entry.weight))
    }

    /// Checks every file against its entry.
    pub(crate) fn check_files(&self, folder: &Path) -> Result<(), IndexError> {
        self.files.iter().try_for_each(|entry| entry.check(folder))
    }
}

impl FileEntry {
    /// Describes a file as it is.
    pub(crate) fn of(folder: &Path, name: &str) -> Result<Self, IndexError> {
        let path = folder.join(name);
        let wrong = |source| IndexError::io(&path, source);
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(fs::File::open(&path).map_err(wrong)?).map_err(wrong)?;
        Ok(Self { path: name.to_owned(), bytes: hasher.count(), blake3: Digest(*hasher.finalize().as_bytes()) })
    }

    /// Checks the file against this entry.
    pub(crate) fn check(&self, folder: &Path) -> Result<(), IndexError> {
        let path = folder.join(&self.path);
        let found = match Self::of(folder, &self.path) {
            Err(IndexError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(IndexError::corrupt(&path, "missing"));
            }
            found => found?,
        };
        if found.bytes != self.bytes {
            let problem = format!("{} bytes long, the manifest says {}", found.bytes, self.bytes);
            return Err(IndexError::corrupt(&path, problem));
        }
        if found.blake3 != self.blake3 {
            return Err(IndexError::corrupt(&path, "its hash is not the one in the manifest"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_generation_is_like_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |(path, parts, weight): (&str, usize, f32), expected: Option<&str>| {
            let entry = serde_json::json!({"path": path, "bytes": 1, "blake3": Digest::of_bytes(b"a")});
            let manifest = serde_json::json!({
                "format_version": FORMAT_VERSION, "generation": 1, "built_by": "", "chunks": 1, "documents": 1,
                "sources": {}, "handles": 0, "schema": null, "model": null, "embedder": "", "dimension": 1,
                "vector_parts": parts, "words": "", "language": null, "metadata": [], "tuning": null,
                "lanes": [{"lane": "body.bm25", "weight": weight}],
                "fusion": {"method": "rrf", "k": 60.0}, "files": [entry],
            });
            fs::write(folder.path().join(layout::MANIFEST), manifest.to_string()).expect("written");
            let problem = Manifest::read(folder.path(), None).err().map(|error| error.to_string());
            match (&problem, expected) {
                (Some(problem), Some(expected)) => assert!(problem.contains(expected), "{problem}"),
                _ => assert_eq!(problem.as_deref(), expected),
            }
        };
        check(("bm25/a", 1, 1.0), None);
        for path in ["", "/dev/zero", "../gen-000001/a", "bm25/../../a", "."] {
            check((path, 1, 1.0), Some("is no file of a generation"));
        }
        check(("bm25/a", usize::MAX >> 12, 1.0), Some("parts of vectors in 1 files"));
        check(("bm25/a", 1, -1.0), Some("lane body.bm25 has the weight -1"));
    }
}

//! What people thought of hits: appended, one JSON object a line, to a file that measuring can read.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use frontload_core::Chunk;
use serde::{Deserialize, Serialize};

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// When, in seconds since 1970.
    pub at: u64,
    /// What was looked for.
    pub query: String,
    /// The hit's chunk.
    pub chunk: String,
    /// Its document.
    pub document: String,
    /// Whether it was what was looked for.
    pub relevant: bool,
    /// A remark in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The generation that gave it.
    pub generation: u64,
}

/// The file.
pub(crate) struct Feedback {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Feedback {
    /// A file that is made by its first remark.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: Mutex::new(None) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a remark down; it is on the disk when this returns.
    pub fn write(
        &self,
        chunk: &Chunk,
        query: String,
        (relevant, note): (bool, String),
        generation: u64,
    ) -> io::Result<()> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let (chunk, document) = (chunk.id(), chunk.document.clone());
        let remark = Remark { at, query, chunk, document, relevant, note, generation };
        let mut line = serde_json::to_vec(&remark)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match file.as_mut() {
            Some(open) => open,
            None => file.insert(opened(&self.path)?),
        };
        // What a full disk cut short must not swallow the next remark.
        let whole = open.metadata()?.len();
        let written = open.write_all(&line).and_then(|()| open.sync_data());
        if written.is_err() {
            let _ = open.set_len(whole);
        }
        written
    }
}

/// Opens the file for appending; a last line that was never finished, the service having died in it, is cut off.
fn opened(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let bytes = std::fs::read(path)?;
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_does_not_swallow_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("feedback.jsonl");
        std::fs::write(&path, "{\"at\":1}\n{\"at\":2,\"que").expect("written");
        let file = opened(&path).expect("opens");
        (&file).write_all(b"next\n").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "{\"at\":1}\nnext\n");
    }
}

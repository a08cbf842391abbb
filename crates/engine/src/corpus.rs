//! Reading a corpus: BEIR folders, JSON lines, Markdown and plain text. What cannot be read is listed with
//! its reason and left out; it never stops the rest.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use frontload_core::Document;
use serde::Deserialize;

use crate::{EngineError, input};

/// A document larger than this is left out: it is a dump, not a text.
const DOCUMENT_BYTES: usize = 8 << 20;
/// A schema beside the corpus: found by `frontload index`, and no document.
pub const SCHEMA_FILE: &str = "handles.toml";
/// The file that makes a folder a BEIR collection.
const BEIR_FILE: &str = "corpus.jsonl";
pub(crate) const FORMATS: &str = "BEIR folders, .jsonl, .md, .txt";

/// Everything readable.
#[derive(Debug, Default)]
pub struct Corpus {
    /// The documents, in the order of their files.
    pub documents: Vec<Document>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file, with the line if it has lines.
    pub place: String,
    /// Why.
    pub reason: String,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "_id", alias = "id")]
    id: serde_json::Value,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

/// Reads every path: a file, or a folder with everything under it that is not ignored or hidden.
///
/// # Errors
/// When a path does not exist, or nothing at all could be read.
pub fn read_corpus(paths: &[PathBuf]) -> Result<Corpus, EngineError> {
    let mut corpus = Corpus::default();
    for path in paths {
        let kind = fs::metadata(path).map_err(|error| input(path, None, error))?;
        let beir = path.join(BEIR_FILE);
        if kind.is_file() {
            corpus.read_file(path, path.parent().unwrap_or(path));
        } else if beir.is_file() {
            corpus.read_file(&beir, path);
        } else {
            corpus.read_folder(path);
        }
    }
    let mut ids = HashSet::new();
    let skipped = &mut corpus.skipped;
    corpus.documents.retain(|document| {
        let fresh = ids.insert(document.id.clone());
        if !fresh {
            skipped.push(Skipped { place: document.id.clone(), reason: "its id was there before".to_owned() });
        }
        fresh
    });
    if corpus.documents.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let (paths, skipped) = (paths.join(", "), corpus.skipped.len());
        return Err(EngineError::EmptyCorpus { paths, formats: FORMATS, skipped });
    }
    Ok(corpus)
}

impl Corpus {
    fn read_folder(&mut self, folder: &Path) {
        let walk = ignore::WalkBuilder::new(folder).sort_by_file_path(Ord::cmp).build();
        for entry in walk {
            match entry {
                Ok(entry) if entry.file_name() == SCHEMA_FILE => {}
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    self.read_file(entry.path(), folder);
                }
                Ok(_) => {}
                Err(error) => self.skip(folder.display().to_string(), error),
            }
        }
    }

    fn read_file(&mut self, path: &Path, root: &Path) {
        let place = path.display().to_string();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" => self.read_lines(path),
            "md" | "markdown" | "txt" | "text" => {
                if fs::metadata(path).is_ok_and(|found| found.len() > DOCUMENT_BYTES as u64) {
                    return self.skip(place, format!("larger than {} MiB", DOCUMENT_BYTES >> 20));
                }
                let id = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
                match fs::read(path).map(String::from_utf8) {
                    Ok(Ok(text)) => self.add(place, Document { title: title_of(path, &text), id, text }),
                    Ok(Err(error)) => self.skip(place, format!("not UTF-8 ({})", error.utf8_error())),
                    Err(error) => self.skip(place, error),
                }
            }
            _ => self.skip(place, format!("not a format that is read ({FORMATS})")),
        }
    }

    fn read_lines(&mut self, path: &Path) {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return self.skip(path.display().to_string(), error),
        };
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let place = format!("{}:{}", path.display(), at + 1);
            if line.len() > DOCUMENT_BYTES {
                self.skip(place, format!("a line of {} MiB, larger than {}", line.len() >> 20, DOCUMENT_BYTES >> 20));
                continue;
            }
            let Ok(line) = std::str::from_utf8(line) else {
                self.skip(place, "not UTF-8");
                continue;
            };
            match serde_json::from_str::<Row>(line) {
                Ok(row) => {
                    let id = match row.id {
                        serde_json::Value::String(id) => id,
                        serde_json::Value::Number(number) => number.to_string(),
                        _ => String::new(),
                    };
                    let title = row.title.unwrap_or_default();
                    self.add(place, Document { id, title, text: row.text.unwrap_or_default() });
                }
                Err(error) => self.skip(place, format!("no document: {error}")),
            }
        }
    }

    fn add(&mut self, place: String, document: Document) {
        if document.id.is_empty() {
            self.skip(place, "its _id is missing, or neither text nor number");
        } else if document.text.trim().is_empty() {
            self.skip(place, "its text is empty");
        } else {
            self.documents.push(document);
        }
    }

    fn skip(&mut self, place: String, reason: impl ToString) {
        self.skipped.push(Skipped { place, reason: reason.to_string() });
    }
}

/// A Markdown file's first heading, or the file's name.
fn title_of(path: &Path, text: &str) -> String {
    let heading = text.lines().find_map(|line| line.strip_prefix("# "));
    let name = || path.file_stem().unwrap_or_default().to_string_lossy().replace(['_', '-'], " ");
    heading.map_or_else(name, |heading| heading.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &[u8])]) -> Result<(Vec<String>, Vec<String>), EngineError> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).expect("written");
        }
        let corpus = read_corpus(&[folder.path().to_owned()])?;
        let ids = corpus.documents.into_iter().map(|document| document.id).collect();
        Ok((ids, corpus.skipped.into_iter().map(|skipped| skipped.reason).collect()))
    }

    #[test]
    fn bad_lines_are_listed_and_the_rest_is_read() {
        let long = format!("{{\"_id\": \"long\", \"text\": \"{}\"}}\n", "a".repeat(10 << 20));
        let mut file =
            b"{\"_id\": \"a\", \"text\": \"one\"}\n\n{\"_id\": 7, \"title\": null, \"text\": \"two\"}\n".to_vec();
        file.extend(b"{\"_id\": \"b\", \"text\": \" \"}\nnot json\n\xff\xfe\n{\"_id\": \"a\", \"text\": \"again\"}\n");
        file.extend(long.as_bytes());
        let (ids, reasons) = read(&[("corpus.jsonl", &file)]).expect("read");
        assert_eq!(ids, ["a", "7"]);
        let expected = ["text is empty", "no document", "not UTF-8", "10 MiB", "there before"];
        assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
        for (reason, expected) in reasons.iter().zip(expected) {
            assert!(reason.contains(expected), "{reason:?} has no {expected:?}");
        }
    }

    #[test]
    fn folders_of_texts_are_walked() {
        let files: [(&str, &[u8]); 3] = [("a.md", b"# The Quay\nText."), ("b.txt", b"Plain."), ("c.bin", b"\0")];
        let (ids, reasons) = read(&files).expect("read");
        assert_eq!(ids, ["a.md", "b.txt"]);
        assert_eq!(reasons.len(), 1);
    }

    #[test]
    fn an_empty_corpus_is_an_error() {
        let error = read(&[("corpus.jsonl", b"\n")]).expect_err("empty").to_string();
        assert!(error.contains("no documents"), "{error}");
    }
}

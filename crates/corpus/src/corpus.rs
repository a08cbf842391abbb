//! Reading a corpus: the files of every path that was given, as documents under ids of their own.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use frontload_core::Document;
use rayon::prelude::*;

use crate::{
    CorpusError,
    apart::Apart,
    formats::{self, FORMATS},
    language,
    walk::{self, SourceFile},
};

/// So many items of one file are listed: a damaged one may have millions.
const MOST_LISTED: usize = 1000;
/// So many are told of where there is nothing else to tell.
const MOST_TOLD: usize = 3;

/// Everything readable.
#[derive(Debug, Default)]
pub struct Corpus {
    /// The documents, in the order of their files.
    pub documents: Vec<Document>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// How much more of one file was left out than is listed.
    unlisted: usize,
    /// Documents that are readable and not wanted: see [`Corpus::withhold`].
    pub withheld: Vec<Document>,
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file, with the line if it has lines.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// Reads every path: a file, or a folder with everything under it that is not ignored or hidden.
///
/// A document's id is its own, or its path in the folder. Where another source has that id already, the later
/// document's begins with its source's name.
///
/// # Errors
/// When a path does not exist, or nothing at all could be read.
pub fn read_corpus(paths: &[PathBuf]) -> Result<Corpus, CorpusError> {
    let mut corpus = Corpus::default();
    let mut opened = HashSet::new();
    let mut sources = Vec::new();
    let mut ids = HashMap::new();
    let apart = Apart::new();
    for (path, name) in paths.iter().zip(source_names(paths)) {
        let found = walk::files_of(path)?;
        let Some(name) = name else {
            corpus.skip(path.display().to_string(), "it was given before");
            continue;
        };
        sources.push(name);
        corpus.skipped.extend(found.skipped);
        // A file may be given besides the folder it is in.
        let is_new = |file: &SourceFile| opened.insert(absolute(&file.path));
        let (files, again): (Vec<_>, Vec<_>) = found.files.into_iter().partition(is_new);
        for file in again {
            corpus.skip(file.path.display().to_string(), "it was read before");
        }
        let read: Vec<Corpus> = files.par_iter().map(|file| formats::read(file, &apart)).collect();
        for part in read {
            corpus.skipped.extend(part.skipped);
            for document in part.documents {
                corpus.adopt(document, &sources, &mut ids);
            }
        }
    }
    corpus.documents.par_iter_mut().for_each(language::fill);
    if corpus.documents.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let (paths, skipped) = (paths.join(", "), told(&corpus.skipped));
        return Err(CorpusError::Empty { paths, formats: FORMATS, skipped });
    }
    Ok(corpus)
}

/// The first few items that were skipped, with their reasons.
fn told(skipped: &[Skipped]) -> String {
    let first = skipped.iter().take(MOST_TOLD).map(|Skipped { place, reason }| format!("; skipped {place}: {reason}"));
    let more = skipped.len().saturating_sub(MOST_TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    first.chain([more]).collect()
}

impl Corpus {
    /// Sets aside the documents that are not wanted. Ids are settled by then: what stays keeps its own.
    pub fn withhold(&mut self, unwanted: impl Fn(&Document) -> bool) {
        let all = std::mem::take(&mut self.documents);
        let (withheld, documents): (Vec<_>, Vec<_>) = all.into_iter().partition(unwanted);
        self.documents = documents;
        self.withheld.extend(withheld);
    }

    /// Takes a document in, unless there is nothing in it.
    pub(crate) fn add(&mut self, place: String, document: Document) {
        if document.text.trim().is_empty() {
            self.skip_item(place, "its text is empty");
        } else {
            self.documents.push(document);
        }
    }

    pub(crate) fn skip(&mut self, place: String, reason: impl ToString) {
        self.skipped.push(Skipped { place, reason: reason.to_string() });
    }

    /// Leaves out one of what may be many items of a file.
    pub(crate) fn skip_item(&mut self, place: String, reason: impl ToString) {
        if self.skipped.len() < MOST_LISTED {
            self.skip(place, reason);
        } else {
            self.unlisted += 1;
        }
    }

    /// Says what is left to say of a file that was read.
    pub(crate) fn close(&mut self, place: String) {
        if self.documents.is_empty() && self.skipped.is_empty() {
            self.skip(place, "nothing is in it");
        } else if self.unlisted > 0 {
            self.skip(place, format!("{} more of its items cannot be read", self.unlisted));
        }
    }

    /// Takes over a document of the last source. `ids` knows which source each id is in.
    fn adopt(&mut self, mut document: Document, sources: &[String], ids: &mut HashMap<String, usize>) {
        let source = sources.last().map_or("", String::as_str);
        if ids.get(&document.id).is_some_and(|known| known + 1 != sources.len()) {
            document.id = format!("{source}/{}", document.id);
        }
        if ids.contains_key(&document.id) {
            self.skip(document.id, "its id was there before");
            return;
        }
        ids.insert(document.id.clone(), sources.len() - 1);
        source.clone_into(&mut document.source);
        self.documents.push(document);
    }
}

/// The name of each path's source, as its documents bear it; `None` for a path that was given before.
pub fn source_names(paths: &[PathBuf]) -> Vec<Option<String>> {
    let (mut given, mut taken) = (HashSet::new(), Vec::new());
    let name = |path: &PathBuf| {
        let absolute = absolute(path);
        let name = unique(&source_name(&absolute), &taken);
        given.insert(absolute).then(|| {
            taken.push(name.clone());
            name
        })
    };
    paths.iter().map(name).collect()
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A folder's name, or a file's without its ending.
fn source_name(absolute: &Path) -> String {
    let name = if absolute.is_dir() { absolute.file_name() } else { absolute.file_stem() };
    name.unwrap_or(absolute.as_os_str()).to_string_lossy().into_owned()
}

/// The name, with a number from 2 on where it is taken.
fn unique(name: &str, taken: &[String]) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2;
    while taken.contains(&candidate) {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays the files, reads the paths, and says `source: id` of every document and the reason of everything skipped.
    fn read(files: &[(&str, &str)], paths: &[&str]) -> Result<(Vec<String>, Vec<String>), CorpusError> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("made");
            fs::write(path, text).expect("written");
        }
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        let corpus = read_corpus(&paths)?;
        let shown = |document: Document| format!("{}: {}", document.source, document.id);
        let reasons = corpus.skipped.into_iter().map(|skipped| skipped.reason).collect();
        Ok((corpus.documents.into_iter().map(shown).collect(), reasons))
    }

    fn check(files: &[(&str, &str)], paths: &[&str], expected: &[&str], reasons: &[&str]) {
        let (documents, skipped) = read(files, paths).expect("read");
        assert_eq!(documents, expected);
        assert_eq!(skipped, reasons);
    }

    #[test]
    fn folders_of_texts_are_walked() {
        let files = [("in/a.md", "# The Quay\nText."), ("in/b.txt", "Plain."), ("in/sub/c.txt", "Deeper.")];
        check(&files, &["in"], &["in: a.md", "in: b.txt", "in: sub/c.txt"], &[]);
        check(&files, &["in/a.md"], &["a: a.md"], &[]);
        check(&files, &["in/sub", "in"], &["sub: c.txt", "in: a.md", "in: b.txt"], &["it was read before"]);
        check(&files, &["in/sub/.."], &["in: a.md", "in: b.txt", "in: sub/c.txt"], &[]);
    }

    #[test]
    fn a_beir_folder_is_its_corpus() {
        let files = [("in/corpus.jsonl", r#"{"_id": "a", "text": "one"}"#), ("in/readme.md", "no document")];
        check(&files, &["in"], &["in: a"], &[]);
    }

    #[test]
    fn sources_are_told_apart() {
        let files = [("x/docs/a.txt", "one"), ("y/docs/a.txt", "two"), ("y/docs/b.txt", "three")];
        let expected = ["docs: a.txt", "docs-2: docs-2/a.txt", "docs-2: b.txt"];
        check(&files, &["x/docs", "y/docs"], &expected, &[]);
    }

    #[test]
    fn an_id_stands_once() {
        let twice = "{\"_id\": \"a\", \"text\": \"one\"}\n{\"_id\": \"a\", \"text\": \"two\"}\n";
        let files = [("one.jsonl", twice), ("two.jsonl", twice)];
        let before = "its id was there before";
        check(&files, &["one.jsonl", "two.jsonl"], &["one: a", "two: two/a"], &[before, before]);
        check(&files, &["one.jsonl", "one.jsonl"], &["one: a"], &[before, "it was given before"]);
    }

    #[test]
    fn nothing_to_read_is_an_error() {
        let error = read(&[("in/corpus.jsonl", "\n")], &["in"]).expect_err("empty").to_string();
        assert!(error.contains("no documents"), "{error}");
        let error = read(&[], &["missing"]).expect_err("not there").to_string();
        assert!(error.contains("missing: "), "{error}");
    }
}

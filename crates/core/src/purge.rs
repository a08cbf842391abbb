//! What people take out of an index for good: a source that turned out hostile, a document that must not be there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is taken out, now and in every later build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purged {
    /// Every document of the sources, folders and files that a pattern names.
    Source(String),
    /// One document, by its id.
    Document(String),
}

/// A person's word that something is taken out, or no longer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// What.
    pub what: Purged,
    /// Whether it is out: the last word counts.
    pub holds: bool,
    /// Whether what was said about it was taken out of the ledger too.
    pub erased: bool,
    /// Why; may be empty.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

impl Purged {
    /// Whether a document is among them: its source's name, its file in that source, its id.
    ///
    /// A pattern names a source, a file of any source, or a file as `source/file`; one that names a folder names
    /// everything in it.
    pub fn covers(&self, source: &str, path: &str, document: &str) -> bool {
        match self {
            Self::Document(id) => id == document,
            Self::Source(pattern) => {
                let within = format!("{source}/{path}");
                [source, path, within.as_str()].into_iter().any(|name| names(pattern.trim_end_matches('/'), name))
            }
        }
    }
}

impl fmt::Display for Purged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(pattern) => write!(formatter, "source {pattern}"),
            Self::Document(id) => write!(formatter, "document {id}"),
        }
    }
}

/// Whether a pattern is a name, or a folder above it.
fn names(pattern: &str, name: &str) -> bool {
    let above = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
    above.chain([name]).any(|name| is_match(pattern, name))
}

/// `?` stands for one letter and `*` for any number of them, both but `/`; `**` stands for anything.
fn is_match(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // Where in the name the pattern, as far as it is read, may end.
    let mut ends: Vec<bool> = (0..=name.len()).map(|at| at == 0).collect();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '*' {
            let deep = letters.next_if_eq(&'*').is_some();
            ends = spread(&ends, &name, deep);
            continue;
        }
        let fits = |other: char| other == letter || (letter == '?' && other != '/');
        let stepped = ends.iter().zip(&name).map(|(&end, &other)| end && fits(other));
        ends = [false].into_iter().chain(stepped).collect();
    }
    ends.last().copied().unwrap_or(false)
}

/// From every place on as far as a star goes.
fn spread(ends: &[bool], name: &[char], deep: bool) -> Vec<bool> {
    let mut open = false;
    // Nothing is crossed to come to the beginning.
    let crossed = [None].into_iter().chain(name.iter().map(Some));
    let reached = |(&end, crossed): (&bool, Option<&char>)| {
        open = end || (open && (deep || crossed != Some(&'/')));
        open
    };
    ends.iter().zip(crossed).map(reached).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_sources_folders_and_files() {
        let check = |pattern: &str, source: &str, path: &str, expected: bool| {
            let covered = Purged::Source(pattern.to_owned()).covers(source, path, "id");
            assert_eq!(covered, expected, "{pattern} / {source} / {path}");
        };
        check("forum", "forum", "2024/a.txt", true);
        check("forum/", "forum", "2024/a.txt", true);
        check("forum", "forum-2", "a.txt", false);
        check("2024", "forum", "2024/a.txt", true);
        check("forum/2024", "forum", "2024/a.txt", true);
        check("forum/2024/*.txt", "forum", "2024/a.txt", true);
        check("forum/*.txt", "forum", "2024/a.txt", false);
        check("forum/**.txt", "forum", "2024/a.txt", true);
        check("**/a.txt", "forum", "a.txt", true);
        check("?.txt", "forum", "a.txt", true);
        check("forum?a.txt", "forum", "a.txt", false);
        check("*", "forum", "a.txt", true);
        check("b*", "forum", "a.txt", false);
        check("grüße*", "forum", "grüße-1.txt", true);
        check(&"*a".repeat(40), "forum", &"a".repeat(39), false);
    }

    #[test]
    fn a_document_is_named_by_its_id_alone() {
        let one = Purged::Document("a.txt".to_owned());
        assert!(one.covers("forum", "b.txt", "a.txt") && !one.covers("a.txt", "a.txt", "b"));
    }
}

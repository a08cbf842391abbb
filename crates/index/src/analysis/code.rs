//! Words of programs: an identifier as it stands, and its parts. "parseHTTPRequest2" is also "parse", "http",
//! "request" and "2"; the parts are stemmed, since comments and questions are English.

use frostem::{Algorithm, Stemmer};

use super::words;

pub(crate) fn identifiers(text: &str) -> Vec<String> {
    let stemmer = Stemmer::new(Algorithm::English);
    let mut found = Vec::new();
    for identifier in text.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
        let parts = parts(identifier);
        if parts.len() > 1 {
            found.push(words::unaccented(&identifier.to_lowercase()));
        }
        // A part may hold scripts without blanks, in a comment or a string.
        found.extend(parts.iter().flat_map(|part| words::stems(part, &stemmer, true)));
    }
    found
}

/// Cuts at underscores, before a capital that begins a word, and between letters and digits.
fn parts(identifier: &str) -> Vec<String> {
    let letters: Vec<char> = identifier.chars().collect();
    let mut parts: Vec<String> = Vec::new();
    let mut part = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).copied();
        let after = letters.get(at + 1).copied();
        if letter == '_' || before.is_some_and(|before| begins(before, letter, after)) {
            parts.extend((!part.is_empty()).then(|| std::mem::take(&mut part)));
        }
        if letter != '_' {
            part.push(letter);
        }
    }
    parts.extend((!part.is_empty()).then_some(part));
    parts
}

/// Whether a part begins at a letter: "parse|HTTP|Request|2".
fn begins(before: char, letter: char, after: Option<char>) -> bool {
    let ends_an_acronym = before.is_uppercase() && after.is_some_and(char::is_lowercase);
    (letter.is_uppercase() && (before.is_lowercase() || before.is_numeric() || ends_an_acronym))
        || before.is_numeric() != letter.is_numeric()
}

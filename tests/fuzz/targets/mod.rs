//! What is fuzzed. A target takes one input, panics when something does not hold, and says what came of it in a few
//! words: an input that brings words nobody said before is changed further.

mod answers;
mod documents;
mod filter;
mod ledger;
mod manifest;
mod requests;
mod schema;

use std::path::Path;

/// One reader and what must hold of it.
pub struct Target {
    pub name: &'static str,
    /// Words of its format.
    pub words: &'static [&'static str],
    /// The longest input, in bytes.
    pub longest: usize,
    /// Runs one input. The folder is its own, and keeps what was left there.
    pub run: fn(&Path, &[u8]) -> String,
}

const SMALL: usize = 8 << 10;
const LARGE: usize = 32 << 10;

pub static TARGETS: [Target; 15] = [
    Target { name: "ledger", words: ledger::WORDS, longest: LARGE, run: ledger::run },
    Target { name: "manifest", words: manifest::WORDS, longest: LARGE, run: manifest::run },
    Target { name: "schema", words: schema::WORDS, longest: SMALL, run: schema::run },
    Target { name: "filter", words: filter::WORDS, longest: SMALL, run: filter::run },
    Target { name: "answers", words: answers::WORDS, longest: SMALL, run: answers::run },
    Target { name: "times", words: answers::TIME_WORDS, longest: SMALL, run: answers::times },
    Target { name: "requests", words: requests::WORDS, longest: SMALL, run: requests::run },
    Target {
        name: "text",
        words: &["\n\n", ". ", "\u{85}", "\u{feff}", "\u{fffe}"],
        longest: LARGE,
        run: |folder, input| documents::run(folder, &["txt"], input),
    },
    Target {
        name: "markdown",
        words: documents::MARKDOWN,
        longest: LARGE,
        run: |folder, input| documents::run(folder, &["md"], input),
    },
    Target {
        name: "restructured",
        words: &["\n====\n", "\n----\n", "~~~~", ".. ", "* ", ">>> ", "\n\n", "\r\n"],
        longest: LARGE,
        run: |folder, input| documents::run(folder, &["rst"], input),
    },
    Target {
        name: "html",
        words: documents::HTML,
        longest: LARGE,
        run: |folder, input| documents::run(folder, &["html", "xhtml"], input),
    },
    Target {
        name: "json",
        words: documents::JSON,
        longest: LARGE,
        run: |folder, input| documents::run(folder, &["jsonl", "json"], input),
    },
    Target {
        name: "table",
        words: &["id", "text", "title", "lang", ",", ";", "\t", "\"", "\"\"", "\n", "\r\n", "0123", ",,", "\",\""],
        longest: LARGE,
        run: |folder, input| documents::run(folder, &["csv", "tsv"], input),
    },
    Target {
        name: "code",
        words: documents::CODE,
        longest: LARGE,
        // One language at a time, told by the input itself so that it is the same again.
        run: |folder, input| {
            let language = documents::LANGUAGES.get(input.len() % documents::LANGUAGES.len()).copied();
            documents::run(folder, &[language.unwrap_or("rs")], input)
        },
    },
    Target {
        name: "pdf",
        words: documents::PDF,
        longest: LARGE,
        run: |folder, input| documents::run(folder, &["pdf"], input),
    },
];

/// What an error says, without what it quotes and counts.
fn outcome(told: &str) -> String {
    let own = told.split(['"', '`', '\n']).next().unwrap_or_default();
    own.chars().filter(|letter| !letter.is_ascii_digit()).take(80).collect()
}

/// How many there are, roughly.
fn about(count: usize) -> u32 {
    usize::BITS - count.leading_zeros()
}

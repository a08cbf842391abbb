//! How a text becomes the words that BM25 counts. A document is analysed in its own language; a query in every
//! way that occurs in the field it is looked for in, since nobody says what language a query is in.

mod code;
mod words;

use std::{fmt, str::FromStr};

use frontload_core::{Analyzer, Field, KindSpec, fold::fold};
use frostem::{Algorithm, Stemmer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::IndexedChunk;

/// Changes when the same text would give other words: what was indexed before is then indexed anew.
pub(crate) const VERSION: &str = "words-2";
/// Longer words are data, not words.
const LONGEST_BYTES: usize = 60;
/// A query longer than this is a passage: the words past it are dropped.
const QUERY_WORDS: usize = 64;
/// What texts are taken for when nobody says and nothing can be told.
const FALLBACK: Language = Language(Algorithm::English, "en");

/// A language with a stemmer.
#[derive(Clone, Copy)]
pub(crate) struct Language(Algorithm, &'static str);

/// Snowball's languages, by ISO 639-1.
const LANGUAGES: [Language; 31] = [
    Language(Algorithm::Arabic, "ar"),
    Language(Algorithm::Armenian, "hy"),
    Language(Algorithm::Basque, "eu"),
    Language(Algorithm::Catalan, "ca"),
    Language(Algorithm::Czech, "cs"),
    Language(Algorithm::Danish, "da"),
    Language(Algorithm::Dutch, "nl"),
    Language(Algorithm::English, "en"),
    Language(Algorithm::Estonian, "et"),
    Language(Algorithm::Finnish, "fi"),
    Language(Algorithm::French, "fr"),
    Language(Algorithm::German, "de"),
    Language(Algorithm::Greek, "el"),
    Language(Algorithm::Hindi, "hi"),
    Language(Algorithm::Hungarian, "hu"),
    Language(Algorithm::Indonesian, "id"),
    Language(Algorithm::Irish, "ga"),
    Language(Algorithm::Italian, "it"),
    Language(Algorithm::Lithuanian, "lt"),
    Language(Algorithm::Nepali, "ne"),
    Language(Algorithm::Norwegian, "no"),
    Language(Algorithm::Polish, "pl"),
    Language(Algorithm::Portuguese, "pt"),
    Language(Algorithm::Romanian, "ro"),
    Language(Algorithm::Russian, "ru"),
    Language(Algorithm::Serbian, "sr"),
    Language(Algorithm::Spanish, "es"),
    Language(Algorithm::Swedish, "sv"),
    Language(Algorithm::Tamil, "ta"),
    Language(Algorithm::Turkish, "tr"),
    Language(Algorithm::Yiddish, "yi"),
];

/// One way of making words. Written `en`, `de`, …, `plain`, `code` or `exact`.
#[derive(Clone, Copy)]
pub struct Analysis(Way);

#[derive(Clone, Copy)]
enum Way {
    /// Words of a language: lower case, stems, without accents; pairs of letters where a script writes no blanks.
    Stems(Language),
    /// The same without stems.
    Plain,
    /// Identifiers, whole and in their parts.
    Code,
    /// The whole text as one word.
    Exact,
}

impl Analysis {
    /// For a text in this language, if it is known; `default` is the corpus's most common one.
    pub(crate) fn of_language(language: Option<&str>, default: Option<&str>) -> Self {
        match language.or(default) {
            None => Self(Way::Stems(FALLBACK)),
            Some(code) => {
                let known = LANGUAGES.into_iter().find(|known| known.1 == code);
                Self(known.map_or(Way::Plain, Way::Stems))
            }
        }
    }

    /// For one field of a chunk.
    pub(crate) fn of(field: &Field, chunk: &IndexedChunk, kind: Option<&KindSpec>, default: Option<&str>) -> Self {
        let analyzer = match field {
            Field::Body | Field::Title | Field::Concatenated if chunk.chunk.code => Analyzer::Code,
            Field::Body | Field::Title | Field::Concatenated => Analyzer::Words,
            Field::Handle(_) => kind.map_or(Analyzer::Words, |spec| spec.analyzer),
        };
        match analyzer {
            Analyzer::Words => Self::of_language(chunk.chunk.language.as_deref(), default),
            Analyzer::Code => Self(Way::Code),
            Analyzer::Exact => Self(Way::Exact),
        }
    }

    /// A text's words, in order, repeated ones too.
    pub(crate) fn words(self, text: &str) -> Vec<String> {
        let mut found = match self.0 {
            Way::Stems(language) => words::stems(text, &Stemmer::new(language.0), language.1 == "en"),
            Way::Plain => words::plain(text),
            Way::Code => code::identifiers(text),
            Way::Exact => vec![fold(text)],
        };
        found.retain(|word| !word.is_empty() && (word.len() <= LONGEST_BYTES || matches!(self.0, Way::Exact)));
        found
    }

    fn name(self) -> &'static str {
        match self.0 {
            Way::Stems(language) => language.1,
            Way::Plain => "plain",
            Way::Code => "code",
            Way::Exact => "exact",
        }
    }
}

/// A query's distinct words, analysed in each of these ways.
pub(crate) fn query_words(query: &str, ways: &[Analysis]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in ways.iter().flat_map(|way| way.words(query)) {
        if words.len() == QUERY_WORDS {
            break;
        }
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

impl fmt::Display for Analysis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Debug for Analysis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl PartialEq for Analysis {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Analysis {}

impl FromStr for Analysis {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let way = match name {
            "plain" => Way::Plain,
            "code" => Way::Code,
            "exact" => Way::Exact,
            name => {
                let known = LANGUAGES.into_iter().find(|known| known.1 == name);
                Way::Stems(known.ok_or_else(|| format!("{name:?} is no analysis this program knows"))?)
            }
        };
        Ok(Self(way))
    }
}

impl Serialize for Analysis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Analysis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(way: &str, text: &str, expected: &[&str]) {
        assert_eq!(way.parse::<Analysis>().expect(way).words(text), expected, "{way}: {text}");
    }

    #[test]
    fn languages_are_stemmed_and_lose_their_accents() {
        check("en", "Boats, boat; the CAFÉS café!", &["boat", "boat", "the", "cafe", "cafe"]);
        check("de", "Häuser am Straßenrand", &["haus", "am", "strassenrand"]);
        check("fr", "les événements", &["le", "even"]);
        check("ru", "Книги книгой", &["книг", "книг"]);
        check("plain", "Łódź, Ærø", &["lodz", "aero"]);
        check("en", " … ", &[]);
        check("en", &"a".repeat(30_000), &[]);
    }

    #[test]
    fn scripts_without_blanks_give_pairs() {
        check("plain", "東京タワーに", &["東京", "京タ", "タワ", "ワー", "ーに"]);
        check("en", "the 東 gate", &["the", "東", "gate"]);
        check("plain", "한국어", &["한국", "국어"]);
    }

    #[test]
    fn identifiers_are_kept_whole_and_in_parts() {
        let parts = &["parsehttprequest2", "pars", "http", "request", "2"];
        check("code", "parseHTTPRequest2(", parts);
        check("code", "max_chunk_bytes", &["max_chunk_bytes", "max", "chunk", "byte"]);
        check("code", "fn run()", &["fn", "run"]);
        check("exact", "  Quite Tense! ", &["quite tense"]);
    }

    #[test]
    fn a_query_is_analysed_in_every_way_once() {
        let ways = ["en", "code"].map(|way| way.parse().expect(way));
        assert_eq!(query_words("boats maxChunk boats", &ways), ["boat", "maxchunk", "max", "chunk"]);
        assert_eq!(query_words(&"word ".repeat(9).replace(' ', "x "), &ways).len(), 1);
        let many: String = (0..1000).map(|n| format!("w{n} ")).collect();
        assert_eq!(query_words(&many, &ways).len(), QUERY_WORDS);
    }
}

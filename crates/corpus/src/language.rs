//! The language of a document: what its file says, else what its text looks like.

use frontload_core::{Document, Form};

/// Fewer characters than this say too little.
const SHORTEST_CHARS: usize = 80;
/// More bytes than this say nothing new.
const READ_BYTES: usize = 16 << 10;

/// Languages that have a two-letter code that something downstream knows: those with a Snowball stemmer, and those
/// that are written without spaces.
const TWO_LETTERS: [(&str, &str); 22] = [
    ("ara", "ar"),
    ("cmn", "zh"),
    ("dan", "da"),
    ("deu", "de"),
    ("ell", "el"),
    ("eng", "en"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("hun", "hu"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kor", "ko"),
    ("nld", "nl"),
    ("nob", "no"),
    ("nor", "no"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rus", "ru"),
    ("spa", "es"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tur", "tr"),
];

/// A language tag's first part, as the two-letter code where there is one: `de` for `de-AT` and for `deu`.
/// None for what is no language tag, such as a language's name.
pub(crate) fn normalised(tag: &str) -> Option<String> {
    let primary = tag.trim().split(['-', '_']).next()?.to_ascii_lowercase();
    let is_code = matches!(primary.len(), 2 | 3) && primary.bytes().all(|byte| byte.is_ascii_lowercase());
    is_code.then(|| short(&primary).to_owned())
}

/// Finds a document's language, if its file did not say it. Programs have none.
pub(crate) fn fill(document: &mut Document) {
    if document.language.is_none() && !matches!(document.form, Form::Code(_)) {
        document.language = detect(&document.text);
    }
}

fn detect(text: &str) -> Option<String> {
    let text = text.trim();
    if text.chars().take(SHORTEST_CHARS).count() < SHORTEST_CHARS {
        return None;
    }
    let is_whole = |length: &usize| text.is_char_boundary(*length);
    let length = if text.len() <= READ_BYTES { text.len() } else { (0..=READ_BYTES).rev().find(is_whole)? };
    let found = whatlang::detect(text.get(..length)?)?;
    found.is_reliable().then(|| short(found.lang().code()).to_owned())
}

fn short(code: &str) -> &str {
    TWO_LETTERS.iter().find(|(long, _)| *long == code).map_or(code, |(_, short)| short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_normalised() {
        let check = |tag, expected: Option<&str>| assert_eq!(normalised(tag).as_deref(), expected, "{tag}");
        check("de", Some("de"));
        check(" EN-gb ", Some("en"));
        check("deu", Some("de"));
        check("cym", Some("cym"));
        check("German", None);
        check("", None);
    }

    #[test]
    fn long_texts_are_recognised() {
        let check = |text: &str, form: Form, expected: Option<&str>| {
            let mut document = Document { text: text.to_owned(), form, ..Document::default() };
            fill(&mut document);
            assert_eq!(document.language.as_deref(), expected, "{text}");
        };
        let german = "Der Hafen lag im Nebel, und niemand wusste, ob das Schiff mit dem Salz noch kommen würde. ";
        check(german, Form::Text, Some("de"));
        check(&german.repeat(1000), Form::Text, Some("de"));
        check("Der Hafen lag im Nebel.", Form::Text, None);
        check(german, Form::Code("rust".to_owned()), None);
        let english = "The harbour lay in fog, and nobody knew whether the ship with the salt would still be coming.";
        check(english, Form::Markdown, Some("en"));
    }

    #[test]
    fn what_the_file_says_stands() {
        let text = "The harbour lay in fog, and nobody knew whether the ship with the salt would still be coming.";
        let mut document = Document { text: text.to_owned(), language: Some("cy".to_owned()), ..Document::default() };
        fill(&mut document);
        assert_eq!(document.language.as_deref(), Some("cy"));
    }
}

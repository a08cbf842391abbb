//! Cuts text into words, numbers and marks, each with its place.

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Letters, in lower case; empty when longer than any word that matters here.
    Word(String),
    /// ASCII figures: their value (zero beyond eight of them) and how many there are.
    Number(u32, usize),
    /// Any other visible character.
    Mark(char),
}

/// A word, a number or a mark of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// Whether it begins with a capital.
    pub capital: bool,
    /// Whether it is the first of its line.
    pub first: bool,
    /// Whether the line before ended early, as a title or an entry does, so that nothing runs on into this one.
    pub broken: bool,
}

/// Longest word that a rule knows, in bytes.
const LONGEST: usize = 16;

/// A line shorter than this, in bytes, was not broken for want of room.
const SHORT_LINE: usize = 50;

/// All tokens of a text, in order. White space falls away.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = text.char_indices().peekable();
    let (mut first, mut broken, mut line) = (true, true, 0);
    while let Some((start, letter)) = letters.next() {
        if letter.is_whitespace() {
            if letter == '\n' {
                (first, broken, line) = (true, broken || start - line < SHORT_LINE, start + 1);
            }
            continue;
        }
        let mut end = start + letter.len_utf8();
        if let Some(same) = run(letter) {
            while let Some((at, next)) = letters.next_if(|(_, next)| same(*next)) {
                end = at + next.len_utf8();
            }
        }
        let kind = kind(letter, text.get(start..end).unwrap_or_default());
        tokens.push(Token { start, end, kind, capital: letter.is_uppercase(), first, broken });
        (first, broken) = (false, false);
    }
    tokens
}

/// What a character goes on with, if it is not a mark.
fn run(letter: char) -> Option<fn(char) -> bool> {
    if letter.is_ascii_digit() {
        Some(|next| next.is_ascii_digit())
    } else if letter.is_alphabetic() {
        Some(char::is_alphabetic)
    } else {
        None
    }
}

/// What stands there.
fn kind(letter: char, run: &str) -> Kind {
    if letter.is_ascii_digit() {
        let value = if run.len() <= 8 { run.parse().unwrap_or(0) } else { 0 };
        Kind::Number(value, run.len())
    } else if letter.is_alphabetic() {
        Kind::Word(if run.len() <= LONGEST { run.to_lowercase() } else { String::new() })
    } else {
        Kind::Mark(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_falls_into_words_numbers_and_marks() {
        let check = |text: &str, expected: &[&str]| {
            let pieces: Vec<&str> = tokens(text).iter().map(|token| &text[token.start..token.end]).collect();
            assert_eq!(pieces, expected, "{text:?}");
        };
        check("12th  March, '83", &["12", "th", "March", ",", "'", "83"]);
        check("", &[]);
        check("é1٣\u{301}🕰", &["é", "1", "٣", "\u{301}", "🕰"]);
        check("1880s\n1,900", &["1880", "s", "1", ",", "900"]);
    }

    #[test]
    fn long_runs_keep_no_value() {
        let check = |text: &str, expected: Kind| {
            assert_eq!(tokens(text).into_iter().next().map(|token| token.kind), Some(expected), "{text:?}");
        };
        check("123456789", Kind::Number(0, 9));
        check("007", Kind::Number(7, 3));
        check("MICHAELMAS", Kind::Word("michaelmas".into()));
        check("antidisestablishmentarian", Kind::Word(String::new()));
    }
}

//! Folding: when two strings count as the same words. Used by the gates and by quote finding.

use unicode_normalization::UnicodeNormalization;

/// Lower case, NFKC, punctuation and runs of white space as one blank, trimmed.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfkc().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            folded.push(letter);
        } else if !folded.ends_with(' ') && !folded.is_empty() {
            folded.push(' ');
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// Finds where `quote` stands in `text`, as a byte span of `text`: exactly, or else up to case and the
/// amount of white space (a model writes one blank where the text breaks the line).
pub fn find_quote(text: &str, quote: &str) -> Option<(usize, usize)> {
    let quote = quote.trim();
    if quote.is_empty() {
        return None;
    }
    if let Some(start) = text.find(quote) {
        return Some((start, start + quote.len()));
    }
    let wanted: Vec<char> = collapse(quote).map(|(_, _, letter)| letter).collect();
    let letters: Vec<(usize, usize, char)> = collapse(text).collect();
    letters.windows(wanted.len()).find_map(|window| {
        let same = window.iter().zip(&wanted).all(|((_, _, letter), wanted)| letter == wanted);
        match (same, window.first(), window.last()) {
            (true, Some(first), Some(last)) => Some((first.0, last.1)),
            _ => None,
        }
    })
}

/// Characters with their byte spans, lower-cased, each run of white space as one blank.
fn collapse(text: &str) -> impl Iterator<Item = (usize, usize, char)> + '_ {
    let mut after_blank = false;
    text.char_indices().filter_map(move |(start, letter)| {
        let end = start + letter.len_utf8();
        if letter.is_whitespace() {
            let first = !after_blank;
            after_blank = true;
            return first.then_some((start, end, ' '));
        }
        after_blank = false;
        Some((start, end, letter.to_lowercase().next().unwrap_or(letter)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_keeps_words_and_drops_the_rest() {
        let check = |text: &str, expected: &str| assert_eq!(fold(text), expected, "{text:?}");
        check("  The  Quay's\tend! ", "the quay s end");
        check("ﬁsh—QUAY", "fish quay");
        check("«»", "");
        check("Łódź 1889", "łódź 1889");
    }

    #[test]
    fn quotes_are_found_where_they_stand() {
        let check = |text: &str, quote: &str, expected: Option<&str>| {
            let found = find_quote(text, quote).map(|(start, end)| &text[start..end]);
            assert_eq!(found, expected, "{quote:?} in {text:?}");
        };
        check("At four bells, fog.", "four bells", Some("four bells"));
        check("At four\n  bells, fog.", "four bells", Some("four\n  bells"));
        check("É tarde, São João", "são joão", Some("São João"));
        check("fog", "snow", None);
        check("fog", "", None);
        check("a", "longer than the text", None);
    }
}

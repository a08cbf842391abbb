//! A text cut into sentences.

/// Cuts at a full stop, question or exclamation mark (and closing quotation marks) before a blank and no
/// small letter.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    for (at, window) in letters.windows(2).enumerate() {
        let [(_, letter), (next_at, next)] = window else { continue };
        let closes = |letter: char| matches!(letter, '.' | '!' | '?');
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).is_some_and(|&(_, before)| closes(before));
        let ends = closes(*letter) || (matches!(letter, '"' | '”' | '’' | '\'') && before);
        let follows = text.get(*next_at..).unwrap_or_default().trim_start().chars().next();
        // "11 ft. 3 in." goes on.
        let begins = follows.is_some_and(|letter| !letter.is_lowercase() && !letter.is_numeric());
        if ends && next.is_whitespace() && begins {
            found.push(text.get(start..*next_at).unwrap_or_default().trim());
            start = *next_at;
        }
    }
    found.push(text.get(start..).unwrap_or_default().trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_into_sentences() {
        let check = |text: &str, expected: &[&str]| assert_eq!(sentences(text), expected);
        check("Fog. \"Hold fast!\" He did. ", &["Fog.", "\"Hold fast!\"", "He did."]);
        check("It cost 3.50 at the quay, e.g. twice.", &["It cost 3.50 at the quay, e.g. twice."]);
        check("One", &["One"]);
        check("A cross, 11 ft. 3 in., dressed. He paid.", &["A cross, 11 ft. 3 in., dressed.", "He paid."]);
    }
}

//! Cutting long texts beforehand. For every chunk the splitter goes through all that it was given: a program of
//! 7 MB took it four minutes, and one word of 8 MB more than that. What it is given is kept short, then.

/// Cuts a text into windows of at most so many bytes, each with the byte it begins at: between paragraphs that are not
/// indented, else lines, else words, as long as that leaves half a window.
pub(crate) fn windows(text: &str, bytes: usize) -> Vec<(usize, &str)> {
    let mut windows = Vec::new();
    let mut start = 0;
    let mut rest = text;
    while let Some((window, after)) = rest.split_at_checked(end(rest, bytes)).filter(|(window, _)| !window.is_empty()) {
        windows.push((start, window));
        start += window.len();
        rest = after;
    }
    windows
}

fn end(text: &str, bytes: usize) -> usize {
    if text.len() <= bytes {
        return text.len();
    }
    let whole = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let late = whole / 2;
    let Some(head) = text.get(..whole) else { return text.len() };
    let lines = || head.rmatch_indices('\n').map(|(at, _)| at + 1).take_while(|at| *at > late);
    let begins_paragraph = |at: &usize| {
        let before = text.get(..*at).and_then(|before| before.strip_suffix('\n')).unwrap_or_default();
        let is_blank = before.trim_end_matches([' ', '\t', '\r']).ends_with('\n');
        is_blank && text.get(*at..).is_some_and(|after| !after.starts_with(char::is_whitespace))
    };
    let word = || head.rfind(char::is_whitespace).filter(|at| *at > late);
    lines().find(begins_paragraph).or_else(|| lines().next()).or_else(word).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found = windows(text, 16);
        assert_eq!(found.iter().map(|(_, window)| *window).collect::<Vec<_>>(), expected);
        assert!(found.iter().all(|(start, window)| text[*start..].starts_with(window)));
    }

    #[test]
    fn texts_are_cut_where_it_hurts_least() {
        check("", &[]);
        check("short", &["short"]);
        check("one two\n\nab\ncd ef gh", &["one two\n\n", "ab\ncd ef gh"]);
        check("one two\r\n\r\nab\r\ncd ef gh", &["one two\r\n\r\n", "ab\r\ncd ef gh"]);
        check("one two\n\n  b\ncd ef gh", &["one two\n\n  b\n", "cd ef gh"]);
        check("one two three four five", &["one two three", " four five"]);
        check("a\n\nbbbbbbbbbbbbbbbbbb", &["a\n\nbbbbbbbbbbbbb", "bbbbb"]);
        check("ééééééééé", &["éééééééé", "é"]);
        check("aéééééééé", &["aééééééé", "é"]);
    }
}

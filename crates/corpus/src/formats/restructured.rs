//! reStructuredText: the text is the file. Titles are lines with a line of punctuation under them, or over and
//! under them; which punctuation means which level is settled by the order it comes in.
//! <https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections>

use frontload_core::{Document, Form};

use super::document;
use crate::{anchors::Anchored, sections::Heading, walk::SourceFile};

/// An adornment at least this long is one even if its title is longer: docutils only warns then.
const SURE_CHARS: usize = 4;
/// What begins something other than a title.
const NO_TITLES: [&str; 6] = [".. ", "* ", "- ", "+ ", "| ", ">>> "];

pub(crate) fn read(file: &SourceFile, text: Anchored) -> Document {
    let title = headings(&text.text).into_iter().map(|heading| heading.name).next();
    document(file, title.unwrap_or_else(|| file.stem()), Form::ReStructured, text)
}

/// The headings of a text, in order.
pub(crate) fn headings(text: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut styles: Vec<(char, bool)> = Vec::new();
    let lines = lines(text);
    let below = |at: usize| lines.get(at).map(|(_, line)| *line);
    // A title begins its paragraph: a second line with a line of dashes under it is none.
    let mut begins = true;
    let mut at = 0;
    while let Some(&(start, line)) = lines.get(at) {
        let found = if begins { title(line, below(at + 1), below(at + 2)) } else { None };
        begins = line.is_empty() || found.is_some();
        at += 1;
        let Some(Title { name, mark, overlined }) = found else { continue };
        at += if overlined { 2 } else { 1 };
        let known = styles.iter().position(|style| *style == (mark, overlined));
        if known.is_none() {
            styles.push((mark, overlined));
        }
        let level = known.map_or(styles.len(), |known| known + 1);
        headings.push(Heading { start, level, name: name.to_owned() });
    }
    headings
}

struct Title<'a> {
    name: &'a str,
    /// What it is adorned with.
    mark: char,
    overlined: bool,
}

/// The title that begins with this line, given the two below it.
fn title<'a>(line: &'a str, second: Option<&'a str>, third: Option<&'a str>) -> Option<Title<'a>> {
    let second = second?;
    let fits = |name: &str, adornment: &str| {
        let length = adornment.chars().count();
        !name.is_empty() && (length >= SURE_CHARS || length >= name.chars().count())
    };
    if let Some(mark) = adornment(line) {
        let name = second.trim();
        return (third == Some(line) && fits(name, line)).then_some(Title { name, mark, overlined: true });
    }
    let mark = adornment(second)?;
    let is_title = !line.starts_with(char::is_whitespace) && !NO_TITLES.iter().any(|other| line.starts_with(other));
    (is_title && fits(line, second)).then_some(Title { name: line, mark, overlined: false })
}

/// The one punctuation mark a line is made of.
fn adornment(line: &str) -> Option<char> {
    let mark = line.chars().next()?;
    (mark.is_ascii_punctuation() && line.chars().all(|other| other == mark)).then_some(mark)
}

/// Every line with the byte it begins at, without the space at its end.
fn lines(text: &str) -> Vec<(usize, &str)> {
    let mut start = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        lines.push((start, line.trim_end()));
        start += line.len();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, usize, &str)]) {
        let found = headings(text);
        let found: Vec<_> = found.iter().map(|found| (found.start, found.level, found.name.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn levels_follow_the_order_of_the_adornments() {
        let text = "=====\n Big\n=====\n\nOne\n===\n\nText.\n\nTwo\n---\n\nThree\n=====\n";
        check(text, &[(0, 1, "Big"), (18, 2, "One"), (34, 3, "Two"), (43, 2, "Three")]);
    }

    #[test]
    fn only_titles_are_titles() {
        check("Longer than its line\n----\n", &[(0, 1, "Longer than its line")]);
        check("Longer than its line\n---\n", &[]);
        check("A paragraph of\ntwo lines\n---------\n", &[]);
        check("Above.\n\n----------\n\nBelow.\n", &[]);
        check("* an item\n---------\n", &[]);
        check("  indented\n----------\n", &[]);
        check("Title\r\n=====\r\n\r\nText.\r\n", &[(0, 1, "Title")]);
        check("====\n", &[]);
    }
}

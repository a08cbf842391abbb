//! Which part of a text stands under which heading, or in which definition.

use std::{iter::Peekable, slice::Iter};

/// A heading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    /// The byte it begins at.
    pub start: usize,
    /// How deep it is, from 1.
    pub level: usize,
    pub name: String,
}

/// A part of a text that has a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub start: usize,
    pub end: usize,
    pub name: String,
}

/// What each heading is above of: everything up to the next one that is as deep or less deep.
pub(crate) fn sections(headings: Vec<Heading>, text_length: usize) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    for heading in headings {
        while let Some((_, at)) = open.pop_if(|(level, _)| *level >= heading.level) {
            if let Some(section) = sections.get_mut(at) {
                section.end = heading.start;
            }
        }
        open.push((heading.level, sections.len()));
        sections.push(Section { start: heading.start, end: text_length, name: heading.name });
    }
    sections
}

/// More names than this say nothing more of where a chunk stands; only the outermost are given.
const NAMES: usize = 16;

/// Goes along a text and says what is around it. Sections come in the order they begin in, and lie in one another or
/// apart.
pub(crate) struct Around<'a> {
    ahead: Peekable<Iter<'a, Section>>,
    /// Each lies in the one before.
    open: Vec<&'a Section>,
}

impl<'a> Around<'a> {
    pub(crate) fn new(sections: &'a [Section]) -> Self {
        Self { ahead: sections.iter().peekable(), open: Vec::new() }
    }

    /// The names of the sections that begin before `start` and reach up to `end`, outermost first. What begins at
    /// `start` itself is part of its text. Is to be asked in the text's order.
    pub(crate) fn names(&mut self, start: usize, end: usize) -> Vec<String> {
        while let Some(section) = self.ahead.next_if(|section| section.start < start) {
            self.close(section.end);
            self.open.push(section);
        }
        self.close(end);
        self.open.iter().map(|section| section.name.clone()).filter(|name| !name.is_empty()).take(NAMES).collect()
    }

    fn close(&mut self, reach: usize) {
        while self.open.pop_if(|section| section.end < reach).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeper_headings_are_inside() {
        let heading = |(start, level): (usize, usize)| Heading { start, level, name: start.to_string() };
        let check = |headings: &[(usize, usize)], expected: &[(usize, usize)]| {
            let found = sections(headings.iter().copied().map(heading).collect(), 100);
            let spans: Vec<_> = found.iter().map(|section| (section.start, section.end)).collect();
            assert_eq!(spans, expected, "{headings:?}");
        };
        check(&[], &[]);
        check(&[(5, 1), (10, 2), (20, 3), (30, 2), (40, 1)], &[(5, 40), (10, 30), (20, 30), (30, 40), (40, 100)]);
        check(&[(0, 3), (10, 1)], &[(0, 10), (10, 100)]);
    }

    #[test]
    fn what_is_around_is_named() {
        let section = |start, end, name: &str| Section { start, end, name: name.to_owned() };
        let sections = [section(0, 50, "a"), section(10, 20, "b"), section(12, 14, ""), section(30, 40, "c")];
        let mut around = Around::new(&sections);
        let mut check = |start, end, expected: &[&str]| assert_eq!(around.names(start, end), expected, "{start}");
        check(0, 1, &[]);
        check(10, 11, &["a"]);
        check(13, 14, &["a", "b"]);
        check(15, 30, &["a"]);
        check(35, 60, &[]);
    }
}

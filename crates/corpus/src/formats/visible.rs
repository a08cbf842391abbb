//! The visible text of a page as it is put together: space is collapsed, blocks stand on lines of their own, and
//! every run of text leads back to its bytes. A line that begins with `#` is a heading, and no other line does.

use std::mem::take;

use crate::anchors::Anchored;

/// What stands between two pieces of text; the stronger wins.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    #[default]
    None,
    Space,
    Line,
    Paragraph,
}

/// Text being put together.
#[derive(Debug, Default)]
pub(super) struct Visible {
    written: Anchored,
    gap: Gap,
    /// Where the last character ends in the source.
    end: usize,
    heading: Option<Heading>,
    /// How many elements are open whose space is kept.
    preformatted: usize,
}

#[derive(Debug)]
struct Heading {
    level: usize,
    /// Where its tag stands.
    tag_start: usize,
    is_begun: bool,
}

impl Visible {
    /// Adds a character that stands in these bytes of the source.
    pub(super) fn push(&mut self, character: char, start: usize, end: usize) {
        const SOFT_HYPHEN: char = '\u{ad}';
        if character == SOFT_HYPHEN {
            return;
        }
        let is_line_start = self.gap != Gap::None || self.written.text.is_empty();
        if character.is_whitespace() && self.preformatted == 0 {
            self.gap = self.gap.max(Gap::Space);
            return;
        }
        if character.is_whitespace() && (is_line_start || character == '\r') {
            return;
        }
        self.begin(character == '#', start);
        self.written.anchors.mark(self.written.text.len(), start);
        self.written.text.push(character);
        self.end = end;
    }

    /// Separates what was from what comes. A heading stays on its line.
    pub(super) fn separate(&mut self, gap: Gap) {
        let gap = if self.heading.is_some() { gap.min(Gap::Space) } else { gap };
        self.gap = self.gap.max(gap);
    }

    pub(super) fn open_heading(&mut self, level: usize, tag_start: usize) {
        self.close_heading();
        self.separate(Gap::Paragraph);
        self.heading = Some(Heading { level, tag_start, is_begun: false });
    }

    pub(super) fn close_heading(&mut self) {
        if self.heading.take().is_some() {
            self.separate(Gap::Paragraph);
        }
    }

    /// Ends a heading that was never closed, where something begins that is none.
    pub(super) fn leave_heading(&mut self) {
        if self.heading.as_ref().is_some_and(|heading| heading.is_begun) {
            self.close_heading();
        }
    }

    pub(super) fn open_preformatted(&mut self) {
        self.preformatted += 1;
    }

    pub(super) fn close_preformatted(&mut self) {
        self.preformatted = self.preformatted.saturating_sub(1);
    }

    pub(super) fn finish(mut self) -> Anchored {
        self.written.anchors.mark(self.written.text.len(), self.end);
        self.written
    }

    /// Writes what goes before a character.
    fn begin(&mut self, is_hash: bool, start: usize) {
        let Anchored { text, anchors } = &mut self.written;
        let separator = match take(&mut self.gap) {
            _ if text.is_empty() => "",
            Gap::None => "",
            Gap::Space if text.ends_with(char::is_whitespace) => "",
            Gap::Space => " ",
            Gap::Line if text.ends_with('\n') => "",
            Gap::Paragraph if text.ends_with("\n\n") => "",
            Gap::Paragraph if !text.ends_with('\n') => "\n\n",
            Gap::Line | Gap::Paragraph => "\n",
        };
        if !separator.is_empty() {
            // What went before ends here, however far away the next text stands.
            anchors.mark(text.len(), self.end);
            text.push_str(separator);
        }
        match &mut self.heading {
            Some(heading) if !heading.is_begun => {
                heading.is_begun = true;
                anchors.mark(text.len(), heading.tag_start);
                text.push_str(&"#".repeat(heading.level));
                text.push(' ');
            }
            _ if is_hash && (text.is_empty() || text.ends_with('\n')) => {
                anchors.mark(text.len(), start);
                text.push(' ');
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(visible: &mut Visible, words: &str) {
        for character in words.chars() {
            visible.push(character, 0, 0);
        }
    }

    fn check(build: impl Fn(&mut Visible), expected: &str) {
        let mut visible = Visible::default();
        build(&mut visible);
        assert_eq!(visible.finish().text, expected);
    }

    #[test]
    fn space_is_collapsed_and_blocks_are_separated() {
        check(|visible| say(visible, " \n a \u{a0}b  "), "a b");
        let blocks = |visible: &mut Visible| {
            for gap in [Gap::Paragraph, Gap::Line, Gap::Space, Gap::None] {
                visible.separate(gap);
                say(visible, "a");
            }
        };
        check(blocks, "a\na aa");
        let stronger = |visible: &mut Visible| {
            say(visible, "a ");
            visible.separate(Gap::Paragraph);
            visible.separate(Gap::Line);
            say(visible, " b");
        };
        check(stronger, "a\n\nb");
    }

    #[test]
    fn preformatted_space_is_kept() {
        let program = |visible: &mut Visible| {
            visible.open_preformatted();
            say(visible, "\nif a:\r\n    b\n\n");
            visible.close_preformatted();
            visible.separate(Gap::Paragraph);
            say(visible, "c  d");
        };
        check(program, "if a:\n    b\n\nc d");
    }

    #[test]
    fn only_headings_begin_with_a_hash() {
        let headings = |visible: &mut Visible| {
            say(visible, "#a");
            visible.open_heading(2, 0);
            say(visible, "#b");
            visible.separate(Gap::Line);
            say(visible, "c");
            visible.leave_heading();
            say(visible, "#d");
            visible.open_heading(1, 0);
            visible.leave_heading();
            say(visible, "e");
        };
        check(headings, " #a\n\n## #b c\n\n #d\n\n# e");
    }
}

//! Where text stands in the file it was taken from. Anchors are kept only where the distance between the two
//! changes, so that a plain UTF-8 file needs none.

use frontload_core::{Anchor, Origin, Place, Unit};

/// Text taken out of a file, and where it stands there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Anchored {
    pub text: String,
    pub anchors: Anchors,
}

/// The anchors of a text whose places are bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Anchors(Vec<Anchor>);

impl Anchors {
    /// Notes that from byte `text` on the text stands from byte `source` on. Is to be called in the text's order.
    pub(crate) fn mark(&mut self, text: usize, source: usize) {
        let anchor = Anchor { text: text as u32, source: source as u32 };
        if locate(&self.0, Unit::Byte, anchor.text) == anchor.source {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.text == anchor.text => *last = anchor,
            _ => self.0.push(anchor),
        }
    }

    /// Anchors into the file itself, where these only lead into a text that `outer` leads into the file from.
    /// `length` is how long the text is.
    pub(crate) fn through(self, outer: &Self, length: usize) -> Self {
        if outer.0.is_empty() {
            return self;
        }
        let mut through = Self::default();
        let mut pieces = self.0;
        if pieces.first().is_none_or(|first| first.text > 0) {
            pieces.insert(0, Anchor { text: 0, source: 0 });
        }
        let ends: Vec<u32> = pieces.iter().skip(1).map(|next| next.text).chain([length as u32]).collect();
        for (piece, end) in pieces.iter().zip(ends) {
            through.mark(piece.text as usize, locate(&outer.0, Unit::Byte, piece.source) as usize);
            let until = piece.source.saturating_add(end.saturating_sub(piece.text));
            let first = outer.0.partition_point(|anchor| anchor.text <= piece.source);
            for anchor in outer.0.iter().skip(first).take_while(|anchor| anchor.text < until) {
                through.mark((piece.text + anchor.text - piece.source) as usize, anchor.source as usize);
            }
        }
        let end = locate(&pieces, Unit::Byte, length as u32);
        through.mark(length, locate(&outer.0, Unit::Byte, end) as usize);
        through
    }

    pub(crate) fn into_vec(self) -> Vec<Anchor> {
        self.0
    }
}

/// Where a span of a document's text stands in its file.
pub(crate) fn place_of(origin: &Origin, span: (u32, u32)) -> Option<Place> {
    if origin.path.is_empty() {
        return None;
    }
    let last = match origin.unit {
        Unit::Byte => span.1,
        // The last line or page is that of the last character, not of what follows it.
        Unit::Line | Unit::Page => span.1.saturating_sub(1).max(span.0),
    };
    let start = locate(&origin.anchors, origin.unit, span.0);
    let end = locate(&origin.anchors, origin.unit, last).max(start);
    Some(Place { path: origin.path.clone(), start, end, unit: origin.unit })
}

fn locate(anchors: &[Anchor], unit: Unit, offset: u32) -> u32 {
    let after = anchors.partition_point(|anchor| anchor.text <= offset);
    let anchor = after.checked_sub(1).and_then(|at| anchors.get(at));
    // Between two anchors a word may take fewer bytes than its text does, but none of the next one's.
    let next = anchors.get(after).map_or(u32::MAX, |next| next.source);
    match (unit, anchor) {
        (Unit::Byte, Some(anchor)) => anchor.source.saturating_add(offset - anchor.text).min(next.max(anchor.source)),
        (Unit::Byte, None) => offset.min(next),
        (Unit::Line | Unit::Page, Some(anchor)) => anchor.source,
        (Unit::Line | Unit::Page, None) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchors(marks: &[(usize, usize)]) -> Anchors {
        let mut anchors = Anchors::default();
        for &(text, source) in marks {
            anchors.mark(text, source);
        }
        anchors
    }

    #[test]
    fn only_changes_are_kept() {
        let check = |marks: &[(usize, usize)], kept: &[(u32, u32)]| {
            let found: Vec<_> = anchors(marks).0.iter().map(|anchor| (anchor.text, anchor.source)).collect();
            assert_eq!(found, kept, "{marks:?}");
        };
        check(&[(0, 0), (4, 4)], &[]);
        check(&[(0, 3), (4, 7)], &[(0, 3)]);
        check(&[(0, 3), (4, 9), (4, 11), (6, 13)], &[(0, 3), (4, 11)]);
    }

    #[test]
    fn what_is_cut_inside_a_word_stays_in_it() {
        // Ten letters of one byte each in the file, of two in the text.
        let origin = Origin { path: "a".to_owned(), anchors: anchors(&[(20, 10)]).into_vec(), unit: Unit::Byte };
        let place = place_of(&origin, (8, 16)).expect("it has a path");
        assert_eq!((place.start, place.end), (8, 10));
    }

    #[test]
    fn two_stages_become_one() {
        let check = |inner: &[(usize, usize)], outer: &[(usize, usize)], expected: &[(usize, usize)]| {
            assert_eq!(anchors(inner).through(&anchors(outer), 10), anchors(expected), "{inner:?} {outer:?}");
        };
        check(&[(0, 5)], &[], &[(0, 5)]);
        check(&[(0, 5)], &[(0, 3)], &[(0, 8)]);
        check(&[(0, 5)], &[(7, 20)], &[(0, 5), (2, 20)]);
        check(&[(4, 8)], &[(2, 12), (9, 29)], &[(2, 12), (4, 18), (5, 29)]);
    }

    #[test]
    fn spans_are_placed_in_their_unit() {
        let check = |unit, marks: &[(u32, u32)], span, expected| {
            let anchors = marks.iter().map(|&(text, source)| Anchor { text, source }).collect();
            let origin = Origin { path: "a".to_owned(), anchors, unit };
            let place = place_of(&origin, span).expect("it has a path");
            assert_eq!((place.start, place.end), expected, "{marks:?}");
        };
        check(Unit::Byte, &[], (2, 5), (2, 5));
        check(Unit::Byte, &[(0, 3), (4, 9)], (2, 6), (5, 11));
        check(Unit::Page, &[(0, 1), (10, 2), (20, 3)], (5, 20), (1, 2));
        check(Unit::Page, &[(0, 1), (10, 2), (20, 3)], (5, 21), (1, 3));
        check(Unit::Line, &[(0, 7)], (0, 9), (7, 7));
        assert_eq!(place_of(&Origin::default(), (0, 1)), None);
    }
}

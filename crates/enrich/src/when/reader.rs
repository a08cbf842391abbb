//! The tokens of a text with what is known beside them: what every rule looks at.

use super::Context;
use super::reading::Part;
use super::token::{Kind, Token, tokens};
use super::words::{month, opening, ordinal, tens, unit, weekday};

/// A text under its rules.
pub struct Reader<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    /// What the document says of its time.
    pub context: Context,
    /// Whether the text was cut out as telling of time, so that a number alone is a year.
    pub quoted: bool,
}

/// What is known about a place before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hint {
    /// Whether a year is expected here.
    pub cued: bool,
    /// The year of a day or a month that is written without one.
    pub year: Option<i16>,
}

/// The place before the first token.
const NOWHERE: usize = usize::MAX - 64;

impl<'t> Reader<'t> {
    /// Cuts a text up.
    pub fn new(text: &'t str, context: Context, quoted: bool) -> Self {
        Self { text, tokens: tokens(text), context, quoted }
    }

    /// A year of which two figures are written, and whether that is more than a guess.
    pub fn complete(&self, short: i16) -> (i16, bool) {
        self.context.complete(short)
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The token at a place.
    pub fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at)
    }

    /// A place some tokens back.
    pub fn back(at: usize, by: usize) -> usize {
        at.checked_sub(by).unwrap_or(NOWHERE)
    }

    /// The word at a place, in lower case; nothing where there is none.
    pub fn word(&self, at: usize) -> &str {
        match self.token(at).map(|token| &token.kind) {
            Some(Kind::Word(word)) => word,
            _ => "",
        }
    }

    /// Whether one of these words is at a place.
    pub fn is(&self, at: usize, words: &[&str]) -> bool {
        let word = self.word(at);
        !word.is_empty() && words.contains(&word)
    }

    /// Whether a word stands at a place, however long.
    pub fn wordy(&self, at: usize) -> bool {
        matches!(self.token(at).map(|token| &token.kind), Some(Kind::Word(_)))
    }

    /// The number at a place with the count of its figures.
    pub fn number(&self, at: usize) -> Option<(u32, usize)> {
        match self.token(at)?.kind {
            Kind::Number(value, figures) => Some((value, figures)),
            _ => None,
        }
    }

    /// The mark at a place.
    pub fn mark(&self, at: usize) -> Option<char> {
        match self.token(at)?.kind {
            Kind::Mark(mark) => Some(mark),
            _ => None,
        }
    }

    /// Whether one of these marks is at a place.
    pub fn marked(&self, at: usize, marks: &str) -> bool {
        self.mark(at).is_some_and(|mark| marks.contains(mark))
    }

    /// Whether a dash is at a place.
    pub fn dash(&self, at: usize) -> bool {
        self.marked(at, "-\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2212}")
    }

    /// Whether an apostrophe is at a place.
    pub fn apostrophe(&self, at: usize) -> bool {
        self.marked(at, "'\u{2019}\u{2018}\u{02bc}")
    }

    /// Whether the token at a place touches the one before it.
    pub fn glued(&self, at: usize) -> bool {
        let before = self.token(Self::back(at, 1)).map(|token| token.end);
        before.is_some() && before == self.token(at).map(|token| token.start)
    }

    /// Whether the token at a place begins with a capital.
    pub fn capital(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.capital)
    }

    /// Whether the token at a place is the first of its line.
    pub fn first(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.first)
    }

    /// Whether a paragraph, a title or the text ends before a place.
    pub fn ends(&self, at: usize) -> bool {
        self.token(at).is_none_or(|token| token.broken)
    }

    /// Whether an expression can begin at a place: all that is worth trying there.
    pub fn begins(&self, at: usize) -> bool {
        let short = self.apostrophe(at) && self.number(at + 1).is_some();
        short || self.number(at).is_some() || self.capital(at) || opening(self.word(at))
    }

    /// The place after a mark that may be left out.
    pub fn skip(&self, at: usize, marks: &str) -> usize {
        at + usize::from(self.marked(at, marks))
    }

    /// The place after a word that may be left out.
    pub fn pass(&self, at: usize, words: &[&str]) -> usize {
        at + usize::from(self.is(at, words))
    }

    /// The bytes that some tokens take.
    pub fn span(&self, from: usize, to: usize) -> (usize, usize) {
        let start = self.token(from).map_or(0, |token| token.start);
        (start, self.token(Self::back(to, 1)).map_or(start, |token| token.end.max(start)))
    }

    /// The text of some tokens, its white space collapsed.
    pub fn slice(&self, from: usize, to: usize) -> String {
        let (start, end) = self.span(from, to);
        collapse(self.text.get(start..end).unwrap_or_default())
    }

    /// The whole text without white space or punctuation around it.
    pub fn whole(&self) -> String {
        collapse(self.text.trim_matches(|letter: char| !letter.is_alphanumeric()))
    }

    /// Whether a whole number stands at a place, no piece of a longer figure, sum, score or name.
    pub fn free(&self, at: usize) -> bool {
        self.number(at).is_some() && self.free_before(at) && self.free_after(at)
    }

    /// Whether nothing before a number is one with it.
    pub fn free_before(&self, at: usize) -> bool {
        let before = Self::back(at, 1);
        if !self.glued(at) {
            return !self.marked(before, "£$€#№×+=%");
        }
        let far = Self::back(at, 2);
        let part = self.is(far, &["early", "mid", "late", "pre", "post", "c", "ca"]) || self.whole_year(far);
        let touching = self.glued(before) && (self.number(far).is_some() || self.wordy(far)) && !part;
        self.marked(before, "([{\"“‘«*_|>;—–") || (!touching && self.marked(before, "'’-,.:/"))
    }

    /// Whether nothing after a number is one with it.
    pub fn free_after(&self, at: usize) -> bool {
        let (next, then) = (at + 1, at + 2);
        if !self.glued(next) {
            return !self.marked(next, "%×=+°");
        }
        if self.glued(then) && self.number(then).is_some() {
            return self.marked(next, "—–") || (self.dash(next) && self.whole_year(at) && self.whole_year(then));
        }
        self.dash(next) || self.marked(next, ".,;:?!)]}\"”'’«»*_|</…")
    }

    /// Whether a number has a year's four figures and is not the tail of a longer row of them.
    fn whole_year(&self, at: usize) -> bool {
        let year = matches!(self.number(at), Some((1000..=2099, 4)));
        let row =
            |at: usize| self.glued(at) && self.dash(Self::back(at, 1)) && self.number(Self::back(at, 2)).is_some();
        year && !(row(at)
            && (row(Self::back(at, 2)) || !matches!(self.number(Self::back(at, 2)), Some((1000..=2099, 4)))))
    }

    /// Whether a label before a number makes it a name: "No. 1914", "page 1850".
    pub fn labelled(&self, at: usize) -> bool {
        let before = Self::back(at, 1);
        let before = if self.mark(before) == Some('.') { Self::back(at, 2) } else { before };
        matches!(
            self.word(before),
            "no" | "nos"
                | "number"
                | "numbers"
                | "page"
                | "pages"
                | "p"
                | "pp"
                | "room"
                | "lot"
                | "item"
                | "line"
                | "lines"
                | "chapter"
                | "vol"
                | "volume"
                | "route"
                | "highway"
                | "section"
                | "article"
                | "flight"
                | "channel"
                | "model"
                | "type"
                | "unit"
                | "bus"
                | "tel"
                | "telephone"
                | "ref"
                | "code"
                | "box"
                | "folio"
                | "verse"
                | "psalm"
                | "hymn"
                | "platform"
                | "locker"
                | "house"
                | "entry"
                | "sheet"
        )
    }

    /// A place in order, in figures or words, with the place after it.
    pub fn ordinal(&self, at: usize) -> Option<(u32, usize)> {
        if let Some((value, 1..=2)) = self.number(at) {
            let ended = self.glued(at + 1) && self.is(at + 1, &["st", "nd", "rd", "th", "d"]);
            return (ended && self.free_before(at)).then_some((value, at + 2));
        }
        if let Some(tens) = tens(self.word(at)) {
            let next = at + 1 + usize::from(self.dash(at + 1));
            return ordinal(self.word(next)).filter(|unit| *unit < 10).map(|unit| (tens + unit, next + 1));
        }
        ordinal(self.word(at)).map(|value| (value, at + 1))
    }

    /// A count in figures or words, with the place after it.
    pub fn count(&self, at: usize) -> Option<usize> {
        if self.number(at).is_some() {
            return self.free(at).then_some(at + 1);
        }
        let word = self.word(at);
        if tens(word).is_some() {
            let next = at + 1 + usize::from(self.dash(at + 1));
            return Some(if unit(self.word(next)).is_some_and(|unit| unit < 10) { next + 1 } else { at + 1 });
        }
        let loose = matches!(word, "a" | "an" | "some" | "several" | "many");
        match word {
            "few" | "couple" => Some(self.pass(at + 1, &["of"])),
            _ if loose => Some(if self.is(at + 1, &["few", "couple", "dozen", "hundred"]) {
                self.pass(at + 2, &["of"])
            } else {
                at + 1
            }),
            _ => unit(word).map(|_| at + 1),
        }
    }

    /// Which part of the following is meant, if a part is, with the place after that.
    pub fn part(&self, at: usize) -> (Option<Part>, usize) {
        let part = match self.word(at) {
            "early" => Part::Early,
            "mid" => Part::Mid,
            "late" => Part::Late,
            _ => return self.long_part(at),
        };
        let next = at + 1 + usize::from(self.dash(at + 1) || self.is(at + 1, &["in"]));
        (Some(part), self.pass(next, &["the"]))
    }

    /// A part that is told at length: "the end of".
    fn long_part(&self, at: usize) -> (Option<Part>, usize) {
        let from = self.pass(at, &["the"]);
        let part = match (self.word(from), self.word(from + 1)) {
            ("first", "half") => Part::First,
            ("second" | "latter" | "last", "half") => Part::Second,
            ("beginning" | "start" | "opening", "of") => Part::Early,
            ("middle", "of") => Part::Mid,
            ("end" | "close", "of") => Part::Late,
            _ => return (None, at),
        };
        let next = from + 1 + usize::from(self.is(from + 1, &["half"]));
        if self.is(next, &["of"]) { (Some(part), self.pass(next + 1, &["the"])) } else { (None, at) }
    }

    /// A weekday before a date, with the place after it.
    pub fn weekday_before(&self, at: usize) -> usize {
        let short = super::words::short_weekday(self.word(at)) && self.capital(at);
        if !short && !weekday(self.word(at)) {
            return at;
        }
        let next = if short { self.skip(at + 1, ".") } else { at + 1 };
        self.skip(next, ",")
    }

    /// A month's name, written with a capital, with the place after it and its stop.
    pub fn month_at(&self, at: usize) -> Option<(i8, usize)> {
        let month = month(self.word(at)).filter(|_| self.capital(at))?;
        let short = self.word(at).len() <= 4 && self.marked(at + 1, ".") && self.glued(at + 1);
        Some((month, at + 1 + usize::from(short && !matches!(self.word(at), "may" | "june" | "july"))))
    }
}

/// A text with each run of white space as one blank.
fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

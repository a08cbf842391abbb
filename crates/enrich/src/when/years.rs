//! Years: their shapes, and when a number in a text is likely to be one.

use super::reader::{Hint, Reader};
use super::reading::{Reading, Year, decades, year_name};
use super::words::{amount, counted, event, function, hundreds, month, season, tens, unit};
use frontload_core::Interval;

/// Years that a bare number can mean.
const YEARS: std::ops::RangeInclusive<u32> = 1000..=2099;

/// What a word before a number says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cue {
    /// It is a year unless it counts something.
    Strong,
    /// It is a year when nothing follows that it could count.
    Weak,
}

impl Reader<'_> {
    /// A year, with the part of it or the "circa" before it.
    pub fn year(&self, at: usize, hint: Hint) -> Option<Reading> {
        if let Some(next) = self.circa(at) {
            return self.about(next);
        }
        let (part, start) = self.part(at);
        let year = self.likely_year(start, hint.cued || part.is_some())?;
        let Some(part) = part else {
            return Some(Reading::dated(year.end, year_name(year.value), Interval::of_year(year.value)?, year));
        };
        let (first, last) = part.months();
        let text = format!("{}{}", part.short_name(), year_name(year.value));
        Some(Reading::dated(year.end, text, Interval::of_months(year.value, first, last)?, year))
    }

    /// The place after "circa" and its likes.
    fn circa(&self, at: usize) -> Option<usize> {
        match self.word(at) {
            "circa" => Some(at + 1),
            "c" | "ca" if self.glued(at + 2) || !self.glued(at + 1) => Some(self.skip(at + 1, ".")),
            "c" | "ca" if self.marked(at + 1, ".") => Some(at + 2),
            "around" | "approximately" => Some(self.pass(at + 1, &["the"])).map(|next| self.pass(next, &["year"])),
            "about" if self.is(at + 1, &["the"]) && self.is(at + 2, &["year"]) => Some(at + 3),
            _ => None,
        }
    }

    /// A year give or take five.
    fn about(&self, at: usize) -> Option<Reading> {
        let loose = self.is(Self::back(at, 1), &["around", "approximately"]);
        let year = if loose { self.counting_nothing(at)? } else { self.likely_year(at, true)? };
        let days = Interval::of_years(year.value - 5, year.value + 5)?;
        let mut reading = Reading::dated(year.end, format!("circa {}", year_name(year.value)), days, year);
        reading.also = decades(year.value, year.value);
        Some(reading)
    }

    /// A year after a word that is used of amounts as well.
    fn counting_nothing(&self, at: usize) -> Option<Year> {
        self.year_shape(at).filter(|year| self.counts_nothing(year.end) && !Self::round(*year))
    }

    /// A year where one is likely.
    pub fn likely_year(&self, at: usize, cued: bool) -> Option<Year> {
        if let Some(year) = self.marked_year(at) {
            return Some(year);
        }
        let year = self.year_shape(at)?;
        if counted(self.word(year.end)) || self.labelled(at) {
            return None;
        }
        (cued || self.quoted || self.cued(at, year)).then_some(year)
    }

    /// A year by its shape alone.
    pub fn year_shape(&self, at: usize) -> Option<Year> {
        self.marked_year(at)
            .or_else(|| self.bare_year(at))
            .or_else(|| self.short_year(at))
            .or_else(|| self.spelled_year(at))
    }

    /// "AD 79", "79 AD", "44 BC".
    fn marked_year(&self, at: usize) -> Option<Year> {
        let sure = true;
        if let Some((false, next)) = self.era_mark(at) {
            let (value, _) = self.number(next).filter(|(value, _)| (1..=2099).contains(value))?;
            return self.free_after(next).then_some(Year { value: value as i16, end: next + 1, sure });
        }
        let (value, _) = self.number(at).filter(|(value, figures)| *figures <= 4 && *value > 0)?;
        let (before, end) = self.era_mark(at + 1).filter(|_| self.free_before(at))?;
        let value = i16::try_from(value).ok().filter(|value| *value < if before { 9000 } else { 2100 })?;
        Some(Year { value: if before { 1 - value } else { value }, end, sure })
    }

    /// "BC", "B.C.", "AD", "CE": whether it counts backwards, and the place after it.
    pub fn era_mark(&self, at: usize) -> Option<(bool, usize)> {
        let dotted = |letter: &str| self.is(at + 2, &[letter]) && self.mark(at + 1) == Some('.') && self.glued(at + 2);
        let end = self.skip(at + 3, ".");
        match self.word(at) {
            _ if !self.capital(at) => None,
            "bc" | "bce" => Some((true, at + 1)),
            "ad" | "ce" if self.upper(at) => Some((false, at + 1)),
            "b" if dotted("c") => Some((true, end)),
            "a" if dotted("d") => Some((false, end)),
            _ => None,
        }
    }

    /// Whether both letters of a short word are capitals.
    fn upper(&self, at: usize) -> bool {
        self.slice(at, at + 1).chars().all(char::is_uppercase)
    }

    /// Four figures.
    fn bare_year(&self, at: usize) -> Option<Year> {
        let (value, 4) = self.number(at)? else { return None };
        let year = Year { value: value as i16, end: at + 1, sure: true };
        (YEARS.contains(&value) && self.free(at)).then_some(year)
    }

    /// "'43", in the century that the context tells; 1943 is a guess.
    fn short_year(&self, at: usize) -> Option<Year> {
        let (value, 2) = self.number(at + 1).filter(|_| self.apostrophe(at) && self.glued(at + 1))? else {
            return None;
        };
        let open = !self.glued(at) || self.marked(Self::back(at, 1), "(-–—/");
        let ended = self.free_after(at + 1) && !(self.glued(at + 2) && self.apostrophe(at + 2));
        let (value, sure) = self.complete(value as i16);
        (open && ended).then_some(Year { value, end: at + 2, sure })
    }

    /// "eighteen eighty-three", "nineteen hundred and four", "nineteen-oh-four".
    fn spelled_year(&self, at: usize) -> Option<Year> {
        let base = hundreds(self.word(at))?;
        let next = at + 1 + usize::from(self.dash(at + 1));
        let found = |rest: u32, end: usize| Some(Year { value: base + rest as i16, end, sure: true });
        match self.word(next) {
            "hundred" => {
                let rest = self.pass(next + 1, &["and"]);
                self.below_hundred(rest).map_or_else(|| found(0, next + 1), |(rest, end)| found(rest, end))
            }
            "oh" | "ought" | "nought" => {
                let rest = next + 1 + usize::from(self.dash(next + 1));
                unit(self.word(rest)).filter(|unit| *unit < 10).and_then(|unit| found(unit, rest + 1))
            }
            _ => self.below_hundred(next).filter(|(rest, _)| *rest >= 10).and_then(|(rest, end)| found(rest, end)),
        }
    }

    /// A number below a hundred in words, with the place after it.
    fn below_hundred(&self, at: usize) -> Option<(u32, usize)> {
        let Some(tens) = tens(self.word(at)) else { return unit(self.word(at)).map(|value| (value, at + 1)) };
        let next = at + 1 + usize::from(self.dash(at + 1));
        let unit = unit(self.word(next)).filter(|unit| *unit < 10);
        Some(unit.map_or((tens, at + 1), |unit| (tens + unit, next + 1)))
    }

    /// Whether the place of a number makes a year likely.
    fn cued(&self, at: usize, year: Year) -> bool {
        let counts_nothing = self.counts_nothing(year.end);
        match self.cue(at) {
            Some(Cue::Strong) if !(Self::round(year) && self.is(Self::back(at, 1), &["by"])) => return true,
            Some(Cue::Weak) if counts_nothing && !Self::round(year) => return true,
            _ => {}
        }
        if self.number(at).is_none() {
            return false;
        }
        if self.is(year.end, &["onwards", "onward"]) {
            return true;
        }
        self.bracketed(at, year.end)
            || self.dated_line(at, year.end)
            || self.names_event(at, year.end)
            || self.spans_years(at, year.end)
            || (counts_nothing && self.listed(at))
    }

    /// What the word before says.
    fn cue(&self, at: usize) -> Option<Cue> {
        let before = Self::back(at, 1);
        let word = self.word(before);
        if self.mark(before) == Some('.') && self.is(Self::back(at, 2), &["b", "d", "fl", "est", "r"]) {
            return Some(Cue::Strong);
        }
        if amount(self.word(Self::back(at, 2))) {
            return None;
        }
        Some(match word {
            "in" | "since" | "until" | "till" | "during" | "year" | "by" | "before" | "after" | "anno" | "early"
            | "late" | "mid" | "throughout" | "born" | "died" | "dated" | "circa" => Cue::Strong,
            "of" | "to" | "from" | "for" | "through" | "between" | "formed" | "founded" | "established" | "built"
            | "published" | "erected" | "released" | "inducted" | "elected" => Cue::Weak,
            "and" | "or" if self.number(Self::back(at, 2)).is_some_and(|(value, _)| YEARS.contains(&value)) => {
                Cue::Weak
            }
            "spring" | "summer" | "autumn" | "winter" => Cue::Strong,
            _ if month(word).is_some() && self.capital(before) => Cue::Strong,
            _ if season(word).is_some() => Cue::Weak,
            _ => return None,
        })
    }

    /// Whether nothing after a number can be what it counts.
    pub fn counts_nothing(&self, after: usize) -> bool {
        let word = self.word(after);
        if self.wordy(after) && !self.ends(after) && !self.capital(after) && !function(word) && !word.ends_with("ly") {
            return event(word);
        }
        let joined = self.dash(after) || matches!(word, "to" | "and" | "or");
        match self.number(after + 1).filter(|_| joined) {
            Some((value, _)) => YEARS.contains(&value) && self.free_after(after + 1) && self.no_unit(after + 2),
            None => true,
        }
    }

    /// Whether what follows is not counted by the number before it.
    fn no_unit(&self, at: usize) -> bool {
        let word = self.word(at);
        !self.wordy(at) || self.capital(at) || function(word) || event(word)
    }

    /// Whether a number looks like an amount: a round one of the middle ages.
    fn round(year: Year) -> bool {
        year.value < 1500 && year.value % 10 == 0
    }

    /// "(1883)", "(1914–1918)", "(born 1883;".
    fn bracketed(&self, at: usize, end: usize) -> bool {
        self.marked(Self::back(at, 1), "([") && (self.marked(end, ")],;/") || self.dash(end))
    }

    /// "1883: fire" at a line's start, "The fire – 1883" at its end, or "Ostrel, 1883." in a line.
    fn dated_line(&self, at: usize, end: usize) -> bool {
        let headed = self.first(at) || (self.first(Self::back(at, 1)) && self.marked(Self::back(at, 1), "-–—•*"));
        if headed && (self.marked(end, ":") || self.dash(end)) {
            return true;
        }
        let far = Self::back(at, 2);
        let modern = matches!(self.number(at), Some((1500..=2099, 4)));
        if modern && self.dash(Self::back(at, 1)) && !self.glued(at) && self.wordy(far) && self.ends(end) {
            return true;
        }
        let placed = self.marked(Self::back(at, 1), ",") && (self.wordy(far) || self.marked(far, "."));
        placed && !self.glued(at) && (self.ends(end) || self.marked(end, ".,;:)]"))
    }

    /// "the 1948 season", "1936 Summer Olympics".
    fn names_event(&self, at: usize, end: usize) -> bool {
        if self.ends(end) {
            return false;
        }
        let owned = matches!(self.word(Self::back(at, 1)), "the" | "his" | "her" | "its" | "their" | "a");
        event(self.word(end)) || (owned && self.capital(end))
    }

    /// "1883–1890", where the second number is a later year and counts nothing.
    fn spans_years(&self, at: usize, end: usize) -> bool {
        let Some((first, 4)) = self.number(at) else { return false };
        let other = self.number(end + 1).filter(|_| self.dash(end) || self.marked(end, "/")).map(|(value, _)| value);
        if other.is_some_and(|other| YEARS.contains(&other) && other > first) {
            return self.free_after(end + 1) && self.no_unit(end + 2);
        }
        let earlier = self.dash(Self::back(at, 1)).then(|| self.number(Self::back(at, 2))).flatten();
        !self.labelled(Self::back(at, 2))
            && earlier.is_some_and(|(value, figures)| figures == 4 && YEARS.contains(&value) && value < first)
    }

    /// "in 1883, 1884 and 1890": a year in a list of them.
    fn listed(&self, at: usize) -> bool {
        let modern = |at: usize| self.number(at).is_some_and(|(value, _)| (1500..=2099).contains(&value));
        let more = self.is(at + 1, &["and", "or"]) && modern(at) && modern(at + 2);
        if more && self.free(at + 2) && !self.glued(at + 2) {
            return true;
        }
        let comma = self.marked(Self::back(at, 1), ",") && !self.glued(at);
        comma && self.number(Self::back(at, 2)).is_some_and(|(value, figures)| figures == 4 && YEARS.contains(&value))
    }
}

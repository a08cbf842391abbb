//! Days and months: "12th March 1883", "March 12–14, 1883", "14/03/1921", "1883-03-12", "March 1883".

use super::reader::{Hint, Reader};
use super::reading::{Part, Reading, Year, year_name};
use super::words::{month, month_name};
use frontload_core::Interval;

/// One day of a month, or some days in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Days {
    first: i8,
    last: i8,
    end: usize,
    ordinal: bool,
}

impl Days {
    /// The days as they stand before a month.
    fn name(self) -> String {
        if self.first == self.last { self.first.to_string() } else { format!("{} to {}", self.first, self.last) }
    }
}

impl Reader<'_> {
    /// Days or a month, however they are written.
    pub fn date(&self, at: usize, hint: Hint) -> Option<Reading> {
        let from = self.weekday_before(at);
        let found = self.iso_date(from).or_else(|| self.figured_date(from)).or_else(|| self.day_month(at, from, hint));
        found
            .or_else(|| self.month_day(at, from, hint))
            .or_else(|| self.this_month(at))
            .or_else(|| self.month(at, hint))
    }

    /// "1883-03-12", "1883-03". A second number above the first's end is a range of years instead.
    fn iso_date(&self, at: usize) -> Option<Reading> {
        let (value, 4) = self.number(at)? else { return None };
        let year = i16::try_from(value).ok().filter(|year| (1000..=2099).contains(year) && self.free_before(at))?;
        let (month, 2) = self.number(at + 2)? else { return None };
        let month = i8::try_from(month).ok()?;
        let tight = self.mark(at + 1) == Some('-') && self.glued(at + 1) && self.glued(at + 2);
        let day =
            self.number(at + 4).filter(|_| self.mark(at + 3) == Some('-') && self.glued(at + 3) && self.glued(at + 4));
        let read = |end: usize| Year { value: year, end, sure: true };
        match day {
            _ if !tight => None,
            Some((day, 2)) if self.free_after(at + 4) => {
                Self::days(month, Days::of(i8::try_from(day).ok()?), read(at + 5))
            }
            Some(_) => None,
            None if i16::from(month) > year % 100 || !self.free_after(at + 2) => None,
            None => Self::whole_month(month, None, read(at + 3)),
        }
    }

    /// "14/03/1921", "14.3.1921": when both first numbers may be months, the two days both count.
    fn figured_date(&self, at: usize) -> Option<Reading> {
        let mark = self.mark(at + 1).filter(|mark| "/.-".contains(*mark) && self.mark(at + 3) == Some(*mark))?;
        let tight = (at + 1..at + 5).all(|at| self.glued(at));
        let ((first, 1..=2), (second, 1..=2), (value, 4)) =
            (self.number(at)?, self.number(at + 2)?, self.number(at + 4)?)
        else {
            return None;
        };
        let value = i16::try_from(value).ok().filter(|value| (1000..=2099).contains(value))?;
        if !tight || !self.free_before(at) || !self.free_after(at + 4) || self.labelled(at) {
            return None;
        }
        let (first, second) = (i8::try_from(first).ok()?, i8::try_from(second).ok()?);
        let year = Year { value, end: at + 5, sure: true };
        match (first > 12, second > 12) {
            (_, true) => Self::days(first, Days::of(second), year),
            (true, _) => Self::days(second, Days::of(first), year),
            _ if first == second || mark == '.' => Self::days(second, Days::of(first), year),
            _ => Self::either_day(first, second, year),
        }
    }

    /// A day and month that may be the other way round.
    fn either_day(first: i8, second: i8, year: Year) -> Option<Reading> {
        let (one, other) = (Interval::of_day(year.value, second, first)?, Interval::of_day(year.value, first, second)?);
        let days = one.through(&other).or_else(|| other.through(&one))?;
        let (name, other_name) = (month_name(second), month_name(first));
        let text = format!("{first} {name} or {second} {other_name} {}", year_name(year.value));
        Some(Reading::dated(year.end, text, days, year))
    }

    /// "12th of March, 1883", "3rd to the 12th of February".
    fn day_month(&self, whole: usize, at: usize, hint: Hint) -> Option<Reading> {
        let days = self.day_numbers(self.pass(at, &["the"]))?;
        let next = self.pass(self.pass(days.end, &["day"]), &["of"]);
        if next > days.end && !days.ordinal {
            return None;
        }
        let small = |at| month(self.word(at)).filter(|_| days.ordinal).map(|month| (month, at + 1));
        let (month, end) = self.month_at(next).or_else(|| small(next)).filter(|_| !self.ends(next))?;
        let year = self.year_after(end);
        if year.is_none() && (!self.capital(next) || (!days.ordinal && self.odd_month(next, end))) {
            return None;
        }
        self.completed(whole, month, days, end, year, hint)
    }

    /// "March 12th, 1883", "March 12–14".
    fn month_day(&self, whole: usize, at: usize, hint: Hint) -> Option<Reading> {
        let small = || month(self.word(at)).filter(|_| self.word(at).len() > 3).map(|month| (month, at + 1));
        let (month, next) = self.month_at(at).or_else(small)?;
        let days = self.day_numbers(self.pass(next, &["the"])).filter(|_| !self.ends(next))?;
        let year = self.year_after(days.end);
        let more = !days.ordinal && self.marked(days.end, ":/%") && self.glued(days.end);
        if more || (year.is_none() && !self.capital(at)) {
            return None;
        }
        self.completed(whole, month, days, days.end, year, hint)
    }

    /// A month that is cut so short that it needs more beside it, or a word of other use.
    fn odd_month(&self, at: usize, end: usize) -> bool {
        matches!(self.word(at), "may" | "march") && !self.ends(end) && self.wordy(end) && self.capital(end)
    }

    /// Days of a month with their year, that of the hint, or as they are written.
    fn completed(
        &self,
        whole: usize,
        month: i8,
        days: Days,
        end: usize,
        year: Option<Year>,
        hint: Hint,
    ) -> Option<Reading> {
        let known = hint.year.filter(|_| !self.recurring(whole) && !self.elsewhere(end)).map(|value| Year {
            value,
            end,
            sure: true,
        });
        match year.or(known) {
            Some(year) => Self::days(month, days, year),
            None => Some(Reading::plain(end, self.slice(whole, end))),
        }
    }

    /// Whether an expression comes back again and again: "every ninth of March".
    fn recurring(&self, at: usize) -> bool {
        self.is(Self::back(at, 1), &["every", "each", "any", "next", "last", "following", "previous", "another"])
    }

    /// Whether another year is told behind a day or a month: "of the following year".
    fn elsewhere(&self, at: usize) -> bool {
        let next = self.pass(self.pass(at, &["of"]), &["the"]);
        self.is(next, &["following", "next", "previous", "each", "every", "same", "that", "last", "this"])
    }

    /// The year behind a day or a month.
    fn year_after(&self, at: usize) -> Option<Year> {
        if self.ends(at) {
            return None;
        }
        let next = self.skip(at, ",");
        let next = self.pass(next, &["of", "in"]);
        let next = if next > at && self.is(next, &["the"]) && self.is(next + 1, &["year"]) { next + 2 } else { next };
        self.likely_year(next, true).or_else(|| self.spelled_out(next))
    }

    /// A spelled year, "nineteen hundred and four", which a bare number word never is.
    fn spelled_out(&self, at: usize) -> Option<Year> {
        self.year_shape(at).filter(|_| self.number(at).is_none())
    }

    /// Days of a known year.
    fn days(month: i8, days: Days, year: Year) -> Option<Reading> {
        let (first, last) =
            (Interval::of_day(year.value, month, days.first)?, Interval::of_day(year.value, month, days.last)?);
        let text = format!("{} {} {}", days.name(), month_name(month), year_name(year.value));
        Some(Reading::dated(year.end, text, first.through(&last)?, year))
    }

    /// The day or days at a place: "12", "12th", "twelfth", "3rd to the 12th", "12–14".
    fn day_numbers(&self, at: usize) -> Option<Days> {
        let (first, ordinal, end) = self.day_number(at)?;
        let joined = self.dash(end) || (ordinal && self.is(end, &["to", "and"]));
        if joined
            && let Some((last, _, end)) = self.day_number(self.pass(end + 1, &["the"]))
            && last > first
        {
            return Some(Days { first, last, end, ordinal });
        }
        Some(Days { first, last: first, end, ordinal })
    }

    /// A day's number, whether it is an ordinal, and the place after it.
    fn day_number(&self, at: usize) -> Option<(i8, bool, usize)> {
        let found = self.ordinal(at).map(|(value, end)| (value, true, end));
        let plain = || {
            let (value, 1..=2) = self.number(at)? else { return None };
            let free = (self.free_before(at) || self.dash(Self::back(at, 1))) && !self.labelled(at);
            let follows = !self.glued(at + 1) || self.dash(at + 1) || self.marked(at + 1, ".,;:)!?”\"]");
            let fraction = self.number(at + 2).is_some() && self.glued(at + 2) && !self.dash(at + 1);
            (free && follows && !fraction).then_some((value, false, at + 1))
        };
        let (value, ordinal, end) = found.or_else(plain)?;
        i8::try_from(value).ok().filter(|day| (1..=31).contains(day)).map(|day| (day, ordinal, end))
    }

    /// "the 3rd inst.", "21st ult."
    fn this_month(&self, at: usize) -> Option<Reading> {
        let (_, _, next) = self.day_number(self.pass(at, &["the"]))?;
        let told = self.is(next, &["inst", "instant", "ult", "ulto", "ultimo", "prox", "proximo"]);
        let end = if self.word(next).len() <= 4 && self.glued(next + 1) { self.skip(next + 1, ".") } else { next + 1 };
        told.then(|| Reading::plain(end, self.slice(at, end)))
    }

    /// "March 1883", "late in March, 1883"; or a month alone, where it can be nothing else.
    fn month(&self, at: usize, hint: Hint) -> Option<Reading> {
        let (part, start) = self.part(at);
        let (month, end) = self.month_at(start)?;
        if let Some(year) = self.year_after(end) {
            return Self::whole_month(month, part, year);
        }
        let cut = self.word(start).len() <= 3 && !matches!(self.word(start), "may");
        if (cut && !self.headed(start, end)) || !(part.is_some() || hint.cued || self.month_cued(start, end)) {
            return None;
        }
        match hint.year.filter(|_| !self.recurring(at) && !self.elsewhere(end)) {
            Some(value) => Self::whole_month(month, part, Year { value, end, sure: true }),
            None => Some(Reading::plain(end, self.slice(at, end))),
        }
    }

    /// A month or a part of it, in a known year.
    fn whole_month(month: i8, part: Option<Part>, year: Year) -> Option<Reading> {
        let whole = Interval::of_month(year.value, month)?;
        let name = format!("{} {}", month_name(month), year_name(year.value));
        let Some(part) = part else { return Some(Reading::dated(year.end, name, whole, year)) };
        let (first, last) = part.days();
        let from = Interval::of_day(year.value, month, first)?;
        let days = Interval::of_day(year.value, month, last).unwrap_or(whole);
        Some(Reading::dated(year.end, format!("{}{name}", part.short_name()), from.through(&days)?, year))
    }

    /// Whether a month opens a line as a heading does: "Jan. Two bolts".
    fn headed(&self, start: usize, end: usize) -> bool {
        self.first(start) && (self.marked(end, ".:") || self.mark(Self::back(end, 1)) == Some('.'))
    }

    /// Whether a name is a month's by the words around it.
    fn month_cued(&self, start: usize, end: usize) -> bool {
        if self.headed(start, end) {
            return true;
        }
        let named = !self.ends(end) && (self.capital(end) || (self.glued(end) && self.apostrophe(end)));
        let before = Self::back(start, 1);
        let strong =
            self.is(before, &["in", "since", "until", "till", "during", "early", "late", "mid", "last", "next"]);
        let weak = self.is(before, &["by", "from", "to", "before", "after", "every", "each", "following", "previous"]);
        let odd = matches!(self.word(start), "may" | "march" | "april" | "june" | "august");
        !named && !self.first(start) && (strong || (weak && !odd))
    }
}

impl Days {
    /// One day.
    fn of(day: i8) -> Self {
        Self { first: day, last: day, end: 0, ordinal: false }
    }
}

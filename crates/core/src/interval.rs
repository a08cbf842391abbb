//! A stretch of days, as a filter takes it and as a temporal expression gives it.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A stretch of days, both ends included. Years count astronomically: year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

impl Interval {
    /// The days from one to another; `None` when the second lies before the first.
    pub fn new(from: Date, to: Date) -> Option<Self> {
        (from <= to).then_some(Self { from, to })
    }

    /// A single day, if the calendar has it.
    pub fn of_day(year: i16, month: i8, day: i8) -> Option<Self> {
        let date = Date::new(year, month, day).ok()?;
        Some(Self { from: date, to: date })
    }

    /// A whole month.
    pub fn of_month(year: i16, month: i8) -> Option<Self> {
        Self::of_months(year, month, month)
    }

    /// The months of one year from the first to the last, both included.
    pub fn of_months(year: i16, first: i8, last: i8) -> Option<Self> {
        Self::new(Date::new(year, first, 1).ok()?, Date::new(year, last, 1).ok()?.last_of_month())
    }

    /// A whole year.
    pub fn of_year(year: i16) -> Option<Self> {
        Self::of_years(year, year)
    }

    /// The years from the first to the last, both included.
    pub fn of_years(first: i16, last: i16) -> Option<Self> {
        Self::new(Date::new(first, 1, 1).ok()?, Date::new(last, 12, 31).ok()?)
    }

    /// All days before a date, which itself is left out.
    pub fn before(date: Date) -> Option<Self> {
        Self::new(Date::MIN, date.checked_sub(1.day()).ok()?)
    }

    /// All days after a date, which itself is left out.
    pub fn after(date: Date) -> Option<Self> {
        Self::new(date.checked_add(1.day()).ok()?, Date::MAX)
    }

    /// Its first and last day, counted from 1 January 1970.
    pub fn days(&self) -> (i64, i64) {
        let count = |date: Date| i64::from((date - jiff::civil::date(1970, 1, 1)).get_days());
        (count(self.from), count(self.to))
    }

    /// Whether a day lies in both.
    pub fn overlaps(&self, other: &Interval) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// From the first day of this one to the last of the other; `None` when that runs backwards.
    pub fn through(&self, other: &Interval) -> Option<Self> {
        Self::new(self.from, other.to)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}..{}", self.from, self.to)
    }
}

/// Why a text is not an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntervalError {
    /// Nothing is written at all.
    Empty,
    /// One end is neither a year, nor a year and month, nor a full date.
    Unreadable(String),
    /// One end is written like a date, but the calendar lacks it.
    NoSuchDay(String),
    /// The second end lies before the first.
    Backwards(String),
}

impl fmt::Display for IntervalError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(out, "no dates given: write 1883, 1883..1890 or 1883-03-12..1890-01-01"),
            Self::Unreadable(end) => write!(out, "{end:?} is no date: write 1883, 1883-03 or 1883-03-12"),
            Self::NoSuchDay(end) => write!(out, "{end:?} is not in the calendar"),
            Self::Backwards(text) => write!(out, "{text:?} ends before it begins"),
        }
    }
}

impl std::error::Error for IntervalError {}

impl FromStr for Interval {
    type Err = IntervalError;

    /// Reads a year, a year and month or a full date at each end of `..`; one alone is all of itself, and an
    /// end left out is open.
    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let text = text.trim();
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (first.trim(), last.trim());
        if first.is_empty() && last.is_empty() {
            return Err(IntervalError::Empty);
        }
        let from = if first.is_empty() { Date::MIN } else { stretch(first)?.from };
        let to = if last.is_empty() { Date::MAX } else { stretch(last)?.to };
        Self::new(from, to).ok_or_else(|| IntervalError::Backwards(text.to_owned()))
    }
}

/// All days of a year, a month or a day, written in figures.
fn stretch(end: &str) -> Result<Interval, IntervalError> {
    let unreadable = || IntervalError::Unreadable(end.to_owned());
    let (sign, figures) = end.strip_prefix('-').map_or((1, end), |rest| (-1, rest));
    let parts: Vec<i16> = figures.split('-').map(figure).collect::<Option<_>>().ok_or_else(unreadable)?;
    let small = |part: i16| i8::try_from(part).unwrap_or(i8::MAX);
    let found = match *parts.as_slice() {
        [year] => Interval::of_year(sign * year),
        [year, month] => Interval::of_month(sign * year, small(month)),
        [year, month, day] => Interval::of_day(sign * year, small(month), small(day)),
        _ => return Err(unreadable()),
    };
    found.ok_or_else(|| IntervalError::NoSuchDay(end.to_owned()))
}

/// A number of figures alone.
fn figure(part: &str) -> Option<i16> {
    let plain = !part.is_empty() && part.len() <= 6 && part.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| part.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_and_written() {
        let check = |text: &str, expected: &str| {
            let read: Interval = text.parse().expect("an interval");
            assert_eq!(read.to_string(), expected, "{text:?}");
            assert_eq!(read.to_string().parse(), Ok(read), "{text:?} there and back");
        };
        check("1883", "1883-01-01..1883-12-31");
        check("1883..1890", "1883-01-01..1890-12-31");
        check("1883-03..1884-02", "1883-03-01..1884-02-29");
        check(" 1883-03-12 .. 1890-01-01 ", "1883-03-12..1890-01-01");
        check("1883-03-12", "1883-03-12..1883-03-12");
        check("-43", "-000043-01-01..-000043-12-31");
        check("0..79", "0000-01-01..0079-12-31");
        check("1950..", "1950-01-01..9999-12-31");
        check("..1899", "-009999-01-01..1899-12-31");
    }

    #[test]
    fn what_is_no_interval_says_why() {
        let check = |text: &str, expected: IntervalError| {
            assert_eq!(text.parse::<Interval>(), Err(expected.clone()), "{text:?}");
            assert!(!expected.to_string().is_empty());
        };
        check("", IntervalError::Empty);
        check("..", IntervalError::Empty);
        check("March", IntervalError::Unreadable("March".into()));
        check("1883-3-1-2", IntervalError::Unreadable("1883-3-1-2".into()));
        check("1883-", IntervalError::Unreadable("1883-".into()));
        check("1883..+9", IntervalError::Unreadable("+9".into()));
        check("99999", IntervalError::Unreadable("99999".into()));
        check("12000", IntervalError::NoSuchDay("12000".into()));
        check("1883-02-30", IntervalError::NoSuchDay("1883-02-30".into()));
        check("1883-300", IntervalError::NoSuchDay("1883-300".into()));
        check("1890..1883", IntervalError::Backwards("1890..1883".into()));
    }

    #[test]
    fn stretches_overlap_when_they_share_a_day() {
        let check = |first: &str, second: &str, expected: bool| {
            let (first, second): (Interval, Interval) = (first.parse().expect("one"), second.parse().expect("another"));
            assert_eq!(first.overlaps(&second), expected, "{first} and {second}");
            assert_eq!(second.overlaps(&first), expected, "{second} and {first}");
        };
        check("1883", "1883-12-31..1890", true);
        check("1883", "1884", false);
        check("1880..1889", "1883-03-12", true);
    }

    #[test]
    fn the_calendar_ends_without_a_panic() {
        let check = |found: Option<Interval>, expected: Option<&str>| {
            assert_eq!(found.map(|days| days.to_string()).as_deref(), expected);
        };
        check(Interval::before(Date::MIN), None);
        check(Interval::after(Date::MAX), None);
        check(Interval::of_year(10000), None);
        check(Interval::of_day(1883, 2, 29), None);
        check(Interval::of_year(-43), Some("-000043-01-01..-000043-12-31"));
    }
}

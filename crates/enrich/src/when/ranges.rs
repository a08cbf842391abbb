//! From one point in time to another, and all that lies on one side of one.

use super::reader::{Hint, Reader};
use super::reading::{Reading, Year, decades, year_name};
use frontload_core::Interval;

impl Reader<'_> {
    /// One point or stretch of time, the longest reading of it.
    pub fn point(&self, at: usize, hint: Hint) -> Option<Reading> {
        let readings = [
            self.date(at, hint),
            self.year(at, hint),
            self.decade(at),
            self.century(at),
            self.season(at),
            self.quarter(at),
            self.feast(at, hint),
            self.era(at),
        ];
        longest(readings.into_iter().flatten())
    }

    /// "from 1964 to 1965", "between May 1939 and June 1940", "1914–18".
    pub fn range(&self, at: usize, hint: Hint, point: Option<&Reading>) -> Option<Reading> {
        let lead = self.word(at);
        let led = matches!(lead, "from" | "between");
        let start = at + usize::from(led);
        if let Some(reading) = self.short_range(start, led) {
            return Some(reading);
        }
        let first = match point.filter(|_| !led) {
            Some(point) => point.clone(),
            None => self.first_of_two(start, led, hint)?,
        };
        let next = self.joined(first.end, lead)?;
        let second = self.point(next, Hint { cued: true, ..hint })?;
        let first = match (first.days, second.years.first()) {
            (None, Some(year)) => {
                self.point(start, Hint { cued: true, year: Some(*year) }).filter(|full| full.end == first.end)?
            }
            _ => first,
        };
        match (first.days, second.days) {
            (Some(from), Some(to)) if led || self.same_kind(start, next) => joined(first, second, from.through(&to)?),
            (None, None) => Some(Reading::plain(second.end, self.slice(at, second.end))),
            _ => None,
        }
    }

    /// The first end of a range: whatever stands behind "from", else a month before "to" or a dash.
    fn first_of_two(&self, at: usize, led: bool, hint: Hint) -> Option<Reading> {
        let month = || self.month_at(at).is_some_and(|(_, next)| self.joined(next, "").is_some());
        (led || month()).then(|| self.point(at, Hint { cued: true, ..hint })).flatten()
    }

    /// Whether neither end of an unmarked range begins in the middle of another expression.
    fn same_kind(&self, start: usize, next: usize) -> bool {
        !(self.dash(Self::back(start, 1)) && self.glued(start)) && next > start
    }

    /// The place after what joins a range's ends.
    fn joined(&self, at: usize, lead: &str) -> Option<usize> {
        if self.ends(at) {
            return None;
        }
        let joins = match lead {
            "between" => self.is(at, &["and"]),
            _ => self.is(at, &["to", "until", "till", "through"]),
        };
        ((joins || self.dash(at)) && !self.ends(at + 1)).then_some(at + 1)
    }

    /// "1914–18", "1943/44": two years, the second cut short.
    pub fn short_range(&self, at: usize, led: bool) -> Option<Reading> {
        let (value, 4) = self.number(at)? else { return None };
        let (short, 2) = self.number(at + 2)? else { return None };
        let slash = self.mark(at + 1) == Some('/');
        let later = short > value % 100 && (!slash || short == value % 100 + 1);
        let apart = !self.glued(at + 1) || !self.glued(at + 2);
        let fits = (1000..=2099).contains(&value) && later && !apart && (slash || self.dash(at + 1));
        let free = self.free_before(at) && self.free_after(at + 2) && !self.labelled(at);
        let more = self.glued(at + 3) && (self.dash(at + 3) || self.mark(at + 3) == Some('/'));
        if !fits || !free || more || !(led || self.counts_nothing(at + 3)) {
            return None;
        }
        let end = at + 3;
        let (from, to) = (value as i16, (value - value % 100 + short) as i16);
        let whole = |value: i16| {
            Some(Reading::dated(end, year_name(value), Interval::of_year(value)?, Year { value, end, sure: true }))
        };
        joined(whole(from)?, whole(to)?, Interval::of_years(from, to)?)
    }

    /// "since 1950", "before 1900", "after the Second World War", "1950 to the present", "from 1950 onwards".
    pub fn open(&self, at: usize, hint: Hint, point: Option<&Reading>) -> Option<Reading> {
        let cued = Hint { cued: true, ..hint };
        let word = match (self.word(at), self.word(at + 1)) {
            ("since", _) => "since",
            ("before", _) | ("prior", "to") => "before",
            ("after", _) => "after",
            ("until" | "till", _) => "until",
            ("pre" | "post", _) if self.dash(at + 1) || self.capital(at + 1) => {
                if self.word(at) == "pre" {
                    "before"
                } else {
                    "after"
                }
            }
            _ => return self.onwards(at, cued, point),
        };
        let next = at + 1 + usize::from(self.word(at) == "prior" || self.dash(at + 1));
        let season = self.short_range(self.pass(next, &["the"]), true);
        let reading = season.or_else(|| self.likely_point(next, cued))?;
        let Some(days) = reading.days else {
            return Some(Reading::plain(reading.end, self.slice(at, reading.end)));
        };
        let side = match word {
            "since" => Interval::new(days.from, jiff::civil::Date::MAX),
            "before" => Interval::before(days.from),
            "after" => Interval::after(days.to),
            _ => Interval::new(jiff::civil::Date::MIN, days.to),
        };
        Some(Reading { text: format!("{word} {}", with_article(&reading)), also: None, days: side, ..reading })
    }

    /// A point, or a year behind an article: "after the 1948 season".
    fn likely_point(&self, at: usize, hint: Hint) -> Option<Reading> {
        self.point(at, hint).or_else(|| self.year(self.pass(at, &["the"]), Hint { cued: false, ..hint }))
    }

    /// "1950 to the present", "from 1950 onwards".
    fn onwards(&self, at: usize, hint: Hint, point: Option<&Reading>) -> Option<Reading> {
        let led = self.is(at, &["from"]);
        let reading = if led { self.point(at + 1, hint) } else { point.cloned() };
        let reading = reading.or_else(|| self.year_to_now(at, hint))?;
        let days = reading.days?;
        let next = self.skip(reading.end, ",");
        let end = if self.is(next, &["onwards", "onward"]) || (self.is(next, &["on"]) && led) {
            next + 1
        } else {
            self.now_after(reading.end)?
        };
        let days = Interval::new(days.from, jiff::civil::Date::MAX);
        Some(Reading { end, text: format!("since {}", with_article(&reading)), also: None, days, ..reading })
    }

    /// A bare year before "–present".
    fn year_to_now(&self, at: usize, hint: Hint) -> Option<Reading> {
        self.year(at, hint).filter(|year| self.now_after(year.end).is_some())
    }

    /// The place after "to the present" and its likes.
    fn now_after(&self, at: usize) -> Option<usize> {
        if !self.dash(at) && !self.is(at, &["to", "until", "till", "through"]) {
            return None;
        }
        let next = self.pass(at + 1, &["the"]);
        self.is(next, &["present", "date", "now", "today"]).then(|| self.pass(next + 1, &["day"]))
    }
}

/// A name behind a preposition: with its article, and as one thing even where it is a range.
fn with_article(reading: &Reading) -> String {
    let name = reading.text.replace(" to ", "–");
    let article = if reading.years.is_empty() && (name.contains(' ') || name.ends_with("0s")) { "the " } else { "" };
    format!("{article}{name}")
}

/// The reading that goes furthest; the first of several.
pub fn longest(readings: impl Iterator<Item = Reading>) -> Option<Reading> {
    readings.reduce(|best, next| if next.end > best.end { next } else { best })
}

/// Two readings as one range.
fn joined(first: Reading, second: Reading, days: Interval) -> Option<Reading> {
    if first.days == second.days {
        return None;
    }
    let years: Vec<i16> = first.years.iter().chain(&second.years).copied().collect();
    let also = if years.is_empty() { None } else { decades(days.from.year(), days.to.year()) };
    let shared =
        second.years.first().filter(|_| first.years == second.years).map(|year| format!(" {}", year_name(*year)));
    let start = shared.and_then(|year| first.text.strip_suffix(&year).map(str::to_owned)).unwrap_or(first.text);
    let text = format!("{start} to {}", second.text);
    Some(Reading { end: second.end, text, also, days: Some(days), sure: first.sure && second.sure, years })
}

//! Feasts and holidays, with their day where the year is known.

use super::reader::{Hint, Reader};
use super::reading::{Reading, Year, year_name};
use super::words::function;
use frontload_core::Interval;
use jiff::ToSpan;
use jiff::civil::Date;

/// When a feast is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feast {
    /// From a day of a month, for so many days.
    Fixed(i8, i8, i8),
    /// So many days from Easter Sunday, to so many.
    Easter(i32, i32),
    /// Somewhere in a month.
    Month(i8),
}

/// All feasts known, longer names before shorter ones that they begin with.
const FEASTS: &[(&str, &str, Feast)] = &[
    ("christmas eve", "Christmas Eve", Feast::Fixed(12, 24, 1)),
    ("christmas day", "Christmas Day", Feast::Fixed(12, 25, 1)),
    ("christmas", "Christmas", Feast::Fixed(12, 24, 3)),
    ("boxing day", "Boxing Day", Feast::Fixed(12, 26, 1)),
    ("new year's day", "New Year's Day", Feast::Fixed(1, 1, 1)),
    ("new year's eve", "New Year's Eve", Feast::Fixed(12, 31, 1)),
    ("twelfth night", "Twelfth Night", Feast::Fixed(1, 5, 1)),
    ("candlemas", "Candlemas", Feast::Fixed(2, 2, 1)),
    ("lady day", "Lady Day", Feast::Fixed(3, 25, 1)),
    ("may day", "May Day", Feast::Fixed(5, 1, 1)),
    ("midsummer day", "Midsummer Day", Feast::Fixed(6, 24, 1)),
    ("midsummer", "Midsummer", Feast::Fixed(6, 21, 4)),
    ("lammas", "Lammas", Feast::Fixed(8, 1, 1)),
    ("michaelmas", "Michaelmas", Feast::Fixed(9, 29, 1)),
    ("halloween", "Halloween", Feast::Fixed(10, 31, 1)),
    ("hallowmas", "Hallowmas", Feast::Fixed(11, 1, 1)),
    ("martinmas", "Martinmas", Feast::Fixed(11, 11, 1)),
    ("armistice day", "Armistice Day", Feast::Fixed(11, 11, 1)),
    ("bonfire night", "Bonfire Night", Feast::Fixed(11, 5, 1)),
    ("bastille day", "Bastille Day", Feast::Fixed(7, 14, 1)),
    ("thanksgiving", "Thanksgiving", Feast::Month(11)),
    ("shrove tuesday", "Shrove Tuesday", Feast::Easter(-47, -47)),
    ("ash wednesday", "Ash Wednesday", Feast::Easter(-46, -46)),
    ("palm sunday", "Palm Sunday", Feast::Easter(-7, -7)),
    ("good friday", "Good Friday", Feast::Easter(-2, -2)),
    ("easter sunday", "Easter Sunday", Feast::Easter(0, 0)),
    ("easter monday", "Easter Monday", Feast::Easter(1, 1)),
    ("easter", "Easter", Feast::Easter(-2, 6)),
    ("whitsuntide", "Whitsun", Feast::Easter(49, 55)),
    ("whitsun", "Whitsun", Feast::Easter(49, 50)),
];

impl Reader<'_> {
    /// "Christmas 1943", "Michaelmas in the year 1702"; or a feast alone, where it tells when.
    pub fn feast(&self, at: usize, hint: Hint) -> Option<Reading> {
        if !self.capital(at) {
            return None;
        }
        let (next, name, feast) =
            FEASTS.iter().find_map(|(words, name, feast)| Some((self.words(at, words)?, *name, *feast)))?;
        let start = self.pass(self.pass(self.skip(next, ","), &["of", "in"]), &["the"]);
        if let Some(year) = self.likely_year(self.pass(start, &["year"]), true).filter(|_| !self.ends(next)) {
            return Some(Reading::dated(
                year.end,
                format!("{name} {}", year_name(year.value)),
                days(feast, year)?,
                year,
            ));
        }
        let told = hint.cued
            || self.is(
                Self::back(at, 1),
                &[
                    "at", "since", "before", "after", "by", "until", "till", "last", "next", "on", "every", "that",
                    "this", "each", "over", "one", "from", "to",
                ],
            );
        let alone = self.ends(next) || !self.wordy(next) || function(self.word(next));
        let owned = self.apostrophe(next) || (self.dash(next) && self.glued(next)) || self.capital(next);
        (told && alone && (!owned || self.ends(next))).then(|| Reading::plain(next, self.slice(at, next)))
    }

    /// The place after some words, if they stand here; an apostrophe counts as a word, a hyphen for a blank.
    pub fn words(&self, at: usize, words: &str) -> Option<usize> {
        let mut next = at;
        for word in words.split([' ', '\'']) {
            next += usize::from(next > at && (self.dash(next) || (self.apostrophe(next) && word == "s")));
            if self.word(next) != word {
                return None;
            }
            next += 1;
        }
        Some(next)
    }
}

/// The days of a feast in a year.
fn days(feast: Feast, year: Year) -> Option<Interval> {
    let shift = |date: Date, days: i32| date.checked_add(days.days()).ok();
    match feast {
        Feast::Month(month) => Interval::of_month(year.value, month),
        Feast::Fixed(month, day, count) => {
            let from = Date::new(year.value, month, day).ok()?;
            Interval::new(from, shift(from, i32::from(count) - 1)?)
        }
        Feast::Easter(from, to) => {
            let easter = easter(year.value)?;
            Interval::new(shift(easter, from)?, shift(easter, to)?)
        }
    }
}

/// Easter Sunday as England kept it: by the Julian calendar (and in its dates) until 1752.
fn easter(year: i16) -> Option<Date> {
    let year_number = i32::from(year);
    let golden = year_number.rem_euclid(19);
    let (month, day) = if year <= 1752 {
        let moon = (19 * golden + 15) % 30;
        let week = (2 * year_number.rem_euclid(4) + 4 * year_number.rem_euclid(7) - moon + 34).rem_euclid(7);
        ((moon + week + 114) / 31, (moon + week + 114) % 31 + 1)
    } else {
        let (century, rest) = (year_number / 100, year_number % 100);
        let moon = (19 * golden + century - century / 4 - (century - (century + 8) / 25 + 1) / 3 + 15) % 30;
        let week = (32 + 2 * (century % 4) + 2 * (rest / 4) - moon - rest % 4) % 7;
        let late = (golden + 11 * moon + 22 * week) / 451;
        ((moon + week - 7 * late + 114) / 31, (moon + week - 7 * late + 114) % 31 + 1)
    };
    Date::new(year, month as i8, day as i8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_is_where_it_was() {
        let check = |year: i16, expected: &str| {
            assert_eq!(easter(year).map(|date| date.to_string()).as_deref(), Some(expected), "{year}");
        };
        check(1916, "1916-04-23");
        check(2021, "2021-04-04");
        check(1818, "1818-03-22");
        check(1943, "1943-04-25");
        check(1702, "1702-04-05");
        check(1066, "1066-04-16");
    }
}

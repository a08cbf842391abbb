//! What a rule makes of some tokens, and how years, decades and centuries are named.

use super::When;
use super::words::nth;
use frontload_core::Interval;

/// A temporal expression as a rule read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The token after its last.
    pub end: usize,
    /// Its canonical name.
    pub text: String,
    /// What is said beside the name: decades, or the part of a century.
    pub also: Option<String>,
    /// Its days, if they are known.
    pub days: Option<Interval>,
    /// Whether its century was written or known, not guessed.
    pub sure: bool,
    /// The years written in it.
    pub years: Vec<i16>,
}

impl Reading {
    /// An expression that names days, which say their decades themselves.
    pub fn dated(end: usize, text: String, days: Interval, year: Year) -> Self {
        let also = decades(days.from.year(), days.to.year());
        let years = if year.sure { vec![year.value] } else { Vec::new() };
        Self { end, text, also, days: Some(days), sure: year.sure, years }
    }

    /// An expression whose own name says all, with its days.
    pub fn named(end: usize, text: String, also: Option<String>, days: Option<Interval>) -> Self {
        Self { end, text, also, days, sure: true, years: Vec::new() }
    }

    /// An expression that stays as it is written.
    pub fn plain(end: usize, text: String) -> Self {
        Self::named(end, text, None, None)
    }

    /// The expression as it goes out: days that rest on a guess are left out.
    pub fn when(self) -> When {
        let text = match self.also {
            Some(also) => format!("{}, {also}", self.text),
            None => self.text,
        };
        When { text, interval: self.days.filter(|_| self.sure) }
    }
}

/// A year as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Year {
    /// The year, counted astronomically.
    pub value: i16,
    /// The token after its last.
    pub end: usize,
    /// Whether its century was written or known, not guessed.
    pub sure: bool,
}

/// Which part of a stretch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first two fifths.
    Early,
    /// The middle half.
    Mid,
    /// The last two fifths.
    Late,
    /// The first half.
    First,
    /// The second half.
    Second,
}

impl Part {
    /// The word before what it is a part of.
    pub fn name(self) -> &'static str {
        match self {
            Self::Early => "early ",
            Self::Mid => "mid-",
            Self::Late => "late ",
            Self::First => "first half of the ",
            Self::Second => "second half of the ",
        }
    }

    /// The word before a name that has no article, such as a year's.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::First => "first half of ",
            Self::Second => "second half of ",
            _ => self.name(),
        }
    }

    /// The first and last of so many years that it takes. Early, mid and late overlap, as their uses do.
    pub fn years(self, from: i16, count: i16) -> (i16, i16) {
        let (first, last) = match self {
            Self::Early => (0, 4),
            Self::Mid => (3, 8),
            Self::Late => (6, 10),
            Self::First => (0, 5),
            Self::Second => (5, 10),
        };
        let at = |tenths: i16| (i32::from(count) * i32::from(tenths) / 10) as i16;
        (from + at(first), from + at(last) - 1)
    }

    /// The first and last month of a year that it takes.
    pub fn months(self) -> (i8, i8) {
        match self {
            Self::Early => (1, 4),
            Self::Mid => (5, 8),
            Self::Late => (9, 12),
            Self::First => (1, 6),
            Self::Second => (7, 12),
        }
    }

    /// The first and last day of a month that it takes; 31 stands for the month's end.
    pub fn days(self) -> (i8, i8) {
        match self {
            Self::Early => (1, 10),
            Self::Mid => (11, 20),
            Self::Late => (21, 31),
            Self::First => (1, 15),
            Self::Second => (16, 31),
        }
    }
}

/// A year's name.
pub fn year_name(year: i16) -> String {
    match year {
        ..=0 => format!("{} BC", 1 - i32::from(year)),
        1..=999 => format!("AD {year}"),
        _ => year.to_string(),
    }
}

/// The name of the century that a year lies in.
fn century_name(year: i16) -> String {
    if year <= 0 {
        return format!("{} century BC", nth((-i32::from(year) / 100 + 1) as u32));
    }
    format!("{} century", nth((i32::from(year) - 1) as u32 / 100 + 1))
}

/// The decade that a year lies in.
fn decade_name(year: i16) -> String {
    format!("{}0s", year / 10)
}

/// The decades that some years lie in: centuries before the year 1000, nothing for a stretch that pins no decade.
pub fn decades(from: i16, to: i16) -> Option<String> {
    if i32::from(to) - i32::from(from) >= 30 {
        return None;
    }
    Some(all_decades(from, to))
}

/// The decades that some years lie in, however many.
pub fn all_decades(from: i16, to: i16) -> String {
    let name = if from < 1000 { century_name } else { decade_name };
    let (first, last) = (name(from), name(to));
    if first == last { first } else { format!("{first} to {last}") }
}

/// Where in its century a decade lies.
pub fn part_of_century(decade: i16) -> String {
    let part = match decade % 100 {
        0..=30 => "early ",
        40..=60 => "mid-",
        _ => "late ",
    };
    format!("{part}{} century", nth((decade / 100 + 1) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_have_names() {
        let check = |year: i16, name: &str, century: &str| {
            assert_eq!((year_name(year).as_str(), century_name(year).as_str()), (name, century), "{year}");
        };
        check(1883, "1883", "19th century");
        check(1900, "1900", "19th century");
        check(79, "AD 79", "1st century");
        check(0, "1 BC", "1st century BC");
        check(-43, "44 BC", "1st century BC");
        check(-99, "100 BC", "1st century BC");
        check(-100, "101 BC", "2nd century BC");
    }

    #[test]
    fn stretches_name_their_decades() {
        let check = |from: i16, to: i16, expected: Option<&str>| {
            assert_eq!(decades(from, to).as_deref(), expected, "{from} to {to}");
        };
        check(1883, 1883, Some("1880s"));
        check(1939, 1945, Some("1930s to 1940s"));
        check(1850, 1900, None);
        check(-43, -43, Some("1st century BC"));
        check(i16::MIN, i16::MAX, None);
    }

    #[test]
    fn parts_take_their_share() {
        let check = |part: Part, expected: (i16, i16)| assert_eq!(part.years(1800, 100), expected, "{part:?}");
        check(Part::Early, (1800, 1839));
        check(Part::Mid, (1830, 1879));
        check(Part::Late, (1860, 1899));
        check(Part::First, (1800, 1849));
        check(Part::Second, (1850, 1899));
    }
}

//! Decades, centuries, seasons and the parts of a year that have a name.

use super::reader::Reader;
use super::reading::{Part, Reading, Year, all_decades, part_of_century, year_name};
use super::words::{decade, hundreds, nth, season};
use frontload_core::Interval;
use jiff::civil::Date;

impl Reader<'_> {
    /// "the late 1880s", "the eighties", "the '80s", "the 1800s".
    pub fn decade(&self, at: usize) -> Option<Reading> {
        let (part, start) = self.part(at);
        let start = self.pass(start, &["the"]);
        let circa = self.word(start) == "circa";
        let Year { value, end, sure } = self.decade_shape(at, start + usize::from(circa))?;
        if value % 100 == 0 && value < 2000 {
            return Some(Self::hundred(value, part, end));
        }
        let (from, to) = part.map_or((value, value + 9), |part| part.years(value, 10));
        let name = format!("{value}s");
        let text = part.map_or(name.clone(), |part| format!("{}{name}", part.name()));
        let century = part_of_century(value);
        let also = if part.is_some() { format!("{name}, {century}") } else { century };
        Some(Reading { sure, ..Reading::named(end, text, Some(also), Interval::of_years(from, to)) })
    }

    /// The decade at a place.
    fn decade_shape(&self, at: usize, start: usize) -> Option<Year> {
        let quoted = self.apostrophe(start);
        let digits = start + usize::from(quoted);
        if let Some((value, figures)) = self.number(digits) {
            let apostrophe = usize::from(self.glued(digits + 1) && self.apostrophe(digits + 1));
            let ended = digits + 1 + apostrophe;
            if !(self.word(ended) == "s" && self.glued(ended) && value % 10 == 0) {
                return None;
            }
            let end = ended + 1;
            return match figures {
                4 if !quoted && (1000..2100).contains(&value) && self.free_before(digits) => {
                    Some(Year { value: value as i16, end, sure: true })
                }
                2 if !quoted && value >= 20 && self.same_century(start).is_some() => {
                    Some(Year { value: self.same_century(start)? + value as i16, end, sure: true })
                }
                2 if value >= 20 && (quoted || (start > at && self.ageless(at))) => {
                    Some(self.completed_decade(value as i16, end))
                }
                _ => None,
            };
        }
        let spelled = hundreds(self.word(start)).zip(decade(self.word(start + 1 + usize::from(self.dash(start + 1)))));
        if let Some((base, tens)) = spelled {
            return Some(Year { value: base + tens, end: start + 2 + usize::from(self.dash(start + 1)), sure: true });
        }
        let tens = decade(self.word(start)).filter(|_| start > at && self.ageless(at))?;
        Some(self.completed_decade(tens, start + 1))
    }

    /// The century of a decade right before another: "1950s–70s".
    fn same_century(&self, at: usize) -> Option<i16> {
        let joined = self.dash(Self::back(at, 1)) || self.is(Self::back(at, 1), &["and", "or", "to"]);
        let (value, 4) = self.number(Self::back(at, 3)).filter(|_| joined && self.word(Self::back(at, 2)) == "s")?
        else {
            return None;
        };
        Some(value as i16 / 100 * 100)
    }

    /// A decade in the century that the context tells.
    fn completed_decade(&self, tens: i16, end: usize) -> Year {
        let (value, sure) = self.complete(tens);
        Year { value, end, sure }
    }

    /// Whether nobody's age or the weather is told: "in her eighties", "temperatures in the eighties".
    fn ageless(&self, at: usize) -> bool {
        let owned = |at| self.is(at, &["his", "her", "their", "my", "our", "your", "its"]);
        let about = self.is(Self::back(at, 2), &["temperatures", "temperature", "highs", "lows", "mercury", "scores"]);
        !owned(at) && !owned(Self::back(at, 1)) && !about
    }

    /// "the 1800s": all its hundred years.
    fn hundred(value: i16, part: Option<Part>, end: usize) -> Reading {
        let century = format!("{} century", nth(value as u32 / 100 + 1));
        let Some(part) = part else {
            let days = Interval::of_years(value, value + 99);
            return Reading::named(end, format!("{value}s"), Some(century), days);
        };
        let (from, to) = part.years(value, 100);
        let also = format!("{}{century}, {}", part.name(), all_decades(from, to));
        Reading::named(end, format!("{}{value}s", part.name()), Some(also), Interval::of_years(from, to))
    }

    /// "mid-19th century", "the third century BC", "17th and 18th centuries", "the turn of the 20th century".
    pub fn century(&self, at: usize) -> Option<Reading> {
        let turn = self.turn(at);
        let (part, start) = if turn == at { self.part(at) } else { (None, turn) };
        let (first, next) = self.ordinal(self.pass(start, &["the"]))?;
        let (last, next) = self.second_century(next).unwrap_or((first, next));
        let next = next + usize::from(self.dash(next));
        let owned = self.is(Self::back(start, 1), &["his", "her", "their", "my", "our"]);
        if !self.is(next, &["century", "centuries", "cent"]) || owned || !(1..=21).contains(&first) || last > 21 {
            return None;
        }
        let (before, end) = self.era_mark(next + 1).unwrap_or((false, next + 1));
        let (low, high) = if before { (last, first) } else { (first, last) };
        if low > high {
            return None;
        }
        let name = if low == high {
            format!("{} century", nth(first))
        } else {
            format!("{} to {} centuries", nth(first), nth(last))
        };
        let name = if before { format!("{name} BC") } else { name };
        let (from, to) = (
            century_years(low, before).0.min(century_years(high, before).0),
            century_years(low, before).1.max(century_years(high, before).1),
        );
        if turn != at {
            return Some(turned(end, &name, from));
        }
        Some(part_of(end, &name, part, (from, to)))
    }

    /// The place after "turn of the".
    fn turn(&self, at: usize) -> usize {
        let next = self.pass(at, &["the"]);
        if self.word(next) == "turn" && self.word(next + 1) == "of" { self.pass(next + 2, &["the"]) } else { at }
    }

    /// The second of two centuries: "and 18th".
    fn second_century(&self, at: usize) -> Option<(u32, usize)> {
        let at = at + usize::from(self.dash(at) && self.is(at + 1, &["and", "to", "or"]));
        let at = if self.is(at, &["century"]) { at + 1 } else { at };
        if !self.dash(at) && !self.is(at, &["and", "to", "or", "through"]) {
            return None;
        }
        self.ordinal(self.pass(at + 1, &["the"]))
    }

    /// "winter of '43", "winter 1943–44", "late summer 1883".
    pub fn season(&self, at: usize) -> Option<Reading> {
        let (part, start) = self.part(at);
        let start = self.pass(start, &["the"]);
        let begins = season(self.word(start))?;
        if self.ends(start + 1) {
            return None;
        }
        let next = self.skip(start + 1, ",");
        let next = self.pass(self.pass(next, &["of", "in"]), &["the"]);
        let year = self.season_year(self.pass(next, &["year"]))?;
        let end = year.end;
        let name = part.map_or("", Part::short_name);
        let word = if begins == 9 { "autumn" } else { self.word(start) };
        if begins == 12 {
            let (from, to) =
                (Date::new(year.value, 12, 1).ok()?, Date::new(year.value + 1, 2, 1).ok()?.last_of_month());
            let text = format!("{name}winter {}–{:02}", year_name(year.value), (year.value + 1).rem_euclid(100));
            return Some(first_decade(Reading::dated(end, text, Interval::new(from, to)?, year)));
        }
        let text = format!("{name}{word} {}", year_name(year.value));
        Some(Reading::dated(end, text, Interval::of_months(year.value, begins, begins + 2)?, year))
    }

    /// The year of a season: that in which a winter begins, "1943–44" or "1943/44".
    fn season_year(&self, at: usize) -> Option<Year> {
        let double = self.short_range(at, true).and_then(|reading| match *reading.years.as_slice() {
            [value, last] if last == value + 1 => Some(Year { value, end: reading.end, sure: true }),
            _ => None,
        });
        double.or_else(|| self.likely_year(at, true))
    }

    /// "Q3 2021", "2021 Q3", "the third quarter of 2021".
    pub fn quarter(&self, at: usize) -> Option<Reading> {
        let short = |at: usize| {
            let (value, 1) = self.number(at + 1).filter(|_| self.word(at) == "q" && self.glued(at + 1))? else {
                return None;
            };
            Some((value, at + 2))
        };
        if let (Some((2021.. | 1000.., 4)), Some((quarter, end))) = (self.number(at), short(at + 1)) {
            return Self::quarter_of(quarter, Year { end, ..self.likely_year(at, true)? });
        }
        let long = || {
            let (value, end) = self.ordinal(self.pass(at, &["the"]))?;
            self.is(end, &["quarter"]).then_some((value, end + 1))
        };
        let (quarter, end) = short(at).or_else(long)?;
        Self::quarter_of(quarter, self.likely_year(self.pass(end, &["of"]), true)?)
    }

    /// A quarter of a known year.
    fn quarter_of(quarter: u32, year: Year) -> Option<Reading> {
        let first = i8::try_from(quarter).ok().filter(|quarter| (1..=4).contains(quarter))? * 3 - 2;
        let text = format!("Q{quarter} {}", year_name(year.value));
        Some(Reading::dated(year.end, text, Interval::of_months(year.value, first, first + 2)?, year))
    }
}

/// A winter counts to the decade that it begins in.
fn first_decade(reading: Reading) -> Reading {
    let also = reading.days.and_then(|days| super::reading::decades(days.from.year(), days.from.year()));
    Reading { also, ..reading }
}

/// The first and last year of a century.
fn century_years(century: u32, before: bool) -> (i16, i16) {
    let hundreds = century as i16 * 100;
    if before { (1 - hundreds, 100 - hundreds) } else { (hundreds - 99, hundreds) }
}

/// A century or a part of it.
fn part_of(end: usize, name: &str, part: Option<Part>, (from, to): (i16, i16)) -> Reading {
    let Some(part) = part else { return Reading::named(end, name.to_owned(), None, Interval::of_years(from, to)) };
    let from = if from > 0 { from - 1 } else { from };
    let (first, last) = part.years(from, 100);
    let also = (first >= 1000).then(|| all_decades(first, last));
    Reading::named(end, format!("{}{name}", part.name()), also, Interval::of_years(first, last))
}

/// The ten years on each side of a century's first.
fn turned(end: usize, name: &str, from: i16) -> Reading {
    let also = (from >= 1000).then(|| all_decades(from - 10, from + 9));
    Reading::named(end, format!("turn of the {name}"), also, Interval::of_years(from - 11, from + 9))
}

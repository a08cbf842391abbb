//! Temporal expressions: what a text says of when things were, as a search handle and, where possible, as days.
//!
//! The reader cuts text into tokens and tries its rules at each, once, so that its time grows with the text's
//! length alone. Rules prefer silence: a number is a year only where its place says so.

mod dates;
mod eras;
mod feasts;
mod periods;
mod ranges;
mod reader;
mod reading;
mod token;
mod vague;
mod words;
mod years;

use frontload_core::Interval;
use ranges::longest;
use reader::{Hint, Reader};
use reading::Reading;

/// A temporal expression, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// The expression in canonical form, with the decades that it falls in; as it is written where it names no days.
    pub text: String,
    /// The days that it names, if they are known.
    pub interval: Option<Interval>,
}

/// What the rest of a document says about its time: the years written out in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    years: Vec<i16>,
}

impl Context {
    /// Collects the years of a title, of headings, of earlier text.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let years = texts.into_iter().flat_map(|text| years(&Reader::new(text, Self::default(), false)));
        Self { years: distinct(years) }
    }

    /// The one year in sight, if there is exactly one.
    fn only(&self) -> Option<i16> {
        if let [year] = self.years.as_slice() { Some(*year) } else { None }
    }

    /// Puts a century before a year's last two figures: that nearest to a known year, where what lies ahead counts
    /// as twice as far. Without any known year it is the 20th century, and unsure.
    fn complete(&self, short: i16) -> (i16, bool) {
        let far = |year: i16, known: i16| if year > known { (year - known) * 2 } else { known - year };
        let nearest = |year: i16| self.years.iter().map(|known| far(year, *known)).min();
        let candidates = (10..=20).map(|century| century * 100 + short);
        let best = candidates.filter_map(|year| Some((nearest(year)?, year))).min();
        best.map_or((1900 + short, false), |(_, year)| (year, true))
    }
}

/// Every temporal expression in a text with its byte span: leftmost and longest, in order, not overlapping.
pub fn find(text: &str, context: &Context) -> Vec<((usize, usize), When)> {
    let mut reader = Reader::new(text, Context::default(), false);
    let own = Context { years: distinct(years(&reader)) };
    let year = own.only();
    reader.context.years = distinct(own.years.into_iter().chain(context.years.iter().copied()));
    let found = readings(&reader, year);
    found.into_iter().map(|(at, reading)| (reader.span(at, reading.end), reading.when())).collect()
}

/// Reads one quoted expression, a few words too many around it; `None` when nothing in it tells of time.
pub fn read(quote: &str, context: &Context) -> Option<When> {
    let mut reader = Reader::new(quote, context.clone(), false);
    let strict = readings(&reader, context.only());
    reader.quoted = true;
    let loose = readings(&reader, context.only());
    let timely = !strict.is_empty() || !loose.is_empty() || reader.tells_of_time();
    let best = finest(strict).or_else(|| finest(loose)).map(Reading::when);
    best.or_else(|| timely.then(|| When { text: reader.whole(), interval: None }))
}

/// The reading that names the fewest days, one that is sure before a guess.
fn finest(found: Vec<(usize, Reading)>) -> Option<Reading> {
    let dated = found.into_iter().map(|(_, reading)| reading).filter(|reading| reading.days.is_some());
    dated.min_by_key(|reading| (!reading.sure, reading.days.map(|days| days.to.duration_since(days.from))))
}

/// All readings of a text with the token that each begins at.
fn readings(reader: &Reader, year: Option<i16>) -> Vec<(usize, Reading)> {
    let hint = Hint { cued: false, year };
    let mut found = Vec::new();
    let mut at = 0;
    while at < reader.len() {
        let Some(reading) = reader.begins(at).then(|| best(reader, at, hint)).flatten() else {
            at += 1;
            continue;
        };
        let next = reading.end.max(at + 1);
        found.push((at, reading));
        at = next;
    }
    found
}

/// The longest reading at a place.
fn best(reader: &Reader, at: usize, hint: Hint) -> Option<Reading> {
    let point = reader.point(at, hint);
    let (range, open) = (reader.range(at, hint, point.as_ref()), reader.open(at, hint, point.as_ref()));
    longest([range, open, point, reader.vague(at, hint)].into_iter().flatten())
}

/// The years written in a text.
fn years(reader: &Reader) -> Vec<i16> {
    readings(reader, None).into_iter().flat_map(|(_, reading)| reading.years).collect()
}

/// Each year once.
fn distinct(years: impl IntoIterator<Item = i16>) -> Vec<i16> {
    let mut years: Vec<i16> = years.into_iter().collect();
    years.sort_unstable();
    years.dedup();
    years
}

#[cfg(test)]
mod tests;

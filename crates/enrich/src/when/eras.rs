//! Ages that have a name.

use super::reader::Reader;
use super::reading::{Part, Reading, year_name};
use super::words::function;
use frontload_core::Interval;

/// What must stand around a name before it means an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing: no other use is common.
    Nothing,
    /// A word such as "era" behind it, or "early", "mid" or "late" before it.
    Noun,
    /// That, or the article before it and no name behind it.
    Article,
}

/// The ages: the words, the name, the years or days, and what must stand around.
const ERAS: &[(&str, &str, &str, Needs)] = &[
    ("victorian", "Victorian era", "1837..1901", Needs::Nothing),
    ("edwardian", "Edwardian era", "1901..1910", Needs::Nothing),
    ("elizabethan", "Elizabethan era", "1558..1603", Needs::Nothing),
    ("jacobean", "Jacobean era", "1603..1625", Needs::Nothing),
    ("georgian", "Georgian era", "1714..1837", Needs::Noun),
    ("regency", "Regency era", "1811..1820", Needs::Noun),
    ("tudor", "Tudor era", "1485..1603", Needs::Noun),
    ("stuart", "Stuart era", "1603..1714", Needs::Noun),
    ("restoration", "Restoration era", "1660..1688", Needs::Noun),
    ("renaissance", "Renaissance", "1400..1600", Needs::Article),
    ("middle ages", "Middle Ages", "500..1500", Needs::Nothing),
    ("dark ages", "Dark Ages", "500..1000", Needs::Nothing),
    ("interwar", "interwar period", "1918..1939", Needs::Noun),
    ("inter war", "interwar period", "1918..1939", Needs::Noun),
    ("first world war", "First World War", "1914-07-28..1918-11-11", Needs::Nothing),
    ("second world war", "Second World War", "1939-09-01..1945-09-02", Needs::Nothing),
    ("world war ii", "Second World War", "1939-09-01..1945-09-02", Needs::Nothing),
    ("world war two", "Second World War", "1939-09-01..1945-09-02", Needs::Nothing),
    ("world war i", "First World War", "1914-07-28..1918-11-11", Needs::Nothing),
    ("world war one", "First World War", "1914-07-28..1918-11-11", Needs::Nothing),
    ("wwii", "Second World War", "1939-09-01..1945-09-02", Needs::Nothing),
    ("wwi", "First World War", "1914-07-28..1918-11-11", Needs::Nothing),
    ("great war", "First World War", "1914-07-28..1918-11-11", Needs::Nothing),
    ("great depression", "Great Depression", "1929..1939", Needs::Nothing),
    ("cold war", "Cold War", "1947..1991", Needs::Nothing),
    ("stone age", "Stone Age", "", Needs::Nothing),
    ("bronze age", "Bronze Age", "", Needs::Nothing),
    ("iron age", "Iron Age", "", Needs::Nothing),
    ("neolithic", "Neolithic", "", Needs::Nothing),
    ("roman britain", "Roman Britain", "43..410", Needs::Nothing),
    ("viking age", "Viking Age", "793..1066", Needs::Nothing),
    ("gilded age", "Gilded Age", "1870..1900", Needs::Nothing),
    ("ming", "Ming dynasty", "1368..1644", Needs::Noun),
    ("qing", "Qing dynasty", "1644..1912", Needs::Noun),
    ("tang", "Tang dynasty", "618..907", Needs::Noun),
    ("song", "Song dynasty", "960..1279", Needs::Noun),
    ("yuan", "Yuan dynasty", "1271..1368", Needs::Noun),
    ("edo", "Edo period", "1603..1868", Needs::Noun),
    ("meiji", "Meiji era", "1868..1912", Needs::Noun),
    ("heian", "Heian period", "794..1185", Needs::Noun),
    ("weimar republic", "Weimar Republic", "1918..1933", Needs::Nothing),
    ("third reich", "Third Reich", "1933..1945", Needs::Nothing),
    ("american civil war", "American Civil War", "1861-04-12..1865-05-26", Needs::Nothing),
    ("english civil war", "English Civil War", "1642..1651", Needs::Nothing),
    ("spanish civil war", "Spanish Civil War", "1936-07-17..1939-04-01", Needs::Nothing),
    ("napoleonic wars", "Napoleonic Wars", "1803..1815", Needs::Nothing),
    ("crimean war", "Crimean War", "1853-10-01..1856-03-30", Needs::Nothing),
    ("boer war", "Boer War", "1899-10-11..1902-05-31", Needs::Nothing),
    ("korean war", "Korean War", "1950-06-25..1953-07-27", Needs::Nothing),
    ("vietnam war", "Vietnam War", "1955..1975", Needs::Nothing),
    ("french revolution", "French Revolution", "1789..1799", Needs::Nothing),
    ("wars of the roses", "Wars of the Roses", "1455..1487", Needs::Nothing),
    ("thirty years war", "Thirty Years' War", "1618..1648", Needs::Nothing),
    ("blitz", "Blitz", "1940-09-07..1941-05-11", Needs::Article),
];

impl Reader<'_> {
    /// "late Victorian", "the Second World War", "the early Bronze Age".
    pub fn era(&self, at: usize) -> Option<Reading> {
        let (part, start) = self.part(at);
        let start = self.pass(start, &["the"]);
        if !self.capital(start) && !self.is(start, &["interwar", "inter"]) {
            return None;
        }
        if let Some(reading) = self.numbered_war(start) {
            return Some(reading);
        }
        let (next, name, days, needs) = ERAS
            .iter()
            .find_map(|(words, name, days, needs)| Some((self.words(start, words)?, *name, *days, *needs)))?;
        let end = self.pass(next, &["era", "period", "age", "times", "time", "days", "years", "dynasty", "epoch"]);
        let told = end > next || part.is_some() || self.is(next, &["england", "britain", "london"]);
        let article = start > at || self.is(Self::back(start, 1), &["the"]);
        let named = !self.ends(next) && self.capital(next) && !self.is(next, &["england", "britain", "london"]);
        let clear = match needs {
            Needs::Nothing => end > next || !name.ends_with("era") || !named,
            Needs::Noun => told && !(named && part.is_none()),
            Needs::Article => told || (article && (self.ends(next) || !self.wordy(next) || function(self.word(next)))),
        };
        clear.then(|| era(end, name, part, days))
    }

    /// "WW2", where letters and figure are one name.
    fn numbered_war(&self, at: usize) -> Option<Reading> {
        let (number, 1) = self.number(at + 1).filter(|_| self.word(at) == "ww" && self.glued(at + 1))? else {
            return None;
        };
        let (name, days) = match number {
            1 => ("First World War", "1914-07-28..1918-11-11"),
            2 => ("Second World War", "1939-09-01..1945-09-02"),
            _ => return None,
        };
        Some(era(at + 2, name, None, days))
    }
}

/// An age or a part of it, with its years.
fn era(end: usize, name: &str, part: Option<Part>, days: &str) -> Reading {
    let named = format!("{}{name}", part.map_or("", Part::short_name));
    let Ok(whole) = days.parse::<Interval>() else { return Reading::plain(end, named) };
    let (from, to) = (whole.from.year(), whole.to.year());
    let Some(part) = part else {
        return Reading::named(end, named, Some(format!("{} to {}", year_name(from), year_name(to))), Some(whole));
    };
    let (first, last) = part.years(from, to - from);
    let (first, last) = ((first / 10 * 10).max(from), (last / 10 * 10 + 9).min(to));
    let edge = |year: i16, whole: i16| if year == whole { year_name(year) } else { format!("{}0s", year / 10) };
    let also = format!("{} to {}", edge(first, from), edge(last, to));
    Reading::named(end, named, Some(also), Interval::of_years(first, last))
}

//! Expressions that tell of time without naming it: they stay as they are written.

use super::reader::{Hint, Reader};
use super::reading::Reading;
use super::words::{daytime, function, month, ordinal, season, span_unit, weekday};

impl Reader<'_> {
    /// The longest expression here that stays text.
    pub fn vague(&self, at: usize, hint: Hint) -> Option<Reading> {
        let ends = [self.apart(at, hint), self.pointed(at), self.at_daytime(at), self.war(at), self.on_weekday(at)];
        let end = ends.into_iter().flatten().max()?;
        Some(Reading::plain(end, self.slice(at, end)))
    }

    /// "three days after the flood", "two years later", "a fortnight ago".
    fn apart(&self, at: usize, hint: Hint) -> Option<usize> {
        let next = self.count(at)?;
        if !span_unit(self.word(next)) || self.labelled(at) || self.ends(next) {
            return None;
        }
        match self.word(next + 1) {
            "ago" | "later" | "earlier" | "afterwards" | "previously" | "hence" => Some(next + 2),
            "after" | "before" => Some(self.anchor(next + 2, hint)),
            _ => None,
        }
    }

    /// The place after what a distance in time is measured from.
    fn anchor(&self, at: usize, hint: Hint) -> usize {
        if let Some(point) = self.point(at, Hint { cued: true, ..hint }) {
            return point.end;
        }
        if !self.is(at, &["the", "his", "her", "their", "our", "my", "that", "this", "its"]) {
            return at;
        }
        let noun = |at: usize| self.wordy(at) && !function(self.word(at)) && !self.ends(at);
        match (noun(at + 1), noun(at + 2), noun(at + 3)) {
            (true, false, _) => at + 2,
            (true, true, false) if !self.word(at + 2).ends_with("ed") => at + 3,
            _ => at,
        }
    }

    /// "last Tuesday", "that winter", "the following year", "the second winter of the blackout".
    fn pointed(&self, at: usize) -> Option<usize> {
        let start = self.pass(at, &["the"]);
        let placed = self.is(start, &["last", "next", "following", "previous", "preceding", "same", "late"]);
        let joining =
            self.is(at, &["that"]) && self.is(Self::back(at, 1), &["know", "knew", "see", "say", "said", "think"]);
        let shown = !joining && self.is(at, &["this", "that", "last", "next", "every", "each"]);
        if shown
            && !self.adjective(at + 2)
            && (weekday(self.word(at + 1)) || self.bare_season(at + 1) || self.full_month(at + 1))
        {
            return Some(self.part_of_day(at + 2));
        }
        let stretch = self.is(start + 1, &["week", "month", "year", "decade", "century"]);
        let near = shown && self.is(at, &["this", "that", "last", "next"]);
        if (near || (placed && start > at)) && stretch && !self.is(start, &["late"]) {
            return (!self.adjective(start + 2)).then_some(start + 2);
        }
        if placed
            && start > at
            && !self.adjective(start + 2)
            && (weekday(self.word(start + 1)) || self.bare_season(start + 1) || self.full_month(start + 1))
        {
            return Some(self.part_of_day(start + 2));
        }
        self.counted_season(at, start).or_else(|| self.in_season(at))
    }

    /// "the second winter of the blackout".
    fn counted_season(&self, at: usize, start: usize) -> Option<usize> {
        let counted = start > at && ordinal(self.word(start)).is_some() && self.bare_season(start + 1);
        counted.then(|| if self.is(start + 2, &["of"]) { self.anchor_of(start + 2) } else { start + 2 })
    }

    /// The place after "of the blackout".
    fn anchor_of(&self, at: usize) -> usize {
        let end = self.anchor(at + 1, Hint::default());
        if end == at + 1 { at } else { end }
    }

    /// "in the spring", "the summer of the big tattoo", "in the winter".
    fn in_season(&self, at: usize) -> Option<usize> {
        let within = self.is(Self::back(at, 1), &["in", "since", "until", "till", "before", "by", "during"]);
        if !within || !self.is(at, &["the"]) || !self.bare_season(at + 1) {
            return None;
        }
        let end = if self.is(at + 2, &["of"]) { self.anchor_of(at + 2) } else { at + 2 };
        (!self.adjective(end)).then_some(end)
    }

    /// A season that is no verb.
    fn bare_season(&self, at: usize) -> bool {
        season(self.word(at)).is_some() && self.word(at) != "fall"
    }

    /// A month's full name.
    fn full_month(&self, at: usize) -> bool {
        month(self.word(at)).is_some() && self.capital(at) && self.word(at).len() > 2
    }

    /// Whether the word before a place only tells what kind the thing at it is: "spring accounts", "Sunday School".
    fn adjective(&self, at: usize) -> bool {
        let hyphen = self.dash(at) && self.glued(at) && self.glued(at + 1);
        let noun = self.wordy(at) && !self.ends(at) && !function(self.word(at));
        let time = daytime(self.word(at)) || weekday(self.word(at));
        let time = time
            || self.is(
                at,
                &[
                    "morning",
                    "afternoon",
                    "evening",
                    "night",
                    "nights",
                    "week",
                    "fortnight",
                    "twelvemonth",
                    "last",
                    "next",
                    "past",
                    "gone",
                    "being",
                    "called",
                    "they",
                    "ago",
                    "later",
                    "earlier",
                    "went",
                    "go",
                    "comes",
                    "began",
                    "let",
                ],
            );
        hyphen || (noun && !time)
    }

    /// The place after a part of the day.
    fn part_of_day(&self, at: usize) -> usize {
        if daytime(self.word(at)) {
            return at + 1;
        }
        self.pass(at, &["morning", "afternoon", "evening", "night", "week", "fortnight", "twelvemonth", "last", "next"])
    }

    /// "at dawn", "before daybreak", "till dusk".
    fn at_daytime(&self, at: usize) -> Option<usize> {
        let told = self.is(at, &["at", "before", "after", "by", "until", "till", "since", "towards", "about"]);
        let light = self.word(at + 1) == "first" && self.word(at + 2) == "light";
        if !told || !(daytime(self.word(at + 1)) || light) {
            return None;
        }
        let end = at + 2 + usize::from(light);
        let day = self.is(end, &["on"]) && weekday(self.word(end + 1));
        (day || !self.adjective(end)).then_some(if day { end + 2 } else { end })
    }

    /// "before the war", "between the wars", "pre-war".
    fn war(&self, at: usize) -> Option<usize> {
        if self.is(at, &["prewar", "postwar"]) {
            return Some(at + 1);
        }
        if self.is(at, &["pre", "post"]) && self.dash(at + 1) && self.word(at + 2) == "war" {
            return Some(at + 3);
        }
        if self.is(at, &["between"]) && self.is(at + 1, &["the"]) && self.is(at + 2, &["wars"]) {
            return Some(at + 3);
        }
        let told = self.is(at, &["before", "after", "during", "since", "until", "till"]) && self.is(at + 1, &["the"]);
        let next = self.pass(at + 2, &["late"]);
        (told && self.word(next) == "war" && !self.adjective(next + 1) && !self.is(next + 1, &["of"]))
            .then_some(next + 1)
    }

    /// A weekday: "on Tuesday night", "Tuesday week", "came Friday".
    fn on_weekday(&self, at: usize) -> Option<usize> {
        let owned = self.apostrophe(at + 1) && self.glued(at + 1);
        if !weekday(self.word(at)) || !self.capital(at) || owned || self.adjective(at + 1) {
            return None;
        }
        let named = !self.ends(at + 1) && self.capital(at + 1);
        (!named).then(|| self.part_of_day(at + 1))
    }
}

impl Reader<'_> {
    /// Whether a quoted phrase tells of time by some word of its own.
    pub fn tells_of_time(&self) -> bool {
        (0..self.len())
            .any(|at| super::words::timely(self.word(at)) || self.ordinal(at).is_some_and(|(_, end)| end > at + 1))
    }
}

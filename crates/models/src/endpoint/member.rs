//! One endpoint during a run: what is open there, at which pace, and whether it is asked at all.
//!
//! An endpoint that refuses, or keeps failing, is set aside. After a while it gets one prompt, and with the answer to
//! that it is back; without one it is left alone for twice as long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{asker::Asker, pace::Pace};

/// Failures in a row after which an endpoint is set aside, where there are others.
const TROUBLES: u32 = 5;
/// How long it is left alone at first, and at most.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// One endpoint of a run.
pub(super) struct Member {
    pub asker: Arc<Asker>,
    pub weight: f64,
    pace: Pace,
    open: usize,
    /// Failures in a row.
    troubles: u32,
    /// How often it was set aside since it last answered.
    strikes: u32,
    /// Until when it is left alone.
    aside: Option<Instant>,
    /// When it was last set aside: requests from before say nothing new.
    since: Option<Instant>,
    reason: String,
}

impl Member {
    pub fn new(asker: Arc<Asker>, weight: f64, pace: Pace) -> Self {
        let (open, troubles, strikes) = (0, 0, 0);
        Self { asker, weight, pace, open, troubles, strikes, aside: None, since: None, reason: String::new() }
    }

    /// Whether it answers as far as is known.
    pub fn is_well(&self) -> bool {
        self.strikes == 0
    }

    pub fn strikes(&self) -> u32 {
        self.strikes
    }

    /// Why it was last set aside.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether it may be asked one thing more, of which its share is so many.
    pub fn has_room(&self, now: Instant, share: usize) -> bool {
        let most = if self.is_well() { self.pace.limit().min(share) } else { 1 };
        self.open < most && self.free_in(now).is_none()
    }

    /// How full it is, beside the others.
    pub fn load(&self) -> f64 {
        (self.open + 1) as f64 / self.weight
    }

    /// How long it is not to be asked anything.
    pub fn free_in(&self, now: Instant) -> Option<Duration> {
        let aside = self.aside.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero());
        self.pace.quiet(now).max(aside)
    }

    pub fn began(&mut self) {
        self.open += 1;
    }

    pub fn ended(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// A request was answered; one that is no longer counted as open.
    pub fn went_well(&mut self) {
        self.pace.went_well(self.open + 1);
        (self.troubles, self.strikes, self.aside) = (0, 0, None);
    }

    /// A request failed, which may pass. Gives back whether that is one failure too many. `wait` is what the server
    /// asked for: one that says when to come back works.
    pub fn met_trouble(&mut self, now: Instant, wait: Option<Duration>) -> bool {
        self.pace.met_trouble(now, wait);
        self.troubles += u32::from(wait.is_none());
        self.troubles >= TROUBLES || !self.is_well()
    }

    /// Leaves it alone for a while, on account of a request that began then. Gives back whether that was news.
    pub fn set_aside(&mut self, now: Instant, began: Instant, reason: &str) -> bool {
        if self.since.is_some_and(|since| began <= since) {
            return false;
        }
        let rest = FIRST_REST * 2_u32.pow(self.strikes.min(16));
        self.aside = now.checked_add(rest.min(LONGEST_REST));
        self.since = Some(now);
        self.strikes += 1;
        reason.clone_into(&mut self.reason);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{endpoint::EndpointOptions, pool::MemberRef};

    fn member() -> Member {
        let asker = Asker::new(&MemberRef::new("http://a/v1"), "m", EndpointOptions::default()).expect("an address");
        Member::new(Arc::new(asker), 2.0, Pace::new(8, 4.0))
    }

    #[test]
    fn it_is_set_aside_and_tried_with_one_prompt() {
        let (mut member, start) = (member(), Instant::now());
        assert!(member.has_room(start, 8));
        assert!(member.set_aside(start, start, "refused"));
        // Requests that were open then meet the same trouble.
        assert!(!member.set_aside(start, start, "refused"));
        assert!(!member.has_room(start + FIRST_REST / 2, 8));
        let later = start + FIRST_REST;
        assert!(member.has_room(later, 8));
        member.began();
        assert!(!member.has_room(later, 8));
        member.ended();
        assert!(member.set_aside(later, later, "refused"));
        assert!(!member.has_room(later + FIRST_REST, 8) && member.has_room(later + FIRST_REST * 2, 8));
        member.went_well();
        member.began();
        assert!(member.is_well() && member.has_room(later, 8));
    }

    #[test]
    fn failures_in_a_row_are_counted_but_not_those_that_say_when_to_come_back() {
        let (mut member, now) = (member(), Instant::now());
        let wait = Some(Duration::from_secs(1));
        assert!((0..10).all(|_| !member.met_trouble(now, wait)));
        assert!((1..TROUBLES).all(|_| !member.met_trouble(now, None)));
        assert!(member.met_trouble(now, None));
        member.went_well();
        assert!(!member.met_trouble(now, None));
    }
}

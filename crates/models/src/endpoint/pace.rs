//! How many requests are open at once: twice as many after every round of successes until trouble is met, half as many
//! then, and from there on a little more after every round. None at all while the server asks to be left alone.

use std::time::{Duration, Instant};

/// The pace of one run at one endpoint: slow start, then additive increase and multiplicative decrease, as TCP does it.
#[derive(Debug)]
pub(super) struct Pace {
    limit: f64,
    most: usize,
    quiet_until: Option<Instant>,
    last_cut: Option<Instant>,
}

/// Where a run begins at each endpoint.
pub(super) const START: f64 = 4.0;
/// After trouble a round of successes adds one request, or this share of them where that is more.
const GROWTH: f64 = 0.05;
/// Trouble that comes closer together than this is one trouble: requests that were open meet it together.
const ONE_TROUBLE: Duration = Duration::from_millis(500);

impl Pace {
    pub fn new(most: usize, start: f64) -> Self {
        Self { limit: start.min(most as f64).max(1.0), most, quiet_until: None, last_cut: None }
    }

    /// How many requests may be open.
    pub fn limit(&self) -> usize {
        (self.limit as usize).clamp(1, self.most)
    }

    /// A request was answered while so many were open. Where there was room left, nothing was learnt about more.
    pub fn went_well(&mut self, open: usize) {
        if open < self.limit() {
            return;
        }
        let more = if self.last_cut.is_none() { 1.0 } else { (1.0 / self.limit).max(GROWTH) };
        self.limit = (self.limit + more).min(self.most as f64);
    }

    /// The server is overloaded or broken, and may have said for how long to wait.
    pub fn met_trouble(&mut self, now: Instant, wait: Option<Duration>) {
        if self.last_cut.is_none_or(|last| now.duration_since(last) > ONE_TROUBLE) {
            self.limit = (self.limit / 2.0).max(1.0);
            self.last_cut = Some(now);
        }
        if let Some(until) = wait.and_then(|wait| now.checked_add(wait)) {
            self.quiet_until = self.quiet_until.max(Some(until));
        }
    }

    /// How long nothing may be asked.
    pub fn quiet(&self, now: Instant) -> Option<Duration> {
        self.quiet_until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_at_first_and_after_trouble_grows_slowly_and_falls_fast() {
        let mut pace = Pace::new(8, START);
        let start = Instant::now();
        assert_eq!(pace.limit(), 4);
        pace.went_well(3);
        assert_eq!(pace.limit(), 4);
        (0..4).for_each(|_| pace.went_well(8));
        assert_eq!(pace.limit(), 8);
        pace.met_trouble(start, None);
        pace.met_trouble(start + Duration::from_millis(10), None);
        assert_eq!(pace.limit(), 4);
        (0..4).for_each(|_| pace.went_well(8));
        assert_eq!(pace.limit(), 4);
        (0..2).for_each(|_| pace.went_well(8));
        assert_eq!(pace.limit(), 5);
        (1..10).for_each(|second| pace.met_trouble(start + Duration::from_secs(second), None));
        assert_eq!(pace.limit(), 1);
    }

    #[test]
    fn it_is_quiet_for_as_long_as_asked() {
        let mut pace = Pace::new(8, START);
        let start = Instant::now();
        pace.met_trouble(start, Some(Duration::from_secs(5)));
        pace.met_trouble(start, Some(Duration::from_secs(1)));
        assert_eq!(pace.quiet(start + Duration::from_secs(2)), Some(Duration::from_secs(3)));
        assert_eq!(pace.quiet(start + Duration::from_secs(6)), None);
    }
}

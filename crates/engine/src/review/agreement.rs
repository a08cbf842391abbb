//! How often people agree with what was said, kind by kind.

use std::collections::BTreeMap;

use frontload_core::{Source, Verdict};

use super::{Desk, ItemState};

/// The two-sided 95% quantile of the normal distribution.
const Z: f64 = 1.959_964;

/// What came of one kind's handles.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Agreement {
    /// Left as they were.
    pub accepted: usize,
    /// Put otherwise.
    pub edited: usize,
    /// Taken out.
    pub rejected: usize,
    /// To be looked at again.
    pub flagged: usize,
    /// Not decided.
    pub open: usize,
}

impl Agreement {
    fn decided(&self) -> usize {
        self.accepted + self.edited + self.rejected
    }

    /// The share of what was decided that was accepted.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.decided().max(1) as f64
    }

    /// The 95% interval of that share, by Wilson's score: E. B. Wilson, "Probable inference, the law of succession, and
    /// statistical inference", 1927. From 0 to 1 when nothing was decided.
    pub fn interval(&self) -> (f64, f64) {
        let count = self.decided() as f64;
        if count == 0.0 {
            return (0.0, 1.0);
        }
        let (rate, square) = (self.rate(), Z * Z);
        let middle = rate + square / (2.0 * count);
        let reach = Z * (rate * (1.0 - rate) / count + square / (4.0 * count * count)).sqrt();
        let scale = 1.0 + square / count;
        (((middle - reach) / scale).max(0.0), ((middle + reach) / scale).min(1.0))
    }
}

impl Desk {
    /// By kind. What a person added is nobody's to agree with, and is not counted.
    pub fn agreement(&self) -> BTreeMap<String, Agreement> {
        let mut kinds: BTreeMap<String, Agreement> = BTreeMap::new();
        for item in self.items.iter().filter(|item| item.gate.is_none() && item.source != Source::Alias) {
            let of_kind = kinds.entry(item.kind.clone()).or_default();
            if ItemState::of(self.decided(item)) == ItemState::Open && item.source != Source::Person {
                of_kind.open += 1;
            }
        }
        for decided in self.latest.values() {
            let of_kind = kinds.entry(decided.decision.kind.clone()).or_default();
            match &decided.decision.verdict {
                Verdict::Accept => of_kind.accepted += 1,
                Verdict::Edit(_) => of_kind.edited += 1,
                Verdict::Reject => of_kind.rejected += 1,
                Verdict::Flag => of_kind.flagged += 1,
                Verdict::Withdraw => {}
            }
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        let check = |accepted: usize, rejected: usize, expected: (f64, f64)| {
            let (low, high) = Agreement { accepted, rejected, ..Agreement::default() }.interval();
            assert!((low - expected.0).abs() < 1e-3 && (high - expected.1).abs() < 1e-3, "{low} {high}");
        };
        check(0, 0, (0.0, 1.0));
        check(8, 2, (0.490, 0.943));
        check(10, 0, (0.722, 1.0));
    }
}

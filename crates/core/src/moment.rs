//! A moment as the ledger keeps it, seconds since 1970, as people read it.

use jiff::Timestamp;

/// The moment in UTC, such as `2026-03-01T12:00:00Z`; the bare number where there is no such date.
pub fn utc(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| seconds.to_string(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_date() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(1_709_294_400), "2024-03-01T12:00:00Z");
        assert_eq!(utc(u64::MAX), u64::MAX.to_string());
    }
}

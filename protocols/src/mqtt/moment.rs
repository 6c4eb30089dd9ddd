//! The time that a payload says its value is from, and what becomes of a value that is older than its
//! message.
//!
//! A value is never newer than its payload says. What the payload says is a claim all the same: a time that
//! is still to come is not believed.

use observation::{Decimal, Instant, Mono, Observation, Quality, Reason, Utc};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since 1970, UTC, possibly with a fraction.
    Seconds,
    /// Milliseconds since 1970, UTC.
    Milliseconds,
    /// ISO 8601 with date, time and offset, as in RFC 3339.
    Iso8601,
}

impl TimeUnit {
    /// As written in a configuration.
    pub const ALL: [(&str, Self); 3] =
        [("s", Self::Seconds), ("ms", Self::Milliseconds), ("iso8601", Self::Iso8601)];

    /// Reads a time. A date without an offset names no moment.
    pub fn read(self, text: &str) -> Option<Utc> {
        let text = text.trim();
        let exponent = match self {
            Self::Seconds => 3,
            Self::Milliseconds => 0,
            Self::Iso8601 => {
                let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
                return i64::try_from(nanos.div_euclid(1_000_000)).ok().map(Utc);
            }
        };
        let written: Decimal = text.parse().ok()?;
        let ms = written.checked_mul(Decimal::new(1, exponent)?)?.floor_at_exponent(0)?;
        i64::try_from(ms).ok().map(Utc)
    }
}

/// Two clocks that are both kept right may differ by this, ms. A value that claims to be newer is not good.
const AHEAD_MS: i64 = 1000;

/// Dates an observation that arrived at `at` and was good: a value is believed for `stale_after_ms` from the
/// moment it is from, not from that of its arrival.
pub(super) fn dated(observation: Observation, time: Utc, at: Instant, stale_after_ms: u64) -> Observation {
    let age_ms = at.utc.since(time);
    let observation = observation.with_source_time(Some(time));
    let uncertain = |reason| Observation { quality: Quality::Uncertain(reason), ..observation.clone() };
    if age_ms < -AHEAD_MS {
        return uncertain(Reason::Range);
    }
    let age_ms = age_ms.max(0).unsigned_abs();
    match at.mono.0.checked_sub(age_ms) {
        Some(from) if age_ms < stale_after_ms => Observation { mono: Mono(from), ..observation },
        // Too old, or from before this clock began.
        _ => uncertain(Reason::Stale),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use observation::{PointId, Value};

    #[test]
    fn times_are_read_as_written() {
        for (unit, text, want) in [
            (TimeUnit::Milliseconds, "1732550400123", Some(1_732_550_400_123)),
            (TimeUnit::Milliseconds, "1732550400123.9", Some(1_732_550_400_123)),
            (TimeUnit::Seconds, "1732550400", Some(1_732_550_400_000)),
            (TimeUnit::Seconds, " 1732550400.1239\n", Some(1_732_550_400_123)),
            (TimeUnit::Seconds, "-1.5", Some(-1500)),
            (TimeUnit::Iso8601, "2024-11-25T16:00:00Z", Some(1_732_550_400_000)),
            (TimeUnit::Iso8601, "2024-11-26T00:00:00.1239+08:00", Some(1_732_550_400_123)),
            (TimeUnit::Iso8601, "2024-11-26T00:00:00", None),
            (TimeUnit::Iso8601, "2024-02-30T00:00:00Z", None),
            (TimeUnit::Iso8601, "1732550400", None),
            (TimeUnit::Milliseconds, "now", None),
            (TimeUnit::Milliseconds, "99999999999999999999", None),
            (TimeUnit::Seconds, "", None),
        ] {
            assert_eq!(unit.read(text), want.map(Utc), "{unit:?} {text:?}");
        }
    }

    #[track_caller]
    fn check(age_ms: i64, quality: Quality, mono: u64) {
        let at = Instant { utc: Utc(1_000_000), mono: Mono(60_000) };
        let good = Observation::good(PointId(0), Value::Bool(true), at);
        let time = Utc(1_000_000 - age_ms);
        let got = dated(good, time, at, 10_000);
        assert_eq!((got.quality, got.mono), (quality, Mono(mono)), "{age_ms}");
        assert_eq!((got.agent_time, got.source_time), (at.utc, Some(time)), "{age_ms}");
    }

    #[test]
    fn pain_01_a_value_is_never_newer_than_its_payload_says() {
        check(0, Quality::Good, 60_000);
        check(9_999, Quality::Good, 50_001);
        check(10_000, Quality::Uncertain(Reason::Stale), 60_000);
        check(3_600_000, Quality::Uncertain(Reason::Stale), 60_000);
    }

    #[test]
    fn pain_10_a_time_that_is_still_to_come_is_not_believed() {
        check(-1_000, Quality::Good, 60_000);
        check(-1_001, Quality::Uncertain(Reason::Range), 60_000);
        check(i64::MIN / 2, Quality::Uncertain(Reason::Range), 60_000);
    }

    #[test]
    fn a_value_from_before_the_clock_began_is_old() {
        let at = Instant { utc: Utc(1_000_000), mono: Mono(5_000) };
        let good = Observation::good(PointId(0), Value::Bool(true), at);
        assert_eq!(dated(good, Utc(994_000), at, 10_000).quality, Quality::Uncertain(Reason::Stale));
    }
}

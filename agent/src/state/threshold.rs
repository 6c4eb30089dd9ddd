//! Power thresholds with hysteresis in level and time, for machines that are measured instead of asked.
//!
//! ```text
//! above  ──────┐                 ┌───────   back above at the upper level
//!   upper ─ ─ ─│─ ─ ─ ─ ─ ─ ─ ─ ─│─ ─
//!   lower ─ ─ ─│─ ─ ─ ─ ─ ─ ─ ─ ─│─ ─       between the two it stays what it was
//! below        └─────────────────┘          below only under the lower level
//! ```
//!
//! A condition must hold without a break for the dwell before it counts, in both directions; then it counts
//! from the moment it began to hold. Power that hovers round the threshold therefore changes nothing, and a
//! real change is dated where it happened, not where it was believed. Where nothing is known of before, power
//! between the levels is below: what is not shown to be more is not taken for it.

use super::history::History;
use super::truth::Truth;
use observation::{Decimal, Mono};
use serde::{Deserialize, Serialize};

/// Which side of the threshold makes the rule true. Two rules of either side with the same levels leave no value
/// between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Less than the threshold.
    Below,
    /// The threshold or more.
    Above,
}

/// One power rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Which side is true.
    pub side: Side,
    /// The threshold that makes it true, W.
    pub watts: Decimal,
    /// The threshold that makes it false again, W: for [`Side::Above`] at most `watts`, for [`Side::Below`] at least.
    pub release: Decimal,
    /// How long the condition must hold, ms.
    pub dwell_ms: u64,
}

impl Threshold {
    /// A threshold without a band.
    pub fn sharp(side: Side, watts: Decimal, dwell_ms: u64) -> Self {
        Self { side, watts, release: watts, dwell_ms }
    }

    /// Whether the rule is true at this power, dwell aside; `held` is whether it was before.
    pub fn holds(&self, watts: Decimal, held: Option<bool>) -> bool {
        let true_is_above = self.side == Side::Above;
        let was_above = held.is_some_and(|held| held == true_is_above);
        let level = if was_above { self.watts.min(self.release) } else { self.watts.max(self.release) };
        (watts >= level) == true_is_above
    }
}

/// What the condition is now and since when; nothing while the power is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latch {
    since: Option<(Mono, bool)>,
}

impl Latch {
    /// Takes a power at a moment not before any other given. Call [`Self::advance`] to that moment first.
    pub(super) fn observe(
        &mut self,
        at: Mono,
        watts: Option<Decimal>,
        rule: &Threshold,
        truth: &mut History,
    ) {
        let Some(watts) = watts else {
            self.since = None;
            truth.push(at, Truth::Unknown);
            return;
        };
        let holds = rule.holds(watts, self.since.map(|(_, held)| held));
        if self.since.is_none_or(|(_, held)| held != holds) {
            self.since = Some((at, holds));
        }
        self.advance(at, rule, truth);
    }

    /// When the condition will have held for the dwell, if that will change the truth.
    pub(super) fn due(&self, rule: &Threshold, truth: &History) -> Option<Mono> {
        let (from, holds) = self.since?;
        (truth.last() != Truth::from(holds)).then(|| Mono(from.0.saturating_add(rule.dwell_ms)))
    }

    /// Lets time pass: a condition that has held for its dwell becomes the truth from where it began.
    pub(super) fn advance(&mut self, now: Mono, rule: &Threshold, truth: &mut History) {
        if let (Some(due), Some((from, holds))) = (self.due(rule, truth), self.since)
            && due <= now
        {
            truth.back_date(from, Truth::from(holds));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Power readings as `second:watts` (`-` for unknown) against "above 1500 W for 5 s".
    #[track_caller]
    fn check(readings: &str, until_s: u64, want: &str) {
        let rule = Threshold::sharp(Side::Above, Decimal::from(1500i64), 5000);
        assert_eq!(course(&rule, readings, until_s), want);
    }

    fn course(rule: &Threshold, readings: &str, until_s: u64) -> String {
        let (mut latch, mut truth) = (Latch::default(), History::new(Mono(0)));
        for reading in readings.split_whitespace() {
            let (s, watts) = reading.split_once(':').unwrap();
            let at = Mono(s.parse::<u64>().unwrap() * 1000);
            latch.advance(at, rule, &mut truth);
            latch.observe(at, watts.parse().ok(), rule, &mut truth);
        }
        latch.advance(Mono(until_s * 1000), rule, &mut truth);
        truth.to_string()
    }

    /// "Above 1600 W, released below 1400 W" and its counterpart, which must be its opposite whenever it is known.
    #[track_caller]
    fn check_band(readings: &str, until_s: u64, want: &str) {
        let [low, high] = [1400i64, 1600].map(Decimal::from);
        let above = Threshold { side: Side::Above, watts: high, release: low, dwell_ms: 5000 };
        let below = Threshold { side: Side::Below, watts: low, release: high, dwell_ms: 5000 };
        assert_eq!(course(&above, readings, until_s), want);
        let opposite = want.replace("True", "?").replace("False", "True").replace('?', "False");
        assert_eq!(course(&below, readings, until_s), opposite);
    }

    #[test]
    fn between_the_levels_everything_stays_as_it_was() {
        check_band("0:2000 10:1500 30:1401 50:1599", 90, "0 True");
        check_band("0:100 10:1500 30:1599 50:1401", 90, "0 False");
        check_band("0:2000 10:1399 30:1599 50:1600", 90, "0 True, 10000 False, 50000 True");
    }

    #[test]
    fn between_the_levels_is_below_where_nothing_is_known_of_before() {
        check_band("0:1599", 10, "0 False");
        check_band("0:1600", 10, "0 True");
        check_band("0:2000 10:- 20:1500", 40, "0 True, 10000 Unknown, 20000 False");
    }

    #[test]
    fn a_change_counts_from_the_crossing_once_it_has_lasted() {
        check("0:2000 10:100 14:100", 14, "0 True");
        check("0:2000 10:100 14:100", 15, "0 True, 10000 False");
    }

    #[test]
    fn chatter_round_the_threshold_changes_nothing() {
        check("0:2000 10:100 12:2000 14:100 16:2000 18:100 20:2000", 60, "0 True");
    }

    #[test]
    fn the_threshold_itself_belongs_to_above() {
        check("0:1500", 5, "0 True");
        check("0:1499.999", 5, "0 False");
    }

    #[test]
    fn unknown_power_starts_the_dwell_again() {
        check("0:2000 10:- 20:2000", 24, "0 True, 10000 Unknown");
        check("0:2000 10:- 20:2000", 25, "0 True, 10000 Unknown, 20000 True");
    }

    #[test]
    fn a_condition_that_ends_exactly_at_the_dwell_has_held() {
        check("0:2000 10:100 15:2000", 30, "0 True, 10000 False, 15000 True");
    }
}

//! How busy a link's wire is: the share of time it spent on questions, answers, and waiting for them.
//!
//! A wire that is nearly always busy cannot take another device, and one silent unit makes it late for all.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// The share is that of the last one or two of these.
const SPAN: Duration = Duration::from_secs(30);
/// Not measured yet.
const UNKNOWN: u16 = u16::MAX;

/// The last share, for whoever asks.
#[derive(Debug)]
pub(super) struct Occupancy(AtomicU16);

impl Default for Occupancy {
    fn default() -> Self {
        Self(AtomicU16::new(UNKNOWN))
    }
}

impl Occupancy {
    /// In thousandths; `None` before the first poll has ended.
    pub(super) fn permille(&self) -> Option<u16> {
        Some(self.0.load(Ordering::Relaxed)).filter(|share| *share != UNKNOWN)
    }

    pub(super) fn publish(&self, permille: u16) {
        self.0.store(permille, Ordering::Relaxed);
    }
}

/// Measures it. All moments and durations count from the beginning of the session.
#[derive(Debug, Default)]
pub(super) struct Meter {
    earlier: Mark,
    current: Mark,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: Duration,
    busy: Duration,
}

impl Meter {
    /// The share in thousandths, from how long the wire has been busy since the beginning.
    pub(super) fn permille(&mut self, at: Duration, busy: Duration) -> u16 {
        let elapsed = at.saturating_sub(self.earlier.at).as_micros().max(1);
        let share = (busy.saturating_sub(self.earlier.busy)).as_micros() * 1000 / elapsed;
        if at.saturating_sub(self.current.at) >= SPAN {
            self.earlier = std::mem::replace(&mut self.current, Mark { at, busy });
        }
        u16::try_from(share.min(1000)).unwrap_or(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_share_follows_the_wire_within_two_spans() {
        let (mut meter, mut busy) = (Meter::default(), Duration::ZERO);
        let mut run = |from: u64, to: u64, busy_ms: u64| {
            let mut share = 0;
            for second in from..to {
                busy += MS(busy_ms);
                share = meter.permille(MS((second + 1) * 1000), busy);
            }
            share
        };
        assert_eq!(run(0, 100, 250), 250);
        assert_eq!(run(100, 200, 900), 900, "the quiet time before is forgotten");
        assert_eq!(run(200, 270, 0), 0);
    }

    #[test]
    fn it_is_unknown_before_the_first_poll() {
        let occupancy = Occupancy::default();
        assert_eq!(occupancy.permille(), None);
        occupancy.publish(1000);
        assert_eq!(occupancy.permille(), Some(1000));
    }
}

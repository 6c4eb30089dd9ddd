//! How busy a link's wire is: the share of time it spent on being opened, on questions, answers, and waiting for them.
//!
//! A wire that is nearly always busy cannot take another device, and one silent unit makes it late for all. It belongs to
//! the link and not to a session: a link that nobody answers on is one short session after the other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant as Moment;

/// The share is that of the last one or two of these.
const SPAN: Duration = Duration::from_secs(30);
/// And of no less than this, so that the first question is not the whole of what is known.
const LEAST: Duration = Duration::from_secs(1);

/// The wire of a link, over all its sessions.
#[derive(Debug, Default)]
pub(super) struct Occupancy(Mutex<Option<Meter>>);

impl Occupancy {
    /// The wire was busy from `began` to `now`.
    pub(super) fn took(&self, began: Moment, now: Moment) {
        let mut meter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meter.get_or_insert_with(|| Meter::new(began)).busy += now.saturating_duration_since(began);
    }

    /// In thousandths; `None` before the wire was used.
    pub(super) fn permille(&self, now: Moment) -> Option<u16> {
        // Plain numbers; a panic elsewhere cannot leave them half changed.
        let mut meter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meter.as_mut().map(|meter| meter.permille(now))
    }
}

#[derive(Debug)]
struct Meter {
    /// Since the wire was first used.
    busy: Duration,
    earlier: Mark,
    current: Mark,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Moment,
    busy: Duration,
}

impl Meter {
    fn new(at: Moment) -> Self {
        let mark = Mark { at, busy: Duration::ZERO };
        Self { busy: Duration::ZERO, earlier: mark, current: mark }
    }

    fn permille(&mut self, now: Moment) -> u16 {
        let elapsed = now.saturating_duration_since(self.earlier.at).max(LEAST).as_micros();
        let share = self.busy.saturating_sub(self.earlier.busy).as_micros() * 1000 / elapsed;
        if now.saturating_duration_since(self.current.at) >= SPAN {
            self.earlier = std::mem::replace(&mut self.current, Mark { at: now, busy: self.busy });
        }
        u16::try_from(share.min(1000)).unwrap_or(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[tokio::test]
    async fn the_share_follows_the_wire_within_two_spans() {
        let (wire, start) = (Occupancy::default(), Moment::now());
        let run = |from: u64, to: u64, busy_ms: u64| {
            let mut share = None;
            for second in from..to {
                let began = start + MS(second * 1000);
                wire.took(began, began + MS(busy_ms));
                share = wire.permille(start + MS((second + 1) * 1000));
            }
            share
        };
        assert_eq!(run(0, 100, 250), Some(250));
        assert_eq!(run(100, 200, 900), Some(900), "the quiet time before is forgotten");
        assert_eq!(run(200, 270, 0), Some(0));
    }

    #[tokio::test]
    async fn it_is_unknown_before_the_first_question_and_that_one_is_not_everything() {
        let (wire, start) = (Occupancy::default(), Moment::now());
        assert_eq!(wire.permille(start), None);
        wire.took(start, start + MS(20));
        assert_eq!(wire.permille(start + MS(20)), Some(20));
    }
}

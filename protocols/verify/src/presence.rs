//! What is there of one machine's time: every second of the period is present, late, without an approved
//! mapping, premature, down, lost or missing. The parts always sum to the time asked for.

use kpi::Period;

use crate::report::{Presence, Ranges};

/// How a signed stretch of a machine's time is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Present,
    Late,
    Unapproved,
    Premature,
    Down,
    Lost,
}

/// Follows one machine's time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracker {
    asked: Option<Period>,
    presence: Presence,
    ranges: Ranges,
    first: Option<i64>,
    reach: Option<i64>,
    windows: u64,
}

/// What came out for one machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracked {
    pub(crate) presence: Presence,
    pub(crate) ranges: Ranges,
    /// Windows that lie in the period.
    pub(crate) windows: u64,
    /// Time at the end of the period that nobody signed.
    pub(crate) tail: Option<Period>,
}

impl Tracker {
    /// For the period asked for, or for everything.
    pub(crate) fn new(asked: Option<Period>) -> Self {
        Self { asked, ..Self::default() }
    }

    /// A signed stretch, not before those already given.
    pub(crate) fn tile(&mut self, over: Period, how: How) {
        let over = match self.asked {
            Some(asked) => match asked.overlap(over) {
                Some(inside) => inside,
                None => return,
            },
            None => over,
        };
        self.windows += u64::from(!matches!(how, How::Down | How::Lost));
        let reach = self.reach.or(self.asked.map(|asked| asked.from)).unwrap_or(over.from);
        self.missing(Period { from: reach, to: over.from });
        self.first.get_or_insert(over.from);
        self.reach = Some(over.to);
        let (sum, list) = match how {
            How::Present => {
                self.presence.present_ms += over.ms();
                return;
            }
            How::Late => (&mut self.presence.late_ms, &mut self.ranges.late),
            How::Unapproved => (&mut self.presence.unapproved_ms, &mut self.ranges.unapproved),
            How::Premature => (&mut self.presence.premature_ms, &mut self.ranges.premature),
            How::Down => (&mut self.presence.down_ms, &mut self.ranges.down),
            How::Lost => (&mut self.presence.lost_ms, &mut self.ranges.lost),
        };
        *sum += over.ms();
        list.push(over);
    }

    fn missing(&mut self, over: Period) {
        self.presence.missing_ms += over.ms();
        self.ranges.missing.push(over);
    }

    /// From the first to the last signed second.
    pub(crate) fn extent(&self) -> Option<Period> {
        Some(Period { from: self.first?, to: self.reach? })
    }

    /// The result over the period: the one asked for, else the extent of all machines.
    pub(crate) fn finish(mut self, period: Period) -> Tracked {
        // Without a period asked for, time before the first tile was not known to be missing.
        if let (None, Some(first)) = (self.asked, self.first)
            && period.from < first
        {
            let early = Period { from: period.from, to: first };
            self.presence.missing_ms += early.ms();
            self.ranges.missing.first.insert(0, early);
        }
        let reach = self.reach.unwrap_or(period.from);
        let tail = Some(Period { from: reach, to: period.to }).filter(|t| t.from < t.to);
        if let Some(tail) = tail {
            self.missing(tail);
        }
        Tracked { presence: self.presence, ranges: self.ranges, windows: self.windows, tail }
    }
}

impl std::ops::AddAssign for Presence {
    fn add_assign(&mut self, o: Self) {
        self.present_ms += o.present_ms;
        self.late_ms += o.late_ms;
        self.unapproved_ms += o.unapproved_ms;
        self.premature_ms += o.premature_ms;
        self.down_ms += o.down_ms;
        self.lost_ms += o.lost_ms;
        self.missing_ms += o.missing_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(p: Presence) -> u64 {
        p.present_ms + p.late_ms + p.unapproved_ms + p.premature_ms + p.down_ms + p.lost_ms + p.missing_ms
    }

    #[test]
    fn every_second_of_the_period_is_accounted_for() {
        let period = Period { from: 0, to: 600 };
        let mut tracker = Tracker::new(Some(period));
        tracker.tile(Period { from: -60, to: 0 }, How::Present);
        tracker.tile(Period { from: 60, to: 120 }, How::Present);
        tracker.tile(Period { from: 120, to: 240 }, How::Down);
        tracker.tile(Period { from: 300, to: 360 }, How::Late);
        let got = tracker.finish(period);
        assert_eq!(total(got.presence), period.ms());
        assert_eq!(got.tail, Some(Period { from: 360, to: 600 }));
        let missing = [(0, 60), (240, 300), (360, 600)].map(|(from, to)| Period { from, to });
        assert_eq!(got.ranges.missing.first, missing);
        assert_eq!(got.windows, 2);
    }

    #[test]
    fn without_a_period_the_extent_of_all_machines_is_asked_for() {
        let mut tracker = Tracker::new(None);
        tracker.tile(Period { from: 60, to: 120 }, How::Present);
        let got = tracker.finish(Period { from: 0, to: 180 });
        assert_eq!(total(got.presence), 180_000);
        let missing = [(0, 60), (120, 180)].map(|(from, to)| Period { from, to });
        assert_eq!(got.ranges.missing.first, missing);
    }

    #[test]
    fn a_machine_that_never_came_is_missing_throughout() {
        let period = Period { from: 0, to: 60 };
        for asked in [None, Some(period)] {
            let got = Tracker::new(asked).finish(period);
            assert_eq!((got.presence.missing_ms, got.windows), (60_000, 0));
        }
    }
}

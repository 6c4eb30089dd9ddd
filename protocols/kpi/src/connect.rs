//! 联网率: whether a machine was connected on a day. It was, if a session stood, at least 95 % of the reads that
//! were due were answered, a value changed, and its identity was not seen to differ from the roster.
//!
//! A dead poller never raises the rate: a day without reads due is not connected, signed down time counts as
//! unanswered, and a day with time that nobody signed can be connected in the upper bound only.

use crate::calendar::Calendar;
use crate::period::{Cuts, Period};
use crate::totals::{Cell, MachineTotals};

/// Percent of due reads that must be answered.
pub const ANSWERED_PERCENT: u64 = 95;

/// Connected machine-days over a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectedDays {
    /// Days on which the machine was connected for certain.
    pub lower: u64,
    /// Days on which it may have been.
    pub upper: u64,
    /// Days with planned busy time.
    pub days: u64,
}

/// Whether a machine was connected in a cell `length_ms` long: for certain, and possibly.
pub fn connected(cell: Option<&Cell>, length_ms: u64) -> (bool, bool) {
    let Some(cell) = cell else { return (false, true) };
    if cell.identity_differs {
        return (false, false);
    }
    if cell.counted_ms + cell.down_ms < length_ms {
        return (false, true);
    }
    let answered = u128::from(cell.reads_good) * 100 * u128::from(cell.counted_ms)
        >= u128::from(cell.reads_expected) * u128::from(ANSWERED_PERCENT) * u128::from(length_ms);
    let yes = cell.reads_expected > 0 && answered && cell.sessions > 0 && cell.changed > 0;
    (yes, yes)
}

/// Counts the days of a period. A day that the period cuts counts as a day of the length that is inside.
pub fn days(totals: &MachineTotals, cuts: &Cuts, calendar: &Calendar, period: Period) -> ConnectedDays {
    let mut days = ConnectedDays::default();
    for (over, cell) in totals.cells_of(cuts, period) {
        let [ordered, unordered, ..] = calendar.slots_ms(over);
        if ordered + unordered == 0 {
            continue;
        }
        let (certain, possible) = connected(cell, over.ms());
        days.days += 1;
        days.lower += u64::from(certain);
        days.upper += u64::from(possible);
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_good_day() -> Cell {
        Cell {
            counted_ms: 1000,
            reads_expected: 100,
            reads_good: 95,
            sessions: 1,
            changed: 1,
            ..Cell::default()
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Cell), want: (bool, bool)) {
        let mut cell = a_good_day();
        change(&mut cell);
        assert_eq!(connected(Some(&cell), 1000), want);
    }

    #[test]
    fn each_condition_alone_decides() {
        check(|_| {}, (true, true));
        check(|c| c.reads_good = 94, (false, false));
        check(|c| c.sessions = 0, (false, false));
        check(|c| c.changed = 0, (false, false));
        check(|c| c.identity_differs = true, (false, false));
        check(|c| (c.reads_expected, c.reads_good) = (0, 0), (false, false));
    }

    #[test]
    fn time_nobody_signed_leaves_the_day_open_and_never_certain() {
        check(|c| c.counted_ms = 999, (false, true));
        check(|c| (c.counted_ms, c.loss_ms) = (999, 1), (false, true));
        check(|c| (c.counted_ms, c.uncounted_ms) = (999, 1), (false, true));
        assert_eq!(connected(None, 1000), (false, true));
    }

    #[test]
    fn signed_down_time_counts_as_unanswered() {
        check(|c| (c.reads_good, c.counted_ms, c.down_ms) = (100, 950, 50), (true, true));
        check(|c| (c.reads_good, c.counted_ms, c.down_ms) = (100, 949, 51), (false, false));
    }
}

//! When to poll, and whom when time is short. Pure: the session sleeps and asks, this decides.
//!
//! Polls lie on multiples of the interval in UTC, so that every window has the same number of them. A
//! poll that comes too late is skipped, never made up for: two reads at one moment are no two readings.

use std::time::Duration;

use observation::Utc;

/// The grid of polls.
#[derive(Clone, Debug)]
pub struct Schedule {
    every_ms: i64,
    last: Option<i64>,
}

impl Schedule {
    /// One poll at each multiple of `every_ms` (> 0) in UTC.
    pub fn new(every_ms: u32) -> Self {
        Self { every_ms: i64::from(every_ms), last: None }
    }

    /// How long to wait from `now` until the next poll, which is thereby taken.
    pub fn next(&mut self, now: Utc) -> Duration {
        let grid = self.at_or_after(now.0);
        // The step after the last poll, unless it has been missed or a stepped clock put it far ahead.
        let slot = match self.last {
            Some(last) if last >= grid && last - now.0 <= self.every_ms => last + self.every_ms,
            _ => grid,
        };
        self.last = Some(slot);
        Duration::from_millis(u64::try_from(slot - now.0).unwrap_or(0))
    }

    fn at_or_after(&self, ms: i64) -> i64 {
        ms + (-ms).rem_euclid(self.every_ms)
    }
}

/// How many polls a silent unit is left out when it does not fit beside the others, before it costs them
/// one poll so that its return is noticed.
const TRY_ANYWAY_EVERY: u64 = 10;

/// The order in which units are asked in poll number `poll`: those that answered last time first, then
/// the silent ones, another of them in front each time.
pub fn turn(silent: &[bool], poll: u64) -> Vec<usize> {
    let (mut order, mut last): (Vec<usize>, Vec<usize>) = (0..silent.len()).partition(|&unit| !silent[unit]);
    if let Some(shift) = usize::try_from(poll).ok().and_then(|n| n.checked_rem(last.len())) {
        last.rotate_left(shift);
    }
    order.append(&mut last);
    order
}

/// Whether a silent unit may be asked although it will probably cost a whole time-out: when that fits
/// before the next poll, or now and then if it is the first of the silent ones.
pub fn may_ask_silent(left: Duration, timeout: Duration, first: bool, poll: u64) -> bool {
    left >= timeout || first && poll.is_multiple_of(TRY_ANYWAY_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks at each of these moments and says where the polls then lie.
    #[track_caller]
    fn check(every_ms: u32, moments: &[i64], slots: &[i64]) {
        let mut schedule = Schedule::new(every_ms);
        let got: Vec<i64> = moments
            .iter()
            .map(|&now| now + i64::try_from(schedule.next(Utc(now)).as_millis()).unwrap())
            .collect();
        assert_eq!(got, slots);
    }

    #[test]
    fn polls_lie_on_the_grid_and_do_not_drift() {
        check(1000, &[123_456, 124_030, 125_700, 126_999], &[124_000, 125_000, 126_000, 127_000]);
    }

    #[test]
    fn a_poll_is_taken_once_even_when_the_timer_wakes_early() {
        check(1000, &[500, 999, 1998], &[1000, 2000, 3000]);
    }

    #[test]
    fn missed_polls_are_skipped_not_bunched() {
        check(1000, &[0, 5300, 6001, 6999], &[0, 6000, 7000, 8000]);
    }

    #[test]
    fn a_clock_that_steps_moves_the_grid_without_a_long_silence() {
        check(1000, &[100_000, 50_200, 51_100], &[100_000, 51_000, 52_000]);
        check(1000, &[100_000, 3_700_200], &[100_000, 3_701_000]);
    }

    #[test]
    fn silent_units_come_last_and_take_turns() {
        let silent = [true, false, true, false];
        assert_eq!(turn(&silent, 0), [1, 3, 0, 2]);
        assert_eq!(turn(&silent, 1), [1, 3, 2, 0]);
        assert_eq!(turn(&[false, false], 7), [0, 1]);
    }

    #[test]
    fn pain_17_a_silent_unit_is_asked_only_where_it_costs_the_others_nothing() {
        let ms = Duration::from_millis;
        assert!(may_ask_silent(ms(600), ms(500), false, 3));
        assert!(!may_ask_silent(ms(400), ms(500), true, 3));
        assert!(may_ask_silent(ms(0), ms(500), true, 10));
        assert!(!may_ask_silent(ms(0), ms(500), false, 10));
    }
}

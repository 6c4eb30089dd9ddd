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

/// No silent unit is left alone for longer, so that a repaired one is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Where a time-out does not fit between two polls, silent units take one part in so many of the time.
const COSTLY_SHARE: u32 = 20;

/// The quarantine of one unit. Durations count from the beginning of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    failures: u32,
    next: Duration,
}

impl Silence {
    /// It has just failed (again), and `cost` is what that took. It gets a second chance at the next poll,
    /// then pauses that double.
    pub fn after(earlier: Option<Self>, now: Duration, cost: Duration) -> Self {
        let failures = earlier.map_or(1, |earlier| earlier.failures.saturating_add(1));
        let pause = match failures {
            1 => Duration::ZERO,
            n => cost.saturating_mul(1 << (n - 2).min(16)).min(LONGEST_PAUSE),
        };
        Self { failures, next: now + pause }
    }
}

/// What asking silent units may cost the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Probes {
    costly_from: Duration,
}

impl Probes {
    /// Whether a silent unit is asked now, `left` before the next poll: if its time has come, and waiting
    /// for it in vain fits there. If it does not fit, then now and then and one a poll (`spent` says that
    /// there has been one); a unit that failed for the first time need not wait for that.
    pub fn allow(
        &mut self,
        unit: Silence,
        now: Duration,
        left: Duration,
        cost: Duration,
        spent: bool,
    ) -> Probe {
        if now < unit.next {
            return Probe::NotYet;
        }
        if left >= cost {
            return Probe::Free;
        }
        if spent || (unit.failures > 1 && now < self.costly_from) {
            return Probe::NotYet;
        }
        self.costly_from = now + cost * COSTLY_SHARE;
        Probe::Costly
    }
}

/// Whether a silent unit is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Not in this poll.
    NotYet,
    /// Yes, at nobody's cost.
    Free,
    /// Yes, and if it is still silent the others miss a poll or more.
    Costly,
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

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn pain_17_a_silent_unit_gets_a_second_chance_and_then_pauses_that_double_up_to_half_a_minute() {
        let mut silence = None;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let after = Silence::after(silence, S(100), S(2));
            pauses.push(after.next.saturating_sub(S(100)).as_secs());
            silence = Some(after);
        }
        assert_eq!(pauses, [0, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(
            Silence { failures: u32::MAX, next: S(0) },
            Silence::after(Some(Silence { failures: u32::MAX, next: S(9) }), S(0), S(0))
        );
    }

    #[test]
    fn pain_17_a_silent_unit_is_asked_only_where_it_costs_the_others_little() {
        let mut probes = Probes::default();
        let (once, twice) = (Silence { failures: 1, next: S(0) }, Silence { failures: 2, next: S(10) });
        assert_eq!(probes.allow(twice, S(9), S(5), S(1), false), Probe::NotYet, "its pause");
        assert_eq!(probes.allow(twice, S(10), S(5), S(1), true), Probe::Free);
        assert_eq!(probes.allow(twice, S(10), S(0), S(1), true), Probe::NotYet, "one a poll");
        assert_eq!(probes.allow(twice, S(10), S(0), S(1), false), Probe::Costly);
        assert_eq!(probes.allow(twice, S(29), S(0), S(1), false), Probe::NotYet, "a twentieth of the time");
        assert_eq!(probes.allow(once, S(29), S(0), S(1), false), Probe::Costly, "its second chance");
        assert_eq!(probes.allow(twice, S(49), S(0), S(1), false), Probe::Costly);
    }
}

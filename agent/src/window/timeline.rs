//! Where a moment of the monotonic clock lies in window time, and what the wall clock did meanwhile.
//!
//! Window time is UTC as far as it can be believed: it never runs backwards, never covers a moment twice, and
//! stands still while the wall clock is before the time it has reached. A wall clock that jumps by more than
//! [`IMPLAUSIBLE_MS`] while the program runs (1970 from an empty battery, 2036 from a broken time server) is
//! not followed: window time goes on by the monotonic clock until the wall clock has come to its senses.
//!
//! Lengths come from the monotonic clock, stretched by at most [`SLEW_MS`] a step to keep with the wall clock.

use observation::{Instant, Mono, Utc};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A difference between the clocks that grows by more than this within one record is a step of the wall
/// clock; anything less is drift and is followed silently.
pub(super) const SLEW_MS: i64 = 1000;

/// A step of more than this while the program runs is disbelieved.
pub(super) const IMPLAUSIBLE_MS: i64 = 86_400_000;

/// A stretch in which window time runs evenly or stands still.
///
/// ```text
/// mono    m0 ────────────── m1
/// window  t0 ────────────── t1      t1 == t0: stands still; the next t0 > t1: skipped time between them
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Piece {
    m0: Mono,
    m1: Mono,
    t0: i64,
    t1: i64,
}

/// A step of the wall clock: what it should have shown and what it showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockStep {
    /// Expected, from the monotonic clock.
    pub expected: Utc,
    /// Shown.
    pub shown: Utc,
}

/// The relation of the two clocks, short: from the settled moment to now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timeline {
    pieces: VecDeque<Piece>,
    last: Option<Instant>,
    reached: i64,
    correction_ms: i64,
    started: bool,
}

impl Timeline {
    /// Window time does not begin before `floor_ms`.
    pub(super) fn new(floor_ms: i64) -> Self {
        Self { pieces: VecDeque::new(), last: None, reached: floor_ms, correction_ms: 0, started: false }
    }

    /// Window time reached so far, ms.
    pub(super) fn reached(&self) -> i64 {
        self.reached
    }

    /// Whether window time has begun.
    pub(super) fn has_started(&self) -> bool {
        self.started
    }

    /// Whether window time runs by the monotonic clock because the wall clock is not believed.
    pub(super) fn disbelieves_wall_clock(&self) -> bool {
        self.correction_ms != 0
    }

    /// Window time up to here is taken; it goes on from there.
    pub(super) fn raise_floor(&mut self, floor_ms: i64) {
        self.reached = self.reached.max(floor_ms);
    }

    /// A start of the program: the monotonic clock may have a new zero, and the wall clock is believed.
    pub(super) fn boot(&mut self, at: Instant) {
        self.pieces.clear();
        self.correction_ms = 0;
        self.last = Some(at);
        self.catch_up(at.utc.0);
    }

    /// Extends to `until`. A moment not after the last one changes nothing.
    pub(super) fn extend(&mut self, until: Instant) -> Option<ClockStep> {
        let Some(last) = self.last else {
            self.boot(until);
            return None;
        };
        if until.mono <= last.mono {
            return None;
        }
        let began = last.utc.0.saturating_sub(self.correction_ms);
        let expected = began.saturating_add(signed(until.mono.since(last.mono)));
        let jump = until.utc.0.saturating_sub(self.correction_ms).saturating_sub(expected);
        let stepped = jump.unsigned_abs() > SLEW_MS.unsigned_abs();
        if stepped && jump.unsigned_abs() > IMPLAUSIBLE_MS.unsigned_abs() && self.follows(began) {
            self.correction_ms = self.correction_ms.saturating_add(jump);
        }
        // Within drift of the truth again: the wall clock is believed again.
        if self.correction_ms.unsigned_abs() <= SLEW_MS.unsigned_abs() {
            self.correction_ms = 0;
        }
        let wall = until.utc.0.saturating_sub(self.correction_ms);
        self.run((last.mono, began), (until.mono, if stepped { expected } else { wall }));
        self.last = Some(until);
        self.catch_up(wall);
        let expected = Utc(last.utc.0.saturating_add(signed(until.mono.since(last.mono))));
        stepped.then_some(ClockStep { expected, shown: until.utc })
    }

    /// Whether window time runs with the wall clock, rather than waiting for it.
    fn follows(&self, wall: i64) -> bool {
        self.started && self.reached.saturating_sub(wall) <= SLEW_MS
    }

    /// Window time that was skipped by the wall clock is skipped here too, and is never run.
    fn catch_up(&mut self, wall: i64) {
        self.started |= wall >= self.reached;
        self.reached = self.reached.max(wall);
    }

    /// Between two moments the wall clock ran evenly from `began` to `ended`; window time follows as far as
    /// that lies ahead of it, and stands still before.
    fn run(&mut self, (m0, began): (Mono, i64), (m1, ended): (Mono, i64)) {
        let t0 = self.reached;
        if ended <= t0 {
            self.pieces.push_back(Piece { m0, m1, t0, t1: t0 });
            return;
        }
        let resumes = Piece { m0, m1, t0: began, t1: ended }.when(t0);
        if resumes > m0 {
            self.pieces.push_back(Piece { m0, m1: resumes, t0, t1: t0 });
        }
        if resumes < m1 {
            self.pieces.push_back(Piece { m0: resumes, m1, t0, t1: ended });
        }
        self.started = true;
        self.reached = ended;
    }

    /// Window time at a moment.
    pub(super) fn at(&self, moment: Mono) -> i64 {
        let next = self.pieces.partition_point(|p| p.m1 <= moment);
        match self.pieces.get(next) {
            Some(piece) => piece.at(moment),
            None => self.reached,
        }
    }

    /// The first moment at which window time has reached `t`, if it has.
    pub(super) fn when(&self, t: i64) -> Option<Mono> {
        let next = self.pieces.partition_point(|p| p.t1 < t);
        match self.pieces.get(next) {
            Some(piece) => Some(piece.when(t)),
            None => self.last.filter(|_| self.reached >= t).map(|last| last.mono),
        }
    }

    /// The stretches of window time that ran from `from` to `to`, in order; skipped time is in none.
    pub(super) fn spans(&self, from: Mono, to: Mono) -> impl Iterator<Item = (i64, i64)> + '_ {
        let first = self.pieces.partition_point(|p| p.m1 <= from);
        self.pieces
            .range(first..)
            .take_while(move |p| p.m0 < to)
            .map(move |p| (p.at(from.max(p.m0)), p.at(to.min(p.m1))))
            .filter(|(a, b)| b > a)
    }

    /// Forgets what lies before a moment.
    pub(super) fn forget(&mut self, before: Mono) {
        while self.pieces.front().is_some_and(|p| p.m1 <= before) {
            self.pieces.pop_front();
        }
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

impl Piece {
    fn at(&self, moment: Mono) -> i64 {
        let whole = i128::from(self.m1.since(self.m0)).max(1);
        let part = i128::from(moment.since(self.m0)).min(whole);
        let ran = i128::from(self.t1 - self.t0) * part / whole;
        self.t0 + i64::try_from(ran).unwrap_or(0)
    }

    fn when(&self, t: i64) -> Mono {
        let whole = i128::from(self.t1 - self.t0);
        if t <= self.t0 || whole == 0 {
            return self.m0;
        }
        let passed = i128::from(self.m1.since(self.m0));
        let part = (i128::from(t - self.t0) * passed + whole - 1) / whole;
        Mono(self.m0.0 + u64::try_from(part).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instant(mono: u64, utc: i64) -> Instant {
        Instant { utc: Utc(utc), mono: Mono(mono) }
    }

    const T: i64 = 1_800_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// Feeds `mono s:offset ms` pairs, where the wall clock shows T + mono + offset, and prints pieces and steps.
    #[track_caller]
    fn check(floor: i64, readings: &[(u64, i64)], want: &str) {
        let mut line = Timeline::new(floor);
        let mut notes = vec![];
        for (s, offset) in readings {
            let mono = s * 1000;
            if let Some(step) = line.extend(instant(mono, T + signed(mono) + offset)) {
                notes.push(format!("step {}", step.shown.since(step.expected)));
            }
        }
        let pieces = line.pieces.iter().map(|p| format!("{}-{}={}-{}", p.m0.0, p.m1.0, p.t0 - T, p.t1 - T));
        let got: Vec<String> = pieces.chain(notes).chain([format!("at {}", line.reached() - T)]).collect();
        assert_eq!(got.join(" "), want);
    }

    #[test]
    fn window_time_is_utc_while_the_clocks_agree() {
        check(T, &[(0, 0), (1, 0), (2, 0)], "0-1000=0-1000 1000-2000=1000-2000 at 2000");
    }

    #[test]
    fn drift_is_followed_by_stretching() {
        check(T, &[(0, 0), (1, 3), (2, -2)], "0-1000=0-1003 1000-2000=1003-1998 at 1998");
    }

    #[test]
    fn nothing_runs_before_the_floor() {
        check(
            T + 1500,
            &[(0, 0), (1, 0), (2, 0)],
            "0-1000=1500-1500 1000-1500=1500-1500 1500-2000=1500-2000 at 2000",
        );
    }

    #[test]
    fn an_hour_forward_is_skipped_and_an_hour_back_waited_out() {
        check(
            T,
            &[(0, 0), (1, HOUR), (2, HOUR)],
            "0-1000=0-1000 1000-2000=3601000-3602000 step 3600000 at 3602000",
        );
        check(
            T,
            &[(0, 0), (1, -HOUR), (3600, -HOUR), (3602, -HOUR)],
            "0-1000=0-1000 1000-3600000=1000-1000 3600000-3601000=1000-1000 3601000-3602000=1000-2000 step -3600000 at 2000",
        );
    }

    #[test]
    fn a_clock_that_shows_1970_or_2036_is_not_followed_and_believed_again_when_it_is_back() {
        for years in [-57, 10] {
            let jump = years * 365 * 24 * HOUR;
            check(
                T,
                &[(0, 0), (1, jump), (2, jump), (3, 5)],
                &format!(
                    "0-1000=0-1000 1000-2000=1000-2000 2000-3000=2000-3000 step {jump} step {} at 3005",
                    5 - jump
                ),
            );
        }
    }

    #[test]
    fn a_box_that_starts_in_1970_begins_when_its_clock_is_set() {
        check(
            T,
            &[(0, -50 * 365 * 24 * HOUR), (1, 0), (2, 0)],
            "0-1000=0-0 1000-2000=1000-2000 step 1576800000000 at 2000",
        );
    }

    proptest! {
        #[test]
        fn window_time_never_runs_back_nor_twice(
            moves in prop::collection::vec((1u64..100_000, prop_oneof![Just(0i64), -2000i64..2000, -100_000_000i64..100_000_000]), 1..40),
        ) {
            let mut line = Timeline::new(T);
            let (mut mono, mut wall) = (0, T);
            line.extend(instant(mono, wall));
            for (passed, jump) in moves {
                mono += passed;
                wall += signed(passed) + jump;
                line.extend(instant(mono, wall));
            }
            let mut reached = i64::MIN;
            for p in &line.pieces {
                prop_assert!(p.t0 >= reached && p.t1 >= p.t0 && p.m1 > p.m0);
                reached = p.t1;
            }
            for pair in line.pieces.iter().zip(line.pieces.iter().skip(1)) {
                prop_assert_eq!(pair.0.m1, pair.1.m0);
            }
            for p in &line.pieces {
                let middle = Mono(u64::midpoint(p.m0.0, p.m1.0));
                prop_assert!(line.when(line.at(middle)).unwrap() <= middle);
            }
        }
    }
}

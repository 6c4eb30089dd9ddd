//! A cumulative register over time: which steps it may take, and what to say of the others.
//!
//! A register that rolls over, restarts, reads 0 once, runs backwards or faster than the machine can is never
//! repaired. Each such step becomes a counter event with the last value before it and the first after it,
//! and the amount across the step is not booked. Whole numbers only: mWh for energy, pieces for parts.

use observation::Mono;
use serde::{Deserialize, Serialize};

const HOUR_MS: i128 = 3_600_000;

/// What the configuration says about a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterModel {
    /// How many values the register has before it starts again at 0: declared width plus one resolution.
    /// `None`: it is not known to roll over.
    pub modulus: Option<i128>,
    /// The smallest step the register can show, at least 1.
    pub resolution: i128,
    /// The most it can grow in an hour.
    pub max_per_hour: i128,
    /// Serial number of the meter, where the configuration names it: a new one announces an exchange.
    pub meter: Option<String>,
}

/// Why a step is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Past the declared width, by as much as could have been used.
    Rollover,
    /// Back to 0: a restart, or one wrong reading.
    Zero,
    /// Back from a 0 to where it was before it.
    BackFromZero,
    /// Back to a small value: a restart that was not seen at 0.
    Reset,
    /// Back to some other value.
    Backwards,
    /// Forward by more than the machine can use or make.
    TooFast,
    /// The configuration names another meter.
    Exchanged,
}

/// What a reading is, given the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The first of this register ever.
    First,
    /// As before, or forward by a possible amount.
    Good,
    /// A step that is not booked.
    Broken {
        /// Why.
        why: Break,
        /// The last value before it.
        last: i64,
        /// The first value after it.
        first: i64,
    },
}

/// When a value appeared, on both of the agent's clocks. The monotonic one is unknown after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Window time, ms: never runs backwards, stands still while the wall clock is not believed.
    pub window_ms: i64,
    /// Monotonic time, if it is of this boot.
    pub mono: Option<Mono>,
}

impl Moment {
    /// The longer of the two readings of the time that has passed, ms: a stopped or reset clock must not
    /// make honest progress look too fast.
    fn since(self, earlier: Self) -> i128 {
        let window = i128::from(self.window_ms) - i128::from(earlier.window_ms);
        let mono = match (self.mono, earlier.mono) {
            (Some(now), Some(then)) => i128::from(now.since(then)),
            _ => 0,
        };
        window.max(mono).max(0)
    }
}

/// What is remembered of a register, across restarts too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    last: Option<Remembered>,
    before_zero: Option<i64>,
    meter: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    value: i64,
    appeared: Moment,
}

impl Counter {
    /// The last value read well.
    pub fn last(&self) -> Option<i64> {
        self.last.map(|r| r.value)
    }

    /// After a restart monotonic times mean nothing any more.
    pub fn forget_monotonic_time(&mut self) {
        if let Some(last) = &mut self.last {
            last.appeared.mono = None;
        }
    }

    /// Takes the next value, not negative.
    pub fn read(&mut self, value: i64, now: Moment, model: &CounterModel) -> Reading {
        let exchanged = self.meter.is_some() && self.meter != model.meter;
        self.meter.clone_from(&model.meter);
        let Some(last) = self.last else {
            self.last = Some(Remembered { value, appeared: now });
            return Reading::First;
        };
        let why = if exchanged { Some(Break::Exchanged) } else { self.why_broken(last, value, now, model) };
        if why == Some(Break::Zero) {
            self.before_zero = Some(last.value);
        } else if value != last.value {
            self.before_zero = None;
        }
        if value != last.value || exchanged {
            self.last = Some(Remembered { value, appeared: now });
        }
        why.map_or(Reading::Good, |why| Reading::Broken { why, last: last.value, first: value })
    }

    /// The time allowed for a step counts from when the last value *appeared*, not from when it was last
    /// confirmed: many registers move only once a minute or in whole kWh.
    fn why_broken(&self, last: Remembered, value: i64, now: Moment, model: &CounterModel) -> Option<Break> {
        let possible = model.possible(now.since(last.appeared));
        let (before, after) = (i128::from(last.value), i128::from(value));
        if after == before {
            return None;
        }
        if let Some(lost) = self.before_zero.map(i128::from)
            && (lost..=lost.saturating_add(possible)).contains(&after)
        {
            return Some(Break::BackFromZero);
        }
        if after > before {
            return (after - before > possible).then_some(Break::TooFast);
        }
        let round = model.modulus.map(|m| m - before + after);
        Some(match round {
            Some(round) if (0..=possible).contains(&round) => Break::Rollover,
            _ if after == 0 => Break::Zero,
            _ if after <= possible => Break::Reset,
            _ => Break::Backwards,
        })
    }
}

impl CounterModel {
    /// The most the register can have moved in a time: what the machine can do, plus one step of the
    /// register that may have been about to come.
    fn possible(&self, ms: i128) -> i128 {
        let grown = self.max_per_hour.saturating_mul(ms).saturating_add(HOUR_MS - 1) / HOUR_MS;
        grown.saturating_add(self.resolution)
    }
}

/// A register made of power, for a machine that has none: mWh that only grow. A loss of power readings is a
/// gap that nothing can bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integral {
    mwh: i64,
    rest: i64,
}

impl Integral {
    /// `milliwatts` for `ms`. Power fed back counts as none.
    pub fn add(&mut self, milliwatts: i64, ms: u64) {
        let work = i128::from(milliwatts.max(0)) * i128::from(ms) + i128::from(self.rest);
        let mwh = i64::try_from(work / HOUR_MS).unwrap_or(i64::MAX);
        self.mwh = self.mwh.saturating_add(mwh);
        // A remainder of a division by 3.6 million fits.
        self.rest = i64::try_from(work % HOUR_MS).unwrap_or(0);
    }

    /// The register, mWh.
    pub fn register(&self) -> i64 {
        self.mwh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A meter with 10 Wh resolution that rolls over at 999999.99 kWh, behind a machine of 20 kW.
    fn meter() -> CounterModel {
        CounterModel {
            modulus: Some(1_000_000_000_000),
            resolution: 10_000,
            max_per_hour: 20_000_000,
            meter: None,
        }
    }

    fn at(s: i64) -> Moment {
        Moment { window_ms: s * 1000, mono: u64::try_from(s * 1000).ok().map(Mono) }
    }

    /// Readings as `second:value`; values in units of the resolution, 0.01 kWh.
    #[track_caller]
    fn check(readings: &str, want: &str) {
        let (mut counter, model) = (Counter::default(), meter());
        let got: Vec<String> = readings
            .split_whitespace()
            .map(|r| {
                let (s, value) = r.split_once(':').unwrap();
                let value = value.parse::<i64>().unwrap() * 10_000;
                match counter.read(value, at(s.parse().unwrap()), &model) {
                    Reading::Broken { why, last, first } => {
                        format!("{why:?} {} {}", last / 10_000, first / 10_000)
                    }
                    other => format!("{other:?}"),
                }
            })
            .collect();
        assert_eq!(got.join(", "), want);
    }

    #[test]
    fn an_honest_register_only_advances() {
        check("0:100 1:100 2:101 60:103 3660:2103", "First, Good, Good, Good, Good");
    }

    #[test]
    fn pain_09_a_rollover_at_the_declared_width_is_an_event_and_not_negative_energy() {
        check("0:99999998 1:99999999 2:0 3:1", "First, Good, Rollover 99999999 0, Good");
        check("0:99999999 60:20", "First, Rollover 99999999 20");
    }

    #[test]
    fn pain_09_a_register_that_reads_0_once_books_its_lifetime_neither_then_nor_afterwards() {
        check("0:5000 1:0 2:5000 3:5001", "First, Zero 5000 0, BackFromZero 0 5000, Good");
        check("0:3 1:0 2:0 3:3", "First, Zero 3 0, Good, BackFromZero 0 3");
    }

    #[test]
    fn a_restart_goes_on_from_the_new_value() {
        check("0:5000 1:0 2:1 3:2", "First, Zero 5000 0, Good, Good");
        check("0:5000 60:1 61:2", "First, Reset 5000 1, Good");
    }

    #[test]
    fn backwards_and_too_fast_are_events() {
        check("0:5000 1:4000", "First, Backwards 5000 4000");
        check("0:5000 3600:7001", "First, Good");
        check("0:5000 3600:7002", "First, TooFast 5000 7002");
    }

    #[test]
    fn time_counts_from_when_the_value_appeared() {
        check("0:5000 1799:5000 1800:6000", "First, Good, Good");
    }

    #[test]
    fn without_a_declared_width_there_is_no_rollover() {
        let mut model = meter();
        model.modulus = None;
        let mut counter = Counter::default();
        counter.read(999_999_990_000, at(0), &model);
        let got = counter.read(0, at(1), &model);
        assert_eq!(got, Reading::Broken { why: Break::Zero, last: 999_999_990_000, first: 0 });
    }

    #[test]
    fn another_serial_number_is_an_exchange_even_if_the_values_fit() {
        let named = |serial: &str| CounterModel { meter: Some(serial.to_owned()), ..meter() };
        let mut counter = Counter::default();
        counter.read(50_000, at(0), &named("A"));
        let got = counter.read(60_000, at(1), &named("B"));
        assert_eq!(got, Reading::Broken { why: Break::Exchanged, last: 50_000, first: 60_000 });
        assert_eq!(counter.read(60_000, at(2), &named("B")), Reading::Good);
    }

    #[test]
    fn a_clock_that_stands_still_does_not_make_progress_look_too_fast() {
        let (mut counter, model) = (Counter::default(), meter());
        counter.read(0, Moment { window_ms: 0, mono: Some(Mono(0)) }, &model);
        let got = counter.read(20_000_000, Moment { window_ms: 0, mono: Some(Mono(3_600_000)) }, &model);
        assert_eq!(got, Reading::Good);
    }

    #[test]
    fn power_integrates_without_losing_a_remainder() {
        let mut integral = Integral::default();
        for _ in 0..3_600_000 {
            integral.add(1, 1);
        }
        assert_eq!(integral.register(), 1);
        integral.add(-5000, 3_600_000);
        assert_eq!(integral.register(), 1);
    }

    proptest! {
        /// Whatever a register does, its booked steps and its events account for every value it showed.
        #[test]
        fn events_and_steps_telescope(values in prop::collection::vec(0i64..2_000_000, 2..50)) {
            let (mut counter, model) = (Counter::default(), meter());
            let (mut booked, mut jumped) = (0i128, 0i128);
            let mut previous = None;
            for (s, value) in (0i64..).zip(&values) {
                match (counter.read(*value, at(s), &model), previous) {
                    (Reading::Good, Some(before)) => {
                        prop_assert!(*value >= before, "a booked step never goes back");
                        booked += i128::from(*value - before);
                    }
                    (Reading::Broken { last, first, .. }, Some(before)) => {
                        prop_assert_eq!((last, first), (before, *value));
                        jumped += i128::from(first) - i128::from(last);
                    }
                    _ => {}
                }
                previous = Some(*value);
            }
            prop_assert_eq!(booked + jumped, i128::from(values[values.len() - 1] - values[0]));
        }
    }
}

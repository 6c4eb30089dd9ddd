//! Days of machines that are known, and what must not matter.

use super::*;
use proptest::prelude::*;

/// A small generator, so that a day is the same everywhere.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    /// From `from` up to, not including, `to`.
    fn between(&mut self, from: i64, to: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from + i64::try_from((self.0 >> 33) % u64::try_from(to - from).unwrap()).unwrap()
    }
}

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;

/// A press that is off from 22 to 6, and by day idle at 420 W and producing at 2.4 to 7 kW; a reading in 5 s.
fn day(seed: u64) -> Vec<PowerReading> {
    let mut random = Seeded(seed);
    let mut readings = vec![];
    let (mut produces, mut until) = (false, 0);
    for at_ms in (0..24 * HOUR).step_by(5000) {
        if at_ms >= until {
            produces = !produces;
            until = at_ms + random.between(60, 900) * SECOND;
        }
        let off = !(6 * HOUR..22 * HOUR).contains(&at_ms);
        let milliwatts = match (off, produces) {
            (true, _) => random.between(0, 9_000),
            (false, false) => random.between(400_000, 440_000),
            (false, true) => random.between(2_400_000, 7_000_000),
        };
        readings.push(PowerReading { at_ms, milliwatts: Some(milliwatts) });
    }
    readings
}

/// Levels by turns, a reading in 10 s for a day: (W, width in W, share in hundredths).
fn levels(levels: &[(i64, i64, i64)]) -> Vec<PowerReading> {
    let mut random = Seeded(7);
    let reading = |number: i64| {
        let place = (number * 37) % 100;
        let mut upto = 0;
        let level = levels.iter().find(|(_, _, share)| {
            upto += share;
            place < upto
        });
        let milliwatts = level.map(|(watts, width, _)| (watts + random.between(0, *width)) * 1000);
        PowerReading { at_ms: number * 10_000, milliwatts }
    };
    (0..8640).map(reading).collect()
}

fn proposed(readings: &[PowerReading]) -> Result<Proposal, Refusal> {
    propose(&look(readings)?, None)
}

#[track_caller]
fn refused(readings: &[PowerReading], want: Refusal) {
    assert_eq!(proposed(readings).unwrap_err(), want);
}

#[test]
fn a_day_with_three_levels_gives_thresholds_in_the_empty_ground_between_them() {
    let readings = day(1);
    let seen = look(&readings).unwrap();
    assert_eq!((seen.readings, seen.interval_ms, seen.span_ms), (17_280, 5000, 86_395_000));
    assert_eq!(seen.known_ms, seen.span_ms);
    let shares: Vec<u64> = seen.modes.iter().map(|mode| mode.ms / 3_600_000).collect();
    assert!(shares[0] == 7 && shares[1..].iter().sum::<u64>() == 15, "{shares:?}");
    let found = propose(&seen, None).unwrap();
    assert_eq!(found.declared, Declared { idle: 2, producing: 3 });
    assert_eq!(found.doubts, []);
    assert_eq!(found.dwell_ms, 15_000);
    let on = found.on.unwrap();
    assert!(9_000 < on.lower_mw && on.lower_mw < on.upper_mw && on.upper_mw < 400_000, "{on:?}");
    let producing = found.producing;
    assert!(440_000 < producing.lower_mw && producing.upper_mw < 2_400_000, "{producing:?}");
    // By hand: the middle of 439 W and 2.49 kW is 1.05 kW, and the levels are half way to either side.
    assert!((630_000..720_000).contains(&producing.lower_mw), "{producing:?}");
    assert!((1_500_000..1_700_000).contains(&producing.upper_mw), "{producing:?}");
    assert_eq!((on.between_ms, producing.between_ms), (0, 0));
}

#[test]
fn levels_are_exact_where_the_readings_are() {
    // 1 W, 400 W and 3600 W: the middle of the upper two is 1200 W, and of those with it 692.82 and 2078.46 W.
    let found = proposed(&levels(&[(1, 1, 30), (400, 1, 30), (3600, 1, 40)])).unwrap();
    assert_eq!((found.producing.lower_mw, found.producing.upper_mw), (692_820, 2_078_460));
    // Under a thousandth of the top nothing is told apart: 0.9^65 of 3600 W is 3.8202 W, as much as off may draw.
    assert_eq!(found.on.unwrap().from_mw, 3821);
}

#[test]
fn what_readings_cannot_show_is_refused_with_its_reason() {
    let day = day(2);
    refused(&day[..719], Refusal::TooFew { readings: 719 });
    refused(&day[..720], Refusal::TooShort { span_ms: 3_595_000 });
    assert_ne!(look(&day[..721]).map(|_| ()), Err(Refusal::TooShort { span_ms: 3_600_000 }));
    refused(&levels(&[(400, 40, 100)]), Refusal::OneMode);
    refused(&levels(&[(0, 1, 100)]), Refusal::NoPower);
    refused(&levels(&[(-5, 1, 100)]), Refusal::NoPower);
    refused(&levels(&[(400, 40, 50), (3000, 300, 50)]), Refusal::Undeclared { modes: 2 });
    let four = [(2, 1, 25), (400, 40, 25), (1500, 100, 25), (6000, 500, 25)];
    refused(&levels(&four), Refusal::Undeclared { modes: 4 });
    let mut twice = day.clone();
    twice[100].at_ms = twice[99].at_ms;
    refused(&twice, Refusal::Order { number: 101 });
    let seldom: Vec<_> =
        (0..800).map(|i| PowerReading { at_ms: i * 200_001, milliwatts: Some(i % 3) }).collect();
    refused(&seldom, Refusal::TooSeldom { interval_ms: 200_001 });
}

#[test]
fn heaps_that_run_into_each_other_are_no_states() {
    // Idle up to 1.6 kW and producing from 1.2 kW: the ground between is a third of the lower hill.
    let into = [(900, 250, 30), (1150, 450, 15), (1600, 900, 55)];
    refused(&levels(&into), Refusal::Overlap);
    let one = look(&levels(&into)).unwrap();
    assert_eq!((one.modes.len(), one.overlap), (1, true));
    // Half as much again is too near, three quarters are not, and are said.
    let levels_at = |producing| levels(&[(2, 1, 20), (1000, 10, 40), (producing, 10, 40)]);
    let seen = look(&levels_at(1500)).unwrap();
    assert_eq!((seen.modes.len(), seen.overlap), (2, true));
    assert_eq!(propose(&seen, None).unwrap_err(), Refusal::Undeclared { modes: 2 });
    let found = proposed(&levels_at(1750)).unwrap();
    assert_eq!(found.doubts, [Doubt::Close { from_mw: found.producing.from_mw, to_mw: 1_750_000 }]);
}

/// Far enough apart to be two hills, and still power in all the ground between them.
#[test]
fn levels_with_no_empty_ground_between_them_are_refused() {
    let ramps = levels(&[(2, 1, 20), (900, 200, 35), (1100, 900, 10), (2000, 300, 35)]);
    let seen = look(&ramps).unwrap();
    assert_eq!((seen.modes.len(), seen.overlap), (3, false));
    assert_eq!(propose(&seen, None).unwrap_err(), Refusal::Overlap);
}

/// Two of the four levels are taken for one: what is left looks like off, idle and producing, and is not.
#[test]
fn three_levels_of_which_one_is_two_have_to_be_declared() {
    let four = [(2, 1, 20), (1000, 10, 25), (1500, 10, 25), (6000, 100, 30)];
    let seen = look(&levels(&four)).unwrap();
    assert_eq!((seen.modes.len(), seen.overlap), (3, true));
    assert_eq!(propose(&seen, None).unwrap_err(), Refusal::Undeclared { modes: 3 });
    assert!(propose(&seen, Some(Declared { idle: 2, producing: 3 })).is_ok());
}

/// A pump that starts now and then for a moment is no level of its own, and no end of one.
#[test]
fn what_takes_less_than_a_hundredth_of_the_day_moves_nothing() {
    let plain = proposed(&day(6)).unwrap();
    let mut ramps = day(6);
    for reading in ramps.iter_mut().step_by(120).filter(|r| r.milliwatts.is_some_and(|mw| mw > 10_000)) {
        reading.milliwatts = Some(1_100_000);
    }
    let found = proposed(&ramps).unwrap();
    close_to(&plain, &found, 2);
    assert_eq!(found.declared, plain.declared);
}

#[test]
fn gaps_and_failed_reads_are_unknown_and_too_many_are_refused() {
    let mut few = day(3);
    for reading in few.iter_mut().skip(2000).take(1000) {
        reading.milliwatts = None;
    }
    let seen = look(&few).unwrap();
    assert_eq!(seen.span_ms - seen.known_ms, 5_000_000);
    assert_eq!(
        propose(&seen, None).unwrap().doubts,
        [Doubt::Unknown { known_ms: seen.known_ms, span_ms: seen.span_ms }]
    );
    let mut many = day(3);
    many.drain(2000..3900);
    // The reading before the gap holds for two intervals.
    let missing = 1901 * 5000 - 10_000;
    let span_ms = 86_395_000;
    refused(&many, Refusal::Gaps { known_ms: span_ms - missing, span_ms });
}

#[test]
fn less_than_a_day_is_said_and_still_proposed() {
    let morning: Vec<_> = day(4).into_iter().filter(|r| (4 * HOUR..12 * HOUR).contains(&r.at_ms)).collect();
    let found = proposed(&morning).unwrap();
    assert_eq!(found.doubts, [Doubt::ShortOfADay { span_ms: 28_795_000 }]);
}

#[test]
fn what_the_levels_mean_can_be_declared_and_a_wrong_declaration_is_refused() {
    let two = look(&levels(&[(400, 40, 50), (3000, 300, 50)])).unwrap();
    let declare = |seen, idle, producing| propose(seen, Some(Declared { idle, producing }));
    let never_off = declare(&two, 1, 2).unwrap();
    assert_eq!(never_off.on, None);
    let never_idle = declare(&two, 2, 2).unwrap();
    assert_eq!(never_idle.on, Some(never_idle.producing));
    assert_eq!(never_off.producing, never_idle.producing);
    for (idle, producing) in [(0, 2), (2, 1), (1, 1), (1, 3), (3, 3)] {
        assert_eq!(declare(&two, idle, producing).unwrap_err(), Refusal::Declaration { modes: 2 });
    }
    let four = look(&levels(&[(2, 1, 25), (400, 40, 25), (1500, 100, 25), (6000, 500, 25)])).unwrap();
    let careful = declare(&four, 2, 4).unwrap();
    assert!((1_600_000..6_000_000).contains(&careful.producing.lower_mw), "{careful:?}");
    let generous = declare(&four, 2, 3).unwrap();
    assert!((440_000..1_500_000).contains(&generous.producing.lower_mw), "{generous:?}");
}

#[test]
fn a_short_spike_moves_nothing() {
    let plain = proposed(&day(5)).unwrap();
    let mut spiked = day(5);
    for place in (7000..7010).chain(9000..9005) {
        spiked[place].milliwatts = Some(90_000_000);
    }
    let found = proposed(&spiked).unwrap();
    close_to(&plain, &found, 2);
}

/// Every level within so many hundredths.
#[track_caller]
fn close_to(a: &Proposal, b: &Proposal, hundredths: i64) {
    let of = |p: &Proposal| {
        let on = p.on.unwrap();
        [on.lower_mw, on.upper_mw, p.producing.lower_mw, p.producing.upper_mw]
    };
    for (one, other) in of(a).into_iter().zip(of(b)) {
        assert!((one - other).abs() * 100 <= one * hundredths, "{one} and {other} mW");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Another unit is another factor: every level scales with it, but for the last digit of a root.
    #[test]
    fn scaling_the_readings_scales_the_thresholds(seed in 0u64..1000, factor in 2i64..5000) {
        let scaled: Vec<_> = day(seed)
            .into_iter()
            .map(|r| PowerReading { milliwatts: r.milliwatts.map(|mw| mw * factor), ..r })
            .collect();
        let (plain, other) = (proposed(&day(seed)).unwrap(), proposed(&scaled).unwrap());
        for (one, many) in [(plain.producing, other.producing), (plain.on.unwrap(), other.on.unwrap())] {
            for (one, many) in [(one.lower_mw, many.lower_mw), (one.upper_mw, many.upper_mw)] {
                // Three roots rounded down, each less than one unit, and an edge rounded up.
                prop_assert!((one * factor - many).abs() <= 4 * factor, "{one} times {factor} is not {many}");
            }
        }
        prop_assert_eq!(plain.dwell_ms, other.dwell_ms);
        prop_assert_eq!(plain.doubts, other.doubts);
    }

    /// A meter that errs by up to 2 % of each reading moves no level by more than 4 %.
    #[test]
    fn noise_of_two_hundredths_moves_no_threshold_by_more_than_four(seed in 0u64..1000, noise in 0u64..1000) {
        let mut random = Seeded(noise);
        let noisy: Vec<_> = day(seed)
            .into_iter()
            .map(|r| PowerReading { milliwatts: r.milliwatts.map(|mw| mw * random.between(980, 1021) / 1000), ..r })
            .collect();
        close_to(&proposed(&day(seed)).unwrap(), &proposed(&noisy).unwrap(), 4);
    }

    /// When the day begins does not matter, and the same readings give the same proposal.
    #[test]
    fn shifting_the_day_changes_nothing(seed in 0u64..1000, shift in -1_000_000_000_000i64..1_000_000_000_000) {
        let shifted: Vec<_> =
            day(seed).into_iter().map(|r| PowerReading { at_ms: r.at_ms + shift, ..r }).collect();
        prop_assert_eq!(look(&day(seed)), look(&shifted));
        prop_assert_eq!(proposed(&day(seed)), proposed(&shifted));
    }

    /// Whatever is read, the answer is a proposal or a refusal, and a proposal's levels are in order.
    #[test]
    fn anything_is_answered(powers in prop::collection::vec(prop::option::weighted(0.97, any::<i64>()), 720..800)) {
        let readings: Vec<_> = (0..)
            .zip(&powers)
            .map(|(i, milliwatts)| PowerReading { at_ms: i64::MIN / 2 + i * 6000, milliwatts: *milliwatts })
            .collect();
        let Ok(seen) = look(&readings) else { return Ok(()) };
        for idle in 1..=seen.modes.len() {
            for producing in 1..=seen.modes.len() {
                if let Ok(found) = propose(&seen, Some(Declared { idle, producing })) {
                    let Step { lower_mw, upper_mw, from_mw, to_mw, .. } = found.producing;
                    prop_assert!(from_mw <= lower_mw && lower_mw <= upper_mw && upper_mw <= to_mw);
                }
            }
        }
    }
}

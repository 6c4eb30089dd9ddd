//! What a person sees who calibrates a meter, and whether what is pasted counts a known machine's time.

use super::*;
use crate::Configuration;
use crate::commands::Exit;
use crate::commands::probe::power::answer;
use kpi::threshold::{Declared, look, propose};
use std::path::Path;

/// A small generator, so that a day is the same everywhere.
struct Seeded(u64);

impl Seeded {
    /// From `from` up to, not including, `to`.
    fn between(&mut self, from: i64, to: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from + i64::try_from((self.0 >> 33) % u64::try_from(to - from).unwrap()).unwrap()
    }
}

/// A day of a lathe and what it truly did: off at night, between jobs idle for 1 to 20 min, in a job cutting at 2 to
/// 9 kW with tool changes of 2 to 4 s at idle power, which are part of producing. A reading a second by a meter that errs
/// by 1 %.
fn lathe(seed: u64) -> (Vec<PowerReading>, Vec<Leaf>) {
    let mut random = Seeded(seed);
    let (mut readings, mut truth) = (vec![], vec![]);
    let (mut produces, mut until, mut change, mut cut) = (false, 0, 0, 4_000_000);
    let base = random.between(300_000, 700_000);
    for second in 0..86_400 {
        if second >= until {
            produces = !produces;
            until = second + if produces { random.between(120, 3600) } else { random.between(60, 1200) };
        }
        if second >= change + 4 && random.between(0, 45) == 0 {
            change = second + random.between(2, 5) - 4;
            cut = random.between(2_000_000, 9_000_000);
        }
        let leaf = match (21_600..79_200).contains(&second) {
            false => Leaf::Off,
            true if produces => Leaf::Producing,
            true => Leaf::Idle,
        };
        let true_mw = match leaf {
            Leaf::Off => 4000,
            Leaf::Producing if second >= change + 4 => cut,
            _ => base,
        };
        let error = random.between(990, 1011);
        readings.push(PowerReading { at_ms: second * 1000, milliwatts: Some(true_mw * error / 1000) });
        truth.push(leaf);
    }
    (readings, truth)
}

/// The state of each second by the agent's own rules.
fn states(thresholds: &[(Leaf, Threshold)], readings: &[PowerReading]) -> Vec<Leaf> {
    let rules = thresholds.iter().map(|(leaf, t)| Rule { leaf: *leaf, condition: Condition::Power(*t) });
    let rules = Rules::new(rules.collect(), [const { None }; 4], 1, Some(0));
    let mut tracker = StateTracker::new(&rules, Mono(0));
    for reading in readings {
        let watts = Decimal::new(i128::from(reading.milliwatts.unwrap()), -3).map(Value::Number);
        tracker.observe(Mono(reading.at_ms.unsigned_abs()), &rules, &Watts(watts));
    }
    let end = u64::try_from(readings.len()).unwrap() * 1000;
    tracker.advance(Mono(end), &rules);
    let mut states = vec![];
    for segment in tracker.settle(Mono(end), &rules) {
        states.extend((segment.from.0..segment.to.0).step_by(1000).map(|_| segment.leaf));
    }
    states
}

/// The promise of the guide: 99 % of an honest machine's time is recovered, and no more is called producing than was.
#[test]
fn the_states_of_an_honest_machine_are_recovered_to_ninety_nine_hundredths() {
    for seed in 0..10 {
        let (readings, truth) = lathe(seed);
        let seen = look(&readings).unwrap();
        let proposal = propose(&seen, None).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let found = states(&thresholds(&proposal), &readings);
        let right = truth.iter().zip(&found).filter(|(a, b)| a == b).count();
        assert!(right * 100 >= truth.len() * 99, "seed {seed}: {right} of {}", truth.len());
        let producing = |states: &[Leaf]| states.iter().filter(|s| **s == Leaf::Producing).count();
        let (was, is) = (producing(&truth), producing(&found));
        assert!(is * 1000 <= was * 1005, "seed {seed}: {is} s are called producing, {was} s were");
        assert_eq!(
            counted(&thresholds(&proposal), &readings, &seen).iter().map(|(_, ms)| ms).sum::<u64>(),
            seen.span_ms
        );
    }
}

/// Columns on a terminal: what is not ASCII is taken to be as wide as a Chinese character.
fn columns(line: &str) -> usize {
    line.chars().map(|c| if c.is_ascii() || c == '·' { 1 } else { 2 }).sum()
}

#[track_caller]
fn fits(text: &str) {
    for line in text.lines() {
        assert!(columns(line) <= 80, "{} columns: {line}", columns(line));
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

#[test]
fn a_clear_day_is_drawn_and_the_lines_to_paste_are_read_by_the_configuration() {
    let (readings, _) = lathe(3);
    let (text, exit) = answer(&readings, None);
    assert_eq!(exit, Exit::Fine, "{text}");
    fits(&text);
    for want in
        ["[1]", "[2]", "[3]", "producing 加工 >=", "idle 空闲 >=", "结论清楚", "evidence class C", "####"]
    {
        assert!(text.contains(want), "{want} is missing in\n{text}");
    }
    let (_, pasted) = text.split_once("[machine.state]").unwrap();
    let example = include_str!("../../../../config/examples/agent.toml");
    let (before, state) = example.rsplit_once("[machine.state]").unwrap();
    let (_, behind) = state.split_once("\n\n").unwrap();
    let file = format!("{before}[machine.state]{pasted}\n{behind}");
    let read =
        Configuration::parse("agent.toml", &file, Path::new("/")).unwrap_or_else(|e| panic!("{e}\n{pasted}"));
    let rules = read.machines[1].rules.rules();
    let proposal = propose(&look(&readings).unwrap(), None).unwrap();
    let want = thresholds(&proposal);
    assert_eq!(rules.len(), 3);
    for (rule, (leaf, threshold)) in rules.iter().zip([want[0], want[2], want[1]]) {
        assert_eq!((rule.leaf, &rule.condition), (leaf, &Condition::Power(threshold)));
    }
}

#[test]
fn every_refusal_and_doubt_is_said_in_both_languages_within_eighty_columns() {
    let refusals = [
        Refusal::Order { number: 2 },
        Refusal::TooFew { readings: 7 },
        Refusal::TooShort { span_ms: 60_000 },
        Refusal::Gaps { known_ms: 60_000, span_ms: 86_400_000 },
        Refusal::TooSeldom { interval_ms: 300_500 },
        Refusal::NoPower,
        Refusal::OneMode,
        Refusal::Overlap,
        Refusal::Undeclared { modes: 2 },
        Refusal::Undeclared { modes: 5 },
        Refusal::Declaration { modes: 3 },
    ];
    for refusal in refusals {
        let text = refused(&refusal);
        fits(&text);
        assert!(text.starts_with("不建议阈值：") && text.contains("No thresholds are proposed"), "{text}");
    }
    let mut out = String::new();
    doubts(
        &mut out,
        &[
            Doubt::ShortOfADay { span_ms: 30_000_000 },
            Doubt::Unknown { known_ms: 80_000_000, span_ms: 86_400_000 },
            Doubt::Close { from_mw: 999_000, to_mw: 1_750_000 },
            Doubt::Between { ms: 3_600_000 },
        ],
    );
    fits(&out);
    assert_eq!(out.matches("注意").count(), 4);
    assert!(out.contains("1 h 46 min are not known"), "{out}");
}

#[test]
fn two_levels_are_drawn_and_asked_for_and_the_answer_is_taken() {
    let (mut readings, _) = lathe(4);
    readings.retain(|r| (21_600_000..79_200_000).contains(&r.at_ms));
    let (text, exit) = answer(&readings, None);
    fits(&text);
    assert_eq!(exit, Exit::No);
    assert!(text.contains("--idle 1 --producing 2") && text.contains("[2]"), "{text}");
    assert!(!text.contains("[machine.state]"), "{text}");
    let (text, exit) = answer(&readings, Some(Declared { idle: 1, producing: 2 }));
    fits(&text);
    assert_eq!(exit, Exit::Fine);
    assert!(text.contains("不足一天") && !text.contains("\noff "), "{text}");
    let (text, _) = answer(&readings, Some(Declared { idle: 2, producing: 2 }));
    assert!(text.contains("\noff ") && !text.contains("\nidle "), "{text}");
}

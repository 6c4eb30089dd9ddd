//! Readings in, dated states out.

use super::*;
use crate::state::{Rule, Side, Threshold, parse};
use observation::{Decimal, Value};
use proptest::prelude::*;

struct Known(Vec<Option<i64>>, Vec<Option<Value>>);

impl Known {
    fn new(values: &[Option<i64>]) -> Self {
        let exact = values.iter().map(|v| v.map(|n| Value::Number(Decimal::from(n)))).collect();
        Self(values.to_vec(), exact)
    }
}

impl Inputs for Known {
    fn value(&self, index: usize) -> Option<&Value> {
        self.1[index].as_ref()
    }

    fn age_ms(&self, index: usize) -> Option<u64> {
        self.0[index].map(|_| 0)
    }
}

const NAMES: [&str; 4] = ["execution", "mode", "power", "energy_total"];

fn expression(leaf: Leaf, text: &str) -> Rule {
    Rule { leaf, condition: Condition::Expression(parse(text, &NAMES).unwrap()) }
}

fn power(leaf: Leaf, side: Side, watts: i64) -> Rule {
    Rule { leaf, condition: Condition::Power(Threshold::sharp(side, Decimal::from(watts), 5000)) }
}

fn rules(list: Vec<Rule>) -> Rules {
    Rules::new(list, [const { None }; 4], NAMES.len(), Some(2))
}

fn cnc() -> Rules {
    rules(vec![
        expression(Leaf::Idle, "true"),
        expression(Leaf::Waiting, "execution == 2"),
        expression(Leaf::Held, "execution == 3"),
        expression(Leaf::Producing, "execution == 1 && mode == 2"),
    ])
}

fn press() -> Rules {
    rules(vec![
        power(Leaf::Producing, Side::Above, 1500),
        power(Leaf::Idle, Side::Below, 1500),
        power(Leaf::Off, Side::Below, 50),
    ])
}

/// Readings as `second:execution,mode,power,energy` with `-` for unknown.
#[track_caller]
fn check(rules: &Rules, readings: &str, until_s: u64, want: &str) {
    let mut tracker = StateTracker::new(rules, Mono(0));
    for reading in readings.split_whitespace() {
        let (s, values) = reading.split_once(':').unwrap();
        let values: Vec<Option<i64>> = values.split(',').map(|v| v.parse().ok()).collect();
        tracker.observe(Mono(s.parse::<u64>().unwrap() * 1000), rules, &Known::new(&values));
    }
    tracker.advance(Mono(until_s * 1000), rules);
    let got: Vec<String> = tracker
        .settle(Mono(until_s * 1000), rules)
        .iter()
        .map(|s| format!("{} {:?}", s.from.0 / 1000, s.leaf))
        .collect();
    assert_eq!(got.join(", "), want);
}

#[test]
fn the_first_rule_in_the_order_of_the_states_wins() {
    check(
        &cnc(),
        "0:1,2,-,- 10:0,2,-,- 20:3,2,-,- 30:2,1,-,-",
        40,
        "0 Producing, 10 Idle, 20 Held, 30 Waiting",
    );
}

#[test]
fn a_rule_that_might_have_won_makes_the_state_unknown() {
    check(&cnc(), "0:1,-,-,- 10:0,-,-,- 20:-,2,-,-", 30, "0 Unknown, 10 Idle, 20 Unknown");
}

#[test]
fn idle_true_is_unknown_when_nothing_the_rules_ask_for_is_known() {
    check(&cnc(), "0:0,2,-,- 10:-,-,-,-", 20, "0 Idle, 10 Unknown");
    check(&cnc(), "0:0,2,-,- 10:-,-,-,123", 20, "0 Idle, 10 Unknown");
    let only = rules(vec![expression(Leaf::Idle, "true")]);
    check(&only, "0:-,-,-,5 10:-,-,-,-", 20, "0 Idle, 10 Unknown");
}

#[test]
fn executing_in_a_way_that_no_rule_names_is_unknown() {
    let strict = rules(vec![
        expression(Leaf::Producing, "execution == 1 && mode == 2"),
        expression(Leaf::Idle, "execution == 0"),
    ]);
    check(&strict, "0:1,2,-,- 10:1,1,-,- 20:0,1,-,-", 30, "0 Producing, 10 Unknown, 20 Idle");
}

#[test]
fn a_silent_controller_at_no_power_is_off_and_at_full_power_unknown() {
    let mut list = cnc().rules().to_vec();
    list.push(power(Leaf::Off, Side::Below, 50));
    check(
        &rules(list),
        "0:1,2,2000,- 10:-,-,2000,- 20:-,-,0,- 30:-,-,-,-",
        40,
        "0 Producing, 10 Unknown, 20 Off, 30 Unknown",
    );
}

#[test]
fn maintenance_stands_before_off_and_unknown_maintenance_does_not() {
    let list = vec![expression(Leaf::Maintenance, "mode == 4"), power(Leaf::Off, Side::Below, 50)];
    check(&rules(list), "0:-,4,0,- 10:-,-,0,- 20:-,1,0,-", 30, "0 Maintenance, 10 Off");
}

#[test]
fn a_machine_measured_by_power_alone_follows_its_thresholds() {
    check(
        &press(),
        "0:-,-,2000,- 10:-,-,700,- 20:-,-,0,- 22:-,-,700,- 30:-,-,0,- 40:-,-,-,-",
        50,
        "0 Producing, 10 Idle, 30 Off, 40 Unknown",
    );
}

#[test]
fn power_that_hovers_between_off_and_idle_does_not_stay_producing() {
    check(
        &press(),
        "0:-,-,2000,- 10:-,-,0,- 13:-,-,700,- 16:-,-,0,- 19:-,-,700,- 22:-,-,0,-",
        25,
        "0 Producing, 10 Idle",
    );
}

#[test]
fn cutting_counts_only_while_producing() {
    let flag = parse("power > 1000", &NAMES).unwrap();
    let rules = Rules::new(cnc().rules().to_vec(), [Some(flag), None, None, None], NAMES.len(), Some(2));
    let mut tracker = StateTracker::new(&rules, Mono(0));
    for (s, execution, power) in [(0, 1, 2000), (10, 1, 500), (20, 0, 2000)] {
        tracker.observe(Mono(s * 1000), &rules, &Known::new(&[Some(execution), Some(2), Some(power), None]));
    }
    let cutting: Vec<_> = tracker.settle(Mono(30_000), &rules).iter().map(|s| s.flags[0]).collect();
    assert_eq!(cutting, [true, false, false]);
}

proptest! {
    /// Settling often, settling late and settling once give the same states: nothing handed out is rewritten.
    #[test]
    fn states_do_not_depend_on_when_they_are_settled(
        readings in prop::collection::vec((0u64..4000, prop::option::of(0i64..3000)), 1..60),
        settle in prop::collection::vec(any::<bool>(), 60),
    ) {
        let rules = press();
        let (mut often, mut once) = (StateTracker::new(&rules, Mono(0)), StateTracker::new(&rules, Mono(0)));
        let mut now = 0;
        let mut pieces: Vec<Segment> = vec![];
        for ((gap, watts), settle) in readings.iter().zip(&settle) {
            now += gap;
            let known = Known::new(&[None, None, *watts, None]);
            often.observe(Mono(now), &rules, &known);
            once.observe(Mono(now), &rules, &known);
            if *settle {
                pieces.extend(often.settle(Mono(now.saturating_sub(rules.max_dwell_ms())), &rules));
            }
        }
        pieces.extend(often.settle(Mono(now), &rules));
        let mut joined: Vec<Segment> = vec![];
        for piece in pieces {
            match joined.last_mut() {
                Some(last) if last.leaf == piece.leaf => last.to = piece.to,
                _ => joined.push(piece),
            }
        }
        prop_assert_eq!(joined, once.settle(Mono(now), &rules));
    }
}

//! Scripts in, windows out: states, sums, registers, reads, sessions, clocks, restarts.
//!
//! Long on purpose: every script runs on the one bench of clock, plan and engine that stands at the top.

use super::*;
use crate::counter::CounterModel;
use crate::state::{Condition, Rule, Rules, Side, Threshold, parse};
use crate::validity::Validity;
use crate::window::Boot;
use crate::window::{EnergyPlan, Factor, Feeds, MachinePlan, PointPlan, Restored};
use kpi::AmountQuality;
use observation::{Decimal, Instant, Observation, Quality, Reason, Value};
use proptest::prelude::*;

/// The wall clock shows this when the monotonic clock shows 0: 2027-01-15T08:00:00Z.
pub(in crate::window) const T0: i64 = 1_800_000_000_000;
pub(in crate::window) const MINUTE: i64 = 60_000;

const EXECUTION: u32 = 0;
const MODE: u32 = 1;
const POWER: u32 = 2;
const ENERGY: u32 = 3;
const PARTS: u32 = 4;
const IDENTITY: u32 = 5;

const CNC: u32 = 0;
pub(in crate::window) const METERS: u32 = 1;
pub(in crate::window) const BROKER: u32 = 2;

fn link_of(point: u32) -> LinkIndex {
    LinkIndex(match point {
        EXECUTION | MODE | IDENTITY => CNC,
        POWER | ENERGY => METERS,
        _ => BROKER,
    })
}

fn point(id: u32, name: &str, feeds: Feeds, factor: Option<i64>) -> PointPlan {
    let validity = match link_of(id).0 {
        CNC => Validity::Subscribed { keep_alive_ms: 5000 },
        METERS => Validity::Polled { every_ms: 1000 },
        _ => Validity::Published { stale_after_ms: 10_000 },
    };
    let factor = factor.map(|f| Factor::exact(Decimal::from(f)));
    PointPlan { id: PointId(id), name: name.to_owned(), link: link_of(id), validity, feeds, factor }
}

fn meter() -> CounterModel {
    CounterModel {
        modulus: Some(1_000_000_000_000),
        resolution: 10_000,
        max_per_hour: 40_000_000,
        meter: None,
    }
}

fn pieces() -> CounterModel {
    CounterModel { modulus: None, resolution: 1, max_per_hour: 3600, meter: None }
}

/// A machining centre on three links, its controller asked by subscription.
pub(in crate::window) fn cnc() -> MachinePlan {
    let points = vec![
        point(EXECUTION, "execution", Feeds::Rules, None),
        point(MODE, "mode", Feeds::Rules, None),
        point(POWER, "power", Feeds::Power, Some(1000)),
        point(ENERGY, "energy_total", Feeds::Energy, Some(1000)),
        point(PARTS, "part_total", Feeds::Parts, None),
        point(IDENTITY, "identity", Feeds::Identity, None),
    ];
    let names: Vec<&str> = points.iter().map(|p| p.name.as_str()).collect();
    let rule = |leaf, text| Rule { leaf, condition: Condition::Expression(parse(text, &names).unwrap()) };
    let rules = vec![
        rule(Leaf::Fault, "execution == 9"),
        rule(Leaf::Producing, "execution == 1 && mode == 2"),
        rule(Leaf::Held, "execution == 3"),
        rule(Leaf::Waiting, "execution == 2"),
        rule(Leaf::Idle, "true"),
    ];
    let flags = [Some(parse("power > 1000", &names).unwrap()), None, None, None];
    MachinePlan {
        index: 7,
        id: "cnc-01".to_owned(),
        rules: Rules::new(rules, flags, points.len(), Some(2)),
        points,
        identity: Some("SN-1".to_owned()),
        energy: EnergyPlan::Register(meter()),
        parts: Some(pieces()),
        good_parts: None,
        power_is_independent: true,
    }
}

/// A press without a controller, measured by its power meter; energy from power.
pub(in crate::window) fn press() -> MachinePlan {
    let threshold = |side, watts: i64| Condition::Power(Threshold::sharp(side, Decimal::from(watts), 5000));
    let rules = vec![
        Rule { leaf: Leaf::Off, condition: threshold(Side::Below, 50) },
        Rule { leaf: Leaf::Idle, condition: threshold(Side::Below, 1500) },
        Rule { leaf: Leaf::Producing, condition: threshold(Side::Above, 1500) },
    ];
    MachinePlan {
        index: 3,
        id: "press-03".to_owned(),
        rules: Rules::new(rules, [const { None }; 4], 1, Some(0)),
        points: vec![point(POWER, "power", Feeds::Power, None)],
        identity: None,
        energy: EnergyPlan::FromPower,
        parts: None,
        good_parts: None,
        power_is_independent: true,
    }
}

pub(in crate::window) fn plan(machine: MachinePlan) -> Arc<Plan> {
    Arc::new(Plan {
        step_ms: 60_000,
        not_before: Utc(T0 - 10 * MINUTE),
        links: 3,
        machines: vec![machine],
        fingerprint: [1; 32],
    })
}

pub(in crate::window) fn instant(ms: i64) -> Instant {
    Instant { utc: Utc(T0 + ms), mono: Mono(u64::try_from(ms).unwrap()) }
}

pub(in crate::window) fn boot(at: Instant) -> Record {
    Record::Boot(Boot { at, version: "0.1.0".to_owned(), binary: [2; 32], configuration: [3; 32] })
}

/// A word of a script: `up:LINK`, `down:LINK`, `alive:LINK`, `NAME=VALUE`, `NAME=-` for a failed read.
pub(in crate::window) fn input(word: &str, at: Instant) -> Input {
    let link = |name: &str| match name {
        "cnc" => LinkIndex(CNC),
        "meters" => LinkIndex(METERS),
        _ => LinkIndex(BROKER),
    };
    if let Some((name, value)) = word.split_once('=') {
        let id = match name {
            "e" => EXECUTION,
            "m" => MODE,
            "kw" => POWER,
            "kwh" => ENERGY,
            "n" => PARTS,
            _ => IDENTITY,
        };
        let value = match value.parse::<Decimal>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Text(value.to_owned()),
        };
        let observation = if word.ends_with("=-") {
            Observation::bad(PointId(id), Reason::Timeout, at)
        } else {
            Observation::good(PointId(id), value, at)
        };
        return Input::Observed(link_of(id), observation);
    }
    match word.split_once(':').unwrap() {
        ("up", name) => Input::Up(link(name), at),
        ("down", name) => Input::Down(link(name), at),
        (_, name) => Input::Alive(link(name), at),
    }
}

/// One line a second.
fn lines(seconds: impl Iterator<Item = i64>, line: impl Fn(i64) -> String) -> String {
    seconds.map(line).collect::<Vec<_>>().concat()
}

/// A script is lines `second word word …`; each line is one record.
fn records(script: &str) -> Vec<Record> {
    script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let seconds: Decimal = words.next().unwrap().parse().unwrap();
            let at = instant(i64::try_from(seconds.at_exponent(-3).unwrap()).unwrap());
            Record::Step { inputs: words.map(|w| input(w, at)).collect(), until: at }
        })
        .collect()
}

fn run(machine: MachinePlan, script: &str) -> Engine {
    let mut engine = Engine::new(plan(machine), None);
    engine.apply(&boot(instant(0)));
    for record in records(script) {
        engine.apply(&record);
    }
    engine
}

pub(in crate::window) fn windows(engine: &Engine) -> Vec<MachineWindow> {
    engine
        .outputs()
        .iter()
        .filter_map(|o| match o {
            Output::Window(w) => Some(w.machines[0].1.clone()),
            Output::Event(_) => None,
        })
        .collect()
}

pub(in crate::window) fn happened(engine: &Engine) -> Vec<What> {
    let events = engine.outputs().iter().filter_map(|o| match o {
        Output::Event(e) => Some(e.what.clone()),
        Output::Window(_) => None,
    });
    events.chain(engine.state.events.iter().map(|e| e.what.clone())).collect()
}

/// Leaf states of a window as `LEAF seconds`.
pub(in crate::window) fn states(window: &MachineWindow) -> String {
    assert_eq!(window.check(60_000), Ok(()));
    let named = Leaf::ALL.iter().zip(window.states_ms).filter(|(_, ms)| *ms > 0);
    named
        .map(|(leaf, ms)| format!("{} {}", leaf.en(), Decimal::new(ms.into(), -3).unwrap()))
        .collect::<Vec<_>>()
        .join(", ")
}

#[track_caller]
fn check_states(machine: MachinePlan, script: &str, want: &[&str]) {
    let engine = run(machine, script);
    let got: Vec<String> = windows(&engine).iter().map(states).collect();
    assert_eq!(got, want);
}

#[test]
fn states_fill_the_window_to_the_millisecond() {
    check_states(
        cnc(),
        "5 up:cnc e=1 m=2
         15 alive:cnc
         20.5 e=3
         30.123 e=1
         40 alive:cnc
         55 alive:cnc
         65 alive:cnc",
        &["unknown 5, producing 45.377, held 9.623"],
    );
}

#[test]
fn a_session_that_breaks_makes_its_points_unknown_from_its_last_sign_of_life() {
    check_states(
        cnc(),
        "0 up:cnc e=1 m=2
         10 alive:cnc
         20 alive:cnc
         28 down:cnc
         70",
        &["unknown 40, producing 20"],
    );
}

#[test]
fn three_keep_alives_of_silence_end_a_session_and_a_later_sign_of_life_confirms_it_again() {
    check_states(
        cnc(),
        "0 up:cnc e=1 m=2
         10 alive:cnc
         26
         30 alive:cnc
         40 alive:cnc
         55 alive:cnc
         70 alive:cnc",
        &["unknown 20, producing 40"],
    );
}

#[test]
fn a_new_session_has_to_say_everything_again() {
    check_states(
        cnc(),
        "0 up:cnc e=1 m=2
         10 alive:cnc
         20 up:cnc e=1
         30 m=2
         40 alive:cnc
         50 alive:cnc
         61 alive:cnc",
        &["unknown 20, producing 40"],
    );
}

#[test]
fn what_a_session_said_before_it_was_announced_is_not_lost() {
    let mut engine = Engine::new(plan(cnc()), None);
    engine.apply(&boot(instant(0)));
    let inputs = vec![
        Input::Up(LinkIndex(CNC), instant(900)),
        input("e=1", instant(700)),
        input("m=2", instant(800)),
        Input::Alive(LinkIndex(CNC), instant(950)),
    ];
    engine.apply(&Record::Step { inputs, until: instant(1000) });
    let script = "10 alive:cnc\n20 alive:cnc\n30 alive:cnc\n45 alive:cnc\n60 alive:cnc\n70 alive:cnc";
    for record in records(script) {
        engine.apply(&record);
    }
    assert_eq!(states(&windows(&engine)[0]), "unknown 0.9, producing 59.1");
}

#[test]
fn idle_true_with_a_dead_controller_is_unknown_although_the_meter_is_alive() {
    let polls: String = lines(0..70, |s| format!("{s} kw=0.4 kwh=5\n"));
    let engine = run(cnc(), &format!("0 up:meters\n{polls}"));
    assert_eq!(states(&windows(&engine)[0]), "unknown 60");
}

#[test]
fn a_polled_value_ends_two_polls_after_its_last_read_at_that_very_moment() {
    let polls: String = lines(0..=20, |s| format!("{s} kw=2000\n"));
    check_states(press(), &format!("0 up:meters\n{polls}30\n66"), &["unknown 38, producing 22"]);
}

#[test]
fn dwell_is_dated_back_across_the_end_of_a_window() {
    let polls: String = lines(0..=130, |s| format!("{s} kw={}\n", if s < 58 { 2000 } else { 100 }));
    check_states(press(), &format!("0 up:meters\n{polls}"), &["producing 58, idle 2", "idle 60"]);
}

#[test]
fn chatter_across_the_end_of_a_window_changes_nothing() {
    let polls: String =
        lines(0..=130, |s| format!("{s} kw={}\n", if (58..62).contains(&s) { 100 } else { 2000 }));
    check_states(press(), &format!("0 up:meters\n{polls}"), &["producing 60", "producing 60"]);
}

#[test]
fn a_window_is_held_until_the_longest_dwell_after_its_end() {
    let polls = |until: i64| -> String { lines(0..=until, |s| format!("{s} kw=2000\n")) };
    assert_eq!(windows(&run(press(), &format!("0 up:meters\n{}", polls(65)))).len(), 0);
    assert_eq!(windows(&run(press(), &format!("0 up:meters\n{}", polls(66)))).len(), 1);
}

#[test]
fn an_observation_at_the_very_end_belongs_to_the_next_window() {
    let engine = run(cnc(), "0 up:broker n=5\n60 n=6\n61");
    assert_eq!(windows(&engine)[0].parts.register, 5);
}

#[test]
fn registers_carry_their_quality_over_a_gap() {
    let polls = |from: i64, to: i64, kwh: i64| -> String { lines(from..=to, |s| format!("{s} kwh={kwh}\n")) };
    let script = format!(
        "0 up:meters\n{}61 kwh=-\n62 down:meters\n150 up:meters\n{}",
        polls(0, 60, 100),
        polls(150, 241, 101)
    );
    let got: Vec<_> =
        windows(&run(cnc(), &script)).iter().map(|w| (w.energy.register, w.energy.quality)).collect();
    assert_eq!(
        got,
        [
            (100_000_000, AmountQuality::Register),
            (100_000_000, AmountQuality::Missing),
            (101_000_000, AmountQuality::Bridged),
            (101_000_000, AmountQuality::Register)
        ]
    );
}

#[test]
fn pain_09_a_rollover_at_999999_99_is_an_event_with_both_values_and_the_window_says_so() {
    let engine = run(cnc(), "0 up:meters kwh=999999.98\n1 kwh=999999.99\n2 kwh=0.00\n3 kwh=0.01\n61");
    let what = What::CounterBreak { column: kpi::column::ENERGY, last: 999_999_990_000, first: 0 };
    assert!(happened(&engine).contains(&what), "{:?}", happened(&engine));
    let window = &windows(&engine)[0];
    assert_eq!((window.energy.register, window.energy.quality), (10_000, AmountQuality::CounterEvent));
}

#[test]
fn a_64_bit_register_keeps_every_digit_and_one_that_does_not_fit_is_missing() {
    let mut machine = cnc();
    machine.points[3].factor = None;
    let engine = run(machine.clone(), "58 up:meters\n59 kwh=9223372036854775.807\n61");
    assert_eq!(windows(&engine)[0].energy.register, i64::MAX);
    let engine = run(machine, "58 up:meters\n59 kwh=18446744073709551615\n61");
    assert_eq!(windows(&engine)[0].energy.quality, AmountQuality::Missing);
}

#[test]
fn a_part_of_a_piece_is_no_reading() {
    let engine = run(cnc(), "55 up:broker\n56 n=4\n57 n=4.5\n61");
    assert_eq!(windows(&engine)[0].parts.quality, AmountQuality::Missing);
}

#[test]
fn pain_16_every_window_carries_the_reads_that_were_due_even_when_nobody_asks() {
    let polls: String = lines(0..30, |s| format!("{s} kw={}\n", if s % 10 == 9 { "-" } else { "1" }));
    let window = &windows(&run(press(), &format!("0 up:meters\n{polls}30 down:meters\n66")))[0];
    assert_eq!((window.reads_expected, window.reads_good), (59, 27));
    // A read that fails says that nothing is heard until the next.
    assert_eq!((window.connected_ms, window.sessions), (27_000, 1));
}

#[test]
fn pain_16_a_poll_that_this_box_did_not_make_was_due_all_the_same() {
    // Answers come some milliseconds after the second, now more, now less.
    let all = |missing: &[i64]| -> String {
        let made = (1..70).filter(|s| !missing.contains(s));
        lines(made, |s| format!("{s}.{:03} kw=1\n", 40 - 15 * (s % 3)))
    };
    for (missing, good) in [(&[][..], 59), (&[20], 58), (&[20, 31, 44], 56), (&[20, 21, 22], 56)] {
        let window = &windows(&run(press(), &format!("0 up:meters\n{}", all(missing))))[0];
        assert_eq!((window.reads_expected, window.reads_good), (59, good), "{missing:?}");
    }
}

#[test]
fn a_device_that_takes_connections_and_never_answers_is_not_connected() {
    let polls = lines(1..70, |s| format!("{s} kw=-\n"));
    let silent = &windows(&run(press(), &format!("0 up:meters\n{polls}")))[0];
    assert_eq!((silent.connected_ms, silent.sessions, silent.reads_good), (0, 1, 0));
    // One that falls silent is connected until its last answer may not be believed any more.
    let polls = lines(0..70, |s| format!("{s} kw={}\n", if s < 20 { "1" } else { "-" }));
    let window = &windows(&run(press(), &format!("0 up:meters\n{polls}")))[0];
    assert_eq!(window.connected_ms, 20_000);
}

#[test]
fn a_subscribed_point_is_read_while_its_session_is_confirmed() {
    let alive: String = lines(1..=20, |s| format!("{} alive:cnc\n", s * 3));
    let window =
        &windows(&run(cnc(), &format!("0 up:cnc up:meters up:broker e=1 m=2 id=SN-1\n{alive}66 alive:cnc")))
            [0];
    // 11 looks at each of three subscribed points, 5 at the counter that never spoke, 58 polls of two registers.
    assert_eq!((window.reads_expected, window.reads_good), (3 * 11 + 5 + 2 * 58, 3 * 11));
    // The broker's session stands, and its counter never spoke: that machine is not connected.
    assert_eq!((window.connected_ms, window.sessions, window.identity), (0, 3, 1));
}

#[test]
fn another_serial_number_shows_in_the_window_and_as_an_event() {
    let engine = run(cnc(), "0 up:cnc id=SN-1\n10 id=SN-2\n61 alive:cnc\n62 alive:cnc");
    assert_eq!(windows(&engine)[0].identity, 2);
    let what = What::Identity { before: Some("SN-1".to_owned()), after: "SN-2".to_owned() };
    assert!(happened(&engine).contains(&what));
}

#[test]
fn power_is_weighted_by_time_and_cutting_counts_while_producing() {
    let polls: String = lines(0..=61, |s| format!("{s} kw={} alive:cnc\n", if s < 30 { "3" } else { "0.5" }));
    let window = &windows(&run(cnc(), &format!("0 up:cnc up:meters e=1 m=2\n{polls}")))[0];
    assert_eq!((window.power_mean_w, window.power_peak_w), (Some(1750), Some(3000)));
    assert_eq!(window.cutting_ms, 30_000);
}

#[test]
fn entries_into_fault_are_counted_and_lost_sight_is_no_new_fault() {
    let script = "0 up:cnc e=9 m=2\n10 e=0\n20 e=9\n30 alive:cnc\n35 down:cnc\n40 up:cnc e=9 m=2\n50 alive:cnc\n61 alive:cnc";
    let window = &windows(&run(cnc(), script))[0];
    assert_eq!(window.fault_count, 2);
    assert_eq!(states(window), "unknown 10, fault 40, idle 10");
}

#[test]
fn energy_from_power_is_known_only_if_power_was_all_the_time() {
    let polls = |kw: i64, from: i64, to: i64| -> String { lines(from..=to, |s| format!("{s} kw={kw}\n")) };
    let script = format!("0 up:meters\n{}{}", polls(3600, 0, 100), polls(3600, 110, 190));
    let got: Vec<_> =
        windows(&run(press(), &script)).iter().map(|w| (w.energy.register, w.energy.quality)).collect();
    assert_eq!(got[0], (60_000, AmountQuality::Integrated));
    assert_eq!(got[1].1, AmountQuality::Missing);
    assert_eq!(got[2].1, AmountQuality::Integrated);
}

#[test]
fn a_late_observation_counts_as_a_read_and_moves_neither_value_nor_time() {
    let mut engine = run(cnc(), "0 up:broker n=5\n20 n=7");
    let late = Observation::good(PointId(PARTS), Value::Number(Decimal::from(6i64)), instant(10_000));
    let inputs = vec![Input::Observed(LinkIndex(BROKER), late)];
    engine.apply(&Record::Step { inputs, until: instant(25_000) });
    for record in records("28 n=7\n38 n=7\n48 n=7\n58 n=7\n61") {
        engine.apply(&record);
    }
    let window = &windows(&engine)[0];
    assert_eq!((window.parts.register, window.parts.quality), (7, AmountQuality::Register));
    assert_eq!(window.changed, 1);
}

#[test]
fn a_value_that_came_too_late_to_be_valid_rewrites_nothing() {
    let mut engine = run(press(), "0 up:meters kw=2000\n1 kw=2000\n30");
    let late = Observation::good(PointId(POWER), Value::Number(Decimal::from(9i64)), instant(20_000));
    let inputs = vec![Input::Observed(LinkIndex(METERS), late)];
    engine.apply(&Record::Step { inputs, until: instant(31_000) });
    for record in records("60\n66") {
        engine.apply(&record);
    }
    assert_eq!(states(&windows(&engine)[0]), "unknown 60", "three seconds are less than the dwell");
}

#[test]
fn an_answer_of_the_last_moment_counts_in_its_window_although_it_is_committed_with_the_next_record() {
    let mut engine = run(cnc(), "0 up:broker n=5\n59 n=6\n60");
    let inputs = vec![input("n=7", instant(59_990))];
    engine.apply(&Record::Step { inputs, until: instant(60_200) });
    for record in records("61") {
        engine.apply(&record);
    }
    assert_eq!(windows(&engine)[0].parts.register, 7);
}

#[test]
fn an_uncertain_value_is_no_value() {
    let mut engine = run(cnc(), "0 up:cnc e=0 m=2");
    let mut doubtful =
        Observation::good(PointId(EXECUTION), Value::Number(Decimal::from(1i64)), instant(10_000));
    doubtful.quality = Quality::Uncertain(Reason::Status(0x4000_0000));
    engine.apply(&Record::Step {
        inputs: vec![
            Input::Observed(LinkIndex(CNC), doubtful),
            Input::Alive(LinkIndex(CNC), instant(10_000)),
        ],
        until: instant(10_000),
    });
    for record in records("20 alive:cnc\n30 alive:cnc\n45 alive:cnc\n60 alive:cnc\n61 alive:cnc") {
        engine.apply(&record);
    }
    assert_eq!(states(&windows(&engine)[0]), "unknown 50, idle 10");
}

/// Polls every second over a clock that is `offset` ms wrong from second 90 on.
fn with_clock_step(offset: i64, until_s: i64) -> Engine {
    let mut engine = Engine::new(plan(press()), None);
    engine.apply(&boot(instant(0)));
    engine.apply(&Record::Step { inputs: vec![Input::Up(LinkIndex(METERS), instant(0))], until: instant(0) });
    for s in 0..=until_s {
        let mut at = instant(s * 1000);
        at.utc.0 += if s >= 90 { offset } else { 0 };
        engine.apply(&Record::Step { inputs: vec![input("kw=2000", at)], until: at });
    }
    engine
}

pub(in crate::window) fn starts(engine: &Engine) -> Vec<i64> {
    let outputs = engine.outputs().iter();
    outputs
        .filter_map(|o| if let Output::Window(w) = o { Some((w.start.0 - T0) / MINUTE) } else { None })
        .collect()
}

#[test]
fn pain_10_an_hour_forward_is_a_down_between_whole_windows_and_a_clock_event() {
    let engine = with_clock_step(60 * MINUTE, 200);
    assert_eq!(starts(&engine), [0, 1, 61, 62]);
    let down = What::Down { from: Utc(T0 + 2 * MINUTE), to: Utc(T0 + 61 * MINUTE) };
    let step = What::ClockStep { expected: Utc(T0 + 90_000), shown: Utc(T0 + 90_000 + 60 * MINUTE) };
    assert!(
        happened(&engine).contains(&down) && happened(&engine).contains(&step),
        "{:?}",
        happened(&engine)
    );
    let got: Vec<_> = windows(&engine).iter().map(states).collect();
    assert_eq!(got, ["producing 60", "unknown 30, producing 30", "unknown 30, producing 30", "producing 60"]);
}

#[test]
fn pain_10_an_hour_back_makes_no_window_twice() {
    let engine = with_clock_step(-60 * MINUTE, 3900);
    assert_eq!(starts(&engine), [0, 1, 2, 3]);
    let got: Vec<_> = windows(&engine).iter().map(states).collect();
    assert_eq!(got, ["producing 60"; 4]);
    let step = What::ClockStep { expected: Utc(T0 + 90_000), shown: Utc(T0 + 90_000 - 60 * MINUTE) };
    assert!(happened(&engine).contains(&step));
}

#[test]
fn pain_10_a_clock_that_shows_1970_or_2036_is_not_followed() {
    for shown in [0, 2_085_978_496_000] {
        let engine = with_clock_step(shown - T0 - 90_000, 200);
        assert_eq!(starts(&engine), [0, 1, 2]);
        assert!(engine.disbelieves_wall_clock());
        assert!(happened(&engine).iter().any(|w| matches!(w, What::ClockStep { .. })));
        assert!(!happened(&engine).iter().any(|w| matches!(w, What::Down { .. })));
    }
}

#[test]
fn nothing_is_windowed_before_the_genesis() {
    let mut plan = Plan::clone(&plan(press()));
    plan.not_before = Utc(T0 + 90_000);
    let mut engine = Engine::new(Arc::new(plan), None);
    engine.apply(&boot(instant(0)));
    for s in 0..=260 {
        engine.apply(&Record::Step {
            inputs: vec![input("kw=2000", instant(s * 1000))],
            until: instant(s * 1000),
        });
    }
    assert_eq!(starts(&engine), [2, 3]);
    assert!(!happened(&engine).iter().any(|w| matches!(w, What::Down { .. })));
}

#[test]
fn a_stream_begins_with_a_whole_window_and_its_first_register_opens_the_sums() {
    let mut engine = Engine::new(plan(cnc()), None);
    engine.apply(&boot(instant(20_000)));
    for record in
        records("21 up:meters kwh=9\n22 kwh=3\n50 kwh=3\n59 kwh=3\n60 kwh=3\n119 kwh=3.1\n120 kwh=3.1\n121")
    {
        engine.apply(&record);
    }
    assert_eq!(starts(&engine), [1]);
    let window = &windows(&engine)[0];
    assert_eq!((window.energy.register, window.energy.quality), (3_100_000, AmountQuality::Register));
    assert_eq!((window.connected_ms, window.sessions), (0, 1));
    assert!(!happened(&engine).iter().any(|w| matches!(w, What::CounterBreak { .. } | What::Down { .. })));
}

#[test]
fn a_restart_in_the_same_window_continues_it_and_a_later_one_signs_a_down() {
    let script = "0 up:meters kw=2000 kwh=5\n1 kw=2000 kwh=5\n2 kw=2000 kwh=5";
    let mut engine = run(cnc(), script);
    // The monotonic clock begins anew at a reboot of the box.
    let at = |ms: i64, utc: i64| Instant { utc: Utc(T0 + utc), mono: Mono(u64::try_from(ms).unwrap()) };
    engine.apply(&boot(at(0, 20_000)));
    let inputs = vec![Input::Up(LinkIndex(METERS), at(10, 20_010)), input("kwh=5.1", at(20, 20_020))];
    engine.apply(&Record::Step { inputs, until: at(1000, 21_000) });
    engine.apply(&boot(at(0, 310_000)));
    let inputs = vec![Input::Up(LinkIndex(METERS), at(10, 310_010)), input("kwh=5.4", at(49_000, 359_000))];
    engine.apply(&Record::Step { inputs, until: at(60_000, 370_000) });
    assert_eq!(starts(&engine), [0, 5]);
    let down = What::Down { from: Utc(T0 + MINUTE), to: Utc(T0 + 5 * MINUTE) };
    assert!(happened(&engine).contains(&down), "{:?}", happened(&engine));
    // Two registers polled every second: what was due while the box was off is expected, and was not read.
    let reads: Vec<_> =
        windows(&engine).iter().map(|w| w.reads_expected >= 100 && w.reads_good < 10).collect();
    assert_eq!(reads, [true, true], "{:?}", windows(&engine));
    let energy: Vec<_> = windows(&engine).iter().map(|w| (w.energy.register, w.energy.quality)).collect();
    assert_eq!(energy, [(5_100_000, AmountQuality::Missing), (5_400_000, AmountQuality::Bridged)]);
}

#[test]
fn an_engine_that_continues_a_stream_signs_the_time_since_its_last_window_as_down() {
    let mut engine = Engine::new(plan(press()), Some(Utc(T0 - 5 * MINUTE)));
    engine.apply(&boot(instant(0)));
    engine.apply(&Record::Step { inputs: vec![], until: instant(70_000) });
    assert_eq!(starts(&engine), [0]);
    assert!(happened(&engine).contains(&What::Down { from: Utc(T0 - 5 * MINUTE), to: Utc(T0) }));
}

#[test]
fn what_is_signed_is_not_made_again() {
    let polls: String = lines(0..=300, |s| format!("{s} kw=2000\n"));
    let mut engine = run(press(), &format!("0 up:meters\n{polls}"));
    engine.forget_signed(Utc(T0 + 2 * MINUTE));
    assert_eq!(starts(&engine), [2, 3]);
    // The spool is ahead of a memory that was lost with its journal.
    let mut behind = Engine::new(plan(press()), None);
    behind.forget_signed(Utc(T0 + 3 * MINUTE));
    behind.apply(&boot(instant(0)));
    for s in 0..=300 {
        behind.apply(&Record::Step { inputs: vec![], until: instant(s * 1000) });
    }
    assert_eq!(starts(&behind), [3]);
}

#[test]
fn a_memory_of_another_plan_keeps_registers_and_the_end_but_not_the_open_window() {
    let engine = run(cnc(), "0 up:meters kwh=5\n61 kwh=5\n70 kwh=6\n71");
    let mut other = Plan::clone(&plan(cnc()));
    other.fingerprint = [9; 32];
    let Restored::OtherPlan(mut engine) =
        Engine::restore(Arc::new(other), &engine.snapshot().unwrap()).unwrap()
    else {
        unreachable!("the plan is another one");
    };
    assert_eq!(starts(&engine), [0]);
    engine.apply(&boot(instant(80_000)));
    let inputs = vec![Input::Up(LinkIndex(METERS), instant(81_000)), input("kwh=2", instant(82_000))];
    engine.apply(&Record::Step { inputs, until: instant(190_000) });
    let back = What::CounterBreak { column: kpi::column::ENERGY, last: 6_000_000, first: 2_000_000 };
    assert!(happened(&engine).contains(&back), "{:?}", happened(&engine));
    assert_eq!(starts(&engine), [0, 1, 2]);
}

/// A wall clock in trouble, one fault after another; between two of them a second passes at a time.
#[derive(Clone, Copy, Debug)]
enum ClockFault {
    /// It runs this many millionths fast for so many seconds.
    Drift(i64, i64),
    /// It steps by this many ms.
    Step(i64),
    /// It shows a time of its own for so many seconds, then the right one again.
    Elsewhere(i64, i64),
    /// A leap second: stepped back by one, or 24 h of smear.
    Leap(bool),
    /// The program is started again after so many seconds.
    Restart(i64),
}

fn clock_faults() -> impl Strategy<Value = Vec<ClockFault>> {
    let fault = prop_oneof![
        4 => (-500i64..=500, 1i64..900).prop_map(|(ppm, s)| ClockFault::Drift(ppm, s)),
        2 => prop_oneof![Just(3_600_000i64), Just(-3_600_000), -5000i64..5000].prop_map(ClockFault::Step),
        1 => (prop_oneof![Just(0i64), Just(2_085_978_496_000)], 1i64..400)
            .prop_map(|(shown, s)| ClockFault::Elsewhere(shown, s)),
        1 => any::<bool>().prop_map(ClockFault::Leap),
        1 => (0i64..4000).prop_map(ClockFault::Restart),
    ];
    prop::collection::vec(fault, 1..8)
}

/// Polls a press every second of the monotonic clock under these faults. Gives the engine and how often the shown
/// time jumped by more than drift while the program ran.
fn under(faults: &[ClockFault]) -> (Engine, usize) {
    let mut engine = Engine::new(plan(press()), None);
    let (mut mono, mut wall, mut fast, mut jumps) = (0i64, T0, 0i64, 0usize);
    let at = |mono: i64, wall: i64| Instant { utc: Utc(wall), mono: Mono(u64::try_from(mono).unwrap()) };
    engine.apply(&boot(at(0, wall)));
    let up = |now| Record::Step { inputs: vec![Input::Up(LinkIndex(METERS), now)], until: now };
    engine.apply(&up(at(0, wall)));
    let second = |engine: &mut Engine, mono: i64, wall: i64| {
        let now = at(mono, wall);
        engine.apply(&Record::Step { inputs: vec![input("kw=2000", now)], until: now });
    };
    let mut run =
        |engine: &mut Engine, seconds: i64, ppm: i64, shown: Option<i64>, wall: &mut i64, mono: &mut i64| {
            for s in 0..seconds {
                *mono += 1000;
                fast += ppm;
                *wall += 1000 + fast / 1000;
                fast %= 1000;
                second(engine, *mono, shown.map_or(*wall, |from| from + s * 1000));
            }
        };
    for fault in faults {
        match *fault {
            ClockFault::Drift(ppm, seconds) => run(&mut engine, seconds, ppm, None, &mut wall, &mut mono),
            ClockFault::Step(ms) => {
                wall += ms;
                jumps += usize::from(ms.abs() > 1000);
            }
            ClockFault::Elsewhere(shown, seconds) => {
                run(&mut engine, seconds, 0, Some(shown), &mut wall, &mut mono);
                jumps += 2;
            }
            ClockFault::Leap(true) => wall -= 1000,
            ClockFault::Leap(false) => run(&mut engine, 1000, -12, None, &mut wall, &mut mono),
            ClockFault::Restart(seconds) => {
                wall += seconds * 1000;
                mono = 0;
                engine.apply(&boot(at(0, wall)));
                engine.apply(&up(at(0, wall)));
            }
        }
        run(&mut engine, 70, 0, None, &mut wall, &mut mono);
    }
    engine.finish();
    (engine, jumps)
}

#[test]
fn pain_10_a_clock_that_drifts_by_500_millionths_makes_every_window_and_no_event() {
    for ppm in [-500, 500] {
        let (engine, _) = under(&[ClockFault::Drift(ppm, 7200)]);
        let starts = starts(&engine);
        assert!(starts.len() > 119 && starts.iter().copied().eq(0..i64::try_from(starts.len()).unwrap()));
        assert!(!happened(&engine).iter().any(|w| matches!(w, What::ClockStep { .. } | What::Down { .. })));
        for window in &windows(&engine)[1..] {
            assert_eq!(states(window), "producing 60");
        }
    }
}

#[test]
fn pain_10_a_leap_second_stepped_or_smeared_neither_doubles_nor_drops_a_window() {
    for stepped in [true, false] {
        let (engine, _) = under(&[ClockFault::Leap(stepped), ClockFault::Drift(0, 300)]);
        let starts = starts(&engine);
        assert!(starts.iter().copied().eq(0..i64::try_from(starts.len()).unwrap()), "{starts:?}");
        assert!(!happened(&engine).iter().any(|w| matches!(w, What::Down { .. })));
    }
}

/// Random days of a machine: every kind of input, restarts and clock steps among them.
pub(in crate::window) fn any_records() -> impl Strategy<Value = Vec<Record>> {
    let word = prop_oneof![
        (0u8..4).prop_map(|v| format!("e={v}")),
        (1u8..3).prop_map(|v| format!("m={v}")),
        (0u32..3).prop_map(|v| format!("kw={v}")),
        (0u32..50).prop_map(|v| format!("kwh={v}")),
        (0u32..50).prop_map(|v| format!("n={v}")),
        Just("kw=-".to_owned()),
        Just("e=-".to_owned()),
        prop_oneof![Just("cnc"), Just("meters"), Just("broker")].prop_map(|l| format!("up:{l}")),
        prop_oneof![Just("cnc"), Just("meters"), Just("broker")].prop_map(|l| format!("down:{l}")),
        Just("alive:cnc".to_owned()),
    ];
    let step = (
        prop::collection::vec((word, 0i64..1500), 0..5),
        1i64..20_000,
        prop_oneof![
            30 => Just(0i64), 2 => -200i64..200, 1 => -4_000_000i64..4_000_000, 1 => Just(-T0), 1 => Just(400_000_000_000i64)
        ],
        prop_oneof![20 => Just(false), 1 => Just(true)],
    );
    prop::collection::vec(step, 1..60).prop_map(|steps| {
        let (mut mono, mut wall) = (0i64, T0);
        let mut out = vec![boot(instant(0))];
        for (words, passed, jump, reboot) in steps {
            let before = mono;
            mono += passed;
            wall += passed + jump;
            let until = Instant { utc: Utc(wall), mono: Mono(u64::try_from(mono).unwrap()) };
            // Some come late, some early: neither may break anything.
            let inputs = words
                .iter()
                .map(|(word, after)| {
                    let mono = u64::try_from((before + after - 200).max(0)).unwrap();
                    input(word, Instant { utc: Utc(wall), mono: Mono(mono) })
                })
                .collect();
            out.push(Record::Step { inputs, until });
            if reboot {
                mono = 0;
                out.push(boot(Instant { utc: Utc(wall), mono: Mono(0) }));
            }
        }
        out
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Kill the agent after any record, start it again from any older snapshot and the journal since: the
    /// windows, the events and the open window are the same.
    #[test]
    fn replaying_the_journal_after_a_snapshot_gives_the_identical_engine(records in any_records(), cut in 0usize..60) {
        for machine in [cnc(), press()] {
            let plan = plan(machine);
            let mut whole = Engine::new(Arc::clone(&plan), None);
            let mut snapshot = whole.snapshot().unwrap();
            let cut = cut.min(records.len());
            for (i, record) in records.iter().enumerate() {
                if i == cut {
                    snapshot = whole.snapshot().unwrap();
                }
                whole.apply(record);
            }
            let Restored::Whole(mut again) = Engine::restore(plan, &snapshot).unwrap() else {
                return Err(TestCaseError::fail("the plan is the same"));
            };
            let from = if cut == records.len() { 0 } else { cut };
            for record in &records[from..] {
                again.apply(record);
            }
            prop_assert_eq!(&whole.state, &again.state);
        }
    }

    /// Whatever happens: states sum to the window, windows and downs tile the time without overlap.
    #[test]
    fn windows_and_downs_tile_the_time(records in any_records()) {
        for machine in [cnc(), press()] {
            let mut engine = Engine::new(plan(machine), None);
            for record in &records {
                engine.apply(record);
            }
            engine.finish();
            let mut reached: Option<i64> = None;
            for output in engine.outputs() {
                match output {
                    Output::Window(w) => {
                        prop_assert!(reached.is_none_or(|r| r == w.start.0));
                        prop_assert_eq!(w.start.0 % MINUTE, 0);
                        for (_, window) in &w.machines {
                            prop_assert_eq!(window.check(60_000), Ok(()));
                        }
                        reached = Some(w.start.0 + MINUTE);
                    }
                    Output::Event(Event { what: What::Down { from, to }, .. }) => {
                        prop_assert_eq!(reached, Some(from.0));
                        prop_assert!(to > from);
                        reached = Some(to.0);
                    }
                    Output::Event(_) => {}
                }
            }
        }
    }

    /// Whatever the wall clock does: every window of the time is there once, or a signed down names it; the states
    /// of each fill it; and a jump while the program runs never goes unsaid.
    #[test]
    fn pain_10_no_window_is_doubled_or_vanishes_under_clock_faults(faults in clock_faults()) {
        let (engine, jumps) = under(&faults);
        let mut next = T0;
        for output in engine.outputs() {
            match output {
                Output::Window(w) => {
                    prop_assert_eq!(w.start.0, next);
                    prop_assert_eq!(w.machines[0].1.states_ms.iter().map(|ms| i64::from(*ms)).sum::<i64>(), MINUTE);
                    next += MINUTE;
                }
                Output::Event(Event { what: What::Down { from, to }, .. }) => {
                    prop_assert_eq!(from.0, next);
                    prop_assert!(to > from && (to.0 - from.0) % MINUTE == 0);
                    next = to.0;
                }
                Output::Event(_) => {}
            }
        }
        let said = happened(&engine).iter().filter(|w| matches!(w, What::ClockStep { .. })).count();
        prop_assert_eq!(said, jumps);
    }

    /// How inputs are cut into records does not matter, as long as none is late.
    #[test]
    fn the_commit_interval_does_not_change_the_windows(watts in prop::collection::vec(0i64..3000, 100..300), every in 1usize..20) {
        let inputs: Vec<(Instant, Input)> = watts
            .iter()
            .enumerate()
            .map(|(i, w)| (instant(i64::try_from(i).unwrap() * 700), w))
            .map(|(at, w)| (at, input(&format!("kw={w}"), at)))
            .collect();
        let cut = |every: usize| {
            let mut engine = Engine::new(plan(press()), None);
            engine.apply(&boot(instant(0)));
            for chunk in inputs.chunks(every) {
                let until = chunk[chunk.len() - 1].0;
                engine.apply(&Record::Step { inputs: chunk.iter().map(|(_, i)| i.clone()).collect(), until });
            }
            engine.finish();
            engine.outputs().clone()
        };
        prop_assert_eq!(cut(1), cut(every));
    }
}

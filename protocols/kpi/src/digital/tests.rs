//! Declarations against rosters and data.

use super::*;
use crate::calendar::Calendar;
use crate::compute::Subject;
use crate::figure::Feeds;
use crate::leaf::Leaf;
use crate::period::{Cuts, DAY_S, Period};
use crate::totals::{MachineTotals, Standing};
use crate::window::MachineWindow;
use crate::{Amount, AmountQuality};

/// Midnight at +08:00.
const START: i64 = 16 * 3600;
const TWO_DAYS: Period = Period { from: START, to: START + 2 * DAY_S };

const DECLARED: &str = r#"
[equipment]
document = "0000000000000000000000000000000000000000000000000000000000000001"
machines = 10
digital = 6

[key_operations]
document = "0000000000000000000000000000000000000000000000000000000000000002"

[[key_operations.operation]]
name = "镗孔"
controlled = true
machines = ["cnc-01"]

[[key_operations.operation]]
name = "磨削"
controlled = true
machines = ["cnc-02"]

[[key_operations.operation]]
name = "热处理"
controlled = true

[[key_operations.operation]]
name = "钳工"
controlled = false

[acquisition]
document = "0000000000000000000000000000000000000000000000000000000000000003"

[[acquisition.point]]
machine = "cnc-01"
what = "state"
automatic = true

[[acquisition.point]]
machine = "cnc-01"
what = "energy"
automatic = true

[[acquisition.point]]
machine = "cnc-01"
what = { other = "主轴温度" }
automatic = true

[[acquisition.point]]
machine = "cnc-02"
what = "state"
automatic = true

[[acquisition.point]]
machine = "cnc-02"
what = "parts"
automatic = false
"#;

fn declared() -> Declarations {
    toml::from_str(DECLARED).unwrap()
}

fn cuts() -> Cuts {
    Cuts::new(900, 480, &[TWO_DAYS]).unwrap()
}

/// Windows of a machine: its leaf, and how many of the quarters of an hour it signs.
fn totals(leaf: Leaf, signed: i64) -> MachineTotals {
    let mut totals = MachineTotals::new([true, true, false]);
    for quarter in 0..signed {
        let t = START + quarter * 900;
        let mut window = MachineWindow::default();
        window.states_ms[leaf.index()] = 900_000;
        window.energy = Amount { register: 1000 + quarter, quality: AmountQuality::Register };
        window.parts = Amount { register: quarter, quality: AmountQuality::Register };
        (window.reads_expected, window.reads_good, window.sessions, window.changed) = (10, 10, 1, 1);
        let standing = Standing { counted: true, opening: quarter == 0 };
        totals.window(&cuts(), &Calendar::Always, t, &window, &[], standing).unwrap();
    }
    totals
}

fn rostered<'a>(id: &'a str, totals: &'a MachineTotals, state: StateFrom) -> Rostered<'a> {
    let feeds = Feeds { state, parts: true, power_meter: false, spindle: false, cutting: false };
    let calendar = &Calendar::Always;
    let subject = Subject { id, totals, digital: true, feeds, mapping: "00", calendar, cycles: None };
    Rostered { subject, key_operation: true, numerically_controlled: true }
}

fn run(machines: &[Rostered<'_>], declared: &Declarations) -> Result<Digitalisation, DeclarationError> {
    let cuts = cuts();
    let scope = Scope { period: TWO_DAYS, cuts: &cuts, statements: None, good_condition: None };
    digitalisation(scope, machines, declared)
}

#[track_caller]
fn check(indicator: Option<&Indicator>, declared: (u64, u64), confirmed: (u64, u64), out_of_reach: u64) {
    let indicator = indicator.unwrap();
    let (share, bounds) = (indicator.declared.declared(), indicator.confirmed.measured());
    assert_eq!((share.part, share.whole), declared);
    assert_eq!((bounds.lower, bounds.upper, bounds.whole), (confirmed.0, confirmed.1, declared.1));
    assert_eq!(indicator.out_of_reach, out_of_reach);
    assert_eq!(indicator.confirmed.period(), TWO_DAYS);
}

#[test]
fn what_is_declared_and_what_data_confirm_stand_beside_each_other() {
    let (full, idle) = (totals(Leaf::Producing, 192), totals(Leaf::Idle, 192));
    let machines =
        [rostered("cnc-01", &full, StateFrom::Controller), rostered("cnc-02", &idle, StateFrom::Controller)];
    let found = run(&machines, &declared()).unwrap();
    check(found.equipment.as_ref(), (6, 10), (2, 2), 8);
    // 镗孔 ran a program, 磨削 certainly did not, 热处理 names no machine.
    check(found.key_operations.as_ref(), (3, 4), (1, 1), 1);
    // Both states and the energy; the temperature stands in no window.
    check(found.acquisition.as_ref(), (4, 5), (3, 3), 1);
    let all = [found.equipment, found.key_operations, found.acquisition];
    for (indicator, document) in all.into_iter().map(Option::unwrap).zip(1u8..) {
        assert_eq!(indicator.findings, []);
        assert_eq!(indicator.declared.document().0[31], document);
    }
}

#[test]
fn unsigned_time_leaves_open_and_never_confirms() {
    // A day and a half: the first day is connected, the second may have been; 75 % of the state is known.
    let part = totals(Leaf::Idle, 144);
    let machines =
        [rostered("cnc-01", &part, StateFrom::Controller), rostered("cnc-02", &part, StateFrom::Controller)];
    let found = run(&machines, &declared()).unwrap();
    check(found.equipment.as_ref(), (6, 10), (2, 2), 8);
    check(found.key_operations.as_ref(), (3, 4), (0, 2), 1);
    check(found.acquisition.as_ref(), (4, 5), (0, 3), 1);
    let none = totals(Leaf::Idle, 0);
    let machines =
        [rostered("cnc-01", &none, StateFrom::Controller), rostered("cnc-02", &none, StateFrom::Controller)];
    check(run(&machines, &declared()).unwrap().equipment.as_ref(), (6, 10), (0, 2), 8);
}

#[test]
fn collected_means_known_for_95_percent_of_the_period() {
    let point = |signed| {
        let part = totals(Leaf::Idle, signed);
        let machines = [
            rostered("cnc-01", &part, StateFrom::Controller),
            rostered("cnc-02", &part, StateFrom::Controller),
        ];
        run(&machines, &declared()).unwrap().acquisition.unwrap().confirmed.measured().lower
    };
    // 95 % of 192 quarters of an hour is 182.4; sums of registers start behind the first one.
    assert_eq!((point(182), point(183), point(184)), (0, 2, 3));
}

#[test]
fn known_to_be_unknown_is_not_collected_and_a_finding() {
    let unknown = totals(Leaf::Unknown, 192);
    let machines = [
        rostered("cnc-01", &unknown, StateFrom::Controller),
        rostered("cnc-02", &unknown, StateFrom::Controller),
    ];
    let acquisition = run(&machines, &declared()).unwrap().acquisition;
    check(acquisition.as_ref(), (4, 5), (1, 1), 1);
    let not = |machine: &str| Finding::NotCollected { machine: machine.into(), what: "state".into() };
    assert_eq!(acquisition.unwrap().findings, [not("cnc-01"), not("cnc-02")]);
}

#[test]
fn power_alone_confirms_no_numerical_control() {
    let full = totals(Leaf::Producing, 192);
    let mut machines =
        [rostered("cnc-01", &full, StateFrom::Inference), rostered("cnc-02", &full, StateFrom::Controller)];
    machines[1].numerically_controlled = false;
    let operations = run(&machines, &declared()).unwrap().key_operations;
    check(operations.as_ref(), (3, 4), (0, 0), 1);
    assert_eq!(operations.unwrap().findings, [Finding::ControlledByNoMachine { operation: "磨削".into() }]);
}

#[test]
fn a_declaration_that_is_less_than_the_roster_is_a_finding() {
    let full = totals(Leaf::Producing, 192);
    let machines = ["cnc-01", "cnc-02", "cnc-03"].map(|id| rostered(id, &full, StateFrom::Controller));
    let mut small = declared();
    let equipment = small.equipment.as_mut().unwrap();
    (equipment.machines, equipment.digital) = (2, 1);
    let found = run(&machines, &small).unwrap();
    assert_eq!(
        found.equipment.unwrap().findings,
        [
            Finding::FewerMachinesThanRoster { declared: 2, roster: 3 },
            Finding::FewerDigitalThanRoster { declared: 1, roster: 3 },
        ]
    );
    let listed = Finding::KeyMachineNotListed { machine: "cnc-03".into() };
    assert_eq!(found.key_operations.unwrap().findings, [listed]);
}

#[test]
fn what_is_not_declared_has_no_indicator() {
    let none = run(&[], &Declarations::default()).unwrap();
    assert_eq!(none, Digitalisation { equipment: None, key_operations: None, acquisition: None });
}

#[test]
fn declarations_that_cannot_be_are_refused_by_name() {
    #[track_caller]
    fn refused(change: impl FnOnce(&mut Declarations), want: &[&str]) {
        let full = totals(Leaf::Producing, 1);
        let machines = ["cnc-01", "cnc-02"].map(|id| rostered(id, &full, StateFrom::Controller));
        let mut declared = declared();
        change(&mut declared);
        let error = run(&machines, &declared).unwrap_err().to_string();
        for part in want {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
    }
    let equipment = |d: &mut Declarations, machines, digital| {
        let e = d.equipment.as_mut().unwrap();
        (e.machines, e.digital) = (machines, digital);
    };
    refused(|d| equipment(d, 0, 0), &["equipment ledger is empty"]);
    refused(|d| equipment(d, 5, 6), &["6 of 5", "ledger"]);
    refused(|d| d.key_operations.as_mut().unwrap().operations.clear(), &["key operations is empty"]);
    refused(|d| d.acquisition.as_mut().unwrap().points.clear(), &["required points is empty"]);
    refused(
        |d| d.key_operations.as_mut().unwrap().operations[1].name = "镗孔".into(),
        &["镗孔 stands twice"],
    );
    refused(
        |d| d.acquisition.as_mut().unwrap().points[3].machine = "cnc-01".into(),
        &["cnc-01/state stands twice"],
    );
    refused(
        |d| d.key_operations.as_mut().unwrap().operations[0].machines[0] = "cnc-9".into(),
        &["镗孔", "cnc-9", "roster"],
    );
    for (wrong, said) in [
        (DECLARED.replace("000001\"", "00001\""), "64 hex digits"),
        (DECLARED.replace("000001\"", "00000g\""), "64 hex digits"),
        (DECLARED.replace("document = ", "doc = "), "doc"),
    ] {
        let error = toml::from_str::<Declarations>(&wrong).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn in_json_a_declared_number_carries_its_document_and_a_measured_one_its_period() {
    let full = totals(Leaf::Producing, 192);
    let machines = ["cnc-01", "cnc-02"].map(|id| rostered(id, &full, StateFrom::Controller));
    let json = serde_json::to_value(run(&machines, &declared()).unwrap().equipment).unwrap();
    assert_eq!(json["declared"]["declared"]["part"], 6);
    let document = "0000000000000000000000000000000000000000000000000000000000000001";
    assert_eq!(json["declared"]["document"], document);
    assert_eq!(json["confirmed"]["measured"]["lower"], 2);
    assert_eq!(json["confirmed"]["period"]["from"], START);
}

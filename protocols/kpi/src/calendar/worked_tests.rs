//! One planned day, worked by hand, through windows, totals and figures: the example of the method page with a
//! calendar instead of given times.

use super::plan::{LocalTime, Maintenance, Moment, Order, Pattern, Plan, Shift, Statutory, Version};
use super::*;
use crate::chain::Quantity;
use crate::compute::{Scope, Subject, kpis};
use crate::cycle::{CycleEntry, CycleKind, Cycles};
use crate::definition::KpiId;
use crate::figure::{Feeds, Figure, FindingKind, Kpi, StateFrom, Undefined};
use crate::leaf::Leaf;
use crate::period::{Cuts, DAY_S, Grid};
use crate::times::Times;
use crate::totals::{MachineTotals, Standing};
use crate::window::MachineWindow;
use crate::{Amount, AmountQuality};

const STEP_S: i64 = 900;
const STEP_MIN: u64 = 15;

/// 29 February 2024, a Thursday, from midnight at +08:00.
const DAY: Period = Period { from: 1_709_136_000, to: 1_709_136_000 + DAY_S };

fn at(minute: u64) -> i64 {
    DAY.from + i64::try_from(minute).unwrap() * 60
}

const fn hm(hour: u64, minute: u64) -> u64 {
    hour * 60 + minute
}

/// Two shifts of eight hours, an hour of planned maintenance, an order over 750 minutes.
fn calendar() -> Calendar {
    let shift = |name: &str, from, to| Shift {
        name: name.into(),
        weekdays: Weekday::ALL.to_vec(),
        from: LocalTime::from_minutes(from).unwrap(),
        to: LocalTime::from_minutes(to).unwrap(),
    };
    let version = Version {
        effective_from: None,
        signed_at: Moment(0),
        plan: Plan {
            name: "两班".into(),
            patterns: vec![Pattern {
                name: "全厂".into(),
                machines: vec![],
                statutory: Statutory::Worked,
                shifts: vec![shift("早班", 360, 840), shift("中班", 840, 1320)],
            }],
            days: vec![],
            complete_years: vec![],
            maintenance: vec![Maintenance {
                machine: None,
                from: Moment(at(hm(6, 0))),
                to: Moment(at(hm(7, 0))),
            }],
            always_order: false,
            orders: vec![Order {
                machine: "m".into(),
                id: "WO-1".into(),
                from: Moment(at(hm(7, 0))),
                to: Moment(at(hm(19, 30))),
            }],
        },
    };
    let grid = Grid::new(900, 480).unwrap();
    let planning = Planning { grid, machines: &["m"], versions: &[version], holidays: &[] };
    planning.build().unwrap().first_planned.of("m").unwrap().clone()
}

/// What the machine does from which minute on.
const STORY: [(u64, Leaf); 7] = [
    (0, Leaf::Off),
    (hm(6, 0), Leaf::Maintenance),
    (hm(7, 0), Leaf::Producing),
    (hm(16, 0), Leaf::Setup),
    (hm(17, 0), Leaf::Idle),
    (hm(22, 0), Leaf::Off),
    (hm(23, 0), Leaf::Producing),
];

fn leaf(minute: u64) -> Leaf {
    STORY.iter().rev().find(|(from, _)| *from <= minute).unwrap().1
}

/// Parts completed in the quarter of an hour from `minute`: 110 in busy time, 5 at night after it.
fn parts(minute: u64) -> i64 {
    match minute {
        m if (hm(7, 0)..hm(7, 15)).contains(&m) => 5,
        m if (hm(7, 15)..hm(16, 0)).contains(&m) => 3,
        m if m == hm(23, 0) => 5,
        _ => 0,
    }
}

/// The day's windows; those in `missing` are signed but read no counter, those in `left_out` are not there.
fn totals(cuts: &Cuts, missing: &[u64], left_out: &[u64]) -> MachineTotals {
    let calendar = calendar();
    let mut totals = MachineTotals::new([false, true, true]);
    let (mut made, mut known, mut gap) = (100, 100, false);
    // One window before the day, so that sums start at its midnight.
    for (place, t) in (DAY.from - STEP_S..DAY.to).step_by(900).enumerate() {
        let minute = u64::try_from((t - DAY.from) / 60).unwrap_or(u64::MAX);
        if minute != u64::MAX {
            made += parts(minute);
        }
        if left_out.contains(&minute) {
            gap = true;
            continue;
        }
        let read = !missing.contains(&minute);
        let quality = match (read, gap) {
            (false, _) => AmountQuality::Missing,
            (true, true) => AmountQuality::Bridged,
            (true, false) => AmountQuality::Register,
        };
        gap = !read;
        known = if read { made } else { known };
        let mut window = MachineWindow::default();
        let doing = if minute == u64::MAX { Leaf::Off } else { leaf(minute) };
        window.states_ms[doing.index()] = 900_000;
        window.parts = Amount { register: known, quality };
        // Three of the 110 are scrap.
        window.good_parts = Amount { register: known - (known - 100).min(3), quality };
        let standing = Standing { counted: true, opening: place == 0 };
        totals.window(cuts, &calendar, t, &window, &[], standing).unwrap();
    }
    totals
}

fn cuts() -> Cuts {
    Cuts::new(900, 480, &[DAY]).unwrap()
}

fn figures(totals: &MachineTotals, cuts: &Cuts) -> Vec<Kpi> {
    let calendar = calendar();
    let entry = CycleEntry {
        machine: "m".into(),
        kind: CycleKind::Planned,
        product: None,
        from: 0,
        seconds_per_part: "270".into(),
    };
    let cycles = Cycles::of("m", &[entry], cuts.grid()).unwrap();
    let feeds = Feeds {
        state: StateFrom::Controller,
        parts: true,
        power_meter: false,
        spindle: false,
        cutting: false,
    };
    let subject = Subject {
        id: "m",
        totals,
        digital: true,
        feeds,
        mapping: "00",
        calendar: &calendar,
        cycles: Some(&cycles),
    };
    kpis(Scope { period: DAY, cuts, statements: None, good_condition: None }, &[subject])
}

#[track_caller]
fn figure(kpis: &[Kpi], id: KpiId) -> &Kpi {
    kpis.iter().find(|k| k.id == id).unwrap()
}

#[track_caller]
fn point(kpis: &[Kpi], id: KpiId, numerator: u64, denominator: u64) {
    let value = crate::Rational::ratio(numerator, denominator).unwrap();
    let want = Figure::Interval { lower: value.clone(), upper: Some(value) };
    assert_eq!(figure(kpis, id).value, want, "{id:?}");
}

fn minutes(ms: u64) -> u64 {
    ms / 60_000
}

#[test]
fn the_worked_day_has_the_times_of_the_method_page() {
    let cuts = cuts();
    let t = totals(&cuts, &[], &[]).times(&cuts, &calendar(), DAY);
    let told = [t.calendar_ms, t.pot_ms, t.pmt_ms, t.pbt_ms].map(minutes);
    assert_eq!(told, [1440, 960, 60, 900]);
    let told =
        [t.aubt_ms(), t.aupt_ms(), t.apt_ms, t.aust_ms, t.adet_ms, t.adot_ms, t.unknown_ms].map(minutes);
    assert_eq!(told, [750, 600, 540, 60, 150, 150, 0]);
    assert_eq!(t.stated_aoet_ms().map(minutes), Some(750));
    // The hour of production at night counts nowhere and is told.
    assert_eq!(minutes(t.producing_unplanned_ms), 60);
    assert_eq!((minutes(t.cmt_ms), t.undated_ms), (0, 0), "maintenance inside the plan is not corrective");
}

#[test]
fn the_worked_day_has_the_figures_of_the_method_page() {
    let cuts = cuts();
    let kpis = figures(&totals(&cuts, &[], &[]), &cuts);
    point(&kpis, KpiId::Allocation, 750, 900);
    point(&kpis, KpiId::Utilization, 540, 750);
    point(&kpis, KpiId::Availability, 540, 900);
    point(&kpis, KpiId::Technical, 540, 690);
    point(&kpis, KpiId::SetupRate, 60, 600);
    point(&kpis, KpiId::UtilShift, 600, 960);
    // PRI 4.5 min, PQ 110, GQ 107: 91.667 %, 97.273 %, 53.500 %, 59.444 %.
    point(&kpis, KpiId::Effectiveness, 9 * 110, 2 * 540);
    point(&kpis, KpiId::Quality, 107, 110);
    point(&kpis, KpiId::Oee, 9 * 107, 2 * 900);
    point(&kpis, KpiId::Nee, 9 * 107 * 600, 2 * 900 * 540);
    point(&kpis, KpiId::PartsOutsidePlan, 5, 1);
    let found = |id, kind| figure(&kpis, id).findings.iter().any(|f| f.kind == kind);
    assert!(found(KpiId::Availability, FindingKind::ProducedOutsidePlan));
    assert!(found(KpiId::Oee, FindingKind::PartsOutsidePlan));
    assert_eq!(figure(&kpis, KpiId::Availability).calendar, "两班");
}

/// Between 21:45 and 23:15 no counter is read: of 5 parts nobody knows on which side of 22:00 they were made. Where
/// even the windows are missing, nobody knows that the counter was not reset either.
#[test]
fn parts_bridged_over_the_end_of_a_shift_may_lie_on_either_side() {
    let cuts = cuts();
    let gap: Vec<u64> = (hm(21, 45)..hm(23, 15)).step_by(15).collect();
    let cases = [(totals(&cuts, &gap, &[]), Some(115), Some(5)), (totals(&cuts, &[], &gap), None, None)];
    for (totals, most_busy, most_outside) in cases {
        let busy = totals.busy_amount(&cuts, Quantity::Parts, DAY);
        assert_eq!((busy.lower, busy.upper), (110, most_busy));
        let kpis = figures(&totals, &cuts);
        let outside = &figure(&kpis, KpiId::PartsOutsidePlan).value;
        let (lower, upper) = (crate::Rational::zero(), most_outside.map(crate::Rational::integer));
        assert_eq!(*outside, Figure::Interval { lower, upper });
    }
}

#[test]
fn times_by_shift_and_outside_add_up_to_the_day() {
    let calendar = calendar();
    let runs = calendar.shifts(DAY);
    let periods: Vec<Period> = runs.iter().map(|run| run.over).collect();
    let cuts = Cuts::new(900, 480, &[&[DAY][..], &periods].concat()).unwrap();
    let totals = totals(&cuts, &[], &[]);
    let mut sum = Times::default();
    for cell in cuts.cells(DAY) {
        sum += totals.times(&cuts, &calendar, cell);
    }
    assert_eq!(sum, totals.times(&cuts, &calendar, DAY));
    let by_shift = periods.iter().map(|&over| totals.times(&cuts, &calendar, over));
    let told: Vec<_> = by_shift.map(|t| [t.pot_ms, t.pbt_ms, t.apt_ms].map(minutes)).collect();
    // 早班 06:00–14:00 has the maintenance; 中班 14:00–22:00 produces until 16:00.
    assert_eq!(told, [[480, 420, 420], [480, 480, 120]]);
    assert_eq!(minutes(totals.times(&cuts, &calendar, DAY).pbt_ms) % STEP_MIN, 0);
}

#[test]
fn a_day_that_the_calendar_does_not_know_has_no_figure_of_planned_time() {
    let mut version: Version = toml::from_str(include_str!("../../../../config/examples/plan.toml")).unwrap();
    version.effective_from = None;
    let grid = Grid::new(900, 480).unwrap();
    let machines = ["cnc-01", "cnc-02", "furnace-01"];
    let planning = Planning { grid, machines: &machines, versions: &[version], holidays: &[] };
    let planned = planning.build().unwrap().first_planned;
    let calendar = planned.of("cnc-01").unwrap();
    let cuts = cuts();
    let mut totals = MachineTotals::new([false; 3]);
    let mut window = MachineWindow::default();
    window.states_ms[Leaf::Producing.index()] = 900_000;
    for t in (DAY.from..DAY.to).step_by(900) {
        let standing = Standing { counted: true, opening: false };
        totals.window(&cuts, calendar, t, &window, &[], standing).unwrap();
    }
    let t = totals.times(&cuts, calendar, DAY);
    assert_eq!((t.undated_ms, t.pot_ms, t.on_ms, t.is_dated()), (DAY.ms(), 0, DAY.ms(), false));
    let feeds = Feeds {
        state: StateFrom::Controller,
        parts: false,
        power_meter: false,
        spindle: false,
        cutting: false,
    };
    let subject = Subject {
        id: "cnc-01",
        totals: &totals,
        digital: true,
        feeds,
        mapping: "00",
        calendar,
        cycles: None,
    };
    let kpis = kpis(Scope { period: DAY, cuts: &cuts, statements: None, good_condition: None }, &[subject]);
    for id in [KpiId::Availability, KpiId::UtilShift, KpiId::Mtbf, KpiId::ConnectionRate] {
        assert_eq!(figure(&kpis, id).value, Figure::Undefined { reason: Undefined::NoCalendar }, "{id:?}");
    }
    point(&kpis, KpiId::PowerOnRate, 1, 1);
    point(&kpis, KpiId::ConnectionRateCalendar, 0, 1);
}

//! The worked example of every page: one machine, one day, put through the same calls as evidence. Twice: with the whole
//! day known, and with the last ninety minutes of planned time unknown.

use kpi::calendar::plan::{LocalTime, Maintenance, Moment, Order, Pattern, Plan, Shift, Statutory};
use kpi::calendar::{Planning, Version, Weekday};
use kpi::compute::GoodCondition;
use kpi::cycle::{CycleEntry, CycleKind, Cycles};
use kpi::figure::{Feeds, StateFrom};
use kpi::totals::Standing;
use kpi::{
    Amount, AmountQuality, Calendar, Cuts, Kpi, Leaf, MachineTotals, MachineWindow, Period, Scope, Subject,
    kpis,
};

/// 2026-03-02 00:00 at +08:00, UTC s; a Monday.
const MIDNIGHT: i64 = 1_772_380_800;
const OFFSET_MIN: i32 = 480;
const STEP_S: u32 = 60;
const DAY_MIN: u32 = 1440;
const MACHINE: &str = "cnc-01";

/// What the machine does from which minute of the day on, and how many minutes of it are the shop's own words for it.
const DAY: &[(u32, Leaf)] = &[
    (0, Leaf::Off),
    (360, Leaf::Maintenance),
    (420, Leaf::Setup),
    (480, Leaf::Producing),
    (660, Leaf::Fault),
    (690, Leaf::Producing),
    (870, Leaf::Held),
    (885, Leaf::Producing),
    (1005, Leaf::Fault),
    (1025, Leaf::Waiting),
    (1050, Leaf::Producing),
    (1110, Leaf::Idle),
    (1320, Leaf::Off),
];

/// The order stands from 07:00 to 19:30.
const ORDER: (u32, u32) = (420, 1170);
/// Planned maintenance from 06:00 to 07:00.
const MAINTENANCE: (u32, u32) = (360, 420);
/// The shift from 06:00 to 22:00.
const SHIFT: (u16, u16) = (360, 1320);
/// Minutes of planned time about which nothing is known in the second example, from here to the shift's end.
const UNKNOWN_FROM: u32 = 1230;
const PARTS: i64 = 110;
const GOOD_PARTS: i64 = 107;

/// The day in words, Chinese and English.
pub const WORDS: (&str, &str) = (
    "一台设备，2026-03-02 一天（+08:00）：班次 06:00–22:00，计划维护 06:00–07:00，订单 07:00–19:30；换型 60 分，\
     加工 540 分，故障两次共 50 分，程序暂停 15 分，等待 25 分，有单空闲 60 分，无单空闲 150 分，其余关机；\
     计划节拍 270 秒/件，理论节拍 240 秒/件，完工 110 件，合格 107 件；申报完好设备 9 台，共 10 台。",
    "One machine on 2026-03-02 (+08:00): shift 06:00–22:00, planned maintenance 06:00–07:00, order 07:00–19:30; set-up \
     60 min, producing 540 min, two faults of 50 min together, held 15 min, waiting 25 min, idle with the order 60 min, \
     idle without 150 min, otherwise off; planned cycle 270 s a part, theoretical cycle 240 s, 110 parts completed, 107 of \
     them good; 9 of 10 machines declared in good condition.",
);

/// The second day in words.
pub const UNKNOWN_WORDS: (&str, &str) = (
    "同一天，但 20:30–22:00 的 90 分钟没有记录",
    "The same day without any record of the 90 minutes from 20:30 to 22:00",
);

/// Every figure of the day; `unknown` leaves the ninety minutes out.
pub fn figures(unknown: bool) -> Option<Vec<Kpi>> {
    let period = Period { from: MIDNIGHT, to: at(DAY_MIN) };
    let cuts = Cuts::new(STEP_S, OFFSET_MIN, &[period]).ok()?;
    let calendar = calendar(&cuts)?;
    let mut totals = MachineTotals::new([true; 3]);
    let standing = Standing { counted: true, opening: false };
    // The registers' values at midnight are those of the window before.
    let mut before = MachineWindow::unknown(STEP_S * 1000);
    read(&mut before, [0, 0, 0]);
    totals.window(&cuts, &calendar, MIDNIGHT - i64::from(STEP_S), &before, &[], standing).ok()?;
    let mut registers = Registers::default();
    for minute in 0..DAY_MIN {
        let leaf = leaf(minute);
        registers.add(leaf);
        let missing = unknown && (UNKNOWN_FROM..u32::from(SHIFT.1)).contains(&minute);
        let window = if missing { unread() } else { window(minute, leaf, &registers) };
        totals.window(&cuts, &calendar, at(minute), &window, &[], standing).ok()?;
    }
    let cycle = |kind, seconds: &str| CycleEntry {
        machine: MACHINE.to_owned(),
        kind,
        product: None,
        from: MIDNIGHT,
        seconds_per_part: seconds.to_owned(),
    };
    let cycles = [cycle(CycleKind::Planned, "270"), cycle(CycleKind::Theoretical, "240")];
    let cycles = Cycles::of(MACHINE, &cycles, cuts.grid()).ok()?;
    let subject = Subject {
        id: MACHINE,
        totals: &totals,
        digital: true,
        feeds: Feeds {
            state: StateFrom::Controller,
            parts: true,
            power_meter: true,
            spindle: true,
            cutting: true,
        },
        mapping: "",
        calendar: &calendar,
        cycles: Some(&cycles),
    };
    let good = GoodCondition::new(9, 10, &"0".repeat(64)).ok()?;
    let scope = Scope { period, cuts: &cuts, statements: None, good_condition: Some(&good) };
    Some(kpis(scope, &[subject]))
}

fn at(minute: u32) -> i64 {
    MIDNIGHT + i64::from(minute) * 60
}

fn leaf(minute: u32) -> Leaf {
    DAY.iter().rev().find(|(from, _)| *from <= minute).map_or(Leaf::Unknown, |(_, leaf)| *leaf)
}

fn calendar(cuts: &Cuts) -> Option<Calendar> {
    let moment = |minute| Moment(at(minute));
    let plan = Plan {
        name: "worked example".to_owned(),
        patterns: vec![Pattern {
            name: "day".to_owned(),
            machines: Vec::new(),
            statutory: Statutory::Worked,
            shifts: vec![Shift {
                name: "day".to_owned(),
                weekdays: Weekday::ALL.to_vec(),
                from: LocalTime::from_minutes(SHIFT.0)?,
                to: LocalTime::from_minutes(SHIFT.1)?,
            }],
        }],
        complete_years: Vec::new(),
        days: Vec::new(),
        maintenance: vec![Maintenance {
            machine: None,
            from: moment(MAINTENANCE.0),
            to: moment(MAINTENANCE.1),
        }],
        always_order: false,
        orders: vec![Order {
            machine: MACHINE.to_owned(),
            id: "1".to_owned(),
            from: moment(ORDER.0),
            to: moment(ORDER.1),
        }],
    };
    let version = Version { effective_from: None, signed_at: Moment(0), plan };
    let versions = [version];
    let planning = Planning { grid: cuts.grid(), machines: &[MACHINE], versions: &versions, holidays: &[] };
    planning.build().ok()?.first_planned.of(MACHINE).cloned()
}

/// Registers as the day goes by: energy in mWh, parts.
#[derive(Default)]
struct Registers {
    energy_mwh: i64,
    produced_min: i64,
}

impl Registers {
    fn add(&mut self, leaf: Leaf) {
        // Wh a minute: 9 kW producing, 3.6 kW in set-up, 1.8 kW otherwise on.
        let wh = match leaf {
            Leaf::Producing => 150,
            Leaf::Setup => 60,
            Leaf::Off | Leaf::Unknown => 0,
            _ => 30,
        };
        self.energy_mwh += wh * 1000;
        self.produced_min += i64::from(leaf == Leaf::Producing);
    }

    fn values(&self) -> [i64; 3] {
        let share = |of: i64| self.produced_min * of / 540;
        [self.energy_mwh, share(PARTS), share(GOOD_PARTS)]
    }
}

fn read(window: &mut MachineWindow, [energy, parts, good]: [i64; 3]) {
    let amount = |register| Amount { register, quality: AmountQuality::Register };
    (window.energy, window.parts, window.good_parts) = (amount(energy), amount(parts), amount(good));
}

fn unread() -> MachineWindow {
    MachineWindow { reads_expected: 12, ..MachineWindow::unknown(STEP_S * 1000) }
}

fn window(minute: u32, leaf: Leaf, registers: &Registers) -> MachineWindow {
    let mut window = MachineWindow {
        reads_expected: 12,
        reads_good: 12,
        connected_ms: STEP_S * 1000,
        changed: 3,
        sessions: 1,
        identity: 1,
        ..MachineWindow::default()
    };
    window.states_ms[leaf.index()] = STEP_S * 1000;
    if leaf == Leaf::Producing {
        (window.spindle_ms, window.cutting_ms) = (54_000, 42_000);
    }
    window.fault_count = u32::from(DAY.contains(&(minute, Leaf::Fault)));
    read(&mut window, registers.values());
    window
}

#[cfg(test)]
mod tests {
    use super::*;
    use kpi::KpiId;
    use kpi::round::{Rounding, decimal};

    #[track_caller]
    fn percent(kpis: &[Kpi], id: KpiId, want: &str) {
        let kpi = kpis.iter().find(|k| k.id == id).unwrap();
        let kpi::Figure::Interval { lower, upper: Some(upper) } = &kpi.value else { panic!("{kpi:?}") };
        let hundred = kpi::Rational::integer(100);
        let text = |r: &kpi::Rational, way| decimal(&(r.clone() * hundred.clone()), 3, way);
        let got = if lower == upper {
            text(lower, Rounding::HalfEven)
        } else {
            format!("{} {}", text(lower, Rounding::Down), text(upper, Rounding::Up))
        };
        assert_eq!(got, want, "{id:?}");
    }

    /// The figures of the method page: POT 960, PBT 900, APT 540, AUST 60, ADET 150, PRI 4.5, PQ 110, GQ 107.
    #[test]
    fn the_day_is_the_worked_example_of_the_method() {
        let day = figures(false).unwrap();
        for (id, want) in [
            (KpiId::Allocation, "83.333"),
            (KpiId::Utilization, "72.000"),
            (KpiId::Availability, "60.000"),
            (KpiId::Technical, "78.261"),
            (KpiId::SetupRate, "10.000"),
            (KpiId::Effectiveness, "91.667"),
            (KpiId::Quality, "97.273"),
            (KpiId::Oee, "53.500"),
            (KpiId::Nee, "59.444"),
        ] {
            percent(&day, id, want);
        }
        percent(&figures(true).unwrap(), KpiId::Availability, "60.000 70.000");
    }

    #[test]
    fn every_figure_has_a_value_on_the_day() {
        for kpi in figures(false).unwrap() {
            assert!(matches!(kpi.value, kpi::Figure::Interval { .. }), "{:?} {:?}", kpi.id, kpi.value);
        }
    }
}

//! Key figures from decoded columns: machine-windows a second on one core, beside what the memory gives, and a year
//! of 100 machines to daily roll-ups.
//!
//! The columns are eight days of 100 machines, windows of a minute, more than any cache holds: states that change,
//! three registers, spindle and cutting time, four faults a day and a missed reading each. The peer is a bare sum
//! over every value of the same columns: no program that reads them all can be faster than that. Both are taken in
//! processor time. The year adds the days again and again under a calendar around the clock, on as many threads as
//! there are cores, then computes every figure of the plant day by day and of each machine over the year; it is
//! elapsed time. Decoding is not part of it.

mod process;
mod table;

use kpi::cycle::{CycleEntry, CycleKind, Cycles};
use kpi::figure::{Feeds, StateFrom};
use kpi::rollup::{days, groups, roll_up};
use kpi::totals::Columns;
use kpi::{AmountQuality, Calendar, Cuts, Leaf, MachineTotals, Period, Scope, Subject, column, kpis};
use std::hint::black_box;
use std::thread;
use std::time::Instant;
use table::Aim;

const MACHINES: usize = 100;
const WINDOWS: usize = 1440;
/// Different days of each machine.
const DRAWN: usize = 8;
const DAYS: i64 = 365;
const DAY_S: i64 = 86_400;
const REPETITIONS: usize = 5;
/// Machine-windows a second and core.
const RATE: f64 = 20e6;
/// What a year may take, s.
const YEAR_S: f64 = 3.0;
/// 2026-01-01T00:00+08:00.
const START: i64 = 1_767_196_800;

/// The ids that a CNC machine with a meter has.
const IDS: [u8; 24] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    column::ENERGY,
    column::ENERGY_Q,
    column::PARTS,
    column::PARTS_Q,
    column::GOOD,
    column::GOOD_Q,
    column::READS_EXPECTED,
    column::READS_GOOD,
    column::CONNECTED_MS,
    column::CHANGED,
    column::SESSIONS,
    column::IDENTITY,
    column::CUTTING_MS,
    column::SPINDLE_MS,
    column::FAULT_COUNT,
];

/// A day of one machine.
struct Day(Vec<Vec<i64>>);

fn main() {
    let cuts = Cuts::new(60, 480, &[]).unwrap_or_else(|e| panic!("{e}"));
    let machines: Vec<Vec<Day>> = (0..MACHINES)
        .map(|machine| (0..DRAWN).map(|draw| Day::new(machine * DRAWN + draw)).collect())
        .collect();
    let all = || machines.iter().flatten();
    let (mut rates, mut limits, mut years) = (vec![], vec![], vec![]);
    for _ in 0..REPETITIONS {
        let bare = processor_s(|| all().map(Day::sum).fold(0, i64::wrapping_add));
        let own = processor_s(|| all().map(|day| day.total(&cuts)).collect::<Vec<_>>());
        rates.push(float(MACHINES * DRAWN * WINDOWS) / own / RATE);
        limits.push(bare / own);
        let start = Instant::now();
        black_box(year(&machines, &cuts));
        years.push(start.elapsed().as_secs_f64() / YEAR_S);
    }
    table::head(&format!("kpi: {MACHINES} machines, {WINDOWS} windows a day, {REPETITIONS} repetitions"));
    table::row("machine-windows/s of one core ÷ 20 000 000/s", &rates, Aim::AtLeast(1.0));
    table::row("bare sum over the same columns ÷ totals from them", &limits, Aim::Shown);
    table::row("a year of 100 machines to daily roll-ups ÷ 3 s ⧗", &years, Aim::AtMost(1.0));
}

impl Day {
    fn new(draw: usize) -> Self {
        let machine = draw % MACHINES;
        let mut columns: Vec<Vec<i64>> = IDS.iter().map(|_| Vec::with_capacity(WINDOWS)).collect();
        let (mut energy, mut parts, mut good) = (1_000_000_000, 10_000, 9_900);
        for at in 0..WINDOWS {
            let turn = i64::try_from((at * 7 + machine * 13) % 60).unwrap_or(0);
            let faulty = (at + machine).is_multiple_of(360);
            let missed = at == 700 + machine;
            let idle = turn * 1000;
            energy += 250_000 - turn * 1000;
            parts += i64::from(turn % 4 == 0);
            good += i64::from(turn % 8 == 0);
            let quality = if missed { AmountQuality::Missing } else { AmountQuality::Register };
            let after_gap = at == 701 + machine;
            let quality = i64::from(if after_gap { AmountQuality::Bridged } else { quality }.number());
            let working = 60_000 - idle;
            for (id, values) in IDS.iter().zip(&mut columns) {
                values.push(match *id {
                    id if id == Leaf::Producing.number() => working,
                    id if id == Leaf::Fault.number() && faulty => idle,
                    id if id == Leaf::Idle.number() && !faulty => idle,
                    column::ENERGY => energy,
                    column::PARTS => parts,
                    column::GOOD => good,
                    column::ENERGY_Q | column::PARTS_Q | column::GOOD_Q => quality,
                    column::READS_EXPECTED => 60,
                    column::READS_GOOD => 60 - i64::from(missed),
                    column::CONNECTED_MS => 60_000,
                    column::CHANGED => 40,
                    column::SESSIONS | column::IDENTITY => 1,
                    column::CUTTING_MS => working / 2,
                    column::SPINDLE_MS => working,
                    column::FAULT_COUNT => i64::from(faulty && idle > 0),
                    _ => 0,
                });
            }
        }
        Self(columns)
    }

    fn columns(&self) -> Columns<'_> {
        let mut columns = IDS.iter().zip(&self.0);
        let all = columns.try_fold(Columns::new(WINDOWS), |all, (id, values)| all.with(*id, values));
        all.unwrap_or_else(|e| panic!("{e}"))
    }

    fn total(&self, cuts: &Cuts) -> MachineTotals {
        let mut totals = MachineTotals::new([true; 3]);
        self.add(&mut totals, cuts, START, true);
        totals
    }

    fn add(&self, totals: &mut MachineTotals, cuts: &Cuts, from: i64, opening: bool) {
        let columns = self.columns();
        totals.columns(cuts, &Calendar::Always, from, &columns, opening).unwrap_or_else(|e| panic!("{e}"));
    }

    fn sum(&self) -> i64 {
        self.0
            .iter()
            .map(|column| column.iter().fold(0i64, |sum, v| sum.wrapping_add(*v)))
            .fold(0, i64::wrapping_add)
    }
}

/// A year of one machine. Each day's registers begin where they please, so that one difference a day is in doubt, as
/// when a counter falls without an event.
fn of_year(days: &[Day], cuts: &Cuts) -> MachineTotals {
    let mut totals = MachineTotals::new([true; 3]);
    for (at, day) in (0..DAYS).zip(days.iter().cycle()) {
        day.add(&mut totals, cuts, START + at * DAY_S, at == 0);
    }
    totals
}

/// Every machine's year, then every figure of the plant by day and of each machine over the year.
fn year(machines: &[Vec<Day>], cuts: &Cuts) -> usize {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = machines.len().div_ceil(threads);
    let totals: Vec<MachineTotals> = thread::scope(|scope| {
        let parts: Vec<_> = machines
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(|days| of_year(days, cuts)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|_| panic!("a thread failed"))).collect()
    });
    let period = Period { from: START, to: START + DAYS * DAY_S };
    let cycles = cycles(cuts);
    let names: Vec<String> = (0..machines.len()).map(|i| format!("cnc-{i:03}")).collect();
    let feeds =
        Feeds { state: StateFrom::Controller, parts: true, power_meter: true, spindle: true, cutting: true };
    let subject = |(id, totals)| Subject {
        id,
        totals,
        digital: true,
        feeds,
        mapping: "00112233",
        calendar: &Calendar::Always,
        cycles: Some(&cycles),
    };
    let subjects: Vec<Subject<'_>> = names.iter().map(String::as_str).zip(&totals).map(subject).collect();
    let scope = Scope { period, cuts, statements: None, good_condition: None };
    let spans = days(cuts.grid(), period);
    let plant = groups(std::iter::repeat_n("plant", subjects.len()));
    let rows: usize = thread::scope(|threads_of| {
        let each = spans.len().div_ceil(threads);
        let (subjects, plant) = (&subjects, &plant);
        let parts: Vec<_> = spans
            .chunks(each)
            .map(|part| {
                threads_of.spawn(move || roll_up(scope, subjects, plant, part).map_or(0, |rows| rows.len()))
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap_or(0)).sum()
    });
    assert_eq!(rows, spans.len(), "a day without its row");
    subjects.iter().map(|one| kpis(scope, std::slice::from_ref(one)).len()).sum()
}

/// The same cycle for all.
fn cycles(cuts: &Cuts) -> Cycles {
    let entry = |kind| CycleEntry {
        machine: String::new(),
        kind,
        product: None,
        from: START,
        seconds_per_part: "120".into(),
    };
    let entries = [entry(CycleKind::Planned), entry(CycleKind::Theoretical)];
    Cycles::of("", &entries, cuts.grid()).unwrap_or_else(|e| panic!("{e}"))
}

/// Processor time of a piece of work on this thread, s.
fn processor_s<T>(work: impl FnOnce() -> T) -> f64 {
    let before = process::cpu(std::process::id());
    black_box(work());
    process::cpu(std::process::id()).saturating_sub(before).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of windows are far below 2^52")]
fn float(n: usize) -> f64 {
    n as f64
}

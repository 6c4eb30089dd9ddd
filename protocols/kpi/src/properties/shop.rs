//! A small honest agent for properties: it knows what truly happened, sees it or fails to, is switched off and on,
//! and meets counters that are reset or exchanged. Beside it a plan with shifts across midnight, maintenance and
//! orders, and a cycle that changes in the night.

use crate::calendar::plan::{Maintenance, Moment, Order, Pattern, Plan, Shift, Statutory};
use crate::calendar::{Planning, Version, Weekday};
use crate::chain::CounterBreak;
use crate::cycle::{CycleEntry, CycleKind, Cycles};
use crate::figure::{Feeds, StateFrom};
use crate::totals::{Hole, MachineTotals, Standing};
use crate::{
    Amount, AmountQuality, Calendar, Cuts, Grid, Kpi, Leaf, MachineWindow, Period, Quantity, Scope, Subject,
    kpis,
};
use proptest::prelude::*;

pub(crate) const STEP: i64 = 900;
/// Thursday 1970-01-01, 21:00 at +08:00, so that midnight falls after twelve windows.
pub(crate) const START: i64 = 13 * 3600;
/// 23:15 at +08:00.
const CHANGE: i64 = START + 9 * STEP;
pub(crate) const FEEDS: Feeds =
    Feeds { state: StateFrom::Controller, parts: true, power_meter: false, spindle: true, cutting: true };
pub(crate) const MEASURED: [bool; 3] = [true, true, true];

/// What truly happens in one step (one leaf, then another), and what the agent makes of it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) leaf: usize,
    pub(crate) leaf_ms: u32,
    pub(crate) rest: usize,
    pub(crate) energy: u32,
    pub(crate) parts: u32,
    pub(crate) scrap: u32,
    pub(crate) fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Read,
    NotRead,
    BoxOff,
    Reset,
    Exchanged,
    Late,
}

/// A signed tile as it lies in the log.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) from: i64,
    pub(crate) window: Option<(MachineWindow, Vec<CounterBreak>)>,
    pub(crate) counted: bool,
    pub(crate) opening: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        16 => Just(Fate::Read),
        2 => Just(Fate::NotRead),
        2 => Just(Fate::BoxOff),
        1 => Just(Fate::Reset),
        1 => Just(Fate::Exchanged),
        1 => Just(Fate::Late),
    ];
    let leaf_ms = prop_oneof![Just(900_000), Just(0), 0..=900_000u32];
    (1usize..9, leaf_ms, 1usize..9, 0..5_000u32, 0..4u32, 0..4u32, fate).prop_map(
        |(leaf, leaf_ms, rest, energy, parts, scrap, fate)| {
            let scrap = scrap.min(parts);
            Step { leaf, leaf_ms, rest, energy, parts, scrap, fate }
        },
    )
}

pub(crate) fn story() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

/// A step of 15 minutes producing parts that are all good.
pub(crate) fn producing(energy: u32, parts: u32, fate: Fate) -> Step {
    let leaf = Leaf::Producing.index();
    Step { leaf, leaf_ms: 900_000, rest: leaf, energy, parts, scrap: 0, fate }
}

/// The same story when nothing is missed: what is said of it is the truth.
pub(crate) fn truth(story: &[Step]) -> Vec<Step> {
    let known = |step: &Step| Step { fate: Fate::Read, ..step.clone() };
    story.iter().map(known).collect()
}

/// Registers of energy, parts and good parts: they are reset or exchanged together.
type Registers = [i64; 3];

/// The honest agent. Windows are `STEP` long.
pub(crate) fn sign(story: &[Step]) -> Vec<Tile> {
    let (mut now, mut known, mut gap): (Registers, Registers, bool) = ([5_000, 100, 90], [0; 3], false);
    let mut tiles: Vec<Tile> = Vec::new();
    let mut before = None;
    for (from, step) in (START..).step_by(900).zip(story) {
        let first = match step.fate {
            Fate::Reset => Some(0),
            Fate::Exchanged => Some(1_000_000),
            _ => None,
        };
        now = [
            now[0] + i64::from(step.energy),
            now[1] + i64::from(step.parts),
            now[2] + i64::from(step.parts - step.scrap),
        ];
        let broken = |first| {
            Quantity::ALL.map(|quantity| CounterBreak { quantity, last: now[quantity.index()], first })
        };
        let breaks: Vec<CounterBreak> = first.map(broken).into_iter().flatten().collect();
        now = first.map_or(now, |first| [first; 3]);
        let opening = !tiles.iter().any(|t| t.window.is_some());
        let read = !matches!(step.fate, Fate::NotRead | Fate::BoxOff);
        let quality = match (read, first, gap) {
            (false, ..) => AmountQuality::Missing,
            (true, Some(_), _) => AmountQuality::CounterEvent,
            (true, None, true) => AmountQuality::Bridged,
            (true, None, false) => AmountQuality::Register,
        };
        known = if read { now } else { known };
        gap = !read;
        let mut window = states(step, read, &mut before);
        let amount = |quantity: Quantity| Amount { register: known[quantity.index()], quality };
        window.energy = amount(Quantity::Energy);
        window.parts = amount(Quantity::Parts);
        window.good_parts = amount(Quantity::GoodParts);
        (window.reads_expected, window.reads_good) = (10, if read { 10 } else { 3 });
        (window.sessions, window.changed) = (1, 1);
        let off = step.fate == Fate::BoxOff;
        tiles.push(Tile {
            from,
            window: (!off).then_some((window, breaks)),
            counted: step.fate != Fate::Late,
            opening: opening && !off,
        });
    }
    tiles
}

/// States, flags and fault entries of a window; `before` is the leaf it began after, if that was seen.
fn states(step: &Step, read: bool, before: &mut Option<usize>) -> MachineWindow {
    let mut window = MachineWindow::default();
    if !read {
        window.states_ms[0] = 900_000;
        *before = None;
        return window;
    }
    for (leaf, ms) in [(step.leaf, step.leaf_ms), (step.rest, 900_000 - step.leaf_ms)] {
        if ms > 0 {
            window.states_ms[leaf] += ms;
            window.fault_count += u32::from(leaf == Leaf::Fault.index() && *before != Some(leaf));
            *before = Some(leaf);
        }
    }
    window.spindle_ms = window.states_ms[Leaf::Producing.index()];
    window.cutting_ms = window.spindle_ms / 2;
    window
}

/// Every window as two of half its length; for stories in which everything was read.
pub(crate) fn halved(tiles: &[Tile], story: &[Step]) -> Vec<Tile> {
    let mut before = None;
    let mut halves = Vec::new();
    for (tile, step) in tiles.iter().zip(story) {
        let (window, _) = tile.window.as_ref().unwrap();
        let at = step.leaf_ms.min(450_000);
        let pieces = [[(step.leaf, at), (step.rest, 450_000 - at)], {
            let late = step.leaf_ms - at;
            [(step.leaf, late), (step.rest, 450_000 - late)]
        }];
        for (from, (piece, last)) in
            [tile.from, tile.from + 450].into_iter().zip(pieces.into_iter().zip([false, true]))
        {
            let mut half = MachineWindow::default();
            for (leaf, ms) in piece.into_iter().filter(|(_, ms)| *ms > 0) {
                half.states_ms[leaf] += ms;
                half.fault_count += u32::from(leaf == Leaf::Fault.index() && before != Some(leaf));
                before = Some(leaf);
            }
            let flags = [half.states_ms[Leaf::Producing.index()], window.cutting_ms];
            half.spindle_ms = flags[0];
            half.cutting_ms = if last { flags[1] / 2 } else { flags[1] - flags[1] / 2 };
            // Parts are completed and energy is counted in the second half only.
            let early = |amount: Amount, added: u32| Amount {
                register: amount.register - i64::from(added),
                ..amount
            };
            let (good, all) = (step.parts - step.scrap, step.parts);
            half.energy = if last { window.energy } else { early(window.energy, step.energy) };
            half.parts = if last { window.parts } else { early(window.parts, all) };
            half.good_parts = if last { window.good_parts } else { early(window.good_parts, good) };
            (half.reads_expected, half.reads_good, half.sessions, half.changed) = (5, 5, 1, 1);
            halves.push(Tile {
                from,
                window: Some((half, vec![])),
                counted: true,
                opening: tile.opening && !last,
            });
        }
    }
    halves
}

pub(crate) fn period(steps: usize) -> Period {
    Period { from: START, to: START + STEP * i64::try_from(steps).unwrap() }
}

pub(crate) fn cuts(step_s: u32, period: Period) -> Cuts {
    Cuts::new(step_s, 480, &[period, Period { from: CHANGE, to: CHANGE + STEP }]).unwrap()
}

pub(crate) fn total<'a>(
    cuts: &Cuts,
    calendar: &Calendar,
    tiles: impl IntoIterator<Item = &'a Tile>,
) -> MachineTotals {
    let mut totals = MachineTotals::new(MEASURED);
    for tile in tiles {
        match &tile.window {
            Some((window, breaks)) => {
                let standing = Standing { counted: tile.counted, opening: tile.opening };
                totals.window(cuts, calendar, tile.from, window, breaks, standing).unwrap();
            }
            None => totals.hole(cuts, Hole::Down, tile.from, tile.from + STEP).unwrap(),
        }
    }
    totals
}

/// A night shift 22:00–02:00 and an early shift 03:00–06:00, maintenance from 23:00 to 23:30, two orders.
pub(crate) fn planned() -> Calendar {
    let every = vec![
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
    ];
    let shift = |name: &str, from: &str, to: &str| Shift {
        name: name.into(),
        weekdays: every.clone(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
    };
    let order = |id: &str, from: i64, to: i64| Order {
        machine: "m".into(),
        id: id.into(),
        from: Moment(START + from * STEP),
        to: Moment(START + to * STEP),
    };
    let plan = Plan {
        name: "夜间".into(),
        patterns: vec![Pattern {
            name: "全厂".into(),
            machines: vec![],
            statutory: Statutory::Worked,
            shifts: vec![shift("夜班", "22:00", "02:00"), shift("早班", "03:00", "06:00")],
        }],
        days: vec![],
        complete_years: Vec::new(),
        maintenance: vec![Maintenance {
            machine: None,
            from: Moment(START + 8 * STEP),
            to: Moment(START + 10 * STEP),
        }],
        always_order: false,
        orders: vec![order("A", 3, 15), order("B", 17, 30)],
    };
    let version = Version { effective_from: None, signed_at: Moment(0), plan };
    let grid = Grid::new(450, 480).unwrap();
    let planning = Planning { grid, machines: &["m"], versions: &[version], holidays: &[] };
    planning.build().unwrap().first_planned.of("m").unwrap().clone()
}

pub(crate) fn calendar() -> impl Strategy<Value = Calendar> {
    prop_oneof![Just(Calendar::Always), Just(planned())]
}

/// Planned 100 s, from 23:15 on 120 s; theoretical 90 s.
pub(crate) fn cycles() -> Cycles {
    let entry = |kind, from, seconds: &str| CycleEntry {
        machine: "m".into(),
        kind,
        product: None,
        from,
        seconds_per_part: seconds.into(),
    };
    let entries = [
        entry(CycleKind::Planned, 0, "100"),
        entry(CycleKind::Planned, CHANGE, "120"),
        entry(CycleKind::Theoretical, 0, "90"),
    ];
    Cycles::of("m", &entries, Grid::new(450, 480).unwrap()).unwrap()
}

pub(crate) fn figures(
    cuts: &Cuts,
    calendar: &Calendar,
    period: Period,
    totals: &[&MachineTotals],
) -> Vec<Kpi> {
    figures_with(cuts, calendar, period, totals, Some(&cycles()))
}

pub(crate) fn figures_with(
    cuts: &Cuts,
    calendar: &Calendar,
    period: Period,
    totals: &[&MachineTotals],
    cycles: Option<&Cycles>,
) -> Vec<Kpi> {
    let subject =
        |totals| Subject { id: "m", totals, digital: true, feeds: FEEDS, mapping: "00", calendar, cycles };
    let subjects: Vec<Subject<'_>> = totals.iter().copied().map(subject).collect();
    kpis(Scope { period, cuts, statements: None, good_condition: None }, &subjects)
}

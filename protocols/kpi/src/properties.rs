//! What must hold for any evidence at all: a gap never helps, the truth lies inside the interval, and it does
//! not matter how the windows were split, merged or interleaved. The evidence is made by a small honest agent
//! that knows the true counters, reads them or fails to, is switched off and on, and meets counter resets.

use crate::chain::CounterBreak;
use crate::figure::{Feeds, StateFrom};
use crate::totals::{Hole, MachineTotals, Standing};
use crate::{
    Amount, AmountQuality, Better, Calendar, Cuts, Figure, Kpi, KpiId, Leaf, MachineWindow, Period, Quantity,
    Rational, Scope, Subject, kpis,
};
use proptest::prelude::*;

const STEP: i64 = 900;
/// 21:00 at +08:00, so that midnight falls after twelve windows.
const START: i64 = 13 * 3600;
const CALENDAR: Calendar = Calendar::Always;
const FEEDS: Feeds =
    Feeds { state: StateFrom::Controller, parts: true, power_meter: false, spindle: true, cutting: true };

/// What truly happens in one step, and what the agent makes of it.
#[derive(Clone, Debug)]
struct Step {
    leaf: usize,
    leaf_ms: u32,
    energy: u32,
    parts: u32,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Read,
    NotRead,
    BoxOff,
    Reset,
    Exchanged,
    Late,
}

/// A signed tile as it lies in the log.
#[derive(Clone, Debug)]
struct Tile {
    from: i64,
    window: Option<(MachineWindow, Vec<CounterBreak>)>,
    counted: bool,
    opening: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        12 => Just(Fate::Read),
        2 => Just(Fate::NotRead),
        2 => Just(Fate::BoxOff),
        1 => Just(Fate::Reset),
        1 => Just(Fate::Exchanged),
        1 => Just(Fate::Late),
    ];
    (0usize..9, 0..=900_000u32, 0..5_000u32, 0..4u32, fate)
        .prop_map(|(leaf, leaf_ms, energy, parts, fate)| Step { leaf, leaf_ms, energy, parts, fate })
}

fn story() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

/// The honest agent: one counter for energy and one for parts, both reset or exchanged together.
fn sign(story: &[Step]) -> Vec<Tile> {
    let (mut energy, mut parts, mut known, mut gap) = (5_000i64, 100i64, (0i64, 0i64), false);
    let mut tiles: Vec<Tile> = Vec::new();
    for (from, step) in (START..).step_by(900).zip(story) {
        let mut breaks = Vec::new();
        let first = match step.fate {
            Fate::Reset => Some(0),
            Fate::Exchanged => Some(1_000_000),
            _ => None,
        };
        energy += i64::from(step.energy);
        parts += i64::from(step.parts);
        if let Some(first) = first {
            breaks.push(CounterBreak { quantity: Quantity::Energy, last: energy, first });
            breaks.push(CounterBreak { quantity: Quantity::Parts, last: parts, first });
            (energy, parts) = (first, first);
        }
        let opening = !tiles.iter().any(|t| t.window.is_some());
        let read = !matches!(step.fate, Fate::NotRead | Fate::BoxOff);
        let quality = match (read, first, gap) {
            (false, ..) => AmountQuality::Missing,
            (true, Some(_), _) => AmountQuality::CounterEvent,
            (true, None, true) => AmountQuality::Bridged,
            (true, None, false) => AmountQuality::Register,
        };
        if read {
            known = (energy, parts);
        }
        gap = !read;
        let mut window = MachineWindow::default();
        window.states_ms[step.leaf] += step.leaf_ms;
        window.states_ms[0] += 900_000 - step.leaf_ms;
        window.energy = Amount { register: known.0, quality };
        window.parts = Amount { register: known.1, quality };
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

fn period(steps: usize) -> Period {
    Period { from: START, to: START + STEP * i64::try_from(steps).unwrap() }
}

fn cuts(period: Period) -> Cuts {
    Cuts::new(900, 480, &[period]).unwrap()
}

fn total<'a>(cuts: &Cuts, tiles: impl IntoIterator<Item = &'a Tile>) -> MachineTotals {
    let mut totals = MachineTotals::new([true, true, false]);
    for tile in tiles {
        match &tile.window {
            Some((window, breaks)) => {
                let standing = Standing { counted: tile.counted, opening: tile.opening };
                totals.window(cuts, &CALENDAR, tile.from, window, breaks, standing).unwrap();
            }
            None => totals.hole(cuts, Hole::Down, tile.from, tile.from + STEP).unwrap(),
        }
    }
    totals
}

fn figures(cuts: &Cuts, period: Period, totals: &[&MachineTotals]) -> Vec<Kpi> {
    let subjects: Vec<Subject<'_>> = totals
        .iter()
        .map(|totals| Subject {
            id: "m",
            totals,
            digital: true,
            feeds: FEEDS,
            mapping: "00",
            calendar: &CALENDAR,
            cycles: None,
        })
        .collect();
    kpis(Scope { period, cuts, statements: None, good_condition: None }, &subjects)
}

/// Whether the worse bound of `with_less` is no better than that of `with_all`.
fn not_improved(with_all: &Kpi, with_less: &Kpi) -> bool {
    let (Figure::Interval { lower, upper }, Figure::Interval { lower: less_lower, upper: less_upper }) =
        (&with_all.value, &with_less.value)
    else {
        // Without a value there was no verdict to improve, and none may vanish.
        return matches!(with_all.value, Figure::Undefined { .. });
    };
    match with_all.better {
        Better::Higher => less_lower <= lower,
        Better::Lower => match (upper, less_upper) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(all), Some(less)) => less >= all,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn leaving_windows_out_never_improves_the_worse_bound(
        story in story(), dropped in prop::collection::vec(prop::bool::weighted(0.2), 40),
    ) {
        let period = period(story.len());
        let cuts = cuts(period);
        let tiles = sign(&story);
        let all = total(&cuts, &tiles);
        let less = total(&cuts, tiles.iter().zip(&dropped).filter(|(_, d)| !**d).map(|(t, _)| t));
        let days: Vec<Period> = cuts.cells(period).collect();
        for over in days.into_iter().chain([period]) {
            for (with_all, with_less) in figures(&cuts, over, &[&all]).iter().zip(&figures(&cuts, over, &[&less])) {
                prop_assert!(not_improved(with_all, with_less), "{:?}\n{:?}", with_all, with_less);
            }
        }
    }

    #[test]
    fn the_true_amount_lies_inside_the_interval(story in story()) {
        let period = period(story.len());
        let cuts = cuts(period);
        let tiles = sign(&story);
        let totals = total(&cuts, &tiles);
        // Sums start at the end of the opening window.
        let opening = tiles.iter().position(|t| t.opening);
        for over in cuts.cells(period).chain([period]) {
            let inside = tiles.iter().zip(&story).enumerate().filter(|(i, (tile, _))| {
                over.from <= tile.from && tile.from < over.to && Some(*i) != opening
            });
            let truth: u128 = inside.map(|(_, (_, step))| u128::from(step.energy)).sum();
            let bounds = totals.amount(&cuts, Quantity::Energy, over);
            prop_assert!(bounds.lower <= truth, "{} > {}", bounds.lower, truth);
            if let Some(upper) = bounds.upper {
                prop_assert!(truth <= upper, "{} > {}", truth, upper);
            }
        }
    }

    #[test]
    fn totals_of_two_halves_append_to_the_totals_of_the_whole(story in story(), cut in 0usize..40) {
        let cuts = cuts(period(story.len()));
        let tiles = sign(&story);
        let (head, tail) = tiles.split_at(cut.min(tiles.len()));
        let mut both = total(&cuts, head);
        both.append(&cuts, &CALENDAR, total(&cuts, tail)).unwrap();
        prop_assert_eq!(both, total(&cuts, &tiles));
    }

    #[test]
    fn halves_append_the_same_when_windows_were_left_out(
        story in story(), cut in 0usize..40, dropped in prop::collection::vec(prop::bool::weighted(0.2), 40),
    ) {
        let cuts = cuts(period(story.len()));
        let tiles: Vec<Tile> =
            sign(&story).into_iter().zip(dropped).filter(|(_, d)| !d).map(|(t, _)| t).collect();
        let (head, tail) = tiles.split_at(cut.min(tiles.len()));
        let mut both = total(&cuts, head);
        both.append(&cuts, &CALENDAR, total(&cuts, tail)).unwrap();
        prop_assert_eq!(both, total(&cuts, &tiles));
    }

    #[test]
    fn a_window_added_twice_is_refused_and_changes_nothing(story in story(), again in 0usize..40) {
        let cuts = cuts(period(story.len()));
        let tiles = sign(&story);
        let mut totals = total(&cuts, &tiles);
        let before = totals.clone();
        let tile = &tiles[again % tiles.len()];
        let refused = match &tile.window {
            Some((window, breaks)) => {
                let standing = Standing { counted: true, opening: tile.opening };
                totals.window(&cuts, &CALENDAR, tile.from, window, breaks, standing).is_err()
            }
            None => totals.hole(&cuts, Hole::Down, tile.from, tile.from + STEP).is_err(),
        };
        prop_assert!(refused);
        prop_assert_eq!(totals, before);
    }

    #[test]
    fn days_sum_to_the_period_in_times_and_enclose_it_in_amounts(story in story()) {
        let period = period(story.len());
        let cuts = cuts(period);
        let totals = total(&cuts, &sign(&story));
        let mut times = crate::Times::default();
        let (mut lower, mut upper) = (0, Some(0));
        for day in cuts.cells(period) {
            times += totals.times(&cuts, &CALENDAR, day);
            let amount = totals.amount(&cuts, Quantity::Energy, day);
            lower += amount.lower;
            upper = upper.zip(amount.upper).map(|(a, b)| a + b);
        }
        prop_assert_eq!(times, totals.times(&cuts, &CALENDAR, period));
        let whole = totals.amount(&cuts, Quantity::Energy, period);
        prop_assert!(lower <= whole.lower);
        prop_assert!(upper.is_none_or(|sum| whole.upper.is_some_and(|upper| upper <= sum)));
    }

    #[test]
    fn the_order_of_machines_changes_no_figure(a in story(), b in story()) {
        let period = period(a.len().max(b.len()));
        let cuts = cuts(period);
        let (a, b) = (total(&cuts, &sign(&a)), total(&cuts, &sign(&b)));
        prop_assert_eq!(figures(&cuts, period, &[&a, &b]), figures(&cuts, period, &[&b, &a]));
    }

    #[test]
    fn states_and_unknown_time_fill_the_period(story in story()) {
        let period = period(story.len());
        let cuts = cuts(period);
        let t = total(&cuts, &sign(&story)).times(&cuts, &CALENDAR, period);
        prop_assert_eq!(t.calendar_ms, period.ms());
        prop_assert_eq!(t.pbt_ms, t.aubt_ms() + t.adot_ms + t.unknown_ms);
    }
}

fn value(kpis: &[Kpi], id: KpiId) -> Figure {
    kpis.iter().find(|k| k.id == id).unwrap().value.clone()
}

/// Four windows that each produce 3 parts for 2 kWh, with one window not read in the middle.
#[test]
fn energy_per_part_bridges_a_gap_exactly() {
    let step = |fate| Step { leaf: Leaf::Producing.index(), leaf_ms: 900_000, energy: 2_000, parts: 3, fate };
    let story = [step(Fate::Read), step(Fate::Read), step(Fate::NotRead), step(Fate::Read)];
    let period = period(4);
    let cuts = cuts(period);
    let totals = total(&cuts, &sign(&story));
    let kpis = figures(&cuts, period, &[&totals]);
    let point = |n, d| {
        let value = Rational::ratio(n, d).unwrap();
        Figure::Interval { lower: value.clone(), upper: Some(value) }
    };
    assert_eq!(value(&kpis, KpiId::Energy), point(6_000, 1_000_000));
    assert_eq!(value(&kpis, KpiId::EnergyPerPart), point(6_000, 9_000_000));
    assert_eq!(value(&kpis, KpiId::Availability), point(1, 1));
}

#[test]
fn nothing_produced_is_no_figure_and_no_meter_is_no_zero() {
    let idle = Step { leaf: Leaf::Idle.index(), leaf_ms: 900_000, energy: 5, parts: 0, fate: Fate::Read };
    let period = period(2);
    let cuts = cuts(period);
    let totals = total(&cuts, &sign(&[idle.clone(), idle]));
    let kpis = figures(&cuts, period, &[&totals]);
    let no_output = Figure::Undefined { reason: crate::Undefined::NoOutput };
    assert_eq!(value(&kpis, KpiId::EnergyPerPart), no_output);
    let bare = MachineTotals::new([false, false, false]);
    let kpis = figures(&cuts, period, &[&bare]);
    let not_measured = Figure::Undefined { reason: crate::Undefined::NotMeasured };
    assert_eq!(value(&kpis, KpiId::Energy), not_measured);
}

#[test]
fn a_gap_across_midnight_gives_each_day_an_interval_and_the_period_a_point() {
    let step = |fate| Step { leaf: 5, leaf_ms: 900_000, energy: 1_000, parts: 1, fate };
    // Windows 11 and 12 touch midnight; window 11 is not read.
    let story: Vec<Step> = (0..14).map(|i| step(if i == 11 { Fate::NotRead } else { Fate::Read })).collect();
    let period = period(story.len());
    let cuts = cuts(period);
    let totals = total(&cuts, &sign(&story));
    let days: Vec<Period> = cuts.cells(period).collect();
    let bounds = |over| {
        let amount = totals.amount(&cuts, Quantity::Energy, over);
        (amount.lower, amount.upper)
    };
    assert_eq!(days.len(), 2);
    assert_eq!(bounds(days[0]), (10_000, Some(12_000)));
    assert_eq!(bounds(days[1]), (1_000, Some(3_000)));
    assert_eq!(bounds(period), (13_000, Some(13_000)));
}

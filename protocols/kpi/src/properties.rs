//! What must hold for any evidence at all: a gap never helps, the truth lies inside the interval, and it does
//! not matter how windows, machines and periods were split, merged, reordered or shared out between threads. Every
//! figure of the definitions goes through these, under a calendar around the clock and under one with shifts,
//! maintenance and orders. The evidence is made by the honest agent of [`shop`].

pub(crate) mod shop;

use crate::totals::{Hole, MachineTotals, Standing};
use crate::{Better, Calendar, Figure, Kpi, KpiId, Leaf, Period, Quantity, Rational, Times};
use proptest::prelude::*;
use shop::{
    Fate, START, STEP, Step, Tile, calendar, cuts, figures, figures_with, halved, period, planned, producing,
    sign, story, total, truth,
};

const ALWAYS: Calendar = Calendar::Always;

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

/// Whether two intervals can hold the same value.
fn meet(a: &Figure, b: &Figure) -> bool {
    let (Figure::Interval { lower: a0, upper: a1 }, Figure::Interval { lower: b0, upper: b1 }) = (a, b)
    else {
        return true;
    };
    b1.as_ref().is_none_or(|b1| a0 <= b1) && a1.as_ref().is_none_or(|a1| b0 <= a1)
}

/// Of reads and connections rather than of what the machine did.
fn is_connection(id: KpiId) -> bool {
    matches!(
        id,
        KpiId::ConnectionRate
            | KpiId::ConnectionRateAll
            | KpiId::ConnectionRateDue
            | KpiId::ConnectionRateCalendar
            | KpiId::EverConnected
            | KpiId::Acquisition
    )
}

fn is_fault(id: KpiId) -> bool {
    matches!(id, KpiId::Mtbf | KpiId::Mttr)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn leaving_windows_out_never_improves_the_worse_bound(
        story in story(), calendar in calendar(), dropped in prop::collection::vec(prop::bool::weighted(0.2), 40),
    ) {
        let period = period(story.len());
        let cuts = cuts(900, period);
        let tiles = sign(&story);
        let all = total(&cuts, &calendar, &tiles);
        let kept = tiles.iter().zip(&dropped).filter(|(_, d)| !**d).map(|(t, _)| t);
        let less = total(&cuts, &calendar, kept);
        let days: Vec<Period> = cuts.cells(period).collect();
        for over in days.into_iter().chain([period]) {
            let all = figures(&cuts, &calendar, over, &[&all]);
            for (with_all, with_less) in all.iter().zip(&figures(&cuts, &calendar, over, &[&less])) {
                prop_assert!(not_improved(with_all, with_less), "{:?}\n{:?}", with_all, with_less);
            }
        }
    }

    #[test]
    fn withdrawing_a_declared_cycle_or_a_machines_windows_improves_nothing(
        a in story(), b in story(), calendar in calendar(),
    ) {
        let period = period(a.len().max(b.len()));
        let cuts = cuts(900, period);
        let (a, b) = (total(&cuts, &calendar, &sign(&a)), total(&cuts, &calendar, &sign(&b)));
        let silent = MachineTotals::new(shop::MEASURED);
        let all = figures(&cuts, &calendar, period, &[&a, &b]);
        let quiet = figures(&cuts, &calendar, period, &[&a, &silent]);
        let bare = figures_with(&cuts, &calendar, period, &[&a, &b], None);
        for ((all, quiet), bare) in all.iter().zip(&quiet).zip(&bare) {
            prop_assert!(not_improved(all, quiet), "{:?}\n{:?}", all, quiet);
            let undefined = matches!(bare.value, Figure::Undefined { .. });
            prop_assert!(undefined || bare.value == all.value, "{:?}\n{:?}", all, bare);
        }
    }

    #[test]
    fn what_truly_happened_lies_inside_every_interval(
        story in story(), calendar in calendar(), dropped in prop::collection::vec(prop::bool::weighted(0.1), 40),
    ) {
        let period = period(story.len());
        let cuts = cuts(900, period);
        let seen: Vec<Tile> =
            sign(&story).into_iter().zip(&dropped).filter(|(_, d)| !**d).map(|(t, _)| t).collect();
        let seen = total(&cuts, &calendar, &seen);
        let truth = total(&cuts, &calendar, &sign(&truth(&story)));
        for over in cuts.cells(period).chain([period]) {
            let truths = figures(&cuts, &calendar, over, &[&truth]);
            for (truth, seen) in truths.iter().zip(&figures(&cuts, &calendar, over, &[&seen])) {
                // Whether a box was off is itself what connection is about.
                if is_connection(truth.id) {
                    continue;
                }
                // Where no register bounds the parts, OEE's upper end rests on an effectiveness of at most 100 %.
                let assumed = matches!(truth.id, KpiId::Oee | KpiId::Nee | KpiId::Teep)
                    && seen.numerator.as_ref().is_none_or(|n| n.upper.is_none());
                if assumed && truth.findings.iter().any(|f| f.kind == crate::figure::FindingKind::EffectivenessAboveOne) {
                    continue;
                }
                if assumed {
                    let (Figure::Interval { upper, .. }, Figure::Interval { lower, .. }) = (&truth.value, &seen.value)
                    else { continue };
                    prop_assert!(upper.as_ref().is_none_or(|upper| lower <= upper), "{:?}\n{:?}", truth, seen);
                    continue;
                }
                prop_assert!(meet(&truth.value, &seen.value), "{:?}\n{:?}", truth, seen);
            }
        }
    }

    #[test]
    fn the_true_amount_lies_inside_the_interval(story in story()) {
        let period = period(story.len());
        let cuts = cuts(900, period);
        let tiles = sign(&story);
        let totals = total(&cuts, &ALWAYS, &tiles);
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
    fn parts_completed_in_busy_time_lie_inside_their_interval(story in story()) {
        let (period, calendar) = (period(story.len()), planned());
        let cuts = cuts(900, period);
        let tiles = sign(&story);
        let totals = total(&cuts, &calendar, &tiles);
        let opening = tiles.iter().position(|t| t.opening);
        for over in cuts.cells(period).chain([period]) {
            let inside = tiles.iter().zip(&story).enumerate().filter(|(i, (tile, _))| {
                over.from <= tile.from && tile.from < over.to && Some(*i) != opening
                    && calendar.slot(tile.from).is_busy()
            });
            let truth: u128 = inside.map(|(_, (_, step))| u128::from(step.parts)).sum();
            let bounds = totals.busy_amount(&cuts, Quantity::Parts, over);
            prop_assert!(bounds.lower <= truth, "{} > {}", bounds.lower, truth);
            if let Some(upper) = bounds.upper {
                prop_assert!(truth <= upper, "{} > {}", truth, upper);
            }
        }
    }

    #[test]
    fn totals_of_two_halves_append_to_the_totals_of_the_whole(
        story in story(), calendar in calendar(), cut in 0usize..40,
        dropped in prop::collection::vec(prop::bool::weighted(0.15), 40), whole: bool,
    ) {
        let cuts = cuts(900, period(story.len()));
        let tiles: Vec<Tile> =
            sign(&story).into_iter().zip(dropped).filter(|(_, d)| whole || !d).map(|(t, _)| t).collect();
        let (head, tail) = tiles.split_at(cut.min(tiles.len()));
        let mut both = total(&cuts, &calendar, head);
        both.append(&cuts, &calendar, total(&cuts, &calendar, tail)).unwrap();
        prop_assert_eq!(both, total(&cuts, &calendar, &tiles));
    }

    #[test]
    fn a_window_added_twice_is_refused_and_changes_nothing(story in story(), again in 0usize..40) {
        let cuts = cuts(900, period(story.len()));
        let tiles = sign(&story);
        let mut totals = total(&cuts, &ALWAYS, &tiles);
        let before = totals.clone();
        let tile = &tiles[again % tiles.len()];
        let refused = match &tile.window {
            Some((window, breaks)) => {
                let standing = Standing { counted: true, opening: tile.opening };
                totals.window(&cuts, &ALWAYS, tile.from, window, breaks, standing).is_err()
            }
            None => totals.hole(&cuts, Hole::Down, tile.from, tile.from + STEP).is_err(),
        };
        prop_assert!(refused);
        prop_assert_eq!(totals, before);
    }

    #[test]
    fn windows_of_half_the_length_give_the_same_figures(story in story(), calendar in calendar()) {
        let (story, period) = (truth(&story), period(story.len()));
        let tiles = sign(&story);
        let (coarse, fine) = (cuts(900, period), cuts(450, period));
        let whole = total(&coarse, &calendar, &tiles);
        let halves = total(&fine, &calendar, &halved(&tiles, &story));
        // An opening window of any length has no amount of its own: the first is left out of both.
        let after = Period { from: START + STEP, ..period };
        for over in [period, after] {
            if !coarse.can_answer(over) {
                continue;
            }
            let pairs = figures(&coarse, &calendar, over, &[&whole]);
            for (whole, halves) in pairs.iter().zip(&figures(&fine, &calendar, over, &[&halves])) {
                if is_connection(whole.id) {
                    continue;
                }
                if is_fault(whole.id) {
                    prop_assert!(meet(&whole.value, &halves.value), "{:?}\n{:?}", whole, halves);
                } else if !whole.numerator.as_ref().is_some_and(|n| matches!(n.unit, "pcs" | "mWh") || n.symbol.contains('×')) {
                    prop_assert_eq!(&whole.value, &halves.value);
                }
            }
        }
        let amount = |totals: &MachineTotals, cuts| totals.amount(cuts, Quantity::Energy, period).upper;
        let opening = u128::from(story[0].energy);
        prop_assert_eq!(amount(&whole, &coarse).map(|all| all + opening), amount(&halves, &fine));
    }

    #[test]
    fn days_and_machines_sum_to_the_whole(a in story(), b in story(), calendar in calendar()) {
        let period = period(a.len().max(b.len()));
        let cuts = cuts(900, period);
        let (a, b) = (total(&cuts, &calendar, &sign(&a)), total(&cuts, &calendar, &sign(&b)));
        let times = |of: &MachineTotals, over| of.times(&cuts, &calendar, over);
        let mut by_day = Times::default();
        for day in cuts.cells(period) {
            by_day += times(&a, day);
        }
        prop_assert_eq!(by_day, times(&a, period));
        let whole = figures(&cuts, &calendar, period, &[&a, &b]);
        let (one, other) =
            (figures(&cuts, &calendar, period, &[&a]), figures(&cuts, &calendar, period, &[&b]));
        for ((whole, one), other) in whole.iter().zip(&one).zip(&other) {
            // Unknown time of either machine opens the bounds of the means of faults.
            if is_fault(whole.id) || is_connection(whole.id) {
                continue;
            }
            for term in [|k: &Kpi| k.numerator.clone(), |k: &Kpi| k.denominator.clone()] {
                let (Some(whole), Some(one), Some(other)) = (term(whole), term(one), term(other)) else { continue };
                prop_assert_eq!(&whole.lower, &(one.lower + other.lower));
                let upper = one.upper.zip(other.upper).map(|(a, b)| a + b);
                prop_assert_eq!(&whole.upper, &upper);
            }
        }
    }

    #[test]
    fn amounts_of_days_enclose_that_of_the_period(story in story()) {
        let period = period(story.len());
        let cuts = cuts(900, period);
        let totals = total(&cuts, &ALWAYS, &sign(&story));
        let (mut lower, mut upper) = (0, Some(0));
        for day in cuts.cells(period) {
            let amount = totals.amount(&cuts, Quantity::Energy, day);
            lower += amount.lower;
            upper = upper.zip(amount.upper).map(|(a, b)| a + b);
        }
        let whole = totals.amount(&cuts, Quantity::Energy, period);
        prop_assert!(lower <= whole.lower);
        prop_assert!(upper.is_none_or(|sum| whole.upper.is_some_and(|upper| upper <= sum)));
    }

    #[test]
    fn the_order_of_machines_and_the_number_of_threads_change_no_figure(
        a in story(), b in story(), calendar in calendar(), cut in 0usize..40,
    ) {
        let period = period(a.len().max(b.len()));
        let cuts = cuts(900, period);
        let (a, b) = (sign(&a), sign(&b));
        let on_one = (total(&cuts, &calendar, &a), total(&cuts, &calendar, &b));
        let (head, tail) = a.split_at(cut.min(a.len()));
        // Two machines on two threads, and one of them in two halves of time.
        let on_two = std::thread::scope(|scope| {
            let of_b = scope.spawn(|| total(&cuts, &calendar, &b));
            let late = scope.spawn(|| total(&cuts, &calendar, tail));
            let mut of_a = total(&cuts, &calendar, head);
            of_a.append(&cuts, &calendar, late.join().unwrap()).unwrap();
            (of_a, of_b.join().unwrap())
        });
        let json = |kpis: Vec<Kpi>| serde_json::to_string(&kpis).unwrap();
        let want = json(figures(&cuts, &calendar, period, &[&on_one.0, &on_one.1]));
        prop_assert_eq!(&want, &json(figures(&cuts, &calendar, period, &[&on_two.0, &on_two.1])));
        prop_assert_eq!(&want, &json(figures(&cuts, &calendar, period, &[&on_two.1, &on_two.0])));
    }

    #[test]
    fn leaf_states_and_unknown_time_fill_the_period(story in story(), calendar in calendar()) {
        let period = period(story.len());
        let cuts = cuts(900, period);
        let totals = total(&cuts, &calendar, &sign(&story));
        let t = totals.times(&cuts, &calendar, period);
        let leaves: u64 = totals.cells().map(|(_, c)| c.states_ms.iter().flatten().sum::<u64>()).sum();
        let counted: u64 = totals.cells().map(|(_, c)| c.counted_ms).sum();
        prop_assert_eq!(leaves, counted);
        prop_assert_eq!(t.calendar_ms, period.ms());
        prop_assert_eq!(t.pbt_ms, t.aubt_ms() + t.adot_ms + t.unknown_ms);
        prop_assert!(t.pbt_ms <= t.pot_ms && t.pot_ms <= t.calendar_ms);
    }

    #[test]
    fn where_everything_is_known_the_identities_of_the_figures_hold(story in story(), calendar in calendar()) {
        let (story, period) = (truth(&story), period(story.len()));
        let cuts = cuts(900, period);
        let totals = total(&cuts, &calendar, &sign(&story));
        let t = totals.times(&cuts, &calendar, period);
        let kpis = figures(&cuts, &calendar, period, &[&totals]);
        let point = |id| value(&kpis, id).point().cloned();
        let product = |a: Option<Rational>, b: Option<Rational>| Some(a? * b?);
        if t.aubt_ms() > 0 {
            prop_assert_eq!(point(KpiId::Availability), product(point(KpiId::Utilization), point(KpiId::Allocation)));
        }
        prop_assert_eq!(point(KpiId::Availability), point(KpiId::ShopAvailability));
        if t.apt_ms > 0 {
            let setup = Rational::ratio(t.aupt_ms(), t.apt_ms);
            prop_assert_eq!(point(KpiId::Nee), product(point(KpiId::Oee), setup));
            // OEE = availability × effectiveness × quality, while one cycle holds and parts were made.
            let oee = product(product(point(KpiId::Availability), point(KpiId::Effectiveness)), point(KpiId::Quality));
            if story.len() <= 9 && point(KpiId::Quality).is_some() {
                prop_assert_eq!(point(KpiId::Oee), oee);
                let cycle = Rational::integer(100_000);
                let good = totals.busy_amount(&cuts, Quantity::GoodParts, period).lower;
                prop_assert_eq!(point(KpiId::Oee), product(Rational::ratio(good, t.pbt_ms), Some(cycle)));
            }
        }
        if t.pbt_ms > 0 {
            let whole = Rational::ratio(t.pbt_ms, t.calendar_ms);
            prop_assert_eq!(point(KpiId::Teep), product(point(KpiId::Oee), whole));
        }
    }
}

fn value(kpis: &[Kpi], id: KpiId) -> Figure {
    kpis.iter().find(|k| k.id == id).unwrap().value.clone()
}

fn interval(lower: (u64, u64), upper: (u64, u64)) -> Figure {
    let ratio = |(n, d)| Rational::ratio(n, d).unwrap();
    Figure::Interval { lower: ratio(lower), upper: Some(ratio(upper)) }
}

/// Four windows that each produce 3 parts for 2 kWh, with one window not read in the middle.
#[test]
fn energy_per_part_bridges_a_gap_exactly() {
    let story = [Fate::Read, Fate::Read, Fate::NotRead, Fate::Read].map(|fate| producing(2_000, 3, fate));
    let period = period(4);
    let cuts = cuts(900, period);
    let totals = total(&cuts, &ALWAYS, &sign(&story));
    let kpis = figures(&cuts, &ALWAYS, period, &[&totals]);
    let point = |n, d| interval((n, d), (n, d));
    assert_eq!(value(&kpis, KpiId::Energy), point(6_000, 1_000_000));
    assert_eq!(value(&kpis, KpiId::EnergyPerPart), point(6_000, 9_000_000));
    assert_eq!(value(&kpis, KpiId::Availability), interval((3, 4), (1, 1)));
    // Nine parts at 100 s: a point although a quarter of the hour is unknown.
    assert_eq!(value(&kpis, KpiId::Oee), point(900, 3600));
    // At most 45 min + 15 min of production: at least 900/3600; with known production only, at most 900/2700.
    assert_eq!(value(&kpis, KpiId::Effectiveness), interval((900, 3600), (900, 2700)));
}

#[test]
fn nothing_produced_is_no_figure_and_no_meter_is_no_zero() {
    let idle = Step { leaf: Leaf::Idle.index(), rest: Leaf::Idle.index(), ..producing(5, 0, Fate::Read) };
    let period = period(2);
    let cuts = cuts(900, period);
    let totals = total(&cuts, &ALWAYS, &sign(&[idle.clone(), idle]));
    let kpis = figures(&cuts, &ALWAYS, period, &[&totals]);
    let no = |reason| Figure::Undefined { reason };
    for id in [KpiId::EnergyPerPart, KpiId::ComprehensiveEnergy, KpiId::Quality] {
        assert_eq!(value(&kpis, id), no(crate::Undefined::NoOutput), "{id:?}");
    }
    assert_eq!(value(&kpis, KpiId::Effectiveness), no(crate::Undefined::NoTime));
    assert_eq!(value(&kpis, KpiId::Oee), interval((0, 1), (0, 1)), "an hour of nothing is a true zero");
    assert_eq!(value(&kpis, KpiId::Mtbf), no(crate::Undefined::TooFewFaults));
    assert_eq!(value(&kpis, KpiId::Throughput), no(crate::Undefined::NoOrders));
    assert_eq!(value(&kpis, KpiId::GoodCondition), no(crate::Undefined::NotDeclared));
    let bare = MachineTotals::new([false, false, false]);
    let kpis = figures(&cuts, &ALWAYS, period, &[&bare]);
    for id in [KpiId::Energy, KpiId::Oee, KpiId::Quality, KpiId::Effectiveness, KpiId::Throughput] {
        assert_eq!(value(&kpis, id), no(crate::Undefined::NotMeasured), "{id:?}");
    }
}

#[test]
fn a_gap_across_midnight_gives_each_day_an_interval_and_the_period_a_point() {
    // Windows 11 and 12 touch midnight; window 11 is not read.
    let story: Vec<Step> =
        (0..14).map(|i| producing(1_000, 1, if i == 11 { Fate::NotRead } else { Fate::Read })).collect();
    let period = period(story.len());
    let cuts = crate::Cuts::new(900, 480, &[period]).unwrap();
    let totals = total(&cuts, &ALWAYS, &sign(&story));
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

/// Rollover or reset to zero, and an exchanged counter, in the middle of a period, cost no exactness.
#[test]
fn a_counter_that_breaks_in_mid_period_leaves_the_figures_points() {
    for fate in [Fate::Reset, Fate::Exchanged] {
        let story = [Fate::Read, Fate::Read, fate, Fate::Read].map(|fate| producing(2_000, 3, fate));
        let period = period(4);
        let cuts = cuts(900, period);
        let kpis = figures(&cuts, &ALWAYS, period, &[&total(&cuts, &ALWAYS, &sign(&story))]);
        assert_eq!(value(&kpis, KpiId::Energy), interval((6_000, 1_000_000), (6_000, 1_000_000)), "{fate:?}");
        assert_eq!(value(&kpis, KpiId::Oee), interval((900, 3600), (900, 3600)), "{fate:?}");
        assert_eq!(value(&kpis, KpiId::Quality), interval((1, 1), (1, 1)), "{fate:?}");
    }
}

//! Figures end to end from signed windows: classes, findings, refusals and the values of each family by hand.

use super::*;
use crate::cycle::{CycleEntry, CycleKind};
use crate::figure::StateFrom;
use crate::properties::shop::{
    FEEDS, Fate, MEASURED, START, STEP, Step, cuts, cycles, figures, figures_with, period, planned,
    producing, sign, total,
};
use crate::{Better, Leaf, Unit};

const ALWAYS: Calendar = Calendar::Always;

fn in_leaf(leaf: Leaf, ms: u32, rest: Leaf) -> Step {
    Step { leaf: leaf.index(), leaf_ms: ms, rest: rest.index(), ..producing(0, 0, Fate::Read) }
}

fn of(story: &[Step], calendar: &Calendar) -> Vec<Kpi> {
    let period = period(story.len());
    let cuts = cuts(900, period);
    figures(&cuts, calendar, period, &[&total(&cuts, calendar, &sign(story))])
}

fn find(kpis: &[Kpi], id: KpiId) -> &Kpi {
    kpis.iter().find(|k| k.id == id).unwrap()
}

fn interval(lower: (u64, u64), upper: (u64, u64)) -> Figure {
    let ratio = |(n, d)| Rational::ratio(n, d).unwrap();
    Figure::Interval { lower: ratio(lower), upper: Some(ratio(upper)) }
}

fn point(n: u64, d: u64) -> Figure {
    interval((n, d), (n, d))
}

fn kinds(kpi: &Kpi) -> Vec<FindingKind> {
    kpi.findings.iter().map(|f| f.kind).collect()
}

#[test]
fn the_evidence_class_follows_from_the_points_that_feed_the_state() {
    use EvidenceClass::{A, B, C, D};
    let table = [
        (StateFrom::Controller, true, true, A),
        (StateFrom::Controller, true, false, B),
        (StateFrom::Controller, false, true, B),
        (StateFrom::Inference, true, true, C),
        (StateFrom::Declaration, true, true, D),
    ];
    for (state, parts, power_meter, class) in table {
        assert_eq!(Feeds { state, parts, power_meter, ..FEEDS }.class(), class);
    }
    // The worst machine decides; a register is a class of its own, orders are somebody's word.
    let kpis = {
        let (period, calendar) = (period(12), planned());
        let cuts = cuts(900, period);
        let totals = total(&cuts, &calendar, &sign(&vec![producing(1, 1, Fate::Read); 12]));
        let declared = cycles();
        let subject = |id, feeds| Subject {
            id,
            totals: &totals,
            digital: true,
            feeds,
            mapping: "00",
            calendar: &calendar,
            cycles: Some(&declared),
        };
        let best = Feeds { power_meter: true, ..FEEDS };
        let inferred = Feeds { state: StateFrom::Inference, ..FEEDS };
        let scope = Scope { period, cuts: &cuts, statements: None, good_condition: None };
        [kpis(scope, &[subject("a", best)]), kpis(scope, &[subject("a", best), subject("b", inferred)])]
    };
    let class = |at: usize, id| find(&kpis[at], id).class;
    assert_eq!(
        [KpiId::Availability, KpiId::Oee, KpiId::Energy, KpiId::Throughput].map(|id| class(0, id)),
        [A, B, B, D]
    );
    assert_eq!(
        [KpiId::Availability, KpiId::Oee, KpiId::Energy, KpiId::Throughput].map(|id| class(1, id)),
        [C, C, B, D]
    );
}

#[test]
fn effectiveness_over_a_hundred_percent_is_a_finding_on_its_lower_bound_and_is_never_clipped() {
    // 9 parts at 100 s in 15 minutes of production after the opening window: exactly 100 % of one window of two.
    let full = of(&[producing(0, 0, Fate::Read), producing(0, 18, Fate::Read)], &ALWAYS);
    assert_eq!(find(&full, KpiId::Effectiveness).value, point(1, 1));
    assert_eq!(kinds(find(&full, KpiId::Effectiveness)), []);
    let over = of(&[producing(0, 0, Fate::Read), producing(0, 19, Fate::Read)], &ALWAYS);
    assert_eq!(find(&over, KpiId::Effectiveness).value, point(19, 18));
    assert_eq!(kinds(find(&over, KpiId::Effectiveness)), [FindingKind::EffectivenessAboveOne]);
    assert_eq!(find(&over, KpiId::Oee).value, point(19, 18));
    // An idle half could have been production, had it not been seen: with it unknown the lower bound stays below.
    let story = [producing(0, 0, Fate::Read), producing(0, 0, Fate::NotRead), producing(0, 19, Fate::Read)];
    let open = of(&story, &ALWAYS);
    assert_eq!(find(&open, KpiId::Effectiveness).value, interval((1900, 2700), (1900, 1800)));
    assert_eq!(kinds(find(&open, KpiId::Effectiveness)), []);
    // 理论节拍 is another input: 90 s.
    assert_eq!(find(&over, KpiId::Performance).value, point(19 * 90, 1800));
}

#[test]
fn more_good_parts_than_parts_is_a_finding_and_is_not_clipped() {
    let mut tiles = sign(&[producing(0, 2, Fate::Read), producing(0, 2, Fate::Read)]);
    tiles[1].window.as_mut().unwrap().0.good_parts.register += 1;
    let period = period(2);
    let cuts = cuts(900, period);
    let kpis = figures(&cuts, &ALWAYS, period, &[&total(&cuts, &ALWAYS, &tiles)]);
    assert_eq!(find(&kpis, KpiId::Quality).value, point(3, 2));
    assert_eq!(kinds(find(&kpis, KpiId::Quality)), [FindingKind::MoreGoodThanParts]);
}

#[test]
fn a_machine_without_a_cycle_or_a_cut_leaves_no_figure_and_is_named() {
    let period = period(4);
    let cuts = cuts(900, period);
    let totals = total(&cuts, &ALWAYS, &sign(&vec![producing(0, 1, Fate::Read); 4]));
    let entry = |from: i64| CycleEntry {
        machine: "m".into(),
        kind: CycleKind::Planned,
        product: None,
        from,
        seconds_per_part: "100".into(),
    };
    let declared = |entries: &[CycleEntry]| Cycles::of("m", entries, cuts.grid()).unwrap();
    let with = |cycles: &Cycles| figures_with(&cuts, &ALWAYS, period, &[&totals], Some(cycles));
    let late = with(&declared(&[entry(START + STEP)]));
    assert_eq!(find(&late, KpiId::Oee).value, Figure::Undefined { reason: Undefined::NoCycle });
    let named = Finding { machine: Some("m".into()), kind: FindingKind::CycleMissing };
    assert_eq!(find(&late, KpiId::Oee).findings, [named]);
    let other = CycleEntry { seconds_per_part: "90".into(), ..entry(START + STEP) };
    let uncut = with(&declared(&[entry(0), other]));
    assert_eq!(find(&uncut, KpiId::Oee).value, Figure::Undefined { reason: Undefined::NoCut });
    assert_eq!(kinds(find(&uncut, KpiId::Oee)), []);
    let planned_only = with(&declared(&[entry(0)]));
    assert_eq!(find(&planned_only, KpiId::Oee).value, point(300, 3600));
    assert_eq!(
        find(&planned_only, KpiId::Performance).value,
        Figure::Undefined { reason: Undefined::NoCycle }
    );
}

#[test]
fn a_figure_is_provisional_above_five_percent_of_unknown_busy_time() {
    let unknown = |ms| {
        let mut tiles = sign(&[producing(0, 0, Fate::Read)]);
        let states = &mut tiles[0].window.as_mut().unwrap().0.states_ms;
        (states[0], states[5]) = (ms, 900_000 - ms);
        let period = period(1);
        let cuts = cuts(900, period);
        find(&figures(&cuts, &ALWAYS, period, &[&total(&cuts, &ALWAYS, &tiles)]), KpiId::Availability).clone()
    };
    assert!(!unknown(45_000).provisional);
    let over = unknown(45_001);
    assert!(over.provisional);
    assert_eq!(over.coverage, Rational::ratio(854_999, 900_000).unwrap());
}

#[test]
fn without_a_register_bound_oee_leaves_the_uncovered_time_open() {
    // One window of four is not signed: 2 parts are known over 30 minutes of an hour (the opening window has none).
    let tiles = sign(&vec![producing(0, 1, Fate::Read); 4]);
    let period = period(4);
    let cuts = cuts(900, period);
    let kept = tiles.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, t)| t);
    let kpis = figures(&cuts, &ALWAYS, period, &[&total(&cuts, &ALWAYS, kept)]);
    assert_eq!(find(&kpis, KpiId::Oee).value, interval((100, 3600), (100 + 2700, 3600)));
    assert_eq!(find(&kpis, KpiId::Teep).value, find(&kpis, KpiId::Oee).value);
    // NEE: no set-up is known; all of the unknown quarter may have been set-up.
    assert_eq!(find(&kpis, KpiId::Nee).value, interval((100, 3600), (2800 * 3600, 3600 * 2700)));
}

#[test]
fn faults_give_means_with_what_a_window_does_not_tell_as_an_interval() {
    let run = || producing(0, 0, Fate::Read);
    let broken = || in_leaf(Leaf::Fault, 180_000, Leaf::Producing);
    let story = [run(), broken(), run(), run(), run(), broken(), run()];
    let kpis = of(&story, &ALWAYS);
    // 45 minutes between the windows of the faults are certain; 12 minutes in each of them are not.
    assert_eq!(find(&kpis, KpiId::Mtbf).value, interval((45, 60), (69, 60)));
    assert_eq!(find(&kpis, KpiId::Mttr).value, point(3, 60));
    assert_eq!(
        (find(&kpis, KpiId::Mtbf).unit, find(&kpis, KpiId::Mttr).better),
        (Unit::Hours, Better::Lower)
    );
    let few = Figure::Undefined { reason: Undefined::TooFewFaults };
    let one = of(&[run(), broken(), run()], &ALWAYS);
    assert_eq!((&find(&one, KpiId::Mtbf).value, &find(&one, KpiId::Mttr).value), (&few, &few));
    // With a window not read, its quarter of an hour may hide anything.
    let mut hidden = story.to_vec();
    hidden[3].fate = Fate::NotRead;
    let kpis = of(&hidden, &ALWAYS);
    let least = Rational::zero();
    let of_hours = |minutes| Rational::ratio(minutes, 60);
    // Nothing says how many gaps there are; all fault time and the unknown over one fault.
    let want = Figure::Interval { lower: least.clone(), upper: None };
    assert_eq!(find(&kpis, KpiId::Mtbf).value, want);
    assert_eq!(find(&kpis, KpiId::Mttr).value, Figure::Interval { lower: least, upper: of_hours(6 + 15) });
}

#[test]
fn looking_away_while_a_fault_lasts_makes_no_two_of_it() {
    let run = || producing(0, 0, Fate::Read);
    let fault = || in_leaf(Leaf::Fault, 900_000, Leaf::Producing);
    let mut story =
        vec![run(), fault(), fault(), fault(), run(), in_leaf(Leaf::Fault, 180_000, Leaf::Producing), run()];
    let seen = of(&story, &ALWAYS);
    assert_eq!(find(&seen, KpiId::Mttr).value, point(45 + 3, 120), "two faults that were seen whole");
    story[2].fate = Fate::NotRead;
    let hidden = of(&story, &ALWAYS);
    let want = Figure::Interval { lower: Rational::zero(), upper: Rational::ratio(30 + 3 + 15, 60) };
    assert_eq!(find(&hidden, KpiId::Mttr).value, want);
    // One fault in all, and a window that was not read, say nothing of a mean.
    let mut one = vec![run(), fault(), run(), run()];
    one[2].fate = Fate::NotRead;
    let open = Figure::Interval { lower: Rational::zero(), upper: None };
    assert_eq!(find(&of(&one, &ALWAYS), KpiId::Mttr).value, open);
}

#[test]
fn orders_divide_by_their_declared_time() {
    // Orders from 21:45 to 00:45 and from 01:15 to 04:30; busy from 22:00 to 23:00 and from 23:30.
    let story: Vec<Step> = (0..17)
        .map(|i| if i % 2 == 0 { producing(0, 1, Fate::Read) } else { in_leaf(Leaf::Setup, 0, Leaf::Setup) })
        .collect();
    let kpis = of(&story, &planned());
    // Busy windows 4–7 and 10–16; with an order 4–7 and 10–14. AOET: windows 3–14.
    assert_eq!(find(&kpis, KpiId::ProductionProcess).value, point(5, 12));
    assert_eq!(find(&kpis, KpiId::AllocationRatio).value, point(9, 12));
    // Parts of busy time, windows 4, 6, 10, 12, 14 and 16, over three hours: a register does not tell orders apart.
    assert_eq!(find(&kpis, KpiId::Throughput).value, point(6, 3));
    // Run time between faults: production always, set-up with an order only, that is not in window 15.
    let (period, calendar) = (period(17), planned());
    let cuts = cuts(900, period);
    let run = total(&cuts, &calendar, &sign(&story)).faults(&cuts, period).run_ms;
    assert_eq!(run, 10 * 900_000);
    assert_eq!(find(&kpis, KpiId::Throughput).denominator, Some(exact_term("AOET", "ms", 12 * 900_000)));
}

#[test]
fn a_declared_good_condition_is_class_d_and_is_held_against_the_roster() {
    let document = "Ab".repeat(32);
    let period = period(1);
    let cuts = cuts(900, period);
    let totals = MachineTotals::new(MEASURED);
    let subject = Subject {
        id: "m",
        totals: &totals,
        digital: true,
        feeds: FEEDS,
        mapping: "00",
        calendar: &ALWAYS,
        cycles: None,
    };
    let with = |good, total| {
        let declared = GoodCondition::new(good, total, &document).unwrap();
        assert_eq!(declared.document(), document.to_lowercase());
        let scope = Scope { period, cuts: &cuts, statements: None, good_condition: Some(&declared) };
        kpi(scope, &[subject, subject], KpiId::GoodCondition)
    };
    let as_rostered = with(1, 2);
    assert_eq!((as_rostered.value.clone(), as_rostered.class), (point(1, 2), EvidenceClass::D));
    assert_eq!(kinds(&as_rostered), []);
    assert_eq!(kinds(&with(1, 1)), [FindingKind::RosterTotalDiffers]);
    assert_eq!(GoodCondition::new(0, 0, &document), Err(GoodConditionError::NoMachines));
    assert_eq!(
        GoodCondition::new(3, 2, &document),
        Err(GoodConditionError::MoreThanAll { good: 3, total: 2 })
    );
    for bad in ["", "ab", &"g".repeat(64), &"a".repeat(65)] {
        assert_eq!(GoodCondition::new(1, 2, bad), Err(GoodConditionError::NoDocument));
    }
}

#[test]
fn shop_terms_take_all_calendar_time_and_say_what_lies_outside_the_plan() {
    // 21:00 to 22:30: half off, half producing; busy from 22:00 on, orders from 21:45 on.
    let off = |ms| Step { leaf: Leaf::Off.index(), leaf_ms: ms, ..producing(0, 1, Fate::Read) };
    let kpis = of(&[0, 900_000, 0, 900_000, 0, 900_000].map(off), &planned());
    assert_eq!(find(&kpis, KpiId::PowerOnRate).value, point(1, 2));
    assert_eq!(find(&kpis, KpiId::RunRate).value, point(1, 1), "production outside the plan is run time too");
    assert_eq!(find(&kpis, KpiId::UtilCalendar).value, point(1, 2));
    assert_eq!(find(&kpis, KpiId::SpindleRate).value, point(1, 1));
    assert_eq!(find(&kpis, KpiId::CuttingRate).value, point(1, 2));
    assert_eq!(find(&kpis, KpiId::CuttingRateApt).value, point(1, 2));
    // Planned: 15 of 30 minutes.
    assert_eq!(find(&kpis, KpiId::Availability).value, point(1, 2));
    assert_eq!(find(&kpis, KpiId::Teep).value, point(200, 5400));
    let found = kinds(find(&kpis, KpiId::ShopAvailability));
    assert_eq!(found, [FindingKind::ProducedOutsidePlan]);
    let unordered = of(&vec![producing(0, 0, Fate::Read); 17], &planned());
    let found = kinds(find(&unordered, KpiId::Availability));
    assert_eq!(found, [FindingKind::ProducedOutsidePlan, FindingKind::ProducedWithoutOrder]);
}

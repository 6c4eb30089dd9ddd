//! Verdicts as a table, refusals and caveats by name, and what must hold for any two figures.

use super::*;
use proptest::prelude::*;

const BEFORE: Period = Period { from: 0, to: 3600 };
const AFTER: Period = Period { from: 7200, to: 10_800 };

fn r(text: &str) -> Rational {
    Rational::parse(text).unwrap()
}

/// A value as `lower..upper`, `lower..` or one number.
fn figure(text: &str) -> Figure {
    let (lower, upper) = text.split_once("..").unwrap_or((text, text));
    Figure::Interval { lower: r(lower), upper: (!upper.is_empty()).then(|| r(upper)) }
}

fn kpi(id: KpiId, period: Period, value: Figure) -> Kpi {
    let d = id.definition();
    Kpi {
        id,
        name_zh: d.zh,
        name_en: d.en,
        formula: d.formula,
        unit: d.unit,
        better: d.better,
        value,
        numerator: None,
        denominator: None,
        machines: vec!["cnc-01".into()],
        excluded: vec![],
        findings: vec![],
        period,
        coverage: r("1"),
        class: EvidenceClass::B,
        provisional: false,
        calendar: "plan/1".into(),
        mappings: vec!["00".into()],
        statements: None,
        method: crate::METHOD_VERSION,
    }
}

fn target(aim: Aim, unit: Unit, value: &str) -> Target {
    Target { aim, unit, value: r(value) }
}

#[track_caller]
fn check(id: KpiId, before: &str, after: &str, aim: Aim, value: &str, want: Answer) {
    let unit = if aim == Aim::RelativeImprovement { Unit::Ratio } else { id.definition().unit };
    let (before, after) = (kpi(id, BEFORE, figure(before)), kpi(id, AFTER, figure(after)));
    let got = compare(&before, &after, Some(&target(aim, unit, value))).unwrap().verdict.unwrap();
    assert_eq!(got.answer, want);
    assert_eq!(got.needs.is_empty(), want != Answer::Undecided);
}

use Answer::{NotReached, Reached, Undecided};
const OEE: KpiId = KpiId::Oee;
const PER_PART: KpiId = KpiId::EnergyPerPart;

#[test]
fn the_worse_bound_decides() {
    check(OEE, "0.5", "0.6..0.7", Aim::Value, "0.6", Reached);
    check(OEE, "0.5", "0.6..0.7", Aim::Value, "0.65", Undecided);
    check(OEE, "0.5", "0.6..0.7", Aim::Value, "0.7", Undecided);
    check(OEE, "0.5", "0.6..0.7", Aim::Value, "0.71", NotReached);
    check(OEE, "0.5", "0.6..", Aim::Value, "0.9", Undecided);
    check(PER_PART, "3", "2..2.5", Aim::Value, "2.5", Reached);
    check(PER_PART, "3", "2..2.5", Aim::Value, "2.4", Undecided);
    check(PER_PART, "3", "2..2.5", Aim::Value, "1.9", NotReached);
    check(PER_PART, "3", "2..", Aim::Value, "9", Undecided);
    check(PER_PART, "3", "2..", Aim::Value, "1.9", NotReached);
}

#[test]
fn improvements_take_the_worse_ends_of_both_periods() {
    check(OEE, "0.5..0.52", "0.6..0.7", Aim::Improvement, "0.08", Reached);
    check(OEE, "0.5..0.52", "0.6..0.7", Aim::Improvement, "0.081", Undecided);
    check(OEE, "0.5..0.52", "0.6..0.7", Aim::Improvement, "0.201", NotReached);
    check(PER_PART, "3..3.2", "2..2.5", Aim::Improvement, "0.5", Reached);
    check(PER_PART, "3..3.2", "2..2.5", Aim::Improvement, "1.2", Undecided);
    check(PER_PART, "3..3.2", "2..2.5", Aim::Improvement, "1.21", NotReached);
}

#[test]
fn relative_improvements_divide_by_what_was() {
    // At least 0.6/0.5 − 1 = 20 %, at most 0.7/0.4 − 1 = 75 %.
    check(OEE, "0.4..0.5", "0.6..0.7", Aim::RelativeImprovement, "0.2", Reached);
    check(OEE, "0.4..0.5", "0.6..0.7", Aim::RelativeImprovement, "0.75", Undecided);
    check(OEE, "0.4..0.5", "0.6..0.7", Aim::RelativeImprovement, "0.751", NotReached);
    // Lower is better: at least 1 − 2.5/3 = 1/6, at most 1 − 2/4 = 50 %.
    check(PER_PART, "3..4", "2..2.5", Aim::RelativeImprovement, "1/6", Reached);
    check(PER_PART, "3..4", "2..2.5", Aim::RelativeImprovement, "0.5", Undecided);
    check(PER_PART, "3..4", "2..2.5", Aim::RelativeImprovement, "0.51", NotReached);
    // Open and zero ends leave it open on their side only.
    check(PER_PART, "3..", "2..2.5", Aim::RelativeImprovement, "1/6", Reached);
    check(PER_PART, "3..", "2..2.5", Aim::RelativeImprovement, "0.9", Undecided);
    check(PER_PART, "3..", "2..2.5", Aim::RelativeImprovement, "1.01", NotReached);
    check(OEE, "0..0.5", "0.6..0.7", Aim::RelativeImprovement, "0.2", Reached);
    check(OEE, "0..0.5", "0.6..0.7", Aim::RelativeImprovement, "9", Undecided);
}

#[test]
fn differences_keep_both_signs_apart() {
    let c =
        compare(&kpi(PER_PART, BEFORE, figure("3..4")), &kpi(PER_PART, AFTER, figure("2..")), None).unwrap();
    assert_eq!(c.difference, Some(Change { lower: Some(r("-2")), upper: None }));
    assert_eq!(c.improvement, Some(Change { lower: None, upper: Some(r("2")) }));
    assert_eq!((c.caveats, c.verdict), (vec![], None));
}

#[test]
fn without_a_value_nothing_is_decided_and_the_reason_is_named() {
    let none = Figure::Undefined { reason: Undefined::NoCycle };
    let (before, after) = (kpi(OEE, BEFORE, none.clone()), kpi(OEE, AFTER, figure("0.6")));
    let got = compare(&before, &after, Some(&target(Aim::Improvement, Unit::Ratio, "0.1"))).unwrap();
    let verdict = got.verdict.unwrap();
    assert_eq!((got.difference, verdict.answer), (None, Undecided));
    assert_eq!(verdict.needs, [Need::Value { side: Side::Before, reason: Undefined::NoCycle }]);
    let alone = judge(&kpi(OEE, AFTER, none), &target(Aim::Value, Unit::Ratio, "0")).unwrap();
    assert_eq!(alone.needs, [Need::Value { side: Side::After, reason: Undefined::NoCycle }]);
}

#[test]
fn what_would_decide_names_the_operands_that_are_ranges() {
    let term = |symbol, unit, lower: &str, upper: Option<&str>| Term {
        symbol,
        unit,
        lower: r(lower),
        upper: upper.map(r),
    };
    let mut after = kpi(OEE, AFTER, figure("0.6..0.7"));
    after.provisional = true;
    after.numerator = Some(term("PRI × GQ", "ms", "6", Some("7")));
    after.denominator = Some(term("PBT", "ms", "10", Some("10")));
    let aim = target(Aim::Value, Unit::Ratio, "0.65");
    let verdict = judge(&after, &aim).unwrap();
    let width = Some(r("1"));
    assert_eq!(verdict.needs, [Need::Operand { side: Side::After, symbol: "PRI × GQ", unit: "ms", width }]);
    assert!(verdict.provisional);
    assert!(
        !judge(&after, &target(Aim::Value, Unit::Ratio, "0.6")).unwrap().provisional,
        "its worse bound reaches it"
    );
    after.denominator = Some(term("PQ", "pcs", "10", None));
    let needs = judge(&after, &aim).unwrap().needs;
    assert_eq!(needs[1], Need::Operand { side: Side::After, symbol: "PQ", unit: "pcs", width: None });
    let sure = kpi(KpiId::Mtbf, AFTER, figure("2..3"));
    let needs = judge(&sure, &target(Aim::Value, Unit::Hours, "2.5")).unwrap().needs;
    assert_eq!(needs, [Need::FinerWindows { side: Side::After }]);
    for need in &needs {
        assert!(!need.zh().is_ascii() && need.en().is_ascii());
    }
}

#[test]
fn other_figures_methods_units_and_overlapping_periods_are_refused_by_name() {
    let (before, after) = (kpi(OEE, BEFORE, figure("0.5")), kpi(OEE, AFTER, figure("0.6")));
    let refused = |b: &Kpi, a: &Kpi, t: Option<&Target>| compare(b, a, t).unwrap_err();
    let other = kpi(KpiId::Nee, AFTER, figure("0.6"));
    let want = CompareError::OtherFigure { before: "iso.oee", after: "iso.nee" };
    assert_eq!(refused(&before, &other, None), want);
    let mut old = before.clone();
    old.method = "0";
    let want = CompareError::OtherMethod { before: "0", after: crate::METHOD_VERSION };
    assert_eq!(refused(&old, &after, None), want);
    let percent = target(Aim::Value, Unit::Hours, "60");
    let want = CompareError::OtherUnit { id: "iso.oee", target: "h", figure: "%" };
    assert_eq!(refused(&before, &after, Some(&percent)), want);
    let kwh = target(Aim::RelativeImprovement, Unit::KilowattHours, "0.1");
    assert!(matches!(refused(&before, &after, Some(&kwh)), CompareError::OtherUnit { figure: "%", .. }));
    let want = CompareError::Periods { before_to: 10_800, after_from: 0 };
    assert_eq!(refused(&after, &before, None), want);
    let next = kpi(OEE, Period { from: 3600, to: 7200 }, figure("0.6"));
    assert!(compare(&before, &next, None).is_ok(), "periods may touch");
}

#[test]
fn whatever_differs_besides_time_is_a_caveat() {
    let before = kpi(KpiId::Energy, BEFORE, figure("5"));
    let mut after = kpi(KpiId::Energy, Period { from: 7200, to: 9000 }, figure("4"));
    after.machines = vec!["cnc-02".into()];
    after.calendar = "plan/2".into();
    after.mappings = vec!["11".into()];
    after.class = EvidenceClass::C;
    let got = compare(&before, &after, None).unwrap().caveats;
    let want = [
        Caveat::Boundary { only_before: vec!["cnc-01".into()], only_after: vec!["cnc-02".into()] },
        Caveat::Calendar { before: "plan/1".into(), after: "plan/2".into() },
        Caveat::Mapping,
        Caveat::Class { before: EvidenceClass::B, after: EvidenceClass::C },
        Caveat::Length { before_s: 3600, after_s: 1800 },
    ];
    assert_eq!(got, want);
    for caveat in &got {
        assert!(!caveat.zh().is_ascii(), "{}", caveat.zh());
    }
    let share = kpi(OEE, Period { from: 7200, to: 9000 }, figure("0.5"));
    assert_eq!(compare(&kpi(OEE, BEFORE, figure("0.5")), &share, None).unwrap().caveats, []);
    let over = |symbol| {
        let mut k = kpi(PER_PART, if symbol == "GQ" { BEFORE } else { AFTER }, figure("1"));
        k.denominator = Some(Term { symbol, unit: "pcs", lower: r("1"), upper: None });
        k
    };
    let got = compare(&over("GQ"), &over("PQ"), None).unwrap().caveats;
    assert_eq!(got, [Caveat::Quantity { before: "GQ", after: "PQ" }]);
}

fn interval() -> impl Strategy<Value = (u32, u32)> {
    (1u32..50, 0u32..20).prop_map(|(lower, width)| (lower, lower + width))
}

proptest! {
    /// Whatever the truth inside the intervals is, a verdict that is given holds for it.
    #[test]
    fn a_decided_verdict_holds_for_every_truth_inside(
        (b0, b1) in interval(), (a0, a1) in interval(), aim in -20i64..20, higher: bool, relative: bool,
        b in 0u32..=4, a in 0u32..=4,
    ) {
        let id = if higher { KpiId::Effectiveness } else { KpiId::SetupRate };
        let between = |lower: u32, upper: u32| Figure::Interval {
            lower: Rational::integer(lower),
            upper: Some(Rational::integer(upper)),
        };
        let inside = |lower: u32, upper: u32, at: u32| Rational::integer(lower + (upper - lower) * at / 4);
        let aim = Target {
            aim: if relative { Aim::RelativeImprovement } else { Aim::Improvement },
            unit: Unit::Ratio,
            value: Rational::ratio(aim, if relative { 10 } else { 1 }).unwrap(),
        };
        let judged = |before: Figure, after: Figure| {
            let (before, after) = (kpi(id, BEFORE, before), kpi(id, AFTER, after));
            compare(&before, &after, Some(&aim)).unwrap().verdict.unwrap().answer
        };
        let (b, a) = (inside(b0, b1, b), inside(a0, a1, a));
        let point = |r: Rational| Figure::Interval { lower: r.clone(), upper: Some(r) };
        let truth = judged(point(b), point(a));
        let said = judged(between(b0, b1), between(a0, a1));
        prop_assert_ne!(truth, Undecided);
        prop_assert!(said == Undecided || said == truth);
    }
}

#[test]
fn amounts_over_unequal_lengths_and_over_unlike_denominators_decide_nothing() {
    let longer = Period { to: AFTER.to + 60, ..AFTER };
    let improved = target(Aim::RelativeImprovement, Unit::Ratio, "0.1");
    for id in [KpiId::Energy, KpiId::PartsOutsidePlan] {
        let judged = |after: Period| {
            let (before, after) = (kpi(id, BEFORE, figure("100")), kpi(id, after, figure("50")));
            compare(&before, &after, Some(&improved)).unwrap().verdict.unwrap().answer
        };
        assert_eq!((judged(AFTER), judged(longer)), (Reached, Undecided));
    }
    let term = |symbol| Some(Term { symbol, unit: "pcs", lower: r("80"), upper: Some(r("80")) });
    let (mut before, mut after) = (kpi(PER_PART, BEFORE, figure("1.25")), kpi(PER_PART, AFTER, figure("1")));
    (before.denominator, after.denominator) = (term("GQ"), term("PQ"));
    assert_eq!(compare(&before, &after, Some(&improved)).unwrap().verdict.unwrap().answer, Undecided);
    after.denominator = term("GQ");
    assert_eq!(compare(&before, &after, Some(&improved)).unwrap().verdict.unwrap().answer, Reached);
}

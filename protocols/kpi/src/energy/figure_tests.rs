//! Figures as they are handed to a report: values in the printed unit, worst class and status, notes, and the
//! examples of the definitions.

use std::collections::BTreeMap;

use super::comprehensive::Boundary;
use super::factor::coal_set;
use super::unit::exact;
use super::*;
use crate::figure::{Figure, Undefined};
use crate::period::Grid;
use crate::totals::AmountBounds;

const PERIOD: Period = Period { from: 1_735_660_800, to: 1_767_196_800 };

fn files() -> Vec<FactorFile> {
    let texts = [
        include_str!("../../../../config/factors/gbt2589-2020.toml"),
        include_str!("../../../../config/factors/grid-co2.toml"),
    ];
    texts.iter().map(|text| toml::from_str(text).unwrap()).collect()
}

fn inflow(meter: &str, carrier: Carrier, unit: EnergyUnit, amount: &Range, covered_s: u64) -> Inflow {
    let amount = CarrierAmount {
        meter: meter.to_owned(),
        carrier,
        dimension: unit.dimension(),
        amount: amount.times(&unit.in_base()),
        class: EvidenceClass::B,
        covered_s,
        documents: Vec::new(),
    };
    Inflow { amount, origin: Origin::Supplied }
}

fn point(value: i64) -> Range {
    Range::point(Rational::integer(value))
}

fn example() -> Vec<Inflow> {
    let whole = PERIOD.seconds();
    vec![
        inflow("E", Carrier::Electricity, EnergyUnit::KilowattHour, &point(1_250_000), whole),
        inflow("G", Carrier::NaturalGas, EnergyUnit::CubicMetre, &point(86_000), whole),
        inflow("H", Carrier::Heat, EnergyUnit::Gigajoule, &point(1_200), whole),
    ]
}

fn sum(inflows: &[Inflow]) -> Comprehensive {
    let rows = BTreeMap::from([(Carrier::NaturalGas, "natural_gas.gas_field".to_owned())]);
    let choice = CoalChoice { set: "GB/T 2589-2020".to_owned(), basis: CoalBasis::Calorific, rows };
    let boundary = Boundary { inflows, tree: None, period: PERIOD, grid: Grid::new(60, 480).unwrap() };
    boundary.comprehensive(coal_set(&files(), &choice.set).unwrap(), &choice).unwrap()
}

fn declared(what: DeclaredQuantity) -> Declared {
    let document = DocumentHash::parse(&"cd".repeat(32)).unwrap();
    Declared { what, from: PERIOD.from, to: PERIOD.to, document }
}

#[track_caller]
fn check(figure: &EnergyFigure, value: &str, unit: &str) {
    assert_eq!(figure.value.point(), Some(&exact(value.parse().unwrap())), "{:?}", figure.value);
    assert_eq!(figure.unit, unit);
}

#[test]
fn the_examples_of_the_definitions_come_out_as_written() {
    let sum = sum(&example());
    let total = EnergyFigure::comprehensive(&sum, PERIOD);
    check(&total, "298.9988", "tce");
    assert_eq!((total.class, total.confidence), (EvidenceClass::B, Some(Confidence::Copy)));
    assert_eq!(
        (total.factors.len(), total.coverage.to_string().as_str(), total.provisional),
        (3, "1", false)
    );
    assert_eq!(total.notes[0].zh, "系数取自转载，尚未与标准原文核对");
    assert_eq!(total.notes[1].en, "electricity by its calorific value");
    let per = |what| EnergyFigure::per_output(&sum, PERIOD, Output::Declared(&declared(what))).unwrap();
    let parts = per(DeclaredQuantity::GoodParts { pieces: 100_000 });
    check(&parts, "2.989988", "kgce/pc");
    assert_eq!((parts.class, parts.documents.len()), (EvidenceClass::D, 1));
    check(&per(DeclaredQuantity::Mass { kilograms: "1000000".parse().unwrap() }), "0.2989988", "kgce/kg");
    let value = per(DeclaredQuantity::OutputValue { fen: 5_000_000_000, price_year: 2020 });
    check(&value, "0.05979976", "tce/10^4 CNY");
    assert_eq!((value.id, value.notes[2].zh.as_str()), (EnergyKpi::PerOutputValue, "按 2020 年价格"));
    let added = per(DeclaredQuantity::ValueAdded { fen: 1_500_000_000, price_year: 2020 });
    assert_eq!(added.value.point(), Rational::ratio(2_989_988, 15_000_000).as_ref());
}

#[test]
fn measured_output_that_may_be_nothing_leaves_no_upper_bound_and_none_leaves_no_value() {
    let sum = sum(&example());
    let per = |lower: u128, upper: Option<u128>, integrated| {
        let bounds = AmountBounds { lower, upper, integrated, ..AmountBounds::default() };
        EnergyFigure::per_output(&sum, PERIOD, Output::Parts(&bounds)).unwrap()
    };
    check(&per(100_000, Some(100_000), false), "2.989988", "kgce/pc");
    let open = per(0, Some(100_000), true);
    let lower = exact("2.989988".parse().unwrap());
    assert_eq!((open.value, open.class), (Figure::Interval { lower, upper: None }, EvidenceClass::C));
    assert_eq!(per(0, Some(0), false).value, Figure::Undefined { reason: Undefined::NoOutput });
    let least = Figure::Interval { lower: Rational::zero(), upper: Some(exact("2.989988".parse().unwrap())) };
    assert_eq!(per(100_000, None, false).value, least);
}

#[test]
fn a_figure_whose_worst_amount_is_covered_below_95_percent_is_provisional() {
    let mut inflows = example();
    inflows[1].amount.covered_s = PERIOD.seconds() / 20 * 19;
    assert!(!EnergyFigure::comprehensive(&sum(&inflows), PERIOD).provisional);
    inflows[1].amount.covered_s -= 1;
    assert!(EnergyFigure::comprehensive(&sum(&inflows), PERIOD).provisional);
}

#[test]
fn an_energy_figure_in_json_names_source_clause_and_status_of_every_factor() {
    let json = serde_json::to_value(EnergyFigure::comprehensive(&sum(&example()), PERIOD)).unwrap();
    assert_eq!(json["id"], "energy.comprehensive");
    assert_eq!(
        json["value"],
        serde_json::json!({"kind": "interval", "lower": "747497/2500", "upper": "747497/2500"})
    );
    assert_eq!(json["confidence"], "F2");
    let factor = &json["factors"][2];
    assert_eq!(factor["set"], "GB/T 2589-2020");
    assert_eq!(factor["clause"], "附录 A 热力（当量值）");
    assert_eq!((&factor["value"], &factor["unit"]), (&"0.03412".into(), &"kgce/MJ".into()));
    assert_eq!((&factor["valid_from"], &factor["status"]), (&"2021-04-01".into(), &"F2".into()));
}

#[test]
fn co2_says_by_which_rule_its_factor_was_taken() {
    let inflows =
        [inflow("E", Carrier::Electricity, EnergyUnit::KilowattHour, &point(10_000), PERIOD.seconds())];
    let boundary =
        Boundary { inflows: &inflows, tree: None, period: PERIOD, grid: Grid::new(60, 480).unwrap() };
    let files = files();
    let set = super::factor::grid_set(&files, "MEE-NBS grid CO2").unwrap();
    let rule = GridRule::Reduction { reported: "2026-01-31".parse().unwrap() };
    let co2 = EnergyFigure::co2(&boundary.co2(set, "liaoning", rule).unwrap(), PERIOD, rule);
    check(&co2, "4878", "kgCO2");
    assert_eq!(
        (co2.notes.len(), co2.notes[1].zh.as_str()),
        (2, "减排量：改造前后两期均采用报告日已公布的最新因子")
    );
    assert_eq!(co2.factors[0].row, "liaoning 2023");
}

fn over<'a>(meters: &'a [String], total: &'a AmountBounds) -> MeasuredOver<'a> {
    MeasuredOver { meters, total, period: PERIOD }
}

#[test]
fn idle_energy_is_shown_in_kwh_and_its_share_needs_energy() {
    let meters = ["m".to_owned()];
    let total = AmountBounds {
        lower: 5_147_000,
        upper: Some(5_147_000),
        covered_s: PERIOD.seconds(),
        ..AmountBounds::default()
    };
    let range = |lower: u32, upper: u32| Range {
        lower: Rational::integer(lower),
        upper: Some(Rational::integer(upper)),
    };
    let mut leaves = EnergyByLeaf(std::array::from_fn(|_| Range::zero()));
    leaves.0[crate::Leaf::Idle.index()] = range(107_000, 147_000);
    let idle = EnergyFigure::idle(&over(&meters, &total), &leaves, EvidenceClass::A);
    let kwh = |text: &str| exact(text.parse().unwrap());
    assert_eq!(idle.value, Figure::Interval { lower: kwh("0.107"), upper: Some(kwh("0.147")) });
    // The register is class B, the states decide when they are worse.
    assert_eq!((idle.class, idle.unit), (EvidenceClass::B, "kWh"));
    let inferred = EnergyFigure::idle_share(&over(&meters, &total), &leaves, EvidenceClass::C);
    assert_eq!(inferred.class, EvidenceClass::C);
    let (lower, upper) = (Rational::ratio(107, 5_147).unwrap(), Rational::ratio(147, 5_147));
    assert_eq!(inferred.value, Figure::Interval { lower, upper });
    let nothing = AmountBounds { upper: Some(0), ..AmountBounds::default() };
    let none = EnergyFigure::idle_share(&over(&meters, &nothing), &leaves, EvidenceClass::B);
    assert_eq!((none.value, none.provisional), (Figure::Undefined { reason: Undefined::NoEnergy }, true));
}

#[test]
fn a_cost_is_whole_fen_and_says_that_its_prices_are_an_example() {
    let text = include_str!("../../../../config/tariffs/liaoning.toml");
    let tariff: Tariff = toml::from_str(text).unwrap();
    let grid = Grid::new(900, 480).unwrap();
    let priced = tariff.over(PERIOD, grid).unwrap();
    let mut cost = CostOfUse::new(&priced);
    // Midnight at +08:00: valley, 0.40 元/kWh.
    cost.book(crate::Booking::Known { from: PERIOD.from, to: PERIOD.from + 900, amount: 12_345_678 });
    let total = AmountBounds { upper: Some(12_345_678), ..AmountBounds::default() };
    let meters = ["m".to_owned()];
    let figure = EnergyFigure::cost(&over(&meters, &total), &cost.finish(&total), &priced);
    let yuan = |text: &str| exact(text.parse().unwrap());
    assert_eq!(figure.value, Figure::Interval { lower: yuan("4.93"), upper: Some(yuan("4.94")) });
    assert_eq!(
        (figure.confidence, figure.notes[0].zh.as_str()),
        (Some(Confidence::Example), "系数仅为示例，不得用于正式结论")
    );
    assert!(figure.notes[1].zh.contains("辽发改价格〔2023〕441 号"), "{}", figure.notes[1].zh);
}

#[test]
fn a_peak_says_its_interval_and_how_many_are_open() {
    let meters = ["a".to_owned(), "b".to_owned()];
    let peak = Peak { kw: point(10), at: PERIOD, open: 2 };
    let total = AmountBounds { covered_s: PERIOD.seconds(), integrated: true, ..AmountBounds::default() };
    let figure = EnergyFigure::peak(&over(&meters, &total), &peak, 900, 60);
    check(&figure, "10", "kW");
    assert_eq!(figure.notes[0].en, "demand interval 900 s, slide 60 s; 2 intervals without an upper bound");
    // One of two machines covered, by an integral of power.
    assert_eq!(
        (figure.coverage.to_string().as_str(), figure.provisional, figure.class),
        ("1/2", true, EvidenceClass::C)
    );
}

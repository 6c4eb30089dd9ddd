//! 综合能耗 and CO2: the worked example, the shipped factor files, the double-count rule, bad input by name, and
//! what must hold for any amounts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::comprehensive::{Boundary, BoundaryError};
use super::declared::{Declared, DeclaredError, DeclaredQuantity};
use super::factor::{CoalSet, FactorError, GridSet, coal_set, grid_set};
use super::tree::{Meter, StatedLoss, TreeError};
use super::unit::exact;
use super::*;
use crate::period::Grid;
use crate::round::{Rounding, decimal};

const GENERAL: &str = include_str!("../../../../config/factors/gbt2589-2020.toml");
const SHANGHAI: &str = include_str!("../../../../config/factors/db31t783-2026.toml");
const GRID_CO2: &str = include_str!("../../../../config/factors/grid-co2.toml");

fn files() -> Vec<FactorFile> {
    [GENERAL, SHANGHAI, GRID_CO2].iter().map(|text| toml::from_str(text).unwrap()).collect()
}

fn general() -> CoalSet {
    static SET: std::sync::LazyLock<CoalSet> =
        std::sync::LazyLock::new(|| coal_set(&files(), "GB/T 2589-2020").unwrap().clone());
    SET.clone()
}

fn grid_co2() -> GridSet {
    grid_set(&files(), "MEE-NBS grid CO2").unwrap().clone()
}

fn shanghai_time() -> Grid {
    Grid::new(60, 480).unwrap()
}

/// From midnight to midnight at +08:00, the last day included.
fn days(from: &str, to: &str) -> Period {
    let day = |text: &str| text.parse::<crate::calendar::Day>().unwrap();
    Period { from: day(from).start(shanghai_time()), to: day(to).next().start(shanghai_time()) }
}

fn year() -> Period {
    days("2025-01-01", "2025-12-31")
}

fn choice() -> CoalChoice {
    let rows = BTreeMap::from([(Carrier::NaturalGas, "natural_gas.gas_field".to_owned())]);
    CoalChoice { set: "GB/T 2589-2020".to_owned(), basis: CoalBasis::Calorific, rows }
}

/// A supplied amount, both bounds in `unit`.
fn supplied(meter: &str, carrier: &str, unit: &str, lower: &str, upper: Option<&str>) -> Inflow {
    let unit = EnergyUnit::parse(unit).unwrap();
    let base = |text: &str| unit.to_base(&exact(text.parse().unwrap()));
    let amount = CarrierAmount {
        meter: meter.to_owned(),
        carrier: Carrier::parse(carrier).unwrap(),
        dimension: unit.dimension(),
        amount: Range { lower: base(lower), upper: upper.map(base) },
        class: EvidenceClass::B,
        covered_s: year().seconds(),
        documents: Vec::new(),
    };
    Inflow { amount, origin: Origin::Supplied }
}

fn made(meter: &str, carrier: &str, unit: &str, amount: &str, from: &[&str]) -> Inflow {
    let from = from.iter().map(|&id| id.to_owned()).collect();
    Inflow { origin: Origin::MadeInside { from }, ..supplied(meter, carrier, unit, amount, Some(amount)) }
}

fn point(meter: &str, carrier: &str, unit: &str, amount: &str) -> Inflow {
    supplied(meter, carrier, unit, amount, Some(amount))
}

fn over(inflows: &[Inflow]) -> Boundary<'_> {
    Boundary { inflows, tree: None, period: year(), grid: shanghai_time() }
}

fn sum(inflows: &[Inflow]) -> Result<Comprehensive, BoundaryError> {
    over(inflows).comprehensive(&general(), &choice())
}

/// kgce as tce with three digits, half-even.
fn tce(kgce: &Rational) -> String {
    decimal(&Rational(&kgce.0 / Rational::integer(1_000).0), 3, Rounding::HalfEven)
}

fn example() -> Vec<Inflow> {
    vec![
        point("E", "electricity", "kWh", "1250000"),
        point("G", "natural_gas", "m3", "86000"),
        point("H", "heat", "GJ", "1200"),
    ]
}

#[test]
fn the_worked_example_is_298_999_tce() {
    let sum = sum(&example()).unwrap();
    let lines: Vec<_> = sum.lines.iter().map(|l| (l.meter.as_str(), tce(&l.product.lower))).collect();
    // 1 250 000 × 0.1229; 86 000 × 1.2143 = 104.4298; 1 200 × 34.12.
    assert_eq!(lines, [("E", "153.625".to_owned()), ("G", "104.430".to_owned()), ("H", "40.944".to_owned())]);
    assert_eq!(tce(sum.total.exact().unwrap()), "298.999");
    assert_eq!(*sum.total.exact().unwrap(), exact("298998.8".parse().unwrap()));
    assert_eq!((sum.basis, sum.class), (Some(CoalBasis::Calorific), EvidenceClass::B));
}

#[test]
fn every_coefficient_of_the_shipped_set_is_used_as_the_table_gives_it() {
    let cases = [
        ("electricity", "kWh", "1000", "122.9", Confidence::Copy),
        ("heat", "GJ", "1", "34.12", Confidence::Copy),
        ("steam", "t", "1", "128.6", Confidence::Unchecked),
        ("steam", "GJ", "1", "34.12", Confidence::Copy),
        ("raw_coal", "t", "1", "714.3", Confidence::Copy),
        ("diesel", "kg", "1", "1.4571", Confidence::Unchecked),
        ("petrol", "kg", "1", "1.4714", Confidence::Unchecked),
        ("lpg", "kg", "1", "1.7143", Confidence::Unchecked),
        ("new_water", "t", "1", "0.2571", Confidence::Unchecked),
        ("compressed_air", "m3", "1", "0.04", Confidence::Unchecked),
        ("oxygen", "m3", "1", "0.4", Confidence::Unchecked),
        ("nitrogen", "m3", "1", "0.6714", Confidence::Unchecked),
        ("soft_water", "t", "1", "0.4857", Confidence::Unchecked),
        ("natural_gas", "m3", "1", "1.2143", Confidence::Copy),
    ];
    for (carrier, unit, amount, kgce, confidence) in cases {
        let one = sum(&[point("M", carrier, unit, amount)]).unwrap();
        assert_eq!(one.total, Range::point(exact(kgce.parse().unwrap())), "{carrier}");
        assert_eq!(one.confidence, confidence, "{carrier}");
    }
    let mut oil_field = choice();
    oil_field.rows.insert(Carrier::NaturalGas, "natural_gas.oil_field".to_owned());
    let gas = [point("G", "natural_gas", "m3", "100")];
    let one = over(&gas).comprehensive(&general(), &oil_field).unwrap();
    assert_eq!(one.total, Range::point(Rational::integer(133)));
}

#[test]
fn the_shipped_files_hold_no_contradiction() {
    for file in files() {
        match file {
            FactorFile::StandardCoal(set) => assert_eq!(set.check(), Ok(())),
            FactorFile::GridCo2(set) => assert_eq!(set.check(), Ok(())),
        }
    }
}

#[test]
fn a_figure_carries_the_worst_status_and_the_source_of_each_factor() {
    let mut inflows = example();
    assert_eq!(sum(&inflows).unwrap().confidence, Confidence::Copy);
    inflows.push(point("W", "new_water", "t", "1"));
    let with_water = sum(&inflows).unwrap();
    assert_eq!(with_water.confidence, Confidence::Unchecked);
    let factor = &with_water.lines[3].factor;
    assert_eq!(
        (factor.set.as_str(), factor.clause.as_str(), factor.value.as_str(), factor.unit.as_str()),
        ("GB/T 2589-2020", "附录 B 新水", "0.2571", "kgce/t")
    );
}

#[test]
fn the_worst_evidence_class_and_the_least_coverage_of_the_amounts_decide() {
    let mut inflows = example();
    inflows[1].amount.class = EvidenceClass::D;
    inflows[2].amount.class = EvidenceClass::C;
    inflows[2].amount.covered_s /= 2;
    let sum = sum(&inflows).unwrap();
    assert_eq!((sum.class, sum.coverage), (EvidenceClass::D, Rational::ratio(1, 2).unwrap()));
}

#[test]
fn calorific_and_equivalent_value_are_chosen_and_never_guessed() {
    let files = files();
    let electricity = [point("E", "electricity", "kWh", "1000")];
    let mut equivalent = choice();
    equivalent.basis = CoalBasis::Equivalent;
    let refused = over(&electricity).comprehensive(&general(), &equivalent).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "factor set \"GB/T 2589-2020\" has no factor for electricity (电力), equivalent value (等价值), counted in J; \
         supply a row with its source, or a measured value as a set of its own"
    );
    let shanghai = coal_set(&files, "DB31/T 783-2026").unwrap();
    let late = Boundary { period: days("2026-01-01", "2026-12-31"), ..over(&electricity) };
    let by_plant = late.comprehensive(shanghai, &equivalent).unwrap();
    assert_eq!(by_plant.total, Range::point(exact("280.78".parse().unwrap())));
    assert_eq!(by_plant.basis, Some(CoalBasis::Equivalent));
}

#[test]
fn a_factor_outside_its_validity_is_refused_and_never_stretched() {
    let files = files();
    let electricity = [point("E", "electricity", "kWh", "1000")];
    let with = |from, to, set: &CoalSet, basis| {
        let boundary = Boundary { period: days(from, to), ..over(&electricity) };
        boundary.comprehensive(set, &CoalChoice { basis, ..choice() })
    };
    let general = general();
    assert!(with("2021-04-01", "2021-04-30", &general, CoalBasis::Calorific).is_ok());
    let early = with("2021-03-31", "2021-04-30", &general, CoalBasis::Calorific).unwrap_err();
    assert_eq!(
        early.to_string(),
        "factor \"electricity.calorific\" of set \"GB/T 2589-2020\" is valid from 2021-04-01 to now, the period runs \
         from 2021-03-31 to 2021-04-30; supply the edition valid then, or split the period where the editions change"
    );
    let shanghai = coal_set(&files, "DB31/T 783-2026").unwrap();
    assert!(with("2026-12-31", "2026-12-31", shanghai, CoalBasis::Equivalent).is_ok());
    assert!(matches!(
        with("2026-12-31", "2027-01-01", shanghai, CoalBasis::Equivalent),
        Err(BoundaryError::Factor(FactorError::OutOfDate { .. }))
    ));
}

#[test]
fn a_missing_set_row_or_carrier_is_refused_with_what_to_supply() {
    let files = files();
    let text = coal_set(&files, "GB/T 2589").unwrap_err().to_string();
    assert!(text.contains("name one of: GB/T 2589-2020, DB31/T 783-2026"), "{text}");
    assert!(grid_set(&files, "GB/T 2589-2020").is_err());
    let gas = [point("G", "natural_gas", "m3", "1")];
    let mut unnamed = choice();
    unnamed.rows.clear();
    let text = over(&gas).comprehensive(&general(), &unnamed).unwrap_err().to_string();
    assert!(text.contains("several factors for natural_gas (天然气), counted in m3: natural_gas.gas_field, natural_gas.oil_field"), "{text}");
    unnamed.rows.insert(Carrier::NaturalGas, "town_gas".to_owned());
    assert!(matches!(
        over(&gas).comprehensive(&general(), &unnamed),
        Err(BoundaryError::Factor(FactorError::NoSuchRow { .. }))
    ));
    let by_mass = [point("G", "natural_gas", "t", "1")];
    assert!(matches!(sum(&by_mass), Err(BoundaryError::Factor(FactorError::NoFactor { .. }))));
    let by_volume = [point("D", "diesel", "L", "1")];
    assert!(matches!(sum(&by_volume), Err(BoundaryError::Factor(FactorError::NoFactor { .. }))));
    assert_eq!(sum(&[]), Err(BoundaryError::Empty));
}

#[test]
fn factor_files_that_contradict_themselves_are_refused() {
    let bad = |from: &str, to: &str| {
        let file: FactorFile = toml::from_str(&GENERAL.replacen(from, to, 1)).unwrap();
        let FactorFile::StandardCoal(set) = file else { panic!("another kind") };
        set.check().unwrap_err().to_string()
    };
    assert!(bad("\"0.1229\"", "\"0\"").contains("greater than zero"));
    assert!(bad("basis   = \"calorific\"\n", "").contains("belongs to electricity"));
    assert!(
        bad("carrier = \"heat\"", "carrier = \"heat\"\nbasis = \"calorific\"")
            .contains("belongs to electricity")
    );
    assert!(bad("row     = \"diesel\"", "row     = \"petrol\"").contains("stands twice"));
    assert!(
        bad("valid_from = \"2021-04-01\"", "valid_from = \"2021-04-01\"\nvalid_to = \"2021-03-31\"")
            .contains("ends before")
    );
    assert!(bad("per     = \"kWh\"", "per     = \"t\"").contains("is not counted in t"));
    for (from, to) in [
        ("\"0.1229\"", "0.1229"),
        ("clause  =", "claus  ="),
        ("\"electricity\"", "\"power\""),
        ("\"F2\"", "\"A\""),
    ] {
        let text = GENERAL.replacen(from, to, 1);
        assert!(toml::from_str::<FactorFile>(&text).is_err(), "{to}");
    }
}

#[test]
fn two_editions_of_a_row_are_told_apart_by_their_days() {
    let mut set = general();
    set.factors[0].valid_to = Some("2025-06-30".parse().unwrap());
    let mut next = set.factors[0].clone();
    (next.valid_from, next.valid_to) = (Some("2025-07-01".parse().unwrap()), None);
    next.kgce = "0.1228".parse().unwrap();
    set.factors.push(next);
    let electricity = [point("E", "electricity", "kWh", "1000")];
    let total = |from, to| {
        let boundary = Boundary { period: days(from, to), ..over(&electricity) };
        boundary.comprehensive(&set, &choice()).map(|sum| sum.total.lower.to_string())
    };
    assert_eq!(total("2025-01-01", "2025-06-30").unwrap(), "1229/10");
    assert_eq!(total("2025-07-01", "2025-07-01").unwrap(), "614/5");
    assert!(matches!(
        total("2025-06-30", "2025-07-01"),
        Err(BoundaryError::Factor(FactorError::OutOfDate { .. }))
    ));
}

#[test]
fn what_is_made_inside_from_a_counted_carrier_is_listed_and_not_added() {
    let mut inflows = example();
    let without = sum(&inflows).unwrap();
    inflows.push(made("AIR", "compressed_air", "m3", "1000000", &["E"]));
    inflows.push(made("STEAM", "steam", "t", "500", &["G", "SOFT"]));
    inflows.push(made("SOFT", "soft_water", "t", "600", &["E"]));
    let with = sum(&inflows).unwrap();
    assert_eq!((&with.total, &with.lines), (&without.total, &without.lines));
    let left: Vec<_> = with.not_added.iter().map(|n| n.meter.as_str()).collect();
    assert_eq!(left, ["AIR", "STEAM", "SOFT"]);
    // The same air from outside is added: 1 000 000 m³ × 0.0400.
    inflows[3].origin = Origin::Supplied;
    let bought = sum(&inflows).unwrap();
    assert_eq!(bought.total, without.total.plus(&Range::point(Rational::integer(40_000))));
}

#[test]
fn an_origin_outside_the_boundary_or_in_a_circle_is_refused_by_name() {
    let refused = |inflows: &[Inflow]| sum(inflows).unwrap_err();
    let e = || point("E", "electricity", "kWh", "1");
    let outside = refused(&[e(), made("AIR", "compressed_air", "m3", "1", &["E2"])]);
    let want = BoundaryError::SourceOutside { meter: "AIR".to_owned(), from: "E2".to_owned() };
    assert_eq!(outside, want);
    let circle = [e(), made("A", "oxygen", "m3", "1", &["B"]), made("B", "steam", "t", "1", &["A"])];
    assert_eq!(refused(&circle), BoundaryError::MadeFromItself("A".to_owned()));
    let nothing = refused(&[e(), made("A", "oxygen", "m3", "1", &[])]);
    assert_eq!(nothing, BoundaryError::MadeFromNothing("A".to_owned()));
    assert_eq!(refused(&[e(), e()]), BoundaryError::Tree(TreeError::Twice("E".to_owned())));
    // Two things made from one that is made inside are no circle.
    let shared = [
        e(),
        made("A", "oxygen", "m3", "1", &["B", "C"]),
        made("B", "steam", "t", "1", &["S"]),
        made("C", "nitrogen", "m3", "1", &["S"]),
        made("S", "soft_water", "t", "1", &["E"]),
    ];
    assert!(sum(&shared).is_ok());
}

#[test]
fn the_meter_tree_guards_the_boundary() {
    let meter = |id: &str, under: Option<&str>| Meter {
        id: id.to_owned(),
        carrier: Carrier::Electricity,
        under: under.map(str::to_owned),
        serial: None,
        loss: Some(StatedLoss { least: "0".parse().unwrap(), most: "0.05".parse().unwrap() }),
    };
    let tree = MeterTree::new(&[meter("E", None), meter("compressor", Some("E"))]).unwrap();
    let with_tree = |inflows: &[Inflow]| {
        Boundary { tree: Some(&tree), ..over(inflows) }.comprehensive(&general(), &choice())
    };
    let e = point("E", "electricity", "kWh", "1000");
    let both = [e.clone(), point("compressor", "electricity", "kWh", "200")];
    let twice = TreeError::CountedTwice { meter: "compressor".to_owned(), above: "E".to_owned() };
    assert_eq!(with_tree(&both), Err(BoundaryError::Tree(twice)));
    // Air from a sub-meter of a counted main comes from inside.
    let air = made("AIR", "compressed_air", "m3", "9", &["compressor"]);
    assert_eq!(with_tree(&[e.clone(), air.clone()]).unwrap().not_added.len(), 1);
    assert!(matches!(sum(&[e, air]), Err(BoundaryError::SourceOutside { .. })));
}

#[test]
fn a_reduction_takes_the_newest_factor_for_both_periods_and_an_inventory_each_years_own() {
    let electricity = [point("E", "electricity", "kWh", "10000")];
    let kg = |period, rule, scope: &str| {
        Boundary { period, ..over(&electricity) }
            .co2(&grid_co2(), scope, rule)
            .map(|sum| (decimal(&sum.total.lower, 1, Rounding::HalfEven), sum.lines[0].factor.row.clone()))
    };
    let reduction = |day: &str| GridRule::Reduction { reported: day.parse().unwrap() };
    let (before, after) = (days("2022-01-01", "2022-12-31"), days("2025-01-01", "2025-12-31"));
    for period in [before, after] {
        let now = kg(period, reduction("2026-03-01"), "liaoning").unwrap();
        assert_eq!(now, ("4878.0".to_owned(), "liaoning 2023".to_owned()));
        // One day before the announcement the year before was the newest.
        assert_eq!(kg(period, reduction("2025-12-30"), "liaoning").unwrap().0, "5626.0");
    }
    assert_eq!(kg(before, GridRule::Inventory, "national").unwrap().0, "5366.0");
    assert_eq!(kg(days("2023-05-01", "2023-05-31"), GridRule::Inventory, "northeast").unwrap().0, "5122.0");
    let text = |got: Result<_, BoundaryError>| got.unwrap_err().to_string();
    assert!(text(kg(after, GridRule::Inventory, "national")).contains("for the year 2025"));
    assert!(
        text(kg(days("2022-12-31", "2023-01-01"), GridRule::Inventory, "national"))
            .contains("each calendar year apart")
    );
    assert!(text(kg(before, reduction("2024-04-11"), "national")).contains("published by 2024-04-11"));
    assert!(text(kg(before, reduction("2026-01-01"), "shanghai")).contains("liaoning, national"));
}

#[test]
fn co2_is_that_of_electricity_from_outside_only() {
    let gas = [point("G", "natural_gas", "m3", "1")];
    assert_eq!(
        over(&gas).co2(&grid_co2(), "national", GridRule::Inventory),
        Err(BoundaryError::NoElectricity)
    );
    let rule = GridRule::Reduction { reported: "2026-01-01".parse().unwrap() };
    let co2 = over(&example()).co2(&grid_co2(), "national", rule).unwrap();
    assert_eq!((co2.total, co2.basis), (Range::point(Rational::integer(663_250)), None));
}

fn declared(what: DeclaredQuantity) -> Declared {
    let document = DocumentHash::parse(&"cd".repeat(32)).unwrap();
    Declared { what, from: year().from, to: year().to, document }
}

#[test]
fn a_declared_quantity_covers_exactly_the_period_and_is_never_nothing() {
    let value = declared(DeclaredQuantity::ValueAdded { fen: 1_234_567_890, price_year: 2020 });
    // 12 345 678.90 元.
    assert_eq!(value.amount(year()), Ok(exact("1234.56789".parse().unwrap())));
    let mut late = value.clone();
    late.to += 1;
    assert!(matches!(late.amount(year()), Err(DeclaredError::OtherPeriod { .. })));
    for what in [
        DeclaredQuantity::GoodParts { pieces: 0 },
        DeclaredQuantity::Mass { kilograms: "-1".parse().unwrap() },
        DeclaredQuantity::OutputValue { fen: 0, price_year: 2020 },
    ] {
        assert!(matches!(declared(what).amount(year()), Err(DeclaredError::Nothing { .. })));
    }
}

fn amounts() -> impl Strategy<Value = Vec<(u32, Option<u32>)>> {
    prop::collection::vec((0u32..100_000, prop::option::weighted(0.8, 0u32..100_000)), 1..8)
}

fn inflows(amounts: &[(u32, Option<u32>)]) -> Vec<Inflow> {
    let units = [("electricity", "kWh"), ("natural_gas", "m3"), ("steam", "t"), ("heat", "GJ")];
    let each = amounts.iter().enumerate().map(|(at, (lower, more))| {
        let (carrier, unit) = units[at % units.len()];
        let upper = more.map(|more| (u64::from(*lower) + u64::from(more)).to_string());
        supplied(&format!("m{at}"), carrier, unit, &lower.to_string(), upper.as_deref())
    });
    each.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_of_a_boundary_sum_to_the_whole(amounts in amounts(), cut in 0usize..8) {
        let all = inflows(&amounts);
        let whole = sum(&all).unwrap().total;
        let (a, b) = all.split_at(cut % all.len());
        let part = |part: &[Inflow]| if part.is_empty() { Range::zero() } else { sum(part).unwrap().total };
        prop_assert_eq!(part(a).plus(&part(b)), whole);
    }

    #[test]
    fn a_greater_factor_or_amount_never_makes_less(amounts in amounts(), at in 0usize..8, more in 1u32..1_000) {
        let all = inflows(&amounts);
        let before = sum(&all).unwrap().total;
        let mut set = general();
        for factor in &mut set.factors {
            factor.kgce = factor.kgce.checked_mul("1.0001".parse().unwrap()).unwrap();
        }
        let dearer = over(&all).comprehensive(&set, &choice()).unwrap().total;
        prop_assert!(before.lower <= dearer.lower && before.upper.is_some() == dearer.upper.is_some());
        prop_assert!(before.upper <= dearer.upper);
        let mut grown = amounts.clone();
        let at = at % grown.len();
        grown[at].0 += more;
        let after = sum(&inflows(&grown)).unwrap().total;
        prop_assert!(before.lower < after.lower);
    }

    #[test]
    fn the_order_of_meters_changes_nothing(amounts in amounts(), turn in 0usize..8) {
        let all = inflows(&amounts);
        let mut turned = all.clone();
        turned.rotate_left(turn % all.len());
        prop_assert_eq!(sum(&all).unwrap().total, sum(&turned).unwrap().total);
    }
}

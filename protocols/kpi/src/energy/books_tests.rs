//! The energy books of the example file, answered, and books that forget something.

use super::books::BooksError;
use super::tree::TreeError;
use super::*;
use crate::period::Grid;
use crate::round::{Rounding, decimal};

/// 2025 at +08:00.
const YEAR: Period = Period { from: 1_735_660_800, to: 1_767_196_800 };

fn example() -> EnergyBooks {
    toml::from_str(include_str!("../../../../config/examples/energy.toml")).unwrap()
}

fn answer(books: &EnergyBooks) -> Result<EnergyAnswer, BooksError> {
    let texts = [
        include_str!("../../../../config/factors/gbt2589-2020.toml"),
        include_str!("../../../../config/factors/grid-co2.toml"),
    ];
    let files: Vec<FactorFile> = texts.iter().map(|text| toml::from_str(text).unwrap()).collect();
    books.answer(&[], None, &files, YEAR, Grid::new(60, 480).unwrap())
}

#[test]
fn the_example_books_give_the_worked_example() {
    let answer = answer(&example()).unwrap();
    let told: Vec<(EnergyKpi, String, EvidenceClass)> = answer
        .figures
        .iter()
        .map(|f| (f.id, decimal(f.value.point().unwrap(), 6, Rounding::HalfEven), f.class))
        .collect();
    let want = [
        (EnergyKpi::Comprehensive, "298.998800", EvidenceClass::D),
        (EnergyKpi::PerPart, "2.989988", EvidenceClass::D),
        (EnergyKpi::PerValueAdded, "0.199333", EvidenceClass::D),
        // 1 250 000 × 0.4878.
        (EnergyKpi::Co2Electricity, "609750.000000", EvidenceClass::D),
    ];
    assert_eq!(told, want.map(|(id, value, class)| (id, value.to_owned(), class)));
    let total = &answer.figures[0];
    assert_eq!(total.meters, ["总表", "热力", "燃气"]);
    let left: Vec<&str> = total.not_added.iter().map(|n| n.meter.as_str()).collect();
    assert_eq!((left, total.coverage.to_string().as_str()), (vec!["压缩空气"], "1"));
    // 1 250 000 − 250 000 − 970 000 = 30 000 kWh, 2.4 %.
    let [balance] = answer.balances.as_slice() else { panic!("{:?}", answer.balances) };
    assert_eq!((balance.main.as_str(), balance.verdict), ("总表", BalanceVerdict::Fits));
    let residual = balance.residual.upper.as_ref().map(|joules| EnergyUnit::KilowattHour.from_base(joules));
    assert_eq!(residual, Some(Rational::integer(30_000)));
}

#[test]
fn measured_good_parts_and_machines_of_the_windows_join_in() {
    let mut books = example();
    books.declared.clear();
    books.readings.retain(|readings| readings.meter != "机加车间");
    let machine = CarrierAmount {
        meter: "机加车间".to_owned(),
        carrier: Carrier::Electricity,
        dimension: Dimension::Energy,
        amount: Range::point(EnergyUnit::KilowattHour.to_base(&Rational::integer(970_000))),
        class: EvidenceClass::B,
        covered_s: YEAR.seconds(),
        documents: Vec::new(),
    };
    let files: Vec<FactorFile> =
        vec![toml::from_str(include_str!("../../../../config/factors/gbt2589-2020.toml")).unwrap()];
    books.co2 = None;
    let parts = crate::totals::AmountBounds { lower: 100_000, upper: Some(100_000), ..Default::default() };
    let grid = Grid::new(60, 480).unwrap();
    let answer = books.answer(&[machine], Some(&parts), &files, YEAR, grid).unwrap();
    let ids: Vec<EnergyKpi> = answer.figures.iter().map(|f| f.id).collect();
    assert_eq!(ids, [EnergyKpi::Comprehensive, EnergyKpi::PerPart]);
    assert_eq!(answer.balances[0].verdict, BalanceVerdict::Fits);
}

#[test]
fn nothing_is_left_out_by_forgetting_it() {
    let refuse = |change: &dyn Fn(&mut EnergyBooks)| {
        let mut books = example();
        change(&mut books);
        answer(&books).unwrap_err()
    };
    let gas = refuse(&|books| drop(books.boundary.remove("燃气")));
    assert_eq!(gas, BooksError::NotPlaced("燃气".to_owned()));
    let missing = refuse(&|books| drop(books.bills.remove(0)));
    assert_eq!(missing, BooksError::NoAmount("燃气".to_owned()));
    let twice = refuse(&|books| books.readings.push(books.readings[0].clone()));
    assert_eq!(twice, BooksError::Tree(TreeError::Twice("总表".to_owned())));
    let sub = refuse(&|books| drop(books.readings.remove(1)));
    assert_eq!(sub, BooksError::Tree(TreeError::NoAmount("空压机".to_owned())));
    let both = refuse(&|books| drop(books.boundary.insert("空压机".to_owned(), Origin::Supplied)));
    assert!(both.to_string().contains("adding both counts its amount twice"), "{both}");
    let set = refuse(&|books| books.co2.as_mut().unwrap().set = "other".to_owned());
    assert!(set.to_string().contains("MEE-NBS grid CO2"), "{set}");
    let late = refuse(&|books| books.declared[0].to += 60);
    assert!(late.to_string().starts_with("the declared good parts covers"), "{late}");
}

#[test]
fn two_amounts_of_one_carrier_need_a_meter_list() {
    let mut books = example();
    books.meters.clear();
    books.readings.truncate(1);
    books.boundary.remove("压缩空气");
    assert!(answer(&books).is_ok());
    let mut second = books.readings[0].clone();
    second.meter = "二号总表".to_owned();
    books.readings.push(second);
    books.boundary.insert("二号总表".to_owned(), Origin::Supplied);
    let text = answer(&books).unwrap_err().to_string();
    assert!(
        text.starts_with("\"总表\" and \"二号总表\" both add electricity (电力) and there is no meter list"),
        "{text}"
    );
}

#[test]
fn books_with_an_unknown_key_are_refused() {
    let text = include_str!("../../../../config/examples/energy.toml");
    for (from, to) in [
        ("[boundary]", "[boundries]"),
        ("basis = ", "base = "),
        ("reported = ", "report = "),
        ("under   =", "below   ="),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(toml::from_str::<EnergyBooks>(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
}

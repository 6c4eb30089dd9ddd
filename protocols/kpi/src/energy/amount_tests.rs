//! Amounts from handed-in readings and from bills: worked examples, bad input by name, and what must hold for
//! any readings at all.

use proptest::prelude::*;

use super::reading::ReadingError;
use super::*;
use crate::energy::bill::BillError;
use crate::energy::unit::exact;
use crate::period::DAY_S;

fn document() -> DocumentHash {
    DocumentHash::parse(&"ab".repeat(32)).unwrap()
}

fn gas(readings: &[(i64, &str)], changes: &[(i64, &str, &str)]) -> MeterReadings {
    MeterReadings {
        meter: "G1".to_owned(),
        carrier: Carrier::NaturalGas,
        unit: EnergyUnit::CubicMetre,
        multiplier: "1".parse().unwrap(),
        readings: readings.iter().map(|&(at, v)| Reading { at, register: v.parse().unwrap() }).collect(),
        changes: changes
            .iter()
            .map(|&(at, last, first)| CounterChange {
                at,
                last: last.parse().unwrap(),
                first: first.parse().unwrap(),
                multiplier: None,
            })
            .collect(),
        document: document(),
    }
}

fn bill(from: i64, to: i64, amount: &str) -> Bill {
    Bill {
        account: "热力户号 7".to_owned(),
        carrier: Carrier::Heat,
        unit: EnergyUnit::Gigajoule,
        amount: amount.parse().unwrap(),
        from,
        to,
        document: document(),
    }
}

const WEEK: Period = Period { from: 0, to: 7 * DAY_S };

/// Both bounds of an amount in `unit`, as text.
#[track_caller]
fn check(amount: &CarrierAmount, unit: &str, lower: &str, upper: Option<&str>) {
    let unit = EnergyUnit::parse(unit).unwrap();
    assert_eq!(unit.dimension(), amount.dimension);
    assert_eq!(unit.from_base(&amount.amount.lower), exact(lower.parse().unwrap()));
    let got = amount.amount.upper.as_ref().map(|upper| unit.from_base(upper));
    assert_eq!(got, upper.map(|upper| exact(upper.parse().unwrap())));
}

#[test]
fn readings_at_both_ends_of_the_period_give_a_point_of_class_d() {
    let amount = gas(&[(0, "100.5"), (DAY_S, "140.25"), (7 * DAY_S, "200")], &[]).amount(WEEK).unwrap();
    check(&amount, "m3", "99.5", Some("99.5"));
    assert_eq!((amount.class, amount.covered_s), (EvidenceClass::D, WEEK.seconds()));
    assert_eq!(amount.documents, [document()]);
}

#[test]
fn a_step_across_the_boundary_may_lie_on_either_side() {
    let readings = gas(&[(-DAY_S, "0"), (DAY_S, "10"), (6 * DAY_S, "50"), (8 * DAY_S, "57")], &[]);
    let amount = readings.amount(WEEK).unwrap();
    check(&amount, "m3", "40", Some("57"));
    assert_eq!(amount.covered_s, Period { from: DAY_S, to: 6 * DAY_S }.seconds());
}

#[test]
fn beyond_the_first_and_the_last_reading_nothing_bounds_the_amount() {
    check(&gas(&[(1, "0"), (7 * DAY_S, "9")], &[]).amount(WEEK).unwrap(), "m3", "9", None);
    check(&gas(&[(0, "0"), (7 * DAY_S - 1, "9")], &[]).amount(WEEK).unwrap(), "m3", "9", None);
    check(&gas(&[(-9, "0"), (0, "9")], &[]).amount(WEEK).unwrap(), "m3", "0", None);
}

#[test]
fn rollover_reset_and_exchange_in_mid_period_lose_nothing() {
    // 9 998 to the rollover at 10 000, 5 after it; then the meter is exchanged at 30 for one that shows 700.
    let changes = [(3 * DAY_S, "10000", "0"), (4 * DAY_S, "30", "700")];
    let amount = gas(&[(0, "9998"), (7 * DAY_S, "705")], &changes).amount(WEEK).unwrap();
    check(&amount, "m3", "37", Some("37"));
    // A reading of the moment of a change comes after it.
    let amount =
        gas(&[(0, "9998"), (DAY_S, "0"), (7 * DAY_S, "5")], &[(DAY_S, "10000", "0")]).amount(WEEK).unwrap();
    check(&amount, "m3", "7", Some("7"));
}

#[test]
fn the_multiplier_counts_and_may_change_with_the_meter() {
    let mut readings = gas(&[(0, "10"), (7 * DAY_S, "104")], &[(DAY_S, "12", "100")]);
    readings.multiplier = "40".parse().unwrap();
    check(&readings.amount(WEEK).unwrap(), "m3", "240", Some("240"));
    readings.changes[0].multiplier = Some("0.5".parse().unwrap());
    check(&readings.amount(WEEK).unwrap(), "m3", "82", Some("82"));
}

#[test]
fn readings_that_cannot_be_are_refused_by_name() {
    let message = |readings: &MeterReadings| readings.amount(WEEK).unwrap_err().to_string();
    let fell = gas(&[(0, "9"), (60, "8.5")], &[]);
    assert_eq!(
        message(&fell),
        "\"G1\": the register falls from 9 to 8.5 between 0 and 60 (UTC s); state the rollover, reset or exchange \
         with its last and first value, or correct the reading"
    );
    assert!(matches!(
        gas(&[(0, "9"), (60, "3")], &[(30, "8", "0")]).amount(WEEK),
        Err(ReadingError::Fell { from: 0, to: 30, .. })
    ));
    assert!(matches!(
        gas(&[(0, "9"), (60, "3")], &[(30, "10", "4")]).amount(WEEK),
        Err(ReadingError::Fell { from: 30, to: 60, .. })
    ));
    assert!(message(&gas(&[(0, "9"), (0, "9")], &[])).contains("1 given"));
    assert!(message(&gas(&[(0, "9"), (0, "8"), (5, "10")], &[])).contains("cannot show both 8 and 9"));
    assert!(message(&gas(&[(0, "-1"), (60, "3")], &[])).contains("a register of -1"));
    for at in [0, 61] {
        assert!(matches!(
            gas(&[(0, "9"), (60, "9")], &[(at, "9", "9")]).amount(WEEK),
            Err(ReadingError::ChangeOutside { .. })
        ));
    }
    let mut zero = gas(&[(0, "1"), (60, "3")], &[]);
    zero.multiplier = "0".parse().unwrap();
    assert!(message(&zero).contains("a multiplier of 0"));
    let mut unit = gas(&[(0, "1"), (60, "3")], &[]);
    unit.unit = EnergyUnit::KilowattHour;
    assert!(message(&unit).contains("natural_gas (天然气) is not counted in kWh"));
}

#[test]
fn electricity_readings_become_bookings_in_whole_milliwatt_hours() {
    let mut readings = gas(&[(0, "1.5"), (900, "1.500002")], &[]);
    assert!(readings.bookings_mwh().is_err());
    readings.carrier = Carrier::Electricity;
    readings.unit = EnergyUnit::KilowattHour;
    let booking = crate::Booking::Known { from: 0, to: 900, amount: 2 };
    assert_eq!(readings.bookings_mwh(), Ok(vec![booking]));
    readings.readings[1].register = "1.5000021".parse().unwrap();
    assert!(matches!(readings.bookings_mwh(), Err(ReadingError::NotWholeMilliwattHours { at: 900, .. })));
}

#[test]
fn a_file_of_readings_keeps_every_digit_and_knows_no_other_field() {
    let text = format!(
        r#"{{"meter":"G1","carrier":"天然气","unit":"m3","multiplier":"1","document":"{}",
           "readings":[{{"at":0,"register":"0.000000001"}},{{"at":604800,"register":"12345678901234567890.1"}}]}}"#,
        "ab".repeat(32)
    );
    let readings: MeterReadings = serde_json::from_str(&text).unwrap();
    check(
        &readings.amount(WEEK).unwrap(),
        "m3",
        "12345678901234567890.099999999",
        Some("12345678901234567890.099999999"),
    );
    for bad in
        [text.replace("multiplier", "ratio"), text.replace("\"m3\"", "\"ft3\""), text.replace("天然气", "气")]
    {
        assert!(serde_json::from_str::<MeterReadings>(&bad).is_err(), "{bad}");
    }
}

#[test]
fn bills_that_fill_the_period_give_a_point() {
    let amount = billed(&[bill(3 * DAY_S, 7 * DAY_S, "5.25"), bill(0, 3 * DAY_S, "4")], WEEK).unwrap();
    check(&amount, "GJ", "9.25", Some("9.25"));
    assert_eq!((amount.class, amount.covered_s), (EvidenceClass::D, WEEK.seconds()));
}

#[test]
fn a_bill_across_the_boundary_and_a_gap_between_bills_widen_the_amount() {
    let amount = billed(&[bill(-1, 3 * DAY_S, "4"), bill(3 * DAY_S, 7 * DAY_S, "5")], WEEK).unwrap();
    check(&amount, "GJ", "5", Some("9"));
    let amount = billed(&[bill(0, 3 * DAY_S, "4"), bill(3 * DAY_S + 1, 7 * DAY_S, "5")], WEEK).unwrap();
    check(&amount, "GJ", "9", None);
}

#[test]
fn bills_that_cannot_be_are_refused_by_name() {
    assert_eq!(billed(&[], WEEK), Err(BillError::None));
    let twice = billed(&[bill(0, 2 * DAY_S, "4"), bill(DAY_S, 7 * DAY_S, "4")], WEEK);
    assert!(matches!(twice, Err(BillError::Overlap { from: DAY_S, to, .. }) if to == 2 * DAY_S));
    // A long bill hides a short one from its neighbour in the list, not from the check.
    let hidden = [bill(0, 7 * DAY_S, "4"), bill(DAY_S, 2 * DAY_S, "1"), bill(3 * DAY_S, 4 * DAY_S, "1")];
    assert!(matches!(billed(&hidden, WEEK), Err(BillError::Overlap { .. })));
    assert!(matches!(billed(&[bill(9, 9, "4")], WEEK), Err(BillError::NoTime { .. })));
    assert!(matches!(billed(&[bill(0, 9, "-4")], WEEK), Err(BillError::Negative { .. })));
    let mut other = bill(9, 10, "1");
    other.account = "8".to_owned();
    assert!(matches!(billed(&[bill(0, 9, "4"), other], WEEK), Err(BillError::Mixed { .. })));
    let mut steam = [bill(0, 9, "4"), bill(9, 10, "1")];
    for bill in &mut steam {
        bill.carrier = Carrier::Steam;
    }
    steam[1].unit = EnergyUnit::Tonne;
    assert!(matches!(billed(&steam, WEEK), Err(BillError::MixedUnits { .. })));
    steam[1].unit = EnergyUnit::CubicMetre;
    assert!(matches!(billed(&steam, WEEK), Err(BillError::Unit(_))));
}

/// Readings of an honest meter: (seconds since the reading before, thousandths of a cubic metre).
fn honest(steps: &[(i64, u32)]) -> MeterReadings {
    let (mut at, mut register) = (0, 0i128);
    let mut readings = gas(&[(0, "0")], &[]);
    for &(seconds, litres) in steps {
        at += seconds;
        register += i128::from(litres);
        readings
            .readings
            .push(Reading { at, register: observation::decimal::Decimal::new(register, -3).unwrap() });
    }
    readings
}

proptest! {
    #[test]
    fn leaving_readings_out_never_narrows_an_amount(
        steps in prop::collection::vec((1i64..5_000, 0u32..9_000), 2..30),
        dropped in prop::collection::vec(prop::bool::weighted(0.3), 31),
        from in 0i64..20_000, length in 1i64..40_000,
    ) {
        let all = honest(&steps);
        let mut less = all.clone();
        let mut keep = dropped.iter().map(|dropped| !dropped);
        less.readings.retain(|_| keep.next().unwrap_or(true));
        let period = Period { from, to: from + length };
        let with_all = all.amount(period).unwrap().amount;
        if let Ok(with_less) = less.amount(period) {
            prop_assert!(with_less.amount.lower <= with_all.lower);
            let narrower = match (&with_all.upper, &with_less.amount.upper) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(all), Some(less)) => less < all,
            };
            prop_assert!(!narrower);
        }
    }

    #[test]
    fn the_parts_of_a_period_enclose_the_whole(
        steps in prop::collection::vec((1i64..5_000, 0u32..9_000), 2..30), cut in 0usize..30, shift in 0i64..3,
    ) {
        let readings = honest(&steps);
        let end = readings.readings.last().unwrap().at;
        let at = (readings.readings[cut % readings.readings.len()].at + shift).clamp(1, end.max(2) - 1);
        let whole = readings.amount(Period { from: 0, to: end }).unwrap().amount;
        let parts = [Period { from: 0, to: at }, Period { from: at, to: end }];
        let sum: Range = parts.iter().map(|p| readings.amount(*p).unwrap().amount).sum();
        prop_assert!(sum.lower <= whole.lower && whole.upper <= sum.upper);
        if readings.readings.iter().any(|r| r.at == at) {
            prop_assert_eq!(sum, whole);
        }
    }

    #[test]
    fn order_and_repetition_of_readings_change_nothing(
        steps in prop::collection::vec((1i64..5_000, 0u32..9_000), 2..30), turn in 0usize..30,
    ) {
        let readings = honest(&steps);
        let mut turned = readings.clone();
        turned.readings.rotate_left(turn % readings.readings.len());
        turned.readings.push(turned.readings[0]);
        prop_assert_eq!(readings.steps(), turned.steps());
    }
}

//! Columns: the coding is the smallest, the bytes are the golden ones, any values survive.

use crate::examples;
use evidence::cbor::{Reader, Writer};
use evidence::column::Column;
use evidence::payload::Place;
use evidence::statement::{Kind, Payload};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn batch(machines: u32, n: u32, values: Vec<i64>) -> Payload {
    let Payload::Window(mut batch) = examples::windows() else { unreachable!("windows() makes windows") };
    (batch.machines, batch.n) = ((0..machines).collect(), n);
    batch.columns = BTreeMap::from([(10, Column { exponent: -1, values })]);
    batch.place = Place::default();
    batch.events.clear();
    Payload::Window(batch)
}

/// The column as it stands in the payload: `[coding, exponent, ints]`.
fn coded(values: &[i64]) -> Vec<u8> {
    let n = u32::try_from(values.len()).unwrap_or(0);
    let bytes = batch(1, n, values.to_vec()).encode();
    // Field 8 with machine 0 and one column 10 comes before, fields 9 and 10 after it.
    let head = [0x08, 0x82, 0x81, 0x00, 0xa1, 0x0a];
    let at = bytes.windows(head.len()).position(|w| w == head).unwrap_or(0) + head.len();
    let tail = 1 + 1 + 34 + 1 + 1 + 34;
    bytes[at..bytes.len() - tail].to_vec()
}

/// The rule, spelled out: write all four codings, take the shortest, the first of equals.
fn plainly(values: &[i64]) -> Vec<u8> {
    let difference = |values: &[i64], from: usize| -> Option<Vec<i64>> {
        let mut out = values.to_vec();
        for i in from..values.len() {
            out[i] = values[i].checked_sub(values[i - 1])?;
        }
        Some(out)
    };
    let first = difference(values, 1);
    let second = first.as_ref().and_then(|first| difference(first, 2));
    let mut runs: Vec<i64> = Vec::new();
    for value in values {
        match runs.as_mut_slice() {
            [.., last, times] if last == value => *times += 1,
            _ => runs.extend([*value, 1]),
        }
    }
    let mut best: Option<Vec<u8>> = None;
    for (coding, ints) in [Some(values.to_vec()), first, second, Some(runs)].into_iter().enumerate() {
        let Some(ints) = ints else { continue };
        let mut w = Writer::new();
        w.array(3).uint(coding as u64).int(-1).array(ints.len());
        for n in ints {
            w.int(n);
        }
        let bytes = w.finish();
        if best.as_ref().is_none_or(|best| bytes.len() < best.len()) {
            best = Some(bytes);
        }
    }
    best.unwrap_or_default()
}

#[test]
fn the_golden_columns_have_not_changed() {
    let examples: [(&str, Vec<i64>); 10] = [
        ("one value", vec![7]),
        ("short and unlike", vec![5, -3, 9]),
        ("constant", vec![60_000; 40]),
        ("a register that runs evenly", (0..40).map(|i| 48_213_960 + 25 * i).collect()),
        ("a register that runs unevenly", (0..40).map(|i| 48_213_960 + 25 * i + (i * i) % 7).collect()),
        ("quadratic", (0..40).map(|i| 3 * i * i).collect()),
        ("two machines", [[100, 101, 103], [9_000_000, 9_000_001, 9_000_001]].concat()),
        ("producing, then idle", [[60_000; 9], [0; 9]].concat()),
        ("alternating", (0..40).map(|i| (i % 2) * 60_000).collect()),
        ("differences beyond 64 bits", vec![i64::MIN, i64::MAX, i64::MIN, 0, 1, -1]),
    ];
    let made: BTreeMap<_, _> = examples
        .iter()
        .map(|(name, values)| {
            (*name, serde_json::json!({ "values": values, "column": hex::encode(coded(values)) }))
        })
        .collect();
    examples::golden("columns.json", &serde_json::json!(made));
}

#[test]
fn each_coding_has_values_for_which_it_is_smallest() {
    let coding = |values: &[i64]| coded(values)[1];
    assert_eq!(coding(&[5, -3, 9]), 0);
    assert_eq!(coding(&[48_213_960, 48_213_984, 48_214_000, 48_214_001]), 1);
    assert_eq!(coding(&(0..40).map(|i| 48_213_960 + 25 * i).collect::<Vec<_>>()), 2);
    assert_eq!(coding(&[60_000; 40]), 3);
}

#[test]
fn a_column_of_the_wrong_length_is_refused() {
    let Payload::Window(batch) = batch(2, 3, vec![1, 2, 3, 4, 5]) else { unreachable!("a window") };
    assert!(Payload::decode(Kind::Window, &Payload::Window(batch).encode()).is_err());
}

/// Values like those of a plant, and values like those of an attacker.
fn values() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![Just(0i64), 1..30i64, Just(60_000), -3..3i64];
    prop_oneof![
        prop::collection::vec(any::<i64>(), 1..60),
        prop::collection::vec(prop_oneof![Just(0i64), Just(60_000), 0..60_000i64], 1..120),
        (any::<i32>(), prop::collection::vec(step, 1..120)).prop_map(|(start, steps)| {
            steps
                .iter()
                .scan(i64::from(start), |value, step| {
                    *value += step;
                    Some(*value)
                })
                .collect()
        }),
        (any::<i64>(), 1..200usize).prop_map(|(value, n)| vec![value; n]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_coding_is_the_smallest_and_the_first_of_equals(values in values()) {
        prop_assume!(values.iter().any(|v| *v != 0));
        prop_assert_eq!(coded(&values), plainly(&values));
    }

    #[test]
    fn any_values_survive(values in values(), machines in 1..4usize) {
        let n = values.len() / machines;
        prop_assume!(n > 0);
        let values = values[..n * machines].to_vec();
        let payload = batch(u32::try_from(machines)?, u32::try_from(n)?, values.clone());
        let bytes = payload.encode();
        let Payload::Window(read) = Payload::decode(Kind::Window, &bytes)? else { unreachable!("a window") };
        for (at, value) in values.iter().enumerate() {
            prop_assert_eq!(read.value(10, at / n, at % n), *value);
        }
        prop_assert_eq!(Payload::Window(read).encode(), bytes);
    }

    #[test]
    fn any_ints_in_any_coding_never_panic(coding in 0..5u64, ints in prop::collection::vec(any::<i64>(), 0..20), n in 1..40u32) {
        let mut w = Writer::new();
        w.array(2).array(1).uint(0).map(1).uint(10).array(3).uint(coding).int(0).array(ints.len());
        for int in &ints {
            w.int(*int);
        }
        let Payload::Window(plain) = batch(1, n, vec![1; n as usize]) else { unreachable!("a window") };
        let bytes = Payload::Window(plain.clone()).encode();
        let mut field = Writer::new();
        field.array(2).array(1).uint(0).map(1).uint(10);
        let field = field.finish();
        let at = bytes.windows(field.len()).position(|b| b == field).unwrap_or(0);
        let tail = &bytes[bytes.len() - 72..];
        let changed = [&bytes[..at], &w.finish(), tail].concat();
        if let Ok(payload) = Payload::decode(Kind::Window, &changed) {
            prop_assert_eq!(payload.encode(), changed, "what is accepted is canonical");
        }
    }

    #[test]
    fn ints_are_written_shortest_and_read_back(n in any::<i64>()) {
        let mut w = Writer::new();
        w.int(n);
        let bytes = w.finish();
        prop_assert_eq!(Reader::new(&bytes).int("n")?, n);
        let as_coset = coset::cbor::value::Value::from(n);
        let mut other = Vec::new();
        coset::cbor::ser::into_writer(&as_coset, &mut other)?;
        prop_assert_eq!(bytes, other, "another library writes the same");
    }
}

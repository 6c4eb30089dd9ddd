//! SPEC.md says what the code does: numbers, names and bytes that stand in both are compared here.

use crate::examples;
use evidence::bundle::{MAX_FILE, MAX_FILES, MAX_PATH};
use evidence::note::MAX_NOTE;
use evidence::payload::{EventCode, KeyAction, MAX_AUDITED, MAX_CELLS};
use evidence::statement::{Kind, MAX_STATEMENT, Payload, Role};
use evidence::{column, hash};

const SPEC: &str = include_str!("../../SPEC.md");

#[track_caller]
fn says(text: &str) {
    assert!(SPEC.contains(text), "SPEC.md should say {text:?}");
}

/// A number with thin groups of three digits, as the tables write it.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[test]
fn limits_are_those_of_the_code() {
    for (what, limit) in [
        ("statement", MAX_STATEMENT as u64),
        ("values in a statement", MAX_CELLS as u64),
        ("note", MAX_NOTE as u64),
        ("enrolment request", 16 * MAX_STATEMENT as u64),
        ("blocks of an audit", MAX_AUDITED),
        ("files of a bundle", MAX_FILES),
        ("path in a bundle", MAX_PATH as u64),
        ("file handed over as one piece", MAX_FILE),
    ] {
        says(&format!("| {what} | {}", grouped(limit)));
    }
}

#[test]
fn every_kind_stands_there_with_its_signers() {
    for kind in Kind::ALL {
        let name =
            kind.content_type().trim_start_matches("application/vnd.plumbline.").trim_end_matches("+cbor");
        let mut signers: Vec<&str> = kind.signers().iter().copied().map(Role::text).collect();
        signers.sort_unstable();
        let row = format!("| `{name}` | ");
        let at = SPEC.find(&row).unwrap_or_else(|| panic!("SPEC.md has no row {row:?}"));
        let cell = SPEC[at + row.len()..].split(" |").next().unwrap_or_default();
        let mut said: Vec<&str> = cell.split(", ").collect();
        said.sort_unstable();
        assert_eq!(said, signers, "{name}");
    }
}

#[test]
fn event_codes_and_key_actions_are_all_there() {
    for code in EventCode::ALL {
        says(&format!("\n| {} | ", code.number()));
    }
    for (number, _) in KeyAction::ALL.iter().enumerate() {
        says(&format!("\n| {number} "));
    }
}

/// Ids of the column table: `| 0–8 | …`, `| 12, 13 | …`.
fn column_ids() -> Vec<u8> {
    let table = SPEC.split("| id | column | unit |").nth(1).unwrap_or_default();
    let mut ids = Vec::new();
    for row in table.lines().skip(2).take_while(|row| row.starts_with('|')) {
        let cell = row.split('|').nth(1).unwrap_or_default();
        for part in cell.split(',') {
            let (first, last) = part.split_once('–').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<u8>().unwrap();
            ids.extend(number(first)..=number(last));
        }
    }
    ids
}

#[test]
fn the_table_of_columns_lists_exactly_the_known_ids() {
    let known: Vec<u8> = (0..=255).filter(|id| column::is_known(*id)).collect();
    assert_eq!(column_ids(), known);
}

#[test]
fn the_byte_picture_of_a_statement_is_that_of_the_golden_one() {
    let bytes = examples::sealed(&examples::agent_key(), Role::Agent, &examples::windows());
    let payload = examples::windows().encode();
    let protected = usize::from(bytes[3]);
    says(&format!("58 {protected:02X} <{protected} bytes>     protected header"));
    says(&format!("59 {:04X} <{} bytes>   payload", payload.len(), payload.len()));
    assert_eq!(bytes[..4], [0xd2, 0x84, 0x58, bytes[3]]);
    assert_eq!(bytes[4 + protected..4 + protected + 2], [0xa0, 0x59]);
}

#[test]
fn the_smallest_golden_statement_is_printed_and_explained() {
    let (key, role, close) = examples::all().pop().unwrap();
    assert!(matches!(close, Payload::Close(_)));
    let bytes = examples::sealed(&key, role, &close);
    let printed: String = hex::encode(&bytes)
        .as_bytes()
        .chunks(112)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect::<Vec<_>>()
        .join("\n");
    says(&printed);
    says(&format!("kid  {}", key.public().kid()));
    says(&format!("leaf {}", hex::encode(hash::leaf(&bytes))));
}

#[test]
fn the_example_of_a_column_is_what_the_encoder_writes() {
    let bytes = examples::windows().encode();
    let example = [
        &[0x83, 0x01, 0x01, 0x84, 0x1a][..],
        &[0x02, 0xdf, 0xaf, 0xc8, 0x18, 0x18, 0x3a, 0x02, 0xdd, 0x65, 0xed, 0x01],
    ]
    .concat();
    assert!(bytes.windows(example.len()).any(|window| window == example));
    says("`83 01 01 84 1A 02DFAFC8 18 18 3A 02DD65ED 01`");
}

/// Every item in the golden files that is CBOR, nested byte strings included.
fn walk(bytes: &[u8], maps: &mut usize) {
    use coset::cbor::value::Value;
    fn visit(value: &Value, maps: &mut usize) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| visit(item, maps)),
            Value::Tag(_, inner) => visit(inner, maps),
            Value::Map(pairs) => {
                *maps += 1;
                let keys: Vec<i128> =
                    pairs.iter().filter_map(|(key, _)| key.as_integer()).map(i128::from).collect();
                assert_eq!(keys.len(), pairs.len(), "keys are integers");
                assert!(!(keys.iter().any(|k| *k < 0) && keys.iter().any(|k| *k >= 24)), "{keys:?}");
                for (_, value) in pairs {
                    visit(value, maps);
                }
            }
            Value::Float(_) => panic!("a float"),
            Value::Bytes(inner) => {
                if matches!(inner.first(), Some(0xa1..=0xb7)) {
                    walk(inner, maps);
                }
            }
            _ => {}
        }
    }
    if let Ok(value) = coset::cbor::de::from_reader::<Value, _>(bytes) {
        visit(&value, maps);
    }
}

#[test]
fn no_map_mixes_keys_on_which_the_two_deterministic_orders_differ_and_nothing_is_a_float() {
    let mut maps = 0;
    for (key, role, payload) in examples::all() {
        walk(&examples::sealed(&key, role, &payload), &mut maps);
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/log.json");
    let log: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(folder).unwrap()).unwrap();
    for item in log["receipts"].as_array().unwrap().iter().chain([&log["enrolment"]]) {
        walk(&hex::decode(item.as_str().unwrap()).unwrap(), &mut maps);
    }
    assert!(maps > 80, "only {maps} maps were seen");
}

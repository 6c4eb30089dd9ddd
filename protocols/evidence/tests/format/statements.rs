//! Every kind of statement: golden bytes, round trips, and one named defect for each way to be wrong.

use crate::examples::{self, agent_key, all, registrar_key, sealed, windows};
use evidence::column::Column;
use evidence::defect::DecodeError;
use evidence::payload::{KeyAction, definitions_in_force};
use evidence::statement::{Kind, MAX_STATEMENT, Payload, Role, open, seal};
use evidence::{EncodeError, cbor::Writer};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn every_kind_is_read_back_as_it_was_written() {
    let kinds: Vec<Kind> = all().iter().map(|(_, _, payload)| payload.kind()).collect();
    assert_eq!(kinds, Kind::ALL);
    for (key, role, payload) in all() {
        let bytes = sealed(&key, role, &payload);
        let opened = open(&bytes).unwrap();
        assert_eq!(opened.payload, payload);
        assert_eq!((opened.header.role, opened.header.project.as_str()), (role, "SY-2024-017"));
        let statement = opened.verify(key.public()).unwrap();
        assert_eq!(statement.leaf(), evidence::hash::leaf(&bytes));
    }
}

/// `tests/golden/statements.json` freezes format version 1: kind → statement, payload, leaf, all in hex.
/// Written anew only when `PLUMBLINE_BLESS` is set.
#[test]
fn the_golden_statements_have_not_changed() {
    let mut made = BTreeMap::new();
    for (key, role, payload) in all() {
        let bytes = sealed(&key, role, &payload);
        let kind = payload.kind().content_type();
        made.insert(
            kind,
            serde_json::json!({
                "payload": hex::encode(payload.encode()),
                "statement": hex::encode(&bytes),
                "leaf": hex::encode(evidence::hash::leaf(&bytes)),
                "key": hex::encode(key.public().bytes()),
                "kid": key.public().kid().to_string(),
            }),
        );
    }
    examples::golden("statements.json", &serde_json::json!(made));
}

#[test]
fn a_signature_of_another_key_or_byte_does_not_verify() {
    let bytes = sealed(&agent_key(), Role::Agent, &windows());
    assert!(open(&bytes).unwrap().verify(registrar_key().public()).is_err());
    let mut changed = bytes.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert!(open(&changed).unwrap().verify(agent_key().public()).is_err());
}

/// Builds an envelope by hand around any header and payload, signed by the agent's key.
fn forge(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut signed = Writer::new();
    signed.array(4).text("Signature1").bytes(protected).bytes(&[]).bytes(payload);
    let signature = agent_key().sign(&signed.finish());
    let mut w = Writer::new();
    w.tag(18).array(4).bytes(protected).map(0).bytes(payload).bytes(&signature);
    w.finish()
}

fn header(alg: i64, kind: &str, issuer: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.map(4).uint(1).int(alg).uint(3).text(kind).uint(4).bytes(&agent_key().public().kid().0);
    w.uint(15)
        .map(3)
        .uint(1)
        .text(issuer)
        .uint(2)
        .text("urn:plumbline:project:SY-2024-017")
        .uint(6)
        .int(1_753_930_000);
    w.finish()
}

fn good_header() -> Vec<u8> {
    header(-8, Kind::Window.content_type(), "urn:plumbline:agent:edge-07")
}

#[track_caller]
fn refused(bytes: &[u8], what: &str) {
    let shown = format!("{:?}", open(bytes).map(|_| ()));
    assert!(shown.starts_with(&format!("Err({what}")), "expected {what}, got {shown}");
}

#[test]
fn a_non_canonical_protected_header_fails_by_name() {
    let payload = windows().encode();
    assert!(open(&forge(&good_header(), &payload)).is_ok());
    // alg -8 as 38 07 instead of 27.
    let long = [&good_header()[..2], &[0x38, 0x07], &good_header()[3..]].concat();
    refused(&forge(&long, &payload), "NotShortest");
    // Keys 3 and 1 exchanged.
    let good = good_header();
    let mut swapped = Writer::new();
    swapped.map(4).uint(3).text(Kind::Window.content_type()).uint(1).int(-8);
    let kid_at = good.windows(2).position(|w| w == [0x04, 0x58]).unwrap();
    let swapped = [&swapped.finish(), &good[kid_at..]].concat();
    refused(&forge(&swapped, &payload), "KeyOrder");
    // Key 1 twice.
    let mut twice = Writer::new();
    twice.map(5).uint(1).int(-8).uint(1).int(-8).uint(3).text(Kind::Window.content_type());
    refused(&forge(&[&twice.finish(), &good[kid_at..]].concat(), &payload), "DuplicateKey");
    // An indefinite map.
    let indefinite = [&[0xbf], &good[1..], &[0xff]].concat();
    refused(&forge(&indefinite, &payload), "Indefinite");
    // A parameter nobody knows.
    let mut more = Writer::new();
    more.map(5).uint(1).int(-8).uint(3).text(Kind::Window.content_type());
    let claims = &good[kid_at..];
    let mut extra = Writer::new();
    extra.uint(16).uint(0);
    refused(
        &forge(&[&more.finish(), claims, &extra.finish()].concat(), &payload),
        "Value { field: \"protected header\"",
    );
    refused(&forge(&[&good[..], &[0]].concat(), &payload), "Trailing");
    refused(&forge(&good[..good.len() - 1], &payload), "Truncated");
}

#[test]
fn wrong_claims_fail_by_name() {
    let payload = windows().encode();
    let window = Kind::Window.content_type();
    refused(&forge(&header(-7, window, "urn:plumbline:agent:edge-07"), &payload), "Value { field: \"alg\"");
    refused(&forge(&header(-48, window, "urn:plumbline:agent:edge-07"), &payload), "Value { field: \"alg\"");
    refused(
        &forge(&header(-8, "text/plain", "urn:plumbline:agent:edge-07"), &payload),
        "Value { field: \"content type\"",
    );
    refused(&forge(&header(-8, window, "urn:plumbline:robot:edge-07"), &payload), "Value { field: \"iss\"");
    refused(&forge(&header(-8, window, "urn:plumbline:agent:"), &payload), "Value { field: \"iss\"");
    // A registrar does not sign windows.
    refused(&forge(&header(-8, window, "urn:plumbline:registrar:r"), &payload), "Value { field: \"iss\"");
    // -19 is accepted and kept.
    assert!(open(&forge(&header(-19, window, "urn:plumbline:agent:edge-07"), &payload)).is_ok());
}

#[test]
fn the_envelope_has_one_shape() {
    let good = sealed(&agent_key(), Role::Agent, &windows());
    refused(&[&good[..], &[0]].concat(), "Trailing");
    refused(&good[..good.len() - 1], "Truncated");
    refused(&good[1..], "Unexpected");
    let mut untagged = good.clone();
    untagged[0] = 0xd1;
    refused(&untagged, "Unexpected");
    let unprotected_at = 2 + 2 + usize::from(good[3]);
    assert_eq!(good[unprotected_at], 0xa0);
    let unprotected = [&good[..unprotected_at], &[0xa1, 0x00, 0x00], &good[unprotected_at + 1..]].concat();
    refused(&unprotected, "Unprotected");
    refused(&vec![0; MAX_STATEMENT + 1], "TooLarge");
}

/// Replaces the first occurrence of some payload bytes and expects a defect by name.
#[track_caller]
fn changed_payload(from: &[u8], to: &[u8], what: &str) {
    let payload = windows().encode();
    let Some(at) = payload.windows(from.len()).position(|w| w == from) else {
        panic!("{from:02x?} is not in the payload")
    };
    let changed = [&payload[..at], to, &payload[at + from.len()..]].concat();
    refused(&forge(&good_header(), &changed), what);
}

#[test]
fn payload_defects_are_named() {
    changed_payload(&[0xab, 0x01, 0x01], &[0xab, 0x01, 0x02], "Value { field: \"version\"");
    changed_payload(
        &[0xab, 0x01, 0x01],
        &[0xab, 0x0c, 0x01],
        "Value { field: \"window\", reason: \"unknown field 12\"",
    );
    changed_payload(&[0xab, 0x01, 0x01, 0x02], &[0xab, 0x01, 0x01, 0x01], "DuplicateKey");
    // n = 0, and a step that does not divide t0.
    changed_payload(&[0x18, 60, 0x02, 0x06], &[0x18, 60, 0x00, 0x06], "Value { field: \"window times\"");
    changed_payload(&[0x18, 60, 0x02, 0x06], &[0x18, 61, 0x02, 0x06], "Value { field: \"window times\"");
    // Machines out of order.
    changed_payload(
        &[0x82, 0x00, 0x01, 0xa5],
        &[0x82, 0x01, 0x00, 0xa5],
        "Value { field: \"machine indices\"",
    );
    // An event of a code nobody knows.
    changed_payload(&[0x08 + 2, 0xf6, 0xf6], &[0x0b, 0xf6, 0xf6], "Value { field: \"event code\"");
}

fn column(values: &[i64]) -> Column {
    Column { exponent: 0, values: values.to_vec() }
}

#[test]
fn a_column_in_a_larger_coding_than_needed_is_refused() {
    let Payload::Window(mut batch) = windows() else { unreachable!("windows() makes windows") };
    let plain = Payload::Window(batch.clone()).encode();
    // PRODUCING: [60000, 60000, 60000, 0] has runs [60000 3, 0 1] as its smallest form; written raw it is longer.
    let runs = [0x05, 0x83, 0x03, 0x00, 0x84, 0x19, 0xea, 0x60, 0x03, 0x00, 0x01];
    let raw = [0x05, 0x83, 0x00, 0x00, 0x84, 0x19, 0xea, 0x60, 0x19, 0xea, 0x60, 0x19, 0xea, 0x60, 0x00];
    let at = plain.windows(runs.len()).position(|w| w == runs).expect("run-length coded");
    let changed = [&plain[..at], &raw, &plain[at + runs.len()..]].concat();
    refused(&forge(&good_header(), &changed), "NotCanonical");
    // An all-zero column must be left out.
    let zero = [0x05, 0x83, 0x03, 0x00, 0x82, 0x00, 0x04];
    let changed = [&plain[..at], &zero, &plain[at + runs.len()..]].concat();
    refused(&forge(&good_header(), &changed), "Value { field: \"column\"");
    // A run-length bomb claims more values than there are cells.
    let bomb = [0x05, 0x83, 0x03, 0x00, 0x82, 0x01, 0x1b, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff];
    let changed = [&plain[..at], &bomb, &plain[at + runs.len()..]].concat();
    refused(&forge(&good_header(), &changed), "Value { field: \"run length\"");
    // Few bytes, many values: one column within the bound on a machine, all of them together beyond it.
    batch.n = 60_000;
    batch.machines = vec![0];
    batch.columns = (0..4).map(|id| (id, column(&[1].repeat(60_000)))).collect();
    assert!(open(&forge(&good_header(), &Payload::Window(batch.clone()).encode())).is_ok());
    batch.columns.insert(4, column(&[1].repeat(60_000)));
    refused(&forge(&good_header(), &Payload::Window(batch.clone()).encode()), "Value { field: \"columns\"");
    batch.n = 4_000_000_000;
    batch.columns.clear();
    refused(&forge(&good_header(), &Payload::Window(batch).encode()), "Value { field: \"columns\"");
}

#[test]
fn what_cannot_be_read_back_is_not_signed() {
    let Payload::Window(mut batch) = windows() else { unreachable!("windows() makes windows") };
    batch.t0 += 1;
    let error = seal(&agent_key(), Role::Agent, "edge-07", "SY-2024-017", 0, &Payload::Window(batch));
    assert!(matches!(error, Err(EncodeError::Value { .. })));
    assert!(seal(&agent_key(), Role::Agent, "", "SY-2024-017", 0, &windows()).is_err());
}

#[test]
fn a_changed_mapping_changes_the_hash_of_the_definitions_in_force() {
    let definitions = examples::definitions();
    let (a, b) = (
        definitions_in_force(&definitions, &[(0, [1; 32])]),
        definitions_in_force(&definitions, &[(0, [2; 32])]),
    );
    assert_ne!(a, b);
    let two = [(0, [1; 32]), (1, [2; 32])];
    let mut reversed = two;
    reversed.reverse();
    assert_eq!(definitions_in_force(&definitions, &two), definitions_in_force(&definitions, &reversed));
}

#[test]
fn a_key_action_needs_exactly_its_fields() {
    for action in KeyAction::ALL {
        let Some((_, _, Payload::Key(mut change))) =
            all().into_iter().find(|(_, _, p)| p.kind() == Kind::Key)
        else {
            unreachable!("there is a key statement")
        };
        // The example carries a new key and no subject: right for an enrolment only.
        change.action = action;
        let sealed = seal(&registrar_key(), Role::Registrar, "r", "p", 0, &Payload::Key(change));
        assert_eq!(sealed.is_ok(), action == KeyAction::Enrol, "{action:?}");
    }
}

#[test]
fn the_envelope_is_the_one_an_independent_library_reads() {
    use coset::{CborSerializable as _, TaggedCborSerializable as _};
    for (key, role, payload) in all() {
        let bytes = sealed(&key, role, &payload);
        let message = coset::CoseSign1::from_tagged_slice(&bytes).unwrap();
        assert_eq!(message.payload.as_deref(), Some(payload.encode().as_slice()));
        message.verify_signature(&[], |signature, signed| key.public().verify(signed, signature)).unwrap();
        assert!(coset::CoseSign1::from_slice(&bytes).is_err(), "the tag is part of the form");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = open(&bytes);
        for kind in Kind::ALL {
            let _ = Payload::decode(kind, &bytes);
        }
    }

    #[test]
    fn mutated_statements_never_verify(which in 0usize..10, at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let (key, role, payload) = all().swap_remove(which);
        let bytes = sealed(&key, role, &payload);
        let mut changed = bytes.clone();
        let at = at.index(bytes.len());
        changed[at] = value;
        let verified = open(&changed).is_ok_and(|s| s.verify(key.public()).is_ok());
        prop_assert_eq!(verified, changed == bytes);
    }

    #[test]
    fn columns_survive_their_coding(values in proptest::collection::vec(prop_oneof![any::<i64>(), -5i64..5, Just(60_000)], 2), exponent in -18i8..=18) {
        let Payload::Window(mut batch) = windows() else { unreachable!("windows() makes windows") };
        batch.machines = vec![0];
        batch.columns.clear();
        batch.columns.insert(10, Column { exponent, values: values.clone() });
        let payload = Payload::Window(batch);
        let Payload::Window(read) = Payload::decode(Kind::Window, &payload.encode()).unwrap() else { unreachable!("a window") };
        prop_assert_eq!((read.value(10, 0, 0), read.value(10, 0, 1)), (values[0], values[1]));
    }
}

#[test]
fn the_golden_files_are_all_in_use() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["columns.json", "keys.json", "log.json", "statements.json", "variants.json"]);
}

#[test]
fn error_messages_say_what_is_wrong_and_where() {
    let shown = DecodeError::value("step", "61 s does not divide an hour within 1 s to 15 min").to_string();
    assert_eq!(shown, "step: 61 s does not divide an hour within 1 s to 15 min");
    assert_eq!(DecodeError::NotShortest(7).to_string(), "the integer at byte 7 is not in its shortest form");
}

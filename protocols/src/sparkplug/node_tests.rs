use observation::{Mono, PointId, Quality, Utc};
use proptest::prelude::*;
use prost::Message;

use super::super::payload::Raw;
use super::*;

const AT: Instant = Instant { utc: Utc(1_700_000_000_000), mono: Mono(5) };

/// Points 0 and 1 read metrics of the node, 2 and 3 of its device D.
fn node() -> Node {
    let metrics = |names: [&str; 2], first: u32| -> HashMap<String, Vec<Reading>> {
        let reading = |n| Reading { point: PointId(n), scale: None };
        (first..).zip(names).map(|(n, name)| (name.to_owned(), vec![reading(n)])).collect()
    };
    Node::new([(String::new(), metrics(["a", "b"], 0)), ("D".to_owned(), metrics(["a", "c"], 2))].into())
}

fn metric(name: Option<&str>, alias: Option<u64>, datatype: Option<u32>, value: Option<Raw>) -> Metric {
    let name = name.map(ToOwned::to_owned);
    Metric { name, alias, datatype, value, timestamp: Some(7), ..Metric::default() }
}

/// A metric of a birth: an Int32.
fn born(name: &str, alias: u64, value: u32) -> Metric {
    metric(Some(name), Some(alias), Some(3), Some(Raw::Int(value)))
}

/// A metric of data, by its alias alone.
fn data(alias: u64, value: u32) -> Metric {
    metric(None, Some(alias), None, Some(Raw::Int(value)))
}

fn bd(number: u64) -> Metric {
    metric(Some("bdSeq"), None, Some(4), Some(Raw::Long(number)))
}

fn message(seq: Option<u64>, metrics: &[Metric]) -> Bytes {
    Payload::of(Some(9), metrics, seq).encode_to_vec().into()
}

fn nbirth(seq: u64, bd_seq: u64) -> (Kind, &'static str, Bytes) {
    (Kind::Birth, "", message(Some(seq), &[bd(bd_seq), born("a", 1, 10), born("b", 2, 20)]))
}

fn dbirth(seq: u64) -> (Kind, &'static str, Bytes) {
    (Kind::Birth, "D", message(Some(seq), &[born("a", 3, 30), born("c", 4, 40)]))
}

fn ndata(seq: u64, alias: u64, value: u32) -> (Kind, &'static str, Bytes) {
    (Kind::Data, "", message(Some(seq), &[data(alias, value)]))
}

fn ddata(seq: u64, alias: u64, value: u32) -> (Kind, &'static str, Bytes) {
    (Kind::Data, "D", message(Some(seq), &[data(alias, value)]))
}

fn ndeath(bd_seq: u64) -> (Kind, &'static str, Bytes) {
    (Kind::Death, "", message(None, &[bd(bd_seq)]))
}

fn ddeath(seq: u64) -> (Kind, &'static str, Bytes) {
    (Kind::Death, "D", message(Some(seq), &[]))
}

/// What the last of these messages yields: `2:good 40`, `3:Stale`, …, by point.
fn last(messages: &[(Kind, &str, Bytes)]) -> (String, Outcome) {
    let mut node = node();
    let mut outcome = Outcome::default();
    for (kind, device, bytes) in messages {
        outcome = node.take(*kind, device, bytes.clone(), AT);
    }
    outcome.observations.sort_by_key(|o| o.point);
    (outcome.observations.iter().map(text).collect::<Vec<_>>().join(" "), outcome)
}

fn text(observation: &Observation) -> String {
    let value = observation.value.as_ref().and_then(observation::Value::number);
    let value = value.map(|n| n.to_string()).unwrap_or_default();
    let point = observation.point.0;
    match observation.quality {
        Quality::Good => format!("{point}={value}"),
        Quality::Uncertain(_) => format!("{point}~{value}"),
        Quality::Bad(reason) => format!("{point}:{reason:?}"),
    }
}

#[track_caller]
fn check(messages: &[(Kind, &str, Bytes)], want: &str) {
    assert_eq!(last(messages).0, want);
}

const ALL_STALE: &str = "0:Stale 1:Stale 2:Stale 3:Stale";
const ALL_UNREAD: &str = "0:Decode 1:Decode 2:Decode 3:Decode";

#[test]
fn pain_08_aliases_and_types_are_those_of_the_birth() {
    check(&[nbirth(0, 0)], "0=10 1=20 2:Stale 3:Stale");
    check(&[nbirth(0, 0), dbirth(1)], "2=30 3=40");
    check(&[nbirth(0, 0), ndata(1, 2, 4_294_967_284)], "1=-12");
    check(&[nbirth(0, 0), dbirth(1), ddata(2, 4, 41)], "3=41");
}

#[test]
fn pain_08_data_before_a_birth_is_no_value() {
    check(&[ndata(0, 1, 5)], ALL_UNREAD);
    check(&[ddata(0, 3, 5)], ALL_UNREAD);
    check(&[nbirth(0, 0), ddata(1, 3, 5)], "2:Decode 3:Decode");
    // It is said once, and a birth is wanted each time.
    let (again, outcome) = last(&[nbirth(0, 0), ddata(1, 3, 5), ddata(2, 3, 5)]);
    assert_eq!((again.as_str(), outcome.wants_birth), ("", true));
}

#[test]
fn pain_08_after_a_gap_nothing_is_good_until_the_next_birth() {
    check(&[nbirth(0, 0), dbirth(1), ndata(3, 1, 5)], ALL_STALE);
    let (after, outcome) = last(&[nbirth(0, 0), dbirth(1), ndata(3, 1, 5), ndata(4, 1, 6)]);
    assert_eq!((after.as_str(), outcome.wants_birth), ("", true));
    // A device's birth alone does not mend it, for the missing message may have been anything.
    check(&[nbirth(0, 0), ndata(2, 1, 5), dbirth(3)], "");
    check(&[nbirth(0, 0), ndata(2, 1, 5), nbirth(0, 0), ndata(1, 1, 6)], "0=6");
}

#[test]
fn pain_08_the_sequence_goes_on_at_0_after_255() {
    let mut messages = vec![nbirth(250, 0)];
    messages.extend((251..=255).chain(0..3).map(|seq| ndata(seq, 1, 7)));
    check(&messages, "0=7");
    check(&[nbirth(255, 0), ndata(1, 1, 5)], ALL_STALE);
    check(&[nbirth(255, 0), ndata(256, 1, 5)], ALL_STALE);
}

#[test]
fn pain_08_a_death_counts_if_it_is_of_the_session_that_was_born() {
    check(&[nbirth(0, 3), dbirth(1), ndeath(3)], ALL_STALE);
    check(&[nbirth(0, 3), ndeath(2)], "");
    check(&[nbirth(0, 3), ndeath(2), ndata(1, 1, 5)], "0=5");
    check(&[nbirth(0, 3), ndeath(3), ndata(1, 1, 5)], ALL_UNREAD);
    // One that does not say whose it is is taken for it.
    check(&[nbirth(0, 3), (Kind::Death, "", message(None, &[]))], ALL_STALE);
    check(&[nbirth(0, 3), (Kind::Death, "", Bytes::from_static(b"\xFF"))], ALL_STALE);
}

#[test]
fn pain_08_a_device_dies_alone_and_a_node_with_all_its_devices() {
    let (dead, outcome) = last(&[nbirth(0, 0), dbirth(1), ddeath(2)]);
    assert_eq!(dead, "2:Stale 3:Stale");
    assert_eq!(outcome.observations[0].source_time, Some(Utc(9)));
    check(&[nbirth(0, 0), dbirth(1), ddeath(2), ndata(3, 1, 5)], "0=5");
    check(&[nbirth(0, 0), dbirth(1), ddeath(2), ddata(3, 3, 5)], "2:Decode 3:Decode");
    check(&[nbirth(0, 0), dbirth(1), ddeath(2), dbirth(3), ddata(4, 3, 5)], "2=5");
    // After a node's new birth its devices are yet to be born.
    check(&[nbirth(0, 0), dbirth(1), nbirth(0, 0), ddata(1, 3, 5)], "2:Decode 3:Decode");
}

#[test]
fn an_alias_that_no_birth_gave_ends_what_may_be_believed() {
    check(&[nbirth(0, 0), ndata(1, 99, 5)], ALL_UNREAD);
    // Nor may a device's alias be used for the node.
    check(&[nbirth(0, 0), dbirth(1), ndata(2, 3, 5)], ALL_UNREAD);
    let twice = message(Some(0), &[bd(0), born("a", 1, 10), born("b", 1, 20)]);
    check(&[(Kind::Birth, "", twice)], ALL_UNREAD);
    let other = message(Some(1), &[metric(Some("a"), Some(2), None, Some(Raw::Int(5)))]);
    check(&[nbirth(0, 0), (Kind::Data, "", other)], ALL_UNREAD);
}

#[test]
fn names_serve_as_well_as_aliases() {
    let named = message(Some(1), &[metric(Some("b"), None, Some(3), Some(Raw::Int(5)))]);
    check(&[nbirth(0, 0), (Kind::Data, "", named)], "1=5");
    let both = message(Some(1), &[metric(Some("b"), Some(2), None, Some(Raw::Int(6)))]);
    check(&[nbirth(0, 0), (Kind::Data, "", both)], "1=6");
    let empty = message(Some(1), &[metric(Some(""), Some(2), None, Some(Raw::Int(7)))]);
    check(&[nbirth(0, 0), (Kind::Data, "", empty)], "1=7");
    let strange = message(Some(1), &[metric(Some("of no interest"), None, Some(3), Some(Raw::Int(5)))]);
    check(&[nbirth(0, 0), (Kind::Data, "", strange), ndata(2, 1, 8)], "0=8");
}

#[test]
fn pain_08_a_type_changes_with_a_birth_and_not_with_data() {
    let float = message(Some(0), &[metric(Some("a"), Some(1), Some(9), Some(Raw::Float(1.5)))]);
    let then = message(Some(1), &[metric(None, Some(1), None, Some(Raw::Float(2.5)))]);
    check(&[nbirth(0, 0), (Kind::Birth, "", float.clone()), (Kind::Data, "", then)], "0=2.5");
    // An integer after that birth is not what was announced.
    check(&[nbirth(0, 0), (Kind::Birth, "", float), ndata(1, 1, 5)], "0:Decode");
    let claimed = message(Some(1), &[metric(Some("a"), None, Some(7), Some(Raw::Int(5)))]);
    check(&[nbirth(0, 0), (Kind::Data, "", claimed)], "0:Decode");
}

#[test]
fn a_metric_that_a_birth_does_not_have_is_bad() {
    check(
        &[(Kind::Birth, "", message(Some(0), &[bd(0), born("a", 1, 10)]))],
        "0=10 1:Decode 2:Stale 3:Stale",
    );
}

#[test]
fn a_message_that_cannot_be_read_or_counted_is_like_a_missing_one() {
    let garbage = Bytes::from_static(b"\x12\x7F\x00");
    check(&[nbirth(0, 0), dbirth(1), (Kind::Data, "D", garbage.clone())], ALL_UNREAD);
    check(&[nbirth(0, 0), (Kind::Birth, "", garbage)], ALL_UNREAD);
    check(&[nbirth(0, 0), (Kind::Data, "", message(None, &[data(1, 5)]))], ALL_UNREAD);
    check(&[(Kind::Birth, "", message(None, &[bd(0), born("a", 1, 10)]))], ALL_UNREAD);
}

/// A birth, and data of point 0 made by `change`.
#[track_caller]
fn changed(change: impl Fn(&mut Metric), want: &str) -> Observation {
    let mut metric = data(1, 5);
    change(&mut metric);
    let messages = [nbirth(0, 0), (Kind::Data, "", message(Some(1), &[metric]))];
    let (got, mut outcome) = last(&messages);
    assert_eq!(got, want);
    outcome.observations.remove(0)
}

#[test]
fn a_value_of_an_earlier_time_is_not_fresh_and_keeps_its_time() {
    let old = changed(|metric| metric.is_historical = Some(true), "0~5");
    assert_eq!((old.source_time, old.agent_time), (Some(Utc(7)), AT.utc));
    assert_eq!(changed(|metric| metric.timestamp = None, "0=5").source_time, Some(Utc(9)));
}

#[test]
fn no_value_and_a_doubted_value_are_bad() {
    changed(|metric| metric.is_null = Some(true), "0:Decode");
    changed(|metric| metric.value = None, "0:Decode");
    changed(|metric| metric.set_quality(192), "0=5");
    changed(|metric| metric.set_quality(500), "0:Stale");
    changed(|metric| metric.set_quality(0), "0:Status(0)");
    changed(|metric| metric.set_quality(519), "0:Status(519)");
}

/// One of the messages above or a broken one, in any order.
fn any_message() -> impl Strategy<Value = (Kind, &'static str, Bytes)> {
    let seq = || 0u64..4;
    prop_oneof![
        (seq(), 0u64..2).prop_map(|(seq, bd)| nbirth(seq, bd)),
        seq().prop_map(dbirth),
        (seq(), 0u64..6, any::<u32>()).prop_map(|(seq, alias, value)| ndata(seq, alias, value)),
        (seq(), 0u64..6, any::<u32>()).prop_map(|(seq, alias, value)| ddata(seq, alias, value)),
        (0u64..2).prop_map(ndeath),
        seq().prop_map(ddeath),
        (0usize..3, prop::bool::ANY, prop::collection::vec(any::<u8>(), 0..40)).prop_map(
            |(kind, device, bytes)| {
                let kind = [Kind::Birth, Kind::Data, Kind::Death][kind];
                (kind, if device { "D" } else { "" }, bytes.into())
            }
        ),
    ]
}

/// A run of messages that follow one another, as a node sends them, so that chains of some length are met.
fn a_session() -> impl Strategy<Value = Vec<(Kind, &'static str, Bytes)>> {
    let step = (0usize..4, 1u64..5, any::<u32>());
    (0u64..256, 0u64..2, prop::collection::vec(step, 0..12)).prop_map(|(first, bd, steps)| {
        let mut messages = vec![nbirth(first, bd), dbirth((first + 1) % 256)];
        messages.extend((2..).zip(steps).map(|(n, (kind, alias, value))| {
            let seq = (first + n) % 256;
            match kind {
                0 => ndata(seq, 1 + alias % 2, value),
                1 => ddata(seq, 3 + alias % 2, value),
                2 => ddeath(seq),
                _ => dbirth(seq),
            }
        }));
        messages
    })
}

/// Whether a value of this message may be good, decided from all messages up to it and in another way than the code:
/// the last birth of the node, everything since in one unbroken sequence, nobody's death.
fn may_be_good(messages: &[(Kind, &str, Bytes)]) -> bool {
    let decoded = |bytes: &Bytes| {
        let payload = Payload::read(bytes.clone()).ok()?;
        let metrics = payload.metrics().ok()?;
        Some((payload.seq, metrics.iter().find(|m| m.name_if_any() == Some("bdSeq")).and_then(bd_seq)))
    };
    let is_birth = |(kind, device, _): &&(Kind, &str, Bytes)| *kind == Kind::Birth && device.is_empty();
    let Some(since) = messages.iter().rev().position(|message| is_birth(&message)) else { return false };
    let chain = &messages[messages.len() - 1 - since..];
    let Some((Some(first), birth)) = decoded(&chain[0].2) else { return false };
    let mut device_is_born = false;
    let mut due = first;
    for (kind, device, bytes) in chain {
        let content = decoded(bytes);
        if *kind == Kind::Death && device.is_empty() {
            let death = content.and_then(|(_, death)| death);
            if death.is_none() || birth.is_none() || death == birth {
                return false;
            }
            continue;
        }
        if content.and_then(|(seq, _)| seq) != Some(due) {
            return false;
        }
        due = (due + 1) % 256;
        match (kind, *device) {
            (Kind::Birth, "D") => device_is_born = true,
            (Kind::Death, "D") => device_is_born = false,
            _ => {}
        }
    }
    chain.last().is_some_and(|(_, device, _)| device.is_empty() || device_is_born)
}

proptest! {
    #[test]
    fn pain_08_no_value_is_good_without_a_living_birth(
        before in prop::collection::vec(any_message(), 0..6),
        session in a_session(),
        after in prop::collection::vec(any_message(), 0..12),
        left_out in 0usize..40,
    ) {
        let mut messages: Vec<_> = before.into_iter().chain(session).chain(after).collect();
        if left_out < messages.len() {
            messages.remove(left_out);
        }
        let mut node = node();
        for n in 0..messages.len() {
            let (kind, device, bytes) = &messages[n];
            let outcome = node.take(*kind, device, bytes.clone(), AT);
            let good = outcome.observations.iter().filter(|o| o.quality.is_good()).count();
            prop_assert!(good == 0 || may_be_good(&messages[..=n]), "{:?}", &messages[..=n]);
            for observation in &outcome.observations {
                prop_assert_eq!(observation.value.is_none(), matches!(observation.quality, Quality::Bad(_)));
            }
            if let Some(Change::Lost(_) | Change::Died) = outcome.change {
                prop_assert!(good == 0 && !node.is_alive());
            }
        }
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in 0usize..3,
        device in prop::bool::ANY,
    ) {
        let mut node = node();
        let (birth_kind, birth_device, birth) = nbirth(0, 0);
        node.take(birth_kind, birth_device, birth, AT);
        let kind = [Kind::Birth, Kind::Data, Kind::Death][kind];
        node.take(kind, if device { "D" } else { "" }, bytes.into(), AT);
    }
}

//! MQTT: payloads, and the addresses and filters that say where in them a value lies. Promise: the digits of a
//! number are those of the payload, a place that is found is the one that any JSON parser finds, an address comes
//! back from its own table, a filter covers what the standard says it covers.

use observation::{Decimal, PointId, Value};
use protocols::mqtt::decode::decode;
use protocols::mqtt::filter::Filter;
use protocols::mqtt::path::JsonPath;
use protocols::mqtt::topic::Address;
use serde_json::json;

use super::Bytes;

/// Paths, and the same place as RFC 6901 writes it.
const PLACES: [(&str, &str); 6] = [
    ("$", ""),
    ("$.a", "/a"),
    ("$.a[0].b", "/a/0/b"),
    ("$[1]", "/1"),
    ("$['a b'].c", "/a b/c"),
    ("$.a.a[2]['厂']", "/a/a/2/厂"),
];
const KINDS: [&str; 3] = ["number", "bool", "string"];
const UNITS: [&str; 3] = ["s", "ms", "iso8601"];

/// Format and place, kind and scale, then the payload.
pub(super) fn payload(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (format, form) = (bytes.byte(), bytes.byte());
    let kind = KINDS[usize::from(form % 3)];
    let mut table = json!({"topic": "a/b", "type": kind, "stale_after": "10s"});
    if kind == "number" && form & 0x80 != 0 {
        table["scale"] = json!("0.001");
    }
    let unit = UNITS[usize::from(form >> 2) % 3];
    let payload = bytes.0;
    let place = PLACES.get(usize::from(format % 8));
    match (place, format % 8) {
        (Some((path, pointer)), _) => {
            table["path"] = json!(path);
            if format & 0x80 != 0 {
                (table["time"], table["time_unit"]) = (json!("$.t"), json!(unit));
            }
            same_place(path, pointer, payload);
        }
        (None, 6) => bare(kind, payload),
        (None, _) => {
            table["format"] = json!("csv");
            table["column"] = json!(form >> 4 & 3 | 1);
            table["separator"] = json!(if format & 0x40 == 0 { "," } else { ";" });
            (table["header"], table["lines"]) =
                (json!(format & 0x20 != 0), json!(if format & 0x10 == 0 { "one" } else { "each" }));
            if format & 0x80 != 0 {
                (table["time"], table["time_unit"]) = (json!(2), json!(unit));
            }
        }
    }
    let mut errors = Vec::new();
    let Some(address) = Address::read(PointId(0), &table, &mut errors) else { panic!("{errors:?}") };
    let readings = decode(&address, payload);
    assert_eq!(readings, decode(&address, payload), "the same payload, the same values");
    assert!(!readings.is_empty(), "a message that says nothing must be bad");
    assert!(readings.len() <= payload.len().max(1), "more readings than bytes");
    for value in readings.into_iter().flatten().map(|reading| reading.value) {
        let fits = matches!(
            (kind, &value),
            ("number", Value::Number(_)) | ("bool", Value::Bool(_)) | ("string", Value::Text(_))
        );
        assert!(fits, "{value:?} for a {kind}");
    }
}

/// The text found is part of the payload and means what a JSON tree has at the place.
fn same_place(path: &str, pointer: &str, payload: &[u8]) {
    let Ok(path) = path.parse::<JsonPath>() else { panic!("{path}") };
    let Some(found) = path.find(payload) else { return };
    assert!(payload.windows(found.len().max(1)).any(|w| w == found.as_bytes()), "{found:?}");
    // A tree cannot hold every number of a payload; then there is nothing to compare with.
    let Ok(tree) = serde_json::from_slice::<serde_json::Value>(payload) else { return };
    let Ok(found) = serde_json::from_str::<serde_json::Value>(found) else { panic!("{found:?} is no JSON") };
    assert_eq!(tree.pointer(pointer), Some(&found));
}

/// A payload that is the number itself.
fn bare(kind: &str, payload: &[u8]) {
    let table = json!({"topic": "a/b", "type": kind, "stale_after": "10s"});
    let Some(address) = Address::read(PointId(0), &table, &mut Vec::new()) else { return };
    if let [Ok(reading)] = decode(&address, payload).as_slice()
        && let Value::Number(n) = &reading.value
    {
        let text = String::from_utf8_lossy(payload);
        assert_eq!(text.trim().parse::<Decimal>().as_ref(), Ok(n));
    }
}

/// A topic, a path and a time on a line each, then two filters.
pub(super) fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (topic, path, stale_after) = (line(), line(), line());
    filters(topic, line(), line());
    let mut table = json!({"topic": topic, "stale_after": stale_after});
    if !path.is_empty() {
        table["path"] = json!(path);
    }
    let mut errors = Vec::new();
    match Address::read(PointId(3), &table, &mut errors) {
        None => assert!(!errors.is_empty(), "refused without a reason: {table}"),
        Some(address) => {
            let mut again = Vec::new();
            assert_eq!(Address::read(PointId(3), &address.to_table(), &mut again).as_ref(), Some(&address));
            assert!(again.is_empty(), "{again:?}");
        }
    }
}

/// What two filters say of a topic, and of each other.
fn filters(topic: &str, one: &str, other: &str) {
    let (Ok(one), Ok(other)) = (Filter::parse(one), Filter::parse(other)) else { return };
    assert!(one.overlaps(&one), "a filter covers what it covers");
    assert_eq!(one.overlaps(&other), other.overlaps(&one));
    if topic.contains(['+', '#']) {
        return;
    }
    for filter in [&one, &other] {
        assert_eq!(filter.covers(topic), covered(filter.as_str(), topic), "{filter} {topic:?}");
    }
    if one.covers(topic) && other.covers(topic) {
        assert!(one.overlaps(&other), "{one} and {other} both cover {topic:?}");
    }
}

/// MQTT 5.0, 4.7.1 and 4.7.2, written once more.
fn covered(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') {
        return false;
    }
    let (filter, topic): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), topic.split('/').collect());
    let fixed = filter.iter().position(|level| *level == "#").unwrap_or(filter.len());
    let long_enough = if fixed < filter.len() { topic.len() >= fixed } else { topic.len() == fixed };
    long_enough && filter[..fixed].iter().zip(&topic).all(|(f, t)| *f == "+" || f == t)
}

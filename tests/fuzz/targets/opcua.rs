//! OPC UA: a data value as a server may encode it, or a whole answer. Promise: what is decoded was weighed before and
//! is as long as it weighed, so that neither memory nor stack runs out; a bad status has no value, a value is never made up,
//! an overflow is told before it, a number is that of the variant to its last digit, and a time is one that OPC
//! UA has.

use std::sync::LazyLock;

use observation::{Decimal, Observation, PointId, Quality, Value};
use opcua::types::{DataValue, Variant};
use protocols::opcua::{PointConfig, answer, data_value, decode};

use super::{AT, Bytes};

/// From 1601 to 9999, the times that OPC UA's clock has (OPC 10000-6 5.2.2.5).
const CALENDAR_MS: std::ops::Range<i64> = -11_644_473_600_000..253_402_300_799_000;
static POINTS: LazyLock<Vec<PointConfig>> = LazyLock::new(|| {
    let node = || "nsu=urn:cnc;s=x".parse().unwrap_or_else(|e| panic!("{e}"));
    let point = |scale: Option<&str>, index| PointConfig {
        id: PointId(7),
        node: node(),
        scale: scale.and_then(|scale| scale.parse().ok()),
        index,
        sampling: None,
    };
    vec![point(None, None), point(Some("0.1"), None), point(None, Some(1)), point(Some("1000"), Some(0))]
});

/// The first byte of a whole answer.
const ANSWER: u8 = 0xFF;

/// Which point, then the encoded value; or [`ANSWER`], then the answer.
pub(super) fn value(data: &[u8]) {
    let mut bytes = Bytes(data);
    let first = bytes.byte();
    if first == ANSWER {
        drop(answer(bytes.0));
        return;
    }
    let point = &POINTS[usize::from(first) % POINTS.len()];
    let Some(value) = data_value(bytes.0) else { return };
    let observations = decode(point, &value, AT);
    let status = value.status.map_or(0, |status| status.bits());
    assert!(matches!(observations.len(), 1 | 2));
    for observed in &observations {
        assert_eq!((observed.point, observed.agent_time, observed.mono), (point.id, AT.utc, AT.mono));
        let bad = matches!(observed.quality, Quality::Bad(_));
        assert_eq!(bad, observed.value.is_none(), "{observed:?}");
        assert!(observed.source_time.is_none_or(|time| CALENDAR_MS.contains(&time.0)), "{observed:?}");
    }
    if let [loss, _] = observations.as_slice() {
        assert!(loss.value.is_none());
    }
    if status >> 31 == 1 {
        assert!(observations.iter().all(|o| o.value.is_none()), "a value under a bad status");
    }
    let without = DataValue {
        server_timestamp: None,
        server_picoseconds: None,
        source_picoseconds: None,
        ..value.clone()
    };
    assert_eq!(decode(point, &without, AT), observations, "only value, status and source time count");
    if let (Some(number), None, None) = (observations.last().and_then(number), point.scale, point.index) {
        same_number(value.value.as_ref(), number);
    }
}

fn number(observed: &Observation) -> Option<Decimal> {
    if let Some(Value::Number(number)) = observed.value { Some(number) } else { None }
}

/// The number is that of the variant, to its last digit; of a float, the shortest that means it.
fn same_number(variant: Option<&Variant>, number: Decimal) {
    let text = number.to_string();
    let same = match variant {
        Some(Variant::SByte(n)) => text == n.to_string(),
        Some(Variant::Byte(n)) => text == n.to_string(),
        Some(Variant::Int16(n)) => text == n.to_string(),
        Some(Variant::UInt16(n)) => text == n.to_string(),
        Some(Variant::Int32(n)) => text == n.to_string(),
        Some(Variant::UInt32(n)) => text == n.to_string(),
        Some(Variant::Int64(n)) => text == n.to_string(),
        Some(Variant::UInt64(n)) => text == n.to_string(),
        Some(Variant::Float(x)) => text.parse() == Ok(*x),
        Some(Variant::Double(x)) => text.parse() == Ok(*x),
        _ => false,
    };
    assert!(same, "{number} of {variant:?}");
}

//! From a data value to observations: exact numbers, the device's status kept whole, never a stale value.
//!
//! It keeps nothing between two values and looks at no clock.

use observation::{Decimal, Instant, Observation, Quality, Reason, Utc, Value};
use opcua::types::{Array, DataValue, DateTime, Variant};

use super::settings::PointConfig;

/// Severity 01 of OPC 10000-4 7.39.1; 10 and the reserved 11 are bad.
const SEVERITY_UNCERTAIN: u32 = 0b01;
/// Bits 14 and 15 of OPC 10000-4 7.39.1: the unit or the structure behind the number may have changed.
const MEANING_CHANGED: u32 = 0xC000;
/// Info type 01 (bits 10 and 11): the lowest ten bits then belong to a data value.
const INFO_TYPE_MASK: u32 = 0x0C00;
const INFO_TYPE_DATA_VALUE: u32 = 0x0400;
/// Bit 7 of those: values before this one were discarded by the server's queue.
const OVERFLOW: u32 = 0x0080;
/// `GoodLocalOverride`: somebody typed this value in; nothing measured it.
const GOOD_LOCAL_OVERRIDE: u32 = 0x0096_0000;
/// The sub-code of a status, without its flags.
const SUB_CODE_MASK: u32 = 0xFFFF_0000;

/// Milliseconds between 1601-01-01, the zero of OPC UA's clock (OPC 10000-6 5.2.2.5), and 1970-01-01.
const MS_1601_TO_1970: i64 = 11_644_473_600_000;
/// 9999-12-31T23:59:59Z, the last moment of OPC UA's clock, in its ticks.
const END_OF_CALENDAR: i64 = 2_650_467_743_990_000_000;
/// Ticks of 100 ns in a millisecond.
const TICKS_PER_MS: i64 = 10_000;

/// What one data value says about a point. It is two observations when the server's queue overflowed: first
/// that values are missing, with the status that says so, then the value.
pub fn decode(point: &PointConfig, data: &DataValue, at: Instant) -> Vec<Observation> {
    let status = data.status.map_or(0, |status| status.bits());
    let source_time = data.source_timestamp.and_then(utc);
    let mut observations = Vec::with_capacity(1);
    if overflowed(status) {
        observations
            .push(Observation::bad(point.id, Reason::Status(status), at).with_source_time(source_time));
    }
    observations.push(one(point, data, status, at).with_source_time(source_time));
    observations
}

/// Whether the status says that the server discarded values before this one.
pub(super) fn overflowed(status: u32) -> bool {
    status & INFO_TYPE_MASK == INFO_TYPE_DATA_VALUE && status & OVERFLOW != 0
}

fn one(point: &PointConfig, data: &DataValue, status: u32, at: Instant) -> Observation {
    let quality = quality(status);
    if let Quality::Bad(reason) = quality {
        return Observation::bad(point.id, reason, at);
    }
    match value(point, data.value.as_ref()) {
        Ok(value) => Observation { quality, ..Observation::good(point.id, value, at) },
        Err(reason) => Observation::bad(point.id, reason, at),
    }
}

fn quality(status: u32) -> Quality {
    let doubtful = status & SUB_CODE_MASK == GOOD_LOCAL_OVERRIDE || status & MEANING_CHANGED != 0;
    match status >> 30 {
        0 if !doubtful => Quality::Good,
        0 | SEVERITY_UNCERTAIN => Quality::Uncertain(Reason::Status(status)),
        _ => Quality::Bad(Reason::Status(status)),
    }
}

fn value(point: &PointConfig, variant: Option<&Variant>) -> Result<Value, Reason> {
    let scalar = element(variant.ok_or(Reason::Decode)?, point.index)?;
    match (plain(scalar)?, point.scale) {
        (Value::Number(number), Some(scale)) => {
            number.checked_mul(scale).map(Value::Number).ok_or(Reason::Range)
        }
        (_, Some(_)) => Err(Reason::Decode),
        (value, None) => Ok(value),
    }
}

/// The scalar meant: an array is only read with an index, a scalar only without.
fn element(variant: &Variant, index: Option<usize>) -> Result<&Variant, Reason> {
    match (variant, index) {
        (Variant::Array(array), Some(index)) if one_dimensional(array) => {
            array.values.get(index).ok_or(Reason::Decode)
        }
        (Variant::Array(_), _) | (_, Some(_)) => Err(Reason::Decode),
        (scalar, None) => Ok(scalar),
    }
}

fn one_dimensional(array: &Array) -> bool {
    array.dimensions.as_ref().is_none_or(|dimensions| dimensions.len() <= 1)
}

fn plain(variant: &Variant) -> Result<Value, Reason> {
    let integer = |number: i64| Ok(Value::Number(Decimal::from(number)));
    match variant {
        Variant::Boolean(bit) => Ok(Value::Bool(*bit)),
        Variant::SByte(n) => integer(i64::from(*n)),
        Variant::Byte(n) => integer(i64::from(*n)),
        Variant::Int16(n) => integer(i64::from(*n)),
        Variant::UInt16(n) => integer(i64::from(*n)),
        Variant::Int32(n) => integer(i64::from(*n)),
        Variant::UInt32(n) => integer(i64::from(*n)),
        Variant::Int64(n) => integer(*n),
        Variant::UInt64(n) => Ok(Value::Number(Decimal::from(*n))),
        Variant::Float(x) => Decimal::from_f32(*x).map(Value::Number).map_err(|_| Reason::Decode),
        Variant::Double(x) => Decimal::from_f64(*x).map(Value::Number).map_err(|_| Reason::Decode),
        Variant::String(text) => text.value().clone().map(Value::Text).ok_or(Reason::Decode),
        Variant::LocalizedText(text) => text.text.value().clone().map(Value::Text).ok_or(Reason::Decode),
        _ => Err(Reason::Decode),
    }
}

/// The null time stamp (zero), its counterpart at the end of the calendar, and whatever lies beyond the two
/// (OPC 10000-6 5.2.2.5) are no claim at all.
fn utc(time: DateTime) -> Option<Utc> {
    let ticks = time.ticks();
    (1..END_OF_CALENDAR).contains(&ticks).then(|| Utc(ticks / TICKS_PER_MS - MS_1601_TO_1970))
}

#[cfg(test)]
mod tests {
    use super::*;
    use observation::{Mono, PointId};
    use opcua::types::{
        ByteString, ByteStringBody, ExtensionObject, LocalizedText, NodeId, QualifiedName, StatusCode,
        UAString, VariantScalarTypeId,
    };

    const AT: Instant = Instant { utc: Utc(1_700_000_000_000), mono: Mono(5) };

    fn point(scale: Option<&str>, index: Option<usize>) -> PointConfig {
        PointConfig {
            id: PointId(7),
            node: "nsu=urn:cnc;s=x".parse().unwrap(),
            scale: scale.map(|scale| scale.parse().unwrap()),
            index,
            sampling: None,
        }
    }

    fn read(point: &PointConfig, value: Variant) -> Observation {
        let data = DataValue { value: Some(value), ..DataValue::null() };
        let mut observations = decode(point, &data, AT);
        assert_eq!(observations.len(), 1);
        observations.remove(0)
    }

    #[track_caller]
    fn number(variant: Variant, want: &str) {
        let observation = read(&point(None, None), variant);
        assert_eq!(observation.quality, Quality::Good);
        assert_eq!(observation.value.unwrap().number().unwrap().to_string(), want);
    }

    #[test]
    fn every_width_of_number_is_exact() {
        number(Variant::SByte(-128), "-128");
        number(Variant::Byte(255), "255");
        number(Variant::Int16(i16::MIN), "-32768");
        number(Variant::UInt16(65_535), "65535");
        number(Variant::Int32(-12), "-12");
        number(Variant::UInt32(u32::MAX), "4294967295");
        number(Variant::Int64(i64::MIN), "-9223372036854775808");
        number(Variant::UInt64(u64::MAX), "18446744073709551615");
        number(Variant::Float(230.1), "230.1");
        number(Variant::Double(0.1), "0.1");
        number(Variant::Boolean(true), "1");
    }

    #[test]
    fn pain_07_a_64_bit_counter_keeps_every_digit_through_its_scale() {
        let got = read(&point(Some("0.001"), None), Variant::UInt64(u64::MAX));
        assert_eq!(got.value.unwrap().number().unwrap().to_string(), "18446744073709551.615");
    }

    #[test]
    fn texts_keep_their_characters() {
        let got = read(&point(None, None), Variant::String("五轴加工中心 1 号".into()));
        assert_eq!(got.value, Some(Value::Text("五轴加工中心 1 号".into())));
    }

    #[track_caller]
    fn not_a_value(point: &PointConfig, variant: Variant, reason: Reason) {
        let got = read(point, variant);
        assert_eq!((got.quality, got.value), (Quality::Bad(reason), None));
    }

    #[test]
    fn what_is_no_single_value_is_bad() {
        let numbers = |n: usize| {
            Variant::from(Array::new(VariantScalarTypeId::Int32, vec![Variant::Int32(5); n]).unwrap())
        };
        not_a_value(&point(None, None), numbers(3), Reason::Decode);
        not_a_value(&point(None, Some(3)), numbers(3), Reason::Decode);
        not_a_value(&point(None, Some(0)), Variant::Int32(5), Reason::Decode);
        not_a_value(&point(None, None), Variant::Empty, Reason::Decode);
        not_a_value(&point(None, None), Variant::Double(f64::NAN), Reason::Decode);
        not_a_value(&point(None, None), Variant::String(opcua::types::UAString::null()), Reason::Decode);
        not_a_value(&point(Some("0.1"), None), Variant::String("12".into()), Reason::Decode);
        not_a_value(&point(Some("0.1"), None), Variant::Boolean(true), Reason::Decode);
        not_a_value(&point(Some("1e60"), None), Variant::Int64(10), Reason::Range);
        let square = Array::new_multi(VariantScalarTypeId::Int32, vec![Variant::Int32(5); 4], vec![2, 2]);
        not_a_value(&point(None, Some(1)), Variant::from(square.unwrap()), Reason::Decode);
        assert!(read(&point(None, Some(2)), numbers(3)).quality.is_good());
    }

    #[test]
    fn what_is_no_number_or_beyond_all_decimals_is_bad_and_never_zero() {
        for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            not_a_value(&point(None, None), Variant::Float(x), Reason::Decode);
        }
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, f64::MAX, 5e-324] {
            not_a_value(&point(None, None), Variant::Double(x), Reason::Decode);
        }
        number(Variant::Float(f32::MIN_POSITIVE), "0.000000000000000000000000000000000000011754944");
        number(Variant::Double(-0.0), "0");
        number(Variant::Double(9_007_199_254_740_993.0), "9007199254740992");
    }

    #[test]
    fn texts_stay_texts_in_whatever_language_and_none_is_not_the_empty_one() {
        let text = |variant| read(&point(None, None), variant).value;
        assert_eq!(text(Variant::String("12".into())), Some(Value::Text("12".into())));
        assert_eq!(text(Variant::String("".into())), Some(Value::Text(String::new())));
        let localized = LocalizedText::new("zh-CN", "运行");
        assert_eq!(text(Variant::from(localized)), Some(Value::Text("运行".into())));
        not_a_value(&point(None, None), Variant::from(LocalizedText::null()), Reason::Decode);
    }

    /// A `Decimal` (OPC 10000-6 5.1.10) and an enumeration's description come as structures; a number could be made up
    /// from most of the others.
    #[test]
    fn types_that_are_neither_number_nor_text_are_bad() {
        let structure = ExtensionObject::new(ByteStringBody::new(vec![1, 0, 123].into(), NodeId::new(0, 50)));
        for variant in [
            Variant::from(structure),
            Variant::from(DateTime::now()),
            Variant::from(ByteString::from(vec![1])),
            Variant::XmlElement(UAString::from("<a>1</a>").into()),
            Variant::StatusCode(StatusCode::Good),
            Variant::from(NodeId::new(0, 7)),
            Variant::from(QualifiedName::new(0, "7")),
            Variant::Variant(Box::new(Variant::Int32(7))),
            Variant::from(DataValue::from(Variant::Int32(7))),
        ] {
            not_a_value(&point(None, None), variant, Reason::Decode);
        }
        let nothing = decode(&point(None, None), &DataValue::null(), AT).remove(0);
        assert_eq!((nothing.quality, nothing.value), (Quality::Bad(Reason::Decode), None));
    }

    #[test]
    fn an_array_is_never_its_first_element_unless_that_is_asked_for() {
        let numbers = |n: usize, dimensions: Option<Vec<u32>>| {
            let values = vec![Variant::UInt64(u64::MAX); n];
            let kind = VariantScalarTypeId::UInt64;
            Variant::from(match dimensions {
                None => Array::new(kind, values).unwrap(),
                Some(dimensions) => Array::new_multi(kind, values, dimensions).unwrap(),
            })
        };
        not_a_value(&point(None, None), numbers(1, None), Reason::Decode);
        not_a_value(&point(None, Some(0)), numbers(0, None), Reason::Decode);
        let got = read(&point(Some("0.1"), Some(0)), numbers(1, Some(vec![1])));
        assert_eq!(got.value.unwrap().number().unwrap().to_string(), "1844674407370955161.5");
    }

    #[test]
    fn an_uncertain_value_keeps_its_number_and_a_bad_one_loses_even_a_good_number() {
        let read = |code: u32, scale| {
            let (value, status) = (Some(Variant::Double(10.0)), Some(StatusCode::from(code)));
            decode(&point(scale, None), &DataValue { value, status, ..DataValue::null() }, AT).remove(0)
        };
        let last_usable = read(0x4090_0000, Some("10"));
        assert_eq!(last_usable.quality, Quality::Uncertain(Reason::Status(0x4090_0000)));
        assert_eq!(last_usable.value.unwrap().number().unwrap().to_string(), "100");
        let overflowing = read(0x4090_0000, Some("1e60"));
        assert_eq!((overflowing.quality, overflowing.value), (Quality::Bad(Reason::Range), None));
        assert_eq!(read(0x808B_0000, None).value, None);
    }

    #[track_caller]
    fn status(code: Option<u32>, want: Quality) {
        let data = DataValue {
            value: Some(Variant::Int32(42)),
            status: code.map(StatusCode::from),
            ..DataValue::null()
        };
        let got = decode(&point(None, None), &data, AT).remove(0);
        assert_eq!(got.quality, want);
        assert_eq!(got.value.is_some(), !matches!(want, Quality::Bad(_)), "a bad status carries no value");
    }

    #[test]
    fn pain_03_the_status_is_kept_whole_and_decides() {
        status(None, Quality::Good);
        status(Some(0), Quality::Good);
        status(Some(0x002F_0000), Quality::Good);
        status(Some(0x4094_0000), Quality::Uncertain(Reason::Status(0x4094_0000)));
        status(Some(0x800A_0000), Quality::Bad(Reason::Status(0x800A_0000)));
        status(Some(0x8089_0401), Quality::Bad(Reason::Status(0x8089_0401)));
        status(Some(0xC000_0000), Quality::Bad(Reason::Status(0xC000_0000)));
    }

    #[test]
    fn a_value_typed_in_by_hand_or_with_a_new_meaning_is_uncertain() {
        status(Some(0x0096_0000), Quality::Uncertain(Reason::Status(0x0096_0000)));
        status(Some(0x0000_4000), Quality::Uncertain(Reason::Status(0x0000_4000)));
        status(Some(0x0000_8000), Quality::Uncertain(Reason::Status(0x0000_8000)));
    }

    #[test]
    fn pain_15_an_overflow_is_an_observation_before_the_value() {
        let data = DataValue {
            value: Some(Variant::Int32(42)),
            status: Some(StatusCode::from(0x0000_0480)),
            ..DataValue::null()
        };
        let got = decode(&point(None, None), &data, AT);
        let qualities: Vec<Quality> = got.iter().map(|observation| observation.quality).collect();
        assert_eq!(qualities, [Quality::Bad(Reason::Status(0x480)), Quality::Good]);
    }

    #[test]
    fn bit_7_without_its_info_type_is_no_overflow() {
        assert!(!overflowed(0x0080));
        assert!(overflowed(0x0480));
    }

    #[test]
    fn the_source_time_is_a_claim_of_its_own() {
        let stamp = DateTime::ymd_hms(2024, 2, 29, 23, 59, 59);
        let data =
            |time| DataValue { value: Some(Variant::Int32(1)), source_timestamp: time, ..DataValue::null() };
        let got = decode(&point(None, None), &data(Some(stamp)), AT).remove(0);
        assert_eq!(got.source_time, Some(Utc(1_709_251_199_000)));
        assert_eq!((got.agent_time, got.mono), (AT.utc, AT.mono));
        assert_eq!(decode(&point(None, None), &data(None), AT).remove(0).source_time, None);
        assert_eq!(decode(&point(None, None), &data(Some(DateTime::null())), AT).remove(0).source_time, None);
        for beyond in [-1, END_OF_CALENDAR, i64::MAX] {
            let got = decode(&point(None, None), &data(Some(DateTime::from(beyond))), AT).remove(0);
            assert_eq!((got.source_time, got.quality), (None, Quality::Good), "{beyond}");
        }
    }
}

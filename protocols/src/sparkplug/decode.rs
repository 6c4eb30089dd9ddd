//! From a metric to an observation: the data type of the birth decides what the carried number means.
//!
//! Signed numbers travel in unsigned fields (Eclipse Sparkplug 3.0.0, chapter 6, "Datatype Details"), so that without the data type an
//! Int32 of -12 reads as 4294967284. It keeps nothing between two metrics.

use observation::{Decimal, Instant, Observation, PointId, Quality, Reason, Utc, Value};

use super::payload::{Metric, Raw};

/// Quality codes (chapter 6, "Quality Codes"). 0 is bad; any code but these two is one as well.
const QUALITY_GOOD: u32 = 192;
const QUALITY_STALE: u32 = 500;

/// The data types that hold one value of ours (chapter 6, "Data Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataType {
    Signed(u32),
    Unsigned(u32),
    Float,
    Double,
    Boolean,
    /// String, Text and UUID.
    Text,
    /// Milliseconds since 1970.
    DateTime,
    /// A data set, a template, a file, an array, or a number that no table has.
    Other(u32),
}

/// The number of Boolean.
pub(super) const BOOLEAN: u32 = 11;

impl DataType {
    pub(super) fn of(number: u32) -> Self {
        match number {
            1 => Self::Signed(8),
            2 => Self::Signed(16),
            3 => Self::Signed(32),
            4 => Self::Signed(64),
            5 => Self::Unsigned(8),
            6 => Self::Unsigned(16),
            7 => Self::Unsigned(32),
            8 => Self::Unsigned(64),
            9 => Self::Float,
            10 => Self::Double,
            BOOLEAN => Self::Boolean,
            12 | 14 | 15 => Self::Text,
            13 => Self::DateTime,
            other => Self::Other(other),
        }
    }
}

/// A point that reads a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) point: PointId,
    /// The exact factor of a number.
    pub(super) scale: Option<Decimal>,
}

/// What a metric says of a point. `sent` is the time stamp of the message.
pub(super) fn observe(
    reading: Reading,
    datatype: DataType,
    metric: &Metric,
    sent: Option<u64>,
    at: Instant,
) -> Observation {
    let observation = match value_of(reading, datatype, metric) {
        Ok(value) if metric.is_historical() => Observation {
            quality: Quality::Uncertain(Reason::Retained),
            ..Observation::good(reading.point, value, at)
        },
        Ok(value) => Observation::good(reading.point, value, at),
        Err(reason) => Observation::bad(reading.point, reason, at),
    };
    observation.with_source_time(metric.timestamp.or(sent).and_then(utc))
}

/// Times no calendar of ours reaches are no claim at all.
pub(super) fn utc(ms: u64) -> Option<Utc> {
    i64::try_from(ms).ok().map(Utc)
}

fn value_of(reading: Reading, datatype: DataType, metric: &Metric) -> Result<Value, Reason> {
    match metric.quality().map_err(|_| Reason::Decode)? {
        None | Some(QUALITY_GOOD) => {}
        Some(QUALITY_STALE) => return Err(Reason::Stale),
        Some(code) => return Err(Reason::Status(code)),
    }
    if metric.is_null() {
        return Err(Reason::Decode);
    }
    let raw = metric.value.as_ref().ok_or(Reason::Decode)?;
    match (plain(datatype, raw)?, reading.scale) {
        (Value::Number(number), Some(scale)) => {
            number.checked_mul(scale).map(Value::Number).ok_or(Reason::Range)
        }
        (_, Some(_)) => Err(Reason::Decode),
        (value, None) => Ok(value),
    }
}

fn plain(datatype: DataType, raw: &Raw) -> Result<Value, Reason> {
    let number = match (datatype, raw) {
        (DataType::Signed(width), Raw::Int(n)) => signed(width, 32, u64::from(*n)).map(Decimal::from),
        (DataType::Signed(width), Raw::Long(n)) => signed(width, 64, *n).map(Decimal::from),
        (DataType::Unsigned(width), Raw::Int(n)) => unsigned(width, u64::from(*n)).map(Decimal::from),
        (DataType::Unsigned(width), Raw::Long(n)) => unsigned(width, *n).map(Decimal::from),
        (DataType::DateTime, Raw::Long(ms)) => Some(Decimal::from(*ms)),
        (DataType::Float, Raw::Float(x)) => Decimal::from_f32(*x).ok(),
        (DataType::Double, Raw::Double(x)) => Decimal::from_f64(*x).ok(),
        (DataType::Boolean, Raw::Bool(truth)) => return Ok(Value::Bool(*truth)),
        (DataType::Text, Raw::Text(text)) => return Ok(Value::Text(text.clone())),
        _ => None,
    };
    number.map(Value::Number).ok_or(Reason::Decode)
}

/// A signed number of `width` bits, carried in a field of `field` bits. Some publishers fill the field with zeros
/// above the number, others with its sign; both can be told from what is no such number at all. A field that is
/// narrower than the number has lost its sign.
fn signed(width: u32, field: u32, raw: u64) -> Option<i64> {
    if field < width {
        return None;
    }
    // Sign-extended from the width, and from the field.
    let number = raw.cast_signed() << (64 - width) >> (64 - width);
    let whole = raw.cast_signed() << (64 - field) >> (64 - field);
    let filled_with_zeros = width == 64 || raw >> width == 0;
    (filled_with_zeros || whole == number).then_some(number)
}

fn unsigned(width: u32, raw: u64) -> Option<u64> {
    (width == 64 || raw >> width == 0).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Reading = Reading { point: PointId(7), scale: None };

    fn metric(value: Raw) -> Metric {
        Metric { value: Some(value), ..Metric::default() }
    }

    #[track_caller]
    fn check(datatype: u32, raw: Raw, want: Result<&str, Reason>) {
        let got = value_of(READING, DataType::of(datatype), &metric(raw));
        let got = got.map(|value| match value {
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text,
        });
        assert_eq!(got, want.map(ToOwned::to_owned));
    }

    #[test]
    fn pain_08_a_signed_number_in_an_unsigned_field_keeps_its_sign() {
        check(3, Raw::Int(4_294_967_284), Ok("-12"));
        check(7, Raw::Int(4_294_967_284), Ok("4294967284"));
        // Filled with zeros (Tahu in Python) and with the sign (Tahu in Java).
        check(1, Raw::Int(0xF4), Ok("-12"));
        check(1, Raw::Int(0xFFFF_FFF4), Ok("-12"));
        check(2, Raw::Int(0xFFF4), Ok("-12"));
        check(2, Raw::Int(0xFFFF_FFF4), Ok("-12"));
        check(4, Raw::Long(u64::MAX - 11), Ok("-12"));
    }

    #[test]
    fn every_width_is_read_to_both_ends() {
        check(1, Raw::Int(0x80), Ok("-128"));
        check(1, Raw::Int(0x7F), Ok("127"));
        check(2, Raw::Int(0x8000), Ok("-32768"));
        check(2, Raw::Int(0x7FFF), Ok("32767"));
        check(3, Raw::Int(0x8000_0000), Ok("-2147483648"));
        check(3, Raw::Int(0x7FFF_FFFF), Ok("2147483647"));
        check(4, Raw::Long(1 << 63), Ok("-9223372036854775808"));
        check(4, Raw::Long(i64::MAX.cast_unsigned()), Ok("9223372036854775807"));
        check(5, Raw::Int(255), Ok("255"));
        check(6, Raw::Int(65_535), Ok("65535"));
        check(7, Raw::Int(u32::MAX), Ok("4294967295"));
        // Tahu in Java carries a UInt32 in the long field.
        check(7, Raw::Long(u64::from(u32::MAX)), Ok("4294967295"));
        check(8, Raw::Long(u64::MAX), Ok("18446744073709551615"));
        check(13, Raw::Long(1_709_251_199_000), Ok("1709251199000"));
        check(9, Raw::Float(230.1), Ok("230.1"));
        check(10, Raw::Double(0.1), Ok("0.1"));
        check(11, Raw::Bool(true), Ok("true"));
        check(12, Raw::Text("轴-7".into()), Ok("轴-7"));
        check(14, Raw::Text(String::new()), Ok(""));
    }

    #[test]
    fn what_does_not_fit_its_data_type_is_bad() {
        check(1, Raw::Int(0x100), Err(Reason::Decode));
        check(1, Raw::Int(0xFFFF_FF7F), Err(Reason::Decode));
        check(2, Raw::Int(0x1_0000), Err(Reason::Decode));
        check(3, Raw::Long(1 << 32), Err(Reason::Decode));
        check(4, Raw::Int(5), Err(Reason::Decode));
        check(5, Raw::Int(256), Err(Reason::Decode));
        check(6, Raw::Int(65_536), Err(Reason::Decode));
        check(7, Raw::Long(1 << 32), Err(Reason::Decode));
        check(9, Raw::Double(1.0), Err(Reason::Decode));
        check(9, Raw::Float(f32::NAN), Err(Reason::Decode));
        check(10, Raw::Double(f64::INFINITY), Err(Reason::Decode));
        check(11, Raw::Int(1), Err(Reason::Decode));
        check(12, Raw::Int(1), Err(Reason::Decode));
        check(16, Raw::Int(1), Err(Reason::Decode));
        check(0, Raw::Int(1), Err(Reason::Decode));
    }

    #[test]
    fn a_scale_is_exact_and_for_numbers_only() {
        let reading = Reading { scale: Some("0.001".parse().unwrap()), ..READING };
        let scaled = value_of(reading, DataType::of(8), &metric(Raw::Long(u64::MAX)));
        assert_eq!(scaled, Ok(Value::Number("18446744073709551.615".parse().unwrap())));
        assert_eq!(value_of(reading, DataType::of(11), &metric(Raw::Bool(true))), Err(Reason::Decode));
    }
}

//! Units as people write them, converted exactly to Wh and W.
//!
//! What is read from a machine is never rounded here; see [`Factor`] for joules.

use crate::window::Factor;
use observation::Decimal;

/// What a unit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Converted to Wh.
    Energy,
    /// Converted to W.
    Power,
}

/// Unit, power of ten over Wh, W or J, and whether it counts joules.
const UNITS: &[(&str, Dimension, i32, bool)] = &[
    ("mWh", Dimension::Energy, -3, false),
    ("Wh", Dimension::Energy, 0, false),
    ("kWh", Dimension::Energy, 3, false),
    ("MWh", Dimension::Energy, 6, false),
    ("GWh", Dimension::Energy, 9, false),
    ("J", Dimension::Energy, 0, true),
    ("kJ", Dimension::Energy, 3, true),
    ("MJ", Dimension::Energy, 6, true),
    ("GJ", Dimension::Energy, 9, true),
    ("mW", Dimension::Power, -3, false),
    ("W", Dimension::Power, 0, false),
    ("kW", Dimension::Power, 3, false),
    ("MW", Dimension::Power, 6, false),
];

/// A unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// As written.
    pub text: &'static str,
    /// What it measures.
    pub dimension: Dimension,
    /// Into Wh or W.
    pub factor: Factor,
}

/// All units of a dimension, for messages.
pub(super) fn units(dimension: Dimension) -> Vec<&'static str> {
    UNITS.iter().filter(|unit| unit.1 == dimension).map(|unit| unit.0).collect()
}

/// Reads a unit.
pub(super) fn measure(text: &str) -> Option<Measure> {
    let (text, dimension, power, joules) = *UNITS.iter().find(|unit| unit.0 == text)?;
    let times = Decimal::new(1, power)?;
    Some(Measure { text, dimension, factor: Factor { times, over: if joules { 3600 } else { 1 } } })
}

/// A unit of power, into W.
pub fn power_unit(text: &str) -> Option<Measure> {
    measure(text).filter(|measure| measure.dimension == Dimension::Power)
}

/// A power such as `1.5kW`, in W.
pub(super) fn watts(text: &str) -> Result<Decimal, String> {
    let wrong = || format!("{text:?} is not a power; write a number with W, kW or MW, such as \"1.5kW\"");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let unit = measure(unit).filter(|m| m.dimension == Dimension::Power).ok_or_else(wrong)?;
    let number: Decimal = number.trim_end().parse().map_err(|_| wrong())?;
    number.checked_mul(unit.factor.times).ok_or_else(wrong)
}

/// Like [`watts`], whole and more than none.
pub(super) fn whole_watts(text: &str) -> Result<u64, String> {
    let watts = watts(text)?;
    let whole =
        watts.at_exponent(0).and_then(|w| u64::try_from(w).ok()).filter(|w| (1..=1_000_000_000).contains(w));
    whole.ok_or_else(|| format!("{text} must be a whole number of watts between 1 W and 1000 MW"))
}

/// A duration in whole milliseconds, more than none.
pub(super) fn milliseconds(text: &str) -> Result<u64, String> {
    let duration = config::units::duration(text).map_err(|e| e.to_string())?;
    let ms = u64::try_from(duration.as_millis()).map_err(|_| format!("{text} is too long"))?;
    if ms == 0 { Err(format!("{text} must be longer than 0")) } else { Ok(ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unit: &str, value: &str, want: &str) {
        let factor = measure(unit).unwrap().factor;
        assert_eq!(factor.apply(value.parse().unwrap()).unwrap().to_string(), want);
    }

    #[test]
    fn units_convert_exactly() {
        check("kWh", "999999.99", "999999990");
        check("Wh", "18446744073709551615", "18446744073709551615");
        check("MWh", "0.000001", "1");
        check("GJ", "3.6", "1000000");
        check("kJ", "1", "0.277");
        check("kW", "0.05", "50");
    }

    #[test]
    fn powers_read_with_their_unit_only() {
        assert_eq!(watts("0.05kW").unwrap().to_string(), "50");
        assert_eq!(watts("1.5 kW").unwrap().to_string(), "1500");
        for bad in ["1.5", "kW", "1.5kWh", "1,5kW", "1.5 k W", ""] {
            assert!(watts(bad).unwrap_err().contains("such as \"1.5kW\""), "{bad}");
        }
        assert!(whole_watts("0.5W").is_err());
        assert_eq!(whole_watts("22kW"), Ok(22_000));
    }
}

//! Exact decimals: `mantissa × 10^exponent`. A 64-bit energy counter with a scale of 0.001 loses no digit
//! here, and the same input gives the same mantissa on every platform.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// `mantissa × 10^exponent`, exact. Equality and order are those of the value, so `1.0 == 1`.
///
/// Serialised as its text, which every format keeps exactly.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Decimal {
    mantissa: i128,
    exponent: i8,
}

/// Why a text or float is no exact decimal of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not of the form `-12.34`, optionally with `e±N`.
    #[error("{0:?} is not a decimal number such as 0.01 or -12.5e3")]
    Syntax(String),
    /// More digits than 38, or an exponent outside -60..=60.
    #[error("{0:?} has more digits or a larger exponent than an exact decimal can hold")]
    Range(String),
    /// NaN or infinity.
    #[error("the float is not a number")]
    NotFinite,
}

const MAX_EXPONENT: i8 = 60;

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0 };

    /// `mantissa × 10^exponent`, trailing zeros moved into the exponent. `None` outside the exponent range.
    pub fn new(mantissa: i128, exponent: i32) -> Option<Self> {
        let (mut m, mut e) = (mantissa, exponent);
        if m == 0 {
            return Some(Self::ZERO);
        }
        while m % 10 == 0 {
            m /= 10;
            e += 1;
        }
        let exponent = i8::try_from(e).ok().filter(|e| e.unsigned_abs() <= MAX_EXPONENT.unsigned_abs())?;
        Some(Self { mantissa: m, exponent })
    }

    /// The digits without trailing zeros.
    pub fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// The power of ten that goes with [`Self::mantissa`].
    pub fn exponent(self) -> i8 {
        self.exponent
    }

    /// The integer `n` with `n × 10^exponent == self`, or `None` when that is no integer or does not fit.
    pub fn at_exponent(self, exponent: i8) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let shift = u32::try_from(i32::from(self.exponent) - i32::from(exponent)).ok()?;
        10i128.checked_pow(shift)?.checked_mul(self.mantissa)
    }

    /// Like [`Self::at_exponent`], but digits below `10^exponent` are cut off towards zero.
    pub fn floor_at_exponent(self, exponent: i8) -> Option<i128> {
        let drop = i32::from(exponent) - i32::from(self.exponent);
        match u32::try_from(drop) {
            Ok(drop) => Some(10i128.checked_pow(drop).map_or(0, |p| self.mantissa / p)),
            Err(_) => self.at_exponent(exponent),
        }
    }

    /// Product, or `None` on overflow.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        Self::new(mantissa, i32::from(self.exponent) + i32::from(other.exponent))
    }

    /// Sum, or `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let e = self.exponent.min(other.exponent);
        let sum = self.at_exponent(e)?.checked_add(other.at_exponent(e)?)?;
        Self::new(sum, i32::from(e))
    }

    /// Difference, or `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self { mantissa: other.mantissa.checked_neg()?, exponent: other.exponent })
    }

    /// The shortest decimal that reads back as exactly this `f32`. A meter's 230.1 stays 230.1.
    pub fn from_f32(x: f32) -> Result<Self, DecimalError> {
        if x.is_finite() { x.to_string().parse() } else { Err(DecimalError::NotFinite) }
    }

    /// The shortest decimal that reads back as exactly this `f64`.
    pub fn from_f64(x: f64) -> Result<Self, DecimalError> {
        if x.is_finite() { format!("{x:e}").parse() } else { Err(DecimalError::NotFinite) }
    }
}

impl From<i64> for Decimal {
    fn from(n: i64) -> Self {
        Self::new(i128::from(n), 0).unwrap_or(Self::ZERO)
    }
}

impl From<u64> for Decimal {
    fn from(n: u64) -> Self {
        Self::new(i128::from(n), 0).unwrap_or(Self::ZERO)
    }
}

impl From<Decimal> for String {
    fn from(d: Decimal) -> Self {
        d.to_string()
    }
}

impl TryFrom<String> for Decimal {
    type Error = DecimalError;

    fn try_from(s: String) -> Result<Self, DecimalError> {
        s.parse()
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        (self.mantissa, self.exponent) == (other.mantissa, other.exponent)
    }
}

impl Eq for Decimal {}

impl std::hash::Hash for Decimal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.mantissa, self.exponent).hash(state);
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    /// By value. When the common exponent would overflow, the operand with the larger exponent is the
    /// larger in magnitude, since its scaled mantissa is then beyond 2^127.
    fn cmp(&self, other: &Self) -> Ordering {
        let e = self.exponent.min(other.exponent);
        match (self.at_exponent(e), other.at_exponent(e)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (None, _) => self.mantissa.signum().cmp(&0),
            (_, None) => 0.cmp(&other.mantissa.signum()),
        }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(s: &str) -> Result<Self, DecimalError> {
        let syntax = || DecimalError::Syntax(s.to_owned());
        let range = || DecimalError::Range(s.to_owned());
        let (number, power) = match s.split_once(['e', 'E']) {
            Some((n, p)) => (n, p.parse::<i32>().map_err(|_| syntax())?),
            None => (s, 0),
        };
        let (negative, digits) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
            return Err(syntax());
        }
        let fraction = fraction.trim_end_matches('0');
        let joined = format!("{whole}{fraction}");
        let trimmed = joined.trim_start_matches('0');
        // Zeros at the end belong to the exponent: 60 of them are as few digits as none.
        let significant = trimmed.trim_end_matches('0');
        let magnitude =
            if significant.is_empty() { 0 } else { significant.parse::<u128>().map_err(|_| range())? };
        let mantissa =
            if negative { 0i128.checked_sub_unsigned(magnitude) } else { i128::try_from(magnitude).ok() };
        let (zeros, places) = (trimmed.len() - significant.len(), fraction.len());
        let exponent = i64::try_from(zeros).ok().zip(i64::try_from(places).ok());
        let exponent = exponent.map(|(zeros, places)| i64::from(power) + zeros - places);
        let exponent = exponent.and_then(|e| i32::try_from(e).ok()).ok_or_else(range)?;
        mantissa.and_then(|mantissa| Self::new(mantissa, exponent)).ok_or_else(range)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let text = if let Ok(zeros) = usize::try_from(self.exponent) {
            format!("{digits}{}", "0".repeat(zeros))
        } else {
            let places = usize::from(self.exponent.unsigned_abs());
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            format!("{whole}.{fraction}")
        };
        f.pad(&format!("{sign}{text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(input: &str, printed: &str) {
        assert_eq!(input.parse::<Decimal>().unwrap().to_string(), printed);
    }

    #[test]
    fn decimals_read_and_print_exactly() {
        check("0.01", "0.01");
        check("1.50", "1.5");
        check("-12.5e3", "-12500");
        check("18446744073709551615", "18446744073709551615");
        check("999999.99", "999999.99");
        check("0.000", "0");
        check("-0", "0");
        check("5e-3", "0.005");
    }

    #[test]
    fn the_largest_and_the_smallest_are_read_as_they_are_printed() {
        check("1e59", &format!("1{}", "0".repeat(59)));
        check(&format!("1{}", "0".repeat(59)), &format!("1{}", "0".repeat(59)));
        let least = Decimal::new(i128::MIN, 60).unwrap();
        assert_eq!(least.to_string().parse(), Ok(least));
        assert_eq!("1e61".parse::<Decimal>(), Err(DecimalError::Range("1e61".to_owned())));
        let wide = format!("0.{}1", "0".repeat(60));
        assert_eq!(wide.parse::<Decimal>(), Err(DecimalError::Range(wide)));
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for bad in ["", "-", ".", "1.", ".5", "1,5", "0x10", "NaN", "1e", "1e1.5", "--1", "+1"] {
            assert!(bad.parse::<Decimal>().is_err(), "{bad:?}");
        }
        assert_eq!("1e61".parse::<Decimal>(), Err(DecimalError::Range("1e61".into())));
    }

    #[test]
    fn floats_become_their_shortest_decimal() {
        assert_eq!(Decimal::from_f32(230.1).unwrap().to_string(), "230.1");
        assert_eq!(Decimal::from_f64(0.1).unwrap().to_string(), "0.1");
        assert_eq!(Decimal::from_f64(1e21).unwrap().to_string(), "1000000000000000000000");
        assert_eq!(Decimal::from_f64(f64::NAN), Err(DecimalError::NotFinite));
    }

    #[test]
    fn a_64_bit_counter_keeps_every_digit_through_its_scale() {
        let raw = Decimal::from(u64::MAX);
        let scaled = raw.checked_mul("0.001".parse().unwrap()).unwrap();
        assert_eq!(scaled.to_string(), "18446744073709551.615");
        assert_eq!(scaled.at_exponent(-3), Some(i128::from(u64::MAX)));
        assert_eq!(scaled.at_exponent(0), None);
        assert_eq!(scaled.floor_at_exponent(0), Some(18_446_744_073_709_551));
    }

    #[test]
    fn a_decimal_is_serialised_as_its_text() {
        let d: Decimal = "18446744073709551.615".parse().unwrap();
        let json = serde_json::to_string(&d).unwrap();
        assert_eq!(json, "\"18446744073709551.615\"");
        assert_eq!(serde_json::from_str::<Decimal>(&json).unwrap(), d);
        assert!(serde_json::from_str::<Decimal>("\"1.\"").is_err());
    }

    proptest! {
        #[test]
        fn printing_and_reading_back_is_the_identity(m in any::<i128>(), e in -60i32..=60) {
            let Some(d) = Decimal::new(m, e) else { return Ok(()) };
            prop_assert_eq!(d.to_string().parse::<Decimal>().unwrap(), d);
        }

        #[test]
        fn order_is_that_of_the_values(a in any::<i32>(), b in any::<i32>(), e in -6i32..6, f in -6i32..6) {
            let (x, y) = (Decimal::new(a.into(), e).unwrap(), Decimal::new(b.into(), f).unwrap());
            let (p, q) = (i128::from(a) * 10i128.pow(u32::try_from(e + 6).unwrap()), i128::from(b) * 10i128.pow(u32::try_from(f + 6).unwrap()));
            prop_assert_eq!(x.cmp(&y), p.cmp(&q));
        }

        #[test]
        fn f64_round_trips(x in any::<f64>().prop_filter("finite, in range", |x| x.is_finite() && x.abs() < 1e50 && (x.abs() > 1e-40 || *x == 0.0))) {
            let back: f64 = Decimal::from_f64(x).unwrap().to_string().parse().unwrap();
            prop_assert_eq!(back.to_bits(), (x + 0.0).to_bits());
        }
    }
}

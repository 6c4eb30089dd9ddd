//! An exact rational with a text form, so that a figure in JSON can be checked by hand.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use serde::{Serialize, Serializer};

/// An exact rational number. In JSON it is the text `"n/d"` in lowest terms, or `"n"` for an integer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rational(pub BigRational);

impl Rational {
    /// `n / d`, or nothing for `d` = 0.
    pub fn ratio(n: impl Into<BigInt>, d: impl Into<BigInt>) -> Option<Self> {
        let d: BigInt = d.into();
        (!d.is_zero()).then(|| Self(BigRational::new(n.into(), d)))
    }

    /// An integer.
    pub fn integer(n: impl Into<BigInt>) -> Self {
        Self(BigRational::from_integer(n.into()))
    }

    /// A decimal such as `-4.50` or a fraction such as `1/3`, and nothing else: no exponent, no grouping, no
    /// leading or trailing point.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let value = match text.split_once('/') {
            Some((n, d)) => Self::ratio(digits(n)?, digits(d)?)?,
            None => Self::decimal(text)?,
        };
        Some(value * Self::integer(sign))
    }

    fn decimal(text: &str) -> Option<Self> {
        let Some((whole, part)) = text.split_once('.') else { return digits(text).map(Self::integer) };
        let scale = BigInt::from(10u8).pow(u32::try_from(part.len()).ok()?);
        Self::ratio(digits(whole)? * &scale + digits(part)?, scale)
    }

    /// Zero.
    pub fn zero() -> Self {
        Self::integer(0)
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// `self / d`, or nothing for `d` = 0.
    pub fn over(&self, d: &Self) -> Option<Self> {
        (!d.is_zero()).then(|| Self(&self.0 / &d.0))
    }
}

/// Longest run of digits that is read; no quantity of this field has more.
const MOST_DIGITS: usize = 40;

fn digits(text: &str) -> Option<BigInt> {
    let plain = !text.is_empty() && text.len() <= MOST_DIGITS && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

impl std::ops::Add for Rational {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Rational {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::ops::Mul for Rational {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl std::fmt::Display for Rational {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Rational {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl schemars::JsonSchema for Rational {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rational".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^-?[0-9]+(/[1-9][0-9]*)?$",
            "description": "An exact rational number n/d in lowest terms, or an integer n."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_and_fractions_are_read_exactly_and_nothing_else_is() {
        for (text, n, d) in
            [("4.5", 9, 2), ("-0.10", -1, 10), ("7", 7, 1), ("2/6", 1, 3), ("-1/3", -1, 3), ("0", 0, 1)]
        {
            assert_eq!(Rational::parse(text), Rational::ratio(n, d), "{text}");
        }
        let long = "1".repeat(MOST_DIGITS + 1);
        for text in [
            "", "-", ".5", "5.", "1e3", "1/0", "1/-2", "--1", "+1", " 1", "1,000", "0x1", "1.2.3", "１",
            &long,
        ] {
            assert_eq!(Rational::parse(text), None, "{text}");
        }
    }
}

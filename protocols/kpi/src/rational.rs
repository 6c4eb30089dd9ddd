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

impl std::ops::Add for Rational {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
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

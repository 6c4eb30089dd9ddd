//! Units in which amounts of energy carriers are read, billed and declared, and their exact conversion. Volumes
//! of gases are those of the state their factor is stated for; nothing here converts between states, nor between
//! volume and mass.

use num_bigint::BigInt;
use observation::Decimal;
use serde::{Deserialize, Serialize};

use crate::rational::Rational;

/// What kind of amount a unit measures. Amounts of different kinds are never added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
pub enum Dimension {
    /// Energy, base unit joule.
    #[serde(rename = "J")]
    Energy,
    /// Mass, base unit kilogram.
    #[serde(rename = "kg")]
    Mass,
    /// Volume, base unit cubic metre.
    #[serde(rename = "m3")]
    Volume,
}

impl Dimension {
    /// Its base unit as text.
    pub const fn base(self) -> &'static str {
        match self {
            Self::Energy => "J",
            Self::Mass => "kg",
            Self::Volume => "m3",
        }
    }
}

/// A unit of amount.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "&'static str")]
pub enum EnergyUnit {
    /// 10⁻³ Wh, the unit of the windows' energy column.
    MilliwattHour,
    /// Wh.
    WattHour,
    /// `kWh`.
    KilowattHour,
    /// `MWh`.
    MegawattHour,
    /// 10⁴ kWh, 万千瓦时.
    TenThousandKilowattHours,
    /// `kJ`.
    Kilojoule,
    /// `MJ`.
    Megajoule,
    /// `GJ`.
    Gigajoule,
    /// g.
    Gram,
    /// kg.
    Kilogram,
    /// t.
    Tonne,
    /// L.
    Litre,
    /// m³.
    CubicMetre,
    /// 10⁴ m³, 万立方米.
    TenThousandCubicMetres,
}

/// A text that names no unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no unit of energy, mass or volume; write one of {known}")]
pub struct UnknownUnit {
    /// What was written.
    pub given: String,
    /// What is known.
    pub known: String,
}

impl EnergyUnit {
    /// All units.
    pub const ALL: [Self; 14] = [
        Self::MilliwattHour,
        Self::WattHour,
        Self::KilowattHour,
        Self::MegawattHour,
        Self::TenThousandKilowattHours,
        Self::Kilojoule,
        Self::Megajoule,
        Self::Gigajoule,
        Self::Gram,
        Self::Kilogram,
        Self::Tonne,
        Self::Litre,
        Self::CubicMetre,
        Self::TenThousandCubicMetres,
    ];

    /// Its text, as files spell it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::MilliwattHour => "mWh",
            Self::WattHour => "Wh",
            Self::KilowattHour => "kWh",
            Self::MegawattHour => "MWh",
            Self::TenThousandKilowattHours => "10^4kWh",
            Self::Kilojoule => "kJ",
            Self::Megajoule => "MJ",
            Self::Gigajoule => "GJ",
            Self::Gram => "g",
            Self::Kilogram => "kg",
            Self::Tonne => "t",
            Self::Litre => "L",
            Self::CubicMetre => "m3",
            Self::TenThousandCubicMetres => "10^4m3",
        }
    }

    /// Its Chinese text, which files may write as well.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::MilliwattHour => "毫瓦时",
            Self::WattHour => "瓦时",
            Self::KilowattHour => "千瓦时",
            Self::MegawattHour => "兆瓦时",
            Self::TenThousandKilowattHours => "万千瓦时",
            Self::Kilojoule => "千焦",
            Self::Megajoule => "兆焦",
            Self::Gigajoule => "吉焦",
            Self::Gram => "克",
            Self::Kilogram => "千克",
            Self::Tonne => "吨",
            Self::Litre => "升",
            Self::CubicMetre => "立方米",
            Self::TenThousandCubicMetres => "万立方米",
        }
    }

    /// The unit of a text. Capitals count: `mWh` and `MWh` are nine powers of ten apart.
    pub fn parse(text: &str) -> Result<Self, UnknownUnit> {
        let text = text.trim();
        let also = |unit: Self| match unit {
            Self::CubicMetre => text == "m³",
            Self::TenThousandCubicMetres => text == "万m3" || text == "万m³",
            Self::TenThousandKilowattHours => text == "万kWh",
            _ => false,
        };
        let found = Self::ALL.into_iter().find(|u| u.text() == text || u.zh() == text || also(*u));
        found.ok_or_else(|| UnknownUnit {
            given: text.to_owned(),
            known: Self::ALL.map(Self::text).join(", "),
        })
    }

    /// What kind of amount it measures.
    pub const fn dimension(self) -> Dimension {
        match self {
            Self::MilliwattHour
            | Self::WattHour
            | Self::KilowattHour
            | Self::MegawattHour
            | Self::TenThousandKilowattHours
            | Self::Kilojoule
            | Self::Megajoule
            | Self::Gigajoule => Dimension::Energy,
            Self::Gram | Self::Kilogram | Self::Tonne => Dimension::Mass,
            Self::Litre | Self::CubicMetre | Self::TenThousandCubicMetres => Dimension::Volume,
        }
    }

    /// How many base units of its dimension it is, as numerator and denominator. All are definitions: 1 Wh =
    /// 3 600 J, 1 t = 1 000 kg, 1 L = 10⁻³ m³.
    const fn base_units(self) -> (u64, u64) {
        match self {
            Self::MilliwattHour => (18, 5),
            Self::WattHour => (3_600, 1),
            Self::KilowattHour => (3_600_000, 1),
            Self::MegawattHour => (3_600_000_000, 1),
            Self::TenThousandKilowattHours => (36_000_000_000, 1),
            Self::Kilojoule | Self::Tonne => (1_000, 1),
            Self::Megajoule => (1_000_000, 1),
            Self::Gigajoule => (1_000_000_000, 1),
            Self::Gram | Self::Litre => (1, 1_000),
            Self::Kilogram | Self::CubicMetre => (1, 1),
            Self::TenThousandCubicMetres => (10_000, 1),
        }
    }

    /// One of it, in the base unit of its dimension.
    pub fn in_base(self) -> Rational {
        let (n, d) = self.base_units();
        Rational(num_rational::BigRational::new(n.into(), d.into()))
    }

    /// `value` of it, in the base unit of its dimension.
    pub fn to_base(self, value: &Rational) -> Rational {
        Rational(&value.0 * &self.in_base().0)
    }

    /// An amount in the base unit of its dimension, in this unit.
    pub fn from_base(self, base: &Rational) -> Rational {
        Rational(&base.0 / &self.in_base().0)
    }
}

impl TryFrom<String> for EnergyUnit {
    type Error = UnknownUnit;
    fn try_from(text: String) -> Result<Self, UnknownUnit> {
        Self::parse(&text)
    }
}

impl From<EnergyUnit> for &'static str {
    fn from(unit: EnergyUnit) -> Self {
        unit.text()
    }
}

impl std::fmt::Display for EnergyUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// A decimal as an exact rational.
pub fn exact(decimal: Decimal) -> Rational {
    let power = BigInt::from(10u8).pow(u32::from(decimal.exponent().unsigned_abs()));
    let mantissa = BigInt::from(decimal.mantissa());
    let value = if decimal.exponent() < 0 {
        num_rational::BigRational::new(mantissa, power)
    } else {
        num_rational::BigRational::from_integer(mantissa * power)
    };
    Rational(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, from: &str, to: &str, want: &str) {
        let [from, to] = [from, to].map(|u| EnergyUnit::parse(u).unwrap());
        let base = from.to_base(&exact(value.parse().unwrap()));
        assert_eq!(to.from_base(&base), exact(want.parse().unwrap()), "{value} {from} in {to}");
    }

    #[test]
    fn conversions_are_exact_in_both_directions() {
        check("1", "kWh", "mWh", "1000000");
        check("1", "kWh", "Wh", "1000");
        check("1", "10^4kWh", "kWh", "10000");
        check("1", "MJ", "kJ", "1000");
        check("1", "kg", "g", "1000");
        check("1", "m3", "L", "1000");
        check("0.000001", "kWh", "mWh", "1");
        check("1", "kWh", "MJ", "3.6");
        check("1", "GJ", "MJ", "1000");
        check("12.5", "万千瓦时", "MWh", "125");
        check("1", "t", "g", "1000000");
        check("1234567890123456789.5", "L", "m3", "1234567890123456.7895");
        check("8.6", "10^4m3", "立方米", "86000");
    }

    #[test]
    fn every_unit_is_read_back_from_its_texts_and_no_two_share_one() {
        for unit in EnergyUnit::ALL {
            assert_eq!(EnergyUnit::parse(unit.text()), Ok(unit));
            assert_eq!(EnergyUnit::parse(unit.zh()), Ok(unit));
            let one = Rational::integer(1);
            assert_eq!(unit.from_base(&unit.to_base(&one)), one);
        }
    }

    #[test]
    fn a_unit_nobody_knows_is_refused_with_those_that_are_known() {
        for text in ["kwh", "KWH", "度数", "kW", "", "m2"] {
            let error = EnergyUnit::parse(text).unwrap_err();
            assert_eq!(error.given, text);
            assert!(error.to_string().contains("kWh, MWh"), "{error}");
        }
    }
}

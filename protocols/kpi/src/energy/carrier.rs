//! Energy carriers (能源品种) and 耗能工质, and in which kinds of unit each may be counted. Coefficients are not
//! here: they are dated data.

use serde::{Deserialize, Serialize};

use super::unit::{Dimension, EnergyUnit};

/// What flows through a meter or stands on a bill.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Carrier {
    /// 电力.
    Electricity,
    /// 天然气.
    NaturalGas,
    /// 热力.
    Heat,
    /// 蒸汽.
    Steam,
    /// 原煤.
    RawCoal,
    /// 柴油.
    Diesel,
    /// 汽油.
    Petrol,
    /// 液化石油气.
    Lpg,
    /// 新水.
    NewWater,
    /// 软水.
    SoftWater,
    /// 压缩空气.
    CompressedAir,
    /// 氧气.
    Oxygen,
    /// 氮气.
    Nitrogen,
}

/// A text that names no carrier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no energy carrier this version knows; write one of {known}")]
pub struct UnknownCarrier {
    /// What was written.
    pub given: String,
    /// What is known.
    pub known: String,
}

/// An amount in a kind of unit its carrier is not counted in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{meter:?}: {} ({}) is not counted in {unit}; supply the amount in one of {known}",
    carrier.text(), carrier.zh())]
pub struct ForeignUnit {
    /// The meter, account or factor row.
    pub meter: String,
    /// The carrier.
    pub carrier: Carrier,
    /// The unit that was given.
    pub unit: EnergyUnit,
    /// Units it may be counted in.
    pub known: String,
}

impl Carrier {
    /// All carriers, in the order in which they are shown.
    pub const ALL: [Self; 13] = [
        Self::Electricity,
        Self::NaturalGas,
        Self::Heat,
        Self::Steam,
        Self::RawCoal,
        Self::Diesel,
        Self::Petrol,
        Self::Lpg,
        Self::NewWater,
        Self::SoftWater,
        Self::CompressedAir,
        Self::Oxygen,
        Self::Nitrogen,
    ];

    /// Its name in files.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Electricity => "electricity",
            Self::NaturalGas => "natural_gas",
            Self::Heat => "heat",
            Self::Steam => "steam",
            Self::RawCoal => "raw_coal",
            Self::Diesel => "diesel",
            Self::Petrol => "petrol",
            Self::Lpg => "lpg",
            Self::NewWater => "new_water",
            Self::SoftWater => "soft_water",
            Self::CompressedAir => "compressed_air",
            Self::Oxygen => "oxygen",
            Self::Nitrogen => "nitrogen",
        }
    }

    /// Its Chinese name, which files may write as well.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Electricity => "电力",
            Self::NaturalGas => "天然气",
            Self::Heat => "热力",
            Self::Steam => "蒸汽",
            Self::RawCoal => "原煤",
            Self::Diesel => "柴油",
            Self::Petrol => "汽油",
            Self::Lpg => "液化石油气",
            Self::NewWater => "新水",
            Self::SoftWater => "软水",
            Self::CompressedAir => "压缩空气",
            Self::Oxygen => "氧气",
            Self::Nitrogen => "氮气",
        }
    }

    /// The carrier of a text.
    pub fn parse(text: &str) -> Result<Self, UnknownCarrier> {
        let text = text.trim();
        let found = Self::ALL.into_iter().find(|c| c.text() == text || c.zh() == text);
        found.ok_or_else(|| UnknownCarrier {
            given: text.to_owned(),
            known: Self::ALL.map(Self::text).join(", "),
        })
    }

    /// The kinds of unit it may be counted in. Electricity in joules is refused although it could be converted:
    /// nobody meters it so, and such a number is often an equivalent value (等价值) already.
    pub const fn dimensions(self) -> &'static [Dimension] {
        match self {
            Self::Electricity | Self::Heat => &[Dimension::Energy],
            Self::NaturalGas | Self::Lpg | Self::Diesel | Self::Petrol | Self::NewWater | Self::SoftWater => {
                &[Dimension::Volume, Dimension::Mass]
            }
            Self::Steam => &[Dimension::Mass, Dimension::Energy],
            Self::RawCoal => &[Dimension::Mass],
            Self::CompressedAir | Self::Oxygen | Self::Nitrogen => &[Dimension::Volume],
        }
    }

    /// Whether an amount of it may be given in `unit`.
    pub fn takes(self, unit: EnergyUnit) -> bool {
        let joules = matches!(unit, EnergyUnit::Kilojoule | EnergyUnit::Megajoule | EnergyUnit::Gigajoule);
        self.dimensions().contains(&unit.dimension()) && !(self == Self::Electricity && joules)
    }

    /// Refuses a unit by name.
    pub fn check_unit(self, meter: &str, unit: EnergyUnit) -> Result<(), ForeignUnit> {
        if self.takes(unit) {
            return Ok(());
        }
        let known: Vec<_> =
            EnergyUnit::ALL.into_iter().filter(|u| self.takes(*u)).map(EnergyUnit::text).collect();
        Err(ForeignUnit { meter: meter.to_owned(), carrier: self, unit, known: known.join(", ") })
    }
}

impl TryFrom<String> for Carrier {
    type Error = UnknownCarrier;
    fn try_from(text: String) -> Result<Self, UnknownCarrier> {
        Self::parse(&text)
    }
}

impl From<Carrier> for &'static str {
    fn from(carrier: Carrier) -> Self {
        carrier.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_are_read_back_from_both_names() {
        for carrier in Carrier::ALL {
            assert_eq!(Carrier::parse(carrier.text()), Ok(carrier));
            assert_eq!(Carrier::parse(carrier.zh()), Ok(carrier));
            assert!(!carrier.dimensions().is_empty());
        }
        let error = Carrier::parse("plasma").unwrap_err();
        assert!(error.to_string().starts_with("\"plasma\" is no energy carrier"), "{error}");
    }

    #[test]
    fn an_amount_in_another_kind_of_unit_is_refused_by_name() {
        for (carrier, unit) in [
            (Carrier::Electricity, EnergyUnit::Gigajoule),
            (Carrier::Electricity, EnergyUnit::Tonne),
            (Carrier::RawCoal, EnergyUnit::CubicMetre),
            (Carrier::CompressedAir, EnergyUnit::KilowattHour),
            (Carrier::Heat, EnergyUnit::Tonne),
        ] {
            let error = carrier.check_unit("T1", unit).unwrap_err();
            assert_eq!((error.carrier, error.unit), (carrier, unit));
        }
        let error = Carrier::Electricity.check_unit("总表", EnergyUnit::Gigajoule).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"总表\": electricity (电力) is not counted in GJ; supply the amount in one of mWh, Wh, kWh, MWh, 10^4kWh"
        );
        assert_eq!(Carrier::Steam.check_unit("S", EnergyUnit::Gigajoule), Ok(()));
        assert_eq!(Carrier::Heat.check_unit("H", EnergyUnit::MegawattHour), Ok(()));
    }
}

//! A register at the end of a window and how far it may be believed. Amounts are differences of registers and
//! live in [`crate::chain`]; a power reading is never turned into an amount here.

use serde::{Deserialize, Serialize};

/// How a register was learnt in this window.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AmountQuality {
    /// The machine has no such quantity.
    #[default]
    None = 0,
    /// Read from the register.
    Register = 1,
    /// Read, and it closes a gap: the difference covers the gap too.
    Bridged = 2,
    /// The counter was reset, rolled over or was exchanged in this window; an event says how.
    CounterEvent = 3,
    /// Integrated from power, because the machine has no register.
    Integrated = 4,
    /// Not learnt; the register repeats the last good value.
    Missing = 5,
}

impl AmountQuality {
    /// All qualities, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Register, Self::Bridged, Self::CounterEvent, Self::Integrated, Self::Missing];

    /// Its number in the quality column.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The quality of a number.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n)).copied()
    }

    /// Whether the register of this window was learnt in this window.
    pub const fn is_reading(self) -> bool {
        matches!(self, Self::Register | Self::Bridged | Self::CounterEvent | Self::Integrated)
    }
}

/// A cumulative register at the end of a window. Energy in mWh (10⁻³ Wh), parts in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amount {
    /// The register's value at the window's end.
    pub register: i64,
    /// How it was learnt.
    pub quality: AmountQuality,
}

//! The nine leaf states of a machine: exclusive and exhaustive. Their numbers are column ids and never change;
//! the order in which their rules are tried is another matter.

use serde::{Deserialize, Serialize};

/// What a machine is doing, as seen from outside.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Leaf {
    /// Nothing trustworthy is known.
    Unknown = 0,
    /// Switched off.
    Off = 1,
    /// Stopped by a fault or emergency stop.
    Fault = 2,
    /// Maintenance mode, or planned maintenance.
    Maintenance = 3,
    /// Set-up, teaching, manual work on an order.
    Setup = 4,
    /// Executing in automatic mode.
    Producing = 5,
    /// The program is loaded and interrupted.
    Held = 6,
    /// Suspended, will resume by itself.
    Waiting = 7,
    /// On, ready, doing nothing.
    Idle = 8,
}

/// Number of leaf states.
pub const LEAVES: usize = 9;

impl Leaf {
    /// All leaves, in the order of their numbers.
    pub const ALL: [Self; LEAVES] = [
        Self::Unknown,
        Self::Off,
        Self::Fault,
        Self::Maintenance,
        Self::Setup,
        Self::Producing,
        Self::Held,
        Self::Waiting,
        Self::Idle,
    ];

    /// The order in which rules are tried; the first that holds wins. Maintenance stands before off and fault,
    /// because a machine under maintenance is often powered down or stopped by its emergency button.
    pub const ORDER_OF_RULES: [Self; LEAVES] = [
        Self::Unknown,
        Self::Maintenance,
        Self::Off,
        Self::Fault,
        Self::Setup,
        Self::Producing,
        Self::Held,
        Self::Waiting,
        Self::Idle,
    ];

    /// Its number, which is its column id too.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its place in arrays by leaf.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The leaf of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Chinese name.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Unknown => "未知",
            Self::Off => "关机",
            Self::Fault => "故障停机",
            Self::Maintenance => "维护保养",
            Self::Setup => "调试换型",
            Self::Producing => "加工",
            Self::Held => "程序暂停",
            Self::Waiting => "等待",
            Self::Idle => "空闲待机",
        }
    }

    /// English name, as state rules spell it.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Off => "off",
            Self::Fault => "fault",
            Self::Maintenance => "maintenance",
            Self::Setup => "setup",
            Self::Producing => "producing",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Idle => "idle",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_leaves_are_inverse() {
        for (number, leaf) in (0u8..).zip(Leaf::ALL) {
            assert_eq!(leaf.number(), number);
            assert_eq!(Leaf::from_number(number), Some(leaf));
        }
        assert_eq!(Leaf::from_number(9), None);
    }

    #[test]
    fn the_order_of_rules_names_every_leaf_once() {
        let mut seen = Leaf::ORDER_OF_RULES;
        seen.sort_unstable();
        assert_eq!(seen, Leaf::ALL);
    }
}

//! What was planned when. Until a signed plan says otherwise every machine is planned busy around the clock
//! with an order, and every figure prints that. Shift calendars become further variants of [`Calendar`]; the
//! totals already keep each slot apart.

/// What the plan says about a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Planned busy, an order is on the machine.
    Ordered = 0,
    /// Planned busy, no order.
    Unordered = 1,
    /// Planned maintenance: operating time outside planned busy time (PMT).
    PlannedMaintenance = 2,
    /// Not scheduled: calendar time outside operating time.
    NotScheduled = 3,
}

/// Number of slots.
pub const SLOTS: usize = 4;

impl Slot {
    /// All slots in the order of their places in arrays.
    pub const ALL: [Self; SLOTS] =
        [Self::Ordered, Self::Unordered, Self::PlannedMaintenance, Self::NotScheduled];

    /// Its place in arrays by slot.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it belongs to planned busy time.
    pub const fn is_busy(self) -> bool {
        matches!(self, Self::Ordered | Self::Unordered)
    }
}

/// A production calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// Around the clock, seven days a week, always with an order.
    Always,
}

impl Calendar {
    /// The slot of the window that starts at `t`. Slots change on the window grid only.
    pub const fn slot(&self, _t: i64) -> Slot {
        match self {
            Self::Always => Slot::Ordered,
        }
    }

    /// Milliseconds of each slot in a period.
    pub fn slots_ms(&self, period: crate::Period) -> [u64; SLOTS] {
        match self {
            Self::Always => [period.ms(), 0, 0, 0],
        }
    }

    /// Its name and version as figures print it.
    pub const fn version(&self) -> &'static str {
        match self {
            Self::Always => "default-24/7-with-order/1",
        }
    }
}

//! Leaf states to the time model of ISO 22400-2, by a total mapping: every millisecond of a period lands in
//! exactly one time, and time about which nothing is signed lands in `unknown`.
//!
//! UNKNOWN → U; PRODUCING → APT; SETUP with an order → AUST; every other known leaf with an order → ADET; the
//! same, and SETUP, without an order → ADOT. Hence PBT = AUBT + ADOT + U always.

use serde::Serialize;

use crate::calendar::{SLOTS, Slot};
use crate::leaf::{LEAVES, Leaf};

/// Times of one or more machines in a period, all in milliseconds. Sums of machines and of periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Times {
    /// All time of the period.
    pub calendar_ms: u64,
    /// Planned operation time (POT, 制度台时).
    pub pot_ms: u64,
    /// Planned busy time (PBT, 负荷时间): POT without planned maintenance.
    pub pbt_ms: u64,
    /// Actual production time (APT).
    pub apt_ms: u64,
    /// Actual unit set-up time (AUST).
    pub aust_ms: u64,
    /// Actual unit delay time (ADET).
    pub adet_ms: u64,
    /// Actual unit down time without an order (ADOT).
    pub adot_ms: u64,
    /// Unknown time inside PBT (U).
    pub unknown_ms: u64,
    /// Planned maintenance time (PMT), outside PBT.
    pub pmt_ms: u64,
    /// Corrective maintenance time (CMT): MAINTENANCE inside PBT; part of ADET or ADOT.
    pub cmt_ms: u64,
    /// Time known to be on, of all calendar time: neither UNKNOWN nor OFF.
    pub on_ms: u64,
    /// Unknown time of all calendar time.
    pub calendar_unknown_ms: u64,
    /// PRODUCING without an order; part of APT and a finding.
    pub producing_unordered_ms: u64,
    /// PRODUCING outside PBT; counted nowhere else and a finding.
    pub producing_unplanned_ms: u64,
    /// PRODUCING of all calendar time, planned or not.
    pub producing_ms: u64,
    /// Time for which the calendar has no data: neither inside POT nor outside it, so that no figure of planned
    /// time has a value unless it is zero.
    pub undated_ms: u64,
    /// Order execution time (AOET): from start to end of each order, summed over orders.
    pub aoet_ms: u64,
    /// Time for which no plan states orders; AOET is known only when it is zero.
    pub orders_unstated_ms: u64,
}

impl Times {
    /// Times of one machine, from the milliseconds it spent in each leaf in each slot and the length of each
    /// slot. What the leaves leave open of a slot is unknown. Orders are not known here: [`Self::with_orders`].
    pub fn new(states_ms: &[[u64; LEAVES]; SLOTS], slots_ms: [u64; SLOTS]) -> Self {
        let mut times = Self::default();
        for slot in Slot::ALL {
            times.slot(slot, &states_ms[slot.index()], slots_ms[slot.index()]);
        }
        times
    }

    fn slot(&mut self, slot: Slot, states_ms: &[u64; LEAVES], length_ms: u64) {
        let known: u64 = states_ms[1..].iter().sum();
        let unknown = length_ms.saturating_sub(known);
        let off = states_ms[Leaf::Off.index()];
        self.calendar_ms += length_ms;
        self.calendar_unknown_ms += unknown;
        self.on_ms += known - off;
        let producing = states_ms[Leaf::Producing.index()];
        self.producing_ms += producing;
        match slot {
            Slot::Undated => self.undated_ms += length_ms,
            Slot::NotScheduled => self.producing_unplanned_ms += producing,
            Slot::PlannedMaintenance => {
                self.pot_ms += length_ms;
                self.pmt_ms += length_ms;
                self.producing_unplanned_ms += producing;
            }
            Slot::Ordered | Slot::Unordered => {
                self.pot_ms += length_ms;
                self.pbt_ms += length_ms;
                self.unknown_ms += unknown;
                self.apt_ms += producing;
                self.cmt_ms += states_ms[Leaf::Maintenance.index()];
                let setup = states_ms[Leaf::Setup.index()];
                if slot == Slot::Ordered {
                    self.aust_ms += setup;
                    self.adet_ms += known - producing - setup;
                } else {
                    self.adot_ms += known - producing;
                    self.producing_unordered_ms += producing;
                }
            }
        }
    }

    /// The same with the order execution time of a calendar over the stretch that these are the times of.
    #[must_use]
    pub fn with_orders(mut self, orders_ms: Option<u64>) -> Self {
        match orders_ms {
            Some(ms) => self.aoet_ms += ms,
            None => self.orders_unstated_ms += self.calendar_ms,
        }
        self
    }

    /// Order execution time (AOET), if orders are stated for all of the time and some order is.
    pub const fn stated_aoet_ms(&self) -> Option<u64> {
        if self.orders_unstated_ms == 0 && self.aoet_ms > 0 { Some(self.aoet_ms) } else { None }
    }

    /// Whether the calendar says of every moment what was planned.
    pub const fn is_dated(&self) -> bool {
        self.undated_ms == 0
    }

    /// Actual unit processing time (AUPT) = APT + AUST.
    pub const fn aupt_ms(&self) -> u64 {
        self.apt_ms + self.aust_ms
    }

    /// Actual unit busy time (AUBT) = AUPT + ADET.
    pub const fn aubt_ms(&self) -> u64 {
        self.aupt_ms() + self.adet_ms
    }
}

impl std::ops::AddAssign for Times {
    fn add_assign(&mut self, o: Self) {
        self.calendar_ms += o.calendar_ms;
        self.pot_ms += o.pot_ms;
        self.pbt_ms += o.pbt_ms;
        self.apt_ms += o.apt_ms;
        self.aust_ms += o.aust_ms;
        self.adet_ms += o.adet_ms;
        self.adot_ms += o.adot_ms;
        self.unknown_ms += o.unknown_ms;
        self.pmt_ms += o.pmt_ms;
        self.cmt_ms += o.cmt_ms;
        self.on_ms += o.on_ms;
        self.calendar_unknown_ms += o.calendar_unknown_ms;
        self.producing_unordered_ms += o.producing_unordered_ms;
        self.producing_unplanned_ms += o.producing_unplanned_ms;
        self.producing_ms += o.producing_ms;
        self.undated_ms += o.undated_ms;
        self.aoet_ms += o.aoet_ms;
        self.orders_unstated_ms += o.orders_unstated_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One hour in each leaf, in one slot of ten hours.
    fn an_hour_each(slot: Slot) -> Times {
        let mut states = [[0; LEAVES]; SLOTS];
        states[slot.index()] = [1; LEAVES];
        let mut slots = [0; SLOTS];
        slots[slot.index()] = 10;
        Times::new(&states, slots)
    }

    #[test]
    fn with_an_order_every_leaf_has_its_time() {
        let t = an_hour_each(Slot::Ordered);
        assert_eq!((t.apt_ms, t.aust_ms, t.adet_ms, t.adot_ms, t.unknown_ms), (1, 1, 6, 0, 2));
        assert_eq!((t.cmt_ms, t.pmt_ms, t.on_ms, t.producing_unordered_ms), (1, 0, 7, 0));
    }

    #[test]
    fn without_an_order_set_up_is_down_time_and_production_is_noted() {
        let t = an_hour_each(Slot::Unordered);
        assert_eq!((t.apt_ms, t.aust_ms, t.adet_ms, t.adot_ms, t.unknown_ms), (1, 0, 0, 7, 2));
        assert_eq!(t.producing_unordered_ms, 1);
    }

    #[test]
    fn planned_maintenance_lies_outside_busy_time() {
        let t = an_hour_each(Slot::PlannedMaintenance);
        assert_eq!((t.pot_ms, t.pbt_ms, t.pmt_ms, t.cmt_ms, t.apt_ms), (10, 0, 10, 0, 0));
        assert_eq!(t.producing_unplanned_ms, 1);
    }

    proptest! {
        #[test]
        fn every_millisecond_lands_in_exactly_one_time(
            states in prop::array::uniform5(prop::array::uniform9(0u64..1_000_000)),
            missing in prop::array::uniform5(0u64..1_000_000),
        ) {
            let mut slots = missing;
            for (slot, leaves) in slots.iter_mut().zip(&states) {
                *slot += leaves.iter().sum::<u64>();
            }
            let t = Times::new(&states, slots);
            prop_assert_eq!(t.pbt_ms, t.aubt_ms() + t.adot_ms + t.unknown_ms);
            prop_assert_eq!(t.calendar_ms, slots.iter().sum::<u64>());
            let off: u64 = states.iter().map(|s| s[Leaf::Off.index()]).sum();
            prop_assert_eq!(t.calendar_ms, t.on_ms + off + t.calendar_unknown_ms);
        }
    }
}

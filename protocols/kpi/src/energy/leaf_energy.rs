//! Energy by leaf state, idle energy first. A register is read at the ends of windows, so its difference belongs
//! to the states of the time between two readings.
//!
//! The rule: all of that time in one leaf → the difference is that leaf's. Several leaves (a mixed window, or a
//! bridged gap over several windows) → each of them may have had all of it or nothing, [0, ΔE]; nothing is split
//! in proportion to time, since a minute of idling and a minute of cutting differ by a factor. UNKNOWN time may
//! have been any leaf, so a difference with UNKNOWN time in it widens every leaf; UNKNOWN's own row says how much
//! energy fell into such time and overlaps the others.

use std::collections::VecDeque;

use crate::chain::Booking;
use crate::leaf::{LEAVES, Leaf};
use crate::period::Period;
use crate::rational::Rational;
use crate::totals::AmountBounds;

use super::range::Range;

/// Set of leaves, one bit each.
type Leaves = u16;
const UNKNOWN: Leaves = 1;
const ALL: Leaves = (1 << LEAVES) - 1;

/// Collects the energy of one machine by leaf over one period, from its windows in order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafEnergy {
    period: Period,
    /// Leaves since the last reading; each stands until the next begins.
    since: VecDeque<(i64, Leaves)>,
    reach: Option<i64>,
    sure_mwh: [u128; LEAVES],
    maybe_mwh: [u128; LEAVES],
}

/// Energy by leaf of one or more machines, in mWh, by [`Leaf::index`]. The row of UNKNOWN overlaps the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnergyByLeaf(pub [Range; LEAVES]);

impl LeafEnergy {
    /// Nothing yet.
    pub fn new(period: Period) -> Self {
        Self { period, since: VecDeque::new(), reach: None, sure_mwh: [0; LEAVES], maybe_mwh: [0; LEAVES] }
    }

    /// Adds a window `[from, to)` with its states and what its register booked. A window that is signed but not
    /// counted is UNKNOWN. Time that is left out between windows is UNKNOWN as well.
    pub fn window(&mut self, from: i64, to: i64, states_ms: &[u32; LEAVES], counted: bool, booking: Booking) {
        if self.reach.is_some_and(|reach| reach < from) {
            self.push(self.reach.unwrap_or(from), UNKNOWN);
        }
        let mut leaves = 0;
        for (leaf, _) in states_ms.iter().enumerate().filter(|(_, ms)| **ms > 0) {
            leaves |= 1 << leaf;
        }
        self.push(from, if counted && leaves != 0 { leaves } else { UNKNOWN });
        self.reach = Some(to);
        match booking {
            Booking::Nothing => {}
            Booking::Known { from, to, amount } => {
                self.attribute(Period { from, to }, u128::from(amount));
                self.since.clear();
            }
            Booking::Unknown { .. } => self.since.clear(),
        }
    }

    fn push(&mut self, from: i64, leaves: Leaves) {
        if self.since.back().is_none_or(|(_, last)| *last != leaves) {
            self.since.push_back((from, leaves));
        }
    }

    fn attribute(&mut self, over: Period, amount: u128) {
        let Some(inside) = self.period.overlap(over) else { return };
        let leaves = self.leaves_in(inside);
        if inside == over && leaves.is_power_of_two() {
            self.add(leaves, amount, true);
            // The state of that time is not known: any leaf may have been it.
            if leaves == UNKNOWN {
                self.add(ALL & !UNKNOWN, amount, false);
            }
        } else {
            self.add(if leaves & UNKNOWN == 0 { leaves } else { ALL }, amount, false);
        }
    }

    fn leaves_in(&self, over: Period) -> Leaves {
        let ends = self.since.iter().skip(1).map(|(from, _)| *from).chain([i64::MAX]);
        let stretches = self.since.iter().zip(ends);
        let within = stretches.filter(|((from, _), to)| *from < over.to && over.from < *to);
        let leaves = within.fold(0, |leaves, ((_, own), _)| leaves | own);
        // Time before the first window that was added is not known.
        let told = self.since.front().is_some_and(|(from, _)| *from <= over.from);
        if told { leaves } else { leaves | UNKNOWN }
    }

    fn add(&mut self, leaves: Leaves, amount: u128, sure: bool) {
        let sums = if sure { &mut self.sure_mwh } else { &mut self.maybe_mwh };
        for (_, sum) in sums.iter_mut().enumerate().filter(|(leaf, _)| leaves & (1 << leaf) != 0) {
            *sum += amount;
        }
    }

    /// The energy by leaf. `total` is the machine's amount over the same period: no leaf has more than all of it,
    /// and where nothing bounds it nothing bounds any leaf.
    pub fn finish(&self, total: &AmountBounds) -> EnergyByLeaf {
        let range = |leaf: usize| {
            let sure = self.sure_mwh[leaf];
            let upper = total.upper.map(|all| Rational::integer(all.min(sure + self.maybe_mwh[leaf])));
            Range { lower: Rational::integer(sure), upper }
        };
        EnergyByLeaf(std::array::from_fn(range))
    }
}

impl EnergyByLeaf {
    /// The energy of one leaf, mWh.
    pub fn of(&self, leaf: Leaf) -> &Range {
        &self.0[leaf.index()]
    }

    /// The sum over machines.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|leaf| self.0[leaf].plus(&other.0[leaf])))
    }

    /// Share of a leaf in all energy, 0 to 1; nothing when no energy was used.
    pub fn share(&self, leaf: Leaf, total: &AmountBounds) -> Option<Range> {
        let share = self.of(leaf).over(&Range::of_bounds(total))?;
        let one = Rational::integer(1);
        let upper = share.upper.filter(|upper| *upper < one).unwrap_or(one);
        Some(Range { lower: share.lower, upper: Some(upper) })
    }
}

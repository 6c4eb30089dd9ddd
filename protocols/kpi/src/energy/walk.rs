//! One pass over the windows of a machine or meter that collects load curve, energy by leaf and cost together.
//! It takes what [`MachineTotals::window`](crate::MachineTotals::window) booked and decides nothing itself.

use crate::chain::{Booking, Quantity};
use crate::leaf::LEAVES;
use crate::period::{Grid, Period};
use crate::totals::{AmountBounds, Booked};
use crate::window::MachineWindow;

use super::leaf_energy::{EnergyByLeaf, LeafEnergy};
use super::load::{LoadCurve, LoadError};
use super::tariff::{Cost, CostOfUse, PricedPeriod};

/// What one pass collects over one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnergyWalk<'a> {
    /// Register differences by window.
    pub curve: LoadCurve,
    /// Energy by leaf.
    pub leaves: LeafEnergy,
    /// Cost, where a tariff was given.
    pub cost: Option<CostOfUse<'a>>,
}

impl<'a> EnergyWalk<'a> {
    /// Nothing yet. The period lies on the window grid.
    pub fn new(period: Period, grid: Grid, tariff: Option<&'a PricedPeriod>) -> Result<Self, LoadError> {
        Ok(Self {
            curve: LoadCurve::new(period, grid)?,
            leaves: LeafEnergy::new(period),
            cost: tariff.map(CostOfUse::new),
        })
    }

    /// Adds the window that starts at `from`, with what it booked. Windows come in order of time.
    pub fn window(&mut self, from: i64, to: i64, window: &MachineWindow, counted: bool, booked: &Booked) {
        self.add(from, to, &window.states_ms, counted, booked[Quantity::Energy.index()]);
    }

    /// The same of a meter without states, from what its readings book.
    pub fn reading(&mut self, booking: Booking) {
        if let Booking::Known { from, to, .. } | Booking::Unknown { from, to, .. } = booking {
            self.add(from, to, &[0; LEAVES], true, booking);
        }
    }

    fn add(&mut self, from: i64, to: i64, states_ms: &[u32; LEAVES], counted: bool, booking: Booking) {
        self.curve.book(booking);
        self.leaves.window(from, to, states_ms, counted, booking);
        if let Some(cost) = &mut self.cost {
            cost.book(booking);
        }
    }

    /// Energy by leaf and cost, with the amount of the same period that bounds them.
    pub fn finish(&self, total: &AmountBounds) -> (EnergyByLeaf, Option<Cost>) {
        (self.leaves.finish(total), self.cost.as_ref().map(|cost| cost.finish(total)))
    }
}

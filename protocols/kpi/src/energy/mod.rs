//! Energy beyond one electricity register: carriers and their units, the meter tree, 综合能耗 and CO2 by dated
//! factors, load curve, energy by leaf state and time-of-use cost.
//!
//! Amounts are differences of registers or declared bills, never integrals made here. An amount whose stretch
//! crosses a boundary (of a period, a leaf state, a tariff band) may lie on either side of it and is an interval;
//! nothing is split in proportion to time. Factors and prices are dated data handed in by the caller: what is
//! missing, out of date or ambiguous is refused by name, and no number of a standard is a constant of this code.
//!
//! Not here: adjusted baselines and savings (they become `mv` and take these amounts), reading of files, and who
//! may sign a declaration.

pub mod bill;
pub mod books;
pub mod carrier;
pub mod coal;
pub mod comprehensive;
pub mod cost;
pub mod declared;
pub mod definition;
pub mod factor;
pub mod figure;
pub mod grid_co2;
pub mod leaf_energy;
pub mod load;
pub mod range;
pub mod reading;
pub mod tariff;
pub mod tree;
pub mod unit;
pub mod walk;

pub use bill::{Bill, billed};
pub use books::{EnergyAnswer, EnergyBooks};
pub use carrier::Carrier;
pub use comprehensive::{Comprehensive, Inflow, Origin};
pub use declared::{Declared, DeclaredQuantity, DocumentHash};
pub use definition::{EnergyDefinition, EnergyKpi};
pub use factor::{CoalBasis, CoalChoice, Confidence, FactorFile, FactorUsed, GridRule};
pub use figure::{EnergyFigure, MeasuredOver, Output};
pub use leaf_energy::{EnergyByLeaf, LeafEnergy};
pub use load::{LoadCurve, Peak};
pub use range::Range;
pub use reading::{CounterChange, MeterReadings, Reading};
pub use tariff::{Band, Cost, CostOfUse, Tariff};
pub use tree::{Balance, BalanceVerdict, Meter, MeterTree};
pub use unit::{Dimension, EnergyUnit};
pub use walk::EnergyWalk;

use crate::chain::Quantity;
use crate::figure::EvidenceClass;
use crate::period::{Cuts, Period};
use crate::rational::Rational;
use crate::totals::MachineTotals;

/// What one meter or one series of bills adds over a period: the common currency of everything in this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierAmount {
    /// The meter, machine or account it is told of.
    pub meter: String,
    /// What flows through it.
    pub carrier: Carrier,
    /// Whether `amount` is in joules, kilograms or cubic metres.
    pub dimension: Dimension,
    /// The amount in the base unit of its dimension.
    pub amount: Range,
    /// How directly it was measured: B or C from registers, D when declared.
    pub class: EvidenceClass,
    /// Seconds of the period that known differences or bills cover.
    pub covered_s: u64,
    /// Documents it rests on.
    pub documents: Vec<DocumentHash>,
}

impl CarrierAmount {
    /// The electricity of a machine or meter from its windows' register; nothing when it has none.
    pub fn electricity(id: &str, totals: &MachineTotals, cuts: &Cuts, period: Period) -> Option<Self> {
        if !totals.measures(Quantity::Energy) {
            return None;
        }
        let bounds = totals.amount(cuts, Quantity::Energy, period);
        Some(Self {
            meter: id.to_owned(),
            carrier: Carrier::Electricity,
            dimension: Dimension::Energy,
            amount: Range::of_bounds(&bounds).times(&EnergyUnit::MilliwattHour.in_base()),
            class: if bounds.integrated { EvidenceClass::C } else { EvidenceClass::B },
            covered_s: bounds.covered_s,
            documents: Vec::new(),
        })
    }
}

/// What an amount over a stretch gives to a period, and the seconds of the period that it covers: all of it when
/// the stretch lies inside, anything up to it when the stretch crosses a boundary, nothing otherwise.
fn span_amount(period: Period, over: Period, amount: &Rational) -> (Range, u64) {
    match period.overlap(over) {
        None => (Range::zero(), 0),
        Some(inside) if inside == over => (Range::point(amount.clone()), over.seconds()),
        Some(_) => (Range::up_to(Some(amount.clone())), 0),
    }
}

#[cfg(test)]
mod amount_tests;
#[cfg(test)]
mod books_tests;
#[cfg(test)]
mod comprehensive_tests;
#[cfg(test)]
mod figure_tests;
#[cfg(test)]
mod walk_tests;

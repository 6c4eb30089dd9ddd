//! Everything that is handed in about a site's energy beside the windows, and the answer to it: one call from
//! meters, readings, bills, origins and declarations to figures and meter balances. Gateway, assessor and report
//! use it alike.
//!
//! It reads no file. An amount nobody placed (neither in the boundary nor under a meter of it) is refused, so that
//! nothing is left out by forgetting it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::CarrierAmount;
use super::bill::{Bill, BillError, billed};
use super::carrier::Carrier;
use super::comprehensive::{Boundary, BoundaryError, Inflow, Origin};
use super::declared::{Declared, DeclaredError};
use super::factor::{CoalChoice, FactorError, FactorFile, GridRule, coal_set, grid_set};
use super::figure::{EnergyFigure, Output};
use super::reading::{MeterReadings, ReadingError};
use super::tree::{Balance, Meter, MeterTree, TreeError};
use crate::period::{Grid, Period};
use crate::totals::AmountBounds;

/// What is handed in. Every part may be left out; what a figure needs and does not find is refused by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyBooks {
    /// How the meters hang together.
    #[serde(default, rename = "meter")]
    pub meters: Vec<Meter>,
    /// Registers read by hand or exported from another system.
    #[serde(default)]
    pub readings: Vec<MeterReadings>,
    /// Bills, in any order and of any number of accounts.
    #[serde(default, rename = "bill")]
    pub bills: Vec<Bill>,
    /// The boundary: each meter, machine or account whose amount is in it, and where that amount comes from.
    #[serde(default)]
    pub boundary: BTreeMap<String, Origin>,
    /// Which coefficients; without it there is no 综合能耗.
    #[serde(default)]
    pub standard_coal: Option<CoalChoice>,
    /// Which grid factor; without it there is no CO2 figure.
    #[serde(default)]
    pub co2: Option<Co2Choice>,
    /// Output and value.
    #[serde(default)]
    pub declared: Vec<Declared>,
}

/// Which grid factor a CO2 figure takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Co2Choice {
    /// The set.
    pub set: String,
    /// Which grid or mix.
    pub scope: String,
    /// What the figure is for.
    pub rule: GridRule,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct EnergyAnswer {
    /// Figures, in the order of their definitions.
    pub figures: Vec<EnergyFigure>,
    /// Each main against what hangs under it.
    pub balances: Vec<Balance>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// Readings.
    #[error(transparent)]
    Reading(#[from] ReadingError),
    /// Bills.
    #[error(transparent)]
    Bill(#[from] BillError),
    /// Meters.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Factors.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// The sum over the boundary.
    #[error(transparent)]
    Boundary(#[from] BoundaryError),
    /// Output or value.
    #[error(transparent)]
    Declared(#[from] DeclaredError),
    /// Several amounts of one carrier are added and nobody said how their meters hang together.
    #[error(
        "{one:?} and {other:?} both add {} ({}) and there is no meter list; list the meters with what each hangs under, \
         so that it can be seen that none is counted twice",
        carrier.text(), carrier.zh()
    )]
    NoMeterList {
        /// One meter.
        one: String,
        /// Another.
        other: String,
        /// Their carrier.
        carrier: Carrier,
    },
    /// The boundary names what has no amount.
    #[error("{0:?} is in the boundary and has no amount; supply its register, readings or bills")]
    NoAmount(String),
    /// An amount is in no place.
    #[error(
        "{0:?} has an amount and is neither in the boundary nor under a meter of it; put it into the boundary with its \
         origin, or say in the meter list which meter it hangs under"
    )]
    NotPlaced(String),
}

impl EnergyBooks {
    /// Figures and balances over a period. `measured` are the amounts of the windows, `good_parts` the output that
    /// registers count, `files` the factor sets at hand.
    pub fn answer(
        &self,
        measured: &[CarrierAmount],
        good_parts: Option<&AmountBounds>,
        files: &[FactorFile],
        period: Period,
        grid: Grid,
    ) -> Result<EnergyAnswer, BooksError> {
        let amounts = self.amounts(measured, period)?;
        let tree = if self.meters.is_empty() { None } else { Some(MeterTree::new(&self.meters)?) };
        let balances = tree.as_ref().map_or_else(|| Ok(Vec::new()), |tree| tree.balances(&amounts))?;
        let inflows = self.inflows(&amounts, tree.as_ref())?;
        if tree.is_none() {
            check_one_a_carrier(&inflows)?;
        }
        let boundary = Boundary { inflows: &inflows, tree: tree.as_ref(), period, grid };
        let mut figures = Vec::new();
        if let Some(choice) = &self.standard_coal {
            let sum = boundary.comprehensive(coal_set(files, &choice.set)?, choice)?;
            figures.push(EnergyFigure::comprehensive(&sum, period));
            if let Some(parts) = good_parts {
                figures.push(EnergyFigure::per_output(&sum, period, Output::Parts(parts))?);
            }
            for declared in &self.declared {
                figures.push(EnergyFigure::per_output(&sum, period, Output::Declared(declared))?);
            }
        }
        if let Some(Co2Choice { set, scope, rule }) = &self.co2 {
            let sum = boundary.co2(grid_set(files, set)?, scope, *rule)?;
            figures.push(EnergyFigure::co2(&sum, period, *rule));
        }
        figures.sort_by_key(|figure| figure.id);
        Ok(EnergyAnswer { figures, balances })
    }

    /// Every amount over the period, one a meter or account.
    pub fn amounts(
        &self,
        measured: &[CarrierAmount],
        period: Period,
    ) -> Result<Vec<CarrierAmount>, BooksError> {
        let mut amounts = measured.to_vec();
        for readings in &self.readings {
            amounts.push(readings.amount(period)?);
        }
        let mut accounts: BTreeMap<&str, Vec<Bill>> = BTreeMap::new();
        for bill in &self.bills {
            accounts.entry(&bill.account).or_default().push(bill.clone());
        }
        for bills in accounts.values() {
            amounts.push(billed(bills, period)?);
        }
        let mut ids = BTreeSet::new();
        match amounts.iter().find(|amount| !ids.insert(amount.meter.clone())) {
            Some(twice) => Err(TreeError::Twice(twice.meter.clone()).into()),
            None => Ok(amounts),
        }
    }

    fn inflows(
        &self,
        amounts: &[CarrierAmount],
        tree: Option<&MeterTree>,
    ) -> Result<Vec<Inflow>, BooksError> {
        let counted: BTreeSet<&str> = self.boundary.keys().map(String::as_str).collect();
        let with_amount: BTreeSet<&str> = amounts.iter().map(|amount| amount.meter.as_str()).collect();
        if let Some(missing) = counted.difference(&with_amount).next() {
            return Err(BooksError::NoAmount((*missing).to_owned()));
        }
        let mut inflows = Vec::new();
        for amount in amounts {
            match self.boundary.get(&amount.meter) {
                Some(origin) => inflows.push(Inflow { amount: amount.clone(), origin: origin.clone() }),
                None if tree.is_some_and(|tree| tree.is_within(&amount.meter, &counted)) => {}
                None => return Err(BooksError::NotPlaced(amount.meter.clone())),
            }
        }
        Ok(inflows)
    }
}

/// Without a meter list nothing shows whether one meter hangs under another of the same carrier.
fn check_one_a_carrier(inflows: &[Inflow]) -> Result<(), BooksError> {
    let mut seen: BTreeMap<Carrier, &str> = BTreeMap::new();
    for Inflow { amount, .. } in inflows.iter().filter(|inflow| inflow.origin == Origin::Supplied) {
        if let Some(one) = seen.insert(amount.carrier, &amount.meter) {
            let (one, other) = (one.to_owned(), amount.meter.clone());
            return Err(BooksError::NoMeterList { one, other, carrier: amount.carrier });
        }
    }
    Ok(())
}

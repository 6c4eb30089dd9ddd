//! 综合能耗 E = Σ e·p in standard coal, and CO2 of purchased electricity, over the amounts that cross the boundary.
//!
//! What is made inside the boundary from a carrier that is already counted (compressed air, steam, soft water from
//! metered electricity or gas) is listed and not added again. Energy that leaves the boundary is not subtracted
//! here: a boundary that sells energy is drawn so that it does not, or metered apart.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::CarrierAmount;
use super::carrier::Carrier;
use super::declared::DocumentHash;
use super::factor::{CoalBasis, CoalChoice, CoalSet, Confidence, FactorError, FactorUsed, GridRule, GridSet};
use super::range::Range;
use super::tree::{MeterTree, TreeError};
use crate::figure::EvidenceClass;
use crate::period::{Grid, Period};
use crate::rational::Rational;

/// Where an amount comes from. Always stated: a forgotten origin counts an amount twice, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// It crosses the boundary: bought, or delivered from outside it.
    Supplied,
    /// It is made inside the boundary.
    MadeInside {
        /// The meters whose carrier it is made from.
        from: Vec<String>,
    },
}

/// One amount of the boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inflow {
    /// The amount.
    pub amount: CarrierAmount,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a figure of energy is computed over.
#[derive(Clone, Copy, Debug)]
pub struct Boundary<'a> {
    /// The amounts, all over `period`.
    pub inflows: &'a [Inflow],
    /// How the meters hang together; needed when an amount is made from a meter that is itself not added.
    pub tree: Option<&'a MeterTree>,
    /// The period.
    pub period: Period,
    /// The project's offset, in which days begin.
    pub grid: Grid,
}

/// Why there is no 综合能耗 or CO2 figure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundaryError {
    /// No amounts.
    #[error("the boundary has no amounts; supply registers or bills for what crosses it")]
    Empty,
    /// Meters that do not fit together.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// No factor.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// Made from nothing.
    #[error(
        "{0:?} is said to be made inside the boundary and names no meter it is made from; name them, or say that it is supplied"
    )]
    MadeFromNothing(String),
    /// Made from something outside.
    #[error(
        "{meter:?} is said to be made inside the boundary from {from:?}, which is not counted in it; add that meter, \
         or say that {meter:?} is supplied"
    )]
    SourceOutside {
        /// What is made.
        meter: String,
        /// What it is made from.
        from: String,
    },
    /// Things made from each other.
    #[error("{0:?} is said to be made from itself, by way of what it is made from; correct the origins")]
    MadeFromItself(String),
    /// CO2 of electricity without electricity.
    #[error("no electricity crosses the boundary; supply its register or bills for a CO2 figure")]
    NoElectricity,
}

/// One line of the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Meter or account.
    pub meter: String,
    /// Carrier.
    pub carrier: Carrier,
    /// Its amount in the unit of the factor.
    pub amount: Range,
    /// The factor.
    pub factor: FactorUsed,
    /// Their product: kgce, or kgCO2.
    pub product: Range,
}

/// An amount that is listed and not added again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct NotAdded {
    /// Meter or account.
    pub meter: String,
    /// Carrier.
    pub carrier: Carrier,
    /// The meters it is made from, which are counted.
    pub made_from: Vec<String>,
}

/// A sum over the boundary: 综合能耗 in kgce, or CO2 in kg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comprehensive {
    /// How electricity was turned into coal; none for CO2.
    pub basis: Option<CoalBasis>,
    /// The sum.
    pub total: Range,
    /// What it is made of.
    pub lines: Vec<Line>,
    /// What was left out, and why.
    pub not_added: Vec<NotAdded>,
    /// Worst evidence class of its amounts.
    pub class: EvidenceClass,
    /// Worst confidence of its factors.
    pub confidence: Confidence,
    /// Share of the period that the worst covered amount covers.
    pub coverage: Rational,
    /// Documents it rests on.
    pub documents: Vec<DocumentHash>,
}

impl Boundary<'_> {
    /// 综合能耗 in kgce (a thousandth of a tce), with factors in force over the whole period.
    pub fn comprehensive(&self, set: &CoalSet, choice: &CoalChoice) -> Result<Comprehensive, BoundaryError> {
        let (added, not_added) = self.split()?;
        let factor = |amount: &CarrierAmount| {
            set.coefficient(choice, amount.carrier, amount.dimension, self.period, self.grid)
        };
        self.sum(&added, not_added, Some(choice.basis), factor)
    }

    /// CO2 in kg of the electricity that crosses the boundary, by a grid factor.
    pub fn co2(&self, set: &GridSet, scope: &str, rule: GridRule) -> Result<Comprehensive, BoundaryError> {
        let (mut added, mut not_added) = self.split()?;
        added.retain(|amount| amount.carrier == Carrier::Electricity);
        not_added.retain(|left| left.carrier == Carrier::Electricity);
        if added.is_empty() {
            return Err(BoundaryError::NoElectricity);
        }
        self.sum(&added, not_added, None, |_| set.factor(scope, rule, self.period, self.grid))
    }

    fn sum(
        &self,
        added: &[&CarrierAmount],
        not_added: Vec<NotAdded>,
        basis: Option<CoalBasis>,
        factor: impl Fn(&CarrierAmount) -> Result<(Rational, FactorUsed), FactorError>,
    ) -> Result<Comprehensive, BoundaryError> {
        let mut lines = Vec::new();
        for amount in added {
            let (value, factor) = factor(amount)?;
            let product = amount.amount.times(&value);
            let (meter, carrier) = (amount.meter.clone(), amount.carrier);
            lines.push(Line { meter, carrier, amount: amount.amount.clone(), factor, product });
        }
        let mut documents: Vec<_> = added.iter().flat_map(|a| a.documents.iter().cloned()).collect();
        documents.sort_unstable();
        documents.dedup();
        let covered_s = added.iter().map(|a| a.covered_s).min().unwrap_or(0);
        Ok(Comprehensive {
            basis,
            total: lines.iter().map(|line| line.product.clone()).sum(),
            class: added.iter().map(|a| a.class).max().unwrap_or(EvidenceClass::D),
            confidence: lines.iter().map(|l| l.factor.status).max().unwrap_or(Confidence::Read),
            coverage: Rational::ratio(covered_s, self.period.seconds()).unwrap_or_else(Rational::zero),
            lines,
            not_added,
            documents,
        })
    }

    /// What is added, and what is made inside and therefore not.
    fn split(&self) -> Result<(Vec<&CarrierAmount>, Vec<NotAdded>), BoundaryError> {
        let mut origins: BTreeMap<&str, &Origin> = BTreeMap::new();
        for inflow in self.inflows {
            if origins.insert(&inflow.amount.meter, &inflow.origin).is_some() {
                return Err(TreeError::Twice(inflow.amount.meter.clone()).into());
            }
        }
        let supplied = self.inflows.iter().filter(|i| i.origin == Origin::Supplied);
        let added: Vec<&CarrierAmount> = supplied.map(|inflow| &inflow.amount).collect();
        let counted: BTreeSet<&str> = added.iter().map(|amount| amount.meter.as_str()).collect();
        if let Some(tree) = self.tree {
            tree.check_boundary(&counted)?;
        }
        let mut not_added = Vec::new();
        for inflow in self.inflows {
            let Origin::MadeInside { from } = &inflow.origin else { continue };
            let meter = &inflow.amount.meter;
            self.check_made(meter, from, &origins, &counted, &mut BTreeSet::new())?;
            not_added.push(NotAdded {
                meter: meter.clone(),
                carrier: inflow.amount.carrier,
                made_from: from.clone(),
            });
        }
        if added.is_empty() { Err(BoundaryError::Empty) } else { Ok((added, not_added)) }
    }

    /// Everything an amount is made from must be counted, or be made from what is.
    fn check_made<'a>(
        &'a self,
        meter: &'a str,
        from: &'a [String],
        origins: &BTreeMap<&'a str, &'a Origin>,
        counted: &BTreeSet<&str>,
        path: &mut BTreeSet<&'a str>,
    ) -> Result<(), BoundaryError> {
        if from.is_empty() {
            return Err(BoundaryError::MadeFromNothing(meter.to_owned()));
        }
        if !path.insert(meter) {
            return Err(BoundaryError::MadeFromItself(meter.to_owned()));
        }
        for source in from {
            let within = match self.tree {
                Some(tree) => tree.is_within(source, counted),
                None => counted.contains(source.as_str()),
            };
            match origins.get(source.as_str()) {
                _ if within => {}
                Some(Origin::MadeInside { from }) => self.check_made(source, from, origins, counted, path)?,
                _ => {
                    let (meter, from) = (meter.to_owned(), source.clone());
                    return Err(BoundaryError::SourceOutside { meter, from });
                }
            }
        }
        path.remove(meter);
        Ok(())
    }
}

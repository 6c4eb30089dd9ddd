//! Declared bills: an amount between two stated dates with its document. Evidence class D always. Bills of one
//! account may leave gaps, which bound nothing, but may not overlap, which would count an amount twice.

use observation::Decimal;
use serde::{Deserialize, Serialize};

use super::carrier::{Carrier, ForeignUnit};
use super::declared::DocumentHash;
use super::range::Range;
use super::unit::{Dimension, EnergyUnit, exact};
use super::{CarrierAmount, span_amount};
use crate::figure::EvidenceClass;
use crate::period::Period;

/// A bill, or a declared amount of the same form. In files every number is text, so that no digit is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bill {
    /// Account or meter the bill is for.
    pub account: String,
    /// What was delivered.
    pub carrier: Carrier,
    /// Unit of the amount.
    pub unit: EnergyUnit,
    /// The amount.
    pub amount: Decimal,
    /// First second it covers, UTC.
    pub from: i64,
    /// The second after the last, UTC.
    pub to: i64,
    /// The bill itself.
    pub document: DocumentHash,
}

/// Why bills cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// There are none.
    #[error("no bill was given; supply the bills of the account for the whole period")]
    None,
    /// The unit does not fit the carrier.
    #[error(transparent)]
    Unit(#[from] ForeignUnit),
    /// It ends before it begins.
    #[error("{account:?}: a bill from {from} to {to} (UTC s) covers no time; state both of its dates")]
    NoTime {
        /// Account.
        account: String,
        /// First second, UTC.
        from: i64,
        /// The second after the last, UTC.
        to: i64,
    },
    /// Less than nothing.
    #[error(
        "{account:?}: a bill of {amount} {unit}; a credit note corrects the bill it belongs to, state the corrected amount"
    )]
    Negative {
        /// Account.
        account: String,
        /// Its amount.
        amount: Decimal,
        /// Its unit.
        unit: EnergyUnit,
    },
    /// Two bills of one account share time.
    #[error(
        "{account:?}: two bills both cover the time from {from} to {to} (UTC s), documents {one} and {other}; leave one out or correct its dates"
    )]
    Overlap {
        /// Account.
        account: String,
        /// Start of what both cover, UTC s.
        from: i64,
        /// End of what both cover, UTC s.
        to: i64,
        /// Document of one.
        one: String,
        /// Document of the other.
        other: String,
    },
    /// Bills of different things were put together.
    #[error("bills of one account tell of {} of {:?} and {} of {:?}; hand them in apart",
        one.1.text(), one.0, other.1.text(), other.0)]
    Mixed {
        /// Account and carrier of one.
        one: (String, Carrier),
        /// Account and carrier of another.
        other: (String, Carrier),
    },
    /// Some count in volume, some in mass.
    #[error("{account:?}: some bills are in {}, some in {}; restate them in one kind of unit from their documents",
        one.base(), other.base())]
    MixedUnits {
        /// Account.
        account: String,
        /// Kind of unit of one.
        one: Dimension,
        /// Kind of unit of another.
        other: Dimension,
    },
}

impl Bill {
    fn over(&self) -> Period {
        Period { from: self.from, to: self.to }
    }

    fn check(&self, with: &Self) -> Result<(), BillError> {
        let account = self.account.clone();
        self.carrier.check_unit(&self.account, self.unit)?;
        if self.from >= self.to {
            return Err(BillError::NoTime { account, from: self.from, to: self.to });
        }
        if self.amount < Decimal::ZERO {
            return Err(BillError::Negative { account, amount: self.amount, unit: self.unit });
        }
        if (&self.account, self.carrier) != (&with.account, with.carrier) {
            let of = |bill: &Self| (bill.account.clone(), bill.carrier);
            return Err(BillError::Mixed { one: of(with), other: of(self) });
        }
        let (one, other) = (with.unit.dimension(), self.unit.dimension());
        if one == other { Ok(()) } else { Err(BillError::MixedUnits { account, one, other }) }
    }
}

/// What the bills of one account say about a period. A bill that crosses a boundary of the period may lie on
/// either side of it; time of the period that no bill covers is bounded by nothing.
pub fn billed(bills: &[Bill], period: Period) -> Result<CarrierAmount, BillError> {
    let mut bills: Vec<&Bill> = bills.iter().collect();
    bills.sort_by_key(|bill| (bill.from, bill.to));
    let first = *bills.first().ok_or(BillError::None)?;
    for bill in &bills {
        bill.check(first)?;
    }
    for pair in bills.windows(2) {
        if let Some(both) = pair[0].over().overlap(pair[1].over()) {
            return Err(BillError::Overlap {
                account: pair[0].account.clone(),
                from: both.from,
                to: both.to,
                one: pair[0].document.as_str().to_owned(),
                other: pair[1].document.as_str().to_owned(),
            });
        }
    }
    let (mut amount, mut covered_s, mut touched_s) = (Range::zero(), 0, 0);
    let mut documents = Vec::new();
    for bill in bills {
        let base = bill.unit.to_base(&exact(bill.amount));
        let (part, seconds) = span_amount(period, bill.over(), &base);
        amount = amount.plus(&part);
        covered_s += seconds;
        if let Some(inside) = bill.over().overlap(period) {
            touched_s += inside.seconds();
            documents.push(bill.document.clone());
        }
    }
    if touched_s != period.seconds() {
        amount.upper = None;
    }
    documents.sort_unstable();
    documents.dedup();
    Ok(CarrierAmount {
        meter: first.account.clone(),
        carrier: first.carrier,
        dimension: first.unit.dimension(),
        amount,
        class: EvidenceClass::D,
        covered_s,
        documents,
    })
}

//! Registers handed in as readings: a moment, what the register showed, the unit and the multiplier (倍率). This
//! is how carriers other than the windows' electricity get in, and what an imported table of readings becomes.
//!
//! Handed-in readings are declared, evidence class D, whoever read them. A register that falls is refused unless
//! a stated change of the counter (rollover, reset, exchange) explains it to the last digit.

use num_traits::Signed;
use observation::Decimal;
use serde::{Deserialize, Serialize};

use super::carrier::{Carrier, ForeignUnit};
use super::declared::DocumentHash;
use super::range::{Range, add, subtract};
use super::unit::{EnergyUnit, exact};
use super::{CarrierAmount, span_amount};
use crate::chain::Booking;
use crate::figure::EvidenceClass;
use crate::period::Period;
use crate::rational::Rational;

/// The readings of one meter. In files every number is text, so that no digit is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeterReadings {
    /// Meter id.
    pub meter: String,
    /// What flows through it.
    pub carrier: Carrier,
    /// Unit of its register.
    pub unit: EnergyUnit,
    /// What one unit of the register stands for: the product of the transformer ratios (倍率), `"1"` for none.
    /// Always stated: a forgotten ratio is wrong by a factor, never by a little.
    pub multiplier: Decimal,
    /// Readings in any order. The same reading twice counts once.
    pub readings: Vec<Reading>,
    /// Rollovers, resets and exchanges of the counter, in any order.
    #[serde(default)]
    pub changes: Vec<CounterChange>,
    /// The document or file they were taken from.
    pub document: DocumentHash,
}

/// What a register showed at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// When, UTC s.
    pub at: i64,
    /// What it showed, in the register's unit, without the multiplier.
    pub register: Decimal,
}

/// A counter that rolled over, was reset or was exchanged with its meter. It lies after any earlier reading and
/// before a reading of the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterChange {
    /// When, UTC s.
    pub at: i64,
    /// Last value before; for a rollover the value at which the register starts again from `first`.
    pub last: Decimal,
    /// First value after.
    pub first: Decimal,
    /// The multiplier from here on, where it changed.
    #[serde(default)]
    pub multiplier: Option<Decimal>,
}

/// Why readings cannot be used. The person who handed them in has to supply what is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadingError {
    /// The unit does not fit the carrier.
    #[error(transparent)]
    Unit(#[from] ForeignUnit),
    /// Fewer than two moments.
    #[error(
        "{meter:?}: an amount is the difference of two readings, {count} given; supply one before and one after the period"
    )]
    TooFew {
        /// Meter id.
        meter: String,
        /// Different moments given.
        count: usize,
    },
    /// Two values for one moment.
    #[error(
        "{meter:?} at {at} (UTC s): the register cannot show both {one} and {other}; correct one of them"
    )]
    Contradiction {
        /// Meter id.
        meter: String,
        /// When, UTC s.
        at: i64,
        /// One value.
        one: Decimal,
        /// The other.
        other: Decimal,
    },
    /// A register or a multiplier below what it can be.
    #[error(
        "{meter:?}: {what} of {value} cannot be; a register is not negative and a multiplier greater than zero"
    )]
    Impossible {
        /// Meter id.
        meter: String,
        /// Which number.
        what: &'static str,
        /// Its value.
        value: Decimal,
    },
    /// The register fell and no change explains it.
    #[error(
        "{meter:?}: the register falls from {before} to {after} between {from} and {to} (UTC s); state the rollover, \
         reset or exchange with its last and first value, or correct the reading"
    )]
    Fell {
        /// Meter id.
        meter: String,
        /// Earlier reading or first value after a change, UTC s.
        from: i64,
        /// Later reading or last value before a change, UTC s.
        to: i64,
        /// Value before.
        before: Decimal,
        /// Value after.
        after: Decimal,
    },
    /// A change with no reading before or after it.
    #[error(
        "{meter:?}: the change of the counter at {at} (UTC s) has no reading before and after it; supply both"
    )]
    ChangeOutside {
        /// Meter id.
        meter: String,
        /// When, UTC s.
        at: i64,
    },
    /// Electricity was asked for in whole mWh and is something else or finer.
    #[error("{meter:?}: the amount up to {at} (UTC s) is no whole number of mWh of electricity")]
    NotWholeMilliwattHours {
        /// Meter id.
        meter: String,
        /// End of the stretch, UTC s.
        at: i64,
    },
}

/// What flowed between two neighbouring readings, in the base unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From one reading to the next.
    pub over: Period,
    /// The amount.
    pub amount: Rational,
}

impl MeterReadings {
    /// The amounts between neighbouring readings, in the base unit of the carrier's dimension, in order of time.
    pub fn steps(&self) -> Result<Vec<Step>, ReadingError> {
        self.carrier.check_unit(&self.meter, self.unit)?;
        let readings = self.sorted_readings()?;
        let changes = self.sorted_changes(&readings)?;
        let mut multiplier = self.positive(self.multiplier)?;
        let (mut steps, mut next) = (Vec::new(), 0);
        for pair in readings.windows(2) {
            let [before, after] = pair else { continue };
            let mut at = *before;
            let mut amount = Rational::zero();
            while let Some(change) = changes.get(next).filter(|change| change.at <= after.at) {
                let last = Reading { at: change.at, register: change.last };
                amount = add(&amount, &self.rise(at, last, &multiplier)?);
                at = Reading { at: change.at, register: change.first };
                if let Some(new) = change.multiplier {
                    multiplier = self.positive(new)?;
                }
                next += 1;
            }
            amount = add(&amount, &self.rise(at, *after, &multiplier)?);
            let over = Period { from: before.at, to: after.at };
            steps.push(Step { over, amount: self.unit.to_base(&amount) });
        }
        Ok(steps)
    }

    /// The amount over a period. A step that crosses a boundary of it may lie on either side; before the first
    /// and after the last reading nothing bounds it.
    pub fn amount(&self, period: Period) -> Result<CarrierAmount, ReadingError> {
        let steps = self.steps()?;
        let reach = steps.first().zip(steps.last()).map(|(a, b)| Period { from: a.over.from, to: b.over.to });
        let mut amount = Range::zero();
        let mut covered_s = 0;
        for step in &steps {
            let (part, seconds) = span_amount(period, step.over, &step.amount);
            amount = amount.plus(&part);
            covered_s += seconds;
        }
        if !reach.is_some_and(|reach| reach.contains(period)) {
            amount.upper = None;
        }
        Ok(CarrierAmount {
            meter: self.meter.clone(),
            carrier: self.carrier,
            dimension: self.unit.dimension(),
            amount,
            class: EvidenceClass::D,
            covered_s,
            documents: vec![self.document.clone()],
        })
    }

    /// The steps of an electricity meter as the windows would book them, in mWh: what load curve, leaf states
    /// and tariffs take.
    pub fn bookings_mwh(&self) -> Result<Vec<Booking>, ReadingError> {
        let steps = self.steps()?;
        let whole = |step: &Step| {
            let mwh = EnergyUnit::MilliwattHour.from_base(&step.amount).0;
            let fits = self.carrier == Carrier::Electricity && mwh.is_integer();
            let amount = u64::try_from(mwh.to_integer()).ok().filter(|_| fits);
            amount.map(|amount| Booking::Known { from: step.over.from, to: step.over.to, amount })
        };
        let each = steps.iter().map(|step| {
            whole(step).ok_or_else(|| ReadingError::NotWholeMilliwattHours {
                meter: self.meter.clone(),
                at: step.over.to,
            })
        });
        each.collect()
    }

    fn sorted_readings(&self) -> Result<Vec<Reading>, ReadingError> {
        let mut readings = self.readings.clone();
        readings.sort_by_key(|reading| (reading.at, reading.register));
        readings.dedup();
        for reading in &readings {
            self.not_negative(reading.register)?;
        }
        if let Some([one, other]) = readings.windows(2).find(|pair| pair[0].at == pair[1].at) {
            let (meter, at) = (self.meter.clone(), one.at);
            return Err(ReadingError::Contradiction { meter, at, one: one.register, other: other.register });
        }
        match readings.len() {
            0 | 1 => Err(ReadingError::TooFew { meter: self.meter.clone(), count: readings.len() }),
            _ => Ok(readings),
        }
    }

    fn sorted_changes(&self, readings: &[Reading]) -> Result<Vec<CounterChange>, ReadingError> {
        let mut changes = self.changes.clone();
        changes.sort_by_key(|change| change.at);
        changes.dedup();
        let (first, last) = (readings.first().map(|r| r.at), readings.last().map(|r| r.at));
        for change in &changes {
            self.not_negative(change.last)?;
            self.not_negative(change.first)?;
            if Some(change.at) <= first || Some(change.at) > last {
                return Err(ReadingError::ChangeOutside { meter: self.meter.clone(), at: change.at });
            }
        }
        Ok(changes)
    }

    fn rise(&self, from: Reading, to: Reading, multiplier: &Rational) -> Result<Rational, ReadingError> {
        let rise = subtract(&exact(to.register), &exact(from.register));
        if rise.0.is_negative() {
            return Err(ReadingError::Fell {
                meter: self.meter.clone(),
                from: from.at,
                to: to.at,
                before: from.register,
                after: to.register,
            });
        }
        Ok(Rational(rise.0 * &multiplier.0))
    }

    fn positive(&self, multiplier: Decimal) -> Result<Rational, ReadingError> {
        let value = exact(multiplier);
        if value.0.is_positive() {
            return Ok(value);
        }
        Err(ReadingError::Impossible { meter: self.meter.clone(), what: "a multiplier", value: multiplier })
    }

    fn not_negative(&self, register: Decimal) -> Result<(), ReadingError> {
        if register >= Decimal::ZERO {
            return Ok(());
        }
        Err(ReadingError::Impossible { meter: self.meter.clone(), what: "a register", value: register })
    }
}

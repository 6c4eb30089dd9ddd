//! Standard-coal coefficients (折标准煤系数) as dated data: which coefficient is in force for a carrier over a period.
//! A factor knows its source, clause, validity and how well that source was read, and carries all of it to the
//! figure.

use std::collections::BTreeMap;

use observation::Decimal;
use serde::{Deserialize, Serialize};

use super::carrier::Carrier;
use super::declared::DocumentHash;
use super::factor::{Confidence, FactorError, FactorUsed, days};
use super::unit::{Dimension, EnergyUnit, exact};
use crate::calendar::day::Day;
use crate::period::{Grid, Period};
use crate::rational::Rational;

/// How electricity is turned into standard coal. Never defaulted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CoalBasis {
    /// 当量值: by its own heat, 3.6 MJ/kWh.
    Calorific,
    /// 等价值: by the coal that a power plant burns for it, dated by year.
    Equivalent,
}

impl CoalBasis {
    /// Chinese name.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Calorific => "当量值",
            Self::Equivalent => "等价值",
        }
    }

    /// English name.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Calorific => "calorific value",
            Self::Equivalent => "equivalent value",
        }
    }
}

/// A set of standard-coal coefficients from one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoalSet {
    /// Id that a report cites.
    pub id: String,
    /// The document: number and title.
    pub source: String,
    /// The document itself, where it was at hand.
    #[serde(default)]
    pub document: Option<DocumentHash>,
    /// First day of its validity.
    pub valid_from: Day,
    /// Last day; open until a successor is known.
    #[serde(default)]
    pub valid_to: Option<Day>,
    /// What was checked and what was not.
    pub checked: String,
    /// Its coefficients.
    #[serde(rename = "factor")]
    pub factors: Vec<CoalFactor>,
}

/// One standard-coal coefficient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoalFactor {
    /// Name of the row within its set.
    pub row: String,
    /// Carrier.
    pub carrier: Carrier,
    /// For electricity: which value it is. Not for others.
    #[serde(default)]
    pub basis: Option<CoalBasis>,
    /// kgce a unit.
    pub kgce: Decimal,
    /// The unit.
    pub per: EnergyUnit,
    /// Clause of the document.
    pub clause: String,
    /// How well it is known.
    pub status: Confidence,
    /// First day, where it differs from the set's.
    #[serde(default)]
    pub valid_from: Option<Day>,
    /// Last day, where it differs from the set's.
    #[serde(default)]
    pub valid_to: Option<Day>,
    /// Remark for the reader.
    #[serde(default)]
    pub note: Option<String>,
}

/// Which factors a figure is computed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoalChoice {
    /// The set.
    pub set: String,
    /// Which value of electricity.
    pub basis: CoalBasis,
    /// Where a set has several rows for a carrier (gas-field or oil-field gas), the row.
    #[serde(default)]
    pub rows: BTreeMap<Carrier, String>,
}

impl CoalSet {
    /// Refuses a set that contradicts itself.
    pub fn check(&self) -> Result<(), FactorError> {
        for (at, factor) in self.factors.iter().enumerate() {
            factor.carrier.check_unit(&factor.row, factor.per)?;
            let electricity = factor.carrier == Carrier::Electricity;
            let earlier = self.factors.iter().take(at);
            let (from, to) = self.validity(factor);
            let why = if factor.kgce <= Decimal::ZERO {
                "a coefficient is greater than zero".to_owned()
            } else if electricity != factor.basis.is_some() {
                "`basis` (calorific or equivalent) belongs to electricity, and to nothing else".to_owned()
            } else if to.is_some_and(|to| to < from) {
                "its validity ends before it begins".to_owned()
            } else if earlier.clone().any(|e| e.row == factor.row && self.same_time(e, factor)) {
                "the row stands twice for the same days".to_owned()
            } else {
                continue;
            };
            return Err(FactorError::BadRow { set: self.id.clone(), row: factor.row.clone(), why });
        }
        Ok(())
    }

    fn same_time(&self, a: &CoalFactor, b: &CoalFactor) -> bool {
        let ((from, to), (other_from, other_to)) = (self.validity(a), self.validity(b));
        to.is_none_or(|to| other_from <= to) && other_to.is_none_or(|to| from <= to)
    }

    fn validity(&self, factor: &CoalFactor) -> (Day, Option<Day>) {
        (factor.valid_from.unwrap_or(self.valid_from), factor.valid_to.or(self.valid_to))
    }

    /// The coefficient for an amount of `carrier` counted in units of `dimension`, in force on all days of the
    /// period. The value is in kgce a base unit of the dimension.
    pub fn coefficient(
        &self,
        choice: &CoalChoice,
        carrier: Carrier,
        dimension: Dimension,
        period: Period,
        grid: Grid,
    ) -> Result<(Rational, FactorUsed), FactorError> {
        self.check()?;
        let basis = (carrier == Carrier::Electricity).then_some(choice.basis);
        let fits =
            |f: &&CoalFactor| f.carrier == carrier && f.basis == basis && f.per.dimension() == dimension;
        let fitting: Vec<&CoalFactor> = self.factors.iter().filter(fits).collect();
        let set = || self.id.clone();
        let wanted = || wanted(carrier, basis, dimension);
        let (from, to) = days(period, grid);
        let in_force = |f: &&CoalFactor| {
            let (first, last) = self.validity(f);
            first <= from && last.is_none_or(|last| to <= last)
        };
        let named: Vec<&CoalFactor> = match choice.rows.get(&carrier) {
            None => fitting.clone(),
            Some(row) => fitting.iter().copied().filter(|f| f.row == *row).collect(),
        };
        if let (Some(row), true, false) = (choice.rows.get(&carrier), named.is_empty(), fitting.is_empty()) {
            return Err(FactorError::NoSuchRow {
                set: set(),
                row: row.clone(),
                wanted: wanted(),
                rows: rows(&fitting),
            });
        }
        let Some(any) = named.first() else {
            return Err(FactorError::NoFactor { set: set(), wanted: wanted() });
        };
        let valid: Vec<&CoalFactor> = named.iter().copied().filter(in_force).collect();
        match valid.as_slice() {
            [one] => Ok((Rational(exact(one.kgce).0 / one.per.in_base().0), self.used(one))),
            [] => {
                let (valid_from, valid_to) = self.validity(any);
                let valid_to = valid_to.map_or_else(|| "now".to_owned(), |day| day.to_string());
                Err(FactorError::OutOfDate {
                    set: set(),
                    row: any.row.clone(),
                    valid_from,
                    valid_to,
                    from,
                    to,
                })
            }
            _ => Err(FactorError::Ambiguous { set: set(), wanted: wanted(), rows: rows(&valid) }),
        }
    }

    fn used(&self, factor: &CoalFactor) -> FactorUsed {
        let (valid_from, valid_to) = self.validity(factor);
        FactorUsed {
            set: self.id.clone(),
            row: factor.row.clone(),
            source: self.source.clone(),
            clause: factor.clause.clone(),
            value: factor.kgce.to_string(),
            unit: format!("kgce/{}", factor.per),
            valid_from,
            valid_to,
            document: self.document.clone(),
            status: factor.status,
        }
    }
}

fn rows(factors: &[&CoalFactor]) -> String {
    factors.iter().map(|f| f.row.as_str()).collect::<Vec<_>>().join(", ")
}

fn wanted(carrier: Carrier, basis: Option<CoalBasis>, dimension: Dimension) -> String {
    let basis = basis.map(|b| format!(", {} ({})", b.en(), b.zh())).unwrap_or_default();
    format!("{} ({}){basis}, counted in {}", carrier.text(), carrier.zh(), dimension.base())
}

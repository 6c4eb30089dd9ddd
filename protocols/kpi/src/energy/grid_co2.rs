//! CO2 of grid electricity (电力二氧化碳排放因子) as dated data, and the rule by which a factor is taken.

use observation::Decimal;
use serde::{Deserialize, Serialize};

use super::factor::{Confidence, FactorError, FactorUsed, days};
use super::unit::{EnergyUnit, exact};
use crate::calendar::day::Day;
use crate::period::{Grid, Period};
use crate::rational::Rational;

/// CO2 factors of grid electricity from one series of announcements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridSet {
    /// Id that a report cites.
    pub id: String,
    /// Who announces them.
    pub source: String,
    /// What was checked and what was not.
    pub checked: String,
    /// Its factors.
    #[serde(rename = "factor")]
    pub factors: Vec<GridFactor>,
}

/// CO2 of a kilowatt-hour of grid electricity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridFactor {
    /// The year it was found for.
    pub year: i32,
    /// Which grid or mix, as the set names it: `national`, `liaoning` ….
    pub scope: String,
    /// kgCO2/kWh.
    pub kg_co2_per_kwh: Decimal,
    /// Day of publication.
    pub published: Day,
    /// Announcement.
    pub clause: String,
    /// How well it is known.
    pub status: Confidence,
    /// Remark for the reader.
    #[serde(default)]
    pub note: Option<String>,
}

/// What a CO2 figure is for, which decides its factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GridRule {
    /// A reduction claimed for a project: the newest factor published on the reporting day, for both periods, so
    /// that a cleaner grid is never claimed as the project's work.
    Reduction {
        /// The reporting day.
        reported: Day,
    },
    /// An inventory: the factor of the year the period lies in.
    Inventory,
}

impl GridRule {
    /// What a report says beside the figure, in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Reduction { .. } => "减排量：改造前后两期均采用报告日已公布的最新因子",
            Self::Inventory => "排放清单：采用当年因子",
        }
    }

    /// What a report says beside the figure, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Reduction { .. } => {
                "reduction claim: the newest factor published on the reporting day, for both periods"
            }
            Self::Inventory => "inventory: the factor of the year itself",
        }
    }
}

impl GridSet {
    /// Refuses a set that contradicts itself.
    pub fn check(&self) -> Result<(), FactorError> {
        for (at, factor) in self.factors.iter().enumerate() {
            let twice = |e: &GridFactor| e.scope == factor.scope && e.year == factor.year;
            let why = if factor.kg_co2_per_kwh < Decimal::ZERO {
                "a grid factor is not negative"
            } else if self.factors.iter().take(at).any(twice) {
                "this scope and year stand twice"
            } else {
                continue;
            };
            let (set, row) = (self.id.clone(), factor.row());
            return Err(FactorError::BadRow { set, row, why: why.to_owned() });
        }
        Ok(())
    }

    /// The factor of a scope by the rule, kgCO2 a joule of electricity.
    pub fn factor(
        &self,
        scope: &str,
        rule: GridRule,
        period: Period,
        grid: Grid,
    ) -> Result<(Rational, FactorUsed), FactorError> {
        self.check()?;
        let of_scope = || self.factors.iter().filter(|f| f.scope == scope);
        let (set, scope) = (self.id.clone(), scope.to_owned());
        let found =
            match rule {
                GridRule::Reduction { reported } => {
                    let published = of_scope().filter(|f| f.published <= reported);
                    published.max_by_key(|f| (f.published, f.year)).ok_or_else(|| {
                        FactorError::NotPublished { set, scope, reported, known: self.scopes() }
                    })?
                }
                GridRule::Inventory => {
                    let (from, to) = days(period, grid);
                    let year = from.year().filter(|_| from.year() == to.year());
                    let year = year.ok_or(FactorError::SeveralYears { from, to })?;
                    let found = of_scope().find(|f| f.year == year);
                    found.ok_or_else(|| FactorError::NoYear { set, scope, year, known: self.scopes() })?
                }
            };
        let per_joule = exact(found.kg_co2_per_kwh).0 / EnergyUnit::KilowattHour.in_base().0;
        Ok((Rational(per_joule), self.used(found)))
    }

    fn scopes(&self) -> String {
        let mut scopes: Vec<&str> = self.factors.iter().map(|f| f.scope.as_str()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes.join(", ")
    }

    fn used(&self, factor: &GridFactor) -> FactorUsed {
        FactorUsed {
            set: self.id.clone(),
            row: factor.row(),
            source: self.source.clone(),
            clause: factor.clause.clone(),
            value: factor.kg_co2_per_kwh.to_string(),
            unit: "kgCO2/kWh".to_owned(),
            valid_from: factor.published,
            valid_to: None,
            document: None,
            status: factor.status,
        }
    }
}

impl GridFactor {
    fn row(&self) -> String {
        format!("{} {}", self.scope, self.year)
    }
}

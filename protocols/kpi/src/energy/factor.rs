//! Standard-coal coefficients (折标准煤系数) and grid CO2 factors as dated data. A factor knows its source, clause,
//! validity and how well that source was read, and carries all of it to the figure.
//!
//! There is no default: an unknown set, a carrier without a factor, several rows that fit, a period outside the
//! validity are refused by name with what to supply. Nothing here is multiplied with anything.

use std::collections::BTreeMap;

use observation::Decimal;
use serde::{Deserialize, Serialize};

use super::carrier::{Carrier, ForeignUnit};
use super::declared::DocumentHash;
use super::unit::{Dimension, EnergyUnit, exact};
use crate::calendar::day::Day;
use crate::period::{Grid, Period};
use crate::rational::Rational;

/// How well a number of an outside document is known. The order is from best to worst; a figure shows the worst
/// of its factors.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Confidence {
    /// Read in the document itself.
    #[serde(rename = "F")]
    Read,
    /// Read in a copy or quotation of it.
    #[serde(rename = "F2")]
    Copy,
    /// General knowledge, not compared with any text.
    #[serde(rename = "K")]
    Unchecked,
    /// An example that has to be replaced before any figure is handed in.
    #[serde(rename = "E")]
    Example,
}

impl Confidence {
    /// What a report says beside the figure, in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Read => "系数已与原文核对",
            Self::Copy => "系数取自转载，尚未与标准原文核对",
            Self::Unchecked => "系数未经核对，正式使用前须与标准原文核对",
            Self::Example => "系数仅为示例，不得用于正式结论",
        }
    }

    /// What a report says beside the figure, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Read => "factor compared with the document itself",
            Self::Copy => "factor taken from a copy, not yet compared with the document itself",
            Self::Unchecked => "factor not checked; compare it with the document before it is relied on",
            Self::Example => "factor is an example and no basis for any conclusion",
        }
    }
}

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

/// A file of factors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FactorFile {
    /// Standard-coal coefficients.
    StandardCoal(CoalSet),
    /// CO2 of grid electricity.
    GridCo2(GridSet),
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

/// A factor as a figure carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FactorUsed {
    /// Set id.
    pub set: String,
    /// Row of the set.
    pub row: String,
    /// Document.
    pub source: String,
    /// Clause of it.
    pub clause: String,
    /// Its value as the document writes it.
    pub value: String,
    /// Unit of the value.
    pub unit: String,
    /// First day of its validity, or its day of publication.
    pub valid_from: Day,
    /// Last day of its validity.
    pub valid_to: Option<Day>,
    /// The document itself.
    pub document: Option<DocumentHash>,
    /// How well it is known.
    pub status: Confidence,
}

/// Why there is no factor. Each says what to supply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactorError {
    /// No file has this id.
    #[error("no factor set {set:?} was given; supply its file or name one of: {known}")]
    NoSuchSet {
        /// What was asked for.
        set: String,
        /// Sets that were given.
        known: String,
    },
    /// The set has nothing for the carrier.
    #[error(
        "factor set {set:?} has no factor for {wanted}; supply a row with its source, or a measured value as a set of its own"
    )]
    NoFactor {
        /// Set id.
        set: String,
        /// Carrier, unit and value kind.
        wanted: String,
    },
    /// The set has several rows that fit.
    #[error("factor set {set:?} has several factors for {wanted}: {rows}; name one of them")]
    Ambiguous {
        /// Set id.
        set: String,
        /// Carrier, unit and value kind.
        wanted: String,
        /// The rows.
        rows: String,
    },
    /// The named row is not there.
    #[error("factor set {set:?} has no row {row:?} for {wanted}; name one of: {rows}")]
    NoSuchRow {
        /// Set id.
        set: String,
        /// What was asked for.
        row: String,
        /// Carrier, unit and value kind.
        wanted: String,
        /// The rows that fit.
        rows: String,
    },
    /// The period is not inside the validity.
    #[error(
        "factor {row:?} of set {set:?} is valid from {valid_from} to {valid_to}, the period runs from {from} to {to}; \
         supply the edition valid then, or split the period where the editions change"
    )]
    OutOfDate {
        /// Set id.
        set: String,
        /// Row.
        row: String,
        /// First valid day.
        valid_from: Day,
        /// Last valid day, or that it is open.
        valid_to: String,
        /// First day of the period.
        from: Day,
        /// Last day of the period.
        to: Day,
    },
    /// A row that cannot be.
    #[error("factor {row:?} of set {set:?}: {why}")]
    BadRow {
        /// Set id.
        set: String,
        /// Row.
        row: String,
        /// What is wrong.
        why: String,
    },
    /// The unit does not fit the carrier.
    #[error(transparent)]
    Unit(#[from] ForeignUnit),
    /// No grid factor of that scope was published by then.
    #[error(
        "set {set:?} has no grid factor {scope:?} published by {reported}; supply it, or name one of the scopes: {known}"
    )]
    NotPublished {
        /// Set id.
        set: String,
        /// Scope.
        scope: String,
        /// The reporting day.
        reported: Day,
        /// Scopes of the set.
        known: String,
    },
    /// No grid factor for that year.
    #[error(
        "set {set:?} has no grid factor {scope:?} for the year {year}; supply it when it is published, or name one of the scopes: {known}"
    )]
    NoYear {
        /// Set id.
        set: String,
        /// Scope.
        scope: String,
        /// The year.
        year: i32,
        /// Scopes of the set.
        known: String,
    },
    /// An inventory over several years.
    #[error(
        "an inventory uses each year's own factor, the period runs from {from} to {to}; ask for each calendar year apart"
    )]
    SeveralYears {
        /// First day of the period.
        from: Day,
        /// Last day of the period.
        to: Day,
    },
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

/// First and last local day of a period.
pub(super) fn days(period: Period, grid: Grid) -> (Day, Day) {
    (Day::of(period.from, grid), Day::of(period.to.saturating_sub(1), grid))
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

/// The set with an id.
pub fn coal_set<'a>(files: &'a [FactorFile], id: &str) -> Result<&'a CoalSet, FactorError> {
    let sets = || {
        files.iter().filter_map(|file| match file {
            FactorFile::StandardCoal(set) => Some(set),
            FactorFile::GridCo2(_) => None,
        })
    };
    sets().find(|set| set.id == id).ok_or_else(|| FactorError::NoSuchSet {
        set: id.to_owned(),
        known: sets().map(|set| set.id.as_str()).collect::<Vec<_>>().join(", "),
    })
}

/// The set with an id.
pub fn grid_set<'a>(files: &'a [FactorFile], id: &str) -> Result<&'a GridSet, FactorError> {
    let sets = || {
        files.iter().filter_map(|file| match file {
            FactorFile::GridCo2(set) => Some(set),
            FactorFile::StandardCoal(_) => None,
        })
    };
    sets().find(|set| set.id == id).ok_or_else(|| FactorError::NoSuchSet {
        set: id.to_owned(),
        known: sets().map(|set| set.id.as_str()).collect::<Vec<_>>().join(", "),
    })
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

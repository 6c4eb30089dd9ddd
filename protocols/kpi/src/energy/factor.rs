//! What is common to all dated factors: how well one is known, how a figure carries it, why there is none, and the
//! sets that were handed in. Coefficients of coal stand in [`super::coal`], CO2 of the grid in [`super::grid_co2`].
//!
//! There is no default: an unknown set, a carrier without a factor, several rows that fit, a period outside the
//! validity are refused by name with what to supply. Nothing here is multiplied with anything.

use serde::{Deserialize, Serialize};

use super::carrier::ForeignUnit;
pub use super::coal::{CoalBasis, CoalChoice, CoalFactor, CoalSet};
use super::declared::DocumentHash;
pub use super::grid_co2::{GridFactor, GridRule, GridSet};
use crate::calendar::day::Day;
use crate::period::{Grid, Period};

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

/// A file of factors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FactorFile {
    /// Standard-coal coefficients.
    StandardCoal(CoalSet),
    /// CO2 of grid electricity.
    GridCo2(GridSet),
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

/// First and last local day of a period.
pub(super) fn days(period: Period, grid: Grid) -> (Day, Day) {
    (Day::of(period.from, grid), Day::of(period.to.saturating_sub(1), grid))
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

//! A figure as it is shown: never a bare name and never a bare number. A [`Kpi`] carries its formula, its
//! operands, boundary, period, calendar, mapping, coverage, evidence class, interval and method version.

use serde::Serialize;

use crate::definition::{Better, KpiId, Unit};
use crate::period::Period;
use crate::rational::Rational;

/// How directly a figure was measured. The worst machine of the boundary decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
pub enum EvidenceClass {
    /// Controller state, part count and an independent power meter.
    A,
    /// Controller state; or a register read from its meter.
    B,
    /// Inferred from power or a stack light.
    C,
    /// Declared by hand.
    D,
}

/// A figure's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Figure {
    /// The true value lies between the two bounds, both included.
    Interval {
        /// Least value the evidence allows.
        lower: Rational,
        /// Greatest value the evidence allows; `null` when nothing bounds it.
        upper: Option<Rational>,
    },
    /// There is no value.
    Undefined {
        /// Why, and so what to supply.
        reason: Undefined,
    },
}

impl Figure {
    /// The bound that decides against a target.
    pub fn worse(&self, better: Better) -> Option<&Rational> {
        match (self, better) {
            (Self::Interval { lower, .. }, Better::Higher) => Some(lower),
            (Self::Interval { upper, .. }, Better::Lower) => upper.as_ref(),
            (Self::Undefined { .. }, _) => None,
        }
    }

    /// The value, when both bounds agree.
    pub fn point(&self) -> Option<&Rational> {
        match self {
            Self::Interval { lower, upper } if upper.as_ref() == Some(lower) => Some(lower),
            _ => None,
        }
    }
}

/// Why a figure has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Undefined {
    /// No machine of the boundary measures what the figure needs.
    NotMeasured,
    /// The denominator is no time at all: the machine was never in the states it counts.
    NoTime,
    /// Nothing was produced.
    NoOutput,
    /// No machine belongs to the boundary.
    NoMachines,
    /// The calendar has no data for some day of the period.
    NoCalendar,
}

impl Undefined {
    /// What it means, in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::NotMeasured => "范围内没有设备计量该指标所需的量",
            Self::NoTime => "分母时间为零",
            Self::NoOutput => "产量为零",
            Self::NoMachines => "范围内没有设备",
            Self::NoCalendar => "生产日历缺少期间内某日的数据（如该年度法定节假日安排）",
        }
    }

    /// What it means, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::NotMeasured => "no machine of the boundary measures what this figure needs",
            Self::NoTime => "the denominator is no time at all",
            Self::NoOutput => "nothing was produced",
            Self::NoMachines => "no machine belongs to the boundary",
            Self::NoCalendar => "the calendar has no data for a day of the period, such as its year's statutory holidays",
        }
    }
}

/// An operand of a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Term {
    /// Its symbol, as in the formula.
    pub symbol: &'static str,
    /// Its unit: `ms`, `mWh`, `pcs` or `machine-days`.
    pub unit: &'static str,
    /// Least value.
    pub lower: Rational,
    /// Greatest value; `null` when nothing bounds it.
    pub upper: Option<Rational>,
}

/// A machine that was asked for and does not count in this figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Excluded {
    /// Machine id.
    pub machine: String,
    /// Why.
    pub reason: Exclusion,
}

/// Why a machine does not count in a figure. The roster decides it, never the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// The roster gives it no states: it is a meter, or only listed.
    NoStates,
    /// The roster lists it and nothing measures it.
    NotMeasured,
    /// The roster gives it no energy register.
    NoEnergyRegister,
    /// The roster gives it no part register.
    NoPartRegister,
    /// The roster calls it no digital machine.
    NotDigital,
}

/// One key figure with everything that makes it evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Kpi {
    /// Which figure.
    pub id: KpiId,
    /// Chinese name.
    pub name_zh: &'static str,
    /// English name.
    pub name_en: &'static str,
    /// Formula in the symbols of ISO 22400-2.
    pub formula: &'static str,
    /// Unit of the value. A ratio is 0 to 1 here and printed times 100 with %.
    pub unit: Unit,
    /// Which way is better; the other bound decides against a target.
    pub better: Better,
    /// The value.
    pub value: Figure,
    /// What stands above the line, or the amount itself.
    pub numerator: Option<Term>,
    /// What stands below the line.
    pub denominator: Option<Term>,
    /// Machines that count, by id.
    pub machines: Vec<String>,
    /// Machines that were asked for and do not count.
    pub excluded: Vec<Excluded>,
    /// The period.
    pub period: Period,
    /// Share of the period (all machines) that counted windows or known differences cover, 0 to 1.
    pub coverage: Rational,
    /// How directly it was measured.
    pub class: EvidenceClass,
    /// More than 5 % of busy time is unknown: the figure is provisional unless its worse bound meets the target.
    pub provisional: bool,
    /// Calendar and its version.
    pub calendar: String,
    /// Hashes of the state mappings in force, hex, without repeats, sorted.
    pub mappings: Vec<String>,
    /// Hash of the statements behind it, hex; `null` outside a verified bundle. Starting from 32 zero bytes,
    /// h = SHA-256(h ‖ leaf hash) for each window statement with a counted window in the period, in log order.
    pub statements: Option<String>,
    /// Version of the method.
    pub method: &'static str,
}

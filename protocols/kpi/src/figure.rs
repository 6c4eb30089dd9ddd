//! A figure as it is shown: never a bare name and never a bare number. A [`Kpi`] carries its formula, its
//! operands, boundary, period, calendar, mapping, coverage, evidence class, interval and method version.

use serde::Serialize;

use crate::definition::{Better, KpiId, Unit};
use crate::period::Period;
use crate::rational::Rational;

/// Where a machine's state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateFrom {
    /// The controller's own state and mode.
    Controller,
    /// Power thresholds or a stack light.
    Inference,
    /// Somebody's word.
    Declaration,
}

/// The points that feed a machine's windows, as its roster entry and mapping declare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether a machine has one point")]
pub struct Feeds {
    /// Where its state comes from.
    pub state: StateFrom,
    /// A part register.
    pub parts: bool,
    /// A power meter that is not the controller's own.
    pub power_meter: bool,
    /// A point that tells whether the spindle turns.
    pub spindle: bool,
    /// A point that tells whether it cuts.
    pub cutting: bool,
}

impl Feeds {
    /// How directly the state is measured: the second witnesses, parts and power, raise a controller's word to A.
    pub const fn class(self) -> EvidenceClass {
        match (self.state, self.parts && self.power_meter) {
            (StateFrom::Controller, true) => EvidenceClass::A,
            (StateFrom::Controller, false) => EvidenceClass::B,
            (StateFrom::Inference, _) => EvidenceClass::C,
            (StateFrom::Declaration, _) => EvidenceClass::D,
        }
    }
}

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
    /// A machine of the boundary has no cycle time declared for all of the period.
    NoCycle,
    /// A cycle time changes where the totals have no cut.
    NoCut,
    /// No plan states orders for all of the period.
    NoOrders,
    /// Fewer than two faults.
    TooFewFaults,
    /// Nobody declared it.
    NotDeclared,
    /// No energy was used.
    NoEnergy,
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
            Self::NoCycle => "有设备未就整个期间申报节拍（见发现项），请补充节拍及其生效日期",
            Self::NoCut => "节拍在期间内变更，而合计未在该时刻分段；请把变更时刻作为时段边界重新计算",
            Self::NoOrders => "计划未就整个期间列出订单，请补充订单的起止时间",
            Self::TooFewFaults => "故障少于两次",
            Self::NotDeclared => "没有申报，请提供申报值及其文件",
            Self::NoEnergy => "用电量为零",
        }
    }

    /// What it means, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::NotMeasured => "no machine of the boundary measures what this figure needs",
            Self::NoTime => "the denominator is no time at all",
            Self::NoOutput => "nothing was produced",
            Self::NoMachines => "no machine belongs to the boundary",
            Self::NoCalendar => {
                "the calendar has no data for a day of the period, such as its year's statutory holidays"
            }
            Self::NoCycle => {
                "a machine has no cycle time declared for the whole period (see the findings); declare it with its date"
            }
            Self::NoCut => {
                "a cycle time changes inside the period where the totals are not cut; compute again with that moment \
                 as a boundary"
            }
            Self::NoOrders => "no plan states orders for the whole period; state their starts and ends",
            Self::TooFewFaults => "fewer than two faults",
            Self::NotDeclared => "nobody declared it; supply the declaration and its document",
            Self::NoEnergy => "no energy was used",
        }
    }
}

/// An operand of a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Term {
    /// Its symbol, as in the formula.
    pub symbol: &'static str,
    /// Its unit: `ms`, `mWh`, `pcs`, `faults`, `gaps`, `machines` or `machine-days`.
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
    /// The roster gives it no good-part register.
    NoGoodPartRegister,
    /// No point tells whether its spindle turns.
    NoSpindlePoint,
    /// No point tells whether it cuts.
    NoCuttingPoint,
    /// The roster calls it no digital machine.
    NotDigital,
}

/// Something that the figure's reader must look into. It changes no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// The machine; `null` for the boundary.
    pub machine: Option<String>,
    /// What was found.
    pub kind: FindingKind,
}

/// What may be found beside a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Cycle × parts exceeds all time it could have produced in: the cycle is too long, or parts are counted twice.
    EffectivenessAboveOne,
    /// More good parts than parts.
    MoreGoodThanParts,
    /// PRODUCING outside planned busy time; it counts in no planned time.
    ProducedOutsidePlan,
    /// PRODUCING without an order.
    ProducedWithoutOrder,
    /// Parts were completed outside planned busy time; they do not count.
    PartsOutsidePlan,
    /// No cycle time is declared for all of the period.
    CycleMissing,
    /// The declared number of machines is not the roster's.
    RosterTotalDiffers,
}

impl FindingKind {
    /// What it means, in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::EffectivenessAboveOne => "节拍 × 件数超过可能的加工时间：节拍申报过长，或件数重复计数",
            Self::MoreGoodThanParts => "合格件数多于件数",
            Self::ProducedOutsidePlan => "计划时间之外有加工，未计入任何计划时间",
            Self::ProducedWithoutOrder => "没有订单时有加工",
            Self::PartsOutsidePlan => "计划时间之外有完工件，未计入",
            Self::CycleMissing => "未就整个期间申报节拍",
            Self::RosterTotalDiffers => "申报的设备总数与名册不符",
        }
    }

    /// What it means, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::EffectivenessAboveOne => {
                "cycle × parts exceeds all time it could have produced in: the cycle is too long, or parts count twice"
            }
            Self::MoreGoodThanParts => "more good parts than parts",
            Self::ProducedOutsidePlan => "produced outside planned time, which counts in no planned time",
            Self::ProducedWithoutOrder => "produced without an order",
            Self::PartsOutsidePlan => "completed parts outside planned time, which do not count",
            Self::CycleMissing => "no cycle time is declared for the whole period",
            Self::RosterTotalDiffers => "the declared number of machines is not the roster's",
        }
    }
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
    /// What its reader must look into.
    pub findings: Vec<Finding>,
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

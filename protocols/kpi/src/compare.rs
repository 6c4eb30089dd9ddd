//! Before and after: one figure over two periods by one definition, the difference as an interval, and the verdict
//! against a target. The worse bound decides; what it leaves open is undecided, never rounded to either side.
//!
//! Nothing is adjusted here: output, product mix and weather stand as they were. An adjusted baseline is another
//! method.

use serde::Serialize;

use crate::definition::{Better, KpiId, Unit};
use crate::figure::{EvidenceClass, Figure, Kpi, Term, Undefined};
use crate::period::Period;
use crate::rational::Rational;

/// What is to be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Target {
    /// What the number is of.
    pub aim: Aim,
    /// Unit of the number; a relative improvement is a ratio.
    pub unit: Unit,
    /// The number, a ratio as 0 to 1.
    pub value: Rational,
}

/// What a target's number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The figure itself in the period after.
    Value,
    /// How much better it became, in its own unit.
    Improvement,
    /// How much better it became, as a share of what it was.
    RelativeImprovement,
}

/// Why two figures, or a figure and a target, cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Two figures.
    #[error("{before} and {after} are two figures; compare one figure with itself")]
    OtherFigure {
        /// Id of the one before.
        before: &'static str,
        /// Id of the one after.
        after: &'static str,
    },
    /// Two methods.
    #[error(
        "the figure before was made by method {before}, the one after by {after}; compute both by one version"
    )]
    OtherMethod {
        /// Method before.
        before: &'static str,
        /// Method after.
        after: &'static str,
    },
    /// The target's unit is not the figure's.
    #[error("the target is in {target:?}, the figure {id} needs {figure:?}; state the target in that unit")]
    OtherUnit {
        /// The figure.
        id: &'static str,
        /// Unit of the target.
        target: &'static str,
        /// Unit that is needed.
        figure: &'static str,
    },
    /// The periods overlap or stand the wrong way round.
    #[error(
        "the period before ends at {before_to}, after the period after begins at {after_from} (UTC s); choose periods that do not overlap"
    )]
    Periods {
        /// End of the period before, UTC s.
        before_to: i64,
        /// Start of the period after, UTC s.
        after_from: i64,
    },
}

/// Which of the two periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The period before.
    Before,
    /// The period after.
    After,
}

/// What differs between the two besides time. A caveat changes no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Caveat {
    /// Machines that count in one period only.
    Boundary {
        /// Only before.
        only_before: Vec<String>,
        /// Only after.
        only_after: Vec<String>,
    },
    /// Two calendars or versions.
    Calendar {
        /// Before.
        before: String,
        /// After.
        after: String,
    },
    /// Other state mappings.
    Mapping,
    /// Other evidence classes.
    Class {
        /// Before.
        before: EvidenceClass,
        /// After.
        after: EvidenceClass,
    },
    /// An amount over periods of two lengths.
    Length {
        /// Seconds before.
        before_s: u64,
        /// Seconds after.
        after_s: u64,
    },
    /// The denominators are of two quantities, such as good parts and parts.
    Quantity {
        /// Before.
        before: &'static str,
        /// After.
        after: &'static str,
    },
}

/// An interval of signed numbers, either end of which may be open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Change {
    /// Least; `null` when nothing bounds it.
    pub lower: Option<Rational>,
    /// Greatest; `null` when nothing bounds it.
    pub upper: Option<Rational>,
}

/// Whether a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Even the worse bound reaches it.
    Reached,
    /// Not even the better bound reaches it.
    NotReached,
    /// The target lies between the bounds, or there is no value.
    Undecided,
}

/// What would decide an undecided verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Need {
    /// There is no value at all.
    Value {
        /// Of which period.
        side: Side,
        /// Why, and so what to supply.
        reason: Undefined,
    },
    /// An operand is an interval: unknown time, or a register without a reading.
    Operand {
        /// Of which period.
        side: Side,
        /// Its symbol.
        symbol: &'static str,
        /// Its unit.
        unit: &'static str,
        /// How wide it is; `null` when nothing bounds it.
        width: Option<Rational>,
    },
    /// The operands are certain and the bounds are not: what a window does not tell, such as the order of events in
    /// it.
    FinerWindows {
        /// Of which period.
        side: Side,
    },
}

/// The verdict against a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Verdict {
    /// The target.
    pub target: Target,
    /// Whether it is reached.
    pub answer: Answer,
    /// What would decide it; empty when it is decided.
    pub needs: Vec<Need>,
    /// More than 5 % of busy time is unknown in a period that counts, and the worse bound does not reach the target.
    pub provisional: bool,
}

/// One figure over two periods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Comparison {
    /// Which figure.
    pub id: KpiId,
    /// Its unit.
    pub unit: Unit,
    /// The periods.
    pub periods: (Period, Period),
    /// The value before.
    pub before: Figure,
    /// The value after.
    pub after: Figure,
    /// After minus before; `null` without both values.
    pub difference: Option<Change>,
    /// How much better it became: positive is better, whichever way that is.
    pub improvement: Option<Change>,
    /// The same as a share of what it was.
    pub relative_improvement: Option<Change>,
    /// What differs besides time.
    pub caveats: Vec<Caveat>,
    /// The verdict, if there is a target.
    pub verdict: Option<Verdict>,
}

/// Compares one figure over two periods.
pub fn compare(before: &Kpi, after: &Kpi, target: Option<&Target>) -> Result<Comparison, CompareError> {
    refuse(before, after)?;
    if let Some(target) = target {
        target.check(after)?;
    }
    let values = both(before, after);
    let difference = values.as_ref().map(|(b, a)| a.minus(b));
    let improvement =
        difference.clone().map(|d| if after.better == Better::Higher { d } else { d.negated() });
    let relative_improvement = values.as_ref().map(|(b, a)| relative(b, a, after.better));
    let mut comparison = Comparison {
        id: after.id,
        unit: after.unit,
        periods: (before.period, after.period),
        before: before.value.clone(),
        after: after.value.clone(),
        difference,
        improvement,
        relative_improvement,
        caveats: caveats(before, after),
        verdict: None,
    };
    comparison.verdict = target.map(|target| comparison.judge(target, before, after));
    Ok(comparison)
}

/// The verdict on one figure against a value, with nothing before it.
pub fn judge(kpi: &Kpi, target: &Target) -> Result<Verdict, CompareError> {
    target.check(kpi)?;
    let improvement =
        Change::of(&kpi.value).map(|c| if kpi.better == Better::Higher { c } else { c.negated() });
    let aim = if kpi.better == Better::Higher { target.value.clone() } else { negative(&target.value) };
    let answer = improvement.map_or(Answer::Undecided, |c| c.reaches(&aim));
    let needs = if answer == Answer::Undecided { needs(kpi, Side::After) } else { vec![] };
    let provisional = kpi.provisional && answer != Answer::Reached;
    Ok(Verdict { target: target.clone(), answer, needs, provisional })
}

fn refuse(before: &Kpi, after: &Kpi) -> Result<(), CompareError> {
    if before.id != after.id {
        let (before, after) = (before.id.definition().text, after.id.definition().text);
        return Err(CompareError::OtherFigure { before, after });
    }
    if before.method != after.method {
        return Err(CompareError::OtherMethod { before: before.method, after: after.method });
    }
    if before.period.to > after.period.from {
        return Err(CompareError::Periods { before_to: before.period.to, after_from: after.period.from });
    }
    Ok(())
}

impl Target {
    fn check(&self, kpi: &Kpi) -> Result<(), CompareError> {
        let needed = if self.aim == Aim::RelativeImprovement { Unit::Ratio } else { kpi.unit };
        if self.unit == needed {
            return Ok(());
        }
        let id = kpi.id.definition().text;
        Err(CompareError::OtherUnit { id, target: self.unit.en(), figure: needed.en() })
    }
}

impl Comparison {
    fn judge(&self, target: &Target, before: &Kpi, after: &Kpi) -> Verdict {
        if target.aim == Aim::Value
            && let Ok(verdict) = judge(after, target)
        {
            return verdict;
        }
        let change = if target.aim == Aim::RelativeImprovement {
            &self.relative_improvement
        } else {
            &self.improvement
        };
        let alike = |caveat: &Caveat| !matches!(caveat, Caveat::Length { .. } | Caveat::Quantity { .. });
        let answer = change
            .as_ref()
            .filter(|_| self.caveats.iter().all(alike))
            .map_or(Answer::Undecided, |c| c.reaches(&target.value));
        let mut needed = Vec::new();
        if answer == Answer::Undecided {
            needed.extend(needs(before, Side::Before));
            needed.extend(needs(after, Side::After));
        }
        let provisional = (before.provisional || after.provisional) && answer != Answer::Reached;
        Verdict { target: target.clone(), answer, needs: needed, provisional }
    }
}

impl Change {
    fn of(figure: &Figure) -> Option<Self> {
        match figure {
            Figure::Interval { lower, upper } => {
                Some(Self { lower: Some(lower.clone()), upper: upper.clone() })
            }
            Figure::Undefined { .. } => None,
        }
    }

    fn minus(&self, other: &Self) -> Self {
        let minus = |a: &Option<Rational>, b: &Option<Rational>| Some(a.clone()? - b.clone()?);
        Self { lower: minus(&self.lower, &other.upper), upper: minus(&self.upper, &other.lower) }
    }

    fn negated(self) -> Self {
        let turned = |end: Option<Rational>| end.map(|end| negative(&end));
        Self { lower: turned(self.upper), upper: turned(self.lower) }
    }

    /// Whether a change, positive for better, reaches an aim.
    fn reaches(&self, aim: &Rational) -> Answer {
        if self.lower.as_ref().is_some_and(|least| least >= aim) {
            Answer::Reached
        } else if self.upper.as_ref().is_some_and(|most| most < aim) {
            Answer::NotReached
        } else {
            Answer::Undecided
        }
    }
}

fn both(before: &Kpi, after: &Kpi) -> Option<(Change, Change)> {
    Change::of(&before.value).zip(Change::of(&after.value))
}

/// after / before − 1, or 1 − after / before where lower is better. Values are never negative; a before that may be
/// zero leaves the end open that divides by it.
fn relative(before: &Change, after: &Change, better: Better) -> Change {
    let over = |a: &Option<Rational>, b: &Option<Rational>| a.as_ref()?.over(b.as_ref()?);
    // Without an upper bound before, the quotient may come down to nothing.
    let least = match &before.upper {
        Some(_) => over(&after.lower, &before.upper),
        None => Some(Rational::zero()),
    };
    let one = Rational::integer(1);
    let change = |quotient: Option<Rational>| quotient.map(|q| q - one.clone());
    let grown = Change { lower: change(least), upper: change(over(&after.upper, &before.lower)) };
    if better == Better::Higher { grown } else { grown.negated() }
}

fn negative(value: &Rational) -> Rational {
    Rational::zero() - value.clone()
}

fn caveats(before: &Kpi, after: &Kpi) -> Vec<Caveat> {
    let mut found = Vec::new();
    let only = |own: &[String], other: &[String]| -> Vec<String> {
        own.iter().filter(|machine| !other.contains(machine)).cloned().collect()
    };
    let (only_before, only_after) =
        (only(&before.machines, &after.machines), only(&after.machines, &before.machines));
    if !only_before.is_empty() || !only_after.is_empty() {
        found.push(Caveat::Boundary { only_before, only_after });
    }
    if before.calendar != after.calendar {
        found.push(Caveat::Calendar { before: before.calendar.clone(), after: after.calendar.clone() });
    }
    if before.mappings != after.mappings {
        found.push(Caveat::Mapping);
    }
    if before.class != after.class {
        found.push(Caveat::Class { before: before.class, after: after.class });
    }
    let (before_s, after_s) = (before.period.seconds(), after.period.seconds());
    let amount = matches!(before.unit, Unit::KilowattHours | Unit::Pieces);
    if amount && before_s != after_s {
        found.push(Caveat::Length { before_s, after_s });
    }
    let symbol = |kpi: &Kpi| kpi.denominator.as_ref().map(|term| term.symbol);
    if let (Some(before), Some(after)) = (symbol(before), symbol(after))
        && before != after
    {
        found.push(Caveat::Quantity { before, after });
    }
    found
}

/// What makes a figure an interval.
fn needs(kpi: &Kpi, side: Side) -> Vec<Need> {
    let (lower, upper) = match &kpi.value {
        Figure::Undefined { reason } => return vec![Need::Value { side, reason: *reason }],
        Figure::Interval { lower, upper } => (lower, upper),
    };
    if upper.as_ref() == Some(lower) {
        return vec![];
    }
    let open = |term: &Term| {
        let width = term.upper.clone().map(|upper| upper - term.lower.clone());
        let certain = width.as_ref().is_some_and(Rational::is_zero);
        (!certain).then_some(Need::Operand { side, symbol: term.symbol, unit: term.unit, width })
    };
    let operands: Vec<Need> = kpi.numerator.iter().chain(&kpi.denominator).filter_map(open).collect();
    if operands.is_empty() { vec![Need::FinerWindows { side }] } else { operands }
}

impl Answer {
    /// What it means, in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Reached => "达到",
            Self::NotReached => "未达到",
            Self::Undecided => "无法判定",
        }
    }

    /// What it means, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::NotReached => "not reached",
            Self::Undecided => "cannot be decided",
        }
    }
}

impl Side {
    /// Its name, in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Before => "改造前",
            Self::After => "改造后",
        }
    }

    /// Its name, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl Caveat {
    /// What it says, in Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Boundary { only_before, only_after } => {
                format!("设备范围不同：仅改造前 {}；仅改造后 {}", listed(only_before), listed(only_after))
            }
            Self::Calendar { before, after } => format!("生产日历不同：改造前 {before}；改造后 {after}"),
            Self::Mapping => "状态映射不同".to_owned(),
            Self::Class { before, after } => format!("证据等级不同：改造前 {before:?}；改造后 {after:?}"),
            Self::Length { before_s, after_s } => {
                format!("时段长度不同：改造前 {before_s} s；改造后 {after_s} s，总量不可直接比较")
            }
            Self::Quantity { before, after } => format!("分母不同：改造前 {before}；改造后 {after}"),
        }
    }

    /// What it says, in English.
    pub fn en(&self) -> String {
        match self {
            Self::Boundary { only_before, only_after } => {
                format!(
                    "other machines: only before {}; only after {}",
                    listed(only_before),
                    listed(only_after)
                )
            }
            Self::Calendar { before, after } => format!("other calendars: before {before}; after {after}"),
            Self::Mapping => "other state mappings".to_owned(),
            Self::Class { before, after } => {
                format!("other evidence classes: before {before:?}; after {after:?}")
            }
            Self::Length { before_s, after_s } => {
                format!(
                    "other lengths: before {before_s} s; after {after_s} s, so that amounts do not compare"
                )
            }
            Self::Quantity { before, after } => format!("other denominators: before {before}; after {after}"),
        }
    }
}

fn listed(machines: &[String]) -> String {
    if machines.is_empty() { "–".to_owned() } else { machines.join(", ") }
}

impl Need {
    /// What to supply, in Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Value { side, reason } => format!("{}没有数值：{}", side.zh(), reason.zh()),
            Self::Operand { side, symbol, unit: "ms", .. } => {
                format!("{}的 {symbol} 含未知时间；补传缺失窗口可判定", side.zh())
            }
            Self::Operand { side, symbol, .. } => {
                format!("{}的 {symbol} 只知道范围；补传缺失窗口或提供断档两端的读数可判定", side.zh())
            }
            Self::FinerWindows { side } => format!("{}的窗口内先后不可知；需要更短的窗口", side.zh()),
        }
    }

    /// What to supply, in English.
    pub fn en(&self) -> String {
        match self {
            Self::Value { side, reason } => format!("no value {}: {}", side.en(), reason.en()),
            Self::Operand { side, symbol, unit: "ms", .. } => {
                format!("{symbol} {} holds unknown time; the missing windows would decide", side.en())
            }
            Self::Operand { side, symbol, .. } => {
                format!(
                    "{symbol} {} is known as a range only; missing windows or readings at both ends of the gap would decide",
                    side.en()
                )
            }
            Self::FinerWindows { side } => {
                format!(
                    "the windows {} do not tell the order of events inside them; shorter windows would decide",
                    side.en()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;

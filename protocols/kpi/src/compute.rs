//! From totals to figures: sums over the machines of a boundary first, one division at the end, never an
//! average of ratios. The boundary of each figure follows from the roster, never from what the data hold, so that
//! it cannot be chosen by leaving data out.
//!
//! Each family of figures has its own file: shares of time, figures of cycles and parts, faults, orders, registers,
//! connection. What is declared (cycle times, good condition) comes in from outside and is never assumed.

mod connection;
mod fault;
mod order;
mod part;
mod register;
mod share;

use num_bigint::BigInt;

use crate::calendar::Calendar;
use crate::chain::Quantity;
use crate::cycle::Cycles;
use crate::definition::{Definition, KpiId};
use crate::figure::{
    EvidenceClass, Excluded, Exclusion, Feeds, Figure, Finding, FindingKind, Kpi, Term, Undefined,
};
use crate::iso::Bounds;
use crate::period::{Cuts, Period};
use crate::rational::Rational;
use crate::times::Times;
use crate::totals::{AmountBounds, MachineKind, MachineTotals};

/// Above this share of unknown busy time a figure is provisional: 1/20.
const PROVISIONAL_ABOVE: (u64, u64) = (1, 20);

/// A machine of a boundary.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Machine id.
    pub id: &'a str,
    /// Its totals.
    pub totals: &'a MachineTotals,
    /// Roster: a digital machine (NC machine, robot, equipment with a data interface).
    pub digital: bool,
    /// The points that feed it, as roster entry and mapping declare them.
    pub feeds: Feeds,
    /// Hash of its state mapping, hex.
    pub mapping: &'a str,
    /// The calendar its totals were made with.
    pub calendar: &'a Calendar,
    /// Its declared cycle times; `None` is the same as none declared.
    pub cycles: Option<&'a Cycles>,
}

/// Machines in good condition, as somebody declared them (设备完好率).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodCondition {
    good: u32,
    total: u32,
    document: String,
}

/// Why a declaration of machines in good condition cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoodConditionError {
    /// No machines at all.
    #[error("a good condition rate over no machines; declare how many there are")]
    NoMachines,
    /// More in good condition than there are.
    #[error("{good} of {total} machines in good condition; check both numbers")]
    MoreThanAll {
        /// In good condition.
        good: u32,
        /// Of how many.
        total: u32,
    },
    /// Nothing stands behind it.
    #[error("a declared good condition rate needs the SHA-256 of its document, 64 hex digits")]
    NoDocument,
}

impl GoodCondition {
    /// `good` of `total` machines, by a document with this SHA-256 (hex).
    pub fn new(good: u32, total: u32, document: &str) -> Result<Self, GoodConditionError> {
        if total == 0 {
            return Err(GoodConditionError::NoMachines);
        }
        if good > total {
            return Err(GoodConditionError::MoreThanAll { good, total });
        }
        if document.len() != 64 || !document.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(GoodConditionError::NoDocument);
        }
        Ok(Self { good, total, document: document.to_ascii_lowercase() })
    }

    /// SHA-256 of its document, hex.
    pub fn document(&self) -> &str {
        &self.document
    }
}

/// What figures are computed over.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The period; see [`MachineTotals::cells_of`] for what it may be.
    pub period: Period,
    /// The cuts the totals were made with.
    pub cuts: &'a Cuts,
    /// Hash of the statements behind the figures, hex; see [`Kpi::statements`].
    pub statements: Option<&'a str>,
    /// Machines in good condition, if anybody declared them.
    pub good_condition: Option<&'a GoodCondition>,
}

/// Every figure over the machines, in the order of the definitions.
pub fn kpis(scope: Scope<'_>, machines: &[Subject<'_>]) -> Vec<Kpi> {
    let sums = Sums::of(scope, machines);
    crate::definition::all().map(|d| one(scope, machines, &sums, d)).collect()
}

/// One figure over the machines.
pub fn kpi(scope: Scope<'_>, machines: &[Subject<'_>], id: KpiId) -> Kpi {
    one(scope, machines, &Sums::of(scope, machines), id.definition())
}

/// Times of each machine over the period: most figures ask for them.
struct Sums(Vec<Times>);

impl Sums {
    fn of(scope: Scope<'_>, machines: &[Subject<'_>]) -> Self {
        Self(machines.iter().map(|m| m.totals.times(scope.cuts, m.calendar, scope.period)).collect())
    }
}

fn one(scope: Scope<'_>, machines: &[Subject<'_>], sums: &Sums, definition: &Definition) -> Kpi {
    let boundary = Boundary::of(scope, definition.id, machines, sums);
    let mut kpi = boundary.blank(definition);
    if boundary.inside.is_empty() {
        let reason = if machines.is_empty() { Undefined::NoMachines } else { Undefined::NotMeasured };
        kpi.value = Figure::Undefined { reason };
        return kpi;
    }
    let family = Family::of(definition.id);
    if family.is_planned(definition.id) && !boundary.times.is_dated() {
        kpi.value = Figure::Undefined { reason: Undefined::NoCalendar };
        return kpi;
    }
    match family {
        Family::Share => boundary.share(&mut kpi),
        Family::Part => boundary.part(&mut kpi),
        Family::Fault => boundary.fault(&mut kpi),
        Family::Order => boundary.order(&mut kpi),
        Family::Register => boundary.register(&mut kpi),
        Family::Connection => boundary.connection(&mut kpi),
        Family::Declared => boundary.good_condition(&mut kpi),
    }
    kpi
}

/// How a figure is formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Share,
    Part,
    Fault,
    Order,
    Register,
    Connection,
    Declared,
}

impl Family {
    const fn of(id: KpiId) -> Self {
        match id {
            KpiId::PowerOnRate
            | KpiId::Availability
            | KpiId::Utilization
            | KpiId::Technical
            | KpiId::Allocation
            | KpiId::SetupRate
            | KpiId::CorrectiveMaintenance
            | KpiId::UtilCalendar
            | KpiId::UtilShift
            | KpiId::ShopAvailability
            | KpiId::RunRate
            | KpiId::SpindleRate
            | KpiId::CuttingRate
            | KpiId::CuttingRateApt => Self::Share,
            KpiId::Effectiveness
            | KpiId::Performance
            | KpiId::Quality
            | KpiId::Oee
            | KpiId::Nee
            | KpiId::Teep
            | KpiId::PartsOutsidePlan => Self::Part,
            KpiId::Mtbf | KpiId::Mttr => Self::Fault,
            KpiId::ProductionProcess | KpiId::AllocationRatio | KpiId::Throughput => Self::Order,
            KpiId::Energy | KpiId::EnergyPerPart | KpiId::ComprehensiveEnergy => Self::Register,
            KpiId::ConnectionRate
            | KpiId::ConnectionRateAll
            | KpiId::ConnectionRateDue
            | KpiId::ConnectionRateCalendar
            | KpiId::EverConnected
            | KpiId::Acquisition => Self::Connection,
            KpiId::GoodCondition => Self::Declared,
        }
    }

    /// Whether the figure rests on planned time, so that a day without a calendar leaves it without a value.
    const fn is_planned(self, id: KpiId) -> bool {
        match self {
            Self::Share => !matches!(
                id,
                KpiId::PowerOnRate
                    | KpiId::UtilCalendar
                    | KpiId::RunRate
                    | KpiId::SpindleRate
                    | KpiId::CuttingRate
                    | KpiId::CuttingRateApt
            ),
            Self::Connection => {
                !matches!(id, KpiId::ConnectionRateCalendar | KpiId::EverConnected | KpiId::Acquisition)
            }
            Self::Part | Self::Fault | Self::Order => true,
            Self::Register | Self::Declared => false,
        }
    }

    /// Whether it asks for states.
    const fn is_of_states(self) -> bool {
        matches!(self, Self::Share | Self::Part | Self::Fault | Self::Order)
    }
}

/// The machines that count in one figure.
struct Boundary<'a> {
    scope: Scope<'a>,
    inside: Vec<Subject<'a>>,
    excluded: Vec<Excluded>,
    /// Sum over the machines.
    times: Times,
    /// By machine.
    by_machine: Vec<Times>,
    all: usize,
}

impl<'a> Boundary<'a> {
    fn of(scope: Scope<'a>, id: KpiId, machines: &[Subject<'a>], sums: &Sums) -> Self {
        let mut boundary = Self {
            scope,
            inside: Vec::new(),
            excluded: Vec::new(),
            times: Times::default(),
            by_machine: Vec::new(),
            all: machines.len(),
        };
        for (machine, times) in machines.iter().zip(&sums.0) {
            match exclusion(id, machine) {
                None => {
                    boundary.inside.push(*machine);
                    boundary.times += *times;
                    boundary.by_machine.push(*times);
                }
                Some(reason) => {
                    boundary.excluded.push(Excluded { machine: machine.id.to_owned(), reason });
                }
            }
        }
        boundary
    }

    fn blank(&self, d: &Definition) -> Kpi {
        let mut mappings: Vec<String> = self.inside.iter().map(|m| m.mapping.to_owned()).collect();
        mappings.sort_unstable();
        mappings.dedup();
        Kpi {
            id: d.id,
            name_zh: d.zh,
            name_en: d.en,
            formula: d.formula,
            unit: d.unit,
            better: d.better,
            value: Figure::Undefined { reason: Undefined::NoTime },
            numerator: None,
            denominator: None,
            machines: self.inside.iter().map(|m| m.id.to_owned()).collect(),
            excluded: self.excluded.clone(),
            findings: Vec::new(),
            period: self.scope.period,
            coverage: Rational::zero(),
            class: self.class(),
            provisional: false,
            calendar: self.calendars(),
            mappings,
            statements: self.scope.statements.map(str::to_owned),
            method: crate::METHOD_VERSION,
        }
    }

    /// How directly the states are measured: the worst machine decides.
    fn class(&self) -> EvidenceClass {
        self.inside.iter().map(|m| m.feeds.class()).max().unwrap_or(EvidenceClass::D)
    }

    /// Calendars of its machines and their versions in force in the period.
    fn calendars(&self) -> String {
        let mut versions: Vec<String> =
            self.inside.iter().map(|m| m.calendar.version_in(self.scope.period)).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.join(", ")
    }

    /// Coverage and the provisional mark of a figure that rests on states.
    fn measured_by_states(&self, kpi: &mut Kpi) {
        let t = &self.times;
        kpi.coverage = ratio(t.calendar_ms - t.calendar_unknown_ms, t.calendar_ms);
        let (n, d) = PROVISIONAL_ABOVE;
        kpi.provisional = u128::from(t.unknown_ms) * u128::from(d) > u128::from(t.pbt_ms) * u128::from(n);
    }

    /// A finding of each machine that `found` holds for.
    fn find(&self, kpi: &mut Kpi, kind: FindingKind, found: impl Fn(&Subject<'_>, &Times) -> bool) {
        for (machine, times) in self.inside.iter().zip(&self.by_machine) {
            if found(machine, times) {
                kpi.findings.push(Finding { machine: Some(machine.id.to_owned()), kind });
            }
        }
    }

    fn amount(&self, quantity: Quantity) -> AmountBounds {
        let Scope { cuts, period, .. } = self.scope;
        let each = self.inside.iter().map(|machine| machine.totals.amount(cuts, quantity, period));
        sum(each)
    }

    /// A part quantity as far as it lies in planned busy time.
    fn busy_amount(&self, quantity: Quantity) -> AmountBounds {
        let Scope { cuts, period, .. } = self.scope;
        sum(self.inside.iter().map(|machine| machine.totals.busy_amount(cuts, quantity, period)))
    }

    fn good_condition(&self, kpi: &mut Kpi) {
        kpi.class = EvidenceClass::D;
        let Some(declared) = self.scope.good_condition else {
            kpi.value = Figure::Undefined { reason: Undefined::NotDeclared };
            return;
        };
        kpi.value =
            figure(Rational::ratio(declared.good, declared.total).map(Bounds::point), Undefined::NoMachines);
        let machines = |symbol, n: u32| exact_term(symbol, "machines", n);
        kpi.numerator = Some(machines("good", declared.good));
        kpi.denominator = Some(machines("all", declared.total));
        if usize::try_from(declared.total) != Ok(self.all) {
            kpi.findings.push(Finding { machine: None, kind: FindingKind::RosterTotalDiffers });
        }
    }

    fn count(&self) -> u128 {
        self.inside.len().try_into().unwrap_or(u128::MAX)
    }
}

fn sum(each: impl Iterator<Item = AmountBounds>) -> AmountBounds {
    let mut sum = AmountBounds { upper: Some(0), ..AmountBounds::default() };
    for one in each {
        sum.lower += one.lower;
        sum.upper = sum.upper.zip(one.upper).map(|(a, b)| a + b);
        sum.covered_s += one.covered_s;
        sum.integrated |= one.integrated;
    }
    sum
}

fn exclusion(id: KpiId, machine: &Subject<'_>) -> Option<Exclusion> {
    let measures = |quantity| machine.totals.measures(quantity);
    let parts = measures(Quantity::Parts) || measures(Quantity::GoodParts);
    let kind = machine.totals.kind();
    match id {
        _ if Family::of(id).is_of_states() && kind != MachineKind::Machine => Some(Exclusion::NoStates),
        KpiId::SpindleRate if !machine.feeds.spindle => Some(Exclusion::NoSpindlePoint),
        KpiId::CuttingRate | KpiId::CuttingRateApt if !machine.feeds.cutting => {
            Some(Exclusion::NoCuttingPoint)
        }
        KpiId::Effectiveness
        | KpiId::Performance
        | KpiId::Quality
        | KpiId::Throughput
        | KpiId::PartsOutsidePlan
            if !measures(Quantity::Parts) =>
        {
            Some(Exclusion::NoPartRegister)
        }
        KpiId::Quality | KpiId::Oee | KpiId::Nee | KpiId::Teep if !measures(Quantity::GoodParts) => {
            Some(Exclusion::NoGoodPartRegister)
        }
        KpiId::Energy
        | KpiId::EnergyPerPart
        | KpiId::ComprehensiveEnergy
        | KpiId::ConnectionRateDue
        | KpiId::Acquisition
            if kind == MachineKind::Listed =>
        {
            Some(Exclusion::NotMeasured)
        }
        KpiId::Energy | KpiId::EnergyPerPart | KpiId::ComprehensiveEnergy if !measures(Quantity::Energy) => {
            Some(Exclusion::NoEnergyRegister)
        }
        KpiId::EnergyPerPart if !parts => Some(Exclusion::NoPartRegister),
        KpiId::ComprehensiveEnergy if !measures(Quantity::Parts) => Some(Exclusion::NoPartRegister),
        KpiId::ConnectionRate | KpiId::ConnectionRateCalendar | KpiId::EverConnected if !machine.digital => {
            Some(Exclusion::NotDigital)
        }
        _ => None,
    }
}

fn figure(bounds: Option<Bounds>, otherwise: Undefined) -> Figure {
    match bounds {
        Some(Bounds { lower, upper }) => Figure::Interval { lower, upper },
        None => Figure::Undefined { reason: otherwise },
    }
}

fn time_term(symbol: &'static str, lower: u64, unknown: u64) -> Term {
    Term {
        symbol,
        unit: "ms",
        lower: Rational::integer(lower),
        upper: Some(Rational::integer(lower + unknown)),
    }
}

fn exact_term(symbol: &'static str, unit: &'static str, value: impl Into<BigInt>) -> Term {
    let value = Rational::integer(value);
    Term { symbol, unit, upper: Some(value.clone()), lower: value }
}

fn amount_term(symbol: &'static str, unit: &'static str, amount: &AmountBounds) -> Term {
    Term { symbol, unit, lower: Rational::integer(amount.lower), upper: amount.upper.map(Rational::integer) }
}

/// A ratio whose denominator is zero only when there is nothing to speak of.
fn ratio(n: impl Into<BigInt>, d: impl Into<BigInt>) -> Rational {
    Rational::ratio(n, d).unwrap_or_else(Rational::zero)
}

#[cfg(test)]
mod tests;

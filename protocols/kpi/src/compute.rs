//! From totals to figures: sums over the machines of a boundary first, one division at the end, never an
//! average of ratios. The boundary of each figure follows from the roster, never from what the data hold.

use num_bigint::BigInt;

use crate::calendar::Calendar;
use crate::chain::Quantity;
use crate::connect;
use crate::definition::{Definition, KpiId};
use crate::figure::{EvidenceClass, Excluded, Exclusion, Figure, Kpi, Term, Undefined};
use crate::iso::{self, Bounds};
use crate::period::{Cuts, Period};
use crate::rational::Rational;
use crate::times::Times;
use crate::totals::{AmountBounds, MachineKind, MachineTotals};

/// Above this share of unknown busy time a figure is provisional: 1/20.
const PROVISIONAL_ABOVE: (u64, u64) = (1, 20);
/// mWh in a kWh.
const MWH_PER_KWH: u32 = 1_000_000;

/// A machine of a boundary.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Machine id.
    pub id: &'a str,
    /// Its totals.
    pub totals: &'a MachineTotals,
    /// Roster: a digital machine (NC machine, robot, equipment with a data interface).
    pub digital: bool,
    /// How directly its state is measured.
    pub class: EvidenceClass,
    /// Hash of its state mapping, hex.
    pub mapping: &'a str,
    /// The calendar its totals were made with.
    pub calendar: &'a Calendar,
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
}

/// Every figure over the machines, in the order of the definitions.
pub fn kpis(scope: Scope<'_>, machines: &[Subject<'_>]) -> Vec<Kpi> {
    crate::definition::all().map(|d| kpi(scope, machines, d)).collect()
}

fn kpi(scope: Scope<'_>, machines: &[Subject<'_>], definition: &Definition) -> Kpi {
    let boundary = Boundary::of(definition.id, machines);
    let mut kpi = boundary.blank(scope, definition);
    if boundary.inside.is_empty() {
        let reason = if machines.is_empty() { Undefined::NoMachines } else { Undefined::NotMeasured };
        kpi.value = Figure::Undefined { reason };
        return kpi;
    }
    match definition.id {
        KpiId::PowerOnRate | KpiId::Availability | KpiId::Utilization | KpiId::Technical => {
            boundary.time_share(scope, &mut kpi);
        }
        KpiId::Energy => boundary.energy(scope, &mut kpi),
        KpiId::EnergyPerPart => boundary.energy_per_part(scope, &mut kpi),
        KpiId::ConnectionRate | KpiId::ConnectionRateAll => boundary.connection(scope, &mut kpi),
        _ => {}
    }
    kpi
}

struct Boundary<'a> {
    inside: Vec<Subject<'a>>,
    excluded: Vec<Excluded>,
}

impl<'a> Boundary<'a> {
    fn of(id: KpiId, machines: &[Subject<'a>]) -> Self {
        let mut boundary = Self { inside: Vec::new(), excluded: Vec::new() };
        for machine in machines {
            match exclusion(id, machine) {
                None => boundary.inside.push(*machine),
                Some(reason) => {
                    boundary.excluded.push(Excluded { machine: machine.id.to_owned(), reason });
                }
            }
        }
        boundary
    }

    fn blank(&self, scope: Scope<'_>, d: &Definition) -> Kpi {
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
            period: scope.period,
            coverage: Rational::zero(),
            class: self.inside.iter().map(|m| m.class).max().unwrap_or(EvidenceClass::D),
            provisional: false,
            calendar: self.calendars(scope.period),
            mappings,
            statements: scope.statements.map(str::to_owned),
            method: crate::METHOD_VERSION,
        }
    }

    /// Calendars of its machines and their versions in force in a period.
    fn calendars(&self, period: Period) -> String {
        let mut versions: Vec<String> = self.inside.iter().map(|m| m.calendar.version_in(period)).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.join(", ")
    }

    fn times(&self, scope: Scope<'_>) -> Times {
        let mut times = Times::default();
        for machine in &self.inside {
            times += machine.totals.times(scope.cuts, machine.calendar, scope.period);
        }
        times
    }

    fn time_share(&self, scope: Scope<'_>, kpi: &mut Kpi) {
        let t = self.times(scope);
        let (part, whole, u) = (t.apt_ms, "PBT", t.unknown_ms);
        let (bounds, numerator, denominator) = match kpi.id {
            KpiId::PowerOnRate => {
                let u = t.calendar_unknown_ms;
                (iso::power_on(&t), term("on", t.on_ms, u), term("calendar", t.calendar_ms, 0))
            }
            KpiId::Availability => (iso::availability(&t), term("APT", part, u), term(whole, t.pbt_ms, 0)),
            KpiId::Utilization => (iso::utilization(&t), term("APT", part, u), term("AUBT", t.aubt_ms(), u)),
            _ => (iso::technical(&t), term("APT", part, u), term("APT + ADET", part + t.adet_ms, u)),
        };
        kpi.value = figure(bounds);
        (kpi.numerator, kpi.denominator) = (Some(numerator), Some(denominator));
        kpi.coverage = ratio(t.calendar_ms - t.calendar_unknown_ms, t.calendar_ms);
        let (n, d) = PROVISIONAL_ABOVE;
        kpi.provisional = u128::from(t.unknown_ms) * u128::from(d) > u128::from(t.pbt_ms) * u128::from(n);
    }

    fn energy(&self, scope: Scope<'_>, kpi: &mut Kpi) {
        let energy = self.amount(scope, Quantity::Energy);
        let kwh = |mwh: u128| ratio(mwh, MWH_PER_KWH);
        kpi.value = Figure::Interval { lower: kwh(energy.lower), upper: energy.upper.map(kwh) };
        kpi.numerator = Some(amount_term("E", "mWh", &energy));
        self.measured_by_register(scope, kpi, &energy);
    }

    fn energy_per_part(&self, scope: Scope<'_>, kpi: &mut Kpi) {
        let good = self.inside.iter().all(|m| m.totals.measures(Quantity::GoodParts));
        let (quantity, symbol) = if good { (Quantity::GoodParts, "GQ") } else { (Quantity::Parts, "PQ") };
        let energy = self.amount(scope, Quantity::Energy);
        let parts = self.amount(scope, quantity);
        let lower = parts.upper.map_or(Some(Rational::zero()), |most| per_part(energy.lower, most));
        kpi.value = match lower {
            Some(lower) => {
                Figure::Interval { lower, upper: energy.upper.and_then(|most| per_part(most, parts.lower)) }
            }
            None => Figure::Undefined { reason: Undefined::NoOutput },
        };
        kpi.numerator = Some(amount_term("E", "mWh", &energy));
        kpi.denominator = Some(amount_term(symbol, "pcs", &parts));
        let covered_s = energy.covered_s.min(parts.covered_s);
        let integrated = energy.integrated || parts.integrated;
        self.measured_by_register(scope, kpi, &AmountBounds { covered_s, integrated, ..energy });
    }

    /// A register is read from its meter whatever feeds the machine's state, so its class does not depend on it.
    fn measured_by_register(&self, scope: Scope<'_>, kpi: &mut Kpi, amount: &AmountBounds) {
        kpi.class = if amount.integrated { EvidenceClass::C } else { EvidenceClass::B };
        kpi.coverage = ratio(amount.covered_s, u128::from(scope.period.seconds()) * self.count());
        let (n, d) = PROVISIONAL_ABOVE;
        let open = Rational::integer(1).0 - &kpi.coverage.0;
        kpi.provisional = open > ratio(n, d).0;
    }

    fn amount(&self, scope: Scope<'_>, quantity: Quantity) -> AmountBounds {
        let Scope { cuts, period, .. } = scope;
        let mut sum = AmountBounds { upper: Some(0), ..AmountBounds::default() };
        for machine in &self.inside {
            let one = machine.totals.amount(cuts, quantity, period);
            sum.lower += one.lower;
            sum.upper = sum.upper.zip(one.upper).map(|(a, b)| a + b);
            sum.covered_s += one.covered_s;
            sum.integrated |= one.integrated;
        }
        sum
    }

    fn connection(&self, scope: Scope<'_>, kpi: &mut Kpi) {
        let (mut lower, mut upper, mut days, mut signed_ms) = (0, 0, 0, 0u64);
        for machine in &self.inside {
            let one = connect::days(machine.totals, scope.cuts, machine.calendar, scope.period);
            // A machine that the roster calls not digital stands in the denominator of all machines only, and one
            // that nothing measures is not connected.
            if machine.digital && machine.totals.kind() != MachineKind::Listed {
                lower += one.lower;
                upper += one.upper;
            }
            days += one.days;
            let cells = machine.totals.cells_of(scope.cuts, scope.period).filter_map(|(_, cell)| cell);
            signed_ms += cells.map(|c| c.counted_ms + c.down_ms).sum::<u64>();
        }
        let bounds = Rational::ratio(lower, days).zip(Rational::ratio(upper, days));
        kpi.value = figure(bounds.map(|(lower, upper)| Bounds { lower, upper }));
        let days_term = |symbol, lower: u64, upper: u64| Term {
            symbol,
            unit: "machine-days",
            lower: Rational::integer(lower),
            upper: Some(Rational::integer(upper)),
        };
        kpi.numerator = Some(days_term("connected", lower, upper));
        kpi.denominator = Some(days_term("machines × days", days, days));
        kpi.coverage = ratio(signed_ms, u128::from(scope.period.ms()) * self.count());
    }

    fn count(&self) -> u128 {
        self.inside.len().try_into().unwrap_or(u128::MAX)
    }
}

fn exclusion(id: KpiId, machine: &Subject<'_>) -> Option<Exclusion> {
    let measures = |quantity| machine.totals.measures(quantity);
    let parts = measures(Quantity::Parts) || measures(Quantity::GoodParts);
    let kind = machine.totals.kind();
    let of_times =
        matches!(id, KpiId::PowerOnRate | KpiId::Availability | KpiId::Utilization | KpiId::Technical);
    match id {
        _ if of_times && kind != MachineKind::Machine => Some(Exclusion::NoStates),
        KpiId::Energy | KpiId::EnergyPerPart if kind == MachineKind::Listed => Some(Exclusion::NotMeasured),
        KpiId::Energy | KpiId::EnergyPerPart if !measures(Quantity::Energy) => {
            Some(Exclusion::NoEnergyRegister)
        }
        KpiId::EnergyPerPart if !parts => Some(Exclusion::NoPartRegister),
        KpiId::ConnectionRate if !machine.digital => Some(Exclusion::NotDigital),
        _ => None,
    }
}

fn figure(bounds: Option<Bounds>) -> Figure {
    match bounds {
        Some(Bounds { lower, upper }) => Figure::Interval { lower, upper: Some(upper) },
        None => Figure::Undefined { reason: Undefined::NoTime },
    }
}

fn term(symbol: &'static str, lower: u64, unknown: u64) -> Term {
    Term {
        symbol,
        unit: "ms",
        lower: Rational::integer(lower),
        upper: Some(Rational::integer(lower + unknown)),
    }
}

fn amount_term(symbol: &'static str, unit: &'static str, amount: &AmountBounds) -> Term {
    Term { symbol, unit, lower: Rational::integer(amount.lower), upper: amount.upper.map(Rational::integer) }
}

fn per_part(mwh: u128, parts: u128) -> Option<Rational> {
    Rational::ratio(mwh, BigInt::from(parts) * MWH_PER_KWH)
}

/// A ratio whose denominator is zero only when there is nothing to speak of.
fn ratio(n: impl Into<BigInt>, d: impl Into<BigInt>) -> Rational {
    Rational::ratio(n, d).unwrap_or_else(Rational::zero)
}

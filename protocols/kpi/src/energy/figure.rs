//! A figure of energy as it is shown: never a bare number, but with its factors and their status, what was and was
//! not added, boundary, period, coverage, evidence class, interval and method version.

use serde::Serialize;

use super::comprehensive::{Comprehensive, NotAdded};
use super::declared::{Declared, DeclaredError, DeclaredQuantity, DocumentHash};
use super::definition::EnergyKpi;
use super::factor::{Confidence, FactorUsed, GridRule};
use super::leaf_energy::EnergyByLeaf;
use super::load::Peak;
use super::range::Range;
use super::tariff::{Cost, PricedPeriod};
use super::unit::EnergyUnit;
use crate::definition::Better;
use crate::figure::{EvidenceClass, Figure, Undefined};
use crate::leaf::Leaf;
use crate::period::Period;
use crate::rational::Rational;
use crate::totals::AmountBounds;

/// A figure with more than this share of its time uncovered is provisional: 1/20.
const PROVISIONAL_ABOVE: (u64, u64) = (1, 20);

/// A figure of energy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct EnergyFigure {
    /// Which figure.
    pub id: EnergyKpi,
    /// Chinese name.
    pub name_zh: &'static str,
    /// English name.
    pub name_en: &'static str,
    /// Formula.
    pub formula: &'static str,
    /// Unit of the value; a share is 0 to 1 here and printed times 100 with %.
    pub unit: &'static str,
    /// Which way is better; the other bound decides against a target.
    pub better: Better,
    /// The value.
    pub value: Figure,
    /// Factors and prices it was computed with.
    pub factors: Vec<FactorUsed>,
    /// Worst status of its factors and prices; `null` when it needs none.
    pub confidence: Option<Confidence>,
    /// What its reader must know beside the number: value of electricity, rule, prices, how it was cut.
    pub notes: Vec<Note>,
    /// Meters, machines and accounts that count.
    pub meters: Vec<String>,
    /// Amounts made inside the boundary, listed and not added again.
    pub not_added: Vec<NotAdded>,
    /// Documents it rests on.
    pub documents: Vec<DocumentHash>,
    /// The period.
    pub period: Period,
    /// Share of the period that known differences or bills cover, 0 to 1.
    pub coverage: Rational,
    /// How directly it was measured.
    pub class: EvidenceClass,
    /// Too little of the period is covered: provisional unless its worse bound meets the target.
    pub provisional: bool,
    /// Hash of the statements behind it, hex, as in [`Kpi::statements`](crate::Kpi::statements); set by who verified
    /// them, `null` outside a verified bundle.
    pub statements: Option<String>,
    /// Version of the method.
    pub method: &'static str,
}

/// A remark in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Note {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Note {
    fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    fn confidence(worst: Confidence) -> Self {
        Self::new(worst.zh(), worst.en())
    }
}

/// Machines whose registers a figure of electricity is made of.
#[derive(Clone, Debug)]
pub struct MeasuredOver<'a> {
    /// Their ids.
    pub meters: &'a [String],
    /// Their amount over the period, mWh.
    pub total: &'a AmountBounds,
    /// The period.
    pub period: Period,
}

/// What 综合能耗 is divided by.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Good parts from registers, in pieces.
    Parts(&'a AmountBounds),
    /// A declared quantity.
    Declared(&'a Declared),
}

impl EnergyFigure {
    fn blank(id: EnergyKpi, period: Period, value: Figure) -> Self {
        let definition = id.definition();
        Self {
            id,
            name_zh: definition.name.zh,
            name_en: definition.name.en,
            formula: definition.formula.en,
            unit: definition.unit.en,
            better: definition.better,
            value,
            factors: Vec::new(),
            confidence: None,
            notes: Vec::new(),
            meters: Vec::new(),
            not_added: Vec::new(),
            documents: Vec::new(),
            period,
            coverage: Rational::zero(),
            class: EvidenceClass::D,
            provisional: false,
            statements: None,
            method: crate::METHOD_VERSION,
        }
    }

    fn covered(mut self, coverage: Rational) -> Self {
        let (n, d) = PROVISIONAL_ABOVE;
        let open = Rational::integer(1).0 - &coverage.0;
        self.provisional = Rational::ratio(n, d).is_some_and(|limit| open > limit.0);
        self.coverage = coverage;
        self
    }

    fn of_sum(id: EnergyKpi, period: Period, sum: &Comprehensive, value: Figure) -> Self {
        let mut factors: Vec<FactorUsed> = Vec::new();
        for line in &sum.lines {
            if !factors.contains(&line.factor) {
                factors.push(line.factor.clone());
            }
        }
        let mut notes = vec![Note::confidence(sum.confidence)];
        if let Some(basis) = sum.basis {
            notes.push(Note::new(
                format!("电力按{}折算", basis.zh()),
                format!("electricity by its {}", basis.en()),
            ));
        }
        Self {
            factors,
            confidence: Some(sum.confidence),
            notes,
            meters: sum.lines.iter().map(|line| line.meter.clone()).collect(),
            not_added: sum.not_added.clone(),
            documents: sum.documents.clone(),
            class: sum.class,
            ..Self::blank(id, period, value)
        }
        .covered(sum.coverage.clone())
    }

    /// 综合能耗, tce.
    pub fn comprehensive(sum: &Comprehensive, period: Period) -> Self {
        let tce = sum.total.times(&thousandth());
        Self::of_sum(EnergyKpi::Comprehensive, period, sum, interval(tce))
    }

    /// 综合能耗 divided by output. Measured output that may be nothing leaves no upper bound, none at all leaves no
    /// value; a declared nothing is refused.
    pub fn per_output(
        sum: &Comprehensive,
        period: Period,
        output: Output<'_>,
    ) -> Result<Self, DeclaredError> {
        let (id, energy, whole) = match output {
            Output::Parts(parts) => (EnergyKpi::PerPart, sum.total.clone(), Range::of_bounds(parts)),
            Output::Declared(declared) => {
                let whole = Range::point(declared.amount(period)?);
                let (id, by) = match declared.what {
                    DeclaredQuantity::GoodParts { .. } => (EnergyKpi::PerPart, Rational::integer(1)),
                    DeclaredQuantity::Mass { .. } => (EnergyKpi::PerKilogram, Rational::integer(1)),
                    DeclaredQuantity::OutputValue { .. } => (EnergyKpi::PerOutputValue, thousandth()),
                    DeclaredQuantity::ValueAdded { .. } => (EnergyKpi::PerValueAdded, thousandth()),
                };
                (id, sum.total.times(&by), whole)
            }
        };
        let value = Range::figure(energy.over(&whole), Undefined::NoOutput);
        let mut figure = Self::of_sum(id, period, sum, value);
        match output {
            Output::Parts(parts) if parts.integrated => figure.class = figure.class.max(EvidenceClass::C),
            Output::Parts(_) => {}
            Output::Declared(declared) => {
                figure.class = EvidenceClass::D;
                figure.documents.push(declared.document.clone());
                if let DeclaredQuantity::OutputValue { price_year, .. }
                | DeclaredQuantity::ValueAdded { price_year, .. } = declared.what
                {
                    figure.notes.push(Note::new(
                        format!("按 {price_year} 年价格"),
                        format!("in prices of {price_year}"),
                    ));
                }
            }
        }
        Ok(figure)
    }

    /// CO2 of purchased electricity, kg.
    pub fn co2(sum: &Comprehensive, period: Period, rule: GridRule) -> Self {
        let mut figure = Self::of_sum(EnergyKpi::Co2Electricity, period, sum, interval(sum.total.clone()));
        figure.notes.push(Note::new(rule.zh(), rule.en()));
        figure
    }

    fn measured(id: EnergyKpi, over: &MeasuredOver<'_>, value: Figure) -> Self {
        let machines = u64::try_from(over.meters.len()).unwrap_or(u64::MAX);
        let whole = u128::from(over.period.seconds()) * u128::from(machines);
        let coverage = Rational::ratio(over.total.covered_s, whole).unwrap_or_else(Rational::zero);
        let class = if over.total.integrated { EvidenceClass::C } else { EvidenceClass::B };
        Self { meters: over.meters.to_vec(), class, ..Self::blank(id, over.period, value) }.covered(coverage)
    }

    /// Peak demand, kW.
    pub fn peak(over: &MeasuredOver<'_>, peak: &Peak, interval_s: i64, slide_s: i64) -> Self {
        let mut figure = Self::measured(EnergyKpi::PeakDemand, over, interval(peak.kw.clone()));
        figure.notes.push(Note::new(
            format!("需量周期 {interval_s} s，滑差 {slide_s} s；{} 个周期无上界", peak.open),
            format!(
                "demand interval {interval_s} s, slide {slide_s} s; {} intervals without an upper bound",
                peak.open
            ),
        ));
        figure
    }

    /// Energy while idle, kWh. `class` is that of the states.
    pub fn idle(over: &MeasuredOver<'_>, leaves: &EnergyByLeaf, class: EvidenceClass) -> Self {
        let per_kwh = EnergyUnit::MilliwattHour.in_base().0 / EnergyUnit::KilowattHour.in_base().0;
        let kwh = leaves.of(Leaf::Idle).times(&Rational(per_kwh));
        let figure = Self::measured(EnergyKpi::Idle, over, interval(kwh));
        Self { class: figure.class.max(class), ..figure }
    }

    /// Share of energy while idle. `class` is that of the states.
    pub fn idle_share(over: &MeasuredOver<'_>, leaves: &EnergyByLeaf, class: EvidenceClass) -> Self {
        let value = Range::figure(leaves.share(Leaf::Idle, over.total), Undefined::NoEnergy);
        let figure = Self::measured(EnergyKpi::IdleShare, over, value);
        Self { class: figure.class.max(class), ..figure }
    }

    /// Time-of-use cost in yuan: whole fen, rounded once.
    pub fn cost(over: &MeasuredOver<'_>, cost: &Cost, priced: &PricedPeriod) -> Self {
        let yuan = |fen: i128| Rational(num_rational::BigRational::new(fen.into(), 100.into()));
        let whole = cost.whole_fen();
        let value = Range { lower: yuan(whole.lower), upper: whole.upper.map(yuan) };
        let mut figure = Self::measured(EnergyKpi::TimeOfUseCost, over, interval(value));
        figure.confidence = Some(priced.confidence);
        figure.notes.push(Note::confidence(priced.confidence));
        let sources = priced.sources.join("；");
        figure.notes.push(Note::new(format!("电价依据：{sources}"), format!("tariff: {sources}")));
        figure
    }
}

fn interval(range: Range) -> Figure {
    Figure::Interval { lower: range.lower, upper: range.upper }
}

/// 1/1000: tce in a kgce.
fn thousandth() -> Rational {
    Rational::ratio(1, 1_000).unwrap_or_else(Rational::zero)
}

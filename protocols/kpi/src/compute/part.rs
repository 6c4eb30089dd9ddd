//! Figures of parts and cycles: effectiveness, quality, OEE, NEE, TEEP. Parts are those completed in planned busy
//! time, cycles are declared; a machine without a cycle leaves the figure without a value and is named, because
//! leaving it out instead would make its withdrawal useful.

use super::{Boundary, Scope, Subject, amount_term, figure, time_term};
use crate::chain::Quantity;
use crate::cycle::CycleKind;
use crate::definition::KpiId;
use crate::figure::{EvidenceClass, Figure, FindingKind, Kpi, Term, Undefined};
use crate::iso::{self, Bounds};
use crate::rational::Rational;
use crate::totals::AmountBounds;

impl Boundary<'_> {
    pub(super) fn part(&self, kpi: &mut Kpi) {
        self.measured_by_states(kpi);
        // The registers are read from the machine whatever feeds its state.
        kpi.class = kpi.class.max(EvidenceClass::B);
        let parts_of = |m: &Subject<'_>, quantity| self.scope_busy(m, quantity);
        let outside = |m: &Subject<'_>, quantity| {
            let all = m.totals.amount(self.scope.cuts, quantity, self.scope.period);
            parts_of(m, quantity).upper.is_some_and(|most| all.lower > most)
        };
        let quantity = if is_good(kpi.id) { Quantity::GoodParts } else { Quantity::Parts };
        self.find(kpi, FindingKind::PartsOutsidePlan, |m, _| outside(m, quantity));
        match kpi.id {
            KpiId::Quality => self.quality(kpi),
            KpiId::PartsOutsidePlan => self.outside_plan(kpi),
            _ => self.of_cycles(kpi, quantity),
        }
    }

    /// All parts without those in busy time, each bound where the other is worst for it.
    fn outside_plan(&self, kpi: &mut Kpi) {
        let each = self.inside.iter().map(|m| {
            let all = m.totals.amount(self.scope.cuts, Quantity::Parts, self.scope.period);
            let busy = self.scope_busy(m, Quantity::Parts);
            let lower = busy.upper.map_or(0, |most| all.lower.saturating_sub(most));
            AmountBounds { lower, upper: all.upper.map(|most| most.saturating_sub(busy.lower)), ..all }
        });
        let outside = super::sum(each);
        kpi.value = Figure::Interval { lower: bounds(&outside).lower, upper: bounds(&outside).upper };
        kpi.numerator = Some(amount_term("parts outside PBT", "pcs", &outside));
    }

    fn scope_busy(&self, machine: &Subject<'_>, quantity: Quantity) -> AmountBounds {
        machine.totals.busy_amount(self.scope.cuts, quantity, self.scope.period)
    }

    fn quality(&self, kpi: &mut Kpi) {
        let (good, parts) = (self.busy_amount(Quantity::GoodParts), self.busy_amount(Quantity::Parts));
        kpi.value = figure(iso::quality(&bounds(&good), &bounds(&parts)), Undefined::NoOutput);
        kpi.numerator = Some(amount_term("GQ", "pcs", &good));
        kpi.denominator = Some(amount_term("PQ", "pcs", &parts));
        self.find(kpi, FindingKind::MoreGoodThanParts, |m, _| {
            let most = self.scope_busy(m, Quantity::Parts).upper;
            most.is_some_and(|most| self.scope_busy(m, Quantity::GoodParts).lower > most)
        });
    }

    fn of_cycles(&self, kpi: &mut Kpi, quantity: Quantity) {
        let kind = if kpi.id == KpiId::Performance { CycleKind::Theoretical } else { CycleKind::Planned };
        let each: Vec<Result<Bounds, Undefined>> =
            self.inside.iter().map(|m| work(self.scope, m, kind, quantity)).collect();
        let missing = |m: &Subject<'_>| work(self.scope, m, kind, quantity).err() == Some(Undefined::NoCycle);
        self.find(kpi, FindingKind::CycleMissing, |m, _| missing(m));
        let all = match each.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(all) => all,
            Err(reason) => {
                kpi.value = Figure::Undefined { reason };
                return;
            }
        };
        let t = &self.times;
        let work = all.iter().fold(Bounds::point(Rational::zero()), |sum, one| Bounds {
            lower: sum.lower + one.lower.clone(),
            upper: sum.upper.zip(one.upper.clone()).map(|(a, b)| a + b),
        });
        let open_ms = self.open_ms(quantity);
        let (value, denominator) = match kpi.id {
            KpiId::Oee => (iso::oee(&work, t.pbt_ms, open_ms), time_term("PBT", t.pbt_ms, 0)),
            KpiId::Teep => (iso::oee(&work, t.calendar_ms, open_ms), time_term("calendar", t.calendar_ms, 0)),
            KpiId::Nee => (iso::nee(&work, t, open_ms), time_term("PBT", t.pbt_ms, 0)),
            _ => (iso::effectiveness(&work, t), time_term("APT", t.apt_ms, t.unknown_ms)),
        };
        kpi.value = figure(value, Undefined::NoTime);
        kpi.numerator = Some(work_term(kpi.id, &work));
        kpi.denominator = Some(denominator);
        self.too_fast(kpi, &all);
    }

    /// Effectiveness over 100 % fires on its lower bound, machine by machine, and clips nothing.
    fn too_fast(&self, kpi: &mut Kpi, work: &[Bounds]) {
        let mut of = work.iter();
        let over: Vec<bool> = self
            .by_machine
            .iter()
            .map(|t| of.next().is_some_and(|w| w.lower > Rational::integer(t.apt_ms + t.unknown_ms)))
            .collect();
        let place = |m: &Subject<'_>| self.inside.iter().position(|own| std::ptr::eq(own, m));
        self.find(kpi, FindingKind::EffectivenessAboveOne, |m, _| place(m).is_some_and(|at| over[at]));
    }

    /// Busy time that no known difference of the register covers, ms.
    fn open_ms(&self, quantity: Quantity) -> u64 {
        let machines = self.inside.iter().zip(&self.by_machine);
        machines
            .map(|(m, t)| {
                t.pbt_ms.saturating_sub(self.scope_busy(m, quantity).covered_s.saturating_mul(1000))
            })
            .sum()
    }
}

fn is_good(id: KpiId) -> bool {
    matches!(id, KpiId::Oee | KpiId::Nee | KpiId::Teep)
}

/// Cycle × parts of one machine, ms: each stretch of one cycle by itself.
fn work(
    scope: Scope<'_>,
    machine: &Subject<'_>,
    kind: CycleKind,
    quantity: Quantity,
) -> Result<Bounds, Undefined> {
    let mut sum = Bounds::point(Rational::zero());
    let cycles = machine.cycles.ok_or(Undefined::NoCycle)?;
    for (over, cycle) in cycles.within(kind, scope.period) {
        let cycle = cycle.ok_or(Undefined::NoCycle)?;
        if over.from != scope.period.from && scope.cuts.cell(over.from).from != over.from {
            return Err(Undefined::NoCut);
        }
        let parts = bounds(&machine.totals.busy_amount(scope.cuts, quantity, over));
        sum.lower = sum.lower + parts.lower * cycle.clone();
        sum.upper = sum.upper.zip(parts.upper).map(|(a, b)| a + b * cycle.clone());
    }
    Ok(sum)
}

fn bounds(amount: &AmountBounds) -> Bounds {
    Bounds { lower: Rational::integer(amount.lower), upper: amount.upper.map(Rational::integer) }
}

fn work_term(id: KpiId, work: &Bounds) -> Term {
    let symbol = match id {
        KpiId::Performance => "theoretical cycle × PQ",
        KpiId::Effectiveness => "PRI × PQ",
        _ => "PRI × GQ",
    };
    Term { symbol, unit: "ms", lower: work.lower.clone(), upper: work.upper.clone() }
}

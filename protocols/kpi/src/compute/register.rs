//! Amounts and amounts per part: differences of registers, over all time of the period.

use num_bigint::BigInt;

use super::{Boundary, PROVISIONAL_ABOVE, amount_term, ratio};
use crate::chain::Quantity;
use crate::definition::KpiId;
use crate::figure::{EvidenceClass, Figure, Kpi, Undefined};
use crate::rational::Rational;
use crate::totals::AmountBounds;

/// mWh in a kWh.
const MWH_PER_KWH: u32 = 1_000_000;

impl Boundary<'_> {
    pub(super) fn register(&self, kpi: &mut Kpi) {
        match kpi.id {
            KpiId::Energy => self.energy(kpi),
            KpiId::ComprehensiveEnergy => self.energy_over(kpi, Quantity::Parts, "PQ"),
            _ => {
                let good = self.inside.iter().all(|m| m.totals.measures(Quantity::GoodParts));
                let (quantity, symbol) =
                    if good { (Quantity::GoodParts, "GQ") } else { (Quantity::Parts, "PQ") };
                self.energy_over(kpi, quantity, symbol);
            }
        }
    }

    fn energy(&self, kpi: &mut Kpi) {
        let energy = self.amount(Quantity::Energy);
        let kwh = |mwh: u128| ratio(mwh, MWH_PER_KWH);
        kpi.value = Figure::Interval { lower: kwh(energy.lower), upper: energy.upper.map(kwh) };
        kpi.numerator = Some(amount_term("E", "mWh", &energy));
        self.measured_by_register(kpi, &energy);
    }

    fn energy_over(&self, kpi: &mut Kpi, quantity: Quantity, symbol: &'static str) {
        let energy = self.amount(Quantity::Energy);
        let parts = self.amount(quantity);
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
        self.measured_by_register(kpi, &AmountBounds { covered_s, integrated, ..energy });
    }

    /// A register is read from its meter whatever feeds the machine's state, so its class does not depend on it.
    fn measured_by_register(&self, kpi: &mut Kpi, amount: &AmountBounds) {
        kpi.class = if amount.integrated { EvidenceClass::C } else { EvidenceClass::B };
        kpi.coverage = ratio(amount.covered_s, u128::from(self.scope.period.seconds()) * self.count());
        let (n, d) = PROVISIONAL_ABOVE;
        kpi.provisional = Rational::integer(1) - kpi.coverage.clone() > ratio(n, d);
    }
}

fn per_part(mwh: u128, parts: u128) -> Option<Rational> {
    Rational::ratio(mwh, BigInt::from(parts) * MWH_PER_KWH)
}

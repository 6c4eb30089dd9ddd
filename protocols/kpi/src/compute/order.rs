//! Figures over order execution time (AOET), which the plan states: production process ratio, allocation ratio and
//! throughput. What is above the line is measured, what is below is declared.

use super::{Boundary, amount_term, exact_term, figure, time_term};
use crate::chain::Quantity;
use crate::definition::KpiId;
use crate::figure::{EvidenceClass, Figure, Kpi, Undefined};
use crate::iso::{self, Bounds};
use crate::rational::Rational;

/// Milliseconds in an hour.
const MS_PER_HOUR: u32 = 3_600_000;

impl Boundary<'_> {
    pub(super) fn order(&self, kpi: &mut Kpi) {
        self.measured_by_states(kpi);
        // The denominator is somebody's word.
        kpi.class = EvidenceClass::D;
        let t = &self.times;
        let Some(aoet_ms) = t.stated_aoet_ms() else {
            kpi.value = Figure::Undefined { reason: Undefined::NoOrders };
            return;
        };
        kpi.denominator = Some(exact_term("AOET", "ms", aoet_ms));
        if kpi.id == KpiId::Throughput {
            let parts = self.busy_amount(Quantity::Parts);
            let an_hour =
                |pieces: u128| Rational::ratio(pieces, aoet_ms).map(|r| r * Rational::integer(MS_PER_HOUR));
            let bounds =
                an_hour(parts.lower).map(|lower| Bounds { lower, upper: parts.upper.and_then(an_hour) });
            kpi.value = figure(bounds, Undefined::NoOrders);
            kpi.numerator = Some(amount_term("PQ", "pcs", &parts));
            return;
        }
        // Production without an order is no part of any order.
        let ordered_ms = t.apt_ms - t.producing_unordered_ms;
        let (symbol, part_ms) = match kpi.id {
            KpiId::ProductionProcess => ("APT", ordered_ms),
            _ => ("AUBT", ordered_ms + t.aust_ms + t.adet_ms),
        };
        kpi.value = figure(iso::of_orders(part_ms, t), Undefined::NoOrders);
        kpi.numerator = Some(time_term(symbol, part_ms, t.unknown_ms));
    }
}

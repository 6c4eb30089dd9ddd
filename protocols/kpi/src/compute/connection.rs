//! The connection rates: machine-days connected over machine-days.

use super::{Boundary, Scope, figure, ratio};
use crate::connect;
use crate::figure::{Kpi, Term, Undefined};
use crate::iso::Bounds;
use crate::rational::Rational;
use crate::totals::MachineKind;

impl Boundary<'_> {
    pub(super) fn connection(&self, kpi: &mut Kpi) {
        let Scope { cuts, period, .. } = self.scope;
        let (mut lower, mut upper, mut days, mut signed_ms) = (0, 0, 0, 0u64);
        for machine in &self.inside {
            let one = connect::days(machine.totals, cuts, machine.calendar, period);
            // A machine that the roster calls not digital stands in the denominator of all machines only, and one
            // that nothing measures is not connected.
            if machine.digital && machine.totals.kind() != MachineKind::Listed {
                lower += one.lower;
                upper += one.upper;
            }
            days += one.days;
            let cells = machine.totals.cells_of(cuts, period).filter_map(|(_, cell)| cell);
            signed_ms += cells.map(|c| c.counted_ms + c.down_ms).sum::<u64>();
        }
        let bounds = Rational::ratio(lower, days).zip(Rational::ratio(upper, days));
        let bounds = bounds.map(|(lower, upper)| Bounds { lower, upper: Some(upper) });
        kpi.value = figure(bounds, Undefined::NoTime);
        let days_term = |symbol, lower: u64, upper: u64| Term {
            symbol,
            unit: "machine-days",
            lower: Rational::integer(lower),
            upper: Some(Rational::integer(upper)),
        };
        kpi.numerator = Some(days_term("connected", lower, upper));
        kpi.denominator = Some(days_term("machines × days", days, days));
        kpi.coverage = ratio(signed_ms, u128::from(period.ms()) * self.count());
    }
}

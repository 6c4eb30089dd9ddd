//! The connection rates: machine-days connected over machine-days, machines that ever were connected, and how much
//! of what is required was acquired.

use super::{Boundary, Scope, Subject, figure, ratio};
use crate::connect::{self, DayCount};
use crate::definition::KpiId;
use crate::figure::{Kpi, Term, Undefined};
use crate::iso::Bounds;
use crate::rational::Rational;
use crate::totals::MachineKind;

impl Boundary<'_> {
    pub(super) fn connection(&self, kpi: &mut Kpi) {
        match kpi.id {
            KpiId::EverConnected => self.ever_connected(kpi),
            KpiId::Acquisition => self.acquisition(kpi),
            _ => self.connected_days(kpi),
        }
        let Scope { cuts, period, .. } = self.scope;
        let cells =
            self.inside.iter().flat_map(|m| m.totals.cells_of(cuts, period).filter_map(|(_, cell)| cell));
        let signed_ms = cells.map(|c| c.counted_ms + c.down_ms).sum::<u64>();
        kpi.coverage = ratio(signed_ms, u128::from(period.ms()) * self.count());
    }

    fn connected_days(&self, kpi: &mut Kpi) {
        let mut sum = DayCount::default();
        for machine in &self.inside {
            let days = self.days(machine);
            sum += if kpi.id == KpiId::ConnectionRateCalendar { days.calendar } else { days.planned };
        }
        share(kpi, [sum.lower, sum.upper, sum.days], "machine-days", ["connected", "machines × days"]);
    }

    fn ever_connected(&self, kpi: &mut Kpi) {
        let ever = self.inside.iter().map(|machine| self.days(machine).calendar.ever());
        let (mut lower, mut upper, mut all) = (0, 0, 0);
        for (certain, possible) in ever {
            lower += u64::from(certain);
            upper += u64::from(possible);
            all += 1;
        }
        share(kpi, [lower, upper, all], "machines", ["ever connected", "machines"]);
    }

    fn acquisition(&self, kpi: &mut Kpi) {
        let Scope { cuts, period, .. } = self.scope;
        let each = self.inside.iter().map(|machine| connect::acquired(machine.totals, cuts, period));
        let sums = each.fold([0, 0, 0], |[lower, upper, all], one| {
            [lower + one.lower_ms, upper + one.upper_ms, all + one.required_ms]
        });
        share(kpi, sums, "ms", ["acquired", "quantities × period"]);
    }

    /// A machine that the roster calls not digital stands in the denominators that ask for it only, and one that
    /// nothing measures is not connected.
    fn days(&self, machine: &Subject<'_>) -> connect::ConnectedDays {
        let Scope { cuts, period, .. } = self.scope;
        let mut days = connect::days(machine.totals, cuts, machine.calendar, period);
        if !machine.digital || machine.totals.kind() == MachineKind::Listed {
            for count in [&mut days.planned, &mut days.calendar] {
                (count.lower, count.upper) = (0, 0);
            }
        }
        days
    }
}

fn share(kpi: &mut Kpi, [lower, upper, all]: [u64; 3], unit: &'static str, [part, whole]: [&'static str; 2]) {
    let bounds = Rational::ratio(lower, all).zip(Rational::ratio(upper, all));
    let bounds = bounds.map(|(lower, upper)| Bounds { lower, upper: Some(upper) });
    kpi.value = figure(bounds, Undefined::NoTime);
    let term = |symbol, lower: u64, upper: u64| Term {
        symbol,
        unit,
        lower: Rational::integer(lower),
        upper: Some(Rational::integer(upper)),
    };
    kpi.numerator = Some(term(part, lower, upper));
    kpi.denominator = Some(term(whole, all, all));
}

//! Shares of time: every figure that is one time over another. Unknown time goes where it hurts or helps most.

use super::{Boundary, figure, time_term};
use crate::definition::KpiId;
use crate::figure::{FindingKind, Kpi, Term, Undefined};
use crate::iso::{self, Bounds};
use crate::totals::Cell;

/// Value, numerator and denominator.
type Shared = (Option<Bounds>, Term, Term);

impl Boundary<'_> {
    pub(super) fn share(&self, kpi: &mut Kpi) {
        let (bounds, numerator, denominator) = self.shared(kpi.id);
        kpi.value = figure(bounds, Undefined::NoTime);
        (kpi.numerator, kpi.denominator) = (Some(numerator), Some(denominator));
        self.measured_by_states(kpi);
        if matches!(kpi.id, KpiId::Availability | KpiId::ShopAvailability) {
            self.find(kpi, FindingKind::ProducedOutsidePlan, |_, t| t.producing_unplanned_ms > 0);
            self.find(kpi, FindingKind::ProducedWithoutOrder, |_, t| t.producing_unordered_ms > 0);
        }
    }

    fn shared(&self, id: KpiId) -> Shared {
        let t = &self.times;
        let (u, all_u) = (t.unknown_ms, t.calendar_unknown_ms);
        let busy = |symbol, ms| time_term(symbol, ms, u);
        let any = |symbol, ms| time_term(symbol, ms, all_u);
        let fixed = |symbol, ms| time_term(symbol, ms, 0);
        match id {
            KpiId::PowerOnRate => (iso::power_on(t), any("on", t.on_ms), fixed("calendar", t.calendar_ms)),
            KpiId::UtilCalendar => {
                (iso::util_calendar(t), any("PRODUCING", t.producing_ms), fixed("calendar", t.calendar_ms))
            }
            KpiId::RunRate => (iso::run_rate(t), any("PRODUCING", t.producing_ms), any("on", t.on_ms)),
            KpiId::SpindleRate => {
                let spindle = self.flag(|cell| cell.spindle_ms);
                (iso::of_power_on(spindle, t), any("spindle", spindle), any("on", t.on_ms))
            }
            KpiId::CuttingRate => {
                let cutting = self.flag(|cell| cell.cutting_ms);
                (iso::of_power_on(cutting, t), any("CUTTING", cutting), any("on", t.on_ms))
            }
            KpiId::CuttingRateApt => {
                let cutting = self.flag(|cell| cell.cutting_ms);
                (iso::of_producing(cutting, t), any("CUTTING", cutting), any("PRODUCING", t.producing_ms))
            }
            KpiId::Utilization => (iso::utilization(t), busy("APT", t.apt_ms), busy("AUBT", t.aubt_ms())),
            KpiId::Technical => {
                (iso::technical(t), busy("APT", t.apt_ms), busy("APT + ADET", t.apt_ms + t.adet_ms))
            }
            KpiId::Allocation => (iso::allocation(t), busy("AUBT", t.aubt_ms()), fixed("PBT", t.pbt_ms)),
            KpiId::SetupRate => (iso::setup_rate(t), busy("AUST", t.aust_ms), busy("AUPT", t.aupt_ms())),
            KpiId::CorrectiveMaintenance => {
                (iso::corrective(t), busy("CMT", t.cmt_ms), busy("CMT + PMT", t.cmt_ms + t.pmt_ms))
            }
            KpiId::UtilShift => (iso::util_shift(t), busy("APT + AUST", t.aupt_ms()), fixed("POT", t.pot_ms)),
            // Availability by either name.
            _ => (iso::availability(t), busy("APT", t.apt_ms), fixed("PBT", t.pbt_ms)),
        }
    }

    /// Time of a flag beside the states, over all calendar time, ms.
    fn flag(&self, of: impl Fn(&Cell) -> u64) -> u64 {
        let crate::Scope { cuts, period, .. } = self.scope;
        let cells =
            self.inside.iter().flat_map(|m| m.totals.cells_of(cuts, period).filter_map(|(_, cell)| cell));
        cells.map(of).sum()
    }
}

//! Everything that is gathered about one machine while the log streams by.

use kpi::totals::{Hole, MachineTotals, Standing};
use kpi::{Calendar, CounterBreak, Cuts, MachineKind, MachineWindow, Period, Quantity, column};

use crate::plausible::{Seen, Watch};
use crate::presence::{How, Tracker};
use crate::roster::{self, Rostered};
use crate::timeline::Gatherer;

/// One machine's totals and presence.
#[derive(Debug)]
pub(crate) struct MachineState {
    pub(crate) totals: MachineTotals,
    pub(crate) tracker: Tracker,
    /// What was planned for it.
    pub(crate) calendar: Calendar,
    /// The roster gives it an independent power point.
    has_power: bool,
}

/// What all machines share.
pub(crate) struct Shared<'a> {
    pub(crate) cuts: &'a Cuts,
    pub(crate) timeline: &'a mut Gatherer,
    pub(crate) watch: &'a mut Watch,
    /// The period asked for; the timeline shows nothing outside it.
    pub(crate) asked: Option<Period>,
    /// Offset of local time, s.
    pub(crate) offset_s: i64,
}

impl Shared<'_> {
    fn shows(&self, over: Period) -> bool {
        self.asked.is_none_or(|asked| asked.overlap(over).is_some())
    }
}

/// A window as it is given to a machine.
pub(crate) struct Given<'a> {
    pub(crate) t: i64,
    pub(crate) window: &'a MachineWindow,
    pub(crate) breaks: &'a [CounterBreak],
    pub(crate) how: How,
    pub(crate) opening: bool,
    pub(crate) resolution_mwh: u64,
}

impl MachineState {
    pub(crate) fn new(own: &Rostered, asked: Option<Period>) -> Self {
        let has_power = own.entry.columns.contains(&column::POWER_MEAN);
        Self {
            totals: roster::totals(&own.entry),
            tracker: Tracker::new(asked),
            calendar: Calendar::Always,
            has_power,
        }
    }

    /// Adds a window. The time that was already added, if it does not follow.
    pub(crate) fn window(
        &mut self,
        place: usize,
        given: &Given<'_>,
        shared: &mut Shared<'_>,
    ) -> Result<(), i64> {
        let over = Period { from: given.t, to: given.t + shared.cuts.step_s() };
        let counted = given.how == How::Present;
        let standing = Standing { counted, opening: given.opening };
        let booked = self
            .totals
            .window(shared.cuts, &self.calendar, given.t, given.window, given.breaks, standing)
            .map_err(|e| e.reach)?;
        self.tracker.tile(over, given.how);
        if shared.shows(over) {
            let unknown = MachineWindow::unknown(u32::try_from(over.ms()).unwrap_or(u32::MAX));
            let has_states = self.totals.kind() == MachineKind::Machine;
            let states = if counted && has_states { &given.window.states_ms } else { &unknown.states_ms };
            shared.timeline.window(place, given.t, states);
            match booked[Quantity::Energy.index()] {
                kpi::chain::Booking::Known { from, to, amount } => {
                    shared.timeline.energy(place, Period { from, to }, Some(amount));
                }
                kpi::chain::Booking::Unknown { from, to, .. } => {
                    shared.timeline.energy(place, Period { from, to }, None);
                }
                kpi::chain::Booking::Nothing => {}
            }
        }
        if counted {
            let day = (given.t + shared.offset_s).div_euclid(kpi::period::DAY_S);
            let resolution_mwh = given.resolution_mwh;
            let power_w = given.window.power_mean_w.filter(|_| self.has_power);
            let seen = Seen { over, window: given.window, booked: &booked, power_w, resolution_mwh };
            shared.watch.window(place, day, &seen);
        }
        Ok(())
    }

    /// Adds a signed stretch without windows.
    pub(crate) fn hole(
        &mut self,
        place: usize,
        hole: Hole,
        over: Period,
        shared: &mut Shared<'_>,
    ) -> Result<(), i64> {
        self.totals.hole(shared.cuts, hole, over.from, over.to).map_err(|e| e.reach)?;
        let how = match hole {
            Hole::Down => How::Down,
            Hole::Loss => How::Lost,
        };
        self.tracker.tile(over, how);
        if hole == Hole::Down
            && let Some(inside) = shared.asked.map_or(Some(over), |asked| asked.overlap(over))
        {
            shared.timeline.down(place, inside);
        }
        Ok(())
    }
}

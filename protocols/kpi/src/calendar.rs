//! What was planned when, machine by machine. Until a signed plan says otherwise every machine is planned busy
//! around the clock with an order, and every figure prints that. A plan comes from [`plan`], statutory holidays
//! from [`holidays`]; [`build`] checks both and makes the calendars of all machines.
//!
//! Nothing here reads a clock or a file, and nothing is guessed: a day for which the holiday data is missing is
//! [`Slot::Undated`], and figures of planned time over it have no value.

pub mod build;
pub mod day;
mod edition;
pub mod holidays;
pub mod plan;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod worked_tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::period::Period;

pub use build::{PlanError, PlannedCalendars, Planning};
pub use day::{Day, Weekday};
pub use edition::ShiftRun;
pub use holidays::{DayKind, HolidayYear};
pub use plan::{Moment, Plan, Version};

use edition::Edition;

/// What the plan says about a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Planned busy, an order is on the machine.
    Ordered = 0,
    /// Planned busy, no order.
    Unordered = 1,
    /// Planned maintenance: operating time outside planned busy time (PMT).
    PlannedMaintenance = 2,
    /// Not scheduled: calendar time outside operating time.
    NotScheduled = 3,
    /// The calendar has no data for this day, so that it says nothing about it.
    Undated = 4,
}

/// Number of slots.
pub const SLOTS: usize = 5;

impl Slot {
    /// All slots in the order of their places in arrays.
    pub const ALL: [Self; SLOTS] =
        [Self::Ordered, Self::Unordered, Self::PlannedMaintenance, Self::NotScheduled, Self::Undated];

    /// Its place in arrays by slot.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it belongs to planned busy time.
    pub const fn is_busy(self) -> bool {
        matches!(self, Self::Ordered | Self::Unordered)
    }
}

/// A stretch of time in one slot. The slots beside it may be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The stretch; the ends of [`Calendar::Always`] are those of `i64`.
    pub over: Period,
    /// Its slot.
    pub slot: Slot,
}

/// All of time.
pub(crate) const EVER: Period = Period { from: i64::MIN, to: i64::MAX };

/// The production calendar of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// Around the clock, seven days a week, always with an order.
    Always,
    /// As planned.
    Planned(Arc<Planned>),
}

/// What was planned for one machine, version by version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// From when which version is in force, ascending; the first begins before all time.
    segments: Vec<(i64, Option<Arc<Edition>>)>,
}

/// Name of the calendar that holds until a plan says otherwise.
const ALWAYS: &str = "default-24/7-with-order/1";

impl Calendar {
    /// The slot of the window that starts at `t`. Slots change on the window grid only.
    pub fn slot(&self, t: i64) -> Slot {
        self.stretch(t).slot
    }

    /// A stretch around `t` over which the slot does not change. A walk over many windows asks again when it
    /// leaves the stretch, not at each window.
    pub fn stretch(&self, t: i64) -> Stretch {
        let Self::Planned(planned) = self else { return Stretch { over: EVER, slot: Slot::Ordered } };
        let (force, edition) = planned.in_force(t);
        let Some(edition) = edition else { return Stretch { over: force, slot: Slot::Ordered } };
        let Stretch { over, slot } = edition.stretch(t);
        Stretch { over: over.overlap(force).unwrap_or(over), slot }
    }

    /// The stretches that make up a period, in order.
    pub fn stretches(&self, period: Period) -> impl Iterator<Item = Stretch> + '_ {
        let mut t = period.from;
        std::iter::from_fn(move || {
            let Stretch { over, slot } = (t < period.to).then(|| self.stretch(t))?;
            let over = over.overlap(Period { from: t, to: period.to })?;
            t = over.to;
            Some(Stretch { over, slot })
        })
    }

    /// Milliseconds of each slot in a period.
    pub fn slots_ms(&self, period: Period) -> [u64; SLOTS] {
        let mut slots_ms = [0; SLOTS];
        for Stretch { over, slot } in self.stretches(period) {
            slots_ms[slot.index()] += over.ms();
        }
        slots_ms
    }

    /// The shifts of a period, in order of time, each cut to the period. None where no shifts are planned.
    pub fn shifts(&self, period: Period) -> Vec<ShiftRun> {
        let mut runs: Vec<ShiftRun> = Vec::new();
        for (force, edition) in self.editions(period) {
            let Some((edition, over)) = edition.zip(force.overlap(period)) else { continue };
            for run in edition.shifts(over) {
                match runs.last_mut() {
                    // A shift that goes on under the next version is one shift.
                    Some(last) if last.goes_on_as(&run) => last.over.to = run.over.to,
                    _ => runs.push(run),
                }
            }
        }
        runs
    }

    /// Milliseconds of a period between start and end of orders, summed over orders (AOET): two at once count
    /// twice. `None` where no plan states orders.
    pub fn orders_ms(&self, period: Period) -> Option<u64> {
        let mut sum = 0;
        for (force, edition) in self.editions(period) {
            let over = force.overlap(period)?;
            sum += edition?.orders_ms(over)?;
        }
        Some(sum)
    }

    /// Names of the versions in force in a period, in order of time, as figures print them.
    pub fn version_in(&self, period: Period) -> String {
        let mut names: Vec<String> = Vec::new();
        for (_, edition) in self.editions(period) {
            let name = edition.map_or_else(|| ALWAYS.to_owned(), Edition::label);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(" → ")
    }

    /// Whether a stretch lies in planned busy time: wholly (`Some(true)`), not at all (`Some(false)`), or in part or
    /// where the calendar has no data (`None`).
    pub fn is_busy(&self, over: Period) -> Option<bool> {
        let (mut busy, mut other) = (false, false);
        for stretch in self.stretches(over) {
            match stretch.slot {
                Slot::Undated => return None,
                slot if slot.is_busy() => busy = true,
                _ => other = true,
            }
        }
        if busy && other { None } else { Some(busy) }
    }

    /// Whether it is the very same calendar.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Always, Self::Always) => true,
            (Self::Planned(a), Self::Planned(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Names of all its versions.
    pub fn version(&self) -> String {
        self.version_in(EVER)
    }

    /// What is in force when, over a period.
    fn editions(&self, period: Period) -> Vec<(Period, Option<&Edition>)> {
        match self {
            Self::Always => vec![(EVER, None)],
            Self::Planned(planned) => planned.within(period),
        }
    }
}

impl Planned {
    fn in_force(&self, t: i64) -> (Period, Option<&Edition>) {
        let after = self.segments.partition_point(|(from, _)| *from <= t);
        let to = self.segments.get(after).map_or(i64::MAX, |(from, _)| *from);
        let (from, edition) = after
            .checked_sub(1)
            .and_then(|i| self.segments.get(i))
            .map_or((i64::MIN, None), |(from, edition)| (*from, edition.as_deref()));
        (Period { from, to }, edition)
    }

    fn within(&self, period: Period) -> Vec<(Period, Option<&Edition>)> {
        let mut all = Vec::new();
        let mut t = period.from;
        while t < period.to {
            let (force, edition) = self.in_force(t);
            all.push((force, edition));
            t = force.to;
        }
        all
    }
}

/// Where a walk over windows stands in a calendar, so that each window need not look its slot up. It belongs to
/// whoever walks and says nothing about what was added, so two walks are always equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place(Option<(Calendar, Stretch)>);

impl Place {
    /// The stretch around `t`.
    pub(crate) fn stretch(&mut self, calendar: &Calendar, t: i64) -> Stretch {
        match &self.0 {
            Some((known, stretch)) if known.is(calendar) && stretch.over.from <= t && t < stretch.over.to => {
                *stretch
            }
            _ => {
                let stretch = calendar.stretch(t);
                self.0 = Some((calendar.clone(), stretch));
                stretch
            }
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

/// The calendars of a project, by machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendars {
    /// None: [`Calendar::Always`] for whatever machine.
    planned: Option<BTreeMap<String, Calendar>>,
}

impl Calendars {
    /// [`Calendar::Always`] for every machine.
    pub const fn always() -> Self {
        Self { planned: None }
    }

    /// The calendar of a machine; none for a machine that the plan was not made for.
    pub fn of(&self, machine: &str) -> Option<&Calendar> {
        match &self.planned {
            None => Some(&Calendar::Always),
            Some(planned) => planned.get(machine),
        }
    }

    /// Refuses a period that holds a day without data.
    pub fn require(&self, period: Period) -> Result<(), PlanError> {
        for (machine, calendar) in self.planned.iter().flatten() {
            let mut stretches = calendar.stretches(period);
            if let Some(undated) = stretches.find(|s| s.slot == Slot::Undated) {
                let day = build::undated_day(calendar, undated.over);
                return Err(PlanError::UnknownHolidayYear { machine: machine.clone(), day });
            }
        }
        Ok(())
    }

    /// Names of all versions of all machines, without repeats.
    pub fn version(&self) -> String {
        let Some(planned) = &self.planned else { return ALWAYS.to_owned() };
        let mut names: Vec<String> = planned.values().map(Calendar::version).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

impl Default for Calendars {
    fn default() -> Self {
        Self::always()
    }
}

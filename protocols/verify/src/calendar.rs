//! The calendars of a project: that of its genesis, and those that plans put in its place. What a plan must keep is
//! checked by `kpi`; here the log's form of a calendar becomes that of `kpi`.
//!
//! A statement's form of a calendar lists its exceptional days itself. A year in which it lists none is unknown: its
//! days are refused, never taken for weekdays.

use std::collections::BTreeSet;

use evidence::payload::{Calendar as Signed, DayKind as SignedKind, Genesis, Shift as SignedShift};
use kpi::calendar::plan::{LocalTime, Maintenance, Moment, Order, Pattern, Plan, PlanDay, Shift, Statutory};
use kpi::calendar::{Day, DayKind, PlanError, PlannedCalendars, Planning, Version, Weekday};
use kpi::{Calendars, Grid};

/// Minutes in a day.
const DAY_MIN: u16 = LocalTime::DAY_MIN;

/// The versions of a project's calendar, in the order of the log.
#[derive(Clone, Debug)]
pub(crate) struct Versions {
    grid: Grid,
    /// Index and id of each machine.
    machines: Vec<(u32, String)>,
    signed: Vec<Version>,
}

impl Versions {
    /// That of a genesis.
    pub(crate) fn new(genesis: &Genesis, grid: Grid) -> Self {
        let machines = genesis.machines.iter().map(|m| (m.index, m.id.clone())).collect();
        let mut all = Self { grid, machines, signed: Vec::new() };
        // Round the clock with an order is what holds without any plan, and is printed as that.
        if genesis.calendar != Signed::default() {
            let plan = all.plan(&genesis.calendar, genesis.calendar.name.clone());
            all.signed.push(Version { effective_from: None, signed_at: Moment(i64::MIN), plan });
        }
        all
    }

    /// The calendars by all versions so far.
    pub(crate) fn calendars(&self) -> Result<PlannedCalendars, PlanError> {
        let machines: Vec<&str> = self.machines.iter().map(|(_, id)| id.as_str()).collect();
        Planning { grid: self.grid, machines: &machines, versions: &self.signed, holidays: &[] }.build()
    }

    /// The calendars with one more version, of this entry of the log; `known_s` is the first moment at which its
    /// statement was certainly there. A version that cannot be used is not kept.
    pub(crate) fn add(
        &mut self,
        calendar: &Signed,
        effective_from: i64,
        known_s: i64,
        entry: u64,
    ) -> Result<PlannedCalendars, PlanError> {
        let plan = self.plan(calendar, format!("{} #{entry}", calendar.name));
        let before = self.signed.last().map_or(i64::MIN, |v| v.signed_at.0);
        let signed_at = Moment(known_s.max(before));
        self.signed.push(Version { effective_from: Some(Moment(effective_from)), signed_at, plan });
        let calendars = self.calendars();
        if calendars.is_err() {
            self.signed.pop();
        }
        calendars
    }

    fn plan(&self, signed: &Signed, name: String) -> Plan {
        let days: Vec<PlanDay> = signed.days.iter().map(day).collect();
        let years: BTreeSet<i32> = days.iter().filter_map(|d| d.date.year()).collect();
        Plan {
            name,
            patterns: vec![Pattern {
                name: signed.name.clone(),
                machines: Vec::new(),
                statutory: Statutory::Observed,
                shifts: signed.shifts.iter().map(shift).collect(),
            }],
            days,
            complete_years: years.into_iter().collect(),
            maintenance: signed.maintenance.iter().map(|m| self.maintenance(m)).collect(),
            always_order: signed.always_order,
            orders: signed.orders.iter().map(|o| self.order(o)).collect(),
        }
    }

    fn maintenance(&self, m: &evidence::payload::Maintenance) -> Maintenance {
        let (from, to) = m.interval;
        Maintenance { machine: m.machine.map(|m| self.id(m)), from: Moment(from), to: Moment(to) }
    }

    fn order(&self, o: &evidence::payload::Order) -> Order {
        let (from, to) = o.interval;
        Order { machine: self.id(o.machine), id: o.id.clone(), from: Moment(from), to: Moment(to) }
    }

    /// A machine's id. An index that no machine has is told as such, and refused as an unknown machine.
    fn id(&self, index: u32) -> String {
        let known = self.machines.iter().find(|(i, _)| *i == index);
        known.map_or_else(|| format!("#{index}"), |(_, id)| id.clone())
    }
}

/// The calendars of a genesis alone: what a project begins with.
pub fn of_genesis(genesis: &Genesis, grid: Grid) -> Result<Calendars, PlanError> {
    Versions::new(genesis, grid).calendars().map(|planned| planned.first_planned)
}

fn day(day: &evidence::payload::CalendarDay) -> PlanDay {
    let kind = match day.kind {
        SignedKind::Holiday => DayKind::Holiday,
        SignedKind::Workday => DayKind::Workday,
    };
    PlanDay { date: Day::from_number(day.day), kind }
}

fn shift(shift: &SignedShift) -> Shift {
    let weekdays = Weekday::ALL.into_iter().enumerate();
    let weekdays = weekdays.filter(|(bit, _)| (shift.weekdays >> bit) & 1 == 1).map(|(_, day)| day).collect();
    // Decoding has refused a shift that begins behind its day or is longer than one.
    let at = |minutes: u16| LocalTime::from_minutes(minutes).unwrap_or(LocalTime::MIDNIGHT);
    let to = if shift.to_min > DAY_MIN { shift.to_min - DAY_MIN } else { shift.to_min };
    Shift { name: shift.name.clone(), weekdays, from: at(shift.from_min), to: at(to) }
}

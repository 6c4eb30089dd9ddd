//! From plans to the calendars of all machines: every rule that a plan must keep is checked here, by name, so
//! that a calendar that exists can be relied on.
//!
//! A version that was signed after it takes effect is retroactive. It replaces nothing: the calendars *as first
//! planned* know at each moment only what had been signed by then, those *as changed* know everything, and
//! figures are shown by both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::day::{Day, Weekday};
use super::edition::{Edition, WeeklyShift};
use super::holidays::{DayKind, HolidayError, HolidayYear, StatutoryDays};
use super::plan::{LocalTime, Moment, Order, Pattern, Plan, Shift, Statutory, Version};
use super::{Calendar, Calendars, Planned};
use crate::period::{Grid, Period};

/// The time with an order, and all orders.
type OrderTimes = (Option<Vec<Period>>, Option<Vec<Period>>);

/// Minutes in a day.
const DAY_MIN: u16 = LocalTime::DAY_MIN;

/// What calendars are made from.
#[derive(Clone, Copy, Debug)]
pub struct Planning<'a> {
    /// Window grid and offset of the project.
    pub grid: Grid,
    /// Ids of its machines.
    pub machines: &'a [&'a str],
    /// Its versions, in the order in which they were signed.
    pub versions: &'a [Version],
    /// Holiday data of the years that are known.
    pub holidays: &'a [HolidayYear],
}

/// The calendars of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCalendars {
    /// At each moment by what had been signed by then.
    pub first_planned: Calendars,
    /// By everything that was signed, if a retroactive version makes a difference: the second row.
    pub as_changed: Option<Calendars>,
}

/// Why no calendar can be made. Each names the plan and what to supply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Versions that do not follow one another as they were signed.
    #[error(
        "plan {plan:?} was signed before {before:?}, which stands ahead of it; give plans in the order in which they were signed"
    )]
    UnsortedVersions {
        /// The plan.
        plan: String,
        /// The one ahead of it.
        before: String,
    },
    /// Two versions of one name.
    #[error("two plans are called {plan:?}; give each edition a name of its own, since figures print it")]
    SameName {
        /// The name.
        plan: String,
    },
    /// A machine that the project does not have.
    #[error(
        "plan {plan:?}: {place} names machine {machine:?}, which the roster does not have; use an id of the roster"
    )]
    UnknownMachine {
        /// The plan.
        plan: String,
        /// Where it is named.
        place: String,
        /// The machine.
        machine: String,
    },
    /// A machine with two patterns.
    #[error("plan {plan:?}: machine {machine:?} has the patterns {first:?} and {second:?}; leave it in one")]
    TwoPatterns {
        /// The plan.
        plan: String,
        /// The machine.
        machine: String,
        /// A pattern.
        first: String,
        /// Another.
        second: String,
    },
    /// A machine without a pattern.
    #[error(
        "plan {plan:?}: no pattern holds for machine {machine:?}; name it in one, or give a pattern without machines for all others"
    )]
    NoPattern {
        /// The plan.
        plan: String,
        /// The machine.
        machine: String,
    },
    /// A shift that begins on no day, or twice on one.
    #[error("plan {plan:?}: shift {shift:?} of pattern {pattern:?} needs its weekdays, each once")]
    ShiftDays {
        /// The plan.
        plan: String,
        /// The pattern.
        pattern: String,
        /// The shift.
        shift: String,
    },
    /// A shift that begins at the end of a day.
    #[error(
        "plan {plan:?}: shift {shift:?} of pattern {pattern:?} begins at 24:00; write 00:00 of the next weekday"
    )]
    ShiftBegin {
        /// The plan.
        plan: String,
        /// The pattern.
        pattern: String,
        /// The shift.
        shift: String,
    },
    /// Shifts that are on at the same time.
    #[error(
        "plan {plan:?}: shifts {first:?} and {second:?} of pattern {pattern:?} overlap on {weekday:?}; end one before the other begins"
    )]
    OverlappingShifts {
        /// The plan.
        plan: String,
        /// The pattern.
        pattern: String,
        /// A shift.
        first: String,
        /// Another; the same name when a shift runs into its own next day.
        second: String,
        /// The day on which both are on. A make-up workday is a Monday.
        weekday: Weekday,
    },
    /// Planned maintenance of a machine at the same time twice.
    #[error(
        "plan {plan:?}: maintenance of machine {machine:?} from {first} and from {second} (UTC s) overlap; state it once"
    )]
    OverlappingMaintenance {
        /// The plan.
        plan: String,
        /// The machine.
        machine: String,
        /// Begin of the first.
        first: i64,
        /// Begin of the second.
        second: i64,
    },
    /// One order on one machine at the same time twice.
    #[error(
        "plan {plan:?}: order {order:?} of machine {machine:?} overlaps itself at {at} (UTC s); state its start and end once"
    )]
    OverlappingOrder {
        /// The plan.
        plan: String,
        /// The machine.
        machine: String,
        /// The order.
        order: String,
        /// Where the second begins, UTC s.
        at: i64,
    },
    /// Something that ends before it begins.
    #[error("plan {plan:?}: {place} from {from} to {to} (UTC s) is empty; its end must lie after its begin")]
    Empty {
        /// The plan.
        plan: String,
        /// What.
        place: String,
        /// Begin, UTC s.
        from: i64,
        /// End, UTC s.
        to: i64,
    },
    /// A boundary inside a window.
    #[error(
        "plan {plan:?}: {place} at {at} is no boundary of a window of {step_s} s; move it to a whole window"
    )]
    Boundary {
        /// The plan.
        plan: String,
        /// Which boundary.
        place: String,
        /// Where: UTC s, or a local time of day.
        at: String,
        /// Window length, s.
        step_s: i64,
    },
    /// An exceptional day that is given twice.
    #[error("plan {plan:?}: day {day} is given twice; state once what it is")]
    DayTwice {
        /// The plan.
        plan: String,
        /// The day.
        day: Day,
    },
    /// A day of a year without holiday data.
    #[error(
        "machine {machine:?} observes statutory holidays, and nothing is known about {day}; supply the holiday data of its year, or state the day in the plan"
    )]
    UnknownHolidayYear {
        /// The machine.
        machine: String,
        /// The first day without data.
        day: Day,
    },
    /// Holiday data that cannot be.
    #[error("holiday data: {0}")]
    Holidays(#[from] HolidayError),
}

impl Planning<'_> {
    /// Checks everything and makes the calendars.
    pub fn build(&self) -> Result<PlannedCalendars, PlanError> {
        let statutory = Arc::new(StatutoryDays::new(self.holidays)?);
        let mut names = BTreeSet::new();
        let mut before: Option<&Version> = None;
        let mut versions = Vec::new();
        for version in self.versions {
            let plan = &version.plan;
            if let Some(before) = before.filter(|b| b.signed_at > version.signed_at) {
                let (plan, before) = (plan.name.clone(), before.plan.name.clone());
                return Err(PlanError::UnsortedVersions { plan, before });
            }
            before = Some(version);
            if !names.insert(&plan.name) {
                return Err(PlanError::SameName { plan: plan.name.clone() });
            }
            if let Some(Moment(at)) = version.effective_from {
                Draft { plan, planning: self }.boundary(at, || "effective_from".to_owned())?;
            }
            versions.push((version, Draft { plan, planning: self }.editions(&statutory)?));
        }
        Ok(self.assemble(&versions))
    }

    fn assemble(&self, versions: &[(&Version, Vec<Arc<Edition>>)]) -> PlannedCalendars {
        let calendars = |known_later: bool| {
            let segments = segments(self.grid, versions, known_later);
            let of = |place: usize| {
                let segments =
                    segments.iter().map(|&(from, v)| (from, v.map(|v| Arc::clone(&versions[v].1[place]))));
                Calendar::Planned(Arc::new(Planned { segments: segments.collect() }))
            };
            let machines = self.machines.iter().enumerate();
            machines.map(|(place, id)| ((*id).to_owned(), of(place))).collect()
        };
        if versions.is_empty() {
            return PlannedCalendars { first_planned: Calendars::always(), as_changed: None };
        }
        let first_planned = Calendars { planned: Some(calendars(false)) };
        let as_changed = Calendars { planned: Some(calendars(true)) };
        let as_changed = (as_changed != first_planned).then_some(as_changed);
        PlannedCalendars { first_planned, as_changed }
    }
}

/// From when which version is in force: of those in effect the one with the latest effective date, and of two with
/// the same date the one that was signed later. A version not yet signed counts only when `known_later`.
fn segments(
    grid: Grid,
    versions: &[(&Version, Vec<Arc<Edition>>)],
    known_later: bool,
) -> Vec<(i64, Option<usize>)> {
    let effect = |v: &Version| v.effective_from.map_or(i64::MIN, |m| m.0);
    let counts_from = |v: &Version| match v.effective_from {
        Some(Moment(from)) if !known_later => from.max(grid.next(v.signed_at.0)),
        _ => effect(v),
    };
    let mut starts: Vec<i64> = versions.iter().map(|(v, _)| counts_from(v)).chain([i64::MIN]).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut segments: Vec<(i64, Option<usize>)> = Vec::new();
    for start in starts {
        let counting = versions.iter().enumerate().filter(|(_, (v, _))| counts_from(v) <= start);
        let in_force = counting.max_by_key(|(place, (v, _))| (effect(v), *place)).map(|(place, _)| place);
        if segments.last().is_none_or(|(_, last)| *last != in_force) {
            segments.push((start, in_force));
        }
    }
    segments
}

/// The first day of a stretch that a calendar knows nothing about.
pub(super) fn undated_day(calendar: &Calendar, over: Period) -> Day {
    let Calendar::Planned(planned) = calendar else { return Day::from_number(0) };
    let (_, edition) = planned.in_force(over.from);
    edition.map_or(Day::from_number(0), |edition| edition.unknown_day(over.from))
}

/// A plan while it is checked.
struct Draft<'a> {
    plan: &'a Plan,
    planning: &'a Planning<'a>,
}

impl Draft<'_> {
    fn name(&self) -> String {
        self.plan.name.clone()
    }

    /// One edition a machine, in their order.
    fn editions(&self, statutory: &Arc<StatutoryDays>) -> Result<Vec<Arc<Edition>>, PlanError> {
        for (place, machine) in self.named() {
            if !self.planning.machines.contains(&machine) {
                let machine = machine.to_owned();
                return Err(PlanError::UnknownMachine { plan: self.name(), place, machine });
            }
        }
        let shifts: Vec<Vec<WeeklyShift>> =
            self.plan.patterns.iter().map(|p| self.shifts(p)).collect::<Result<_, _>>()?;
        let days = Arc::new(self.days()?);
        let mut editions = Vec::new();
        for machine in self.planning.machines {
            let pattern = self.pattern(machine)?;
            let observes = pattern.is_some_and(|p| self.plan.patterns[p].statutory == Statutory::Observed);
            let (ordered, orders) = self.orders(machine)?;
            editions.push(Arc::new(Edition {
                name: self.name(),
                grid: self.planning.grid,
                shifts: pattern.map_or_else(Vec::new, |p| shifts[p].clone()),
                statutory: observes.then(|| Arc::clone(statutory)),
                days: Arc::clone(&days),
                complete_years: self.plan.complete_years.clone(),
                maintenance: self.maintenance(machine)?,
                ordered,
                orders,
            }));
        }
        Ok(editions)
    }

    /// Every machine id that the plan names, and where.
    fn named(&self) -> impl Iterator<Item = (String, &str)> {
        let patterns = self.plan.patterns.iter();
        let patterns =
            patterns.flat_map(|p| p.machines.iter().map(|m| (format!("pattern {:?}", p.name), m.as_str())));
        let maintenance = self.plan.maintenance.iter();
        let maintenance = maintenance
            .filter_map(|m| Some((format!("maintenance from {} (UTC s)", m.from.0), m.machine.as_deref()?)));
        let orders = self.plan.orders.iter().map(|o| (format!("order {:?}", o.id), o.machine.as_str()));
        patterns.chain(maintenance).chain(orders)
    }

    /// Place of the pattern of a machine; none when the plan has no patterns at all.
    fn pattern(&self, machine: &str) -> Result<Option<usize>, PlanError> {
        let patterns = &self.plan.patterns;
        if patterns.is_empty() {
            return Ok(None);
        }
        let mut own = (0..patterns.len()).filter(|&p| patterns[p].machines.iter().any(|m| m == machine));
        let mut others = (0..patterns.len()).filter(|&p| patterns[p].machines.is_empty());
        let (first, second) = match (own.next(), own.next()) {
            (None, _) => (others.next(), others.next()),
            found => found,
        };
        match (first, second) {
            (Some(first), Some(second)) => Err(PlanError::TwoPatterns {
                plan: self.name(),
                machine: machine.to_owned(),
                first: patterns[first].name.clone(),
                second: patterns[second].name.clone(),
            }),
            (None, _) => Err(PlanError::NoPattern { plan: self.name(), machine: machine.to_owned() }),
            (first, None) => Ok(first),
        }
    }

    fn shifts(&self, pattern: &Pattern) -> Result<Vec<WeeklyShift>, PlanError> {
        let shifts: Vec<WeeklyShift> =
            pattern.shifts.iter().map(|s| self.shift(pattern, s)).collect::<Result<_, _>>()?;
        match overlap(&shifts) {
            None => Ok(shifts),
            Some((first, second, weekday)) => Err(PlanError::OverlappingShifts {
                plan: self.name(),
                pattern: pattern.name.clone(),
                first: first.to_owned(),
                second: second.to_owned(),
                weekday,
            }),
        }
    }

    fn shift(&self, pattern: &Pattern, shift: &Shift) -> Result<WeeklyShift, PlanError> {
        let names = || (self.name(), pattern.name.clone(), shift.name.clone());
        let days: BTreeSet<Weekday> = shift.weekdays.iter().copied().collect();
        if days.is_empty() || days.len() != shift.weekdays.len() {
            let (plan, pattern, shift) = names();
            return Err(PlanError::ShiftDays { plan, pattern, shift });
        }
        let (from_min, to) = (shift.from.minutes(), shift.to.minutes());
        if from_min == DAY_MIN {
            let (plan, pattern, shift) = names();
            return Err(PlanError::ShiftBegin { plan, pattern, shift });
        }
        for (which, at) in [("begin", shift.from), ("end", shift.to)] {
            if !self.planning.grid.on(i64::from(at.minutes()) * 60) {
                let place = format!("{which} of shift {:?} of pattern {:?}", shift.name, pattern.name);
                return Err(self.off_grid(place, at.to_string()));
            }
        }
        let to_min = if to > from_min { to } else { to + DAY_MIN };
        Ok(WeeklyShift { name: shift.name.clone(), weekdays: shift.weekdays.clone(), from_min, to_min })
    }

    fn days(&self) -> Result<BTreeMap<Day, DayKind>, PlanError> {
        let mut days = BTreeMap::new();
        for day in &self.plan.days {
            if days.insert(day.date, day.kind).is_some() {
                return Err(PlanError::DayTwice { plan: self.name(), day: day.date });
            }
        }
        Ok(days)
    }

    fn maintenance(&self, machine: &str) -> Result<Vec<Period>, PlanError> {
        let mut own = Vec::new();
        for m in self.plan.maintenance.iter().filter(|m| m.machine.as_deref().is_none_or(|id| id == machine))
        {
            own.push(self.interval(m.from, m.to, || "maintenance".to_owned())?);
        }
        own.sort_unstable();
        match own.windows(2).find(|w| w[1].from < w[0].to) {
            None => Ok(own),
            Some(w) => Err(PlanError::OverlappingMaintenance {
                plan: self.name(),
                machine: machine.to_owned(),
                first: w[0].from,
                second: w[1].from,
            }),
        }
    }

    /// The time with an order, and all orders; none where there always is one, and where none are stated.
    fn orders(&self, machine: &str) -> Result<OrderTimes, PlanError> {
        let mut own: Vec<(&Order, Period)> = Vec::new();
        for order in self.plan.orders.iter().filter(|o| o.machine == machine) {
            let over = self.interval(order.from, order.to, || format!("order {:?}", order.id))?;
            own.push((order, over));
        }
        own.sort_unstable_by_key(|(order, over)| (&order.id, *over));
        if let Some(w) = own.windows(2).find(|w| w[0].0.id == w[1].0.id && w[1].1.from < w[0].1.to) {
            return Err(PlanError::OverlappingOrder {
                plan: self.name(),
                machine: machine.to_owned(),
                order: w[1].0.id.clone(),
                at: w[1].1.from,
            });
        }
        let mut all: Vec<Period> = own.into_iter().map(|(_, over)| over).collect();
        all.sort_unstable();
        let ordered = (!self.plan.always_order).then(|| union(&all));
        let stated = !(self.plan.always_order && all.is_empty());
        Ok((ordered, stated.then_some(all)))
    }

    fn interval(&self, from: Moment, to: Moment, place: impl Fn() -> String) -> Result<Period, PlanError> {
        let (Moment(from), Moment(to)) = (from, to);
        if from >= to {
            return Err(PlanError::Empty { plan: self.name(), place: place(), from, to });
        }
        self.boundary(from, || format!("begin of {}", place()))?;
        self.boundary(to, || format!("end of {}", place()))?;
        Ok(Period { from, to })
    }

    fn boundary(&self, at: i64, place: impl Fn() -> String) -> Result<(), PlanError> {
        if self.planning.grid.on(at) { Ok(()) } else { Err(self.off_grid(place(), format!("{at} (UTC s)"))) }
    }

    fn off_grid(&self, place: String, at: String) -> PlanError {
        PlanError::Boundary { plan: self.name(), place, at, step_s: self.planning.grid.step_s() }
    }
}

/// Two shifts that are on at once. Any day may stand before a make-up workday, which begins like a Monday, and any
/// day may stand behind one; so each day is held against the day after it and against a Monday, and a Monday
/// against each day.
fn overlap(shifts: &[WeeklyShift]) -> Option<(&str, &str, Weekday)> {
    let begin = |day: Weekday| shifts.iter().filter(move |s| s.weekdays.contains(&day));
    for day in Weekday::ALL {
        let today: Vec<&WeeklyShift> = begin(day).collect();
        for (place, one) in today.iter().enumerate() {
            for other in &today[place + 1..] {
                if one.from_min < other.to_min && other.from_min < one.to_min {
                    return Some((&one.name, &other.name, day));
                }
            }
        }
        for before in
            Weekday::ALL.into_iter().filter(|b| b.next() == day || *b == Weekday::Mon || day == Weekday::Mon)
        {
            for night in begin(before).filter(|s| s.to_min > DAY_MIN) {
                if let Some(early) = today.iter().find(|s| s.from_min < night.to_min - DAY_MIN) {
                    return Some((&night.name, &early.name, day));
                }
            }
        }
    }
    None
}

/// Ascending intervals joined where they touch or overlap.
fn union(ascending: &[Period]) -> Vec<Period> {
    let mut joined: Vec<Period> = Vec::new();
    for &over in ascending {
        match joined.last_mut() {
            Some(last) if over.from <= last.to => last.to = last.to.max(over.to),
            _ => joined.push(over),
        }
    }
    joined
}

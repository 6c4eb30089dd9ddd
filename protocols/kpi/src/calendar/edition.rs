//! One version of a plan as it holds for one machine: already checked, and answering for a moment at a time.
//! Everything is decided day by day of the project's offset, so that a day without data never leaks into its
//! neighbours.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::day::{Day, Weekday};
use super::holidays::{DayKind, StatutoryDays};
use super::{EVER, Slot, Stretch};
use crate::period::{DAY_S, Grid, Period};

/// A shift on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ShiftRun {
    /// Name, such as 早班.
    pub name: String,
    /// Production day: the local day on which it begins, also where it ends on the next.
    pub day: Day,
    /// When.
    pub over: Period,
}

impl ShiftRun {
    pub(super) fn goes_on_as(&self, next: &Self) -> bool {
        self.name == next.name && self.day == next.day && self.over.to == next.over.from
    }
}

/// A weekly shift with its times in minutes after the midnight of the day on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WeeklyShift {
    pub(super) name: String,
    pub(super) weekdays: Vec<Weekday>,
    pub(super) from_min: u16,
    /// Over 1440 when it ends on the next day.
    pub(super) to_min: u16,
}

/// One version for one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edition {
    pub(super) name: String,
    pub(super) grid: Grid,
    /// None means around the clock.
    pub(super) shifts: Vec<WeeklyShift>,
    /// Statutory days, if the machine's pattern observes them.
    pub(super) statutory: Option<Arc<StatutoryDays>>,
    /// The plant's own days.
    pub(super) days: Arc<BTreeMap<Day, DayKind>>,
    /// Years that need no statutory days.
    pub(super) complete_years: Vec<i32>,
    /// Ascending, disjoint.
    pub(super) maintenance: Vec<Period>,
    /// With an order, ascending and disjoint; `None` when there always is one.
    pub(super) ordered: Option<Vec<Period>>,
    /// All orders; `None` when the plan states none.
    pub(super) orders: Option<Vec<Period>>,
}

/// Which shifts begin on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    None,
    Of(Weekday),
}

impl Edition {
    pub(super) fn label(&self) -> String {
        match &self.statutory {
            Some(days) if !self.shifts.is_empty() && !days.notices().is_empty() => {
                format!("{} [{}]", self.name, days.notices().join("、"))
            }
            _ => self.name.clone(),
        }
    }

    /// The slot around `t`.
    pub(super) fn stretch(&self, t: i64) -> Stretch {
        let (over, scheduled) = match self.schedule(t) {
            (over, Some(scheduled)) => (over, scheduled),
            (over, None) => return Stretch { over, slot: Slot::Undated },
        };
        let (over, maintained) = narrow(over, &self.maintenance, t);
        if maintained {
            return Stretch { over, slot: Slot::PlannedMaintenance };
        }
        if !scheduled {
            return Stretch { over, slot: Slot::NotScheduled };
        }
        let (over, ordered) = match &self.ordered {
            Some(ordered) => narrow(over, ordered, t),
            None => (over, true),
        };
        Stretch { over, slot: if ordered { Slot::Ordered } else { Slot::Unordered } }
    }

    /// Whether a shift is on at `t`, and the stretch around it within the local day; nothing when that day has no data.
    fn schedule(&self, t: i64) -> (Period, Option<bool>) {
        if self.shifts.is_empty() {
            return (EVER, Some(true));
        }
        let day = Day::of(t, self.grid);
        let from = day.start(self.grid);
        let mut over = Period { from, to: from + DAY_S };
        let Some(today) = self.begin(day) else { return (over, None) };
        // The night shift of the day before may still be on; without data for that day nobody knows.
        let before = match self.begin(day.previous()) {
            Some(before) => before,
            None if t < from + self.spill_s() => {
                return (Period { from, to: from + self.spill_s() }, None);
            }
            None => {
                over.from += self.spill_s();
                Begin::None
            }
        };
        for run in self.on(day.previous(), before).chain(self.on(day, today)) {
            if run.to <= t {
                over.from = over.from.max(run.to);
            } else if run.from > t {
                over.to = over.to.min(run.from);
            } else {
                return (over.overlap(run).unwrap_or(over), Some(true));
            }
        }
        (over, Some(false))
    }

    /// Which shifts begin on a day; nothing when there is no data for it.
    fn begin(&self, day: Day) -> Option<Begin> {
        let own = self.days.get(&day).copied();
        let kind = match (&self.statutory, own) {
            (Some(statutory), None) if statutory.knows(day) => statutory.kind(day),
            (Some(_), None) if !self.complete_years.iter().any(|&year| day.year() == Some(year)) => {
                return None;
            }
            (_, own) => own,
        };
        Some(match kind {
            Some(DayKind::Holiday) => Begin::None,
            Some(DayKind::Workday) => Begin::Of(Weekday::Mon),
            None => Begin::Of(day.weekday()),
        })
    }

    /// Which day it is whose missing data leaves `t` undated.
    pub(super) fn unknown_day(&self, t: i64) -> Day {
        let day = Day::of(t, self.grid);
        if self.begin(day).is_none() { day } else { day.previous() }
    }

    fn beginning(&self, begin: Begin) -> impl Iterator<Item = &WeeklyShift> {
        self.shifts.iter().filter(move |s| matches!(begin, Begin::Of(day) if s.weekdays.contains(&day)))
    }

    fn on(&self, day: Day, begin: Begin) -> impl Iterator<Item = Period> {
        let midnight = day.start(self.grid);
        let at = move |minutes: u16| midnight + i64::from(minutes) * 60;
        self.beginning(begin).map(move |s| Period { from: at(s.from_min), to: at(s.to_min) })
    }

    /// How far any shift reaches into the day after, s.
    fn spill_s(&self) -> i64 {
        self.shifts.iter().map(|s| i64::from(s.to_min) * 60 - DAY_S).max().unwrap_or(0).max(0)
    }

    /// The shifts within a period, cut to it, in order of time. A shift is not cut where its next day has no data.
    pub(super) fn shifts(&self, period: Period) -> Vec<ShiftRun> {
        let mut runs = Vec::new();
        if self.shifts.is_empty() || period.from >= period.to {
            return runs;
        }
        let mut day = Day::of(period.from, self.grid).previous();
        while day.start(self.grid) < period.to {
            let begin = self.begin(day).unwrap_or(Begin::None);
            for (shift, over) in self.beginning(begin).zip(self.on(day, begin)) {
                if let Some(over) = over.overlap(period) {
                    runs.push(ShiftRun { name: shift.name.clone(), day, over });
                }
            }
            day = day.next();
        }
        runs.sort_by_key(|run| run.over.from);
        runs
    }

    pub(super) fn orders_ms(&self, period: Period) -> Option<u64> {
        let orders = self.orders.as_ref()?;
        Some(orders.iter().filter_map(|o| o.overlap(period)).map(Period::ms).sum())
    }
}

/// Whether one of the ascending, disjoint `intervals` holds `t`, and `over` cut to the stretch for which that is so.
fn narrow(over: Period, intervals: &[Period], t: i64) -> (Period, bool) {
    let at = intervals.partition_point(|p| p.to <= t);
    let next = intervals.get(at);
    if let Some(inside) = next.filter(|p| p.from <= t) {
        return (over.overlap(*inside).unwrap_or(over), true);
    }
    let from = at.checked_sub(1).and_then(|i| intervals.get(i)).map_or(over.from, |p| p.to.max(over.from));
    let to = next.map_or(over.to, |p| p.from.min(over.to));
    (Period { from, to }, false)
}

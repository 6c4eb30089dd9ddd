//! 联网率: whether a machine was connected on a day. It was, if a session stood, at least 95 % of the reads that
//! were due were answered, a value changed, and its identity was not seen to differ from the roster.
//!
//! A dead poller never raises the rate: a day without reads due is not connected, signed down time counts as
//! unanswered, and a day with time that nobody signed can be connected in the upper bound only. The test is of
//! whole local days, however they are cut into cells; a machine that is switched off at night answers no reads
//! then, and its day is judged with them.

use crate::calendar::{Calendar, Day, Slot};
use crate::chain::Quantity;
use crate::period::{Cuts, Period};
use crate::totals::{Cell, MachineKind, MachineTotals};

/// Percent of due reads that must be answered.
pub const ANSWERED_PERCENT: u64 = 95;

/// Connected machine-days of some days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayCount {
    /// Days on which the machine was connected for certain.
    pub lower: u64,
    /// Days on which it may have been.
    pub upper: u64,
    /// All days that were asked.
    pub days: u64,
}

impl DayCount {
    fn add(&mut self, (certain, possible): (bool, bool)) {
        self.days += 1;
        self.lower += u64::from(certain);
        self.upper += u64::from(possible);
    }

    /// Whether it was connected on any of them: for certain, and possibly.
    pub const fn ever(self) -> (bool, bool) {
        (self.lower > 0, self.upper > 0)
    }
}

impl std::ops::AddAssign for DayCount {
    fn add_assign(&mut self, other: Self) {
        self.lower += other.lower;
        self.upper += other.upper;
        self.days += other.days;
    }
}

/// Connected days of a machine over a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectedDays {
    /// Of the days with planned busy time.
    pub planned: DayCount,
    /// Of all calendar days.
    pub calendar: DayCount,
    /// Days on which the calendar has time without data: they are never taken for planned or free ones.
    pub undated: u64,
}

/// What one local day adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct DaySum {
    length_ms: u64,
    busy_ms: u64,
    undated_ms: u64,
    counted_ms: u64,
    down_ms: u64,
    reads_expected: u64,
    reads_good: u64,
    changed: u64,
    sessions: u64,
    identity_differs: bool,
}

impl DaySum {
    fn add(&mut self, over: Period, calendar: &Calendar, cell: Option<&Cell>) {
        let slots_ms = calendar.slots_ms(over);
        self.length_ms += over.ms();
        self.busy_ms += slots_ms[Slot::Ordered.index()] + slots_ms[Slot::Unordered.index()];
        self.undated_ms += slots_ms[Slot::Undated.index()];
        let Some(cell) = cell else { return };
        self.counted_ms += cell.counted_ms;
        self.down_ms += cell.down_ms;
        self.reads_expected += cell.reads_expected;
        self.reads_good += cell.reads_good;
        self.changed += cell.changed;
        self.sessions += cell.sessions;
        self.identity_differs |= cell.identity_differs;
    }

    /// Whether the machine was connected: for certain, and possibly.
    fn connected(&self) -> (bool, bool) {
        if self.identity_differs {
            return (false, false);
        }
        if self.counted_ms + self.down_ms < self.length_ms {
            return (false, true);
        }
        let answered = u128::from(self.reads_good) * 100 * u128::from(self.counted_ms)
            >= u128::from(self.reads_expected) * u128::from(ANSWERED_PERCENT) * u128::from(self.length_ms);
        let yes = self.reads_expected > 0 && answered && self.sessions > 0 && self.changed > 0;
        (yes, yes)
    }
}

/// Counts the days of a period. A day that the period cuts counts as a day of the length that is inside.
pub fn days(totals: &MachineTotals, cuts: &Cuts, calendar: &Calendar, period: Period) -> ConnectedDays {
    let mut days = ConnectedDays::default();
    let mut today: Option<(Day, DaySum)> = None;
    for (over, cell) in totals.cells_of(cuts, period) {
        let day = Day::of(over.from, cuts.grid());
        let mut sum = match today.take() {
            Some((same, sum)) if same == day => sum,
            done => {
                days.close(done);
                DaySum::default()
            }
        };
        sum.add(over, calendar, cell);
        today = Some((day, sum));
    }
    days.close(today);
    days
}

impl ConnectedDays {
    fn close(&mut self, day: Option<(Day, DaySum)>) {
        let Some((_, sum)) = day else { return };
        let connected = sum.connected();
        self.calendar.add(connected);
        if sum.undated_ms > 0 {
            self.undated += 1;
        } else if sum.busy_ms > 0 {
            self.planned.add(connected);
        }
    }
}

/// How much of a period the quantities that the roster requires of a machine were acquired by themselves, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acquired {
    /// Time with a known state or a register that was read behind it, summed over quantities.
    pub lower_ms: u64,
    /// The same with the time that nobody signed.
    pub upper_ms: u64,
    /// Quantities × period.
    pub required_ms: u64,
}

/// Sums over the state, if the machine has one, and over each quantity that the roster says it measures. A register
/// that is read again after a gap covers the gap; a state does not.
pub fn acquired(totals: &MachineTotals, cuts: &Cuts, period: Period) -> Acquired {
    let mut acquired = match totals.kind() {
        MachineKind::Machine => acquired_state(totals, cuts, period),
        MachineKind::Meter | MachineKind::Listed => Acquired::default(),
    };
    for quantity in Quantity::ALL.into_iter().filter(|&quantity| totals.measures(quantity)) {
        acquired.lower_ms += totals.amount(cuts, quantity, period).covered_s * 1000;
        acquired.upper_ms += period.ms();
        acquired.required_ms += period.ms();
    }
    acquired
}

/// The same of the state alone.
pub fn acquired_state(totals: &MachineTotals, cuts: &Cuts, period: Period) -> Acquired {
    let (mut known_ms, mut signed_ms) = (0, 0);
    for cell in totals.cells_of(cuts, period).filter_map(|(_, cell)| cell) {
        known_ms += cell.states_ms.iter().flat_map(|leaves| &leaves[1..]).sum::<u64>();
        signed_ms += cell.counted_ms + cell.down_ms + cell.loss_ms;
    }
    let all_ms = period.ms();
    Acquired {
        lower_ms: known_ms,
        upper_ms: known_ms + all_ms.saturating_sub(signed_ms),
        required_ms: all_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::build::Planning;
    use crate::calendar::plan::{LocalTime, Moment, Pattern, Plan, Shift, Statutory, Version};
    use crate::calendar::{Calendars, Weekday};
    use crate::period::{DAY_S, Grid};
    use crate::totals::Standing;
    use crate::window::MachineWindow;

    fn a_good_day() -> DaySum {
        DaySum {
            length_ms: 1000,
            busy_ms: 1000,
            counted_ms: 1000,
            reads_expected: 100,
            reads_good: 95,
            sessions: 1,
            changed: 1,
            ..DaySum::default()
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut DaySum), want: (bool, bool)) {
        let mut day = a_good_day();
        change(&mut day);
        assert_eq!(day.connected(), want);
    }

    #[test]
    fn each_condition_alone_decides() {
        check(|_| {}, (true, true));
        check(|d| d.reads_good = 94, (false, false));
        check(|d| d.sessions = 0, (false, false));
        check(|d| d.changed = 0, (false, false));
        check(|d| d.identity_differs = true, (false, false));
        check(|d| (d.reads_expected, d.reads_good) = (0, 0), (false, false));
    }

    #[test]
    fn time_nobody_signed_leaves_the_day_open_and_never_certain() {
        check(|d| d.counted_ms = 999, (false, true));
        check(|d| (d.counted_ms, d.identity_differs) = (999, true), (false, false));
        check(|d| (d.counted_ms, d.reads_good, d.reads_expected) = (0, 0, 0), (false, true));
    }

    #[test]
    fn signed_down_time_counts_as_unanswered() {
        check(|d| (d.reads_good, d.counted_ms, d.down_ms) = (100, 950, 50), (true, true));
        check(|d| (d.reads_good, d.counted_ms, d.down_ms) = (100, 949, 51), (false, false));
    }

    /// 2026-02-27, a Friday, to 2026-03-02, a Monday: four local days of which two have a shift. 2026-02-28 is a
    /// make-up workday, but this pattern works by the day of the week.
    const FRIDAY: i64 = 1_772_121_600;

    fn weekdays_only() -> Calendars {
        let version = Version {
            effective_from: None,
            signed_at: Moment(0),
            plan: Plan {
                name: "早班".into(),
                patterns: vec![Pattern {
                    name: "全厂".into(),
                    machines: vec![],
                    statutory: Statutory::Worked,
                    shifts: vec![Shift {
                        name: "早班".into(),
                        weekdays: vec![Weekday::Mon, Weekday::Fri],
                        from: LocalTime::from_minutes(480).unwrap(),
                        to: LocalTime::from_minutes(960).unwrap(),
                    }],
                }],
                days: vec![],
                complete_years: vec![],
                maintenance: vec![],
                always_order: true,
                orders: vec![],
            },
        };
        let grid = Grid::new(900, 480).unwrap();
        let (machines, versions) = (["m"], [version]);
        let planning = Planning { grid, machines: &machines, versions: &versions, holidays: &[] };
        planning.build().unwrap().first_planned
    }

    /// Windows that answer every read on the days that `on` names, and none on the others.
    fn totals(cuts: &Cuts, calendar: &Calendar, on: [bool; 4]) -> MachineTotals {
        let mut totals = MachineTotals::new([false; 3]);
        for t in (FRIDAY..FRIDAY + 4 * DAY_S).step_by(900) {
            let day = usize::try_from((t - FRIDAY) / DAY_S).unwrap();
            let mut window = MachineWindow::unknown(900_000);
            window.reads_expected = 10;
            (window.reads_good, window.sessions, window.changed) =
                if on[day] { (10, 1, 1) } else { (0, 0, 0) };
            let standing = Standing { counted: true, opening: false };
            totals.window(cuts, calendar, t, &window, &[], standing).unwrap();
        }
        totals
    }

    #[test]
    fn planned_days_and_calendar_days_are_counted_apart() {
        let calendars = weekdays_only();
        let calendar = calendars.of("m").unwrap();
        let period = Period { from: FRIDAY, to: FRIDAY + 4 * DAY_S };
        let cuts = Cuts::new(900, 480, &[period]).unwrap();
        let totals = totals(&cuts, calendar, [true, true, false, false]);
        let days = days(&totals, &cuts, calendar, period);
        assert_eq!(days.planned, DayCount { lower: 1, upper: 1, days: 2 });
        assert_eq!(days.calendar, DayCount { lower: 2, upper: 2, days: 4 });
        assert_eq!((days.undated, days.planned.ever()), (0, (true, true)));
    }

    #[test]
    fn a_day_cut_at_its_shifts_is_still_one_day() {
        let calendars = weekdays_only();
        let calendar = calendars.of("m").unwrap();
        let period = Period { from: FRIDAY, to: FRIDAY + 4 * DAY_S };
        let whole = Cuts::new(900, 480, &[period]).unwrap();
        let shifts: Vec<Period> = calendar.shifts(period).iter().map(|run| run.over).collect();
        let cut = Cuts::new(900, 480, &shifts).unwrap();
        assert!(cut.cells(period).count() > whole.cells(period).count());
        for on in [[true, false, true, false], [false, true, true, true]] {
            let of = |cuts: &Cuts| days(&totals(cuts, calendar, on), cuts, calendar, period);
            assert_eq!(of(&cut), of(&whole));
        }
    }
}

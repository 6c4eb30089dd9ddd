//! Periods and the cuts between them. Totals are kept per *cell*, the stretch between two neighbouring cuts;
//! cuts are every midnight of the project's fixed offset and the boundaries of the periods that will be asked
//! for. All cuts lie on the window grid, so that no window is ever split.

use serde::{Deserialize, Serialize};

/// Seconds in a day.
pub const DAY_S: i64 = 86_400;

/// Longest period that is cut into days, s: 100 years.
pub const LONGEST_PERIOD_S: i64 = 100 * 366 * DAY_S;
/// No date lies beyond, s; the same bound as for windows.
const LAST_DATE_S: i64 = 1 << 40;

/// A half-open stretch of UTC seconds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Period {
    /// First second, UTC.
    pub from: i64,
    /// The second after the last, UTC.
    pub to: i64,
}

impl Period {
    /// Length in seconds; 0 when it is empty or reversed.
    pub fn seconds(self) -> u64 {
        u64::try_from(self.to.saturating_sub(self.from)).unwrap_or(0)
    }

    /// Length in milliseconds.
    pub fn ms(self) -> u64 {
        self.seconds().saturating_mul(1000)
    }

    /// What both have in common, if anything.
    pub fn overlap(self, other: Self) -> Option<Self> {
        let both = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (both.from < both.to).then_some(both)
    }

    /// Whether `other` lies within.
    pub fn contains(self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

/// The window grid and the fixed offset of local time. Windows start at multiples of the step in UTC, and every
/// local midnight is the start of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    step_s: i64,
    offset_s: i64,
}

impl Grid {
    /// A grid of windows of `step_s` seconds, at an offset in minutes east of UTC (480 for +08:00).
    pub fn new(step_s: u32, offset_min: i32) -> Result<Self, CutError> {
        if step_s == 0 || 3600 % step_s != 0 {
            return Err(CutError::Step(step_s));
        }
        let grid = Self { step_s: i64::from(step_s), offset_s: i64::from(offset_min) * 60 };
        if grid.on(grid.offset_s) { Ok(grid) } else { Err(CutError::Offset { offset_min, step_s }) }
    }

    /// Window length, s.
    pub const fn step_s(self) -> i64 {
        self.step_s
    }

    /// Offset of local time, s east of UTC.
    pub const fn offset_s(self) -> i64 {
        self.offset_s
    }

    /// Whether a window starts at `t`.
    pub const fn on(self, t: i64) -> bool {
        t.rem_euclid(self.step_s) == 0
    }

    /// The first start of a window that is not before `t`.
    pub const fn next(self, t: i64) -> i64 {
        t + (-t).rem_euclid(self.step_s)
    }
}

/// Where time is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuts {
    grid: Grid,
    extra: Vec<i64>,
}

/// Why time cannot be cut so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// The window length does not divide an hour, so days would not start on a window.
    #[error("a window of {0} s does not divide an hour; choose a length such as 1, 5, 10, 30, 60 or 900 s")]
    Step(u32),
    /// Midnight at this offset falls inside a window.
    #[error("an offset of {offset_min} min puts midnight inside a window of {step_s} s")]
    Offset {
        /// Offset of local time, minutes east of UTC.
        offset_min: i32,
        /// Window length, s.
        step_s: u32,
    },
    /// A period's boundary falls inside a window.
    #[error("{at} (UTC s) is no boundary of a window of {step_s} s; move the period to a whole window")]
    Boundary {
        /// The boundary, UTC s.
        at: i64,
        /// Window length, s.
        step_s: u32,
    },
    /// A period longer than any project, or far from any date: most likely milliseconds were given.
    #[error(
        "a period from {from} to {to} (UTC s) is longer than 100 years or no date at all; are these seconds?"
    )]
    Absurd {
        /// First second, UTC.
        from: i64,
        /// The second after the last, UTC.
        to: i64,
    },
    /// A period that ends before it begins.
    #[error("a period from {from} to {to} is empty")]
    Empty {
        /// First second, UTC.
        from: i64,
        /// The second after the last, UTC.
        to: i64,
    },
}

impl Cuts {
    /// Cuts at every local midnight and at both ends of each period.
    pub fn new(step_s: u32, offset_min: i32, periods: &[Period]) -> Result<Self, CutError> {
        let grid = Grid::new(step_s, offset_min)?;
        if let Some(p) = periods.iter().find(|p| p.from >= p.to) {
            return Err(CutError::Empty { from: p.from, to: p.to });
        }
        let dates = -LAST_DATE_S..LAST_DATE_S;
        let sane = |p: &Period| {
            dates.contains(&p.from) && dates.contains(&p.to) && p.to - p.from <= LONGEST_PERIOD_S
        };
        if let Some(p) = periods.iter().find(|p| !sane(p)) {
            return Err(CutError::Absurd { from: p.from, to: p.to });
        }
        let mut extra: Vec<i64> = periods.iter().flat_map(|p| [p.from, p.to]).collect();
        extra.sort_unstable();
        extra.dedup();
        if let Some(&at) = extra.iter().find(|&&t| !grid.on(t)) {
            return Err(CutError::Boundary { at, step_s });
        }
        Ok(Self { grid, extra })
    }

    /// Window length in seconds.
    pub fn step_s(&self) -> i64 {
        self.grid.step_s
    }

    /// The window grid and offset.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The cell that holds `t`.
    pub fn cell(&self, t: i64) -> Period {
        let offset_s = self.grid.offset_s;
        let day = (t + offset_s).div_euclid(DAY_S);
        let mut cell = Period { from: day * DAY_S - offset_s, to: (day + 1) * DAY_S - offset_s };
        let after = self.extra.partition_point(|&cut| cut <= t);
        if let Some(&cut) = after.checked_sub(1).and_then(|i| self.extra.get(i)) {
            cell.from = cell.from.max(cut);
        }
        if let Some(&cut) = self.extra.get(after) {
            cell.to = cell.to.min(cut);
        }
        cell
    }

    /// The cells that make up `period`, in order. A boundary that is no cut takes the cell that holds it whole.
    pub fn cells(&self, period: Period) -> impl Iterator<Item = Period> + '_ {
        let mut t = period.from;
        std::iter::from_fn(move || {
            let cell = (t < period.to).then(|| self.cell(t))?;
            t = cell.to;
            Some(cell)
        })
    }

    /// Whether `period` is made of whole cells.
    pub fn can_answer(&self, period: Period) -> bool {
        period.from < period.to
            && self.cell(period.from).from == period.from
            && self.cell(period.to - 1).to == period.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHANGHAI: i32 = 480;

    #[test]
    fn a_day_is_cut_at_midnight_of_the_projects_offset() {
        let cuts = Cuts::new(60, SHANGHAI, &[]).unwrap();
        // 2024-02-29T00:00+08:00 is 2024-02-28T16:00Z.
        let midnight = 1_709_136_000;
        assert_eq!(cuts.cell(midnight), Period { from: midnight, to: midnight + DAY_S });
        assert_eq!(cuts.cell(midnight - 1).to, midnight);
    }

    #[test]
    fn the_ends_of_a_period_cut_the_day_they_fall_in() {
        let period = Period { from: 3600, to: DAY_S + 7200 };
        let cuts = Cuts::new(60, 0, &[period]).unwrap();
        let cells: Vec<_> = cuts.cells(period).collect();
        assert_eq!(cells, [Period { from: 3600, to: DAY_S }, Period { from: DAY_S, to: DAY_S + 7200 }]);
        assert!(cuts.can_answer(period));
        assert!(!cuts.can_answer(Period { from: 3600, to: DAY_S + 3600 }));
    }

    #[test]
    fn what_would_split_a_window_is_refused() {
        let step = Cuts::new(7, 0, &[]);
        assert_eq!(step, Err(CutError::Step(7)));
        assert_eq!(Cuts::new(0, 0, &[]), Err(CutError::Step(0)));
        assert_eq!(Cuts::new(900, 5, &[]), Err(CutError::Offset { offset_min: 5, step_s: 900 }));
        let boundary = Cuts::new(60, 0, &[Period { from: 0, to: 61 }]);
        assert_eq!(boundary, Err(CutError::Boundary { at: 61, step_s: 60 }));
        for (from, to) in [(1_767_196_800_000, 1_798_732_800_000), (-1, i64::MAX), (i64::MIN, i64::MAX)] {
            let refused = Cuts::new(60, 0, &[Period { from, to }]);
            assert!(matches!(refused, Err(CutError::Absurd { .. })), "{from} {to}");
        }
        assert_eq!(
            Cuts::new(60, 0, &[Period { from: 60, to: 60 }]),
            Err(CutError::Empty { from: 60, to: 60 })
        );
    }
}

//! Load curve and demand peak from register differences: mean power over stretches of time, never a power reading.
//!
//! A difference that lies wholly inside a stretch counts there. One that crosses its boundary (a bridged gap) may
//! lie on either side and widens both; where nothing bounds the register, nothing bounds the demand. A peak is
//! therefore an interval, and its upper end is what a claim has to live with.

use crate::chain::Booking;
use crate::period::{Grid, Period};
use crate::rational::Rational;

use super::range::Range;

/// The demand interval of the utility's meters, s.
pub const QUARTER_HOUR_S: i64 = 900;
/// mWh in a kWh.
const MWH_PER_KWH: u64 = 1_000_000;
/// Seconds in an hour.
const HOUR_S: u64 = 3_600;

/// Why there is no such curve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The stretches do not fit the window grid, the clock or each other.
    #[error(
        "a {what} of {seconds} s does not fit windows of {step_s} s; choose a multiple of them that divides a day, \
         such as 900 s"
    )]
    Length {
        /// Which stretch.
        what: &'static str,
        /// Its length, s.
        seconds: i64,
        /// Window length, s.
        step_s: i64,
    },
    /// The period does not begin and end on the local clock's grid of the demand interval.
    #[error(
        "the period from {from} to {to} (UTC s) does not begin and end on whole intervals of {seconds} s; move it"
    )]
    Period {
        /// First second, UTC.
        from: i64,
        /// The second after the last, UTC.
        to: i64,
        /// Length of the interval, s.
        seconds: i64,
    },
    /// Curves over different time cannot be added.
    #[error(
        "load curves over different periods or window lengths cannot be added; make them over one period"
    )]
    Differs,
}

/// Register differences of one or more machines on the window grid over one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadCurve {
    period: Period,
    grid: Grid,
    machines: u64,
    /// One a window.
    cells: Vec<Cell>,
    /// Differences over more than one window.
    bridges: Vec<Bridge>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    /// Differences within the window, mWh.
    sum: u64,
    /// Machines whose difference covers exactly this window.
    covered: u64,
}

/// A known difference over another stretch than one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bridge {
    over: Period,
    amount: u64,
}

/// Energy over one demand interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The interval.
    pub over: Period,
    /// Least energy, mWh.
    pub lower_mwh: u128,
    /// Greatest energy, mWh; `None` when some machine's register does not bound it.
    pub upper_mwh: Option<u128>,
}

impl Demand {
    /// Mean power over the interval, kW.
    pub fn kw(&self) -> Range {
        let kw = |mwh: u128| {
            let n = num_bigint::BigInt::from(mwh) * HOUR_S;
            Rational::ratio(n, MWH_PER_KWH * self.over.seconds()).unwrap_or_else(Rational::zero)
        };
        Range { lower: kw(self.lower_mwh), upper: self.upper_mwh.map(kw) }
    }
}

/// The greatest demand of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peak {
    /// kW.
    pub kw: Range,
    /// The earliest interval whose least demand is greatest.
    pub at: Period,
    /// Intervals that nothing bounds from above.
    pub open: usize,
}

impl LoadCurve {
    /// An empty curve of one machine. The period lies on the window grid.
    pub fn new(period: Period, grid: Grid) -> Result<Self, LoadError> {
        let step = grid.step_s();
        let Period { from, to } = period;
        if from >= to || !grid.on(from) || !grid.on(to) {
            return Err(LoadError::Period { from, to, seconds: step });
        }
        let windows = usize::try_from((to - from) / step).unwrap_or(0);
        Ok(Self { period, grid, machines: 1, cells: vec![Cell::default(); windows], bridges: Vec::new() })
    }

    /// Adds what a window booked. Unknown amounts leave their time uncovered, which bounds nothing.
    pub fn book(&mut self, booking: Booking) {
        let Booking::Known { from, to, amount } = booking else { return };
        let over = Period { from, to };
        if self.period.overlap(over).is_none() {
            return;
        }
        let one = over.seconds() == self.grid.step_s().unsigned_abs() && self.grid.on(from);
        match usize::try_from((from - self.period.from) / self.grid.step_s()) {
            Ok(at) if one && from >= self.period.from => {
                if let Some(cell) = self.cells.get_mut(at) {
                    cell.sum = cell.sum.saturating_add(amount);
                    cell.covered += 1;
                }
            }
            _ => self.bridges.push(Bridge { over, amount }),
        }
    }

    /// Adds the curve of other machines.
    pub fn add(&mut self, other: &Self) -> Result<(), LoadError> {
        if (self.period, self.grid) != (other.period, other.grid) {
            return Err(LoadError::Differs);
        }
        for (own, others) in self.cells.iter_mut().zip(&other.cells) {
            own.sum = own.sum.saturating_add(others.sum);
            own.covered += others.covered;
        }
        self.bridges.extend_from_slice(&other.bridges);
        self.bridges.sort_unstable();
        self.machines += other.machines;
        Ok(())
    }

    /// Energy over each interval of `interval_s`, one beginning every `slide_s`. Both equal: blocks on the local
    /// clock. A utility's meter often slides by a minute (滑差), which finds a greater peak than blocks do.
    pub fn demands(&self, interval_s: i64, slide_s: i64) -> Result<Vec<Demand>, LoadError> {
        self.check("demand interval", interval_s)?;
        self.check("slide of the demand interval", slide_s)?;
        let Period { from, to } = self.period;
        let on_clock = |t: i64| (t + self.grid.offset_s()).rem_euclid(slide_s) == 0;
        if !on_clock(from) || !on_clock(to) || to - from < interval_s {
            return Err(LoadError::Period { from, to, seconds: interval_s });
        }
        let prefix = self.prefix_sums();
        let count = (to - from - interval_s) / slide_s + 1;
        let bridges = BridgeSums::new(&self.bridges, from, interval_s, slide_s, count);
        let each = (0..count).map(|at| {
            let start = from + at * slide_s;
            let over = Period { from: start, to: start + interval_s };
            let (sum, covered_s) = self.between(&prefix, over);
            let (inside, touching, bridged_s) = bridges.at(at);
            let covered = covered_s + bridged_s == u128::from(over.seconds()) * u128::from(self.machines);
            Demand { over, lower_mwh: sum + inside, upper_mwh: covered.then_some(sum + touching) }
        });
        Ok(each.collect())
    }

    /// The greatest demand; see [`Self::demands`].
    pub fn peak(&self, interval_s: i64, slide_s: i64) -> Result<Peak, LoadError> {
        let demands = self.demands(interval_s, slide_s)?;
        let Some(first) = demands.first() else {
            let Period { from, to } = self.period;
            return Err(LoadError::Period { from, to, seconds: interval_s });
        };
        let highest =
            demands.iter().fold(first, |high, d| if d.lower_mwh > high.lower_mwh { d } else { high });
        let upper = demands.iter().map(|d| d.upper_mwh).try_fold(0, |most, upper| Some(most.max(upper?)));
        let peak = Demand { upper_mwh: upper, ..highest.clone() };
        let open = demands.iter().filter(|d| d.upper_mwh.is_none()).count();
        Ok(Peak { kw: peak.kw(), at: highest.over, open })
    }

    fn check(&self, what: &'static str, seconds: i64) -> Result<(), LoadError> {
        let step_s = self.grid.step_s();
        if seconds > 0 && seconds % step_s == 0 && crate::period::DAY_S % seconds == 0 {
            Ok(())
        } else {
            Err(LoadError::Length { what, seconds, step_s })
        }
    }

    /// Energy and covered seconds before each window.
    fn prefix_sums(&self) -> Vec<(u128, u128)> {
        let step = u128::from(self.grid.step_s().unsigned_abs());
        let mut sums = vec![(0, 0)];
        let (mut energy, mut covered) = (0u128, 0u128);
        for cell in &self.cells {
            energy += u128::from(cell.sum);
            covered += u128::from(cell.covered) * step;
            sums.push((energy, covered));
        }
        sums
    }

    fn between(&self, prefix: &[(u128, u128)], over: Period) -> (u128, u128) {
        let at = |t: i64| {
            let place = usize::try_from((t - self.period.from) / self.grid.step_s()).unwrap_or(0);
            prefix.get(place).copied().unwrap_or_default()
        };
        let (before, after) = (at(over.from), at(over.to));
        (after.0 - before.0, after.1 - before.1)
    }
}

/// For each interval: energy of bridges wholly inside, energy of those that touch it, and seconds they cover of it.
struct BridgeSums {
    inside: Vec<u128>,
    touching: Vec<u128>,
    seconds: Vec<u128>,
}

impl BridgeSums {
    fn new(bridges: &[Bridge], from: i64, interval_s: i64, slide_s: i64, count: i64) -> Self {
        let length = usize::try_from(count).unwrap_or(0);
        let mut sums = Self { inside: vec![0; length], touching: vec![0; length], seconds: vec![0; length] };
        for bridge in bridges {
            let amount = u128::from(bridge.amount);
            // The first interval that ends after the bridge begins, to the last that begins before it ends.
            let first = (bridge.over.from - from - interval_s).div_euclid(slide_s) + 1;
            let last = (bridge.over.to - from - 1).div_euclid(slide_s);
            for at in first.max(0)..=last.min(count - 1) {
                let start = from + at * slide_s;
                let interval = Period { from: start, to: start + interval_s };
                let (Ok(place), Some(both)) = (usize::try_from(at), interval.overlap(bridge.over)) else {
                    continue;
                };
                sums.touching[place] += amount;
                sums.seconds[place] += u128::from(both.seconds());
                if both == bridge.over {
                    sums.inside[place] += amount;
                }
            }
        }
        sums
    }

    fn at(&self, at: i64) -> (u128, u128, u128) {
        let place = usize::try_from(at).unwrap_or(usize::MAX);
        let get = |sums: &[u128]| sums.get(place).copied().unwrap_or_default();
        (get(&self.inside), get(&self.touching), get(&self.seconds))
    }
}

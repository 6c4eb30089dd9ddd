//! States and energy over time, coarse enough to draw. Cells are as wide as the window at first and double
//! together whenever they become too many, so that memory does not grow with the length of the evidence and
//! the result does not depend on the order in which machines come.

use kpi::Period;
use serde::Serialize;

/// How many cells a machine has at most.
pub const MOST_CELLS: i64 = 480;

/// States and energy of every machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Timeline {
    /// The stretch drawn.
    pub period: Option<Period>,
    /// Width of a cell, s.
    pub cell_s: i64,
    /// One row a machine, in the order of the roster.
    pub rows: Vec<TimelineRow>,
}

/// One machine's row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TimelineRow {
    /// Machine id.
    pub machine: String,
    /// Cells in order of time; what no window and no down time covers is missing in its cell.
    pub cells: Vec<TimelineCell>,
}

/// What one machine did in one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TimelineCell {
    /// First second.
    pub from: i64,
    /// The second after the last.
    pub to: i64,
    /// Milliseconds in each leaf state, by leaf number. Windows that do not count are UNKNOWN.
    pub states_ms: [u64; 9],
    /// Signed down time.
    pub down_ms: u64,
    /// Time nobody signed, losses included.
    pub missing_ms: u64,
    /// Energy, mWh: least and greatest; `null` when there is no figure.
    pub energy_mwh: Option<EnergyCell>,
}

/// Energy in one cell, mWh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct EnergyCell {
    /// Least energy.
    pub lower: u64,
    /// Greatest energy; `null` when nothing bounds it.
    pub upper: Option<u64>,
    /// Part of it was measured over a gap that is longer than a window.
    pub bridged: bool,
}

/// Gathers rows while statements stream by.
#[derive(Debug)]
pub struct Gatherer {
    step_s: i64,
    cell_s: i64,
    extent: Option<Period>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    /// Ascending, by their first second. Windows come in order of time, so the last one nearly always grows.
    cells: Vec<(i64, Gathered)>,
    /// Energy over stretches that cross a cell's boundary; at most one a boundary.
    spans: Vec<(Period, Option<u64>)>,
}

#[derive(Clone, Debug, Default)]
struct Gathered {
    states_ms: [u64; 9],
    down_ms: u64,
    energy: Option<EnergyCell>,
}

impl Gatherer {
    /// For windows of `step_s` and so many machines.
    pub fn new(step_s: i64, machines: usize) -> Self {
        Self { step_s, cell_s: step_s, extent: None, rows: vec![Row::default(); machines] }
    }

    /// One window's states.
    pub fn window(&mut self, machine: usize, t: i64, states_ms: &[u32; 9]) {
        self.widen(Period { from: t, to: t + self.step_s });
        let cell = self.rows[machine].cell(t, self.cell_s);
        for (total, &ms) in cell.states_ms.iter_mut().zip(states_ms) {
            *total += u64::from(ms);
        }
    }

    /// Signed down time.
    pub fn down(&mut self, machine: usize, over: Period) {
        self.widen(over);
        for part in parts(over, self.cell_s) {
            self.rows[machine].cell(part.from, self.cell_s).down_ms += part.ms();
        }
    }

    /// Energy between two readings; `None` when it is unknown.
    pub fn energy(&mut self, machine: usize, over: Period, mwh: Option<u64>) {
        self.widen(over);
        self.rows[machine].energy(over, mwh, self.cell_s, self.step_s);
    }

    fn widen(&mut self, over: Period) {
        let extent = self.extent.get_or_insert(over);
        if extent.contains(over) {
            return;
        }
        extent.from = extent.from.min(over.from);
        extent.to = extent.to.max(over.to);
        while (extent.to - extent.from) / self.cell_s > MOST_CELLS {
            self.cell_s *= 2;
            for row in &mut self.rows {
                row.double(self.cell_s, self.step_s);
            }
        }
    }

    /// The rows over `period`, with what is missing made explicit.
    pub fn finish(mut self, ids: &[String], period: Option<Period>) -> Timeline {
        let Some(period) = period.or(self.extent) else { return Timeline::default() };
        self.widen(period);
        let (cell_s, step_s) = (self.cell_s, self.step_s);
        let rows = ids
            .iter()
            .zip(&mut self.rows)
            .map(|(id, row)| TimelineRow { machine: id.clone(), cells: row.drawn(period, cell_s, step_s) });
        Timeline { period: Some(period), cell_s, rows: rows.collect() }
    }
}

fn parts(over: Period, cell_s: i64) -> impl Iterator<Item = Period> {
    let first = over.from.div_euclid(cell_s);
    let last = (over.to - 1).div_euclid(cell_s);
    (first..=last).filter_map(move |i| Period { from: i * cell_s, to: (i + 1) * cell_s }.overlap(over))
}

impl Row {
    fn cell(&mut self, t: i64, cell_s: i64) -> &mut Gathered {
        let at = match self.cells.last() {
            Some((from, _)) if (*from..*from + cell_s).contains(&t) => self.cells.len() - 1,
            _ => {
                let from = t.div_euclid(cell_s) * cell_s;
                match self.cells.binary_search_by_key(&from, |(own, _)| *own) {
                    Ok(at) => at,
                    Err(at) => {
                        self.cells.insert(at, (from, Gathered::default()));
                        at
                    }
                }
            }
        };
        &mut self.cells[at].1
    }

    /// Whether one cell holds a stretch, without a division where the last cell does.
    fn in_one_cell(&self, over: Period, cell_s: i64) -> bool {
        let last = self.cells.last().map(|(from, _)| Period { from: *from, to: *from + cell_s });
        last.is_some_and(|cell| cell.contains(over))
            || over.from.div_euclid(cell_s) == (over.to - 1).div_euclid(cell_s)
    }

    fn energy(&mut self, over: Period, mwh: Option<u64>, cell_s: i64, step_s: i64) {
        if !self.in_one_cell(over, cell_s) {
            self.spans.push((over, mwh));
            return;
        }
        let bridged = over.to - over.from > step_s;
        let add = EnergyCell { lower: mwh.unwrap_or(0), upper: mwh, bridged };
        merge_energy(&mut self.cell(over.from, cell_s).energy, Some(add));
    }

    fn double(&mut self, cell_s: i64, step_s: i64) {
        let narrow = std::mem::take(&mut self.cells);
        for (from, cell) in narrow {
            self.cell(from, cell_s).add(&cell);
        }
        for (over, mwh) in std::mem::take(&mut self.spans) {
            self.energy(over, mwh, cell_s, step_s);
        }
    }

    fn drawn(&mut self, period: Period, cell_s: i64, step_s: i64) -> Vec<TimelineCell> {
        for (over, mwh) in std::mem::take(&mut self.spans) {
            for part in over.overlap(period).into_iter().flat_map(|p| parts(p, cell_s)) {
                let add = EnergyCell { lower: 0, upper: mwh, bridged: over.to - over.from > step_s };
                merge_energy(&mut self.cell(part.from, cell_s).energy, Some(add));
            }
        }
        let own = |over: Period| {
            let from = over.from.div_euclid(cell_s) * cell_s;
            let at = self.cells.binary_search_by_key(&from, |(own, _)| *own).ok()?;
            Some(&self.cells[at].1)
        };
        parts(period, cell_s).map(|over| drawn(over, own(over))).collect()
    }
}

impl Gathered {
    fn add(&mut self, other: &Self) {
        for (own, others) in self.states_ms.iter_mut().zip(other.states_ms) {
            *own += others;
        }
        self.down_ms += other.down_ms;
        merge_energy(&mut self.energy, other.energy);
    }
}

fn merge_energy(own: &mut Option<EnergyCell>, other: Option<EnergyCell>) {
    let Some(other) = other else { return };
    let cell = own.get_or_insert(EnergyCell { lower: 0, upper: Some(0), bridged: false });
    cell.lower = cell.lower.saturating_add(other.lower);
    cell.upper = cell.upper.zip(other.upper).map(|(a, b)| a.saturating_add(b));
    cell.bridged |= other.bridged;
}

fn drawn(over: Period, cell: Option<&Gathered>) -> TimelineCell {
    let cell = cell.cloned().unwrap_or_default();
    let signed: u64 = cell.states_ms.iter().sum::<u64>() + cell.down_ms;
    TimelineCell {
        from: over.from,
        to: over.to,
        states_ms: cell.states_ms,
        down_ms: cell.down_ms,
        missing_ms: over.ms().saturating_sub(signed),
        energy_mwh: cell.energy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<String> {
        vec!["m".into()]
    }

    #[test]
    fn states_and_missing_time_fill_every_cell() {
        let mut g = Gatherer::new(60, 1);
        g.window(0, 0, &[60_000, 0, 0, 0, 0, 0, 0, 0, 0]);
        g.down(0, Period { from: 120, to: 180 });
        let drawn = g.finish(&ids(), Some(Period { from: 0, to: 240 }));
        for cell in &drawn.rows[0].cells {
            let sum = cell.states_ms.iter().sum::<u64>() + cell.down_ms + cell.missing_ms;
            assert_eq!(sum, 60_000);
        }
        let missing: Vec<u64> = drawn.rows[0].cells.iter().map(|c| c.missing_ms).collect();
        assert_eq!(missing, [0, 60_000, 0, 60_000]);
    }

    #[test]
    fn a_year_fits_into_the_same_number_of_cells() {
        let mut g = Gatherer::new(60, 1);
        for t in (0..86_400 * 30).step_by(60) {
            g.window(0, t, &[0, 0, 0, 0, 0, 60_000, 0, 0, 0]);
            if t > 0 {
                g.energy(0, Period { from: t, to: t + 60 }, Some(2));
            }
        }
        let drawn = g.finish(&ids(), None);
        assert!(i64::try_from(drawn.rows[0].cells.len()).unwrap() <= MOST_CELLS + 1);
        let lower: u64 = drawn.rows[0].cells.iter().filter_map(|c| c.energy_mwh).map(|e| e.lower).sum();
        assert_eq!(lower, 2 * (30 * 1440 - 1));
        assert!(drawn.rows[0].cells.iter().all(|c| c.missing_ms == 0));
    }

    #[test]
    fn energy_over_a_gap_is_an_interval_until_one_cell_holds_the_gap() {
        let mut g = Gatherer::new(60, 1);
        g.energy(0, Period { from: 60, to: 180 }, Some(10));
        let fine = g.finish(&ids(), Some(Period { from: 0, to: 240 }));
        let cell = fine.rows[0].cells[1].energy_mwh.unwrap();
        assert_eq!((cell.lower, cell.upper, cell.bridged), (0, Some(10), true));
        let mut g = Gatherer::new(60, 1);
        g.energy(0, Period { from: 60, to: 180 }, Some(10));
        let coarse = g.finish(&ids(), Some(Period { from: 0, to: 60 * 4000 }));
        let cell = coarse.rows[0].cells[0].energy_mwh.unwrap();
        assert_eq!((cell.lower, cell.upper, cell.bridged), (10, Some(10), true));
    }
}

//! Totals straight from decoded columns: the same sums as window by window, column by column. Nothing is decided
//! here that [`MachineTotals::window`] decides otherwise; whatever is not plain (a counter event, a missed reading,
//! a fault, the first window of a cell or slot) goes through it.

use super::{MachineTotals, OrderError, Standing, run_ms};
use crate::amount::AmountQuality;
use crate::calendar::{Calendar, Stretch};
use crate::chain::{CounterBreak, QUANTITIES, Quantity};
use crate::column as col;
use crate::faults::FaultRun;
use crate::leaf::{LEAVES, Leaf};
use crate::period::{Cuts, Period};
use crate::window::MachineWindow;

/// Ids of columns are below this.
const IDS: usize = 29;

/// Decoded columns of consecutive windows of one machine. A column that the roster does not have is left out.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    windows: usize,
    by_id: [&'a [i64]; IDS],
    breaks: &'a [(usize, CounterBreak)],
}

/// What cannot be columns of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// No column of this version.
    #[error("column {0} is not known to this version")]
    Unknown(u8),
    /// Not a value a window.
    #[error("column {column} has {got} values for {want} windows")]
    Length {
        /// Column id.
        column: u8,
        /// Values it has.
        got: usize,
        /// Windows there are.
        want: usize,
    },
    /// A value that the column cannot hold.
    #[error("column {column} cannot hold {value}, at window {at} of these")]
    Value {
        /// Column id.
        column: u8,
        /// The first window with such a value, from 0.
        at: usize,
        /// The value.
        value: i64,
    },
    /// Time that was already added.
    #[error(transparent)]
    Order(#[from] OrderError),
}

impl<'a> Columns<'a> {
    /// Columns of that many windows, all zero so far.
    pub const fn new(windows: usize) -> Self {
        Self { windows, by_id: [&[]; IDS], breaks: &[] }
    }

    /// With one more column, a value a window.
    pub fn with(mut self, column: u8, values: &'a [i64]) -> Result<Self, ColumnError> {
        if !col::ALL.contains(&column) {
            return Err(ColumnError::Unknown(column));
        }
        if values.len() != self.windows {
            return Err(ColumnError::Length { column, got: values.len(), want: self.windows });
        }
        self.by_id[usize::from(column)] = values;
        Ok(self)
    }

    /// With the breaks of counters, by window (from 0), in order of time.
    #[must_use]
    pub const fn with_breaks(mut self, breaks: &'a [(usize, CounterBreak)]) -> Self {
        self.breaks = breaks;
        self
    }

    fn of(&self, column: u8, from: usize, to: usize) -> &'a [i64] {
        self.by_id[usize::from(column)].get(from..to).unwrap_or_default()
    }

    /// One window as a row.
    fn row(&self, at: usize) -> Result<MachineWindow, ColumnError> {
        let mut window = MachineWindow::default();
        for column in col::ALL {
            let Some(&value) = self.by_id[usize::from(column)].get(at) else { continue };
            if !window.set(column, value) {
                return Err(ColumnError::Value { column, at, value });
            }
        }
        Ok(window)
    }

    /// Sum of a column over windows, each value between 0 and `u32::MAX`.
    fn sum(&self, column: u8, from: usize, to: usize) -> Result<u64, ColumnError> {
        let values = self.of(column, from, to);
        let (mut sum, mut any) = (0u64, 0u64);
        for &value in values {
            sum = sum.wrapping_add(value.cast_unsigned());
            any |= value.cast_unsigned();
        }
        if u32::try_from(any).is_ok() {
            return Ok(sum);
        }
        let bad = values.iter().enumerate().find(|(_, v)| u32::try_from(**v).is_err());
        let (at, value) = bad.map_or((0, 0), |(at, value)| (from + at, *value));
        Err(ColumnError::Value { column, at, value })
    }

    /// The first window from `from` on that adds more than known differences and quiet states; `to` if none does.
    fn plain_until(&self, measured: [bool; QUANTITIES], from: usize, to: usize) -> usize {
        let mut until = to;
        let broken = self.breaks.iter().map(|(of, _)| *of).find(|of| (from..to).contains(of));
        until = broken.map_or(until, |of| until.min(of));
        for column in [Leaf::Fault.number(), col::FAULT_COUNT] {
            until = from + first(self.of(column, from, until), |ms| ms != 0).unwrap_or(until - from);
        }
        let read = i64::from(AmountQuality::Register.number());
        for quantity in Quantity::ALL.into_iter().filter(|q| measured[q.index()]) {
            let quality = self.of(quantity.column() + 1, from, until);
            let register = self.of(quantity.column(), from - 1, until);
            if quality.is_empty() || register.is_empty() {
                return from;
            }
            until = from + first(quality, |q| q != read).unwrap_or(quality.len());
            until = from + first_fall(&register[..=until - from]).unwrap_or(until - from);
        }
        until
    }
}

/// Values that are looked at together: no early end inside, so that the processor takes several at once.
const CHUNK: usize = 64;

/// Place of the first value that something is true of.
fn first(values: &[i64], is: impl Fn(i64) -> bool + Copy) -> Option<usize> {
    let chunk = values.chunks(CHUNK).position(|chunk| chunk.iter().fold(false, |any, v| any | is(*v)))?;
    let from = chunk * CHUNK;
    values[from..].iter().position(|v| is(*v)).map(|at| from + at)
}

/// Place, counted from the second value, of the first value below the one before it.
fn first_fall(values: &[i64]) -> Option<usize> {
    let next = values.get(1..)?;
    let fell = |at: usize, len: usize| {
        let pairs = values[at..at + len].iter().zip(&next[at..at + len]);
        pairs.fold(0u8, |any, (a, b)| any | u8::from(a > b)) > 0
    };
    let starts = (0..next.len()).step_by(CHUNK);
    let chunk = starts.into_iter().find(|at| fell(*at, CHUNK.min(next.len() - at)))?;
    (chunk..next.len()).find(|at| values[*at] > next[*at])
}

impl MachineTotals {
    /// Adds consecutive windows that may be counted, the first of which starts at `from` (UTC s, on the grid).
    /// `opening`: the first is the first that its stream ever signed. On an error, windows before the one it names
    /// may have been added.
    pub fn columns(
        &mut self,
        cuts: &Cuts,
        calendar: &Calendar,
        from: i64,
        columns: &Columns<'_>,
        opening: bool,
    ) -> Result<(), ColumnError> {
        let start =
            |at: usize| from + i64::try_from(at).unwrap_or(i64::MAX / 2).saturating_mul(cuts.step_s());
        let mut at = 0;
        while at < columns.windows {
            let t = start(at);
            let stretch = calendar.stretch(t);
            let end = cuts.cell(t).to.min(stretch.over.to);
            let run = usize::try_from((end - t) / cuts.step_s()).unwrap_or(usize::MAX);
            let to = columns.windows.min(at.saturating_add(run.max(1)));
            self.row(cuts, calendar, t, columns, at, opening && at == 0)?;
            let mut next = at + 1;
            while next < to {
                let plain = if self.is_read_up_to_now() {
                    columns.plain_until(self.measured, next, to)
                } else {
                    next
                };
                if plain > next {
                    let over = Period { from: start(next), to: start(plain) };
                    self.bulk(cuts, stretch, over, columns, next..plain)?;
                    next = plain;
                } else {
                    self.row(cuts, calendar, start(next), columns, next, false)?;
                    next += 1;
                }
            }
            at = to;
        }
        Ok(())
    }

    fn row(
        &mut self,
        cuts: &Cuts,
        calendar: &Calendar,
        t: i64,
        columns: &Columns<'_>,
        at: usize,
        opening: bool,
    ) -> Result<(), ColumnError> {
        let window = columns.row(at)?;
        let own = columns.breaks.iter().filter(|(of, _)| *of == at).map(|(_, own)| *own);
        let breaks: Vec<CounterBreak> = own.collect();
        self.window(cuts, calendar, t, &window, &breaks, Standing { counted: true, opening })?;
        Ok(())
    }

    /// Whether every register was read in the last window.
    fn is_read_up_to_now(&self) -> bool {
        let read =
            |q: Quantity| !self.measured[q.index()] || self.chains[q.index()].is_read_up_to(self.reach);
        Quantity::ALL.into_iter().all(read)
    }

    /// Adds plain windows that follow at once; `over` is their time, in one cell and slot.
    fn bulk(
        &mut self,
        cuts: &Cuts,
        stretch: Stretch,
        over: Period,
        columns: &Columns<'_>,
        of: std::ops::Range<usize>,
    ) -> Result<(), ColumnError> {
        let (from, to) = (of.start, of.end);
        let sum = |column| columns.sum(column, from, to);
        let mut states = [0; LEAVES];
        for leaf in Leaf::ALL {
            states[leaf.index()] = sum(leaf.number())?;
        }
        let identities = columns.of(col::IDENTITY, from, to);
        if let Some(at) = identities.iter().position(|v| !(0..=2).contains(v)) {
            return Err(ColumnError::Value { column: col::IDENTITY, at: from + at, value: identities[at] });
        }
        let counts = [
            sum(col::READS_EXPECTED)?,
            sum(col::READS_GOOD)?,
            sum(col::CHANGED)?,
            sum(col::SESSIONS)?,
            sum(col::CONNECTED_MS)?,
            sum(col::CUTTING_MS)?,
            sum(col::DRY_RUN_MS)?,
            sum(col::WARMUP_MS)?,
            sum(col::SPINDLE_MS)?,
        ];
        self.follow(over.from, over.to)?;
        let slot = stretch.slot;
        let cell = self.cell(cuts, over.from);
        if slot.is_busy() {
            let run_ms = run_ms(slot, |leaf| states[leaf.index()]);
            cell.faults.append(FaultRun::window(over, 0, 0, run_ms));
        }
        for (total, ms) in cell.states_ms[slot.index()].iter_mut().zip(states) {
            *total += ms;
        }
        cell.counted_ms += over.ms();
        let totals = [
            &mut cell.reads_expected,
            &mut cell.reads_good,
            &mut cell.changed,
            &mut cell.sessions,
            &mut cell.connected_ms,
            &mut cell.cutting_ms,
            &mut cell.dry_run_ms,
            &mut cell.warmup_ms,
            &mut cell.spindle_ms,
        ];
        for (total, count) in totals.into_iter().zip(counts) {
            *total += count;
        }
        cell.identity_differs |= identities.contains(&2);
        let measured = self.measured;
        for quantity in Quantity::ALL.into_iter().filter(|q| measured[q.index()]) {
            let register = columns.of(quantity.column(), from - 1, to);
            let (Some(first), Some(last)) = (register.first(), register.last()) else { continue };
            self.chains[quantity.index()].run(over.to, *last);
            let cell = self.cell(cuts, over.from);
            cell.amounts[quantity.index()].enter(over, Some(first.abs_diff(*last)), slot.is_busy().into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::CounterBreak;
    use crate::properties::shop::{Fate, START, STEP, calendar, cuts, period, producing, sign, story, total};
    use proptest::prelude::*;

    /// Tiles as columns, one call a run of consecutive windows; holes and windows that do not count as they are.
    fn by_columns(
        cuts: &Cuts,
        calendar: &Calendar,
        tiles: &[crate::properties::shop::Tile],
    ) -> MachineTotals {
        let mut totals = MachineTotals::new(crate::properties::shop::MEASURED);
        let plain = |t: &crate::properties::shop::Tile| t.window.is_some() && t.counted;
        for run in tiles.chunk_by(|a, b| plain(a) && plain(b) && a.from + STEP == b.from) {
            if !plain(&run[0]) {
                totals.append(cuts, calendar, total(cuts, calendar, run)).unwrap();
                continue;
            }
            let rows: Vec<&(MachineWindow, Vec<CounterBreak>)> =
                run.iter().filter_map(|t| t.window.as_ref()).collect();
            let values: Vec<Vec<i64>> =
                col::ALL.iter().map(|id| rows.iter().map(|(w, _)| w.get(*id)).collect()).collect();
            let breaks: Vec<(usize, CounterBreak)> =
                rows.iter().enumerate().flat_map(|(at, (_, b))| b.iter().map(move |b| (at, *b))).collect();
            let mut columns = Columns::new(run.len()).with_breaks(&breaks);
            for (id, values) in col::ALL.iter().zip(&values) {
                columns = columns.with(*id, values).unwrap();
            }
            totals.columns(cuts, calendar, run[0].from, &columns, run[0].opening).unwrap();
        }
        totals
    }

    proptest! {
        #[test]
        fn columns_add_up_to_what_their_windows_do(story in story(), calendar in calendar()) {
            let cuts = cuts(900, period(story.len()));
            let tiles = sign(&story);
            prop_assert_eq!(by_columns(&cuts, &calendar, &tiles), total(&cuts, &calendar, &tiles));
        }

        #[test]
        fn columns_of_a_calm_shift_do_too(energies in prop::collection::vec(0u32..9, 1..60), calendar in calendar()) {
            let story: Vec<_> = energies.iter().map(|e| producing(*e, e % 3, Fate::Read)).collect();
            let cuts = cuts(900, period(story.len()));
            let tiles = sign(&story);
            prop_assert_eq!(by_columns(&cuts, &calendar, &tiles), total(&cuts, &calendar, &tiles));
        }
    }

    proptest! {
        /// Columns that nobody honest signs: registers that fall, qualities and identities as they come.
        #[test]
        fn columns_of_any_values_do_too(
            rows in prop::collection::vec((0i64..4, prop::sample::select(vec![1i64, 1, 1, 2, 3, 5, 0]), 0i64..3, 0i64..2), 1..40),
        ) {
            let cuts = cuts(900, period(rows.len()));
            let of = |value: fn(&(i64, i64, i64, i64)) -> i64| rows.iter().map(value).collect::<Vec<i64>>();
            let columns = [
                (col::PARTS, of(|r| r.0)),
                (col::PARTS_Q, of(|r| r.1)),
                (col::IDENTITY, of(|r| r.2)),
                (col::FAULT_COUNT, of(|r| r.3)),
            ];
            let mut all = Columns::new(rows.len());
            for (id, values) in &columns {
                all = all.with(*id, values).unwrap();
            }
            let mut by_columns = MachineTotals::new([false, true, false]);
            by_columns.columns(&cuts, &Calendar::Always, START, &all, true).unwrap();
            let mut by_rows = MachineTotals::new([false, true, false]);
            for (at, t) in (0..rows.len()).zip((START..).step_by(900)) {
                by_rows.row(&cuts, &Calendar::Always, t, &all, at, at == 0).unwrap();
            }
            prop_assert_eq!(by_columns, by_rows);
        }
    }

    #[test]
    fn what_is_no_column_of_these_windows_is_refused_by_name() {
        let error = |columns: Result<Columns<'_>, ColumnError>| columns.err().unwrap();
        assert_eq!(error(Columns::new(1).with(9, &[0])), ColumnError::Unknown(9));
        let short = ColumnError::Length { column: 0, got: 1, want: 2 };
        assert_eq!(error(Columns::new(2).with(0, &[0])), short);
        let cuts = cuts(900, period(4));
        let add = |column: u8, values: &[i64]| {
            let ms = vec![900_000; values.len()];
            let columns = Columns::new(values.len()).with(5, &ms).unwrap().with(column, values).unwrap();
            let mut totals = MachineTotals::new([false; 3]);
            totals.columns(&cuts, &Calendar::Always, START, &columns, true)
        };
        for (column, value) in [(6, -1), (16, i64::from(u32::MAX) + 1), (21, 3)] {
            for at in [0, 1, 2] {
                let mut values = [0; 3];
                values[at] = value;
                assert_eq!(add(column, &values), Err(ColumnError::Value { column, at, value }));
            }
        }
        assert_eq!(add(6, &[0, 1, 2]), Ok(()));
        let mut totals = MachineTotals::new([false; 3]);
        let two = Columns::new(2);
        totals.columns(&cuts, &Calendar::Always, START, &two, true).unwrap();
        let again = totals.columns(&cuts, &Calendar::Always, START + STEP, &two, false);
        assert_eq!(
            again,
            Err(ColumnError::Order(OrderError { from: START + STEP, reach: START + 2 * STEP }))
        );
    }
}

//! One machine in one window: the integers an agent signs and a verifier reads back, by column id.
//! Nothing here knows how columns are encoded.

use crate::amount::{Amount, AmountQuality};
use crate::column as col;
use crate::leaf::LEAVES;

/// The integers of one machine in one window. Durations in milliseconds, energy in mWh, power in W.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MachineWindow {
    /// Milliseconds in each leaf state, by leaf number. They sum to the window.
    pub states_ms: [u32; LEAVES],
    /// Energy register, mWh.
    pub energy: Amount,
    /// Part register, pieces.
    pub parts: Amount,
    /// Good-part register, pieces.
    pub good_parts: Amount,
    /// Reads that were due.
    pub reads_expected: u32,
    /// Reads that were answered well; never more than were due.
    pub reads_good: u32,
    /// Milliseconds connected.
    pub connected_ms: u32,
    /// Values that changed.
    pub changed: u32,
    /// Sessions alive or established.
    pub sessions: u32,
    /// 0 not read, 1 as in the roster, 2 different.
    pub identity: u8,
    /// Milliseconds cutting.
    pub cutting_ms: u32,
    /// Milliseconds of dry run.
    pub dry_run_ms: u32,
    /// Milliseconds of warm-up.
    pub warmup_ms: u32,
    /// Mean power in W, from an independent power point only.
    pub power_mean_w: Option<i64>,
    /// Peak power in W, from an independent power point only.
    pub power_peak_w: Option<i64>,
    /// Milliseconds with the spindle turning.
    pub spindle_ms: u32,
    /// Entries into FAULT.
    pub fault_count: u32,
}

/// Why a machine's window cannot be true. Each of these means that whoever signed it computed wrongly or lied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowDefect {
    /// The leaf states do not fill the window exactly.
    #[error("the leaf states sum to {sum} ms, the window is {step} ms long")]
    StateSum {
        /// Sum over the states, ms.
        sum: u64,
        /// Length of the window, ms.
        step: u32,
    },
    /// A part of the window is longer than the window.
    #[error("column {column} holds {value} ms, the window is {step} ms long")]
    LongerThanWindow {
        /// Column id.
        column: u8,
        /// Its value, ms.
        value: u32,
        /// Length of the window, ms.
        step: u32,
    },
    /// More reads answered than were due.
    #[error("{good} good reads of {expected} expected")]
    ReadsGood {
        /// Reads answered well.
        good: u32,
        /// Reads due.
        expected: u32,
    },
}

impl MachineWindow {
    /// A window about which nothing is known, `step_ms` long.
    pub fn unknown(step_ms: u32) -> Self {
        let mut window = Self::default();
        window.states_ms[0] = step_ms;
        window
    }

    /// The value of a column; 0 for a column this version does not know.
    pub fn get(&self, column: u8) -> i64 {
        match column {
            0..=8 => self.states_ms[usize::from(column)].into(),
            col::ENERGY => self.energy.register,
            col::ENERGY_Q => self.energy.quality.number().into(),
            col::PARTS => self.parts.register,
            col::PARTS_Q => self.parts.quality.number().into(),
            col::GOOD => self.good_parts.register,
            col::GOOD_Q => self.good_parts.quality.number().into(),
            col::READS_EXPECTED => self.reads_expected.into(),
            col::READS_GOOD => self.reads_good.into(),
            col::CONNECTED_MS => self.connected_ms.into(),
            col::CHANGED => self.changed.into(),
            col::SESSIONS => self.sessions.into(),
            col::IDENTITY => self.identity.into(),
            col::CUTTING_MS => self.cutting_ms.into(),
            col::DRY_RUN_MS => self.dry_run_ms.into(),
            col::WARMUP_MS => self.warmup_ms.into(),
            col::POWER_MEAN => self.power_mean_w.unwrap_or(0),
            col::POWER_PEAK => self.power_peak_w.unwrap_or(0),
            col::SPINDLE_MS => self.spindle_ms.into(),
            col::FAULT_COUNT => self.fault_count.into(),
            _ => 0,
        }
    }

    /// Sets a column. `false`, and nothing changed, when the column is unknown or cannot hold the value.
    ///
    /// A power of zero reads back as zero watts once its column was set; a column that is left out of a
    /// statement is never set and stays `None`.
    pub fn set(&mut self, column: u8, value: i64) -> bool {
        Self::set_all(std::slice::from_mut(self), column, &[value], 1).is_ok()
    }

    /// Sets a column of many windows to `values × factor`, window by window. The position of the first value that
    /// the column cannot hold, or 0 for an unknown column; windows before it have been set.
    pub fn set_all(windows: &mut [Self], column: u8, values: &[i64], factor: i64) -> Result<(), usize> {
        let put = Put { windows, values, factor };
        match column {
            0..=8 => put.each(|w, v| store(&mut w.states_ms[usize::from(column)], v)),
            col::ENERGY => put.each(|w, v| store(&mut w.energy.register, v)),
            col::ENERGY_Q => put.each(|w, v| quality(&mut w.energy, v)),
            col::PARTS => put.each(|w, v| store(&mut w.parts.register, v)),
            col::PARTS_Q => put.each(|w, v| quality(&mut w.parts, v)),
            col::GOOD => put.each(|w, v| store(&mut w.good_parts.register, v)),
            col::GOOD_Q => put.each(|w, v| quality(&mut w.good_parts, v)),
            col::READS_EXPECTED => put.each(|w, v| store(&mut w.reads_expected, v)),
            col::READS_GOOD => put.each(|w, v| store(&mut w.reads_good, v)),
            col::CONNECTED_MS => put.each(|w, v| store(&mut w.connected_ms, v)),
            col::CHANGED => put.each(|w, v| store(&mut w.changed, v)),
            col::SESSIONS => put.each(|w, v| store(&mut w.sessions, v)),
            col::IDENTITY => put.each(|w, v| (0..=2).contains(&v) && store(&mut w.identity, v)),
            col::CUTTING_MS => put.each(|w, v| store(&mut w.cutting_ms, v)),
            col::DRY_RUN_MS => put.each(|w, v| store(&mut w.dry_run_ms, v)),
            col::WARMUP_MS => put.each(|w, v| store(&mut w.warmup_ms, v)),
            col::POWER_MEAN => put.each(|w, v| some(&mut w.power_mean_w, v)),
            col::POWER_PEAK => put.each(|w, v| some(&mut w.power_peak_w, v)),
            col::SPINDLE_MS => put.each(|w, v| store(&mut w.spindle_ms, v)),
            col::FAULT_COUNT => put.each(|w, v| store(&mut w.fault_count, v)),
            _ => Err(0),
        }
    }

    /// Whether the window of a machine with states can be true at all.
    pub fn check(&self, step_ms: u32) -> Result<(), WindowDefect> {
        self.check_states(step_ms)?;
        self.check_parts(step_ms)
    }

    /// Whether the leaf states sum to `sum_ms`: the window's length, or 0 for a meter, which has none.
    pub fn check_states(&self, sum_ms: u32) -> Result<(), WindowDefect> {
        let sum: u64 = self.states_ms.iter().map(|&ms| u64::from(ms)).sum();
        if sum == u64::from(sum_ms) { Ok(()) } else { Err(WindowDefect::StateSum { sum, step: sum_ms }) }
    }

    /// Whether everything but the leaf states can be true.
    pub fn check_parts(&self, step_ms: u32) -> Result<(), WindowDefect> {
        let parts = [
            (col::CONNECTED_MS, self.connected_ms),
            (col::CUTTING_MS, self.cutting_ms),
            (col::DRY_RUN_MS, self.dry_run_ms),
            (col::WARMUP_MS, self.warmup_ms),
            (col::SPINDLE_MS, self.spindle_ms),
        ];
        for (column, value) in parts {
            if value > step_ms {
                return Err(WindowDefect::LongerThanWindow { column, value, step: step_ms });
            }
        }
        if self.reads_good > self.reads_expected {
            return Err(WindowDefect::ReadsGood { good: self.reads_good, expected: self.reads_expected });
        }
        Ok(())
    }
}

/// A column on its way into its windows. The choice of the column is made once, not once a value.
struct Put<'a> {
    windows: &'a mut [MachineWindow],
    values: &'a [i64],
    factor: i64,
}

impl Put<'_> {
    fn each(self, put: impl Fn(&mut MachineWindow, i64) -> bool) -> Result<(), usize> {
        for (at, (window, value)) in self.windows.iter_mut().zip(self.values).enumerate() {
            if !value.checked_mul(self.factor).is_some_and(|value| put(window, value)) {
                return Err(at);
            }
        }
        Ok(())
    }
}

fn some(field: &mut Option<i64>, value: i64) -> bool {
    *field = Some(value);
    true
}

fn store<T: TryFrom<i64>>(field: &mut T, value: i64) -> bool {
    T::try_from(value).map(|v| *field = v).is_ok()
}

fn quality(amount: &mut Amount, value: i64) -> bool {
    AmountQuality::from_number(value).map(|q| amount.quality = q).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_reads_back_what_was_set() {
        for (value, column) in (1i64..).zip(col::ALL) {
            let value = if matches!(column, col::IDENTITY) { 2 } else { value % 6 };
            let mut window = MachineWindow::default();
            assert!(window.set(column, value), "column {column}");
            assert_eq!(window.get(column), value, "column {column}");
            let others: i64 = col::ALL.iter().filter(|&&c| c != column).map(|&c| window.get(c)).sum();
            assert_eq!(others, 0, "column {column} leaked into another");
        }
    }

    #[test]
    fn values_a_column_cannot_hold_are_refused() {
        let mut window = MachineWindow::default();
        for (column, value) in [
            (0, -1),
            (0, i64::from(u32::MAX) + 1),
            (col::ENERGY_Q, 6),
            (col::ENERGY_Q, -1),
            (col::IDENTITY, 3),
            (9, 0),
            (29, 1),
        ] {
            assert!(!window.set(column, value), "column {column} took {value}");
        }
        assert_eq!(window, MachineWindow::default());
    }

    #[test]
    fn an_impossible_window_is_named() {
        let step = 60_000;
        assert_eq!(MachineWindow::unknown(step).check(step), Ok(()));
        let mut short = MachineWindow::unknown(step);
        short.states_ms[0] -= 1;
        assert_eq!(short.check(step), Err(WindowDefect::StateSum { sum: 59_999, step }));
        let mut long = MachineWindow::unknown(step);
        long.cutting_ms = step + 1;
        assert_eq!(
            long.check(step),
            Err(WindowDefect::LongerThanWindow { column: col::CUTTING_MS, value: 60_001, step })
        );
        let mut reads = MachineWindow::unknown(step);
        reads.reads_good = 1;
        assert_eq!(reads.check(step), Err(WindowDefect::ReadsGood { good: 1, expected: 0 }));
    }
}

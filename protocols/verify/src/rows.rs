//! A window statement's columns as rows, one a machine and window, in the units of `kpi`. The gateway reads
//! windows through this too, so that a screen shows what an assessor will find.

use evidence::column::{CARRIERS, Column, ENERGY};
use evidence::payload::{Event, EventCode, EventValue, WindowBatch};
use kpi::chain::CounterBreak;
use kpi::leaf::LEAVES;
use kpi::{MachineWindow, Quantity, WindowDefect};

/// mWh are Wh × 10³, so a column of Wh × 10^e holds mWh × 10^(e+3).
const MWH_EXPONENT: i8 = -3;

/// A batch as rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Machine-major: machine position m, window w of n at `[m * n + w]`.
    pub windows: Vec<MachineWindow>,
    /// mWh of one step of the energy column; 0 when there is no such column.
    pub energy_unit_mwh: u64,
}

/// Why columns are no rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowDefect {
    /// A column has a unit in which it cannot be counted.
    #[error("column {column} has the exponent {exponent}")]
    Exponent {
        /// Column id.
        column: u8,
        /// Its exponent.
        exponent: i8,
    },
    /// A value that the column cannot hold.
    #[error("column {column} holds {value} at machine position {machine}, window {window}")]
    Value {
        /// Column id.
        column: u8,
        /// The value as it stands in the column.
        value: i64,
        /// Position in the batch's machines.
        machine: usize,
        /// Position in the batch's windows.
        window: usize,
    },
    /// A window that cannot be true.
    #[error("machine position {machine}, window {window}: {defect}")]
    Window {
        /// Position in the batch's machines.
        machine: usize,
        /// Position in the batch's windows.
        window: usize,
        /// What is wrong.
        defect: WindowDefect,
    },
}

/// Reads a batch's columns. Columns of further carriers are left to whoever knows their definitions.
pub fn rows(batch: &WindowBatch) -> Result<Rows, RowDefect> {
    let n = usize::try_from(batch.n).unwrap_or(usize::MAX);
    let mut windows = vec![MachineWindow::default(); batch.machines.len().saturating_mul(n)];
    for (&id, column) in &batch.columns {
        let Some(factor) = factor(id, column)? else { continue };
        MachineWindow::set_all(&mut windows, id, &column.values, factor).map_err(|at| RowDefect::Value {
            column: id,
            value: column.values.get(at).copied().unwrap_or(0),
            machine: at / n,
            window: at % n,
        })?;
    }
    let step_ms = batch.step.saturating_mul(1000);
    for (i, window) in windows.iter().enumerate() {
        // A row without any state is a meter's; whether it may be one is for the roster to say.
        let states_ms = if window.states_ms == [0; LEAVES] { 0 } else { step_ms };
        let checked = window.check_states(states_ms).and_then(|()| window.check_parts(step_ms));
        checked.map_err(|defect| RowDefect::Window { machine: i / n, window: i % n, defect })?;
    }
    let energy = batch.columns.get(&ENERGY).map(|column| factor(ENERGY, column));
    let energy_unit_mwh = energy.transpose()?.flatten().and_then(|f| u64::try_from(f).ok()).unwrap_or(0);
    Ok(Rows { windows, energy_unit_mwh })
}

/// What a column's integers are multiplied by; nothing for a column that `kpi` does not know.
fn factor(id: u8, column: &Column) -> Result<Option<i64>, RowDefect> {
    if !kpi::column::ALL.contains(&id) {
        return Ok(None);
    }
    let unit = if id == ENERGY { MWH_EXPONENT } else { 0 };
    let exponent = column.exponent;
    u32::try_from(i16::from(exponent) - i16::from(unit))
        .ok()
        .and_then(|power| 10i64.checked_pow(power))
        .map(Some)
        .ok_or(RowDefect::Exponent { column: id, exponent })
}

/// A counter event in the units of `kpi`: which machine, when (UTC ms), and the break. `None` for other events,
/// for carriers, and for values that do not fit. A side that the agent did not know makes a break with which no
/// difference fits, so that the amount over it stays unknown.
pub fn counter_break(event: &Event, energy_unit_mwh: u64) -> Option<(u32, i64, CounterBreak)> {
    if !matches!(event.code, EventCode::Counter | EventCode::MeterExchanged) {
        return None;
    }
    let (column, last, first) = match (&event.before, &event.after) {
        (EventValue::Counter(column, last), EventValue::Counter(other, first)) if column == other => {
            (*column, Some(*last), Some(*first))
        }
        (EventValue::Counter(column, last), EventValue::Null) => (*column, Some(*last), None),
        (EventValue::Null, EventValue::Counter(column, first)) => (*column, None, Some(*first)),
        _ => return None,
    };
    let quantity = Quantity::ALL.into_iter().find(|q| q.column() == column)?;
    let unit = match quantity {
        Quantity::Energy => i64::try_from(energy_unit_mwh).ok().filter(|&unit| unit > 0)?,
        Quantity::Parts | Quantity::GoodParts => 1,
    };
    let scaled = |value: Option<i64>, unknown| value.map_or(Some(unknown), |v| v.checked_mul(unit));
    let (last, first) = (scaled(last, i64::MIN)?, scaled(first, i64::MAX)?);
    Some((event.machine?, event.t_ms, CounterBreak { quantity, last, first }))
}

/// Whether a counter event says something that can be: a machine and one counter. Other events are not judged,
/// and those of carriers are for whoever knows their definitions.
pub fn is_sound(event: &Event) -> bool {
    if !matches!(event.code, EventCode::Counter | EventCode::MeterExchanged) {
        return true;
    }
    let known = |column: u8| Quantity::ALL.iter().any(|q| q.column() == column) || CARRIERS.contains(&column);
    let one_counter = match (&event.before, &event.after) {
        (EventValue::Counter(column, _), EventValue::Counter(other, _)) => column == other && known(*column),
        (EventValue::Counter(column, _), EventValue::Null)
        | (EventValue::Null, EventValue::Counter(column, _)) => known(*column),
        _ => false,
    };
    one_counter && event.machine.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::payload::{ClockClaim, Place, RawCommitment};
    use kpi::AmountQuality;

    fn batch(columns: &[(u8, i8, &[i64])]) -> WindowBatch {
        WindowBatch {
            place: Place::default(),
            boot_epoch: 0,
            t0: 0,
            step: 1,
            n: 2,
            clock: ClockClaim::default(),
            checkpoint: None,
            machines: vec![0, 3],
            columns: columns
                .iter()
                .map(|&(id, exponent, values)| (id, Column { exponent, values: values.to_vec() }))
                .collect(),
            raw: RawCommitment::default(),
            definitions: [0; 32],
            events: vec![],
        }
    }

    const PRODUCING: (u8, i8, &[i64]) = (5, 0, &[1000, 1000, 1000, 1000]);

    #[test]
    fn columns_become_rows_machine_by_machine_in_milliwatt_hours() {
        let got = rows(&batch(&[PRODUCING, (ENERGY, 1, &[1, 2, 3, 4]), (11, 0, &[1, 1, 1, 2])])).unwrap();
        let registers: Vec<i64> = got.windows.iter().map(|w| w.energy.register).collect();
        assert_eq!(registers, [10_000, 20_000, 30_000, 40_000]);
        assert_eq!(got.windows[3].energy.quality, AmountQuality::Bridged);
        assert_eq!(got.energy_unit_mwh, 10_000);
    }

    #[test]
    fn what_cannot_be_is_named_with_its_place() {
        let exponent = rows(&batch(&[PRODUCING, (ENERGY, -4, &[1, 2, 3, 4])]));
        assert_eq!(exponent, Err(RowDefect::Exponent { column: ENERGY, exponent: -4 }));
        let value = rows(&batch(&[PRODUCING, (21, 0, &[0, 0, 3, 0])]));
        assert_eq!(value, Err(RowDefect::Value { column: 21, value: 3, machine: 1, window: 0 }));
        let huge = rows(&batch(&[PRODUCING, (ENERGY, 0, &[0, i64::MAX, 0, 0])]));
        assert_eq!(huge, Err(RowDefect::Value { column: ENERGY, value: i64::MAX, machine: 0, window: 1 }));
        let sum = rows(&batch(&[(5, 0, &[1000, 1000, 999, 1000])]));
        assert!(matches!(sum, Err(RowDefect::Window { machine: 1, window: 0, .. })));
    }

    #[test]
    fn column_ids_agree_with_the_format() {
        use evidence::column as format;
        use kpi::column as own;
        let pairs = [
            (own::ENERGY, format::ENERGY),
            (own::ENERGY_Q, format::ENERGY_Q),
            (own::PARTS, format::PARTS),
            (own::PARTS_Q, format::PARTS_Q),
            (own::GOOD, format::GOOD),
            (own::GOOD_Q, format::GOOD_Q),
            (own::READS_EXPECTED, format::READS_EXPECTED),
            (own::READS_GOOD, format::READS_GOOD),
            (own::CONNECTED_MS, format::CONNECTED_MS),
            (own::CHANGED, format::CHANGED),
            (own::SESSIONS, format::SESSIONS),
            (own::IDENTITY, format::IDENTITY),
            (own::CUTTING_MS, format::CUTTING_MS),
            (own::DRY_RUN_MS, format::DRY_RUN_MS),
            (own::WARMUP_MS, format::WARMUP_MS),
            (own::POWER_MEAN, format::POWER_MEAN),
            (own::POWER_PEAK, format::POWER_PEAK),
            (own::SPINDLE_MS, format::SPINDLE_MS),
            (own::FAULT_COUNT, format::FAULT_COUNT),
        ];
        for (ours, theirs) in pairs {
            assert_eq!(ours, theirs);
        }
        let known: Vec<u8> = (0..=255).filter(|id| format::is_known(*id)).collect();
        let counted: Vec<u8> = known.into_iter().filter(|id| !format::CARRIERS.contains(id)).collect();
        assert_eq!(counted, own::ALL);
    }

    #[test]
    fn counter_events_are_scaled_like_their_column() {
        let event = |code, before, after| Event { t_ms: 7, code, machine: Some(3), before, after };
        let counter = |value| EventValue::Counter(ENERGY, value);
        let got = counter_break(&event(EventCode::Counter, counter(9), counter(0)), 10_000);
        let want = CounterBreak { quantity: Quantity::Energy, last: 90_000, first: 0 };
        assert_eq!(got, Some((3, 7, want)));
        assert_eq!(counter_break(&event(EventCode::Counter, counter(9), counter(0)), 0), None);
        let unknown = counter_break(&event(EventCode::MeterExchanged, EventValue::Null, counter(0)), 1);
        assert_eq!(unknown.map(|(_, _, b)| b.last), Some(i64::MIN));
        assert!(is_sound(&event(EventCode::Counter, counter(9), counter(0))));
        assert!(!is_sound(&event(EventCode::Counter, counter(9), EventValue::Counter(12, 0))));
        assert!(!is_sound(&event(EventCode::Counter, EventValue::Null, EventValue::Null)));
        assert_eq!(counter_break(&event(EventCode::Note, EventValue::Null, EventValue::Null), 1), None);
    }
}

//! Columns of a window statement: ids, and the four codings of their integers.
//!
//! A column holds one integer for each listed machine and window, machine by machine, window by window.
//! The encoder takes the smallest coding, ties to the lowest number, so that the same integers always give
//! the same bytes.

use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;

/// Energy register at the window's end, Wh × 10^exponent.
pub const ENERGY: u8 = 10;
/// Quality of [`ENERGY`]: 0 none, 1 register, 2 bridged, 3 counter event, 4 integrated, 5 missing.
pub const ENERGY_Q: u8 = 11;
/// Part register at the window's end.
pub const PARTS: u8 = 12;
/// Quality of [`PARTS`].
pub const PARTS_Q: u8 = 13;
/// Good-part register at the window's end.
pub const GOOD: u8 = 14;
/// Quality of [`GOOD`].
pub const GOOD_Q: u8 = 15;
/// Reads that were due.
pub const READS_EXPECTED: u8 = 16;
/// Reads that were good.
pub const READS_GOOD: u8 = 17;
/// Milliseconds with a live connection.
pub const CONNECTED_MS: u8 = 18;
/// Values that differed from the one before.
pub const CHANGED: u8 = 19;
/// Sessions alive or established.
pub const SESSIONS: u8 = 20;
/// Identity: 0 not read, 1 as in the roster, 2 different.
pub const IDENTITY: u8 = 21;
/// Milliseconds cutting.
pub const CUTTING_MS: u8 = 22;
/// Milliseconds of dry run.
pub const DRY_RUN_MS: u8 = 23;
/// Milliseconds of warm-up.
pub const WARMUP_MS: u8 = 24;
/// Mean power, W, from an independent power point.
pub const POWER_MEAN: u8 = 25;
/// Peak power, W, from an independent power point.
pub const POWER_PEAK: u8 = 26;
/// Milliseconds with the spindle turning (主轴运转率).
pub const SPINDLE_MS: u8 = 27;
/// Entries into FAULT (MTBF, MTTR).
pub const FAULT_COUNT: u8 = 28;
/// First and last id of the pairs (register, quality) of further carriers.
pub const CARRIERS: std::ops::RangeInclusive<u8> = 30..=49;

/// Whether version 1 knows this column id.
pub fn is_known(id: u8) -> bool {
    id <= 8 || (ENERGY..=FAULT_COUNT).contains(&id) || CARRIERS.contains(&id)
}

/// One column: value = int × 10^exponent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Power of ten of every value.
    pub exponent: i8,
    /// Machine-major: machine m, window w of n at `[m * n + w]`.
    pub values: Vec<i64>,
}

impl Column {
    /// A column that would say nothing, and is therefore left out.
    pub fn is_zero(&self) -> bool {
        self.values.iter().all(|v| *v == 0)
    }

    /// `[coding, exponent, ints]`.
    pub(crate) fn write(&self, w: &mut Writer) {
        let (coding, length) = smallest(&self.values);
        w.array(3).uint(coding as u64).int(i64::from(self.exponent)).array(length);
        match coding {
            Coding::Raw => self.values.iter().for_each(|v| {
                w.int(*v);
            }),
            Coding::First => differences(&self.values, |n, _| {
                w.int(n);
            }),
            Coding::Second => differences(&self.values, |_, n| {
                w.int(n);
            }),
            Coding::Runs => self.values.chunk_by(|a, b| a == b).for_each(|run| {
                w.int(run[0]).uint(run.len() as u64);
            }),
        }
    }

    /// Reads a column of exactly `count` values. The bound is checked before anything is expanded.
    pub(crate) fn read(r: &mut Reader<'_>, count: usize) -> Result<Self, DecodeError> {
        r.tuple(3, "column")?;
        let coding = r.uint("column coding")?;
        let exponent = r.int("column exponent")?;
        let exponent = exponent_in_range(exponent).ok_or_else(|| {
            DecodeError::value("column exponent", format!("{exponent} is not within -18 to 18"))
        })?;
        let length = r.array("column values")?;
        let values = match coding {
            0..=2 if length != count => return Err(wrong_count(count)),
            0 => (0..length).map(|_| r.int("column value")).collect::<Result<_, _>>()?,
            1 | 2 => read_differences(r, length, coding == 2)?,
            3 => read_runs(r, length, count)?,
            _ => return Err(DecodeError::value("column coding", format!("{coding} is none of 0 to 3"))),
        };
        Ok(Self { exponent, values })
    }
}

fn wrong_count(count: usize) -> DecodeError {
    DecodeError::value("column values", format!("not {count} values"))
}

fn overflow() -> DecodeError {
    DecodeError::value("column values", "a value leaves 64 bits")
}

fn read_differences(r: &mut Reader<'_>, length: usize, twice: bool) -> Result<Vec<i64>, DecodeError> {
    let mut values = Vec::with_capacity(length);
    let (mut value, mut difference) = (0i64, 0i64);
    for i in 0..length {
        let n = r.int("column value")?;
        difference = if twice && i > 1 { difference.checked_add(n).ok_or_else(overflow)? } else { n };
        value = if i == 0 { n } else { value.checked_add(difference).ok_or_else(overflow)? };
        values.push(value);
    }
    Ok(values)
}

fn read_runs(r: &mut Reader<'_>, length: usize, count: usize) -> Result<Vec<i64>, DecodeError> {
    if !length.is_multiple_of(2) {
        return Err(DecodeError::value("column values", "an odd number of run-length items"));
    }
    let mut values = Vec::new();
    for _ in 0..length / 2 {
        let value = r.int("column value")?;
        let times: usize = r.small("run length")?;
        if times == 0 || times > count - values.len() {
            return Err(DecodeError::value("run length", format!("{times} does not fit {count} values")));
        }
        values.resize(values.len() + times, value);
    }
    if values.len() == count { Ok(values) } else { Err(wrong_count(count)) }
}

/// Powers of ten that version 1 allows: any quantity fits, and a rescaling can be bounded.
pub(crate) fn exponent_in_range(exponent: i64) -> Option<i8> {
    i8::try_from(exponent).ok().filter(|e| (-18..=18).contains(e))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Raw,
    First,
    Second,
    Runs,
}

/// The smallest of the four codings, ties to the lowest, and the number of its ints. A difference that would
/// leave 64 bits rules a coding out.
///
/// This runs for every column that is verified, so it allocates nothing and looks at the differences only when
/// runs cannot win anyway: the other codings take at least one byte a value.
fn smallest(values: &[i64]) -> (Coding, usize) {
    let count = values.len();
    let (mut runs, mut pairs) = (0, 0usize);
    for run in values.chunk_by(|a, b| a == b) {
        runs += size_of_int(run[0]) + size_of_uint(run.len() as u64);
        pairs += 2;
    }
    runs += size_of_uint(pairs as u64);
    let head = size_of_uint(count as u64);
    if runs < head + count {
        return (Coding::Runs, pairs);
    }
    let (mut raw, mut first, mut second) = (head, Some(head), Some(head));
    let mut previous: Option<(i64, Option<i64>)> = None;
    for (at, value) in values.iter().enumerate() {
        raw += size_of_int(*value);
        let Some((last, difference)) = previous else {
            (first, second) =
                (first.map(|n| n + size_of_int(*value)), second.map(|n| n + size_of_int(*value)));
            previous = Some((*value, None));
            continue;
        };
        let step = value.checked_sub(last);
        first = first.zip(step).map(|(n, step)| n + size_of_int(step));
        let change = if at == 1 { step } else { step.zip(difference).and_then(|(a, b)| a.checked_sub(b)) };
        second = second.zip(change).map(|(n, change)| n + size_of_int(change));
        previous = Some((*value, step));
    }
    let mut best = (raw, Coding::Raw, count);
    for (size, coding, length) in
        [(first, Coding::First, count), (second, Coding::Second, count), (Some(runs), Coding::Runs, pairs)]
    {
        if let Some(size) = size.filter(|size| *size < best.0) {
            best = (size, coding, length);
        }
    }
    (best.1, best.2)
}

/// Calls `each` with the ints of codings 1 and 2 for every value. Where a coding is ruled out its int is
/// meaningless, and nobody writes it.
fn differences(values: &[i64], mut each: impl FnMut(i64, i64)) {
    let (mut last, mut difference) = (0i64, 0i64);
    for (at, value) in values.iter().enumerate() {
        let step = value.wrapping_sub(last);
        each(step, if at < 2 { step } else { step.wrapping_sub(difference) });
        (last, difference) = (*value, step);
    }
}

fn size_of_int(n: i64) -> usize {
    // -1 - n is the argument of a negative integer: the same as inverting its bits.
    size_of_uint((n ^ (n >> 63)).cast_unsigned())
}

fn size_of_uint(n: u64) -> usize {
    1 + usize::from(n > 23)
        + usize::from(n > 0xff)
        + 2 * usize::from(n > 0xffff)
        + 4 * usize::from(n > 0xffff_ffff)
}

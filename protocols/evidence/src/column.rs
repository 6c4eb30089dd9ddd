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
        let (coding, numbers) = smallest(&self.values);
        w.array(3).uint(coding).int(i64::from(self.exponent)).array(numbers.len());
        for n in numbers {
            w.int(n);
        }
    }

    /// Reads a column of exactly `count` values. The bound is checked before anything is expanded.
    pub(crate) fn read(r: &mut Reader<'_>, count: usize) -> Result<Self, DecodeError> {
        r.tuple(3, "column")?;
        let coding = r.uint("column coding")?;
        let exponent = r.int("column exponent")?;
        let exponent =
            i8::try_from(exponent).map_err(|_| DecodeError::value("column exponent", "too large"))?;
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

/// The smallest of the four codings; a difference that would leave 64 bits rules a coding out.
fn smallest(values: &[i64]) -> (u64, Vec<i64>) {
    let first = differences(values, 1);
    let second = first.as_deref().and_then(|d| differences(d, 2));
    let candidates = [Some(values.to_vec()), first, second, Some(runs(values))];
    let mut best: Option<(usize, u64, Vec<i64>)> = None;
    for (coding, numbers) in (0u64..).zip(candidates) {
        let Some(numbers) = numbers else { continue };
        let size =
            numbers.iter().map(|n| encoded_size(*n)).sum::<usize>() + encoded_size_of_length(numbers.len());
        if best.as_ref().is_none_or(|(least, _, _)| size < *least) {
            best = Some((size, coding, numbers));
        }
    }
    best.map_or((0, Vec::new()), |(_, coding, numbers)| (coding, numbers))
}

/// Differences from index `from` on; everything before stays.
fn differences(values: &[i64], from: usize) -> Option<Vec<i64>> {
    let mut out = values.to_vec();
    for i in from..values.len() {
        out[i] = values[i].checked_sub(values[i - 1])?;
    }
    Some(out)
}

fn runs(values: &[i64]) -> Vec<i64> {
    let mut out: Vec<i64> = Vec::new();
    for value in values {
        match out.as_mut_slice() {
            [.., last, times] if last == value => *times += 1,
            _ => out.extend([*value, 1]),
        }
    }
    out
}

fn encoded_size(n: i64) -> usize {
    let magnitude = if n < 0 { n.unsigned_abs() - 1 } else { n.unsigned_abs() };
    match magnitude {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

fn encoded_size_of_length(n: usize) -> usize {
    i64::try_from(n).map_or(9, encoded_size)
}

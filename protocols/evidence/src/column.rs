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
        let coding = smallest(&self.values);
        let length = match coding {
            Coding::Runs => 2 * self.values.chunk_by(|a, b| a == b).count(),
            _ => self.values.len(),
        };
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
    ///
    /// What is accepted here is byte for byte what [`Self::write`] writes: the reader takes shortest integers
    /// only, and the coding must be the smallest. So a column need not be built anew to be compared.
    pub(crate) fn read(r: &mut Reader<'_>, count: usize) -> Result<Self, DecodeError> {
        let at = r.at();
        r.tuple(3, "column")?;
        let coding = r.uint("column coding")?;
        let exponent = r.int("column exponent")?;
        let exponent = exponent_in_range(exponent).ok_or_else(|| {
            DecodeError::value("column exponent", format!("{exponent} is not within -18 to 18"))
        })?;
        let ints = r.at();
        let length = r.array("column values")?;
        let (coding, values) = match coding {
            0..=2 if length != count => return Err(wrong_count(count)),
            0 => (Coding::Raw, r.ints(length, "column value")?),
            1 => (Coding::First, sums(r.ints(length, "column value")?, 1)?),
            2 => (Coding::Second, sums(sums(r.ints(length, "column value")?, 2)?, 1)?),
            3 => (Coding::Runs, read_runs(r, length, count)?),
            _ => return Err(DecodeError::value("column coding", format!("{coding} is none of 0 to 3"))),
        };
        // Any other coding takes a byte a value and the head: runs below that cannot be beaten.
        let unbeaten = coding == Coding::Runs && r.at() - ints < least(count);
        if unbeaten || smallest(&values) == coding {
            Ok(Self { exponent, values })
        } else {
            Err(DecodeError::NotCanonical(at))
        }
    }
}

fn wrong_count(count: usize) -> DecodeError {
    DecodeError::value("column values", format!("not {count} values"))
}

/// Adds each value from index `from` on to the one before it: undoes differences.
fn sums(mut values: Vec<i64>, from: usize) -> Result<Vec<i64>, DecodeError> {
    for at in from..values.len() {
        let sum = values[at].checked_add(values[at - 1]);
        values[at] = sum.ok_or_else(|| DecodeError::value("column values", "a value leaves 64 bits"))?;
    }
    Ok(values)
}

fn read_runs(r: &mut Reader<'_>, length: usize, count: usize) -> Result<Vec<i64>, DecodeError> {
    let at = r.at();
    let ints = r.ints(length, "column value")?;
    let (pairs, odd) = ints.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(DecodeError::value("column values", "an odd number of run-length items"));
    }
    let mut values = Vec::with_capacity(count);
    for [value, times] in pairs {
        let left = count - values.len();
        let times = usize::try_from(*times).ok().filter(|times| (1..=left).contains(times));
        let times =
            times.ok_or_else(|| DecodeError::value("run length", format!("does not fit {count} values")))?;
        if values.last() == Some(value) {
            return Err(DecodeError::NotCanonical(at));
        }
        values.resize(values.len() + times, *value);
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

/// The least that codings 0 to 2 can take for `count` values: the head, and a byte a value.
fn least(count: usize) -> usize {
    size_of_uint(count as u64) + count
}

/// The smallest of the four codings, ties to the lowest. A difference that would leave 64 bits rules a coding
/// out.
///
/// This runs for every column that is verified and must stay below the cost of the signature, so it allocates
/// nothing and counts only what can still win.
fn smallest(values: &[i64]) -> Coding {
    let sizes = sizes(values);
    let (mut best, mut coding) = (sizes.raw, Coding::Raw);
    for (size, other) in [(sizes.first, Coding::First), (sizes.second, Coding::Second)] {
        if let Some(size) = size.filter(|size| *size < best) {
            (best, coding) = (size, other);
        }
    }
    if sizes.runs_at_least < best && size_of_runs(values) < best { Coding::Runs } else { coding }
}

fn size_of_runs(values: &[i64]) -> usize {
    let (mut size, mut ints) = (0, 0);
    for run in values.chunk_by(|a, b| a == b) {
        size += size_of_int(run[0]) + size_of_uint(run.len() as u64);
        ints += 2;
    }
    size + size_of_uint(ints)
}

/// Bytes of the codings with their heads: 0 to 2, none where a difference leaves 64 bits, and a bound for 3.
struct Sizes {
    raw: usize,
    first: Option<usize>,
    second: Option<usize>,
    runs_at_least: usize,
}

fn sizes(values: &[i64]) -> Sizes {
    // Any bit that a magnitude has. Below 2^29, changes of changes stay within 32 bits.
    let bits = values.iter().fold(0, |bits, v| bits | magnitude(*v));
    if bits >> 29 == 0 { low_sizes(values) } else { plain_sizes(values) }
}

/// In 32-bit arithmetic, which processors do four at a time: counting must stay far below the cost of a
/// signature. A statement has at most 2^18 values, so no sum leaves 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the caller has looked at the high bits")]
fn low_sizes(values: &[i64]) -> Sizes {
    const PIECE: usize = 128;
    let size = |n: i32| {
        let m = n ^ (n >> 31);
        1 + i32::from(m > 23) + i32::from(m > 0xff) + 2 * i32::from(m > 0xffff)
    };
    let sum = |ints: &[i32]| ints.iter().map(|n| size(*n)).sum::<i32>();
    let (mut raw, mut first, mut second, mut runs) = (0, 0, 0, 0);
    let (mut last, mut step) = (0i32, 0i32);
    let (mut low, mut steps, mut changes) = ([0i32; PIECE + 1], [0i32; PIECE + 1], [0i32; PIECE]);
    for (piece, values) in values.chunks(PIECE).enumerate() {
        let n = values.len();
        (low[0], steps[0]) = (last, step);
        low[1..].iter_mut().zip(values).for_each(|(low, v)| *low = *v as i32);
        steps[1..].iter_mut().zip(low[..=n].windows(2)).for_each(|(step, v)| *step = v[1] - v[0]);
        changes.iter_mut().zip(steps[..=n].windows(2)).for_each(|(change, s)| *change = s[1] - s[0]);
        if piece == 0 && n > 1 {
            // The first value and the first difference stand as they are.
            (changes[0], changes[1]) = (steps[1], steps[2]);
        }
        raw += sum(&low[1..=n]);
        first += sum(&steps[1..=n]);
        second += sum(&changes[..n]);
        // A run begins where the step is not zero; its length takes a byte or more.
        let begins = low[1..=n].iter().zip(&steps[1..=n]);
        runs += begins.map(|(v, step)| (1 + size(*v)) * i32::from(*step != 0)).sum::<i32>();
        (last, step) = (low[n], steps[n]);
    }
    let with_head =
        |size: i32| size_of_uint(values.len() as u64) + usize::try_from(size).unwrap_or(usize::MAX / 2);
    Sizes {
        raw: with_head(raw),
        first: Some(with_head(first)),
        second: Some(with_head(second)),
        // Without a head, and without the run of zeros that may stand first.
        runs_at_least: usize::try_from(runs).unwrap_or(0),
    }
}

/// The same for values of any size.
fn plain_sizes(values: &[i64]) -> Sizes {
    let head = size_of_uint(values.len() as u64);
    let mut sizes = Sizes { raw: head, first: Some(head), second: Some(head), runs_at_least: 0 };
    let add = |sum: Option<usize>, n: Option<i64>| sum.zip(n).map(|(sum, n)| sum + size_of_int(n));
    let (mut before, mut step_before) = (None::<i64>, None::<i64>);
    for value in values {
        sizes.raw += size_of_int(*value);
        let step = before.map_or(Some(*value), |before| value.checked_sub(before));
        let change = match (before, step_before) {
            (None, _) => Some(*value),
            (Some(_), None) => step,
            (Some(_), Some(before)) => step.and_then(|step| step.checked_sub(before)),
        };
        if before != Some(*value) {
            sizes.runs_at_least += 1 + size_of_int(*value);
        }
        (sizes.first, sizes.second) = (add(sizes.first, step), add(sizes.second, change));
        // After a step beyond 64 bits both codings are out, and stay out.
        step_before = before.and(step);
        before = Some(*value);
    }
    sizes
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

/// The argument of an integer's encoding: n, or -1 - n for a negative one, which inverts its bits.
fn magnitude(n: i64) -> u64 {
    (n ^ (n >> 63)).cast_unsigned()
}

fn size_of_int(n: i64) -> usize {
    size_of_uint(magnitude(n))
}

fn size_of_uint(n: u64) -> usize {
    1 + usize::from(n > 23)
        + usize::from(n > 0xff)
        + 2 * usize::from(n > 0xffff)
        + 4 * usize::from(n > 0xffff_ffff)
}

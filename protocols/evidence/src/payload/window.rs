//! A batch of windows of all of an agent's machines in one project.

use super::event::{Event, read_events, write_events};
use super::{Fields, Place, prev, read_machines, version, write_machines};
use crate::cbor::{Reader, Writer};
use crate::column::{Column, is_known};
use crate::defect::DecodeError;
use crate::hash::Hash;
use std::collections::BTreeMap;
use std::ops::Range;

/// Most values in one statement, all columns together: 2 MiB expanded, from at most 48 000 bytes.
pub const MAX_CELLS: usize = 1 << 18;

/// What the kernel says of the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockStatus {
    /// Unknown.
    #[default]
    Unknown,
    /// Independent: runs on its own.
    Independent,
    /// Synchronised.
    Synchronised,
    /// Stepped or restored within this batch.
    Restepped,
}

/// What an agent says of its clock. A claim; the time grade never rests on it alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockClaim {
    /// U, I, S, R.
    pub status: ClockStatus,
    /// Measured offset against the source, ms.
    pub offset_ms: i64,
    /// Where the time comes from, such as an NTP server; empty when unknown.
    pub source: String,
    /// The monotonic clock at the end of the batch, ms.
    pub mono_ms: u64,
}

/// The newest cosigned checkpoint that the agent has verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenCheckpoint {
    /// Tree size.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
    /// The cosignature's time, UTC s.
    pub time: i64,
    /// SHA-256 of the whole note.
    pub note_hash: Hash,
}

/// The commitment to the raw blocks kept on the box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawCommitment {
    /// Merkle root over the blocks.
    pub root: Hash,
    /// How many blocks.
    pub blocks: u64,
}

/// Payload of a window statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowBatch {
    /// Place in the agent's stream.
    pub place: Place,
    /// Counts the agent's starts.
    pub boot_epoch: u64,
    /// Start of the first window, UTC s, a multiple of `step`.
    pub t0: i64,
    /// Length of a window, s.
    pub step: u32,
    /// Number of windows, at least 1.
    pub n: u32,
    /// What the agent says of its clock.
    pub clock: ClockClaim,
    /// Newest cosigned checkpoint it has verified.
    pub checkpoint: Option<SeenCheckpoint>,
    /// Machine indices, ascending.
    pub machines: Vec<u32>,
    /// Columns by id; all-zero columns are left out.
    pub columns: BTreeMap<u8, Column>,
    /// Commitment to the raw blocks.
    pub raw: RawCommitment,
    /// Hash of the definitions in force, see [`super::definitions_in_force`].
    pub definitions: Hash,
    /// Events; the field is left out when empty.
    pub events: Vec<Event>,
}

impl WindowBatch {
    /// The value of a column for machine position `m` and window `w`; 0 when the column was left out.
    pub fn value(&self, column: u8, m: usize, w: usize) -> i64 {
        let at = m * self.n as usize + w;
        self.columns.get(&column).and_then(|c| c.values.get(at)).copied().unwrap_or(0)
    }

    /// End of the last window, UTC s.
    pub fn end(&self) -> i64 {
        self.t0 + i64::from(self.step) * i64::from(self.n)
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.write_around(w, |w| {
            let columns = self.columns.iter().filter(|(_, c)| !c.is_zero());
            w.map(columns.clone().count());
            for (id, column) in columns {
                w.uint(u64::from(*id));
                column.write(w);
            }
        });
    }

    /// Writes everything anew but the columns, which are given as they came: [`Column::read`] accepts only what
    /// [`Column::write`] writes.
    pub(crate) fn rebuild(&self, w: &mut Writer, columns: &[u8]) {
        self.write_around(w, |w| {
            w.canonical(columns);
        });
    }

    fn write_around(&self, w: &mut Writer, columns: impl FnOnce(&mut Writer)) {
        w.map(if self.events.is_empty() { 10 } else { 11 });
        self.place.write(w);
        w.uint(4).uint(self.boot_epoch);
        w.uint(5).array(3).int(self.t0).uint(u64::from(self.step)).uint(u64::from(self.n)).uint(6);
        write_clock(w, &self.clock);
        w.uint(7);
        w.optional(self.checkpoint, |w, c| {
            w.array(4).uint(c.size).bytes(&c.root).int(c.time).bytes(&c.note_hash);
        });
        w.uint(8).array(2);
        write_machines(w, &self.machines);
        columns(w);
        w.uint(9).array(2).bytes(&self.raw.root).uint(self.raw.blocks).uint(10).bytes(&self.definitions);
        if !self.events.is_empty() {
            w.uint(11);
            write_events(w, &self.events);
        }
    }

    /// Reads a batch; gives the place of the columns in the input too.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<(Self, Range<usize>), DecodeError> {
        let mut place = 0..0;
        let mut b = Self {
            place: Place::default(),
            boot_epoch: 0,
            t0: 0,
            step: 1,
            n: 1,
            clock: ClockClaim::default(),
            checkpoint: None,
            machines: vec![],
            columns: BTreeMap::new(),
            raw: RawCommitment::default(),
            definitions: [0; 32],
            events: vec![],
        };
        let seen = Fields::read(r, "window", |key, r| {
            match key {
                1 => version(r)?,
                2 => b.place.seq = r.uint("seq")?,
                3 => b.place.prev = prev(r)?,
                4 => b.boot_epoch = r.uint("boot epoch")?,
                5 => (b.t0, b.step, b.n) = read_time(r)?,
                6 => b.clock = read_clock(r)?,
                7 => b.checkpoint = r.optional(read_checkpoint)?,
                8 => (b.machines, b.columns, place) = read_columns(r, b.n)?,
                9 => {
                    r.tuple(2, "raw commitment")?;
                    b.raw = RawCommitment { root: r.fixed("raw root")?, blocks: r.uint("raw blocks")? };
                }
                10 => b.definitions = r.fixed("definitions hash")?,
                11 => b.events = read_events(r)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=10)?;
        Ok((b, place))
    }
}

fn read_time(r: &mut Reader<'_>) -> Result<(i64, u32, u32), DecodeError> {
    r.tuple(3, "window times")?;
    let (t0, step, n) = (r.int("t0")?, r.small::<u32>("step")?, r.small::<u32>("n")?);
    if step == 0 || step > 900 || n == 0 || t0.rem_euclid(i64::from(step)) != 0 || !(0..1 << 40).contains(&t0)
    {
        return Err(DecodeError::value(
            "window times",
            format!("[{t0}, {step}, {n}] is no run of aligned windows"),
        ));
    }
    Ok((t0, step, n))
}

fn read_checkpoint(r: &mut Reader<'_>) -> Result<SeenCheckpoint, DecodeError> {
    r.tuple(4, "seen checkpoint")?;
    Ok(SeenCheckpoint {
        size: r.uint("checkpoint size")?,
        root: r.fixed("checkpoint root")?,
        time: r.int("checkpoint time")?,
        note_hash: r.fixed("checkpoint note hash")?,
    })
}

type Columns = (Vec<u32>, BTreeMap<u8, Column>, Range<usize>);

fn read_columns(r: &mut Reader<'_>, n: u32) -> Result<Columns, DecodeError> {
    r.tuple(2, "columns")?;
    let machines = read_machines(r)?;
    if machines.is_empty() {
        return Err(DecodeError::value("machine indices", "empty"));
    }
    // Runs can claim many cells in few bytes; the bound is checked before a column is expanded.
    let too_many = || {
        let reason = format!("more than {MAX_CELLS} values; put fewer windows into the statement");
        DecodeError::value("columns", reason)
    };
    let count = usize::try_from(n).ok().and_then(|n| machines.len().checked_mul(n));
    let count = count.filter(|count| *count <= MAX_CELLS).ok_or_else(too_many)?;
    let (mut cells, from) = (0, r.at());
    let mut columns = BTreeMap::new();
    crate::cbor::fields(r, "columns", |key, r| {
        let id = u8::try_from(key).ok().filter(|id| is_known(*id));
        let id = id.ok_or_else(|| DecodeError::value("column id", format!("{key} is not known")))?;
        cells += count;
        if cells > MAX_CELLS {
            return Err(too_many());
        }
        let column = Column::read(r, count)?;
        if column.is_zero() {
            return Err(DecodeError::value("column", format!("{id} is all zero and must be left out")));
        }
        columns.insert(id, column);
        Ok(())
    })?;
    Ok((machines, columns, from..r.at()))
}

pub(super) fn write_clock(w: &mut Writer, clock: &ClockClaim) {
    w.array(4).uint(clock.status as u64).int(clock.offset_ms).text(&clock.source).uint(clock.mono_ms);
}

pub(super) fn read_clock(r: &mut Reader<'_>) -> Result<ClockClaim, DecodeError> {
    r.tuple(4, "clock")?;
    let status = match r.uint("clock status")? {
        0 => ClockStatus::Unknown,
        1 => ClockStatus::Independent,
        2 => ClockStatus::Synchronised,
        3 => ClockStatus::Restepped,
        other => return Err(DecodeError::value("clock status", format!("{other} is not known"))),
    };
    Ok(ClockClaim {
        status,
        offset_ms: r.int("clock offset")?,
        source: r.text("clock source")?.to_owned(),
        mono_ms: r.uint("monotonic clock")?,
    })
}

//! What statements say: one module a kind, each with its fields, its writer and its reader.
//!
//! Every payload is a map with unsigned keys in ascending order, starting `{1: version, 2: seq, 3: prev}`,
//! but for the genesis, which is seq 0 of the registrar's stream by definition.

mod annotation;
mod audit;
mod calendar;
mod close;
mod declaration;
mod event;
mod genesis;
mod key_change;
mod plan;
mod report_note;
mod window;

pub use annotation::Annotation;
pub use audit::{Audit, AuditStep, MAX_AUDITED, audited_blocks};
pub use calendar::{Calendar, CalendarDay, DayKind, Maintenance, Order, Shift};
pub use close::Close;
pub use declaration::Declaration;
pub use event::{Event, EventBatch, EventCode, EventValue};
pub use genesis::{Definition, Flags, Genesis, Machine, Period, RosterKey, definitions_in_force};
pub use key_change::{KeyAction, KeyChange, LastAccepted};
pub use plan::{Plan, PlanBody};
pub use report_note::ReportNote;
pub use window::{ClockClaim, ClockStatus, MAX_CELLS, RawCommitment, SeenCheckpoint, WindowBatch};

use crate::cbor::{Reader, Writer, fields};
use crate::defect::DecodeError;
use crate::hash::Hash;

/// The format version of every payload.
pub const VERSION: u64 = 1;

/// Where a statement stands in its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Sequence number, from 0 without a gap.
    pub seq: u64,
    /// Leaf hash of the stream's statement before, null at 0.
    pub prev: Option<Hash>,
}

impl Place {
    /// Writes fields 1 to 3.
    fn write(self, w: &mut Writer) {
        w.uint(1).uint(VERSION).uint(2).uint(self.seq).uint(3);
        w.optional(self.prev, |w, hash| {
            w.bytes(&hash);
        });
    }
}

/// Collects the fields of a payload map while it is read: keys must be known, and those required be there.
struct Fields {
    what: &'static str,
    seen: u64,
}

impl Fields {
    /// Reads a map; `read` returns false for a key it does not know.
    fn read<'a>(
        r: &mut Reader<'a>,
        what: &'static str,
        mut read: impl FnMut(u64, &mut Reader<'a>) -> Result<bool, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let mut seen = 0u64;
        fields(r, what, |key, r| {
            if key < 64 && read(key, r)? {
                seen |= 1 << key;
                return Ok(());
            }
            Err(DecodeError::value(what, format!("unknown field {key}")))
        })?;
        Ok(Self { what, seen })
    }

    /// The keys that must have been there.
    fn require(&self, keys: impl IntoIterator<Item = u64>) -> Result<(), DecodeError> {
        match keys.into_iter().find(|key| self.seen & 1 << key == 0) {
            Some(key) => Err(DecodeError::value(self.what, format!("field {key} is missing"))),
            None => Ok(()),
        }
    }
}

fn version(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    match r.uint("version")? {
        VERSION => Ok(()),
        other => Err(DecodeError::value("version", format!("{other} is not known to this program"))),
    }
}

fn prev(r: &mut Reader<'_>) -> Result<Option<Hash>, DecodeError> {
    r.optional(|r| r.fixed("prev"))
}

/// Machine indices, ascending; empty means all.
fn write_machines(w: &mut Writer, machines: &[u32]) {
    w.array(machines.len());
    for machine in machines {
        w.uint((*machine).into());
    }
}

fn read_machines(r: &mut Reader<'_>) -> Result<Vec<u32>, DecodeError> {
    let n = r.array("machine indices")?;
    let index =
        |n: i64| u32::try_from(n).map_err(|_| DecodeError::value("machine index", "not within 32 bits"));
    let machines = r.ints(n, "machine index")?.into_iter().map(index).collect::<Result<Vec<u32>, _>>()?;
    if machines.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(DecodeError::value("machine indices", "not ascending"));
    }
    Ok(machines)
}

fn owned(r: &mut Reader<'_>, what: &'static str) -> Result<String, DecodeError> {
    r.text(what).map(str::to_owned)
}

/// A half-open interval of UTC seconds.
fn interval(r: &mut Reader<'_>, what: &'static str) -> Result<(i64, i64), DecodeError> {
    r.tuple(2, what)?;
    let (from, to) = (r.int(what)?, r.int(what)?);
    if from < to { Ok((from, to)) } else { Err(DecodeError::value(what, "ends before it begins")) }
}

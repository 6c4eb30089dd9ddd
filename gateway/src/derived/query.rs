//! Reading the derived tables.

use super::{Derived, schema};
use crate::error::StorageError;
use evidence::Hash;
use kpi::{CounterBreak, MachineWindow, Quantity};
use rusqlite::{Row, params};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where a machine stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MachineRow {
    /// Roster index.
    pub(crate) machine: u32,
    /// Roster id.
    pub(crate) id: String,
    /// Its agent.
    pub(crate) agent: String,
    /// Name for people.
    pub(crate) name: String,
    /// Production line.
    pub(crate) line: String,
    /// End of its newest window, UTC s.
    pub(crate) last_end: Option<i64>,
    /// Entry that holds that window.
    pub(crate) last_entry: Option<u64>,
    /// Leaf state that took most of that window.
    pub(crate) state: Option<&'static str>,
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StreamRow {
    /// Thumbprint of its key, hex.
    pub(crate) kid: String,
    /// Role of its signer.
    pub(crate) role: String,
    /// Name of its signer.
    pub(crate) id: String,
    /// Statements logged.
    pub(crate) statements: u64,
    /// Number of the newest.
    pub(crate) last_seq: u64,
    /// Its entry.
    pub(crate) last_entry: u64,
    /// Frozen after an equivocation.
    pub(crate) frozen: bool,
    /// End of its newest window, UTC s.
    pub(crate) windows_end: Option<i64>,
    /// Clock status the agent claims: 0 unknown, 1 .. 3 as in the evidence format.
    pub(crate) clock_status: Option<i64>,
    /// Clock offset the agent claims, ms.
    pub(crate) clock_offset_ms: Option<i64>,
}

/// One window of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WindowRow {
    /// Start, UTC s.
    pub(crate) t: i64,
    /// Entry that holds it.
    pub(crate) entry: u64,
    /// The first window its stream ever signed.
    pub(crate) opening: bool,
    /// Its content may be counted.
    pub(crate) counted: bool,
    /// Its integers.
    pub(crate) window: MachineWindow,
}

/// A signed stretch without windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoleRow {
    /// First second, UTC.
    pub(crate) from: i64,
    /// The second after the last.
    pub(crate) to: i64,
    /// Loss rather than down.
    pub(crate) loss: bool,
}

impl Derived {
    /// Entries applied, machines, streams.
    pub(crate) fn status(&self) -> Result<(u64, Vec<MachineRow>, Vec<StreamRow>), StorageError> {
        let machines = self.all(
            "SELECT machine, id, agent, name, line, last_end, last_entry FROM machine ORDER BY machine",
            [],
            machine,
        )?;
        let streams = self.all("SELECT * FROM stream ORDER BY role, id, kid", [], stream)?;
        let machines = machines.into_iter().map(|row| self.with_state(row)).collect::<Result<_, _>>()?;
        Ok((self.progress()?, machines, streams))
    }

    fn with_state(&self, mut row: MachineRow) -> Result<MachineRow, StorageError> {
        let last = self.all(
            "SELECT * FROM window WHERE machine = ? ORDER BY t DESC LIMIT 1",
            [row.machine],
            window,
        )?;
        row.state = last.first().map(|last| {
            let longest = kpi::Leaf::ALL.into_iter().max_by_key(|leaf| {
                // Of equals the first in the order of the leaves.
                (last.window.states_ms[leaf.index()], std::cmp::Reverse(leaf.index()))
            });
            longest.map_or("", kpi::Leaf::en)
        });
        Ok(row)
    }

    /// A machine's windows from `from` (included) to `to` (excluded), UTC s, in order of time.
    pub(crate) fn windows(
        &self,
        machine: u32,
        from: i64,
        to: i64,
        most: u32,
    ) -> Result<Vec<WindowRow>, StorageError> {
        self.all(
            "SELECT * FROM window WHERE machine = ? AND t >= ? AND t < ? ORDER BY t LIMIT ?",
            params![machine, from, to, most],
            window,
        )
    }

    /// A machine's counter breaks by window.
    pub(crate) fn breaks(&self, machine: u32) -> Result<BTreeMap<i64, Vec<CounterBreak>>, StorageError> {
        let rows = self.all(
            "SELECT t, quantity, last, first FROM counter_break WHERE machine = ? ORDER BY t, n",
            [machine],
            |row| {
                let quantity = quantity(row, 1)?;
                Ok((row.get(0)?, CounterBreak { quantity, last: row.get(2)?, first: row.get(3)? }))
            },
        )?;
        let mut breaks: BTreeMap<i64, Vec<CounterBreak>> = BTreeMap::new();
        for (t, one) in rows {
            breaks.entry(t).or_default().push(one);
        }
        Ok(breaks)
    }

    /// Entries that changed the roster, in order.
    pub(crate) fn roster_entries(&self) -> Result<Vec<u64>, StorageError> {
        let read = |row: &Row<'_>| Ok(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0));
        self.all("SELECT entry FROM roster_entry ORDER BY entry", [], read)
    }

    /// The newest approved mapping of every machine, hex.
    pub(crate) fn mappings(&self) -> Result<BTreeMap<u32, String>, StorageError> {
        let rows = self.all("SELECT machine, mapping FROM machine WHERE mapping IS NOT NULL", [], |row| {
            Ok((row.get(0)?, hex::encode(row.get::<_, [u8; 32]>(1)?)))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// Hashes of the notes that window statements name.
    pub(crate) fn seen(&self) -> Result<Vec<Hash>, StorageError> {
        self.all("SELECT note FROM seen ORDER BY note", [], |row| row.get(0))
    }

    /// Counter breaks of a machine that no window accounts for: entry and quantity, in order of the log.
    pub(crate) fn spoils(&self, machine: u32) -> Result<Vec<(u64, Quantity)>, StorageError> {
        self.all("SELECT entry, quantity FROM spoil WHERE machine = ? ORDER BY entry, n", [machine], |row| {
            Ok((u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0), quantity(row, 1)?))
        })
    }

    /// A machine's signed holes in order of time.
    pub(crate) fn holes(&self, machine: u32) -> Result<Vec<HoleRow>, StorageError> {
        self.all(
            "SELECT from_s, to_s, loss FROM hole WHERE machine = ? ORDER BY from_s, to_s",
            [machine],
            |row| Ok(HoleRow { from: row.get(0)?, to: row.get(1)?, loss: row.get(2)? }),
        )
    }

    /// Start of the first and end of the last window of the project, UTC s; `step` is a window's length.
    pub(crate) fn extent(&self, step: i64) -> Result<Option<(i64, i64)>, StorageError> {
        self.run("extent", |c| {
            c.query_row("SELECT min(t), max(t) FROM window", [], |row| {
                let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
                Ok(first.zip(last).map(|(first, last)| (first, last + step)))
            })
        })
    }

    fn all<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StorageError> {
        self.run("read", |c| c.prepare_cached(sql)?.query_map(values, read)?.collect())
    }
}

fn quantity(row: &Row<'_>, at: usize) -> rusqlite::Result<Quantity> {
    let column: u8 = row.get(at)?;
    let found = Quantity::ALL.into_iter().find(|q| q.column() == column);
    found.ok_or(rusqlite::Error::IntegralValueOutOfRange(at, i64::from(column)))
}

fn machine(row: &Row<'_>) -> rusqlite::Result<MachineRow> {
    Ok(MachineRow {
        machine: row.get(0)?,
        id: row.get(1)?,
        agent: row.get(2)?,
        name: row.get(3)?,
        line: row.get(4)?,
        last_end: row.get(5)?,
        last_entry: row.get::<_, Option<i64>>(6)?.and_then(|n| u64::try_from(n).ok()),
        state: None,
    })
}

fn stream(row: &Row<'_>) -> rusqlite::Result<StreamRow> {
    let unsigned = |column: &str| -> rusqlite::Result<u64> {
        Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
    };
    Ok(StreamRow {
        kid: hex::encode(row.get::<_, [u8; 32]>("kid")?),
        role: row.get("role")?,
        id: row.get("id")?,
        statements: unsigned("statements")?,
        last_seq: unsigned("last_seq")?,
        last_entry: unsigned("last_entry")?,
        frozen: row.get("frozen")?,
        windows_end: row.get("windows_end")?,
        clock_status: row.get("clock_status")?,
        clock_offset_ms: row.get("clock_offset_ms")?,
    })
}

/// Columns: machine, t, entry, opening, counted, then one per column id.
fn window(row: &Row<'_>) -> rusqlite::Result<WindowRow> {
    let mut window = MachineWindow::default();
    for (i, column) in kpi::column::ALL.iter().enumerate() {
        let value: Option<i64> = row.get(schema::FIRST_COLUMN + i)?;
        if let Some(value) = value {
            // Only values that `set` took were ever written.
            window.set(*column, value);
        }
    }
    Ok(WindowRow {
        t: row.get(1)?,
        entry: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        opening: row.get(3)?,
        counted: row.get(4)?,
        window,
    })
}

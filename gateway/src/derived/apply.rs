//! One entry of the log into the derived tables.
//!
//! What a statement says that cannot be (a machine of another agent, a window twice, states that do not fill
//! the window) becomes a row of `finding` and is not applied; the log keeps it, the verifier judges it.

use super::schema;
use evidence::Hash;
use evidence::payload::{Event, EventCode, EventValue, Genesis, WindowBatch, definitions_in_force};
use evidence::statement::{self, Header, Payload, Unverified};
use kpi::{MachineWindow, column};
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};
use std::collections::BTreeMap;
use tlog::{Entry, Part};
use verify::rows::{counter_break, rows};

/// What the genesis fixes about windows.
#[derive(Debug)]
pub(crate) struct Roster {
    step_s: u32,
    /// Agent id and columns by machine index.
    machines: BTreeMap<u32, String>,
    /// Hash of the definitions in force, by agent id.
    definitions: BTreeMap<String, Hash>,
}

impl Roster {
    pub(crate) fn of(genesis: &Genesis) -> Self {
        let mut mappings: BTreeMap<String, Vec<(u32, Hash)>> = BTreeMap::new();
        for machine in &genesis.machines {
            mappings.entry(machine.agent.clone()).or_default().push((machine.index, machine.mapping));
        }
        let in_force = |(agent, hashes): (String, Vec<(u32, Hash)>)| {
            (agent, definitions_in_force(&genesis.definitions, &hashes))
        };
        Self {
            step_s: genesis.step_s,
            machines: genesis.machines.iter().map(|m| (m.index, m.agent.clone())).collect(),
            definitions: mappings.into_iter().map(in_force).collect(),
        }
    }
}
/// Rows of one entry being written.
struct Writer<'a> {
    connection: &'a Connection,
    index: i64,
    header: Header,
    findings: i64,
    events: i64,
    holes: i64,
}

/// Applies an entry; the roster is set by entry 0.
pub(crate) fn entry(
    connection: &Connection,
    roster: &mut Option<Roster>,
    entry: &Entry,
) -> rusqlite::Result<()> {
    let Ok(Unverified { header, payload, .. }) = statement::open(&entry.bytes) else {
        // Ingest let nothing in that does not open; a damaged file shows in `rebuild`'s check of the log.
        return Ok(());
    };
    let index = i64::try_from(entry.index).unwrap_or(i64::MAX);
    let mut writer = Writer { connection, index, header, findings: 0, events: 0, holes: 0 };
    writer.stream(entry)?;
    if entry.part == Part::Second {
        return writer.finding("equivocation", "a second statement under a number that was used before");
    }
    match &payload {
        Payload::Genesis(genesis) => {
            *roster = Some(Roster::of(genesis));
            writer.machines(genesis)
        }
        Payload::Window(batch) => match roster {
            Some(roster) => writer.windows(roster, batch),
            None => Ok(()),
        },
        Payload::Event(batch) => writer.events(&batch.events),
        _ => Ok(()),
    }
}

impl Writer<'_> {
    fn finding(&mut self, kind: &str, detail: &str) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT INTO finding(entry, n, kind, detail) VALUES(?, ?, ?, ?)")?
            .execute(params![self.index, self.findings, kind, detail])?;
        self.findings += 1;
        Ok(())
    }

    fn stream(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        let seq = i64::try_from(entry.seq).unwrap_or(i64::MAX);
        let frozen = entry.part == Part::Second;
        self.connection
            .prepare_cached(
                "INSERT INTO stream(kid, role, id, statements, last_seq, last_entry, frozen)
                 VALUES(?1, ?2, ?3, 1, ?4, ?5, ?6)
                 ON CONFLICT(kid) DO UPDATE SET statements = statements + 1, last_entry = ?5, frozen = ?6,
                     last_seq = CASE WHEN ?6 THEN last_seq ELSE ?4 END",
            )?
            .execute(params![entry.kid, self.header.role.text(), self.header.id, seq, self.index, frozen])?;
        Ok(())
    }

    fn machines(&mut self, genesis: &Genesis) -> rusqlite::Result<()> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO machine(machine, id, agent, name, line) VALUES(?, ?, ?, ?, ?)")?;
        for m in &genesis.machines {
            insert.execute(params![m.index, m.id, m.agent, m.name, m.line])?;
        }
        Ok(())
    }

    fn windows(&mut self, roster: &Roster, batch: &WindowBatch) -> rusqlite::Result<()> {
        if batch.step != roster.step_s {
            let detail = format!("windows of {} s, the genesis says {} s", batch.step, roster.step_s);
            return self.finding("step", &detail);
        }
        let rows = match rows(batch) {
            Ok(rows) => rows,
            Err(defect) => return self.finding("window", &defect.to_string()),
        };
        let counted = roster.definitions.get(&self.header.id) == Some(&batch.definitions);
        if !counted {
            self.finding("definitions", "other definitions than the genesis approves")?;
        }
        let opening = self.end_of_windows()?.is_none();
        let n = batch.n as usize;
        for (machine, windows) in batch.machines.iter().zip(rows.windows.chunks(n.max(1))) {
            if roster.machines.get(machine) == Some(&self.header.id) {
                self.machine(batch, *machine, windows, counted, opening)?;
            } else {
                self.finding("machine", &format!("machine {machine} is not one of this agent"))?;
            }
        }
        self.clock(batch)?;
        self.breaks(batch, rows.energy_unit_mwh)?;
        self.events(&batch.events)
    }

    fn end_of_windows(&self) -> rusqlite::Result<Option<i64>> {
        let found = self
            .connection
            .prepare_cached("SELECT windows_end FROM stream WHERE kid = ?")?
            .query_row([self.header.kid.0], |row| row.get(0))
            .optional()?;
        Ok(found.flatten())
    }

    fn machine(
        &mut self,
        batch: &WindowBatch,
        machine: u32,
        windows: &[MachineWindow],
        counted: bool,
        opening: bool,
    ) -> rusqlite::Result<()> {
        let mut t = batch.t0;
        for window in windows {
            let first = opening && t == batch.t0;
            if !insert_window(self.connection, (machine, t, self.index), first, counted, window)? {
                self.finding("twice", &format!("machine {machine}, window {t} was signed before"))?;
            }
            t += i64::from(batch.step);
        }
        self.connection
            .prepare_cached(
                "UPDATE machine SET last_end = ?2, last_entry = ?3
                 WHERE machine = ?1 AND coalesce(last_end, ?2) <= ?2",
            )?
            .execute(params![machine, batch.end(), self.index])?;
        Ok(())
    }

    fn clock(&mut self, batch: &WindowBatch) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE stream SET windows_end = max(coalesce(windows_end, ?2), ?2), clock_status = ?3,
                     clock_offset_ms = ?4 WHERE kid = ?1",
            )?
            .execute(params![
                self.header.kid.0,
                batch.end(),
                batch.clock.status as u8,
                batch.clock.offset_ms
            ])?;
        Ok(())
    }

    /// Counter events as breaks of the window they fall into, in order of time.
    fn breaks(&mut self, batch: &WindowBatch, energy_unit_mwh: u64) -> rusqlite::Result<()> {
        let step_ms = i64::from(batch.step) * 1000;
        let mut places: BTreeMap<(u32, i64), i64> = BTreeMap::new();
        for event in &batch.events {
            let Some((machine, t_ms, found)) = counter_break(event, energy_unit_mwh) else { continue };
            let t = t_ms.div_euclid(step_ms) * i64::from(batch.step);
            let n = places.entry((machine, t)).or_default();
            self.connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO counter_break(machine, t, n, quantity, last, first)
                     VALUES(?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![machine, t, *n, found.quantity.column(), found.last, found.first])?;
            *n += 1;
        }
        Ok(())
    }

    fn events(&mut self, events: &[Event]) -> rusqlite::Result<()> {
        for event in events {
            self.connection
                .prepare_cached(
                    "INSERT INTO event(entry, n, kid, t_ms, code, machine, before, after)
                     VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    self.index,
                    self.events,
                    self.header.kid.0,
                    event.t_ms,
                    small(event.code.number()),
                    event.machine,
                    text_of(&event.before),
                    text_of(&event.after)
                ])?;
            self.events += 1;
            self.hole(event)?;
        }
        Ok(())
    }

    fn hole(&mut self, event: &Event) -> rusqlite::Result<()> {
        let Some((from_ms, to_ms)) = event.interval() else { return Ok(()) };
        if from_ms % 1000 != 0 || to_ms % 1000 != 0 {
            return self.finding("hole", &format!("a down or loss from {from_ms} to {to_ms} ms"));
        }
        let loss = event.code == EventCode::Loss;
        self.connection
            .prepare_cached("INSERT INTO hole(entry, n, agent, from_s, to_s, loss) VALUES(?, ?, ?, ?, ?, ?)")?
            .execute(params![self.index, self.holes, self.header.id, from_ms / 1000, to_ms / 1000, loss])?;
        self.holes += 1;
        Ok(())
    }
}

/// Event codes are small; one that did not fit would be kept apart from all that do.
fn small(code: u64) -> i64 {
    i64::try_from(code).unwrap_or(i64::MAX)
}

/// An event's value for people.
fn text_of(value: &EventValue) -> String {
    match value {
        EventValue::Null => String::new(),
        EventValue::Int(n) => n.to_string(),
        EventValue::Hash(hash) => hex::encode(hash),
        EventValue::Text(text) => text.clone(),
        EventValue::Counter(column, value) => format!("column {column}: {value}"),
        EventValue::Device(counter, value) => format!("counter {counter}: {value}"),
        EventValue::Program(version, hash) => format!("{version} {}", hex::encode(hash)),
    }
}

/// `false` when the machine has that window already.
fn insert_window(
    connection: &Connection,
    (machine, t, entry): (u32, i64, i64),
    opening: bool,
    counted: bool,
    window: &MachineWindow,
) -> rusqlite::Result<bool> {
    let value = |id: &u8| match *id {
        column::POWER_MEAN => window.power_mean_w,
        column::POWER_PEAK => window.power_peak_w,
        id => Some(window.get(id)),
    };
    let head = [Some(machine.into()), Some(t), Some(entry), Some(opening.into()), Some(counted.into())];
    let row = head.into_iter().chain(column::ALL.iter().map(value));
    let written =
        connection.prepare_cached(schema::INSERT_WINDOW.as_str())?.execute(params_from_iter(row))?;
    Ok(written == 1)
}

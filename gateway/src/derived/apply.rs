//! One entry of the log into the derived tables.
//!
//! Windows and holes are taken in the order and under the conditions of the assessor's program. What cannot be
//! (a machine of another agent, time that was signed before, states that do not fill the window) becomes a row
//! of `finding` and is not applied; the log keeps it, the verifier judges it.

use super::roster::Roster;
use super::schema;
use evidence::payload::{Event, EventCode, EventValue, Genesis, KeyAction, SeenCheckpoint, WindowBatch};
use evidence::statement::{self, Header, Payload, Unverified};
use kpi::{MachineWindow, column};
use rusqlite::{Connection, params, params_from_iter};
use std::collections::BTreeMap;
use tlog::{Entry, Part};
use verify::rows::{Rows, counter_break, rows};

/// Rows of one entry being written.
struct Writer<'a> {
    connection: &'a Connection,
    index: i64,
    header: Header,
    findings: i64,
    events: i64,
    holes: i64,
    spoils: i64,
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
    let mut writer = Writer { connection, index, header, findings: 0, events: 0, holes: 0, spoils: 0 };
    writer.stream(entry)?;
    if entry.part == Part::Second {
        return writer.finding("equivocation", "a second statement under a number that was used before");
    }
    if let Payload::Genesis(genesis) = &payload {
        writer.machines(genesis)?;
        writer.roster_entry()?;
        return writer.roster_changed(roster.insert(Roster::of(genesis)));
    }
    let Some(roster) = roster else { return Ok(()) };
    if Roster::concerns(&payload) {
        roster.change(&payload);
        writer.roster_entry()?;
        writer.roster_changed(roster)?;
    }
    match &payload {
        Payload::Window(batch) => writer.windows(roster, batch),
        Payload::Event(batch) => {
            writer.events(&batch.events)?;
            writer.holes(roster, &batch.events, i64::MAX, true)?;
            let unit = writer.energy_unit()?;
            writer.breaks(roster, &batch.events, 0..0, unit)
        }
        Payload::Key(change) if change.action == KeyAction::Unfreeze => {
            let subject = change.subject.map(|kid| kid.0);
            connection.execute("UPDATE stream SET frozen = 0 WHERE kid = ?", [subject])?;
            Ok(())
        }
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

    fn roster_entry(&self) -> rusqlite::Result<()> {
        self.connection.execute("INSERT INTO roster_entry(entry) VALUES(?)", [self.index])?;
        Ok(())
    }

    fn stream(&self, entry: &Entry) -> rusqlite::Result<()> {
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

    fn machines(&self, genesis: &Genesis) -> rusqlite::Result<()> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO machine(machine, id, agent, name, line) VALUES(?, ?, ?, ?, ?)")?;
        for m in &genesis.machines {
            insert.execute(params![m.index, m.id, m.agent, m.name, m.line])?;
        }
        Ok(())
    }

    fn roster_changed(&self, roster: &Roster) -> rusqlite::Result<()> {
        for (machine, agent, mapping) in roster.machines() {
            self.connection
                .prepare_cached("UPDATE machine SET agent = ?2, mapping = ?3 WHERE machine = ?1")?
                .execute(params![machine, agent, mapping])?;
        }
        Ok(())
    }

    fn windows(&mut self, roster: &mut Roster, batch: &WindowBatch) -> rusqlite::Result<()> {
        if batch.step != roster.step_s || batch.n > roster.windows_per_statement {
            let (step, most) = (roster.step_s, roster.windows_per_statement);
            let detail = format!("{} windows of {} s, allowed are {most} of {step} s", batch.n, batch.step);
            return self.finding("grid", &detail);
        }
        self.events(&batch.events)?;
        self.holes(roster, &batch.events, batch.t0, true)?;
        match rows(batch) {
            Ok(rows) => self.rows(roster, batch, &rows)?,
            Err(defect) => self.finding("window", &defect.to_string())?,
        }
        if let Some(seen) = &batch.checkpoint {
            self.seen(seen)?;
        }
        self.holes(roster, &batch.events, batch.t0, false)
    }

    fn rows(&mut self, roster: &mut Roster, batch: &WindowBatch, rows: &Rows) -> rusqlite::Result<()> {
        let counted = roster.approves(&self.header.id, &batch.definitions, batch.t0);
        if !counted {
            self.finding("definitions", "other definitions than the registrar has approved")?;
        }
        let opening = self.opened(batch, rows.energy_unit_mwh)?;
        self.breaks(roster, &batch.events, batch.t0..batch.end(), rows.energy_unit_mwh)?;
        let n = usize::try_from(batch.n).unwrap_or(usize::MAX).max(1);
        for (machine, windows) in batch.machines.iter().zip(rows.windows.chunks(n)) {
            if roster.owns(&self.header.id, *machine) {
                self.machine(batch, *machine, windows, counted, opening)?;
            } else {
                self.finding("machine", &format!("machine {machine} is not one of this agent"))?;
            }
        }
        Ok(())
    }

    /// Notes what a window statement says of its stream. Whether it is the stream's first.
    fn opened(&self, batch: &WindowBatch, energy_unit_mwh: u64) -> rusqlite::Result<bool> {
        let kid = self.header.kid.0;
        let end: Option<i64> = self
            .connection
            .prepare_cached("SELECT windows_end FROM stream WHERE kid = ?")?
            .query_row([kid], |row| row.get(0))?;
        self.connection
            .prepare_cached(
                "UPDATE stream SET windows_end = max(coalesce(windows_end, ?2), ?2), clock_status = ?3,
                     clock_offset_ms = ?4, energy_unit_mwh = max(energy_unit_mwh, ?5) WHERE kid = ?1",
            )?
            .execute(params![
                kid,
                batch.end(),
                batch.clock.status as u8,
                batch.clock.offset_ms,
                small(energy_unit_mwh)
            ])?;
        Ok(end.is_none())
    }

    fn energy_unit(&self) -> rusqlite::Result<u64> {
        let unit: i64 = self
            .connection
            .prepare_cached("SELECT energy_unit_mwh FROM stream WHERE kid = ?")?
            .query_row([self.header.kid.0], |row| row.get(0))?;
        Ok(u64::try_from(unit).unwrap_or(0))
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
            let (first, end) = (opening && t == batch.t0, t + i64::from(batch.step));
            if !self.reach(machine, t, end)? {
                return Ok(());
            }
            insert_window(self.connection, (machine, t, self.index), first, counted, window)?;
            t = end;
        }
        self.connection
            .prepare_cached("UPDATE machine SET last_end = ?2, last_entry = ?3 WHERE machine = ?1")?
            .execute(params![machine, t, self.index])?;
        Ok(())
    }

    /// Moves the end of a machine's signed time on; `false`, with a finding, when that time was signed before.
    fn reach(&mut self, machine: u32, from: i64, to: i64) -> rusqlite::Result<bool> {
        let moved = self
            .connection
            .prepare_cached("UPDATE machine SET reach = ?3 WHERE machine = ?1 AND coalesce(reach, ?2) <= ?2")?
            .execute(params![machine, from, to])?;
        if moved == 0 {
            self.finding("overlap", &format!("machine {machine}: time from {from} was signed before"))?;
        }
        Ok(moved == 1)
    }

    fn seen(&self, seen: &SeenCheckpoint) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO seen(note, entry) VALUES(?, ?)")?
            .execute(params![seen.note_hash, self.index])?;
        Ok(())
    }

    /// Counter events: as breaks of the window they fall into, in order of time; those that fall into no window
    /// of the batch spoil the machine's next difference.
    fn breaks(
        &mut self,
        roster: &Roster,
        events: &[Event],
        windows: std::ops::Range<i64>,
        energy_unit_mwh: u64,
    ) -> rusqlite::Result<()> {
        let step = i64::from(roster.step_s);
        let mut places: BTreeMap<(u32, i64), i64> = BTreeMap::new();
        for event in events {
            let Some((machine, t_ms, found)) = counter_break(event, energy_unit_mwh) else { continue };
            if !roster.owns(&self.header.id, machine) {
                continue;
            }
            let t = t_ms.div_euclid(step * 1000) * step;
            if !windows.contains(&t) {
                self.connection
                    .prepare_cached("INSERT INTO spoil(entry, n, machine, quantity) VALUES(?, ?, ?, ?)")?
                    .execute(params![self.index, self.spoils, machine, found.quantity.column()])?;
                self.spoils += 1;
                continue;
            }
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
        }
        Ok(())
    }

    /// The signed stretches without windows, those that begin before `t` or those that do not.
    fn holes(&mut self, roster: &Roster, events: &[Event], t: i64, before: bool) -> rusqlite::Result<()> {
        let step_ms = i64::from(roster.step_s) * 1000;
        for event in events {
            let Some((from_ms, to_ms)) = event.interval() else { continue };
            let (from, to) = (from_ms.div_euclid(1000), to_ms.div_euclid(1000));
            if (from < t) != before {
                continue;
            }
            if from_ms.rem_euclid(step_ms) != 0 || to_ms.rem_euclid(step_ms) != 0 {
                self.finding("hole", &format!("from {from_ms} to {to_ms} ms is not on the window grid"))?;
                continue;
            }
            let machines = match event.machine {
                Some(machine) => vec![machine],
                None => roster.machines_of(&self.header.id),
            };
            for machine in machines {
                self.hole(roster, machine, (from, to), event.code == EventCode::Loss)?;
            }
        }
        Ok(())
    }

    fn hole(
        &mut self,
        roster: &Roster,
        machine: u32,
        (from, to): (i64, i64),
        loss: bool,
    ) -> rusqlite::Result<()> {
        if !roster.owns(&self.header.id, machine) {
            return self.finding("hole", &format!("machine {machine} is not one of this agent"));
        }
        if self.reach(machine, from, to)? {
            self.connection
                .prepare_cached(
                    "INSERT INTO hole(entry, n, machine, from_s, to_s, loss) VALUES(?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![self.index, self.holes, machine, from, to, loss])?;
            self.holes += 1;
        }
        Ok(())
    }
}

/// For numbers that are small by their meaning; one that did not fit would be kept apart from all that do.
fn small(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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

fn insert_window(
    connection: &Connection,
    (machine, t, entry): (u32, i64, i64),
    opening: bool,
    counted: bool,
    window: &MachineWindow,
) -> rusqlite::Result<()> {
    let value = |id: &u8| match *id {
        column::POWER_MEAN => window.power_mean_w,
        column::POWER_PEAK => window.power_peak_w,
        id => Some(window.get(id)),
    };
    let head = [Some(machine.into()), Some(t), Some(entry), Some(opening.into()), Some(counted.into())];
    let row = head.into_iter().chain(column::ALL.iter().map(value));
    connection.prepare_cached(schema::INSERT_WINDOW.as_str())?.execute(params_from_iter(row))?;
    Ok(())
}

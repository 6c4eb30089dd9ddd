//! What a bundle's log holds, read back entry by entry, and what the agent's spool says was acknowledged.
//!
//! Nothing is verified here: that is the assessor's program's business, whose answer the tests take beside it.

use evidence::Hash;
use evidence::bundle::{BundleReader, path};
use evidence::key::Kid;
use evidence::note::{Checkpoint, Note};
use evidence::payload::{Event, EventCode, EventValue, WindowBatch};
use evidence::statement::{self, Payload, Role};
use evidence::tile::{decode_entries, tiles_of};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Signer.
    pub kid: Kid,
    /// In which role.
    pub role: Role,
    /// Leaf hash.
    pub leaf: Hash,
    /// Content.
    pub payload: Payload,
}

/// Every entry of a bundle's log.
///
/// # Panics
/// When the bundle cannot be read.
#[track_caller]
pub fn entries(bundle: &Path) -> Vec<Entry> {
    let file = File::open(bundle).unwrap_or_else(|e| panic!("{}: {e}", bundle.display()));
    let mut reader = BundleReader::open(file).unwrap_or_else(|e| panic!("{}: {e}", bundle.display()));
    let note = reader.read(path::CHECKPOINT).unwrap_or_else(|e| panic!("checkpoint: {e}"));
    let note = Note::parse(&note).unwrap_or_else(|e| panic!("checkpoint: {e}"));
    let size = Checkpoint::parse(note.text()).unwrap_or_else(|e| panic!("checkpoint: {e}")).size;
    let mut found = vec![];
    for tile in tiles_of(None, size) {
        let bytes = reader.read(&path::tile(&tile)).unwrap_or_else(|e| panic!("{tile:?}: {e}"));
        for entry in decode_entries(&bytes, tile.width).unwrap_or_else(|e| panic!("{tile:?}: {e}")) {
            let open = statement::open(entry).unwrap_or_else(|e| panic!("entry {}: {e}", found.len()));
            let (kid, role, leaf) = (open.header.kid, open.header.role, open.leaf());
            found.push(Entry { kid, role, leaf, payload: open.payload });
        }
    }
    found
}

/// Agents' entries only, by signer, in the order of the log.
pub fn streams(entries: &[Entry]) -> BTreeMap<Kid, Vec<&Entry>> {
    let mut streams: BTreeMap<Kid, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.iter().filter(|e| e.role == Role::Agent) {
        streams.entry(entry.kid).or_default().push(entry);
    }
    streams
}

/// Window statements in the order of the log.
pub fn windows(entries: &[Entry]) -> impl Iterator<Item = &WindowBatch> {
    entries.iter().filter_map(|e| match &e.payload {
        Payload::Window(batch) => Some(&**batch),
        _ => None,
    })
}

/// Events, those of window statements too, in the order of the log.
pub fn events(entries: &[Entry]) -> Vec<&Event> {
    let mut found = vec![];
    for entry in entries {
        match &entry.payload {
            Payload::Window(batch) => found.extend(&batch.events),
            Payload::Event(batch) => found.extend(&batch.events),
            _ => {}
        }
    }
    found
}

/// A stream must be contiguous: numbers from 0, each statement naming the one before it.
///
/// # Panics
/// When it is not.
#[track_caller]
pub fn must_be_contiguous(stream: &[&Entry]) {
    let mut before = None;
    for (number, entry) in stream.iter().enumerate() {
        let place = entry.payload.place();
        assert_eq!(
            (place.seq, place.prev),
            (u64::try_from(number).unwrap_or(0), before),
            "entry after {before:?}"
        );
        before = Some(entry.leaf);
    }
}

/// Spans of time, UTC ms, by what fills them.
#[derive(Clone, Debug, Default)]
pub struct Tiling {
    /// Windows.
    pub windows: Vec<(i64, i64)>,
    /// Signed outages.
    pub downs: Vec<(i64, i64)>,
    /// Signed losses.
    pub losses: Vec<(i64, i64)>,
}

/// The windows, downs and losses of a stream, which together must tile its time.
///
/// # Panics
/// At a hole or an overlap.
#[track_caller]
pub fn must_tile(stream: &[&Entry]) -> Tiling {
    let mut tiling = Tiling::default();
    for entry in stream {
        let events = match &entry.payload {
            Payload::Window(batch) => {
                tiling.windows.push((batch.t0 * 1000, batch.end() * 1000));
                &batch.events
            }
            Payload::Event(batch) => &batch.events,
            _ => continue,
        };
        for event in events {
            if let (EventValue::Int(from), EventValue::Int(to)) = (&event.before, &event.after) {
                match event.code {
                    EventCode::Down => tiling.downs.push((*from, *to)),
                    EventCode::Loss => tiling.losses.push((*from, *to)),
                    _ => {}
                }
            }
        }
    }
    let mut all = [&tiling.windows[..], &tiling.downs, &tiling.losses].concat();
    all.sort_unstable();
    for pair in all.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "time does not tile after {:?}: {tiling:#?}", pair[0]);
    }
    tiling
}

/// Asks the spool of an agent that has ended, however it ended. A copy is asked, so that the agent's next start
/// finds exactly what its last end left.
#[track_caller]
fn ask_spool<T>(
    agent_data: &Path,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    row: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let copy = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
    for name in ["spool.db", "spool.db-wal"] {
        if agent_data.join(name).exists() {
            let copied = std::fs::copy(agent_data.join(name), copy.path().join(name));
            copied.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    let read = || -> rusqlite::Result<Vec<T>> {
        let spool = rusqlite::Connection::open(copy.path().join("spool.db"))?;
        let mut statement = spool.prepare(sql)?;
        statement.query_map(values, |r| row(r))?.collect()
    };
    read().unwrap_or_else(|e| panic!("{}: {e}", agent_data.display()))
}

/// Number and leaf of every statement that the spool of an ended agent holds as acknowledged.
///
/// # Panics
/// When the spool cannot be read.
#[track_caller]
pub fn acknowledged(agent_data: &Path, project: &str) -> Vec<(u64, Hash)> {
    let sql = "SELECT seq, leaf FROM statement JOIN stream ON stream.id = statement.stream
               WHERE stream.name = ?1 AND seq < send_from AND given_up = 0 ORDER BY seq";
    ask_spool(agent_data, sql, &[&project], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))
}

/// The rows in the journal of an ended agent, in order.
///
/// # Panics
/// When the spool cannot be read.
#[track_caller]
pub fn journal(agent_data: &Path) -> Vec<Vec<u8>> {
    ask_spool(agent_data, "SELECT row FROM journal ORDER BY stream, position", &[], |row| row.get(0))
}

/// Every acknowledged statement must be in the log, under its number, exactly once.
///
/// # Panics
/// When one is missing, different or there twice.
#[track_caller]
pub fn must_hold_once(stream: &[&Entry], acknowledged: &[(u64, Hash)]) {
    let mut logged: BTreeMap<u64, Vec<Hash>> = BTreeMap::new();
    for entry in stream {
        logged.entry(entry.payload.seq()).or_default().push(entry.leaf);
    }
    for (seq, leaf) in acknowledged {
        let found = logged.get(seq).map_or(&[][..], Vec::as_slice);
        assert_eq!(
            found,
            [*leaf],
            "statement {seq} was acknowledged; the log holds {} under its number",
            found.len()
        );
    }
}

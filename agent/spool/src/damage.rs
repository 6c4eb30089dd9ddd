//! Opening the store when its file is damaged: the file is kept aside, what can still be read is taken over,
//! and what is lost is said exactly.
//!
//! ```text
//!  spool.db  ──damaged──▶  spool.db.damaged-1 (+ -wal)      never deleted by this program
//!                             │  statements whose leaf hash fits, receipts, cursor, facts, a whole journal
//!                             ▼
//!                          spool.db (new)
//! ```
//!
//! Raw blocks stay in the file kept aside: they may be many gigabytes, and nothing but an audit reads them.
//! A damaged journal is not taken over in parts, because a window rebuilt from half of it would be wrong.

use crate::error::StoreError;
use crate::sqlite::{SqliteStore, get, int, translate};
use crate::store::Hash;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};
use std::path::{Path, PathBuf};

/// Rows taken over in one transaction.
const BATCH: usize = 256;

/// Whether a statement's bytes have this leaf hash; this crate computes none.
pub type Intact<'a> = &'a dyn Fn(&[u8], &Hash) -> bool;

/// A store that is ready, and what had to be done for it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SqliteStore,
    /// What was found and lost, if the file was damaged.
    pub damage: Option<Damage>,
}

/// A damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the damaged file is kept.
    pub kept_as: PathBuf,
    /// What SQLite said.
    pub cause: String,
    /// What was saved, by stream. A stream that is missing here is lost as a whole.
    pub streams: Vec<Salvaged>,
}

/// What was saved of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The stream.
    pub stream: String,
    /// Statements saved.
    pub statements: u64,
    /// Ranges of numbers that should have been there and are lost, both ends included.
    pub missing: Vec<(u64, u64)>,
    /// The stream's end is certain: its last statement was saved and the cursor agrees. Otherwise the gateway
    /// has to be asked.
    pub end_known: bool,
    /// The journal and the facts were saved whole.
    pub journal_kept: bool,
}

/// Opens the store, or makes it. A damaged or condemned file is kept aside and a new one made from what can
/// be read of it. What a crash in between leaves: the damaged file aside and a new store that lacks some of
/// what could be read; the stream's end is then unknown or behind, and the gateway's head decides.
pub fn open(path: &Path, statement_max: u64, intact: Intact<'_>) -> Result<Opened, StoreError> {
    let condemned = std::fs::read_to_string(mark(path)).ok();
    let cause = match (condemned, path.exists()) {
        (Some(cause), true) => cause,
        _ => match SqliteStore::open(path, statement_max) {
            Ok(store) => return Ok(Opened { store, damage: None }),
            Err(StoreError::Damaged { detail, .. }) => detail,
            Err(other) => return Err(other),
        },
    };
    let kept_as = move_aside(path)?;
    let store = SqliteStore::open(path, statement_max)?;
    let streams = match salvage(&kept_as, &store, intact) {
        Ok(streams) => streams,
        Err(e) => {
            tracing::error!(file = %kept_as.display(), error = %e, "nothing can be read of the damaged store");
            vec![]
        }
    };
    store.recount()?;
    Ok(Opened { store, damage: Some(Damage { kept_as, cause, streams }) })
}

/// Has the file moved aside at the next start, for damage that the check at the start does not see.
pub fn condemn(path: &Path, cause: &str) -> std::io::Result<()> {
    std::fs::write(mark(path), cause)
}

fn mark(path: &Path) -> PathBuf {
    beside(path, ".condemned")
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let io = |e: std::io::Error| StoreError::Io {
        path: path.to_owned(),
        detail: format!("cannot move it aside: {e}"),
    };
    let free = (1..1000_u32).map(|n| beside(path, &format!(".damaged-{n}"))).find(|p| !p.exists());
    let kept_as = free.unwrap_or_else(|| beside(path, ".damaged"));
    // The log goes first: the file alone would be opened as a store without its newest commits.
    let log = beside(path, "-wal");
    if log.exists() {
        std::fs::rename(&log, beside(&kept_as, "-wal")).map_err(io)?;
    }
    std::fs::rename(path, &kept_as).map_err(io)?;
    match std::fs::remove_file(mark(path)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io(e)),
        _ => Ok(kept_as),
    }
}

/// A stream as the damaged file describes it.
struct Old {
    id: i64,
    name: String,
    next_seq: u64,
    head: Option<Hash>,
    values: Vec<Value>,
}

fn salvage(kept_as: &Path, new: &SqliteStore, intact: Intact<'_>) -> Result<Vec<Salvaged>, StoreError> {
    let old = Connection::open(kept_as).map_err(|e| translate(kept_as, &e))?;
    // The file kept aside stays as it was found.
    let quiet = old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    quiet.map_err(|e| translate(kept_as, &e))?;
    old.execute_batch("PRAGMA locking_mode=EXCLUSIVE; PRAGMA wal_autocheckpoint=0")
        .map_err(|e| translate(kept_as, &e))?;
    let mut found = vec![];
    for stream in read_streams(&old).map_err(|e| translate(kept_as, &e))? {
        found.push(salvage_stream(&old, new, &stream, intact)?);
    }
    Ok(found)
}

fn read_streams(old: &Connection) -> rusqlite::Result<Vec<Old>> {
    let mut statement =
        old.prepare("SELECT id, name, next_seq, head, send_from, journal_next, raw_next FROM stream")?;
    let rows = statement.query_map([], |row| {
        Ok(Old {
            id: row.get(0)?,
            name: row.get(1)?,
            next_seq: get(row, 2)?,
            head: row.get(3)?,
            values: (1..7).map(|i| row.get(i)).collect::<Result<_, _>>()?,
        })
    })?;
    rows.collect()
}

fn salvage_stream(
    old: &Connection,
    new: &SqliteStore,
    stream: &Old,
    intact: Intact<'_>,
) -> Result<Salvaged, StoreError> {
    let id = new.restore_stream(&stream.values)?;
    let mut numbers = vec![];
    let mut last_leaf = None;
    let mut batch = vec![];
    let mut written = Ok(());
    each_statement(old, stream.id, |row| {
        let (seq, leaf, bytes) = (get(row, 0)?, row.get::<_, Hash>(1)?, row.get::<_, Vec<u8>>(6)?);
        if seq < stream.next_seq && intact(&bytes, &leaf) && written.is_ok() {
            numbers.push(seq);
            last_leaf = Some((seq, leaf));
            batch.push((0..7).map(|i| row.get(i)).collect::<Result<Vec<Value>, _>>()?);
            if batch.len() == BATCH {
                written = new.restore_statements(id, &batch);
                batch.clear();
            }
        }
        Ok(())
    });
    written?;
    new.restore_statements(id, &batch)?;
    let journal_kept = salvage_journal(old, new, stream.id, id, &stream.name).is_ok();
    let missing = gaps(&numbers, stream.next_seq);
    let end_known = match (stream.next_seq, last_leaf) {
        (0, _) => stream.head.is_none(),
        (next, Some((seq, leaf))) => seq + 1 == next && stream.head == Some(leaf),
        (_, None) => false,
    };
    let statements = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
    Ok(Salvaged { stream: stream.name.clone(), statements, missing, end_known, journal_kept })
}

/// Every statement that can be read, in order of number. Behind an unreadable one it looks on in doubling
/// steps.
fn each_statement(old: &Connection, id: i64, mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>) {
    const ONE: &str = "SELECT seq, leaf, at_ms, given_up, log_index, receipt, bytes FROM statement
                       WHERE stream = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1";
    const GIVE_UP_AFTER: i64 = 1 << 24;
    let (mut from, mut step) = (0_i64, 1_i64);
    while step < GIVE_UP_AFTER {
        let mut seq = None;
        let read = old.prepare_cached(ONE).and_then(|mut s| {
            let mut rows = s.query(params![id, from])?;
            match rows.next()? {
                Some(row) => {
                    seq = Some(row.get::<_, i64>(0)?);
                    take(row).map(|()| true)
                }
                None => Ok(false),
            }
        });
        match (read, seq) {
            (Ok(true), Some(seq)) => (from, step) = (seq + 1, 1),
            (Ok(_), _) => return,
            (Err(_), _) => (from, step) = (from.saturating_add(step), step * 2),
        }
    }
}

/// Numbers below `next` that were not found, counted from the first one found: what is older was pruned.
fn gaps(found: &[u64], next: u64) -> Vec<(u64, u64)> {
    let mut gaps = vec![];
    let Some(mut expected) = found.first().copied() else {
        return if next > 0 { vec![(0, next - 1)] } else { vec![] };
    };
    for &seq in found {
        if seq > expected {
            gaps.push((expected, seq - 1));
        }
        expected = seq + 1;
    }
    if expected < next {
        gaps.push((expected, next - 1));
    }
    gaps
}

fn salvage_journal(
    old: &Connection,
    new: &SqliteStore,
    old_id: i64,
    new_id: i64,
    name: &str,
) -> Result<(), StoreError> {
    let read = |e: rusqlite::Error| translate(Path::new("journal"), &e);
    let facts: Vec<(String, Vec<u8>)> = old
        .prepare("SELECT key, value FROM fact WHERE stream = ?1")
        .and_then(|mut s| s.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(read)?;
    let rows: Vec<(i64, Vec<u8>)> = old
        .prepare("SELECT position, row FROM journal WHERE stream = ?1 ORDER BY position")
        .and_then(|mut s| s.query_map([old_id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(read)?;
    let next = int(new.journal_next(new_id)?);
    let whole =
        rows.windows(2).all(|w| w[0].0 + 1 == w[1].0) && rows.last().is_none_or(|(p, _)| p + 1 == next);
    if !whole {
        return Err(StoreError::conflict("a journal with holes", next, rows.len()));
    }
    new.restore_journal(new_id, name, &rows, &facts)
}

impl SqliteStore {
    fn restore_stream(&self, values: &[Value]) -> Result<i64, StoreError> {
        let sql = "INSERT INTO stream(name, next_seq, head, send_from, journal_next, raw_next)
                   VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
        self.connection().execute(sql, rusqlite::params_from_iter(values)).map_err(|e| self.error(&e))?;
        Ok(self.connection().last_insert_rowid())
    }

    fn restore_statements(&self, id: i64, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        let write = || -> rusqlite::Result<()> {
            let transaction = self.connection().unchecked_transaction()?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO statement(stream, seq, leaf, at_ms, given_up, log_index, receipt, bytes, size)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, length(?8))",
            )?;
            for row in rows {
                let values = std::iter::once(Value::Integer(id)).chain(row.iter().cloned());
                insert.execute(rusqlite::params_from_iter(values))?;
            }
            drop(insert);
            transaction.commit()
        };
        write().map_err(|e| self.error(&e))
    }

    fn journal_next(&self, id: i64) -> Result<u64, StoreError> {
        self.connection()
            .query_row("SELECT journal_next FROM stream WHERE id = ?1", [id], |row| get(row, 0))
            .map_err(|e| self.error(&e))
    }

    fn restore_journal(
        &self,
        id: i64,
        name: &str,
        rows: &[(i64, Vec<u8>)],
        facts: &[(String, Vec<u8>)],
    ) -> Result<(), StoreError> {
        let write = || -> rusqlite::Result<()> {
            let transaction = self.connection().unchecked_transaction()?;
            for (position, row) in rows {
                transaction.execute(
                    "INSERT INTO journal(stream, position, row) VALUES(?1, ?2, ?3)",
                    params![id, position, row],
                )?;
            }
            for (key, value) in facts {
                transaction.execute("INSERT INTO fact VALUES(?1, ?2, ?3)", params![name, key, value])?;
            }
            transaction.commit()
        };
        write().map_err(|e| self.error(&e))
    }

    /// Sets the totals to what is there.
    fn recount(&self) -> Result<(), StoreError> {
        self.connection()
            .execute_batch(
                "UPDATE stream SET
                 statement_bytes = (SELECT coalesce(sum(size), 0) FROM statement WHERE stream = stream.id),
                 unsealed_bytes = (SELECT coalesce(sum(size), 0) FROM statement
                     WHERE stream = stream.id AND receipt IS NULL AND given_up = 0),
                 journal_bytes = (SELECT coalesce(sum(length(row)), 0) FROM journal WHERE stream = stream.id)",
            )
            .map_err(|e| self.error(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_from_the_first_number_found() {
        assert_eq!(gaps(&[3, 4, 7], 9), [(5, 6), (8, 8)]);
        assert_eq!(gaps(&[0, 1], 2), []);
        assert_eq!(gaps(&[], 3), [(0, 2)]);
        assert_eq!(gaps(&[], 0), []);
    }
}

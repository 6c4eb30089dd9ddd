//! Operational data: statements put aside, alarms, enrolment requests. One SQLite file for the gateway.
//!
//! Neither evidence nor derived from it: it is backed up and never rebuilt. Nothing in the log depends on it,
//! so a fault here never stops ingest.

use crate::error::StorageError;
use evidence::Hash;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Statements kept aside per project. The first ones stay, so that a flood cannot wash out how it began.
const MAX_QUARANTINED: i64 = 1000;
/// Bytes kept aside per project.
const MAX_QUARANTINED_BYTES: i64 = 16 * 1024 * 1024;
/// Kinds of alarm kept per project; repetitions are counted on one row.
const MAX_ALARMS: i64 = 1000;
/// Enrolment requests waiting at once.
const MAX_ENROLMENTS: i64 = 1000;

const SCHEMA: &str = "
PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
CREATE TABLE IF NOT EXISTS quarantine(
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, at_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, kid BLOB, seq INTEGER, bytes BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS quarantine_of ON quarantine(project);
CREATE TABLE IF NOT EXISTS quarantine_count(
    project TEXT PRIMARY KEY, refused INTEGER NOT NULL, kept_bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarm(
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    UNIQUE(project, kind, detail));
CREATE TABLE IF NOT EXISTS enrolment(
    kid BLOB PRIMARY KEY, project TEXT NOT NULL, agent TEXT NOT NULL, at_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL) WITHOUT ROWID;
";

/// A statement to put aside.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// Stable word for why.
    pub reason: String,
    /// Why, in a sentence.
    pub detail: String,
    /// Signer as claimed.
    pub kid: Option<Hash>,
    /// Number as claimed.
    pub seq: Option<u64>,
    /// The bytes received.
    pub bytes: Vec<u8>,
}

/// Something an operator must look at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AlarmRow {
    /// Stable word.
    pub kind: String,
    /// What happened and what to do.
    pub detail: String,
    /// First time, UTC ms.
    pub first_ms: i64,
    /// Last time, UTC ms.
    pub last_ms: i64,
    /// How often.
    pub count: i64,
}

/// How much was put aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct QuarantineCount {
    /// Statements refused for good since the project began.
    pub refused: i64,
    /// How many of them are kept.
    pub kept: i64,
}

/// An enrolment request that waits for the registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentRow {
    /// The key that asks.
    pub kid: Hash,
    /// Its project.
    pub project: String,
    /// The agent's name.
    pub agent: String,
    /// `enrol.cbor` as received.
    pub bytes: Vec<u8>,
}

/// The operational store. The mutex serialises its single connection; it is held for one statement or one
/// small transaction at a time, on blocking threads only.
#[derive(Debug)]
pub struct Ops {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl Ops {
    /// Opens or makes the store.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(path)?;
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        match open() {
            Ok(connection) => Ok(Self { connection: Mutex::new(connection), path: path.to_owned() }),
            Err(e) => Err(StorageError::new(path, "open", &e)),
        }
    }

    /// A panic elsewhere leaves the connection usable: every change is one transaction.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(
        &self,
        what: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let mut connection = self.lock();
        let transact = || -> rusqlite::Result<T> {
            let transaction = connection.transaction()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        transact().map_err(|e| StorageError::new(&self.path, what, &e))
    }

    /// Puts statements aside, within the caps, and counts them all.
    pub fn quarantine(&self, project: &str, at_ms: i64, rows: &[Quarantined]) -> Result<(), StorageError> {
        self.run("quarantine", |connection| {
            for row in rows {
                quarantine_one(connection, project, at_ms, row)?;
            }
            Ok(())
        })
    }

    /// Raises an alarm; one that is known is counted.
    pub fn alarm(&self, project: &str, at_ms: i64, kind: &str, detail: &str) -> Result<(), StorageError> {
        self.run("alarm", |connection| {
            let known = connection.execute(
                "UPDATE alarm SET last_ms = ?4, count = count + 1
                 WHERE project = ?1 AND kind = ?2 AND detail = ?3",
                params![project, kind, detail, at_ms],
            )?;
            if known == 0 {
                connection.execute(
                    "INSERT INTO alarm(project, kind, detail, first_ms, last_ms, count)
                     SELECT ?1, ?2, ?3, ?4, ?4, 1
                     WHERE (SELECT count(*) FROM alarm WHERE project = ?1) < ?5",
                    params![project, kind, detail, at_ms, MAX_ALARMS],
                )?;
            }
            Ok(())
        })
    }

    /// A project's alarms, the latest first.
    pub fn alarms(&self, project: &str) -> Result<Vec<AlarmRow>, StorageError> {
        self.run("alarms", |connection| {
            connection
                .prepare(
                    "SELECT kind, detail, first_ms, last_ms, count FROM alarm WHERE project = ?
                     ORDER BY last_ms DESC, id DESC LIMIT 100",
                )?
                .query_map([project], |row| {
                    Ok(AlarmRow {
                        kind: row.get(0)?,
                        detail: row.get(1)?,
                        first_ms: row.get(2)?,
                        last_ms: row.get(3)?,
                        count: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// How much was put aside for a project.
    pub fn quarantined(&self, project: &str) -> Result<QuarantineCount, StorageError> {
        self.run("quarantine", |connection| {
            let refused = connection
                .query_row("SELECT refused FROM quarantine_count WHERE project = ?", [project], |row| {
                    row.get(0)
                })
                .optional()?
                .unwrap_or(0);
            let kept = connection.query_row(
                "SELECT count(*) FROM quarantine WHERE project = ?",
                [project],
                |row| row.get(0),
            )?;
            Ok(QuarantineCount { refused, kept })
        })
    }

    /// Queues an enrolment request; the same key's earlier request is replaced. `false` when too many wait.
    pub fn queue(&self, row: &EnrolmentRow, at_ms: i64) -> Result<bool, StorageError> {
        self.run("enrolment", |connection| {
            let written = connection.execute(
                "INSERT INTO enrolment(kid, project, agent, at_ms, bytes) SELECT ?1, ?2, ?3, ?4, ?5
                 WHERE EXISTS(SELECT 1 FROM enrolment WHERE kid = ?1)
                    OR (SELECT count(*) FROM enrolment) < ?6
                 ON CONFLICT(kid) DO UPDATE SET project = excluded.project, agent = excluded.agent,
                     at_ms = excluded.at_ms, bytes = excluded.bytes",
                params![row.kid, row.project, row.agent, at_ms, row.bytes, MAX_ENROLMENTS],
            )?;
            Ok(written == 1)
        })
    }

    /// The requests that wait for a project, by agent.
    pub fn queued(&self, project: &str) -> Result<Vec<EnrolmentRow>, StorageError> {
        self.run("enrolments", |connection| {
            connection
                .prepare(
                    "SELECT kid, project, agent, bytes FROM enrolment WHERE project = ? ORDER BY agent, kid",
                )?
                .query_map([project], |row| {
                    Ok(EnrolmentRow {
                        kid: row.get(0)?,
                        project: row.get(1)?,
                        agent: row.get(2)?,
                        bytes: row.get(3)?,
                    })
                })?
                .collect()
        })
    }
}

fn quarantine_one(
    connection: &Connection,
    project: &str,
    at_ms: i64,
    row: &Quarantined,
) -> rusqlite::Result<()> {
    // The longest body is 8 MiB, so the length always fits.
    let bytes = i64::try_from(row.bytes.len()).unwrap_or(i64::MAX);
    let seq = row.seq.and_then(|seq| i64::try_from(seq).ok());
    let kept = connection.execute(
        "INSERT INTO quarantine(project, at_ms, reason, detail, kid, seq, bytes)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
         WHERE (SELECT count(*) FROM quarantine WHERE project = ?1) < ?8
           AND coalesce((SELECT kept_bytes FROM quarantine_count WHERE project = ?1), 0) + ?9 <= ?10",
        params![
            project,
            at_ms,
            row.reason,
            row.detail,
            row.kid,
            seq,
            row.bytes,
            MAX_QUARANTINED,
            bytes,
            MAX_QUARANTINED_BYTES
        ],
    )?;
    connection.execute(
        "INSERT INTO quarantine_count(project, refused, kept_bytes) VALUES(?1, 1, ?2)
         ON CONFLICT(project) DO UPDATE SET refused = refused + 1, kept_bytes = kept_bytes + ?2",
        params![project, if kept == 1 { bytes } else { 0 }],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ops() -> (tempfile::TempDir, Ops) {
        let dir = tempfile::tempdir().unwrap();
        let ops = Ops::open(&dir.path().join("ops.sqlite")).unwrap();
        (dir, ops)
    }

    fn bad(bytes: usize) -> Quarantined {
        Quarantined {
            reason: "signature".into(),
            detail: "x".into(),
            kid: Some([1; 32]),
            seq: Some(u64::MAX),
            bytes: vec![0; bytes],
        }
    }

    #[test]
    fn a_flood_is_counted_and_only_its_beginning_kept() {
        let (_dir, ops) = ops();
        ops.quarantine("p", 1, &vec![bad(10); 1200]).unwrap();
        assert_eq!(ops.quarantined("p").unwrap(), QuarantineCount { refused: 1200, kept: 1000 });
        ops.quarantine("q", 1, &[bad(10 << 20), bad(10 << 20), bad(1 << 20)]).unwrap();
        assert_eq!(ops.quarantined("q").unwrap(), QuarantineCount { refused: 3, kept: 2 });
        assert_eq!(ops.quarantined("r").unwrap(), QuarantineCount::default());
    }

    #[test]
    fn a_repeated_alarm_is_one_row_with_a_count() {
        let (_dir, ops) = ops();
        for at in 1..=3 {
            ops.alarm("p", at, "equivocation", "stream a").unwrap();
        }
        ops.alarm("p", 9, "equivocation", "stream b").unwrap();
        let alarms = ops.alarms("p").unwrap();
        assert_eq!(alarms.len(), 2);
        assert_eq!((alarms[1].first_ms, alarms[1].last_ms, alarms[1].count), (1, 3, 3));
    }

    #[test]
    fn enrolment_requests_wait_once_per_key_and_are_capped() {
        let (_dir, ops) = ops();
        let row = |n: u16, bytes: &[u8]| {
            let mut kid = [0; 32];
            kid[..2].copy_from_slice(&n.to_be_bytes());
            EnrolmentRow { kid, project: "p".into(), agent: "a".into(), bytes: bytes.to_vec() }
        };
        for n in 0..1000 {
            assert!(ops.queue(&row(n, b"old"), 1).unwrap());
        }
        assert!(!ops.queue(&row(1000, b"new"), 1).unwrap());
        assert!(ops.queue(&row(7, b"new"), 1).unwrap());
        let queued = ops.queued("p").unwrap();
        assert_eq!(queued.len(), 1000);
        assert_eq!(queued[7].bytes, b"new");
    }
}

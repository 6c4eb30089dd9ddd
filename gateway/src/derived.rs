//! Derived tables of a project: windows, streams, events and findings, made from the log's entries alone.
//!
//! They follow the log after each commit, in order, and can be dropped at any time: `rebuild` makes them again
//! and compares. Their file is written without waiting for the disk (`synchronous=NORMAL`): after a power cut
//! they may be a little behind, never torn, and catch up from the log.

mod apply;
mod query;
mod roster;
mod schema;

pub(crate) use query::HoleRow;
pub(crate) use query::{MachineRow, StreamRow, WindowRow};
pub use schema::TableDifference;
pub(crate) use schema::{TABLES, compare};

use crate::error::StorageError;
use crate::readers::{Readers, each_entry};
use crate::sequencer::LogState;
use evidence::statement;
use roster::Roster;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tlog::{Entry, Read as _, SqliteLog};
use tokio::sync::watch;

/// Entries applied in one transaction.
const CHUNK: usize = 256;

/// The derived tables, opened to write or to read.
#[derive(Debug)]
pub(crate) struct Derived {
    connection: Connection,
    path: PathBuf,
    /// Known once entry 0 was applied or read back.
    roster: Option<Roster>,
}

impl Derived {
    /// Opens the tables; a missing file or one of another format is made anew, empty.
    pub(crate) fn open(path: &Path) -> Result<Self, StorageError> {
        let derived = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let format: i64 =
            derived.run("open", |c| c.query_row("PRAGMA user_version", [], |row| row.get(0)))?;
        if format == schema::FORMAT {
            derived.run("open", |c| c.execute_batch("PRAGMA journal_mode=WAL;"))?;
            return Ok(derived);
        }
        drop(derived);
        remove(path)?;
        let derived = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        derived.run("create", |c| {
            c.execute_batch("PRAGMA journal_mode=WAL;")?;
            schema::create(c)
        })?;
        Ok(derived)
    }

    /// Opens existing tables to read.
    pub(crate) fn open_reader(path: &Path) -> Result<Self, StorageError> {
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, StorageError> {
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.execute_batch("PRAGMA synchronous=NORMAL;")?;
            Ok(connection)
        };
        match open() {
            Ok(connection) => Ok(Self { connection, path: path.to_owned(), roster: None }),
            Err(e) => Err(StorageError::new(path, "open", &e)),
        }
    }

    fn run<T>(
        &self,
        what: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        work(&self.connection).map_err(|e| StorageError::new(&self.path, what, &e))
    }

    /// How many entries have been applied.
    pub(crate) fn progress(&self) -> Result<u64, StorageError> {
        let size: i64 =
            self.run("progress", |c| c.query_row("SELECT size FROM progress", [], |r| r.get(0)))?;
        Ok(u64::try_from(size).unwrap_or(0))
    }

    /// Applies entries that follow what has been applied, in one transaction.
    ///
    /// A crash before the commit leaves the tables as they were, after it at the new size; either way they go
    /// on from the log.
    fn apply(&mut self, entries: &[Entry]) -> Result<(), StorageError> {
        if let Err(error) = self.write(entries) {
            // The rows are rolled back, the roster in memory may be ahead of them: it is read again.
            self.roster = None;
            return Err(StorageError::new(&self.path, "apply", &error));
        }
        tlog::kill::hit("derived.after_write");
        Ok(())
    }

    fn write(&mut self, entries: &[Entry]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for entry in entries {
            apply::entry(&transaction, &mut self.roster, entry)?;
        }
        if let Some(last) = entries.last() {
            // An index that SQLite gave us fits into what SQLite takes.
            let size = i64::try_from(last.index + 1).unwrap_or(i64::MAX);
            transaction.execute("UPDATE progress SET size = ?", [size])?;
        }
        transaction.commit()
    }

    /// The roster as it was when these tables were last written.
    fn read_roster(&self, log: &mut SqliteLog) -> Result<Roster, StorageError> {
        let mut roster = Roster::of(&crate::project::genesis(log)?);
        for index in self.roster_entries()? {
            for entry in log.entries(index, index + 1)? {
                if let Ok(unverified) = statement::open(&entry.bytes) {
                    roster.change(&unverified.payload);
                }
            }
        }
        Ok(roster)
    }

    /// Applies everything up to `size` entries.
    pub(crate) fn catch_up(&mut self, log: &mut SqliteLog, size: u64) -> Result<(), StorageError> {
        let from = self.progress()?;
        if from > size {
            return Err(StorageError::new(
                &self.path,
                "catch up",
                &"these tables are ahead of their log; run `plumbline-gateway rebuild`",
            ));
        }
        if from > 0 && self.roster.is_none() {
            self.roster = Some(self.read_roster(log)?);
        }
        let mut chunk: Vec<Entry> = Vec::with_capacity(CHUNK);
        each_entry(log, from, size, |entry| {
            chunk.push(entry);
            if chunk.len() < CHUNK {
                return Ok(());
            }
            let full = std::mem::take(&mut chunk);
            self.apply(&full)
        })?;
        if chunk.is_empty() { Ok(()) } else { self.apply(&chunk) }
    }
}

/// Removes a database file with what belongs to it.
pub(crate) fn remove(path: &Path) -> Result<(), StorageError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(StorageError::new(Path::new(&name), "remove", &e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Keeps the tables up with the log until the sequencer ends. A fault is reported and tried again after the
/// next commit: the tables are behind meanwhile, and say so by their size.
pub(crate) async fn follow(
    project: String,
    derived: Derived,
    log: Arc<Readers<SqliteLog>>,
    mut state: watch::Receiver<LogState>,
) {
    let mut derived = Some(derived);
    loop {
        let size = state.borrow_and_update().head.size;
        let Some(mut tables) = derived.take() else { return };
        let log = Arc::clone(&log);
        let work = move || {
            let result = log.with(|log| tables.catch_up(log, size));
            (tables, result)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok((tables, result)) => {
                if let Err(error) = result {
                    tracing::error!(project, "derived tables: {error}");
                }
                derived = Some(tables);
            }
            Err(error) => tracing::error!(project, "derived tables: {error}"),
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

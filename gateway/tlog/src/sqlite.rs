//! A log in one SQLite file: WAL, `synchronous=FULL`, one writer, any number of readers.
//!
//! The compare-and-swap of the head is an SQL `UPDATE … WHERE`, so a second writer is found out by the
//! database itself. No rule about statements stands here.
//!
//! Why a full disk at COMMIT counts as not written: SQLite leaves the frames behind the end of its write-ahead
//! log, invisible, and the next commit overwrites them. Should the process end before that, a restart may
//! find the batch committed after all. That is harmless, because nothing is acknowledged or published without
//! a later successful commit, and a statement that is sent again is then acknowledged from the log.

use crate::kill;
use crate::pack::{pack, unpack};
use crate::store::{
    Batch, CommitError, Entry, Head, Loaded, Newer, Part, Read, Sealed, Store, StoreError, StreamHead,
};
use evidence::Hash;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Changes with every change of the tables below.
const FORMAT: i64 = 1;

/// Bytes of a page. On pages of 4 KiB, each would hold one statement of fifty machines and stay a quarter empty.
const PAGE: u32 = 16_384;

const SCHEMA: &str = "
CREATE TABLE head(
    one INTEGER PRIMARY KEY CHECK(one = 1),
    size INTEGER NOT NULL, root BLOB NOT NULL,
    newer_size INTEGER, newer_root BLOB);
CREATE TABLE entry(
    idx INTEGER PRIMARY KEY, kid BLOB NOT NULL, seq INTEGER NOT NULL,
    part INTEGER NOT NULL, leaf BLOB NOT NULL, bytes BLOB NOT NULL);
CREATE INDEX entry_of_stream ON entry(kid, seq);
CREATE INDEX entry_control ON entry(idx) WHERE part = 1;
CREATE TABLE stream(
    kid BLOB PRIMARY KEY, next_seq INTEGER NOT NULL, head BLOB, frozen INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tile(level INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE UNIQUE INDEX tile_place ON tile(level, number);
CREATE TABLE checkpoint(
    size INTEGER PRIMARY KEY, root BLOB NOT NULL, time_s INTEGER NOT NULL,
    hash BLOB NOT NULL UNIQUE, note BLOB NOT NULL);
";

/// The tables of one log, opened to write or to read.
#[derive(Debug)]
pub struct SqliteLog {
    connection: Connection,
    path: PathBuf,
}

impl SqliteLog {
    /// Makes a new, empty log. The file must not exist.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError {
                place: path.display().to_string(),
                detail: "exists already; a log is never made anew over an old one".to_owned(),
            });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let log = Self::connect(path, flags)?;
        let make = || -> rusqlite::Result<()> {
            log.connection.execute_batch(&format!(
                "PRAGMA page_size={PAGE}; PRAGMA journal_mode=WAL; BEGIN; {SCHEMA} PRAGMA user_version={FORMAT};"
            ))?;
            let empty = Head::empty();
            log.connection.execute("INSERT INTO head VALUES(1, ?, ?, NULL, NULL)", params![0, empty.root])?;
            log.connection.execute_batch("COMMIT")
        };
        make().map_err(|e| log.read_error("create", &e))?;
        Ok(log)
    }

    /// Opens an existing log to write.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?.checked()
    }

    /// Opens an existing log to read beside its writer.
    pub fn open_reader(path: &Path) -> Result<Self, StoreError> {
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?.checked()
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")?;
            connection.set_prepared_statement_cache_capacity(32);
            Ok(connection)
        };
        match open() {
            Ok(connection) => Ok(Self { connection, path: path.to_owned() }),
            Err(e) => Err(StoreError { place: path.display().to_string(), detail: e.to_string() }),
        }
    }

    fn checked(self) -> Result<Self, StoreError> {
        let found: i64 = self
            .connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|e| self.read_error("open", &e))?;
        if found == FORMAT {
            return Ok(self);
        }
        Err(StoreError {
            place: self.path.display().to_string(),
            detail: format!(
                "has table format {found}, this program reads {FORMAT}; use the program that wrote it"
            ),
        })
    }

    /// Limits the file to so many pages. For trying a full disk without filling one.
    #[doc(hidden)]
    pub fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        self.connection
            .query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(()))
            .map_err(|e| self.read_error("limit", &e))
    }

    /// Lets every write fail, or none any more. For trying a disk that takes nothing: a page limit leaves the
    /// pages that the file already has.
    #[doc(hidden)]
    pub fn refuse_writes(&self, refuse: bool) -> Result<(), StoreError> {
        self.connection
            .pragma_update(None, "query_only", refuse)
            .map_err(|e| self.read_error("refuse writes", &e))
    }

    fn read_error(&self, what: &str, error: &rusqlite::Error) -> StoreError {
        StoreError { place: format!("{} ({what})", self.path.display()), detail: error.to_string() }
    }

    /// Before COMMIT an error undoes everything, whatever it is.
    fn not_written(&self, error: &rusqlite::Error) -> CommitError {
        let place = self.path.display().to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => CommitError::Full { place },
            _ => CommitError::NotWritten { place, detail: error.to_string() },
        }
    }

    /// Runs `write` in a transaction. What `write` refuses is rolled back.
    fn transaction(
        &mut self,
        write: impl FnOnce(&Connection) -> Result<(), Refused>,
    ) -> Result<(), CommitError> {
        let place = self.path.display().to_string();
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| self.not_written(&e))?;
        if let Err(refused) = write(&self.connection) {
            self.roll_back();
            return Err(match refused {
                Refused::Sql(error) => self.not_written(&error),
                Refused::Conflict => CommitError::Conflict { place },
            });
        }
        match self.connection.execute_batch("COMMIT") {
            Ok(()) => Ok(()),
            Err(error) => {
                let certain = self.roll_back();
                match error.sqlite_error_code() {
                    Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) if certain => {
                        Err(self.not_written(&error))
                    }
                    _ => Err(CommitError::Unknown { place, detail: error.to_string() }),
                }
            }
        }
    }

    /// Whether no transaction is open afterwards.
    fn roll_back(&self) -> bool {
        self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok()
    }

    fn sealed_where(&self, clause: &str, value: impl rusqlite::ToSql) -> Result<Option<Sealed>, StoreError> {
        let sql = format!("SELECT size, root, time_s, note FROM checkpoint {clause}");
        let query = || self.connection.prepare_cached(&sql)?.query_row(params![value], sealed).optional();
        query().map_err(|e| self.read_error("checkpoint", &e))
    }

    fn all<T>(
        &self,
        what: &str,
        sql: &str,
        values: impl rusqlite::Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let query = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare_cached(sql)?.query_map(values, read)?.collect()
        };
        query().map_err(|e| self.read_error(what, &e))
    }
}

enum Refused {
    Sql(rusqlite::Error),
    Conflict,
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// SQLite integers are signed; no log comes near 2⁶³ entries, and a larger number is an error, not a wrap.
fn sql(n: u64) -> rusqlite::Result<i64> {
    i64::try_from(n).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
}

fn code(part: Part) -> i64 {
    match part {
        Part::Plain => 0,
        Part::Control => 1,
        Part::Second => 2,
    }
}

fn part(row: &Row<'_>, column: usize) -> rusqlite::Result<Part> {
    let code_here: i64 = row.get(column)?;
    let all = [Part::Plain, Part::Control, Part::Second];
    all.into_iter()
        .find(|part| code(*part) == code_here)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code_here))
}

fn unpacked(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    let stored = row.get_ref(column)?.as_blob()?;
    let wrong = |e: String| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, e.into());
    unpack(stored).map_err(wrong)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        index: unsigned(row, 0)?,
        kid: row.get(1)?,
        seq: unsigned(row, 2)?,
        part: part(row, 3)?,
        leaf: row.get(4)?,
        bytes: unpacked(row, 5)?,
    })
}

fn stream(row: &Row<'_>) -> rusqlite::Result<StreamHead> {
    Ok(StreamHead { kid: row.get(0)?, next_seq: unsigned(row, 1)?, head: row.get(2)?, frozen: row.get(3)? })
}

fn sealed(row: &Row<'_>) -> rusqlite::Result<Sealed> {
    Ok(Sealed { size: unsigned(row, 0)?, root: row.get(1)?, time_s: row.get(2)?, note: row.get(3)? })
}

impl Read for SqliteLog {
    fn head(&mut self) -> Result<Head, StoreError> {
        let read = |row: &Row<'_>| Ok(Head { size: unsigned(row, 0)?, root: row.get(1)? });
        self.connection
            .query_row("SELECT size, root FROM head", [], read)
            .map_err(|e| self.read_error("head", &e))
    }

    fn entries(&mut self, from: u64, to: u64) -> Result<Vec<Entry>, StoreError> {
        let largest = i64::MAX.unsigned_abs();
        let (Ok(from), Ok(to)) = (sql(from.min(largest)), sql(to.min(largest))) else { return Ok(vec![]) };
        self.all(
            "entries",
            "SELECT idx, kid, seq, part, leaf, bytes FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx",
            params![from, to],
            entry,
        )
    }

    fn logged(&mut self, kid: &Hash, seq: u64) -> Result<Vec<(u64, Hash)>, StoreError> {
        // A number that SQLite cannot hold was never written.
        let Ok(seq) = sql(seq) else { return Ok(vec![]) };
        self.all(
            "logged",
            "SELECT idx, leaf FROM entry WHERE kid = ? AND seq = ? ORDER BY idx",
            params![kid, seq],
            |row| Ok((unsigned(row, 0)?, row.get(1)?)),
        )
    }

    fn tile(&mut self, level: u32, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let query = || {
            self.connection
                .prepare_cached("SELECT bytes FROM tile WHERE level = ? AND number = ?")?
                .query_row(params![level, sql(number)?], |row| row.get(0))
                .optional()
        };
        query().map_err(|e| self.read_error("tile", &e))
    }

    fn stream(&mut self, kid: &Hash) -> Result<Option<StreamHead>, StoreError> {
        let query = || {
            self.connection
                .prepare_cached("SELECT kid, next_seq, head, frozen FROM stream WHERE kid = ?")?
                .query_row(params![kid], stream)
                .optional()
        };
        query().map_err(|e| self.read_error("stream", &e))
    }

    fn sealed(&mut self) -> Result<Option<Sealed>, StoreError> {
        self.sealed_where("WHERE ? ORDER BY size DESC LIMIT 1", true)
    }

    fn sealed_by_hash(&mut self, note: &Hash) -> Result<Option<Sealed>, StoreError> {
        self.sealed_where("WHERE hash = ?", note)
    }

    fn sealed_from(&mut self, size: u64) -> Result<Option<Sealed>, StoreError> {
        let Ok(size) = sql(size) else { return Ok(None) };
        self.sealed_where("WHERE size >= ? ORDER BY size LIMIT 1", size)
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        let newer = |row: &Row<'_>| {
            let size: Option<i64> = row.get(0)?;
            let Some(size) = size.and_then(|size| u64::try_from(size).ok()) else { return Ok(None) };
            Ok(Some(Newer { size, root: row.get(1)? }))
        };
        // One read transaction, so that all parts belong to the same commit.
        self.connection.execute_batch("BEGIN").map_err(|e| self.read_error("load", &e))?;
        let loaded = (|| {
            Ok(Loaded {
                head: self.head()?,
                streams: self.all(
                    "streams",
                    "SELECT kid, next_seq, head, frozen FROM stream ORDER BY kid",
                    [],
                    stream,
                )?,
                control: self.all(
                    "control entries",
                    "SELECT idx, kid, seq, part, leaf, bytes FROM entry WHERE part = 1 ORDER BY idx",
                    [],
                    entry,
                )?,
                sealed: self.sealed()?,
                newer: self
                    .connection
                    .query_row("SELECT newer_size, newer_root FROM head", [], newer)
                    .map_err(|e| self.read_error("head", &e))?,
            })
        })();
        self.connection.execute_batch("COMMIT").map_err(|e| self.read_error("load", &e))?;
        loaded
    }
}

impl Store for SqliteLog {
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        self.transaction(|connection| {
            swap_head(connection, batch)?;
            write_entries(connection, batch)?;
            write_streams(connection, batch)?;
            write_tiles(connection, batch)?;
            // A crash here leaves nothing of the batch; nobody has been answered.
            kill::hit("ingest.before_commit");
            Ok(())
        })
    }

    fn seal(&mut self, sealed: &Sealed) -> Result<(), CommitError> {
        self.transaction(|connection| {
            let written = connection.execute(
                "INSERT INTO checkpoint(size, root, time_s, hash, note) SELECT ?1, ?2, ?3, ?4, ?5
                 WHERE NOT EXISTS(SELECT 1 FROM checkpoint WHERE size >= ?1)
                   AND EXISTS(SELECT 1 FROM head WHERE size >= ?1)",
                params![sql(sealed.size)?, sealed.root, sealed.time_s, sealed.hash(), sealed.note],
            )?;
            if written == 1 { Ok(()) } else { Err(Refused::Conflict) }
        })
    }
}

fn swap_head(connection: &Connection, batch: &Batch) -> Result<(), Refused> {
    let newer_size = batch.newer.map(|newer| sql(newer.size)).transpose()?;
    let swapped = connection
        .prepare_cached(
            "UPDATE head SET size = ?, root = ?, newer_size = ?, newer_root = ? WHERE size = ? AND root = ?",
        )?
        .execute(params![
            sql(batch.to.size)?,
            batch.to.root,
            newer_size,
            batch.newer.map(|newer| newer.root),
            sql(batch.from.size)?,
            batch.from.root,
        ])?;
    if swapped == 1 { Ok(()) } else { Err(Refused::Conflict) }
}

fn write_entries(connection: &Connection, batch: &Batch) -> Result<(), Refused> {
    let mut insert = connection
        .prepare_cached("INSERT INTO entry(idx, kid, seq, part, leaf, bytes) VALUES(?, ?, ?, ?, ?, ?)")?;
    for entry in &batch.entries {
        let (index, seq) = (sql(entry.index)?, sql(entry.seq)?);
        insert.execute(params![index, entry.kid, seq, code(entry.part), entry.leaf, pack(&entry.bytes)])?;
    }
    Ok(())
}

fn write_streams(connection: &Connection, batch: &Batch) -> Result<(), Refused> {
    let mut replace = connection
        .prepare_cached("INSERT OR REPLACE INTO stream(kid, next_seq, head, frozen) VALUES(?, ?, ?, ?)")?;
    for stream in &batch.streams {
        replace.execute(params![stream.kid, sql(stream.next_seq)?, stream.head, stream.frozen])?;
    }
    Ok(())
}

fn write_tiles(connection: &Connection, batch: &Batch) -> Result<(), Refused> {
    let mut replace = connection.prepare_cached(
        "INSERT INTO tile(level, number, bytes) VALUES(?, ?, ?)
         ON CONFLICT(level, number) DO UPDATE SET bytes = excluded.bytes",
    )?;
    for tile in &batch.tiles {
        replace.execute(params![tile.level, sql(tile.number)?, tile.bytes])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(from: Head, n: u8) -> Batch {
        let leaf = [n; 32];
        Batch {
            from,
            to: Head { size: from.size + 1, root: leaf },
            entries: vec![Entry {
                index: from.size,
                kid: [1; 32],
                seq: from.size,
                part: if n == 1 { Part::Control } else { Part::Plain },
                leaf,
                bytes: vec![n; 3000],
            }],
            streams: vec![StreamHead {
                kid: [1; 32],
                next_seq: from.size + 1,
                head: Some(leaf),
                frozen: false,
            }],
            tiles: vec![crate::tree::HashTile { level: 0, number: 0, bytes: leaf.to_vec() }],
            newer: None,
        }
    }

    #[test]
    fn what_is_committed_is_read_by_another_connection() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.sqlite");
        let mut log = SqliteLog::create(&path).unwrap();
        let mut reader = SqliteLog::open_reader(&path).unwrap();
        assert_eq!(reader.load().unwrap().head, Head::empty());
        let first = batch(Head::empty(), 1);
        log.commit(&first).unwrap();
        let loaded = reader.load().unwrap();
        assert_eq!(loaded.head, first.to);
        assert_eq!(loaded.streams, first.streams);
        assert_eq!(loaded.control, first.entries);
        assert_eq!(reader.entries(0, u64::MAX).unwrap(), first.entries);
        assert_eq!(reader.logged(&[1; 32], 0).unwrap(), [(0, [1; 32])]);
        assert_eq!(reader.logged(&[1; 32], u64::MAX).unwrap(), []);
        assert_eq!(reader.tile(0, 0).unwrap().unwrap(), [1; 32]);
        assert_eq!(reader.tile(0, 1).unwrap(), None);
        assert!(matches!(reader.commit(&batch(first.to, 2)), Err(CommitError::NotWritten { .. })));
    }

    #[test]
    fn a_second_writer_is_found_out_by_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.sqlite");
        let mut one = SqliteLog::create(&path).unwrap();
        let mut two = SqliteLog::open(&path).unwrap();
        one.commit(&batch(Head::empty(), 1)).unwrap();
        assert!(matches!(two.commit(&batch(Head::empty(), 2)), Err(CommitError::Conflict { .. })));
        assert_eq!(two.entries(0, 9).unwrap().len(), 1);
    }

    #[test]
    fn a_full_store_refuses_and_takes_statements_again_when_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = SqliteLog::create(&dir.path().join("log.sqlite")).unwrap();
        log.limit_pages(14).unwrap();
        let mut head = Head::empty();
        let full = loop {
            let next = batch(head, 1);
            match log.commit(&next) {
                Ok(()) => head = next.to,
                Err(e) => break e,
            }
            assert!(head.size < 5000, "the limit had no effect");
        };
        assert!(matches!(full, CommitError::Full { .. }), "{full}");
        assert_eq!(log.head().unwrap(), head);
        log.limit_pages(1000).unwrap();
        log.commit(&batch(head, 1)).unwrap();
    }

    #[test]
    fn a_checkpoint_never_follows_a_larger_or_equal_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = SqliteLog::create(&dir.path().join("log.sqlite")).unwrap();
        let sealed = |size| Sealed { size, root: [1; 32], time_s: 7, note: format!("note {size}").into() };
        assert!(matches!(log.seal(&sealed(1)), Err(CommitError::Conflict { .. })), "beyond the log");
        log.commit(&batch(Head::empty(), 1)).unwrap();
        log.seal(&sealed(1)).unwrap();
        assert!(matches!(log.seal(&sealed(1)), Err(CommitError::Conflict { .. })));
        assert_eq!(log.sealed().unwrap().unwrap(), sealed(1));
        assert_eq!(log.sealed_by_hash(&sealed(1).hash()).unwrap().unwrap(), sealed(1));
        assert_eq!(log.sealed_from(2).unwrap(), None);
    }

    #[test]
    fn a_log_is_never_made_over_another_and_a_foreign_format_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.sqlite");
        let log = SqliteLog::create(&path).unwrap();
        assert!(SqliteLog::create(&path).unwrap_err().to_string().contains("exists already"));
        log.connection.execute_batch("PRAGMA user_version=9").unwrap();
        assert!(SqliteLog::open(&path).unwrap_err().to_string().contains("format 9"));
        assert!(SqliteLog::open(&dir.path().join("none")).is_err());
    }
}

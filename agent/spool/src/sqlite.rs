//! The store in one SQLite file: WAL, `synchronous=FULL`, locked for this process alone.
//!
//! What a failed commit leaves: SQLite rolls it back. After a failure at the very end (a full disk, a failing
//! sync) its frames may lie behind the end of the write-ahead log; the next commit overwrites them, and a
//! crash before that may bring the whole commit back. Both are harmless: nothing is sent or acknowledged
//! before a commit that succeeded, and a restart believes the file and nothing else.

use crate::change::Change;
use crate::error::StoreError;
use crate::keep::{Aged, Oldest};
use crate::schema;
use crate::store::{JournalRow, Limit, RawBlock, Statement, Store, Stored, Stream, Usage};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, params};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Memory for pages, KiB. The agent reads little and in order.
const CACHE_KIB: u32 = 256;
/// The write-ahead log is cut back to this after a large commit, bytes.
const WAL_BYTES: u32 = 8 << 20;

/// See the module. The connection is used by one thread at a time, whoever owns the value.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    statement_max: u64,
}

impl SqliteStore {
    /// Opens the file, or makes it. Damage that shows is an error; see [`crate::open`] for what to do then.
    /// Statements without a receipt are refused beyond `statement_max` bytes.
    pub fn open(path: &Path, statement_max: u64) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| translate(path, &e))?;
        let store = Self { connection, path: path.to_owned(), statement_max };
        store.prepare().map_err(|e| store.at_start(&e))?;
        store.check_format()?;
        store.check_pages()?;
        Ok(store)
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.set_prepared_statement_cache_capacity(48);
        // The lock must be exclusive before the log is opened, so that no other process can share it.
        self.connection.execute_batch(&format!(
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
             PRAGMA cache_size=-{CACHE_KIB}; PRAGMA journal_size_limit={WAL_BYTES}; PRAGMA temp_store=MEMORY;
             BEGIN IMMEDIATE; COMMIT;"
        ))
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let pragma = |name: &str| -> Result<i64, StoreError> {
            self.connection
                .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
                .map_err(|e| self.at_start(&e))
        };
        match (pragma("application_id")?, pragma("user_version")?) {
            (schema::APPLICATION, schema::FORMAT) => Ok(()),
            (schema::APPLICATION, found) => {
                Err(StoreError::Newer { path: self.path.clone(), found, known: schema::FORMAT })
            }
            (0, 0) if self.is_empty()? => self.create(),
            (application, _) => Err(StoreError::Damaged {
                path: self.path.clone(),
                detail: format!("it holds other data (application {application:#x})"),
            }),
        }
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        let tables: i64 = self
            .connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|e| self.at_start(&e))?;
        Ok(tables == 0)
    }

    fn create(&self) -> Result<(), StoreError> {
        let (application, format) = (schema::APPLICATION, schema::FORMAT);
        self.connection
            .execute_batch(&format!(
                "BEGIN; {} PRAGMA application_id={application}; PRAGMA user_version={format}; COMMIT",
                schema::TABLES
            ))
            .map_err(|e| self.error(&e))
    }

    /// Every table but the raw blocks is checked at each start: raw blocks may be many gigabytes, and damage to
    /// one of them costs that block only.
    fn check_pages(&self) -> Result<(), StoreError> {
        for table in ["commits", "stream", "statement", "journal", "fact"] {
            let verdict: String = self
                .connection
                .query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))
                .map_err(|e| self.at_start(&e))?;
            if verdict != "ok" {
                return Err(StoreError::Damaged { path: self.path.clone(), detail: verdict });
            }
        }
        Ok(())
    }

    /// Limits the file to so many pages. For trying a full disk without filling one.
    #[doc(hidden)]
    pub fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        let set = format!("PRAGMA max_page_count={pages}");
        self.connection.query_row(&set, [], |_| Ok(())).map_err(|e| self.error(&e))
    }

    /// Pages in use. For trying a full disk without filling one.
    #[doc(hidden)]
    pub fn pages(&self) -> Result<u32, StoreError> {
        self.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(|e| self.error(&e))
    }

    pub(crate) fn statement_max(&self) -> u64 {
        self.statement_max
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn error(&self, error: &rusqlite::Error) -> StoreError {
        translate(&self.path, error)
    }

    /// SQLite has no code of its own for a header that it cannot make sense of. What is asked at the start is
    /// asked of every file, so that such an error is this file's.
    fn at_start(&self, error: &rusqlite::Error) -> StoreError {
        let strange = match error.sqlite_error_code() {
            Some(ErrorCode::Unknown) => true,
            Some(ErrorCode::ReadOnly) => says_it_is_read_only(&self.path),
            _ => false,
        };
        match self.error(error) {
            StoreError::Io { path, detail } if strange => StoreError::Damaged { path, detail },
            other => other,
        }
    }

    pub(crate) fn stream_by_id(&self, id: i64) -> rusqlite::Result<Stream> {
        let sql = "SELECT next_seq, head, send_from, journal_next, raw_next, journal_bytes FROM stream WHERE id = ?1";
        self.connection.prepare_cached(sql)?.query_row([id], |row| {
            Ok(Stream {
                next_seq: get(row, 0)?,
                head: row.get(1)?,
                send_from: get(row, 2)?,
                journal_next: get(row, 3)?,
                raw_next: get(row, 4)?,
                journal_bytes: get(row, 5)?,
            })
        })
    }

    fn known(&self, name: &str) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT id FROM stream WHERE name = ?1";
        self.connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
    }

    pub(crate) fn usage_now(&self) -> rusqlite::Result<Usage> {
        let sql = "SELECT coalesce(sum(statement_bytes), 0), coalesce(sum(unsealed_bytes), 0),
                   coalesce(sum(raw_bytes), 0), coalesce(sum(journal_bytes), 0) FROM stream";
        self.connection.prepare_cached(sql)?.query_row([], |row| {
            Ok(Usage {
                statement_bytes: get(row, 0)?,
                unsealed_bytes: get(row, 1)?,
                raw_bytes: get(row, 2)?,
                journal_bytes: get(row, 3)?,
            })
        })
    }

    /// Rows of a stream, each with its size, until the limit is reached.
    fn rows<T>(
        &self,
        stream: &str,
        sql: &str,
        from: u64,
        limit: Limit,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<(T, usize)>,
    ) -> rusqlite::Result<Vec<T>> {
        let Some(id) = self.known(stream)? else { return Ok(vec![]) };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![id, int(from)])?;
        let (mut found, mut bytes) = (vec![], 0_usize);
        while found.len() < limit.items.max(1)
            && let Some(row) = rows.next()?
        {
            let (item, size) = read(row)?;
            bytes = bytes.saturating_add(size);
            if bytes > limit.bytes && !found.is_empty() {
                break;
            }
            found.push(item);
        }
        Ok(found)
    }

    fn oldest_now(&self, max: usize) -> rusqlite::Result<Oldest> {
        let aged = |row: &Row<'_>| {
            Ok(Aged {
                stream: row.get(0)?,
                number: get(row, 1)?,
                bytes: get(row, 2)?,
                from_ms: row.get(3)?,
                to_ms: row.get(4)?,
            })
        };
        let statements = "SELECT stream.name, seq, size, at_ms, at_ms FROM statement JOIN stream
             ON stream.id = statement.stream
             WHERE seq < coalesce((SELECT min(seq) FROM statement AS s WHERE s.stream = stream.id
                 AND s.receipt IS NULL AND s.given_up = 0), next_seq)
             ORDER BY statement.id LIMIT ?1";
        let raw = "SELECT stream.name, number, size, from_ms, to_ms FROM raw JOIN stream
             ON stream.id = raw.stream ORDER BY raw.id LIMIT ?1";
        let max = int(size(max));
        Ok(Oldest {
            statements: self
                .connection
                .prepare_cached(statements)?
                .query_map([max], aged)?
                .collect::<Result<_, _>>()?,
            raw: self.connection.prepare_cached(raw)?.query_map([max], aged)?.collect::<Result<_, _>>()?,
        })
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, number: u64, changes: &[Change<'_>]) -> Result<(), StoreError> {
        // Dropped without COMMIT, the transaction rolls back.
        let transaction = self.connection.unchecked_transaction().map_err(|e| self.error(&e))?;
        for change in changes {
            self.apply(change)?;
        }
        let counted = self
            .connection
            .execute("UPDATE commits SET number = ?1 WHERE number = ?1 - 1", [int(number)])
            .map_err(|e| self.error(&e))?;
        expect("a commit's number", 1, counted)?;
        transaction.commit().map_err(|e| self.error(&e))
    }

    fn committed(&mut self) -> Result<u64, StoreError> {
        self.connection
            .query_row("SELECT number FROM commits", [], |row| get(row, 0))
            .map_err(|e| self.error(&e))
    }

    fn streams(&mut self) -> Result<Vec<String>, StoreError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare("SELECT name FROM stream ORDER BY id")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        read().map_err(|e| self.error(&e))
    }

    fn stream(&mut self, stream: &str) -> Result<Stream, StoreError> {
        let read = || match self.known(stream)? {
            Some(id) => self.stream_by_id(id),
            None => Ok(Stream::default()),
        };
        read().map_err(|e| self.error(&e))
    }

    fn statements(&mut self, stream: &str, from: u64, limit: Limit) -> Result<Vec<Statement>, StoreError> {
        let sql = "SELECT seq, leaf, log_index, bytes FROM statement WHERE stream = ?1 AND seq >= ?2 AND given_up = 0 ORDER BY seq";
        self.rows(stream, sql, from, limit, |row| {
            let bytes: Vec<u8> = row.get(3)?;
            let size = bytes.len();
            let told = row.get::<_, Option<i64>>(2)?;
            let index = told.and_then(|told| u64::try_from(if told < 0 { -1 - told } else { told }).ok());
            Ok((Statement { seq: get(row, 0)?, leaf: row.get(1)?, index, bytes }, size))
        })
        .map_err(|e| self.error(&e))
    }

    fn unsealed(&mut self, stream: &str, max: usize) -> Result<Vec<Stored>, StoreError> {
        let sql = "SELECT seq, leaf, log_index FROM statement WHERE stream = ?1 AND seq >= ?2
                   AND receipt IS NULL AND given_up = 0 AND log_index >= 0 ORDER BY seq";
        let limit = Limit { items: max, bytes: usize::MAX };
        self.rows(stream, sql, 0, limit, |row| {
            Ok((Stored { seq: get(row, 0)?, leaf: row.get(1)?, index: get(row, 2)? }, 0))
        })
        .map_err(|e| self.error(&e))
    }

    fn receipt(&mut self, stream: &str, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT receipt FROM statement JOIN stream ON stream.id = statement.stream WHERE name = ?1 AND seq = ?2";
        let found = self.connection.query_row(sql, params![stream, int(seq)], |row| row.get(0)).optional();
        found.map(Option::flatten).map_err(|e| self.error(&e))
    }

    fn journal(&mut self, stream: &str, from: u64, limit: Limit) -> Result<Vec<JournalRow>, StoreError> {
        let sql = "SELECT position, row FROM journal WHERE stream = ?1 AND position >= ?2 ORDER BY position";
        self.rows(stream, sql, from, limit, |row| {
            let bytes: Vec<u8> = row.get(1)?;
            let size = bytes.len();
            Ok((JournalRow { position: get(row, 0)?, row: bytes }, size))
        })
        .map_err(|e| self.error(&e))
    }

    fn raw(&mut self, stream: &str, number: u64) -> Result<Option<RawBlock>, StoreError> {
        let sql = "SELECT leaf, from_ms, to_ms, bytes FROM raw JOIN stream ON stream.id = raw.stream
                   WHERE name = ?1 AND number = ?2";
        let read = |row: &Row<'_>| {
            Ok(RawBlock { leaf: row.get(0)?, from_ms: row.get(1)?, to_ms: row.get(2)?, bytes: row.get(3)? })
        };
        self.connection
            .query_row(sql, params![stream, int(number)], read)
            .optional()
            .map_err(|e| self.error(&e))
    }

    fn fact(&mut self, stream: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT value FROM fact WHERE stream = ?1 AND key = ?2";
        self.connection
            .query_row(sql, params![stream, key], |row| row.get(0))
            .optional()
            .map_err(|e| self.error(&e))
    }

    fn usage(&mut self) -> Result<Usage, StoreError> {
        self.usage_now().map_err(|e| self.error(&e))
    }

    fn oldest(&mut self, max: usize) -> Result<Oldest, StoreError> {
        self.oldest_now(max).map_err(|e| self.error(&e))
    }
}

/// Whether the file itself, and not its rights, forbids writing: bytes 18 and 19 are 1 or 2 in every file that may
/// be written ("The Database File Format", 1.3.3).
fn says_it_is_read_only(path: &Path) -> bool {
    let mut head = [0; 20];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head[18].max(head[19]) > 2
}

/// What SQLite's error means to the agent.
pub(crate) fn translate(path: &Path, error: &rusqlite::Error) -> StoreError {
    let (path, detail) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse { path },
        // Without a code, a row has another shape than was written: the file is not as it was.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
            StoreError::Damaged { path, detail }
        }
        // The questions are our own and fit our own tables.
        Some(_) if matches!(error, rusqlite::Error::SqlInputError { .. }) => {
            StoreError::Damaged { path, detail }
        }
        Some(_) => StoreError::Io { path, detail },
    }
}

pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    expected: T,
    got: T,
) -> Result<(), StoreError> {
    if expected == got { Ok(()) } else { Err(StoreError::conflict(what, expected, got)) }
}

/// SQLite's integers are signed; numbers here stay far below 2^63.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(crate) fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

pub(crate) fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

pub(crate) fn get(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(uint)
}

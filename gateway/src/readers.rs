//! A few read connections a project, lent out one at a time to blocking threads. Readers never wait for the
//! writer (SQLite's WAL) and see the last commit.

use crate::error::StorageError;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tlog::{Read as _, SqliteLog};

/// Connections kept open between requests.
const KEEP: usize = 4;

/// Opens and keeps readers of one file. The mutex guards the list of idle readers, never a query.
#[derive(Debug)]
pub(crate) struct Readers<R> {
    path: PathBuf,
    idle: Mutex<Vec<R>>,
    open: fn(&std::path::Path) -> Result<R, StorageError>,
}

impl<R: Send + 'static> Readers<R> {
    pub(crate) fn new(path: PathBuf, open: fn(&std::path::Path) -> Result<R, StorageError>) -> Self {
        Self { path, idle: Mutex::default(), open }
    }

    /// Runs `work` with a reader. Blocking: call it on a blocking thread.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut R) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match kept {
            Some(reader) => reader,
            None => (self.open)(&self.path)?,
        };
        // A reader whose query failed is dropped; the next request opens a fresh one.
        let done = work(&mut reader)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEEP {
            idle.push(reader);
        }
        Ok(done)
    }
}

/// Readers of a log.
pub(crate) fn of_log(path: PathBuf) -> Readers<SqliteLog> {
    Readers::new(path, |path| SqliteLog::open_reader(path).map_err(Into::into))
}

impl From<tlog::StoreError> for StorageError {
    fn from(error: tlog::StoreError) -> Self {
        Self { path: error.place.into(), what: "read the log".to_owned(), detail: error.detail }
    }
}

/// Reads all entries of a log in order, a few at a time.
pub(crate) fn each_entry(
    log: &mut SqliteLog,
    from: u64,
    to: u64,
    mut visit: impl FnMut(tlog::Entry) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    const CHUNK: u64 = 256;
    let mut at = from;
    while at < to {
        let entries = log.entries(at, (at + CHUNK).min(to))?;
        if entries.is_empty() {
            return Err(StorageError {
                path: PathBuf::from("log"),
                what: "read the log".to_owned(),
                detail: format!("entry {at} is missing; run `plumbline-gateway rebuild` to see the extent"),
            });
        }
        at += entries.len() as u64;
        entries.into_iter().try_for_each(&mut visit)?;
    }
    Ok(())
}

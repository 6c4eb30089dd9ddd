//! `rebuild`: makes a project's derived tables again from its log and compares them with what was there.
//!
//! The log itself is re-verified first. The new tables replace the old ones only when they are complete; the
//! old ones stay beside them when they differ, for whoever wants to know why.

pub use crate::derived::TableDifference;
use crate::derived::{Derived, TABLES, compare, remove};
use crate::error::StorageError;
use crate::project::{self, DERIVED, LOG};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tlog::SqliteLog;
use tlog::recheck::{RecheckError, recheck};

/// Why nothing was rebuilt.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// No such project.
    #[error("{}: there is no project here; `plumbline-gateway project import` makes one", .0.display())]
    Unknown(PathBuf),
    /// A gateway runs on the directory.
    #[error("{0}")]
    Running(String),
    /// The log does not hold.
    #[error("the log does not verify: {0}. Nothing was rebuilt; restore a backup, the agents refill it")]
    Log(#[from] RecheckError),
    /// A file cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What a rebuild found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries of the log, all verified.
    pub entries: u64,
    /// Entries the old tables had been made from.
    pub before: u64,
    /// Table by table, what differs between the old tables and new ones made from as many entries.
    pub tables: Vec<TableDifference>,
    /// Where the old tables were kept, if anything differed.
    pub kept: Option<PathBuf>,
}

impl Rebuilt {
    /// Nothing differed.
    pub fn is_same(&self) -> bool {
        self.tables.iter().all(|table| table.differing == 0)
    }
}

/// Rebuilds a project's derived tables. The gateway must not be running on this directory.
pub fn rebuild(data: &Path, id: &str) -> Result<Rebuilt, RebuildError> {
    let directory = project::directory(data, id);
    let path = directory.join(LOG);
    if !path.exists() {
        return Err(RebuildError::Unknown(directory));
    }
    let _lock = crate::run::lock(data).map_err(|e| RebuildError::Running(e.to_string()))?;
    let mut log = SqliteLog::open_reader(&path).map_err(StorageError::from)?;
    let entries = recheck(&mut log)?.size;
    let old = directory.join(DERIVED);
    let new = directory.join("derived.new.sqlite");
    remove(&new)?;
    let before = Derived::open(&old)?.progress()?;
    let mut made = Derived::open(&new)?;
    // Up to where the old tables had come, so that like is compared with like; then on to the end.
    made.catch_up(&mut log, before.min(entries))?;
    let tables = compare_files(&old, &new)?;
    made.catch_up(&mut log, entries)?;
    drop(made);
    let mut rebuilt = Rebuilt { entries, before, tables, kept: None };
    rebuilt.kept = replace(&old, &new, rebuilt.is_same())?;
    Ok(rebuilt)
}

fn compare_files(old: &Path, new: &Path) -> Result<Vec<TableDifference>, StorageError> {
    let open = |path: &Path| {
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|e| StorageError::new(path, "open", &e))
    };
    let (was, is) = (open(old)?, open(new)?);
    TABLES
        .into_iter()
        .map(|table| compare(&was, &is, table).map_err(|e| StorageError::new(old, "compare", &e)))
        .collect()
}

/// Puts the new file in the old one's place; yields where the old one was kept.
fn replace(old: &Path, new: &Path, same: bool) -> Result<Option<PathBuf>, StorageError> {
    for path in [old, new] {
        fold_journal(path)?;
    }
    let kept = old.with_file_name("derived.differing.sqlite");
    if !same {
        remove(&kept)?;
        std::fs::rename(old, &kept).map_err(|e| StorageError::new(old, "keep", &e))?;
    }
    remove(old)?;
    std::fs::rename(new, old).map_err(|e| StorageError::new(new, "put in place", &e))?;
    Ok((!same).then_some(kept))
}

/// Moves what the write-ahead log holds into the file itself, so that the file can be renamed alone.
fn fold_journal(path: &Path) -> Result<(), StorageError> {
    let fold = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(()))
    };
    fold().map_err(|e: rusqlite::Error| StorageError::new(path, "fold the journal", &e))
}

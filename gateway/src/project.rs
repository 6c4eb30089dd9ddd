//! One project as the gateway runs it: its log's sequencer, its derived tables, and readers of both.
//!
//! On disk: `DIR/projects/<id>/` with `log.sqlite` (the authority) and `derived.sqlite` (follows from it).

use crate::derived::{self, Derived};
use crate::error::StorageError;
use crate::identity::ProjectSigners;
use crate::ops::Ops;
use crate::readers::{self, Readers};
use crate::sequencer::{LogState, MAX_WAITING, Order, Sequencer};
use evidence::payload::Genesis;
use evidence::statement::{self, Payload};
use observation::Clock;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tlog::{Keyring, Log, Read as _, SqliteLog};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// File of a project's log within its directory.
pub(crate) const LOG: &str = "log.sqlite";
/// File of its derived tables.
pub(crate) const DERIVED: &str = "derived.sqlite";

/// Where a project lives.
pub(crate) fn directory(data: &Path, id: &str) -> PathBuf {
    data.join("projects").join(id)
}

/// Longest project id, bytes: it is part of every path of a bundle.
const MAX_ID: usize = 96;

/// A project id of the evidence format that also serves as a directory and as a bundle's folder.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    if statement::is_id(id) && id.len() <= MAX_ID && !id.ends_with('.') {
        return Ok(());
    }
    Err(format!(
        "`{id}` is no project id: use letters, digits, - _ or ., at most 64 of them and {MAX_ID} bytes in UTF-8 \
         (32 Chinese characters), no dot at either end"
    ))
}

/// What a project's tasks share with the rest of the gateway.
pub(crate) struct Surroundings {
    pub(crate) ops: Arc<Ops>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gather: Duration,
    pub(crate) seal_every: Duration,
    pub(crate) fatal: mpsc::UnboundedSender<String>,
}

/// A running project.
pub(crate) struct Project {
    id: String,
    genesis: Genesis,
    signers: Arc<ProjectSigners>,
    orders: mpsc::Sender<Order>,
    state: watch::Receiver<LogState>,
    log: Arc<Readers<SqliteLog>>,
    derived: Arc<Readers<Derived>>,
}

impl Project {
    /// Opens the files and starts the tasks. Blocking; call it within the runtime's context.
    pub(crate) fn start(
        data: &Path,
        id: &str,
        signers: ProjectSigners,
        around: &Surroundings,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, StorageError> {
        let directory = directory(data, id);
        let path = directory.join(LOG);
        let log = Log::open(SqliteLog::open(&path)?).map_err(|e| StorageError::new(&path, "open", &e))?;
        let genesis = genesis(&mut SqliteLog::open_reader(&path)?)?;
        let derived_path = directory.join(DERIVED);
        let writer = Derived::open(&derived_path)?;
        let signers = Arc::new(signers);
        let (orders, received) = mpsc::channel(MAX_WAITING);
        let (published, state) = watch::channel(LogState::of(&log));
        let log_readers = Arc::new(readers::of_log(path));
        let sequencer = Sequencer {
            project: id.to_owned(),
            log: Some(log),
            signers: Arc::clone(&signers),
            ops: Arc::clone(&around.ops),
            clock: Arc::clone(&around.clock),
            gather: around.gather,
            seal_every: around.seal_every,
            orders: received,
            state: published,
            fatal: around.fatal.clone(),
        };
        tasks.spawn(sequencer.run());
        tasks.spawn(derived::follow(id.to_owned(), writer, Arc::clone(&log_readers), state.clone()));
        Ok(Self {
            id: id.to_owned(),
            genesis,
            signers,
            orders,
            state,
            log: log_readers,
            derived: Arc::new(Readers::new(derived_path, Derived::open_reader)),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    pub(crate) fn signers(&self) -> &ProjectSigners {
        &self.signers
    }

    pub(crate) fn orders(&self) -> &mpsc::Sender<Order> {
        &self.orders
    }

    pub(crate) fn state(&self) -> LogState {
        self.state.borrow().clone()
    }

    /// The keys as of the last commit.
    pub(crate) fn keys(&self) -> Arc<Keyring> {
        Arc::clone(&self.state.borrow().keys)
    }

    pub(crate) fn log(&self) -> Arc<Readers<SqliteLog>> {
        Arc::clone(&self.log)
    }

    pub(crate) fn derived(&self) -> Arc<Readers<Derived>> {
        Arc::clone(&self.derived)
    }
}

/// The ids of the projects in a data directory.
pub(crate) fn ids(data: &Path) -> Result<Vec<String>, StorageError> {
    let dir = data.join("projects");
    let fault = |e: &dyn std::fmt::Display| StorageError::new(&dir, "list", e);
    let mut ids = vec![];
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(ids),
        Err(e) => return Err(fault(&e)),
    };
    for entry in entries {
        let name = entry.map_err(|e| fault(&e))?.file_name();
        // An import that was cut off leaves a directory whose name no project can have.
        ids.extend(name.to_str().filter(|name| check_id(name).is_ok()).map(str::to_owned));
    }
    ids.sort();
    Ok(ids)
}

/// The genesis of a log, with its bytes left aside.
pub(crate) fn genesis(log: &mut SqliteLog) -> Result<Genesis, StorageError> {
    let damaged = |detail: &dyn std::fmt::Display| StorageError::new(Path::new(LOG), "read entry 0", detail);
    let first = log.entries(0, 1)?;
    let entry = first.first().ok_or_else(|| damaged(&"the log has no genesis"))?;
    let unverified = statement::open(&entry.bytes).map_err(|e| damaged(&e))?;
    match unverified.payload {
        Payload::Genesis(genesis) => Ok(*genesis),
        _ => Err(damaged(&"entry 0 is no genesis")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_ids_are_safe_as_directories_and_in_origins() {
        for good in ["ningbo-2026", "宁波一厂", "a.b_c", &"x".repeat(64)] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".a", "a/b", "a b", "a+b", "a\nb", "a\0", "a.", &"厂".repeat(33)] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
    }
}

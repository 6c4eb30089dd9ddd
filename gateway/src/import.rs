//! `project import`: a signed genesis becomes entry 0 of a new log.
//!
//! The gateway checks that the genesis is about *this* gateway (origin and keys), and that its roster hangs
//! together. Whether the registrar is the right one is for agents and assessors to pin, not for the gateway.

use crate::error::StorageError;
use crate::identity::Identity;
use crate::project::{self, LOG};
use evidence::payload::Genesis;
use evidence::statement::{Payload, Role};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tlog::log::open_genesis;
use tlog::{Log, OpenError, SqliteLog};

/// Why a genesis was not imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is not a genesis, or its signature is wrong.
    #[error("{0}")]
    Genesis(OpenError),
    /// What it says does not fit this gateway or itself: every reason.
    #[error("the genesis cannot be imported:\n  {}", .0.join("\n  "))]
    Unfit(Vec<String>),
    /// The project is here already.
    #[error("{}: this project is here already; a project has one genesis for ever", .0.display())]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Imports a genesis statement; yields the project's id.
///
/// The log is made in a directory of another name and renamed when it is complete: a crash before that leaves
/// a directory that nothing reads, after it a whole project.
pub fn import(data: &Path, identity: &Identity, bytes: Vec<u8>) -> Result<String, ImportError> {
    let (statement, _) = open_genesis(&bytes).map_err(ImportError::Genesis)?;
    let Payload::Genesis(genesis) = statement.payload() else {
        return Err(ImportError::Unfit(vec!["this is a statement of another kind".to_owned()]));
    };
    let reasons = unfit(genesis, identity);
    if !reasons.is_empty() {
        return Err(ImportError::Unfit(reasons));
    }
    let id = genesis.project.clone();
    let target = project::directory(data, &id);
    if target.exists() {
        return Err(ImportError::Exists(target));
    }
    let making = data.join("projects").join(format!(".making-{id}"));
    make(&making, bytes)?;
    std::fs::rename(&making, &target).map_err(|e| StorageError::new(&target, "put in place", &e))?;
    sync_directory(&data.join("projects"))?;
    Ok(id)
}

fn make(directory: &Path, bytes: Vec<u8>) -> Result<(), ImportError> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)
            .map_err(|e| StorageError::new(directory, "remove what an import left", &e))?;
    }
    std::fs::create_dir_all(directory).map_err(|e| StorageError::new(directory, "make the directory", &e))?;
    let path = directory.join(LOG);
    let store = SqliteLog::create(&path).map_err(StorageError::from)?;
    let log = Log::create(store, bytes).map_err(|e| StorageError::new(&path, "write entry 0", &e))?;
    // Closing the last connection folds the write-ahead log into the file.
    drop(log);
    sync_directory(directory)?;
    Ok(())
}

/// Makes names in a directory durable.
fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    std::fs::File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(|e| StorageError::new(directory, "sync", &e))
}

/// Every reason against a genesis.
fn unfit(genesis: &Genesis, identity: &Identity) -> Vec<String> {
    let mut reasons = vec![];
    if let Err(reason) = project::check_id(&genesis.project) {
        reasons.push(reason);
    }
    let signers = match identity.signers(&genesis.project) {
        Ok(signers) => signers,
        Err(e) => {
            reasons.push(e.to_string());
            return reasons;
        }
    };
    let mut same = |what: &str, said: &str, ours: &str| {
        if said != ours {
            reasons.push(format!(
                "its {what} is `{said}`, this gateway's is `{ours}`; sign a draft made by this gateway"
            ));
        }
    };
    same("origin", &genesis.origin, signers.origin());
    same("log key", &genesis.log_vkey, &signers.log_vkey());
    same("receipt key", &genesis.receipt_key.to_string(), &signers.receipt_key().to_string());
    if let Some(vkey) = &genesis.operator_time_vkey {
        same("operator time key", vkey, &signers.time_vkey());
    }
    let agents: BTreeSet<&str> =
        genesis.keys.iter().filter(|k| k.role == Role::Agent).map(|k| k.id.as_str()).collect();
    let (mut indices, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for machine in &genesis.machines {
        if !agents.contains(machine.agent.as_str()) {
            reasons
                .push(format!("machine `{}` names agent `{}`, which has no key", machine.id, machine.agent));
        }
        if !indices.insert(machine.index) || !ids.insert(machine.id.as_str()) {
            reasons.push(format!("machine `{}` ({}) stands in the roster twice", machine.id, machine.index));
        }
    }
    let kids: BTreeSet<_> = genesis.keys.iter().map(|k| k.key.kid()).collect();
    if kids.len() != genesis.keys.len() {
        reasons.push("a key stands in the roster twice".to_owned());
    }
    if genesis.step_s == 0 || genesis.windows_per_statement == 0 {
        reasons.push("the window length and the windows a statement must not be 0".to_owned());
    }
    reasons
}

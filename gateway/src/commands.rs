//! The operator's commands as functions: the program, the demo and tests call the same ones.
//!
//! Each opens what it needs in the data directory and closes it again. `rebuild` wants the gateway ended; the
//! others work beside a running gateway.

use crate::create::{self, CreateError};
use crate::enrol::{self, EnrolError};
use crate::error::StorageError;
use crate::export::{self, ExportError, Exported};
use crate::identity::{Identity, IdentityError};
use crate::import::{self, ImportError};
use crate::init::{self, InitError};
use crate::ops::Ops;
use crate::rebuild::{self, RebuildError, Rebuilt};
use crate::run::RunError;
use crate::settings::{self, Settings};
use config::ConfigErrors;
use std::net::SocketAddr;
use std::path::Path;
use thiserror::Error;

/// Why a command failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// `init` failed.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The keys cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// `project create` failed.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// `project import` failed.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// `agent enrol` failed.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// `export` failed.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// `rebuild` failed.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// `run` failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl CommandError {
    /// 1 the answer is no, 2 wrong use or configuration, 3 environment.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Import(ImportError::Genesis(_) | ImportError::Unfit(_))
            | Self::Enrol(EnrolError::Request(_))
            | Self::Rebuild(RebuildError::Log(_)) => 1,
            Self::Config(_)
            | Self::Init(InitError::Wrong(_) | InitError::Exists(_))
            | Self::Create(CreateError::Id(_) | CreateError::Request { .. } | CreateError::NoAgent(_))
            | Self::Import(ImportError::Exists(_))
            | Self::Export(ExportError::Unknown(_) | ExportError::Exists(_))
            | Self::Rebuild(RebuildError::Unknown(_))
            | Self::Run(RunError::Config(_) | RunError::Listen(_)) => 2,
            _ => 3,
        }
    }
}

fn identity(data: &Path) -> Result<Identity, CommandError> {
    let settings = Settings::load(&data.join(settings::FILE))?;
    Ok(Identity::load(data, &settings.name)?)
}

fn ops(data: &Path) -> Result<Ops, CommandError> {
    // Refuse a directory that `init` has not made, rather than leave a stray database in it.
    Settings::load(&data.join(settings::FILE))?;
    Ok(Ops::open(&data.join(crate::OPS))?)
}

fn read(path: &Path) -> Result<Vec<u8>, StorageError> {
    std::fs::read(path).map_err(|e| StorageError::new(path, "read", &e))
}

/// `init`. Without a name one is made that no other gateway has.
pub fn init(data: &Path, name: Option<&str>, listen: SocketAddr) -> Result<String, CommandError> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => init::random_name()?,
    };
    init::init(data, &name, listen)?;
    Ok(name)
}

/// `project create`: the text of the draft.
pub fn create(data: &Path, id: &str, enrolments: &[impl AsRef<Path>]) -> Result<String, CommandError> {
    let mut requests = vec![];
    for path in enrolments {
        requests.push((path.as_ref().to_owned(), read(path.as_ref())?));
    }
    Ok(create::draft(&identity(data)?, &ops(data)?, id, requests)?)
}

/// `project import`: the project's id.
pub fn import(data: &Path, genesis: &Path) -> Result<String, CommandError> {
    Ok(import::import(data, &identity(data)?, read(genesis)?)?)
}

/// `agent enrol`: agent and project of the queued request.
pub fn enrol(data: &Path, request: &Path, at_ms: i64) -> Result<(String, String), CommandError> {
    let row = enrol::queue(&ops(data)?, read(request)?, at_ms)?;
    Ok((row.agent, row.project))
}

/// `export`: the bundle into a new file.
pub fn export(data: &Path, project: &str, out: &Path) -> Result<Exported, CommandError> {
    Ok(export::export(data, project, out)?)
}

/// `rebuild`: what differed.
pub fn rebuild(data: &Path, project: &str) -> Result<Rebuilt, CommandError> {
    Ok(rebuild::rebuild(data, project)?)
}

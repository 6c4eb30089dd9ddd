//! `init`: a new data directory with configuration and keys.

use crate::error::StorageError;
use crate::identity::{Identity, IdentityError};
use crate::settings::{self, Settings};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where a gateway listens when nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8480);

/// Why no data directory was made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// A wrong name or address.
    #[error("{0}")]
    Wrong(String),
    /// There is one already.
    #[error("{}: exists already; run the gateway with `plumbline-gateway run --data`", .0.display())]
    Exists(PathBuf),
    /// The keys could not be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A file could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Makes a data directory: `gateway.toml`, `keys/`, `projects/`. The configuration comes last, so that a
/// directory with one is complete.
pub fn init(data: &Path, name: &str, listen: SocketAddr) -> Result<(), InitError> {
    let name = settings::name_of(name).map_err(|e| InitError::Wrong(format!("name `{name}` {e}")))?;
    settings::loopback(&listen.to_string()).map_err(InitError::Wrong)?;
    let file = data.join(settings::FILE);
    if file.exists() {
        return Err(InitError::Exists(file));
    }
    let projects = data.join("projects");
    std::fs::create_dir_all(&projects).map_err(|e| StorageError::new(&projects, "make the directory", &e))?;
    Identity::create(data)?;
    crate::identity::write_private(&file, Settings::text(&name, listen).as_bytes())?;
    Ok(())
}

/// A name that no other gateway has, for who gives none.
pub(crate) fn random_name() -> Result<String, IdentityError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|e| IdentityError::Random(e.to_string()))?;
    Ok(format!("plumbline-{}", hex::encode(bytes)))
}

//! Errors that several operations share.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// A local file or database that cannot be used. Who is to blame: the environment (exit code 3).
#[derive(Debug, Error)]
#[error("{}: {what}: {detail}", path.display())]
pub struct StorageError {
    /// Which file.
    pub path: PathBuf,
    /// During which operation.
    pub what: String,
    /// What the system said.
    pub detail: String,
}

impl StorageError {
    /// From any error of the system.
    pub fn new(path: &Path, what: &str, detail: &dyn std::fmt::Display) -> Self {
        Self { path: path.to_owned(), what: what.to_owned(), detail: detail.to_string() }
    }
}

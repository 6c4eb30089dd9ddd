//! Queues enrolment requests. Nothing is granted here: only a genesis or key statement that the registrar has
//! signed enrols a key.

use crate::error::StorageError;
use crate::ops::{EnrolmentRow, Ops};
use evidence::enrol::Enrolment;
use thiserror::Error;

/// Why a request was not queued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The request proves nothing.
    #[error("{0}")]
    Request(String),
    /// Too many wait.
    #[error("too many enrolment requests wait already; make drafts of them or remove them")]
    Many,
    /// It cannot be stored.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Checks the proof of possession and queues the request.
pub fn queue(ops: &Ops, bytes: Vec<u8>, at_ms: i64) -> Result<EnrolmentRow, EnrolError> {
    let enrolment = Enrolment::open(&bytes)
        .map_err(|e| EnrolError::Request(format!("{e}; make a request with `plumbline-agent init`")))?;
    crate::project::check_id(&enrolment.project).map_err(EnrolError::Request)?;
    let row = EnrolmentRow {
        kid: enrolment.key.kid().0,
        project: enrolment.project,
        agent: enrolment.agent,
        bytes,
    };
    if ops.queue(&row, at_ms)? { Ok(row) } else { Err(EnrolError::Many) }
}

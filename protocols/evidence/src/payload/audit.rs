//! An assessor's raw audit: first the commitment to a nonce, later the nonce itself.

use super::{Fields, Place, prev, version};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;
use crate::hash::Hash;
use crate::key::Kid;

/// Commitment or opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditStep {
    /// SHA-256 of a nonce nobody else knows yet.
    Commit(Hash),
    /// The nonce.
    Open([u8; 32]),
}

/// One step of a raw audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Place in the assessor's stream.
    pub place: Place,
    /// Which step.
    pub step: AuditStep,
    /// Whose raw blocks are audited.
    pub stream: Kid,
    /// How many blocks are wanted.
    pub blocks: u64,
}

impl Audit {
    pub(crate) fn write(&self, w: &mut Writer) {
        let (code, hash) = match &self.step {
            AuditStep::Commit(hash) => (0, hash),
            AuditStep::Open(nonce) => (1, nonce),
        };
        w.map(7);
        self.place.write(w);
        w.uint(4).uint(code).uint(5).bytes(hash).uint(6).bytes(&self.stream.0).uint(7).uint(self.blocks);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (mut place, mut code, mut value, mut stream, mut blocks) =
            (Place::default(), 0, [0; 32], [0; 32], 0);
        let seen = Fields::read(r, "audit", |key, r| {
            match key {
                1 => version(r)?,
                2 => place.seq = r.uint("seq")?,
                3 => place.prev = prev(r)?,
                4 => code = r.uint("audit step")?,
                5 => value = r.fixed("audit hash or nonce")?,
                6 => stream = r.fixed("audited stream")?,
                7 => blocks = r.uint("blocks wanted")?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=7)?;
        let step = match code {
            0 => AuditStep::Commit(value),
            1 => AuditStep::Open(value),
            _ => return Err(DecodeError::value("audit step", format!("{code} is neither 0 nor 1"))),
        };
        Ok(Self { place, step, stream: Kid(stream), blocks })
    }
}

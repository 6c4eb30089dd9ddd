//! An assessor's raw audit: first the commitment to a nonce, later the nonce itself.

use super::{Fields, Place, prev, version};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;
use crate::hash::{Hash, sha256};
use crate::key::Kid;
use std::collections::BTreeSet;

/// Most blocks that one audit may ask for.
pub const MAX_AUDITED: u64 = 65_536;

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
                7 => blocks = wanted(r)?,
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

fn wanted(r: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let n = r.uint("blocks wanted")?;
    if (1..=MAX_AUDITED).contains(&n) {
        Ok(n)
    } else {
        Err(DecodeError::value("blocks wanted", format!("{n} is not within 1 to {MAX_AUDITED}")))
    }
}

/// The blocks that an opened nonce asks for: SHA-256("plumbline-audit-1" ‖ nonce ‖ root ‖ counter as u64
/// big-endian), read as a big-endian number, modulo `blocks`; the counter runs from 0 until `wanted` different
/// blocks are found. All of them when there are no more than that. `root` is the root of the checkpoint that
/// first covers the commitment: neither side could choose it.
pub fn audited_blocks(nonce: &[u8; 32], root: &Hash, blocks: u64, wanted: u64) -> BTreeSet<u64> {
    let wanted = wanted.min(MAX_AUDITED);
    if blocks <= wanted {
        return (0..blocks).collect();
    }
    let mut found = BTreeSet::new();
    for counter in 0u64.. {
        if u64::try_from(found.len()).is_ok_and(|n| n == wanted) {
            break;
        }
        let digest = sha256(&[&b"plumbline-audit-1"[..], nonce, root, &counter.to_be_bytes()].concat());
        let remainder =
            digest.iter().fold(0u128, |r, byte| ((r << 8) | u128::from(*byte)) % u128::from(blocks));
        found.insert(u64::try_from(remainder).unwrap_or(0));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_asks_for_as_many_different_blocks_as_wanted_and_for_all_when_few() {
        let asked = audited_blocks(&[1; 32], &[2; 32], 1000, 20);
        assert_eq!(asked.len(), 20);
        assert!(asked.iter().all(|block| *block < 1000));
        assert_ne!(asked, audited_blocks(&[3; 32], &[2; 32], 1000, 20), "another nonce asks for others");
        assert_ne!(asked, audited_blocks(&[1; 32], &[3; 32], 1000, 20), "another root asks for others");
        assert_eq!(audited_blocks(&[1; 32], &[2; 32], 3, 20), BTreeSet::from([0, 1, 2]));
        assert!(audited_blocks(&[1; 32], &[2; 32], 0, 20).is_empty());
    }
}

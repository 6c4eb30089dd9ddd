//! Receipts: the log's promise that an entry is in it (RFC 9942, verifiable data structure 1).
//!
//! ```text
//! 18([ <<{1: alg, 4: kid, 15: {1: origin, -70010: tree size}, 395: 1}>>,
//!      {396: {-1: [ <<[tree size, leaf index, [hash, …]]>> ]}},
//!      null,                                    detached: the root
//!      signature ])                             over ["Signature1", protected, h'', root]
//! ```
//!
//! RFC 9942 signs only the root; the signed tree size (-70010) ties the position to one tree, and a position
//! counts only together with a checkpoint of that size and root.

use crate::cbor::{Reader, Writer, fields};
use crate::defect::DecodeError;
use crate::hash::Hash;
use crate::key::{Alg, Kid, PublicKey, SigningKey};
use crate::merkle::{ProofError, root_from_inclusion};
use crate::sign1::to_be_signed;

const TREE_SIZE: i64 = -70_010;
/// A tree of 2^63 leaves has proofs of 63 hashes.
const MAX_PROOF: usize = 63;

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not a receipt of version 1.
    #[error("not a receipt: {0}")]
    Decode(#[from] DecodeError),
    /// Signed by another key than the receipt key.
    #[error("the receipt is signed by another key")]
    Key,
    /// Of another log.
    #[error("the receipt is of the log {0}")]
    Origin(String),
    /// The signed and the proven tree size differ.
    #[error("the receipt proves a place in a tree of another size than the one it signs")]
    Size,
    /// The proof does not hold together.
    #[error("the receipt's proof: {0}")]
    Proof(#[from] ProofError),
    /// The signature does not verify over the root that the proof leads to.
    #[error("the receipt's signature does not verify for this entry")]
    Signature,
}

/// A receipt that was checked for one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Number of entries of the tree.
    pub size: u64,
    /// The entry's index.
    pub index: u64,
    /// The tree's root.
    pub root: Hash,
}

/// Signs a receipt for the entry at `index` of the tree (`size`, `root`) with its inclusion proof.
pub fn seal(key: &SigningKey, origin: &str, size: u64, index: u64, proof: &[Hash], root: &Hash) -> Vec<u8> {
    let protected = protected(key.public().alg(), key.public().kid(), origin, size);
    let signature = key.sign(&to_be_signed(&protected, root));
    envelope(&protected, size, index, proof, &signature)
}

fn protected(alg: Alg, kid: Kid, origin: &str, size: u64) -> Vec<u8> {
    let mut w = Writer::new();
    w.map(4).uint(1).int(alg.cose()).uint(4).bytes(&kid.0);
    w.uint(15).map(2).uint(1).text(origin).int(TREE_SIZE).uint(size).uint(395).uint(1);
    w.finish()
}

fn envelope(protected: &[u8], size: u64, index: u64, proof: &[Hash], signature: &[u8]) -> Vec<u8> {
    let mut inner = Writer::new();
    inner.array(3).uint(size).uint(index).array(proof.len());
    for hash in proof {
        inner.bytes(hash);
    }
    let mut w = Writer::new();
    w.tag(18).array(4).bytes(protected).map(1).uint(396).map(1).int(-1).array(1).bytes(&inner.finish());
    w.null().bytes(signature);
    w.finish()
}

/// Checks a receipt for an entry with this leaf hash, signed by the log's receipt key.
pub fn open(bytes: &[u8], key: &PublicKey, origin: &str, leaf: Hash) -> Result<Receipt, ReceiptError> {
    let mut r = Reader::new(bytes);
    r.tag(18, "receipt")?;
    r.tuple(4, "receipt")?;
    let header = r.bytes("protected header")?;
    let (size, index, proof) = read_proof(&mut r)?;
    if r.optional(|r| r.bytes("payload"))?.is_some() {
        return Err(DecodeError::value("payload", "a receipt's payload is detached").into());
    }
    let signature: [u8; 64] = r.fixed("signature")?;
    r.end()?;
    let signed = read_protected(header)?;
    if signed.kid != key.kid() {
        return Err(ReceiptError::Key);
    }
    if signed.origin != origin {
        return Err(ReceiptError::Origin(signed.origin));
    }
    if signed.size != size {
        return Err(ReceiptError::Size);
    }
    let rebuilt = protected(key.alg(), key.kid(), origin, size);
    if rebuilt != header || envelope(&rebuilt, size, index, &proof, &signature) != bytes {
        return Err(DecodeError::NotCanonical(0).into());
    }
    let root = root_from_inclusion(leaf, index, size, &proof)?;
    key.verify(&to_be_signed(header, &root), &signature).map_err(|_| ReceiptError::Signature)?;
    Ok(Receipt { size, index, root })
}

fn read_proof(r: &mut Reader<'_>) -> Result<(u64, u64, Vec<Hash>), DecodeError> {
    let at = r.at();
    let shape = r.map("unprotected header")? == 1
        && r.uint("vdp")? == 396
        && r.map("proofs")? == 1
        && r.int("inclusion proofs")? == -1
        && r.array("inclusion proofs")? == 1;
    if !shape {
        return Err(DecodeError::Unexpected { expected: "one inclusion proof", at });
    }
    let mut inner = Reader::new(r.bytes("inclusion proof")?);
    inner.tuple(3, "inclusion proof")?;
    let (size, index) = (inner.uint("tree size")?, inner.uint("leaf index")?);
    let proof = inner.list("inclusion path", |r| r.fixed("hash"))?;
    inner.end()?;
    if proof.len() > MAX_PROOF {
        return Err(DecodeError::value("inclusion path", "too long"));
    }
    Ok((size, index, proof))
}

struct Signed {
    kid: Kid,
    origin: String,
    size: u64,
}

fn read_protected(bytes: &[u8]) -> Result<Signed, DecodeError> {
    let mut r = Reader::new(bytes);
    let (mut kid, mut claims, mut structure) = (None, None, None);
    fields(&mut r, "protected header", |key, r| {
        match key {
            1 => {
                r.int("alg")?;
            }
            4 => kid = Some(Kid(r.fixed("kid")?)),
            15 => {
                let at = r.at();
                if r.map("claims")? != 2 || r.uint("iss")? != 1 {
                    return Err(DecodeError::Unexpected { expected: "claims of origin and tree size", at });
                }
                let origin = r.text("iss")?.to_owned();
                if r.int("tree size claim")? != TREE_SIZE {
                    return Err(DecodeError::Unexpected { expected: "the claim -70010", at });
                }
                claims = Some((origin, r.uint("tree size")?));
            }
            395 => structure = Some(r.uint("vds")?),
            _ => return Err(DecodeError::value("protected header", format!("unknown parameter {key}"))),
        }
        Ok(())
    })?;
    r.end()?;
    match (kid, claims, structure) {
        (Some(kid), Some((origin, size)), Some(1)) => Ok(Signed { kid, origin, size }),
        _ => Err(DecodeError::value("protected header", "a parameter is missing or vds is not 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{leaf, node};

    #[test]
    fn a_receipt_proves_its_entry_and_no_other() {
        let key = SigningKey::from_seed([3; 32]);
        let (a, b) = (leaf(b"a"), leaf(b"b"));
        let root = node(&a, &b);
        let bytes = seal(&key, "log", 2, 1, &[a], &root);
        assert_eq!(open(&bytes, key.public(), "log", b), Ok(Receipt { size: 2, index: 1, root }));
        assert_eq!(open(&bytes, key.public(), "log", a), Err(ReceiptError::Signature));
        assert_eq!(open(&bytes, key.public(), "gol", b), Err(ReceiptError::Origin("log".into())));
        let other = SigningKey::from_seed([4; 32]);
        assert_eq!(open(&bytes, other.public(), "log", b), Err(ReceiptError::Key));
    }

    #[test]
    fn index_games_are_refused() {
        let key = SigningKey::from_seed([3; 32]);
        let (a, b) = (leaf(b"a"), leaf(b"b"));
        let root = node(&a, &b);
        // The same root and path, claimed for a larger tree: the signed size does not move with it.
        let header = protected(Alg::Ed25519, key.public().kid(), "log", 2);
        let signature = key.sign(&to_be_signed(&header, &root));
        let moved = envelope(&header, 3, 1, &[a], &signature);
        assert_eq!(open(&moved, key.public(), "log", b), Err(ReceiptError::Size));
        let swapped = envelope(&header, 2, 0, &[a], &signature);
        assert_eq!(open(&swapped, key.public(), "log", b), Err(ReceiptError::Signature));
        let longer = envelope(&header, 2, 1, &[a, a], &signature);
        assert_eq!(open(&longer, key.public(), "log", b), Err(ReceiptError::Proof(ProofError::Length)));
    }
}

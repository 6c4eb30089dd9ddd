//! What the agent believes of the log: checkpoints, consistency and receipts, checked against the keys of the
//! genesis. Pure: bytes in, facts out.
//!
//! A receipt signs only a root; it counts here only together with a checkpoint of a size and root that were
//! verified, or shown to be consistent with one. Nothing is pruned on the gateway's word alone.

use super::project::Project;
use evidence::Hash;
use evidence::hash::sha256;
use evidence::merkle::{ProofError, verify_consistency};
use evidence::note::{Checkpoint, NoteError};
use evidence::payload::SeenCheckpoint;
use evidence::receipt::{self, ReceiptError};

/// Field 7 is refreshed at most this often, s.
pub(crate) const REFRESH_S: i64 = 3600;

/// A checkpoint whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// Time of the operator's cosignature, UTC s; none when the note carries none.
    pub(crate) time: Option<i64>,
    pub(crate) note: Vec<u8>,
}

/// The log says something that cannot be true.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The note is not the log's.
    #[error("the log's checkpoint cannot be verified: {0}")]
    Note(#[from] NoteError),
    /// Another log.
    #[error("the checkpoint is of the log {found:?}, the genesis names {wanted:?}")]
    Origin {
        /// In the note.
        found: String,
        /// In the genesis.
        wanted: String,
    },
    /// The log has shrunk or changed.
    #[error(
        "the log is not the one that was seen before (sizes {old} and {new}): {cause}; tell the registrar"
    )]
    Inconsistent {
        /// Size seen before.
        old: u64,
        /// Size now.
        new: u64,
        /// What is wrong.
        cause: ProofError,
    },
    /// The receipt is no receipt.
    #[error("the receipt for statement {seq} cannot be verified: {cause}")]
    Receipt {
        /// Number of the statement.
        seq: u64,
        /// What is wrong.
        cause: ReceiptError,
    },
    /// The receipt is for another place than the gateway acknowledged.
    #[error(
        "the receipt for statement {seq} is for index {found}, acknowledged was {wanted}; tell the registrar"
    )]
    Index {
        /// Number of the statement.
        seq: u64,
        /// In the receipt.
        found: u64,
        /// Acknowledged.
        wanted: u64,
    },
}

/// Checks a note.
pub(crate) fn checkpoint(project: &Project, note: &[u8]) -> Result<Verified, SealError> {
    let (checkpoint, parsed) = Checkpoint::open(note, &project.log_key)?;
    if checkpoint.origin != project.genesis.origin {
        return Err(SealError::Origin { found: checkpoint.origin, wanted: project.genesis.origin.clone() });
    }
    let time = match &project.time_key {
        // A note without the operator's line is a checkpoint all the same; it only proves no time.
        Some(key) => match parsed.verify(key) {
            Ok(time) => time.and_then(|t| i64::try_from(t).ok()),
            Err(NoteError::Unsigned(_)) => None,
            Err(e) => return Err(e.into()),
        },
        None => None,
    };
    Ok(Verified { size: checkpoint.size, root: checkpoint.root, time, note: note.to_vec() })
}

/// Whether `new` continues `old`; `proof` is what the gateway gave for these sizes.
pub(crate) fn consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), SealError> {
    verify_consistency(old, new, proof).map_err(|cause| SealError::Inconsistent {
        old: old.0,
        new: new.0,
        cause,
    })
}

/// Checks a receipt and gives the tree it is for.
pub(crate) fn receipt(
    project: &Project,
    stored: &spool::Stored,
    bytes: &[u8],
) -> Result<(u64, Hash), SealError> {
    let seq = stored.seq;
    let receipt = receipt::open(bytes, &project.genesis.receipt_key, &project.genesis.origin, stored.leaf)
        .map_err(|cause| SealError::Receipt { seq, cause })?;
    if receipt.index != stored.index {
        return Err(SealError::Index { seq, found: receipt.index, wanted: stored.index });
    }
    Ok((receipt.size, receipt.root))
}

impl Verified {
    /// What field 7 says of it; nothing without a cosigned time.
    pub(crate) fn seen(&self) -> Option<SeenCheckpoint> {
        let (size, root, time) = (self.size, self.root, self.time?);
        Some(SeenCheckpoint { size, root, time, note_hash: sha256(&self.note) })
    }
}

/// Whether field 7 should name `newer` from now on: the first as soon as there is one, then hourly.
pub(crate) fn refreshes(seen: Option<&SeenCheckpoint>, newer: &SeenCheckpoint) -> bool {
    seen.is_none_or(|seen| newer.time - seen.time >= REFRESH_S && newer.size > seen.size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::fixture::{self, ORIGIN};
    use evidence::key::SigningKey;
    use evidence::merkle::{Frontier, consistency_proof, inclusion_proof};
    use evidence::note::Note;

    fn seen(size: u64, time: i64) -> SeenCheckpoint {
        SeenCheckpoint { size, root: [1; 32], time, note_hash: [2; 32] }
    }

    #[test]
    fn the_first_checkpoint_is_named_at_once_and_later_ones_hourly() {
        assert!(refreshes(None, &seen(1, 100)));
        let first = seen(1, 100);
        assert!(!refreshes(Some(&first), &seen(5, 100 + REFRESH_S - 1)));
        assert!(refreshes(Some(&first), &seen(5, 100 + REFRESH_S)));
        assert!(!refreshes(Some(&first), &seen(1, 100 + REFRESH_S)), "the same tree proves nothing new");
    }

    fn project() -> Project {
        let dir = tempfile::tempdir().unwrap();
        fixture::project(dir.path(), SigningKey::from_seed([7; 32]).public())
    }

    /// A log of these leaves: its nodes, by level and index.
    struct Log(std::collections::HashMap<(u32, u64), Hash>, Frontier);

    fn log(leaves: u8) -> Log {
        let mut log = Log(std::collections::HashMap::new(), Frontier::new());
        for leaf in 0..leaves {
            let Log(nodes, tree) = &mut log;
            tree.append([leaf; 32], |level, index, hash| {
                nodes.insert((level, index), hash);
            });
        }
        log
    }

    impl Log {
        fn node(&self, level: u32, index: u64) -> Result<Hash, ()> {
            self.0.get(&(level, index)).copied().ok_or(())
        }

        fn note(&self, origin: &str, key: &SigningKey, time: Option<u64>) -> Vec<u8> {
            let checkpoint = Checkpoint { origin: origin.into(), size: self.1.size(), root: self.1.root() };
            let mut note = Note::new(checkpoint.text()).unwrap();
            note.sign(ORIGIN, key).unwrap();
            if let Some(time) = time {
                note.cosign("gw/time", &fixture::time_key(), time).unwrap();
            }
            note.encode()
        }
    }

    #[test]
    fn a_checkpoint_counts_with_the_logs_signature_and_proves_a_time_only_with_the_operators() {
        let (project, log) = (project(), log(5));
        let with = checkpoint(&project, &log.note(ORIGIN, &fixture::log_key(), Some(77))).unwrap();
        assert_eq!((with.size, with.root, with.time), (5, log.1.root(), Some(77)));
        let named = with.seen().unwrap();
        assert_eq!((named.time, named.note_hash), (77, sha256(&with.note)));
        let without = checkpoint(&project, &log.note(ORIGIN, &fixture::log_key(), None)).unwrap();
        assert_eq!((without.time, without.seen()), (None, None));
    }

    #[test]
    fn a_checkpoint_of_another_key_or_another_log_is_refused() {
        let (project, log) = (project(), log(5));
        let other = SigningKey::from_seed([9; 32]);
        assert!(matches!(checkpoint(&project, &log.note(ORIGIN, &other, Some(77))), Err(SealError::Note(_))));
        let elsewhere = log.note("gw/SY-2", &fixture::log_key(), Some(77));
        assert!(matches!(checkpoint(&project, &elsewhere), Err(SealError::Origin { .. })));
    }

    #[test]
    fn a_log_that_changed_its_past_is_not_consistent() {
        let (old, new) = (log(3), log(7));
        let proof = consistency_proof(3, 7, |level, index| new.node(level, index)).unwrap();
        consistent((3, &old.1.root()), (7, &new.1.root()), &proof).unwrap();
        let forged = consistent((3, &[9; 32]), (7, &new.1.root()), &proof);
        assert!(matches!(forged, Err(SealError::Inconsistent { old: 3, new: 7, .. })));
        let same_size = consistent((7, &[9; 32]), (7, &new.1.root()), &[]);
        assert!(same_size.is_err(), "two roots of one size");
    }

    #[test]
    fn a_receipt_counts_for_its_statement_and_place_only() {
        let (project, log) = (project(), log(6));
        let proof = inclusion_proof(4, 6, |level, index| log.node(level, index)).unwrap();
        let bytes = receipt::seal(&fixture::log_key(), ORIGIN, 6, 4, &proof, &log.1.root());
        let stored = spool::Stored { seq: 2, leaf: [4; 32], index: 4 };
        assert_eq!(super::receipt(&project, &stored, &bytes).unwrap(), (6, log.1.root()));
        let other_leaf = spool::Stored { leaf: [5; 32], ..stored };
        assert!(matches!(super::receipt(&project, &other_leaf, &bytes), Err(SealError::Receipt { .. })));
        let other_place = spool::Stored { index: 3, ..stored };
        assert!(matches!(
            super::receipt(&project, &other_place, &bytes),
            Err(SealError::Index { found: 4, .. })
        ));
    }
}

//! Raw blocks: journal rows, compressed and salted, that an audit may ask for. Their Merkle root is signed in
//! each window statement, so what was observed is committed to before anybody knows what will be asked.
//!
//! ```text
//! block = salt[16] zstd( (length row)* )      length: varint; row: see `journal`
//! leaf  = SHA-256(00 ‖ block)
//! ```
//!
//! The salt keeps the content of a block from being guessed from its leaf. A statement's root is over the
//! blocks that were made since the statement before it, in their order.

use crate::journal::{Reader, RowError, unsigned};
use evidence::Hash;
use evidence::merkle::{Frontier, empty_root};
use evidence::payload::RawCommitment;

/// A block is closed when its rows reach this, bytes before compression.
pub const BLOCK_BYTES: usize = 128 * 1024;

const SALT: usize = 16;
/// Fast, and within a few per cent of the slower ones on such short rows.
const LEVEL: i32 = 3;
/// The most a block may hold when it is opened again, bytes; one row may exceed [`BLOCK_BYTES`] by far.
const MAX_OPENED: usize = 64 << 20;

/// Rows that are not in a block yet.
#[derive(Debug, Default)]
pub struct Unarchived {
    rows: Vec<u8>,
    /// First and last moment, UTC ms.
    span: Option<(i64, i64)>,
}

/// A closed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its leaf hash.
    pub leaf: Hash,
    /// First moment in it, UTC ms.
    pub from_ms: i64,
    /// Last moment in it, UTC ms.
    pub to_ms: i64,
    /// Salt and content.
    pub bytes: Vec<u8>,
}

/// Why a block cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a raw block's salt: {0}; check /dev/urandom")]
    Random(String),
    /// The compressor refuses.
    #[error("a raw block cannot be compressed or opened: {0}")]
    Zstd(#[from] std::io::Error),
    /// The content is no list of rows.
    #[error("a raw block's content cannot be read: {0}")]
    Rows(#[from] RowError),
    /// Shorter than a salt.
    #[error("a raw block is cut off")]
    Cut,
}

impl Unarchived {
    /// Takes a row that was committed at `at_ms`, UTC.
    pub fn push(&mut self, row: &[u8], at_ms: i64) {
        unsigned(u128::try_from(row.len()).unwrap_or(0), &mut self.rows);
        self.rows.extend_from_slice(row);
        let (from, to) = self.span.unwrap_or((at_ms, at_ms));
        self.span = Some((from.min(at_ms), to.max(at_ms)));
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a block is due.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= BLOCK_BYTES
    }

    /// Makes a block of everything held, and keeps holding it: the caller clears after the block's commit.
    pub fn block(&self) -> Result<Block, RawError> {
        let mut bytes = vec![0; SALT];
        getrandom::fill(&mut bytes).map_err(|e| RawError::Random(e.to_string()))?;
        bytes.extend_from_slice(&zstd::bulk::compress(&self.rows, LEVEL)?);
        let (from_ms, to_ms) = self.span.unwrap_or_default();
        Ok(Block { leaf: evidence::hash::leaf(&bytes), from_ms, to_ms, bytes })
    }

    /// Forgets what is in a committed block now.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.span = None;
    }
}

/// The rows of a block, in order.
pub fn open(block: &[u8]) -> Result<Vec<Vec<u8>>, RawError> {
    let (_, content) = block.split_at_checked(SALT).ok_or(RawError::Cut)?;
    let content = zstd::bulk::decompress(content, MAX_OPENED)?;
    let mut reader = Reader { bytes: &content, at: 0 };
    let mut rows = vec![];
    while reader.at < content.len() {
        let length = reader.unsigned()?;
        let length = usize::try_from(length).map_err(|_| RowError { at: reader.at })?;
        rows.push(reader.take(length)?.to_vec());
    }
    Ok(rows)
}

/// What a statement says about the blocks with these leaves.
pub fn commitment(leaves: &[Hash]) -> RawCommitment {
    if leaves.is_empty() {
        return RawCommitment { root: empty_root(), blocks: 0 };
    }
    let mut tree = Frontier::new();
    for leaf in leaves {
        tree.append(*leaf, |_, _, _| {});
    }
    RawCommitment { root: tree.root(), blocks: tree.size() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(rows: &[&[u8]]) -> Unarchived {
        let mut unarchived = Unarchived::default();
        for (i, row) in rows.iter().enumerate() {
            unarchived.push(row, 100 + i64::try_from(i).unwrap());
        }
        unarchived
    }

    #[test]
    fn a_block_gives_its_rows_back() {
        let rows: [&[u8]; 3] = [b"one", b"", &[7; 400]];
        let block = held(&rows).block().unwrap();
        assert_eq!(open(&block.bytes).unwrap(), rows);
        assert_eq!((block.from_ms, block.to_ms), (100, 102));
        assert_eq!(block.leaf, evidence::hash::leaf(&block.bytes));
    }

    #[test]
    fn the_same_rows_never_give_the_same_leaf() {
        let unarchived = held(&[b"off", b"off"]);
        assert_ne!(unarchived.block().unwrap().leaf, unarchived.block().unwrap().leaf);
    }

    #[test]
    fn a_changed_block_is_another_leaf_or_does_not_open() {
        let block = held(&[b"row"]).block().unwrap();
        for i in 0..block.bytes.len() {
            let mut changed = block.bytes.clone();
            changed[i] ^= 1;
            assert_ne!(evidence::hash::leaf(&changed), block.leaf);
        }
        assert!(matches!(open(&block.bytes[..10]), Err(RawError::Cut)));
    }

    #[test]
    fn the_commitment_counts_its_blocks_and_knows_none() {
        assert_eq!(commitment(&[]).blocks, 0);
        let two = commitment(&[[1; 32], [2; 32]]);
        assert_eq!((two.blocks, two.root), (2, evidence::hash::node(&[1; 32], &[2; 32])));
    }
}

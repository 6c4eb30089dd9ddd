//! Roots and proofs over a stored log, read from its hash tiles.
//!
//! Only tiles that are committed are read, so any size up to the head can be asked for.

use crate::store::{Read, StoreError};
use crate::tree;
use evidence::Hash;
use evidence::merkle::{Frontier, consistency_proof, inclusion_proof};
use evidence::tile::locate;

/// Root of the tree as it was at `size` entries.
pub fn root_at<R: Read>(store: &mut R, size: u64) -> Result<Hash, StoreError> {
    Ok(Frontier::load(size, |level, index| subtree(store, level, index))?.root())
}

/// Inclusion proof of entry `index` in the tree of `size` entries, from the leaf upwards.
pub fn inclusion<R: Read>(store: &mut R, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
    inclusion_proof(index, size, |level, index| subtree(store, level, index))
}

/// Consistency proof between the trees of `old` and `new` entries.
pub fn consistency<R: Read>(store: &mut R, old: u64, new: u64) -> Result<Vec<Hash>, StoreError> {
    consistency_proof(old, new, |level, index| subtree(store, level, index))
}

/// Leaf hash of an entry.
pub fn leaf<R: Read>(store: &mut R, index: u64) -> Result<Hash, StoreError> {
    subtree(store, 0, index)
}

/// Hash of the complete subtree of 2^`level` leaves with number `index` in its level.
fn subtree<R: Read>(store: &mut R, level: u32, index: u64) -> Result<Hash, StoreError> {
    let (tile_level, number, from, bits) = locate(level, index);
    let hashes = tree::split(&store.tile(tile_level.into(), number)?.unwrap_or_default());
    tree::fold(&hashes, from, bits).ok_or_else(|| StoreError {
        place: format!("tile {tile_level}/{number}"),
        detail: "is missing or too narrow; run `plumbline-gateway rebuild` to check the log".to_owned(),
    })
}

//! Roots and proofs over a stored log, read from its hash tiles.
//!
//! Only tiles that are committed are read, so any size up to the head can be asked for.

use crate::store::{Read, StoreError};
use crate::tree::{self, TILE_HEIGHT, TILE_WIDTH};
use evidence::Hash;
use evidence::hash::node;

/// Root of the tree as it was at `size` entries.
pub fn root_at<R: Read>(store: &mut R, size: u64) -> Result<Hash, StoreError> {
    if size == 0 {
        return Ok(tree::Tree::default().root());
    }
    // Perfect subtrees from the left, one per bit of the size; the root folds them from the right.
    let mut parts = vec![];
    let mut begin = 0;
    for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
        parts.push(subtree(store, level, begin >> level)?);
        begin += 1 << level;
    }
    let mut root = None;
    for part in parts.iter().rev() {
        root = Some(root.map_or(*part, |right| node(part, &right)));
    }
    Ok(root.unwrap_or_default())
}

/// Hash of the perfect subtree of 2^`level` leaves with number `index` in its level.
pub fn subtree<R: Read>(store: &mut R, level: u32, index: u64) -> Result<Hash, StoreError> {
    let (tile_level, inner) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
    // In its tile the subtree spans 2^inner hashes.
    let (first, width) = (index << inner, 1_u64 << inner);
    let number = first / TILE_WIDTH;
    let hashes = tree::split(&store.tile(tile_level, number)?.unwrap_or_default());
    let begin = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
    let end = begin.saturating_add(usize::try_from(width).unwrap_or(usize::MAX));
    hashes.get(begin..end).map(tree::perfect).ok_or_else(|| StoreError {
        place: format!("tile {tile_level}/{number}"),
        detail: "is missing or too narrow; run `plumbline-gateway rebuild` to check the log".to_owned(),
    })
}

/// Leaf hash of an entry.
pub fn leaf<R: Read>(store: &mut R, index: u64) -> Result<Hash, StoreError> {
    subtree(store, 0, index)
}

//! Tiles of a log as C2SP tlog-tiles names them, cut to a sealed tree size. Hash tiles come from the store,
//! entries tiles are put together from the entries.

use crate::error::StorageError;
use evidence::tile::{Tile, WIDTH, encode_entries};
use tlog::{Read as _, SqliteLog};

/// Bytes of a tile as far as the tree of `size` has it; nothing when it does not have it so wide.
pub(crate) fn read(log: &mut SqliteLog, tile: Tile, size: u64) -> Result<Option<Vec<u8>>, StorageError> {
    let level = u32::from(tile.level.unwrap_or(0));
    let there = size.checked_shr(8 * level).unwrap_or(0);
    let Some(begin) = tile.index.checked_mul(WIDTH) else { return Ok(None) };
    let end = begin.saturating_add(tile.width.into());
    if end > there {
        return Ok(None);
    }
    if tile.level.is_none() {
        let entries = log.entries(begin, end)?;
        return Ok(Some(encode_entries(entries.iter().map(|entry| entry.bytes.as_slice()))));
    }
    // A tile only grows, so a narrower one is the beginning of what is stored.
    let stored = log.tile(level, tile.index)?;
    Ok(stored.and_then(|bytes| bytes.get(..usize::from(tile.width) * 32).map(<[u8]>::to_vec)))
}

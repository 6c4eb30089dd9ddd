//! What a stream remembers in the spool beside its statements, as small fixed layouts.
//!
//! | key | content |
//! |---|---|
//! | `memory` | journal position (8 bytes, big endian) up to which rows are applied in the engine's snapshot, then the snapshot (JSON, zstd) |
//! | `raw` | journal position up to which rows are in raw blocks, then the leaves not signed yet (32 bytes each) |
//! | `end` | end of the last window that was signed or declared lost, UTC ms |
//! | `epoch` | number of the last start |
//! | `seen` | the checkpoint that field 7 names: size, root, time, note hash |
//! | `note` | the newest verified checkpoint's note |
//! | `settled` | how far `progress.json` went when the gateway's head had decided where the stream goes on: what is lost by that is said, and not to be said again |
//! | `unanchored` | present while the stream's end is not known and the gateway has to be asked |

use crate::window::{Engine, MemoryError};
use evidence::Hash;
use evidence::payload::SeenCheckpoint;
use spool::{Change, Store, StoreError};
use std::io::{BufWriter, Read as _};

/// The fastest: the snapshot is written again with every statement.
const LEVEL: i32 = 1;
/// No engine of a box is larger, bytes; a damaged fact must not fill the memory.
const MAX_SNAPSHOT: u64 = 256 << 20;

pub(crate) const MEMORY: &str = "memory";
pub(crate) const RAW: &str = "raw";
pub(crate) const END: &str = "end";
pub(crate) const EPOCH: &str = "epoch";
pub(crate) const SEEN: &str = "seen";
pub(crate) const NOTE: &str = "note";
pub(crate) const SETTLED: &str = "settled";
pub(crate) const UNANCHORED: &str = "unanchored";

/// A change of one fact.
pub(crate) fn set<'a>(stream: &'a str, key: &'static str, value: &'a [u8]) -> Change<'a> {
    Change::Fact { stream, key, value: Some(value) }
}

/// Forgets one fact.
pub(crate) fn unset<'a>(stream: &'a str, key: &'static str) -> Change<'a> {
    Change::Fact { stream, key, value: None }
}

/// Reads a whole number.
pub(crate) fn number(store: &mut dyn Store, stream: &str, key: &str) -> Result<Option<i64>, StoreError> {
    let found = store.fact(stream, key)?;
    Ok(found.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes))
}

/// The engine's memory as it is stored. The snapshot is compressed while it is written: for a thousand points it
/// is a megabyte of repeated names.
pub(crate) fn memory(applied: u64, engine: &Engine) -> Result<Vec<u8>, MemoryError> {
    let broken = |e| MemoryError::from(serde_json::Error::io(e));
    let packed = zstd::Encoder::new(applied.to_be_bytes().to_vec(), LEVEL).map_err(broken)?;
    let mut out = BufWriter::with_capacity(16 << 10, packed);
    engine.snapshot_into(&mut out)?;
    out.into_inner().map_err(|e| broken(e.into_error()))?.finish().map_err(broken)
}

/// Position and snapshot.
pub(crate) fn read_memory(bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
    let (applied, packed) = bytes.split_first_chunk()?;
    let mut snapshot = vec![];
    zstd::Decoder::new(packed).ok()?.take(MAX_SNAPSHOT).read_to_end(&mut snapshot).ok()?;
    Some((u64::from_be_bytes(*applied), snapshot))
}

/// Where archiving stands, as it is stored.
pub(crate) fn raw(archived: u64, leaves: &[Hash]) -> Vec<u8> {
    let mut bytes = archived.to_be_bytes().to_vec();
    for leaf in leaves {
        bytes.extend_from_slice(leaf);
    }
    bytes
}

/// Position and leaves.
pub(crate) fn read_raw(bytes: &[u8]) -> Option<(u64, Vec<Hash>)> {
    let (archived, leaves) = bytes.split_first_chunk()?;
    let (leaves, rest) = leaves.as_chunks::<32>();
    rest.is_empty().then(|| (u64::from_be_bytes(*archived), leaves.to_vec()))
}

/// A seen checkpoint as it is stored.
pub(crate) fn seen(checkpoint: &SeenCheckpoint) -> Vec<u8> {
    let SeenCheckpoint { size, root, time, note_hash } = checkpoint;
    [&size.to_be_bytes()[..], root, &time.to_be_bytes(), note_hash].concat()
}

/// Reads it back.
pub(crate) fn read_seen(bytes: &[u8]) -> Option<SeenCheckpoint> {
    let (size, rest) = bytes.split_first_chunk()?;
    let (root, rest) = rest.split_first_chunk()?;
    let (time, rest) = rest.split_first_chunk()?;
    let note_hash = rest.try_into().ok()?;
    Some(SeenCheckpoint {
        size: u64::from_be_bytes(*size),
        root: *root,
        time: i64::from_be_bytes(*time),
        note_hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_were_written() {
        assert_eq!(read_raw(&raw(9, &[[1; 32], [2; 32]])), Some((9, vec![[1; 32], [2; 32]])));
        let checkpoint = SeenCheckpoint { size: 3, root: [1; 32], time: -4, note_hash: [2; 32] };
        assert_eq!(read_seen(&seen(&checkpoint)), Some(checkpoint));
    }

    #[test]
    fn a_cut_fact_is_no_fact() {
        assert_eq!(read_memory(&[0; 7]), None);
        assert_eq!(read_memory(&[0; 30]), None);
        assert_eq!(read_raw(&[0; 20]), None);
        assert_eq!(read_seen(&[0; 79]), None);
    }
}

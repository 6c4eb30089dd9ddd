//! The log's own files: notes, receipts, tiles. Promise: one text for one note, one tile for one list of entries,
//! and nothing verifies that was not signed.

use std::sync::LazyLock;

use evidence::hash::leaf;
use evidence::note::{Checkpoint, LineType, Note, VerifierKey};
use evidence::tile::{decode_entries, decode_hashes, encode_entries};
use verify::testing::{ORIGIN, TestProject};

use super::Bytes;

/// A log with three entries, sealed once.
static LOG: LazyLock<TestProject> = LazyLock::new(|| {
    let mut project = TestProject::running(2);
    project.receipt(1);
    project
});

/// A signed note.
pub(super) fn note(data: &[u8]) {
    let Ok(note) = Note::parse(data) else { return };
    assert_eq!(note.encode(), data);
    if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
        assert_eq!(checkpoint.text(), note.text());
    }
    let key = VerifierKey::new(ORIGIN, LineType::Text, LOG.log.public().clone());
    let key = key.unwrap_or_else(|e| panic!("{e}"));
    if note.verify(&key).is_ok() {
        assert_eq!(note.text(), LOG.checkpoint().text(), "a note that nobody signed");
    }
    let _ = Checkpoint::open(data, &key);
}

/// The receipt of an entry.
pub(super) fn receipt(data: &[u8]) {
    let entry = leaf(&LOG.entries[1]);
    if let Ok(receipt) = evidence::receipt::open(data, LOG.receipts.public(), ORIGIN, entry) {
        let checkpoint = LOG.checkpoint();
        assert_eq!((receipt.size, receipt.index, receipt.root), (checkpoint.size, 1, checkpoint.root));
        assert_eq!(
            LOG.receipt_files.get(&1).map(Vec::as_slice),
            Some(data),
            "another receipt of the same place"
        );
    }
}

/// The number of entries, then a tile of entries or hashes.
pub(super) fn tile(data: &[u8]) {
    let mut bytes = Bytes(data);
    let width = bytes.short() % 300;
    if let Ok(entries) = decode_entries(bytes.0, width) {
        assert_eq!(entries.len(), usize::from(width));
        assert_eq!(encode_entries(entries), bytes.0);
    }
    if let Ok(hashes) = decode_hashes(bytes.0, width) {
        assert_eq!(hashes.concat(), bytes.0);
    }
}

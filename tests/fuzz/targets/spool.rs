//! The agent's store after damage to its file. Promise: it always opens, by keeping the damaged file aside if need
//! be; what it saves of a damaged file is what was written; and it takes new statements afterwards.

use std::path::Path;
use std::sync::LazyLock;

use spool::{Change, Hash, Limit, Spool, StoreError, open};

use super::Bytes;

const STREAM: &str = "SY-1";
const ALL: Limit = Limit { items: 1000, bytes: usize::MAX };
const STATEMENTS: u64 = 6;

fn statement(seq: u64) -> Vec<u8> {
    (0..120 + seq * 40).map(|at| (at * (seq + 7) % 251).to_le_bytes()[0]).collect()
}

fn intact(bytes: &[u8], hash: &Hash) -> bool {
    evidence::hash::leaf(bytes) == *hash
}

/// Closed in good order: one file, without a log beside it.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let path = dir.path().join("spool.db");
    fill(&path);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{e}"))
});

fn fill(path: &Path) {
    let opened = open(path, u64::MAX, &intact).unwrap_or_else(|e| panic!("{e}"));
    let mut spool = Spool::new(Box::new(opened.store)).unwrap_or_else(|e| panic!("{e}"));
    let mut prev = None;
    for seq in 0..STATEMENTS {
        let bytes = statement(seq);
        let leaf = evidence::hash::leaf(&bytes);
        let mut changes =
            vec![Change::Statement { stream: STREAM, seq, prev, leaf, at_ms: 0, bytes: &bytes }];
        if seq < 3 {
            changes.push(Change::Stored { stream: STREAM, seq, leaf, index: seq });
        }
        spool.commit(&changes).unwrap_or_else(|e| panic!("{e}"));
        prev = Some(leaf);
    }
    let rows = [
        Change::Journal { stream: STREAM, position: 0, row: b"a" },
        Change::Journal { stream: STREAM, position: 1, row: b"b" },
        Change::Fact { stream: STREAM, key: "memory", value: Some(b"m") },
    ];
    spool.commit(&rows).unwrap_or_else(|e| panic!("{e}"));
}

/// Edits of the file: where, what, how much. The first byte may cut it.
pub(super) fn spool(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut file = FILE.clone();
    let cut = bytes.byte();
    while !bytes.0.is_empty() {
        let at = usize::from(bytes.short()) * 2 + usize::from(bytes.0.len() % 2);
        let n = usize::from(bytes.byte() % 16) + 1;
        for (place, byte) in file.iter_mut().skip(at).zip(bytes.take(n)) {
            *place = *byte;
        }
    }
    if cut > 0 {
        file.truncate(file.len() * usize::from(cut) / 256);
    }
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let dir = dir.unwrap_or_else(|e| panic!("{e}"));
    let path = dir.path().join("spool.db");
    std::fs::write(&path, &file).unwrap_or_else(|e| panic!("{e}"));
    start(&path);
}

/// What the agent does at its start, and at the start after that when a read says that the file is damaged.
fn start(path: &Path) {
    let opened = match open(path, u64::MAX, &intact) {
        Ok(opened) => opened,
        // The number of the format may be what is damaged, but overwriting a newer version's store is worse.
        Err(StoreError::Newer { .. }) => return,
        Err(e) => panic!("it does not open: {e}"),
    };
    let damaged = opened.damage.is_some();
    let used = Spool::new(Box::new(opened.store)).and_then(|spool| use_it(spool, damaged));
    if let Err(error) = used {
        // Damage that only a read shows condemns the file; the next start must find its way.
        assert!(!damaged, "a new store is damaged: {error}");
        spool::condemn(path, &error.to_string()).unwrap_or_else(|e| panic!("{e}"));
        let opened = open(path, u64::MAX, &intact).unwrap_or_else(|e| panic!("condemned, and then {e}"));
        assert!(opened.damage.is_some());
        let mut spool = Spool::new(Box::new(opened.store)).unwrap_or_else(|e| panic!("{e}"));
        let fact = Change::Fact { stream: STREAM, key: "epoch", value: Some(b"2") };
        spool.commit(&[fact]).unwrap_or_else(|e| panic!("a new store takes nothing: {e}"));
    }
}

fn use_it(mut spool: Spool, saved: bool) -> Result<(), StoreError> {
    for name in spool.streams()? {
        for statement in spool.statements(&name, 0, ALL)? {
            if saved {
                assert!(intact(&statement.bytes, &statement.leaf), "a statement that nobody wrote was saved");
            }
        }
        let stream = spool.stream(&name)?;
        spool.journal(&name, 0, ALL)?;
        spool.unsealed(&name, 100)?;
        spool.fact(&name, "memory")?;
        let bytes = statement(99);
        let leaf = evidence::hash::leaf(&bytes);
        let (seq, prev) = (stream.next_seq, stream.head);
        spool.commit(&[Change::Statement { stream: &name, seq, prev, leaf, at_ms: 1, bytes: &bytes }])?;
    }
    spool.usage()?;
    spool.commit(&[Change::Fact { stream: STREAM, key: "epoch", value: Some(b"2") }])
}

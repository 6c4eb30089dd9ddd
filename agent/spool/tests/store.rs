//! What the store promises to whoever stands above it, each promise also when the commit fails.

#![expect(clippy::unwrap_used, reason = "a test")]

use spool::faulty::{Fault, Faults, Faulty};
use spool::keep::Keep;
use spool::{Change, Hash, Limit, Spool, SqliteStore, StoreError, Stream};
use std::path::Path;

const ALL: Limit = Limit { items: 1000, bytes: usize::MAX };
const P: &str = "SY-1";

fn open(dir: &Path, faults: &Faults) -> Spool {
    let store = SqliteStore::open(&dir.join("spool.db"), 10_000).unwrap();
    Spool::new(Box::new(Faulty::new(store, faults.clone()))).unwrap()
}

fn fresh() -> (tempfile::TempDir, Spool) {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path(), &Faults::default());
    (dir, spool)
}

fn leaf(seq: u64) -> Hash {
    [u8::try_from(seq).unwrap() + 1; 32]
}

fn statement(seq: u64, bytes: &[u8]) -> Change<'_> {
    let prev = seq.checked_sub(1).map(leaf);
    Change::Statement { stream: P, seq, prev, leaf: leaf(seq), at_ms: 1000, bytes }
}

fn stored(seq: u64) -> Change<'static> {
    Change::Stored { stream: P, seq, leaf: leaf(seq), index: 10 + seq }
}

fn sealed(seq: u64) -> Change<'static> {
    Change::Sealed { stream: P, seq, receipt: b"receipt" }
}

fn seqs(spool: &mut Spool, from: u64) -> Vec<u64> {
    spool.statements(P, from, ALL).unwrap().iter().map(|s| s.seq).collect()
}

/// One commit point of the agent: what is committed, and what shows that it took place.
struct Point {
    name: &'static str,
    before: Vec<Change<'static>>,
    changes: Vec<Change<'static>>,
    done: fn(&mut Spool) -> bool,
}

fn points() -> Vec<Point> {
    let journal = || Change::Journal { stream: P, position: 0, row: b"observations" };
    let raw = || Change::Raw { stream: P, number: 0, leaf: [7; 32], from_ms: 1, to_ms: 2, bytes: b"zstd" };
    vec![
        Point {
            name: "journal",
            before: vec![],
            changes: vec![journal()],
            done: |s| s.journal(P, 0, ALL).unwrap().len() == 1,
        },
        Point {
            name: "statement, with raw block, memory and trimmed journal",
            before: vec![journal()],
            changes: vec![
                raw(),
                statement(0, b"signed"),
                Change::Fact { stream: P, key: "memory", value: Some(b"m") },
                Change::Trim { stream: P, through: 0 },
            ],
            done: |s| {
                let parts = [
                    seqs(s, 0) == [0],
                    s.raw(P, 0).unwrap().is_some(),
                    s.fact(P, "memory").unwrap().is_some(),
                    s.journal(P, 0, ALL).unwrap().is_empty(),
                ];
                assert!(parts.iter().all(|p| *p == parts[0]), "a commit was torn apart: {parts:?}");
                parts[0]
            },
        },
        Point {
            name: "stored",
            before: vec![statement(0, b"signed")],
            changes: vec![stored(0)],
            done: |s| s.stream(P).unwrap().send_from == 1 && s.unsealed(P, 9).unwrap().len() == 1,
        },
        Point {
            name: "receipt",
            before: vec![statement(0, b"signed"), stored(0)],
            changes: vec![sealed(0)],
            done: |s| s.receipt(P, 0).unwrap().is_some(),
        },
        Point {
            name: "prune",
            before: vec![statement(0, b"signed"), stored(0), sealed(0)],
            changes: vec![Change::DropStatements { stream: P, through: 0 }],
            done: |s| seqs(s, 0).is_empty(),
        },
        Point {
            name: "rewind",
            before: vec![statement(0, b"signed"), stored(0), sealed(0)],
            changes: vec![Change::Rewind { stream: P, seq: 0 }],
            done: |s| s.stream(P).unwrap().send_from == 0 && s.receipt(P, 0).unwrap().is_none(),
        },
    ]
}

#[track_caller]
fn check(point: &Point, fault: Fault, happens: bool) {
    let dir = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let mut spool = open(dir.path(), &faults);
    spool.commit(&point.before).unwrap();
    faults.plan(0, fault);
    let result = spool.commit(&point.changes);
    assert_eq!(result.is_ok(), happens, "{}: {fault:?} told {result:?}", point.name);
    assert_eq!((point.done)(&mut spool), happens, "{}: {fault:?}", point.name);
    if !happens {
        spool.commit(&point.changes).unwrap();
    }
    assert!((point.done)(&mut spool), "{}: again after {fault:?}", point.name);
    drop(spool);
    assert!((point.done)(&mut open(dir.path(), &faults)), "{}: after a restart", point.name);
}

#[test]
fn a_commit_that_failed_unwritten_is_told_and_can_be_repeated() {
    for point in points() {
        check(&point, Fault::NotWritten, false);
    }
}

#[test]
fn a_commit_that_failed_but_was_written_counts_as_done_and_is_not_repeated() {
    for point in points() {
        check(&point, Fault::WrittenAnyway, true);
    }
}

#[track_caller]
fn refused(spool: &mut Spool, changes: &[Change<'_>], want: &str) {
    let error = spool.commit(changes).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert!(error.to_string().contains(want), "{error}");
}

#[test]
fn numbers_without_a_gap_are_enforced() {
    let (_dir, mut spool) = fresh();
    refused(&mut spool, &[statement(1, b"x")], "a statement's number");
    spool.commit(&[statement(0, b"x")]).unwrap();
    refused(&mut spool, &[statement(0, b"y")], "a statement's number");
    let wrong = Change::Statement { stream: P, seq: 1, prev: None, leaf: leaf(1), at_ms: 0, bytes: b"x" };
    refused(&mut spool, &[wrong], "a statement's predecessor");
    refused(&mut spool, &[Change::Journal { stream: P, position: 1, row: b"" }], "a journal row");
    let raw = Change::Raw { stream: P, number: 1, leaf: [0; 32], from_ms: 0, to_ms: 0, bytes: b"" };
    refused(&mut spool, &[raw], "a raw block");
    assert_eq!(seqs(&mut spool, 0), [0]);
}

#[test]
fn a_refused_change_takes_its_whole_commit_with_it() {
    let (_dir, mut spool) = fresh();
    refused(&mut spool, &[statement(0, b"x"), statement(2, b"y")], "a statement's number");
    assert_eq!(spool.stream(P).unwrap(), Stream::default());
}

#[test]
fn the_cursor_never_passes_a_statement_that_was_not_acknowledged() {
    let (_dir, mut spool) = fresh();
    spool.commit(&[statement(0, b"x"), statement(1, b"y")]).unwrap();
    refused(&mut spool, &[stored(1)], "an acknowledgement");
    let other = Change::Stored { stream: P, seq: 0, leaf: [9; 32], index: 3 };
    refused(&mut spool, &[other], "an acknowledged leaf");
    refused(&mut spool, &[sealed(0)], "a receipt");
    spool.commit(&[stored(0), stored(1), stored(0)]).unwrap();
    assert_eq!(spool.stream(P).unwrap().send_from, 2);
}

#[test]
fn pain_20_a_statement_without_a_receipt_is_never_dropped() {
    let (_dir, mut spool) = fresh();
    spool.commit(&[statement(0, b"x"), statement(1, b"y"), stored(0), stored(1), sealed(0)]).unwrap();
    let drop = |through| Change::DropStatements { stream: P, through };
    refused(&mut spool, &[drop(1)], "to drop an unsealed statement");
    let keep = Keep { statement_bytes: 0, raw_bytes: 0, retention_ms: 0 };
    let prunable = spool.prunable(&keep, i64::MAX).unwrap();
    assert_eq!(prunable.statements, [(P.to_owned(), 0)]);
    spool.commit(&prunable.changes()).unwrap();
    assert_eq!(seqs(&mut spool, 0), [1]);
}

#[test]
fn after_a_rewind_the_receipts_are_void_and_nothing_is_prunable() {
    let (_dir, mut spool) = fresh();
    spool
        .commit(&[statement(0, b"x"), statement(1, b"y"), stored(0), stored(1), sealed(0), sealed(1)])
        .unwrap();
    assert_eq!(spool.usage().unwrap().unsealed_bytes, 0);
    spool.commit(&[Change::Rewind { stream: P, seq: 1 }]).unwrap();
    assert_eq!(spool.stream(P).unwrap().send_from, 1);
    assert_eq!(spool.usage().unwrap().unsealed_bytes, 1);
    assert!(spool.receipt(P, 0).unwrap().is_some());
    assert!(spool.receipt(P, 1).unwrap().is_none());
    assert_eq!(spool.unsealed(P, 9).unwrap(), []);
    let told = |spool: &mut Spool| -> Vec<_> {
        spool.statements(P, 0, ALL).unwrap().into_iter().map(|s| s.index).collect()
    };
    let before = told(&mut spool);
    assert!(before.iter().all(Option::is_some), "where they were is not forgotten");
    spool.commit(&[Change::Rewind { stream: P, seq: 0 }, statement(2, b"z")]).unwrap();
    assert_eq!(told(&mut spool), [before[0], before[1], None]);
    spool.commit(&[Change::Stored { stream: P, seq: 0, leaf: leaf(0), index: 77 }]).unwrap();
    assert_eq!(told(&mut spool), [Some(77), before[1], None]);
}

#[test]
fn a_continuation_gives_up_what_waits_and_goes_on_from_the_gateways_head() {
    let (_dir, mut spool) = fresh();
    spool.commit(&[statement(0, b"x"), statement(1, b"y"), stored(0)]).unwrap();
    let go_on = |seq, send_from| Change::Continue { stream: P, seq, prev: Some([9; 32]), send_from };
    spool.commit(&[go_on(7, 7)]).unwrap();
    assert_eq!(seqs(&mut spool, 0), [0], "what was given up is not sent");
    let next =
        Change::Statement { stream: P, seq: 7, prev: Some([9; 32]), leaf: leaf(7), at_ms: 0, bytes: b"z" };
    spool.commit(&[next]).unwrap();
    let stream = spool.stream(P).unwrap();
    assert_eq!((stream.next_seq, stream.send_from), (8, 7));
    refused(&mut spool, &[go_on(0, 0)], "a continuation before a stored statement");
    refused(&mut spool, &[go_on(8, 9)], "a continuation");
}

#[test]
fn a_continuation_before_waiting_statements_keeps_those_that_can_be_sent() {
    let (_dir, mut spool) = fresh();
    spool.commit(&[statement(0, b"x"), statement(1, b"yy"), statement(2, b"zzz"), stored(0)]).unwrap();
    spool.commit(&[Change::Continue { stream: P, seq: 2, prev: Some(leaf(1)), send_from: 1 }]).unwrap();
    assert_eq!(seqs(&mut spool, 0), [0, 1]);
    let usage = spool.usage().unwrap();
    assert_eq!((usage.statement_bytes, usage.unsealed_bytes), (3, 3));
    spool.commit(&[statement(2, b"other")]).unwrap();
    assert_eq!(seqs(&mut spool, 1), [1, 2]);
}

#[test]
fn pain_21_at_the_limit_new_statements_are_refused_and_receipts_make_room() {
    let (_dir, mut spool) = fresh();
    let big = vec![1; 6000];
    spool.commit(&[statement(0, &big)]).unwrap();
    let error = spool.commit(&[statement(1, &big)]).unwrap_err();
    assert!(matches!(error, StoreError::Cap { held_bytes: 6000, max_bytes: 10_000 }), "{error}");
    spool.commit(&[stored(0), sealed(0)]).unwrap();
    spool.commit(&[statement(1, &big)]).unwrap();
}

#[test]
fn a_full_disk_is_an_error_that_passes() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("spool.db"), u64::MAX).unwrap();
    store.limit_pages(store.pages().unwrap() + 4).unwrap();
    let mut spool = Spool::new(Box::new(store)).unwrap();
    let row = vec![7; 3000];
    let mut position = 0;
    let error = loop {
        match spool.commit(&[Change::Journal { stream: P, position, row: &row }]) {
            Ok(()) => position += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }) && error.is_passing(), "{error}");
    assert_eq!(spool.stream(P).unwrap().journal_next, position);
    spool.commit(&[Change::Trim { stream: P, through: position - 1 }]).unwrap();
    spool.commit(&[Change::Journal { stream: P, position, row: &row }]).unwrap();
}

#[test]
fn a_second_process_is_refused() {
    let (dir, _spool) = fresh();
    let error = SqliteStore::open(&dir.path().join("spool.db"), 1).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[test]
fn reading_stops_at_the_limit_but_never_before_the_first() {
    let (_dir, mut spool) = fresh();
    spool.commit(&[statement(0, b"12345"), statement(1, b"12345"), statement(2, b"12345")]).unwrap();
    let read =
        |spool: &mut Spool, items, bytes| spool.statements(P, 0, Limit { items, bytes }).unwrap().len();
    assert_eq!(read(&mut spool, 2, 1000), 2);
    assert_eq!(read(&mut spool, 9, 11), 2);
    assert_eq!(read(&mut spool, 9, 1), 1);
}

#[test]
fn a_newer_format_is_left_alone() {
    let (dir, spool) = fresh();
    drop(spool);
    let path = dir.path().join("spool.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("PRAGMA user_version=99").unwrap();
    drop(raw);
    let error = spool::open(&path, 1, &|_, _| true).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    assert!(path.exists());
}

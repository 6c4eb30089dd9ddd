//! The rules as a whole: real statements through a real log, answers in words.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use evidence::payload::{KeyAction, SeenCheckpoint};
use evidence::statement::Role;
use support::{Change, Disk, Plant, Signer, contents, push, roster_key, sign, words};
use tlog::recheck::recheck;
use tlog::{Alarm, Log, Newer, SealError, SqliteLog};

fn begin() -> (Disk, Plant, Log<SqliteLog>) {
    let (disk, plant) = (Disk::new(), Plant::new());
    let log = Log::create(disk.create(), plant.genesis.clone()).unwrap();
    (disk, plant, log)
}

#[track_caller]
fn check(log: &mut Log<SqliteLog>, statements: &[&[u8]], want: &[&str]) {
    let before = log.head();
    let ingested = push(log, statements);
    assert_eq!(words(&ingested), want);
    let appended = want.iter().filter(|w| w.starts_with("stored") || w.starts_with("second")).count();
    assert_eq!(log.head().size, before.size + appended as u64, "the log grew by what was appended");
    recheck(log.store()).unwrap();
}

#[test]
fn the_genesis_is_entry_zero_and_is_acknowledged_again() {
    let (_disk, plant, mut log) = begin();
    assert_eq!(log.head().size, 1);
    check(&mut log, &[&plant.genesis], &["again 0"]);
}

#[test]
fn a_log_begins_with_a_genesis_signed_by_its_registrar_only() {
    let mut plant = Plant::new();
    let window = plant.a.next(0);
    assert!(Log::create(Disk::new().create(), window).unwrap_err().to_string().contains("another kind"));
    let mut cut = plant.genesis.clone();
    let last = cut.len() - 1;
    cut[last] ^= 1;
    assert!(Log::create(Disk::new().create(), cut).unwrap_err().to_string().contains("genesis"));
    let disk = Disk::new();
    let log = Log::create(disk.create(), plant.genesis.clone()).unwrap();
    assert!(Log::create(log.into_store(), plant.genesis).is_err(), "a log has one genesis");
}

#[test]
fn statements_are_stored_once_however_often_they_come() {
    let (_disk, mut plant, mut log) = begin();
    let (a0, a1, b0) = (plant.a.next(0), plant.a.next(0), plant.b.next(1));
    check(&mut log, &[&a0, &a1, &b0], &["stored 1", "stored 2", "stored 3"]);
    check(&mut log, &[&a0, &b0, &a1], &["again 1", "again 3", "again 2"]);
    let a2 = plant.a.next(0);
    check(&mut log, &[&a2, &a2, &a1], &["stored 4", "again 4", "again 2"]);
}

#[test]
fn a_gap_stops_the_request_and_names_the_number_to_send() {
    let (_disk, mut plant, mut log) = begin();
    let (a0, a1, a2) = (plant.a.next(0), plant.a.next(0), plant.a.next(0));
    check(&mut log, &[&a0, &a2, &a1], &["stored 1", "gap 1"]);
    check(&mut log, &[&a1, &a2], &["stored 2", "stored 3"]);
}

#[test]
fn equivocation_logs_both_raises_an_alarm_and_freezes() {
    let (disk, mut plant, mut log) = begin();
    let other = plant.a.window(0, 77, None);
    let (a0, a1) = (plant.a.next(0), plant.a.next(0));
    check(&mut log, &[&a0], &["stored 1"]);
    let ingested = push(&mut log, &[&other, &a1]);
    assert_eq!(words(&ingested), ["second 2"]);
    assert_eq!(ingested.alarms, [Alarm::Equivocation { kid: plant.a.kid(), seq: 0, index: 2 }]);
    // Frozen: nothing new, also after a restart; what is logged is acknowledged; other streams go on.
    check(&mut log, &[&a1], &["frozen"]);
    drop(log);
    let mut log = Log::open(disk.open()).unwrap();
    check(&mut log, &[&a1], &["frozen"]);
    check(&mut log, &[&a0, &other], &["again 1", "again 2"]);
    let b0 = plant.b.next(1);
    check(&mut log, &[&b0], &["stored 3"]);
    let third = plant.a.window(0, 78, None);
    check(&mut log, &[&third], &["frozen"]);
}

#[test]
fn the_registrar_unfreezes_a_stream_at_the_statement_it_names() {
    let (disk, mut plant, mut log) = begin();
    let other = plant.a.window(0, 77, None);
    let (a0, a1) = (plant.a.next(0), plant.a.next(0));
    check(&mut log, &[&a0, &a1], &["stored 1", "stored 2"]);
    check(&mut log, &[&other], &["second 3"]);
    let kid = plant.a.kid();
    let last = (0, evidence::hash::leaf(&other));
    let mut stranger = Change { subject: Some(kid), last: Some((0, [1; 32])), ..Change::default() };
    let (seq, prev) = (plant.registrar.seq, plant.registrar.prev);
    let wrong = plant.registrar.key_change(KeyAction::Unfreeze, stranger);
    check(&mut log, &[&wrong], &["never key-change"]);
    (plant.registrar.seq, plant.registrar.prev) = (seq, prev);
    stranger = Change { subject: Some(kid), last: Some(last), ..Change::default() };
    let unfreeze = plant.registrar.key_change(KeyAction::Unfreeze, stranger);
    check(&mut log, &[&unfreeze], &["stored 4"]);
    // The stream goes on from the second statement: number 1 is used anew, the old 1 stays acknowledged.
    (plant.a.seq, plant.a.prev) = (1, Some(last.1));
    let anew = plant.a.next(0);
    check(&mut log, &[&anew, &a1], &["stored 5", "again 2"]);
    drop(log);
    let mut log = Log::open(disk.open()).unwrap();
    let on = plant.a.next(0);
    check(&mut log, &[&on], &["stored 6"]);
}

#[test]
fn what_can_never_be_valid_is_put_aside_with_its_reason() {
    let (_disk, mut plant, mut log) = begin();
    let good = plant.a.window(0, 0, None);
    let mut bad_signature = good.clone();
    let last = bad_signature.len() - 1;
    bad_signature[last] ^= 1;
    let mut trailing = good.clone();
    trailing.push(0);
    let stranger = Signer::new(42, Role::Agent, "box-x");
    let mut renamed = Signer::new(2, Role::Agent, "box-b");
    let mut promoted = Signer::new(2, Role::Registrar, "box-a");
    let revoked = Change { subject: Some(plant.b.kid()), ..Change::default() };
    let mut registrar_window = Signer::new(1, Role::Registrar, "registrar");
    (registrar_window.seq, registrar_window.prev) = (plant.registrar.seq, plant.registrar.prev);
    let elsewhere = {
        let statement = evidence::statement::open(&good).unwrap();
        plant.a.seal("another", &statement.payload)
    };
    let broken = {
        plant.a.prev = Some([5; 32]);
        let bytes = plant.a.window(0, 0, None);
        plant.a.prev = None;
        bytes
    };
    for (statement, reason) in [
        (vec![0x80], "non-canonical"),
        (trailing, "non-canonical"),
        (bad_signature, "signature"),
        (vec![0; 48_001], "too-long"),
        (stranger.window(0, 0, None), "unknown-key"),
        (renamed.next(0), "wrong-signer"),
        (promoted.key_change(KeyAction::Revoke, revoked), "wrong-signer"),
        (registrar_window.next(0), "non-canonical"),
        (elsewhere, "wrong-project"),
        (broken, "broken-chain"),
    ] {
        let before = log.head();
        let ingested = push(&mut log, &[&statement, &good]);
        assert_eq!(words(&ingested), [format!("never {reason}")], "the request ends there");
        assert_eq!(ingested.aside.len(), 1);
        assert_eq!(ingested.aside[0].bytes, statement);
        assert_eq!(log.head(), before, "nothing enters the log");
    }
    check(&mut log, &[&good], &["stored 1"]);
}

#[test]
fn keys_count_from_their_enrolment_to_their_revocation() {
    let (disk, mut plant, mut log) = begin();
    let mut c = Signer::new(4, Role::Agent, "box-c");
    let early = c.window(0, 0, None);
    check(&mut log, &[&early], &["never unknown-key"]);
    let enrol = plant
        .registrar
        .key_change(KeyAction::Enrol, Change { key: Some(roster_key(&c)), ..Change::default() });
    // Phase one sees the key as unknown, the sequencer asks again after the enrolment in the same request.
    let c0 = c.next(0);
    check(&mut log, &[&enrol, &c0], &["stored 1", "stored 2"]);
    let again = plant
        .registrar
        .key_change(KeyAction::Enrol, Change { key: Some(roster_key(&c)), ..Change::default() });
    check(&mut log, &[&again], &["never key-change"]);
    (plant.registrar.seq, plant.registrar.prev) = (2, Some(evidence::hash::leaf(&enrol)));
    let last = Some((0, evidence::hash::leaf(&c0)));
    let revoke = plant
        .registrar
        .key_change(KeyAction::Revoke, Change { subject: Some(c.kid()), last, ..Change::default() });
    let c1 = c.next(0);
    check(&mut log, &[&revoke, &c1], &["stored 3", "never key-not-valid"]);
    check(&mut log, &[&c0], &["again 2"]);
    drop(log);
    let mut log = Log::open(disk.open()).unwrap();
    check(&mut log, &[&c1], &["never key-not-valid"]);
}

#[test]
fn a_rotated_key_hands_its_name_on_and_a_registrar_its_office() {
    let (disk, mut plant, mut log) = begin();
    let mut fresh = Signer::new(5, Role::Agent, "box-a");
    let misnamed = Signer::new(6, Role::Agent, "box-z");
    let subject = Some(plant.a.kid());
    let change = Change { subject, key: Some(roster_key(&misnamed)), last: None };
    let wrong = plant.registrar.key_change(KeyAction::Rotate, change);
    check(&mut log, &[&wrong], &["never key-change"]);
    (plant.registrar.seq, plant.registrar.prev) = (1, Some(evidence::hash::leaf(&plant.genesis)));
    let change = Change { subject, key: Some(roster_key(&fresh)), last: None };
    let rotate = plant.registrar.key_change(KeyAction::Rotate, change);
    let (old, new) = (plant.a.next(0), fresh.next(0));
    check(&mut log, &[&rotate, &old], &["stored 1", "never key-not-valid"]);
    check(&mut log, &[&new], &["stored 2"]);
    let mut heir = Signer::new(7, Role::Registrar, "registrar-2");
    let office = Change { subject: Some(plant.registrar.kid()), key: Some(roster_key(&heir)), last: None };
    let succession = plant.registrar.key_change(KeyAction::Succession, office);
    check(&mut log, &[&succession], &["stored 3"]);
    let late = plant
        .registrar
        .key_change(KeyAction::Revoke, Change { subject: Some(fresh.kid()), ..Change::default() });
    check(&mut log, &[&late], &["never key-not-valid"]);
    drop(log);
    let mut log = Log::open(disk.open()).unwrap();
    let by_heir =
        heir.key_change(KeyAction::Revoke, Change { subject: Some(fresh.kid()), ..Change::default() });
    check(&mut log, &[&by_heir], &["stored 4"]);
}

#[test]
fn two_requests_of_one_batch_cannot_store_a_statement_twice() {
    let (_disk, mut plant, mut log) = begin();
    let a0 = plant.a.next(0);
    let keys = log.keys().clone();
    let arrivals = || vec![tlog::Arrival::check(a0.clone(), &keys)];
    let ingested = log.ingest(vec![arrivals(), arrivals()]).unwrap();
    assert_eq!(words(&ingested), ["stored 1", "again 1"]);
    assert_eq!(contents(log.store()).len(), 2);
}

#[test]
fn a_log_behind_a_known_checkpoint_signs_nothing_until_it_is_refilled() {
    let (_disk, mut plant, mut log) = begin();
    let (a0, a1) = (plant.a.next(0), plant.a.next(0));
    check(&mut log, &[&a0, &a1], &["stored 1", "stored 2"]);
    let known = log.head();
    log.seal(100, sign).unwrap().unwrap();
    // The same project from an older backup: the genesis only.
    let disk = Disk::new();
    let mut restored = Log::create(disk.create(), plant.genesis.clone()).unwrap();
    restored.learn(Newer { size: known.size, root: known.root }).unwrap();
    assert!(matches!(restored.seal(100, sign), Err(SealError::Behind { known: 3, size: 1 })));
    drop(restored);
    let mut restored = Log::open(disk.open()).unwrap();
    assert!(matches!(restored.seal(100, sign), Err(SealError::Behind { .. })), "also after a restart");
    check(&mut restored, &[&a0, &a1], &["stored 1", "stored 2"]);
    assert_eq!(restored.seal(100, sign).unwrap().unwrap().root, known.root);
    // Refilled in another way, the root differs: two histories are never signed.
    let mut forked = Log::create(Disk::new().create(), plant.genesis.clone()).unwrap();
    forked.learn(Newer { size: known.size, root: known.root }).unwrap();
    let (b0, b1) = (plant.b.next(1), plant.b.next(1));
    check(&mut forked, &[&b0, &b1], &["stored 1", "stored 2"]);
    assert!(matches!(forked.seal(100, sign), Err(SealError::Forked { known: 3 })));
}

/// A log of two agents' statements under a checkpoint, put back to a backup of two entries and filled again in
/// this order; then an agent names that checkpoint.
#[track_caller]
fn check_refill(order: [usize; 3], shown: bool, want: &[Alarm], signs: bool) {
    let (_disk, mut plant, mut log) = begin();
    let a0 = plant.a.next(0);
    let late = [plant.b.next(1), plant.a.next(0), plant.b.next(1)];
    check(&mut log, &[&a0, &late[0], &late[1], &late[2]], &["stored 1", "stored 2", "stored 3", "stored 4"]);
    let sealed = log.seal(100, sign).unwrap().unwrap();
    let disk = Disk::new();
    let mut restored = Log::create(disk.create(), plant.genesis.clone()).unwrap();
    check(&mut restored, &[&a0], &["stored 1"]);
    for i in order {
        assert!(words(&push(&mut restored, &[&late[i]]))[0].starts_with("stored"));
    }
    if shown {
        restored.learn(Newer { size: sealed.size, root: sealed.root }).unwrap();
    } else {
        let seen = SeenCheckpoint { size: 5, root: sealed.root, time: 100, note_hash: sealed.hash() };
        let naming = plant.a.window(0, 0, Some(seen));
        assert_eq!(push(&mut restored, &[&naming]).alarms, want);
    }
    drop(restored);
    let mut restored = Log::open(disk.open()).unwrap();
    match restored.seal(101, sign) {
        Ok(Some(_)) => assert!(signs),
        Err(SealError::Forked { known: 5 }) => assert!(!signs),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_backup_that_agents_refill_in_the_old_order_is_signed_again_and_in_another_order_never() {
    let (_disk, plant, _log) = begin();
    let foreign = Alarm::ForeignCheckpoint { kid: plant.a.kid(), size: 5 };
    check_refill([0, 1, 2], false, &[], true);
    check_refill([1, 0, 2], false, &[foreign], false);
    check_refill([0, 1, 2], true, &[], true);
    check_refill([1, 0, 2], true, &[], false);
}

#[test]
fn a_checkpoint_that_contradicts_the_log_is_not_forgotten_for_one_that_fits() {
    let (_disk, mut plant, mut log) = begin();
    let a0 = plant.a.next(0);
    check(&mut log, &[&a0], &["stored 1"]);
    log.learn(Newer { size: 1, root: [8; 32] }).unwrap();
    let head = log.head();
    log.learn(Newer { size: head.size, root: head.root }).unwrap();
    log.learn(Newer { size: 50, root: [9; 32] }).unwrap();
    assert!(matches!(log.seal(100, sign), Err(SealError::Forked { known: 1 })));
}

#[test]
fn a_window_that_names_a_newer_or_a_foreign_checkpoint_stops_the_signing() {
    let (disk, plant, mut log) = begin();
    let sealed = log.seal(100, sign).unwrap().unwrap();
    let seen = |size, root, note_hash| Some(SeenCheckpoint { size, root, time: 100, note_hash });
    let ours = plant.a.window(0, 0, seen(1, sealed.root, sealed.hash()));
    assert!(push(&mut log, &[&ours]).alarms.is_empty());
    let (kid, foreign) = (plant.b.kid(), plant.b.window(1, 0, seen(1, [8; 32], [8; 32])));
    assert_eq!(push(&mut log, &[&foreign]).alarms, [Alarm::ForeignCheckpoint { kid, size: 1 }]);
    drop(log);
    let mut log = Log::open(disk.open()).unwrap();
    assert!(matches!(log.seal(101, sign), Err(SealError::Forked { known: 1 })), "also after a restart");
    let (_disk, plant, mut log) = begin();
    let (kid, newer) = (plant.b.kid(), plant.b.window(1, 0, seen(50, [8; 32], [9; 32])));
    assert_eq!(push(&mut log, &[&newer]).alarms, [Alarm::Behind { kid, size: 50 }]);
    assert!(matches!(log.seal(102, sign), Err(SealError::Behind { known: 50, size: 2 })));
}

#[test]
fn checkpoints_grow_with_the_log_and_never_run_back_in_time() {
    let (disk, mut plant, mut log) = begin();
    assert_eq!(log.seal(100, sign).unwrap().unwrap().size, 1);
    assert_eq!(log.seal(200, sign).unwrap(), None, "nothing new, nothing signed");
    let a0 = plant.a.next(0);
    check(&mut log, &[&a0], &["stored 1"]);
    assert!(matches!(log.seal(99, sign), Err(SealError::ClockBehind { now_s: 99, last_s: 100 })));
    drop(log);
    let mut log = Log::open(disk.open()).unwrap();
    assert_eq!(log.sealed().unwrap().size, 1);
    assert_eq!(log.seal(100, sign).unwrap().unwrap().size, 2);
    recheck(log.store()).unwrap();
}

#[test]
fn proofs_from_the_stored_tiles_hold_for_every_kind_of_size() {
    use evidence::merkle::{Frontier, verify_consistency, verify_inclusion};
    let (_disk, mut plant, mut log) = begin();
    for _ in 0..6 {
        let statements: Vec<Vec<u8>> = (0..100).map(|_| plant.a.next(0)).collect();
        let refs: Vec<&[u8]> = statements.iter().map(Vec::as_slice).collect();
        assert!(words(&push(&mut log, &refs)).iter().all(|word| word.starts_with("stored")));
    }
    let leaves: Vec<_> = contents(log.store()).into_iter().map(|(_, _, leaf)| leaf).collect();
    let mut frontier = Frontier::new();
    let mut roots = vec![frontier.root()];
    for leaf in &leaves {
        frontier.append(*leaf, |_, _, _| {});
        roots.push(frontier.root());
    }
    let sizes = [1, 2, 255, 256, 257, 511, 512, 513, 600, 601];
    for (size, root) in sizes.map(|size| (size, roots[size])) {
        let n = size as u64;
        assert_eq!(tlog::proof::root_at(log.store(), n).unwrap(), root);
        for index in [0, size / 2, size - 1] {
            let proof = tlog::proof::inclusion(log.store(), index as u64, n).unwrap();
            verify_inclusion(leaves[index], index as u64, n, &proof, &root).unwrap();
        }
        for old in sizes.into_iter().filter(|old| *old <= size) {
            let proof = tlog::proof::consistency(log.store(), old as u64, n).unwrap();
            verify_consistency((old as u64, &roots[old]), (n, &root), &proof).unwrap();
        }
    }
}

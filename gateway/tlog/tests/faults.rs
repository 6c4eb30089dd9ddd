//! Every commit of a project's life fails once, in each of three ways. After each fault the whole log is read
//! again and verified, the senders send again, and in the end every statement stands in the log once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use evidence::payload::KeyAction;
use evidence::statement::Role;
use support::faulty::{Fault, Faulty};
use support::{Change, Disk, Plant, Signer, contents, roster_key, sign, try_push, words};
use tlog::recheck::recheck;
use tlog::{Head, Log, Newer, SealError};

enum Step {
    Push(Vec<Vec<u8>>),
    Seal(i64),
}

/// A life with every kind of commit: windows, an enrolment, an equivocation, an unfreeze, checkpoints.
fn life() -> (Vec<u8>, Vec<Step>) {
    let mut plant = Plant::new();
    let mut c = Signer::new(4, Role::Agent, "box-c");
    let other = plant.a.window(0, 77, None);
    let (a0, a1) = (plant.a.next(0), plant.a.next(0));
    let (b0, b1) = (plant.b.next(1), plant.b.next(1));
    let key = Some(roster_key(&c));
    let enrol = plant.registrar.key_change(KeyAction::Enrol, Change { key, ..Change::default() });
    let c0 = c.next(0);
    let last = Some((1, evidence::hash::leaf(&a1)));
    let unfreeze = plant
        .registrar
        .key_change(KeyAction::Unfreeze, Change { subject: Some(plant.a.kid()), last, ..Change::default() });
    let a2 = plant.a.next(0);
    let steps = vec![
        Step::Seal(10),
        Step::Push(vec![a0, a1]),
        Step::Push(vec![b0, enrol, c0]),
        Step::Seal(20),
        Step::Push(vec![other]),
        Step::Push(vec![unfreeze, a2]),
        Step::Push(vec![b1]),
        Step::Seal(30),
    ];
    (plant.genesis, steps)
}

/// How a life ended.
struct Life {
    head: Head,
    entries: Vec<([u8; 32], u64, [u8; 32])>,
    commits: usize,
    /// Every answer, in words.
    said: Vec<String>,
}

/// Lives the life on a store whose `n`-th commit fails; yields the end and how many commits there were.
fn live(fault: Option<(usize, Fault)>) -> Life {
    let disk = Disk::new();
    let (genesis, steps) = life();
    let mut store = Faulty::new(disk.create(), fault);
    let mut commits = 0;
    let mut log = loop {
        if let Ok(log) = Log::create(store, genesis.clone()) {
            break log;
        }
        // `import` would throw the half-made file away; here the log is looked at as it is.
        commits += 1;
        let mut inner = disk.open();
        if tlog::Read::head(&mut inner).unwrap().size == 1 {
            break Log::open(Faulty::new(inner, None)).unwrap();
        }
        store = Faulty::new(inner, None);
    };
    let mut said = vec![];
    for step in &steps {
        for attempt in 0.. {
            assert!(attempt < 3, "a fault strikes once");
            let done = attempt_step(&mut log, step, &mut said);
            recheck(log.store()).unwrap();
            match done {
                Ok(()) => break,
                Err(false) => {}
                Err(true) => {
                    // The outcome is unknown: drop what is in memory, read the log again.
                    commits += log.store().commits;
                    drop(log);
                    log = Log::open(Faulty::new(disk.open(), None)).unwrap();
                    recheck(log.store()).unwrap();
                }
            }
        }
    }
    commits += log.store().commits;
    let head = log.head();
    let entries = contents(log.store());
    Life { head, entries, commits, said }
}

/// `Err(true)` when the log must be read again, `Err(false)` when nothing was written.
fn attempt_step(log: &mut Log<Faulty>, step: &Step, said: &mut Vec<String>) -> Result<(), bool> {
    match step {
        Step::Push(statements) => {
            let refs: Vec<&[u8]> = statements.iter().map(Vec::as_slice).collect();
            let ingested = try_push(log, &refs).map_err(|e| e.is_fatal())?;
            said.extend(words(&ingested).into_iter().map(|word| word.replace("again", "stored")));
        }
        Step::Seal(at) => match log.seal(*at, sign) {
            Ok(_) => {}
            Err(SealError::Commit(e)) => return Err(matches!(e, tlog::CommitError::Unknown { .. })),
            Err(e) => panic!("{e}"),
        },
    }
    Ok(())
}

#[test]
fn each_commit_fails_in_each_way_and_nothing_is_lost_or_doubled() {
    let whole = live(None);
    assert_eq!(whole.head.size, 10);
    assert!(whole.commits >= 9, "the life has {} commits", whole.commits);
    for n in 0..whole.commits {
        for fault in [Fault::Full, Fault::Unwritten, Fault::WrittenAnyway] {
            let hurt = live(Some((n, fault)));
            assert_eq!(hurt.head, whole.head, "commit {n}, {fault:?}");
            assert_eq!(hurt.entries, whole.entries, "commit {n}, {fault:?}");
            // An equivocation that was written anyway is acknowledged as what it is: logged already.
            let same = hurt.said.iter().zip(&whole.said).all(|(after, before)| {
                after == before || (before.starts_with("second") && after.starts_with("stored"))
            });
            assert!(same && hurt.said.len() == whole.said.len(), "commit {n}, {fault:?}: {:?}", hurt.said);
        }
    }
}

#[test]
fn a_learned_checkpoint_survives_its_faults() {
    for (fault, survives) in [(Fault::Unwritten, false), (Fault::WrittenAnyway, true)] {
        let disk = Disk::new();
        let plant = Plant::new();
        let log = Log::create(disk.create(), plant.genesis.clone()).unwrap();
        let mut log = Log::open(Faulty::new(log.into_store(), Some((0, fault)))).unwrap();
        let known = Newer { size: 5, root: [3; 32] };
        assert!(log.learn(known).unwrap_err().is_fatal());
        drop(log);
        let mut log = Log::open(disk.open()).unwrap();
        let behind = matches!(log.seal(1, sign), Err(SealError::Behind { known: 5, size: 1 }));
        assert_eq!(behind, survives, "{fault:?}");
    }
}

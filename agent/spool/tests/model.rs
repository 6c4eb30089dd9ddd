//! The store against a model that fits on a page: any sequence of changes, restarts and failing commits.

#![expect(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use spool::faulty::{Fault, Faults, Faulty};
use spool::{Change, Hash, Limit, Spool, SqliteStore};
use std::collections::BTreeMap;
use std::path::Path;

const P: &str = "SY-1";
const ALL: Limit = Limit { items: 10_000, bytes: usize::MAX };

#[derive(Clone, Debug)]
enum Step {
    Journal(u8),
    Trim(u64),
    Sign(u8),
    Acknowledge(u64),
    Seal(u64),
    Rewind(u64),
    Continue(u64),
    Prune(u64),
    Raw(u8),
    DropRaw(u64),
    Restart,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    journal: BTreeMap<u64, u8>,
    journal_next: u64,
    statements: BTreeMap<u64, Held>,
    next_seq: u64,
    head: Option<Hash>,
    send_from: u64,
    raw: BTreeMap<u64, u8>,
    raw_next: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Held {
    leaf: Hash,
    byte: u8,
    index: Option<u64>,
    sealed: bool,
    given_up: bool,
}

fn steps() -> impl Strategy<Value = (Step, Option<Fault>)> {
    let near = 0..12_u64;
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::Journal),
        1 => near.clone().prop_map(Step::Trim),
        6 => any::<u8>().prop_map(Step::Sign),
        6 => (0..3_u64).prop_map(Step::Acknowledge),
        4 => near.clone().prop_map(Step::Seal),
        1 => near.clone().prop_map(Step::Rewind),
        1 => (0..4_u64).prop_map(Step::Continue),
        2 => near.clone().prop_map(Step::Prune),
        2 => any::<u8>().prop_map(Step::Raw),
        1 => near.prop_map(Step::DropRaw),
        1 => Just(Step::Restart),
    ];
    let fault = prop_oneof![6 => Just(None), 1 => Just(Some(Fault::NotWritten)), 1 => Just(Some(Fault::WrittenAnyway))];
    (step, fault)
}

fn leaf(seq: u64, byte: u8) -> Hash {
    let mut hash = [byte; 32];
    hash[..8].copy_from_slice(&seq.to_be_bytes());
    hash
}

impl Model {
    /// Does a step and gives the change it is, or `None` where the store has to refuse it.
    fn step(&mut self, step: &Step, bytes: &'static [[u8; 1]]) -> Option<Change<'static>> {
        match *step {
            Step::Journal(byte) => {
                let position = self.journal_next;
                self.journal.insert(position, byte);
                self.journal_next += 1;
                Some(Change::Journal { stream: P, position, row: &bytes[usize::from(byte)] })
            }
            Step::Trim(through) => {
                self.journal.retain(|position, _| *position > through);
                Some(Change::Trim { stream: P, through })
            }
            Step::Sign(byte) => {
                let (seq, prev) = (self.next_seq, self.head);
                let leaf = leaf(seq, byte);
                self.statements.insert(seq, Held { leaf, byte, index: None, sealed: false, given_up: false });
                (self.next_seq, self.head) = (seq + 1, Some(leaf));
                let bytes = &bytes[usize::from(byte)];
                Some(Change::Statement { stream: P, seq, prev, leaf, at_ms: 0, bytes })
            }
            Step::Acknowledge(back) => {
                let seq = self.send_from.checked_sub(back)?;
                let held = self.statements.get_mut(&seq).filter(|s| !s.given_up)?;
                held.index = Some(seq + 100);
                self.send_from = self.send_from.max(seq + 1);
                Some(Change::Stored { stream: P, seq, leaf: held.leaf, index: seq + 100 })
            }
            Step::Seal(seq) => {
                let held = self.statements.get_mut(&seq).filter(|s| s.index.is_some() && !s.given_up)?;
                if seq >= self.send_from {
                    return None;
                }
                held.sealed = true;
                Some(Change::Sealed { stream: P, seq, receipt: b"r" })
            }
            Step::Rewind(seq) => {
                for (_, held) in self.statements.range_mut(seq..) {
                    (held.index, held.sealed) = (None, false);
                }
                self.send_from = self.send_from.min(seq);
                Some(Change::Rewind { stream: P, seq })
            }
            Step::Continue(ahead) => {
                let seq = self.next_seq + ahead;
                for held in self.statements.values_mut() {
                    held.given_up |= held.index.is_none() && !held.sealed;
                }
                (self.next_seq, self.send_from, self.head) = (seq, seq, Some([9; 32]));
                Some(Change::Continue { stream: P, seq, prev: self.head, send_from: seq })
            }
            Step::Prune(through) => {
                let blocked =
                    self.statements.iter().any(|(seq, s)| *seq <= through && !s.sealed && !s.given_up);
                if blocked || through >= self.next_seq {
                    return None;
                }
                self.statements.retain(|seq, _| *seq > through);
                Some(Change::DropStatements { stream: P, through })
            }
            Step::Raw(byte) => {
                let number = self.raw_next;
                self.raw.insert(number, byte);
                self.raw_next += 1;
                let bytes = &bytes[usize::from(byte)];
                Some(Change::Raw { stream: P, number, leaf: [byte; 32], from_ms: 0, to_ms: 0, bytes })
            }
            Step::DropRaw(through) => {
                self.raw.retain(|number, _| *number > through);
                Some(Change::DropRaw { stream: P, through })
            }
            Step::Restart => None,
        }
    }

    fn compare(&self, spool: &mut Spool) {
        let stream = spool.stream(P).unwrap();
        let cursor = (stream.next_seq, stream.head, stream.send_from, stream.journal_next, stream.raw_next);
        assert_eq!(cursor, (self.next_seq, self.head, self.send_from, self.journal_next, self.raw_next));
        let journal: BTreeMap<u64, u8> =
            spool.journal(P, 0, ALL).unwrap().into_iter().map(|r| (r.position, r.row[0])).collect();
        assert_eq!(journal, self.journal);
        let statements: Vec<(u64, u8)> =
            spool.statements(P, 0, ALL).unwrap().into_iter().map(|s| (s.seq, s.bytes[0])).collect();
        let live = || self.statements.iter().filter(|(_, s)| !s.given_up);
        assert_eq!(statements, live().map(|(seq, s)| (*seq, s.byte)).collect::<Vec<_>>());
        let unsealed: Vec<u64> = spool.unsealed(P, 10_000).unwrap().into_iter().map(|s| s.seq).collect();
        let want = live().filter(|(_, s)| s.index.is_some() && !s.sealed).map(|(seq, _)| *seq);
        assert_eq!(unsealed, want.collect::<Vec<_>>());
        let raw = (0..self.raw_next).filter_map(|n| spool.raw(P, n).unwrap().map(|b| (n, b.bytes[0])));
        assert_eq!(raw.collect::<BTreeMap<_, _>>(), self.raw);
        let usage = spool.usage().unwrap();
        let count = |n: usize| u64::try_from(n).unwrap();
        assert_eq!(usage.statement_bytes, count(self.statements.len()));
        assert_eq!(usage.unsealed_bytes, count(live().filter(|(_, s)| !s.sealed).count()));
        assert_eq!(
            (usage.journal_bytes, usage.raw_bytes),
            (count(self.journal.len()), count(self.raw.len()))
        );
    }
}

fn open(dir: &Path, faults: &Faults) -> Spool {
    let store = SqliteStore::open(&dir.join("spool.db"), u64::MAX).unwrap();
    Spool::new(Box::new(Faulty::new(store, faults.clone()))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(steps in proptest::collection::vec(steps(), 1..60)) {
        let bytes: &'static [[u8; 1]] = Box::leak(Box::new([0; 256].map({
            let mut n = 0_u16;
            move |_: u8| { n += 1; [u8::try_from(n - 1).unwrap()] }
        })));
        let dir = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let mut spool = open(dir.path(), &faults);
        let mut model = Model::default();
        for (step, fault) in &steps {
            if matches!(step, Step::Restart) {
                drop(spool);
                spool = open(dir.path(), &faults);
                model.compare(&mut spool);
                continue;
            }
            let mut after = model.clone();
            let Some(change) = after.step(step, bytes) else { continue };
            if let Some(fault) = fault {
                faults.plan(0, *fault);
            }
            // The caller believes the answer and nothing else.
            if spool.commit(std::slice::from_ref(&change)).is_ok() {
                model = after;
            }
            model.compare(&mut spool);
        }
    }
}

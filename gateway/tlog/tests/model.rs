//! Random lives against a model of a few lines: streams as vectors, a log as a vector of leaves. Requests,
//! repetitions, gaps, equivocations, faults of both kinds, restarts and checkpoints in any order.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use evidence::Hash;
use proptest::prelude::*;
use support::faulty::{Fault, Faulty};
use support::{Disk, Plant, Signer, sign, try_push};
use tlog::recheck::recheck;
use tlog::{Answer, Log, Read};

#[derive(Clone, Debug)]
enum Op {
    /// Agent pushes `new` fresh statements after repeating the last `again`.
    Push {
        agent: usize,
        again: usize,
        new: usize,
    },
    /// Agent pushes a statement that skips a number.
    Skip {
        agent: usize,
    },
    /// Agent signs a second statement with an old number.
    Equivocate {
        agent: usize,
    },
    /// The next commit fails.
    Fail {
        written: bool,
    },
    Restart,
    Seal,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..2_usize, 0..3_usize, 0..4_usize)
            .prop_map(|(agent, again, new)| Op::Push { agent, again, new }),
        1 => (0..2_usize).prop_map(|agent| Op::Skip { agent }),
        1 => (0..2_usize).prop_map(|agent| Op::Equivocate { agent }),
        2 => any::<bool>().prop_map(|written| Op::Fail { written }),
        1 => Just(Op::Restart),
        1 => Just(Op::Seal),
    ]
}

/// What must be true whatever happened.
struct Model {
    log: Vec<Hash>,
    /// Statements each agent has signed so far, and how many of them are acknowledged.
    signed: [Vec<Vec<u8>>; 2],
    acknowledged: [usize; 2],
    frozen: [bool; 2],
}

struct World {
    disk: Disk,
    log: Option<Log<Faulty>>,
    model: Model,
    agents: [Signer; 2],
    now: i64,
}

impl World {
    fn new() -> Self {
        let (disk, plant) = (Disk::new(), Plant::new());
        let log = Log::create(Faulty::new(disk.create(), None), plant.genesis.clone()).unwrap();
        let model = Model {
            log: vec![evidence::hash::leaf(&plant.genesis)],
            signed: [vec![], vec![]],
            acknowledged: [0; 2],
            frozen: [false; 2],
        };
        Self { disk, log: Some(log), model, agents: [plant.a, plant.b], now: 0 }
    }

    fn restart(&mut self) {
        self.log = None;
        self.log = Some(Log::open(Faulty::new(self.disk.open(), None)).unwrap());
    }

    fn log(&mut self) -> &mut Log<Faulty> {
        self.log.as_mut().unwrap()
    }

    /// Sends until the outcome is known, as an agent does.
    fn send(&mut self, statements: &[Vec<u8>]) -> Vec<Answer> {
        let refs: Vec<&[u8]> = statements.iter().map(Vec::as_slice).collect();
        loop {
            match try_push(self.log(), &refs) {
                Ok(ingested) => return ingested.answers.into_iter().flatten().collect(),
                Err(e) => {
                    assert!(e.is_fatal());
                    self.restart();
                }
            }
        }
    }

    fn push(&mut self, agent: usize, again: usize, new: usize) {
        let machine = u32::try_from(agent).unwrap();
        let begin = self.model.acknowledged[agent].saturating_sub(again);
        for _ in 0..new {
            let bytes = self.agents[agent].next(machine);
            self.model.signed[agent].push(bytes);
        }
        let sent = self.model.signed[agent][begin..].to_vec();
        let answers = self.send(&sent);
        for (offset, answer) in answers.iter().enumerate() {
            let place = begin + offset;
            let leaf = evidence::hash::leaf(&sent[offset]);
            match answer {
                Answer::Stored { seq, index, leaf: said, .. } => {
                    assert_eq!((*seq, *said), (place as u64, leaf));
                    if place >= self.model.acknowledged[agent] {
                        assert!(!self.model.frozen[agent], "a frozen stream takes nothing new");
                        self.model.log.push(leaf);
                        self.model.acknowledged[agent] = place + 1;
                    }
                    assert_eq!(self.model.log[usize::try_from(*index).unwrap()], leaf);
                }
                Answer::Frozen { .. } => assert!(self.model.frozen[agent]),
                other => panic!("{other:?}"),
            }
        }
        let all_stored = answers.iter().all(|a| matches!(a, Answer::Stored { .. }));
        assert!(self.model.frozen[agent] || (all_stored && answers.len() == sent.len()));
    }

    fn skip(&mut self, agent: usize) {
        let mut ahead =
            Signer::new(u8::try_from(agent + 2).unwrap(), self.agents[agent].role, &self.agents[agent].id);
        ahead.seq = self.model.acknowledged[agent] as u64 + 1;
        ahead.prev = Some([1; 32]);
        let bytes = ahead.window(u32::try_from(agent).unwrap(), 5, None);
        match self.send(&[bytes]).as_slice() {
            [Answer::Gap { expected, .. }] => {
                assert_eq!(*expected, self.model.acknowledged[agent] as u64);
                assert!(!self.model.frozen[agent]);
            }
            [Answer::Frozen { .. }] => assert!(self.model.frozen[agent]),
            other => panic!("{other:?}"),
        }
    }

    fn equivocate(&mut self, agent: usize) {
        if self.model.acknowledged[agent] == 0 {
            return;
        }
        let twin =
            Signer::new(u8::try_from(agent + 2).unwrap(), self.agents[agent].role, &self.agents[agent].id);
        self.now += 1;
        let salt = 1000 + self.now.unsigned_abs();
        let bytes = twin.window(u32::try_from(agent).unwrap(), salt, None);
        let leaf = evidence::hash::leaf(&bytes);
        match self.send(&[bytes]).as_slice() {
            [Answer::Equivocation { .. }] => {
                assert!(!self.model.frozen[agent]);
                self.model.log.push(leaf);
            }
            // Written although the commit failed, then acknowledged from the log.
            [Answer::Stored { again: true, .. }] => self.model.log.push(leaf),
            [Answer::Frozen { .. }] => assert!(self.model.frozen[agent]),
            other => panic!("{other:?}"),
        }
        self.model.frozen[agent] = true;
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Push { agent, again, new } => self.push(*agent, *again, *new),
            Op::Skip { agent } => self.skip(*agent),
            Op::Equivocate { agent } => self.equivocate(*agent),
            Op::Fail { written } => {
                let fault = if *written { Fault::WrittenAnyway } else { Fault::Unwritten };
                self.log().store().countdown = Some((0, fault));
            }
            Op::Restart => self.restart(),
            Op::Seal => {
                self.now += 1;
                let now = self.now;
                if self.log().seal(now, sign).is_err() {
                    self.restart();
                }
            }
        }
    }

    fn check(&mut self) {
        let log = self.log.as_mut().unwrap();
        assert_eq!(recheck(log.store()).unwrap(), log.head());
        let entries = log.store().entries(0, u64::MAX).unwrap();
        let leaves: Vec<Hash> = entries.iter().map(|entry| entry.leaf).collect();
        assert_eq!(leaves, self.model.log);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_random_life_leaves_the_log_that_the_model_says(ops in proptest::collection::vec(op(), 1..40)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        world.check();
        world.restart();
        world.check();
    }
}

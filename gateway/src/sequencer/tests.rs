//! What the sequencer does when its store is full, and when it cannot know what was written.

use super::*;
use crate::identity::Identity;
use crate::run::SystemClock;
use crate::support::{Agent, PROJECT, Site, definitions};
use evidence::payload::Definition;
use std::path::PathBuf;
use tlog::{Read as _, Store as _};

struct Bench {
    site: Site,
    agent: Agent,
    definitions: Vec<Definition>,
    keys: Keyring,
    orders: mpsc::Sender<Order>,
    fatal: mpsc::UnboundedReceiver<String>,
    state: watch::Receiver<LogState>,
}

impl Bench {
    fn log_file(site: &Site) -> PathBuf {
        crate::project::directory(&site.data(), PROJECT).join(crate::project::LOG)
    }

    fn new(prepare: impl FnOnce(&mut SqliteLog)) -> Self {
        let agent = Agent::new(0);
        let site = Site::new(&[&agent]);
        let mut log = Log::open(SqliteLog::open(&Self::log_file(&site)).unwrap()).unwrap();
        prepare(log.store());
        let (orders, received) = mpsc::channel(MAX_WAITING);
        let (tell, fatal) = mpsc::unbounded_channel();
        let (published, state) = watch::channel(LogState::of(&log));
        let keys = log.keys().clone();
        let identity = Identity::load(&site.data(), "gateway.example").unwrap();
        let sequencer = Sequencer {
            project: PROJECT.to_owned(),
            log: Some(log),
            signers: Arc::new(identity.signers(PROJECT).unwrap()),
            ops: Arc::new(Ops::open(&site.data().join(crate::OPS)).unwrap()),
            clock: Arc::new(SystemClock::new()),
            gather: Duration::ZERO,
            seal_every: Duration::from_hours(1),
            orders: received,
            state: published,
            fatal: tell,
        };
        tokio::spawn(sequencer.run());
        let definitions = definitions(&site.genesis);
        Self { site, agent, definitions, keys, orders, fatal, state }
    }

    /// Asks for one statement to be logged; `None` when nobody answers any more.
    async fn ingest(&self, statement: &[u8]) -> Option<Result<Vec<Answer>, Refusal>> {
        let arrivals = vec![Arrival::check(statement.to_vec(), &self.keys)];
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Ingest { arrivals, reply }).await.ok()?;
        answer.await.ok()
    }
}

#[tokio::test]
async fn a_full_store_acknowledges_nothing_new_and_the_sequencer_stays_up() {
    let mut bench = Bench::new(|log| log.limit_pages(16).unwrap());
    let mut stored: Vec<Vec<u8>> = vec![];
    let (refused, refusal) = loop {
        let next = bench.agent.next(&bench.definitions);
        match bench.ingest(&next).await.unwrap() {
            Ok(answers) => assert!(matches!(answers[..], [Answer::Stored { again: false, .. }])),
            Err(refusal) => break (next, refusal),
        }
        stored.push(next);
        assert!(stored.len() < 1000, "the limit had no effect");
    };
    assert!(matches!(&refusal, Refusal::Full(text) if text.contains("disk is full")), "{refusal:?}");
    assert!(bench.fatal.try_recv().is_err(), "a full disk does not end the gateway");
    // What is logged is still acknowledged; what was refused is still refused, and not in the log.
    for (n, statement) in stored.iter().enumerate() {
        let answers = bench.ingest(statement).await.unwrap().unwrap();
        let want = u64::try_from(n).unwrap() + 1;
        assert!(matches!(answers[..], [Answer::Stored { again: true, index, .. }] if index == want));
    }
    assert!(matches!(bench.ingest(&refused).await.unwrap(), Err(Refusal::Full(_))));
    let mut log = SqliteLog::open(&Bench::log_file(&bench.site)).unwrap();
    assert_eq!(log.head().unwrap().size, stored.len() as u64 + 1);
    assert_eq!(bench.state.borrow_and_update().head, log.head().unwrap());
    tlog::recheck::recheck(&mut log).unwrap();
}

#[tokio::test]
async fn an_outcome_that_cannot_be_known_is_acknowledged_to_nobody_and_ends_the_gateway() {
    let mut bench = Bench::new(|_| {});
    let first = bench.agent.next(&bench.definitions);
    bench.ingest(&first).await.unwrap().unwrap();
    // Another process writes to the log: what the sequencer holds in memory is no longer what is stored.
    let mut other = SqliteLog::open(&Bench::log_file(&bench.site)).unwrap();
    let head = other.head().unwrap();
    let to = Head { size: head.size, root: [9; 32] };
    let batch = tlog::Batch { from: head, to, entries: vec![], streams: vec![], tiles: vec![], newer: None };
    other.commit(&batch).unwrap();
    let second = bench.agent.next(&bench.definitions);
    assert!(matches!(bench.ingest(&second).await.unwrap(), Err(Refusal::Unknown(_))));
    assert!(bench.fatal.recv().await.unwrap().contains("another process"));
    assert!(bench.ingest(&first).await.is_none(), "the sequencer has ended");
}

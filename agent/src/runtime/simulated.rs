//! One agent without threads, sockets or clocks of its own, for the simulation under `tests/simulation`.
//!
//! Everything that decides or stores is the product's: the core, the window engine, the spool, the uplink with
//! its cursor, anchoring and sealing. What stands here instead of the runtime is only when each of them gets its
//! turn: the loops of the core's thread and of the uplink's task, which wait for real time, are not run.

use super::board::Board;
use super::core::{Core, CoreError, Work};
use super::cursor::Pusher;
use super::links::{Input as Incoming, Message, News};
use super::progress::Progress;
use super::project::Project;
use super::start::{RunError, SPOOL_FILE, places, rebuild};
use super::uplink::UplinkTask;
use super::{SharedSpool, facts};
use crate::configuration::Configuration;
use crate::status::ProjectStatus;
use crate::uplink_client::Client;
use crate::uplink_client::carried::Carrier;
use crate::window::Boot;
use evidence::Hash;
use evidence::key::SigningKey;
use observation::{Clock, Observation};
use protocols::Batch;
use protocols::backoff::Backoff;
use spool::faulty::{Faults, Faulty};
use spool::keep::Keep;
use spool::{Limit, Spool, Statement};
use std::pin::Pin;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// What an agent is started with.
#[derive(Debug)]
pub struct Parts {
    /// One link, one project.
    pub configuration: Configuration,
    /// Its key.
    pub key: Arc<SigningKey>,
    /// Where time comes from.
    pub clock: Arc<dyn SimulatedClock>,
    /// The network to the gateway.
    pub carrier: Arc<dyn Carrier>,
    /// Lets its disk fail.
    pub faults: Faults,
    /// A client to take over; making one is slow.
    pub client: Client,
}

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// As the program would say.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The rows of the start.
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// A clock that can be printed.
pub trait SimulatedClock: Clock + std::fmt::Debug {}

/// What is remembered between rounds of the uplink.
struct Uplink {
    pusher: Pusher,
    backoff: Backoff,
    looked: bool,
}

/// What a round of the uplink came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Statements: when to come again; none while nothing waits.
    Pushed(Option<Duration>),
    /// The log was looked at: when to look again.
    Sealed(Duration),
    /// There is no core any more.
    Ending,
}

type Turn = Pin<Box<dyn Future<Output = (Uplink, Round)>>>;

/// A running agent. Dropping it is the end of its process.
pub struct Agent {
    core: Core,
    task: Arc<UplinkTask>,
    uplink: Option<Uplink>,
    turn: Option<Turn>,
    store: SharedSpool,
    project: Arc<Project>,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("project", &self.project.id()).finish_non_exhaustive()
    }
}

impl Agent {
    /// Starts as the program does: opens the spool, rebuilds the stream, writes the rows of the start.
    pub fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts { configuration, key, clock, carrier, faults, client } = parts;
        let clock: Arc<dyn Clock> = clock;
        let project = Project::load(&configuration, &configuration.uplinks[0], key.public());
        let project = Arc::new(project.map_err(RunError::from)?);
        let projects = vec![Arc::clone(&project)];
        let boot = Boot {
            at: clock.now(),
            version: "simulated".to_owned(),
            binary: [7; 32],
            configuration: configuration.hash,
        };
        let data_dir = configuration.agent.data_dir.clone();
        let intact = |bytes: &[u8], leaf: &spool::Hash| evidence::hash::leaf(bytes) == *leaf;
        let opened = spool::open(&data_dir.join(SPOOL_FILE), configuration.spool.max_bytes, &intact);
        let opened = opened.map_err(RunError::from)?;
        let spool = Spool::new(Box::new(Faulty::new(opened.store, faults))).map_err(RunError::from)?;
        let streams = rebuild(spool, opened.damage.as_ref(), Progress::open(&data_dir), &projects, &boot)?;
        let store: SharedSpool = Arc::new(Mutex::new(streams.spool));
        let board = Arc::new(Board::new(&configuration, clock.now().utc));
        let (core_sender, incoming) = mpsc::channel();
        let (trusted_sender, trusted) = watch::channel(streams.trusted_s);
        let (on_link, of_point) = places(&configuration, &projects);
        let signed = Arc::new(Notify::new());
        let kid = key.public().kid();
        let task = Arc::new(UplinkTask {
            index: 0,
            project: Arc::clone(&project),
            kid,
            client: client.carried_by(carrier),
            store: Arc::clone(&store),
            core: core_sender,
            board: Arc::clone(&board),
            clock: Arc::clone(&clock),
            signed: Arc::clone(&signed),
            trusted: trusted_sender,
            closing: CancellationToken::new(),
            stop: CancellationToken::new(),
        });
        let core = Core {
            streams: streams.streams,
            store: Arc::clone(&store),
            clock,
            board,
            incoming,
            tasks: super::tasks::Tasks::new(1),
            receipts: vec![tokio::sync::mpsc::unbounded_channel().0],
            on_link,
            of_point,
            key,
            agent: configuration.agent.id.clone(),
            every: configuration.raw.journal,
            keep: Keep {
                statement_bytes: configuration.spool.max_bytes,
                raw_bytes: configuration.raw.max_bytes,
                retention_ms: i64::try_from(configuration.raw.retention.as_millis()).unwrap_or(i64::MAX),
            },
            progress: streams.progress,
            generation: watch::channel(0).0,
            signed: vec![signed],
            boot,
            trusted,
            work: Work::default(),
        };
        let backoff = Backoff::new(u64::from_be_bytes(kid.0[..8].try_into().unwrap_or_default()));
        let uplink = Some(Uplink { pusher: Pusher::default(), backoff, looked: false });
        let mut agent = Self { core, task, uplink, turn: None, store, project };
        agent.core.begin(streams.first)?;
        agent.tell(News::Up(agent.core.clock.now()));
        Ok(agent)
    }

    fn tell(&mut self, news: News) {
        // One message at a time: nothing waits.
        let permits = Arc::new(Semaphore::new(1));
        if let Ok(permit) = permits.try_acquire_owned() {
            self.core.take(Message::new(0, news, permit));
        }
    }

    /// The link has read something.
    pub fn observe(&mut self, observations: Vec<Observation>) {
        self.tell(News::Batch(Batch::of(observations)));
    }

    /// The core's step: journal, windows, statements.
    pub fn step(&mut self) -> Result<(), CoreError> {
        self.core.step()
    }

    /// Prunes what may go.
    pub fn maintain(&mut self) -> Result<(), CoreError> {
        self.core.maintain()
    }

    /// Ends in order, as by SIGTERM, without a last push.
    pub fn finish(self) -> Result<(), CoreError> {
        self.core.finish()
    }

    /// Whether a round of the uplink is under way.
    pub fn is_busy(&self) -> bool {
        self.turn.is_some()
    }

    /// Begins to push, or to look where the stream stands when that has not been done yet.
    pub fn begin_push(&mut self) {
        let Some(mut uplink) = self.uplink.take() else { return };
        let task = Arc::clone(&self.task);
        self.turn = Some(Box::pin(async move {
            let Uplink { pusher, backoff, looked } = &mut uplink;
            let round = match task.round(pusher, looked, backoff).await {
                Ok(pause) => Round::Pushed(pause),
                Err(_) => Round::Ending,
            };
            (uplink, round)
        }));
    }

    /// Begins to look at the log; says no before the first look at the stream.
    pub fn begin_seal(&mut self) -> bool {
        let Some(uplink) = self.uplink.take_if(|uplink| uplink.looked) else { return false };
        let task = Arc::clone(&self.task);
        self.turn = Some(Box::pin(async move {
            let next = task.seal_and_report().await;
            (uplink, Round::Sealed(next))
        }));
        true
    }

    /// Goes on with the round that is under way, as far as the network lets it.
    pub fn poll(&mut self) -> Result<Option<Round>, CoreError> {
        loop {
            let Some(turn) = &mut self.turn else { return Ok(None) };
            let polled = turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready((uplink, round)) = polled {
                (self.turn, self.uplink) = (None, Some(uplink));
                return Ok(Some(round));
            }
            let Ok(incoming) = self.core.incoming.try_recv() else { return Ok(None) };
            if let Incoming::Command(command) = incoming {
                self.core.obey(command)?;
            }
        }
    }

    /// What the status page shows of the project.
    pub fn status(&self) -> ProjectStatus {
        let status = self.task.board.status(self.core.clock.now().utc);
        status.projects.into_iter().next().unwrap_or_default()
    }

    /// Where the stream stands in the spool.
    pub fn place(&self) -> Result<spool::Stream, spool::StoreError> {
        super::core::lock(&self.store).stream(self.project.id())
    }

    /// Statements from `from` on.
    pub fn statements(&self, from: u64) -> Result<Vec<Statement>, spool::StoreError> {
        let all = Limit { items: usize::MAX, bytes: usize::MAX };
        super::core::lock(&self.store).statements(self.project.id(), from, all)
    }

    /// Receipt of a statement.
    pub fn receipt(&self, seq: u64) -> Result<Option<Vec<u8>>, spool::StoreError> {
        super::core::lock(&self.store).receipt(self.project.id(), seq)
    }

    /// Statements that are stored and not sealed.
    pub fn unsealed(&self) -> Result<usize, spool::StoreError> {
        Ok(super::core::lock(&self.store).unsealed(self.project.id(), usize::MAX)?.len())
    }

    /// End of the last window that was signed or declared lost, UTC ms.
    pub fn signed_until(&self) -> Result<Option<i64>, spool::StoreError> {
        let mut spool = super::core::lock(&self.store);
        facts::number(&mut **spool, self.project.id(), facts::END)
    }

    /// Leaf of the statement before the next.
    pub fn head(&self) -> Result<Option<Hash>, spool::StoreError> {
        Ok(self.place()?.head)
    }

    /// Why nothing is stored or why the log is not believed, if so.
    pub fn alarm(&self) -> Option<String> {
        self.status().alarm
    }
}

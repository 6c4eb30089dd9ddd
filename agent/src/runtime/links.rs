//! One task a link: connects, reads, pauses after a failure, connects again. A slow, dead or hostile device
//! costs its own link and nothing else, and a panic in a protocol's code ends one session.
//!
//! ```text
//!  link task ──(at most WAITING messages each)──▶ core thread
//!            ◀──── receipts, after the journal's commit
//! ```
//!
//! Nothing is dropped here: when the core lags, the link waits, and polls that were not made are counted as
//! missed by the window engine.

use super::board::Board;
use observation::{Clock, Instant, Observation, Reason};
use protocols::backoff::Backoff;
use protocols::{Batch, Link, LinkError, Receipt, Source};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Messages of one link that may wait for the core.
const WAITING: usize = 8;
/// How long a session must have lived before its end counts as a first failure again.
const PROVEN: Duration = Duration::from_secs(30);

/// What a link tells the core.
#[derive(Debug)]
pub(crate) struct Message {
    /// Number of the link's task, see [`super::tasks`].
    pub(crate) task: usize,
    /// What.
    pub(crate) news: News,
    /// Given back when the core has taken the message.
    _permit: OwnedSemaphorePermit,
}

impl Message {
    /// News that holds `permit` until the core has taken it.
    pub(crate) fn new(task: usize, news: News, permit: OwnedSemaphorePermit) -> Self {
        Self { task, news, _permit: permit }
    }
}

/// What happened on a link.
#[derive(Debug)]
pub(crate) enum News {
    /// A session stands.
    Up(Instant),
    /// It ended, or could not be opened; with every point marked as disconnected in the second case.
    Down(Instant, Vec<Observation>),
    /// Something was read.
    Batch(Batch),
}

/// Everything a link's task needs.
pub(crate) struct LinkTask {
    /// Its number, see [`super::tasks`].
    pub(crate) task: usize,
    /// Id of the link, for messages.
    pub(crate) id: String,
    pub(crate) link: Arc<dyn Link>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) core: mpsc::Sender<Input>,
    pub(crate) receipts: tokio::sync::mpsc::UnboundedReceiver<Receipt>,
    pub(crate) board: Arc<Board>,
    /// Changes when every session has to begin anew, because observations were lost.
    pub(crate) generation: watch::Receiver<u64>,
    pub(crate) stop: CancellationToken,
}

/// What reaches the core thread.
#[derive(Debug)]
pub(crate) enum Input {
    /// From a link.
    Link(Message),
    /// From an uplink.
    Command(super::order::Command),
    /// Another configuration.
    Switch(Box<super::switch::Switch>),
}

/// Why a session ended.
enum End {
    Failed(LinkError),
    Restart,
    Stop,
}

impl LinkTask {
    /// Runs until it is stopped or the core is gone.
    pub(crate) async fn run(mut self) {
        let permits = Arc::new(Semaphore::new(WAITING));
        // The jitter needs no secrecy, only difference between links and boxes.
        let seed = self.clock.now().utc.0.cast_unsigned().wrapping_add(self.task as u64 * 7919);
        let mut backoff = Backoff::new(seed);
        while !self.stop.is_cancelled() {
            let began = self.clock.now();
            let end = self.session(&permits).await;
            match end {
                End::Stop => break,
                End::Restart => {}
                End::Failed(error) => {
                    if self.clock.now().mono.since(began.mono) >= super::clock::millis(PROVEN) {
                        backoff.succeeded();
                    }
                    let pause = backoff.failed();
                    self.board.link_failed(self.task, &error, self.clock.now().utc, pause);
                    // One that nobody answers on may never have a batch to show it with.
                    self.board.link_busy(self.task, self.link.busy_permille());
                    tracing::warn!(link = self.id, %error, "link failed");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.stop.cancelled() => break,
                    }
                }
            }
        }
    }

    async fn session(&mut self, permits: &Arc<Semaphore>) -> End {
        self.generation.mark_unchanged();
        let connected = tokio::select! {
            connected = self.connect() => connected,
            () = self.stop.cancelled() => return End::Stop,
        };
        let mut source = match connected {
            Ok(source) => source,
            Err(error) => {
                let at = self.clock.now();
                let lost = |point: &_| Observation::bad(*point, Reason::Disconnected, at);
                let lost = self.link.points().iter().map(lost).collect();
                return self.tell(permits, News::Down(at, lost)).await.unwrap_or(End::Failed(error));
            }
        };
        let up = self.clock.now();
        self.board.link_up(self.task, up.utc);
        if let Some(end) = self.tell(permits, News::Up(up)).await {
            return end;
        }
        let end = self.read(&mut *source, permits).await;
        drop(source);
        let down = News::Down(self.clock.now(), vec![]);
        self.tell(permits, down).await.unwrap_or(end)
    }

    /// Connects in a task of its own, so that a panic there is an error here.
    async fn connect(&self) -> Result<Box<dyn Source>, LinkError> {
        let (link, clock) = (Arc::clone(&self.link), Arc::clone(&self.clock));
        let task = AbortOnDropHandle::new(tokio::spawn(async move { link.connect(clock).await }));
        task.await.unwrap_or_else(|_| Err(panicked()))
    }

    async fn read(&mut self, source: &mut dyn Source, permits: &Arc<Semaphore>) -> End {
        loop {
            let step = {
                let next = std::panic::AssertUnwindSafe(source.next());
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return End::Stop,
                    changed = self.generation.changed() => {
                        return if changed.is_ok() { End::Restart } else { End::Stop };
                    }
                    Some(receipt) = self.receipts.recv() => Step::Acknowledge(receipt),
                    batch = futures::FutureExt::catch_unwind(next) => {
                        Step::Took(batch.unwrap_or_else(|_| Err(panicked())))
                    }
                }
            };
            let result = match step {
                Step::Acknowledge(receipt) => source.acknowledge(receipt).await,
                Step::Took(Ok(batch)) => {
                    let aside = self.link.put_aside();
                    self.board.link_read(self.task, &batch, aside, self.clock.now().utc);
                    self.board.link_busy(self.task, self.link.busy_permille());
                    match self.tell(permits, News::Batch(batch)).await {
                        Some(end) => return end,
                        None => Ok(()),
                    }
                }
                Step::Took(Err(error)) => Err(error),
            };
            if let Err(error) = result {
                return End::Failed(error);
            }
        }
    }

    /// Hands news to the core, waiting for room. An end when the core is gone.
    async fn tell(&self, permits: &Arc<Semaphore>, news: News) -> Option<End> {
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else { return Some(End::Stop) };
        let message = Message::new(self.task, news, permit);
        self.core.send(Input::Link(message)).err().map(|_| End::Stop)
    }
}

enum Step {
    Acknowledge(Receipt),
    Took(Result<Batch, LinkError>),
}

fn panicked() -> LinkError {
    LinkError::Broken {
        address: "the link".to_owned(),
        detail: "its session ended by a panic, which is a fault of this program".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::fixture;
    use async_trait::async_trait;
    use observation::{Mono, PointId, Utc};
    use protocols::Expectation;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::Receiver;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Instant {
            Instant { utc: Utc(9), mono: Mono(9) }
        }
    }

    /// What a session does when it is asked for the next batch.
    #[derive(Clone, Copy, Debug)]
    enum Kind {
        /// Reads something, with a receipt.
        Reads,
        /// Never answers.
        Hangs,
        /// Panics, as a protocol's crate may.
        Panics,
        /// Panics while connecting.
        PanicsAtOnce,
        /// Is lost, without a batch.
        Fails,
    }

    struct Wire {
        kind: Kind,
        sessions: Arc<AtomicUsize>,
        acknowledged: Arc<AtomicUsize>,
    }

    struct Session(Kind, Arc<AtomicUsize>);

    #[async_trait]
    impl Link for Wire {
        async fn connect(&self, _clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
            self.sessions.fetch_add(1, Ordering::SeqCst);
            assert!(!matches!(self.kind, Kind::PanicsAtOnce), "as a protocol's crate may");
            Ok(Box::new(Session(self.kind, Arc::clone(&self.acknowledged))))
        }

        fn points(&self) -> &[PointId] {
            &[PointId(0)]
        }

        fn expectation(&self, _point: PointId) -> Expectation {
            Expectation::Polled { every_ms: 1000 }
        }

        fn busy_permille(&self) -> Option<u16> {
            Some(430)
        }
    }

    #[async_trait]
    impl Source for Session {
        async fn next(&mut self) -> Result<Batch, LinkError> {
            match self.0 {
                Kind::Reads => {
                    tokio::task::yield_now().await;
                    Ok(Batch { receipt: Some(Receipt::new(1)), ..Batch::default() })
                }
                Kind::Hangs => std::future::pending().await,
                Kind::Fails => Err(LinkError::Timeout {
                    address: "tcp://a".to_owned(),
                    request: "unit 1".to_owned(),
                    waited_ms: 300,
                }),
                Kind::Panics | Kind::PanicsAtOnce => panic!("as a protocol's crate may"),
            }
        }

        async fn acknowledge(&mut self, _receipt: Receipt) -> Result<(), LinkError> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    struct Rig {
        core: Receiver<Input>,
        receipts: tokio::sync::mpsc::UnboundedSender<Receipt>,
        generation: watch::Sender<u64>,
        stop: CancellationToken,
        sessions: Arc<AtomicUsize>,
        acknowledged: Arc<AtomicUsize>,
        board: Arc<Board>,
        task: tokio::task::JoinHandle<()>,
    }

    fn start(kind: Kind) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let board = Arc::new(Board::new(&fixture::configuration(dir.path()), Utc(0)));
        let (sender, core) = mpsc::channel();
        let (receipts, receiver) = tokio::sync::mpsc::unbounded_channel();
        let (generation, generations) = watch::channel(0);
        let (stop, sessions, acknowledged) = (CancellationToken::new(), Arc::default(), Arc::default());
        let link = Wire { kind, sessions: Arc::clone(&sessions), acknowledged: Arc::clone(&acknowledged) };
        let task = LinkTask {
            task: 0,
            id: "meters".to_owned(),
            link: Arc::new(link),
            clock: Arc::new(Still),
            core: sender,
            receipts: receiver,
            board: Arc::clone(&board),
            generation: generations,
            stop: stop.clone(),
        };
        let task = tokio::spawn(task.run());
        Rig { core, receipts, generation, stop, sessions, acknowledged, board, task }
    }

    impl Rig {
        /// The next news, in a word; the message is given back at once, as the core does.
        async fn news(&self) -> &'static str {
            loop {
                match self.core.try_recv() {
                    Ok(Input::Link(message)) => {
                        return match message.news {
                            News::Up(_) => "up",
                            News::Down(_, lost) if lost.is_empty() => "down",
                            News::Down(..) => "down with its points",
                            News::Batch(_) => "batch",
                        };
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        }
    }

    #[tokio::test]
    async fn a_panic_ends_its_session_and_the_link_connects_again() {
        let rig = start(Kind::Panics);
        for _ in 0..2 {
            assert_eq!(rig.news().await, "up");
            assert_eq!(rig.news().await, "down");
        }
        assert!(rig.sessions.load(Ordering::SeqCst) >= 2);
    }

    #[tokio::test]
    async fn a_session_that_cannot_be_opened_marks_every_point() {
        let rig = start(Kind::PanicsAtOnce);
        assert_eq!(rig.news().await, "down with its points");
        assert_eq!(rig.news().await, "down with its points");
    }

    #[tokio::test]
    async fn a_link_waits_for_a_core_that_lags_and_drops_nothing() {
        let rig = start(Kind::Reads);
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let mut waiting = vec![];
        while let Ok(message) = rig.core.try_recv() {
            waiting.push(message);
        }
        assert_eq!(waiting.len(), WAITING, "up and as many batches as may wait");
        drop(waiting);
        assert_eq!(rig.news().await, "batch");
    }

    #[tokio::test]
    async fn receipts_reach_the_session_that_made_them() {
        let rig = start(Kind::Hangs);
        assert_eq!(rig.news().await, "up");
        rig.receipts.send(Receipt::new(1)).unwrap();
        while rig.acknowledged.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn after_a_loss_every_session_begins_anew_without_a_pause() {
        let rig = start(Kind::Hangs);
        assert_eq!(rig.news().await, "up");
        rig.generation.send_modify(|generation| *generation += 1);
        assert_eq!(rig.news().await, "down");
        assert_eq!(rig.news().await, "up");
    }

    #[tokio::test]
    async fn pain_17_a_link_on_which_nobody_ever_answers_shows_how_busy_its_wire_is() {
        let rig = start(Kind::Fails);
        assert_eq!(rig.news().await, "up");
        assert_eq!(rig.news().await, "down");
        let shown = || rig.board.status(Utc(9)).links[0].clone();
        while shown().error.is_none() || shown().busy_permille.is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!((shown().busy_permille, shown().observations), (Some(430), 0));
    }

    #[tokio::test]
    async fn a_hanging_session_ends_when_it_is_told_to() {
        let rig = start(Kind::Hangs);
        assert_eq!(rig.news().await, "up");
        rig.stop.cancel();
        rig.task.await.unwrap();
        assert_eq!(rig.sessions.load(Ordering::SeqCst), 1);
    }
}

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
    /// Position of the link.
    pub(crate) link: usize,
    /// What.
    pub(crate) news: News,
    /// Given back when the core has taken the message.
    _permit: OwnedSemaphorePermit,
}

impl Message {
    /// News that holds `permit` until the core has taken it.
    pub(crate) fn new(link: usize, news: News, permit: OwnedSemaphorePermit) -> Self {
        Self { link, news, _permit: permit }
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
    pub(crate) index: usize,
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
        let seed = self.clock.now().utc.0.cast_unsigned().wrapping_add(self.index as u64 * 7919);
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
                    self.board.link_failed(self.index, &error, self.clock.now().utc, pause);
                    tracing::warn!(link = self.index, %error, "link failed");
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
        self.board.link_up(self.index, up.utc);
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
                    self.board.link_read(self.index, &batch, self.clock.now().utc);
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
        let message = Message::new(self.index, news, permit);
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

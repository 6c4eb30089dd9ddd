//! Runs an agent: tasks for links and uplinks, one core thread, one spool; starts them, watches them, ends them
//! in order.
//!
//! ```text
//!  link tasks ─▶ core thread ─▶ spool ─▶ uplink tasks ─▶ gateways
//!      ▲             │                        │
//!      └─ receipts ──┘   board ◀── everybody ─┘──▶ status page
//! ```

mod anchor;
mod board;
mod clock;
mod core;
mod cursor;
mod facts;
#[cfg(test)]
pub(crate) mod fixture;
mod links;
mod listener;
mod order;
mod progress;
mod project;
mod reload;
mod seal;
mod sealing;
mod sign;
#[cfg(feature = "simulation")]
pub mod simulated;
mod start;
mod stream;
mod switch;
mod tasks;
mod uplink;

pub use clock::SystemClock;
pub use core::CoreError;
pub use project::{Project, ProjectError};
pub use reload::Reloaded;
pub use seal::SealError;
pub(crate) use start::SPOOL_FILE;
pub use start::{AgentOptions, RunError, run};
pub use stream::StreamError;

use crate::status::Status;
use board::Board;
use observation::Clock;
use spool::{Spool, StoreError};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The one spool of a box. Held for one commit or one read at a time.
pub(crate) type SharedSpool = Arc<Mutex<Spool>>;

/// How long a closing agent may still send.
const CLOSING: Duration = Duration::from_secs(5);

/// Uses the spool away from the async threads, since it waits for the disk.
pub(crate) async fn with_spool<T: Send + 'static>(
    store: &SharedSpool,
    work: impl FnOnce(&mut Spool) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    #[cfg(feature = "simulation")]
    if tokio::runtime::Handle::try_current().is_err() {
        // A simulation has no threads to wait for.
        return work(&mut store.lock().unwrap_or_else(PoisonError::into_inner));
    }
    let store = Arc::clone(store);
    let done = tokio::task::spawn_blocking(move || {
        // A panic of another task leaves the spool as its last commit did.
        work(&mut store.lock().unwrap_or_else(PoisonError::into_inner))
    });
    match done.await {
        Ok(result) => result,
        Err(e) => Err(StoreError::Unknown { detail: format!("the task that wrote ended: {e}") }),
    }
}

/// A running agent. Dropping it ends it in the background, without waiting for anything to be sent.
pub struct AgentHandle {
    running: tokio::sync::Mutex<reload::Running>,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    status_address: Option<SocketAddr>,
    core: mpsc::Sender<links::Input>,
    /// Why the core ended by itself.
    ended: watch::Receiver<Option<String>>,
    links_stop: CancellationToken,
    uplinks_closing: CancellationToken,
    all_stop: CancellationToken,
    link_tasks: TaskTracker,
    uplink_tasks: TaskTracker,
}

/// How an agent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Statements that the gateways have not acknowledged; they are sent at the next start.
    pub waiting: u64,
    /// Why it could not go on, if it ended by itself.
    pub failure: Option<String>,
}

impl std::fmt::Debug for AgentHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentHandle").field("status_address", &self.status_address).finish_non_exhaustive()
    }
}

impl AgentHandle {
    /// How it fares now.
    pub fn status(&self) -> Status {
        self.board.status(self.clock.now().utc)
    }

    /// Where the status page listens, with the port the system chose.
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status_address
    }

    /// Waits until it ends by itself, which it does only when its store fails for good; says why.
    pub async fn failed(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "its core is gone".to_owned(),
        }
    }

    /// Ends it in order: the links first, then everything is written and signed, then what can be sent within a
    /// few seconds is sent. The open window stays on the box and is closed at the next start.
    pub async fn shutdown(self) -> Ended {
        self.links_stop.cancel();
        self.link_tasks.close();
        self.link_tasks.wait().await;
        let (done, written) = oneshot::channel();
        let stop = order::Command { project: 0, order: order::Order::Stop, done };
        if self.core.send(links::Input::Command(stop)).is_ok() {
            // An error is the core's own end, which `ended` tells.
            let _ = written.await;
        }
        self.uplinks_closing.cancel();
        self.uplink_tasks.close();
        let _ = tokio::time::timeout(CLOSING, self.uplink_tasks.wait()).await;
        self.all_stop.cancel();
        self.uplink_tasks.wait().await;
        let waiting = self.status().projects.iter().map(|p| p.waiting).sum();
        let failure = self.ended.borrow().clone();
        Ended { waiting, failure }
    }
}

impl Drop for AgentHandle {
    fn drop(&mut self) {
        self.links_stop.cancel();
        self.all_stop.cancel();
    }
}

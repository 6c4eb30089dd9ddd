//! The session as the agent sees it: batches as they came, then one bad observation a point, then the error.

use std::time::Duration;

use async_trait::async_trait;
use observation::{Clock, Observation, PointId, Reason};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::feed::{Heard, Waiting};
use super::status;
use crate::{Batch, LinkError, Receipt, Source};

/// One live subscription. Dropping it closes the session on the server.
pub(super) struct Subscribed {
    pub address: String,
    pub points: Vec<PointId>,
    pub clock: Arc<dyn Clock>,
    pub heard: mpsc::Receiver<Heard>,
    pub waiting: Waiting,
    pub fault: watch::Receiver<Option<LinkError>>,
    /// What was known when the subscription stood: points the server refused.
    pub first: Option<Batch>,
    /// The last sign of life.
    pub last: Instant,
    /// Silence that ends the session.
    pub dead_after: Duration,
    pub failed: Option<LinkError>,
    pub _open: DropGuard,
}

enum Next {
    Heard(Heard),
    Over(LinkError),
}

#[async_trait]
impl Source for Subscribed {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        match self.wait().await {
            Next::Heard(heard) => {
                self.last = heard.at;
                self.waiting.leave(&heard.batch);
                Ok(heard.batch)
            }
            Next::Over(error) => Ok(self.give_up(error)),
        }
    }

    /// OPC UA's acknowledgement is of the wire, not of our journal: it was given when the values came.
    async fn acknowledge(&mut self, _receipt: Receipt) -> Result<(), LinkError> {
        Ok(())
    }
}

impl Subscribed {
    /// What came before the fault is handed out before the fault.
    async fn wait(&mut self) -> Next {
        let dead = self.last + self.dead_after;
        tokio::select! {
            biased;
            Some(heard) = self.heard.recv() => Next::Heard(heard),
            error = raised(&mut self.fault) => Next::Over(error),
            () = tokio::time::sleep_until(dead) => {
                Next::Over(status::timeout(self.address.clone(), "with a value or a sign of life".to_owned(), self.dead_after))
            }
        }
    }

    fn give_up(&mut self, error: LinkError) -> Batch {
        let now = self.clock.now();
        let reason = match error {
            LinkError::Timeout { .. } => Reason::Timeout,
            _ => Reason::Disconnected,
        };
        self.failed = Some(error);
        Batch::of(self.points.iter().map(|point| Observation::bad(*point, reason, now)).collect())
    }
}

async fn raised(fault: &mut watch::Receiver<Option<LinkError>>) -> LinkError {
    let error = match fault.wait_for(Option::is_some).await {
        Ok(error) => error.clone(),
        Err(_) => None,
    };
    match error {
        Some(error) => error,
        // Nobody is left who could raise one; silence decides.
        None => std::future::pending().await,
    }
}

//! Runs the stack's event loop of one session, and says once why it is over.
//!
//! The stack's own reconnection is never used; the first lost connection is the end. Why: see [`super::session`].

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use opcua::client::{Session, SessionPollResult, SubscriptionActivity};
use opcua::types::StatusCode;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::feed::Fault;
use super::guard::Finding;
use super::status;
use crate::LinkError;

/// Runs until the session is over or nobody wants it any more.
pub(super) struct Life {
    pub address: String,
    pub session: Arc<Session>,
    pub fault: Arc<Fault>,
    pub finding: Finding,
    /// How long the server may take to confirm the end.
    pub patience: Duration,
}

impl Life {
    /// `ready` hears when the session stands, or with which code it did not come to that.
    pub(super) async fn run(
        self,
        events: impl Stream<Item = Result<SessionPollResult, StatusCode>>,
        ready: oneshot::Sender<Result<(), StatusCode>>,
        open: CancellationToken,
    ) {
        let mut events = std::pin::pin!(events);
        let mut ready = Some(ready);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = open.cancelled() => {
                    self.close(events).await;
                    return;
                }
            };
            let over = match event {
                Some(Ok(SessionPollResult::Reconnected(_))) if ready.is_some() => {
                    // Whoever waited may have given up; the token says so.
                    let _ = ready.take().map(|ready| ready.send(Ok(())));
                    continue;
                }
                Some(
                    Ok(SessionPollResult::ConnectionLost(code) | SessionPollResult::ReconnectFailed(code))
                    | Err(code),
                ) => code,
                Some(Ok(SessionPollResult::Subscription(activity))) => match activity {
                    SubscriptionActivity::FatalFailure(code) => code,
                    SubscriptionActivity::PublishFailed(code) if code == StatusCode::BadNoSubscription => {
                        code
                    }
                    _ => continue,
                },
                Some(Ok(_)) => continue,
                None => StatusCode::BadConnectionClosed,
            };
            match ready.take() {
                Some(ready) => drop(ready.send(Err(over))),
                None => self.fault.raise(self.finding.get().unwrap_or_else(|| LinkError::Broken {
                    address: self.address.clone(),
                    detail: format!("the session ended: {}", status::name(over)),
                })),
            }
            return;
        }
    }

    /// Tells the server that the session is over, so that it does not keep one of its few for us.
    async fn close(&self, mut events: impl Stream<Item = Result<SessionPollResult, StatusCode>> + Unpin) {
        let closing = async {
            tokio::join!(self.session.disconnect(), async { while let Some(Ok(_)) = events.next().await {} })
        };
        if tokio::time::timeout(self.patience, closing).await.is_err() {
            tracing::debug!(link = %self.address, "the server did not confirm the end of the session");
        }
    }
}

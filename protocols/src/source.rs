//! The one seam between the agent and every device protocol: a [`Link`] is what the configuration
//! describes, a [`Source`] is one live session of it.
//!
//! What it does not do: it holds no retry loop and no last values. A source that has failed is dropped
//! and built anew by its owner, after the pause [`crate::backoff::Backoff`] gives; a failed read is an
//! observation with bad quality, never the previous value.

use std::sync::Arc;

use async_trait::async_trait;
use observation::{Clock, Instant, Observation, PointId};

/// What a source yields at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which the answers arrived.
    pub observations: Vec<Observation>,
    /// The session is unbroken up to this moment (keep-alives and sequence numbers without a gap), so a
    /// subscribed point that has not been mentioned since still has its value.
    pub alive: Option<Instant>,
    /// To be handed to [`Source::acknowledge`] once the observations are durable.
    pub receipt: Option<Receipt>,
}

impl Batch {
    /// A batch that needs no acknowledgement and confirms nothing beyond its observations.
    pub fn of(observations: Vec<Observation>) -> Self {
        Self { observations, alive: None, receipt: None }
    }
}

/// How many batches with a receipt their owner may hold before it makes them durable and acknowledges the
/// last, even if its journal is not due: some brokers send no more than 20 messages beyond those
/// acknowledged, and would stand still until then.
pub const MOST_UNACKNOWLEDGED: usize = 16;

/// Names the messages of one batch to the source that made it. It has no meaning to anybody else, and
/// none after that source is gone: the peer then delivers its messages again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(u64);

impl Receipt {
    /// Used by protocols; the number is theirs to choose.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number it was made of.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// How often a point is due to be heard of, from which its owner tells fresh from stale and counts the
/// observations it should have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Asked for once an interval, at multiples of it in UTC. Valid for less than two intervals.
    Polled {
        /// The interval, ms.
        every_ms: u64,
    },
    /// Sent by the server on change; silence is confirmed by [`Batch::alive`]. Valid for three keep-alives.
    Subscribed {
        /// The longest time between two signs of life, ms.
        keep_alive_ms: u64,
    },
    /// Sent by whoever publishes it, whenever that pleases. Valid as long as the configuration says.
    Published {
        /// Age at which the last value is no longer believed, ms.
        stale_after_ms: u64,
    },
}

/// One live session with a machine, meter, server or broker.
///
/// Its owner drops it after the first error: nothing it says afterwards may be believed.
#[async_trait]
pub trait Source: Send {
    /// Waits for the next batch. Cancel safe: a call that is dropped loses no observation. Before an error
    /// is returned, the points it concerns have been yielded once with bad quality.
    async fn next(&mut self) -> Result<Batch, LinkError>;

    /// Says that the batch with this receipt is durable, and with it all that came before. A receipt may be
    /// given more than once; a source whose protocol has no acknowledgement ignores it.
    async fn acknowledge(&mut self, receipt: Receipt) -> Result<(), LinkError>;
}

/// One connection as configured: knows what to read, holds no socket.
#[async_trait]
pub trait Link: Send + Sync {
    /// Opens a session. It ends by itself within the link's time-outs. On an error nothing has been
    /// yielded, so the caller records every point of [`Self::points`] as disconnected.
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError>;

    /// Every point this link was configured with.
    fn points(&self) -> &[PointId];

    /// How often a point of [`Self::points`] is due to be heard of.
    fn expectation(&self, point: PointId) -> Expectation;
}

/// Why a session could not be opened or has ended. A device that answers "no" is not one of these: that
/// is an observation with bad quality.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nothing answers at the address.
    #[error("cannot connect to {address}: {detail}; check cable, address, port and firewall")]
    Connect {
        /// As configured.
        address: String,
        /// What the system said.
        detail: String,
    },
    /// The connection stands, but the answer did not come in time.
    #[error("{address} did not answer {request} within {waited_ms} ms; check the device, or raise `timeout`")]
    Timeout {
        /// As configured.
        address: String,
        /// What was asked.
        request: String,
        /// How long the answer was waited for, ms.
        waited_ms: u64,
    },
    /// The connection broke.
    #[error("connection to {address} broke: {detail}; it is opened again by itself")]
    Broken {
        /// As configured.
        address: String,
        /// What was seen.
        detail: String,
    },
    /// The peer does not want this session; trying again without a change will not help.
    #[error("{address} refused the session: {detail}; {advice}")]
    Refused {
        /// As configured.
        address: String,
        /// What the peer said.
        detail: String,
        /// The exact next step.
        advice: String,
    },
    /// The peer breaks the protocol, so nothing on this connection may be believed any more.
    #[error("{address} broke the protocol: {detail}; the connection was dropped, its answers discarded")]
    Protocol {
        /// As configured.
        address: String,
        /// What was wrong.
        detail: String,
    },
}

//! The one seam between the agent and every device protocol: a [`Link`] is what the configuration
//! describes, a [`Source`] is one live session of it.
//!
//! What it does not do: it holds no retry loop and no last values. A source that has failed is dropped
//! and built anew by its owner, after the pause [`crate::backoff::Backoff`] gives; a failed read is an
//! observation with bad quality, never the previous value.

use std::sync::Arc;
use std::time::Duration;

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

/// Names the messages of one batch to the source that made it. It has no meaning to anybody else, and
/// none after that source is gone: the peer then delivers its messages again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt {
    number: u64,
    at_once: bool,
}

impl Receipt {
    /// Used by protocols; the number is theirs to choose.
    pub fn new(number: u64) -> Self {
        Self { number, at_once: false }
    }

    /// The same, for a peer that will soon send nothing more before this is acknowledged: its owner makes
    /// the observations durable without waiting until its journal is due.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Whether the peer waits for it.
    pub fn is_at_once(self) -> bool {
        self.at_once
    }

    /// The number it was made of.
    pub fn number(self) -> u64 {
        self.number
    }
}

/// What a link was sent and made no observation of, since it was made. For people; evidence is what became
/// an observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutAside {
    /// Messages that a subscription to many topics brought and no point wants.
    pub unwanted: u64,
    /// Messages larger than this program takes; the points that wanted them were observed as bad.
    pub too_large: u64,
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

    /// How much of the last half minute or minute the wire was busy with being opened, with questions, answers
    /// and waiting for them, in thousandths, over all sessions. `None` where the protocol asks no questions, or
    /// before the first.
    fn busy_permille(&self) -> Option<u16> {
        None
    }

    /// What was sent and became no observation.
    fn put_aside(&self) -> PutAside {
        PutAside::default()
    }

    /// What the peer should be set to so that nothing is lost, in the operator's words, Chinese first, one
    /// line each; `commit` is the interval at which observations become durable.
    fn advice(&self, _commit: Duration) -> Vec<String> {
        Vec::new()
    }
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

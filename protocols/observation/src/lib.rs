//! The vocabulary every other crate shares: points, values, quality, observations and time.
//!
//! Nothing here does IO, reads a clock or draws randomness; nothing here knows a protocol, a window
//! or a signature. Numbers are exact decimals, because what is read here ends up being signed.

pub mod decimal;
pub mod quality;
pub mod time;

pub use decimal::{Decimal, DecimalError};
pub use quality::{Quality, Reason};
pub use time::{Mono, Utc};

use serde::{Deserialize, Serialize};

/// What a point was read as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A coil, discrete input or boolean node.
    Bool(bool),
    /// Any number. Integers stay integers; floats are taken at their shortest round-trip decimal.
    Number(Decimal),
    /// Text such as a programme name or serial number.
    Text(String),
}

impl Value {
    /// The number, with booleans read as 0 and 1, or nothing for text.
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Bool(b) => Some(Decimal::from(i64::from(*b))),
            Self::Number(n) => Some(*n),
            Self::Text(_) => None,
        }
    }
}

/// Index of a point among the points of one agent, given by the agent when it loads its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PointId(pub u32);

/// One attempt to learn a point's value, successful or not. A failed read is an observation with bad
/// quality and no value, never a hole and never the previous value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Which point.
    pub point: PointId,
    /// The value, exactly as read and scaled; always `None` when the quality is bad.
    pub value: Option<Value>,
    /// Whether the value may be believed, and if not, why.
    pub quality: Quality,
    /// The device's own time stamp, where the protocol carries one. A claim, not used for windows.
    pub source_time: Option<Utc>,
    /// The agent's UTC when the answer arrived (not when it was converted or sent).
    pub agent_time: Utc,
    /// The agent's monotonic clock at the same moment.
    pub mono: Mono,
}

impl Observation {
    /// An observation of a value that may be believed.
    pub fn good(point: PointId, value: Value, at: Instant) -> Self {
        Self {
            point,
            value: Some(value),
            quality: Quality::Good,
            source_time: None,
            agent_time: at.utc,
            mono: at.mono,
        }
    }

    /// An observation that the point could not be read.
    pub fn bad(point: PointId, reason: Reason, at: Instant) -> Self {
        Self {
            point,
            value: None,
            quality: Quality::Bad(reason),
            source_time: None,
            agent_time: at.utc,
            mono: at.mono,
        }
    }

    /// The same observation with the device's own time stamp.
    #[must_use]
    pub fn with_source_time(mut self, time: Option<Utc>) -> Self {
        self.source_time = time;
        self
    }
}

/// Both clocks read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instant {
    /// Wall clock.
    pub utc: Utc,
    /// Monotonic clock.
    pub mono: Mono,
}

/// Where time comes from. Passed in everywhere, so that a simulation can run months in seconds.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks, read together.
    fn now(&self) -> Instant;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }
}

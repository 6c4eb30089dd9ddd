//! What the window engine is fed with. The same records, in the same order, are the observation journal:
//! fed again after a crash they rebuild the identical open window.

use evidence::Hash;
use observation::{Instant, Mono, Observation};
use serde::{Deserialize, Serialize};

/// Position of a link in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkIndex(pub u32);

/// Something that happened on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A point was read, well or not.
    Observed(LinkIndex, Observation),
    /// The session is unbroken up to here ([`protocols::Batch::alive`]).
    Alive(LinkIndex, Instant),
    /// A session was established.
    Up(LinkIndex, Instant),
    /// The session ended, or could not be established.
    Down(LinkIndex, Instant),
}

impl Input {
    /// When it happened, on the monotonic clock.
    pub fn mono(&self) -> Mono {
        match self {
            Self::Observed(_, observation) => observation.mono,
            Self::Alive(_, at) | Self::Up(_, at) | Self::Down(_, at) => at.mono,
        }
    }
}

/// One record of the journal: what is committed together and applied together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A start of the program: everything known before it is over.
    Boot(Boot),
    /// Everything that happened up to a moment.
    Step {
        /// Those of one link in the order in which they came; links in any order.
        inputs: Vec<Input>,
        /// The moment of the commit. Inputs of a later record may be a little older, as they were on their way;
        /// one that is much older counts as if it had come later than it did.
        until: Instant,
    },
}

/// A start of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Both clocks at the start. The monotonic clock may have a new zero.
    pub at: Instant,
    /// Program version.
    pub version: String,
    /// SHA-256 of the program file.
    pub binary: Hash,
    /// Hash of the configuration in force from now on.
    pub configuration: Hash,
}

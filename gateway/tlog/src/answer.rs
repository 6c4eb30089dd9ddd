//! What a batch did: an answer to each statement, what is put aside, what an operator must look at.
//!
//! Words and HTTP belong to the gateway; these are facts.

use crate::keys::Defect;
use evidence::Hash;
use evidence::key::Kid;

/// What became of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is durable.
    Stored {
        /// Its number in the stream.
        seq: u64,
        /// Its index in the log.
        index: u64,
        /// Its leaf hash.
        leaf: Hash,
        /// It was there before; nothing was appended.
        again: bool,
    },
    /// Numbers before it are missing.
    Gap {
        /// Its number.
        seq: u64,
        /// The number the stream goes on with.
        expected: u64,
        /// Leaf hash of the stream's newest statement.
        head: Option<Hash>,
    },
    /// The stream is frozen.
    Frozen {
        /// The stream's key.
        kid: Kid,
        /// The statement's number.
        seq: u64,
    },
    /// Another statement holds its number. It is logged as proof and the stream is frozen from here on.
    Equivocation {
        /// The stream's key.
        kid: Kid,
        /// The number both statements carry.
        seq: u64,
        /// Where this one stands.
        index: u64,
    },
    /// It can never be logged.
    Never {
        /// Why.
        defect: Defect,
        /// Signer and number as it claims them.
        claim: Option<(Kid, u64)>,
    },
}

/// Something an operator must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A stream was frozen.
    Equivocation {
        /// Its key.
        kid: Kid,
        /// The number used twice.
        seq: u64,
        /// Where the second statement stands.
        index: u64,
    },
    /// An agent holds a checkpoint that is newer than this log: a backup was restored, or the agent errs.
    Behind {
        /// The agent's key.
        kid: Kid,
        /// Size of the checkpoint.
        size: u64,
    },
    /// An agent names a checkpoint of a size this log has, which this log does not contain: nothing is signed any
    /// more.
    ForeignCheckpoint {
        /// The agent's key.
        kid: Kid,
        /// Size of the checkpoint.
        size: u64,
    },
}

/// A statement that can never be logged, to be put aside outside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Why.
    pub defect: Defect,
    /// Signer and number as it claims them.
    pub claim: Option<(Kid, u64)>,
}

/// What a committed batch did.
#[derive(Debug, Default)]
pub struct Ingested {
    /// Per request, per statement in order; a request ends at its first statement that is not stored.
    pub answers: Vec<Vec<Answer>>,
    /// What can never be logged.
    pub aside: Vec<Aside>,
    /// What an operator must look at.
    pub alarms: Vec<Alarm>,
}

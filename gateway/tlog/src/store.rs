//! What the sequencer asks of a store. An implementation keeps bytes and guards the head; it knows no rule.
//!
//! The one promise that everything rests on: when [`Store::commit`] returns `Ok`, the whole batch survives a
//! power cut; when it returns [`CommitError::NotWritten`] or [`CommitError::Full`], nothing of it will ever
//! be seen. Whoever cannot say which of the two happened returns [`CommitError::Unknown`].

use crate::tree::HashTile;
use evidence::Hash;
use thiserror::Error;

/// Size and root of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub size: u64,
    /// Merkle root over them.
    pub root: Hash,
}

impl Head {
    /// The head of a log without entries.
    pub fn empty() -> Self {
        Self { size: 0, root: evidence::hash::sha256(b"") }
    }
}

/// What an entry is to the log itself, whatever it says about machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A statement in its stream's order.
    Plain,
    /// One that also changes who may sign (genesis, key, close); read again at every start.
    Control,
    /// The second statement under a number, logged as proof of equivocation. It has no other effect.
    Second,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index, from 0.
    pub index: u64,
    /// Thumbprint of the signing key; with the project it names the stream.
    pub kid: Hash,
    /// Its number in the stream.
    pub seq: u64,
    /// What it is to the log.
    pub part: Part,
    /// SHA-256(00‖bytes).
    pub leaf: Hash,
    /// The statement's bytes.
    pub bytes: Vec<u8>,
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// Thumbprint of its key.
    pub kid: Hash,
    /// The number its next statement must carry.
    pub next_seq: u64,
    /// Leaf hash of its newest statement, none before the first.
    pub head: Option<Hash>,
    /// Frozen after two different statements with one number.
    pub frozen: bool,
}

/// A checkpoint somebody says to hold that this log has not come to (after a restored backup).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newer {
    /// Its tree size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Everything one commit changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The head this batch was made for; the store refuses the batch when its own is another.
    pub from: Head,
    /// The head afterwards.
    pub to: Head,
    /// New entries, without holes from `from.size` to `to.size`.
    pub entries: Vec<Entry>,
    /// Stream heads that changed.
    pub streams: Vec<StreamHead>,
    /// Hash tiles that are new or grew.
    pub tiles: Vec<HashTile>,
    /// The newest checkpoint this log is known to be behind of.
    pub newer: Option<Newer>,
}

/// A published checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Tree size.
    pub size: u64,
    /// Root.
    pub root: Hash,
    /// Time of the operator's cosignature, UTC seconds.
    pub time_s: i64,
    /// The signed note.
    pub note: Vec<u8>,
}

impl Sealed {
    /// SHA-256 of the note, the name that window statements give it.
    pub fn hash(&self) -> Hash {
        evidence::hash::sha256(&self.note)
    }
}

/// What the sequencer keeps in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The log's head.
    pub head: Head,
    /// Every stream that has a statement.
    pub streams: Vec<StreamHead>,
    /// Every control entry, by index.
    pub control: Vec<Entry>,
    /// The newest checkpoint.
    pub sealed: Option<Sealed>,
    /// The newest checkpoint this log is known to be behind of.
    pub newer: Option<Newer>,
}

/// A store that cannot be read.
#[derive(Debug, Error)]
#[error("{place}: {detail}")]
pub struct StoreError {
    /// File and operation.
    pub place: String,
    /// What the store said.
    pub detail: String,
}

/// Why a commit did not succeed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// No room. Nothing was written; later attempts may succeed.
    #[error("{place}: the disk is full; free space, nothing was acknowledged and nothing is lost")]
    Full {
        /// File.
        place: String,
    },
    /// Nothing was written for another reason that may pass (a lock).
    #[error("{place}: not written: {detail}")]
    NotWritten {
        /// File.
        place: String,
        /// What the store said.
        detail: String,
    },
    /// The head is not the one the batch was made for: somebody else writes to this log.
    #[error("{place}: another process has written to this log; run one gateway a data directory")]
    Conflict {
        /// File.
        place: String,
    },
    /// Written or not: it cannot be known here. Acknowledge nobody and read the log again.
    #[error("{place}: it is unknown whether the commit was written: {detail}")]
    Unknown {
        /// File.
        place: String,
        /// What the store said.
        detail: String,
    },
}

/// Reading a log. Any number of readers beside the writer; each call sees the last commit.
pub trait Read {
    /// The head.
    fn head(&mut self) -> Result<Head, StoreError>;
    /// Entries `from..to` in order; fewer when the log ends before.
    fn entries(&mut self, from: u64, to: u64) -> Result<Vec<Entry>, StoreError>;
    /// Index and leaf of what is logged under one number of a stream; two after an equivocation.
    fn logged(&mut self, kid: &Hash, seq: u64) -> Result<Vec<(u64, Hash)>, StoreError>;
    /// A hash tile as wide as it is stored.
    fn tile(&mut self, level: u32, number: u64) -> Result<Option<Vec<u8>>, StoreError>;
    /// A stream's head.
    fn stream(&mut self, kid: &Hash) -> Result<Option<StreamHead>, StoreError>;
    /// The newest checkpoint.
    fn sealed(&mut self) -> Result<Option<Sealed>, StoreError>;
    /// A checkpoint by the SHA-256 of its note.
    fn sealed_by_hash(&mut self, note: &Hash) -> Result<Option<Sealed>, StoreError>;
    /// The first checkpoint with at least this size.
    fn sealed_from(&mut self, size: u64) -> Result<Option<Sealed>, StoreError>;
    /// Everything the sequencer needs at the start.
    fn load(&mut self) -> Result<Loaded, StoreError>;
}

/// Writing a log: one writer.
pub trait Store: Read + Send {
    /// Writes a batch, all or nothing, durable before it returns.
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError>;
    /// Writes a checkpoint, durable before it returns.
    fn seal(&mut self, sealed: &Sealed) -> Result<(), CommitError>;
}

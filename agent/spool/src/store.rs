//! The seam between the agent and the disk: few methods, so that a test can put a failing disk behind them.

use crate::change::Change;
use crate::error::StoreError;
use crate::keep::Oldest;

/// A SHA-256 value; this crate never computes one.
pub type Hash = [u8; 32];

/// A crash-safe store. Reading never changes anything.
pub trait Store: Send + std::fmt::Debug {
    /// Does all changes durably, or none. `number` is one above that of the last commit that took place; it
    /// becomes durable with the changes. After an error [`Self::committed`] says whether they took place.
    fn commit(&mut self, number: u64, changes: &[Change<'_>]) -> Result<(), StoreError>;

    /// Number of the last commit that took place, 0 before the first.
    fn committed(&mut self) -> Result<u64, StoreError>;

    /// Names of all streams.
    fn streams(&mut self) -> Result<Vec<String>, StoreError>;

    /// Where a stream stands; the default for one that has never been changed.
    fn stream(&mut self, stream: &str) -> Result<Stream, StoreError>;

    /// Statements from a number on, in order, without those that were given up.
    fn statements(&mut self, stream: &str, from: u64, limit: Limit) -> Result<Vec<Statement>, StoreError>;

    /// Statements that are stored and have no receipt yet, in order.
    fn unsealed(&mut self, stream: &str, max: usize) -> Result<Vec<Stored>, StoreError>;

    /// The receipt of a statement.
    fn receipt(&mut self, stream: &str, seq: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Journal rows from a position on, in order.
    fn journal(&mut self, stream: &str, from: u64, limit: Limit) -> Result<Vec<JournalRow>, StoreError>;

    /// A raw block.
    fn raw(&mut self, stream: &str, number: u64) -> Result<Option<RawBlock>, StoreError>;

    /// A fact.
    fn fact(&mut self, stream: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// What the whole box holds.
    fn usage(&mut self) -> Result<Usage, StoreError>;

    /// The oldest things that are candidates for pruning, at most `max` of each kind, oldest first.
    fn oldest(&mut self, max: usize) -> Result<Oldest, StoreError>;
}

/// Where a stream stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Number of the next statement.
    pub next_seq: u64,
    /// Leaf of the statement before it.
    pub head: Option<Hash>,
    /// The first statement that is not acknowledged as stored.
    pub send_from: u64,
    /// Position of the next journal row.
    pub journal_next: u64,
    /// Number of the next raw block.
    pub raw_next: u64,
    /// Bytes of journal rows held.
    pub journal_bytes: u64,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its number.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its index in the log, as far as the gateway has told it. A rewind does not forget it.
    pub index: Option<u64>,
    /// The statement.
    pub bytes: Vec<u8>,
}

/// A statement's place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its index in the log.
    pub index: u64,
}

/// A journal row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Its position.
    pub position: u64,
    /// Opaque.
    pub row: Vec<u8>,
}

/// A raw block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBlock {
    /// Its leaf hash.
    pub leaf: Hash,
    /// First moment in it, UTC ms.
    pub from_ms: i64,
    /// Last moment in it, UTC ms.
    pub to_ms: i64,
    /// Salt and content.
    pub bytes: Vec<u8>,
}

/// How much to read at a time. At least one item is read, however large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Most items.
    pub items: usize,
    /// Most bytes of their content.
    pub bytes: usize,
}

/// What the whole box holds, bytes of content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Statements, sealed or not.
    pub statement_bytes: u64,
    /// Statements that no receipt covers.
    pub unsealed_bytes: u64,
    /// Raw blocks.
    pub raw_bytes: u64,
    /// Journal rows.
    pub journal_bytes: u64,
}

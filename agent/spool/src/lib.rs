//! The agent's crash-safe store: signed statements and how far the gateway has confirmed them, the journal of
//! observations, raw blocks kept for audits, and a few facts.
//!
//! Everything here is opaque bytes: this crate knows no product type, signs nothing, hashes nothing, and
//! decides nothing about what is worth keeping beyond the stated policy in [`keep`]. Nothing is pruned
//! silently: what may go is listed first, and goes in the same commit as the record of its going.
//!
//! One process, one writer: the file is locked for as long as it is open, because two agents that sign one
//! stream would contradict each other.

mod apply;
mod change;
mod damage;
mod error;
pub mod faulty;
pub mod keep;
mod schema;
mod spool;
mod sqlite;
mod store;

pub use change::Change;
pub use damage::{Damage, Intact, Opened, Salvaged, condemn, open};
pub use error::StoreError;
pub use spool::Spool;
pub use sqlite::SqliteStore;
pub use store::{Hash, JournalRow, Limit, RawBlock, Statement, Store, Stored, Stream, Usage};

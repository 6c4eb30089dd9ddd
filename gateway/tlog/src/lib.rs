//! The log of one project: sequencer, exactly-once rules, keys, tiles and checkpoints.
//!
//! The sequencer ([`log::Log`]) does no IO of its own: it works over the [`store`] traits, and time and
//! signatures are passed in. [`sqlite`] is the store that ships. No HTTP, no threads, no figures here: the
//! gateway gathers requests, answers them and derives its tables.

pub mod answer;
pub mod arrival;
mod draft;
pub mod keys;
pub mod kill;
pub mod log;
mod pack;
pub mod proof;
pub mod recheck;
pub mod rules;
pub mod sqlite;
pub mod store;
pub mod tree;

pub use answer::{Alarm, Answer, Aside, Ingested};
pub use arrival::{Arrival, Checked};
pub use keys::{Defect, KeyRow, Keyring};
pub use log::{IngestError, Log, OpenError, SealError};
pub use sqlite::SqliteLog;
pub use store::{
    Batch, CommitError, Entry, Head, Loaded, Newer, Part, Read, Sealed, Store, StoreError, StreamHead,
};

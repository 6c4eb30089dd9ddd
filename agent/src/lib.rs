//! The agent: reads machines, makes windows of what it read, signs them and pushes them.
//!
//! The cores (`state`, `counter`, `validity`, `window`, `statement`) are pure; files, network and clock are
//! the business of the runtime around them.

pub mod commands;
pub mod configuration;
pub mod counter;
pub mod failpoint;
pub mod journal;
pub mod keys;
pub mod raw;
pub mod runtime;
pub mod state;
pub mod statement;
pub mod status;
pub mod uplink_client;
pub mod validity;
pub mod window;

pub use configuration::Configuration;
pub use runtime::{AgentHandle, AgentOptions, Ended, RunError, run};
pub use status::Status;

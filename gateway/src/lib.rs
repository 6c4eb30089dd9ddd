//! The gateway: verifies statements that agents push, logs them, derives tables, answers and exports.
//!
//! It never signs a statement and is trusted by nobody: whoever doubts it takes a bundle and the assessor's
//! program. The log's rules live in `tlog`, its wire format in `uplink`; web pages for people will be the
//! module `portal` beside [`api`](self), over the same queries.

// Unit tests share the integration tests' support module, which names this crate from outside.
#[cfg(test)]
extern crate self as gateway;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

mod api;
pub mod commands;
pub mod create;
mod derived;
pub mod enrol;
pub mod error;
pub mod export;
mod figures;
pub mod identity;
pub mod import;
pub mod init;
mod ops;
mod project;
mod readers;
pub mod rebuild;
mod run;
mod sequencer;
pub mod settings;
#[cfg(feature = "simulation")]
pub mod simulated;
mod tiles;

pub use run::{GatewayHandle, GatewayOptions, RunError, SystemClock, run};

/// File of the operational data within the data directory.
pub(crate) const OPS: &str = "ops.sqlite";

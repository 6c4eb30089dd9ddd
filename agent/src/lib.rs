//! The agent: reads machines, makes windows of what it read, signs them and pushes them.
//!
//! The cores (`state`, `counter`, `validity`, `window`, `statement`) are pure; files, network and clock are
//! the business of the runtime around them.

pub mod configuration;
pub mod counter;
pub mod state;
pub mod statement;
pub mod validity;
pub mod window;

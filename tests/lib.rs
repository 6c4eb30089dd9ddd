//! What the tests and the demo share: a simulated plant on real wires and the harness around real processes.
//!
//! Nothing here is linked into a product binary.

pub mod harness;
pub mod sim;

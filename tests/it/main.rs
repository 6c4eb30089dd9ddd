//! Tests that span crates: the repository itself, whole chains of processes, foreign tools.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod clocks_apart;
mod dead_link;
mod demo;
mod exact;
mod kill;
mod mqtt_kill;
mod neighbours;
mod pains;
mod probe;
mod programs;
mod python;
mod read_only;
mod reload;
mod tamper;
mod tidy;

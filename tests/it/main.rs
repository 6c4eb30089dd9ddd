//! Tests that span crates: the repository itself, whole chains of processes, foreign tools.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod demo;
mod kill;
mod programs;
mod tamper;
mod tidy;

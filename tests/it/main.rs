//! Tests that span crates: the repository itself, whole chains of processes, foreign tools.

mod tidy;

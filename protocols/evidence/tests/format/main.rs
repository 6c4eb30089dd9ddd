//! The format as a whole: golden bytes, foreign vectors, a named defect for each way to be wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test where they stand")]

mod columns;
mod examples;
mod keys;
mod log;
mod spec;
mod statements;
mod variants;
mod vectors;

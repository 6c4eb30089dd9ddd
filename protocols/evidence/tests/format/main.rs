//! The format as a whole: golden bytes, foreign vectors, a named defect for each way to be wrong.

#![expect(clippy::unwrap_used, reason = "what the tests share fails the test where it stands")]

mod columns;
mod examples;
mod keys;
mod log;
mod spec;
mod statements;
mod variants;
mod vectors;

//! Loads TOML configuration so that every mistake is reported at once, each with file, line, key and the
//! nearest right word.
//!
//! This crate knows no product: agent, gateway and assessor declare their own types and read them through
//! [`Section`]. It holds no defaults and starts nothing.

pub mod document;
pub mod problem;
pub mod section;
pub mod units;

pub use document::{Document, Kind, Node};
pub use problem::{ConfigErrors, Problem, nearest};
pub use section::Section;

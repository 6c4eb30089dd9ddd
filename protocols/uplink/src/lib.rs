//! What an agent and a gateway agree on over HTTP: paths, bodies with their limits, problem types and what
//! each status means to the sender.
//!
//! Pure: no sockets, no client, no server. The agent turns an answer into an [`Outcome`]; the gateway turns
//! a refusal into a [`Problem`]. The reading interface for people (windows, figures) belongs to the gateway
//! and is described there; only its paths stand here.

pub mod answer;
pub mod body;
mod hex32;
pub mod outcome;
pub mod path;
pub mod problem;
pub mod time;

pub use answer::{ConsistencyProof, Enrolled, InclusionProof, Stored, StoredEntry, StreamState};
pub use body::{BodyError, BodyWriter, MAX_BODY, MAX_STATEMENT_LEN, MAX_STATEMENTS, STATEMENTS_TYPE, split};
pub use outcome::Outcome;
pub use problem::{PROBLEM_TYPE, Problem, ProblemKind};
pub use time::{Offset, Stamps, TIME_HEADER};

/// SHA-256 output, as `evidence` uses it.
pub type Hash = [u8; 32];

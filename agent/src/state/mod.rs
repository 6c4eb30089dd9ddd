//! From points to states: a small rule language with three-valued logic, power thresholds with dwell, and
//! the tracker that dates the transitions.
//!
//! Pure: no IO, no clock, no knowledge of protocols or windows. A state is never invented: whatever the
//! rules cannot decide from what is known is UNKNOWN.

mod expression;
mod history;
mod mapping;
mod parse;
mod rules;
mod threshold;
mod tracker;
mod truth;

pub use expression::{Comparison, Expression, Inputs, Name, Operand};
pub(crate) use mapping::sorted_json;
pub use mapping::{EvidenceClass, MappedPoint, Mapping};
pub use parse::{ParseError, parse};
pub use rules::{Condition, Flag, Rule, Rules};
pub use threshold::{Side, Threshold};
pub use tracker::{Segment, StateTracker};
pub use truth::Truth;

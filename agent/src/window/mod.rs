//! The integer window engine: from a journal of observations to windows that can be signed.
//!
//! Pure: no IO and no clock. Everything it knows of time comes with the records it is fed, so that the same
//! records give the same windows on any box and after any crash.

mod cell;
mod emit;
mod engine;
mod input;
mod link;
mod machine;
mod memory;
mod output;
mod plan;
mod replan;
mod timeline;

pub use engine::Engine;
pub use input::{Boot, Input, LinkIndex, Record};
pub use memory::{MemoryError, Restored};
pub use output::{ClosedWindow, Event, Output, What};
pub use plan::{EnergyPlan, Factor, Feeds, MachinePlan, Plan, PointPlan};
pub use replan::{Replan, Unfit};

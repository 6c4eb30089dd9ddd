//! How an engine's memory outlives the program: a snapshot from which, with the records that follow it, the
//! identical engine is rebuilt.
//!
//! A snapshot of another plan is not fed to this one, since its points may mean something else. Only what
//! belongs to machines as such is taken over: registers, the end of the last window, unsigned outputs.

use super::engine::{Engine, State};
use super::machine::MachineState;
use super::plan::Plan;
use std::sync::Arc;

/// A snapshot that cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error(
    "the window engine's memory cannot be read: {0}; start without it: the open window is lost and a gap is signed"
)]
pub struct MemoryError(#[from] serde_json::Error);

/// An engine rebuilt from a snapshot.
#[derive(Debug)]
pub enum Restored {
    /// The records that follow the snapshot are to be applied next.
    Whole(Engine),
    /// The configuration has changed: the records that follow belong to the old one and must not be applied.
    OtherPlan(Engine),
}

impl Engine {
    /// Everything the engine remembers.
    pub fn snapshot(&self) -> Result<Vec<u8>, MemoryError> {
        Ok(serde_json::to_vec(&self.state)?)
    }

    /// Writes [`Self::snapshot`] without ever holding it as a whole.
    pub fn snapshot_into(&self, out: impl std::io::Write) -> Result<(), MemoryError> {
        Ok(serde_json::to_writer(out, &self.state)?)
    }

    /// Rebuilds an engine from a snapshot.
    pub fn restore(plan: Arc<Plan>, snapshot: &[u8]) -> Result<Restored, MemoryError> {
        let state: State = serde_json::from_slice(snapshot)?;
        let fits = state.fingerprint == plan.fingerprint
            && state.machines.len() == plan.machines.len()
            && state.machines.iter().zip(&plan.machines).all(|(m, p)| m.fits(p));
        if fits {
            return Ok(Restored::Whole(Self::with_state(plan, state)));
        }
        let mut engine = Self::new(plan, state.continues_at());
        engine.state.inherit(&state);
        Ok(Restored::OtherPlan(engine))
    }
}

impl MachineState {
    fn fits(&self, plan: &super::plan::MachinePlan) -> bool {
        self.id == plan.id && self.cells.len() == plan.points.len() && self.tracker.fits(&plan.rules)
    }
}

/// The rows of a held window as integers by column.
pub(super) mod rows {
    use crate::window::output::Row;
    use kpi::MachineWindow;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::window) fn serialize<S: Serializer>(
        rows: &[MachineWindow],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        rows.iter().map(Row::of).collect::<Vec<_>>().serialize(serializer)
    }

    pub(in crate::window) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<MachineWindow>, D::Error> {
        Ok(Vec::<Row>::deserialize(deserializer)?.iter().map(Row::window).collect())
    }
}

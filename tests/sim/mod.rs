//! A small plant on real wires: Modbus TCP meters, an OPC UA machine tool, an MQTT robot cell with its broker.
//!
//! [`plant`] is the physics, pure; the other modules are servers that show it to whoever connects. They speak
//! the real protocols on loopback sockets; nothing in the agent knows it is a simulation.

pub mod cell;
pub mod cnc;
pub mod meters;
pub mod plant;

use plant::Plant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The plant with time running: whoever looks sees the state of this moment.
#[derive(Clone, Debug)]
pub struct Floor(Arc<Mutex<(Plant, Instant)>>);

/// A look at the plant; holds its lock.
#[derive(Debug)]
pub struct Look<'a>(MutexGuard<'a, (Plant, Instant)>);

impl std::ops::Deref for Look<'_> {
    type Target = Plant;

    fn deref(&self) -> &Plant {
        &self.0.0
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((Plant::default(), Instant::now()))))
    }
}

impl Floor {
    /// Advances the plant to now and shows it.
    pub fn look(&self) -> Look<'_> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = u64::try_from(guard.1.elapsed().as_millis()).unwrap_or(u64::MAX);
        guard.1 += std::time::Duration::from_millis(ms);
        guard.0.advance(ms);
        Look(guard)
    }
}

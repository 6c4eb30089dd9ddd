//! A store with an answer to the question every failed commit leaves: did it take place?

use crate::change::Change;
use crate::error::StoreError;
use crate::keep::{Keep, Prunable};
use crate::store::Store;
use std::ops::{Deref, DerefMut};

/// How many candidates of a kind are looked at when pruning; the rest goes at the next round.
const PRUNE_ROUND: usize = 256;

/// The one writer. Reads go straight to the store.
#[derive(Debug)]
pub struct Spool {
    store: Box<dyn Store>,
    last: u64,
    /// The outcome of a commit could not be learnt; nothing may be written any more.
    lost_track: bool,
}

impl Spool {
    /// Takes over a store.
    pub fn new(mut store: Box<dyn Store>) -> Result<Self, StoreError> {
        let last = store.committed()?;
        Ok(Self { store, last, lost_track: false })
    }

    /// Does all changes durably, or none. A store that failed after writing is found out by the number it
    /// holds, so that an error always means that nothing happened, except for [`StoreError::Unknown`].
    ///
    /// What a crash during the call leaves: either all changes or none, and the caller has not been told.
    pub fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        if self.lost_track {
            return Err(StoreError::Unknown { detail: "an earlier commit's outcome is unknown".to_owned() });
        }
        let number = self.last + 1;
        let Err(error) = self.store.commit(number, changes) else {
            self.last = number;
            return Ok(());
        };
        match self.store.committed() {
            Ok(found) if found == number => {
                self.last = number;
                Ok(())
            }
            Ok(_) => Err(error),
            Err(second) => {
                self.lost_track = true;
                Err(StoreError::Unknown { detail: format!("{error}; then {second}") })
            }
        }
    }

    /// What may go now under the policy. Nothing goes by this call: the caller commits the drops together with
    /// its record of them.
    pub fn prunable(&mut self, keep: &Keep, now_ms: i64) -> Result<Prunable, StoreError> {
        let usage = self.store.usage()?;
        let oldest = self.store.oldest(PRUNE_ROUND)?;
        Ok(keep.choose(now_ms, &usage, &oldest))
    }
}

impl Deref for Spool {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl DerefMut for Spool {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.store
    }
}

//! A store whose commits fail on demand, in both ways a disk can fail: before anything was written, and after
//! everything was. For tests of whoever stands above the store.

use crate::change::Change;
use crate::error::StoreError;
use crate::keep::Oldest;
use crate::store::{JournalRow, Limit, RawBlock, Statement, Store, Stored, Stream, Usage};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written, and the caller is told so.
    NotWritten,
    /// Everything is written, and the caller is told otherwise.
    WrittenAnyway,
    /// Nothing is written because the disk is full.
    Full,
}

/// The switch of a [`Faulty`] store; clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Faults by commit, counted from the first commit of this store.
    planned: Vec<(u64, Fault)>,
    lasting: Option<Fault>,
    commits: u64,
}

impl Faults {
    /// Plans a fault for the n-th commit from now on (0 is the next).
    pub fn plan(&self, n: u64, fault: Fault) {
        let mut state = self.state();
        let at = state.commits + n;
        state.planned.push((at, fault));
    }

    /// Lets every commit fail from now on, or none.
    pub fn last(&self, fault: Option<Fault>) {
        self.state().lasting = fault;
    }

    /// Commits tried so far.
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere does not make the plan unreadable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Fault> {
        let mut state = self.state();
        let now = state.commits;
        state.commits += 1;
        let planned = state.planned.iter().find(|(at, _)| *at == now).map(|(_, fault)| *fault);
        planned.or(state.lasting)
    }
}

/// Wraps a store.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

impl<S: Store> Faulty<S> {
    /// Wraps `inner` behind a switch.
    pub fn new(inner: S, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

fn failed(detail: &str) -> StoreError {
    StoreError::Io { path: PathBuf::from("faulty"), detail: detail.to_owned() }
}

impl<S: Store> Store for Faulty<S> {
    fn commit(&mut self, number: u64, changes: &[Change<'_>]) -> Result<(), StoreError> {
        match self.faults.next() {
            None => self.inner.commit(number, changes),
            Some(Fault::NotWritten) => Err(failed("planned: not written")),
            Some(Fault::Full) => Err(StoreError::Full { path: PathBuf::from("faulty") }),
            Some(Fault::WrittenAnyway) => {
                self.inner.commit(number, changes)?;
                Err(failed("planned: written anyway"))
            }
        }
    }

    fn committed(&mut self) -> Result<u64, StoreError> {
        self.inner.committed()
    }

    fn streams(&mut self) -> Result<Vec<String>, StoreError> {
        self.inner.streams()
    }

    fn stream(&mut self, stream: &str) -> Result<Stream, StoreError> {
        self.inner.stream(stream)
    }

    fn statements(&mut self, stream: &str, from: u64, limit: Limit) -> Result<Vec<Statement>, StoreError> {
        self.inner.statements(stream, from, limit)
    }

    fn unsealed(&mut self, stream: &str, max: usize) -> Result<Vec<Stored>, StoreError> {
        self.inner.unsealed(stream, max)
    }

    fn receipt(&mut self, stream: &str, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.receipt(stream, seq)
    }

    fn journal(&mut self, stream: &str, from: u64, limit: Limit) -> Result<Vec<JournalRow>, StoreError> {
        self.inner.journal(stream, from, limit)
    }

    fn raw(&mut self, stream: &str, number: u64) -> Result<Option<RawBlock>, StoreError> {
        self.inner.raw(stream, number)
    }

    fn fact(&mut self, stream: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.fact(stream, key)
    }

    fn usage(&mut self) -> Result<Usage, StoreError> {
        self.inner.usage()
    }

    fn oldest(&mut self, max: usize) -> Result<Oldest, StoreError> {
        self.inner.oldest(max)
    }
}

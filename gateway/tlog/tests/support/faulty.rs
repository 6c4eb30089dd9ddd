//! A store whose n-th commit fails in one of two ways: not written, or written although it says otherwise.

use tlog::{Batch, CommitError, Entry, Head, Loaded, Read, Sealed, SqliteLog, Store, StoreError, StreamHead};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was written and the store knows it.
    Full,
    /// Nothing was written and the store does not know.
    Unwritten,
    /// It was written and the store does not know.
    WrittenAnyway,
}

pub struct Faulty {
    pub inner: SqliteLog,
    /// Commits until the fault; none when it is behind us.
    pub countdown: Option<(usize, Fault)>,
    /// Commits that were asked for.
    pub commits: usize,
}

impl Faulty {
    pub fn new(inner: SqliteLog, countdown: Option<(usize, Fault)>) -> Self {
        Self { inner, countdown, commits: 0 }
    }

    fn strike(
        &mut self,
        write: impl FnOnce(&mut SqliteLog) -> Result<(), CommitError>,
    ) -> Result<(), CommitError> {
        self.commits += 1;
        let unknown = || CommitError::Unknown { place: "test".into(), detail: "power cut".into() };
        match self.countdown.as_mut() {
            Some((0, fault)) => {
                let fault = *fault;
                self.countdown = None;
                match fault {
                    Fault::Full => Err(CommitError::Full { place: "test".into() }),
                    Fault::Unwritten => Err(unknown()),
                    Fault::WrittenAnyway => {
                        write(&mut self.inner)?;
                        Err(unknown())
                    }
                }
            }
            Some((n, _)) => {
                *n -= 1;
                write(&mut self.inner)
            }
            None => write(&mut self.inner),
        }
    }
}

impl Read for Faulty {
    fn head(&mut self) -> Result<Head, StoreError> {
        self.inner.head()
    }
    fn entries(&mut self, from: u64, to: u64) -> Result<Vec<Entry>, StoreError> {
        self.inner.entries(from, to)
    }
    fn logged(&mut self, kid: &[u8; 32], seq: u64) -> Result<Vec<(u64, [u8; 32])>, StoreError> {
        self.inner.logged(kid, seq)
    }
    fn tile(&mut self, level: u32, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.tile(level, number)
    }
    fn stream(&mut self, kid: &[u8; 32]) -> Result<Option<StreamHead>, StoreError> {
        self.inner.stream(kid)
    }
    fn sealed(&mut self) -> Result<Option<Sealed>, StoreError> {
        self.inner.sealed()
    }
    fn sealed_by_hash(&mut self, note: &[u8; 32]) -> Result<Option<Sealed>, StoreError> {
        self.inner.sealed_by_hash(note)
    }
    fn sealed_from(&mut self, size: u64) -> Result<Option<Sealed>, StoreError> {
        self.inner.sealed_from(size)
    }
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.inner.load()
    }
}

impl Store for Faulty {
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        self.strike(|inner| inner.commit(batch))
    }
    fn seal(&mut self, sealed: &Sealed) -> Result<(), CommitError> {
        self.strike(|inner| inner.seal(sealed))
    }
}

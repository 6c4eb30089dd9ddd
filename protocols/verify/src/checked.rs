//! What can be checked of an entry without knowing its neighbours: coding, signature, columns. This is nearly
//! all of the work, and it runs on every core; what depends on order comes after, on one.

use std::collections::BTreeMap;

use evidence::key::{Kid, PublicKey};
use evidence::payload::Place;
use evidence::statement::{self, Header, Payload, Statement, Unverified};
use evidence::{DecodeError, Hash, hash};

use crate::rows::{RowDefect, Rows, rows};

/// An entry, checked by itself.
pub(crate) struct Checked {
    pub(crate) leaf: Hash,
    pub(crate) size: usize,
    pub(crate) outcome: Outcome,
}

/// What came out.
pub(crate) enum Outcome {
    /// No canonical statement.
    Coding(DecodeError),
    /// The signature is not that of the key it names.
    Forged(Box<Header>, Place),
    /// The key was not known when the entry was checked; whoever knows the order decides.
    Unknown(Box<Unverified>),
    /// Signed by the key it names, whether or not that key was valid.
    Signed(Box<Statement>, Option<Result<Rows, RowDefect>>),
}

impl Checked {
    /// Checks one entry with the keys known so far.
    pub(crate) fn new(entry: &[u8], keys: &BTreeMap<Kid, PublicKey>) -> Self {
        let leaf = hash::leaf(entry);
        let outcome = match statement::open(entry) {
            Err(e) => Outcome::Coding(e),
            Ok(unverified) => match keys.get(&unverified.header.kid) {
                None => Outcome::Unknown(Box::new(unverified)),
                Some(key) => Outcome::of(unverified, key),
            },
        };
        Self { leaf, size: entry.len(), outcome }
    }
}

impl Outcome {
    /// Checks a signature.
    pub(crate) fn of(unverified: Unverified, key: &PublicKey) -> Self {
        let header = unverified.header.clone();
        let place = unverified.payload.place();
        match unverified.verify(key) {
            Err(_) => Self::Forged(Box::new(header), place),
            Ok(statement) => {
                let rows = match statement.payload() {
                    Payload::Window(batch) => Some(rows(batch)),
                    _ => None,
                };
                Self::Signed(Box::new(statement), rows)
            }
        }
    }
}

/// Checks entries on `threads` threads. The order of the results is that of the entries, whatever the number.
pub(crate) fn check_all(entries: &[&[u8]], keys: &BTreeMap<Kid, PublicKey>, threads: usize) -> Vec<Checked> {
    let chunk = entries.len().div_ceil(threads.max(1)).max(1);
    let one = |part: &[&[u8]]| -> Vec<Checked> { part.iter().map(|e| Checked::new(e, keys)).collect() };
    if entries.len() <= chunk {
        return one(entries);
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = entries.chunks(chunk).map(|part| scope.spawn(move || one(part))).collect();
        workers
            .into_iter()
            .flat_map(|worker| match worker.join() {
                Ok(checked) => checked,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

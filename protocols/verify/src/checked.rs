//! What can be checked of an entry without knowing its neighbours: coding, signature, columns. This is nearly
//! all of the work, and it runs on every core; what depends on order comes after, on one.

use std::collections::BTreeMap;

use evidence::key::{Kid, PublicKey};
use evidence::payload::Place;
use evidence::statement::{self, Header, Kind, Payload, Statement, Unverified};
use evidence::{DecodeError, Hash, hash};

use crate::rows::{RowDefect, Rows, rows};

/// An entry, checked by itself.
pub(crate) struct Checked {
    pub(crate) leaf: Hash,
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
        Self { leaf, outcome }
    }
}

impl Outcome {
    /// The kind of statement, where it is one.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Coding(_) => None,
            Self::Forged(header, _) => Some(header.kind),
            Self::Unknown(unverified) => Some(unverified.header.kind),
            Self::Signed(statement, _) => Some(statement.header().kind),
        }
    }

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

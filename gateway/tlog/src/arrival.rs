//! Phase one of ingest: read a statement and check its signature. Pure and independent of order, so that any
//! number of threads may do it at once; nothing is decided about streams here.
//!
//! A thumbprint fixes its key for ever, so a signature checked against an older keyring stays checked. Only
//! "this key is unknown" can change until the sequencer looks, and the sequencer asks again.

use crate::keys::{Defect, Keyring};
use evidence::key::Kid;
use evidence::statement::{self, Statement, Unverified};

/// A statement that came in.
#[derive(Debug)]
pub struct Arrival {
    /// Its bytes as received; they become the entry.
    pub bytes: Vec<u8>,
    /// What phase one found.
    pub checked: Checked,
}

/// What phase one found.
#[derive(Debug)]
pub enum Checked {
    /// Canonical, and the signature is that of a key of the project.
    Verified(Box<Statement>),
    /// Canonical, but the key was unknown when it was looked up.
    UnknownKey(Box<Unverified>),
    /// It can never be logged.
    Never {
        /// Why.
        defect: Defect,
        /// Signer and number as the statement claims them, where it can be read.
        claim: Option<(Kid, u64)>,
    },
}

impl Arrival {
    /// Checks one statement.
    pub fn check(bytes: Vec<u8>, keys: &Keyring) -> Self {
        let checked = Checked::of(&bytes, keys);
        Self { bytes, checked }
    }
}

impl Checked {
    fn of(bytes: &[u8], keys: &Keyring) -> Self {
        if bytes.len() > statement::MAX_STATEMENT {
            return Self::Never { defect: Defect::TooLong(bytes.len()), claim: None };
        }
        match statement::open(bytes) {
            Ok(unverified) => Self::of_unverified(Box::new(unverified), keys),
            Err(e) => Self::Never { defect: Defect::NonCanonical(e.to_string()), claim: None },
        }
    }

    fn of_unverified(unverified: Box<Unverified>, keys: &Keyring) -> Self {
        let kid = unverified.header.kid;
        let claim = Some((kid, unverified.payload.seq()));
        let Some(row) = keys.get(&kid) else { return Self::UnknownKey(unverified) };
        match unverified.verify(&row.key) {
            Ok(statement) => Self::Verified(Box::new(statement)),
            Err(_) => Self::Never { defect: Defect::Signature(kid), claim },
        }
    }

    /// Looks an unknown key up again, in the keyring as it is when the statement's turn comes.
    #[must_use]
    pub fn again(self, keys: &Keyring) -> Self {
        match self {
            Self::UnknownKey(unverified) => Self::of_unverified(unverified, keys),
            known => known,
        }
    }
}

//! What can be checked of an entry without knowing its neighbours: coding, signature, columns. This is nearly
//! all of the work, and it runs on every core; what depends on order comes after, on one.

use std::collections::BTreeMap;

use evidence::key::{Kid, PublicKey};
use evidence::payload::Place;
use evidence::statement::{self, Header, Kind, Payload, Statement, Unverified};
use evidence::{DecodeError, Hash, hash};
use kpi::MachineWindow;

use crate::rows::{RowDefect, Rows, rows};

/// Integers that the entries of one tile may hold while they wait for their turn, all threads together. Runs let a
/// statement of a few hundred bytes claim hundreds of thousands; a tile of a hundred machines has some six millions.
pub(crate) const AHEAD: usize = 1 << 24;

/// An entry, checked by itself.
pub(crate) struct Checked {
    pub(crate) leaf: Hash,
    waiting: Waiting,
}

/// How an entry waits for its turn.
enum Waiting {
    /// Checked.
    Checked(Outcome),
    /// Larger than there was room for: it is checked when its turn comes.
    Raw(Box<[u8]>),
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
    /// Checks one entry with the keys known so far, as long as there is room for what it holds.
    pub(crate) fn new(entry: &[u8], keys: &BTreeMap<Kid, PublicKey>, room: &mut usize) -> Self {
        let leaf = hash::leaf(entry);
        if *room > 0 {
            let outcome = Outcome::new(entry, keys);
            if let Some(left) = room.checked_sub(outcome.integers()) {
                *room = left;
                return Self { leaf, waiting: Waiting::Checked(outcome) };
            }
            // Entries behind this one are not checked in vain.
            *room = 0;
        }
        Self { leaf, waiting: Waiting::Raw(entry.into()) }
    }

    /// The outcome, now that its turn has come.
    pub(crate) fn outcome(self, keys: &BTreeMap<Kid, PublicKey>) -> Outcome {
        match self.waiting {
            Waiting::Checked(outcome) => outcome,
            Waiting::Raw(entry) => Outcome::new(&entry, keys),
        }
    }
}

impl Outcome {
    fn new(entry: &[u8], keys: &BTreeMap<Kid, PublicKey>) -> Self {
        match statement::open(entry) {
            Err(e) => Self::Coding(e),
            Ok(unverified) => match keys.get(&unverified.header.kid) {
                None => Self::Unknown(Box::new(unverified)),
                Some(key) => Self::of(unverified, key),
            },
        }
    }

    /// The kind of statement, where it is one.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Coding(_) => None,
            Self::Forged(header, _) => Some(header.kind),
            Self::Unknown(unverified) => Some(unverified.header.kind),
            Self::Signed(statement, _) => Some(statement.header().kind),
        }
    }

    /// Integers that it holds, counted in words.
    fn integers(&self) -> usize {
        let of = |payload: &Payload| match payload {
            Payload::Window(batch) => batch.columns.values().map(|c| c.values.len()).sum(),
            _ => 0,
        };
        match self {
            Self::Coding(_) | Self::Forged(..) => 0,
            Self::Unknown(unverified) => of(&unverified.payload),
            Self::Signed(statement, rows) => {
                let rows = rows.as_ref().and_then(|rows| rows.as_ref().ok()).map_or(0, |r| r.windows.len());
                of(statement.payload()) + rows * (size_of::<MachineWindow>() / size_of::<i64>())
            }
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

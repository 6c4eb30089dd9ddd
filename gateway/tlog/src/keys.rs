//! Who may sign what in a project, at an index of its log: the roster of the genesis and every key statement
//! since.
//!
//! A key counts from the index at which it was enrolled up to the index of its revocation. The keyring is a
//! fold over the log's control entries, so a restart and a rebuild arrive at the same state. It decides
//! nothing about order ([`crate::rules`]) and checks no signature.

use evidence::Hash;
use evidence::key::{Kid, PublicKey};
use evidence::payload::{Genesis, KeyAction, KeyChange, RosterKey};
use evidence::statement::{Header, Role};
use std::collections::BTreeMap;
use thiserror::Error;

/// A key of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The public key.
    pub key: PublicKey,
    /// What its holder is.
    pub role: Role,
    /// The holder's name.
    pub id: String,
    /// First index at which its statements count.
    pub since: u64,
    /// First index at which they no longer do.
    pub until: Option<u64>,
}

impl KeyRow {
    /// Whether a statement at `index` may carry this key.
    pub fn valid_at(&self, index: u64) -> bool {
        self.since <= index && self.until.is_none_or(|until| index < until)
    }
}

/// Why a statement can never be logged. The words of [`Defect::word`] are stable: agents and pages show them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Defect {
    /// Not the bytes an encoder of this format writes.
    #[error("the statement is not in canonical form: {0}")]
    NonCanonical(String),
    /// The project has no such key.
    #[error("key {0} is not enrolled in this project; ask the registrar to sign its enrolment")]
    UnknownKey(Kid),
    /// The statement belongs elsewhere.
    #[error("the statement is for project `{0}`; check the project in the agent's uplink")]
    WrongProject(String),
    /// The signature is not this key's over these bytes.
    #[error("the signature of key {0} does not fit the statement")]
    Signature(Kid),
    /// The key was revoked, replaced or its stream closed.
    #[error("key {kid} no longer counts since entry {until}; enrol the box's present key")]
    KeyNotValid {
        /// The key.
        kid: Kid,
        /// Index from which it does not count.
        until: u64,
    },
    /// Role or name in the header are not those of the roster.
    #[error("the header says {said}, the roster says {enrolled}")]
    WrongSigner {
        /// Role and name in the header.
        said: String,
        /// Role and name in the roster.
        enrolled: String,
    },
    /// It has the right number and the wrong predecessor.
    #[error(
        "statement {seq} names another predecessor than the one logged; the box may have been cloned or its spool replaced"
    )]
    BrokenChain {
        /// Its number.
        seq: u64,
    },
    /// A key or close statement that does not fit the roster as it stands.
    #[error("the key statement does not fit the roster: {0}")]
    KeyChange(String),
    /// Longer than any statement may be.
    #[error("the statement has {0} bytes, more than the format allows")]
    TooLong(usize),
}

impl Defect {
    /// A stable word for the kind of defect.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NonCanonical(_) => "non-canonical",
            Self::UnknownKey(_) => "unknown-key",
            Self::WrongProject(_) => "wrong-project",
            Self::Signature(_) => "signature",
            Self::KeyNotValid { .. } => "key-not-valid",
            Self::WrongSigner { .. } => "wrong-signer",
            Self::BrokenChain { .. } => "broken-chain",
            Self::KeyChange(_) => "key-change",
            Self::TooLong(_) => "too-long",
        }
    }
}

/// A stream that a key statement sets back into motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfrozen {
    /// Its key.
    pub kid: Kid,
    /// Number and leaf hash of the last statement that counts; none when none does.
    pub last: Option<(u64, Hash)>,
}

/// The keys of one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    project: String,
    rows: BTreeMap<Kid, KeyRow>,
}

impl Keyring {
    /// The roster at entry 0.
    pub fn of_genesis(genesis: &Genesis) -> Self {
        let rows = genesis.keys.iter().map(|roster| {
            let (role, id) = (roster.role, roster.id.clone());
            (roster.key.kid(), KeyRow { key: roster.key.clone(), role, id, since: 0, until: None })
        });
        Self { project: genesis.project.clone(), rows: rows.collect() }
    }

    /// The project's id.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// A key, whether it counts now or not.
    pub fn get(&self, kid: &Kid) -> Option<&KeyRow> {
        self.rows.get(kid)
    }

    /// All keys that are or were enrolled.
    pub fn rows(&self) -> impl Iterator<Item = (&Kid, &KeyRow)> {
        self.rows.iter()
    }

    /// Whether a statement with this header may stand at `index`. That its role may sign its kind was checked
    /// when it was opened.
    pub fn admit(&self, header: &Header, index: u64) -> Result<(), Defect> {
        if header.project != self.project {
            return Err(Defect::WrongProject(header.project.clone()));
        }
        let row = self.rows.get(&header.kid).ok_or(Defect::UnknownKey(header.kid))?;
        if let Some(until) = row.until.filter(|until| index >= *until) {
            return Err(Defect::KeyNotValid { kid: header.kid, until });
        }
        if header.role != row.role || header.id != row.id {
            return Err(Defect::WrongSigner {
                said: format!("{} `{}`", header.role.text(), header.id),
                enrolled: format!("{} `{}`", row.role.text(), row.id),
            });
        }
        Ok(())
    }

    /// Applies a key statement that stands at `index`. `logged` tells whether a stream holds that statement.
    pub fn change(
        &mut self,
        index: u64,
        change: &KeyChange,
        signer: &Kid,
        mut logged: impl FnMut(&Kid, u64, &Hash) -> bool,
    ) -> Result<Option<Unfrozen>, Defect> {
        let bad = |why: &str| Defect::KeyChange(why.to_owned());
        if let Some(last) = &change.last_accepted {
            let subject = change.subject.ok_or_else(|| bad("it names a last statement but no key"))?;
            if !logged(&subject, last.seq, &last.leaf) {
                return Err(bad("the last accepted statement it names is not in the log"));
            }
        }
        if change.action == KeyAction::Enrol {
            let new = Self::brought(change)?;
            if new.role == Role::Registrar {
                return Err(bad("a second registrar appears by succession only"));
            }
            self.enrol(index, new)?;
            return Ok(None);
        }
        let (subject, row) = self.subject(index, change)?;
        let (role, id) = (row.role, row.id.clone());
        match change.action {
            KeyAction::Unfreeze => {
                let last = change.last_accepted.map(|last| (last.seq, last.leaf));
                return Ok(Some(Unfrozen { kid: subject, last }));
            }
            KeyAction::Enrol | KeyAction::Revoke => {}
            KeyAction::Rotate => {
                let new = Self::brought(change)?;
                if (new.role, &new.id) != (role, &id) {
                    return Err(bad("a rotated key keeps role and name"));
                }
                self.enrol(index, new)?;
            }
            KeyAction::HandOver => {
                let new = Self::brought(change)?;
                if (new.role, role) != (Role::Agent, Role::Agent) {
                    return Err(bad("only agents hand over to agents"));
                }
                self.enrol(index, new)?;
            }
            KeyAction::Succession => {
                let new = Self::brought(change)?;
                if subject != *signer || new.role != Role::Registrar {
                    return Err(bad("a registrar hands over its own office, to a registrar"));
                }
                self.enrol(index, new)?;
            }
        }
        self.retire(&subject, index + 1);
        Ok(None)
    }

    /// Ends a key's stream after the entry at `index`.
    pub fn close(&mut self, index: u64, kid: &Kid) -> Result<(), Defect> {
        if !self.rows.contains_key(kid) {
            return Err(Defect::KeyChange(format!("key {kid} is not in the roster")));
        }
        self.retire(kid, index + 1);
        Ok(())
    }

    fn subject(&self, index: u64, change: &KeyChange) -> Result<(Kid, &KeyRow), Defect> {
        let kid = change.subject.ok_or_else(|| Defect::KeyChange("it names no key".to_owned()))?;
        let row = self
            .rows
            .get(&kid)
            .filter(|row| row.valid_at(index))
            .ok_or_else(|| Defect::KeyChange(format!("key {kid} is not enrolled at this point")))?;
        Ok((kid, row))
    }

    fn brought(change: &KeyChange) -> Result<&RosterKey, Defect> {
        change.key.as_ref().ok_or_else(|| Defect::KeyChange("it brings no key".to_owned()))
    }

    fn enrol(&mut self, index: u64, new: &RosterKey) -> Result<(), Defect> {
        let kid = new.key.kid();
        if self.rows.contains_key(&kid) {
            return Err(Defect::KeyChange(format!("key {kid} is or was enrolled already")));
        }
        let (role, id) = (new.role, new.id.clone());
        self.rows.insert(kid, KeyRow { key: new.key.clone(), role, id, since: index + 1, until: None });
        Ok(())
    }

    /// The earliest end stays: a key closed at 5 and revoked at 9 ended at 5.
    fn retire(&mut self, kid: &Kid, until: u64) {
        if let Some(row) = self.rows.get_mut(kid) {
            row.until = Some(row.until.map_or(until, |earlier| earlier.min(until)));
        }
    }
}

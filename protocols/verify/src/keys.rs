//! Which keys may sign, from which place in the log to which. The genesis enrols the first; after that only the
//! registrar's key statements change anything, each from its own index on.

use std::collections::BTreeMap;

use evidence::key::{Kid, PublicKey};
use evidence::payload::{Genesis, KeyAction, KeyChange, RosterKey};
use evidence::statement::{Header, Role};

use crate::code::DefectCode;
use crate::report::KeyReport;

/// A key that was enrolled.
#[derive(Clone, Debug)]
pub(crate) struct Enrolled {
    pub(crate) key: PublicKey,
    pub(crate) role: Role,
    pub(crate) id: String,
    /// First index at which it may sign.
    pub(crate) from: u64,
    /// First index at which it may no longer sign.
    pub(crate) until: Option<u64>,
    pub(crate) statements: u64,
}

/// All keys that were ever enrolled.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyRing(BTreeMap<Kid, Enrolled>);

impl KeyRing {
    /// The keys of the genesis, valid from its own index.
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let mut ring = Self::default();
        for key in &genesis.keys {
            ring.enrol(key, 0);
        }
        ring
    }

    fn enrol(&mut self, key: &RosterKey, from: u64) {
        let enrolled = Enrolled {
            key: key.key.clone(),
            role: key.role,
            id: key.id.clone(),
            from,
            until: None,
            statements: 0,
        };
        self.0.insert(key.key.kid(), enrolled);
    }

    /// An enrolled key, valid or not.
    pub(crate) fn find(&self, kid: &Kid) -> Option<&Enrolled> {
        self.0.get(kid)
    }

    /// The public keys alone, for checking signatures apart from validity.
    pub(crate) fn public(&self) -> BTreeMap<Kid, PublicKey> {
        self.0.iter().map(|(kid, e)| (*kid, e.key.clone())).collect()
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Keys that somebody holds or held.
    pub(crate) fn held_by(&self, role: Role, id: &str) -> impl Iterator<Item = Kid> {
        self.0.iter().filter(move |(_, e)| e.role == role && e.id == id).map(|(kid, _)| *kid)
    }

    /// Whether the signer may sign at this index as what it says it is.
    pub(crate) fn check(&self, header: &Header, index: u64) -> Result<(), (DefectCode, String)> {
        let Some(enrolled) = self.0.get(&header.kid).filter(|e| e.from <= index) else {
            return Err((
                DefectCode::KeyUnenrolled,
                format!("no enrolled key has the thumbprint {}", header.kid),
            ));
        };
        if let Some(until) = enrolled.until.filter(|&until| until <= index) {
            return Err((
                DefectCode::KeyRevoked,
                format!("the key of {:?} ended at entry {until}", enrolled.id),
            ));
        }
        if (header.role, header.id.as_str()) != (enrolled.role, enrolled.id.as_str()) {
            let (claimed, own) = (header.role.text(), enrolled.role.text());
            let detail = format!("says {claimed} {:?}, was enrolled as {own} {:?}", header.id, enrolled.id);
            return Err((DefectCode::KeyIdentity, detail));
        }
        Ok(())
    }

    /// Counts a statement of a key.
    pub(crate) fn count(&mut self, kid: &Kid) {
        if let Some(enrolled) = self.0.get_mut(kid) {
            enrolled.statements += 1;
        }
    }

    /// Carries a change out, valid behind `index`. The registrar's signature was checked.
    pub(crate) fn change(&mut self, change: &KeyChange, index: u64) -> Result<(), String> {
        let subject = match change.subject {
            None => None,
            Some(kid) => {
                let known = self.0.get(&kid).filter(|e| e.until.is_none());
                Some((kid, known.cloned().ok_or_else(|| format!("{kid} is no key in force"))?))
            }
        };
        if let Some(key) = &change.key {
            self.fits(change.action, key, subject.as_ref().map(|(_, e)| e))?;
        }
        let ends = !matches!(change.action, KeyAction::Enrol | KeyAction::Unfreeze);
        if let Some((kid, _)) = subject.filter(|_| ends)
            && let Some(enrolled) = self.0.get_mut(&kid)
        {
            enrolled.until = Some(index + 1);
        }
        if let Some(key) = &change.key {
            self.enrol(key, index + 1);
        }
        Ok(())
    }

    fn fits(&self, action: KeyAction, key: &RosterKey, subject: Option<&Enrolled>) -> Result<(), String> {
        if self.0.contains_key(&key.key.kid()) {
            return Err(format!("the key {} was enrolled before", key.key.kid()));
        }
        let same = |s: &Enrolled| s.role == key.role && s.id == key.id;
        let right = match action {
            KeyAction::Rotate => subject.is_some_and(same),
            KeyAction::HandOver => subject.is_some_and(|s| s.role == Role::Agent) && key.role == Role::Agent,
            KeyAction::Succession => {
                subject.is_some_and(|s| s.role == Role::Registrar) && key.role == Role::Registrar
            }
            // A second registrar appears by succession only.
            KeyAction::Enrol => key.role != Role::Registrar,
            KeyAction::Revoke | KeyAction::Unfreeze => true,
        };
        if right { Ok(()) } else { Err(format!("{action:?} does not fit {} {:?}", key.role.text(), key.id)) }
    }

    /// What the report says.
    pub(crate) fn report(&self) -> Vec<KeyReport> {
        let mut keys: Vec<KeyReport> = self
            .0
            .iter()
            .map(|(kid, e)| KeyReport {
                kid: kid.to_string(),
                role: e.role.text().to_owned(),
                id: e.id.clone(),
                from_entry: e.from,
                until_entry: e.until,
                statements: e.statements,
            })
            .collect();
        keys.sort_by(|a, b| (a.from_entry, &a.role, &a.id).cmp(&(b.from_entry, &b.role, &b.id)));
        keys
    }
}

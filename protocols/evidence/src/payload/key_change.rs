//! What the registrar says of keys: enrol, rotate, hand over, revoke, unfreeze, succession.

use super::genesis::RosterKey;
use super::{Fields, Place, owned, prev, read_machines, version, write_machines};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;
use crate::hash::Hash;
use crate::key::Kid;

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAction {
    /// A new key joins.
    Enrol,
    /// A key is replaced; the holder's id stays.
    Rotate,
    /// A replacement box takes over machines.
    HandOver,
    /// A key is no longer accepted.
    Revoke,
    /// A stream frozen after equivocation goes on.
    Unfreeze,
    /// Another registrar takes over, signed by the old one.
    Succession,
}

impl KeyAction {
    /// Every action, in the order of their numbers from 0.
    pub const ALL: [Self; 6] =
        [Self::Enrol, Self::Rotate, Self::HandOver, Self::Revoke, Self::Unfreeze, Self::Succession];
}

/// The last statement of a stream that still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAccepted {
    /// Its sequence number.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf: Hash,
}

/// Payload of a key statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// Place in the registrar's stream.
    pub place: Place,
    /// What happens.
    pub action: KeyAction,
    /// The key it happens to; null for enrol.
    pub subject: Option<Kid>,
    /// The new key, where there is one.
    pub key: Option<RosterKey>,
    /// The subject's last statement that counts; null for enrol, or when it never signed.
    pub last_accepted: Option<LastAccepted>,
    /// Machines concerned; null for all of the holder's.
    pub machines: Option<Vec<u32>>,
    /// Why.
    pub reason: String,
}

impl KeyChange {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(9);
        self.place.write(w);
        w.uint(4).uint(self.action as u64).uint(5);
        w.optional(self.subject, |w, kid| {
            w.bytes(&kid.0);
        });
        w.uint(6);
        w.optional(self.key.as_ref(), |w, key| key.write(w));
        w.uint(7);
        w.optional(self.last_accepted, |w, last| {
            w.array(2).uint(last.seq).bytes(&last.leaf);
        });
        w.uint(8);
        w.optional(self.machines.as_ref(), |w, machines| write_machines(w, machines));
        w.uint(9).text(&self.reason);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut k = Self {
            place: Place::default(),
            action: KeyAction::Enrol,
            subject: None,
            key: None,
            last_accepted: None,
            machines: None,
            reason: String::new(),
        };
        let seen = Fields::read(r, "key", |key, r| {
            match key {
                1 => version(r)?,
                2 => k.place.seq = r.uint("seq")?,
                3 => k.place.prev = prev(r)?,
                4 => k.action = read_action(r)?,
                5 => k.subject = r.optional(|r| r.fixed("subject key"))?.map(Kid),
                6 => k.key = r.optional(RosterKey::read)?,
                7 => {
                    k.last_accepted = r.optional(|r| {
                        r.tuple(2, "last accepted")?;
                        Ok(LastAccepted {
                            seq: r.uint("last accepted")?,
                            leaf: r.fixed("last accepted leaf")?,
                        })
                    })?;
                }
                8 => k.machines = r.optional(read_machines)?,
                9 => k.reason = owned(r, "reason")?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=9)?;
        k.check()?;
        Ok(k)
    }

    /// Which fields an action needs.
    fn check(&self) -> Result<(), DecodeError> {
        let (subject, key) = (self.subject.is_some(), self.key.is_some());
        let right = match self.action {
            KeyAction::Enrol => !subject && key && self.last_accepted.is_none(),
            KeyAction::Rotate | KeyAction::HandOver | KeyAction::Succession => subject && key,
            KeyAction::Revoke | KeyAction::Unfreeze => subject && !key,
        };
        if right {
            Ok(())
        } else {
            Err(DecodeError::value("key", format!("wrong fields for {:?}", self.action)))
        }
    }
}

fn read_action(r: &mut Reader<'_>) -> Result<KeyAction, DecodeError> {
    let n: usize = r.small("key action")?;
    KeyAction::ALL
        .get(n)
        .copied()
        .ok_or_else(|| DecodeError::value("key action", format!("{n} is not known")))
}

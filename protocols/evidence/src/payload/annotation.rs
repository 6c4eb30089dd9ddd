//! An enterprise's or assessor's remark on windows; figures are shown with and without them.

use super::{Fields, Place, interval, owned, prev, version};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;
use crate::hash::Hash;

/// A remark on some windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Place in the signer's stream.
    pub place: Place,
    /// Leaf hash of the statement it speaks of.
    pub target: Hash,
    /// UTC seconds, half-open.
    pub interval: (i64, i64),
    /// Machine index, or all.
    pub machine: Option<u32>,
    /// Why, as a code of the project's list.
    pub reason: String,
    /// SHA-256 of the remark's text.
    pub text_hash: Hash,
}

impl Annotation {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(8);
        self.place.write(w);
        w.uint(4).bytes(&self.target).uint(5).array(2).int(self.interval.0).int(self.interval.1).uint(6);
        w.optional(self.machine, |w, m| {
            w.uint(u64::from(m));
        });
        w.uint(7).text(&self.reason).uint(8).bytes(&self.text_hash);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut a = Self {
            place: Place::default(),
            target: [0; 32],
            interval: (0, 0),
            machine: None,
            reason: String::new(),
            text_hash: [0; 32],
        };
        let seen = Fields::read(r, "annotation", |key, r| {
            match key {
                1 => version(r)?,
                2 => a.place.seq = r.uint("seq")?,
                3 => a.place.prev = prev(r)?,
                4 => a.target = r.fixed("target leaf")?,
                5 => a.interval = interval(r, "interval")?,
                6 => a.machine = r.optional(|r| r.small("machine index"))?,
                7 => a.reason = owned(r, "reason")?,
                8 => a.text_hash = r.fixed("text hash")?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=8)?;
        Ok(a)
    }
}

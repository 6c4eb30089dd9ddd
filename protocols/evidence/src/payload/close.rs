//! The end of a stream.

use super::{Fields, Place, owned, prev, version};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;
use crate::key::Kid;

/// Ends the signer's stream, or, signed by the registrar, that of a dead box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Place in the signer's stream.
    pub place: Place,
    /// Why.
    pub reason: String,
    /// Whose stream ends; null for the signer's own.
    pub stream: Option<Kid>,
}

impl Close {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(5);
        self.place.write(w);
        w.uint(4).text(&self.reason).uint(5);
        w.optional(self.stream, |w, kid| {
            w.bytes(&kid.0);
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut c = Self { place: Place::default(), reason: String::new(), stream: None };
        let seen = Fields::read(r, "close", |key, r| {
            match key {
                1 => version(r)?,
                2 => c.place.seq = r.uint("seq")?,
                3 => c.place.prev = prev(r)?,
                4 => c.reason = owned(r, "reason")?,
                5 => c.stream = r.optional(|r| r.fixed("closed stream"))?.map(Kid),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=5)?;
        Ok(c)
    }
}

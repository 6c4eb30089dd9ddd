//! An assessor's signature under an acceptance report and the bundle it rests on.

use super::{Fields, Place, owned, prev, version};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;
use crate::hash::Hash;

/// Payload of a report statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportNote {
    /// Place in the assessor's stream.
    pub place: Place,
    /// SHA-256 of the report.
    pub report: Hash,
    /// SHA-256 of the bundle's checkpoint note.
    pub note: Hash,
    /// Hash of the definitions used.
    pub definitions: Hash,
    /// The assessor's verdict.
    pub verdict: String,
}

impl ReportNote {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(7);
        self.place.write(w);
        w.uint(4).bytes(&self.report).uint(5).bytes(&self.note).uint(6).bytes(&self.definitions);
        w.uint(7).text(&self.verdict);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut n = Self {
            place: Place::default(),
            report: [0; 32],
            note: [0; 32],
            definitions: [0; 32],
            verdict: String::new(),
        };
        let seen = Fields::read(r, "report", |key, r| {
            match key {
                1 => version(r)?,
                2 => n.place.seq = r.uint("seq")?,
                3 => n.place.prev = prev(r)?,
                4 => n.report = r.fixed("report hash")?,
                5 => n.note = r.fixed("note hash")?,
                6 => n.definitions = r.fixed("definitions hash")?,
                7 => n.verdict = owned(r, "verdict")?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=7)?;
        Ok(n)
    }
}

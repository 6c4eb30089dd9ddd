//! A declared figure (bill, output ledger, value added, investment) with the hash of its document.

use super::{Fields, Place, interval, owned, prev, version};
use crate::cbor::{Reader, Writer};
use crate::column::exponent_in_range;
use crate::defect::DecodeError;
use crate::hash::Hash;

/// A figure somebody vouches for with a document; always shown as declared, never as measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Place in the signer's stream.
    pub place: Place,
    /// Indicator id.
    pub indicator: String,
    /// UTC seconds, half-open.
    pub interval: (i64, i64),
    /// Power of ten of `value`.
    pub exponent: i8,
    /// The figure is this times 10^exponent.
    pub value: i64,
    /// Unit.
    pub unit: String,
    /// SHA-256 of the document.
    pub document: Hash,
}

impl Declaration {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(8);
        self.place.write(w);
        w.uint(4).text(&self.indicator).uint(5).array(2).int(self.interval.0).int(self.interval.1);
        w.uint(6).array(2).int(i64::from(self.exponent)).int(self.value).uint(7).text(&self.unit);
        w.uint(8).bytes(&self.document);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut d = Self {
            place: Place::default(),
            indicator: String::new(),
            interval: (0, 0),
            exponent: 0,
            value: 0,
            unit: String::new(),
            document: [0; 32],
        };
        let seen = Fields::read(r, "declaration", |key, r| {
            match key {
                1 => version(r)?,
                2 => d.place.seq = r.uint("seq")?,
                3 => d.place.prev = prev(r)?,
                4 => d.indicator = owned(r, "indicator")?,
                5 => d.interval = interval(r, "interval")?,
                6 => {
                    r.tuple(2, "figure")?;
                    let exponent = r.int("figure exponent")?;
                    d.exponent = exponent_in_range(exponent).ok_or_else(|| {
                        DecodeError::value("figure exponent", format!("{exponent} is not within -18 to 18"))
                    })?;
                    d.value = r.int("figure")?;
                }
                7 => d.unit = owned(r, "unit")?,
                8 => d.document = r.fixed("document hash")?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=8)?;
        Ok(d)
    }
}

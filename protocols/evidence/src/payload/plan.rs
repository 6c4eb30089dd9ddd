//! What the registrar decides for a project from a date on. A retroactive plan adds a second row to every
//! figure it touches and never replaces one.

use super::{Calendar, Fields, Place, interval, owned, prev, read_machines, version, write_machines};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;
use crate::hash::Hash;

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanBody {
    /// 0: another calendar.
    Calendar(Calendar),
    /// 1: a machine's state mapping is approved: `[machine, hash, text]`.
    Mapping {
        /// Machine index.
        machine: u32,
        /// SHA-256 of the text.
        hash: Hash,
        /// The mapping's canonical text.
        text: String,
    },
    /// 2: a wrong CT ratio or scale: `[machine, column, [from, to], numerator, denominator]`.
    Correction {
        /// Machine index.
        machine: u32,
        /// Column.
        column: u8,
        /// UTC seconds, half-open.
        interval: (i64, i64),
        /// The factor.
        factor: (u64, u64),
    },
    /// 3: the baseline is locked: `[[from, to], [machine], text]`.
    Baseline {
        /// UTC seconds, half-open.
        interval: (i64, i64),
        /// The boundary: machine indices, ascending; empty for all.
        machines: Vec<u32>,
        /// The plan of measurement and verification that is frozen with it: variables, model, static factors.
        text: String,
    },
    /// 4: a target: `[kpi id, numerator, denominator, unit, [from, to] / null, [machine]]`.
    Target {
        /// KPI id.
        kpi: String,
        /// The target as a fraction.
        value: (i64, u64),
        /// Unit.
        unit: String,
        /// The period it is compared with (基准期), UTC seconds, half-open; none for an absolute target.
        base: Option<(i64, i64)>,
        /// Machine indices, ascending; empty for all.
        machines: Vec<u32>,
    },
    /// 5: an approved change under Article 10: `[text]`.
    Change {
        /// What was approved.
        text: String,
    },
}

impl PlanBody {
    fn subject(&self) -> u64 {
        match self {
            Self::Calendar(_) => 0,
            Self::Mapping { .. } => 1,
            Self::Correction { .. } => 2,
            Self::Baseline { .. } => 3,
            Self::Target { .. } => 4,
            Self::Change { .. } => 5,
        }
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Self::Calendar(calendar) => calendar.write(w),
            Self::Mapping { machine, hash, text } => {
                w.array(3).uint((*machine).into()).bytes(hash).text(text);
            }
            Self::Correction { machine, column, interval, factor } => {
                w.array(5).uint((*machine).into()).uint((*column).into());
                w.array(2).int(interval.0).int(interval.1).uint(factor.0).uint(factor.1);
            }
            Self::Baseline { interval, machines, text } => {
                w.array(3).array(2).int(interval.0).int(interval.1);
                write_machines(w, machines);
                w.text(text);
            }
            Self::Target { kpi, value, unit, base, machines } => {
                w.array(6).text(kpi).int(value.0).uint(value.1).text(unit);
                w.optional(*base, |w, (from, to)| {
                    w.array(2).int(from).int(to);
                });
                write_machines(w, machines);
            }
            Self::Change { text } => {
                w.array(1).text(text);
            }
        }
    }

    fn read(r: &mut Reader<'_>, subject: u64) -> Result<Self, DecodeError> {
        let positive = |n: u64| if n == 0 { Err(DecodeError::value("factor", "zero")) } else { Ok(n) };
        match subject {
            0 => Calendar::read(r).map(Self::Calendar),
            1 => {
                r.tuple(3, "mapping approval")?;
                let (machine, hash) = (r.small("machine index")?, r.fixed("mapping hash")?);
                let text = owned(r, "mapping text")?;
                if crate::hash::sha256(text.as_bytes()) != hash {
                    return Err(DecodeError::value("mapping hash", "not that of the text"));
                }
                Ok(Self::Mapping { machine, hash, text })
            }
            2 => {
                r.tuple(5, "correction")?;
                let (machine, column) = (r.small("machine index")?, r.small("column id")?);
                let interval = interval(r, "correction")?;
                let factor = (positive(r.uint("factor")?)?, positive(r.uint("factor")?)?);
                Ok(Self::Correction { machine, column, interval, factor })
            }
            3 => {
                r.tuple(3, "baseline")?;
                let (interval, machines) = (interval(r, "baseline")?, read_machines(r)?);
                Ok(Self::Baseline { interval, machines, text: owned(r, "baseline text")? })
            }
            4 => {
                r.tuple(6, "target")?;
                let kpi = owned(r, "target kpi")?;
                let value = (r.int("target")?, positive(r.uint("target")?)?);
                let (unit, base) = (owned(r, "target unit")?, r.optional(|r| interval(r, "target base"))?);
                Ok(Self::Target { kpi, value, unit, base, machines: read_machines(r)? })
            }
            5 => {
                r.tuple(1, "change")?;
                Ok(Self::Change { text: owned(r, "change")? })
            }
            other => Err(DecodeError::value("plan subject", format!("{other} is not known"))),
        }
    }
}

/// Payload of a plan statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Place in the registrar's stream.
    pub place: Place,
    /// UTC seconds.
    pub effective_from: i64,
    /// What is decided.
    pub body: PlanBody,
    /// SHA-256 of the document behind it.
    pub document: Option<Hash>,
}

impl Plan {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(7);
        self.place.write(w);
        w.uint(4).uint(self.body.subject()).uint(5).int(self.effective_from).uint(6);
        self.body.write(w);
        w.uint(7);
        w.optional(self.document, |w, hash| {
            w.bytes(&hash);
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (mut place, mut subject, mut effective_from, mut body, mut document) =
            (Place::default(), 0, 0, None, None);
        let seen = Fields::read(r, "plan", |key, r| {
            match key {
                1 => version(r)?,
                2 => place.seq = r.uint("seq")?,
                3 => place.prev = prev(r)?,
                4 => subject = r.uint("plan subject")?,
                5 => effective_from = r.int("effective from")?,
                6 => body = Some(PlanBody::read(r, subject)?),
                7 => document = r.optional(|r| r.fixed("document hash"))?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=7)?;
        let body = body.ok_or_else(|| DecodeError::value("plan", "field 6 is missing"))?;
        Ok(Self { place, effective_from, body, document })
    }
}

//! What is known of one edge node and its devices: whether it has been born, which message is due next, and what the
//! names and aliases of its birth stand for. No IO, no clock.
//!
//! A value is good only while the birth that explains it is unbroken: the node's birth was seen, every message since
//! bore the next sequence number, and neither the node nor the device has died. Whatever breaks that makes all points
//! of the node bad until it is born anew; nothing is held back in the hope that a missing message still comes, and
//! nothing is read by what an earlier birth said.
//!
//! Rules of Eclipse Sparkplug 3.0.0 are named by the identifiers of its own conformance statements.

use std::collections::HashMap;

use bytes::Bytes;
use observation::{Instant, Observation, Reason};

use super::decode::{self, DataType, Reading};
use super::payload::{Metric, Payload, Unreadable};
use super::topic::Kind;

/// The metric that pairs a death with its birth (payloads-ndeath-bdseq).
const BIRTH_DEATH_SEQUENCE: &str = "bdSeq";

/// What is read of a node: the readings of each metric of each device. The node's own metrics have an empty device.
pub(super) type Wanted = HashMap<String, HashMap<String, Vec<Reading>>>;

/// What a message changed in what is known of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The node was born; its devices are yet to follow.
    Born,
    /// The node is gone.
    Died,
    /// Nothing of the node may be believed until it is born anew.
    Lost(Lost),
}

/// Why the chain from the birth to the last message is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    #[error("it sends data, but its birth was not seen")]
    BeforeBirth,
    #[error("message {due} is missing, {came} came instead")]
    Gap { due: u8, came: u64 },
    #[error("a message without a sequence number came")]
    Unnumbered,
    #[error("a message could not be read")]
    Unreadable,
    #[error("a message has the alias {0}, which its birth does not have")]
    UnknownAlias(u64),
    #[error("its birth gives the alias {0} to two metrics")]
    TwoMetrics(u64),
    #[error("its birth gives one metric two data types")]
    TwoTypes,
}

impl Lost {
    /// The reason its points are bad for: values may have been missed, or what came cannot be understood.
    fn reason(self) -> Reason {
        match self {
            Self::Gap { .. } => Reason::Stale,
            _ => Reason::Decode,
        }
    }
}

/// What a message has led to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) observations: Vec<Observation>,
    pub(super) change: Option<Change>,
    /// A birth would mend what is wrong.
    pub(super) wants_birth: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// No birth was seen since the connection to the broker stands.
    Unborn,
    /// Born with this birth-death sequence number, if it had one; the sequence number of the next message.
    Alive {
        birth: Option<u64>,
        due: u8,
    },
    /// Points are bad until it is born anew.
    Lost,
    Dead,
}

/// What the last birth of a node or device said of its metrics.
#[derive(Debug, Default)]
struct Birth {
    /// Data types of the metrics that are read here.
    types: HashMap<String, DataType>,
    /// All its aliases; nothing for a metric that is not read here.
    aliases: HashMap<u64, Option<String>>,
}

/// The node itself or one of its devices, of which something is read.
#[derive(Debug)]
struct Part {
    wanted: HashMap<String, Vec<Reading>>,
    birth: Option<Birth>,
    /// Whether it has been said that data came before a birth.
    complained: bool,
}

/// An edge node.
#[derive(Debug)]
pub(super) struct Node {
    life: Life,
    parts: HashMap<String, Part>,
}

impl Node {
    pub(super) fn new(wanted: Wanted) -> Self {
        let part = |wanted| Part { wanted, birth: None, complained: false };
        let parts = wanted.into_iter().map(|(device, wanted)| (device, part(wanted))).collect();
        Self { life: Life::Unborn, parts }
    }

    /// Whether its birth stands.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.life, Life::Alive { .. })
    }

    /// Whether only a new birth can mend it.
    pub(super) fn is_lost(&self) -> bool {
        self.life == Life::Lost
    }

    /// Every point of the node, bad for this reason.
    pub(super) fn all_bad(&self, reason: Reason, at: Instant) -> Vec<Observation> {
        self.parts.values().flat_map(|part| part.bad(reason, at)).collect()
    }

    /// Takes a message of this node or, unless `device` is empty, of that device.
    pub(super) fn take(&mut self, kind: Kind, device: &str, bytes: Bytes, at: Instant) -> Outcome {
        let payload = Payload::read(bytes);
        let metrics = payload.as_ref().map_err(|e| *e).and_then(Payload::metrics);
        match (kind, device, payload, metrics) {
            (Kind::Death, "", _, metrics) => self.died(&metrics.unwrap_or_default(), at),
            (_, _, Err(Unreadable), _) | (_, _, _, Err(Unreadable)) => self.lost(Lost::Unreadable, at),
            (Kind::Birth, "", Ok(payload), Ok(metrics)) => self.born(&payload, &metrics, at),
            (kind, device, Ok(payload), Ok(metrics)) => match self.follows(payload.seq) {
                Ok(()) => self.follow(kind, device, &payload, &metrics, at),
                Err(lost) => self.lost(lost, at),
            },
        }
    }

    /// A new birth makes everything said before it void, also of the devices (payloads-dbirth-order).
    fn born(&mut self, payload: &Payload, metrics: &[Metric], at: Instant) -> Outcome {
        let seq = match payload.seq.map(u8::try_from) {
            Some(Ok(seq)) => seq,
            Some(Err(_)) => return self.lost(Lost::Unreadable, at),
            None => return self.lost(Lost::Unnumbered, at),
        };
        let birth = metrics.iter().find(|m| m.name_if_any() == Some(BIRTH_DEATH_SEQUENCE)).and_then(bd_seq);
        self.life = Life::Alive { birth, due: seq.wrapping_add(1) };
        let mut observations = Vec::new();
        for (_, part) in self.parts.iter_mut().filter(|(device, _)| !device.is_empty()) {
            part.forget();
            observations.extend(part.bad(Reason::Stale, at));
        }
        let Some(part) = self.parts.get_mut("") else {
            return Outcome { observations, change: Some(Change::Born), wants_birth: false };
        };
        match part.born(payload, metrics, at) {
            Ok(own) => {
                observations.extend(own);
                Outcome { observations, change: Some(Change::Born), wants_birth: false }
            }
            Err(lost) => self.lost(lost, at),
        }
    }

    /// The death of an earlier session may arrive after the birth of the next; it is not this one's
    /// (payloads-ndeath-bdseq). One that cannot be told from this one's is taken for it.
    fn died(&mut self, metrics: &[Metric], at: Instant) -> Outcome {
        let death = metrics.iter().find(|m| m.name_if_any() == Some(BIRTH_DEATH_SEQUENCE)).and_then(bd_seq);
        match self.life {
            Life::Alive { birth: Some(birth), .. } if death.is_some_and(|death| death != birth) => {
                Outcome::default()
            }
            Life::Alive { .. } => {
                self.life = Life::Dead;
                self.forget();
                let observations = self.all_bad(Reason::Stale, at);
                Outcome { observations, change: Some(Change::Died), wants_birth: false }
            }
            Life::Lost | Life::Unborn => {
                // Its points are bad already. It is gone, so that nobody is asked for a birth.
                self.life = Life::Dead;
                Outcome { change: Some(Change::Died), ..Outcome::default() }
            }
            Life::Dead => Outcome::default(),
        }
    }

    /// Whether a message is the one that was due, 0 after 255 (payloads-sequence-num-incrementing).
    fn follows(&mut self, seq: Option<u64>) -> Result<(), Lost> {
        let Life::Alive { due, .. } = &mut self.life else { return Err(Lost::BeforeBirth) };
        let came = seq.ok_or(Lost::Unnumbered)?;
        if came != u64::from(*due) {
            return Err(Lost::Gap { due: *due, came });
        }
        *due = due.wrapping_add(1);
        Ok(())
    }

    fn follow(
        &mut self,
        kind: Kind,
        device: &str,
        payload: &Payload,
        metrics: &[Metric],
        at: Instant,
    ) -> Outcome {
        // A device of which nothing is read; its messages only count.
        let Some(part) = self.parts.get_mut(device) else { return Outcome::default() };
        let done = match kind {
            Kind::Birth => part.born(payload, metrics, at).map(|observations| (observations, false)),
            Kind::Data if part.birth.is_none() => Ok((part.complain(at), true)),
            Kind::Data => part.data(payload, metrics, at).map(|observations| (observations, false)),
            Kind::Death => {
                part.forget();
                let time = payload.timestamp.and_then(decode::utc);
                let bad = part.bad(Reason::Stale, at).map(|o| o.with_source_time(time));
                Ok((bad.collect(), false))
            }
        };
        match done {
            Ok((observations, wants_birth)) => Outcome { observations, change: None, wants_birth },
            Err(lost) => self.lost(lost, at),
        }
    }

    /// Says once that everything is bad, and asks for a birth each time.
    fn lost(&mut self, lost: Lost, at: Instant) -> Outcome {
        if self.life == Life::Lost {
            return Outcome { wants_birth: true, ..Outcome::default() };
        }
        self.life = Life::Lost;
        self.forget();
        let observations = self.all_bad(lost.reason(), at);
        Outcome { observations, change: Some(Change::Lost(lost)), wants_birth: true }
    }

    fn forget(&mut self) {
        self.parts.values_mut().for_each(Part::forget);
    }
}

impl Part {
    fn forget(&mut self) {
        self.birth = None;
        self.complained = false;
    }

    fn bad(&self, reason: Reason, at: Instant) -> impl Iterator<Item = Observation> {
        let points = self.wanted.values().flatten();
        points.map(move |reading| Observation::bad(reading.point, reason, at))
    }

    /// Data of a device whose birth was not seen: a birth of the node alone does not tell its types.
    fn complain(&mut self, at: Instant) -> Vec<Observation> {
        if std::mem::replace(&mut self.complained, true) {
            return Vec::new();
        }
        self.bad(Reason::Decode, at).collect()
    }

    /// A birth holds the present value of every metric (topics-nbirth-metrics, topics-dbirth-metrics). A point whose
    /// metric is not among them is bad, for nothing will come of it.
    fn born(&mut self, payload: &Payload, metrics: &[Metric], at: Instant) -> Result<Vec<Observation>, Lost> {
        self.forget();
        let birth = Birth::read(&self.wanted, metrics)?;
        let missing = self.wanted.iter().filter(|(name, _)| !birth.types.contains_key(*name));
        let mut observations: Vec<Observation> = missing
            .flat_map(|(_, readings)| readings)
            .map(|reading| Observation::bad(reading.point, Reason::Decode, at))
            .collect();
        self.birth = Some(birth);
        observations.extend(self.data(payload, metrics, at)?);
        Ok(observations)
    }

    fn data(&self, payload: &Payload, metrics: &[Metric], at: Instant) -> Result<Vec<Observation>, Lost> {
        let Some(birth) = &self.birth else { return Ok(Vec::new()) };
        let mut observations = Vec::new();
        for metric in metrics {
            let Some(name) = birth.name_of(metric)? else { continue };
            let Some(readings) = self.wanted.get(name) else { continue };
            for reading in readings {
                observations.push(match birth.type_of(name, metric) {
                    Some(datatype) => decode::observe(*reading, datatype, metric, payload.timestamp, at),
                    None => Observation::bad(reading.point, Reason::Decode, at),
                });
            }
        }
        Ok(observations)
    }
}

impl Birth {
    fn read(wanted: &HashMap<String, Vec<Reading>>, metrics: &[Metric]) -> Result<Self, Lost> {
        let mut birth = Self::default();
        for metric in metrics {
            let Some(name) = metric.name_if_any() else { continue };
            let is_wanted = wanted.contains_key(name);
            if let Some(alias) = metric.alias {
                let meant = is_wanted.then(|| name.to_owned());
                if birth.aliases.insert(alias, meant.clone()).is_some_and(|other| other != meant) {
                    return Err(Lost::TwoMetrics(alias));
                }
            }
            if is_wanted {
                let datatype = metric.claimed_type().map_or(DataType::Other(0), DataType::of);
                if birth.types.insert(name.to_owned(), datatype).is_some_and(|other| other != datatype) {
                    return Err(Lost::TwoTypes);
                }
            }
        }
        Ok(birth)
    }

    /// Which metric is meant; nothing if it is one that is not read here.
    fn name_of<'a>(&'a self, metric: &'a Metric) -> Result<Option<&'a str>, Lost> {
        let by_alias = metric.alias.map(|alias| self.aliases.get(&alias).ok_or(Lost::UnknownAlias(alias)));
        match (metric.name_if_any(), by_alias) {
            (None, None) => Ok(None),
            (Some(name), None) => Ok(Some(name)),
            (None, Some(meant)) => Ok(meant?.as_deref()),
            (Some(name), Some(Ok(meant))) => {
                // Both are there and must agree, as far as one that is read here is concerned.
                let told = self.types.contains_key(name).then_some(name);
                if told == meant.as_deref() {
                    Ok(told)
                } else {
                    Err(Lost::TwoMetrics(metric.alias.unwrap_or_default()))
                }
            }
            (Some(_), Some(Err(lost))) => Err(lost),
        }
    }

    /// The data type of the birth, unless the message claims another.
    fn type_of(&self, name: &str, metric: &Metric) -> Option<DataType> {
        let born = *self.types.get(name)?;
        metric.claimed_type().is_none_or(|claimed| DataType::of(claimed) == born).then_some(born)
    }
}

/// The number that pairs deaths and births, 0 to 255, in whichever integer it is carried.
fn bd_seq(metric: &Metric) -> Option<u64> {
    use super::payload::Raw;
    match metric.value {
        Some(Raw::Int(n)) => Some(u64::from(n)),
        Some(Raw::Long(n)) => Some(n),
        _ => None,
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;

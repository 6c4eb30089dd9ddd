//! Events: what happened to an agent besides windows. They ride in window statements, or in an event
//! statement when no window statement can follow.

use super::window::{ClockClaim, read_clock, write_clock};
use super::{Fields, Place, prev, version};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;
use crate::hash::Hash;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventCode {
    /// The agent started: null, program version and binary hash.
    Boot,
    /// The wall clock stepped: UTC ms before and after.
    ClockStep,
    /// The box was off or time was skipped: from, to in UTC ms, multiples of the step.
    Down,
    /// The configuration changed: hash before and after.
    Configuration,
    /// A counter did what counters do not do: column and last value, column and first value.
    Counter,
    /// A meter was exchanged: as [`Self::Counter`].
    MeterExchanged,
    /// Windows were lost: from, to in UTC ms, multiples of the step.
    Loss,
    /// A tamper counter of a device moved: counter and value before, counter and value after.
    Tamper,
    /// A machine's identity changed: text before and after.
    Identity,
    /// Anything else worth a line: null, text.
    Note,
}

impl EventCode {
    /// Every code, in the order of their numbers from 1.
    pub const ALL: [Self; 10] = [
        Self::Boot,
        Self::ClockStep,
        Self::Down,
        Self::Configuration,
        Self::Counter,
        Self::MeterExchanged,
        Self::Loss,
        Self::Tamper,
        Self::Identity,
        Self::Note,
    ];

    /// The number in the format.
    pub fn number(self) -> u64 {
        self as u64 + 1
    }

    fn from_number(n: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == n)
    }
}

/// What an event carries before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventValue {
    /// Nothing.
    Null,
    /// A time in UTC ms or a count.
    Int(i64),
    /// A hash.
    Hash(Hash),
    /// A text.
    Text(String),
    /// A column and a value in that column's exponent.
    Counter(u8, i64),
    /// A device's own counter, by the device's number for it (DL/T 645: its data identification), and its
    /// value.
    Device(u32, i64),
    /// A program's version and the SHA-256 of its binary.
    Program(String, Hash),
}

impl EventValue {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Null => w.null(),
            Self::Int(n) => w.int(*n),
            Self::Hash(hash) => w.bytes(hash),
            Self::Text(text) => w.text(text),
            Self::Counter(column, value) => w.array(2).uint(u64::from(*column)).int(*value),
            Self::Device(counter, value) => w.array(2).uint(u64::from(*counter)).int(*value),
            Self::Program(version, hash) => w.array(2).text(version).bytes(hash),
        };
    }

    /// Reads the form that the event's code calls for.
    fn read(r: &mut Reader<'_>, code: EventCode) -> Result<Self, DecodeError> {
        r.optional(|r| match code {
            EventCode::ClockStep | EventCode::Down | EventCode::Loss => r.int("event value").map(Self::Int),
            EventCode::Tamper => {
                r.tuple(2, "tamper counter")?;
                Ok(Self::Device(r.small("tamper counter")?, r.int("event value")?))
            }
            EventCode::Configuration => r.fixed("event hash").map(Self::Hash),
            EventCode::Identity | EventCode::Note => r.text("event text").map(|s| Self::Text(s.to_owned())),
            EventCode::Counter | EventCode::MeterExchanged => {
                r.tuple(2, "event counter")?;
                Ok(Self::Counter(r.small("event column")?, r.int("event value")?))
            }
            EventCode::Boot => {
                r.tuple(2, "program")?;
                Ok(Self::Program(r.text("program version")?.to_owned(), r.fixed("program hash")?))
            }
        })
        .map(|value| value.unwrap_or(Self::Null))
    }
}

/// One event: `[t ms, code, machine index / null, before, after]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// UTC ms.
    pub t_ms: i64,
    /// What happened.
    pub code: EventCode,
    /// To which machine, if to one.
    pub machine: Option<u32>,
    /// Value before.
    pub before: EventValue,
    /// Value after.
    pub after: EventValue,
}

impl Event {
    /// The interval of a down or a loss, UTC ms.
    pub fn interval(&self) -> Option<(i64, i64)> {
        match (self.code, &self.before, &self.after) {
            (EventCode::Down | EventCode::Loss, EventValue::Int(from), EventValue::Int(to)) => {
                Some((*from, *to))
            }
            _ => None,
        }
    }
}

pub(super) fn write_events(w: &mut Writer, events: &[Event]) {
    w.array(events.len());
    for event in events {
        w.array(5).int(event.t_ms).uint(event.code.number());
        w.optional(event.machine, |w, m| {
            w.uint(u64::from(m));
        });
        event.before.write(w);
        event.after.write(w);
    }
}

pub(super) fn read_events(r: &mut Reader<'_>) -> Result<Vec<Event>, DecodeError> {
    let events = r.list("events", |r| {
        r.tuple(5, "event")?;
        let t_ms = r.int("event time")?;
        let number = r.uint("event code")?;
        let code = EventCode::from_number(number)
            .ok_or_else(|| DecodeError::value("event code", format!("{number} is not known")))?;
        let machine = r.optional(|r| r.small("event machine"))?;
        let (before, after) = (EventValue::read(r, code)?, EventValue::read(r, code)?);
        let event = Event { t_ms, code, machine, before, after };
        match (code, event.interval()) {
            (EventCode::Down | EventCode::Loss, None) => {
                Err(DecodeError::value("event", "an interval is missing"))
            }
            (_, Some((from, to))) if from >= to => Err(DecodeError::value("event", "ends before it begins")),
            _ => Ok(event),
        }
    })?;
    if events.is_empty() {
        Err(DecodeError::value("events", "empty; leave the field out"))
    } else {
        Ok(events)
    }
}

/// Events that no window statement can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    /// Place in the agent's stream.
    pub place: Place,
    /// Counts the agent's starts.
    pub boot_epoch: u64,
    /// What the agent says of its clock.
    pub clock: ClockClaim,
    /// At least one.
    pub events: Vec<Event>,
}

impl EventBatch {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(6);
        self.place.write(w);
        w.uint(4).uint(self.boot_epoch).uint(5);
        write_clock(w, &self.clock);
        w.uint(6);
        write_events(w, &self.events);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut e =
            Self { place: Place::default(), boot_epoch: 0, clock: ClockClaim::default(), events: vec![] };
        let seen = Fields::read(r, "event", |key, r| {
            match key {
                1 => version(r)?,
                2 => e.place.seq = r.uint("seq")?,
                3 => e.place.prev = prev(r)?,
                4 => e.boot_epoch = r.uint("boot epoch")?,
                5 => e.clock = read_clock(r)?,
                6 => e.events = read_events(r)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        seen.require(1..=6)?;
        Ok(e)
    }
}

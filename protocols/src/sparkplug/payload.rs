//! Sparkplug B's payload, as far as it is read here (Eclipse Sparkplug 3.0.0, 6.4.1, the protobuf schema
//! `org.eclipse.tahu.protobuf`).
//!
//! What is not read (data sets, templates, files, metadata, extensions) is skipped as protobuf skips any field it
//! does not know. Nested messages are kept as their bytes and decoded one at a time, so that a message of many
//! empty elements costs a few times its own length and no more.

use bytes::Bytes;
use prost::{DecodeError, Message};

/// Metrics in one message. A message has at most 1 MiB, and a metric with its time stamp hardly fewer than 16 bytes.
const MOST_METRICS: usize = 65_536;

/// The bytes are no such message, or hold more than can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl From<DecodeError> for Unreadable {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

/// The whole of a message.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Payload {
    /// When it was sent, ms since 1970.
    #[prost(uint64, optional, tag = "1")]
    pub(super) timestamp: Option<u64>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    metrics: Vec<Bytes>,
    /// Counts the messages of an edge node from 0 to 255 and over again.
    #[prost(uint64, optional, tag = "3")]
    pub(super) seq: Option<u64>,
}

/// One metric.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) alias: Option<u64>,
    /// When its value was read, ms since 1970.
    #[prost(uint64, optional, tag = "3")]
    pub(super) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub(super) is_historical: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(super) is_null: Option<bool>,
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub(super) properties: Option<Bytes>,
    #[prost(oneof = "Raw", tags = "10, 11, 12, 13, 14, 15")]
    pub(super) value: Option<Raw>,
}

/// A value as it was carried; its meaning depends on the data type.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Raw {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Bool(bool),
    #[prost(string, tag = "15")]
    Text(String),
}

#[derive(Clone, PartialEq, Message)]
struct Properties {
    #[prost(string, repeated, tag = "1")]
    keys: Vec<String>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    values: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Property {
    #[prost(uint32, optional, tag = "3")]
    int_value: Option<u32>,
    #[prost(uint64, optional, tag = "4")]
    long_value: Option<u64>,
}

impl Payload {
    /// Reads a message's outer form.
    pub(super) fn read(bytes: Bytes) -> Result<Self, Unreadable> {
        Ok(Self::decode(bytes)?)
    }

    /// Its metrics in their order. One that cannot be read makes the whole message unreadable.
    pub(super) fn metrics(&self) -> Result<Vec<Metric>, Unreadable> {
        if self.metrics.len() > MOST_METRICS {
            return Err(Unreadable);
        }
        self.metrics.iter().map(|bytes| Ok(Metric::decode(bytes.clone())?)).collect()
    }

    /// A message of these metrics.
    pub(super) fn of(timestamp: Option<u64>, metrics: &[Metric], seq: Option<u64>) -> Self {
        let metrics = metrics.iter().map(|metric| metric.encode_to_vec().into()).collect();
        Self { timestamp, metrics, seq }
    }
}

impl Metric {
    /// A boolean metric of a command.
    pub(super) fn truth(name: &str, datatype: u32, timestamp: Option<u64>) -> Self {
        let value = Some(Raw::Bool(true));
        Self { name: Some(name.to_owned()), datatype: Some(datatype), timestamp, value, ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn set_quality(&mut self, code: u32) {
        let value = Property { int_value: Some(code), long_value: None }.encode_to_vec().into();
        let properties = Properties { keys: vec!["Quality".to_owned()], values: vec![value] };
        self.properties = Some(properties.encode_to_vec().into());
    }

    /// Its name; some publishers write an empty one beside the alias.
    pub(super) fn name_if_any(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !name.is_empty())
    }

    /// The number of its data type; 0 stands for none.
    pub(super) fn claimed_type(&self) -> Option<u32> {
        self.datatype.filter(|datatype| *datatype != 0)
    }

    /// The property `Quality` (chapter 6, "Quality Codes"): nothing if there is none, an error if it is no number.
    pub(super) fn quality(&self) -> Result<Option<u32>, Unreadable> {
        let Some(bytes) = &self.properties else { return Ok(None) };
        let properties = Properties::decode(bytes.clone())?;
        let Some(place) = properties.keys.iter().position(|key| key == "Quality") else { return Ok(None) };
        let value = Property::decode(properties.values.get(place).ok_or(Unreadable)?.clone())?;
        let long = value.long_value.and_then(|long| u32::try_from(long).ok());
        value.int_value.or(long).ok_or(Unreadable).map(Some)
    }
}

//! Whether a value may be believed. Quality is data: it is journalled, windowed and signed with the value.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The three classes every protocol's status is mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Quality {
    /// The device answered and vouches for the value.
    Good,
    /// The device answered but does not fully vouch (OPC UA Uncertain). Used for display; counts as not good.
    Uncertain(Reason),
    /// No value.
    Bad(Reason),
}

impl Quality {
    /// Only good values feed states, registers and read counts.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Good)
    }
}

/// Why a value is not good. Codes of the device are kept whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// No connection to the device, or the connection broke before the answer.
    Disconnected,
    /// The device did not answer in time.
    Timeout,
    /// The device refused this request: Modbus exception code.
    Refused(u8),
    /// The device's own status: the full 32-bit OPC UA status code.
    Status(u32),
    /// The answer came but could not be the answer to the question (length, unit, type, path).
    Decode,
    /// The value lies outside what the configuration allows.
    Range,
    /// Nothing was heard for longer than the point's validity.
    Stale,
    /// The point is known only from a retained or replayed message.
    Retained,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("no connection"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Refused(code) => write!(f, "refused by the device, Modbus exception {code}"),
            Self::Status(code) => write!(f, "device status 0x{code:08X}"),
            Self::Decode => f.write_str("the answer does not fit the request"),
            Self::Range => f.write_str("value out of the configured range"),
            Self::Stale => f.write_str("nothing heard for longer than the value stays valid"),
            Self::Retained => f.write_str("retained message, not a fresh value"),
        }
    }
}

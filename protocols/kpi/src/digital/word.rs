//! Whose word a number is. A declared number and a measured one are of different types, so that neither can be taken
//! for the other and no flag can be forgotten: a declaration cannot be made without its document, and a measurement
//! cannot be made outside this crate.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::period::Period;

/// SHA-256 of a document. In text 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema)]
#[schemars(with = "String")]
pub struct DocumentHash(pub [u8; 32]);

/// A text that is no hash of a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SHA-256 of a document; give its 64 hex digits, as sha256sum prints them")]
pub struct DocumentHashError(String);

impl std::str::FromStr for DocumentHash {
    type Err = DocumentHashError;
    fn from_str(text: &str) -> Result<Self, DocumentHashError> {
        let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
        let bytes = digits.filter(|d| d.len() == 64).map(|digits| {
            let mut pairs = digits.chunks_exact(2);
            // A hex digit is below 16, so that a pair is a byte.
            std::array::from_fn(|_| {
                pairs.next().map_or(0, |p| u8::try_from(p[0] * 16 + p[1]).unwrap_or(u8::MAX))
            })
        });
        bytes.map(Self).ok_or_else(|| DocumentHashError(text.to_owned()))
    }
}

impl std::fmt::Display for DocumentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for DocumentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DocumentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Somebody's word, with the document behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Declared<T> {
    declared: T,
    document: DocumentHash,
}

impl<T> Declared<T> {
    /// A declared value and its document.
    pub const fn new(declared: T, document: DocumentHash) -> Self {
        Self { declared, document }
    }

    /// What was declared.
    pub const fn declared(&self) -> &T {
        &self.declared
    }

    /// SHA-256 of the document behind it.
    pub const fn document(&self) -> DocumentHash {
        self.document
    }
}

/// What signed windows show over a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Measured<T> {
    measured: T,
    period: Period,
}

impl<T> Measured<T> {
    pub(crate) const fn new(measured: T, period: Period) -> Self {
        Self { measured, period }
    }

    /// What was measured.
    pub const fn measured(&self) -> &T {
        &self.measured
    }

    /// Over which period.
    pub const fn period(&self) -> Period {
        self.period
    }
}

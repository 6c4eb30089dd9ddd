//! Every way in which bytes can fail to be what they claim, by name.

/// Why bytes are no statement, note, receipt or column of format version 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end in the middle of an item.
    #[error("the bytes end in the middle of {0}")]
    Truncated(&'static str),
    /// Something other than what stands here in version 1.
    #[error("expected {expected} at byte {at}")]
    Unexpected {
        /// What belongs here.
        expected: &'static str,
        /// Offset in the item.
        at: usize,
    },
    /// An integer or length is not in its shortest form (RFC 8949, 4.2.1).
    #[error("the integer at byte {0} is not in its shortest form")]
    NotShortest(usize),
    /// An indefinite length (RFC 8949, 4.2.1).
    #[error("the item at byte {0} has an indefinite length")]
    Indefinite(usize),
    /// A map key twice.
    #[error("a map has the key at byte {0} twice")]
    DuplicateKey(usize),
    /// Map keys not in bytewise order (RFC 8949, 4.2.1).
    #[error("the map keys at byte {0} are out of order")]
    KeyOrder(usize),
    /// Bytes behind the end.
    #[error("{0} bytes follow the end")]
    Trailing(usize),
    /// A field holds a value that version 1 does not allow.
    #[error("{field}: {reason}")]
    Value {
        /// The field, in the words of SPEC.md.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The unprotected header of a statement must be empty.
    #[error("the unprotected header is not empty")]
    Unprotected,
    /// Rebuilt from its fields the item has other bytes.
    #[error("not canonical: rebuilt from its fields it differs at byte {0}")]
    NotCanonical(usize),
    /// Over the size limit.
    #[error("{size} bytes are over the limit of {limit}")]
    TooLarge {
        /// Bytes seen.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl DecodeError {
    /// A wrong value in a named field.
    pub fn value(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Value { field, reason: reason.into() }
    }
}

/// Why something cannot be written in format version 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The statement would be too large for an entry.
    #[error("the statement has {size} bytes, the limit is {limit}; put fewer windows into it")]
    TooLarge {
        /// Bytes it would have.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A field holds what version 1 does not allow.
    #[error("{field}: {reason}")]
    Value {
        /// The field, in the words of SPEC.md.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

//! What a declaration rests on. A declared value is never shown without the hash of its document, and its
//! evidence class is always D.

use serde::{Deserialize, Serialize};

/// SHA-256 of a document, 64 small hexadecimal digits.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentHash(String);

/// A text that is no document hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no document hash; give the SHA-256 of the bill or declaration as 64 hexadecimal digits (sha256sum FILE)"
)]
pub struct NotADocumentHash(pub String);

impl DocumentHash {
    /// The hash of a text; capitals are taken and made small.
    pub fn parse(text: &str) -> Result<Self, NotADocumentHash> {
        let hex = text.trim();
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(hex.to_ascii_lowercase()))
        } else {
            Err(NotADocumentHash(text.to_owned()))
        }
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DocumentHash {
    type Error = NotADocumentHash;
    fn try_from(text: String) -> Result<Self, NotADocumentHash> {
        Self::parse(&text)
    }
}

impl From<DocumentHash> for String {
    fn from(hash: DocumentHash) -> Self {
        hash.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_sha256_is_a_document_hash() {
        let hash = "AB".repeat(32);
        assert_eq!(DocumentHash::parse(&hash).unwrap().as_str(), "ab".repeat(32));
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            assert_eq!(DocumentHash::parse(text), Err(NotADocumentHash(text.to_owned())));
        }
    }
}

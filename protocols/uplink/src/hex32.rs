//! Thirty-two bytes as 64 lower-case hexadecimal digits in JSON. Upper case is refused: one value, one text.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(hash: &[u8; 32], out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&hex::encode(hash))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not 64 lower-case hex digits")))
}

pub(crate) fn parse(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    hex::decode(text).ok()?.try_into().ok()
}

/// The same for a value that may be null.
pub(crate) mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "the signature that serde's `with` asks for")]
    pub(crate) fn serialize<S: Serializer>(hash: &Option<[u8; 32]>, out: S) -> Result<S::Ok, S::Error> {
        hash.map(hex::encode).serialize(out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u8; 32]>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let bad = || D::Error::custom(format!("`{text}` is not 64 lower-case hex digits"));
        super::parse(&text).ok_or_else(bad).map(Some)
    }
}

/// The same for a list.
pub(crate) mod list {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(hashes: &[[u8; 32]], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(hashes.iter().map(hex::encode))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<[u8; 32]>, D::Error> {
        let parse = |text: String| {
            super::parse(&text)
                .ok_or_else(|| D::Error::custom(format!("`{text}` is not 64 lower-case hex digits")))
        };
        Vec::<String>::deserialize(from)?.into_iter().map(parse).collect()
    }
}

//! The JSON bodies of answers that an agent reads. Hashes are 64 lower-case hex digits.

use crate::{Hash, hex32};
use serde::{Deserialize, Serialize};

/// One statement that is durable in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEntry {
    /// The statement's number in its stream.
    pub seq: u64,
    /// Its index in the log, from 0.
    pub index: u64,
    /// Its leaf hash, SHA-256(00‖statement).
    #[serde(with = "hex32")]
    pub leaf: Hash,
}

/// The acknowledgement *stored*: these statements survive a power cut of the gateway. It is no licence to
/// delete them; that takes a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// What was stored, in the order of the body; a repeated statement is listed with its first index.
    pub stored: Vec<StoredEntry>,
    /// How many statements the sender may have unacknowledged from now on.
    pub credit: u32,
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// The number the next statement must carry.
    pub next_seq: u64,
    /// Leaf hash of the newest statement, null before the first.
    #[serde(with = "hex32::option")]
    pub head: Option<Hash>,
    /// Whether the stream is frozen after two different statements with one number.
    pub frozen: bool,
}

/// RFC 9162 section 2.1.4: hashes that show the smaller tree to be the beginning of the larger one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// The smaller tree's size.
    pub from: u64,
    /// The larger tree's size.
    pub to: u64,
    /// The proof, in the RFC's order.
    #[serde(with = "hex32::list")]
    pub hashes: Vec<Hash>,
}

/// RFC 9162 section 2.1.3: hashes that lead from a leaf to the root of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// The entry's index in the log.
    pub index: u64,
    /// Its leaf hash.
    #[serde(with = "hex32")]
    pub leaf: Hash,
    /// Size of the tree the proof is for.
    pub size: u64,
    /// Root of that tree.
    #[serde(with = "hex32")]
    pub root: Hash,
    /// The proof, from the leaf upwards.
    #[serde(with = "hex32::list")]
    pub hashes: Vec<Hash>,
    /// The checkpoint of that size: a signed note.
    pub checkpoint: String,
}

/// An enrolment request was queued for the operator and the registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Thumbprint of the key that asks.
    #[serde(with = "hex32")]
    pub kid: Hash,
    /// What happens next, for the person at the box.
    pub next: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_written_shape() {
        let stored = Stored { stored: vec![StoredEntry { seq: 0, index: 1, leaf: [0xab; 32] }], credit: 64 };
        let text = serde_json::to_string(&stored).unwrap();
        let want =
            format!(r#"{{"stored":[{{"seq":0,"index":1,"leaf":"{}"}}],"credit":64}}"#, "ab".repeat(32));
        assert_eq!(text, want);
        assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), stored);
        let state = StreamState { next_seq: 0, head: None, frozen: false };
        assert_eq!(serde_json::to_string(&state).unwrap(), r#"{"next_seq":0,"head":null,"frozen":false}"#);
    }

    #[test]
    fn upper_case_and_short_hashes_are_refused() {
        for head in ["AB".repeat(32), "ab".repeat(31), "zz".repeat(32)] {
            let text = format!(r#"{{"next_seq":1,"head":"{head}","frozen":false}}"#);
            assert!(serde_json::from_str::<StreamState>(&text).is_err(), "{head}");
        }
    }
}

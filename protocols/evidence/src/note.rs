//! Signed notes (C2SP signed-note), checkpoints (tlog-checkpoint) and cosignatures (tlog-cosignature).
//!
//! ```text
//! <origin>\n<size>\n<base64 root>\n      the text of a checkpoint
//! \n
//! — <name> <base64(key hash ‖ signature)>\n    one line a signature
//! ```
//!
//! Types: 01 Ed25519 over the text; 04 Ed25519 over `cosignature/v1\ntime <t>\n` and the text, preceded by
//! the time as u64; FF `plumbline/sm2` SM2 over the text.

use crate::hash::{Hash, sha256};
use crate::key::{Alg, KeyError, PublicKey, SignatureError, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Longer notes are refused unread.
pub const MAX_NOTE: usize = 64 * 1024;
const SM2_TYPE: &[u8] = b"\xffplumbline/sm2";

/// What is wrong with a note or a verifier key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not `<name>+<hash>+<key>`.
    #[error("{0:?} is no verifier key of the form name+hash+base64")]
    VerifierKey(String),
    /// The key in a verifier key is no key.
    #[error("the verifier key {name} holds no usable key: {source}")]
    Key {
        /// Name in the verifier key.
        name: String,
        /// Why.
        source: KeyError,
    },
    /// Text, blank line, signatures: one of them is missing or malformed.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// No line of the wanted key.
    #[error("the note carries no signature of {0}")]
    Unsigned(String),
    /// A line of the wanted key that does not verify.
    #[error("the signature of {0} on the note is wrong")]
    Signature(String),
    /// Signed, but no checkpoint.
    #[error("the note is no checkpoint: {0}")]
    Checkpoint(&'static str),
}

/// What kind of line a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineType {
    /// 01 or FF: the text itself.
    Text,
    /// 04: the text with a time.
    Cosignature,
}

/// A C2SP verifier key: a name and a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    line: LineType,
    key: PublicKey,
}

impl VerifierKey {
    /// A verifier key. Names hold no space and no plus. Cosignatures are Ed25519 only.
    pub fn new(name: &str, line: LineType, key: PublicKey) -> Result<Self, NoteError> {
        let wrong = name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace);
        if wrong || (line == LineType::Cosignature && key.alg() == Alg::Sm2) {
            return Err(NoteError::VerifierKey(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), line, key })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What kind of line it signs.
    pub fn line(&self) -> LineType {
        self.line
    }

    fn typed_key(&self) -> Vec<u8> {
        let kind: &[u8] = match (self.line, self.key.alg()) {
            (LineType::Text, Alg::Ed25519) => &[1],
            (LineType::Cosignature, _) => &[4],
            (LineType::Text, Alg::Sm2) => SM2_TYPE,
        };
        [kind, self.key.bytes()].concat()
    }

    /// First four bytes of SHA-256(name ‖ LF ‖ type ‖ key).
    pub fn hash(&self) -> [u8; 4] {
        let digest = sha256(&[self.name.as_bytes(), b"\n", &self.typed_key()].concat());
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex::encode(self.hash()), STANDARD.encode(self.typed_key()))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let wrong = || NoteError::VerifierKey(text.to_owned());
        let (name, rest) = text.split_once('+').ok_or_else(wrong)?;
        let (hash, encoded) = rest.split_once('+').ok_or_else(wrong)?;
        let typed = STANDARD.decode(encoded).map_err(|_| wrong())?;
        let (line, alg, bytes) = match typed.split_first() {
            Some((1, key)) => (LineType::Text, Alg::Ed25519, key),
            Some((4, key)) => (LineType::Cosignature, Alg::Ed25519, key),
            _ => (LineType::Text, Alg::Sm2, typed.strip_prefix(SM2_TYPE).ok_or_else(wrong)?),
        };
        let key =
            PublicKey::new(alg, bytes).map_err(|source| NoteError::Key { name: name.to_owned(), source })?;
        let parsed = Self::new(name, line, key)?;
        if hex::encode(parsed.hash()) == hash && parsed.to_string() == text {
            Ok(parsed)
        } else {
            Err(wrong())
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: String,
    hash: [u8; 4],
    signature: Vec<u8>,
}

/// A note: a text and signatures that have not been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<Line>,
}

impl Note {
    /// A note without signatures; the text must end with a line feed.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        if !text.ends_with('\n') || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(NoteError::Malformed("the text must be lines without control characters"));
        }
        Ok(Self { text, lines: vec![] })
    }

    /// Reads a note with at least one signature. Only the form that [`Self::encode`] writes is accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::Malformed("too long"));
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        let (text, signatures) = all.rsplit_once("\n\n").ok_or(NoteError::Malformed("no blank line"))?;
        let mut note = Self::new(format!("{text}\n"))?;
        let body = signatures.strip_suffix('\n').ok_or(NoteError::Malformed("no line feed at the end"))?;
        for line in body.split('\n') {
            note.lines.push(parse_line(line).ok_or(NoteError::Malformed("a signature line"))?);
        }
        if note.encode() == bytes { Ok(note) } else { Err(NoteError::Malformed("not in canonical form")) }
    }

    /// The bytes of the note.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!("{}\n", self.text);
        for line in &self.lines {
            let blob = [&line.hash[..], &line.signature].concat();
            let _ = writeln!(out, "\u{2014} {} {}", line.name, STANDARD.encode(blob));
        }
        out.into_bytes()
    }

    /// The text that is signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of the signers, unchecked.
    pub fn signers(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.name.as_str())
    }

    /// Adds a signature over the text.
    pub fn sign(&mut self, name: &str, key: &SigningKey) -> Result<(), NoteError> {
        let verifier = VerifierKey::new(name, LineType::Text, key.public().clone())?;
        let signature = key.sign(self.text.as_bytes()).to_vec();
        self.lines.push(Line { name: name.to_owned(), hash: verifier.hash(), signature });
        Ok(())
    }

    /// Adds a cosignature with a time in UTC seconds.
    pub fn cosign(&mut self, name: &str, key: &SigningKey, time: u64) -> Result<(), NoteError> {
        let verifier = VerifierKey::new(name, LineType::Cosignature, key.public().clone())?;
        let signature = [&time.to_be_bytes()[..], &key.sign(&self.cosigned(time))].concat();
        self.lines.push(Line { name: name.to_owned(), hash: verifier.hash(), signature });
        Ok(())
    }

    fn cosigned(&self, time: u64) -> Vec<u8> {
        format!("cosignature/v1\ntime {time}\n{}", self.text).into_bytes()
    }

    /// Checks the line of a key. Gives the cosignature's time in UTC seconds, or none for a plain signature.
    pub fn verify(&self, key: &VerifierKey) -> Result<Option<u64>, NoteError> {
        let hash = key.hash();
        let mine = |line: &&Line| line.name == key.name && line.hash == hash;
        let line = self.lines.iter().find(mine).ok_or_else(|| NoteError::Unsigned(key.name.clone()))?;
        let wrong = |_: SignatureError| NoteError::Signature(key.name.clone());
        match key.line {
            LineType::Text => {
                key.key.verify(self.text.as_bytes(), &line.signature).map_err(wrong)?;
                Ok(None)
            }
            LineType::Cosignature => {
                let (time, signature) =
                    line.signature.split_first_chunk::<8>().ok_or_else(|| wrong(SignatureError))?;
                let time = u64::from_be_bytes(*time);
                key.key.verify(&self.cosigned(time), signature).map_err(wrong)?;
                Ok(Some(time))
            }
        }
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let blob = STANDARD.decode(encoded).ok()?;
    let (hash, signature) = blob.split_first_chunk::<4>()?;
    let fine = !name.is_empty() && !name.contains('+') && !signature.is_empty();
    fine.then(|| Line { name: name.to_owned(), hash: *hash, signature: signature.to_vec() })
}

/// A log's size and root under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, from the genesis.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
}

impl Checkpoint {
    /// The note's text.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the text of a note; extension lines are not accepted.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let wrong = NoteError::Checkpoint;
        let mut lines = text.lines();
        let [Some(origin), Some(size), Some(root), None] = [(); 4].map(|()| lines.next()) else {
            return Err(wrong("not three lines"));
        };
        let root =
            STANDARD.decode(root).ok().and_then(|b| Hash::try_from(b).ok()).ok_or(wrong("no root hash"))?;
        let size = size.parse().map_err(|_| wrong("no size"))?;
        let checkpoint = Self { origin: origin.to_owned(), size, root };
        if !origin.is_empty() && checkpoint.text() == text {
            Ok(checkpoint)
        } else {
            Err(wrong("not in canonical form"))
        }
    }

    /// Parses a note, checks the log's signature and reads the checkpoint.
    pub fn open(bytes: &[u8], log: &VerifierKey) -> Result<(Self, Note), NoteError> {
        let note = Note::parse(bytes)?;
        note.verify(log)?;
        Ok((Self::parse(note.text())?, note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP signed-note: vkey and note of one `PeterNeumann`.
    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed([seed; 32])
    }

    #[test]
    fn the_published_example_verifies() {
        let vkey: VerifierKey = VKEY.parse().unwrap();
        assert_eq!(vkey.to_string(), VKEY);
        let note = Note::parse(NOTE.as_bytes()).unwrap();
        assert_eq!(note.verify(&vkey), Ok(None));
        let changed = NOTE.replace("answer", "Answer");
        let note = Note::parse(changed.as_bytes()).unwrap();
        assert_eq!(note.verify(&vkey), Err(NoteError::Signature("PeterNeumann".into())));
    }

    #[test]
    fn a_checkpoint_carries_log_and_time_lines() {
        let (log, time) = (key(1), key(2));
        let checkpoint = Checkpoint { origin: "example.cn/log/SY-1".into(), size: 7, root: [9; 32] };
        let mut note = Note::new(checkpoint.text()).unwrap();
        note.sign("example.cn/log/SY-1", &log).unwrap();
        note.cosign("example.cn/time", &time, 1_700_000_000).unwrap();
        let bytes = note.encode();
        let log_key = VerifierKey::new("example.cn/log/SY-1", LineType::Text, log.public().clone()).unwrap();
        let time_key =
            VerifierKey::new("example.cn/time", LineType::Cosignature, time.public().clone()).unwrap();
        let (read, note) = Checkpoint::open(&bytes, &log_key).unwrap();
        assert_eq!(read, checkpoint);
        assert_eq!(note.verify(&time_key), Ok(Some(1_700_000_000)));
        let other = VerifierKey::new("example.cn/time", LineType::Cosignature, log.public().clone()).unwrap();
        assert_eq!(note.verify(&other), Err(NoteError::Unsigned("example.cn/time".into())));
    }

    #[test]
    fn an_sm2_line_of_type_ff_verifies() {
        let sm2 = SigningKey::sm2_from_secret(&[7; 32]).unwrap();
        let mut note = Note::new("a\n1\nb\n").unwrap();
        note.sign("sm2.example", &sm2).unwrap();
        let vkey = VerifierKey::new("sm2.example", LineType::Text, sm2.public().clone()).unwrap();
        let again: VerifierKey = vkey.to_string().parse().unwrap();
        assert_eq!(Note::parse(&note.encode()).unwrap().verify(&again), Ok(None));
    }

    #[test]
    fn what_is_no_note_or_key_is_refused() {
        for bad in [
            "",
            "a\n",
            "a\n\n",
            "a\n\n- x aaaa\n",
            "a\n\n\u{2014} x\n",
            "a\n\n\u{2014} x AAAAAA==\n",
            "a\r\n\n\u{2014} x AAAAAAA\n",
        ] {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        for bad in
            ["", "a+b", "a+00000000+AQ==", &VKEY.replace("c74f20a3", "c74f20a4"), &VKEY.replace('+', "-")]
        {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad:?}");
        }
        for bad in [
            "o\n1\n",
            "o\n01\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n",
            "\n1\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n",
        ] {
            assert!(Checkpoint::parse(bad).is_err(), "{bad:?}");
        }
    }
}

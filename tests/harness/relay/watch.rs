//! Holds what a reader sends against a list of what may be sent: a machine is read and never written to.
//!
//! A [`Frames`] takes a reader's byte stream apart and names each frame, or says why it may not be sent. It sees the
//! bytes themselves, as they leave, and shares no code with the program that sent them. What is encrypted it cannot
//! see, and says so in the name.

use std::collections::BTreeMap;

/// Makes what looks at one connection.
pub type Rule = fn() -> Box<dyn Frames>;

/// Takes the stream of one connection apart.
pub trait Frames: Send {
    /// The next frame at the start of `bytes`: its length and its name; `None` if it is not all there yet.
    ///
    /// # Errors
    /// In words, when it is none of those that may be sent, or no frame at all.
    fn next(&mut self, bytes: &[u8]) -> Result<Option<(usize, String)>, String>;

    /// Bytes that have come and are not taken yet.
    fn rest(&mut self) -> &mut Vec<u8>;
}

/// What was sent so far, over all connections.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) frames: BTreeMap<String, u64>,
    pub(super) violations: Vec<String>,
}

/// Shown of an offending frame, bytes.
const SHOWN: usize = 96;

impl Seen {
    /// Looks at further bytes of a connection. After a violation nothing more of it is understood.
    pub(super) fn look(&mut self, frames: &mut dyn Frames, bytes: &[u8]) {
        let mut stream = std::mem::take(frames.rest());
        stream.extend(bytes);
        let mut at = 0;
        loop {
            match frames.next(&stream[at..]) {
                Ok(Some((length, name))) => {
                    *self.frames.entry(name).or_default() += 1;
                    at += length;
                }
                Ok(None) => break,
                Err(why) => {
                    let shown = &stream[at..(at + SHOWN).min(stream.len())];
                    self.violations.push(format!("{why}: {}", hex::encode(shown)));
                    at = stream.len();
                }
            }
        }
        stream.drain(..at);
        *frames.rest() = stream;
    }
}

/// What a stream made of these pieces shows; for the tests of the rules.
///
/// # Errors
/// The first violation.
pub fn look_at(rule: Rule, pieces: &[&[u8]]) -> Result<Vec<String>, String> {
    let mut frames = rule();
    let mut seen = Seen::default();
    for piece in pieces {
        seen.look(&mut *frames, piece);
    }
    match seen.violations.into_iter().next() {
        Some(why) => Err(why),
        None => Ok(seen.frames.into_iter().map(|(name, n)| format!("{name}×{n}")).collect()),
    }
}

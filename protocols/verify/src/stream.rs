//! One signer's stream: statements numbered without a gap, each naming the one before, and for agents the time
//! they tile. Nothing here knows what a window holds.

use evidence::Hash;
use evidence::payload::Place;
use kpi::Period;

use crate::code::DefectCode;
use crate::plausible::Clock;

/// The state of one stream.
#[derive(Default)]
pub(crate) struct Stream {
    /// First eight bytes of every leaf from `first` on: enough to tell a replay from an equivocation.
    leaves: Vec<u64>,
    /// Sequence number of the first of `leaves`: 0, or the first behind the last gap.
    first: u64,
    head: Option<Hash>,
    pub(crate) closed: bool,
    pub(crate) frozen: bool,
    /// End of the time that is signed so far, UTC s.
    reach: Option<i64>,
    /// A window was signed.
    pub(crate) opened: bool,
    pub(crate) energy_unit_mwh: u64,
    pub(crate) clock: Clock,
}

/// What a place in a stream turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// The next statement.
    Next,
    /// Not the next one, or not its successor; it is taken nevertheless, so that one fault is told once.
    Wrong(DefectCode, String),
    /// Time that was already told; its content must not be used.
    Again(DefectCode, String),
}

fn prefix(leaf: &Hash) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&leaf[..8]);
    u64::from_be_bytes(bytes)
}

impl Stream {
    /// The next sequence number.
    pub(crate) fn next(&self) -> u64 {
        self.first.saturating_add(self.leaves.len().try_into().unwrap_or(u64::MAX))
    }

    fn at(&self, seq: u64) -> Option<usize> {
        seq.checked_sub(self.first).and_then(|at| usize::try_from(at).ok())
    }

    /// Puts a statement in its place.
    pub(crate) fn place(&mut self, place: Place, leaf: &Hash) -> Placed {
        let next = self.next();
        if place.seq < next {
            return self.again(place.seq, leaf);
        }
        let wrong = if place.seq > next {
            Some((DefectCode::StreamSeq, format!("statements {next} to {} are missing", place.seq - 1)))
        } else if place.prev != self.head {
            Some((DefectCode::StreamPrev, "does not name the leaf of the statement before it".to_owned()))
        } else {
            None
        };
        if wrong.is_some() {
            // What the time before was is not known; holes there are told by machine.
            self.reach = None;
        }
        if place.seq > next {
            self.leaves.clear();
            self.first = place.seq;
        }
        self.leaves.push(prefix(leaf));
        self.head = Some(*leaf);
        wrong.map_or(Placed::Next, |(code, detail)| Placed::Wrong(code, detail))
    }

    fn again(&mut self, seq: u64, leaf: &Hash) -> Placed {
        let Some(known) = self.at(seq).and_then(|at| self.leaves.get(at)) else {
            return Placed::Again(
                DefectCode::StreamSeq,
                format!("statement {seq} comes after its successors"),
            );
        };
        if *known == prefix(leaf) {
            return Placed::Again(DefectCode::StreamReplay, format!("statement {seq} was logged before"));
        }
        self.frozen = true;
        Placed::Again(DefectCode::StreamEquivocation, format!("another statement {seq} was logged before"))
    }

    /// Whether `leaf` is the stream's statement `seq`.
    pub(crate) fn is(&self, seq: u64, leaf: &Hash) -> bool {
        if seq.checked_add(1) == Some(self.next()) && self.head.is_some() {
            return self.head.as_ref() == Some(leaf) || self.frozen;
        }
        self.at(seq).and_then(|at| self.leaves.get(at)) == Some(&prefix(leaf))
    }

    /// The stream goes on behind the statement that the registrar accepted.
    pub(crate) fn unfreeze(&mut self, last: Option<(u64, Hash)>) {
        self.frozen = false;
        self.head = last.map(|(_, leaf)| leaf);
        // The accepted statement stays known as such, whichever branch it is on; what came after is forgotten.
        let seq = last.map_or(0, |(seq, _)| seq);
        if let Some(at) = self.at(seq) {
            self.leaves.truncate(at);
        } else {
            self.leaves.clear();
            self.first = seq;
        }
        self.leaves.extend(self.head.as_ref().map(prefix));
        self.reach = None;
    }

    /// Adds a signed stretch of time. The hole or overlap it makes with the time before, if any.
    pub(crate) fn tile(&mut self, over: Period) -> Result<(), (DefectCode, Period)> {
        let reach = self.reach.replace(over.to);
        match reach {
            Some(reach) if over.from > reach => {
                Err((DefectCode::WindowHole, Period { from: reach, to: over.from }))
            }
            Some(reach) if over.from < reach => {
                self.reach = Some(reach.max(over.to));
                Err((DefectCode::WindowOverlap, Period { from: over.from, to: reach.min(over.to) }))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Hash = [1; 32];
    const B: Hash = [2; 32];

    fn at(seq: u64, prev: Option<Hash>) -> Place {
        Place { seq, prev }
    }

    fn code(placed: &Placed) -> Option<DefectCode> {
        match placed {
            Placed::Next => None,
            Placed::Wrong(code, _) | Placed::Again(code, _) => Some(*code),
        }
    }

    #[test]
    fn each_way_to_leave_the_stream_has_its_code() {
        let mut s = Stream::default();
        assert_eq!(code(&s.place(at(0, None), &A)), None);
        assert_eq!(code(&s.place(at(0, None), &A)), Some(DefectCode::StreamReplay));
        assert_eq!(code(&s.place(at(1, Some(B)), &B)), Some(DefectCode::StreamPrev));
        assert_eq!(code(&s.place(at(4, Some(B)), &A)), Some(DefectCode::StreamSeq));
        assert_eq!(code(&s.place(at(3, Some(B)), &B)), Some(DefectCode::StreamSeq), "reordered");
        assert!(!s.frozen);
        assert_eq!(code(&s.place(at(4, Some(B)), &B)), Some(DefectCode::StreamEquivocation));
        assert!(s.frozen);
        assert_eq!(s.next(), 5);
    }

    #[test]
    fn an_unfrozen_stream_goes_on_behind_the_accepted_statement() {
        let mut s = Stream::default();
        s.place(at(0, None), &A);
        s.place(at(1, Some(A)), &A);
        s.place(at(1, Some(A)), &B);
        s.unfreeze(Some((1, B)));
        assert_eq!(code(&s.place(at(2, Some(B)), &A)), None);
    }

    #[test]
    fn holes_and_overlaps_of_time_are_told_with_their_extent() {
        let mut s = Stream::default();
        assert_eq!(s.tile(Period { from: 60, to: 120 }), Ok(()));
        let hole = Period { from: 120, to: 180 };
        assert_eq!(s.tile(Period { from: 180, to: 240 }), Err((DefectCode::WindowHole, hole)));
        let twice = Period { from: 180, to: 240 };
        assert_eq!(s.tile(Period { from: 180, to: 300 }), Err((DefectCode::WindowOverlap, twice)));
        assert_eq!(s.tile(Period { from: 300, to: 360 }), Ok(()));
    }
}

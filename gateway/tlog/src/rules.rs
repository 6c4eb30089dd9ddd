//! Exactly once: what happens to a statement whose signature and key are in order.
//!
//! A pure function of where the stream stands and what is logged under the statement's number. Whether the
//! key may sign at all is decided in [`crate::keys`]; nothing here reads or writes.

use crate::store::StreamHead;
use evidence::Hash;

/// What to do with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is the next one: append.
    Append,
    /// It is logged already: acknowledge again with its index, append nothing.
    Again {
        /// Where it stands.
        index: u64,
    },
    /// Another statement holds this number: log this one too, freeze the stream.
    Equivocation,
    /// Numbers before it are missing.
    Gap,
    /// The stream is frozen; only what is logged already is acknowledged.
    Frozen,
    /// It has the next number but names another predecessor: it can never be appended.
    BrokenChain,
}

/// Rules on one statement with number `seq`, predecessor `prev` and leaf hash `leaf`. `logged` is what the
/// log holds under this number, index and leaf each.
pub fn rule(
    stream: &StreamHead,
    logged: &[(u64, Hash)],
    seq: u64,
    prev: Option<Hash>,
    leaf: &Hash,
) -> Ruling {
    if let Some((index, _)) = logged.iter().find(|(_, known)| known == leaf) {
        return Ruling::Again { index: *index };
    }
    if stream.frozen {
        return Ruling::Frozen;
    }
    match seq.cmp(&stream.next_seq) {
        std::cmp::Ordering::Less => Ruling::Equivocation,
        std::cmp::Ordering::Greater => Ruling::Gap,
        // After an unfreeze the number may have been used by the branch that was not chosen.
        std::cmp::Ordering::Equal if prev != stream.head => Ruling::BrokenChain,
        std::cmp::Ordering::Equal => Ruling::Append,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Hash = [0xa; 32];
    const B: Hash = [0xb; 32];
    const HEAD: Hash = [0x77; 32];

    #[track_caller]
    fn check(frozen: bool, logged: &[(u64, Hash)], seq: u64, prev: Option<Hash>, leaf: Hash, want: Ruling) {
        let stream = StreamHead { kid: [1; 32], next_seq: 5, head: Some(HEAD), frozen };
        assert_eq!(rule(&stream, logged, seq, prev, &leaf), want);
    }

    #[test]
    fn the_table_of_rules_for_a_stream_at_five() {
        check(false, &[], 5, Some(HEAD), A, Ruling::Append);
        check(false, &[], 5, Some(A), A, Ruling::BrokenChain);
        check(false, &[], 5, None, A, Ruling::BrokenChain);
        check(false, &[], 6, Some(HEAD), A, Ruling::Gap);
        check(false, &[], u64::MAX, None, A, Ruling::Gap);
        check(false, &[(9, A)], 4, None, A, Ruling::Again { index: 9 });
        check(false, &[(9, A)], 4, None, B, Ruling::Equivocation);
        check(false, &[(9, A), (12, B)], 4, None, B, Ruling::Again { index: 12 });
        check(false, &[], 4, None, B, Ruling::Equivocation);
    }

    #[test]
    fn a_frozen_stream_takes_nothing_new_but_acknowledges_what_it_has() {
        check(true, &[], 5, Some(HEAD), A, Ruling::Frozen);
        check(true, &[], 9, Some(HEAD), A, Ruling::Frozen);
        check(true, &[(9, B)], 4, None, A, Ruling::Frozen);
        check(true, &[(9, A), (12, B)], 4, None, B, Ruling::Again { index: 12 });
    }

    #[test]
    fn an_empty_stream_starts_at_zero_without_a_predecessor() {
        let empty = StreamHead { kid: [1; 32], next_seq: 0, head: None, frozen: false };
        assert_eq!(rule(&empty, &[], 0, None, &A), Ruling::Append);
        assert_eq!(rule(&empty, &[], 0, Some(B), &A), Ruling::BrokenChain);
        assert_eq!(rule(&empty, &[], 1, Some(B), &A), Ruling::Gap);
    }
}

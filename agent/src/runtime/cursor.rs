//! Which statements to send next, and what an answer changes. Pure: no network, no store, no clock.
//!
//! One request is on its way at a time, with at most as many statements as the gateway gave credit for, always
//! from the first that is not acknowledged. Everything may therefore be sent twice and nothing is skipped;
//! the gateway appends a repeated statement never.

use spool::Hash;
use std::time::Duration;
use uplink::{MAX_STATEMENTS, Outcome, StoredEntry, StreamState};

/// Before the first answer says how many statements may be on their way.
const FIRST_CREDIT: usize = 16;
/// How often a stream that the gateway will not take is tried again: rarely, since only a person can help.
const STUCK_PAUSE: Duration = Duration::from_mins(10);
/// When an answer makes no sense.
const PUZZLED_PAUSE: Duration = Duration::from_secs(10);

/// A statement that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its number.
    pub(super) seq: u64,
    /// Its leaf hash.
    pub(super) leaf: Hash,
}

/// How a stream stands with its gateway, for display.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing has been heard yet.
    #[default]
    Unknown,
    /// Statements are taken.
    Fine,
    /// The gateway cannot be reached, or cannot take statements now.
    Waiting(String),
    /// The gateway does not know this project or address.
    Refused(String),
    /// Two different statements with one number were seen; the registrar has to unfreeze the stream.
    Frozen(String),
    /// A statement will never be taken.
    Quarantined {
        /// Its number.
        seq: Option<u64>,
        /// The gateway's words.
        detail: String,
    },
    /// The gateway holds another history of this stream than this box.
    Forked(String),
}

/// What is to be done after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// To be marked as stored, in order; each was sent and continues the cursor.
    pub(super) stored: Vec<StoredEntry>,
    /// The cursor's way after that.
    pub(super) cursor: Cursor,
    /// How it stands now.
    pub(super) standing: Standing,
    /// How long to wait before the next request; `None` after a failure that calls for growing pauses.
    pub(super) pause: Option<Duration>,
}

/// A move of the cursor other than by acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// None.
    Stay,
    /// The gateway has lost what follows: send again from here.
    Rewind(u64),
    /// The gateway is ahead of this box's store: go on from there.
    Ahead {
        /// The next number.
        seq: u64,
        /// Leaf of the statement before it.
        head: Option<Hash>,
    },
}

/// Credit and body size of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pusher {
    credit: usize,
    /// Lowered when the gateway finds a body too large; never raised, so that it settles.
    most: usize,
}

impl Default for Pusher {
    fn default() -> Self {
        Self { credit: FIRST_CREDIT, most: MAX_STATEMENTS }
    }
}

impl Pusher {
    /// How many statements the next request may hold.
    pub(super) fn count(&self) -> usize {
        self.credit.clamp(1, self.most)
    }

    /// What an answer to `sent` means. `next_seq` is the number this box would sign next.
    pub(super) fn after(&mut self, sent: &[Sent], outcome: Outcome, next_seq: u64) -> Next {
        let (stored, strange) = acceptable(sent, outcome.stored());
        let cursor_at = stored.last().map_or_else(|| sent.first().map_or(next_seq, |s| s.seq), |s| s.seq + 1);
        if let Some(detail) = strange {
            let standing = Standing::Forked(detail);
            return Next { stored, cursor: Cursor::Stay, standing, pause: Some(PUZZLED_PAUSE) };
        }
        let (cursor, standing, pause) = match outcome {
            Outcome::Stored(answer) => {
                self.credit = usize::try_from(answer.credit).unwrap_or(MAX_STATEMENTS);
                let pause = if stored.is_empty() { None } else { Some(Duration::ZERO) };
                (Cursor::Stay, Standing::Fine, pause)
            }
            Outcome::Gap { expected_seq, head, detail, .. } => {
                gap(expected_seq, head, detail, cursor_at, next_seq)
            }
            Outcome::Frozen { detail, .. } => (Cursor::Stay, Standing::Frozen(detail), Some(STUCK_PAUSE)),
            Outcome::Quarantined { seq, reason, detail, .. } => {
                let detail = if reason.is_empty() { detail } else { format!("{detail} ({reason})") };
                (Cursor::Stay, Standing::Quarantined { seq, detail }, Some(STUCK_PAUSE))
            }
            Outcome::TooLarge { detail } if sent.len() > 1 => {
                self.most = sent.len() / 2;
                (Cursor::Stay, Standing::Waiting(detail), Some(Duration::ZERO))
            }
            Outcome::TooLarge { detail } => {
                let seq = sent.first().map(|s| s.seq);
                (Cursor::Stay, Standing::Quarantined { seq, detail }, Some(STUCK_PAUSE))
            }
            Outcome::Later { after_s, detail, .. } => {
                let pause = after_s.map(|s| Duration::from_secs(s.into()).min(STUCK_PAUSE));
                (Cursor::Stay, Standing::Waiting(detail), pause)
            }
            Outcome::Refused { detail } => (Cursor::Stay, Standing::Refused(detail), None),
        };
        Next { stored, cursor, standing, pause }
    }
}

fn gap(
    expected: u64,
    head: Option<Hash>,
    detail: String,
    cursor: u64,
    next_seq: u64,
) -> (Cursor, Standing, Option<Duration>) {
    if expected < cursor {
        return (Cursor::Rewind(expected), Standing::Fine, Some(Duration::ZERO));
    }
    if expected > next_seq {
        return (Cursor::Ahead { seq: expected, head }, Standing::Fine, Some(Duration::ZERO));
    }
    // The gateway asks for what is sent next anyway.
    (Cursor::Stay, Standing::Waiting(detail), Some(PUZZLED_PAUSE))
}

/// The acknowledgements that may move the cursor: what was sent, in order, without a hole. An answer about
/// anything else is not followed, and said.
fn acceptable(sent: &[Sent], stored: &[StoredEntry]) -> (Vec<StoredEntry>, Option<String>) {
    let mut accepted = vec![];
    for entry in stored {
        let due = sent.get(accepted.len());
        match due {
            Some(due) if due.seq == entry.seq && due.leaf == entry.leaf => accepted.push(entry.clone()),
            Some(due) if due.seq == entry.seq => {
                let detail =
                    format!("the gateway stored other bytes under number {} than were sent", entry.seq);
                return (accepted, Some(detail));
            }
            _ => {
                let detail = format!("the gateway answers for number {}, which is not due", entry.seq);
                return (accepted, Some(detail));
            }
        }
    }
    (accepted, None)
}

/// What the gateway's head means at the start, before anything is sent. `leaf_before` is this box's leaf of the
/// statement before the gateway's next number, if it still has it.
pub(super) fn first_look(
    gateway: &StreamState,
    next_seq: u64,
    send_from: u64,
    leaf_before: Option<Hash>,
) -> (Cursor, Standing) {
    if gateway.next_seq > next_seq {
        return (Cursor::Ahead { seq: gateway.next_seq, head: gateway.head }, Standing::Fine);
    }
    if let (Some(theirs), Some(ours)) = (gateway.head, leaf_before)
        && theirs != ours
    {
        let detail = format!(
            "statement {} at the gateway is not the one this box signed; is the key used on another box?",
            gateway.next_seq.saturating_sub(1)
        );
        return (Cursor::Stay, Standing::Forked(detail));
    }
    if gateway.frozen {
        return (Cursor::Stay, Standing::Frozen("the stream is frozen".to_owned()));
    }
    if gateway.next_seq < send_from {
        return (Cursor::Rewind(gateway.next_seq), Standing::Fine);
    }
    (Cursor::Stay, Standing::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uplink::{Problem, ProblemKind, Stored};

    fn leaf(seq: u64) -> Hash {
        [u8::try_from(seq).unwrap(); 32]
    }

    fn sent(seqs: std::ops::Range<u64>) -> Vec<Sent> {
        seqs.map(|seq| Sent { seq, leaf: leaf(seq) }).collect()
    }

    fn entries(seqs: std::ops::Range<u64>) -> Vec<StoredEntry> {
        seqs.map(|seq| StoredEntry { seq, index: seq + 1, leaf: leaf(seq) }).collect()
    }

    fn ok(seqs: std::ops::Range<u64>, credit: u32) -> Outcome {
        Outcome::Stored(Stored { stored: entries(seqs), credit })
    }

    fn refusal(problem: &Problem) -> Outcome {
        Outcome::of(problem.status, None, &serde_json::to_vec(problem).unwrap())
    }

    #[test]
    fn credit_bounds_what_is_sent_next() {
        let mut pusher = Pusher::default();
        assert_eq!(pusher.count(), FIRST_CREDIT);
        let next = pusher.after(&sent(0..3), ok(0..3, 64), 3);
        assert_eq!((next.stored.len(), next.standing, next.pause), (3, Standing::Fine, Some(Duration::ZERO)));
        assert_eq!(pusher.count(), 64);
        pusher.after(&sent(3..4), ok(3..4, 0), 4);
        assert_eq!(pusher.count(), 1, "without any credit one statement still asks for more");
    }

    #[test]
    fn a_part_that_was_stored_moves_the_cursor_that_far() {
        let mut pusher = Pusher::default();
        let next = pusher.after(&sent(0..5), ok(0..2, 8), 5);
        assert_eq!(next.stored.iter().map(|e| e.seq).collect::<Vec<_>>(), [0, 1]);
        let problem = Problem {
            stored: entries(2..4),
            seq: Some(4),
            reason: Some("signature".into()),
            ..Problem::new(ProblemKind::Quarantined, "never")
        };
        let next = pusher.after(&sent(2..5), refusal(&problem), 5);
        assert_eq!(next.stored.len(), 2);
        let want = Standing::Quarantined { seq: Some(4), detail: "never (signature)".into() };
        assert_eq!((next.standing, next.pause), (want, Some(STUCK_PAUSE)));
    }

    #[test]
    fn an_answer_for_what_was_not_sent_moves_nothing() {
        for strange in [ok(3..4, 8), ok(5..6, 8), ok(0..1, 8)] {
            let next = Pusher::default().after(&sent(4..5), strange, 5);
            assert!(next.stored.is_empty());
            assert!(matches!(next.standing, Standing::Forked(_)), "{next:?}");
        }
        let other = vec![StoredEntry { seq: 4, index: 9, leaf: [99; 32] }];
        let next =
            Pusher::default().after(&sent(4..5), Outcome::Stored(Stored { stored: other, credit: 1 }), 5);
        assert!(matches!(next.standing, Standing::Forked(d) if d.contains("other bytes under number 4")));
    }

    #[test]
    fn an_empty_yes_is_not_repeated_at_once() {
        assert_eq!(Pusher::default().after(&sent(0..1), ok(0..0, 8), 1).pause, None);
    }

    #[track_caller]
    fn after_gap(expected: u64, cursor: u64, next_seq: u64) -> Cursor {
        let problem = Problem { expected_seq: Some(expected), ..Problem::new(ProblemKind::Gap, "x") };
        Pusher::default().after(&sent(cursor..next_seq), refusal(&problem), next_seq).cursor
    }

    #[test]
    fn a_gateway_restored_from_a_backup_is_sent_everything_again() {
        assert_eq!(after_gap(3, 7, 9), Cursor::Rewind(3));
    }

    #[test]
    fn a_gateway_that_is_ahead_is_followed() {
        assert_eq!(after_gap(12, 7, 9), Cursor::Ahead { seq: 12, head: None });
    }

    #[test]
    fn a_gap_that_asks_for_what_is_sent_anyway_moves_nothing() {
        assert_eq!(after_gap(7, 7, 9), Cursor::Stay);
        assert_eq!(after_gap(8, 7, 9), Cursor::Stay);
    }

    #[test]
    fn a_body_that_is_too_large_is_halved_until_one_statement_is_left() {
        let mut pusher = Pusher::default();
        let too_large = || Outcome::TooLarge { detail: "x".into() };
        pusher.after(&sent(0..9), too_large(), 9);
        assert_eq!(pusher.count(), 4);
        pusher.after(&sent(0..4), too_large(), 9);
        pusher.after(&sent(0..2), too_large(), 9);
        assert_eq!(pusher.count(), 1);
        let next = pusher.after(&sent(0..1), too_large(), 9);
        assert!(matches!(next.standing, Standing::Quarantined { seq: Some(0), .. }));
    }

    #[test]
    fn waiting_follows_the_gateways_word_and_otherwise_backs_off() {
        let later = |after_s| Outcome::Later { after_s, stored: vec![], detail: "full".into() };
        assert_eq!(
            Pusher::default().after(&sent(0..1), later(Some(30)), 1).pause,
            Some(Duration::from_secs(30))
        );
        assert_eq!(Pusher::default().after(&sent(0..1), later(None), 1).pause, None);
        assert_eq!(Pusher::default().after(&sent(0..1), later(Some(u32::MAX)), 1).pause, Some(STUCK_PAUSE));
    }

    fn head(next_seq: u64) -> StreamState {
        StreamState { next_seq, head: next_seq.checked_sub(1).map(leaf), frozen: false }
    }

    #[test]
    fn the_first_look_finds_where_to_go_on() {
        assert_eq!(first_look(&head(5), 9, 5, Some(leaf(4))).0, Cursor::Stay);
        assert_eq!(first_look(&head(7), 9, 5, Some(leaf(6))).0, Cursor::Stay, "sent again and acknowledged");
        assert_eq!(first_look(&head(3), 9, 5, Some(leaf(2))).0, Cursor::Rewind(3));
        assert_eq!(first_look(&head(11), 9, 5, None).0, Cursor::Ahead { seq: 11, head: Some(leaf(10)) });
        assert!(matches!(first_look(&head(5), 9, 5, Some([77; 32])).1, Standing::Forked(_)));
        let frozen = StreamState { frozen: true, ..head(5) };
        assert!(matches!(first_look(&frozen, 9, 5, Some(leaf(4))).1, Standing::Frozen(_)));
    }
}

//! What an answer to a push means to the sender.
//!
//! Only `Stored` (and the `stored` part of a refusal) moves the cursor. An answer that this version does not
//! understand is never taken for success: it is `Later`, and the statements stay where they are.

use crate::{Problem, ProblemKind, Stored, StoredEntry};

/// The sender's next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These statements are durable; go on.
    Stored(Stored),
    /// Go on from another number: the gateway is ahead of us, or behind after a restored backup.
    Gap {
        /// The number to send next.
        expected_seq: u64,
        /// Leaf hash of the statement before it.
        head: Option<crate::Hash>,
        /// What of this body was stored before the gap.
        stored: Vec<StoredEntry>,
        /// What the gateway says.
        detail: String,
    },
    /// The stream is frozen: keep everything, try rarely, show it.
    Frozen {
        /// What of this body was stored.
        stored: Vec<StoredEntry>,
        /// What the gateway says.
        detail: String,
    },
    /// This statement will never be taken: keep it, show it, do not send it again by itself.
    Quarantined {
        /// Its number, when it could be read.
        seq: Option<u64>,
        /// A stable word for why.
        reason: String,
        /// What of this body was stored before it.
        stored: Vec<StoredEntry>,
        /// What the gateway says.
        detail: String,
    },
    /// The body was over the limit: send fewer statements.
    TooLarge {
        /// What the gateway says.
        detail: String,
    },
    /// Nothing is known to be stored beyond `stored`; send the same again after a while.
    Later {
        /// Seconds the gateway asks to wait.
        after_s: Option<u32>,
        /// What of this body was stored.
        stored: Vec<StoredEntry>,
        /// What the gateway says, or what was not understood.
        detail: String,
    },
    /// The request is wrong in a way that waiting does not cure (project unknown, wrong address).
    Refused {
        /// What the gateway says.
        detail: String,
    },
}

impl Outcome {
    /// Reads the answer to a push: status code and body; `retry_after` is the header of that name, seconds.
    pub fn of(status: u16, retry_after: Option<u32>, body: &[u8]) -> Self {
        if status == 200 {
            return match serde_json::from_slice::<Stored>(body) {
                Ok(stored) => Self::Stored(stored),
                Err(e) => Self::later(retry_after, format!("the answer 200 cannot be read: {e}")),
            };
        }
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => Self::of_problem(status, retry_after, problem),
            Err(_) => Self::of_bare_status(status, retry_after),
        }
    }

    fn of_problem(status: u16, retry_after: Option<u32>, problem: Problem) -> Self {
        let Problem { detail, stored, seq, reason, expected_seq, head, retry_after_s, .. } = problem;
        match (ProblemKind::from_uri(&problem.uri), expected_seq) {
            (Some(ProblemKind::Gap), Some(expected_seq)) => Self::Gap { expected_seq, head, stored, detail },
            (Some(ProblemKind::Frozen), _) => Self::Frozen { stored, detail },
            (Some(ProblemKind::Quarantined), _) => {
                Self::Quarantined { seq, reason: reason.unwrap_or_default(), stored, detail }
            }
            (Some(ProblemKind::TooLarge), _) => Self::TooLarge { detail },
            (
                Some(
                    ProblemKind::Malformed
                    | ProblemKind::NotFound
                    | ProblemKind::Method
                    | ProblemKind::MediaType,
                ),
                _,
            ) => Self::Refused { detail },
            (Some(_), _) => Self::Later { after_s: retry_after.or(retry_after_s), stored, detail },
            (None, _) => Self::of_bare_status(status, retry_after),
        }
    }

    /// Something between us and the gateway answered (a proxy), or a version we do not know.
    fn of_bare_status(status: u16, retry_after: Option<u32>) -> Self {
        let detail = format!("HTTP status {status} without a problem description");
        match status {
            413 => Self::TooLarge { detail },
            400 | 401 | 403 | 404 | 405 | 415 => Self::Refused { detail },
            _ => Self::later(retry_after, detail),
        }
    }

    fn later(after_s: Option<u32>, detail: String) -> Self {
        Self::Later { after_s, stored: vec![], detail }
    }

    /// What is durable according to this answer.
    pub fn stored(&self) -> &[StoredEntry] {
        match self {
            Self::Stored(Stored { stored, .. })
            | Self::Gap { stored, .. }
            | Self::Frozen { stored, .. }
            | Self::Quarantined { stored, .. }
            | Self::Later { stored, .. } => stored,
            Self::TooLarge { .. } | Self::Refused { .. } => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &[u8], want: &str) {
        let outcome = format!("{:?}", Outcome::of(status, Some(9), body));
        let word = outcome.split([' ', '(']).next().unwrap();
        assert_eq!(word, want, "{status} {}", String::from_utf8_lossy(body));
    }

    #[test]
    fn every_problem_kind_has_its_meaning_to_the_sender() {
        for kind in ProblemKind::ALL {
            let want = match kind {
                ProblemKind::Malformed
                | ProblemKind::NotFound
                | ProblemKind::Method
                | ProblemKind::MediaType => "Refused",
                ProblemKind::Gap => "Gap",
                ProblemKind::TooLarge => "TooLarge",
                ProblemKind::Quarantined => "Quarantined",
                ProblemKind::Frozen => "Frozen",
                ProblemKind::NotYet
                | ProblemKind::Busy
                | ProblemKind::Internal
                | ProblemKind::Full
                | ProblemKind::Unavailable
                | ProblemKind::Slow => "Later",
            };
            let problem = Problem { expected_seq: Some(3), ..Problem::new(kind, "x") };
            check(kind.status(), &serde_json::to_vec(&problem).unwrap(), want);
        }
    }

    #[test]
    fn nothing_that_is_not_understood_counts_as_stored() {
        check(200, b"", "Later");
        check(200, b"{\"stored\":true}", "Later");
        check(204, b"", "Later");
        check(302, b"<html>", "Later");
        check(413, b"<html>", "TooLarge");
        check(404, b"<html>", "Refused");
        check(500, b"", "Later");
        check(599, br#"{"type":"urn:x","title":"","status":599,"detail":""}"#, "Later");
    }

    #[test]
    fn what_came_before_a_refusal_is_stored() {
        let stored = vec![StoredEntry { seq: 4, index: 11, leaf: [1; 32] }];
        let problem = Problem {
            stored: stored.clone(),
            seq: Some(5),
            reason: Some("signature".into()),
            ..Problem::new(ProblemKind::Quarantined, "x")
        };
        let outcome = Outcome::of(422, None, &serde_json::to_vec(&problem).unwrap());
        assert_eq!(outcome.stored(), stored);
        assert!(
            matches!(outcome, Outcome::Quarantined { seq: Some(5), reason, .. } if reason == "signature")
        );
    }

    #[test]
    fn a_gap_without_a_number_is_not_followed() {
        let problem = Problem::new(ProblemKind::Gap, "x");
        check(409, &serde_json::to_vec(&problem).unwrap(), "Later");
    }
}

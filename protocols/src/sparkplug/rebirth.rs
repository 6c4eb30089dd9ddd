//! Asking an edge node for a new birth: the one message this program can send to a machine, and only where `rebirth = true`
//! stands in the link's table.
//!
//! It asks a node to say again what it has said before (Eclipse Sparkplug 3.0.0, chapter 6, "NCMD", and
//! operational-behavior-data-commands-rebirth-name, -datatype, -value); it sets nothing. Other commands and other
//! metrics cannot be built here.

use std::collections::HashMap;

use observation::{Instant, Mono};
use prost::Message;

use super::decode::BOOLEAN;
use super::payload::{Metric, Payload};

/// The metric that makes a node publish its births again.
const REBIRTH: &str = "Node Control/Rebirth";

/// A node is asked no more often, ms: a birth may be large, and a fault that one does not mend would be one for good.
const PAUSE_MS: u64 = 60_000;

/// The payload of the request. Commands bear no sequence number.
pub(super) fn request(at: Instant) -> Vec<u8> {
    let sent = u64::try_from(at.utc.0).ok();
    Payload::of(sent, &[Metric::truth(REBIRTH, BOOLEAN, sent)], None).encode_to_vec()
}

/// When each node was asked last.
#[derive(Debug, Default)]
pub(super) struct Pace<N>(HashMap<N, Mono>);

impl<N: Clone + Eq + std::hash::Hash> Pace<N> {
    /// Whether the node may be asked now; if so, it counts as asked.
    pub(super) fn may_ask(&mut self, node: &N, at: Mono) -> bool {
        let due = self.0.get(node).is_none_or(|last| at.since(*last) >= PAUSE_MS);
        if due {
            self.0.insert(node.clone(), at);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use observation::Utc;

    #[test]
    fn a_node_is_asked_once_a_minute_and_each_by_itself() {
        let mut pace = Pace::default();
        let mut asked = |node, ms| pace.may_ask(&node, Mono(ms));
        assert!(asked(1, 0));
        assert!(!asked(1, 59_999));
        assert!(asked(2, 59_999));
        assert!(asked(1, 60_000));
        assert!(!asked(1, 119_999));
    }

    #[test]
    fn a_request_is_one_truth_and_no_number() {
        let bytes = request(Instant { utc: Utc(1_700_000_000_000), mono: Mono(1) });
        let payload = Payload::read(bytes.into()).unwrap();
        let metrics = payload.metrics().unwrap();
        assert_eq!((payload.seq, metrics.len()), (None, 1));
        assert_eq!((metrics[0].name_if_any(), metrics[0].claimed_type()), (Some(REBIRTH), Some(BOOLEAN)));
    }
}

//! Where a stream goes on when this box and the gateway do not agree on its end, and what is lost by that.

use super::order::{GoOn, Order};
use super::uplink::{RoundError, UplinkTask};
use super::with_spool;
use evidence::Hash;
use evidence::payload::{Event, EventCode};
use evidence::statement::{Payload, open};
use spool::{Limit, Spool, Statement, StoreError};
use uplink::StreamState;

impl UplinkTask {
    /// Where a stream goes on whose end this box does not know: behind what the gateway has and what was saved
    /// without a hole.
    pub(super) async fn anchor(&self, gateway: &StreamState) -> Result<Order, RoundError> {
        let (id, first) = (self.project.id().to_owned(), gateway.next_seq);
        let mut last = Last { seq: first, leaf: gateway.head, end_ms: None };
        let (place, mut last) = with_spool(&self.store, move |spool| {
            last.end_ms =
                first.checked_sub(1).map(|seq| find(spool, &id, seq)).transpose()?.flatten().and_then(end);
            while let Some(next) = find(spool, &id, last.seq)? {
                if evidence::hash::leaf(&next.bytes) != next.leaf || !follows(&next, last.leaf) {
                    break;
                }
                let (seq, leaf) = (next.seq + 1, Some(next.leaf));
                last = Last { seq, leaf, end_ms: end(next).or(last.end_ms) };
            }
            Ok((spool.stream(&id)?, last))
        })
        .await?;
        if last.end_ms.is_none() && first > 0 {
            let end_s = self.client.windows_end(self.project.id(), &self.kid.0, first - 1).await?;
            last.end_ms = end_s.and_then(|s| s.checked_mul(1000));
        }
        let anchored = place.next_seq == last.seq && place.head == last.leaf;
        let note = format!(
            "the store of this box was damaged or lost; the gateway holds statements below {first}, the stream goes on at {}",
            last.seq
        );
        let send_from = first.min(last.seq);
        let go_on =
            GoOn { seq: last.seq, prev: last.leaf, send_from, note, lost: None, lost_from: last.end_ms };
        Ok(if anchored { Order::Anchored(go_on) } else { Order::GoOn(go_on) })
    }

    /// The gateway holds statements of this stream that this box does not: what waits here cannot be sent any
    /// more, and its windows are lost.
    pub(super) async fn ahead(&self, seq: u64, head: Option<Hash>) -> Result<Order, RoundError> {
        let id = self.project.id().to_owned();
        let waiting = with_spool(&self.store, move |spool| {
            let mut range: Option<(i64, i64)> = None;
            let mut from = spool.stream(&id)?.send_from;
            while let Some(next) = spool.statements(&id, from, ONE)?.into_iter().next() {
                from = next.seq + 1;
                if let Some((a, b)) = windows_of(&next.bytes) {
                    range = Some(range.map_or((a, b), |(x, y)| (x.min(a), y.max(b))));
                }
            }
            Ok(range)
        })
        .await?;
        let note = format!("the gateway is ahead of this box's store; the stream goes on at {seq}");
        tracing::error!(project = self.project.id(), note);
        let end = self.client.windows_end(self.project.id(), &self.kid.0, seq.saturating_sub(1)).await?;
        let end = end.and_then(|s| s.checked_mul(1000));
        let (lost, lost_from) = match (waiting, end) {
            // What waits follows what the gateway has: between the two nothing was kept either.
            (Some((_, to)), Some(end)) if end < to => (Some((end, to)), None),
            // The gateway has all that waits, or other windows of the same time: nothing is missing up to its end.
            (Some(_), Some(end)) => (None, Some(end)),
            (waiting, None) => (waiting, None),
            (None, end) => (None, end),
        };
        Ok(Order::GoOn(GoOn { seq, prev: head, send_from: seq, note, lost, lost_from }))
    }
}

const ONE: Limit = Limit { items: 1, bytes: usize::MAX };

/// How far a stream can be followed.
struct Last {
    seq: u64,
    leaf: Option<Hash>,
    end_ms: Option<i64>,
}

/// The time that a statement's windows, downs and losses cover, UTC ms.
fn windows_of(bytes: &[u8]) -> Option<(i64, i64)> {
    let (own, events) = match open(bytes).ok()?.payload {
        Payload::Window(batch) => {
            (Some((batch.t0.checked_mul(1000)?, batch.end().checked_mul(1000)?)), batch.events)
        }
        Payload::Event(batch) => (None, batch.events),
        _ => return None,
    };
    let gap = |e: &Event| matches!(e.code, EventCode::Down | EventCode::Loss).then(|| e.interval()).flatten();
    let all = own.into_iter().chain(events.iter().filter_map(gap));
    all.reduce(|(a, b), (x, y)| (a.min(x), b.max(y)))
}

/// The statement of this number, if it is held.
pub(super) fn find(spool: &mut Spool, stream: &str, seq: u64) -> Result<Option<Statement>, StoreError> {
    Ok(spool.statements(stream, seq, ONE)?.into_iter().find(|s| s.seq == seq))
}

/// End of a statement's windows, UTC ms.
#[expect(clippy::needless_pass_by_value, reason = "handed over by `Option::and_then`")]
fn end(statement: Statement) -> Option<i64> {
    windows_of(&statement.bytes).map(|(_, to)| to)
}

/// Whether a statement names this leaf as its predecessor.
fn follows(statement: &Statement, leaf: Option<Hash>) -> bool {
    open(&statement.bytes).is_ok_and(|opened| opened.payload.prev() == leaf)
}

//! One live MQTT connection: its subscriptions and its messages.
//!
//! Everything is subscribed to on every connection, whether or not the broker kept the session: the
//! configuration may have changed since, and a broker that no longer lets us read a topic says so only in
//! the answer to a subscription. That answer is demanded within the time-out.
//!
//! A value is good only if it is surely new. Retained messages have no age; messages sent again, or sent
//! from the queue a broker kept while we were away (see [`super::backlog`]), are older than their arrival.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use observation::{Clock, Instant, Observation, PointId, Quality, Reason};
use tokio::time::{Instant as Deadline, timeout, timeout_at};

use super::backlog::Backlog;
use super::decode::decode;
use super::moment::dated;
use super::plan::{Plan, Subscription};
use super::receipts::Receipts;
use super::refused_topics;
use super::settings::Settings;
use super::sieve::Emptied;
use super::topic::Address;
use super::wire::{Incoming, MAX_PACKET_BYTES, Message, Wire};
use crate::feed::Outlet;
use crate::{Batch, LinkError};

/// Topics in one SUBSCRIBE; the smallest limit among the large brokers.
pub(super) const TOPICS_AT_ONCE: usize = 8;
/// Subscriptions of an earlier configuration that are ended on one connection. What is beyond goes on at the
/// next; until then its messages are put aside.
const MOST_ENDED: usize = 1000;

/// A broker that sends no more for so long may be standing still.
const SILENCE: Duration = Duration::from_millis(100);

/// Nobody has ever subscribed to it: ending that changes nothing, and is answered.
const NOTHING: &str = "plumbline/nothing";

/// Messages that became no observation; the session counts, the link shows.
#[derive(Debug, Default)]
pub(super) struct Aside {
    pub(super) unwanted: AtomicU64,
    pub(super) too_large: AtomicU64,
}

/// The session's own state; only the receipts and counts are shared, with its source and link.
pub(super) struct Session {
    pub(super) settings: Arc<Settings>,
    pub(super) plan: Arc<Plan>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) outlet: Outlet,
    pub(super) wire: Box<dyn Wire>,
    pub(super) receipts: Arc<Receipts>,
    pub(super) aside: Arc<Aside>,
    pub(super) emptied: Emptied,
    /// Messages received on this connection.
    pub(super) received: u64,
    /// Topics of an earlier configuration whose subscription was ended.
    pub(super) ended: HashSet<String>,
    /// Whether the broker kept a session of ours while we were away.
    pub(super) resumed: bool,
    /// Whether it may still be sending what it kept.
    pub(super) backlog: Backlog,
}

/// What has not been subscribed to yet. The first element is under way.
struct Subscribing {
    waiting: VecDeque<Vec<Subscription>>,
    deadline: Deadline,
    refused: Vec<(String, u8)>,
}

impl Session {
    /// Runs until the connection ends, then says so about every point.
    pub(super) async fn run(mut self) {
        let Err(error) = self.serve().await;
        let reason =
            if matches!(error, LinkError::Timeout { .. }) { Reason::Timeout } else { Reason::Disconnected };
        let at = self.clock.now();
        let lost = self.plan.all().map(|point| Observation::bad(point, reason, at)).collect();
        self.hand_over(Batch::of(lost)).await;
        // A send fails only when the source was dropped, and then this task is about to be.
        drop(self.outlet.send(Err(error)).await);
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, LinkError> {
        let waiting: VecDeque<Vec<Subscription>> =
            self.plan.subscriptions().chunks(TOPICS_AT_ONCE).map(<[_]>::to_vec).collect();
        let mut subscribing = Subscribing { waiting, deadline: self.deadline(), refused: Vec::new() };
        self.subscribe(&subscribing)?;
        loop {
            let incoming = if subscribing.waiting.is_empty() {
                self.poll().await?
            } else {
                // Not polled again after the deadline: the error ends the session.
                timeout_at(subscribing.deadline, self.wire.poll())
                    .await
                    .map_err(|_| self.unanswered(&subscribing))??
            };
            match incoming {
                Incoming::Subscribed(answers) => self.subscribed(&mut subscribing, &answers).await?,
                Incoming::Message(message) => self.message(message).await?,
                Incoming::Unsubscribed => self.backlog.answered(),
                Incoming::Connected { .. } | Incoming::Alive | Incoming::Other => {}
            }
            if self.backlog.asks(self.receipts.pending()) {
                self.wire.unsubscribe(NOTHING)?;
            }
        }
    }

    /// Waits for the next packet. A broker that has fallen silent with much unacknowledged may allow less than the
    /// configuration says, and stand still: then the owner is asked to commit, rather than the broker left to
    /// fill its queue and drop the rest.
    async fn poll(&mut self) -> Result<Incoming, LinkError> {
        let mut poll = pin!(self.wire.poll());
        if self.receipts.may_be_too_many() {
            match timeout(SILENCE, &mut poll).await {
                Ok(incoming) => return incoming,
                Err(_silent) => {
                    let receipt = Some(self.receipts.press());
                    drop(self.outlet.send(Ok(Batch { receipt, ..Batch::default() })).await);
                }
            }
        }
        poll.await
    }

    fn deadline(&self) -> Deadline {
        Deadline::now() + self.settings.timeout
    }

    /// Asks for the first of what is waiting.
    fn subscribe(&self, subscribing: &Subscribing) -> Result<(), LinkError> {
        let Some(next) = subscribing.waiting.front() else { return Ok(()) };
        let texts: Vec<String> = next.iter().map(|subscription| subscription.text.clone()).collect();
        self.wire.subscribe(&texts)
    }

    fn unanswered(&self, subscribing: &Subscribing) -> LinkError {
        let asked = subscribing.waiting.front().into_iter().flatten();
        let texts: Vec<&str> = asked.map(|subscription| subscription.text.as_str()).collect();
        LinkError::Timeout {
            address: self.settings.address.clone(),
            request: format!("the subscription to {}", texts.join(", ")),
            waited_ms: self.settings.timeout_ms(),
        }
    }

    /// A refused topic is bad, the others go on. Only when all are refused the session is of no use.
    async fn subscribed(
        &mut self,
        subscribing: &mut Subscribing,
        answers: &[Result<(), u8>],
    ) -> Result<(), LinkError> {
        let Some(asked) = subscribing.waiting.pop_front() else { return Ok(()) };
        if asked.len() != answers.len() {
            let detail = format!("{} answers to a subscription of {} topics", answers.len(), asked.len());
            return Err(LinkError::Protocol { address: self.settings.address.clone(), detail });
        }
        let at = self.clock.now();
        let mut bad = Vec::new();
        for (subscription, answer) in asked.into_iter().zip(answers) {
            let Err(code) = *answer else { continue };
            let Subscription { text: topic, points } = subscription;
            tracing::warn!(address = %self.settings.address, %topic, code, "the broker refused a subscription");
            bad.extend(points.into_iter().map(|point| Observation::bad(point, Reason::Refused(code), at)));
            subscribing.refused.push((topic, code));
        }
        if !bad.is_empty() {
            self.hand_over(Batch::of(bad)).await;
        }
        if subscribing.refused.len() == self.plan.subscriptions().len() {
            return Err(refused_topics(&self.settings, &subscribing.refused));
        }
        if subscribing.waiting.is_empty() {
            self.backlog.subscribed();
            return self.end_what_is_covered();
        }
        subscribing.deadline = self.deadline();
        self.subscribe(subscribing)
    }

    /// Topics that had a subscription of their own in an earlier configuration and are brought by a filter
    /// now would be sent twice by some brokers. They end only here, when the filter is known to stand.
    fn end_what_is_covered(&mut self) -> Result<(), LinkError> {
        if self.resumed {
            for topic in self.plan.covered().take(MOST_ENDED) {
                self.wire.unsubscribe(topic)?;
                self.backlog.unsubscribed();
            }
        }
        Ok(())
    }

    async fn message(&mut self, message: Message) -> Result<(), LinkError> {
        let at = self.clock.now();
        let kept = self.backlog.may_be_old();
        self.backlog.received();
        self.received += 1;
        let too_large = self.emptied.take(self.received);
        let topic = String::from_utf8_lossy(&message.topic);
        if too_large {
            self.aside.too_large.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(address = %self.settings.address, %topic, limit = MAX_PACKET_BYTES, "a message is too large and was refused");
        }
        let plan = Arc::clone(&self.plan);
        let Some(points) = plan.points(&topic) else {
            self.unwanted(&topic)?;
            let receipt = self.receipts.issue(message.ack);
            self.hand_over(Batch { receipt, ..Batch::default() }).await;
            return Ok(());
        };
        let mut observations = Vec::with_capacity(points.len());
        for (point, address) in points {
            if too_large {
                observations.push(Observation::bad(*point, Reason::Range, at));
            } else {
                observe(*point, address, &message, kept, at, &mut observations);
            }
        }
        let receipt = self.receipts.issue(message.ack);
        self.hand_over(Batch { observations, alive: None, receipt }).await;
        Ok(())
    }

    /// A message of a topic that no point wants. It is acknowledged like any other. Where no filter brought
    /// it, a subscription is left over from an earlier configuration.
    fn unwanted(&mut self, topic: &str) -> Result<(), LinkError> {
        self.aside.unwanted.fetch_add(1, Ordering::Relaxed);
        let left_over = !self.plan.covers(topic) && self.ended.len() < MOST_ENDED;
        if left_over && self.ended.insert(topic.to_owned()) {
            self.wire.unsubscribe(topic)?;
            self.backlog.unsubscribed();
        }
        Ok(())
    }

    async fn hand_over(&mut self, batch: Batch) {
        // As in `run`: nobody is left to tell when this fails.
        drop(self.outlet.send(Ok(batch)).await);
    }
}

/// What a message says of a point: one observation, except where each of its lines is one.
fn observe(
    point: PointId,
    address: &Address,
    message: &Message,
    kept: bool,
    at: Instant,
    out: &mut Vec<Observation>,
) {
    if message.retained {
        out.push(Observation::bad(point, Reason::Retained, at));
        return;
    }
    let readings = decode(address, &message.payload);
    let last = readings.len().saturating_sub(1);
    for (i, reading) in readings.into_iter().enumerate() {
        let reading = match reading {
            Ok(reading) => reading,
            Err(reason) => {
                out.push(Observation::bad(point, reason, at));
                continue;
            }
        };
        let good = Observation::good(point, reading.value, at);
        // Lines without a time are older than the last of them by nobody knows how much.
        let old = message.again || kept || (reading.time.is_none() && i < last);
        out.push(match reading.time {
            _ if old => Observation { quality: Quality::Uncertain(Reason::Retained), ..good }
                .with_source_time(reading.time),
            Some(time) => dated(good, time, at, address.stale_after_ms),
            None => good,
        });
    }
}

/// Waits for the broker's acceptance.
pub(super) async fn connected(wire: &mut dyn Wire, settings: &Settings) -> Result<bool, LinkError> {
    let accepted = async {
        loop {
            if let Incoming::Connected { session_present } = wire.poll().await? {
                return Ok(session_present);
            }
        }
    };
    match tokio::time::timeout(settings.timeout, accepted).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(LinkError::Timeout {
            address: settings.address.clone(),
            request: "the connection".to_owned(),
            waited_ms: settings.timeout_ms(),
        }),
    }
}

/// The time-out as it stands in messages.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

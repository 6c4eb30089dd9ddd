//! One live MQTT connection: its subscriptions and its messages.
//!
//! Every topic is subscribed to on every connection, whether or not the broker kept the session: the
//! configuration may have changed since, and a broker that no longer lets us read a topic says so only in
//! the answer to a subscription. That answer is demanded within the time-out.
//!
//! A value is good only if it is surely new. Retained messages have no age; messages sent again, or sent
//! from the queue a broker kept while we were away, are older than their arrival.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use observation::{Clock, Instant, Observation, PointId, Quality, Reason};
use tokio::time::{Instant as Deadline, timeout_at};

use super::decode::decode;
use super::receipts::Receipts;
use super::refused_topics;
use super::settings::Settings;
use super::topic::Address;
use super::wire::{Incoming, Message, Wire};
use crate::feed::Outlet;
use crate::{Batch, LinkError};

/// Topics in one SUBSCRIBE; the smallest limit among the large brokers.
const TOPICS_AT_ONCE: usize = 8;

/// The points of each topic.
pub(super) type Topics = HashMap<String, Vec<(PointId, Address)>>;

/// The session's own state; only the receipts are shared, with its source.
pub(super) struct Session {
    pub(super) settings: Arc<Settings>,
    pub(super) topics: Arc<Topics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) outlet: Outlet,
    pub(super) wire: Box<dyn Wire>,
    pub(super) receipts: Arc<Receipts>,
    /// Whether the broker kept messages for us while we were away.
    pub(super) resumed: bool,
}

/// What has not been subscribed to yet. The first element is under way.
struct Subscribing {
    waiting: VecDeque<Vec<String>>,
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
        let points = self.topics.values().flatten();
        let lost = points.map(|(point, _)| Observation::bad(*point, reason, at)).collect();
        self.hand_over(Batch::of(lost)).await;
        // A send fails only when the source was dropped, and then this task is about to be.
        drop(self.outlet.send(Err(error)).await);
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, LinkError> {
        let mut topics: Vec<String> = self.topics.keys().cloned().collect();
        topics.sort_unstable();
        let waiting: VecDeque<Vec<String>> = topics.chunks(TOPICS_AT_ONCE).map(<[_]>::to_vec).collect();
        let mut subscribing = Subscribing { waiting, deadline: self.deadline(), refused: Vec::new() };
        if let Some(first) = subscribing.waiting.front() {
            self.wire.subscribe(first)?;
        }
        loop {
            let incoming = if subscribing.waiting.is_empty() {
                self.wire.poll().await?
            } else {
                // Not polled again after the deadline: the error ends the session.
                timeout_at(subscribing.deadline, self.wire.poll())
                    .await
                    .map_err(|_| self.unanswered(&subscribing))??
            };
            match incoming {
                Incoming::Subscribed(answers) => self.subscribed(&mut subscribing, &answers).await?,
                Incoming::Message(message) => {
                    let kept = self.resumed && !subscribing.waiting.is_empty();
                    self.message(message, kept).await?;
                }
                Incoming::Connected { .. } | Incoming::Other => {}
            }
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::now() + self.settings.timeout
    }

    fn unanswered(&self, subscribing: &Subscribing) -> LinkError {
        let topics = subscribing.waiting.front().map_or(String::new(), |topics| topics.join(", "));
        LinkError::Timeout {
            address: self.settings.address.clone(),
            request: format!("the subscription to {topics}"),
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
        for (topic, answer) in asked.into_iter().zip(answers) {
            let Err(code) = *answer else { continue };
            tracing::warn!(address = %self.settings.address, %topic, code, "the broker refused a subscription");
            let points = self.topics.get(&topic).into_iter().flatten();
            bad.extend(points.map(|(point, _)| Observation::bad(*point, Reason::Refused(code), at)));
            subscribing.refused.push((topic, code));
        }
        if !bad.is_empty() {
            self.hand_over(Batch::of(bad)).await;
        }
        if subscribing.refused.len() == self.topics.len() {
            return Err(refused_topics(&self.settings, &subscribing.refused));
        }
        if let Some(next) = subscribing.waiting.front() {
            subscribing.deadline = self.deadline();
            self.wire.subscribe(next)?;
        }
        Ok(())
    }

    async fn message(&mut self, message: Message, kept: bool) -> Result<(), LinkError> {
        let at = self.clock.now();
        let topic = String::from_utf8_lossy(&message.topic);
        let topics = Arc::clone(&self.topics);
        let Some(points) = topics.get(topic.as_ref()) else {
            // Left over in a persistent session; it is acknowledged like any other.
            self.wire.unsubscribe(&topic)?;
            let receipt = self.receipts.issue(message.ack);
            self.hand_over(Batch { receipt, ..Batch::default() }).await;
            return Ok(());
        };
        let old = message.again || kept;
        let observe = |(point, address): &(PointId, Address)| observation(*point, address, &message, old, at);
        let observations = points.iter().map(observe).collect();
        let receipt = self.receipts.issue(message.ack);
        self.hand_over(Batch { observations, alive: None, receipt }).await;
        Ok(())
    }

    async fn hand_over(&mut self, batch: Batch) {
        // As in `run`: nobody is left to tell when this fails.
        drop(self.outlet.send(Ok(batch)).await);
    }
}

fn observation(point: PointId, address: &Address, message: &Message, old: bool, at: Instant) -> Observation {
    if message.retained {
        return Observation::bad(point, Reason::Retained, at);
    }
    match decode(address, &message.payload) {
        Ok(value) if old => Observation {
            quality: Quality::Uncertain(Reason::Retained),
            ..Observation::good(point, value, at)
        },
        Ok(value) => Observation::good(point, value, at),
        Err(reason) => Observation::bad(point, reason, at),
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

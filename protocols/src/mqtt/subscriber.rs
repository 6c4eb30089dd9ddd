//! A connection for another protocol that runs over MQTT: it subscribes, demands the answers within the time-out, and
//! hands on raw messages. What they mean is that protocol's business.
//!
//! It is also the one place from which anything can be published, since such a protocol may have a request to make.
//! This module's own sessions do not come through here and publish nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant as Deadline, timeout_at};

use super::dial::Dialler;
use super::receipts::Receipts;
use super::session::{TOPICS_AT_ONCE, connected};
use super::settings::{Settings, Version};
use super::sieve::Emptied;
use super::wire::{Acknowledger, Incoming, Wire, full};
use super::{refused_topics, v4, v5};
use crate::{LinkError, Receipt};

/// What has come.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Message),
    /// Filters the broker refused, with its reasons; others may still stand.
    Refused(Vec<(String, u8)>),
    /// All subscriptions have been answered.
    Subscribed,
    /// The broker has answered a question whether it is there.
    Alive,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) retained: bool,
    pub(crate) receipt: Option<Receipt>,
}

/// The polling half.
pub(crate) struct Subscriber {
    settings: Arc<Settings>,
    wire: Box<dyn Wire>,
    receipts: Arc<Receipts>,
    client: Acknowledger,
    emptied: Emptied,
    /// Messages received on this connection.
    received: u64,
    /// Filters not subscribed to yet. The first element is under way.
    waiting: VecDeque<Vec<String>>,
    deadline: Deadline,
    refused: usize,
    filters: usize,
    /// A further event that the last packet made.
    subscribed: bool,
}

/// The half that acknowledges messages once they are durable.
pub(crate) struct Redeemer {
    receipts: Arc<Receipts>,
    client: Acknowledger,
}

impl Redeemer {
    pub(crate) fn redeem(&self, receipt: Receipt) {
        self.receipts.redeem(receipt, &self.client);
    }
}

impl Subscriber {
    /// Connects, and asks for the first of these filters, which are subscribed to in their order.
    pub(crate) async fn connect(
        settings: Arc<Settings>,
        filters: Vec<String>,
    ) -> Result<(Self, Redeemer), LinkError> {
        let emptied = Emptied::default();
        let dialler =
            Dialler { tls: settings.tls()?, settings: Arc::clone(&settings), emptied: emptied.clone() };
        let mut wire: Box<dyn Wire> = match settings.version {
            Version::V4 => Box::new(v4::V4::new(dialler)?),
            Version::V5 => Box::new(v5::V5::new(dialler)?),
        };
        connected(wire.as_mut(), &settings).await?;
        let waiting: VecDeque<Vec<String>> = filters.chunks(TOPICS_AT_ONCE).map(<[_]>::to_vec).collect();
        if let Some(first) = waiting.front() {
            wire.subscribe(first)?;
        }
        let receipts = Arc::new(Receipts::new(settings.in_flight));
        let client = wire.acknowledger();
        let redeemer = Redeemer { receipts: Arc::clone(&receipts), client: client.clone() };
        let deadline = Deadline::now() + settings.timeout;
        let subscriber = Self {
            settings,
            wire,
            receipts,
            client,
            emptied,
            received: 0,
            waiting,
            deadline,
            refused: 0,
            filters: filters.len(),
            subscribed: false,
        };
        Ok((subscriber, redeemer))
    }

    /// Waits for the next event. Not cancel safe; an error ends the connection's life.
    pub(crate) async fn next(&mut self) -> Result<Event, LinkError> {
        if std::mem::take(&mut self.subscribed) {
            return Ok(Event::Subscribed);
        }
        loop {
            let event = match self.poll().await? {
                Incoming::Subscribed(answers) => self.answered(&answers)?,
                Incoming::Message(message) => {
                    self.received += 1;
                    if self.emptied.take(self.received) {
                        let topic = String::from_utf8_lossy(&message.topic);
                        tracing::warn!(address = %self.settings.address, %topic, "a message is too large and was refused");
                    }
                    Some(Event::Message(Message {
                        receipt: self.receipts.issue(message.ack),
                        topic: message.topic,
                        payload: message.payload,
                        retained: message.retained,
                    }))
                }
                Incoming::Alive => Some(Event::Alive),
                Incoming::Connected { .. } | Incoming::Unsubscribed | Incoming::Other => None,
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    async fn poll(&mut self) -> Result<Incoming, LinkError> {
        let Some(asked) = self.waiting.front() else { return self.wire.poll().await };
        let request = format!("the subscription to {}", asked.join(", "));
        // Not polled again after the deadline: the error ends the session.
        timeout_at(self.deadline, self.wire.poll()).await.map_err(|_| LinkError::Timeout {
            address: self.settings.address.clone(),
            request,
            waited_ms: self.settings.timeout_ms(),
        })?
    }

    /// Takes the answers to the subscription under way and asks for the next.
    fn answered(&mut self, answers: &[Result<(), u8>]) -> Result<Option<Event>, LinkError> {
        let Some(asked) = self.waiting.pop_front() else { return Ok(None) };
        if asked.len() != answers.len() {
            let detail = format!("{} answers to a subscription of {} topics", answers.len(), asked.len());
            return Err(LinkError::Protocol { address: self.settings.address.clone(), detail });
        }
        let refused: Vec<(String, u8)> = asked
            .into_iter()
            .zip(answers)
            .filter_map(|(filter, answer)| Some((filter, answer.err()?)))
            .collect();
        self.refused += refused.len();
        if self.refused == self.filters {
            return Err(refused_topics(&self.settings, &refused));
        }
        match self.waiting.front() {
            Some(next) => {
                self.deadline = Deadline::now() + self.settings.timeout;
                self.wire.subscribe(next)?;
            }
            None => self.subscribed = true,
        }
        if refused.is_empty() {
            return Ok(std::mem::take(&mut self.subscribed).then_some(Event::Subscribed));
        }
        Ok(Some(Event::Refused(refused)))
    }

    /// Publishes once, without an acknowledgement and without being retained.
    pub(crate) fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), LinkError> {
        let sent = match &self.client {
            Acknowledger::V4(client) => {
                let options = rumqttc_v4::PublishOptions::new(rumqttc_v4::QoS::AtMostOnce);
                client.try_publish(topic.to_owned(), payload, options).is_ok()
            }
            Acknowledger::V5(client) => {
                let options = rumqttc_v5::PublishOptions::new(rumqttc_v5::QoS::AtMostOnce);
                client.try_publish(topic.to_owned(), payload, options).is_ok()
            }
        };
        if sent { Ok(()) } else { Err(full(&self.settings, "a request")) }
    }
}

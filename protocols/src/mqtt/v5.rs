//! MQTT 5 through `rumqttc-v5-next`. Everything that is about this crate only.

use std::sync::Arc;

use async_trait::async_trait;
use rumqttc_v5::{
    AckMode, AsyncClient, ConnectionError, Event, EventLoop, Incoming as Packet, MqttOptions,
    PersistedAckMode, PersistedSession, QoS, SessionStore, SessionStoreError, SessionStoreKey, StateError,
    SubscribeFilterInput, SubscribeReasonCode,
};

use super::dial::Dialler;
use super::settings::Settings;
use super::wire::{Ack, Acknowledger, Incoming, Message, Wire};
use super::wire::{OUTGOING, full, io, refused, requests};
use crate::LinkError;

/// How long a broker keeps our session while we are away, s: a long weekend.
const SESSION_EXPIRY_S: u32 = 4 * 86_400;

/// The client's own part of a persistent session, which the crate wants restored before it accepts that a
/// broker has kept its part. Ours is always empty: it would hold unanswered publications, of which there
/// are none, and unanswered subscriptions, which are made anew on each connection. So nothing is stored.
#[derive(Debug)]
struct NothingPending;

type Stored<'a, T> = futures::future::BoxFuture<'a, Result<T, SessionStoreError>>;

impl SessionStore for NothingPending {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Stored<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(SESSION_EXPIRY_S),
            outgoing_inflight_upper_limit: Some(OUTGOING),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(std::future::ready(Ok(Some(session))))
    }

    fn save<'a>(&'a self, _key: &'a SessionStoreKey, _session: &'a PersistedSession) -> Stored<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn clear<'a>(&'a self, _key: &'a SessionStoreKey) -> Stored<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

pub(super) struct V5 {
    settings: Arc<Settings>,
    client: AsyncClient,
    events: EventLoop,
}

impl V5 {
    /// Makes the client; the first poll connects it.
    pub(super) fn new(dialler: Dialler) -> Result<Self, LinkError> {
        let settings = Arc::clone(&dialler.settings);
        let mut options =
            MqttOptions::new(settings.client_id.clone(), (settings.host.as_str(), settings.port));
        options.set_keep_alive(settings.keep_alive_s).set_ack_mode(AckMode::Manual);
        options.set_connect_timeout(settings.timeout).set_clean_start(settings.clean);
        // A broker that is told our limit drops what exceeds it without a word; the sieve of the connection
        // keeps it out instead, and says so. It comes last: the crate falls back to its own limit of 10 KiB
        // with each of the other properties.
        options.set_receive_maximum(Some(settings.in_flight));
        // The crate looks through a table of this length with each packet, and we publish hardly anything.
        options.set_outgoing_inflight_upper_limit(OUTGOING);
        if !settings.clean {
            options.set_session_expiry_interval(Some(SESSION_EXPIRY_S)).set_session_store(NothingPending);
        }
        options.set_unlimited_incoming_packet_size();
        options.set_socket_connector(move |_, _| dialler.clone().dial());
        match (&settings.user, &settings.password) {
            (Some(user), Some(password)) => {
                options.set_credentials(user.clone(), password.0.clone());
            }
            (Some(user), None) => {
                options.set_username(user.clone());
            }
            (None, _) => {}
        }
        let built = AsyncClient::builder(options).capacity(requests(&settings)).try_build();
        let (client, events) = built
            .map_err(|e| LinkError::Protocol { address: settings.address.clone(), detail: e.to_string() })?;
        Ok(Self { settings, client, events })
    }
}

#[async_trait]
impl Wire for V5 {
    async fn poll(&mut self) -> Result<Incoming, LinkError> {
        let event = self.events.poll().await.map_err(|e| error(&self.settings, &e))?;
        let Event::Incoming(packet) = event else { return Ok(Incoming::Other) };
        Ok(match packet {
            Packet::ConnAck(ack) => Incoming::Connected { session_present: ack.session_present },
            Packet::SubAck(ack) => {
                Incoming::Subscribed(ack.return_codes.iter().copied().map(granted).collect())
            }
            Packet::Publish(publish) => Incoming::Message(Message {
                ack: self.client.prepare_ack(&publish).map(Ack::V5),
                retained: publish.retain,
                again: publish.dup,
                topic: publish.topic,
                payload: publish.payload,
            }),
            Packet::UnsubAck(_) => Incoming::Unsubscribed,
            Packet::PingResp => Incoming::Alive,
            _ => Incoming::Other,
        })
    }

    fn subscribe(&self, topics: &[String]) -> Result<(), LinkError> {
        let filters = topics.iter().map(|topic| SubscribeFilterInput::new(topic.clone(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|_| full(&self.settings, "a subscription"))
    }

    fn unsubscribe(&self, topic: &str) -> Result<(), LinkError> {
        self.client.try_unsubscribe(topic).map_err(|_| full(&self.settings, "the end of a subscription"))
    }

    fn acknowledger(&self) -> Acknowledger {
        Acknowledger::V5(self.client.clone())
    }
}

/// Reason codes of a refusal as in MQTT 5.0, 3.9.3.
fn granted(code: SubscribeReasonCode) -> Result<(), u8> {
    match code {
        SubscribeReasonCode::Success(_) => Ok(()),
        SubscribeReasonCode::ImplementationSpecific => Err(0x83),
        SubscribeReasonCode::NotAuthorized => Err(0x87),
        SubscribeReasonCode::TopicFilterInvalid => Err(0x8F),
        SubscribeReasonCode::PkidInUse => Err(0x91),
        SubscribeReasonCode::QuotaExceeded => Err(0x97),
        SubscribeReasonCode::SharedSubscriptionsNotSupported => Err(0x9E),
        SubscribeReasonCode::SubscriptionIdNotSupported => Err(0xA1),
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => Err(0xA2),
        _ => Err(0x80),
    }
}

fn error(settings: &Settings, error: &ConnectionError) -> LinkError {
    let address = settings.address.clone();
    match error {
        ConnectionError::ConnectionRefused(code) => refused(settings, &format!("{code:?}")),
        ConnectionError::Io(e)
        | ConnectionError::MqttState(
            StateError::Io(e) | StateError::Deserialization(rumqttc_v5::Error::Io(e)),
        ) => io(settings, e),
        ConnectionError::Timeout(_) => LinkError::Timeout {
            address,
            request: "the connection".to_owned(),
            waited_ms: settings.timeout_ms(),
        },
        ConnectionError::MqttState(StateError::AwaitPingResp | StateError::ConnectionAborted) => {
            LinkError::Broken { address, detail: error.to_string() }
        }
        _ => LinkError::Protocol { address, detail: error.to_string() },
    }
}

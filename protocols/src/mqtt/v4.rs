//! MQTT 3.1.1 through `rumqttc-v4-next`. Everything that is about this crate only.

use std::sync::Arc;

use async_trait::async_trait;
use rumqttc_v4::{
    AckMode, AsyncClient, ConnectionError, Error, Event, EventLoop, Incoming as Packet, MqttOptions, QoS,
    StateError, SubscribeFilter, SubscribeReasonCode,
};

use super::dial::Dialler;
use super::settings::Settings;
use super::wire::{Ack, Acknowledger, Incoming, MAX_PACKET_BYTES, Message, Wire};
use super::wire::{OUTGOING, full, io, refused, requests};
use crate::LinkError;

pub(super) struct V4 {
    settings: Arc<Settings>,
    client: AsyncClient,
    events: EventLoop,
}

impl V4 {
    /// Makes the client; the first poll connects it.
    pub(super) fn new(dialler: Dialler) -> Result<Self, LinkError> {
        let settings = Arc::clone(&dialler.settings);
        let mut options =
            MqttOptions::new(settings.client_id.clone(), (settings.host.as_str(), settings.port));
        let max = MAX_PACKET_BYTES as usize;
        options
            .set_keep_alive(settings.keep_alive_s)
            .set_ack_mode(AckMode::Manual)
            .set_max_packet_size(max, max);
        options.set_clean_session(settings.clean);
        // As in version 5.
        options.set_inflight(OUTGOING);
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
impl Wire for V4 {
    async fn poll(&mut self) -> Result<Incoming, LinkError> {
        let event = self.events.poll().await.map_err(|e| error(&self.settings, &e))?;
        let Event::Incoming(packet) = event else { return Ok(Incoming::Other) };
        Ok(match packet {
            Packet::ConnAck(ack) => Incoming::Connected { session_present: ack.session_present },
            Packet::SubAck(ack) => {
                Incoming::Subscribed(ack.return_codes.iter().copied().map(granted).collect())
            }
            Packet::Publish(publish) => Incoming::Message(Message {
                ack: self.client.prepare_ack(&publish).map(Ack::V4),
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
        let filters = topics.iter().map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|_| full(&self.settings, "a subscription"))
    }

    fn unsubscribe(&self, topic: &str) -> Result<(), LinkError> {
        self.client.try_unsubscribe(topic).map_err(|_| full(&self.settings, "the end of a subscription"))
    }

    fn acknowledger(&self) -> Acknowledger {
        Acknowledger::V4(self.client.clone())
    }
}

/// In MQTT 3.1.1 there is one reason for a refusal, 0x80 (3.9.3).
fn granted(code: SubscribeReasonCode) -> Result<(), u8> {
    match code {
        SubscribeReasonCode::Success(_) => Ok(()),
        SubscribeReasonCode::Failure => Err(0x80),
    }
}

fn error(settings: &Settings, error: &ConnectionError) -> LinkError {
    let address = settings.address.clone();
    match error {
        ConnectionError::ConnectionRefused(code) => refused(settings, &format!("{code:?}")),
        ConnectionError::Io(e)
        | ConnectionError::MqttState(StateError::Io(e) | StateError::Deserialization(Error::Io(e))) => {
            io(settings, e)
        }
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => LinkError::Timeout {
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

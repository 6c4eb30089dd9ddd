//! What the session needs of an MQTT client, so that the two versions of the protocol differ in one file
//! each and nowhere else.
//!
//! The rules of the client crates stand here once: only one task polls; in it requests are only tried,
//! never waited for, since the one who would make room is the same task; a client is dropped after its
//! first error, because it would connect again at once and without a pause.

use async_trait::async_trait;
use bytes::Bytes;

use super::settings::Settings;
use super::trust;
use crate::LinkError;

/// Messages beyond this are refused, bytes. The crates' own default of 10 KiB drops the connection on a
/// message that is quite usual.
pub(super) const MAX_PACKET_BYTES: u32 = 1 << 20;

/// Messages of our own that may be unacknowledged: requests of another protocol over MQTT, one at a time.
pub(super) const OUTGOING: u16 = 16;

/// Requests that may wait for the polling task. Each pending acknowledgement is one of them, and so is each
/// subscription; what does not fit is not sent.
pub(super) fn requests(settings: &Settings) -> usize {
    usize::from(settings.in_flight) + 4096
}

/// What a broker has sent.
#[derive(Debug)]
pub(super) enum Incoming {
    /// The session stands; whether the broker kept an earlier one.
    Connected { session_present: bool },
    /// The answer to a subscription: for each topic in turn, nothing or the reason of its refusal.
    Subscribed(Vec<Result<(), u8>>),
    /// A message.
    Message(Message),
    /// The answer to the end of a subscription.
    Unsubscribed,
    /// The broker has answered a keep-alive.
    Alive,
    /// What we have sent ourselves, and acknowledgements that nobody waits for.
    Other,
}

/// A message and what is needed to acknowledge it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    /// The broker kept it from an earlier time.
    pub(super) retained: bool,
    /// It was sent before.
    pub(super) again: bool,
    /// Nothing for a message that needs none (`QoS` 0).
    pub(super) ack: Option<Ack>,
}

/// The acknowledgement of one message, to be sent when it is durable.
#[derive(Debug)]
pub(super) enum Ack {
    V4(rumqttc_v4::ManualAck),
    V5(rumqttc_v5::ManualAck),
}

/// The polling half of a client.
#[async_trait]
pub(super) trait Wire: Send {
    /// Waits for the next packet; an error ends the client's life. Not cancel safe.
    async fn poll(&mut self) -> Result<Incoming, LinkError>;

    /// Subscribes to topics or filters with `QoS` 1.
    fn subscribe(&self, topics: &[String]) -> Result<(), LinkError>;

    /// Ends a subscription.
    fn unsubscribe(&self, topic: &str) -> Result<(), LinkError>;

    /// The half that sends acknowledgements, for another task.
    fn acknowledger(&self) -> Acknowledger;
}

/// Sends acknowledgements.
#[derive(Clone)]
pub(super) enum Acknowledger {
    V4(rumqttc_v4::AsyncClient),
    V5(rumqttc_v5::AsyncClient),
}

impl Acknowledger {
    /// Hands the acknowledgement to the polling task, without waiting. `false` if it cannot take it now.
    pub(super) fn acknowledge(&self, ack: &Ack) -> bool {
        match (self, ack) {
            (Self::V4(client), Ack::V4(ack)) => client.try_manual_ack(ack.clone()).is_ok(),
            (Self::V5(client), Ack::V5(ack)) => client.try_manual_ack(ack.clone()).is_ok(),
            // An acknowledgement never leaves the source whose client made it.
            _ => false,
        }
    }
}

/// A refusal by the broker, in the operator's words.
pub(super) fn refused(settings: &Settings, reason: &str) -> LinkError {
    let advice = match reason {
        "BadUserNamePassword" | "NotAuthorized" => {
            "check `user` and the content of `password_file`, and that the broker lets this user in"
        }
        "BadClientId" | "ClientIdentifierNotValid" => "choose another `client_id`",
        "RefusedProtocolVersion" | "UnsupportedProtocolVersion" => {
            "set `version` to 4 or 5, as the broker has it"
        }
        _ => "look into the broker's log",
    };
    LinkError::Refused {
        address: settings.address.clone(),
        detail: format!("the broker answered {reason}"),
        advice: advice.to_owned(),
    }
}

/// A connection that cannot be encrypted as configured.
pub(super) fn tls_failed(settings: &Settings, detail: &str, advice: &str) -> LinkError {
    LinkError::Refused {
        address: settings.address.clone(),
        detail: format!("TLS failed: {detail}"),
        advice: advice.to_owned(),
    }
}

/// An input or output error on the socket, in the operator's words.
pub(super) fn io(settings: &Settings, error: &std::io::Error) -> LinkError {
    let address = settings.address.clone();
    let detail = error.to_string();
    // A broker that does not like our certificate says so only after the handshake, which then fails as a
    // read.
    if let Some(tls) = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        return tls_failed(settings, &detail, trust::advice(tls));
    }
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused
        | std::io::ErrorKind::HostUnreachable
        | std::io::ErrorKind::NetworkUnreachable
        | std::io::ErrorKind::NotFound => LinkError::Connect { address, detail },
        _ => LinkError::Broken { address, detail },
    }
}

/// The queue of requests is full, or its polling task is gone.
pub(super) fn full(settings: &Settings, request: &str) -> LinkError {
    LinkError::Broken {
        address: settings.address.clone(),
        detail: format!("{request} found no room in the queue of requests"),
    }
}

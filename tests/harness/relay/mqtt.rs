//! What a subscriber may send to a broker, in MQTT 3.1.1 and 5: anything but messages of its own.
//!
//! A will is a message too, which the broker sends in our name. The one message that may be let through by name is
//! Sparkplug's request for a rebirth.

use super::watch::{Frames, Rule};

/// No message at all.
pub const SUBSCRIBING: Rule = || Box::new(Packets { rest: Vec::new(), rebirth: false });
/// No message but `spBv1.0/GROUP/NCMD/NODE` (Sparkplug 3.0.0, 6.4.21): a host that was configured to ask for rebirths.
pub const ASKING_FOR_REBIRTH: Rule = || Box::new(Packets { rest: Vec::new(), rebirth: true });

struct Packets {
    rest: Vec<u8>,
    rebirth: bool,
}

/// The connect flag of a will (MQTT 3.1.1, 3.1.2.5; MQTT 5, 3.1.2.5).
const WILL: u8 = 0x04;

impl Frames for Packets {
    fn next(&mut self, bytes: &[u8]) -> Result<Option<(usize, String)>, String> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let Some((content, length)) = remaining_length(&bytes[1..])? else { return Ok(None) };
        let start = 1 + length;
        // A packet that may never be sent is told before all of it has come.
        let name = named(first >> 4)?;
        let Some(body) = bytes.get(start..start + content) else { return Ok(None) };
        match first >> 4 {
            1 => connects(body)?,
            3 => self.publishes(body)?,
            _ => {}
        }
        Ok(Some((start + content, name.to_owned())))
    }

    fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.rest
    }
}

/// Packet types (MQTT 5, 2.1.2), and which of them a client may send.
fn named(kind: u8) -> Result<&'static str, String> {
    Ok(match kind {
        1 => "CONNECT",
        3 => "PUBLISH",
        4 => "PUBACK",
        5 => "PUBREC",
        6 => "PUBREL",
        7 => "PUBCOMP",
        8 => "SUBSCRIBE",
        10 => "UNSUBSCRIBE",
        12 => "PINGREQ",
        14 => "DISCONNECT",
        15 => "AUTH",
        _ => return Err(format!("MQTT packet type {kind} is none of a client's")),
    })
}

/// The length of what follows, and how many bytes it took to say so (MQTT 5, 2.1.4 and 1.5.5).
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut length = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * n);
        if byte & 0x80 == 0 {
            return Ok(Some((length, n + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err("an MQTT packet of no length".to_owned()) }
}

fn connects(body: &[u8]) -> Result<(), String> {
    let broken = || "a CONNECT that is broken".to_owned();
    let (protocol, rest) = text(body).ok_or_else(broken)?;
    let &[version, flags, ..] = rest else { return Err(broken()) };
    match (protocol, version) {
        (b"MQTT", 4 | 5) if flags & WILL == 0 => Ok(()),
        (b"MQTT", 4 | 5) => Err("a CONNECT with a will, which is a message".to_owned()),
        _ => Err(format!("a CONNECT of version {version}")),
    }
}

impl Packets {
    fn publishes(&self, body: &[u8]) -> Result<(), String> {
        let topic = text(body).map(|(topic, _)| topic).unwrap_or_default();
        let topic = String::from_utf8_lossy(topic);
        let parts: Vec<&str> = topic.split('/').collect();
        if self.rebirth && matches!(parts[..], ["spBv1.0", _group, "NCMD", _node]) {
            return Ok(());
        }
        Err(format!("a PUBLISH to {topic:?}"))
    }
}

/// A text at the start of `bytes`, and what follows it (MQTT 5, 1.5.4).
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::relay::watch::look_at;

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![kind << 4, u8::try_from(body.len()).unwrap()];
        packet.extend(body);
        packet
    }

    fn connect(version: u8, flags: u8) -> Vec<u8> {
        packet(1, &[0, 4, b'M', b'Q', b'T', b'T', version, flags, 0, 5, 0, 1, b'a'])
    }

    fn publish(topic: &str) -> Vec<u8> {
        let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
        body.extend(topic.as_bytes());
        body.extend(b"1");
        packet(3, &body)
    }

    #[test]
    fn a_subscriber_passes_in_both_versions() {
        for version in [4, 5] {
            let mut stream = connect(version, 0b1100_0010);
            for kind in [8, 4, 5, 6, 7, 10, 12, 14] {
                stream.extend(packet(kind, &[0, 1]));
            }
            let pieces: Vec<&[u8]> = stream.chunks(1).collect();
            let names = look_at(SUBSCRIBING, &pieces).unwrap().join(" ");
            assert_eq!(
                names,
                "CONNECT×1 DISCONNECT×1 PINGREQ×1 PUBACK×1 PUBCOMP×1 PUBREC×1 PUBREL×1 SUBSCRIBE×1 UNSUBSCRIBE×1"
            );
        }
    }

    #[test]
    fn a_message_and_a_will_are_told_with_their_bytes() {
        let why = look_at(SUBSCRIBING, &[&connect(4, 2), &publish("hall/set")]).unwrap_err();
        assert!(
            why.contains("PUBLISH to \"hall/set\"") && why.contains(&hex::encode(publish("hall/set"))),
            "{why}"
        );
        for flags in [0x04, 0x06, 0x0E, 0x2C] {
            let why = look_at(SUBSCRIBING, &[&connect(5, flags)]).unwrap_err();
            assert!(why.contains("with a will"), "{why}");
        }
        // What only brokers send, and what nobody does.
        for kind in [0, 2, 9, 11, 13] {
            assert!(look_at(SUBSCRIBING, &[&packet(kind, &[0, 1])]).is_err(), "{kind}");
        }
        assert!(look_at(SUBSCRIBING, &[&[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 1]]).is_err());
    }

    #[test]
    fn only_a_request_for_rebirth_may_be_let_through() {
        let rebirth = publish("spBv1.0/hall/NCMD/edge");
        assert!(look_at(SUBSCRIBING, &[&rebirth]).is_err());
        assert_eq!(look_at(ASKING_FOR_REBIRTH, &[&rebirth]).unwrap(), ["PUBLISH×1"]);
        for topic in
            ["spBv1.0/hall/DCMD/edge/press", "spBv1.0/hall/NCMD", "spBv1.0/STATE/host", "hall/NCMD/edge/x"]
        {
            assert!(look_at(ASKING_FOR_REBIRTH, &[&publish(topic)]).is_err(), "{topic}");
        }
    }
}

//! Sparkplug B against mosquitto, to which an edge node publishes whose payloads Eclipse Tahu encodes. It gives birth
//! twice a second without being asked, so that a link that may not ask finds its way back.

use crate::mqtt::{mosquitto, other_subscription};
use crate::server::{Server, counting};
use crate::transport::{Age, Reason, Transport, Ways, passing};
use observation::PointId;
use plumbline_tests::harness::relay::watch::Rule;
use plumbline_tests::harness::relay::{Fault, mqtt};
use protocols::Link;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

pub(crate) struct Sparkplug;

/// The first byte of a message with `QoS` 0.
const PUBLISH: u8 = 0x30;

/// Changes one message.
fn change(how: impl Fn(&mut Vec<u8>) -> Option<()> + Send + Sync + 'static) -> Fault {
    Fault::change(1, move |answer| {
        let mut other = (*answer.first()? == PUBLISH).then(|| answer.to_vec())?;
        how(&mut other)?;
        Some(other)
    })
}

fn flip(offset: usize, bits: u8) -> Fault {
    change(move |packet| packet.get_mut(offset).map(|byte| *byte ^= bits))
}

impl Transport for Sparkplug {
    const NAME: &'static str = "Sparkplug B";
    const RULE: Rule = mqtt::SUBSCRIBING;
    const AGE: Age = Age::Unknown("a broker may hold a message for a while, and a birth repeats what was");
    const ONCE: Result<(), Reason> = Err("a birth that comes twice is a birth");
    const AT_ONCE: Result<(), Reason> = Err("until its birth comes nothing is known of a node");

    fn serve(folder: &Path, from: u64) -> Server {
        let (main, port) = mosquitto(folder);
        let (node, _) = counting(folder, "sparkplug", from, port);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Server { address, main, _others: vec![node] }
    }

    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
        let settings = json!({
            "address": format!("mqtt://{at}"), "client_id": "conformance", "group": "Test",
            "keep_alive": format!("{}s", patience.as_secs().max(1)),
            "timeout": format!("{}ms", 2 * patience.as_millis()),
        });
        let points = vec![
            (PointId(0), json!({"node": "Counting", "metric": "count/0"})),
            (PointId(1), json!({"node": "Counting", "metric": "count/1"})),
        ];
        protocols::link("sparkplug", settings, points).map_err(|e| format!("{e:?}")).unwrap()
    }

    fn short() -> Ways {
        Ok(passing([("the last bytes never come", Fault::short(1, 2))]))
    }

    fn wrong_unit() -> Ways {
        Err("a connection leads to one broker, and each message names its node")
    }

    /// The only question a listener has an answer to.
    fn wrong_id() -> Ways {
        other_subscription()
    }

    /// Nothing protects a message but the checksum of TCP, and its sequence number itself, which is its last byte.
    fn corrupted() -> Ways {
        Ok(passing([
            ("another packet", flip(0, 0x80)),
            ("of some QoS", flip(0, 0x02)),
            ("longer", flip(1, 0x01)),
            ("a long topic", flip(2, 0x40)),
            ("another number", change(|packet| packet.last_mut().map(|byte| *byte ^= 0x01))),
        ]))
    }
}

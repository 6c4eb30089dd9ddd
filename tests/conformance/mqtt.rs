//! MQTT against mosquitto, to which a paho client publishes directly, one message after the other.

use crate::rig::Act;
use crate::server::{Owned, Server, counting};
use crate::transport::{Age, Reason, Transport, Ways, passing};
use observation::PointId;
use plumbline_tests::harness::chain::free_port;
use plumbline_tests::harness::peers;
use plumbline_tests::harness::relay::watch::Rule;
use plumbline_tests::harness::relay::{Fault, mqtt};
use protocols::Link;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Version 3.1.1, which calls itself 4, and 5.
pub(crate) struct Mqtt<const VERSION: u8>;

/// The first byte of a message with `QoS` 1.
const PUBLISH: u8 = 0x32;
/// The first byte of the answer to a subscription.
const SUBACK: u8 = 0x90;

/// Flips bits in one message.
fn flip(offset: usize, bits: u8) -> Fault {
    Fault::change(1, move |answer| {
        let mut other = (*answer.first()? == PUBLISH).then(|| answer.to_vec())?;
        *other.get_mut(offset)? ^= bits;
        Some(other)
    })
}

/// A link with these further keys.
pub(crate) fn link(address: &str, version: u8, patience: Duration, more: &Value) -> Box<dyn Link> {
    let mut settings = json!({
        "address": address, "version": version, "client_id": "conformance",
        "keep_alive": format!("{}s", patience.as_secs().max(1)),
        "timeout": format!("{}ms", 2 * patience.as_millis()),
    });
    for (key, value) in more.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let point = |n| json!({"topic": format!("count/{n}"), "path": "$.count", "stale_after": "10s"});
    let points = vec![(PointId(0), point(0)), (PointId(1), point(1))];
    protocols::link("mqtt", settings, points).map_err(|e| format!("{e:?}")).unwrap()
}

impl<const VERSION: u8> Transport for Mqtt<VERSION> {
    const NAME: &'static str = if VERSION == 5 { "MQTT 5" } else { "MQTT 3.1.1" };
    const RULE: Rule = mqtt::SUBSCRIBING;
    const AGE: Age =
        Age::Unknown("a message does not say when it was made, and a broker may keep it for a while");
    const ONCE: Result<(), Reason> = Err("QoS 1 is at least once");

    fn serve(folder: &Path, from: u64) -> Server {
        let (main, port) = mosquitto(folder);
        let (publisher, _) = counting(folder, "mqtt", from, port);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Server { address, main, _others: vec![publisher] }
    }

    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
        link(&format!("mqtt://{at}"), VERSION, patience, &json!({}))
    }

    fn short() -> Ways {
        Ok(passing([("the last bytes never come", Fault::short(1, 2))]))
    }

    fn wrong_unit() -> Ways {
        Err("a connection leads to one broker; there are no units behind it")
    }

    /// The only question a subscriber has an answer to; a message is answered by the subscriber itself.
    fn wrong_id() -> Ways {
        other_subscription()
    }

    /// Nothing protects topic and payload but the checksum of TCP, and TLS where it is used.
    fn corrupted() -> Ways {
        Ok(passing([
            ("another packet", flip(0, 0x80)),
            ("without a number", flip(0, 0x02)),
            ("of no QoS", flip(0, 0x04)),
            ("kept", flip(0, 0x01)),
            ("longer", flip(1, 0x01)),
            ("a long topic", flip(2, 0x40)),
        ]))
    }
}

/// The answer to a subscription bears the number of another.
#[expect(clippy::unnecessary_wraps, reason = "it stands where a transport may refuse")]
pub(crate) fn other_subscription() -> Ways {
    let suback = |answer: &[u8]| {
        let at = suback(answer)?;
        let mut other = answer.to_vec();
        *other.get_mut(at + 3)? ^= 0x40;
        Some(other)
    };
    Ok(vec![("subscription", Act::PassNew(Fault::change(1, suback)))])
}

/// Where in these whole packets the answer to a subscription begins.
fn suback(packets: &[u8]) -> Option<usize> {
    let mut at = 0;
    // Packets of the tests are shorter than 128 bytes, whose length is one byte (MQTT 5, 1.5.5).
    while *packets.get(at)? != SUBACK {
        at += 2 + usize::from(*packets.get(at + 1)?);
    }
    Some(at)
}

/// A broker that keeps sessions over a restart, and its port.
pub(crate) fn mosquitto(folder: &Path) -> (Owned, u16) {
    mosquitto_and(folder, String::new)
}

/// The same with further lines of its configuration, made anew for each attempt.
pub(crate) fn mosquitto_and(folder: &Path, mut more: impl FnMut() -> String) -> (Owned, u16) {
    let file = folder.join("mosquitto.conf");
    // Another process may take the port between its release here and its use there.
    for _ in 0..20 {
        let port = free_port();
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
             autosave_interval 1\nautosave_on_changes true\npersistence_location {}/\n{}",
            folder.display(),
            more(),
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(peers::program("mosquitto", "mosquitto"));
        command
            .arg("-v")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut owned = Owned(command.spawn().unwrap());
        let mut lines = BufReader::new(owned.0.stderr.take().unwrap()).lines().map_while(Result::ok);
        if lines.any(|line| line.contains("running")) {
            // Its further lines are of no use, but the pipe must not fill up.
            std::thread::spawn(move || lines.for_each(drop));
            return (owned, port);
        }
    }
    panic!("mosquitto does not start; see whether it is complete: apt-get install --reinstall mosquitto");
}

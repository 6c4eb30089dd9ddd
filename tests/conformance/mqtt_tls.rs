//! MQTT 5 over TLS against mosquitto: every bit is noticed, and the relay sees nothing but records.

use crate::mqtt::{self, Mqtt, mosquitto_and};
use crate::server::{Server, counting};
use crate::transport::{Age, Reason, Transport, Ways, passing};
use plumbline_tests::harness::chain::free_port;
use plumbline_tests::harness::peers;
use plumbline_tests::harness::relay::watch::Rule;
use plumbline_tests::harness::relay::{Fault, tls};
use protocols::Link;
use serde_json::json;
use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(crate) struct MqttTls;

thread_local! {
    /// The fingerprint that the link knows which is made after the broker, by the same test.
    static FINGERPRINT: RefCell<String> = RefCell::default();
}

/// The first byte of a record with data (RFC 8446 5.1).
const DATA: u8 = 23;

fn flip(offset: usize, bits: u8) -> Fault {
    Fault::change(1, move |answer| {
        let mut other = (*answer.first()? == DATA).then(|| answer.to_vec())?;
        *other.get_mut(offset)? ^= bits;
        Some(other)
    })
}

fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new(peers::program("openssl", "openssl"))
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The broker's own certificate, made once in a folder; gives its fingerprint.
fn certificate(folder: &Path) -> String {
    if !folder.join("broker.pem").exists() {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout broker.key";
        openssl(folder, &format!("req -new -x509 -days 2 -subj /CN=broker {key} -out broker.pem"));
    }
    let said = openssl(folder, "x509 -in broker.pem -noout -fingerprint -sha256");
    format!("sha256:{}", said.trim().split_once('=').unwrap().1)
}

impl Transport for MqttTls {
    const NAME: &'static str = "MQTT 5 over TLS";
    const RULE: Rule = tls::RECORDS;
    const AGE: Age = Mqtt::<5>::AGE;
    const ONCE: Result<(), Reason> = Mqtt::<5>::ONCE;
    const SEEN: Result<(), Reason> = Err("the packets are encrypted; without TLS they are the same");

    /// The publisher has an entrance of its own, without TLS.
    fn serve(folder: &Path, from: u64) -> Server {
        FINGERPRINT.set(certificate(folder));
        let mut secured = 0;
        let (main, port) = mosquitto_and(folder, || {
            secured = free_port();
            let folder = folder.display();
            format!(
                "listener {secured} 127.0.0.1\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
            )
        });
        let (publisher, _) = counting(folder, "mqtt", from, port);
        Server { address: SocketAddr::from((Ipv4Addr::LOCALHOST, secured)), main, _others: vec![publisher] }
    }

    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
        let trust = json!({"fingerprint": FINGERPRINT.with_borrow(Clone::clone)});
        mqtt::link(&format!("mqtts://{at}"), 5, patience, &trust)
    }

    fn short() -> Ways {
        Ok(passing([("the last bytes never come", Fault::short(1, 2))]))
    }

    fn wrong_unit() -> Ways {
        Mqtt::<5>::wrong_unit()
    }

    fn wrong_id() -> Ways {
        Err("the numbers of a packet are encrypted and authenticated with it")
    }

    /// The type outside of a record is not among them: TLS 1.3 has another one inside, which counts (RFC 8446 5.2).
    fn corrupted() -> Ways {
        Ok(passing([("longer", flip(4, 0x01)), ("what is encrypted", flip(5, 0x01))]))
    }
}

//! OPC UA against asyncua, without security, so that the relay can read along.

use crate::server::{Server, counting};
use crate::transport::{Age, Reason, Transport, Ways, passing};
use observation::PointId;
use plumbline_tests::harness::relay::watch::Rule;
use plumbline_tests::harness::relay::{Fault, opcua};
use protocols::Link;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub(crate) struct OpcUa;

/// Offsets in a message: `type:3 final:1 size:4 channel:4 token:4 sequence:4 request:4`.
const FINAL: usize = 3;
pub(crate) const SIZE: usize = 4;
const SEQUENCE: usize = 16;
const REQUEST: usize = 20;

/// Flips bits in one message of an open session.
pub(crate) fn flip(offset: usize, bits: u8) -> Fault {
    Fault::change(1, move |answer| {
        let mut other = answer.strip_prefix(b"MSG").map(|_| answer.to_vec())?;
        *other.get_mut(offset)? ^= bits;
        Some(other)
    })
}

/// A link with these further keys.
pub(crate) fn link(at: SocketAddr, patience: Duration, more: &Value) -> Box<dyn Link> {
    let mut settings = json!({
        "address": format!("opc.tcp://{at}/counting/"), "publish": "100ms",
        "keep_alive": format!("{}ms", patience.as_millis()), "timeout": format!("{}ms", 2 * patience.as_millis()),
    });
    for (key, value) in more.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let point = |n| json!({"node": format!("nsu=urn:plumbline:test:counting;s=Count{n}")});
    let points = vec![(PointId(0), point(0)), (PointId(1), point(1))];
    protocols::link("opcua", settings, points).map_err(|e| format!("{e:?}")).unwrap()
}

impl Transport for OpcUa {
    const NAME: &'static str = "OPC UA";
    const RULE: Rule = opcua::READING;
    /// The silence after which a session is given up, and what a busy machine may add to it.
    const AGE: Age = Age::SinceReplaced(5_000);
    const ONCE: Result<(), Reason> = Ok(());

    fn serve(folder: &Path, from: u64) -> Server {
        let (main, address) = counting(folder, "opcua", from, 0);
        Server { address, main, _others: vec![] }
    }

    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
        link(at, patience, &json!({"security": "none"}))
    }

    fn short() -> Ways {
        Ok(passing([("the last bytes never come", Fault::short(1, 7))]))
    }

    fn wrong_unit() -> Ways {
        Err("a connection leads to one server; there are no units behind it")
    }

    fn wrong_id() -> Ways {
        Ok(passing([("request", flip(REQUEST, 0x01)), ("sequence", flip(SEQUENCE, 0x01))]))
    }

    /// Without security nothing protects the values themselves but the checksum of TCP.
    fn corrupted() -> Ways {
        Ok(passing([
            ("no type", flip(0, 0x20)),
            ("not final", flip(FINAL, 0x10)),
            ("longer", flip(SIZE, 0x01)),
            ("much longer", flip(SIZE + 3, 0x40)),
        ]))
    }
}

//! Modbus TCP against pymodbus. Each poll asks two units, and each answer is a count of its own.

use crate::server::{Server, counting};
use crate::transport::{Age, Reason, Transport, Ways, passing};
use observation::PointId;
use plumbline_tests::harness::relay::watch::Rule;
use plumbline_tests::harness::relay::{Fault, modbus};
use protocols::Link;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub(crate) struct ModbusTcp;

/// Offsets in an answer: `transaction:2 protocol:2 length:2 unit:1 function:1 bytes:1 registers`.
const TRANSACTION: usize = 1;
const LENGTH: usize = 5;
const UNIT: usize = 6;
const FUNCTION: usize = 7;
const BYTES: usize = 8;

impl Transport for ModbusTcp {
    const NAME: &'static str = "Modbus TCP";
    const RULE: Rule = modbus::TCP;
    /// The time-out, and what a busy machine may add to it.
    const AGE: Age = Age::SinceOffered(4_000);
    const ONCE: Result<(), Reason> = Ok(());

    fn serve(folder: &Path, from: u64) -> Server {
        let (main, address) = counting(folder, "modbus", from, 0);
        Server { address, main, _others: vec![] }
    }

    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
        let timeout = format!("{}ms", patience.as_millis());
        let settings = json!({"address": format!("tcp://{at}"), "poll": "100ms", "timeout": timeout});
        let point = |unit| json!({"unit": unit, "register": "holding:0", "type": "u32", "order": "ABCD"});
        let points = vec![(PointId(0), point(1)), (PointId(1), point(2))];
        protocols::link("modbus", settings, points).map_err(|e| format!("{e:?}")).unwrap()
    }

    fn short() -> Ways {
        Ok(passing([
            ("the last bytes never come", Fault::short(1, 2)),
            (
                "one register of two",
                Fault::change(1, |answer| {
                    let mut other = answer.get(..answer.len().checked_sub(2)?)?.to_vec();
                    *other.get_mut(LENGTH)? -= 2;
                    *other.get_mut(BYTES)? -= 2;
                    Some(other)
                }),
            ),
        ]))
    }

    fn wrong_unit() -> Ways {
        // Units 1 and 2 become each other.
        Ok(passing([
            ("the other unit", Fault::flip(1, UNIT, 3)),
            ("no unit of this link", Fault::flip(1, UNIT, 0x40)),
        ]))
    }

    fn wrong_id() -> Ways {
        Ok(passing([
            ("next to it", Fault::flip(1, TRANSACTION, 1)),
            ("far from it", Fault::flip(1, 0, 0x80)),
        ]))
    }

    /// Nothing protects the registers themselves but the checksum of TCP.
    fn corrupted() -> Ways {
        Ok(passing([
            ("protocol", Fault::flip(1, 2, 0x01)),
            ("longer", Fault::flip(1, LENGTH, 0x08)),
            ("shorter", Fault::flip(1, LENGTH, 0x04)),
            ("another function", Fault::flip(1, FUNCTION, 0x01)),
            ("a refusal", Fault::flip(1, FUNCTION, 0x80)),
            ("fewer registers", Fault::flip(1, BYTES, 0x04)),
            ("more registers", Fault::flip(1, BYTES, 0x02)),
        ]))
    }
}

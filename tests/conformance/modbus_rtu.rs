//! Modbus RTU frames over TCP, as transparent converters carry them, against pymodbus. What keeps answers apart there is
//! the checksum, the unit and order alone: a frame bears no number.

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

pub(crate) struct RtuOverTcp;

/// The longest time-out of a link here.
const LONGEST: Duration = Duration::from_secs(5);

/// Offsets in an answer: `unit:1 function:1 bytes:1 registers:4 checksum:2`.
const UNIT: usize = 0;
const FUNCTION: usize = 1;
const BYTES: usize = 2;
const REGISTERS: usize = 3;
const CHECKSUM: usize = 7;

/// Changes an answer's frame and gives it the checksum that belongs to it: a frame that is whole, but not the answer.
fn whole(change: impl Fn(&mut Vec<u8>) -> Option<()> + Send + Sync + 'static) -> Fault {
    Fault::change(1, move |answer| {
        let mut frame = answer.get(..CHECKSUM)?.to_vec();
        change(&mut frame)?;
        let sum = modbus::crc(&frame);
        frame.extend(sum.to_le_bytes());
        Some(frame)
    })
}

fn unit(bits: u8) -> Fault {
    whole(move |frame| {
        *frame.get_mut(UNIT)? ^= bits;
        Some(())
    })
}

impl Transport for RtuOverTcp {
    const NAME: &'static str = "Modbus RTU over TCP";
    const RULE: Rule = modbus::RTU;
    /// The time-out, and what a busy machine may add to it.
    const AGE: Age = Age::SinceOffered(4_000);
    const ONCE: Result<(), Reason> = Ok(());

    fn serve(folder: &Path, from: u64) -> Server {
        let (main, address) = counting(folder, "modbus_rtu", from, 0);
        Server { address, main, _others: vec![] }
    }

    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
        // A line is listened to for as long as a time-out before the first question.
        let timeout = format!("{}ms", patience.min(LONGEST).as_millis());
        let settings = json!({"address": format!("rtu+tcp://{at}"), "poll": "100ms", "timeout": timeout});
        let point = |unit| json!({"unit": unit, "register": "holding:0", "type": "u32", "order": "ABCD"});
        let points = vec![(PointId(0), point(1)), (PointId(1), point(2))];
        protocols::link("modbus", settings, points).map_err(|e| format!("{e:?}")).unwrap()
    }

    fn short() -> Ways {
        Ok(passing([
            ("the last bytes never come", Fault::short(1, 2)),
            (
                "one register of two",
                whole(|frame| {
                    frame.truncate(REGISTERS + 2);
                    *frame.get_mut(BYTES)? -= 2;
                    Some(())
                }),
            ),
        ]))
    }

    fn wrong_unit() -> Ways {
        // Units 1 and 2 become each other.
        Ok(passing([("the other unit", unit(3)), ("no unit of this link", unit(0x40))]))
    }

    fn wrong_id() -> Ways {
        Err("a frame bears no number; an answer to another question is a late one, or another unit's")
    }

    fn corrupted() -> Ways {
        Ok(passing([
            ("unit", Fault::flip(1, UNIT, 0x03)),
            ("function", Fault::flip(1, FUNCTION, 0x01)),
            ("a refusal", Fault::flip(1, FUNCTION, 0x80)),
            ("bytes", Fault::flip(1, BYTES, 0x02)),
            ("a register", Fault::flip(1, REGISTERS + 3, 0x10)),
            ("checksum", Fault::flip(1, CHECKSUM, 0x01)),
        ]))
    }
}

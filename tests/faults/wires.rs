//! Faults of the wire between the agent and a device: one chain, which reads one plant over many connections, each
//! through a relay of its own that does its own thing to it, all at the same time. The relays also hold whatever the
//! agent sends against the list of what may be sent to a machine.

use crate::plant::{Plant, Transport};
use crate::site::{Counter, PROGRAMS, configuration, judge, run_for, wait_until_logged};
use crate::table::Row;
use plumbline_tests::harness::chain::Chain;
use plumbline_tests::harness::relay::{Cut, Fault, Relay, Way, modbus, mqtt, opcua};
use std::time::Duration;

/// How long the chain runs before the faults, s.
const WELL_S: i64 = 9;
/// How long they last, s.
const FAULT_S: i64 = 3;
/// And after them: the longest pause before a lost connection is tried again is as long as the outage was.
const AFTER_S: i64 = 8;
/// More than any link's time-out, ms.
const LATE_MS: u64 = 700;
/// Of each of the ten pieces of an answer, ms: less than any time-out together.
const PIECE_MS: u64 = 10;

type Do = fn(&Relay, Transport);

/// What happens to a wire.
struct Wire {
    key: &'static str,
    name: (&'static str, &'static str),
    does: Do,
}

const WIRES: &[Wire] = &[
    Wire {
        key: "slow",
        name: ("应答分十段慢速到达", "answers come slowly, in ten pieces"),
        does: |relay, _| relay.set(Fault::Slow(Duration::from_millis(PIECE_MS))),
    },
    Wire {
        key: "late",
        name: ("应答迟到 0.7 秒，超过超时", "answers late by 0.7 s, past the time-out"),
        does: |relay, _| relay.set(Fault::Late(Duration::from_millis(LATE_MS))),
    },
    Wire {
        key: "reset",
        name: ("连接被复位 (RST)", "connection reset (RST)"),
        does: |relay, _| relay.cut(Cut::Reset),
    },
    Wire {
        key: "close",
        name: ("连接被关闭 (FIN)", "connection closed (FIN)"),
        does: |relay, _| relay.cut(Cut::Close),
    },
    Wire {
        key: "half",
        name: ("应答传到一半时断开", "cut in the middle of an answer"),
        does: |relay, _| relay.set(Fault::CutAnswer(Cut::Reset)),
    },
    Wire {
        key: "refuse",
        name: ("断开后拒绝连接", "cut, then connections refused"),
        does: |relay, _| {
            relay.set(Fault::Refuse);
            relay.cut(Cut::Reset);
        },
    },
    Wire {
        key: "hangup",
        name: ("断开后接通即挂断", "cut, then taken and closed at once"),
        does: |relay, _| {
            relay.set(Fault::HangUp);
            relay.cut(Cut::Close);
        },
    },
    Wire {
        key: "hole",
        name: ("双向黑洞", "black hole, both ways"),
        does: |relay, _| relay.set(Fault::BlackHole(Way::Both)),
    },
    Wire {
        key: "deaf",
        name: ("单向黑洞：只丢应答", "black hole, answers only"),
        does: |relay, _| relay.set(Fault::BlackHole(Way::Answers)),
    },
    Wire {
        key: "flip",
        name: ("报文头位翻转", "a bit of the header flipped"),
        // Modbus TCP and MQTT carry no checksum of their own: of a value's bits nobody could tell. These are the
        // transaction number, the kind of the message, the kind of the packet.
        does: |relay, transport| match transport {
            Transport::Modbus => relay.set(Fault::flip(3, 1, 0x10)),
            Transport::OpcUa | Transport::Mqtt => relay.set(Fault::flip(3, 0, 0x40)),
        },
    },
    Wire {
        key: "garbage",
        name: ("应答是乱码", "answers are garbage"),
        does: |relay, _| relay.set(Fault::garbage(3)),
    },
    Wire {
        key: "twice",
        name: ("应答重复一次", "answers come twice"),
        does: |relay, _| relay.set(Fault::twice(10)),
    },
    Wire {
        key: "short",
        name: ("应答缺最后两字节", "answers lack their last two bytes"),
        does: |relay, _| relay.set(Fault::short(3, 2)),
    },
    Wire {
        key: "vanish",
        name: ("设备无声消失，不再回来", "device vanishes without a word, for good"),
        does: |relay, _| {
            relay.set(Fault::BlackHole(Way::Both));
            relay.vanish();
        },
    },
];

fn watched(plant: &Plant, transport: Transport) -> Relay {
    let rule = match transport {
        Transport::Modbus => modbus::TCP,
        Transport::OpcUa => opcua::READING,
        Transport::Mqtt => mqtt::SUBSCRIBING,
    };
    Relay::watched(plant.address(transport), rule)
}

/// Every fault on every transport.
pub(crate) fn all() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let plant = Plant::start(folder.path(), "plant");
    let cases = || WIRES.iter().flat_map(|wire| Transport::ALL.map(|transport| (wire, transport)));
    let relays: Vec<Relay> = cases().map(|(_, transport)| watched(&plant, transport)).collect();
    let counters: Vec<Counter> = cases()
        .zip(&relays)
        .map(|((wire, transport), relay)| Counter {
            id: format!("{}-{}", transport.by(), wire.key),
            transport,
            address: relay.address(),
            record: plant.record(),
            held_ms: if wire.key == "late" { LATE_MS.cast_signed() } else { 0 },
            returns: wire.key != "vanish",
        })
        .collect();
    let mut chain = Chain::new(PROGRAMS, 2, &configuration(&counters));
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    run_for(WELL_S);
    cases().zip(&relays).for_each(|((wire, transport), relay)| (wire.does)(relay, transport));
    run_for(FAULT_S);
    cases().zip(&relays).filter(|((wire, _), _)| wire.key != "vanish").for_each(|(_, relay)| relay.clear());
    run_for(AFTER_S);
    wait_until_logged(&chain, 0, "the wires");
    let tallies = judge(&mut chain, &counters, 0);
    let rows = cases().zip(tallies);
    rows.map(|((wire, transport), tally)| Row { fault: wire.name, over: transport.title(), tally }).collect()
}

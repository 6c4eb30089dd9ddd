//! Faults of the wire between the agent and a device: for each transport one chain, which reads one plant over many
//! connections, each through a relay of its own that does its own thing to it, all at the same time. The relays also hold
//! whatever the agent sends against the list of what may be sent to a machine.

use crate::judge::Clock;
use crate::plant::{Plant, Transport};
use crate::site::{Counter, PROGRAMS, configuration, judge, run_for, wait_until_logged, wait_until_read};
use crate::table::Row;
use plumbline_tests::harness::chain::{Chain, free_port, now_ms, now_s};
use plumbline_tests::harness::relay::{Cut, Fault, Relay, Way, modbus, mqtt, opcua};
use plumbline_tests::harness::serial::Port;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long the chain runs before the faults, s.
const WELL_S: i64 = 9;
/// How long they last, s.
const FAULT_S: i64 = 3;
/// And after them, when all deliver again, s.
const AFTER_S: i64 = 4;
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
        // transaction number or function, the kind of the message, the kind of the packet.
        does: |relay, transport| match transport {
            Transport::Modbus | Transport::Serial => relay.set(Fault::flip(3, 1, 0x10)),
            Transport::OpcUa | Transport::Mqtt | Transport::Sparkplug => relay.set(Fault::flip(3, 0, 0x40)),
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

/// What only a line has: RTU has a checksum of its own, and whatever is coupled into the wire is heard.
const LINES: &[Wire] = &[
    Wire {
        key: "value",
        name: ("数值位翻转", "a bit of the value flipped"),
        does: |relay, _| relay.set(Fault::flip(3, 6, 0x04)),
    },
    Wire {
        key: "noise",
        name: ("应答前有线路噪声", "noise on the line ahead of answers"),
        does: |relay, _| relay.set(Fault::change(3, |answer| Some([&[0x00, 0xFE], answer].concat()))),
    },
];

/// What only Sparkplug can show: its messages are sent without acknowledgement, and numbered.
const NODES: &[Wire] = &[Wire {
    key: "lost",
    name: ("代理丢掉一条消息", "the broker loses a message"),
    // The first byte of a message with QoS 0.
    does: |relay, _| relay.set(Fault::change(1, |packet| packet.starts_with(&[0x30]).then(Vec::new))),
}];

/// Each fault on each transport that it has a meaning for.
fn cases() -> Vec<(&'static Wire, Transport)> {
    let everywhere = WIRES.iter().flat_map(|wire| Transport::ALL.map(|transport| (wire, transport)));
    let lines = LINES.iter().map(|wire| (wire, Transport::Serial));
    everywhere.chain(lines).chain(NODES.iter().map(|wire| (wire, Transport::Sparkplug))).collect()
}

/// A relay for each case; every serial line leads to a device of its own.
fn relays(plant: &Plant, cases: &[(&Wire, Transport)]) -> Vec<Relay> {
    let mut line = 0..;
    let watched = |(_, transport): &(&Wire, Transport)| match transport {
        Transport::Modbus => Relay::watched(plant.address(*transport), modbus::TCP),
        Transport::Serial => Relay::watched(plant.line(line.next().unwrap_or_default()), modbus::RTU),
        Transport::OpcUa => Relay::watched(plant.address(*transport), opcua::READING),
        Transport::Mqtt | Transport::Sparkplug => {
            Relay::watched(plant.address(*transport), mqtt::SUBSCRIBING)
        }
    };
    cases.iter().map(watched).collect()
}

/// All of them, one transport after the other: a box and a plant that are too busy have faults of their own.
pub(crate) fn all() -> Vec<Row> {
    let cases = cases();
    let mut rows: Vec<Row> = Transport::ALL.into_iter().flat_map(run).collect();
    rows.sort_by_key(|row| {
        cases.iter().position(|(wire, transport)| (wire.name, transport.title()) == (row.fault, row.over))
    });
    rows
}

/// All faults of one transport at the same time, over one chain.
fn run(transport: Transport) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let cases: Vec<_> = cases().into_iter().filter(|(_, over)| *over == transport).collect();
    let serial = |(_, transport): &&(&Wire, Transport)| *transport == Transport::Serial;
    let plant = Plant::start(folder.path(), "plant", cases.iter().filter(serial).count());
    let relays = relays(&plant, &cases);
    let port = |((wire, transport), relay): (&(&Wire, Transport), &Relay)| {
        let path = folder.path().join(format!("port-{}", wire.key));
        (*transport == Transport::Serial).then(|| Port::start(path, relay.address()))
    };
    let ports: Vec<Option<Port>> = cases.iter().zip(&relays).map(port).collect();
    let counter =
        |((wire, transport), (relay, port)): (&(&Wire, Transport), (&Relay, &Option<Port>))| Counter {
            id: format!("{}-{}", transport.by(), wire.key),
            transport: *transport,
            place: match port {
                Some(port) => port.path().display().to_string(),
                None => relay.address().to_string(),
            },
            record: plant.record(),
            held_ms: 0,
            returns: wire.key != "vanish",
        };
    let mut counters: Vec<Counter> = cases.iter().zip(relays.iter().zip(&ports)).map(counter).collect();
    let mut chain = Chain::without_agent(PROGRAMS);
    let page = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let text = chain.configuration(2, &configuration(&counters));
    chain.enrol(&text.replacen("data_dir", &format!("status_listen = \"{page}\"\ndata_dir"), 1));
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    wait_until_read(page, &counters, now_ms());
    run_for(WELL_S);
    let all = || cases.iter().zip(&relays);
    all().for_each(|((wire, transport), relay)| (wire.does)(relay, *transport));
    run_for(FAULT_S);
    all().filter(|((wire, _), _)| wire.key != "vanish").for_each(|(_, relay)| relay.clear());
    wait_until_read(page, &counters, now_ms());
    run_for(AFTER_S);
    wait_until_logged(&chain, now_s(), "the wires");
    for (counter, relay) in counters.iter_mut().zip(&relays) {
        // A busy machine holds longer than it was told to.
        counter.held_ms = i64::try_from(relay.traffic().held.as_millis()).unwrap();
    }
    let tallies = judge(&mut chain, &counters, Clock::Right);
    let rows = cases.iter().zip(tallies);
    rows.map(|((wire, transport), tally)| Row { fault: wire.name, over: transport.title(), tally }).collect()
}

//! A chain that reads plants: its configuration, and the judgement over its bundle.

use crate::judge::{Clock, Machine, Offer, Tally, offered, real};
use crate::plant::Transport;
use plumbline_tests::harness::chain::{Chain, PROJECT, Programs, now_s, wait_until};
use plumbline_tests::harness::logged;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) const PROGRAMS: Programs = Programs {
    agent: env!("CARGO_BIN_EXE_agent-under-test"),
    gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
    verify: env!("CARGO_BIN_EXE_verify-under-test"),
};

const POLL_MS: i64 = 1000;
/// Less than half a poll, so that the gap between two answers tells how many polls were due between them.
const TIMEOUT_MS: i64 = 400;
const STALE_MS: i64 = 500;
/// Three signs of life of 300 ms; a session silent for longer is taken to have ended at the last.
const SILENCE_MS: i64 = 900;

/// Longest wait for a link; only failures ever wait that long.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often the status page is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A machine that is a count, read through an address.
pub(crate) struct Counter {
    pub(crate) id: String,
    pub(crate) transport: Transport,
    /// Where the agent asks: an address, or the path of a serial port.
    pub(crate) place: String,
    /// What its plant recorded.
    pub(crate) record: PathBuf,
    /// For how long the wire may hold what is sent, ms: a value is stamped when it arrives.
    pub(crate) held_ms: i64,
    /// Whether it delivers again at the end.
    pub(crate) returns: bool,
}

impl Counter {
    fn offer(&self) -> Offer {
        match self.transport {
            Transport::Modbus | Transport::Serial => {
                Offer::Polled { every_ms: POLL_MS, answer_ms: TIMEOUT_MS }
            }
            Transport::OpcUa => Offer::Sent { believed_ms: SILENCE_MS + self.held_ms },
            Transport::Mqtt | Transport::Sparkplug => Offer::Sent { believed_ms: STALE_MS + self.held_ms },
        }
    }

    fn tables(&self) -> String {
        let Self { id, place, .. } = self;
        let modbus = |scheme| {
            let link = format!(
                "protocol = \"modbus\"\naddress = \"{scheme}://{place}\"\npoll = \"{POLL_MS}ms\"\ntimeout = \"{TIMEOUT_MS}ms\""
            );
            (link, "unit = 1, register = \"holding:0\", type = \"u32\", order = \"ABCD\"".to_owned())
        };
        let (link, point) = match self.transport {
            Transport::Modbus => modbus("tcp"),
            Transport::Serial => modbus("serial"),
            Transport::OpcUa => (
                format!(
                    "protocol = \"opcua\"\naddress = \"opc.tcp://{place}\"\nsecurity = \"none\"\npublish = \"100ms\"\n\
                     keep_alive = \"{}ms\"\ntimeout = \"500ms\"",
                    SILENCE_MS / 3
                ),
                "node = \"nsu=urn:plumbline:test:offering;s=Count\"".to_owned(),
            ),
            Transport::Mqtt => (
                format!(
                    "protocol = \"mqtt\"\naddress = \"mqtt://{place}\"\nversion = 4\nclient_id = \"{id}\"\n\
                     keep_alive = \"1s\"\ntimeout = \"500ms\""
                ),
                format!("topic = \"count\", path = \"$\", stale_after = \"{STALE_MS}ms\""),
            ),
            Transport::Sparkplug => (
                format!(
                    "protocol = \"sparkplug\"\naddress = \"mqtt://{place}\"\nversion = 4\nclient_id = \"{id}\"\n\
                     keep_alive = \"1s\"\ntimeout = \"500ms\"\ngroup = \"Test\""
                ),
                format!("node = \"Offering\", metric = \"count\", stale_after = \"{STALE_MS}ms\""),
            ),
        };
        format!(
            "[[link]]\nid = \"{id}\"\n{link}\n\n[[machine]]\nid = \"{id}\"\nname = \"{id}\"\nline = \"A\"\n\
             kind = \"other\"\n\n[machine.points]\npart_total = {{ link = \"{id}\", {point}, max_per_hour = 360000 }}\n\n\
             [machine.state]\nproducing = 'part_total > 0'\nidle = 'true'\n\n"
        )
    }
}

/// The configuration from the links on.
pub(crate) fn configuration(counters: &[Counter]) -> String {
    counters.iter().map(Counter::tables).collect()
}

/// Lets the running chain go on for some seconds.
pub(crate) fn run_for(seconds: i64) {
    let until = now_s() + seconds;
    wait_until("time passes", || now_s() >= until);
}

/// Waits until the agent's status page shows a good value of each counter that returns, read after this moment, UTC ms. A
/// link that has failed a few times pauses for longer than its fault lasted.
pub(crate) fn wait_until_read(page: SocketAddr, counters: &[Counter], since_ms: i64) {
    let is_read = |status: &Value, id: &str| {
        let machine = status["machines"].as_array().and_then(|all| all.iter().find(|m| m["id"] == id));
        let point = machine.map(|m| &m["points"][0]);
        point.is_some_and(|p| p["problem"].is_null() && p["at_ms"].as_i64() > Some(since_ms))
    };
    let deadline = Instant::now() + PATIENCE;
    let mut awaited: Vec<&str> = counters.iter().filter(|c| c.returns).map(|c| c.id.as_str()).collect();
    while !awaited.is_empty() {
        assert!(Instant::now() < deadline, "these never deliver again: {awaited:?}");
        std::thread::park_timeout(LOOK);
        if let Some(status) = status(page) {
            awaited.retain(|id| !is_read(&status, id));
        }
    }
}

fn status(page: SocketAddr) -> Option<Value> {
    let mut stream = TcpStream::connect(page).ok()?;
    stream.write_all(b"GET /status HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// Waits until the gateway has everything up to this moment, UTC s, as the agent's clock shows it.
pub(crate) fn wait_until_logged(chain: &Chain, until: i64, what: &str) {
    wait_until(what, || chain.logged_until(PROJECT) >= until);
}

/// Ends the chain and judges each counter over the whole seconds since it started. What was done to the wall clock of the
/// agent's box must be signed.
pub(crate) fn judge(chain: &mut Chain, counters: &[Counter], clock: Clock) -> Vec<Tally> {
    chain.stop_agent();
    chain.stop_gateway();
    let log = logged::entries(&chain.export(PROJECT));
    for stream in logged::streams(&log).values() {
        logged::must_be_contiguous(stream);
        logged::must_tile(stream);
    }
    let steps = clock.steps(&log);
    let ends = real(&steps, logged::windows(&log).map(evidence::payload::WindowBatch::end).max().unwrap());
    // The first seconds, in which links come up, belong to no fault.
    let span = (chain.from + 4, ends);
    let tally = |counter: &Counter| {
        let record = offered(&counter.record, counter.transport.by());
        let machine = Machine::of(&log, &counter.id, span, &steps);
        assert!(
            machine.delivers() == counter.returns,
            "{} delivers again, or not, otherwise than it should:\n{machine:#?}",
            counter.id
        );
        let tally = machine.tally(counter.offer(), &record, span);
        if !tally.holds() {
            println!("{}: {tally:?}\n{machine:#?}", counter.id);
        }
        tally
    };
    counters.iter().map(tally).collect()
}

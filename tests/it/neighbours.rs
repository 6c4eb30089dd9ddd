//! One machine never hurts another: an agent reads fifty devices, each on a link of its own; one of them hangs, turns
//! into a black hole, and floods its reader with garbage. The other forty-nine keep their reads, and the one is UNKNOWN
//! for as long as it is not read: never idle, never an amount.
//!
//! Reads are counted as signed: those that were due against those that came. A second in which the machine that runs
//! the tests had no time for anybody, this test included, says nothing about neighbours and is left out.

use crate::dead_link::{genesis, must_be_unknown};
use crate::programs::PROGRAMS;
use evidence::column::{READS_EXPECTED, READS_GOOD};
use plumbline_tests::harness::chain::{Chain, PROJECT, now_ms, now_s, wait_until};
use plumbline_tests::harness::logged;
use plumbline_tests::harness::peers;
use plumbline_tests::harness::relay::{Cut, Fault, Relay, Way, modbus};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DEVICES: usize = 50;
/// The device with the fault is the last.
const VICTIM: &str = "d49";
/// How long each fault lasts, s.
const FAULT_S: i64 = 5;
/// From the beginning of a fault, a value that was read before is believed for less than two polls, s.
const BELIEVED_S: i64 = 3;
/// A pause of this test itself that shows a machine without time for anybody, ms.
const STARVED_MS: i64 = 400;

/// Devices in a process that dies with its owner.
struct Hall {
    child: Child,
    ports: Vec<u16>,
}

impl Hall {
    fn start(devices: usize) -> Self {
        let mut command = Command::new(peers::python());
        command.arg(peers::root().join("tests/peers/hall.py")).arg(devices.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports = line.split_whitespace().skip(1).map(|port| port.parse().unwrap()).collect();
        Self { child, ports }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends whoever connects bytes without meaning and without end.
fn flood() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let noise: Vec<u8> =
                    (0..1u32 << 16).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
                while stream.write_all(&noise).is_ok() {}
            });
        }
    });
    address
}

/// Looks at the clock again and again, and writes down when it could not for long.
struct Pulse {
    gaps: Arc<Mutex<Vec<(i64, i64)>>>,
    stop: Arc<AtomicBool>,
}

impl Pulse {
    fn start() -> Self {
        let (gaps, stop) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let (theirs, stopped) = (Arc::clone(&gaps), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut last = now_ms();
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(20));
                let now = now_ms();
                if now - last > STARVED_MS {
                    theirs.lock().unwrap().push((last, now));
                }
                last = now;
            }
        });
        Self { gaps, stop }
    }

    /// Nobody had time in this second or right before it.
    fn starved(&self, start_s: i64) -> bool {
        let gaps = self.gaps.lock().unwrap();
        gaps.iter().any(|(from, to)| *from < (start_s + 1) * 1000 && (start_s - 1) * 1000 < *to)
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn plant(addresses: &[SocketAddr]) -> String {
    let device = |(n, address): (usize, &SocketAddr)| {
        format!(
            "[[link]]\nid = \"d{n:02}\"\nprotocol = \"modbus\"\naddress = \"tcp://{address}\"\npoll = \"1s\"\n\
             timeout = \"900ms\"\n\n[[machine]]\nid = \"d{n:02}\"\nname = \"d{n:02}\"\nline = \"A\"\nkind = \"other\"\n\
             link = \"d{n:02}\"\n\n[machine.points]\nenergy_total = {{ unit = 1, register = \"holding:0\", \
             type = \"u32\", order = \"ABCD\", measure = \"Wh\", max_power = \"90kW\" }}\n\n\
             [machine.state]\nidle = 'true'\n\n"
        )
    };
    addresses.iter().enumerate().map(device).collect()
}

/// Lets everything go on for some seconds, and gives back which.
fn during(seconds: i64) -> (i64, i64) {
    let from = now_s();
    wait_until("time passes", || now_s() >= from + seconds);
    (from, from + seconds)
}

#[test]
fn pain_17_with_one_of_fifty_hung_lost_or_flooding_the_others_keep_their_reads() {
    let (hall, victim) = (Hall::start(DEVICES - 1), Hall::start(1));
    let loopback = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
    let home = loopback(&victim.ports[0]);
    let relay = Relay::watched(home, modbus::TCP);
    let addresses: Vec<SocketAddr> =
        hall.ports.iter().map(loopback).chain(std::iter::once(relay.address())).collect();
    let mut chain = Chain::new(PROGRAMS, 2, &plant(&addresses));
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let pulse = Pulse::start();
    let from = chain.from + 1;
    wait_until("all is read for some seconds", || now_s() >= from + 2);

    victim.signal("STOP");
    let hung = during(FAULT_S);
    victim.signal("CONT");
    relay.set(Fault::BlackHole(Way::Both));
    let lost = during(FAULT_S);
    relay.clear();
    relay.point_at(flood());
    relay.cut(Cut::Close);
    let before = relay.traffic().answered;
    let flooded = during(FAULT_S);
    assert!(relay.traffic().answered > before + (1 << 16), "there was no flood");
    relay.point_at(home);
    relay.cut(Cut::Close);

    let end = now_s();
    wait_until("everything is logged", || chain.logged_until(PROJECT) >= end);
    chain.stop_agent();
    chain.stop_gateway();
    let log = logged::entries(&chain.export(PROJECT));
    let genesis = genesis(&log);
    let index = genesis.machines.iter().find(|m| m.id == VICTIM).unwrap().index;
    let dead = [hung, lost, flooded];
    let (mut due, mut came, mut left_out, mut unknown) = (0, 0, 0, 0);
    for batch in logged::windows(&log) {
        for (m, machine) in batch.machines.iter().enumerate() {
            for w in 0..usize::try_from(batch.n).unwrap() {
                let start = batch.t0 + i64::try_from(w).unwrap();
                if *machine == index {
                    if dead.iter().any(|(a, b)| a + BELIEVED_S <= start && start < *b) {
                        must_be_unknown(genesis, batch, m, w);
                        unknown += 1;
                    }
                } else if (from..end).contains(&start) {
                    if pulse.starved(start) {
                        left_out += 1;
                    } else {
                        due += batch.value(READS_EXPECTED, m, w);
                        came += batch.value(READS_GOOD, m, w).min(batch.value(READS_EXPECTED, m, w));
                    }
                }
            }
        }
    }
    println!(
        "of the others {came} reads of {due} came, {left_out} windows left out; {unknown} windows UNKNOWN"
    );
    assert!(
        due >= i64::try_from(DEVICES - 1).unwrap() * FAULT_S,
        "too few reads were due to say anything: {due}"
    );
    assert!(came * 1000 >= due * 999, "{came} of {due} reads came");
    assert!(unknown >= 3 * (FAULT_S - BELIEVED_S), "{unknown} windows of the dead device");
}

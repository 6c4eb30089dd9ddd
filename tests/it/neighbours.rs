//! One machine never hurts another: an agent reads fifty devices, each on a link of its own; one of them hangs, turns
//! into a black hole, and floods its reader with garbage. The other forty-nine keep their reads, and the one is UNKNOWN
//! for as long as it is not read: never idle, never an amount. So over every protocol that has a server or a broker.
//!
//! Reads are counted as signed: those that were due against those that came. A second in which the machine that runs
//! the tests had no time for anybody, this test included, says nothing about neighbours and is left out.

mod field;

use crate::dead_link::{genesis, must_be_unknown};
use crate::programs::PROGRAMS;
use evidence::column::{READS_EXPECTED, READS_GOOD};
use field::{DEVICES, Field, Over, VICTIM};
use plumbline_tests::harness::chain::{Chain, PROJECT, now_ms, now_s, wait_until};
use plumbline_tests::harness::logged::{self, Entry};
use plumbline_tests::harness::relay::{Cut, Fault, Way};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Column of the time in the state UNKNOWN, ms.
const UNKNOWN_MS: u8 = 0;
/// How long each fault lasts, s.
const FAULT_S: i64 = 5;
/// From the beginning of a fault, a value that was read before is believed for less than two polls, s.
const BELIEVED_S: i64 = 3;
/// A pause of this test itself that shows a machine without time for anybody, ms.
const STARVED_MS: i64 = 400;

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

/// Lets everything go on for some seconds, and gives back which.
fn during(seconds: i64) -> (i64, i64) {
    let from = now_s();
    wait_until("time passes", || now_s() >= from + seconds);
    (from, from + seconds)
}

/// What is signed of the devices.
#[derive(Debug, Default)]
struct Count {
    /// Reads of the others that were due, and that came.
    due: i64,
    came: i64,
    /// Windows of the others in seconds in which nobody had time.
    left_out: i64,
    /// Windows of the victim before its first fault in which something was known, and while it was dead.
    known: i64,
    unknown: i64,
}

/// Does all three things to the last of fifty devices.
#[track_caller]
fn one_of_fifty(over: Over) {
    let field = Field::start(over);
    let relay = &field.relay;
    let mut chain = Chain::new(PROGRAMS, 2, &field.plant());
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let pulse = Pulse::start();
    let from = chain.from + over.warm_up_s();
    wait_until("all is read for some seconds", || now_s() >= from + 2);

    field.signal("STOP");
    let hung = during(FAULT_S);
    field.signal("CONT");
    relay.set(Fault::BlackHole(Way::Both));
    let lost = during(FAULT_S);
    relay.clear();
    relay.point_at(flood());
    relay.cut(Cut::Close);
    let before = relay.traffic().answered;
    // A link that has been dead for a while pauses before it connects, and leaves at the first senseless byte.
    wait_until("the flood has reached the link", || relay.traffic().answered > before);
    let flooded = during(FAULT_S);
    relay.point_at(field.home());
    relay.cut(Cut::Close);

    let end = now_s();
    wait_until("everything is logged", || chain.logged_until(PROJECT) >= end);
    chain.stop_agent();
    chain.stop_gateway();
    let log = logged::entries(&chain.export(PROJECT));
    let count = counted(&log, (from, end), &[hung, lost, flooded], &pulse);
    println!("{over:?}: {count:?}");
    let Count { due, came, known, unknown, .. } = count;
    let devices = i64::try_from(DEVICES - 1).unwrap();
    assert!(due >= devices * FAULT_S / 2, "too few reads were due to say anything: {due}");
    assert!(came * 1000 >= due * 999, "{came} of {due} reads came");
    assert!(known > 0, "the victim was never read");
    assert!(unknown >= 3 * (FAULT_S - BELIEVED_S), "{unknown} windows of the dead device");
}

fn counted(log: &[Entry], (from, end): (i64, i64), dead: &[(i64, i64)], pulse: &Pulse) -> Count {
    let genesis = genesis(log);
    let victim = genesis.machines.iter().find(|m| m.id == VICTIM).unwrap().index;
    let mut count = Count::default();
    for batch in logged::windows(log) {
        for (m, machine) in batch.machines.iter().enumerate() {
            for w in 0..usize::try_from(batch.n).unwrap() {
                let start = batch.t0 + i64::try_from(w).unwrap();
                if *machine == victim {
                    if dead.iter().any(|(a, b)| a + BELIEVED_S <= start && start < *b) {
                        must_be_unknown(genesis, batch, m, w);
                        count.unknown += 1;
                    } else if start < dead[0].0 {
                        count.known += i64::from(batch.value(UNKNOWN_MS, m, w) < 1000);
                    }
                } else if (from..end).contains(&start) {
                    if pulse.starved(start) {
                        count.left_out += 1;
                    } else {
                        let due = batch.value(READS_EXPECTED, m, w);
                        count.due += due;
                        count.came += batch.value(READS_GOOD, m, w).min(due);
                    }
                }
            }
        }
    }
    count
}

#[test]
fn pain_17_with_one_of_fifty_modbus_devices_hung_lost_or_flooding_the_others_keep_their_reads() {
    one_of_fifty(Over::Modbus);
}

#[test]
fn pain_17_with_one_of_fifty_opc_ua_servers_hung_lost_or_flooding_the_others_keep_their_reads() {
    one_of_fifty(Over::OpcUa);
}

#[test]
fn pain_17_with_one_of_fifty_brokers_hung_lost_or_flooding_the_others_keep_their_reads() {
    one_of_fifty(Over::Mqtt);
}

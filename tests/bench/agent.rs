//! What an agent costs the box it runs on: share of one core and peak memory at 1 000 and 10 000 Modbus points a
//! second, against the aims and against a bare tokio-modbus loop that makes the same reads at the same time.
//!
//! The agent is the product's program with its gateway running; server, bare loop and gateway are processes of
//! their own. A hundred machines of ten points, ten Modbus units, five links of two units. Everything is set as
//! installed (journal every second, five windows a statement) but for the windows, which last five seconds, so
//! that a statement of a hundred machines is signed and stored twelve times as often as with windows of a minute.

mod process;
mod registers;
mod table;

use plumbline_tests::harness::chain::{Chain, Programs};
use plumbline_tests::harness::process::Process;
use registers::{Peer, half};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};
use table::Aim;
use tokio_modbus::prelude::*;

const LINKS: u8 = 5;
const UNITS_OF_LINK: u8 = 2;
const MACHINES_OF_UNIT: u16 = 10;
const POINTS_OF_MACHINE: u16 = 10;
/// Registers of a machine: six of one word, four of two.
const WORDS: u16 = 14;
/// The two requests that read a unit: what the agent's own plan comes to.
const READS: [(u16, u16); 2] = [(0, 124), (124, 16)];
const WARM_UP: Duration = Duration::from_secs(4);
const SLICE: Duration = Duration::from_secs(4);
const SLICES: usize = 5;
const MIB: f64 = 1024.0 * 1024.0;
const ROLE: &str = "PLUMBLINE_BENCH_AGENT";

fn main() {
    match std::env::var(ROLE).unwrap_or_default().split_once(' ') {
        Some(("serve", _)) => block_on(registers::serve(word)),
        Some(("read", arguments)) => block_on(read(arguments)),
        _ => {
            table::head(&format!("agent: {SLICES} slices of {} s for each rate", SLICE.as_secs()));
            measure(1_000, 0.01, 20.0);
            measure(10_000, 0.03, 30.0);
        }
    }
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap_or_else(|e| panic!("no runtime: {e}")).block_on(work);
}

/// One rate: points a second, share of a core aimed at, MiB aimed at.
fn measure(rate: u32, share: f64, mib: f64) {
    let poll_ms = 1_000_000 / rate;
    let (for_agent, for_bare) = (peer(), peer());
    let programs = Programs {
        agent: env!("CARGO_BIN_EXE_agent-under-test"),
        gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
        verify: env!("CARGO_BIN_EXE_verify-under-test"),
    };
    let mut chain = Chain::without_agent(programs);
    let text = chain.configuration(5, &plant(for_agent.address, poll_ms));
    let text =
        text.replace("length = \"1s\"", "length = \"5s\"").replace("journal = \"200ms\"", "journal = \"1s\"");
    chain.enrol(&text);
    chain.start_gateway(&[("RUST_LOG", "warn")]);
    chain.start_agent(process::AS_INSTALLED);
    chain.agent().wait_for_line("is running");
    let bare = child("bare loop", &format!("read {} {poll_ms}", for_bare.address));
    let agent = chain.agent().id();
    std::thread::sleep(WARM_UP);
    let (mut shares, mut to_bare, mut points) = (vec![], vec![], vec![]);
    for _ in 0..SLICES {
        let before = (Instant::now(), process::cpu(agent), process::cpu(bare.id()), for_agent.words());
        std::thread::sleep(SLICE);
        let after = (Instant::now(), process::cpu(agent), process::cpu(bare.id()), for_agent.words());
        let seconds = (after.0 - before.0).as_secs_f64();
        let spent = after.1.saturating_sub(before.1).as_secs_f64();
        shares.push(spent / seconds / share);
        to_bare.push(spent / after.2.saturating_sub(before.2).as_secs_f64());
        let words = (after.3 - before.3) / f64::from(WORDS) * f64::from(POINTS_OF_MACHINE);
        points.push(words / seconds / f64::from(rate));
    }
    let peak = process::peak(agent) / MIB / mib;
    chain.stop_agent();
    table::row(&format!("{rate} points/s: points really read ÷ asked"), &points, Aim::AtLeast(0.99));
    table::row(
        &format!("{rate} points/s: processor ÷ {} % of a core", share * 100.0),
        &shares,
        Aim::AtMost(1.0),
    );
    table::row(&format!("{rate} points/s: processor ÷ bare tokio-modbus loop"), &to_bare, Aim::Shown);
    table::row(&format!("{rate} points/s: peak memory ÷ {mib} MiB"), &[peak], Aim::AtMost(1.0));
}

/// The agent's links and machines.
fn plant(server: SocketAddr, poll_ms: u32) -> String {
    let mut text = String::new();
    for link in 0..LINKS {
        let _ = write!(
            text,
            "[[link]]\nid = \"link-{link}\"\nprotocol = \"modbus\"\naddress = \"tcp://{server}\"\n\
             poll = \"{poll_ms}ms\"\ntimeout = \"500ms\"\n\n"
        );
    }
    for unit in 1..=LINKS * UNITS_OF_LINK {
        let link = (unit - 1) / UNITS_OF_LINK;
        for machine in 0..MACHINES_OF_UNIT {
            let point = |offset: u16, rest: &str| {
                let register = machine * WORDS + offset;
                format!("{{ unit = {unit}, register = \"holding:{register}\", {rest} }}")
            };
            let word = |offset| point(offset, "type = \"u16\"");
            let long = |offset, rest: &str| point(offset, &format!("type = \"u32\", order = \"ABCD\"{rest}"));
            let _ = write!(
                text,
                "[[machine]]\nid = \"m-{unit}-{machine}\"\nname = \"{unit}/{machine}\"\nline = \"A\"\nkind = \"cnc\"\n\
                 link = \"link-{link}\"\n[machine.points]\nexecution = {}\nmode = {}\nalarm = {}\noverride = {}\n\
                 spindle = {}\npower = {}\nenergy_total = {}\npart_total = {}\ngood_total = {}\n\
                 [machine.inputs]\ncoolant = {}\n[machine.state]\nfault = 'alarm != 0'\n\
                 producing = 'execution == 1 && mode == 2'\nheld = 'execution == 3'\nidle = 'coolant == 0'\n\n",
                word(0),
                word(1),
                word(2),
                word(3),
                word(4),
                point(6, "type = \"f32\", order = \"CDAB\", measure = \"kW\""),
                long(8, ", scale = \"0.01\", measure = \"kWh\""),
                long(10, ""),
                long(12, ""),
                word(5),
            );
        }
    }
    text
}

fn peer() -> Peer {
    Peer::of(child("server", "serve -"))
}

fn child(name: &str, role: &str) -> Process {
    let own = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
    Process::start(name, Command::new(own).env(ROLE, role))
}

/// A register at a moment: states change every some seconds, power with every look, energy and parts grow.
fn word(register: u16, ms: u32) -> u16 {
    let machine = u32::from(register / WORDS);
    let phase = (ms / 1000 + machine) % 20;
    // Whole watts below 2¹⁴ are exact in an f32 after division by a power of two, which serves as well as kW.
    let power = f32::from(u16::try_from(6_000 + (ms + machine * 37) % 4_000).unwrap_or(0)) / 1024.0;
    match register % WORDS {
        0 => u16::from(phase < 15),
        1 => 2,
        2 => u16::from(phase == 19),
        3 => 100,
        4 => u16::try_from(ms / 50 % 8_000).unwrap_or(0),
        5 => 0,
        6 => half(power.to_bits(), true),
        7 => half(power.to_bits(), false),
        8 | 9 => half(48_000_000 + machine * 999 + ms / 4_000, register % WORDS == 9),
        10 | 11 => half(18_000 + ms / 20_000, register % WORDS == 11),
        _ => half(17_000 + ms / 21_000, register % WORDS == 13),
    }
}

/// The bare loop's process: the same connections, requests and rate; answers are added up and forgotten.
async fn read(arguments: &str) {
    let (address, poll) = arguments.split_once(' ').unwrap_or_default();
    let address: SocketAddr = address.parse().unwrap_or_else(|e| panic!("{address}: {e}"));
    let poll = Duration::from_millis(poll.parse().unwrap_or_else(|e| panic!("{poll}: {e}")));
    let links = (0..LINKS).map(|link| tokio::spawn(read_link(address, link, poll)));
    for link in links.collect::<Vec<_>>() {
        link.await.unwrap_or_else(|e| panic!("a link failed: {e}"));
    }
}

async fn read_link(address: SocketAddr, link: u8, poll: Duration) {
    let first = Slave(link * UNITS_OF_LINK + 1);
    let context = client::tcp::connect_slave(address, first).await;
    let mut context = context.unwrap_or_else(|e| panic!("{address}: {e}"));
    let mut tick = tokio::time::interval(poll);
    let mut sum = 0_u64;
    loop {
        tick.tick().await;
        for unit in first.0..first.0 + UNITS_OF_LINK {
            context.set_slave(Slave(unit));
            for (at, n) in READS {
                let words = context.read_holding_registers(at, n).await.unwrap_or_else(|e| panic!("{e}"));
                let words = words.unwrap_or_else(|e| panic!("{e}"));
                sum = sum.wrapping_add(words.into_iter().map(u64::from).sum());
            }
        }
        std::hint::black_box(sum);
    }
}

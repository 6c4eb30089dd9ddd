//! 100 000 Modbus values a second: what the agent spends on them, as a share of one core and of 60 MiB.
//!
//! Forty devices of two hundred points, a connection each, polled every 80 ms: a thousand requests. Half of
//! a device is a machine with its roles and ninety further points, as large as one gets. The agent is the
//! product's program, set as installed but for its windows of five seconds, with its gateway running; the server
//! of the devices is a process of its own on the same cores.

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

const DEVICES: u16 = 40;
const MACHINES_OF_DEVICE: u16 = 2;
/// Ten roles, some of two words, and single registers.
const INPUTS_OF_MACHINE: u16 = 91;
const POINTS_OF_MACHINE: u16 = 9 + INPUTS_OF_MACHINE;
const WORDS_OF_MACHINE: u16 = 13 + INPUTS_OF_MACHINE;
const POLL_MS: u32 = 80;
const RATE: f64 = 100_000.0;
const WARM_UP: Duration = Duration::from_secs(10);
const SLICE: Duration = Duration::from_secs(5);
const SLICES: usize = 5;
const MIB: f64 = 1024.0 * 1024.0;
const ROLE: &str = "PLUMBLINE_BENCH_MODBUS_RATE";

fn main() {
    if std::env::var_os(ROLE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap_or_else(|e| panic!("no runtime: {e}")).block_on(registers::serve(word));
        return;
    }
    table::head(&format!("modbus_rate: 100 000 values/s, {SLICES} slices of {} s", SLICE.as_secs()));
    let server = peer();
    let programs = Programs {
        agent: env!("CARGO_BIN_EXE_agent-under-test"),
        gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
        verify: env!("CARGO_BIN_EXE_verify-under-test"),
    };
    let mut chain = Chain::without_agent(programs);
    let text = chain.configuration(5, &plant(server.address));
    let text =
        text.replace("length = \"1s\"", "length = \"5s\"").replace("journal = \"200ms\"", "journal = \"1s\"");
    chain.enrol(&text);
    chain.start_gateway(&[("RUST_LOG", "warn")]);
    chain.start_agent(process::AS_INSTALLED);
    chain.agent().wait_for_line("is running");
    let agent = chain.agent().id();
    std::thread::sleep(WARM_UP);
    let (mut shares, mut values) = (vec![], vec![]);
    for _ in 0..SLICES {
        let before = (Instant::now(), process::cpu(agent), server.words());
        std::thread::sleep(SLICE);
        let after = (Instant::now(), process::cpu(agent), server.words());
        let seconds = (after.0 - before.0).as_secs_f64();
        shares.push(after.1.saturating_sub(before.1).as_secs_f64() / seconds);
        let read = (after.2 - before.2) / f64::from(WORDS_OF_MACHINE) * f64::from(POINTS_OF_MACHINE);
        values.push(read / seconds / RATE);
    }
    let peak = process::peak(agent) / MIB / 60.0;
    chain.stop_agent();
    table::row("values really read ÷ 100 000/s", &values, Aim::AtLeast(0.99));
    table::row("processor ÷ one core", &shares, Aim::AtMost(1.0));
    table::row("peak memory ÷ 60 MiB", &[peak], Aim::AtMost(1.0));
}

/// The agent's links and machines.
fn plant(server: SocketAddr) -> String {
    let mut text = String::new();
    for device in 1..=DEVICES {
        let _ = write!(
            text,
            "[[link]]\nid = \"device-{device}\"\nprotocol = \"modbus\"\naddress = \"tcp://{server}\"\n\
             poll = \"{POLL_MS}ms\"\ntimeout = \"1s\"\n\n"
        );
    }
    for device in 1..=DEVICES {
        for machine in 0..MACHINES_OF_DEVICE {
            let point = |offset: u16, rest: &str| {
                let register = machine * WORDS_OF_MACHINE + offset;
                format!("{{ unit = {device}, register = \"holding:{register}\", {rest} }}")
            };
            let word = |offset| point(offset, "type = \"u16\"");
            let long = |offset, rest: &str| point(offset, &format!("type = \"u32\", order = \"ABCD\"{rest}"));
            let inputs: Vec<String> =
                (0..INPUTS_OF_MACHINE).map(|n| format!("input_{n} = {}\n", word(13 + n))).collect();
            let inputs = inputs.concat();
            let _ = write!(
                text,
                "[[machine]]\nid = \"m-{device}-{machine}\"\nname = \"{device}/{machine}\"\nline = \"A\"\n\
                 kind = \"cnc\"\nlink = \"device-{device}\"\n[machine.points]\nexecution = {}\nmode = {}\nalarm = {}\n\
                 override = {}\nspindle = {}\npower = {}\nenergy_total = {}\npart_total = {}\ngood_total = {}\n\
                 [machine.inputs]\n{inputs}[machine.state]\nfault = 'alarm != 0'\n\
                 producing = 'execution == 1 && mode == 2'\nheld = 'execution == 3'\nidle = 'input_0 == 0'\n\n",
                word(0),
                word(1),
                word(2),
                word(3),
                word(4),
                point(5, "type = \"f32\", order = \"CDAB\", measure = \"kW\""),
                long(7, ", scale = \"0.01\", measure = \"kWh\""),
                long(9, ""),
                long(11, ""),
            );
        }
    }
    text
}

fn peer() -> Peer {
    let own = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
    Peer::of(Process::start("server", Command::new(own).env(ROLE, "serve")))
}

/// A register at a moment: the state changes every some seconds, a third of the inputs with every look.
fn word(register: u16, ms: u32) -> u16 {
    // Whole watts below 2¹⁴ are exact in an f32 after division by a power of two, which serves as well as kW.
    let power = f32::from(u16::try_from(6_000 + ms % 4_000).unwrap_or(0)) / 1024.0;
    match register % WORDS_OF_MACHINE {
        0 => u16::from(ms / 1000 % 20 < 15),
        1 => 2,
        2 => u16::from(ms / 1000 % 20 == 19),
        3 => 100,
        4 => u16::try_from(ms / 50 % 8_000).unwrap_or(0),
        5 => half(power.to_bits(), true),
        6 => half(power.to_bits(), false),
        at @ (7 | 8) => half(48_000_000 + ms / 4_000, at == 8),
        at @ (9 | 10) => half(18_000 + ms / 20_000, at == 10),
        at @ (11 | 12) => half(17_000 + ms / 21_000, at == 12),
        at if at % 3 == 0 => u16::try_from((ms + u32::from(at)) % 60_000).unwrap_or(0),
        at => at,
    }
}

//! Known inputs give known windows. A Modbus server of foreign make plays a script and logs what it answered; an
//! independent program computes the windows from that log alone and compares them with those in the bundle,
//! exactly: registers, qualities, read counts, changes, events, and states to the millisecond wherever no transition
//! happened. Where one did, the moment at which its answer reached the agent is known to the agent only, and the
//! states are compared within the round trip; `tests/cases/exact_windows.py` says how.

use crate::programs::PROGRAMS;
use plumbline_tests::harness::chain::{Chain, Ended, PROJECT, wait_until};
use plumbline_tests::harness::peers;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Length of the script, ms; 2 s at its start and 1 s at its end are not compared.
const SCRIPT_MS: u64 = 18_000;

const PLANT: &str = r#"
[[link]]
id = "meters"
protocol = "modbus"
address = "tcp://127.0.0.1:{PORT}"
poll = "500ms"
timeout = "400ms"

[[machine]]
id = "mill"
name = "铣床"
line = "A"
kind = "cnc"
link = "meters"

[machine.points]
execution    = { unit = 1, register = "holding:0", type = "u16" }
part_total   = { unit = 1, register = "holding:1", type = "u32", order = "ABCD", max_per_hour = 36000 }
energy_total = { unit = 1, register = "holding:3", type = "u32", order = "ABCD", scale = "0.01", measure = "kWh", max_power = "90kW" }

[machine.state]
fault     = 'execution == 3'
producing = 'execution == 1'
waiting   = 'execution == 2'
idle      = 'true'

[[machine]]
id = "press"
name = "冲床"
line = "A"
kind = "press"
link = "meters"

[machine.points]
energy_total = { unit = 2, register = "input:0", type = "u64", order = "ABCDEFGH", measure = "Wh", max_power = "90kW" }
power        = { unit = 2, register = "input:4", type = "i16", scale = "0.1", measure = "kW" }

[machine.state]
off       = { power_below = "50W", dwell = "1s" }
idle      = { power_below = "1.5kW", dwell = "1s" }
producing = { power_above = "1.5kW", dwell = "1s" }

[[machine]]
id = "oven"
name = "烘箱"
line = "B"
kind = "other"
link = "meters"

[machine.points]
energy_total = { unit = 3, register = "holding:0", type = "u32", order = "ABCD", measure = "Wh", max_power = "90kW" }

[machine.state]
idle = 'true'

[[machine]]
id = "fan"
name = "风机"
line = "B"
kind = "other"
link = "meters"

[machine.points]
part_total = { unit = 4, register = "holding:0", type = "u16" }

[machine.state]
idle = 'true'
"#;

/// What the machines do. Steps lie off the seconds and off the polls.
fn script() -> Value {
    let mut steps = vec![];
    let mut set = |at_ms: u64, unit: u64, table: &str, address: u64, values: &[u64]| {
        steps.push(
            json!({"at_ms": at_ms, "unit": unit, "table": table, "address": address, "values": values}),
        );
    };
    // The mill: idle, producing, waiting, producing, a fault of one and a half seconds, producing.
    for (at, execution) in [(2_700, 1), (5_850, 2), (7_350, 1), (9_850, 3), (11_350, 1), (14_850, 9)] {
        set(at, 1, "holding", 0, &[execution]);
    }
    // Its parts: honest, then reset to a small number, then honest again; its energy in steps of 10 Wh.
    for (at, parts) in
        [(3_100, 70_001), (4_100, 70_003), (6_600, 70_004), (8_200, 2), (12_400, 3), (13_400, 5)]
    {
        set(at, 1, "holding", 1, &[parts >> 16, parts & 0xffff]);
    }
    for n in 0..14 {
        let register = 4_821_396 + n;
        set(2_300 + 1_100 * n, 1, "holding", 3, &[register >> 16, register & 0xffff]);
    }
    // The press: 6 kW, a blip that is shorter than its dwell, standby, off, 7.3 kW.
    for (at, tenths) in [(4_200, 60), (6_200, 9), (6_700, 60), (9_200, 8), (12_200, 0), (15_200, 73)] {
        set(at, 2, "input", 4, &[tenths]);
    }
    for n in 0..30 {
        set(2_000 + 500 * n, 2, "input", 3, &[1_000 + 3 * n]);
    }
    // The oven: refuses for three seconds, and its register goes on meanwhile.
    for n in 0..15 {
        set(2_500 + 1_000 * n, 3, "holding", 1, &[500 + 7 * n]);
    }
    for n in 0..8 {
        set(2_650 + 2_000 * n, 4, "holding", 0, &[n]);
    }
    steps.push(json!({"at_ms": 7_700, "unit": 3, "refuse": 4}));
    steps.push(json!({"at_ms": 10_700, "unit": 3, "refuse": null}));
    Value::Array(steps)
}

struct Peer {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Peer {
    fn start(folder: &Path) -> Self {
        let log = folder.join("reads.jsonl");
        let units = json!({
            "1": {"holding": {"0": 0, "1": 1, "2": 4464, "3": 73, "4": 37268}},
            "2": {"input": {"0": 0, "1": 0, "2": 0, "3": 990, "4": 9}},
            "3": {"holding": {"0": 0, "1": 493}},
            "4": {"holding": {"0": 0}},
        });
        let plan = json!({"log": log, "delay_ms": 15, "units": units, "script": script()});
        let file = folder.join("plan.json");
        std::fs::write(&file, plan.to_string()).unwrap();
        let mut command = Command::new(peers::python());
        command.arg(peers::root().join("tests/peers/logging_modbus.py")).arg(&file);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening ").and_then(|p| p.parse().ok());
        Self { port: port.unwrap_or_else(|| panic!("the peer said {line:?}")), child, log }
    }

    fn reads(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    /// Time between the first and the last read, ms.
    fn played_ms(&self) -> u64 {
        let reads = self.reads();
        let at = |read: Option<&Value>| read.and_then(|r| r["answered_us"].as_u64()).unwrap_or(0);
        (at(reads.last()) - at(reads.first())) / 1000
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn compare(chain: &Chain, bundle: &Path, log: &Path) -> Ended {
    let script = peers::root().join("tests/cases/exact_windows.py").display().to_string();
    let (bundle, log) = (bundle.display().to_string(), log.display().to_string());
    chain.run(&peers::python().display().to_string(), &[&script, &bundle, &log])
}

#[test]
fn windows_are_what_an_independent_program_computes_from_the_foreign_peers_own_log() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::start(folder.path());
    let mut chain = Chain::new(PROGRAMS, 2, &PLANT.replace("{PORT}", &peer.port.to_string()));
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    wait_until("the script is played", || peer.played_ms() >= SCRIPT_MS);
    chain.stop_agent();
    chain.stop_gateway();
    let bundle = chain.export(PROJECT);
    let compared = compare(&chain, &bundle, &peer.log);
    println!("{}", compared.out);
    assert_eq!(compared.code, Some(0), "{}{}", compared.out, compared.err);

    // It can fail: one register that was read otherwise, one read that never was.
    let mut reads = peer.reads();
    let middle = reads.len() / 2;
    let unit_1 = reads.iter().skip(middle).position(|r| r["unit"] == 1).unwrap() + middle;
    reads[unit_1]["values"][4] = json!(reads[unit_1]["values"][4].as_u64().unwrap() + 500);
    refused(&chain, &bundle, folder.path(), &reads, "energy");
    let mut reads = peer.reads();
    reads.remove(unit_1);
    refused(&chain, &bundle, folder.path(), &reads, "column 16");
}

#[track_caller]
fn refused(chain: &Chain, bundle: &Path, folder: &Path, reads: &[Value], why: &str) {
    let log = folder.join("changed.jsonl");
    let lines: Vec<String> = reads.iter().map(Value::to_string).collect();
    std::fs::write(&log, lines.join("\n")).unwrap();
    let compared = compare(chain, bundle, &log);
    assert_eq!(compared.code, Some(1), "{}{}", compared.out, compared.err);
    assert!(compared.out.contains(why), "{}", compared.out);
}

//! `idle = 'true'` over a dead link is UNKNOWN: every machine of every example, as running processes, against ports
//! that refuse, ports that accept and say nothing, and meters that die on the way. Never idle, never an amount.

use crate::programs::PROGRAMS;
use evidence::column;
use evidence::payload::{Genesis, WindowBatch};
use evidence::statement::Payload;
use plumbline_tests::harness::chain::{Chain, free_port, now_s, wait_until};
use plumbline_tests::harness::logged::{self, Entry};
use plumbline_tests::harness::peers;
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::meters::Meters;
use std::net::{SocketAddr, TcpListener};

/// Windows of one second that a dead hall is watched for.
const WATCHED: i64 = 4;
/// Columns of leaf states, by number: UNKNOWN is 0, IDLE 8.
const LEAVES: u8 = 9;

/// An example with its addresses replaced, cut to one-second windows.
struct Example {
    project: String,
    text: String,
    machines: usize,
}

/// Reads an example and points every link of it at `address`.
fn example(chain: &Chain, name: &str, address: SocketAddr, meters: SocketAddr) -> Example {
    let text = std::fs::read_to_string(peers::root().join("config/examples").join(name)).unwrap();
    let value: toml::Table = text.parse().unwrap();
    let project = value["uplink"][0]["project"].as_str().unwrap().to_owned();
    let mut lines = vec![];
    for line in text.lines() {
        let key = line.split('=').next().unwrap_or("").trim();
        let changed = match key {
            "data_dir" => format!("data_dir = \"{}\"", chain.agent_data().display()),
            "status_listen" | "fingerprint" => continue,
            "gateway" => format!("gateway = \"http://{}\"", chain.gateway_address()),
            "genesis" => format!("genesis = \"{}\"", chain.genesis(&project).display()),
            "registrar" => format!("registrar = \"{}\"", chain.registrar()),
            "length" => "length = \"1s\"".to_owned(),
            "per_statement" => "per_statement = 1".to_owned(),
            "address" => {
                let scheme = line.split('"').nth(1).and_then(|a| a.split("://").next()).unwrap();
                let target = if scheme == "tcp" { meters } else { address };
                format!("address = \"{scheme}://{target}\"")
            }
            _ => line.to_owned(),
        };
        lines.push(changed);
    }
    let machines = value["machine"].as_array().unwrap().len();
    Example { project, text: lines.join("\n"), machines }
}

pub(crate) fn genesis(log: &[Entry]) -> &Genesis {
    match &log[0].payload {
        Payload::Genesis(genesis) => genesis,
        other => panic!("entry 0 is {other:?}"),
    }
}

/// Nothing is known of a machine in a window, and nothing is said as if it were.
#[track_caller]
pub(crate) fn must_be_unknown(genesis: &Genesis, batch: &WindowBatch, m: usize, w: usize) {
    let machine = genesis.machines.iter().find(|x| x.index == batch.machines[m]).unwrap();
    let name = format!(
        "{} in the window at {}",
        machine.id,
        batch.t0 + i64::from(batch.step) * i64::try_from(w).unwrap()
    );
    assert_eq!(batch.value(0, m, w), 1000, "{name}: ms UNKNOWN");
    for leaf in 1..LEAVES {
        assert_eq!(batch.value(leaf, m, w), 0, "{name}: ms in state {leaf}");
    }
    for quality in [column::ENERGY_Q, column::PARTS_Q, column::GOOD_Q] {
        if machine.columns.contains(&quality) {
            assert_eq!(
                batch.value(quality, m, w),
                5,
                "{name}: column {quality} must be missing, not an amount of 0"
            );
        }
    }
    assert_eq!(batch.value(column::READS_GOOD, m, w), 0, "{name}: good reads");
    // CONNECTED_MS too: a device that takes connections and says nothing is not connected.
    for rest in
        [column::CONNECTED_MS, column::CUTTING_MS, column::SPINDLE_MS, column::POWER_MEAN, column::POWER_PEAK]
    {
        assert_eq!(batch.value(rest, m, w), 0, "{name}: column {rest}");
    }
}

/// Every window of every machine of an example whose links all lead to `address`.
#[track_caller]
fn must_be_dead(name: &str, address: SocketAddr) {
    let mut chain = Chain::without_agent(PROGRAMS);
    let example = example(&chain, name, address, address);
    chain.enrol_in(&example.project, &example.text);
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let end = chain.from + WATCHED;
    // A link that may still be coming up holds the newest windows back for as long as its silence is allowed to be.
    wait_until("the windows are logged", || now_s() > end && chain.logged_until(&example.project) >= end);
    chain.stop_agent();
    chain.stop_gateway();
    let log = logged::entries(&chain.export(&example.project));
    let genesis = genesis(&log);
    assert_eq!(genesis.machines.len(), example.machines);
    let mut seen = 0;
    let mut expected = vec![0; genesis.machines.len()];
    for batch in logged::windows(&log) {
        for (m, machine) in batch.machines.iter().enumerate() {
            for w in 0..usize::try_from(batch.n).unwrap() {
                must_be_unknown(genesis, batch, m, w);
                seen += 1;
                expected[usize::try_from(*machine).unwrap()] += batch.value(column::READS_EXPECTED, m, w);
            }
        }
    }
    assert!(seen >= example.machines * 3, "{seen} windows");
    assert!(
        expected.iter().all(|n| *n > 0),
        "reads that were due are counted although nobody answered: {expected:?}"
    );
}

#[test]
fn pain_16_reads_that_nobody_answers_are_expected_and_every_machine_is_unknown() {
    for name in ["agent.toml", "small-hall.toml"] {
        must_be_dead(name, SocketAddr::from(([127, 0, 0, 1], free_port())));
    }
}

#[test]
fn every_machine_of_the_examples_is_unknown_when_somebody_listens_and_says_nothing() {
    for name in ["agent.toml", "small-hall.toml"] {
        // Connections come to stand in the listener's queue; nobody ever takes them.
        let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        must_be_dead(name, silent.local_addr().unwrap());
    }
}

#[test]
fn pain_14_a_machine_whose_meter_dies_is_known_before_and_unknown_after() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let meters = runtime.block_on(Meters::start(Floor::default(), 0)).unwrap();
    let dead = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut chain = Chain::without_agent(PROGRAMS);
    let example = example(&chain, "small-hall.toml", dead, meters.address);
    chain.enrol_in(&example.project, &example.text);
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let death = chain.from + 4;
    wait_until("the meters have been read for some seconds", || now_s() >= death);
    drop(meters);
    runtime.shutdown_background();
    let died = now_s();
    wait_until("the windows are logged", || chain.logged_until(&example.project) >= died + WATCHED);
    chain.stop_agent();
    chain.stop_gateway();
    let log = logged::entries(&chain.export(&example.project));
    let genesis = genesis(&log);
    let press = genesis.machines.iter().find(|m| m.id == "press-03").unwrap().index;
    let (mut known, mut unknown) = (0, 0);
    for batch in logged::windows(&log) {
        let m = batch.machines.iter().position(|i| *i == press).unwrap();
        for w in 0..usize::try_from(batch.n).unwrap() {
            let start = batch.t0 + i64::try_from(w).unwrap();
            if start > chain.from && start + 1 < died {
                assert_eq!(batch.value(0, m, w), 0, "the press is known at {start}");
                assert_eq!(batch.value(column::ENERGY_Q, m, w), 1);
                known += 1;
            } else if start > died {
                must_be_unknown(genesis, batch, m, w);
                unknown += 1;
            }
        }
    }
    assert!(known > 0 && unknown > 0, "{known} windows before, {unknown} after");
}

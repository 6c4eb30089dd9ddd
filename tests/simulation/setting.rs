//! Project, keys, configuration and genesis of a simulated plant: each box reads one press.

use agent::Configuration;
use evidence::key::SigningKey;
use evidence::payload::{Calendar, Definition, Flags, Genesis, Machine, RosterKey};
use evidence::statement::{Payload, Role, seal};
use gateway::identity::Identity;
use std::path::Path;

pub(crate) const PROJECT: &str = "SY-1";
/// When the lives begin: 2027-01-15 08:00 UTC, ms.
pub(crate) const T0: i64 = 1_800_000_000_000;
pub(crate) const STEP_S: i64 = 900;
pub(crate) const PER_STATEMENT: u32 = 8;

const CONFIGURATION: &str = r#"
[agent]
id = "edge-N"
data_dir = "data"
[[uplink]]
project = "SY-1"
gateway = "http://127.0.0.1:1"
genesis = "../SY-1.genesis"
registrar = "REGISTRAR"
[window]
length = "15m"
per_statement = 8
[[link]]
id = "meters"
protocol = "modbus"
address = "tcp://127.0.0.1:1"
poll = "1h"
[[machine]]
id = "press-N"
name = "冲床 N 号"
kind = "press"
[machine.points]
power = { link = "meters", unit = 3, register = "input:12", type = "i16", scale = "0.1", measure = "kW" }
energy_total = { link = "meters", unit = 3, register = "input:0", type = "u32", order = "ABCD", measure = "Wh" }
[machine.state]
off = { power_below = "0.1kW", dwell = "1s" }
idle = { power_below = "2kW", dwell = "1s" }
producing = { power_above = "2kW", dwell = "1s" }
"#;

pub(crate) fn registrar() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

pub(crate) fn key(agent: usize) -> SigningKey {
    SigningKey::from_seed([u8::try_from(agent).unwrap() + 100; 32])
}

/// Configuration of a box whose files are in `dir`.
pub(crate) fn configuration(agent: usize, dir: &Path) -> Configuration {
    let text = CONFIGURATION
        .replace("REGISTRAR", &registrar().public().to_string())
        .replace("edge-N", &format!("edge-{agent}"))
        .replace("press-N", &format!("press-{agent}"))
        .replace("N 号", &format!("{agent} 号"));
    Configuration::parse("agent.toml", &text, dir).unwrap()
}

/// The signed genesis.
pub(crate) fn genesis(identity: &Identity, boxes: &[Configuration]) -> Vec<u8> {
    let signers = identity.signers(PROJECT).unwrap();
    let row = |key: &SigningKey, role, id: String| RosterKey { key: key.public().clone(), role, id };
    let mut keys = vec![row(&registrar(), Role::Registrar, "registrar".into())];
    keys.extend((0..boxes.len()).map(|i| row(&key(i), Role::Agent, format!("edge-{i}"))));
    let machine = |(i, configuration): (usize, &Configuration)| {
        let machine = &configuration.machines[0];
        Machine {
            index: u32::try_from(i).unwrap(),
            id: machine.id.clone(),
            agent: format!("edge-{i}"),
            name: machine.name.clone(),
            line: String::new(),
            columns: machine.columns(),
            mapping: machine.mapping.hash,
            planned_cycle_ms: None,
            flags: Flags::default(),
            identity: None,
            rated_w: None,
            theoretical_cycle_ms: None,
        }
    };
    let mapping = |configuration: &Configuration| {
        let machine = &configuration.machines[0];
        Definition::new(format!("mapping/{}", machine.id), machine.mapping.text.clone())
    };
    let genesis = Genesis {
        project: PROJECT.into(),
        origin: signers.origin().to_owned(),
        log_vkey: signers.log_vkey(),
        receipt_key: signers.receipt_key().clone(),
        witness_policy: None,
        keys,
        machines: boxes.iter().enumerate().map(machine).collect(),
        step_s: u32::try_from(STEP_S).unwrap(),
        windows_per_statement: PER_STATEMENT,
        max_lag_s: 7200,
        utc_offset_min: 480,
        definitions: boxes.iter().map(mapping).collect(),
        periods: vec![],
        calendar: Calendar::default(),
        raw_retention_days: 400,
        demo: true,
        nonce: [0; 16],
        operator_time_vkey: Some(signers.time_vkey()),
        clock_tolerance_s: 60,
    };
    let payload = Payload::Genesis(Box::new(genesis));
    seal(&registrar(), Role::Registrar, "registrar", PROJECT, T0 / 1000 - 60, &payload).unwrap()
}

//! A box with one press and its genesis, for the tests of this module.

use super::project::Project;
use crate::configuration::Configuration;
use evidence::key::{PublicKey, SigningKey};
use evidence::note::{LineType, VerifierKey};
use evidence::payload::{Calendar, Definition, Flags, Genesis, Machine, RosterKey};
use evidence::statement::{Payload, Role, seal};
use std::path::Path;

pub(crate) const P: &str = "SY-1";
/// When the tests begin, UTC ms; the genesis is a minute older.
pub(crate) const T0: i64 = 1_800_000_000_000;
pub(crate) const ORIGIN: &str = "gw/SY-1";

const CONFIGURATION: &str = r#"
[agent]
id = "edge-1"
data_dir = "data"
[[uplink]]
project = "SY-1"
gateway = "http://127.0.0.1:1"
genesis = "SY-1.genesis"
registrar = "REGISTRAR"
[window]
length = "1s"
per_statement = 3
[raw]
journal = "200ms"
retention = "1d"
[[link]]
id = "meters"
protocol = "modbus"
address = "tcp://127.0.0.1:1"
poll = "200ms"
[[machine]]
id = "press-03"
name = "冲床 3 号"
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

/// Signs checkpoints and receipts.
pub(crate) fn log_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

/// Signs times.
pub(crate) fn time_key() -> SigningKey {
    SigningKey::from_seed([4; 32])
}

pub(crate) fn configuration(dir: &Path) -> Configuration {
    configuration_with(dir, "")
}

/// With more lines in `[agent]`.
pub(crate) fn configuration_with(dir: &Path, more: &str) -> Configuration {
    configuration_changed(dir, "[[uplink]]", &format!("{more}\n[[uplink]]"))
}

/// With other words in one place.
pub(crate) fn configuration_changed(dir: &Path, from: &str, to: &str) -> Configuration {
    assert!(CONFIGURATION.contains(from), "{from} is not in the configuration");
    let text = CONFIGURATION.replace("REGISTRAR", &registrar().public().to_string()).replace(from, to);
    Configuration::parse("agent.toml", &text, dir).unwrap()
}

/// With another link and a machine of its own, which the roster does not know, in front of all others.
pub(crate) fn with_another_hall(dir: &Path) -> Configuration {
    let link =
        "[[link]]\nid = \"hall-b\"\nprotocol = \"modbus\"\naddress = \"tcp://127.0.0.1:2\"\npoll = \"1s\"\n";
    let machine = "[[machine]]\nid = \"press-99\"\nname = \"new\"\nkind = \"press\"\n[machine.points]\n\
         power = { link = \"hall-b\", unit = 1, register = \"input:0\", type = \"i16\", measure = \"W\" }\n\
         [machine.state]\noff = { power_below = \"1kW\", dwell = \"1s\" }\n\
         producing = { power_above = \"1kW\", dwell = \"1s\" }\n";
    let text = CONFIGURATION.replace("REGISTRAR", &registrar().public().to_string());
    let text = text.replace("[[machine]]", &format!("{machine}[[machine]]"));
    let text = text.replace("[[link]]", &format!("{link}[[link]]"));
    Configuration::parse("agent.toml", &text, dir).unwrap()
}

/// Writes the signed genesis where the configuration looks for it.
pub(crate) fn write_genesis(dir: &Path, agent: &PublicKey) {
    let genesis = genesis(&configuration(dir), registrar().public(), agent);
    let payload = Payload::Genesis(Box::new(genesis));
    let bytes = seal(&registrar(), Role::Registrar, "registrar", P, T0 / 1000 - 60, &payload).unwrap();
    std::fs::write(dir.join("SY-1.genesis"), bytes).unwrap();
}

/// The project as the agent loads it.
pub(crate) fn project(dir: &Path, agent: &PublicKey) -> Project {
    write_genesis(dir, agent);
    let configuration = configuration(dir);
    Project::load(&configuration, &configuration.uplinks[0], agent).unwrap()
}

fn genesis(configuration: &Configuration, registrar: &PublicKey, agent: &PublicKey) -> Genesis {
    let machine = &configuration.machines[0];
    let key = |key: &PublicKey, role, id: &str| RosterKey { key: key.clone(), role, id: id.into() };
    let log = log_key().public().clone();
    let vkey = VerifierKey::new(ORIGIN, LineType::Text, log.clone()).unwrap();
    let time = VerifierKey::new("gw/time", LineType::Cosignature, time_key().public().clone()).unwrap();
    Genesis {
        project: P.into(),
        origin: ORIGIN.into(),
        log_vkey: vkey.to_string(),
        receipt_key: log,
        witness_policy: None,
        keys: vec![key(registrar, Role::Registrar, "registrar"), key(agent, Role::Agent, "edge-1")],
        machines: vec![Machine {
            index: 0,
            id: machine.id.clone(),
            agent: "edge-1".into(),
            name: machine.name.clone(),
            line: String::new(),
            columns: machine.columns(),
            mapping: machine.mapping.hash,
            planned_cycle_ms: None,
            flags: Flags::default(),
            identity: None,
            rated_w: None,
            theoretical_cycle_ms: None,
        }],
        step_s: 1,
        windows_per_statement: 3,
        max_lag_s: 60,
        utc_offset_min: 480,
        definitions: vec![Definition::new("mapping/press-03", machine.mapping.text.clone())],
        periods: vec![],
        calendar: Calendar::default(),
        raw_retention_days: 1,
        demo: true,
        nonce: [0; 16],
        operator_time_vkey: Some(time.to_string()),
        clock_tolerance_s: 60,
    }
}

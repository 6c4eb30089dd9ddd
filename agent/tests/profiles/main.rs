//! The truth table of every device profile: each combination of what its points can hold, from the configuration as an
//! operator writes it to the leaf state. The tables in `tables.rs` are written from the design's vendor maps and the
//! order of the leaf states, not from the profiles' rules; this file compares the two.
//!
//! A point that is not known (`-`) makes the state UNKNOWN unless every value it could have gives the same state.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod table;
mod tables;

use agent::configuration::{Configuration, Profile, profile_names};
use agent::state::{Condition, Inputs, Rules};
use kpi::Leaf;
use observation::Value;
use std::fmt::Write as _;
use std::path::Path;
use table::{Row, Table, rows};

/// The machine's rules and the names of its points, in the order in which rules count them.
struct Machine {
    rules: Rules,
    names: Vec<String>,
    mapping: String,
    granted: Vec<String>,
}

const BOX: &str = r#"
[agent]
id = "edge-1"
data_dir = "/nowhere"
[[uplink]]
project = "P"
gateway = "http://127.0.0.1:1"
genesis = "/nowhere/P.genesis"
registrar = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
[window]
length = "60s"
per_statement = 5
[[link]]
id = "shop"
protocol = "mqtt"
address = "mqtt://192.0.2.1:1883"
client_id = "edge-1"
[[machine]]
id = "m"
name = "机床"
kind = "cnc"
link = "shop"
"#;

/// The configuration of one machine with a profile, some of its points, and a table of its own.
fn configured(profile: &str, points: &[&str], state: &str) -> Result<Configuration, String> {
    let offered = Profile::named(profile).unwrap().points();
    let mut text = format!("{BOX}profile = {profile:?}\n");
    for (table, is_input) in [("points", false), ("inputs", true)] {
        let _ = writeln!(text, "[machine.{table}]");
        for name in points {
            let offered = offered.iter().find(|p| p.name == *name).expect("the profile has no such point");
            if offered.is_input == is_input {
                let unit = match *name {
                    "power" => ", measure = \"W\"",
                    "energy_total" => ", measure = \"kWh\"",
                    _ => "",
                };
                let _ = writeln!(text, "{name} = {{ topic = \"m/{name}\", stale_after = \"10s\"{unit} }}");
            }
        }
    }
    text.push_str(state);
    Configuration::parse("agent.toml", &text, Path::new("/")).map_err(|e| e.to_string())
}

fn machine(profile: &str, points: &[&str], state: &str) -> Machine {
    let mut configuration = configured(profile, points, state).unwrap_or_else(|e| panic!("{profile}: {e}"));
    let machine = configuration.machines.remove(0);
    Machine {
        names: machine.points.iter().map(|p| p.name.clone()).collect(),
        mapping: machine.mapping.text,
        granted: machine.profile.unwrap().granted.into_iter().map(|(name, _)| name).collect(),
        rules: machine.rules,
    }
}

struct Known(Vec<Option<Value>>);

impl Inputs for Known {
    fn value(&self, index: usize) -> Option<&Value> {
        self.0[index].as_ref()
    }

    fn age_ms(&self, _index: usize) -> Option<u64> {
        None
    }
}

/// A value as tables write it; `-` is not known.
fn value(text: &str) -> Option<Value> {
    match text {
        "-" => None,
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        text => Some(text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number)),
    }
}

impl Machine {
    fn leaf(&self, values: &[(&str, &str)]) -> Leaf {
        let find = |name: &String| values.iter().find(|(n, _)| n == name).and_then(|(_, text)| value(text));
        let inputs = Known(self.names.iter().map(find).collect());
        self.rules.decide(self.rules.heard(&inputs), |i| match &self.rules.rules()[i].condition {
            Condition::Expression(e) => e.truth(&inputs),
            Condition::Power(_) => panic!("no profile of a controller has a power rule"),
        })
    }
}

/// Compares a profile with its table for every combination, with all points and then without those it can do without.
#[track_caller]
fn check(table: &Table) {
    let all: Vec<&str> = table.domain.iter().map(|(name, _)| *name).collect();
    compare(table, &machine(table.profile, &all, table.state), &[]);
    let without_one = table.absent.iter().map(std::slice::from_ref);
    for lacking in without_one.chain([table.absent]).filter(|lacking| !lacking.is_empty()) {
        let has = |name: &&&str| !lacking.iter().any(|(lacks, _)| lacks == *name);
        let points: Vec<&str> = all.iter().filter(has).copied().collect();
        let machine = machine(table.profile, &points, table.state);
        let granted: Vec<&str> = machine.granted.iter().map(String::as_str).collect();
        for (name, _) in lacking {
            assert!(granted.contains(name), "{}: {name} is not said to be granted", table.profile);
            assert!(!machine.mapping.contains(name), "{}: {}", table.profile, machine.mapping);
        }
        compare(table, &machine, lacking);
    }
}

/// `fixed` are points that the machine lacks, with the value the table says it then goes by.
#[track_caller]
fn compare(table: &Table, machine: &Machine, fixed: &[(&str, &str)]) {
    let rows = rows(table);
    let mut reached = [false; 9];
    table.each(&rows, fixed, |values, possible| {
        let found = machine.leaf(values);
        let known = values.iter().all(|(_, text)| *text != "-");
        let right = match possible {
            [only] if known => found == *only,
            [only] => found == *only || found == Leaf::Unknown,
            _ => found == Leaf::Unknown,
        };
        assert!(right, "{} {values:?}: {found:?}, and the table says {possible:?}", table.profile);
        reached[found.index()] = true;
    });
    // With fewer points some states cannot be told any more; with all of them each that the table names occurs.
    if fixed.is_empty() {
        for Row { leaf, text, .. } in &rows {
            assert!(reached[leaf.index()], "{}: never reached: {text}", table.profile);
        }
    }
    for line in table.known_although.trim().lines().filter(|_| fixed.is_empty()) {
        let (values, leaf) = line.trim().split_once(" -> ").unwrap();
        let values: Vec<(&str, &str)> =
            values.split_whitespace().map(|cell| cell.split_once('=').unwrap()).collect();
        assert_eq!(machine.leaf(&values).en(), leaf, "{}: {line}", table.profile);
    }
}

#[test]
fn mtconnect_goes_by_its_table() {
    check(&tables::MTCONNECT);
}

#[test]
fn opc_40001_1_goes_by_its_table() {
    check(&tables::OPCUA_40001);
}

#[test]
fn opc_40501_1_goes_by_its_table() {
    check(&tables::OPCUA_40501);
}

#[test]
fn opc_40502_goes_by_its_table() {
    check(&tables::OPCUA_40502);
}

#[test]
fn packml_goes_by_its_table() {
    check(&tables::PACKML);
}

#[test]
fn siemens_840d_goes_by_its_table() {
    check(&tables::SIEMENS);
}

#[test]
fn fanuc_focas_goes_by_its_table() {
    check(&tables::FANUC);
}

#[test]
fn a_stack_light_goes_by_its_table() {
    check(&tables::STACK_LIGHT);
}

#[test]
fn nc_link_goes_by_the_table_of_the_model() {
    check(&tables::NCLINK);
}

#[test]
fn nc_link_without_a_table_of_the_model_is_refused() {
    let error = configured("nclink", &["execution"], "").unwrap_err();
    assert!(error.contains("machine[0].profile: nclink has points and no states"), "{error}");
    assert!(error.contains("write [machine.state]"), "{error}");
}

/// Whatever a profile's rules name is either required or has a value for machines without it, so that no rule is ever
/// dropped in silence.
#[test]
fn every_rule_of_a_profile_survives_with_the_required_points_alone() {
    for name in profile_names() {
        let profile = Profile::named(name).unwrap();
        let required: Vec<String> =
            profile.points().into_iter().filter(|p| p.required).map(|p| p.name).collect();
        let all: Vec<String> = profile.points().into_iter().map(|p| p.name).collect();
        let names = |points: &[String]| points.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        for points in [&required, &all] {
            let points: Vec<&str> = points.iter().map(String::as_str).collect();
            let state = if name == "nclink" { "[machine.state]\nidle = 'execution == 0'" } else { "" };
            let machine = machine(name, &points, state);
            let granted: Vec<&str> = machine.granted.iter().map(String::as_str).collect();
            for word in machine.mapping.lines().filter(|line| line.starts_with("rule ")) {
                assert!(granted.iter().all(|granted| !word.contains(granted)), "{name}: {word}");
            }
            let producing = machine.mapping.lines().any(|line| line.starts_with("rule producing "));
            assert!(producing || name == "nclink", "{name} with {}: {}", names(&required), machine.mapping);
        }
        let with_all = machine(
            name,
            &all.iter().map(String::as_str).collect::<Vec<_>>(),
            if name == "nclink" { "[machine.state]\nidle = 'execution == 0'" } else { "" },
        );
        let written = profile.rules_as_written().iter().filter(|(table, ..)| *table == "state").count();
        assert_eq!(with_all.rules.rules().len(), written.max(1), "{name}: a rule was dropped");
    }
}

/// A machine that was set up before a profile learnt more points keeps its approved mapping.
#[test]
fn the_mapping_of_a_machine_without_the_new_points_has_not_changed() {
    let machine = machine("opcua-40502", &["execution", "mode"], "");
    let rules: Vec<&str> = machine.mapping.lines().filter(|line| line.starts_with("rule ")).collect();
    assert_eq!(
        rules,
        [
            "rule producing (execution == 1 && mode == 2)",
            "rule held execution == 3",
            "rule waiting execution == 2",
            "rule idle ((execution == 0 || execution == 4) || (execution == 1 && (mode == 0 || mode == 1)))",
        ]
    );
}

/// A prove-out is counted beside the state, and only where the item is read.
#[test]
fn a_prove_out_of_mtconnect_is_a_dry_run_beside_producing() {
    let with = machine("mtconnect", &["execution", "mode", "functional_mode"], "").mapping;
    assert!(with.contains("flag dry_run functional_mode == 'PROCESS_DEVELOPMENT'\n"), "{with}");
    let without = machine("mtconnect", &["execution", "mode"], "").mapping;
    assert!(!without.contains("flag"), "{without}");
}

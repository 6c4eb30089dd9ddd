//! Whole configurations, right and wrong; and every machine of the examples with its links cut.

use super::*;
use crate::window::{Boot, Engine, Input, LinkIndex, Output, Plan, Record};
use observation::{Instant, Mono, Observation, Utc, Value};
use std::sync::Arc;

const EXAMPLES: [(&str, &str); 3] = [
    ("agent.toml", include_str!("../../../config/examples/agent.toml")),
    ("many-machines.toml", include_str!("../../../config/examples/many-machines.toml")),
    ("small-hall.toml", include_str!("../../../config/examples/small-hall.toml")),
];

fn example(name: &str) -> Configuration {
    let (file, text) = EXAMPLES.iter().find(|(file, _)| *file == name).unwrap();
    read(file, text).unwrap_or_else(|e| unreachable!("{e}"))
}

fn read(file: &str, text: &str) -> Result<Configuration, ConfigErrors> {
    Configuration::parse(file, text, Path::new("/etc/plumbline"))
}

/// The example with some text replaced.
#[track_caller]
fn changed(changes: &[(&str, &str)]) -> Result<Configuration, ConfigErrors> {
    let mut text = EXAMPLES[0].1.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the example does not contain {from}");
        text = text.replacen(from, to, 1);
    }
    read("agent.toml", &text)
}

/// The problems of a changed example without their lines and the example's own file name.
#[track_caller]
fn problems(changes: &[(&str, &str)]) -> Vec<String> {
    let Err(errors) = changed(changes) else { return vec![] };
    errors
        .0
        .iter()
        .map(|p| {
            assert!(p.line > 0, "{p}");
            let near = p.nearest.as_ref().map_or(String::new(), |n| format!(" [{n}]"));
            format!("{}: {}{near}", p.key, p.message)
        })
        .collect()
}

#[track_caller]
fn refused(from: &str, to: &str, want: &str) {
    assert_eq!(problems(&[(from, to)]), [want]);
}

#[test]
fn every_example_can_be_run() {
    for (name, _) in EXAMPLES {
        let configuration = example(name);
        assert!(!configuration.machines.is_empty());
        assert_eq!(configuration.warnings, []);
    }
}

#[test]
fn the_example_says_what_it_says() {
    let c = example("agent.toml");
    assert_eq!(c.agent.data_dir, Path::new("/var/lib/plumbline-agent"));
    assert_eq!((c.window.step_s, c.window.per_statement), (60, 5));
    assert_eq!(
        c.uplinks[0].registrar.to_string(),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
    let [cnc, press] = c.machines.as_slice() else { unreachable!("there are two machines") };
    assert_eq!((cnc.class, press.class), (crate::state::EvidenceClass::A, crate::state::EvidenceClass::C));
    let energy = cnc.points.iter().find(|p| p.role == Some(Role::EnergyTotal)).unwrap();
    let counter = energy.counter.clone().unwrap();
    assert_eq!(counter.modulus, Some(1_000_000_000_000), "1 000 000.00 kWh in mWh");
    assert_eq!((counter.resolution, counter.max_per_hour), (10_000, 44_000_000));
    assert_eq!((counter.meter.as_deref(), energy.energy_exponent), (Some("EM-4411"), 1));
    assert_eq!(press.columns(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 16, 17, 18, 19, 20, 25, 26, 28]);
}

#[test]
fn seven_faults_are_seven_problems_each_with_its_line_and_the_nearest_right_word() {
    let errors = changed(&[
        ("status_listen = \"127.0.0.1:9180\"", "status_listn = \"127.0.0.1:9180\""),
        ("length = \"60s\"", "length = \"7s\""),
        ("poll = \"1s\"", "pol = \"1s\""),
        (
            "energy_total = { link = \"hall-a-meters\", unit = 1",
            "energy_total = { link = \"hall-a-meter\", unit = 1",
        ),
        ("measure = \"kW\" }", "measure = \"kw\" }"),
        ("'execution == 2'", "'exection == 2'"),
        ("idle      = { power_below = \"1.5kW\"", "idl       = { power_below = \"1.5kW\""),
    ])
    .unwrap_err();
    assert_eq!(errors.to_string(), include_str!("snapshots/seven-faults.txt").trim_end());
    assert_eq!(errors.0.len(), 7);
}

#[test]
fn one_fault_is_one_problem_however_much_depends_on_it() {
    for (from, to) in [
        ("id = \"edge-07\"", "id = \"edge 07\""),
        ("data_dir = ", "datadir = "),
        ("project = \"SY-2024-017\"\ngateway", "project = \"SY 2024\"\ngateway"),
        ("registrar = \"d75a", "registrar = \"d75x"),
        ("genesis = ", "genesys = "),
        ("protocol = \"opcua\"", "protocol = \"opc\""),
        ("address = \"tcp://", "address = \"tpc://"),
        ("execution    = {", "exectuion    = {"),
        ("mode         = { link = \"cnc-01\"", "mode         = { link = \"cnc-1\""),
        ("feed_hold    = { link = \"hall-a-meters\"", "feed_hold    = { link = \"hall\""),
        ("unit = 9, register", "unit = 900, register"),
        (
            "power        = { link = \"hall-a-meters\", unit = 3",
            "power        = { link = \"hall-a-metres\", unit = 3",
        ),
        ("kind = \"press\"", "kind = \"pres\""),
        ("rated = \"22kW\"", "rated = \"22\""),
        ("planned_cycle = \"95s\"", "planned_cycle = \"95\""),
        ("width = \"999999.99\"", "width = \"lots\""),
        ("journal = \"1s\"", "journal = \"1h\""),
    ] {
        let found = problems(&[(from, to)]);
        // A key that is written wrongly is an unknown key and, if it has to be there, a missing one.
        let misspelt = from.ends_with(" = ");
        assert_eq!(found.len(), if misspelt { 2 } else { 1 }, "{to}: {found:#?}");
    }
}

#[test]
fn ids_links_and_projects_must_be_known_and_single() {
    refused(
        "id = \"press-03\"",
        "id = \"cnc-01\"",
        "machine[1].id: \"cnc-01\" is the id of another machine already",
    );
    let twice = problems(&[("id = \"shop-broker\"", "id = \"cnc-01\"")]);
    assert_eq!(
        twice,
        [
            "link[2].id: \"cnc-01\" is the id of another link already",
            "machine[0].points.part_total.link: no [[link]] has the id \"shop-broker\""
        ]
    );
    refused(
        "project = \"SY-2024-017\"                     #",
        "project = \"SY-2024-071\" #",
        "machine[0].project: no [[uplink]] has the project \"SY-2024-071\" [SY-2024-017]",
    );
    refused(
        "protocol = \"modbus\"",
        "protocol = \"modbuss\"",
        "link[0].protocol: \"modbuss\" is none of modbus, mqtt, opcua, sparkplug [modbus]",
    );
}

#[test]
fn a_role_takes_only_what_it_can_be_fed_with() {
    refused(
        "measure = \"kWh\", ",
        "",
        "machine[0].points.energy_total.measure: is missing; write the unit the value has, such as \"kWh\"",
    );
    refused(
        "measure = \"kWh\"",
        "measure = \"kW\"",
        "machine[0].points.energy_total.measure: \"kW\" is no unit for this role; write one of mWh, Wh, kWh, MWh, GWh, J, kJ, MJ, GJ [kWh]",
    );
    refused(
        "Channel1.ProgramStatus\" }",
        "Channel1.ProgramStatus\", measure = \"kW\" }",
        "machine[0].points.execution.measure: only energy_total and power have a unit",
    );
    refused(
        "unit = 9, register = \"discrete:4\"",
        "unit = 9, register = \"discrete:4\", width = \"9\"",
        "machine[0].inputs.feed_hold.width: belongs to a cumulative register: energy_total, part_total or good_total",
    );
    let text = problems(&[(
        "register = \"holding:0\", type = \"u32\", order = \"ABCD\", scale = \"0.01\", measure = \"kWh\"",
        "register = \"holding:0\", type = \"string\", length = 4, measure = \"kWh\"",
    )]);
    assert_eq!(
        text,
        ["machine[0].points.energy_total.type: energy_total is a number; a string cannot feed it"]
    );
}

#[test]
fn a_register_finer_than_a_milliwatt_hour_is_refused() {
    refused(
        "scale = \"1\", measure = \"Wh\"",
        "scale = \"0.0001\", measure = \"Wh\"",
        "machine[1].points.energy_total.scale: 0.0001 Wh is finer than 1 mWh, the finest step that is signed",
    );
    assert_eq!(
        problems(&[("scale = \"1\", measure = \"Wh\"", "scale = \"0.001\", measure = \"Wh\"")]),
        [""; 0]
    );
}

#[test]
fn a_machine_needs_rules_that_name_what_it_has() {
    let none = problems(&[(
        "[machine.state]                             # thresholds with hysteresis: a change counts once it has lasted
off       = { power_below = \"0.05kW\", dwell = \"5s\" }
idle      = { power_below = \"1.5kW\", dwell = \"5s\" }
producing = { power_above = \"1.5kW\", dwell = \"5s\" }",
        "",
    )]);
    assert_eq!(
        none,
        ["machine[1].state: is missing; write [machine.state] with at least one rule, or name a profile"]
    );
    refused(
        "waiting   = 'execution == 2'",
        "waiting   = 'execution = 2'",
        "machine[0].state.waiting: column 11: write == to compare\n    execution = 2\n              ^",
    );
    refused(
        "off       = { power_below = \"0.05kW\", dwell = \"5s\" }",
        "off       = { power_below = \"0.05\", dwell = \"5s\" }",
        "machine[1].state.off.power_below: \"0.05\" is not a power; write a number with W, kW or MW, such as \"1.5kW\"",
    );
    refused(
        "off       = { power_below = \"0.05kW\", dwell = \"5s\" }",
        "off       = { power_below = \"0.05kW\" }",
        "machine[1].state.off.dwell: is missing; write how long the power must stay, such as \"5s\"",
    );
    refused(
        "producing = { power_above = \"1.5kW\", dwell = \"5s\" }",
        "producing = { power_above = \"1.5kW\", release = \"1.6kW\", dwell = \"5s\" }",
        "machine[1].state.producing.release: ends the state, so it must be at most power_above",
    );
    refused(
        "idle      = { power_below = \"1.5kW\", dwell = \"5s\" }",
        "idle      = { power_below = \"1.5kW\", release = \"1.4kW\", dwell = \"5s\" }",
        "machine[1].state.idle.release: ends the state, so it must be at least power_below",
    );
    refused(
        "cutting = 'power > 4000'",
        "cuting = 'power > 4000'",
        "machine[0].flags.cuting: unknown flag; known here: cutting, dry_run, warmup, spindle [cutting]",
    );
    refused(
        "feed_hold    = {",
        "mode = { link = \"hall-a-meters\", unit = 9, register = \"discrete:5\" }\nfeed_hold = {",
        "machine[0].inputs.mode: is the name of a role; write it in [machine.points]",
    );
}

#[test]
fn a_threshold_with_a_band_is_read_into_the_mapping() {
    let band = changed(&[(
        "producing = { power_above = \"1.5kW\", dwell = \"5s\" }",
        "producing = { power_above = \"1.6kW\", release = \"1400W\", dwell = \"5s\" }",
    )]);
    let mapping = band.unwrap().machines.remove(1).mapping.text;
    assert!(mapping.contains("rule producing power >= 1600 W until < 1400 W for 5000 ms\n"), "{mapping}");
}

#[test]
fn windows_divide_an_hour_and_a_gateway_is_reached_safely() {
    for wrong in ["0s", "7s", "16m", "1500ms", "1h"] {
        let found = problems(&[("length = \"60s\"", &format!("length = \"{wrong}\""))]);
        assert_eq!(
            found,
            [format!(
                "window.length: {wrong} must be between 1s and 15m, in whole seconds that divide an hour"
            )]
        );
    }
    for right in ["1s", "15m", "10s", "12s"] {
        assert_eq!(problems(&[("length = \"60s\"", &format!("length = \"{right}\""))]), [""; 0]);
    }
    refused(
        "https://gateway.example:8443",
        "http://gateway.example:8443",
        "uplink[0].gateway: \"http://gateway.example:8443\": http:// is allowed to this machine itself only; write https://",
    );
    let found = problems(&[("fingerprint = ", "# fingerprint = ")]);
    assert_eq!(
        found,
        ["uplink[0].fingerprint: is missing; write the certificate's \"sha256:…\", or ca_file"]
    );
}

#[test]
fn a_profile_gives_states_until_the_machine_brings_its_own_table() {
    let table = "[machine.state]                             # replaces the profile's table as a whole; tried in the order of the states
producing = 'execution == 1 && mode == 2 && !feed_hold'
held      = 'execution == 3 || (execution == 1 && feed_hold)'
waiting   = 'execution == 2'
idle      = 'true'";
    let own = example("agent.toml").machines.remove(0).mapping.text;
    assert!(own.contains("rule idle true\n"), "{own}");
    let profile =
        changed(&[(table, "")]).unwrap_or_else(|e| unreachable!("{e}")).machines.remove(0).mapping.text;
    assert!(profile.contains("rule producing (execution == 1 && mode == 2)\n"), "{profile}");
    assert!(!profile.contains("rule idle true\n"), "{profile}");
    let one = changed(&[(table, "[machine.state]\nidle = 'true'")]).unwrap().machines.remove(0).mapping.text;
    assert!(!one.contains("rule producing"), "a table replaces the profile's as a whole: {one}");
    refused(
        "profile = \"opcua-40502\"",
        "profile = \"opcua-40520\"",
        "machine[0].profile: \"opcua-40520\" is none of mtconnect, opcua-40001, opcua-40501, opcua-40502, packml, \
         siemens-840d, fanuc-focas, nclink, stack-light, power-meter; see `plumbline-agent check --profiles` \
         [opcua-40502]",
    );
    let found = problems(&[
        ("mode         = { link = \"cnc-01\"", "# mode         = { link = \"cnc-01\""),
        (table, ""),
    ]);
    assert_eq!(
        found,
        [
            "machine[0].points: the profile needs the point `mode`: OperationMode of the channel (CncOperationMode)"
        ]
    );
}

#[test]
fn a_raw_store_that_cannot_hold_its_retention_is_a_warning_with_the_sum() {
    let c = changed(&[("max_bytes = \"20GiB\"", "max_bytes = \"100MiB\"")]).unwrap();
    let [warning] = c.warnings.as_slice() else { unreachable!("one warning: {:?}", c.warnings) };
    assert_eq!(warning.key, "raw.max_bytes");
    assert!(
        warning.line > 0 && warning.message.starts_with("holds ") && warning.message.contains("asks for 400"),
        "{warning}"
    );
}

#[test]
fn more_machines_than_fit_into_a_statement_are_refused() {
    let mut text = EXAMPLES[0].1.to_owned();
    let press =
        &EXAMPLES[0].1[EXAMPLES[0].1.find("[[machine]]                                 # 哑设备").unwrap()..];
    for i in 0..600 {
        text.push_str(&press.replace("press-03", &format!("press-{i:04}")));
    }
    let errors = read("agent.toml", &text).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    assert!(errors.0[0].message.contains("a statement holds 48000"), "{errors}");
}

#[test]
fn comments_and_order_do_not_change_hash_or_mapping_and_a_scale_does() {
    let a = example("agent.toml");
    let b = changed(&[
        ("# An agent that measures", "# This box measures"),
        ("unit = 1, register = \"holding:0\"", "register = \"holding:0\", unit = 1"),
    ])
    .unwrap();
    assert_eq!((a.hash, &a.machines[0].mapping), (b.hash, &b.machines[0].mapping));
    let c = changed(&[("scale = \"0.01\"", "scale = \"0.1\"")]).unwrap();
    assert_ne!(a.hash, c.hash);
    assert_ne!(a.machines[0].mapping.hash, c.machines[0].mapping.hash);
    assert_eq!(a.machines[1].mapping, c.machines[1].mapping);
}

#[test]
fn no_protocol_has_a_key_that_is_ours() {
    for protocol in protocols::names() {
        let (_, keys) = protocols::keys(protocol).unwrap();
        assert!(!points::OWN_KEYS.iter().any(|own| keys.contains(own)), "{protocol}");
    }
}

#[test]
fn a_machine_of_the_roster_that_is_not_configured_is_unknown_and_not_left_out() {
    let c = example("agent.toml");
    let entry = |index, id: &str| RosterEntry { index, id: id.to_owned(), identity: None };
    let plan = c.plan("SY-2024-017", 60, Utc(0), &[entry(4, "ghost"), entry(2, "press-03")]).unwrap();
    assert_eq!(plan.machines.iter().map(|m| m.index).collect::<Vec<_>>(), [2, 4]);
    let got = window_of(plan, |_| vec![]);
    assert!(got.iter().all(|w| w.states_ms[0] == 60_000));
    let roster = [entry(2, "press-03")];
    assert_eq!(
        c.not_in_roster("SY-2024-017", &roster).map(|m| m.id.as_str()).collect::<Vec<_>>(),
        ["cnc-01"]
    );
    assert!(matches!(c.plan("SY-2024-017", 10, Utc(0), &roster), Err(PlanError::Step { .. })));
    assert!(matches!(c.plan("SY-2024-017", 60, Utc(0), &[]), Err(PlanError::NoMachine { .. })));
}

const T0: i64 = 1_800_000_000_000;

fn instant(ms: i64) -> Instant {
    Instant { utc: Utc(T0 + ms), mono: Mono(u64::try_from(ms).unwrap()) }
}

/// The first whole window of a plan whose links say `inputs(ms)` every 100 ms.
fn window_of(plan: Plan, mut inputs: impl FnMut(Instant) -> Vec<Input>) -> Vec<kpi::MachineWindow> {
    let mut engine = Engine::new(Arc::new(plan), None);
    let boot = Boot { at: instant(0), version: String::new(), binary: [0; 32], configuration: [0; 32] };
    engine.apply(&Record::Boot(boot));
    for tenth in 0..1000 {
        let at = instant(tenth * 100);
        engine.apply(&Record::Step { inputs: inputs(at), until: at });
    }
    engine.finish();
    let first = engine.outputs().iter().find_map(|o| match o {
        Output::Window(w) => Some(w.machines.iter().map(|(_, m)| m.clone()).collect()),
        Output::Event(_) => None,
    });
    first.unwrap()
}

/// A plan of one machine of an example.
fn plan_of(c: &Configuration, machine: &Machine) -> Plan {
    let entry = RosterEntry { index: 0, id: machine.id.clone(), identity: None };
    c.plan(&machine.project, c.window.step_s, Utc(0), &[entry]).unwrap()
}

/// Every point of the machine reads what makes it produce; links in `dead` are never up.
fn live(c: &Configuration, machine: &Machine, dead: &[usize]) -> impl FnMut(Instant) -> Vec<Input> {
    let points: Vec<_> = machine
        .points
        .iter()
        .filter(|p| !dead.contains(&p.link))
        .map(|p| {
            let value = match p.role {
                Some(Role::Execution) if machine.kind == MachineKind::Robot => Value::Text("RUN".to_owned()),
                Some(Role::Execution) => Value::Number(observation::Decimal::from(1i64)),
                Some(Role::Mode) => Value::Number(observation::Decimal::from(2i64)),
                Some(Role::Power) => Value::Number(observation::Decimal::from(3i64)),
                _ => Value::Number(observation::Decimal::ZERO),
            };
            (LinkIndex(u32::try_from(p.link).unwrap()), p.id, value)
        })
        .collect();
    let ups: Vec<LinkIndex> = (0..c.links.len())
        .filter(|i| !dead.contains(i))
        .map(|i| LinkIndex(u32::try_from(i).unwrap()))
        .collect();
    move |at| {
        let mut inputs: Vec<Input> = vec![];
        if at.mono == Mono(0) {
            inputs.extend(ups.iter().map(|link| Input::Up(*link, at)));
        }
        inputs.extend(
            points.iter().map(|(l, id, v)| Input::Observed(*l, Observation::good(*id, v.clone(), at))),
        );
        inputs
    }
}

#[test]
fn idle_true_with_a_dead_link_is_unknown_for_every_machine_of_the_examples() {
    for (name, _) in EXAMPLES {
        let c = example(name);
        for machine in &c.machines {
            let step_ms = c.window.step_s * 1000;
            let alive = window_of(plan_of(&c, machine), live(&c, machine, &[]));
            assert_eq!(alive[0].states_ms[0], 0, "{name} {}: {alive:?}", machine.id);
            // The rules of a machine rest on at least one link; without that link it is unknown, even when its
            // other links live. `idle = 'true'` alone is what remains of its table.
            let mut only_idle = plan_of(&c, machine);
            let names: Vec<&str> = machine.points.iter().map(|p| p.name.as_str()).collect();
            let idle = crate::state::Rule {
                leaf: kpi::Leaf::Idle,
                condition: crate::state::Condition::Expression(crate::state::parse("true", &names).unwrap()),
            };
            let power = machine.rules.power();
            only_idle.machines[0].rules =
                crate::state::Rules::new(vec![idle], [const { None }; 4], names.len(), power);
            let all: Vec<usize> = (0..c.links.len()).collect();
            let dead = window_of(only_idle, live(&c, machine, &all));
            assert_eq!(dead[0].states_ms[0], step_ms, "{name} {}: {dead:?}", machine.id);
            for link in machine.points.iter().map(|p| p.link) {
                if !rests_on(machine, link) {
                    continue;
                }
                let cut = window_of(plan_of(&c, machine), live(&c, machine, &[link]));
                assert_eq!(
                    cut[0].states_ms[0], step_ms,
                    "{name} {} without {}: {cut:?}",
                    machine.id, c.links[link].id
                );
            }
        }
    }
}

/// Whether a rule of the machine asks a point on the link.
fn rests_on(machine: &Machine, link: usize) -> bool {
    let mut asked = vec![];
    for rule in machine.rules.rules() {
        match &rule.condition {
            crate::state::Condition::Expression(e) => e.points(&mut |name| asked.push(name.index)),
            crate::state::Condition::Power(_) => asked.extend(machine.rules.power()),
        }
    }
    asked.iter().any(|i| machine.points[*i].link == link)
}

/// The broker is there all the time; only these two publishers fall silent after 20 s.
#[test]
fn pain_13_each_topic_has_a_deadline_of_its_own() {
    let (_, text) = EXAMPLES[1];
    for (stale_after, unknown_ms) in [("10s", 30_000), ("30s", 10_000), ("50s", 0)] {
        let text = text.replace("stale_after = \"10s\"", &format!("stale_after = \"{stale_after}\""));
        let c = read("many-machines.toml", &text).unwrap();
        let machine = &c.machines[0];
        let mut all = live(&c, machine, &[]);
        let first = window_of(plan_of(&c, machine), |at| {
            let inputs = all(at);
            if at.mono.0 <= 20_000 { inputs } else { vec![] }
        });
        assert_eq!(first[0].states_ms[0], unknown_ms, "{stale_after}: {first:?}");
    }
}

use super::super::{Configuration, Machine};
use std::path::Path;

/// A whole configuration with these machines, from line 20 on.
fn read(machines: &str) -> Result<Configuration, config::ConfigErrors> {
    let head = r#"[agent]
id = "edge-07"
data_dir = "/var/lib/plumbline-agent"

[[uplink]]
project = "SY-1"
gateway = "http://127.0.0.1:8080"
genesis = "SY-1.genesis"
registrar = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

[[link]]
id = "shop"
protocol = "mqtt"
address = "mqtt://192.0.2.30:1883"
client_id = "edge-07"
[[link]]
id = "meters"
protocol = "modbus"
address = "tcp://192.0.2.10:502"
"#;
    Configuration::parse("agent.toml", &format!("{head}{machines}"), Path::new("/etc/plumbline"))
}

#[track_caller]
fn refused(machines: &str, want: &[&str]) {
    let errors = read(machines).expect_err("accepted").to_string();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), want.len(), "{errors}");
    for (line, want) in lines.iter().zip(want) {
        assert!(line.starts_with(want), "{line}\nshould start with\n{want}");
    }
}

/// A machine whose power is on a topic of its own.
fn robot(first_lines: &str, topic: &str) -> String {
    format!(
        r#"[[machine]]
{first_lines}
name = "机器人 {{id}}"
kind = "robot"
[machine.points]
power = {{ link = "shop", topic = "{topic}", measure = "kW", stale_after = "10s" }}
[machine.state]
producing = 'power > 100'
idle = 'true'
"#
    )
}

fn ids(configuration: &Configuration) -> Vec<&str> {
    configuration.machines.iter().map(|m| m.id.as_str()).collect()
}

#[test]
fn a_template_gives_the_same_as_the_machines_written_by_hand() {
    let template = read(&robot("each = \"r{01..03}\"", "plant/{id}/power")).unwrap();
    assert_eq!(ids(&template), ["r01", "r02", "r03"]);
    let by_hand: String = ["r01", "r02", "r03"]
        .map(|id| robot(&format!("id = \"{id}\""), "plant/{id}/power").replace("{id}", id))
        .concat();
    let by_hand = read(&by_hand).unwrap();
    assert_eq!(template.hash, by_hand.hash);
    let text = |m: &Machine| (m.name.clone(), m.mapping.text.clone(), m.mapping.hash);
    assert_eq!(
        template.machines.iter().map(text).collect::<Vec<_>>(),
        by_hand.machines.iter().map(text).collect::<Vec<_>>()
    );
    assert!(template.machines[2].mapping.text.contains("plant/r03/power"));
}

#[test]
fn names_may_be_listed_and_mixed_and_ids_made_of_them() {
    let machines = robot("each = [\"a\", \"b{8..10}\"]\nid = \"hall-{id}\"", "plant/{id}/power");
    assert_eq!(ids(&read(&machines).unwrap()), ["hall-a", "hall-b8", "hall-b9", "hall-b10"]);
}

#[test]
fn each_machine_may_bring_numbers_and_texts_of_its_own() {
    let machines = r#"[[machine]]
each = [
  { id = "p01", unit = 3, what = "冲床", serial = "A-1" },
  { id = "p02", unit = 4, what = "折弯机", serial = "B-7" },
]
name = "{what} {id} {{1}}"
kind = "press"
identity = "{serial}"
[machine.points]
power = { link = "meters", unit = "{unit}", register = "input:12", type = "i16", measure = "kW" }
[machine.state]
idle = 'power < 100'
"#;
    let c = read(machines).unwrap();
    assert_eq!(c.machines[1].name, "折弯机 p02 {1}");
    assert_eq!(c.machines[1].facts.identity.as_deref(), Some("B-7"));
    let mapping = &c.machines[1].mapping.text;
    assert!(mapping.contains("\"unit\":\"4\"") || mapping.contains("\"unit\":4"), "{mapping}");
}

#[test]
fn machines_may_differ_by_their_link_alone() {
    let machines = r#"[[machine]]
each = [{ id = "p01", at = "meters" }, { id = "p02", at = "shop" }]
name = "{id}"
kind = "press"
link = "{at}"
[machine.points]
power = { topic = "p", stale_after = "10s", measure = "kW" }
[machine.state]
idle = 'power < 100'
"#;
    let errors = read(machines).unwrap_err().to_string();
    // The meters' link has no topics; that the template is the same for both machines is no mistake.
    assert!(errors.contains("topic") && errors.contains("(for p01)"), "{errors}");
    assert!(!errors.contains("is the same for every machine"), "{errors}");
}

#[test]
fn pain_23_a_mistake_in_a_template_is_said_once_with_its_line_and_the_machines_concerned() {
    refused(
        &robot("each = \"r{01..50}\"", "plant/{id}/power").replace("measure = \"kW\"", "mesure = \"kW\""),
        &[
            "agent.toml:25: machine[0].points.power.measure: is missing; write the unit the value has, such as \"kW\" (for r01 and 49 more)",
            "agent.toml:25: machine[0].points.power.mesure: unknown key (for r01 and 49 more) (did you mean `measure`?)",
        ],
    );
    let with_unit = |unit: &str| {
        format!(
            "[[machine]]\neach = [{{ id = \"a\", u = 1 }}, {{ id = \"b\", u = {unit} }}]\nname = \"{{id}}\"\nkind = \"press\"\n\
             [machine.points]\npower = {{ link = \"meters\", unit = \"{{u}}\", register = \"input:12\", type = \"i16\", measure = \"kW\" }}\n\
             [machine.state]\nidle = 'power < 100'\n"
        )
    };
    assert!(read(&with_unit("2")).is_ok());
    refused(&with_unit("900"), &["agent.toml:25: machine[0].points.power.unit: 900 must be"]);
    assert!(read(&with_unit("900")).unwrap_err().to_string().ends_with("(for b)"));
}

#[test]
fn a_machine_behind_a_template_keeps_its_number_in_messages() {
    let machines = robot("each = \"r{1..5}\"", "plant/{id}/power")
        + &robot("id = \"x\"", "x/power").replace("robot", "robt");
    refused(
        &machines,
        &[
            "agent.toml:32: machine[1].kind: \"robt\" is none of cnc, robot, press, meter, other (did you mean `robot`?)",
        ],
    );
}

#[test]
fn two_templates_that_name_a_machine_both_are_refused_naming_it() {
    let machines =
        robot("each = \"r{1..3}\"", "plant/{id}/power") + &robot("each = [\"r3\"]", "hall/{id}/power");
    refused(
        &machines,
        &["agent.toml:30: machine[1].id: \"r3\" is the id of another machine already (for r3)"],
    );
}

#[test]
fn what_is_no_each_is_refused() {
    let each = |each: &str| robot(&format!("each = {each}"), "plant/{id}/power");
    for (written, want) in [
        ("5", "must be names such as"),
        ("[]", "must be names such as"),
        ("[7]", "must be names such as"),
        ("\"r{1-5}\"", "\"r{1-5}\" is no range"),
        ("\"r{1..}\"", "\"r{1..}\" is no range"),
        ("\"r{1..3}{1..3}\"", "\"r{1..3}{1..3}\" is no range"),
        ("\"r{5..1}\"", "\"r{5..1}\" ends before it begins"),
        ("\"r{1..5000}\"", "\"r{1..5000}\" names 5000 machines"),
        ("[{ unit = 3 }]", "id is missing"),
        ("[{ id = \"a\", unit = [3] }]", "unit must be a text or a number, not an array"),
        ("[{ id = \"a\", unit = 3 }]", "unit is used nowhere; write {unit} where it belongs"),
    ] {
        refused(&each(written), &[&format!("agent.toml:21: machine[0].each: {want}")]);
    }
}

#[test]
fn a_placeholder_without_a_value_names_what_was_meant() {
    refused(
        &robot("each = \"r{1..3}\"", "plant/{ids}/power"),
        &[
            "agent.toml:25: machine[0]: {ids} is nothing that `each` names; for a brace write {{ (did you mean `id`?)",
        ],
    );
    let machines = robot("each = [{ id = \"a\", t = \"x\" }, { id = \"b\" }]", "plant/{t}/power");
    refused(&machines, &["agent.toml:25: machine[0]: {t} has no value for b"]);
}

#[test]
fn machines_that_would_read_the_very_same_place_are_refused() {
    refused(
        &robot("each = \"r{1..3}\"", "plant/power"),
        &[
            "agent.toml:25: machine[0].points.power: is the same for every machine of this template; write {id} where they differ",
        ],
    );
}

#[test]
fn a_misspelt_each_names_the_right_one() {
    let errors = read(&robot("id = \"r\"\neahc = [\"a\"]", "x")).unwrap_err().to_string();
    assert_eq!(errors, "agent.toml:22: machine[0].eahc: unknown key (did you mean `each`?)");
}

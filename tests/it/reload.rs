//! SIGHUP to the running program, over Modbus servers of foreign make: a wrong file is refused and named, a right one
//! is in force link by link, and the bundle shows that no window was lost, none doubled, and that the machine whose
//! link stayed was read through one session all the time.

use crate::programs::PROGRAMS;
use evidence::column;
use evidence::payload::EventCode;
use plumbline_tests::harness::chain::{Chain, PROJECT, free_port, now_s, wait_until};
use plumbline_tests::harness::{logged, peers};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// pymodbus that counts; ends with its standard input.
struct Peer(Child, u16);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn peer(chain: &Chain, name: &str) -> Peer {
    let plan = serde_json::json!({
        "over": "modbus", "log": chain.path(&format!("{name}.jsonl")), "from": 1, "every_ms": 50, "port": 0,
    });
    let file = chain.path(&format!("{name}.json"));
    std::fs::write(&file, plan.to_string()).unwrap();
    let mut command = Command::new(peers::python());
    command.arg(peers::root().join("tests/peers/counting.py")).arg(&file);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
    Peer(child, port.unwrap_or_else(|| panic!("the server said {line:?}")))
}

/// Two machines, each behind a link of its own.
fn plant(mill: u16, press: u16) -> String {
    let link = |id: &str, port: u16| {
        format!(
            "[[link]]\nid = \"{id}\"\nprotocol = \"modbus\"\naddress = \"tcp://127.0.0.1:{port}\"\npoll = \"1s\"\n\
             timeout = \"900ms\"\n\n"
        )
    };
    let machine = |id: &str, link: &str| {
        format!(
            "[[machine]]\nid = \"{id}\"\nname = \"{id}\"\nkind = \"other\"\nlink = \"{link}\"\n[machine.points]\n\
             part_total = {{ unit = 1, register = \"holding:0\", type = \"u32\", order = \"ABCD\", max_per_hour = \
             3600000 }}\n[machine.state]\nidle = 'true'\n\n"
        )
    };
    // The link that changes stands first, so that the other's numbers move when it goes.
    link("b", press) + &link("a", mill) + &machine("press", "b") + &machine("mill", "a")
}

fn hang_up(chain: &mut Chain, configuration: &str) {
    std::fs::write(chain.agent_file(), configuration).unwrap();
    let id = chain.agent().id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
}

#[test]
fn a_configuration_is_taken_link_by_link_while_the_agent_runs() {
    let mut chain = Chain::without_agent(PROGRAMS);
    let (mill, press) = (peer(&chain, "mill"), peer(&chain, "press"));
    let dead = free_port();
    let first = chain.configuration(1, &plant(mill.1, dead));
    chain.enrol(&first);
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let begun = chain.from + 3;
    wait_until("the mill has been read for some seconds", || chain.logged_until(PROJECT) >= begun);

    hang_up(&mut chain, &first.replace("poll =", "pol ="));
    let refused = chain.agent().wait_for_line("the configuration is refused");
    assert!(refused.contains("did you mean `poll`"), "{refused}");
    hang_up(&mut chain, &first.replace("length = \"1s\"", "length = \"2s\""));
    chain.agent().wait_for_line("window.length cannot change");

    let second = chain.configuration(1, &plant(mill.1, press.1));
    hang_up(&mut chain, &second);
    let taken = chain.agent().wait_for_line("the configuration is in force");
    assert!(
        taken.contains("kept: a") && taken.contains("started: b") && taken.contains("ended: b"),
        "{taken}"
    );
    let switched = now_s();

    let without = plant(mill.1, press.1);
    let without = without.replace(&without[..without.find("[[link]]\nid = \"a\"").unwrap()], "");
    let (link, machines) = without.split_at(without.find("[[machine]]\nid = \"press\"").unwrap());
    let only = machines[machines.find("[[machine]]\nid = \"mill\"").unwrap()..].to_owned();
    wait_until("the press has been read for some seconds", || chain.logged_until(PROJECT) >= switched + 5);
    let third = chain.configuration(1, &format!("{link}{only}"));
    hang_up(&mut chain, &third);
    chain.agent().wait_for_line("started: –; 停止 ended: b");
    let ended = now_s();
    wait_until("the mill goes on", || chain.logged_until(PROJECT) >= ended + 4);
    chain.stop_agent();
    chain.stop_gateway();

    chain.must_hold(ended + 4);
    let bundle = chain.export(PROJECT);
    let log = logged::entries(&bundle);
    let events = logged::events(&log);
    let of = |code: EventCode| events.iter().filter(|e| e.code == code).count();
    assert_eq!((of(EventCode::Configuration), of(EventCode::Down), of(EventCode::Loss)), (2, 0, 0));
    let (mut mill_known, mut press_known, mut press_after) = (0, 0, 0);
    for batch in logged::windows(&log) {
        for w in 0..usize::try_from(batch.n).unwrap() {
            let start = batch.t0 + i64::try_from(w).unwrap();
            // The roster stands in the order of the configuration.
            assert_eq!(batch.value(column::SESSIONS, 1, w), 1, "the mill's session at {start}");
            mill_known += i64::from(batch.value(0, 1, w) == 0);
            press_known += i64::from(start > switched && start < ended && batch.value(0, 0, w) == 0);
            press_after += i64::from(start > ended + 2 && batch.value(0, 0, w) != 1000);
        }
    }
    assert!(mill_known >= ended - begun && press_known > 0, "{mill_known} {press_known}");
    assert_eq!(press_after, 0, "a machine that left the configuration is UNKNOWN");
}

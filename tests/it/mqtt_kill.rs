//! kill -9 of an agent between the receipt of MQTT messages and their acknowledgement, on either side of the
//! journal's commit: the broker repeats them, nothing is lost, and nothing counts twice.
//!
//! The broker is mosquitto, the publisher paho. The payload is the number of the message, and a part counter at the
//! same time.

use crate::programs::PROGRAMS;
use evidence::column;
use observation::{Quality, Reason, Value};
use plumbline_tests::harness::chain::{Chain, PROJECT, now_s, wait_until};
use plumbline_tests::harness::logged;
use plumbline_tests::harness::mosquitto::{Mosquitto, Publisher};
use plumbline_tests::harness::observed::durable;
use std::collections::BTreeMap;

const PLANT: &str = r#"
[[link]]
id = "broker"
protocol = "mqtt"
address = "mqtt://127.0.0.1:{PORT}"
version = {VERSION}
client_id = "edge-test"

[[machine]]
id = "press"
name = "冲床"
line = "A"
kind = "press"
link = "broker"

[machine.points]
part_total = { topic = "press/count", stale_after = "60s", max_per_hour = 1000000000 }

[machine.state]
producing = 'part_total > 0'
idle      = 'true'
"#;

/// Before the commit the messages are neither durable nor acknowledged, after it durable and not acknowledged.
const KILLS: [&str; 4] = [
    "journal.after_commit:4",
    "journal.before_commit:5",
    "journal.after_commit:7",
    "journal.before_commit:8",
];

#[test]
fn trap_an_agent_killed_between_receipt_and_acknowledgement_loses_no_message_and_counts_none_twice() {
    for version in [4, 5] {
        check(version);
    }
}

fn check(version: u8) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), "log_type all");
    let plant = PLANT.replace("{PORT}", &broker.port.to_string()).replace("{VERSION}", &version.to_string());
    let mut chain = Chain::new(PROGRAMS, 1, &plant);
    chain.start_gateway(&[]);
    let mut publisher = Publisher::to(broker.port, &folder.path().join("plan.json"));
    let mut count: i64 = 0;
    let mut send = || {
        count += 1;
        publisher.send("press/count", &count.to_string());
        count
    };
    for kill in KILLS {
        chain.start_agent(&[("PLUMBLINE_KILL_AT", kill)]);
        if sent_nothing(&broker) {
            broker.wait_for_line("Sending SUBACK to edge-test");
        }
        wait_until(&format!("the agent dies at {kill}"), || {
            send();
            chain.agent().ended().is_some()
        });
        // Somebody goes on publishing while nobody is there.
        send();
    }
    chain.start_agent(&[]);
    wait_until("the agent is back", || broker.lines_with("Sending SUBACK to edge-test") > KILLS.len());
    let end = now_s() + 7;
    let last = std::cell::Cell::new(0);
    wait_until("the last windows are logged", || {
        // What comes after the messages that were kept is fresh.
        if now_s() < end {
            last.set(send());
        }
        chain.logged_until(PROJECT) > end
    });
    chain.stop_agent();
    let observed = durable(chain.agent_data(), PROJECT);
    let mut good: BTreeMap<i64, u32> = BTreeMap::new();
    let mut any: BTreeMap<i64, u32> = BTreeMap::new();
    let mut again = 0;
    for observation in &observed {
        let Some(Value::Number(number)) = &observation.value else { continue };
        let number = i64::try_from(number.at_exponent(0).unwrap()).unwrap();
        *any.entry(number).or_default() += 1;
        match observation.quality {
            Quality::Good => *good.entry(number).or_default() += 1,
            Quality::Uncertain(Reason::Retained) => again += 1,
            other => panic!("message {number} is {other:?}"),
        }
    }
    let missing: Vec<i64> = (1..=last.get()).filter(|n| !any.contains_key(n)).collect();
    assert_eq!(missing, Vec::<i64>::new(), "of {} messages, version {version}", last.get());
    assert!(good.values().all(|times| *times == 1), "a message was good twice: {good:?}");
    assert!(any.values().any(|times| *times > 1), "the broker repeated nothing that was durable already");
    assert!(again > 0);

    chain.stop_gateway();
    let bundle = chain.export(PROJECT);
    let log = logged::entries(&bundle);
    let windows = logged::windows(&log).flat_map(|b| (0..b.n as usize).map(move |w| (b, w)));
    let known = windows.filter(|(b, w)| ![NONE, MISSING].contains(&b.value(column::PARTS_Q, 0, *w)));
    let registers: Vec<(i64, i64)> =
        known.map(|(b, w)| (b.value(column::PARTS, 0, w), b.value(column::PARTS_Q, 0, w))).collect();
    // Parts are differences of these, so a message that counts twice, or a repeated one that counts as a reset,
    // would show here.
    assert!(registers.is_sorted_by_key(|(value, _)| *value), "{registers:?}");
    assert!(registers.iter().all(|(_, quality)| *quality != COUNTER_EVENT), "{registers:?}");
    assert!(registers.iter().all(|(value, _)| good.contains_key(value)), "{registers:?} of {good:?}");
    assert!(registers.len() > 3, "{registers:?}");
}

/// Qualities of a register (SPEC.md, columns).
const NONE: i64 = 0;
const COUNTER_EVENT: i64 = 3;
const MISSING: i64 = 5;

/// Whether the agent's first subscription is still to come.
fn sent_nothing(broker: &Mosquitto) -> bool {
    broker.lines_with("Received PUBLISH") == 0
}

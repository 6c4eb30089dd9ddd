//! Full disks, for real: the data directory is a file system of a few MiB. The gateway answers 503 and acknowledges
//! nothing that it does not hold; the agent goes on, keeps what it can in memory, and signs what it could not keep.

use crate::kill::PLANT;
use crate::programs::PROGRAMS;
use evidence::Hash;
use plumbline_tests::harness::chain::{Chain, PROJECT, now_ms, now_s, wait_until};
use plumbline_tests::harness::disk::{fill, may_mount, mount};
use plumbline_tests::harness::forger::Forger;
use plumbline_tests::harness::logged;
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::cell::Broker;
use plumbline_tests::sim::meters::Meters;
use rumqttc_v4::{AsyncClient, MqttOptions, PublishOptions, QoS};
use std::collections::BTreeMap;
use std::time::Duration;
use uplink::Outcome;

#[test]
fn a_gateway_on_a_full_disk_answers_503_and_acknowledges_only_what_it_holds() {
    if !may_mount(concat!(
        module_path!(),
        "::a_gateway_on_a_full_disk_answers_503_and_acknowledges_only_what_it_holds"
    )) {
        return;
    }
    let mut chain = Chain::without_gateway(PROGRAMS);
    mount(chain.gateway_data(), 4);
    chain.init_gateway();
    let mut forger = Forger::new("FULL-1", 41);
    let request = chain.path("forger.cbor");
    forger.write_enrolment(&request);
    chain.found("FULL-1", &request);
    forger.read_genesis(&chain.genesis("FULL-1"));
    // Room that is given back later.
    let reserve = chain.gateway_data().join("reserve");
    std::fs::write(&reserve, vec![1; 1 << 20]).unwrap();
    chain.start_gateway(&[]);

    let address = chain.gateway_address();
    let mut acknowledged: BTreeMap<u64, (u64, Hash)> = BTreeMap::new();
    let (mut made, mut full) = (vec![], 0);
    while full < 3 {
        while made.len() < 200 {
            made.push(forger.following());
        }
        let outcome = forger.push(address, &made).expect("a full gateway answers");
        take(&outcome, &mut made, &mut acknowledged);
        match outcome {
            Outcome::Stored(_) => assert_eq!(full, 0, "the disk has no room and statements are taken"),
            Outcome::Later { detail, .. } => {
                assert!(detail.contains("full"), "{detail}");
                full += 1;
            }
            other => panic!("{other:?}"),
        }
        assert!(acknowledged.len() < 100_000, "4 MiB are never full");
    }
    let at_full = acknowledged.len();
    assert!(at_full > 200, "only {at_full} were taken");
    assert!(chain.gateway().ended().is_none(), "the gateway has ended");

    std::fs::remove_file(reserve).unwrap();
    wait_until("statements are taken again", || {
        let outcome = forger.push(address, &made);
        if let Some(outcome) = &outcome {
            take(outcome, &mut made, &mut acknowledged);
        }
        made.is_empty()
    });
    wait_until("all is sealed", || {
        let page = chain.page("FULL-1");
        page["size"].is_u64() && page["size"] == page["sealed"]
    });
    chain.stop_gateway();
    let log = logged::entries(&chain.export("FULL-1"));
    let streams = logged::streams(&log);
    let stream = streams.values().next().unwrap();
    logged::must_be_contiguous(stream);
    let held: Vec<(u64, Hash)> = acknowledged.iter().map(|(seq, (_, leaf))| (*seq, *leaf)).collect();
    logged::must_hold_once(stream, &held);
    assert_eq!(stream.len(), held.len(), "nothing is logged that was not acknowledged in the end");
}

/// Notes what was acknowledged and takes it from what is to be sent.
fn take(outcome: &Outcome, made: &mut Vec<Vec<u8>>, acknowledged: &mut BTreeMap<u64, (u64, Hash)>) {
    for stored in outcome.stored() {
        assert_eq!(stored.leaf, evidence::hash::leaf(&made.remove(0)), "statement {}", stored.seq);
        acknowledged.insert(stored.seq, (stored.index, stored.leaf));
    }
}

/// A machine that sends long texts, beside the press.
const TALKER: &str = r#"
[[link]]
id = "broker"
protocol = "mqtt"
address = "mqtt://{BROKER}"
version = 5
client_id = "plumbline-disk"

[[machine]]
id = "talker"
name = "话多的机器"
line = "B"
kind = "other"
link = "broker"

[machine.points]
execution = { topic = "talker", type = "string", stale_after = "5s" }

[machine.state]
idle = 'true'
"#;

#[test]
fn pain_21_an_agent_on_a_full_disk_goes_on_and_signs_what_it_could_not_keep() {
    if !may_mount(concat!(
        module_path!(),
        "::pain_21_an_agent_on_a_full_disk_goes_on_and_signs_what_it_could_not_keep"
    )) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let meters = runtime.block_on(Meters::start(Floor::default(), 0)).unwrap();
    let broker = runtime.block_on(Broker::start(0)).unwrap();
    let mut chain = Chain::without_agent(PROGRAMS);
    mount(chain.agent_data(), 24);
    let plant = format!("{PLANT}{TALKER}");
    let plant = plant
        .replace("{METERS}", &meters.address.to_string())
        .replace("{BROKER}", &broker.address.to_string());
    chain.enrol(&chain.configuration(1, &plant));
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let begun = chain.from + 2;
    wait_until("the first windows are logged", || chain.logged_until(PROJECT) >= begun);

    let ballast = fill(chain.agent_data());
    let full_ms = now_ms();
    chain.agent().wait_for_line("they wait in memory");
    let talk = runtime.spawn(talk(broker.address.port()));
    chain.agent().wait_for_line("observations are being lost");
    talk.abort();
    let lost_s = now_s();
    wait_until("some windows are lost", || now_s() >= lost_s + 3);
    assert!(chain.agent().ended().is_none(), "the agent has ended:\n{}", chain.agent().printed());
    std::fs::remove_file(ballast).unwrap();
    chain.agent().wait_for_line("observations can be kept again");
    let again_ms = now_ms();
    wait_until("windows after the loss are logged", || chain.logged_until(PROJECT) >= again_ms / 1000 + 3);
    let to = chain.logged_until(PROJECT);
    chain.stop_agent();
    chain.stop_gateway();

    let bundle = chain.export(PROJECT);
    let log = logged::entries(&bundle);
    let streams = logged::streams(&log);
    let stream = streams.values().next().unwrap();
    logged::must_be_contiguous(stream);
    let tiling = logged::must_tile(stream);
    assert!(!tiling.losses.is_empty(), "no loss was signed: {tiling:#?}");
    for (from, until) in &tiling.losses {
        assert!(full_ms - 1000 <= *from && *until <= again_ms + 2000, "a loss from {from} to {until}");
    }
    let lost: i64 = tiling.losses.iter().map(|(from, until)| until - from).sum();
    assert!(lost >= 2000, "only {lost} ms are signed as lost");
    let (code, json) = chain.verify(&bundle, &chain.trust(PROJECT, Some((chain.from, to))));
    assert_eq!(
        (code, json["authentic"]["verdict"].as_str(), json["complete"]["verdict"].as_str()),
        (Some(1), Some("yes"), Some("no")),
        "a signed loss is honest and still a hole: {:#}",
        json["defects"]
    );
    drop((meters, broker));
}

#[test]
fn an_agent_with_an_old_spool_starts_on_a_full_disk_and_goes_on_behind_the_gateways_head() {
    if !may_mount(concat!(
        module_path!(),
        "::an_agent_with_an_old_spool_starts_on_a_full_disk_and_goes_on_behind_the_gateways_head"
    )) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let meters = runtime.block_on(Meters::start(Floor::default(), 0)).unwrap();
    let mut chain = Chain::without_agent(PROGRAMS);
    mount(chain.agent_data(), 8);
    chain.enrol(&chain.configuration(1, &PLANT.replace("{METERS}", &meters.address.to_string())));
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let begun = chain.from + 2;
    wait_until("the first windows are logged", || chain.logged_until(PROJECT) >= begun);
    chain.stop_agent();
    let spool = chain.agent_data().join("spool.db");
    let old = std::fs::read(&spool).unwrap();
    chain.start_agent(&[]);
    let later = now_s() + 4;
    wait_until("windows are logged that the old spool does not know", || {
        chain.logged_until(PROJECT) >= later
    });
    chain.stop_agent();

    std::fs::write(&spool, old).unwrap();
    let ballast = fill(chain.agent_data());
    chain.start_agent(&[]);
    chain.agent().wait_for_line("nothing is signed until the disk takes what is known of the stream");
    let full_s = now_s();
    wait_until("the agent lives on the full disk", || now_s() >= full_s + 3);
    assert!(chain.agent().ended().is_none(), "the agent has ended:\n{}", chain.agent().printed());
    std::fs::remove_file(ballast).unwrap();
    let again_s = now_s();
    wait_until("new windows are logged", || chain.logged_until(PROJECT) >= again_s + 3);
    chain.stop_agent();
    chain.stop_gateway();

    let log = logged::entries(&chain.export(PROJECT));
    let streams = logged::streams(&log);
    let stream = streams.values().next().unwrap();
    logged::must_be_contiguous(stream);
    let tiling = logged::must_tile(stream);
    assert!(tiling.losses.iter().all(|(from, _)| *from >= later * 1000), "logged and lost: {tiling:#?}");
    drop(meters);
}

/// Sends long texts, unacknowledged, so that the sender never waits for the agent.
async fn talk(port: u16) {
    let mut options = MqttOptions::new("talker", ("127.0.0.1", port));
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::builder(options).capacity(4).build();
    tokio::spawn(async move { while events.poll().await.is_ok() {} });
    for n in 0_u64.. {
        let text = format!("{n} {}", "x".repeat(300_000));
        if client.publish("talker", text, PublishOptions::new(QoS::AtMostOnce)).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

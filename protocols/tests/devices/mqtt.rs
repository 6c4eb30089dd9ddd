//! MQTT 3.1.1 and 5 against mosquitto and paho.

use std::sync::atomic::{AtomicU32, Ordering};

use observation::PointId;
use protocols::{Link, LinkError, Receipt, Source};
use serde_json::{Value, json};
use tokio::process::Command;

use super::broker::{Manner, Mosquitto, Publisher, Stub};
use super::peer::{Wall, connect, next, observed, program, text, to_the_end, within};

pub(crate) const OPEN: &str = "allow_anonymous true";

/// A link with these further settings; point 0 is the first topic, a plain number, and so on.
pub(crate) fn link_with(address: &str, version: u8, settings: &Value, topics: &[&str]) -> Box<dyn Link> {
    let point = |topic: &&str| json!({"topic": topic, "stale_after": "10s"});
    configured(address, version, settings, &topics.iter().map(point).collect::<Vec<_>>()).unwrap()
}

pub(crate) fn configured(
    address: &str,
    version: u8,
    settings: &Value,
    points: &[Value],
) -> Result<Box<dyn Link>, String> {
    let mut table = json!({
        "address": address, "version": version, "client_id": format!("plumbline-{version}"), "keep_alive": "1s", "timeout": "5s",
    });
    for (key, value) in settings.as_object().unwrap() {
        table[key] = value.clone();
    }
    let points = (0..).zip(points).map(|(id, table)| (PointId(id), table.clone())).collect();
    protocols::link("mqtt", table, points).map_err(|e| format!("{e:?}"))
}

pub(crate) fn link(port: u16, version: u8, topics: &[&str]) -> Box<dyn Link> {
    link_with(&format!("mqtt://127.0.0.1:{port}"), version, &json!({}), topics)
}

/// The next message's observations as texts, and its receipt.
pub(crate) async fn message(source: &mut dyn Source) -> (Vec<String>, Option<Receipt>) {
    let batch = next(source).await.unwrap();
    (batch.observations.iter().map(text).collect(), batch.receipt)
}

/// Marks the last message of each warming up.
static LAST: AtomicU32 = AtomicU32::new(1_000_000);

/// A session that is known to be subscribed, because a message has come through.
pub(crate) async fn subscribed(link: &dyn Link, publisher: &mut Publisher, topic: &str) -> Box<dyn Source> {
    let mut source = connect(link).await;
    // The subscription may not have reached the broker when the first of these is sent.
    let soon = std::time::Duration::from_millis(200);
    publisher.send(topic, "1").await;
    while tokio::time::timeout(soon, source.next()).await.is_err() {
        publisher.send(topic, "1").await;
    }
    caught_up(source.as_mut(), publisher, topic).await;
    source
}

/// Reads and acknowledges until a message counts as fresh: an earlier session may have left others behind.
pub(crate) async fn caught_up(source: &mut dyn Source, publisher: &mut Publisher, topic: &str) {
    loop {
        // Each of these has a number of its own.
        let mark = LAST.fetch_add(1, Ordering::SeqCst).to_string();
        publisher.send(topic, &mark).await;
        let said = loop {
            let batch = next(source).await.unwrap();
            if let Some(receipt) = batch.receipt {
                source.acknowledge(receipt).await.unwrap();
            }
            let mut said = batch.observations.iter().map(text);
            if let Some(said) = said.find(|said| said.contains(&mark)) {
                break said;
            }
        };
        if said.starts_with("good") {
            return;
        }
    }
}

#[tokio::test]
async fn pain_07_numbers_come_through_with_every_digit_in_both_versions() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let points = [
            json!({"topic": "cell/count", "path": "$.total", "stale_after": "10s"}),
            json!({"topic": "cell/count", "path": "$.line[1]['last part']", "type": "string", "stale_after": "10s"}),
            json!({"topic": "cell/count", "path": "$.running", "type": "bool", "stale_after": "10s"}),
            json!({"topic": "meter/energy", "scale": "0.001", "stale_after": "10s"}),
            json!({"topic": "warm/up", "stale_after": "10s"}),
        ];
        let address = format!("mqtt://127.0.0.1:{}", broker.port);
        let link = configured(&address, version, &json!({}), &points).unwrap();
        let mut source = subscribed(link.as_ref(), &mut publisher, "warm/up").await;
        let payload =
            r#"{"total": 9007199254740993.25, "line": [0, {"last part": "轴-7"}], "running": true}"#;
        publisher.send("cell/count", payload).await;
        publisher.send("meter/energy", "18446744073709551615").await;
        let (seen, receipt) = message(source.as_mut()).await;
        assert_eq!(seen, ["good 9007199254740993.25", "good \"轴-7\"", "good true"]);
        assert!(receipt.is_some());
        assert_eq!(message(source.as_mut()).await.0, ["good 18446744073709551.615"]);
    }
}

#[tokio::test]
async fn a_garbage_payload_is_a_bad_observation_and_not_the_end() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let link = link(broker.port, version, &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        publisher.send("a", "{\"total\": ").await;
        publisher.send("a", "12.5").await;
        assert_eq!(message(source.as_mut()).await.0, ["bad Decode"]);
        assert_eq!(message(source.as_mut()).await.0, ["good 12.5"]);
    }
}

#[tokio::test]
async fn a_retained_message_is_no_fresh_value() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    publisher.send_with("a", "7", &json!({"retain": true})).await;
    for version in [4, 5] {
        let link = link(broker.port, version, &["a"]);
        let mut source = connect(link.as_ref()).await;
        assert_eq!(message(source.as_mut()).await.0, ["bad Retained"]);
        publisher.send("a", "8").await;
        assert_eq!(message(source.as_mut()).await.0, ["good 8"]);
    }
}

#[tokio::test]
async fn trap_what_was_not_acknowledged_comes_again_and_what_was_does_not() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let link = link(broker.port, version, &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        publisher.send("a", "10").await;
        publisher.send("a", "11").await;
        let (seen, receipt) = message(source.as_mut()).await;
        assert_eq!(seen, ["good 10"]);
        assert_eq!(message(source.as_mut()).await.0, ["good 11"]);
        source.acknowledge(receipt.unwrap()).await.unwrap();
        // The acknowledgement has been sent once a later message has made the round.
        publisher.send("a", "12").await;
        assert_eq!(message(source.as_mut()).await.0, ["good 12"]);
        drop(source);

        publisher.send("a", "13").await;
        let mut source = connect(link.as_ref()).await;
        let mut last = None;
        for want in ["11", "12", "13"] {
            let (seen, receipt) = message(source.as_mut()).await;
            assert_eq!(seen, [format!("uncertain Retained {want}")], "version {version}");
            last = receipt;
        }
        source.acknowledge(last.unwrap()).await.unwrap();
        caught_up(source.as_mut(), &mut publisher, "a").await;
        publisher.send("a", "14").await;
        let (seen, receipt) = message(source.as_mut()).await;
        assert_eq!(seen, ["good 14"], "what comes now is fresh");
        source.acknowledge(receipt.unwrap()).await.unwrap();
        publisher.send("a", "15").await;
        assert_eq!(message(source.as_mut()).await.0, ["good 15"]);
        drop(source);
    }
}

/// As the agent does: what is not pressing waits for the journal, which is never due here.
async fn two_hundred_come_through(source: &mut dyn Source) {
    let mut seen = 0;
    while seen < 200 {
        let batch = next(source).await.unwrap();
        for observation in &batch.observations {
            assert_eq!(text(observation), format!("good {seen}"));
            seen += 1;
        }
        if let Some(receipt) = batch.receipt.filter(|receipt| receipt.is_at_once()) {
            source.acknowledge(receipt).await.unwrap();
        }
    }
}

#[tokio::test]
async fn trap_a_broker_that_stops_at_20_unacknowledged_goes_on_when_the_receipts_it_waits_for_are_redeemed() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let link = link(broker.port, version, &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        publisher.send_with("a", "", &json!({"times": 200})).await;
        two_hundred_come_through(source.as_mut()).await;
    }
}

#[tokio::test]
async fn trap_a_broker_that_allows_less_than_the_configuration_says_goes_on_all_the_same() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let address = format!("mqtt://127.0.0.1:{}", broker.port);
        let link = link_with(&address, version, &json!({"in_flight": 2000}), &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        publisher.send_with("a", "", &json!({"times": 200})).await;
        two_hundred_come_through(source.as_mut()).await;
    }
}

#[tokio::test]
async fn trap_a_message_beyond_10_kib_comes_through() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let link = link(broker.port, version, &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        publisher.send_with("a", "5", &json!({"size": 900_000})).await;
        assert_eq!(message(source.as_mut()).await.0, ["good 5"]);
    }
}

#[tokio::test]
async fn trap_a_hundred_topics_are_subscribed_without_filling_the_queue_of_requests() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    let topics: Vec<String> = (0..100).map(|n| format!("t/{n:02}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    for version in [4, 5] {
        let link = link(broker.port, version, &topics);
        let mut source = subscribed(link.as_ref(), &mut publisher, "t/99").await;
        for topic in &topics {
            publisher.send(topic, "3").await;
            let (seen, receipt) = message(source.as_mut()).await;
            assert_eq!(seen, ["good 3"]);
            source.acknowledge(receipt.unwrap()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn pain_13_data_flows_again_after_a_broker_restart_that_forgot_us() {
    let mut broker = Mosquitto::start(OPEN).await;
    for version in [4, 5] {
        let mut publisher = Publisher::to(broker.port).await;
        let link = link(broker.port, version, &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        broker = broker.restart().await;
        let (seen, error) = to_the_end(source.as_mut()).await;
        assert_eq!(text(seen.last().unwrap()), "bad Disconnected", "{error}");
        let mut publisher = Publisher::to(broker.port).await;
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        publisher.send("a", "77").await;
        assert_eq!(text(&observed(source.as_mut(), 0).await), "good 77");
    }
}

#[tokio::test]
async fn trap_a_broker_that_restarts_with_its_memory_delivers_what_it_kept() {
    let kept = "allow_anonymous true\npersistence true\npersistence_location ./\nautosave_interval 1";
    let mut broker = Mosquitto::start(kept).await;
    for version in [4, 5] {
        let mut publisher = Publisher::to(broker.port).await;
        let link = link(broker.port, version, &["a"]);
        drop(subscribed(link.as_ref(), &mut publisher, "a").await);
        publisher.send_with("a", "", &json!({"times": 60})).await;
        drop(publisher);
        broker = broker.restart().await;
        let mut source = connect(link.as_ref()).await;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != "59") {
            let (texts, receipt) = message(source.as_mut()).await;
            seen.extend(texts.iter().map(|t| t.split(' ').next_back().unwrap().to_owned()));
            source.acknowledge(receipt.unwrap()).await.unwrap();
        }
        // Of the two that `subscribed` acknowledged last, the broker may not have heard.
        let all: Vec<String> = (0..60).map(|n| n.to_string()).collect();
        assert!(seen.ends_with(&all), "{seen:?}");
    }
}

#[tokio::test]
async fn a_subscription_left_over_from_an_earlier_configuration_is_ended() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        drop(subscribed(link(broker.port, version, &["a", "old"]).as_ref(), &mut publisher, "a").await);
        let link = link(broker.port, version, &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        publisher.send("old", "1").await;
        let (seen, receipt) = message(source.as_mut()).await;
        assert!(seen.is_empty() && receipt.is_some(), "acknowledged, but of no point");
        source.acknowledge(receipt.unwrap()).await.unwrap();
        // Messages of one session keep their order, so what follows `old` here would stand before `a`.
        publisher.send("a", "1").await;
        assert_eq!(message(source.as_mut()).await.0, ["good 1"]);
        publisher.send("old", "2").await;
        publisher.send("a", "2").await;
        assert_eq!(message(source.as_mut()).await.0, ["good 2"]);
    }
}

#[tokio::test]
async fn pain_13_a_broker_that_hangs_is_noticed_by_its_silence() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let link = link(broker.port, version, &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        broker.signal("STOP").await;
        let (seen, error) = to_the_end(source.as_mut()).await;
        broker.signal("CONT").await;
        assert_eq!(text(seen.last().unwrap()), "bad Disconnected");
        assert!(matches!(error, LinkError::Broken { .. }), "{error}");
    }
}

fn granted_to_all_but_b(topic: &str) -> u8 {
    if topic == "b" { 0x80 } else { 1 }
}

#[tokio::test]
async fn pain_13_a_refused_subscription_is_a_bad_observation_of_its_points_only() {
    let stub = Stub::start(Manner { accepts: true, subscription: Some(granted_to_all_but_b) }).await;
    let link = link(stub.port, 4, &["a", "b", "c"]);
    let mut source = connect(link.as_ref()).await;
    let batch = next(source.as_mut()).await.unwrap();
    let seen: Vec<(u32, String)> = batch.observations.iter().map(|o| (o.point.0, text(o))).collect();
    assert_eq!(seen, [(1, "bad Refused(128)".to_owned())]);
}

#[tokio::test]
async fn pain_13_a_session_whose_every_subscription_is_refused_ends_naming_the_topics() {
    let stub = Stub::start(Manner { accepts: true, subscription: Some(|_| 0x80) }).await;
    let link = link(stub.port, 4, &["a", "b"]);
    let mut source = connect(link.as_ref()).await;
    let (_, error) = to_the_end(source.as_mut()).await;
    assert!(matches!(error, LinkError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("a (0x80), b (0x80)"), "{error}");
}

#[tokio::test]
async fn pain_13_a_subscription_without_an_answer_ends_the_session() {
    let stub = Stub::start(Manner { accepts: true, subscription: None }).await;
    let address = format!("mqtt://127.0.0.1:{}", stub.port);
    let link = link_with(&address, 4, &json!({"timeout": "300ms"}), &["a"]);
    let mut source = connect(link.as_ref()).await;
    let (seen, error) = to_the_end(source.as_mut()).await;
    assert_eq!(text(&seen[0]), "bad Timeout");
    assert!(error.to_string().contains("subscription to a within 300 ms"), "{error}");
}

#[tokio::test]
async fn a_broker_that_does_not_accept_is_given_up_after_the_timeout() {
    let stub = Stub::start(Manner { accepts: false, subscription: None }).await;
    for version in [4, 5] {
        let address = format!("mqtt://127.0.0.1:{}", stub.port);
        let link = link_with(&address, version, &json!({"timeout": "300ms"}), &["a"]);
        let error = within(link.connect(Wall::clock())).await.err().unwrap();
        assert!(matches!(error, LinkError::Timeout { waited_ms: 300, .. }), "{error}");
    }
}

#[tokio::test]
async fn trap_a_session_that_failed_does_not_connect_again_by_itself() {
    let stub = Stub::start(Manner { accepts: true, subscription: None }).await;
    let address = format!("mqtt://127.0.0.1:{}", stub.port);
    let link = link_with(&address, 4, &json!({"timeout": "300ms"}), &["a"]);
    let mut source = connect(link.as_ref()).await;
    to_the_end(source.as_mut()).await;
    // The pause before the next attempt belongs to the owner; the crate alone would be back at once.
    assert!(next(source.as_mut()).await.is_err());
    assert_eq!(stub.connections(), 1);
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for version in [4, 5] {
        let error = within(link(port, version, &["a"]).connect(Wall::clock())).await.err().unwrap();
        assert!(matches!(error, LinkError::Connect { .. }), "{error}");
        assert!(error.to_string().contains(&format!("mqtt://127.0.0.1:{port}")), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_what_to_check() {
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("passwords");
    let status = Command::new(program("mosquitto_passwd", "mosquitto"))
        .args(["-c", "-b"])
        .arg(&passwords)
        .args(["plumbline", "right"])
        .status()
        .await
        .unwrap();
    assert!(status.success());
    let secret = folder.path().join("secret");
    let broker = Mosquitto::start_in(folder, "allow_anonymous false\npassword_file passwords").await;
    let address = format!("mqtt://127.0.0.1:{}", broker.port);
    let mut publisher =
        Publisher::connect(&json!({"port": broker.port, "user": "plumbline", "password": "right"})).await;
    for version in [4, 5] {
        let settings = json!({"user": "plumbline", "password_file": secret.to_str().unwrap()});
        std::fs::write(&secret, "wrong\n").unwrap();
        let link = link_with(&address, version, &settings, &["a"]);
        let error = within(link.connect(Wall::clock())).await.err().unwrap();
        assert!(matches!(error, LinkError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("password_file"), "{error}");

        std::fs::write(&secret, "right\n").unwrap();
        let link = link_with(&address, version, &settings, &["a"]);
        let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
        publisher.send("a", "4").await;
        assert_eq!(text(&observed(source.as_mut(), 0).await), "good 4");
    }
}

/// No time in the payload, and more than a broker sends before the first acknowledgement.
#[tokio::test]
async fn pain_01_a_long_backlog_without_times_is_never_taken_for_the_present() {
    let broker = Mosquitto::start(&format!("{OPEN}\nmax_queued_messages 0")).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let link = link(broker.port, version, &["a"]);
        drop(subscribed(link.as_ref(), &mut publisher, "a").await);
        publisher.send_with("a", "", &json!({"times": 200})).await;
        let mut source = connect(link.as_ref()).await;
        let mut seen = vec![];
        // What was acknowledged last may not have been sent any more, and comes again.
        while seen.last().is_none_or(|last| last != "uncertain Retained 199") {
            let (observed, receipt) = message(source.as_mut()).await;
            let old = observed.iter().all(|said| said.starts_with("uncertain Retained "));
            assert!(old, "version {version}: {observed:?} after {}", seen.len());
            seen.extend(observed);
            // As the journal does: not after each message.
            if seen.len().is_multiple_of(7) || seen.last().unwrap().ends_with(" 199") {
                source.acknowledge(receipt.unwrap()).await.unwrap();
            }
        }
        assert!(seen.len() >= 200, "{} messages", seen.len());
        caught_up(source.as_mut(), &mut publisher, "a").await;
        publisher.send("a", "7").await;
        assert_eq!(message(source.as_mut()).await.0, ["good 7"]);
    }
}

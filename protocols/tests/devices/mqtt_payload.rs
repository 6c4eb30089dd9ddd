//! What messages hold, how large they are, how old they say they are, and which of them no point wants:
//! against mosquitto and paho.

use observation::{PointId, Utc};
use protocols::{Link, PutAside};
use serde_json::{Value, json};

use super::broker::{Mosquitto, Publisher};
use super::mqtt::{OPEN, caught_up, configured, message, subscribed};
use super::peer::{connect, next, observed, text};

fn address(broker: &Mosquitto) -> String {
    format!("mqtt://127.0.0.1:{}", broker.port)
}

/// A link whose last point is `warm/up`.
fn link(broker: &Mosquitto, version: u8, settings: &Value, points: &[Value]) -> Box<dyn Link> {
    let warm = json!({"topic": "warm/up", "stale_after": "10s"});
    let points: Vec<Value> = points.iter().cloned().chain([warm]).collect();
    configured(&address(broker), version, settings, &points).unwrap()
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tokio::test]
async fn one_subscription_feeds_many_machines_and_what_nobody_wants_is_counted() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let points: Vec<Value> =
            (0..30).map(|n| json!({"topic": format!("plant/r{n:02}/power"), "stale_after": "10s"})).collect();
        let link = link(&broker, version, &json!({"subscribe": ["plant/+/power"]}), &points);
        let mut source = subscribed(link.as_ref(), &mut publisher, "warm/up").await;
        let before = link.put_aside();
        publisher.send("plant/r07/power", "7.5").await;
        publisher.send("plant/unknown/power", "1").await;
        publisher.send("plant/r29/power", "29.5").await;
        assert_eq!(text(&observed(source.as_mut(), 7).await), "good 7.5");
        assert_eq!(text(&observed(source.as_mut(), 29).await), "good 29.5");
        let after = link.put_aside();
        assert_eq!(after, PutAside { unwanted: before.unwanted + 1, ..before });
    }
}

#[tokio::test]
async fn a_topic_with_a_subscription_of_its_own_moves_under_a_filter_and_comes_once() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let points = [json!({"topic": "plant/r01/power", "stale_after": "10s"})];
        let single = link(&broker, version, &json!({}), &points);
        drop(subscribed(single.as_ref(), &mut publisher, "warm/up").await);
        let filtered = link(&broker, version, &json!({"subscribe": ["plant/+/power"]}), &points);
        let mut source = subscribed(filtered.as_ref(), &mut publisher, "warm/up").await;
        for n in 1..=3 {
            publisher.send("plant/r01/power", &n.to_string()).await;
            assert_eq!(message(source.as_mut()).await.0, [format!("good {n}")]);
        }
    }
}

#[tokio::test]
async fn plain_numbers_and_lines_of_fields_come_through_with_every_digit() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let points = [
            json!({"topic": "a", "format": "plain", "stale_after": "10s"}),
            json!({"topic": "b", "format": "csv", "column": 3, "separator": ";", "header": true, "stale_after": "10s"}),
            json!({"topic": "c", "format": "csv", "column": 2, "lines": "each", "stale_after": "10s"}),
        ];
        let link = link(&broker, version, &json!({}), &points);
        let mut source = subscribed(link.as_ref(), &mut publisher, "warm/up").await;
        publisher.send("a", "18446744073709551615").await;
        assert_eq!(message(source.as_mut()).await.0, ["good 18446744073709551615"]);
        publisher.send("b", "t;name;total\r\n1;\"r;1\";9007199254740993.25\r\n").await;
        assert_eq!(message(source.as_mut()).await.0, ["good 9007199254740993.25"]);
        publisher.send("c", "x,1\nx,two\nx,3\n").await;
        let want = ["uncertain Retained 1", "bad Decode", "good 3"];
        assert_eq!(message(source.as_mut()).await.0, want, "only the last line is surely new");
    }
}

#[tokio::test]
async fn pain_02_a_long_backlog_is_old_and_what_follows_is_as_old_as_its_payload_says() {
    let broker = Mosquitto::start(&format!("{OPEN}\nmax_queued_messages 0")).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let points =
            [json!({"topic": "a", "path": "$.v", "time": "$.ts", "time_unit": "ms", "stale_after": "60s"})];
        let link = link(&broker, version, &json!({}), &points);
        drop(subscribed(link.as_ref(), &mut publisher, "warm/up").await);
        // More than the 20 that the broker sends before the first acknowledgement: most of it comes after the
        // subscription has been answered.
        let night = now_ms() - 3_600_000;
        publisher.send_with("a", &format!("{{\"v\": 1, \"ts\": {night}}}"), &json!({"repeat": 60})).await;
        let mut source = connect(link.as_ref()).await;
        let mut seen = 0;
        while seen < 60 {
            let batch = next(source.as_mut()).await.unwrap();
            for o in batch.observations.iter().filter(|o| o.point == PointId(0)) {
                assert_eq!(text(o), "uncertain Retained 1");
                assert_eq!(o.source_time, Some(Utc(night)));
                seen += 1;
            }
            source.acknowledge(batch.receipt.unwrap()).await.unwrap();
        }
        caught_up(source.as_mut(), &mut publisher, "warm/up").await;

        let recent = now_ms() - 5_000;
        publisher.send("a", &format!("{{\"v\": 2, \"ts\": {recent}}}")).await;
        let fresh = observed(source.as_mut(), 0).await;
        // The clock of this test begins with it, and a message from before it cannot be dated by it.
        assert!(["good 2", "uncertain Stale 2"].contains(&text(&fresh).as_str()), "{fresh:?}");
        let to_come = now_ms() + 3_600_000;
        publisher.send("a", &format!("{{\"v\": 3, \"ts\": {to_come}}}")).await;
        assert_eq!(text(&observed(source.as_mut(), 0).await), "uncertain Range 3");
        publisher.send("a", "{\"v\": 4}").await;
        assert_eq!(text(&observed(source.as_mut(), 0).await), "bad Decode");
        let receipt = message_receipt(source.as_mut(), &mut publisher).await;
        source.acknowledge(receipt).await.unwrap();
    }
}

/// The receipt of one more message, which acknowledges everything before it.
async fn message_receipt(
    source: &mut dyn protocols::Source,
    publisher: &mut Publisher,
) -> protocols::Receipt {
    publisher.send("warm/up", "1").await;
    message(source).await.1.unwrap()
}

#[tokio::test]
async fn trap_a_message_of_a_mebibyte_comes_through_and_a_larger_one_spoils_no_other() {
    let broker = Mosquitto::start(OPEN).await;
    let mut publisher = Publisher::to(broker.port).await;
    for version in [4, 5] {
        let points =
            [json!({"topic": "a", "stale_after": "10s"}), json!({"topic": "b", "stale_after": "10s"})];
        let link = link(&broker, version, &json!({}), &points);
        let mut source = subscribed(link.as_ref(), &mut publisher, "warm/up").await;
        // Topic with its length, packet identifier, in version 5 the length of no properties.
        let head = 3 + 2 + usize::from(version == 5);
        let room = (1 << 20) - head - 1;
        publisher.send_with("a", "5", &json!({"size": room})).await;
        assert_eq!(message(source.as_mut()).await.0, ["good 5"]);

        publisher.send("b", "1").await;
        publisher.send_with("a", "6", &json!({"size": room + 1})).await;
        publisher.send_with("a", "6", &json!({"size": 5_000_000})).await;
        publisher.send("b", "2").await;
        publisher.send("a", "7").await;
        let mut seen = Vec::new();
        let mut last = None;
        while seen.len() < 5 {
            let batch = next(source.as_mut()).await.unwrap();
            seen.extend(batch.observations.iter().map(|o| (o.point.0, text(o))));
            last = batch.receipt;
        }
        let seen: Vec<(u32, &str)> = seen.iter().map(|(point, text)| (*point, text.as_str())).collect();
        assert_eq!(seen, [(1, "good 1"), (0, "bad Range"), (0, "bad Range"), (1, "good 2"), (0, "good 7")]);
        assert_eq!(link.put_aside(), PutAside { unwanted: 0, too_large: 2 });

        // Acknowledged like any other, so the broker does not send it for ever.
        source.acknowledge(last.unwrap()).await.unwrap();
        let receipt = message_receipt(source.as_mut(), &mut publisher).await;
        source.acknowledge(receipt).await.unwrap();
        publisher.send("b", "3").await;
        assert_eq!(text(&observed(source.as_mut(), 1).await), "good 3");
        drop(source);
        publisher.send("b", "4").await;
        let mut source = connect(link.as_ref()).await;
        let mut again = Vec::new();
        while again.last().is_none_or(|last: &String| !last.ends_with(" 4")) {
            again.extend(message(source.as_mut()).await.0);
        }
        assert!(again.iter().all(|text| text.starts_with("uncertain Retained")), "{again:?}");
        let receipt = message_receipt(source.as_mut(), &mut publisher).await;
        source.acknowledge(receipt).await.unwrap();
    }
}

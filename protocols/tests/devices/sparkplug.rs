//! Sparkplug B against mosquitto and edge nodes whose payloads Eclipse Tahu encodes.

use observation::{PointId, Utc};
use protocols::{Link, LinkError, Source};
use serde_json::{Value, json};

use super::broker::{Manner, Mosquitto, Stub};
use super::edge::Edge;
use super::peer::{Hand, connect, next, text, to_the_end, within};

const OPEN: &str = "allow_anonymous true";

fn int(name: &str, alias: u64, value: i64) -> Value {
    json!({"name": name, "alias": alias, "type": "Int32", "value": value})
}

/// A link to the node Line1: point 0 tells births apart, 1 and so on are these.
fn link(port: u16, version: u8, settings: &Value, points: &[Value]) -> Box<dyn Link> {
    let mut table = json!({
        "address": format!("mqtt://127.0.0.1:{port}"), "version": version, "client_id": "plumbline",
        "group": "Plant", "keep_alive": "20s", "timeout": "20s",
    });
    table.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let birth = json!({"metric": "birth"});
    let points = (0..).zip(std::iter::once(&birth).chain(points)).map(|(id, point)| {
        let mut point = point.clone();
        point["node"] = json!("Line1");
        (PointId(id), point)
    });
    protocols::link("sparkplug", table, points.collect()).map_err(|e| format!("{e:?}")).unwrap()
}

/// Points `a` of the node and `c` of its device.
fn two_points(port: u16, settings: &Value) -> Box<dyn Link> {
    link(port, 5, settings, &[json!({"metric": "a"}), json!({"device": "Press3", "metric": "c"})])
}

/// The next observations, in the order of their points.
async fn observed(source: &mut dyn Source) -> Vec<String> {
    loop {
        let mut batch = next(source).await.unwrap();
        if let Some(receipt) = batch.receipt {
            source.acknowledge(receipt).await.unwrap();
        }
        if !batch.observations.is_empty() {
            batch.observations.sort_by_key(|o| o.point);
            return batch.observations.iter().map(|o| format!("{}: {}", o.point.0, text(o))).collect();
        }
    }
}

/// Gives birth until the last of the births has come through: the subscription may not have reached the broker when the
/// first was sent. Yields what the last said.
async fn born(source: &mut dyn Source, edge: &mut Edge, metrics: &[Value]) -> Vec<String> {
    let soon = std::time::Duration::from_millis(200);
    edge.birth(metrics).await;
    while !matches!(tokio::time::timeout(soon, observed(source)).await, Ok(seen) if seen[0].starts_with("0: good"))
    {
        edge.birth(metrics).await;
    }
    edge.birth(metrics).await;
    let mark = format!("0: good {}", edge.births);
    loop {
        let seen = observed(source).await;
        if seen[0] == mark {
            return seen;
        }
    }
}

/// What comes of data when no birth was heard: with its name and all, still nobody has said what it is.
async fn unborn(source: &mut dyn Source, edge: &mut Edge) -> Vec<String> {
    assert_eq!(observed(source).await, ["0: bad Stale", "1: bad Stale", "2: bad Stale"]);
    let soon = std::time::Duration::from_millis(200);
    loop {
        edge.data(json!({"name": "a", "type": "Int32", "value": 5})).await;
        if let Ok(seen) = tokio::time::timeout(soon, observed(source)).await {
            return seen;
        }
    }
}

#[tokio::test]
async fn pain_08_every_data_type_comes_through_with_its_sign_and_every_digit() {
    let broker = Mosquitto::start(OPEN).await;
    let kinds = [
        ("Int8", json!(-128), "good -128"),
        ("Int16", json!(-32_768), "good -32768"),
        ("Int32", json!(-12), "good -12"),
        ("Int64", json!(i64::MIN), "good -9223372036854775808"),
        ("UInt8", json!(255), "good 255"),
        ("UInt16", json!(65_535), "good 65535"),
        ("UInt32", json!(4_294_967_284u32), "good 4294967284"),
        ("UInt64", json!(u64::MAX), "good 18446744073709551615"),
        ("Float", json!(230.1), "good 230.1"),
        ("Double", json!(-0.1), "good -0.1"),
        ("Boolean", json!(true), "good true"),
        ("String", json!("轴-7"), "good \"轴-7\""),
        ("Text", json!(""), "good \"\""),
        ("DateTime", json!(1_709_251_199_000u64), "good 1709251199000"),
        ("Bytes", json!(null), "bad Decode"),
    ];
    let metric = |(alias, (kind, value, _)): (u64, &(&str, Value, &str))| json!({"name": format!("Folder/{kind}"), "alias": alias, "type": kind, "value": value, "null": *kind == "Bytes"});
    let metrics: Vec<Value> = (1..).zip(&kinds).map(metric).collect();
    let points: Vec<Value> =
        kinds.iter().map(|(kind, ..)| json!({"metric": format!("Folder/{kind}")})).collect();
    let want: Vec<String> = (1..).zip(&kinds).map(|(n, (.., want))| format!("{n}: {want}")).collect();
    for version in [4, 5] {
        let mut edge = Edge::start(broker.port, "Line1", 0).await;
        let mut source = connect(link(broker.port, version, &json!({}), &points).as_ref()).await;
        assert_eq!(born(source.as_mut(), &mut edge, &metrics).await[1..], want);
        // And by their aliases alone, without a type.
        edge.tell(json!({"send": "NDATA", "metrics": metrics})).await;
        assert_eq!(observed(source.as_mut()).await, want);
    }
}

#[tokio::test]
async fn pain_08_after_a_gap_everything_is_bad_until_the_next_birth() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    let mut source = connect(two_points(broker.port, &json!({})).as_ref()).await;
    let birth = [int("a", 1, -12)];
    assert_eq!(born(source.as_mut(), &mut edge, &birth).await[1..], ["1: good -12", "2: bad Stale"]);
    edge.device("DBIRTH", &[int("c", 2, 30)]).await;
    assert_eq!(observed(source.as_mut()).await, ["2: good 30"]);

    edge.tell(json!({"skip": 1})).await;
    edge.data(int("a", 1, 5)).await;
    assert_eq!(observed(source.as_mut()).await, ["0: bad Stale", "1: bad Stale", "2: bad Stale"]);
    // Neither later data nor a birth of the device alone mends it: the next to be heard of is the node's birth.
    edge.data(int("a", 1, 6)).await;
    edge.device("DBIRTH", &[int("c", 2, 31)]).await;
    edge.birth(&birth).await;
    let mark = format!("0: good {}", edge.births);
    assert_eq!(observed(source.as_mut()).await, [mark.as_str(), "1: good -12", "2: bad Stale"]);
    edge.data(int("a", 1, 7)).await;
    assert_eq!(observed(source.as_mut()).await, ["1: good 7"]);
}

#[tokio::test]
async fn pain_08_the_sequence_goes_round_without_a_loss() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    let mut source = connect(two_points(broker.port, &json!({})).as_ref()).await;
    born(source.as_mut(), &mut edge, &[int("a", 1, 0)]).await;
    for n in 0..300 {
        edge.data(int("a", 1, n)).await;
    }
    for n in 0..300 {
        assert_eq!(observed(source.as_mut()).await, [format!("1: good {n}")]);
    }
}

#[tokio::test]
async fn pain_08_a_killed_node_is_bad_by_its_will_and_good_after_its_next_birth() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    let mut source = connect(two_points(broker.port, &json!({})).as_ref()).await;
    born(source.as_mut(), &mut edge, &[int("a", 1, 1)]).await;
    edge.kill().await;
    assert_eq!(observed(source.as_mut()).await, ["0: bad Stale", "1: bad Stale", "2: bad Stale"]);

    let mut second = Edge::start(broker.port, "Line1", 1).await;
    second.birth(&[int("a", 1, 2)]).await;
    assert_eq!(observed(source.as_mut()).await[1..], ["1: good 2", "2: bad Stale"]);
    // A third session of the same node is born while the second still stands; the second's late death is not its own.
    let mut third = Edge::start(broker.port, "Line1", 2).await;
    third.birth(&[int("a", 1, 3)]).await;
    assert_eq!(observed(source.as_mut()).await[1], "1: good 3");
    second.kill().await;
    while !third.heard(json!({"await": "NDEATH"})).await.iter().any(|m| m[0] == "spBv1.0/Plant/NDEATH/Line1")
    {
    }
    third.data(int("a", 1, 4)).await;
    assert_eq!(observed(source.as_mut()).await, ["1: good 4"]);
}

#[tokio::test]
async fn pain_08_a_device_dies_and_returns_without_its_node() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    let mut source = connect(two_points(broker.port, &json!({})).as_ref()).await;
    born(source.as_mut(), &mut edge, &[int("a", 1, 1)]).await;
    edge.device("DDATA", &[int("c", 2, 9)]).await;
    assert_eq!(observed(source.as_mut()).await, ["2: bad Decode"], "its birth was not seen");
    edge.device("DBIRTH", &[int("c", 2, 30)]).await;
    assert_eq!(observed(source.as_mut()).await, ["2: good 30"]);
    edge.device("DDEATH", &[]).await;
    assert_eq!(observed(source.as_mut()).await, ["2: bad Stale"]);
    edge.data(int("a", 1, 2)).await;
    assert_eq!(observed(source.as_mut()).await, ["1: good 2"]);
    // It comes back with another alias and another type, and what was meant before means nothing now.
    let float = json!({"name": "c", "alias": 7, "type": "Float", "value": 1.5});
    edge.device("DBIRTH", std::slice::from_ref(&float)).await;
    assert_eq!(observed(source.as_mut()).await, ["2: good 1.5"]);
    edge.device("DDATA", &[float]).await;
    assert_eq!(observed(source.as_mut()).await, ["2: good 1.5"]);
    edge.device("DDATA", &[int("c", 2, 31)]).await;
    assert_eq!(observed(source.as_mut()).await, ["0: bad Decode", "1: bad Decode", "2: bad Decode"]);
}

#[tokio::test]
async fn pain_08_data_of_a_node_that_was_born_before_we_came_is_not_guessed_at() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    edge.birth(&[int("a", 1, 1)]).await;
    let mut source = connect(two_points(broker.port, &json!({})).as_ref()).await;
    let seen = unborn(source.as_mut(), &mut edge).await;
    assert_eq!(seen, ["0: bad Decode", "1: bad Decode", "2: bad Decode"]);
    edge.birth(&[int("a", 1, 6)]).await;
    assert_eq!(observed(source.as_mut()).await[1], "1: good 6");
}

#[tokio::test]
async fn pain_08_the_loss_of_the_broker_ends_every_birth() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    let link = two_points(broker.port, &json!({}));
    let mut source = connect(link.as_ref()).await;
    born(source.as_mut(), &mut edge, &[int("a", 1, 1)]).await;
    drop(edge);
    let broker = broker.restart().await;
    let (seen, error) = to_the_end(source.as_mut()).await;
    let mut last: Vec<String> =
        seen.iter().rev().take(3).map(|o| format!("{}: {}", o.point.0, text(o))).collect();
    last.sort();
    assert_eq!(last, ["0: bad Disconnected", "1: bad Disconnected", "2: bad Disconnected"]);
    assert!(matches!(error, LinkError::Broken { .. }), "{error}");

    let mut source = connect(link.as_ref()).await;
    assert_eq!(observed(source.as_mut()).await, ["0: bad Stale", "1: bad Stale", "2: bad Stale"]);
    let mut edge = Edge::start(broker.port, "Line1", 1).await;
    assert_eq!(born(source.as_mut(), &mut edge, &[int("a", 1, 2)]).await[1], "1: good 2");
}

#[tokio::test]
async fn null_doubted_and_late_values_are_not_good() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    let mut source = connect(two_points(broker.port, &json!({})).as_ref()).await;
    born(source.as_mut(), &mut edge, &[int("a", 1, 1)]).await;
    for (key, value, want) in [
        ("null", json!(true), "1: bad Decode"),
        ("quality", json!(0), "1: bad Status(0)"),
        ("quality", json!(500), "1: bad Stale"),
        ("quality", json!(192), "1: good 5"),
        ("historical", json!(true), "1: uncertain Retained 5"),
    ] {
        let mut metric = int("a", 1, 5);
        metric[key] = value;
        edge.data(metric).await;
        assert_eq!(observed(source.as_mut()).await, [want]);
    }
    let mut old = int("a", 1, 5);
    old["timestamp"] = json!(1_709_251_199_000u64);
    edge.data(old).await;
    let batch = next(source.as_mut()).await.unwrap();
    assert_eq!(batch.observations[0].source_time, Some(Utc(1_709_251_199_000)));
}

#[tokio::test]
async fn a_node_is_asked_for_a_birth_only_where_that_is_configured_and_once_a_minute() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    let birth = [int("a", 1, 1)];
    let request = json!(["spBv1.0/Plant/NCMD/Line1", [["Node Control/Rebirth", 11, true]]]);
    let mut requests = 0;
    for version in [4, 5] {
        let mut source = connect(two_points(broker.port, &json!({"version": version})).as_ref()).await;
        born(source.as_mut(), &mut edge, &birth).await;
        gap_and_birth(source.as_mut(), &mut edge, &birth).await;
        // What this client publishes would have come by the time that this birth has.
        heard(&mut edge, &request, requests).await;
        drop(source);

        let clock = Hand::default();
        clock.set(1_700_000_000_000);
        let link = two_points(broker.port, &json!({"version": version, "rebirth": true}));
        let mut source = within(link.connect(std::sync::Arc::new(clock.clone()))).await.unwrap();
        requests += 1;
        heard(&mut edge, &request, requests).await;
        born(source.as_mut(), &mut edge, &birth).await;
        for (later_ms, more) in [(59_999, 0), (60_000, 1)] {
            clock.set(1_700_000_000_000 + later_ms);
            gap_and_birth(source.as_mut(), &mut edge, &birth).await;
            requests += more;
            heard(&mut edge, &request, requests).await;
        }
    }
}

/// Waits until exactly so many of these have been published.
async fn heard(edge: &mut Edge, request: &Value, times: usize) {
    let want = vec![request.clone(); times];
    within(async {
        loop {
            let heard = edge.heard(json!({"heard": true})).await;
            assert!(heard.len() <= times, "{heard:?}");
            if heard == want {
                return;
            }
        }
    })
    .await;
}

/// Loses a message, and gives birth.
async fn gap_and_birth(source: &mut dyn Source, edge: &mut Edge, birth: &[Value]) {
    edge.tell(json!({"skip": 1})).await;
    edge.data(int("a", 1, 5)).await;
    assert_eq!(observed(source).await.len(), 3);
    edge.birth(birth).await;
    assert_eq!(observed(source).await[1], "1: good 1");
}

#[tokio::test]
async fn silence_is_confirmed_by_the_broker_alone() {
    let broker = Mosquitto::start(OPEN).await;
    let mut source = connect(two_points(broker.port, &json!({"keep_alive": "2s"})).as_ref()).await;
    observed(source.as_mut()).await;
    for _ in 0..2 {
        let batch = next(source.as_mut()).await.unwrap();
        assert!(batch.observations.is_empty() && batch.alive.is_some(), "{batch:?}");
    }
    // A broker that stands still confirms nothing more, and after the second unanswered question it is given up.
    broker.signal("STOP").await;
    let (seen, error) = to_the_end(source.as_mut()).await;
    broker.signal("CONT").await;
    assert_eq!(seen.len(), 3);
    assert!(matches!(error, LinkError::Broken { .. } | LinkError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_node_that_can_be_read_in_part_only_is_not_read_at_all() {
    let refuses = |subscription| Stub::start(Manner { accepts: true, subscription: Some(subscription) });
    let line1_data = refuses(|filter| if filter == "spBv1.0/Plant/NDATA/Line1" { 0x80 } else { 0 }).await;
    let mut source = connect(link(line1_data.port, 4, &json!({}), &[json!({"metric": "a"})]).as_ref()).await;
    assert_eq!(observed(source.as_mut()).await, ["0: bad Stale", "1: bad Stale"]);
    assert_eq!(observed(source.as_mut()).await, ["0: bad Refused(128)", "1: bad Refused(128)"]);
    let (_, error) = to_the_end(source.as_mut()).await;
    assert!(
        matches!(&error, LinkError::Refused { detail, .. } if detail.contains("NDATA/Line1 (0x80)")),
        "{error}"
    );

    // Another node goes on.
    let mut table =
        json!({"address": format!("mqtt://127.0.0.1:{}", line1_data.port), "version": 4, "client_id": "c"});
    table["group"] = json!("Plant");
    let point = |node: &str| json!({"node": node, "metric": "a"});
    let points = vec![(PointId(0), point("Line1")), (PointId(1), point("Line2"))];
    let both = protocols::link("sparkplug", table, points).unwrap();
    let mut source = connect(both.as_ref()).await;
    assert_eq!(observed(source.as_mut()).await, ["0: bad Stale", "1: bad Stale"]);
    assert_eq!(observed(source.as_mut()).await, ["0: bad Refused(128)"]);
}

#[tokio::test]
async fn a_retained_birth_brings_nobody_to_life() {
    let broker = Mosquitto::start(OPEN).await;
    let mut edge = Edge::start(broker.port, "Line1", 0).await;
    edge.retained_birth(&[int("a", 1, 1)]).await;
    let mut source = connect(two_points(broker.port, &json!({})).as_ref()).await;
    assert_eq!(unborn(source.as_mut(), &mut edge).await, ["0: bad Decode", "1: bad Decode", "2: bad Decode"]);
}

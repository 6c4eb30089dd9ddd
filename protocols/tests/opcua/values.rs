//! What a healthy session yields, and what one bad point or one bad notification does to it.

use std::time::Duration;

use observation::{PointId, Quality, Reason, Utc};
use protocols::opcua::OpcUaLink;
use protocols::{Expectation, Link, LinkError};
use serde_json::json;

use crate::peer::{DEADLINE, Peer, URI};
use crate::watch::{Watched, link};

#[tokio::test]
async fn every_type_of_value_arrives_exactly() {
    let peer = Peer::start(&[]).await;
    let expected = [
        ("Status", "1"),
        ("Counter", "0"),
        ("Total", "18446744073709551615"),
        ("Signed", "-9223372036854775808"),
        ("Energy", "0.1"),
        ("Power", "230.1"),
        ("Running", "true"),
        ("Byte", "200"),
        ("SByte", "-100"),
        ("Short", "-30000"),
        ("Word", "60000"),
        ("Program", "五轴加工中心 1 号：粗铣"),
        ("主轴.转速", "8400"),
    ];
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let mut watched = Watched::open(&link(&peer.address(), &json!({}), &names)).await;
    watched.until("a value of every variable", |w| (0..13).all(|point| w.last(point).is_some())).await;
    for (point, (name, want)) in (0..).zip(expected) {
        assert_eq!(watched.value(point).as_deref(), Some(want), "{name}");
        assert_eq!(watched.qualities(point), [Quality::Good], "{name}");
    }
}

#[tokio::test]
async fn a_scale_is_exact_and_an_array_needs_its_index() {
    let peer = Peer::start(&[]).await;
    let table = json!({"address": peer.address(), "security": "none", "publish": "100ms"});
    let node = |name: &str| format!("nsu={URI};s={name}");
    let points = [
        (PointId(0), json!({"node": node("Total"), "scale": "0.001"})),
        (PointId(1), json!({"node": node("Axes"), "index": 2})),
        (PointId(2), json!({"node": node("Axes")})),
        (PointId(3), json!({"node": node("Axes"), "index": 3})),
    ];
    let mut watched = Watched::open(&OpcUaLink::read(&table, &points).unwrap()).await;
    watched.until("all four", |w| (0..4).all(|point| w.last(point).is_some())).await;
    assert_eq!(watched.value(0).as_deref(), Some("18446744073709551.615"));
    assert_eq!(watched.value(1).as_deref(), Some("30"));
    assert_eq!(watched.qualities(2), [Quality::Bad(Reason::Decode)]);
    assert_eq!(watched.qualities(3), [Quality::Bad(Reason::Decode)]);
}

#[tokio::test]
async fn pain_03_good_bad_uncertain_good_are_all_observed_with_their_full_codes() {
    let mut peer = Peer::start(&[]).await;
    let mut watched = Watched::open(&link(&peer.address(), &json!({}), &["Status"])).await;
    watched.until("the first value", |w| w.last(0).is_some()).await;
    for (value, status) in [(1, 0x8089_0000_u32), (1, 0x4094_0000), (7, 0)] {
        peer.tell(json!({"set": "Status", "value": value, "status": status})).await;
    }
    watched.until("four observations", |w| w.qualities(0).len() == 4).await;
    let want = [
        Quality::Good,
        Quality::Bad(Reason::Status(0x8089_0000)),
        Quality::Uncertain(Reason::Status(0x4094_0000)),
        Quality::Good,
    ];
    assert_eq!(watched.qualities(0), want);
    assert_eq!(watched.numbers(0), ["1", "1", "7"], "the bad one carries no value");
}

#[tokio::test]
async fn pain_15_values_faster_than_publishing_are_queued_not_dropped() {
    let mut peer = Peer::start(&[]).await;
    let link = link(&peer.address(), &json!({"publish": "500ms"}), &["Counter"]);
    let mut watched = Watched::open(&link).await;
    watched.until("the first value", |w| w.last(0).is_some()).await;
    peer.tell(json!({"burst": "Counter", "count": 20})).await;
    watched.until("the last of the burst", |w| w.value(0).as_deref() == Some("20")).await;
    let want: Vec<String> = (0..=20).map(|n| n.to_string()).collect();
    assert_eq!(watched.numbers(0), want);
    assert_eq!(link.tally().overflows(), 0);
}

#[tokio::test]
async fn pain_15_the_overflow_bit_is_counted_and_observed() {
    let mut peer = Peer::start(&[]).await;
    let link = link(&peer.address(), &json!({}), &["Counter"]);
    let mut watched = Watched::open(&link).await;
    watched.until("the first value", |w| w.last(0).is_some()).await;
    peer.tell(json!({"set": "Counter", "value": 9, "status": 0x480})).await;
    watched.until("the value after the overflow", |w| w.value(0).as_deref() == Some("9")).await;
    assert_eq!(watched.qualities(0), [Quality::Good, Quality::Bad(Reason::Status(0x480)), Quality::Good]);
    assert_eq!(link.tally().overflows(), 1);
}

#[tokio::test]
async fn pain_15_a_slower_publishing_interval_is_counted_and_a_hopeless_one_refused() {
    let peer = Peer::start(&["--min-publish", "700"]).await;
    let slower = link(&peer.address(), &json!({"publish": "500ms"}), &["Status"]);
    let mut watched = Watched::open(&slower).await;
    watched.until("a value all the same", |w| w.last(0).is_some()).await;
    assert_eq!(slower.tally().slower(), 2, "the interval, and the sampling this server ties to it");

    let hopeless = link(&peer.address(), &json!({"publish": "100ms", "keep_alive": "300ms"}), &["Status"]);
    let error = Watched::try_open(&hopeless).await.err().unwrap();
    assert!(matches!(error, LinkError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("write publish = \"700ms\""), "{error}");
}

#[tokio::test]
async fn pain_18_an_unknown_node_costs_only_itself() {
    let mut peer = Peer::start(&[]).await;
    let nodes = ["Status", "NoSuchNode", "nsu=urn:nobody;s=Status", "Power"];
    let link = link(&peer.address(), &json!({}), &nodes);
    let mut watched = Watched::open(&link).await;
    watched.until("something of every point", |w| (0..4).all(|point| w.last(point).is_some())).await;
    let unknown = Quality::Bad(Reason::Status(0x8034_0000));
    assert_eq!((watched.qualities(1), watched.qualities(2)), (vec![unknown], vec![unknown]));
    assert_eq!(link.tally().refused(), 2);
    peer.set("Status", json!(5)).await;
    watched.until("the others go on", |w| w.value(0).as_deref() == Some("5")).await;
    assert_eq!(watched.value(3).as_deref(), Some("230.1"));
}

#[tokio::test]
async fn a_variable_that_appears_later_is_taken_up_without_a_new_session() {
    let mut peer = Peer::start(&[]).await;
    let link = link(&peer.address(), &json!({"publish": "50ms", "keep_alive": "50ms"}), &["Late", "Status"]);
    let mut watched = Watched::open(&link).await;
    watched.until("the refusal", |w| w.last(0).is_some()).await;
    assert_eq!(watched.qualities(0), [Quality::Bad(Reason::Status(0x8034_0000))]);
    peer.tell(json!({"add": "Late", "value": 5})).await;
    watched.until("its value", |w| w.value(0).as_deref() == Some("5")).await;
}

#[tokio::test]
async fn nothing_but_reading_services_is_ever_asked_for() {
    let mut peer = Peer::start(&[]).await;
    let link = link(&peer.address(), &json!({}), &["Status", "NoSuchNode"]);
    let mut watched = Watched::open(&link).await;
    watched.until("values and signs of life", |w| w.last(0).is_some() && w.alive.is_some()).await;
    drop(watched);
    let gone = async { while peer.tell(json!({"sessions": true})).await != "0" {} };
    tokio::time::timeout(DEADLINE, gone).await.expect("the session is closed");
    let asked = peer.tell(json!({"services": true})).await;
    let want = "ActivateSessionRequest,CloseSecureChannelRequest,CloseSessionRequest,CreateMonitoredItemsRequest,\
                CreateSessionRequest,CreateSubscriptionRequest,GetEndpointsRequest,PublishRequest,ReadRequest";
    let extra: Vec<&str> =
        asked.split(',').filter(|service| !want.split(',').any(|known| known == *service)).collect();
    assert_eq!(extra, [] as [&str; 0]);
    assert!(asked.contains("CreateMonitoredItemsRequest"), "the peer does count: {asked}");
}

#[tokio::test]
async fn a_server_without_any_of_the_points_still_gives_a_session() {
    let peer = Peer::start(&[]).await;
    let mut watched = Watched::open(&link(&peer.address(), &json!({}), &["NoSuchNode"])).await;
    watched.until("its refusal and then a sign of life", |w| w.last(0).is_some() && w.alive.is_some()).await;
}

#[tokio::test]
async fn silence_is_confirmed_by_keep_alives_and_nothing_is_sent_again() {
    let peer = Peer::start(&[]).await;
    let link = link(&peer.address(), &json!({"publish": "50ms", "keep_alive": "100ms"}), &["Status"]);
    assert_eq!(link.expectation(PointId(0)), Expectation::Subscribed { keep_alive_ms: 100 });
    let mut watched = Watched::open(&link).await;
    watched.until("the first value", |w| w.last(0).is_some()).await;
    let first = watched.last(0).unwrap().mono;
    watched.until("a second of silence", |w| w.alive.is_some_and(|at| at.mono.since(first) > 1000)).await;
    assert_eq!(watched.seen.len(), 1, "pain 1: no value is sent again with a fresh time");
}

#[tokio::test]
async fn the_source_time_is_the_servers_and_the_agent_time_that_of_arrival() {
    let mut peer = Peer::start(&[]).await;
    let mut watched = Watched::open(&link(&peer.address(), &json!({}), &["Status"])).await;
    watched.until("the first value", |w| w.last(0).is_some()).await;
    let before = watched.last(0).unwrap().agent_time;
    peer.tell(json!({"set": "Status", "value": 4, "time": "2024-02-29T23:59:59.250+00:00"})).await;
    watched.until("the stamped value", |w| w.value(0).as_deref() == Some("4")).await;
    let last = watched.last(0).unwrap();
    assert_eq!(last.source_time, Some(Utc(1_709_251_199_250)));
    assert!(last.agent_time >= before);
}

#[tokio::test]
async fn a_lost_notification_ends_the_session_with_every_point_bad() {
    let mut peer = Peer::start(&[]).await;
    let mut watched = Watched::open(&link(&peer.address(), &json!({}), &["Status", "Power"])).await;
    watched.until("both values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    peer.tell(json!({"skip_sequence": true})).await;
    peer.set("Status", json!(2)).await;
    let error = watched.end().await;
    assert!(error.to_string().contains("notifications were lost"), "{error}");
    let lost = [Quality::Good, Quality::Bad(Reason::Disconnected)];
    assert_eq!((watched.qualities(0), watched.qualities(1)), (lost.to_vec(), lost.to_vec()));
}

#[tokio::test]
async fn a_subscription_the_server_ends_is_the_end_of_the_session() {
    let mut peer = Peer::start(&[]).await;
    let mut watched = Watched::open(&link(&peer.address(), &json!({}), &["Status"])).await;
    watched.until("the first value", |w| w.last(0).is_some()).await;
    peer.tell(json!({"end_subscriptions": 0x800A_0000_u32})).await;
    let error = watched.end().await;
    assert!(error.to_string().contains("ended the subscription: BadTimeout (0x800A0000)"), "{error}");
}

#[tokio::test]
async fn a_dropped_source_leaves_no_session_on_the_server() {
    let mut peer = Peer::start(&[]).await;
    let mut watched = Watched::open(&link(&peer.address(), &json!({}), &["Status"])).await;
    watched.until("the first value", |w| w.last(0).is_some()).await;
    assert_eq!(peer.tell(json!({"sessions": true})).await, "1");
    drop(watched);
    let gone = async { while peer.tell(json!({"sessions": true})).await != "0" {} };
    let soon = Duration::from_secs(20);
    tokio::time::timeout(soon, gone)
        .await
        .expect("it is closed now, not by the server's own limit of a minute");
}

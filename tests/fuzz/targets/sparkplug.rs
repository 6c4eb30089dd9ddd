//! Sparkplug B: the messages of edge nodes, in any order. Promise: without a birth nothing is good, a value is
//! there exactly when its quality is not bad, and nothing is said of points that were not asked for.

use std::sync::LazyLock;

use observation::{Observation, PointId, Quality};
use protocols::sparkplug::SparkplugLink;
use serde_json::json;

use super::{AT, Bytes};

const TOPICS: [&str; 8] = [
    "spBv1.0/P/NBIRTH/n",
    "spBv1.0/P/NDATA/n",
    "spBv1.0/P/DBIRTH/n/d",
    "spBv1.0/P/DDATA/n/d",
    "spBv1.0/P/DDEATH/n/d",
    "spBv1.0/P/NDEATH/n",
    "spBv1.0/P/NBIRTH/other",
    "spBv1.0/P/DBIRTH/n/e",
];
/// The birth of a node, without which nothing of it may be believed.
const BIRTH: &str = TOPICS[0];

static LINK: LazyLock<SparkplugLink> = LazyLock::new(|| {
    let settings = json!({"address": "mqtt://192.0.2.30:1883", "client_id": "c", "group": "P"});
    let points = [
        (PointId(0), json!({"node": "n", "metric": "power", "scale": "0.1"})),
        (PointId(1), json!({"node": "n", "metric": "bdSeq"})),
        (PointId(2), json!({"node": "n", "device": "d", "metric": "power"})),
        (PointId(3), json!({"node": "n", "device": "d", "metric": "运行"})),
    ];
    SparkplugLink::read(&settings, &points).unwrap_or_else(|e| panic!("{e:?}"))
});

/// Messages: topic, length, payload.
pub(super) fn sparkplug(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut messages = Vec::new();
    while !bytes.0.is_empty() {
        let topic = TOPICS[usize::from(bytes.byte() % 8)];
        let n = usize::from(bytes.short());
        messages.push((topic, bytes.take(n)));
    }
    for observed in heard(messages.iter().copied()) {
        check(&observed);
    }
    let born = messages.iter().position(|(topic, _)| *topic == BIRTH);
    let unborn = messages.iter().take(born.unwrap_or(messages.len()));
    for observed in heard(unborn.copied()) {
        assert!(matches!(observed.quality, Quality::Bad(_)), "before any birth: {observed:?}");
    }
}

fn heard<'m>(messages: impl Iterator<Item = (&'m str, &'m [u8])>) -> Vec<Observation> {
    let mut listener = LINK.listener();
    messages.flat_map(|(topic, payload)| listener.take(topic, payload.to_vec().into(), AT)).collect()
}

fn check(observed: &Observation) {
    assert!(observed.point.0 < 4, "{observed:?}");
    assert_eq!((observed.agent_time, observed.mono), (AT.utc, AT.mono));
    assert_eq!(matches!(observed.quality, Quality::Bad(_)), observed.value.is_none(), "{observed:?}");
}

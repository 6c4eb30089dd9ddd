//! Sparkplug B as a host application that only listens: values that edge nodes publish over MQTT with a birth, a sequence
//! and a death (Eclipse Sparkplug 3.0.0).
//!
//! Nothing is published, neither commands nor the state of a host, with one exception that has to be configured: `rebirth =
//! true` lets it ask a node to send its birth again. What a node has sent is acknowledged like any MQTT message, but the
//! broker keeps nothing for us: a node's messages are of use only without a gap.
//!
//! What it does not do: it waits for no message that comes out of order (MQTT keeps the order of one connection), and
//! it reads no data sets, templates, files or arrays.

pub mod address;
mod decode;
mod listener;
mod node;
mod payload;
mod rebirth;
mod session;
pub mod settings;
mod topic;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use observation::{Clock, PointId};
use serde_json::Value;

use crate::feed::Feed;
use crate::mqtt::subscriber::{Redeemer, Subscriber};
use crate::{Batch, Configured, Expectation, Link, LinkConfigError, LinkError, Receipt, Source};
pub use listener::Listener;

use address::Address;
use decode::Reading;
use listener::Plan;
use session::Session;
use settings::Settings;

/// Keys of a link's table.
pub const SETTINGS: &[&str] = settings::KEYS;
/// Keys of a point's table.
pub const POINT: &[&str] = address::KEYS;

/// Builds a link from its tables.
pub fn link(settings: &Value, points: &[(PointId, Value)]) -> Configured {
    SparkplugLink::read(settings, points).map(|link| Box::new(link) as Box<dyn Link>)
}

/// A connection to a broker as configured.
#[derive(Clone, Debug)]
pub struct SparkplugLink {
    settings: Arc<Settings>,
    plan: Arc<Plan>,
    points: Vec<PointId>,
    stale_after_ms: HashMap<PointId, u64>,
}

impl SparkplugLink {
    /// Reads the tables of a link and its points, or lists every mistake in them.
    pub fn read(settings: &Value, points: &[(PointId, Value)]) -> Result<Self, Vec<LinkConfigError>> {
        let mut errors = Vec::new();
        let (settings, group) = Settings::read(settings, &mut errors);
        let points: Vec<(PointId, Address)> = points
            .iter()
            .filter_map(|(id, table)| Some((*id, Address::read(*id, table, group.as_deref(), &mut errors)?)))
            .collect();
        match settings {
            Some(settings) if errors.is_empty() => Ok(Self::new(settings, &points)),
            _ => Err(errors),
        }
    }

    /// Groups the points by node, device and metric.
    pub fn new(settings: Settings, points: &[(PointId, Address)]) -> Self {
        let mut plan = Plan::new();
        for (point, address) in points {
            let node = plan.entry((address.group.clone(), address.node.clone())).or_default();
            let device = node.entry(address.device.clone().unwrap_or_default()).or_default();
            let reading = Reading { point: *point, scale: address.scale };
            device.entry(address.metric.clone()).or_default().push(reading);
        }
        let stale_after = |(id, address): &(PointId, Address)| Some((*id, address.stale_after_ms?));
        Self {
            settings: Arc::new(settings),
            plan: Arc::new(plan),
            points: points.iter().map(|(id, _)| *id).collect(),
            stale_after_ms: points.iter().filter_map(stale_after).collect(),
        }
    }

    /// What a session of this link hears with, for whoever has messages and no broker.
    pub fn listener(&self) -> Listener {
        Listener::new(&self.plan)
    }
}

#[async_trait]
impl Link for SparkplugLink {
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
        let filters = session::filters(&self.plan);
        let (subscriber, redeemer) = Subscriber::connect(Arc::clone(&self.settings.broker), filters).await?;
        let feed = Feed::start(&self.settings.broker.address, &self.points, Arc::clone(&clock), |outlet| {
            let session = Session::new(Arc::clone(&self.settings), &self.plan, clock, outlet, subscriber);
            session.run(self.points.clone())
        });
        Ok(Box::new(SparkplugSource { feed, redeemer }))
    }

    fn points(&self) -> &[PointId] {
        &self.points
    }

    /// Nodes send what has changed: without `stale_after` silence is confirmed by the broker's keep-alives, and a node's
    /// end by its death.
    fn expectation(&self, point: PointId) -> Expectation {
        match self.stale_after_ms.get(&point) {
            Some(stale_after_ms) => Expectation::Published { stale_after_ms: *stale_after_ms },
            None => {
                Expectation::Subscribed { keep_alive_ms: u64::from(self.settings.broker.keep_alive_s) * 1000 }
            }
        }
    }

    fn advice(&self, _commit: Duration) -> Vec<String> {
        if self.settings.rebirth {
            return Vec::new();
        }
        vec![
            "未写 rebirth = true：采集端连接之后、丢失消息之后，节点须自行重发出生消息，此前其测点未知 · without rebirth = true a node has to \
             publish its birth again by itself after this agent has connected or a message was lost; until then its points are unknown"
                .to_owned(),
        ]
    }
}

struct SparkplugSource {
    feed: Feed,
    redeemer: Redeemer,
}

#[async_trait]
impl Source for SparkplugSource {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        self.feed.next().await
    }

    async fn acknowledge(&mut self, receipt: Receipt) -> Result<(), LinkError> {
        self.redeemer.redeem(receipt);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_point_holds_until_a_death_unless_it_has_an_age() {
        let table =
            json!({"address": "mqtt://192.0.2.30", "client_id": "c", "group": "Plant", "keep_alive": "7s"});
        let points = vec![
            (
                PointId(1),
                json!({"node": "Line1", "device": "Press3", "metric": "Energy/Total", "stale_after": "60s"}),
            ),
            (PointId(2), json!({"group": "Hall", "node": "Line1", "metric": "Running"})),
        ];
        let link = link(&table, &points).map_err(|e| format!("{e:?}")).unwrap();
        assert_eq!(link.points(), [PointId(1), PointId(2)]);
        assert_eq!(link.expectation(PointId(1)), Expectation::Published { stale_after_ms: 60_000 });
        assert_eq!(link.expectation(PointId(2)), Expectation::Subscribed { keep_alive_ms: 7000 });
        assert!(link.advice(Duration::from_secs(1))[0].contains("rebirth = true"));
    }
}

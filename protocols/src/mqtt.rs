//! MQTT 3.1.1 and 5: values that others publish, as plain numbers or in JSON.
//!
//! Nothing is ever published. A message is acknowledged only once its owner says that it is durable, so
//! a crash in between makes the broker send it again.

pub mod decode;
pub mod path;
mod receipts;
mod session;
pub mod settings;
pub mod topic;
mod v4;
mod v5;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use observation::{Clock, PointId};
use serde_json::Value;

use crate::feed::Feed;
use crate::{Batch, Configured, Expectation, Link, LinkError, Receipt, Source};
use receipts::Receipts;
use session::{Session, Topics};
use settings::{Settings, Version};
use topic::Address;
use wire::{Acknowledger, Wire};

/// Keys of a link's table.
pub const SETTINGS: &[&str] = settings::KEYS;
/// Keys of a point's table.
pub const POINT: &[&str] = topic::KEYS;

/// Builds a link from its tables.
pub fn link(settings: &Value, points: &[(PointId, Value)]) -> Configured {
    let mut errors = Vec::new();
    let settings = Settings::read(settings, &mut errors);
    let points: Vec<(PointId, Address)> = points
        .iter()
        .filter_map(|(id, table)| Some((*id, Address::read(*id, table, &mut errors)?)))
        .collect();
    match settings {
        Some(settings) if errors.is_empty() => Ok(Box::new(MqttLink::new(settings, points))),
        _ => Err(errors),
    }
}

/// A connection to a broker as configured.
#[derive(Clone, Debug)]
pub struct MqttLink {
    settings: Arc<Settings>,
    topics: Arc<Topics>,
    points: Vec<PointId>,
    stale_after_ms: HashMap<PointId, u64>,
    /// Set by a session to which the broker sent more than can be taken.
    too_large: Arc<AtomicBool>,
}

impl MqttLink {
    /// Groups the points by topic.
    pub fn new(settings: Settings, points: Vec<(PointId, Address)>) -> Self {
        let ids = points.iter().map(|(id, _)| *id).collect();
        let stale_after_ms = points.iter().map(|(id, address)| (*id, address.stale_after_ms)).collect();
        let mut topics = Topics::new();
        for (id, address) in points {
            topics.entry(address.topic.clone()).or_default().push((id, address));
        }
        Self {
            settings: Arc::new(settings),
            topics: Arc::new(topics),
            points: ids,
            stale_after_ms,
            too_large: Arc::default(),
        }
    }
}

impl MqttLink {
    /// Lets the broker forget our session if it holds a message that can never be taken. In MQTT 3.1.1
    /// there is no other way to refuse one; in MQTT 5 the broker knows the limit.
    async fn forget_what_is_too_large(&self) -> Result<(), LinkError> {
        if !self.too_large.load(Ordering::Relaxed) {
            return Ok(());
        }
        let clean = Settings { clean: true, ..Settings::clone(&self.settings) };
        let mut wire = v4::V4::new(Arc::new(clean), Arc::clone(&self.too_large))?;
        session::connected(&mut wire, &self.settings).await?;
        self.too_large.store(false, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Link for MqttLink {
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
        self.forget_what_is_too_large().await?;
        let settings = Arc::clone(&self.settings);
        let mut wire: Box<dyn Wire> = match settings.version {
            Version::V4 => Box::new(v4::V4::new(settings, Arc::clone(&self.too_large))?),
            Version::V5 => Box::new(v5::V5::new(settings)?),
        };
        let resumed = session::connected(wire.as_mut(), &self.settings).await?;
        let receipts = Arc::new(Receipts::default());
        let acknowledger = wire.acknowledger();
        let feed = Feed::start(&self.settings.address, &self.points, Arc::clone(&clock), |outlet| {
            let (settings, topics) = (Arc::clone(&self.settings), Arc::clone(&self.topics));
            let receipts = Arc::clone(&receipts);
            Session { settings, topics, clock, outlet, wire, receipts, resumed }.run()
        });
        Ok(Box::new(MqttSource { feed, receipts, acknowledger }))
    }

    fn points(&self) -> &[PointId] {
        &self.points
    }

    fn expectation(&self, point: PointId) -> Expectation {
        // A point of another link is never fresh here.
        let stale_after_ms = self.stale_after_ms.get(&point).copied().unwrap_or(0);
        Expectation::Published { stale_after_ms }
    }
}

struct MqttSource {
    feed: Feed,
    receipts: Arc<Receipts>,
    acknowledger: Acknowledger,
}

#[async_trait]
impl Source for MqttSource {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        self.feed.next().await
    }

    async fn acknowledge(&mut self, receipt: Receipt) -> Result<(), LinkError> {
        self.receipts.redeem(receipt, &self.acknowledger);
        Ok(())
    }
}

/// The broker lets us read none of the topics.
fn refused_topics(settings: &Settings, refused: &[(String, u8)]) -> LinkError {
    let topics: Vec<String> = refused.iter().map(|(topic, code)| format!("{topic} (0x{code:02X})")).collect();
    LinkError::Refused {
        address: settings.address.clone(),
        detail: format!("no subscription to {}", topics.join(", ")),
        advice: "let this user read these topics in the broker's access list, or correct `topic`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_link_of_the_example_is_accepted() {
        let table =
            json!({"address": "mqtts://192.0.2.30:8883", "version": 5, "client_id": "plumbline-edge-07"});
        let mut errors = Vec::new();
        let settings = Settings::read(&table, &mut errors).unwrap();
        assert_eq!((settings.encrypted, settings.port, settings.clean), (true, 8883, false));
        let points = vec![(PointId(4), json!({"topic": "a", "path": "$.total", "stale_after": "10s"}))];
        let link = link(&table, &points).map_err(|e| format!("{e:?}")).unwrap();
        assert_eq!(link.expectation(PointId(4)), Expectation::Published { stale_after_ms: 10_000 });
    }
}

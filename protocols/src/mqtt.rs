//! MQTT 3.1.1 and 5: values that others publish, as plain numbers, in JSON or in lines of fields.
//!
//! Nothing is ever published. A message is acknowledged only once its owner says that it is durable, so
//! a crash in between makes the broker send it again.

mod advice;
mod backlog;
pub mod decode;
mod dial;
pub mod filter;
pub mod format;
pub mod moment;
pub mod path;
mod plan;
mod receipts;
mod session;
pub mod settings;
mod sieve;
#[cfg(feature = "sparkplug")]
pub(crate) mod subscriber;
pub mod topic;
pub mod trust;
mod v4;
mod v5;
mod wire;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use observation::{Clock, PointId};
use serde_json::Value;

use crate::feed::Feed;
use crate::{Batch, Configured, Expectation, Link, LinkConfigError, LinkError, PutAside, Receipt, Source};
use advice::Load;
use backlog::Backlog;
use dial::Dialler;
use plan::Plan;
use receipts::Receipts;
use session::{Aside, Session};
use settings::{Settings, Version};
use sieve::Emptied;
use topic::Address;
use wire::{Acknowledger, Wire};

/// Messages that may wait for their owner before the broker has to.
const WAITING: usize = 1024;
/// When so many wait, they are handed over in one: their owner lags, and each batch costs it something.
const MANY: usize = 32;

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
    let Some(settings) = settings.filter(|_| errors.is_empty()) else { return Err(errors) };
    let link = MqttLink::new(settings, &points);
    errors.extend(link.plan.idle_filters().map(|filter| LinkConfigError {
        point: None,
        key: "subscribe".to_owned(),
        message: format!("{filter:?} covers the topic of no point on this link; correct it or leave it out"),
        nearest: None,
    }));
    if errors.is_empty() { Ok(Box::new(link)) } else { Err(errors) }
}

/// A connection to a broker as configured.
#[derive(Clone, Debug)]
pub struct MqttLink {
    settings: Arc<Settings>,
    plan: Arc<Plan>,
    points: Vec<PointId>,
    stale_after_ms: HashMap<PointId, u64>,
    aside: Arc<Aside>,
}

impl MqttLink {
    /// Groups the points by topic.
    pub fn new(settings: Settings, points: &[(PointId, Address)]) -> Self {
        let plan = Arc::new(Plan::new(&settings.subscribe, points));
        let stale_after_ms = points.iter().map(|(id, address)| (*id, address.stale_after_ms)).collect();
        let points = points.iter().map(|(id, _)| *id).collect();
        Self { settings: Arc::new(settings), plan, points, stale_after_ms, aside: Arc::default() }
    }
}

#[async_trait]
impl Link for MqttLink {
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
        let settings = Arc::clone(&self.settings);
        let emptied = Emptied::default();
        let dialler = Dialler { tls: settings.tls()?, settings, emptied: emptied.clone() };
        let mut wire: Box<dyn Wire> = match self.settings.version {
            Version::V4 => Box::new(v4::V4::new(dialler)?),
            Version::V5 => Box::new(v5::V5::new(dialler)?),
        };
        let resumed = session::connected(wire.as_mut(), &self.settings).await?;
        let receipts = Arc::new(Receipts::new(self.settings.in_flight));
        let acknowledger = wire.acknowledger();
        let address = &self.settings.address;
        let feed = Feed::with_room(WAITING, address, &self.points, Arc::clone(&clock), |outlet| {
            let session = Session {
                settings: Arc::clone(&self.settings),
                plan: Arc::clone(&self.plan),
                clock,
                outlet,
                wire,
                receipts: Arc::clone(&receipts),
                aside: Arc::clone(&self.aside),
                emptied,
                received: 0,
                ended: HashSet::new(),
                resumed,
                backlog: Backlog::new(resumed, self.settings.in_flight),
            };
            session.run()
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

    fn put_aside(&self) -> PutAside {
        PutAside {
            unwanted: self.aside.unwanted.load(Ordering::Relaxed),
            too_large: self.aside.too_large.load(Ordering::Relaxed),
        }
    }

    fn advice(&self, commit: Duration) -> Vec<String> {
        let load =
            self.settings.rate.map_or_else(|| Load::of_topics(self.plan.stale_after_ms()), Load::of_rate);
        load.advice(self.settings.in_flight, commit)
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
        self.feed.next_of_many(MANY).await
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

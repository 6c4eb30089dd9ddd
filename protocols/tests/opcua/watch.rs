//! A link under test: its tables, one session of it, and everything that session has yielded.

use std::sync::Arc;
use std::time::{Instant as Monotonic, SystemTime, UNIX_EPOCH};

use observation::{Clock, Instant, Mono, Observation, PointId, Quality, Utc, Value};
use protocols::opcua::OpcUaLink;
use protocols::{Link, LinkError, Source};
use serde_json::json;

use crate::peer::{DEADLINE, URI};

/// The clocks of this machine.
pub(crate) struct RealClock(Monotonic);

impl Clock for RealClock {
    fn now(&self) -> Instant {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let mono = self.0.elapsed().as_millis();
        Instant { utc: Utc(i64::try_from(utc).unwrap()), mono: Mono(u64::try_from(mono).unwrap()) }
    }
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(RealClock(Monotonic::now()))
}

/// A link with these keys (publishing fast unless they say otherwise) to variables of the peer, by name;
/// a name with a prefix such as `i=` or `nsu=` is taken as it is. Points are numbered in their order.
pub(crate) fn link(address: &str, keys: &serde_json::Value, nodes: &[&str]) -> OpcUaLink {
    let mut table = json!({"address": address, "security": "none", "publish": "100ms"});
    for (key, value) in keys.as_object().unwrap() {
        table[key] = value.clone();
    }
    let points: Vec<(PointId, serde_json::Value)> = (0..)
        .map(PointId)
        .zip(nodes.iter().map(|node| {
            let node = if node.contains("i=") || node.contains("nsu=") {
                (*node).to_owned()
            } else {
                format!("nsu={URI};s={node}")
            };
            json!({"node": node})
        }))
        .collect();
    OpcUaLink::read(&table, &points).unwrap()
}

/// One session and what it has yielded so far.
pub(crate) struct Watched {
    source: Box<dyn Source>,
    pub(crate) seen: Vec<Observation>,
    pub(crate) alive: Option<Instant>,
}

impl Watched {
    pub(crate) async fn open(link: &OpcUaLink) -> Self {
        Self::try_open(link).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) async fn try_open(link: &OpcUaLink) -> Result<Self, LinkError> {
        let opened =
            tokio::time::timeout(DEADLINE, link.connect(clock())).await.expect("connect ends by itself");
        opened.map(|source| Self { source, seen: Vec::new(), alive: None })
    }

    /// Takes batches until the condition holds, or fails at the deadline with what was seen.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let waiting = async {
                while !holds(self) {
                    let batch = self.source.next().await.unwrap_or_else(|e| panic!("{caller}: {e}"));
                    self.seen.extend(batch.observations);
                    self.alive = self.alive.max_by_mono(batch.alive);
                }
            };
            let in_time = tokio::time::timeout(DEADLINE, waiting).await.is_ok();
            assert!(in_time, "{caller}: not in time: {what}; seen: {:#?}", self.seen);
        }
    }

    /// Takes batches until the session is over; gives the error, which then repeats.
    pub(crate) async fn end(&mut self) -> LinkError {
        let ending = async {
            loop {
                match self.source.next().await {
                    Ok(batch) => self.seen.extend(batch.observations),
                    Err(error) => return error,
                }
            }
        };
        let error = tokio::time::timeout(DEADLINE, ending).await.expect("the session ends");
        assert_eq!(self.source.next().await, Err(error.clone()), "a session that is over stays over");
        error
    }

    /// The qualities of a point in the order they came.
    pub(crate) fn qualities(&self, point: u32) -> Vec<Quality> {
        self.of(point).map(|observation| observation.quality).collect()
    }

    /// The numbers of a point in the order they came.
    pub(crate) fn numbers(&self, point: u32) -> Vec<String> {
        self.of(point).filter_map(|o| o.value.as_ref()?.number().map(|n| n.to_string())).collect()
    }

    pub(crate) fn last(&self, point: u32) -> Option<&Observation> {
        self.of(point).last()
    }

    /// The last value of a point, as text.
    pub(crate) fn value(&self, point: u32) -> Option<String> {
        self.last(point)?.value.as_ref().map(|value| match value {
            Value::Bool(bit) => bit.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        })
    }

    fn of(&self, point: u32) -> impl Iterator<Item = &Observation> {
        self.seen.iter().filter(move |observation| observation.point == PointId(point))
    }
}

trait MaxByMono {
    fn max_by_mono(self, other: Self) -> Self;
}

impl MaxByMono for Option<Instant> {
    fn max_by_mono(self, other: Self) -> Self {
        if other.map(|o| o.mono) > self.map(|s| s.mono) { other } else { self }
    }
}

//! What is subscribed to, and which points a topic is for. Pure.

use std::collections::HashMap;

use observation::PointId;

use super::filter::Filter;
use super::topic::Address;

/// A link's subscriptions and the points behind them.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    topics: HashMap<String, Vec<(PointId, Address)>>,
    filters: Vec<Filter>,
    subscriptions: Vec<Subscription>,
}

/// One subscription: a filter, or a topic that no filter covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    /// As the broker is asked for it.
    pub(super) text: String,
    /// The points that get nothing without it.
    pub(super) points: Vec<PointId>,
}

impl Plan {
    /// Groups the points by topic, and the topics by filter.
    pub(super) fn new(filters: &[Filter], points: &[(PointId, Address)]) -> Self {
        let mut topics: HashMap<String, Vec<(PointId, Address)>> = HashMap::new();
        for (id, address) in points {
            topics.entry(address.topic.clone()).or_default().push((*id, address.clone()));
        }
        let mut own: Vec<&String> =
            topics.keys().filter(|topic| !filters.iter().any(|f| f.covers(topic))).collect();
        own.sort_unstable();
        let of = |covers: &dyn Fn(&str) -> bool| {
            points.iter().filter(|(_, a)| covers(&a.topic)).map(|(id, _)| *id).collect()
        };
        let covering = filters
            .iter()
            .map(|f| Subscription { text: f.as_str().to_owned(), points: of(&|topic| f.covers(topic)) });
        let single = own
            .into_iter()
            .map(|own| Subscription { text: own.clone(), points: of(&|topic| topic == own.as_str()) });
        let subscriptions = covering.chain(single).collect();
        Self { topics, filters: filters.to_vec(), subscriptions }
    }

    /// Filters under which no point lies: most likely misspelt.
    pub(super) fn idle_filters(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.iter().filter(|s| s.points.is_empty()).map(|s| s.text.as_str())
    }

    /// Everything to subscribe to.
    pub(super) fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// The points of a topic, if any wants it.
    pub(super) fn points(&self, topic: &str) -> Option<&[(PointId, Address)]> {
        self.topics.get(topic).map(Vec::as_slice)
    }

    /// Every point.
    pub(super) fn all(&self) -> impl Iterator<Item = PointId> {
        self.topics.values().flatten().map(|(point, _)| *point)
    }

    /// Whether a filter brings messages of this topic.
    pub(super) fn covers(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| filter.covers(topic))
    }

    /// Topics that a filter brings and a point wants.
    pub(super) fn covered(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str).filter(|topic| self.covers(topic))
    }

    /// For each topic the shortest time after which a point of it is stale, ms.
    pub(super) fn stale_after_ms(&self) -> impl Iterator<Item = u64> {
        self.topics.values().filter_map(|points| points.iter().map(|(_, a)| a.stale_after_ms).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(filters: &[&str], topics: &[&str]) -> Plan {
        let filters: Vec<Filter> = filters.iter().map(|text| Filter::parse(text).unwrap()).collect();
        let point = |(id, topic): (u32, &&str)| {
            let table = json!({"topic": topic, "stale_after": "10s"});
            (PointId(id), Address::read(PointId(id), &table, &mut vec![]).unwrap())
        };
        let points: Vec<_> = (0..).zip(topics).map(point).collect();
        Plan::new(&filters, &points)
    }

    #[test]
    fn one_subscription_covers_all_points_under_it_and_the_others_get_their_own() {
        let plan = plan(&["plant/+/power"], &["plant/r01/power", "z", "plant/r02/power", "a", "z"]);
        let subscription = |text: &str, points: &[u32]| Subscription {
            text: text.to_owned(),
            points: points.iter().copied().map(PointId).collect(),
        };
        assert_eq!(
            plan.subscriptions(),
            [subscription("plant/+/power", &[0, 2]), subscription("a", &[3]), subscription("z", &[1, 4])]
        );
        assert!(plan.covers("plant/r99/power") && plan.points("plant/r99/power").is_none());
        assert_eq!(plan.covered().count(), 2);
        assert_eq!(plan.idle_filters().count(), 0);
    }

    #[test]
    fn a_filter_under_which_no_point_lies_is_named() {
        let plan = plan(&["plant/+/power", "plnat/+/count"], &["plant/r01/power", "plant/r01/count"]);
        assert_eq!(plan.idle_filters().collect::<Vec<_>>(), ["plnat/+/count"]);
    }
}

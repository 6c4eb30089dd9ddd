//! What is asked of a server, computed from the rates alone, and what its revision of that means.
//!
//! Terms and their limits: OPC 10000-4 5.13.1 (monitored items) and 5.14.1 (subscriptions).

use std::time::Duration;

use super::settings::{PointConfig, Settings};

/// Silence for this many keep-alives is the end of a session; a subscribed value is valid as long.
pub(super) const KEEP_ALIVES_UNTIL_DEAD: u64 = 3;
/// Without `keep_alive`, signs of life come at least at this interval, ms, or every second publishing.
const KEEP_ALIVE_MS: u64 = 1000;
/// Without `sampling`, the server looks this many times in a publishing interval.
const SAMPLINGS_PER_PUBLISH: u64 = 5;
/// No sampling faster than this is asked for unless configured, ms.
const SAMPLING_FLOOR_MS: u64 = 50;
/// A queue holds what is sampled until the session counts as dead; beyond this it is only memory.
const QUEUE_LIMIT: u64 = 10_000;
/// A subscription nobody fetches from is deleted by the server after about this long, ms.
const ORPHAN_MS: u64 = 60_000;

/// Points the server refused are offered to it again after this many keep-alives, and at least once a minute:
/// their program may be loaded by then.
const KEEP_ALIVES_UNTIL_OFFER: u64 = 20;
const OFFER_LIMIT_MS: u64 = 60_000;

/// The parameters of one link's subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Publishing interval, ms.
    pub publish_ms: u64,
    /// Publishing intervals without a change after which the server sends a keep-alive.
    pub keep_alive_count: u32,
    /// Publishing intervals without a request after which the server deletes the subscription.
    pub lifetime_count: u32,
    /// The same as `keep_alive_count`, ms.
    pub keep_alive_ms: u64,
    /// In the order of the points.
    pub items: Vec<Item>,
}

/// The parameters of one monitored item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Sampling interval, ms.
    pub sampling_ms: u64,
    /// Values the server keeps for us.
    pub queue: u32,
}

/// What a server does otherwise than asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Revision {
    /// As asked or better.
    AsAsked,
    /// Slower, but signs of life still come often enough.
    Slower,
    /// So slow that a value would count as stale between two signs of life.
    TooSlow,
}

impl Plan {
    /// Silence after which the session is given up, ms.
    pub(super) fn dead_after(&self) -> Duration {
        Duration::from_millis(KEEP_ALIVES_UNTIL_DEAD.saturating_mul(self.keep_alive_ms))
    }

    /// How long to wait before refused points are offered again.
    pub(super) fn offer_again(&self) -> Duration {
        Duration::from_millis(OFFER_LIMIT_MS.min(KEEP_ALIVES_UNTIL_OFFER.saturating_mul(self.keep_alive_ms)))
    }

    /// Judges the publishing interval, ms, and the keep-alive count the server made of ours. A keep-alive
    /// may take up to twice the expected time: the third expected one is then still not missed.
    pub(super) fn judge(&self, publish_ms: u64, keep_alive_count: u32) -> Revision {
        let keep_alive_ms = publish_ms.max(1).saturating_mul(u64::from(keep_alive_count.max(1)));
        if keep_alive_ms > 2 * self.keep_alive_ms {
            Revision::TooSlow
        } else if publish_ms > self.publish_ms || keep_alive_ms > self.keep_alive_ms {
            Revision::Slower
        } else {
            Revision::AsAsked
        }
    }
}

/// Computes the subscription for a link and its points.
pub(super) fn plan(settings: &Settings, points: &[PointConfig]) -> Plan {
    let publish_ms = ms(settings.publish).max(1);
    let silence_ms = settings.keep_alive.map_or((2 * publish_ms).max(KEEP_ALIVE_MS), ms);
    let keep_alive_count = silence_ms.div_ceil(publish_ms).max(1);
    let keep_alive_ms = keep_alive_count * publish_ms;
    // OPC 10000-4 5.14.2.2: the lifetime count is at least three times the keep-alive count.
    let lifetime_count = ORPHAN_MS.div_ceil(publish_ms).max((KEEP_ALIVES_UNTIL_DEAD + 1) * keep_alive_count);
    let default_ms = settings
        .sampling
        .map_or((publish_ms / SAMPLINGS_PER_PUBLISH).max(SAMPLING_FLOOR_MS).min(publish_ms), ms);
    let item = |point: &PointConfig| {
        let sampling_ms = point.sampling.map_or(default_ms, ms).max(1);
        Item { sampling_ms, queue: queue(sampling_ms, publish_ms, keep_alive_ms) }
    };
    Plan {
        publish_ms,
        keep_alive_count: narrow(keep_alive_count),
        lifetime_count: narrow(lifetime_count),
        keep_alive_ms,
        items: points.iter().map(item).collect(),
    }
}

/// Room for everything sampled until the session would be given up, and one more; never 1, because a queue
/// of 1 loses values without setting the overflow bit (OPC 10000-4 5.13.1.5).
fn queue(sampling_ms: u64, publish_ms: u64, keep_alive_ms: u64) -> u32 {
    let outage_ms = publish_ms.max(KEEP_ALIVES_UNTIL_DEAD * keep_alive_ms);
    narrow((outage_ms.div_ceil(sampling_ms) + 1).clamp(2, QUEUE_LIMIT))
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use observation::PointId;
    use serde_json::json;

    fn planned(link: &[(&str, &str)], point: &[(&str, &str)]) -> Plan {
        let mut table = json!({"address": "opc.tcp://x", "security": "none"});
        for (key, value) in link {
            table[key] = json!(value);
        }
        let mut point_table = json!({"node": "i=2258"});
        for (key, value) in point {
            point_table[key] = json!(value);
        }
        let point = PointConfig::read(PointId(0), &point_table).unwrap();
        plan(&Settings::read(&table).unwrap(), &[point])
    }

    #[test]
    fn pain_15_the_queue_follows_from_the_rates() {
        let plan = planned(&[("publish", "500ms")], &[]);
        assert_eq!((plan.publish_ms, plan.keep_alive_count, plan.keep_alive_ms), (500, 2, 1000));
        assert_eq!(plan.items, [Item { sampling_ms: 100, queue: 31 }]);
        let fast = planned(&[("publish", "500ms")], &[("sampling", "10ms")]);
        assert_eq!(fast.items, [Item { sampling_ms: 10, queue: 301 }]);
        let slow = planned(&[("publish", "100ms"), ("sampling", "1h")], &[]);
        assert_eq!(slow.items, [Item { sampling_ms: 3_600_000, queue: 2 }]);
    }

    #[test]
    fn signs_of_life_come_whole_publishing_intervals_apart() {
        let plan = planned(&[("publish", "300ms")], &[]);
        assert_eq!((plan.keep_alive_count, plan.keep_alive_ms), (4, 1200));
        let slow = planned(&[("publish", "10s")], &[]);
        assert_eq!((slow.keep_alive_count, slow.keep_alive_ms), (2, 20_000));
        let asked = planned(&[("publish", "100ms"), ("keep_alive", "150ms")], &[]);
        assert_eq!((asked.keep_alive_count, asked.keep_alive_ms), (2, 200));
    }

    #[test]
    fn the_server_outlives_our_own_patience() {
        for publish in ["10ms", "500ms", "30s", "1h"] {
            let plan = planned(&[("publish", publish)], &[]);
            assert!(u64::from(plan.lifetime_count) * plan.publish_ms > 3 * plan.keep_alive_ms, "{publish}");
        }
    }

    #[test]
    fn pain_15_a_slower_revision_is_noticed_and_a_hopeless_one_refused() {
        let plan = planned(&[("publish", "500ms")], &[]);
        assert_eq!(plan.judge(500, 2), Revision::AsAsked);
        assert_eq!(plan.judge(100, 10), Revision::AsAsked);
        assert_eq!(plan.judge(600, 2), Revision::Slower);
        assert_eq!(plan.judge(1000, 2), Revision::Slower);
        assert_eq!(plan.judge(500, 5), Revision::TooSlow);
        assert_eq!(plan.judge(5000, 1), Revision::TooSlow);
    }
}

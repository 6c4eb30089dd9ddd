//! What a broker has to be set to so that it holds back and drops nothing, computed from what the link is to
//! read. Pure arithmetic; the figures of mosquitto are from mosquitto.conf(5), version 2.0.

use std::time::Duration;

/// Messages mosquitto sends beyond those acknowledged, if nothing is set (`max_inflight_messages`).
const MOSQUITTO_IN_FLIGHT: u64 = 20;
/// Messages mosquitto keeps for an absent client, if nothing is set (`max_queued_messages`).
const MOSQUITTO_QUEUED: u64 = 1000;
/// No client has more messages in flight: their identifiers have 16 bits (MQTT 3.1.1 and 5.0, 2.2.1).
const MOST_IN_FLIGHT: u64 = 65_535;
/// An absence that should cost nothing, such as an update of this program or of its box, s.
const ABSENCE_S: u64 = 600;
/// Whoever chooses `stale_after` leaves room for messages that come late: so many to each.
const MESSAGES_TO_STALE: u64 = 3;

/// What a link expects of its broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// Messages in a thousand seconds.
    per_1000_s: u64,
}

impl Load {
    /// As configured.
    pub(super) fn of_rate(per_s: u64) -> Self {
        Self { per_1000_s: per_s.saturating_mul(1000) }
    }

    /// From the time after which each topic is stale.
    pub(super) fn of_topics(stale_after_ms: impl Iterator<Item = u64>) -> Self {
        let of = |ms: u64| MESSAGES_TO_STALE * 1_000_000 / ms.max(1);
        Self { per_1000_s: stale_after_ms.map(of).sum() }
    }

    fn per_s(self) -> u64 {
        self.per_1000_s.div_ceil(1000)
    }

    /// Messages that arrive between two commits, twice: those of one are acknowledged while the next are
    /// being gathered.
    fn in_flight(self, commit: Duration) -> u64 {
        let ms = u64::try_from(commit.as_millis()).unwrap_or(u64::MAX);
        (self.per_1000_s.saturating_mul(ms).saturating_mul(2)).div_ceil(1_000_000)
    }

    /// Messages of an absence, rounded up to a whole thousand.
    fn queued(self) -> u64 {
        self.per_s().saturating_mul(ABSENCE_S).div_ceil(1000) * 1000
    }

    /// Lines for the operator; none where nothing needs to be set.
    pub(super) fn advice(self, in_flight: u16, commit: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        let (rate, needed, set) = (self.per_s(), self.in_flight(commit), u64::from(in_flight));
        let commit_ms = commit.as_millis();
        if needed > MOST_IN_FLIGHT {
            let most = MOST_IN_FLIGHT * 1000 / (2 * rate.max(1));
            lines.push(format!(
                "约每秒 {rate} 条消息，raw.journal 为 {commit_ms} ms：未确认消息将超过 MQTT 上限 {MOST_IN_FLIGHT}；请将 raw.journal 设为不大于 {most}ms · \
                 some {rate} messages/s and raw.journal of {commit_ms} ms leave more messages unacknowledged than MQTT allows ({MOST_IN_FLIGHT}); write journal = \"{most}ms\" or less"
            ));
        } else if needed > set {
            let commits = (rate * 2).div_ceil(set.max(1));
            lines.push(format!(
                "约每秒 {rate} 条消息，两次落盘之间需 {needed} 条未确认消息；in_flight = {set} 时每秒需落盘约 {commits} 次。请写 in_flight = {needed} · \
                 some {rate} messages/s leave {needed} unacknowledged between two commits; with in_flight = {set} the journal is committed some {commits} times a second instead; write in_flight = {needed}"
            ));
        }
        let wanted = needed.min(MOST_IN_FLIGHT).max(set);
        if wanted > MOSQUITTO_IN_FLIGHT {
            lines.push(format!(
                "mosquitto.conf（默认 {MOSQUITTO_IN_FLIGHT} 不够 · its default of {MOSQUITTO_IN_FLIGHT} does not suffice）: max_inflight_messages {wanted}"
            ));
        }
        if self.queued() > MOSQUITTO_QUEUED {
            let lasts = MOSQUITTO_QUEUED / rate.max(1);
            lines.push(format!(
                "mosquitto.conf（默认 {MOSQUITTO_QUEUED} 仅够采集端离线约 {lasts} s，之后丢弃 · its default of {MOSQUITTO_QUEUED} lasts for some {lasts} s of absence of this agent, then messages are dropped; for {} min）: max_queued_messages {}",
                ABSENCE_S / 60,
                self.queued()
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(load: Load, in_flight: u16, commit_ms: u64, want: &[&str], unwanted: &[&str]) {
        let text = load.advice(in_flight, Duration::from_millis(commit_ms)).join("\n");
        for want in want {
            assert!(text.contains(want), "{want} is missing in\n{text}");
        }
        for not in unwanted {
            assert!(!text.contains(not), "{not} should not be in\n{text}");
        }
    }

    #[test]
    fn a_quiet_link_needs_nothing() {
        // One message each 1000 s.
        let quiet = Load::of_topics(std::iter::once(3_000_000));
        assert_eq!(quiet.advice(20, Duration::from_secs(1)), Vec::<String>::new());
    }

    #[test]
    fn a_busy_link_is_told_what_both_sides_have_to_allow() {
        // 50 topics that are stale after 3 s: 50 messages/s.
        let load = Load::of_topics(std::iter::repeat_n(3000, 50));
        let both =
            ["in_flight = 100", "max_inflight_messages 100", "max_queued_messages 30000", "5 times a second"];
        check(load, 20, 1000, &both, &["journal ="]);
        check(load, 100, 1000, &["max_inflight_messages 100"], &["write in_flight"]);
        check(load, 20, 200, &["max_queued_messages 30000"], &["in_flight"]);
    }

    #[test]
    fn twenty_thousand_a_second_fit_and_more_than_identifiers_do_not() {
        let load = Load::of_rate(20_000);
        check(
            load,
            20,
            1000,
            &["in_flight = 40000", "max_inflight_messages 40000", "12000000"],
            &["journal ="],
        );
        check(load, 20, 2000, &["journal = \"1638ms\"", "max_inflight_messages 65535"], &[]);
        check(load, 40_000, 1000, &["max_inflight_messages 40000"], &["write in_flight"]);
    }
}

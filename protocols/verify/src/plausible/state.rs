//! States against power: a machine that says it produces while it draws no more than when it idles.

use kpi::{Leaf, Period};

use super::thresholds::Thresholds;
use super::{Found, Seen};
use crate::finding::FindingCode;

/// What idling draws, and how long producing has drawn no more.
#[derive(Default)]
pub(super) struct IdlePower {
    idle_windows: u64,
    idle_sum_w: i128,
    since: Option<Period>,
    windows: u64,
}

impl IdlePower {
    pub(super) fn window(&mut self, seen: &Seen<'_>, limits: &Thresholds) -> Option<Found> {
        let power = i128::from(seen.power_w?);
        if wholly(seen, Leaf::Idle) {
            self.idle_windows += 1;
            self.idle_sum_w += power;
        }
        let limit = &limits.producing_at_idle_power;
        let known = self.idle_windows >= limit.least_idle_windows;
        let low =
            power * 100 * i128::from(self.idle_windows) <= self.idle_sum_w * (100 + limit.margin_percent);
        if known && low && wholly(seen, Leaf::Producing) {
            self.since.get_or_insert(seen.over).to = seen.over.to;
            self.windows += 1;
            return None;
        }
        self.finish(limits)
    }

    pub(super) fn finish(&mut self, limits: &Thresholds) -> Option<Found> {
        let (windows, since) = (std::mem::take(&mut self.windows), self.since.take());
        let limit = &limits.producing_at_idle_power;
        let period = since.filter(|_| windows >= limit.windows)?;
        let idle_w = self.idle_sum_w / i128::from(self.idle_windows.max(1));
        Some(Found {
            code: FindingCode::ProducingAtIdlePower,
            other: None,
            period,
            measured: format!("{windows} windows of PRODUCING at no more than idling's {idle_w} W"),
            threshold: format!("{} windows, idle level + {} %", limit.windows, limit.margin_percent),
        })
    }
}

fn wholly(seen: &Seen<'_>, leaf: Leaf) -> bool {
    u64::from(seen.window.states_ms[leaf.index()]) == seen.over.ms()
}

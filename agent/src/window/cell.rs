//! What is known of one point now, and how many of its reads were due and answered.
//!
//! Reads are counted per point, so that a dead device can never raise its own rate: a poll that was not even
//! tried is due as soon as it is a whole interval late. A point that is sent on change counts as read at each
//! interval at which its value was valid.

use super::plan::PointPlan;
use crate::validity::Validity;
use observation::{Mono, Observation, Quality, Reason, Value};
use serde::{Deserialize, Serialize};

/// Reads since they were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reads {
    pub(super) expected: u32,
    pub(super) good: u32,
}

/// One point's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cell {
    value: Option<Value>,
    good: bool,
    read: Option<Mono>,
    latest: Mono,
    /// Polled: when it was last asked for. Otherwise: the last interval that was counted.
    counted: Mono,
    missed: u64,
    /// When its expiry is to be looked at.
    pub(super) due: Option<Mono>,
    reads: Reads,
}

/// What an observation did to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    /// A good value that differs from the last good one.
    pub(super) changed: bool,
    /// It is the newest of its point and was taken in.
    pub(super) taken: bool,
}

impl Cell {
    pub(super) fn new(from: Mono) -> Self {
        Self {
            value: None,
            good: false,
            read: None,
            latest: from,
            counted: from,
            missed: 0,
            due: None,
            reads: Reads::default(),
        }
    }

    /// Forgets everything but the last value, with which the next one is compared.
    pub(super) fn reboot(&mut self, from: Mono) {
        let (value, reads) = (self.value.take(), self.reads);
        *self = Self { value, reads, ..Self::new(from) };
    }

    /// The value, while it may be believed. `confirmed` says that the session of a subscribed point is.
    pub(super) fn value(&self, plan: &PointPlan, confirmed: bool) -> Option<&Value> {
        let believed = self.good && (confirmed || plan.validity.silence_ms().is_none());
        self.value.as_ref().filter(|_| believed)
    }

    /// Milliseconds since the last good read.
    pub(super) fn age_ms(&self, now: Mono) -> Option<u64> {
        self.read.map(|read| now.since(read))
    }

    pub(super) fn read_at(&self) -> Option<Mono> {
        self.read
    }

    /// Takes an observation at `now`, which is its own time unless it came late. `value` is its value after
    /// conversion, or nothing if it is not good.
    pub(super) fn observe(
        &mut self,
        plan: &PointPlan,
        observation: &Observation,
        value: Option<Value>,
        now: Mono,
        confirmed: bool,
    ) -> Effect {
        let answered = value.is_some();
        if answered {
            self.count_skipped(plan, now);
        }
        self.count_until(plan, now, confirmed, true);
        if matches!(plan.validity, Validity::Polled { .. }) && was_asked(observation) {
            self.reads.expected += 1;
            self.reads.good += u32::from(answered);
            (self.counted, self.missed) = (now, 0);
        }
        if observation.mono < self.latest {
            return Effect { changed: false, taken: false };
        }
        self.latest = observation.mono;
        self.good = answered;
        let Some(value) = value else { return Effect { changed: false, taken: true } };
        self.read = Some(observation.mono);
        let changed = self.value.as_ref().is_some_and(|before| *before != value);
        self.value = Some(value);
        Effect { changed, taken: true }
    }

    /// The value is not believed from `now` on.
    pub(super) fn lose(&mut self, plan: &PointPlan, now: Mono, confirmed: bool) {
        self.count_until(plan, now, confirmed, false);
        self.good = false;
    }

    /// When the value ends by its age.
    pub(super) fn expires(&self, plan: &PointPlan) -> Option<Mono> {
        plan.validity.expires(self.read?).filter(|_| self.good)
    }

    /// An answer has come. Polls lie evenly, so a gap that is rounded to two intervals or more is one in which a poll
    /// was due and nobody asked, be it that this box had no time; answers that are slower than half an interval are
    /// rare enough to be counted too strictly. (A time-out says nothing of the kind: it comes late by itself.)
    fn count_skipped(&mut self, plan: &PointPlan, now: Mono) {
        let Validity::Polled { every_ms } = plan.validity else { return };
        let interval = every_ms.max(1);
        let missed = ((now.since(self.counted) + interval / 2) / interval).saturating_sub(1);
        self.reads.expected += narrow(missed.saturating_sub(self.missed));
        self.missed = self.missed.max(missed);
    }

    /// Counts the reads that were due before `now`; those due at `now` itself too if `inclusive`.
    pub(super) fn count_until(&mut self, plan: &PointPlan, now: Mono, confirmed: bool, inclusive: bool) {
        let interval = plan.validity.interval_ms();
        let passed = (now.0 + u64::from(inclusive)).saturating_sub(self.counted.0 + 1);
        let whole = passed / interval;
        if let Validity::Polled { .. } = plan.validity {
            // The first interval is the time in which the next poll is under way.
            let missed = whole.saturating_sub(1);
            self.reads.expected += narrow(missed.saturating_sub(self.missed));
            self.missed = self.missed.max(missed);
        } else {
            self.reads.expected += narrow(whole);
            if self.value(plan, confirmed).is_some() {
                self.reads.good += narrow(whole);
            }
            self.counted.0 += whole * interval;
        }
    }

    /// For `ms` nothing was asked: the reads that were due are missing.
    pub(super) fn miss(&mut self, plan: &PointPlan, ms: u64) {
        self.reads.expected = self.reads.expected.saturating_add(narrow(ms / plan.validity.interval_ms()));
    }

    /// Takes over reads that were counted elsewhere.
    pub(super) fn add_reads(&mut self, reads: Reads) {
        self.reads.expected = self.reads.expected.saturating_add(reads.expected);
        self.reads.good = self.reads.good.saturating_add(reads.good);
    }

    /// Hands out the reads counted so far.
    pub(super) fn take_reads(&mut self) -> Reads {
        std::mem::take(&mut self.reads)
    }
}

/// Whether the observation answers a question that was put to the device. That a link is down is reported for
/// every point at every attempt to connect, at another pace than the poll's.
fn was_asked(observation: &Observation) -> bool {
    observation.quality != Quality::Bad(Reason::Disconnected)
}

fn narrow(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

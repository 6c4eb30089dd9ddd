//! Turns what is known about one machine, moment by moment, into its states with the moments they began.
//!
//! States come out settled: a segment that has been handed out never changes. The caller chooses how far to
//! settle, at least the longest dwell behind the moment it has fed. Time is the monotonic clock's; placing
//! segments in windows is not done here.

use super::expression::Inputs;
use super::history::History;
use super::rules::{Condition, Flag, Rules};
use super::threshold::Latch;
use super::truth::Truth;
use kpi::Leaf;
use observation::Mono;
use serde::{Deserialize, Serialize};

/// One state from a moment to the next, half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins.
    pub from: Mono,
    /// Where it ends, exclusive.
    pub to: Mono,
    /// The state.
    pub leaf: Leaf,
    /// Which of [`Flag::ALL`] are known to be on.
    pub flags: [bool; 4],
}

/// The running memory of one machine's rules. The rules themselves are passed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTracker {
    rules: Vec<(History, Latch)>,
    flags: [History; 4],
    heard: History,
    settled: Mono,
}

impl StateTracker {
    /// Nothing is known from `from` on.
    pub fn new(rules: &Rules, from: Mono) -> Self {
        let unknown = || History::new(from);
        Self {
            rules: rules.rules().iter().map(|_| (unknown(), Latch::default())).collect(),
            flags: std::array::from_fn(|_| unknown()),
            heard: unknown(),
            settled: from,
        }
    }

    /// Whether this memory belongs to such rules; a memory of other rules must be thrown away.
    pub fn fits(&self, rules: &Rules) -> bool {
        self.rules.len() == rules.rules().len()
    }

    /// Evaluates everything at a moment not before any other given.
    pub fn observe(&mut self, at: Mono, rules: &Rules, inputs: &impl Inputs) {
        self.advance(at, rules);
        let watts = rules.power().and_then(|i| inputs.value(i)).and_then(observation::Value::number);
        for (rule, (truth, latch)) in rules.rules().iter().zip(&mut self.rules) {
            match &rule.condition {
                Condition::Expression(e) => truth.push(at, e.truth(inputs)),
                Condition::Power(threshold) => latch.observe(at, watts, threshold, truth),
            }
        }
        for (rule, truth) in rules.flags().iter().zip(&mut self.flags) {
            if let Some(rule) = rule {
                truth.push(at, rule.truth(inputs));
            }
        }
        self.heard.push(at, Truth::from(rules.heard(inputs)));
    }

    /// Lets time pass: dwells that are over by `now` take effect.
    pub fn advance(&mut self, now: Mono, rules: &Rules) {
        for (rule, (truth, latch)) in rules.rules().iter().zip(&mut self.rules) {
            if let Condition::Power(threshold) = &rule.condition {
                latch.advance(now, threshold, truth);
            }
        }
    }

    /// The state as it looks now. It may still be rewritten by a dwell that is running; for display only.
    pub fn current(&self, rules: &Rules) -> Leaf {
        rules.decide(self.heard.last() == Truth::True, |i| self.rules[i].0.last())
    }

    /// Hands out the states up to `until` and forgets them. `until` must lie the longest dwell behind the
    /// moment up to which [`Self::advance`] has been called, or be the end of everything.
    pub fn settle(&mut self, until: Mono, rules: &Rules) -> Vec<Segment> {
        let mut cuts: Vec<Mono> =
            self.histories().flat_map(History::changes).filter(|t| *t < until).collect();
        cuts.extend([self.settled, until]);
        cuts.retain(|t| *t >= self.settled);
        cuts.sort_unstable();
        cuts.dedup();
        let mut segments: Vec<Segment> = vec![];
        for pair in cuts.windows(2) {
            let next = self.segment(pair[0], pair[1], rules);
            match segments.last_mut() {
                Some(last) if (last.leaf, last.flags) == (next.leaf, next.flags) => last.to = next.to,
                _ => segments.push(next),
            }
        }
        if until > self.settled {
            self.settled = until;
            self.histories_mut().for_each(|h| h.settle(until));
        }
        segments
    }

    fn segment(&self, from: Mono, to: Mono, rules: &Rules) -> Segment {
        let leaf = rules.decide(self.heard.at(from) == Truth::True, |i| self.rules[i].0.at(from));
        let mut flags = std::array::from_fn(|i| self.flags[i].at(from) == Truth::True);
        // Cutting is a part of producing, and nothing is counted while the state is not known.
        flags[0] &= leaf == Leaf::Producing;
        if leaf == Leaf::Unknown {
            flags = [false; Flag::ALL.len()];
        }
        Segment { from, to, leaf, flags }
    }

    fn histories(&self) -> impl Iterator<Item = &History> {
        self.rules.iter().map(|(h, _)| h).chain(&self.flags).chain([&self.heard])
    }

    fn histories_mut(&mut self) -> impl Iterator<Item = &mut History> {
        self.rules.iter_mut().map(|(h, _)| h).chain(&mut self.flags).chain([&mut self.heard])
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;

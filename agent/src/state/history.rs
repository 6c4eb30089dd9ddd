//! A truth over time, short: from the settled moment to now. It is the only place that rewrites the past,
//! and only the past that has not been settled.

use super::truth::Truth;
use observation::Mono;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Changes of one truth in order of time; the first is the truth at the settled moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    first: (Mono, Truth),
    rest: Vec<(Mono, Truth)>,
}

impl History {
    /// Unknown from `from` on.
    pub(super) fn new(from: Mono) -> Self {
        Self { first: (from, Truth::Unknown), rest: vec![] }
    }

    /// The truth now.
    pub(super) fn last(&self) -> Truth {
        self.rest.last().unwrap_or(&self.first).1
    }

    /// The truth at a moment not before the settled one.
    pub(super) fn at(&self, moment: Mono) -> Truth {
        let later = self.rest.partition_point(|(at, _)| *at <= moment);
        match later.checked_sub(1) {
            Some(i) => self.rest[i].1,
            None => self.first.1,
        }
    }

    /// The moments after the settled one at which the truth changes.
    pub(super) fn changes(&self) -> impl Iterator<Item = Mono> + '_ {
        self.rest.iter().map(|(at, _)| *at)
    }

    /// The truth becomes `truth` at `at`, which is not before any change so far.
    pub(super) fn push(&mut self, at: Mono, truth: Truth) {
        self.back_date(at, truth);
    }

    /// The truth is `truth` from `from` on, whatever was recorded later than that.
    pub(super) fn back_date(&mut self, from: Mono, truth: Truth) {
        self.rest.truncate(self.rest.partition_point(|(at, _)| *at < from));
        if from <= self.first.0 {
            self.first.1 = truth;
        } else if self.last() != truth {
            self.rest.push((from, truth));
        }
    }

    /// Forgets what lies before `until`, which from now on cannot be rewritten.
    pub(super) fn settle(&mut self, until: Mono) {
        if until > self.first.0 {
            self.first = (until, self.at(until));
            self.rest.retain(|(at, _)| *at > until);
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.first.0.0, self.first.1)?;
        for (at, truth) in &self.rest {
            write!(f, ", {} {truth:?}", at.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_dating_replaces_what_came_later() {
        let mut h = History::new(Mono(0));
        h.push(Mono(5), Truth::True);
        h.push(Mono(9), Truth::False);
        h.back_date(Mono(7), Truth::Unknown);
        assert_eq!(h.to_string(), "0 Unknown, 5 True, 7 Unknown");
        h.back_date(Mono(5), Truth::Unknown);
        assert_eq!(h.to_string(), "0 Unknown");
    }

    #[test]
    fn settling_keeps_the_truth_at_the_settled_moment() {
        let mut h = History::new(Mono(0));
        h.push(Mono(5), Truth::True);
        h.push(Mono(9), Truth::False);
        h.settle(Mono(5));
        assert_eq!(h.to_string(), "5 True, 9 False");
        h.settle(Mono(20));
        assert_eq!(h.to_string(), "20 False");
    }
}

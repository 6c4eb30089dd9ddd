//! Runs of energy differences that occur twice: the mark of copied days.
//!
//! Comparing every run with every other would need memory for all windows. Of each machine's day only the few
//! runs with the smallest hashes are kept; a day that was copied has the same smallest ones, so a copy is found
//! wherever it was pasted, at O(machines × days). Which runs are looked at depends on their content alone.

use std::collections::BTreeMap;

use kpi::Period;

use super::thresholds::Thresholds;
use super::{Found, Seen};
use crate::finding::FindingCode;

/// A prime base of the rolling polynomial, modulo 2^64; odd, so that no digit is lost by shifting out.
const BASE: u64 = 0x0000_0100_0000_01b3;

/// Only one run in so many is looked at closely.
const ONE_IN: u64 = 16;

/// The last differences of one machine and their hash.
#[derive(Default)]
pub(super) struct Rolling {
    values: std::collections::VecDeque<u64>,
    since: std::collections::VecDeque<i64>,
    hash: u64,
    /// What the oldest value was multiplied by on the way: `BASE` to the length of a run.
    top: u64,
    day: Option<i64>,
    kept: Vec<u64>,
}

impl Rolling {
    /// Adds a window. The run that ends here, if it is among the smallest of its day and varied enough.
    pub(super) fn window(&mut self, seen: &Seen<'_>, day: i64, limits: &Thresholds) -> Option<(u64, Period)> {
        let limit = &limits.repeated_run;
        if self.day != Some(day) {
            self.top = power(limit.windows);
            self.day = Some(day);
            self.kept.clear();
        }
        let Some(own) = seen.own_energy() else {
            self.values.clear();
            self.since.clear();
            self.hash = 0;
            return None;
        };
        self.push(own, seen.over.from, limit.windows);
        let mixed = mix(self.hash);
        if !mixed.is_multiple_of(ONE_IN) {
            return None;
        }
        let small = self.kept.len() < limit.kept_a_day || self.kept.last().is_some_and(|&most| mixed < most);
        if self.values.len() < limit.windows || !small || self.distinct() < limit.least_distinct {
            return None;
        }
        let at = self.kept.partition_point(|&kept| kept < mixed);
        self.kept.insert(at, mixed);
        self.kept.truncate(limit.kept_a_day);
        Some((mixed, Period { from: *self.since.front()?, to: seen.over.to }))
    }

    fn push(&mut self, value: u64, from: i64, windows: usize) {
        self.hash = self.hash.wrapping_mul(BASE).wrapping_add(mix(value));
        self.values.push_back(value);
        self.since.push_back(from);
        if self.values.len() > windows {
            self.since.pop_front();
            if let Some(gone) = self.values.pop_front() {
                self.hash = self.hash.wrapping_sub(mix(gone).wrapping_mul(self.top));
            }
        }
    }

    fn distinct(&self) -> usize {
        let mut values: Vec<u64> = self.values.iter().copied().collect();
        values.sort_unstable();
        values.dedup();
        values.len()
    }
}

fn power(n: usize) -> u64 {
    (0..n).fold(1, |p: u64, _| p.wrapping_mul(BASE))
}

/// Spreads the bits of a hash (the finaliser of splitmix64), so that "smallest" picks no pattern.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Kept runs of all machines and days, by hash.
#[derive(Default)]
pub(super) struct Runs {
    first: BTreeMap<u64, (usize, i64, Period)>,
    last_pair: Option<(usize, i64, usize, i64)>,
}

impl Runs {
    pub(super) fn seen(
        &mut self,
        machine: usize,
        day: i64,
        hash: u64,
        period: Period,
        limits: &Thresholds,
    ) -> Option<Found> {
        let &mut (other, other_day, other_period) = self.first.entry(hash).or_insert((machine, day, period));
        let pair = (machine, day, other, other_day);
        // A machine may repeat itself within a day; and one finding a pair of days is enough.
        if (other, other_day) == (machine, day) || self.last_pair == Some(pair) {
            return None;
        }
        self.last_pair = Some(pair);
        Some(Found {
            code: FindingCode::RepeatedRun,
            other: Some((other, other_period)),
            period,
            measured: format!("{} equal energy differences in a row", limits.repeated_run.windows),
            threshold: format!(
                "{} windows with at least {} different values",
                limits.repeated_run.windows, limits.repeated_run.least_distinct
            ),
        })
    }
}

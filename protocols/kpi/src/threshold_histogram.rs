//! How long a machine drew how much, and the heaps in it.
//!
//! ```text
//! bins:  … edges[0] … edges[1] …   …  edges[last] …      each edge is 10/9 of the one below it
//!        0          1                  last + 1          bin 0: everything under a thousandth of the top, negative too
//! ```
//!
//! The edges hang on the top of the readings, so that readings in another unit fall into the same bins. Each bin holds
//! milliseconds, not readings. Nothing here knows what a heap means.

use num_bigint::BigInt;
use num_traits::ToPrimitive;

/// Edges: 0.9^66 is just under a thousandth.
const EDGES: u32 = 66;

/// How long the power was in each bin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// The lower edge of every bin but the first, mW, ascending.
    pub edges: Vec<i64>,
    /// Time in each bin, ms; one more than edges.
    pub ms: Vec<u64>,
}

/// One heap of a histogram: a level at which the machine stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Its bins, the last one included.
    pub bins: (usize, usize),
    /// Time in it, ms.
    pub ms: u64,
    /// Power under which it is for 2 % of its time, mW.
    pub low_mw: i64,
    /// Power under which it is for half of its time, mW.
    pub middle_mw: i64,
    /// Power under which it is for 98 % of its time, mW.
    pub high_mw: i64,
}

/// A power and how long it lasted, mW and ms, in the order of powers.
pub(crate) type Sorted = [(i64, u64)];

/// The power under which `hundredths` of the time of `sorted` lies, mW. `None` for no time at all.
pub(crate) fn quantile(sorted: &Sorted, per_mille: u64) -> Option<i64> {
    let total: u128 = sorted.iter().map(|(_, ms)| u128::from(*ms)).sum();
    let mut below = 0u128;
    for (milliwatts, ms) in sorted {
        below += u128::from(*ms);
        if below * 1000 >= total * u128::from(per_mille) && total > 0 {
            return Some(*milliwatts);
        }
    }
    None
}

impl Histogram {
    /// Over readings whose top is `top_mw`, which is more than 0.
    pub(crate) fn new(sorted: &Sorted, top_mw: i64) -> Self {
        let edge = |below_top: u32| {
            let (num, den) = (BigInt::from(9).pow(below_top), BigInt::from(10).pow(below_top));
            let exact = BigInt::from(top_mw) * num;
            // Rounded up: a whole number reaches the edge if and only if it reaches the exact one.
            let up: BigInt = (exact + &den - 1) / den;
            up.to_i64().unwrap_or(i64::MAX)
        };
        let edges: Vec<i64> = (0..EDGES).map(|i| edge(EDGES - 1 - i)).collect();
        let mut histogram = Self { ms: vec![0; edges.len() + 1], edges };
        for (milliwatts, ms) in sorted {
            let bin = histogram.bin(*milliwatts);
            histogram.ms[bin] += ms;
        }
        histogram
    }

    /// The bin of a power.
    pub fn bin(&self, milliwatts: i64) -> usize {
        self.edges.partition_point(|edge| *edge <= milliwatts)
    }

    /// A thousandth of the top, mW: what lies under it is nothing.
    pub fn floor_mw(&self) -> i64 {
        self.edges.first().copied().unwrap_or(0)
    }

    /// The heaps, from the lowest power up, and whether two of them run into each other.
    pub(crate) fn modes(&self, sorted: &Sorted) -> (Vec<Mode>, bool) {
        let smooth = smoothed(&self.ms);
        let (hills, overlap) = merged(hills(&smooth), &smooth, &self.ms);
        let mode = |hill: &Hill| {
            let inside: Vec<(i64, u64)> = sorted
                .iter()
                .filter(|(milliwatts, _)| (hill.first..=hill.last).contains(&self.bin(*milliwatts)))
                .copied()
                .collect();
            Some(Mode {
                bins: (hill.first, hill.last),
                ms: inside.iter().map(|(_, ms)| ms).sum(),
                low_mw: quantile(&inside, 20)?,
                middle_mw: quantile(&inside, 500)?,
                high_mw: quantile(&inside, 980)?,
            })
        };
        (hills.iter().filter_map(mode).collect(), overlap)
    }
}

/// Each bin with its four neighbours, by 1 4 6 4 1. A register of coarse steps leaves empty bins between its steps.
fn smoothed(ms: &[u64]) -> Vec<u128> {
    let at = |i: usize, offset: usize| i.checked_add(offset)?.checked_sub(2).and_then(|i| ms.get(i)).copied();
    (0..ms.len())
        .map(|i| {
            [1u128, 4, 6, 4, 1]
                .iter()
                .enumerate()
                .map(|(offset, weight)| weight * u128::from(at(i, offset).unwrap_or(0)))
                .sum()
        })
        .collect()
}

/// Bins from the lowest ground on the left of a peak to the lowest on its right.
#[derive(Clone, Debug)]
struct Hill {
    first: usize,
    last: usize,
    peak: u128,
    /// The ground between it and the hill to its left.
    ground: u128,
}

/// Every peak is a hill; they meet in the middle of the lowest run of bins between them.
fn hills(smooth: &[u128]) -> Vec<Hill> {
    let mut runs: Vec<(usize, usize, u128)> = vec![];
    for (i, height) in smooth.iter().enumerate() {
        match runs.last_mut() {
            Some((_, last, same)) if same == height => *last = i,
            _ => runs.push((i, i, *height)),
        }
    }
    let height = |i: Option<usize>| i.and_then(|i| runs.get(i)).map_or(0, |run| run.2);
    let is_peak = |i: &usize| {
        let own = height(Some(*i));
        own > height(i.checked_sub(1)) && own > height(Some(i + 1))
    };
    let mut hills: Vec<Hill> = vec![];
    let mut before: Option<usize> = None;
    for peak in (0..runs.len()).filter(is_peak) {
        let (mut first, mut ground) = (0, 0);
        if let (Some(before), Some(left)) = (before, hills.last_mut()) {
            let lowest = runs[before + 1..peak].iter().min_by_key(|run| run.2);
            if let Some((from, to, height)) = lowest {
                let middle = usize::midpoint(*from, *to);
                (left.last, first, ground) = (middle, middle + 1, *height);
            }
        }
        hills.push(Hill { first, last: smooth.len() - 1, peak: runs[peak].2, ground });
        before = Some(peak);
    }
    hills
}

/// Joins hills until the ground between any two is at most a quarter of the lower one and each has a hundredth of the
/// time. Says whether hills were joined that are two to the eye.
fn merged(mut hills: Vec<Hill>, smooth: &[u128], ms: &[u64]) -> (Vec<Hill>, bool) {
    let mut overlap = false;
    let total: u128 = ms.iter().map(|ms| u128::from(*ms)).sum();
    let time = |hill: &Hill| ms[hill.first..=hill.last].iter().map(|ms| u128::from(*ms)).sum::<u128>();
    debug_assert_eq!(smooth.len(), ms.len());
    loop {
        // The shallowest ground first: ground over the lower peak, compared as fractions.
        let shallow = (1..hills.len())
            .map(|right| (right, hills[right].ground, hills[right - 1].peak.min(hills[right].peak)))
            .filter(|(_, ground, peak)| ground * 4 > *peak)
            .max_by(|a, b| (a.1 * b.2).cmp(&(b.1 * a.2)).then(b.0.cmp(&a.0)));
        if let Some((right, ground, peak)) = shallow {
            let large = |hill: &Hill| time(hill) * 20 >= total;
            overlap |= ground * 8 < peak * 7 && large(&hills[right - 1]) && large(&hills[right]);
            join(&mut hills, right);
            continue;
        }
        let small = hills.iter().enumerate().filter(|(_, hill)| time(hill) * 100 < total);
        let Some((place, _)) = small.min_by_key(|(_, hill)| time(hill)) else { break };
        if hills.len() == 1 {
            break;
        }
        // To the side where the ground is higher; where there is one side only, to that.
        let left = (place > 0).then(|| hills[place].ground);
        let right = hills.get(place + 1).map(|hill| hill.ground);
        join(&mut hills, if right > left { place + 1 } else { place });
    }
    (hills, overlap)
}

fn join(hills: &mut Vec<Hill>, right: usize) {
    let joined = hills.remove(right);
    let left = &mut hills[right - 1];
    left.last = joined.last;
    left.peak = left.peak.max(joined.peak);
}

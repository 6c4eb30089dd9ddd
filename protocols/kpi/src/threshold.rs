//! Power thresholds of a machine without a controller interface (哑设备), proposed from a day of its own power.
//!
//! Power alone does not know what the machine is for: which heap is "idle" and which is "producing" is declared by
//! whoever saw the machine that day, and the evidence stays class C. What readings cannot show is refused with its
//! reason: no threshold is better than a wrong one. Readings in, numbers out; exact integers throughout. Reading meters
//! and drawing is not done here, nor is deciding states (that is the agent's, with the same levels).
//!
//! All limits below are decisions of this project, not of a standard.

pub use crate::threshold_histogram::{Histogram, Mode};
use crate::threshold_histogram::{Sorted, quantile};
use num_integer::Roots;

/// One attempt to read the power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerReading {
    /// When, ms since any fixed moment.
    pub at_ms: i64,
    /// What was read, mW; nothing when the read failed.
    pub milliwatts: Option<i64>,
}

/// A day at one reading in two minutes: what takes a hundredth of the day is then seen seven times.
pub const FEWEST_READINGS: usize = 720;
/// Less than this shows no working day, not even a part of one.
pub const SHORTEST_SPAN_MS: u64 = 3_600_000;
/// From here on it is called a day.
pub const DAY_MS: u64 = 20 * 3_600_000;
/// Windows wait for a dwell, and the agent takes no longer one.
pub const LONGEST_DWELL_MS: u64 = 600_000;
/// The shortest dwell proposed: a spindle starts or stops within it.
const SHORTEST_DWELL_MS: u64 = 5000;

/// What the readings show, whatever it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How many readings, failed ones too.
    pub readings: usize,
    /// Median time between two readings, ms.
    pub interval_ms: u64,
    /// From the first to the last, ms.
    pub span_ms: u64,
    /// How much of the span is known, ms. A reading holds for less than two intervals.
    pub known_ms: u64,
    /// How long it drew how much.
    pub histogram: Histogram,
    /// The heaps in it, from the lowest power up.
    pub modes: Vec<Mode>,
    /// Two heaps run into each other and were taken for one.
    pub overlap: bool,
    sorted: Vec<(i64, u64)>,
}

/// What somebody who saw the machine says of the heaps; numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// With this heap the machine is on; lower ones are off. 1: it was never off.
    pub idle: usize,
    /// With this heap it is producing. The same as `idle`: it is never idle.
    pub producing: usize,
}

/// Between two states: at `upper_mw` the higher one begins, under `lower_mw` it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The higher state ends under it, mW.
    pub lower_mw: i64,
    /// The higher state begins at it, mW.
    pub upper_mw: i64,
    /// Up to here reaches the lower heap, mW.
    pub from_mw: i64,
    /// From here on stands the higher heap, mW.
    pub to_mw: i64,
    /// Time between the two levels, ms.
    pub between_ms: u64,
}

/// What was found. Always a proposal: it is declared by whoever writes it into a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What was declared, or taken for granted with three heaps.
    pub declared: Declared,
    /// Between off and the state above it; nothing if the machine was never off.
    pub on: Option<Step>,
    /// Between idle (or off, for a machine that is never idle) and producing.
    pub producing: Step,
    /// How long a change has to last, ms.
    pub dwell_ms: u64,
    /// What makes the proposal weaker than a clear one; empty for a clear one.
    pub doubts: Vec<Doubt>,
}

/// What speaks against a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The readings span less than a day, ms: not every state may have occurred.
    ShortOfADay {
        /// The span, ms.
        span_ms: u64,
    },
    /// More than a twentieth of the span is not known.
    Unknown {
        /// What is known, ms.
        known_ms: u64,
        /// Of what, ms.
        span_ms: u64,
    },
    /// The higher heap begins at less than twice the power where the lower one ends.
    Close {
        /// Where the lower one ends, mW.
        from_mw: i64,
        /// Where the higher one begins, mW.
        to_mw: i64,
    },
    /// More than a hundredth of the time lies between the levels.
    Between {
        /// How long, ms.
        ms: u64,
    },
}

/// Why nothing is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Readings have to come in the order of time, no two at once.
    #[error("reading {number} is not later than the one before it; sort the readings by time")]
    Order {
        /// Which, from 1.
        number: usize,
    },
    /// Too few.
    #[error(
        "{readings} readings are too few; at least {FEWEST_READINGS} are needed: read more often or for longer"
    )]
    TooFew {
        /// How many.
        readings: usize,
    },
    /// Too short.
    #[error("{} min are too short; read for a whole day, at least an hour", .span_ms / 60_000)]
    TooShort {
        /// The span, ms.
        span_ms: u64,
    },
    /// More than a tenth is not known.
    #[error("only {} of {} min are known, and a tenth at most may be missing; mend the link and read again", .known_ms / 60_000, .span_ms / 60_000)]
    Gaps {
        /// What is known, ms.
        known_ms: u64,
        /// Of what, ms.
        span_ms: u64,
    },
    /// There is no dwell that three readings fit into.
    #[error("one reading in {} s is too seldom to see a change within 10 min; read more often", .interval_ms / 1000)]
    TooSeldom {
        /// Median time between readings, ms.
        interval_ms: u64,
    },
    /// No power at all.
    #[error("the meter shows no power; check its current transformers and the register")]
    NoPower,
    /// One heap only.
    #[error("the power stays at one level; read while the machine is off, idle and producing")]
    OneMode,
    /// Heaps run into each other.
    #[error("the levels run into each other; power alone cannot tell this machine's states")]
    Overlap,
    /// The heaps do not say themselves what they are.
    #[error("{modes} levels were seen, and power does not say which is idle and which is producing; say it")]
    Undeclared {
        /// How many.
        modes: usize,
    },
    /// What was declared does not fit.
    #[error("1 <= idle <= producing <= {modes} and 2 <= producing must hold for the numbers of levels")]
    Declaration {
        /// How many heaps there are.
        modes: usize,
    },
}

/// Looks at the readings of one machine.
pub fn look(readings: &[PowerReading]) -> Result<Seen, Refusal> {
    if let Some(place) = readings.windows(2).position(|pair| pair[1].at_ms <= pair[0].at_ms) {
        return Err(Refusal::Order { number: place + 2 });
    }
    if readings.len() < FEWEST_READINGS {
        return Err(Refusal::TooFew { readings: readings.len() });
    }
    let mut intervals: Vec<u64> = readings.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    let span_ms: u64 = intervals.iter().sum();
    if span_ms < SHORTEST_SPAN_MS {
        return Err(Refusal::TooShort { span_ms });
    }
    intervals.sort_unstable();
    let interval_ms = intervals[intervals.len() / 2];
    if dwell_ms(interval_ms) > LONGEST_DWELL_MS {
        return Err(Refusal::TooSeldom { interval_ms });
    }
    let sorted = by_power(readings, interval_ms.saturating_mul(2));
    let known_ms: u64 = sorted.iter().map(|(_, ms)| ms).sum();
    if u128::from(known_ms) * 10 < u128::from(span_ms) * 9 {
        return Err(Refusal::Gaps { known_ms, span_ms });
    }
    // A thousandth of the time may be spikes.
    let top = quantile(&sorted, 999).filter(|top| *top > 0).ok_or(Refusal::NoPower)?;
    let histogram = Histogram::new(&sorted, top);
    let (modes, overlap) = histogram.modes(&sorted);
    Ok(Seen { readings: readings.len(), interval_ms, span_ms, known_ms, histogram, modes, overlap, sorted })
}

/// Thresholds for what was seen. Without a declaration three heaps are off, idle and producing, and nothing else is
/// taken for granted.
pub fn propose(seen: &Seen, declared: Option<Declared>) -> Result<Proposal, Refusal> {
    let modes = seen.modes.len();
    if modes < 2 {
        return Err(if seen.overlap { Refusal::Overlap } else { Refusal::OneMode });
    }
    let declared = match declared {
        Some(declared) => declared,
        None if modes == 3 && !seen.overlap => Declared { idle: 2, producing: 3 },
        None => return Err(Refusal::Undeclared { modes }),
    };
    let Declared { idle, producing } = declared;
    if idle < 1 || producing < 2 || idle > producing || producing > modes {
        return Err(Refusal::Declaration { modes });
    }
    let upper = step(seen, producing)?;
    let on = match idle {
        1 => None,
        same if same == producing => Some(upper),
        _ => Some(step(seen, idle)?),
    };
    let dwell_ms = dwell_ms(seen.interval_ms);
    Ok(Proposal { declared, on, producing: upper, dwell_ms, doubts: doubts(seen, on, upper) })
}

fn between(a: PowerReading, b: PowerReading) -> u64 {
    a.at_ms.abs_diff(b.at_ms)
}

/// Three readings fit into it, in whole seconds.
fn dwell_ms(interval_ms: u64) -> u64 {
    interval_ms.saturating_mul(3).div_ceil(1000).saturating_mul(1000).max(SHORTEST_DWELL_MS)
}

/// How long each power held: until the next reading, and less than two intervals (metrics.md 0, point 2).
fn by_power(readings: &[PowerReading], longest_ms: u64) -> Vec<(i64, u64)> {
    let held = readings.windows(2).filter_map(|pair| {
        let ms = between(pair[0], pair[1]);
        pair[0].milliwatts.map(|milliwatts| (milliwatts, ms.min(longest_ms)))
    });
    let mut sorted: Vec<(i64, u64)> = held.collect();
    sorted.sort_unstable();
    sorted
}

/// The levels between heap `number` and the one under it. The threshold is the geometric middle of the empty ground,
/// since heaps are as wide as they are high; the levels lie half way from it to either side.
fn step(seen: &Seen, number: usize) -> Result<Step, Refusal> {
    let (lower, higher) = (&seen.modes[number - 2], &seen.modes[number - 1]);
    let from_mw = lower.high_mw.max(seen.histogram.floor_mw()).max(1);
    let to_mw = higher.low_mw;
    if i128::from(to_mw) * 4 < i128::from(from_mw) * 5 {
        return Err(Refusal::Overlap);
    }
    let threshold = middle(from_mw, to_mw);
    let (lower_mw, upper_mw) = (middle(from_mw, threshold), middle(threshold, to_mw));
    let inside = |(milliwatts, _): &&(i64, u64)| (lower_mw..upper_mw).contains(milliwatts);
    let between_ms = seen.sorted.iter().filter(inside).map(|(_, ms)| ms).sum();
    Ok(Step { lower_mw, upper_mw, from_mw, to_mw, between_ms })
}

/// Geometric mean of two powers greater than 0, rounded down; it lies between them.
fn middle(a: i64, b: i64) -> i64 {
    let product = u128::from(a.unsigned_abs()) * u128::from(b.unsigned_abs());
    i64::try_from(product.sqrt()).unwrap_or(i64::MAX)
}

fn doubts(seen: &Seen, on: Option<Step>, producing: Step) -> Vec<Doubt> {
    let (known, span) = (u128::from(seen.known_ms), u128::from(seen.span_ms));
    let mut doubts = vec![];
    if seen.span_ms < DAY_MS {
        doubts.push(Doubt::ShortOfADay { span_ms: seen.span_ms });
    }
    if known * 20 < span * 19 {
        doubts.push(Doubt::Unknown { known_ms: seen.known_ms, span_ms: seen.span_ms });
    }
    for step in on.into_iter().filter(|on| *on != producing).chain([producing]) {
        if i128::from(step.to_mw) < i128::from(step.from_mw) * 2 {
            doubts.push(Doubt::Close { from_mw: step.from_mw, to_mw: step.to_mw });
        }
        if u128::from(step.between_ms) * 100 > known {
            doubts.push(Doubt::Between { ms: step.between_ms });
        }
    }
    doubts
}

impl Seen {
    /// Time at powers from `from_mw` on and under `to_mw`, ms.
    pub fn time_ms(&self, from_mw: i64, to_mw: i64) -> u64 {
        let sorted: &Sorted = &self.sorted;
        sorted.iter().filter(|(mw, _)| (from_mw..to_mw).contains(mw)).map(|(_, ms)| ms).sum()
    }
}

#[cfg(test)]
#[path = "threshold_tests.rs"]
mod tests;

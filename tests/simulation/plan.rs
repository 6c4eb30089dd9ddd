//! What a seed draws before it begins: how many boxes, how long, and which faults may come.

use super::random::Random;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// How large a seed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Two to ten agents, days to weeks; what fits a thousand times into minutes.
    Mixed,
    /// Ten agents, 365 days.
    Year,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) agents: usize,
    pub(crate) days: i64,
    /// A box's disk may be put back to a copy.
    pub(crate) snapshots: bool,
    /// The gateway may be put back to a backup.
    pub(crate) backups: bool,
    /// Chance a day of each other fault, permille.
    pub(crate) faults: i64,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random, scale: Scale) -> Self {
        let (agents, days) = match scale {
            Scale::Year => (10, 365),
            // Most are small; a few have all ten boxes.
            Scale::Mixed if random.permille(20) => (10, random.between(2, 4)),
            Scale::Mixed => (usize::try_from(random.between(2, 4)).unwrap(), random.between(2, 6)),
        };
        let backups = random.permille(300);
        // The longer the life, the rarer each fault is a day.
        let faults = if scale == Scale::Year { 40 } else { random.between(0, 250) };
        Self { agents, days, snapshots: !backups && random.permille(500), backups, faults }
    }
}

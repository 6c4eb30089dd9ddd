//! The thresholds, read from a versioned data file that is part of the program.

use serde::Deserialize;

/// Thresholds of all checks. The file explains each number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Version, quoted by findings.
    pub version: String,
    pub(crate) repeated_run: RepeatedRun,
    pub(crate) constant: Constant,
    pub(crate) producing_at_idle_power: ProducingAtIdlePower,
    pub(crate) power_against_register: PowerAgainstRegister,
    pub(crate) above_rated_power: AboveRatedPower,
    pub(crate) clock: Clock,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepeatedRun {
    pub(crate) windows: usize,
    pub(crate) least_distinct: usize,
    pub(crate) kept_a_day: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Constant {
    pub(crate) windows: u64,
    pub(crate) least_units: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProducingAtIdlePower {
    pub(crate) least_idle_windows: u64,
    pub(crate) windows: u64,
    pub(crate) margin_percent: i128,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PowerAgainstRegister {
    pub(crate) windows: u64,
    pub(crate) percent: u128,
    pub(crate) units: u128,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AboveRatedPower {
    pub(crate) percent: u128,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clock {
    pub(crate) tolerance_ms: i64,
}

impl Thresholds {
    /// The newest thresholds.
    #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
    pub fn current() -> Self {
        toml::from_str(include_str!("../../data/plausibility-1.toml"))
            .expect("the thresholds are well formed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_file_is_read_and_names_its_version() {
        assert_eq!(Thresholds::current().version, "plausibility/1");
    }
}

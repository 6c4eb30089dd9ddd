//! What the engine has to know of a configuration: which point feeds what, for one project.
//!
//! The plan is derived from the configuration and the genesis and never changes while an engine runs.

use super::input::LinkIndex;
use crate::counter::CounterModel;
use crate::state::Rules;
use crate::validity::Validity;
use evidence::Hash;
use observation::{Decimal, PointId, Utc};

/// One project's machines on this box.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Length of a window, ms; divides an hour.
    pub step_ms: u32,
    /// No window begins before this: the time of the genesis.
    pub not_before: Utc,
    /// How many links the box has.
    pub links: usize,
    /// In the order of the roster.
    pub machines: Vec<MachinePlan>,
    /// Changes with anything that gives inputs another meaning: a memory or journal of another plan must
    /// not be fed to this one.
    pub fingerprint: Hash,
}

/// One machine.
#[derive(Clone, Debug)]
pub struct MachinePlan {
    /// Index in the roster of the genesis.
    pub index: u32,
    /// Id, for messages and to find its memory again after a change of configuration.
    pub id: String,
    /// State and flag rules; they name points by their position in `points`.
    pub rules: Rules,
    /// Everything that is read of this machine.
    pub points: Vec<PointPlan>,
    /// The serial number that the roster expects.
    pub identity: Option<String>,
    /// Where its energy comes from.
    pub energy: EnergyPlan,
    /// The part counter.
    pub parts: Option<CounterModel>,
    /// The counter of good parts.
    pub good_parts: Option<CounterModel>,
    /// Whether the power point is independent of the controller, so that its figures may be windowed.
    pub power_is_independent: bool,
}

/// Where a machine's energy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnergyPlan {
    /// It is not measured.
    None,
    /// From a cumulative register.
    Register(CounterModel),
    /// From power, because there is no register.
    FromPower,
}

/// What a point is to its machine beside its name in rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feeds {
    /// State rules only.
    Rules,
    /// Active power, W.
    Power,
    /// The energy register, Wh.
    Energy,
    /// The part register.
    Parts,
    /// The good-part register.
    GoodParts,
    /// The serial number.
    Identity,
}

/// One point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointPlan {
    /// Its id among all points of the box.
    pub id: PointId,
    /// Its name in rules.
    pub name: String,
    /// The link it is read over.
    pub link: LinkIndex,
    /// How long its values may be believed.
    pub validity: Validity,
    /// What it feeds.
    pub feeds: Feeds,
    /// Turns a value as read into W or Wh.
    pub factor: Option<Factor>,
}

/// `times / over`. Joules are the reason for `over`: 1 J = 1/3600 Wh has no finite decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Factor {
    /// Multiplier.
    pub times: Decimal,
    /// Divisor, at least 1.
    pub over: u32,
}

impl Factor {
    /// A plain decimal factor.
    pub fn exact(times: Decimal) -> Self {
        Self { times, over: 1 }
    }

    /// The product; exact, or rounded down to the thousandth where it has no finite decimal. Always down, so
    /// that a register never runs backwards by rounding. `None` on overflow.
    pub fn apply(self, value: Decimal) -> Option<Decimal> {
        const FINE: i8 = -12;
        let product = value.checked_mul(self.times)?;
        if self.over == 1 {
            return Some(product);
        }
        let fine = product.floor_at_exponent(FINE)?;
        let divisor = i128::from(self.over).checked_mul(10i128.pow(9))?;
        Decimal::new(fine.div_euclid(divisor), -3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joules_become_watt_hours_rounded_down_to_the_thousandth() {
        let joule = Factor { times: Decimal::from(1i64), over: 3600 };
        for (joules, wh) in
            [("3600", "1"), ("3599.999", "0.999"), ("18", "0.005"), ("0", "0"), ("36000000.5", "10000")]
        {
            assert_eq!(joule.apply(joules.parse().unwrap()).unwrap().to_string(), wh);
        }
    }

    #[test]
    fn a_decimal_factor_loses_nothing() {
        let kwh = Factor::exact(Decimal::from(1000i64));
        assert_eq!(
            kwh.apply("18446744073709551.615".parse().unwrap()).unwrap().to_string(),
            "18446744073709551615"
        );
    }
}

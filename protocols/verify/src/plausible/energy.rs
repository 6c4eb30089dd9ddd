//! Energy that looks made up: differences that never vary, more than the machine can draw, and a register that
//! disagrees with an independent power point.

use kpi::chain::Booking;
use kpi::{Period, Quantity};

use super::thresholds::Thresholds;
use super::{Found, Seen};
use crate::finding::FindingCode;

/// mWh that `watts` draw in `seconds`, times 3600 to stay whole.
fn mwh_3600(watts: u128, seconds: u64) -> u128 {
    watts * u128::from(seconds) * 1000
}

/// A difference above what the rated power can draw in its time.
pub(super) fn above_rated(seen: &Seen<'_>, rated_w: Option<u64>, limits: &Thresholds) -> Option<Found> {
    let Booking::Known { from, to, amount } = seen.booked[Quantity::Energy.index()] else { return None };
    let period = Period { from, to };
    let percent = limits.above_rated_power.percent;
    let rated_w = rated_w.filter(|&w| w > 0)?;
    let most = mwh_3600(rated_w.into(), period.seconds()) * percent;
    // One step of the register may have been due before the window began.
    let least = u128::from(amount.saturating_sub(seen.resolution_mwh)) * 3600 * 100;
    (least > most).then(|| Found {
        code: FindingCode::AboveRatedPower,
        other: None,
        period,
        measured: format!("{amount} mWh in {} s", period.seconds()),
        threshold: format!("{percent} % of {rated_w} W"),
    })
}

/// How long differences have been exactly equal.
#[derive(Default)]
pub(super) struct Constant {
    value: u64,
    since: Option<Period>,
    windows: u64,
}

impl Constant {
    pub(super) fn window(&mut self, seen: &Seen<'_>, limits: &Thresholds) -> Option<Found> {
        let own = seen.own_energy();
        if let (Some(own), Some(since)) = (own, self.since.as_mut())
            && own == self.value
        {
            since.to = seen.over.to;
            self.windows += 1;
            return None;
        }
        let found = self.finish(limits);
        let least = limits.constant.least_units.saturating_mul(seen.resolution_mwh.max(1));
        if let Some(own) = own.filter(|&own| own >= least) {
            (self.value, self.since, self.windows) = (own, Some(seen.over), 1);
        }
        found.into_iter().next()
    }

    pub(super) fn finish(&mut self, limits: &Thresholds) -> Vec<Found> {
        let (windows, since) = (std::mem::take(&mut self.windows), self.since.take());
        let long = since.filter(|_| windows >= limits.constant.windows);
        long.into_iter()
            .map(|period| Found {
                code: FindingCode::Constant,
                other: None,
                period,
                measured: format!("{windows} windows of exactly {} mWh", self.value),
                threshold: format!("{} windows", limits.constant.windows),
            })
            .collect()
    }
}

/// Power and register over a block of windows that have both.
#[derive(Default)]
pub(super) struct PowerBlock {
    since: Option<Period>,
    windows: u64,
    power_3600: u128,
    register_mwh: u128,
}

impl PowerBlock {
    pub(super) fn window(&mut self, seen: &Seen<'_>, limits: &Thresholds) -> Option<Found> {
        let power = seen.power_w.and_then(|w| u128::try_from(w).ok());
        let (Some(power), Some(register)) = (power, seen.own_energy()) else {
            *self = Self::default();
            return None;
        };
        self.since.get_or_insert(seen.over).to = seen.over.to;
        self.windows += 1;
        self.power_3600 += mwh_3600(power, seen.over.seconds());
        self.register_mwh += u128::from(register);
        if self.windows < limits.power_against_register.windows {
            return None;
        }
        let block = std::mem::take(self);
        block.judge(u128::from(seen.resolution_mwh), limits)
    }

    fn judge(&self, resolution_mwh: u128, limits: &Thresholds) -> Option<Found> {
        let period = self.since?;
        let limit = &limits.power_against_register;
        let register = self.register_mwh * 3600;
        let apart = register.abs_diff(self.power_3600);
        // Power is signed in whole watts, so each window may be half a watt off; one watt is allowed.
        let slack = limit.units * resolution_mwh * 3600 + mwh_3600(1, period.seconds());
        let allowed = register.max(self.power_3600) * limit.percent / 100 + slack;
        (apart > allowed).then(|| Found {
            code: FindingCode::PowerAgainstRegister,
            other: None,
            period,
            measured: format!("register {} mWh, power {} mWh", self.register_mwh, self.power_3600 / 3600),
            threshold: format!("{} % and {} mWh", limit.percent, slack / 3600),
        })
    }
}

//! What electricity cost by a time-of-use tariff.
//!
//! A register difference inside one band costs that band's price. One that spans a boundary costs anything between
//! its cheapest and its dearest band: the dearer side counts against the applicant, and no difference is split in
//! proportion to time. Money is exact until the end and then whole fen, the lower end down, the upper end up.

use num_traits::ToPrimitive;
use serde::Serialize;

use super::range::Range;
use super::tariff::{BANDS, Band, PricedPeriod};
use crate::chain::Booking;
use crate::period::Period;
use crate::rational::Rational;
use crate::totals::AmountBounds;

/// mWh in a kWh, divided by fen in a yuan: yuan/kWh × mWh over this is fen.
const MWH_YUAN_PER_FEN: u64 = 10_000;

/// Collects the cost of one machine's or meter's electricity over one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostOfUse<'a> {
    priced: &'a PricedPeriod,
    /// By price list and band: differences inside one band, mWh.
    sure_mwh: Vec<[u128; BANDS]>,
    /// By band: differences that may lie in it.
    maybe_mwh: [u128; BANDS],
    /// Cost of differences over a boundary, mWh × 元/kWh.
    spans: Range,
}

/// What electricity cost, and how much of it fell into which band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Fen, exact.
    pub fen: Range,
    /// mWh by [`Band::index`].
    pub by_band_mwh: [Range; BANDS],
}

/// A cost in whole fen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct WholeFen {
    /// Least cost, rounded down.
    pub lower: i128,
    /// Greatest cost, rounded up; `null` when nothing bounds it.
    pub upper: Option<i128>,
}

impl<'a> CostOfUse<'a> {
    /// Nothing yet.
    pub fn new(priced: &'a PricedPeriod) -> Self {
        let sure_mwh = vec![[0; BANDS]; priced.prices.len()];
        Self { priced, sure_mwh, maybe_mwh: [0; BANDS], spans: Range::zero() }
    }

    /// Adds what a window booked.
    pub fn book(&mut self, booking: Booking) {
        let Booking::Known { from, to, amount } = booking else { return };
        let over = Period { from, to };
        let Some(inside) = self.priced.period.overlap(over) else { return };
        if let (Some((band, list)), true) = (self.priced.only_in(inside), inside == over) {
            if let Some(sums) = self.sure_mwh.get_mut(list) {
                sums[band.index()] += u128::from(amount);
            }
            return;
        }
        let here = self.priced.all_in(inside);
        let price =
            |&(band, list): &(Band, usize)| self.priced.prices.get(list).map(|p| p[band.index()].clone());
        let (least, most) = (here.iter().filter_map(price).min(), here.iter().filter_map(price).max());
        let times = |price: Option<Rational>| {
            price.map_or_else(Rational::zero, |p| Rational(p.0 * Rational::integer(amount).0))
        };
        let lower = if inside == over { times(least) } else { Rational::zero() };
        self.spans = self.spans.plus(&Range { lower, upper: Some(times(most)) });
        for band in Band::ALL.into_iter().filter(|band| here.iter().any(|(b, _)| b == band)) {
            self.maybe_mwh[band.index()] += u128::from(amount);
        }
    }

    /// The cost. `total` is the amount over the same period: where nothing bounds it, nothing bounds the cost.
    pub fn finish(&self, total: &AmountBounds) -> Cost {
        let mut cost = self.spans.clone();
        for (prices, sums) in self.priced.prices.iter().zip(&self.sure_mwh) {
            for (price, sum) in prices.iter().zip(sums) {
                cost = cost.plus(&Range::point(Rational(&price.0 * &Rational::integer(*sum).0)));
            }
        }
        let bounded = total.upper.is_some();
        let fen = |value: &Rational| Rational(&value.0 / Rational::integer(MWH_YUAN_PER_FEN).0);
        let by_band = |band: usize| {
            let sure: u128 = self.sure_mwh.iter().map(|sums| sums[band]).sum();
            let upper = total.upper.map(|all| Rational::integer(all.min(sure + self.maybe_mwh[band])));
            Range { lower: Rational::integer(sure), upper }
        };
        Cost {
            fen: Range { lower: fen(&cost.lower), upper: cost.upper.as_ref().filter(|_| bounded).map(fen) },
            by_band_mwh: std::array::from_fn(by_band),
        }
    }
}

impl Cost {
    /// The sum over machines.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            fen: self.fen.plus(&other.fen),
            by_band_mwh: std::array::from_fn(|band| self.by_band_mwh[band].plus(&other.by_band_mwh[band])),
        }
    }

    /// Whole fen, rounded once.
    pub fn whole_fen(&self) -> WholeFen {
        let whole = |value: num_bigint::BigInt| value.to_i128().unwrap_or(i128::MAX);
        WholeFen {
            lower: whole(self.fen.lower.0.floor().to_integer()),
            upper: self.fen.upper.as_ref().map(|upper| whole(upper.0.ceil().to_integer())),
        }
    }
}

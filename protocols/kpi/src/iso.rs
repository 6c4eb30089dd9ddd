//! The ratios of ISO 22400-2 as intervals over unknown time. Unknown time inside PBT could have been anything,
//! so each bound puts it where it hurts or helps that ratio most; dividing by known time alone
//! (APT / (PBT − U)) is not evidence and exists nowhere here.

use crate::rational::Rational;
use crate::times::Times;

/// A closed interval of exact rationals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Least value the evidence allows.
    pub lower: Rational,
    /// Greatest value the evidence allows.
    pub upper: Rational,
}

/// `part / (whole + u)` to `(part + u) / (whole + u)`: unknown time belongs to the whole and may be the part.
fn share(part: u64, whole: u64, u: u64) -> Option<Bounds> {
    Some(Bounds { lower: Rational::ratio(part, whole + u)?, upper: Rational::ratio(part + u, whole + u)? })
}

/// Availability (可用率, 时间稼动率) = APT / PBT.
pub fn availability(t: &Times) -> Option<Bounds> {
    share(t.apt_ms, t.pbt_ms - t.unknown_ms, t.unknown_ms)
}

/// Allocation efficiency (占用率) = AUBT / PBT.
pub fn allocation(t: &Times) -> Option<Bounds> {
    share(t.aubt_ms(), t.pbt_ms - t.unknown_ms, t.unknown_ms)
}

/// Utilization efficiency (利用效率) = APT / AUBT. Unknown time may be delay (in AUBT only), production (in both)
/// or down time without an order (in neither), which always lies between the two.
pub fn utilization(t: &Times) -> Option<Bounds> {
    share(t.apt_ms, t.aubt_ms(), t.unknown_ms)
}

/// Technical efficiency (技术效率) = APT / (APT + ADET).
pub fn technical(t: &Times) -> Option<Bounds> {
    share(t.apt_ms, t.apt_ms + t.adet_ms, t.unknown_ms)
}

/// Set-up rate (换型率) = AUST / AUPT.
pub fn setup_rate(t: &Times) -> Option<Bounds> {
    share(t.aust_ms, t.aupt_ms(), t.unknown_ms)
}

/// Power-on rate (开机率) = time not OFF / calendar time; unknown time is never "on" in the lower bound.
pub fn power_on(t: &Times) -> Option<Bounds> {
    share(t.on_ms, t.calendar_ms - t.calendar_unknown_ms, t.calendar_unknown_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::{Rounding, decimal};
    use num_bigint::BigInt;

    /// Milliseconds of PBT, then of what is known in it: APT, AUST, ADET, ADOT.
    fn times(pbt: u64, apt: u64, aust: u64, delay: u64, down: u64) -> Times {
        let unknown_ms = pbt - apt - aust - delay - down;
        Times {
            pbt_ms: pbt,
            apt_ms: apt,
            aust_ms: aust,
            adet_ms: delay,
            adot_ms: down,
            unknown_ms,
            ..Times::default()
        }
    }

    fn percent(value: &Rational, rounding: Rounding) -> String {
        decimal(&(value.clone() * Rational::integer(100)), 3, rounding)
    }

    #[track_caller]
    fn point(got: Option<Bounds>, want: &str) {
        let got = got.unwrap();
        assert_eq!(got.lower, got.upper);
        assert_eq!(percent(&got.lower, Rounding::HalfEven), want);
    }

    #[track_caller]
    fn figure(n: u64, d: u64, want: &str) {
        let value = Rational::ratio(BigInt::from(n), BigInt::from(d)).unwrap();
        assert_eq!(percent(&value, Rounding::HalfEven), want);
    }

    /// The worked example of the method page, minutes: PBT 900, APT 540, AUST 60, ADET 150, ADOT 150.
    #[test]
    fn the_worked_example_comes_out_to_three_decimals() {
        let t = times(900, 540, 60, 150, 150);
        assert_eq!((t.aupt_ms(), t.aubt_ms(), t.unknown_ms), (600, 750, 0));
        point(allocation(&t), "83.333");
        point(utilization(&t), "72.000");
        point(availability(&t), "60.000");
        point(technical(&t), "78.261");
        point(setup_rate(&t), "10.000");
        // PRI 4.5 min, PQ 110, GQ 107: effectiveness, quality, and OEE and NEE from the telescoped form.
        figure(9 * 110, 2 * t.apt_ms, "91.667");
        figure(107, 110, "97.273");
        figure(9 * 107, 2 * t.pbt_ms, "53.500");
        figure(9 * 107 * t.aupt_ms(), 2 * t.pbt_ms * t.apt_ms, "59.444");
    }

    /// PBT 900, APT 540, U 90: [60 %, 70 %], and never 66.7 %.
    #[test]
    fn ninety_unknown_minutes_widen_availability_to_sixty_and_seventy_percent() {
        let t = times(900, 540, 60, 150, 60);
        assert_eq!(t.unknown_ms, 90);
        let bounds = availability(&t).unwrap();
        assert_eq!(percent(&bounds.lower, Rounding::Down), "60.000");
        assert_eq!(percent(&bounds.upper, Rounding::Up), "70.000");
    }

    #[test]
    fn nothing_but_unknown_time_says_nothing() {
        let t = times(100, 0, 0, 0, 0);
        for bounds in [availability(&t), utilization(&t), technical(&t), allocation(&t)] {
            let bounds = bounds.unwrap();
            assert_eq!((bounds.lower, bounds.upper), (Rational::zero(), Rational::integer(1)));
        }
        assert_eq!(availability(&times(0, 0, 0, 0, 0)), None);
        assert_eq!(technical(&times(60, 0, 60, 0, 0)), None, "set-up alone has no technical efficiency");
    }

    proptest::proptest! {
        #[test]
        fn availability_is_utilization_times_allocation(
            apt in 0u64..1_000_000, aust in 0u64..1_000_000, adet in 1u64..1_000_000, adot in 0u64..1_000_000,
        ) {
            let t = times(apt + aust + adet + adot, apt, aust, adet, adot);
            let product = utilization(&t).unwrap().lower * allocation(&t).unwrap().lower;
            proptest::prop_assert_eq!(availability(&t).unwrap().lower, product);
        }

        #[test]
        fn with_unknown_time_the_upper_bounds_still_multiply_and_the_lower_ones_stay_below(
            apt in 0u64..1_000, aust in 0u64..1_000, adet in 1u64..1_000, adot in 0u64..1_000, u in 0u64..1_000,
        ) {
            let t = times(apt + aust + adet + adot + u, apt, aust, adet, adot);
            let (v, n, l) = (availability(&t).unwrap(), utilization(&t).unwrap(), allocation(&t).unwrap());
            proptest::prop_assert_eq!(v.upper, n.upper * l.upper);
            proptest::prop_assert!(n.lower * l.lower <= v.lower);
        }
    }
}

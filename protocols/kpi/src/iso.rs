//! The ratios of ISO 22400-2 as intervals over unknown time. Unknown time inside PBT could have been anything,
//! so each bound puts it where it hurts or helps that ratio most; dividing by known time alone
//! (APT / (PBT − U)) is not evidence and exists nowhere here.

use crate::rational::Rational;
use crate::times::Times;

/// A closed interval of exact rationals; its upper end may be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Least value the evidence allows.
    pub lower: Rational,
    /// Greatest value the evidence allows; `None` when nothing bounds it.
    pub upper: Option<Rational>,
}

impl Bounds {
    /// Exactly one value.
    pub fn point(value: Rational) -> Self {
        Self { upper: Some(value.clone()), lower: value }
    }

    /// `least` to `most`.
    fn closed(least: Option<Rational>, most: Option<Rational>) -> Option<Self> {
        Some(Self { lower: least?, upper: Some(most?) })
    }

    /// Both ends times a factor that is not negative.
    fn scaled(self, factor: &Rational) -> Self {
        Self { lower: self.lower * factor.clone(), upper: self.upper.map(|upper| upper * factor.clone()) }
    }
}

/// `part / (whole + u)` to `(part + u) / (whole + u)`: unknown time belongs to the whole and may be the part.
fn share(part: u64, whole: u64, u: u64) -> Option<Bounds> {
    Bounds::closed(Rational::ratio(part, whole + u), Rational::ratio(part + u, whole + u))
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

/// Corrective maintenance ratio (事后维修率) = CMT / (CMT + PMT). PMT is the calendar's and known; unknown busy time
/// may have been corrective maintenance.
pub fn corrective(t: &Times) -> Option<Bounds> {
    let (known, most) = (t.cmt_ms + t.pmt_ms, t.cmt_ms + t.unknown_ms);
    let upper = Rational::ratio(most, most + t.pmt_ms)?;
    Some(Bounds {
        lower: Rational::ratio(t.cmt_ms, known).unwrap_or_else(Rational::zero),
        upper: Some(upper),
    })
}

/// Power-on rate (开机率) = time not OFF / calendar time; unknown time is never "on" in the lower bound.
pub fn power_on(t: &Times) -> Option<Bounds> {
    share(t.on_ms, t.calendar_ms - t.calendar_unknown_ms, t.calendar_unknown_ms)
}

/// Utilization of calendar time (设备利用率, 日历) = PRODUCING / calendar time.
pub fn util_calendar(t: &Times) -> Option<Bounds> {
    share(t.producing_ms, t.calendar_ms - t.calendar_unknown_ms, t.calendar_unknown_ms)
}

/// Utilization of shift time (设备利用率, 制度台时) = (APT + AUST) / POT. Planned maintenance is in POT and cannot
/// have been work, known or not.
pub fn util_shift(t: &Times) -> Option<Bounds> {
    share(t.aupt_ms(), t.pot_ms - t.unknown_ms, t.unknown_ms)
}

/// Run rate (运行率) = PRODUCING / power-on time.
pub fn run_rate(t: &Times) -> Option<Bounds> {
    share(t.producing_ms, t.on_ms, t.calendar_unknown_ms)
}

/// Spindle and cutting rates (主轴运转率, 切削率): `flag_ms` of power-on time.
pub fn of_power_on(flag_ms: u64, t: &Times) -> Option<Bounds> {
    share(flag_ms, t.on_ms, t.calendar_unknown_ms)
}

/// Cutting rate of production time: `flag_ms` of PRODUCING.
pub fn of_producing(flag_ms: u64, t: &Times) -> Option<Bounds> {
    share(flag_ms, t.producing_ms, t.calendar_unknown_ms)
}

/// `part` to `part + u` over order execution time, which the plan states and which is known: production process
/// ratio (APT / AOET) and allocation ratio (AUBT / AOET).
pub fn of_orders(part_ms: u64, t: &Times) -> Option<Bounds> {
    let aoet = t.stated_aoet_ms()?;
    Bounds::closed(Rational::ratio(part_ms, aoet), Rational::ratio(part_ms + t.unknown_ms, aoet))
}

/// Effectiveness (性能率) = PRI·PQ / APT; with the theoretical cycle it is 性能稼动率. `work` is cycle × parts, ms.
/// More than 1 is never clipped. Without known production the upper end is open.
pub fn effectiveness(work: &Bounds, t: &Times) -> Option<Bounds> {
    let lower = work.lower.over(&Rational::integer(t.apt_ms + t.unknown_ms))?;
    let upper = work.upper.as_ref().and_then(|most| most.over(&Rational::integer(t.apt_ms)));
    Some(Bounds { lower, upper })
}

/// Quality ratio (合格品率) = GQ / PQ. Good parts are parts, so that nothing above 1 is possible while the registers
/// allow no more good parts than parts; where they contradict that, nothing is clipped.
pub fn quality(good: &Bounds, parts: &Bounds) -> Option<Bounds> {
    let lower = match &parts.upper {
        Some(most) => good.lower.over(most)?,
        None => Rational::zero(),
    };
    let one = Rational::integer(1);
    let upper = match &good.upper {
        _ if lower > one => good.upper.as_ref().and_then(|most| most.over(&parts.lower)),
        Some(most) if *most < parts.lower => most.over(&parts.lower),
        _ => Some(one),
    };
    Some(Bounds { lower, upper })
}

/// What PRI × GQ may be at most, where no register bounds the parts: `open_ms`, busy time that no reading covers,
/// can have held parts for no more than itself (effectiveness ≤ 100 %, the range that ISO 22400-2 gives).
fn bridged(work: &Bounds, open_ms: u64) -> Bounds {
    let most = work.upper.clone().unwrap_or_else(|| work.lower.clone() + Rational::integer(open_ms));
    Bounds { lower: work.lower.clone(), upper: Some(most) }
}

/// OEE (设备综合效率) = PRI·GQ / PBT, and TEEP with calendar time for `whole_ms`: the telescoped form of availability ×
/// effectiveness × quality, never a product of intervals. `work` is PRI × good parts, ms.
pub fn oee(work: &Bounds, whole_ms: u64, open_ms: u64) -> Option<Bounds> {
    let one = Rational::ratio(1, whole_ms)?;
    Some(bridged(work, open_ms).scaled(&one))
}

/// NEE (净设备效率) = OEE × AUPT / APT. All unknown time as production gives the least AUPT / APT, all of it as set-up
/// the greatest; without known production that has no upper end.
pub fn nee(work: &Bounds, t: &Times, open_ms: u64) -> Option<Bounds> {
    let Bounds { lower, upper } = oee(work, t.pbt_ms, open_ms)?;
    let most_producing = t.apt_ms + t.unknown_ms;
    let least = Rational::ratio(most_producing + t.aust_ms, most_producing)?;
    let most = Rational::ratio(t.aupt_ms() + t.unknown_ms, t.apt_ms);
    Some(Bounds { lower: lower * least, upper: upper.zip(most).map(|(upper, most)| upper * most) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::{Rounding, decimal};

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
        assert_eq!(got.upper.as_ref(), Some(&got.lower));
        assert_eq!(percent(&got.lower, Rounding::HalfEven), want);
    }

    fn exactly(n: u64, d: u64) -> Bounds {
        Bounds::point(Rational::ratio(n, d).unwrap())
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
        // PRI 4.5 min, PQ 110, GQ 107.
        point(effectiveness(&exactly(9 * 110, 2), &t), "91.667");
        point(quality(&exactly(107, 1), &exactly(110, 1)), "97.273");
        point(oee(&exactly(9 * 107, 2), t.pbt_ms, 0), "53.500");
        point(nee(&exactly(9 * 107, 2), &t, 0), "59.444");
    }

    /// PBT 900, APT 540, U 90: [60 %, 70 %], and never 66.7 %.
    #[test]
    fn ninety_unknown_minutes_widen_availability_to_sixty_and_seventy_percent() {
        let t = times(900, 540, 60, 150, 60);
        assert_eq!(t.unknown_ms, 90);
        let bounds = availability(&t).unwrap();
        assert_eq!(percent(&bounds.lower, Rounding::Down), "60.000");
        assert_eq!(percent(&bounds.upper.unwrap(), Rounding::Up), "70.000");
    }

    #[test]
    fn nothing_but_unknown_time_says_nothing() {
        let t = times(100, 0, 0, 0, 0);
        for bounds in [availability(&t), utilization(&t), technical(&t), allocation(&t)] {
            let bounds = bounds.unwrap();
            assert_eq!((bounds.lower, bounds.upper), (Rational::zero(), Some(Rational::integer(1))));
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
            proptest::prop_assert_eq!(v.upper.unwrap(), n.upper.unwrap() * l.upper.unwrap());
            proptest::prop_assert!(n.lower * l.lower <= v.lower);
        }
    }
}

//! Rounding for print, once and at the end: lower bounds down, upper bounds up, half-even for points only, so
//! that a printed interval never looks narrower than it is. Verdicts are taken on the rationals, never on this.

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::Signed;

use crate::rational::Rational;

/// Where a value goes that lies between two printable ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards minus infinity: lower bounds.
    Down,
    /// Towards plus infinity: upper bounds.
    Up,
    /// To the nearest, ties to the even digit: points.
    HalfEven,
}

/// `value` with exactly `digits` decimals, a plain `-` for negatives and no grouping.
pub fn decimal(value: &Rational, digits: u32, rounding: Rounding) -> String {
    let scale = BigInt::from(10u8).pow(digits);
    let units = units(&(&value.0 * BigRational::from_integer(scale.clone())), rounding);
    let (whole, rest) = units.abs().div_rem(&scale);
    let sign = if units.is_negative() { "-" } else { "" };
    if digits == 0 {
        return format!("{sign}{whole}");
    }
    let width = usize::try_from(digits).unwrap_or(usize::MAX);
    format!("{sign}{whole}.{:0>width$}", rest.to_string())
}

fn units(scaled: &BigRational, rounding: Rounding) -> BigInt {
    let floor = scaled.floor().to_integer();
    match rounding {
        Rounding::Down => floor,
        Rounding::Up => scaled.ceil().to_integer(),
        Rounding::HalfEven => {
            let twice =
                (scaled - BigRational::from_integer(floor.clone())) * BigRational::from_integer(2.into());
            let up = match twice.cmp(&BigRational::from_integer(1.into())) {
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Equal => floor.is_odd(),
            };
            floor + i32::from(up)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(n: i64, d: i64, rounding: Rounding, want: &str) {
        assert_eq!(decimal(&Rational::ratio(n, d).unwrap(), 1, rounding), want);
    }

    #[test]
    fn bounds_go_outwards_and_points_to_the_even_digit() {
        check(2, 3, Rounding::Down, "0.6");
        check(2, 3, Rounding::Up, "0.7");
        check(2, 3, Rounding::HalfEven, "0.7");
        check(1, 4, Rounding::HalfEven, "0.2");
        check(3, 4, Rounding::HalfEven, "0.8");
        check(-1, 4, Rounding::HalfEven, "-0.2");
        check(-1, 3, Rounding::Down, "-0.4");
        check(-1, 3, Rounding::Up, "-0.3");
        check(-1, 30, Rounding::Up, "0.0");
    }

    #[test]
    fn what_is_exact_stays_exact_in_every_direction() {
        for rounding in [Rounding::Down, Rounding::Up, Rounding::HalfEven] {
            check(6, 10, rounding, "0.6");
        }
    }
}

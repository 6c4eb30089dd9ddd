//! Exact rationals as printed decimals. An interval never looks narrower in print than it is: lower
//! bounds are printed rounded down, upper bounds rounded up, half-even is for points alone.
//! Nothing here is parsed back; verdicts are taken on the rationals.

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{Signed, Zero};

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

/// `value` with exactly `digits` decimals and a comma between groups of three integer digits.
pub fn decimal(value: &BigRational, digits: u32, rounding: Rounding) -> String {
    let scale = BigInt::from(10u8).pow(digits);
    let scaled = value * BigRational::from_integer(scale.clone());
    let units = match rounding {
        Rounding::Down => scaled.floor().to_integer(),
        Rounding::Up => scaled.ceil().to_integer(),
        Rounding::HalfEven => half_even(&scaled),
    };
    let (whole, rest) = units.abs().div_rem(&scale);
    let sign = if units.is_negative() { "−" } else { "" };
    let whole = grouped(&whole.to_string());
    if digits == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{rest:0>width$}", width = digits as usize, rest = rest.to_string())
}

/// A closed interval: one number when both ends print alike and are equal, else `lower – upper`.
pub fn interval(lower: &BigRational, upper: &BigRational, digits: u32) -> String {
    if lower == upper {
        return decimal(lower, digits, Rounding::HalfEven);
    }
    format!("{} – {}", decimal(lower, digits, Rounding::Down), decimal(upper, digits, Rounding::Up))
}

/// Decimal digits in groups of three.
pub fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn half_even(value: &BigRational) -> BigInt {
    let floor = value.floor().to_integer();
    let twice_rest = (value - BigRational::from_integer(floor.clone())) * BigRational::from_integer(2.into());
    match twice_rest.cmp(&BigRational::from_integer(1.into())) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => {
            if (&floor % BigInt::from(2)).is_zero() {
                floor
            } else {
                floor + 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rational(n: i64, d: i64) -> BigRational {
        BigRational::new(n.into(), d.into())
    }

    #[track_caller]
    fn check(n: i64, d: i64, digits: u32, want: [&str; 3]) {
        let value = rational(n, d);
        let got = [Rounding::Down, Rounding::HalfEven, Rounding::Up].map(|r| decimal(&value, digits, r));
        assert_eq!(got, want, "{n}/{d} at {digits} digits");
    }

    #[test]
    fn lower_bounds_go_down_upper_bounds_up_and_points_to_the_even_digit() {
        check(2, 3, 2, ["0.66", "0.67", "0.67"]);
        check(1, 8, 2, ["0.12", "0.12", "0.13"]);
        check(3, 8, 2, ["0.37", "0.38", "0.38"]);
        check(5, 1, 0, ["5", "5", "5"]);
        check(5, 2, 0, ["2", "2", "3"]);
        check(-1, 3, 1, ["−0.4", "−0.3", "−0.3"]);
        check(1, 1000, 2, ["0.00", "0.00", "0.01"]);
        check(12_345_678_901, 100, 2, ["123,456,789.01"; 3]);
        check(999_999, 1000, 2, ["999.99", "1,000.00", "1,000.00"]);
    }

    #[test]
    fn an_interval_that_is_a_point_prints_one_number() {
        assert_eq!(interval(&rational(1, 2), &rational(1, 2), 1), "0.5");
        assert_eq!(interval(&rational(60, 1), &rational(70, 1), 1), "60.0 – 70.0");
    }

    #[test]
    fn an_interval_narrower_than_the_last_digit_still_shows_its_width() {
        assert_eq!(interval(&rational(50_001, 1000), &rational(50_002, 1000), 2), "50.00 – 50.01");
    }
}

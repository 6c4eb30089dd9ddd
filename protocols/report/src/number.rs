//! Figures as people read them: groups of three digits, a true minus sign, and intervals that never look
//! narrower in print than they are (lower bounds rounded down, upper bounds up). The rounding itself is
//! [`kpi::round`]; nothing here is parsed back, and verdicts are taken on the rationals.

use kpi::Rational;
use kpi::round::{self, Rounding};

/// `value` with exactly `digits` decimals and a comma between groups of three integer digits.
pub fn decimal(value: &Rational, digits: u32, rounding: Rounding) -> String {
    let plain = round::decimal(value, digits, rounding);
    let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("−", rest));
    match plain.split_once('.') {
        Some((whole, rest)) => format!("{sign}{}.{rest}", grouped(whole)),
        None => format!("{sign}{}", grouped(plain)),
    }
}

/// A closed interval: one number when both ends are equal, else `lower – upper`.
pub fn interval(lower: &Rational, upper: &Rational, digits: u32) -> String {
    if lower == upper {
        return decimal(lower, digits, Rounding::HalfEven);
    }
    format!("{} – {}", decimal(lower, digits, Rounding::Down), decimal(upper, digits, Rounding::Up))
}

/// An integer in groups of three digits.
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(n: i64, d: i64, digits: u32, want: [&str; 3]) {
        let value = Rational::ratio(n, d).unwrap();
        let got = [Rounding::Down, Rounding::HalfEven, Rounding::Up].map(|r| decimal(&value, digits, r));
        assert_eq!(got, want, "{n}/{d} at {digits} digits");
    }

    #[test]
    fn lower_bounds_go_down_upper_bounds_up_and_points_to_the_even_digit() {
        check(2, 3, 2, ["0.66", "0.67", "0.67"]);
        check(3, 8, 2, ["0.37", "0.38", "0.38"]);
        check(5, 2, 0, ["2", "2", "3"]);
        check(-1, 3, 1, ["−0.4", "−0.3", "−0.3"]);
        check(12_345_678_901, 100, 2, ["123,456,789.01"; 3]);
        check(999_999, 1000, 2, ["999.99", "1,000.00", "1,000.00"]);
    }

    #[test]
    fn an_interval_that_is_a_point_prints_one_number_and_a_narrow_one_still_shows_its_width() {
        let r = |n, d| Rational::ratio(n, d).unwrap();
        assert_eq!(interval(&r(1, 2), &r(1, 2), 1), "0.5");
        assert_eq!(interval(&r(60, 1), &r(70, 1), 1), "60.0 – 70.0");
        assert_eq!(interval(&r(50_001, 1000), &r(50_002, 1000), 2), "50.00 – 50.01");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
    }
}

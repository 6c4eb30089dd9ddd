//! A closed interval whose upper end may be open: what is known of an amount. Sums and quotients here never come
//! out narrower than what their operands allow.

use num_traits::Signed;
use serde::Serialize;

use crate::figure::{Figure, Undefined};
use crate::rational::Rational;
use crate::totals::AmountBounds;

/// An amount between two bounds, both included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Range {
    /// Least amount.
    pub lower: Rational,
    /// Greatest amount; `null` when nothing bounds it.
    pub upper: Option<Rational>,
}

impl Range {
    /// Nothing, exactly.
    pub fn zero() -> Self {
        Self::point(Rational::zero())
    }

    /// Exactly one value.
    pub fn point(value: Rational) -> Self {
        Self { upper: Some(value.clone()), lower: value }
    }

    /// Anything from nothing up to `most`.
    pub fn up_to(most: Option<Rational>) -> Self {
        Self { lower: Rational::zero(), upper: most }
    }

    /// Both bounds of a register amount, in the register's own integers.
    pub fn of_bounds(bounds: &AmountBounds) -> Self {
        Self { lower: Rational::integer(bounds.lower), upper: bounds.upper.map(Rational::integer) }
    }

    /// The value, when both bounds agree.
    pub fn exact(&self) -> Option<&Rational> {
        self.upper.as_ref().filter(|upper| **upper == self.lower)
    }

    /// The sum of two amounts.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            lower: add(&self.lower, &other.lower),
            upper: self.upper.as_ref().zip(other.upper.as_ref()).map(|(a, b)| add(a, b)),
        }
    }

    /// `factor` times the amount. Factors are coefficients and prices, which are never negative; a negative one
    /// would turn the bounds round and is taken as such.
    #[must_use]
    pub fn times(&self, factor: &Rational) -> Self {
        let by = |value: &Rational| Rational(&value.0 * &factor.0);
        if !factor.0.is_negative() {
            return Self { lower: by(&self.lower), upper: self.upper.as_ref().map(by) };
        }
        match &self.upper {
            Some(upper) => Self { lower: by(upper), upper: Some(by(&self.lower)) },
            None => Self { lower: by(&self.lower), upper: None },
        }
    }

    /// `self / whole` for amounts that are not negative. Nothing when the whole is certainly nothing; the upper
    /// end is open when the whole may be nothing.
    pub fn over(&self, whole: &Self) -> Option<Self> {
        let lower = match &whole.upper {
            None => Rational::zero(),
            Some(most) => self.lower.over(most)?,
        };
        let upper = self.upper.as_ref().and_then(|upper| upper.over(&whole.lower));
        Some(Self { lower, upper })
    }

    /// The same as a figure; `reason` stands where there is no value.
    pub fn figure(range: Option<Self>, reason: Undefined) -> Figure {
        match range {
            Some(Self { lower, upper }) => Figure::Interval { lower, upper },
            None => Figure::Undefined { reason },
        }
    }
}

impl std::iter::Sum for Range {
    fn sum<I: Iterator<Item = Self>>(ranges: I) -> Self {
        ranges.fold(Self::zero(), |sum, range| sum.plus(&range))
    }
}

/// `a + b` by reference.
pub(crate) fn add(a: &Rational, b: &Rational) -> Rational {
    Rational(&a.0 + &b.0)
}

/// `a − b` by reference.
pub(crate) fn subtract(a: &Rational, b: &Rational) -> Rational {
    Rational(&a.0 - &b.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(lower: i64, upper: Option<i64>) -> Range {
        Range { lower: Rational::integer(lower), upper: upper.map(Rational::integer) }
    }

    #[test]
    fn an_open_end_stays_open_in_sums_and_products() {
        assert_eq!(range(1, Some(2)).plus(&range(3, None)), range(4, None));
        assert_eq!(range(1, None).times(&Rational::integer(3)), range(3, None));
        assert_eq!(range(1, Some(2)).times(&Rational::integer(-3)), range(-6, Some(-3)));
        let sum: Range = [range(1, Some(2)), range(10, Some(20))].into_iter().sum();
        assert_eq!(sum, range(11, Some(22)));
    }

    #[test]
    fn a_quotient_takes_the_worst_of_both_ends() {
        let half = Rational::ratio(1, 2).unwrap();
        let got = range(10, Some(30)).over(&range(5, Some(20))).unwrap();
        assert_eq!(got, Range { lower: half, upper: Some(Rational::integer(6)) });
        // A whole that may be nothing bounds the quotient from below only, an unbounded one from above only.
        assert_eq!(range(10, Some(30)).over(&range(0, Some(20))).unwrap().upper, None);
        assert_eq!(range(10, Some(30)).over(&range(5, None)).unwrap(), range(0, Some(6)));
        assert_eq!(range(10, Some(30)).over(&range(0, Some(0))), None);
    }
}

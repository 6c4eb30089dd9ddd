//! Three-valued logic: what is not known stays not known until the known inputs decide alone.
//!
//! Knows no points and no time; those are the business of the expression that is evaluated.

use serde::{Deserialize, Serialize};

/// Kleene's strong logic. The order `False < Unknown < True` makes "and" the minimum and "or" the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Truth {
    /// Known to be false.
    False,
    /// An input that would decide is not known.
    Unknown,
    /// Known to be true.
    True,
}

impl Truth {
    /// False as soon as one side is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// True as soon as one side is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(b: bool) -> Self {
        if b { Self::True } else { Self::False }
    }
}

impl From<Option<bool>> for Truth {
    fn from(b: Option<bool>) -> Self {
        b.map_or(Self::Unknown, Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{False, True, Unknown};

    #[test]
    fn unknown_yields_only_to_an_input_that_decides_alone() {
        assert_eq!(Unknown.and(False), False);
        assert_eq!(Unknown.and(True), Unknown);
        assert_eq!(Unknown.or(True), True);
        assert_eq!(Unknown.or(False), Unknown);
        assert_eq!(!Unknown, Unknown);
        assert_eq!((!True, !False), (False, True));
    }
}

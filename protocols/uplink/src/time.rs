//! What a sender learns of its clock with every answer: the gateway says when the request came and when the answer
//! left, the sender knows when it asked and when it heard.
//!
//! The four moments and their arithmetic are those of NTP (RFC 5905, section 8). Nobody's clock is set by this and
//! nothing is believed because of it; the difference is signed, so that whoever reads the statements sees it.

use std::fmt;
use std::str::FromStr;

/// Header of every answer of a gateway: a [`Stamps`] as text.
pub const TIME_HEADER: &str = "plumbline-time";

/// When a request had come and when its answer left, by the gateway's clock, UTC ms. As text: `received/answered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// The request's head had been read, UTC ms.
    pub received_ms: i64,
    /// The answer was made, UTC ms.
    pub answered_ms: i64,
}

/// How far the gateway's clock is ahead of the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Gateway's clock minus sender's clock, ms.
    pub offset_ms: i64,
    /// The true difference lies at most this far from it, ms: half of the time on the way.
    pub error_ms: u64,
}

impl Stamps {
    /// The offset, from when the sender asked and heard by its own clock, UTC ms. None where the moments contradict
    /// each other: a clock stepped in between, or a gateway says what cannot be.
    pub fn offset(self, asked_ms: i64, heard_ms: i64) -> Option<Offset> {
        let there = self.received_ms.checked_sub(asked_ms)?;
        let back = self.answered_ms.checked_sub(heard_ms)?;
        let inside = self.answered_ms.checked_sub(self.received_ms)?;
        let way = heard_ms.checked_sub(asked_ms)?.checked_sub(inside)?;
        // Each clock is read in whole milliseconds.
        let way = u64::try_from(way.checked_add(2)?).ok().filter(|_| inside >= 0)?;
        Some(Offset { offset_ms: there.checked_add(back)?.div_euclid(2), error_ms: way.div_ceil(2) })
    }
}

impl fmt::Display for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.received_ms, self.answered_ms)
    }
}

/// Not two whole numbers with a slash between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not `received/answered` in UTC ms")]
pub struct StampsError;

impl FromStr for Stamps {
    type Err = StampsError;

    fn from_str(text: &str) -> Result<Self, StampsError> {
        let ms = |text: &str| text.parse().map_err(|_| StampsError);
        let (received, answered) = text.split_once('/').ok_or(StampsError)?;
        Ok(Self { received_ms: ms(received)?, answered_ms: ms(answered)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offset(asked: i64, received: i64, answered: i64, heard: i64) -> Option<(i64, u64)> {
        let stamps = Stamps { received_ms: received, answered_ms: answered };
        stamps.offset(asked, heard).map(|o| (o.offset_ms, o.error_ms))
    }

    #[test]
    fn the_time_a_gateway_takes_to_answer_is_not_on_the_way() {
        // A second ahead, ten milliseconds each way, half a second to commit.
        assert_eq!(offset(1_000, 2_010, 2_510, 1_520), Some((1_000, 11)));
        assert_eq!(offset(1_000, 1_000, 1_000, 1_000), Some((0, 1)));
        // A day behind.
        assert_eq!(offset(86_400_000, 5, 5, 86_400_010), Some((-86_400_000, 6)));
    }

    #[test]
    fn moments_that_contradict_each_other_say_nothing() {
        assert_eq!(offset(1_000, 2_000, 1_990, 1_010), None, "answered before it came");
        assert_eq!(offset(1_000, 2_000, 2_500, 1_100), None, "longer there than it took");
        assert_eq!(offset(1_000, 2_000, 2_000, 900), None, "heard before it was asked");
        assert_eq!(offset(i64::MIN, i64::MAX, i64::MAX, 0), None);
    }

    #[test]
    fn stamps_are_read_as_they_are_written() {
        let stamps = Stamps { received_ms: -3, answered_ms: 1_764_000_000_123 };
        assert_eq!(stamps.to_string().parse(), Ok(stamps));
        for wrong in ["", "1", "1/", "/1", "1/2/3", "1.5/2", "99999999999999999999/1"] {
            assert_eq!(wrong.parse::<Stamps>(), Err(StampsError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn the_true_difference_lies_within_the_error(
            truth in -4_000_000_000_000i64..4_000_000_000_000, there in 0i64..40_000, inside in 0i64..40_000,
            back in 0i64..40_000, asked in 0i64..4_000_000_000_000,
        ) {
            let received = asked + there + truth;
            let found = offset(asked, received, received + inside, asked + there + inside + back);
            let (offset, error) = found.unwrap();
            prop_assert!(offset.abs_diff(truth) <= error, "{offset} ± {error}, really {truth}");
            prop_assert!(error <= u64::try_from(there + back).unwrap() / 2 + 2);
        }
    }
}

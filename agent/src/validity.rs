//! How long a value may be believed after it was read. The end of a value's validity is a moment that can be
//! computed when the value arrives, so nothing has to look again and again whether it has come.
//!
//! This says when; what becomes unknown then is the window engine's business.

use observation::Mono;
use protocols::Expectation;
use serde::{Deserialize, Serialize};

/// What keeps a point's value believable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Validity {
    /// Asked for again and again: valid for less than two polls.
    Polled {
        /// The interval, ms.
        every_ms: u64,
    },
    /// Sent on change: valid while the session is confirmed to be unbroken, and not a moment longer.
    Subscribed {
        /// The longest time between two signs of life, ms.
        keep_alive_ms: u64,
    },
    /// Sent at the publisher's pleasure: valid for less than the configured age.
    Published {
        /// That age, ms.
        stale_after_ms: u64,
    },
}

/// A session that has given no sign of life for this many keep-alives is taken to have ended at its last one.
const KEEP_ALIVES: u64 = 3;

impl Validity {
    /// The first moment at which a value read at `read` is no longer valid by its age alone. `None` for a
    /// subscribed point, whose validity is that of its session.
    pub fn expires(self, read: Mono) -> Option<Mono> {
        let age = match self {
            Self::Polled { every_ms } => every_ms.saturating_mul(2),
            Self::Published { stale_after_ms } => stale_after_ms,
            Self::Subscribed { .. } => return None,
        };
        Some(Mono(read.0.saturating_add(age)))
    }

    /// For a subscribed point: how long its session may be silent before it is taken to have ended, ms.
    pub fn silence_ms(self) -> Option<u64> {
        match self {
            Self::Subscribed { keep_alive_ms } => Some(keep_alive_ms.saturating_mul(KEEP_ALIVES)),
            Self::Polled { .. } | Self::Published { .. } => None,
        }
    }

    /// The interval at which something is due to be heard of the point, ms, at least 1.
    pub fn interval_ms(self) -> u64 {
        match self {
            Self::Polled { every_ms } => every_ms,
            Self::Subscribed { keep_alive_ms } => keep_alive_ms,
            Self::Published { stale_after_ms } => stale_after_ms,
        }
        .max(1)
    }
}

impl From<Expectation> for Validity {
    fn from(expectation: Expectation) -> Self {
        match expectation {
            Expectation::Polled { every_ms } => Self::Polled { every_ms },
            Expectation::Subscribed { keep_alive_ms } => Self::Subscribed { keep_alive_ms },
            Expectation::Published { stale_after_ms } => Self::Published { stale_after_ms },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polled_value_is_valid_for_less_than_two_polls() {
        assert_eq!(Validity::Polled { every_ms: 1000 }.expires(Mono(500)), Some(Mono(2500)));
    }

    #[test]
    fn a_published_value_is_valid_for_less_than_its_configured_age() {
        assert_eq!(Validity::Published { stale_after_ms: 10_000 }.expires(Mono(500)), Some(Mono(10_500)));
    }

    #[test]
    fn a_subscribed_value_has_no_age_but_a_session() {
        let subscribed = Validity::Subscribed { keep_alive_ms: 5000 };
        assert_eq!(subscribed.expires(Mono(500)), None);
        assert_eq!(subscribed.silence_ms(), Some(15_000));
    }
}

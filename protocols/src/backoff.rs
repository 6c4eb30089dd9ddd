//! How long to wait before a broken link is opened again.
//!
//! It sleeps nowhere and reads no clock or randomness: the jitter comes from a seed passed in, so that a
//! simulation replays and a hundred agents behind one power cut do not return in step.

use std::time::Duration;

/// The pause after the first failure, ms.
const FIRST_MS: u64 = 250;
/// No pause is longer: a repaired line is noticed within half a minute.
const CAP_MS: u64 = 30_000;

/// Doubling pauses from 250 ms up to 30 s, each shortened by up to a quarter.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    state: u64,
}

impl Backoff {
    /// Starts with no failure seen.
    pub fn new(seed: u64) -> Self {
        Self { failures: 0, state: seed }
    }

    /// Notes a failure and gives the pause before the next attempt.
    pub fn failed(&mut self) -> Duration {
        let doubled = 1u64.checked_shl(self.failures).and_then(|factor| FIRST_MS.checked_mul(factor));
        let pause_ms = doubled.unwrap_or(CAP_MS).min(CAP_MS);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(pause_ms - self.draw() % (pause_ms / 4 + 1))
    }

    /// Notes that the link delivers again; the next failure starts over.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The next number of a linear congruential sequence (the multiplier and increment of MMIX); its upper
    /// bits are even enough for a jitter.
    fn draw(&mut self) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(seed: u64, n: usize) -> Vec<u64> {
        let mut backoff = Backoff::new(seed);
        (0..n).map(|_| u64::try_from(backoff.failed().as_millis()).unwrap()).collect()
    }

    #[test]
    fn pauses_double_and_stop_at_half_a_minute() {
        for seed in [0, 1, 7, u64::MAX] {
            let full = [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
            for (pause, full) in pauses(seed, 9).into_iter().zip(full) {
                assert!((full - full / 4..=full).contains(&pause), "{pause} of {full}");
            }
        }
    }

    #[test]
    fn pauses_stay_at_the_cap_after_any_number_of_failures() {
        assert!(pauses(3, 200)[100..].iter().all(|p| (22_500..=30_000).contains(p)));
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses_and_another_seed_does_not() {
        assert_eq!(pauses(5, 20), pauses(5, 20));
        assert_ne!(pauses(5, 20), pauses(6, 20));
    }

    #[test]
    fn a_success_starts_over() {
        let mut backoff = Backoff::new(1);
        for _ in 0..5 {
            backoff.failed();
        }
        backoff.succeeded();
        assert!(backoff.failed() <= Duration::from_millis(250));
    }
}

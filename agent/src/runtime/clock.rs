//! The system's clocks, and what can be said of the wall clock's synchronisation.
//!
//! The kernel's own synchronisation state needs a system call for which no safe wrapper is at hand. What the
//! time services leave in the file system is used instead; where nothing is found, the status is "unknown" and
//! never "synchronised".

use evidence::payload::{ClockClaim, ClockStatus};
use observation::{Clock, Instant, Mono, Utc};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// systemd-timesyncd touches this file whenever it has heard from a server.
const TIMESYNC_MARK: &str = "/run/systemd/timesync/synchronized";
/// systemd-timesyncd asks at least every 2048 s (timesyncd.conf, `PollIntervalMaxSec`); older than three of
/// these means that it lost its servers.
const TIMESYNC_FRESH: Duration = Duration::from_secs(3 * 2048);

/// The system's clocks. Monotonic time begins a day before the start, so that no arithmetic on it touches zero.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

const BEFORE_START_MS: u64 = 86_400_000;

impl SystemClock {
    /// Starts monotonic time.
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let mono = Mono(BEFORE_START_MS.saturating_add(millis(self.start.elapsed())));
        let utc = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Utc(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => Utc(i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms)),
        };
        Instant { utc, mono }
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What is signed about the clock. `restepped`: it stepped or was put back within the batch.
pub(crate) fn claim(mono: Mono, restepped: bool) -> ClockClaim {
    let (status, source) = match (restepped, timesync_age(Path::new(TIMESYNC_MARK))) {
        (true, _) => (ClockStatus::Restepped, ""),
        (false, Some(age)) if age < TIMESYNC_FRESH => (ClockStatus::Synchronised, "systemd-timesyncd"),
        (false, Some(_)) => (ClockStatus::Independent, "systemd-timesyncd"),
        (false, None) => (ClockStatus::Unknown, ""),
    };
    ClockClaim { status, offset_ms: 0, source: source.to_owned(), mono_ms: mono.0 }
}

fn timesync_age(mark: &Path) -> Option<Duration> {
    let touched = std::fs::metadata(mark).and_then(|m| m.modified()).ok()?;
    // A mark from the future says that the clock was set back since.
    Some(SystemTime::now().duration_since(touched).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_run() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(first.utc > Utc(1_600_000_000_000));
        assert!(clock.now().mono >= first.mono);
    }

    #[test]
    fn a_step_is_said_whatever_the_time_service_says() {
        assert_eq!(claim(Mono(5), true).status, ClockStatus::Restepped);
        assert_eq!(claim(Mono(5), true).mono_ms, 5);
    }

    #[test]
    fn without_a_mark_nothing_is_claimed() {
        assert_eq!(timesync_age(Path::new("/nowhere/synchronized")), None);
    }
}

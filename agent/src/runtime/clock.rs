//! The system's clocks, and what can be said of the wall clock's synchronisation.
//!
//! Monotonic time here counts the time in which the box is suspended (`CLOCK_BOOTTIME`), so that a suspension is
//! time that passed and not a step of the wall clock. The kernel says whether it is synchronised; it is asked and
//! never told anything. Where it may not be asked (a container without that call), what systemd-timesyncd leaves in
//! the file system is used; where nothing is found, the status is "unknown" and never "synchronised".

use evidence::payload::{ClockClaim, ClockStatus};
use nix::time::{ClockId, clock_gettime};
use observation::{Clock, Instant, Mono, Utc};
use rtime_clock::adjtime::{Timex, adjtimex};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uplink::Offset;

/// systemd-timesyncd touches this file whenever it has heard from a server.
const TIMESYNC_MARK: &str = "/run/systemd/timesync/synchronized";
/// systemd-timesyncd asks at least every 2048 s (timesyncd.conf, `PollIntervalMaxSec`); older than three of
/// these means that it lost its servers.
const TIMESYNC_FRESH: Duration = Duration::from_secs(3 * 2048);
/// A measured offset is signed for an hour at most: a quartz drifts some hundred milliseconds in it.
const OFFSET_LASTS_MS: u64 = 3_600_000;
/// Wall and monotonic clock ran apart by more than slewing does in that hour (500 ppm, adjtimex(2)): it was set.
const CLOCK_SET_MS: u64 = 2_000;

/// The system's clocks. Monotonic time begins a day before the start, so that no arithmetic on it touches zero.
#[derive(Debug)]
pub struct SystemClock {
    start_ms: u64,
}

const BEFORE_START_MS: u64 = 86_400_000;

impl SystemClock {
    /// Starts monotonic time.
    pub fn new() -> Self {
        Self { start_ms: read_ms(ClockId::CLOCK_BOOTTIME) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let since = read_ms(ClockId::CLOCK_BOOTTIME).saturating_sub(self.start_ms);
        let mono = Mono(BEFORE_START_MS.saturating_add(since));
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

/// The kernel has these clocks since 2.6.39; a system without them shows 0, and nothing can be windowed there.
fn read_ms(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |now| millis(Duration::from(now)))
}

/// How long the box has been running without the time in which it was suspended, ms.
pub(crate) fn awake_ms() -> u64 {
    read_ms(ClockId::CLOCK_MONOTONIC)
}

/// What the kernel says of its clock.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kernel {
    synchronised: bool,
    /// Largest possible error, as a text in ms.
    max_error: String,
    leap: bool,
}

/// Asks the kernel; with no mode set, adjtimex(2) only reads.
fn kernel() -> Option<Kernel> {
    let mut state = Timex::new();
    let clock = adjtimex(&mut state).ok()?;
    let status = state.0.status;
    Some(Kernel {
        synchronised: clock != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0,
        max_error: (state.0.maxerror / 1000).to_string(),
        leap: status & (libc::STA_INS | libc::STA_DEL) != 0,
    })
}

/// What the last push said of the gateway's clock against this one.
#[derive(Debug, Default)]
pub struct GatewayClock(Mutex<Option<(Offset, Instant)>>);

impl GatewayClock {
    /// Notes a measurement that has just been made.
    pub(crate) fn measured(&self, offset: Offset, at: Instant) {
        *self.noted() = Some((offset, at));
    }

    /// The last measurement, unless it is old or the wall clock was set since.
    pub(crate) fn last(&self, now: Instant) -> Option<Offset> {
        let (offset, at) = (*self.noted())?;
        let ran_ms = now.mono.0.checked_sub(at.mono.0).filter(|ms| *ms <= OFFSET_LASTS_MS)?;
        let shown_ms = now.utc.0.checked_sub(at.utc.0)?;
        let set_ms = shown_ms.abs_diff(i64::try_from(ran_ms).ok()?);
        (set_ms <= CLOCK_SET_MS).then_some(offset)
    }

    fn noted(&self) -> MutexGuard<'_, Option<(Offset, Instant)>> {
        // A measurement is a plain value; a panic elsewhere cannot leave it half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is signed about the clock. `restepped`: it stepped or was put back within the batch. The offset is against
/// the gateway, and the source names the gateway if there is one.
pub(crate) fn claim(mono: Mono, restepped: bool, gateway: Option<Offset>) -> ClockClaim {
    let mut claim = said(mono, restepped, kernel().as_ref(), timesync_age(Path::new(TIMESYNC_MARK)));
    if let Some(offset) = gateway {
        let sign = if claim.source.is_empty() { "" } else { "; " };
        claim.source = format!("{}{sign}gateway ±{} ms", claim.source, offset.error_ms);
        claim.offset_ms = offset.offset_ms;
    }
    claim
}

fn said(mono: Mono, restepped: bool, kernel: Option<&Kernel>, mark: Option<Duration>) -> ClockClaim {
    let (status, source) = match (kernel, mark) {
        (Some(kernel), mark) if kernel.synchronised => {
            let service =
                if mark.is_some_and(|age| age < TIMESYNC_FRESH) { "systemd-timesyncd, " } else { "" };
            let leap = if kernel.leap { ", leap second today" } else { "" };
            (
                ClockStatus::Synchronised,
                format!("kernel, {service}error at most {} ms{leap}", kernel.max_error),
            )
        }
        (Some(_), _) => (ClockStatus::Independent, "kernel, not synchronised".to_owned()),
        (None, Some(age)) if age < TIMESYNC_FRESH => {
            (ClockStatus::Synchronised, "systemd-timesyncd".to_owned())
        }
        (None, Some(_)) => (ClockStatus::Independent, "systemd-timesyncd".to_owned()),
        (None, None) => (ClockStatus::Unknown, String::new()),
    };
    let status = if restepped { ClockStatus::Restepped } else { status };
    ClockClaim { status, offset_ms: 0, source, mono_ms: mono.0 }
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
    fn an_offset_is_signed_with_its_error_while_it_is_fresh_and_no_clock_was_set() {
        let at = |utc, mono| Instant { utc: Utc(utc), mono: Mono(mono) };
        let clock = GatewayClock::default();
        assert_eq!(clock.last(at(0, 0)), None);
        let offset = Offset { offset_ms: -340, error_ms: 12 };
        clock.measured(offset, at(1_000_000, 5_000));
        assert_eq!(clock.last(at(1_000_000 + 3_600_000, 5_000 + 3_600_000)), Some(offset));
        assert_eq!(clock.last(at(1_000_000 + 3_600_001, 5_000 + 3_600_001)), None, "old");
        assert_eq!(clock.last(at(1_012_001, 15_000)), None, "set forward");
        assert_eq!(clock.last(at(1_007_999, 15_000)), None, "set back");
        let claim = claim(Mono(5), false, Some(offset));
        assert_eq!(claim.offset_ms, -340);
        assert!(claim.source.ends_with("gateway ±12 ms"), "{}", claim.source);
        assert!(!super::claim(Mono(5), false, None).source.contains("gateway"));
    }

    #[test]
    fn a_step_is_said_whatever_the_time_service_says() {
        assert_eq!(claim(Mono(5), true, None).status, ClockStatus::Restepped);
        assert_eq!(claim(Mono(5), true, None).mono_ms, 5);
    }

    #[test]
    fn pain_10_only_the_kernel_makes_a_clock_synchronised_where_it_can_be_asked() {
        let kernel = |synchronised| Kernel { synchronised, max_error: "12".into(), leap: false };
        let fresh = Some(Duration::from_mins(1));
        let say = |kernel: Option<Kernel>, mark| {
            let claim = said(Mono(5), false, kernel.as_ref(), mark);
            (claim.status, claim.source)
        };
        let yes = ClockStatus::Synchronised;
        assert_eq!(say(Some(kernel(true)), None), (yes, "kernel, error at most 12 ms".into()));
        let both = "kernel, systemd-timesyncd, error at most 12 ms";
        assert_eq!(say(Some(kernel(true)), fresh), (yes, both.into()));
        // The mark is older than the kernel's knowledge that its clock runs on its own.
        let own = (ClockStatus::Independent, "kernel, not synchronised".into());
        assert_eq!(say(Some(kernel(false)), fresh), own);
        assert_eq!(say(None, fresh).0, yes);
        assert_eq!(say(None, Some(TIMESYNC_FRESH)).0, ClockStatus::Independent);
        assert_eq!(say(None, None).0, ClockStatus::Unknown);
        let leap = Kernel { leap: true, ..kernel(true) };
        assert!(say(Some(leap), None).1.ends_with("leap second today"));
    }

    #[test]
    fn the_kernel_answers_or_forbids_and_time_passes_while_the_box_is_awake() {
        if let Some(kernel) = kernel() {
            assert!(kernel.max_error.parse::<u64>().is_ok());
        }
        assert!(awake_ms() > 0 && read_ms(ClockId::CLOCK_BOOTTIME) >= awake_ms() - 1);
    }

    #[test]
    fn without_a_mark_nothing_is_claimed() {
        assert_eq!(timesync_age(Path::new("/nowhere/synchronized")), None);
    }
}

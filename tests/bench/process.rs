//! What the system knows of a process: processor time and peak memory.

use std::fs;
use std::time::Duration;

/// The environment that the unit file of docs/enterprise.md gives an agent, and quieter logs.
#[allow(dead_code, reason = "not every bench starts an agent")]
pub(crate) const AS_INSTALLED: &[(&str, &str)] = &[("MALLOC_ARENA_MAX", "1"), ("RUST_LOG", "warn")];

/// Most memory a process has held at once, bytes (`VmHWM`).
#[allow(dead_code, reason = "a bench measures memory or processor time or both")]
pub(crate) fn peak(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_else(|| panic!("process {pid} has no VmHWM; is it gone?")) * 1024.0
}

/// Processor time of all threads that a process has, user and kernel (`schedstat`, in nanoseconds: finer than the
/// hundredths of a second of `stat`).
#[allow(dead_code, reason = "a bench measures memory or processor time or both")]
pub(crate) fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap_or_else(|e| panic!("process {pid}: {e}"));
    let of = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split_whitespace()
            .next()
            .and_then(|ns| ns.parse().ok())
            .map_or(Duration::ZERO, Duration::from_nanos)
    };
    tasks.filter_map(Result::ok).map(of).sum()
}

/// Processor time that a process has spent since it began, ended threads included, user and kernel (`stat`, in
/// hundredths of a second).
#[allow(dead_code, reason = "a bench measures memory or processor time or both")]
pub(crate) fn spent(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Fields 14 and 15; the name in field 2 may hold blanks.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<u64>().ok()).map(|ticks| Duration::from_millis(ticks * 10)).sum()
}

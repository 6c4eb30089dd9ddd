//! Named points at which a test kills the process, to try what a crash there leaves behind.
//!
//! Only with the cargo feature `kill-points`; without it [`hit`] is empty. `PLUMBLINE_KILL_AT=<name>[:n]`
//! chooses the point and the n-th pass (from 1); `PLUMBLINE_KILL_LOG` is a file to which the name is
//! appended, durably, before the process dies of SIGKILL: proof that the point was reached.

/// Passes a point.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub fn hit(_name: &'static str) {}

/// Passes a point; the process may end here.
#[cfg(feature = "kill-points")]
pub fn hit(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);

    #[cfg(feature = "simulation")]
    hook::pass(name);
    let chosen = CHOSEN.get_or_init(|| {
        let text = std::env::var("PLUMBLINE_KILL_AT").ok()?;
        let (point, n) = text.split_once(':').unwrap_or((&text, "1"));
        Some((point.to_owned(), n.parse().unwrap_or(1)))
    });
    let Some((point, n)) = chosen else { return };
    if point == name && PASSES.fetch_add(1, Ordering::SeqCst) + 1 == *n {
        die(name);
    }
}

/// Replaces death by what a simulation wants, on this thread.
#[cfg(feature = "simulation")]
pub mod hook {
    use std::cell::RefCell;
    use std::rc::Rc;

    type Hook = Rc<dyn Fn(&'static str)>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Calls `hook` at each place that this thread passes from now on.
    pub fn set(hook: Option<Hook>) {
        HOOK.set(hook);
    }

    pub(super) fn pass(name: &'static str) {
        // The hook may unwind; nothing is borrowed by then.
        let hook = HOOK.with_borrow(Clone::clone);
        if let Some(hook) = hook {
            hook(name);
        }
    }
}

#[cfg(feature = "kill-points")]
fn die(name: &str) -> ! {
    use std::io::Write as _;

    if let Some(path) = std::env::var_os("PLUMBLINE_KILL_LOG")
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        // A log that cannot be written shows as a missing line; the test then fails for that reason.
        let _ = writeln!(file, "{name}").and_then(|()| file.sync_all());
    }
    let kill = format!("kill -9 {}", std::process::id());
    let _ = std::process::Command::new("/bin/sh").args(["-c", &kill]).status();
    // Without a shell the process still ends at once and without unwinding.
    std::process::abort()
}

//! Places at which a test lets the process die as by a power cut, to see what a crash there leaves.
//!
//! Compiled only with the cargo feature `kill-points`; otherwise [`hit`] does nothing. The environment chooses:
//! `PLUMBLINE_KILL_AT=<name>` or `<name>:<n>` for the n-th pass (from 1), and `PLUMBLINE_KILL_LOG=<file>`, to
//! which the name is appended durably before the process dies: the proof that the place was reached.

/// Passes a place.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub fn hit(_name: &'static str) {}

/// Passes a place, and perhaps never returns.
#[cfg(feature = "kill-points")]
pub fn hit(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static LEFT: AtomicU32 = AtomicU32::new(0);

    #[cfg(feature = "simulation")]
    hook::pass(name);
    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("PLUMBLINE_KILL_AT").ok().map(|text| match text.split_once(':') {
            Some((place, n)) => (place.to_owned(), n.parse().unwrap_or(1)),
            None => (text, 1),
        });
        LEFT.store(wanted.as_ref().map_or(0, |(_, n)| *n), Ordering::SeqCst);
        wanted
    });
    if wanted.as_ref().is_some_and(|(place, _)| place == name) && LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
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

    if let Some(path) = std::env::var_os("PLUMBLINE_KILL_LOG") {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(path);
        // A missing line shows in the test, which then fails for that reason.
        let _ = log.and_then(|mut log| writeln!(log, "{name}").and_then(|()| log.sync_all()));
    }
    // No signal can be sent without unsafe code from here; the system's own program can.
    let _ = std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    std::process::abort()
}

//! Full disks, for real: a data folder that is a small file system of its own.
//!
//! A test that mounts runs itself again in a mount namespace of its own, so that nothing is ever left mounted. That
//! takes root, or user namespaces for everybody; where a system allows neither, such a test fails and says so.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the process that has a mount namespace of its own: a file by which it shows that it was there.
const INSIDE: &str = "PLUMBLINE_OWN_MOUNTS";

/// Whether this process may mount. If not, the test of this name (`module_path!()` and its own) is run in one that
/// may, and has passed there.
///
/// # Panics
/// When no namespace is to be had, or the test failed in it.
#[track_caller]
pub fn may_mount(test: &str) -> bool {
    if let Some(shown) = std::env::var_os(INSIDE) {
        std::fs::write(&shown, "").unwrap_or_else(|e| panic!("{}: {e}", shown.display()));
        return true;
    }
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let allowed = |way: &&&[&str]| {
        Command::new("unshare").args(**way).arg("true").output().is_ok_and(|o| o.status.success())
    };
    let Some(way) = ways.iter().find(allowed) else {
        panic!("unshare is refused: run as root, or allow user namespaces")
    };
    let program = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
    let shown = folder.path().join("shown");
    let again = Command::new("unshare")
        .args(*way)
        .arg(program)
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, &shown)
        .status();
    assert!(
        again.is_ok_and(|s| s.success()),
        "{name} failed in its own mount namespace; its output stands above"
    );
    // A name that no test has passes without running anything.
    assert!(shown.exists(), "{name} is no test: it was not run in its own mount namespace");
    false
}

/// A file system of `mib` MiB at a folder.
///
/// # Panics
/// When it cannot be mounted.
#[track_caller]
pub fn mount(folder: &Path, mib: u32) {
    std::fs::create_dir_all(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let size = format!("size={mib}m");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).status();
    assert!(mounted.is_ok_and(|s| s.success()), "no tmpfs at {}", folder.display());
}

/// A file that takes all the room there is.
///
/// # Panics
/// When it cannot be made.
pub fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("ballast");
    let mut file = File::create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut piece = 1 << 20;
    while piece > 0 {
        if file.write_all(&vec![1; piece]).is_err() {
            piece /= 2;
        }
    }
    path
}

//! Where the foreign peers of the tests are. A missing peer fails the test and says how to get it.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The Python that has the packages of `tests/peers/requirements.txt`.
///
/// # Panics
/// When it is not installed, with the command that installs it.
pub fn python() -> PathBuf {
    let path = std::env::var_os("PLUMBLINE_PYTHON")
        .map_or_else(|| root().join("target/peers/bin/python"), PathBuf::from);
    assert!(path.exists(), "{} is missing; `bash tests/run` installs it", path.display());
    path
}

/// A program of Debian's.
///
/// # Panics
/// When it is not installed, with the command that installs it.
pub fn program(name: &str, package: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"];
    let found = places.iter().map(|p| Path::new(p).join(name)).find(|p| p.exists());
    assert!(
        found.is_some(),
        "{name} is missing; `apt-get install {package}` or `bash tests/run` installs it"
    );
    found.unwrap_or_default()
}

/// A shared library of Debian's, under `/usr/lib`.
///
/// # Panics
/// When it is not installed, with the command that installs it.
pub fn library(name: &str, package: &str) -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = folders.map(|folder| folder.path().join(name)).find(|path| path.exists());
    assert!(
        found.is_some(),
        "{name} is missing; `apt-get install {package}` or `bash tests/run` installs it"
    );
    found.unwrap_or_default()
}

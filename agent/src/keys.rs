//! The agent's key file: made once, read at each start, never overwritten.

use evidence::key::{KeyError, SigningKey};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// File of the key in the data directory.
const KEY_FILE: &str = "agent.key";

/// What can be wrong with the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none.
    #[error("{}: there is no key yet; run `plumbline-agent init --config FILE` first", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("{}: others may read the key (mode {mode:03o}); run `chmod 600 {}`", path.display(), path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file or folder cannot be used.
    #[error("{}: {cause}; check that the agent's user may use the folder", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Not a key.
    #[error("{}: no usable key: {cause}; restore it from a copy, a new key needs the registrar", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: KeyError,
    },
    /// No randomness.
    #[error("the system gives no random bytes: {0}; check /dev/urandom")]
    Random(String),
}

/// Reads the key of a data directory.
pub fn load(data_dir: &Path) -> Result<SigningKey, KeyFileError> {
    let path = data_dir.join(KEY_FILE);
    let pem = match std::fs::read_to_string(&path) {
        Ok(pem) => Zeroizing::new(pem),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(KeyFileError::Missing { path }),
        Err(cause) => return Err(KeyFileError::Io { path, cause }),
    };
    let mode = std::fs::metadata(&path).map_or(0o600, |m| m.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Readable { path, mode });
    }
    SigningKey::from_pem(&pem, None).map_err(|cause| KeyFileError::Key { path, cause })
}

/// Reads the key, or makes folder and key if there is none. Says whether it was made.
pub fn load_or_make(data_dir: &Path) -> Result<(SigningKey, bool), KeyFileError> {
    match load(data_dir) {
        Err(KeyFileError::Missing { path }) => make(data_dir, &path).map(|key| (key, true)),
        found => found.map(|key| (key, false)),
    }
}

fn make(data_dir: &Path, path: &Path) -> Result<SigningKey, KeyFileError> {
    let io = |path: &Path, cause| KeyFileError::Io { path: path.to_owned(), cause };
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(|e| io(data_dir, e))?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|e| KeyFileError::Random(e.to_string()))?;
    let key = SigningKey::from_seed(*seed);
    let pem = key.to_pem(None).map_err(|cause| KeyFileError::Key { path: path.to_owned(), cause })?;
    // `create_new` refuses to write over a key that appeared meanwhile.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| io(path, e))?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| io(path, e))?;
    // The name is durable only with its folder.
    std::fs::File::open(data_dir).and_then(|dir| dir.sync_all()).map_err(|e| io(data_dir, e))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/b");
        assert!(matches!(load(&data), Err(KeyFileError::Missing { .. })));
        let (first, made) = load_or_make(&data).unwrap();
        let (second, made_again) = load_or_make(&data).unwrap();
        assert!(made && !made_again);
        assert_eq!(first.public(), second.public());
        let permissions = std::fs::metadata(data.join(KEY_FILE)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        load_or_make(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_make(dir.path()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        load_or_make(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        std::fs::write(&path, "garbage").unwrap();
        assert!(matches!(load_or_make(dir.path()), Err(KeyFileError::Key { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "garbage");
    }
}

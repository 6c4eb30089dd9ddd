//! Files that must not exist yet: a key or a genesis that was overwritten is gone for ever.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::exit::Exit;

/// A file that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FreshError {
    /// The name is taken.
    #[error("{} exists already and is never overwritten; move it away or choose another name", path.display())]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// The disk or its rights refused.
    #[error("cannot write {}: check that the folder exists, is writable and has room", path.display())]
    Write {
        /// The file that was to be made.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Only the user who makes it (mode 0600 where modes exist).
    Owner,
    /// Whoever the system's defaults allow.
    Usual,
}

impl FreshError {
    /// A taken name is wrong use, the rest is the environment.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Exists { .. } => Exit::Use,
            Self::Write { source, .. } => Exit::of_io(source),
        }
    }
}

/// Writes a file that did not exist and makes sure it is on disk. A half-written file is removed again.
pub fn write(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), FreshError> {
    let mut file = create(path, readers)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|source| {
        drop(std::fs::remove_file(path));
        FreshError::Write { path: path.to_owned(), source }
    })
}

fn create(path: &Path, readers: Readers) -> Result<File, FreshError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    restrict(&mut options, readers);
    options.open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => FreshError::Exists { path: path.to_owned() },
        _ => FreshError::Write { path: path.to_owned(), source },
    })
}

#[cfg(unix)]
fn restrict(options: &mut OpenOptions, readers: Readers) {
    use std::os::unix::fs::OpenOptionsExt;
    if readers == Readers::Owner {
        options.mode(0o600);
    }
}

#[cfg(not(unix))]
fn restrict(_: &mut OpenOptions, _: Readers) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"first", Readers::Owner).unwrap();
        assert!(matches!(write(&path, b"second", Readers::Owner), Err(FreshError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_file_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"secret", Readers::Owner).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("no/key.pem"), b"", Readers::Usual).unwrap_err();
        assert!(error.to_string().contains("key.pem"), "{error}");
    }
}

//! What can go wrong with the store, sorted by who has to act.

use std::path::PathBuf;

/// Why the store did not do what was asked. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. Reading goes on; writing succeeds again once there is room.
    #[error(
        "{}: the disk is full; free space on it, measuring goes on and what cannot be kept is recorded as lost",
        path.display()
    )]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The statements that no receipt covers have reached their limit.
    #[error(
        "{held_bytes} bytes of statements wait for the gateway's receipts, the limit is {max_bytes}; \
         bring the gateway back or raise `spool.max_bytes`"
    )]
    Cap {
        /// Bytes of statements held.
        held_bytes: u64,
        /// The configured limit, bytes.
        max_bytes: u64,
    },
    /// Another process has the store open.
    #[error(
        "{}: another plumbline-agent uses this data directory; stop it first, two must never sign one stream",
        path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged. It has to be opened anew, which moves the damaged file aside.
    #[error("{}: the database is damaged ({detail}); the next start moves it aside and saves what can be read", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The file was written by a newer version.
    #[error(
        "{}: written in format {found} by a newer version, this one reads up to {known}; install the newer version",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this version reads.
        known: i64,
    },
    /// Any other failure of the disk or its rights.
    #[error("{}: {detail}; check the disk and the rights of the data directory", path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// What SQLite or the system said.
        detail: String,
    },
    /// A commit failed and it cannot be read whether it took place. The store must be opened anew before
    /// anything else is written or sent.
    #[error("it is unknown whether the last commit took place ({detail}); the program has to start again")]
    Unknown {
        /// Both failures.
        detail: String,
    },
    /// The caller contradicts what is stored: a fault of this program.
    #[error("the store refuses {what}: expected {expected}, got {got}; this is a fault of the program")]
    Conflict {
        /// What was to be changed.
        what: &'static str,
        /// What the store holds.
        expected: String,
        /// What the caller said.
        got: String,
    },
}

impl StoreError {
    pub(crate) fn conflict(
        what: &'static str,
        expected: impl std::fmt::Debug,
        got: impl std::fmt::Debug,
    ) -> Self {
        Self::Conflict { what, expected: format!("{expected:?}"), got: format!("{got:?}") }
    }

    /// Whether the same call may succeed later without anybody touching the program.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Cap { .. } | Self::Io { .. })
    }
}

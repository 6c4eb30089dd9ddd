//! The gateway's three keys and what they sign: notes, receipts, and the operator's own time line. Separate
//! keys, so that none can stand in for another.
//!
//! Keys live in `DIR/keys/`, PKCS#8 PEM, readable by their owner only. This file makes them, reads them and
//! refuses them when others can read them; it never signs a statement.

use crate::error::StorageError;
use evidence::key::{PublicKey, SigningKey};
use evidence::note::{Checkpoint, LineType, Note, VerifierKey};
use evidence::{Hash, receipt};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tlog::{Head, Sealed};

/// Directory of the keys within the data directory.
pub const KEYS: &str = "keys";

/// Why the keys cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// There are keys already.
    #[error("{}: exists already; a gateway keeps its keys for as long as its projects live", .0.display())]
    Exists(PathBuf),
    /// Others than the owner can read a key.
    #[error("{}: others can read this key (mode {mode:o}); run `chmod 600` on it", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A key file that is none.
    #[error("{}: not a private key in PKCS#8 PEM: {detail}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The gateway's or the project's name cannot stand in a note.
    #[error("{0}")]
    Name(String),
    /// The system gives no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// The gateway's keys.
#[derive(Debug)]
pub struct Identity {
    name: String,
    keys: Arc<Keys>,
}

#[derive(Debug)]
struct Keys {
    note: SigningKey,
    receipt: SigningKey,
    time: SigningKey,
}

impl Identity {
    /// Makes new keys in `data/keys`.
    pub fn create(data: &Path) -> Result<(), IdentityError> {
        let dir = data.join(KEYS);
        if dir.exists() {
            return Err(IdentityError::Exists(dir));
        }
        std::fs::create_dir_all(&dir).map_err(|e| StorageError::new(&dir, "make the directory", &e))?;
        for name in ["note", "receipt", "operator-time"] {
            write_key(&dir.join(format!("{name}.pem")))?;
        }
        Ok(())
    }

    /// Keys that follow from a number: a simulation's runs must be the same each time.
    #[cfg(feature = "simulation")]
    pub fn simulated(name: &str) -> Self {
        let key = |n: u8| SigningKey::from_seed([n; 32]);
        let keys = Keys { note: key(2), receipt: key(3), time: key(4) };
        Self { name: name.to_owned(), keys: Arc::new(keys) }
    }

    /// Reads the keys. `name` is the gateway's own name.
    pub fn load(data: &Path, name: &str) -> Result<Self, IdentityError> {
        let read = |file: &str| read_key(&data.join(KEYS).join(file));
        let keys =
            Keys { note: read("note.pem")?, receipt: read("receipt.pem")?, time: read("operator-time.pem")? };
        Ok(Self { name: name.to_owned(), keys: Arc::new(keys) })
    }

    /// Origin of a project's log.
    pub fn origin(&self, project: &str) -> String {
        format!("{}/{project}", self.name)
    }

    /// What signs for one project.
    pub fn signers(&self, project: &str) -> Result<ProjectSigners, IdentityError> {
        let origin = self.origin(project);
        let named = |name: &str, line: LineType, key: &SigningKey| {
            VerifierKey::new(name, line, key.public().clone()).map_err(|e| IdentityError::Name(e.to_string()))
        };
        Ok(ProjectSigners {
            log: named(&origin, LineType::Text, &self.keys.note)?,
            time: named(&format!("{}/operator-time", self.name), LineType::Cosignature, &self.keys.time)?,
            keys: Arc::clone(&self.keys),
            origin,
        })
    }
}

/// What signs for one project.
#[derive(Debug)]
pub struct ProjectSigners {
    origin: String,
    log: VerifierKey,
    time: VerifierKey,
    keys: Arc<Keys>,
}

impl ProjectSigners {
    /// Origin of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The log's verifier key, as it stands in the genesis.
    pub fn log_vkey(&self) -> String {
        self.log.to_string()
    }

    /// The operator's time key, as it stands in the genesis.
    pub fn time_vkey(&self) -> String {
        self.time.to_string()
    }

    /// The receipt key, as it stands in the genesis.
    pub fn receipt_key(&self) -> &PublicKey {
        self.keys.receipt.public()
    }

    /// A checkpoint over `head`: the log's line, then the operator's time line.
    pub(crate) fn checkpoint(&self, head: &Head, time_s: i64) -> Result<Vec<u8>, String> {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: head.size, root: head.root };
        let time = u64::try_from(time_s).map_err(|_| format!("the clock says {time_s} s since 1970"))?;
        let sign = || {
            let mut note = Note::new(checkpoint.text())?;
            note.sign(self.log.name(), &self.keys.note)?;
            note.cosign(self.time.name(), &self.keys.time, time)?;
            Ok(note.encode())
        };
        sign().map_err(|e: evidence::note::NoteError| e.to_string())
    }

    /// Reads a note that carries this log's own signature.
    pub(crate) fn own_checkpoint(&self, note: &[u8]) -> Result<Checkpoint, String> {
        let (checkpoint, _) = Checkpoint::open(note, &self.log).map_err(|e| e.to_string())?;
        if checkpoint.origin == self.origin {
            return Ok(checkpoint);
        }
        Err(format!("it is of `{}`, not of `{}`", checkpoint.origin, self.origin))
    }

    /// Signs the receipt of the entry at `index` under a sealed root.
    pub(crate) fn receipt(&self, index: u64, sealed: &Sealed, proof: &[Hash]) -> Vec<u8> {
        receipt::seal(&self.keys.receipt, &self.origin, sealed.size, index, proof, &sealed.root)
    }
}

fn write_key(path: &Path) -> Result<(), IdentityError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| IdentityError::Random(e.to_string()))?;
    let key = SigningKey::from_seed(seed);
    let pem =
        key.to_pem(None).map_err(|e| IdentityError::Key { path: path.to_owned(), detail: e.to_string() })?;
    write_private(path, pem.as_bytes())?;
    Ok(())
}

/// Writes a file that only its owner can read, durably; never over another.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| StorageError::new(path, "write", &e))
}

fn read_key(path: &Path) -> Result<SigningKey, IdentityError> {
    let meta = std::fs::metadata(path).map_err(|e| StorageError::new(path, "read", &e))?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(IdentityError::Readable { path: path.to_owned(), mode });
        }
    }
    let text = std::fs::read_to_string(path).map_err(|e| StorageError::new(path, "read", &e))?;
    SigningKey::from_pem(&text, None)
        .map_err(|e| IdentityError::Key { path: path.to_owned(), detail: e.to_string() })
}

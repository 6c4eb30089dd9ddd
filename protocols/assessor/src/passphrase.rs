//! Where a passphrase comes from: a prompt without echo, or the first line of a file. Never from the command
//! line, where every user of the machine could read it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// A passphrase, wiped when dropped.
pub type Passphrase = Zeroizing<String>;

/// No usable passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing was typed, or the file's first line is empty.
    #[error("the passphrase is empty; choose one, or use --no-passphrase for a demonstration key")]
    Empty,
    /// Typed differently the second time.
    #[error("the two passphrases differ; nothing was written, start again")]
    Differ,
    /// The file cannot be read.
    #[error("cannot read the passphrase file {}: check its name and rights", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is nobody to ask.
    #[error("no terminal to ask for the passphrase on; give --passphrase-file FILE")]
    NoTerminal(#[source] std::io::Error),
}

/// The first line of a file, without its line end.
pub fn from_file(path: &Path) -> Result<Passphrase, PassphraseError> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|source| PassphraseError::File { path: path.to_owned(), source })?;
    not_empty(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// Asks once, to open an existing key.
pub fn ask(what: &str) -> Result<Passphrase, PassphraseError> {
    let typed = rpassword::prompt_password(format!("{what}: ")).map_err(PassphraseError::NoTerminal)?;
    not_empty(Zeroizing::new(typed))
}

/// Asks twice, for a new key.
pub fn choose() -> Result<Passphrase, PassphraseError> {
    let first = ask("新口令 / new passphrase")?;
    let second = ask("再输一次 / once more")?;
    if first == second { Ok(first) } else { Err(PassphraseError::Differ) }
}

fn not_empty(passphrase: Passphrase) -> Result<Passphrase, PassphraseError> {
    if passphrase.is_empty() { Err(PassphraseError::Empty) } else { Ok(passphrase) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_file_counts_up_to_its_first_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        for (content, want) in [("a b\n", "a b"), ("口令\r\nsecond", "口令"), ("x", "x")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(from_file(&path).unwrap().as_str(), want);
        }
        for content in ["", "\n", "\nlate"] {
            std::fs::write(&path, content).unwrap();
            assert!(matches!(from_file(&path), Err(PassphraseError::Empty)), "{content:?}");
        }
    }
}

//! Makes the key that decides what a project measures: the registrar's. It is written once, as PKCS#8 PEM
//! readable by its owner alone, and encrypted under a passphrase unless the caller insists otherwise.

use std::path::{Path, PathBuf};

use evidence::key::{Alg, Kid, PublicKey, SigningKey};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::fresh::{self, FreshError, Readers};

/// A key that was made.
#[derive(Debug)]
pub struct NewKey {
    /// Where the secret part lies.
    pub path: PathBuf,
    public: PublicKey,
    /// Whether a passphrase protects it.
    pub encrypted: bool,
}

impl NewKey {
    /// The public part.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its RFC 9679 thumbprint.
    pub fn kid(&self) -> Kid {
        self.public.kid()
    }

    /// The line for an assessor's trust file.
    pub fn trust_line(&self) -> String {
        format!("registrar = \"{}\"", self.public)
    }
}

/// No key was made.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    /// The file could not be made.
    #[error(transparent)]
    File(#[from] FreshError),
    /// The system gives no randomness.
    #[error("the system's random number generator failed; nothing was written")]
    Randomness(#[source] getrandom::Error),
    /// The key could not be written as PKCS#8.
    #[error("the key could not be encoded; nothing was written")]
    Encode(#[source] evidence::key::KeyError),
}

impl KeygenError {
    /// Who is to blame.
    pub fn exit(&self) -> Exit {
        match self {
            Self::File(error) => error.exit(),
            Self::Randomness(_) | Self::Encode(_) => Exit::Environment,
        }
    }
}

/// Makes a key and writes it to `path`, which must not exist.
pub fn keygen(path: &Path, alg: Alg, passphrase: Option<&str>) -> Result<NewKey, KeygenError> {
    let key = random_key(alg)?;
    let mut salt_and_iv = [0u8; 32];
    getrandom::fill(&mut salt_and_iv).map_err(KeygenError::Randomness)?;
    let pem = key.to_pem(passphrase.map(|p| (p, salt_and_iv))).map_err(KeygenError::Encode)?;
    fresh::write(path, pem.as_bytes(), Readers::Owner)?;
    Ok(NewKey { path: path.to_owned(), public: key.public().clone(), encrypted: passphrase.is_some() })
}

/// Draws until the bytes are a valid secret; SM2 refuses zero and what is not below the curve's order, which
/// happens about once in 2^32 draws.
fn random_key(alg: Alg) -> Result<SigningKey, KeygenError> {
    loop {
        let mut secret = Zeroizing::new([0u8; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(KeygenError::Randomness)?;
        match alg {
            Alg::Ed25519 => return Ok(SigningKey::from_seed(*secret)),
            Alg::Sm2 => {
                if let Ok(key) = SigningKey::sm2_from_secret(&secret) {
                    return Ok(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_with_its_passphrase_and_with_no_other() {
        let folder = tempfile::tempdir().unwrap();
        for alg in [Alg::Ed25519, Alg::Sm2] {
            let path = folder.path().join(format!("{alg:?}.pem"));
            let key = keygen(&path, alg, Some("准绳 plumbline")).unwrap();
            let pem = std::fs::read_to_string(&path).unwrap();
            assert!(pem.contains("ENCRYPTED"), "{pem}");
            for wrong in [None, Some("准绳"), Some("")] {
                assert!(SigningKey::from_pem(&pem, wrong).is_err());
            }
            let opened = SigningKey::from_pem(&pem, Some("准绳 plumbline")).unwrap();
            assert_eq!(*opened.public(), key.public);
        }
    }

    #[test]
    fn the_trust_line_is_toml_whose_value_reads_back_as_the_key() {
        let folder = tempfile::tempdir().unwrap();
        for alg in [Alg::Ed25519, Alg::Sm2] {
            let key = keygen(&folder.path().join(format!("{alg:?}.pem")), alg, None).unwrap();
            let line: toml::Table = key.trust_line().parse().unwrap();
            let value = line["registrar"].as_str().unwrap();
            assert_eq!(value.parse::<PublicKey>().unwrap(), key.public);
        }
    }

    #[test]
    fn an_existing_key_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registrar.pem");
        keygen(&path, Alg::Ed25519, None).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = keygen(&path, Alg::Ed25519, None).unwrap_err();
        assert_eq!((error.exit(), std::fs::read(&path).unwrap()), (Exit::Use, before));
    }
}

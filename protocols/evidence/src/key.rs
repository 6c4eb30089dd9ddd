//! Keys that sign evidence: Ed25519 (RFC 8032) and SM2 (GB/T 32918.2), their identity and their files.
//!
//! A key fixes its algorithm where it is enrolled; a statement cannot choose another. Randomness for new
//! keys and encrypted files is passed in, none is drawn here.

use crate::cbor::Writer;
use crate::hash::{Hash, sha256};
use ed25519_dalek::Signer as _;
use pkcs8::der::pem::PemLabel as _;
use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncryptedPrivateKeyInfoRef, LineEnding};
use sm2::dsa::signature::Verifier as _;
use std::fmt;
use std::str::FromStr;
use zeroize::{Zeroize as _, Zeroizing};

/// The identity string of SM2 signatures: the default of GM/T 0009, given explicitly because libraries
/// differ in what they assume.
pub const SM2_ID: &str = "1234567812345678";

/// Cost of a passphrase: scrypt with N = 2^14, r = 8, p = 5, one of the equal choices of the OWASP Password
/// Storage Cheat Sheet. It takes 16 MiB; OpenSSL refuses to read files that take more than 32 MiB.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 5;

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alg {
    /// Ed25519; COSE -8 (`EdDSA`) when written, -19 accepted.
    Ed25519,
    /// SM2 with SM3; COSE private use -70001, signature r‖s of 64 bytes.
    Sm2,
}

impl Alg {
    /// The COSE number that is written.
    pub fn cose(self) -> i64 {
        match self {
            Self::Ed25519 => -8,
            Self::Sm2 => -70_001,
        }
    }

    /// The algorithm of a COSE number.
    pub fn from_cose(n: i64) -> Option<Self> {
        match n {
            -8 | -19 => Some(Self::Ed25519),
            -70_001 => Some(Self::Sm2),
            _ => None,
        }
    }
}

/// A key's identity: its RFC 9679 thumbprint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kid(pub Hash);

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kid({})", hex::encode(&self.0[..4]))
    }
}

/// Why bytes are no key that may sign evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Wrong length, or no point of the curve.
    #[error("these bytes are no {0:?} public key")]
    NoKey(Alg),
    /// A small-order key, for which signatures of other messages can be made.
    #[error("the key is weak (small order); make a new one")]
    Weak,
    /// Not `<64 hex>` and not `sm2:<04‖x‖y hex>`.
    #[error("{0:?} is no public key; write 64 hex digits, or sm2: and 130 hex digits")]
    Text(String),
    /// Not a PKCS#8 PEM private key of a known kind.
    #[error("not a PKCS#8 PEM private key of Ed25519 or SM2: {0}")]
    Pem(String),
    /// The file is encrypted and the passphrase is missing or wrong.
    #[error("the private key is encrypted and the passphrase is missing or wrong")]
    Passphrase,
}

/// The signature is not one of this key over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

#[derive(Clone)]
enum Verifying {
    Ed25519(ed25519_dalek::VerifyingKey),
    Sm2(sm2::dsa::VerifyingKey),
}

/// A public key that passed the checks of enrolment.
#[derive(Clone)]
pub struct PublicKey {
    bytes: Vec<u8>,
    kid: Kid,
    key: Verifying,
}

impl PublicKey {
    /// From raw bytes: 32 for Ed25519, 65 (`04‖x‖y`) for SM2. Weak keys are refused.
    pub fn new(alg: Alg, bytes: &[u8]) -> Result<Self, KeyError> {
        let key = match alg {
            Alg::Ed25519 => {
                let array = bytes.try_into().map_err(|_| KeyError::NoKey(alg))?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(array).map_err(|_| KeyError::NoKey(alg))?;
                if key.is_weak() {
                    return Err(KeyError::Weak);
                }
                Verifying::Ed25519(key)
            }
            Alg::Sm2 if bytes.len() == 65 && bytes[0] == 4 => {
                let key = sm2::dsa::VerifyingKey::from_sec1_bytes(SM2_ID, bytes);
                Verifying::Sm2(key.map_err(|_| KeyError::NoKey(alg))?)
            }
            Alg::Sm2 => return Err(KeyError::NoKey(alg)),
        };
        Ok(Self { bytes: bytes.to_vec(), kid: thumbprint(alg, bytes), key })
    }

    /// The algorithm the key is bound to.
    pub fn alg(&self) -> Alg {
        match self.key {
            Verifying::Ed25519(_) => Alg::Ed25519,
            Verifying::Sm2(_) => Alg::Sm2,
        }
    }

    /// The raw bytes, see [`Self::new`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key's identity.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// Strict verification: RFC 8032, 5.1.7 with canonical encodings and no small-order points.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match &self.key {
            Verifying::Ed25519(key) => {
                let signature =
                    ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError)?;
                key.verify_strict(message, &signature).map_err(|_| SignatureError)
            }
            Verifying::Sm2(key) => {
                let signature = sm2::dsa::Signature::from_slice(signature).map_err(|_| SignatureError)?;
                key.verify(message, &signature).map_err(|_| SignatureError)
            }
        }
    }
}

/// RFC 9679, 3: SHA-256 of the deterministic encoding of the required members of the COSE key. For SM2
/// these are kty EC2 and the private-use curve number -70001.
///
/// ```text
/// Ed25519  A3 01 01 20 06 21 58 20 <x>
/// SM2      A4 01 02 20 3A 00 01 11 70 21 58 20 <x> 22 58 20 <y>
/// ```
fn thumbprint(alg: Alg, bytes: &[u8]) -> Kid {
    let mut w = Writer::new();
    match alg {
        Alg::Ed25519 => {
            w.map(3).uint(1).uint(1).int(-1).uint(6).int(-2).bytes(bytes);
        }
        Alg::Sm2 => {
            let (x, y) = bytes[1..].split_at(32);
            w.map(4).uint(1).uint(2).int(-1).int(-70_001).int(-2).bytes(x).int(-3).bytes(y);
        }
    }
    Kid(sha256(&w.finish()))
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid
    }
}

impl Eq for PublicKey {}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.kid.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// `<64 hex>` or `sm2:<130 hex>`, as in trust files.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.alg() {
            Alg::Ed25519 => f.write_str(&hex::encode(&self.bytes)),
            Alg::Sm2 => write!(f, "sm2:{}", hex::encode(&self.bytes)),
        }
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(s: &str) -> Result<Self, KeyError> {
        let (alg, digits) = match s.strip_prefix("sm2:") {
            Some(rest) => (Alg::Sm2, rest),
            None => (Alg::Ed25519, s),
        };
        let bytes = hex::decode(digits).map_err(|_| KeyError::Text(s.to_owned()))?;
        Self::new(alg, &bytes).map_err(|e| if e == KeyError::Weak { e } else { KeyError::Text(s.to_owned()) })
    }
}

enum Signing {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Sm2(Box<sm2::dsa::SigningKey>, Box<sm2::SecretKey>),
}

/// A private key. Its memory is overwritten when it is dropped; it prints only its identity.
pub struct SigningKey {
    key: Signing,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public.kid())
    }
}

impl SigningKey {
    /// An Ed25519 key of a secret seed.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        seed.zeroize();
        Self::ed25519(key)
    }

    fn ed25519(key: ed25519_dalek::SigningKey) -> Self {
        let verifying = key.verifying_key();
        let bytes = verifying.to_bytes().to_vec();
        let kid = thumbprint(Alg::Ed25519, &bytes);
        Self {
            key: Signing::Ed25519(Box::new(key)),
            public: PublicKey { bytes, kid, key: Verifying::Ed25519(verifying) },
        }
    }

    /// An SM2 key of a secret scalar (big-endian, not zero, below the group order).
    pub fn sm2_from_secret(secret: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = sm2::SecretKey::from_slice(secret).map_err(|_| KeyError::NoKey(Alg::Sm2))?;
        Self::sm2(secret)
    }

    fn sm2(secret: sm2::SecretKey) -> Result<Self, KeyError> {
        let key = sm2::dsa::SigningKey::new(SM2_ID, &secret).map_err(|_| KeyError::NoKey(Alg::Sm2))?;
        let public = PublicKey::new(Alg::Sm2, &key.verifying_key().to_sec1_bytes())?;
        Ok(Self { key: Signing::Sm2(Box::new(key), Box::new(secret)), public })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message: 64 bytes, deterministic in both algorithms.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.key {
            Signing::Ed25519(key) => key.sign(message).to_bytes(),
            Signing::Sm2(key, _) => {
                let signature: sm2::dsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
        }
    }

    /// PKCS#8 PEM; with a passphrase encrypted by PBES2 (scrypt, AES-256-CBC), for which 32 random bytes
    /// are needed.
    pub fn to_pem(&self, passphrase: Option<(&str, [u8; 32])>) -> Result<Zeroizing<String>, KeyError> {
        let pem_error = |e: &dyn fmt::Display| KeyError::Pem(e.to_string());
        let der = match &self.key {
            // Version 1 of PKCS#8, without the public key: OpenSSL 3.0 reads no other for Ed25519.
            Signing::Ed25519(key) => {
                let pair =
                    ed25519_dalek::pkcs8::KeypairBytes { secret_key: key.to_bytes(), public_key: None };
                pair.to_pkcs8_der()
            }
            Signing::Sm2(_, secret) => secret.to_pkcs8_der(),
        }
        .map_err(|e| pem_error(&e))?;
        let Some((passphrase, random)) = passphrase else {
            return der.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|e| pem_error(&e));
        };
        let (salt, iv) = random.split_at(16);
        let iv: [u8; 16] = iv.try_into().map_err(|e| pem_error(&e))?;
        let params =
            pkcs8::pkcs5::scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).map_err(|e| pem_error(&e))?;
        let params = pkcs8::pkcs5::pbes2::Parameters::generate_scrypt_aes256cbc(params, salt, iv)
            .map_err(|e| pem_error(&e))?;
        let info = pkcs8::PrivateKeyInfoRef::try_from(der.as_bytes()).map_err(|e| pem_error(&e))?;
        let encrypted = info.encrypt_with_params(params, passphrase).map_err(|e| pem_error(&e))?;
        encrypted.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).map_err(|e| pem_error(&e))
    }

    /// Reads what [`Self::to_pem`] or openssl wrote.
    pub fn from_pem(pem: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        let pem_error = |e: &dyn fmt::Display| KeyError::Pem(e.to_string());
        let (label, document) = pkcs8::SecretDocument::from_pem(pem).map_err(|e| pem_error(&e))?;
        let der = if label == EncryptedPrivateKeyInfoRef::PEM_LABEL {
            let passphrase = passphrase.ok_or(KeyError::Passphrase)?;
            let info =
                EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|e| pem_error(&e))?;
            info.decrypt(passphrase).map_err(|_| KeyError::Passphrase)?
        } else {
            document
        };
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_der(der.as_bytes()) {
            return Ok(Self::ed25519(key));
        }
        Self::sm2(sm2::SecretKey::from_pkcs8_der(der.as_bytes()).map_err(|e| pem_error(&e))?)
    }
}

//! Whom we trust at the other end of an encrypted connection, who we are there, and a failed handshake in the
//! operator's words.
//!
//! Files are read anew for each connection, so that a renewed certificate needs no restart.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};

use crate::pinned::Pinned;

/// Who may vouch for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The authorities this system trusts.
    System,
    /// The authorities in a file.
    Authority(PathBuf),
    /// Nobody: it is this certificate, by its SHA-256.
    Certificate([u8; 32]),
}

/// Our own certificate and its key.
pub type Identity = (PathBuf, PathBuf);

/// What is needed for a connection; the error names the file that is at fault.
pub(super) fn client_config(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = match trust {
        Trust::System => builder.with_root_certificates(system()?),
        Trust::Authority(file) => builder.with_root_certificates(authorities(file)?),
        Trust::Certificate(pinned) => {
            let verifier = Arc::new(Pinned::new(*pinned, provider, not_pinned));
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
    };
    let Some((cert_file, key_file)) = identity else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|e| format!("{}: {e}", key_file.display()))?;
    builder.with_client_auth_cert(certificates(cert_file)?, key).map_err(|e| {
        let name = cert_file.display();
        match &e {
            Error::InvalidCertificate(CertificateError::Other(why)) if is_version_1(why) => {
                format!("{name} is an X.509 certificate of version 1; have it issued as version 3")
            }
            Error::InconsistentKeys(_) => {
                format!("{name} and the key in {} do not belong together", key_file.display())
            }
            _ => format!("{name}: {e}"),
        }
    })
}

fn system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        return Err("this system trusts no authority; set `ca_file` or `fingerprint`".to_owned());
    }
    Ok(roots)
}

fn authorities(file: &PathBuf) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(roots)
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    let name = file.display();
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|e| format!("{name}: {e}"));
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("{name} holds no certificate in PEM form"))
        }
        other => other,
    }
}

/// Begins the words of a handshake that ended because of another fingerprint.
const NOT_PINNED: &str = "the broker's certificate has the fingerprint";

fn not_pinned(shown: &[u8; 32]) -> String {
    format!("{NOT_PINNED} {}", fingerprint(shown))
}

/// `sha256:` and 64 digits.
fn fingerprint(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads `sha256:` and 64 hexadecimal digits, with or without colons.
pub(super) fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.strip_prefix("sha256:")?.bytes().filter(|b| *b != b':').collect();
    let mut hash = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(hash)
}

/// What to do about a failed handshake.
pub(super) fn advice(error: &Error) -> &'static str {
    use AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::AlertReceived(Alert::CertificateRequired) => {
            "the broker wants a client certificate: set `cert_file` and `key_file`"
        }
        Error::AlertReceived(Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown) => {
            "the broker does not know who issued our certificate: have `cert_file` issued by the authority in the broker's cafile"
        }
        Error::AlertReceived(Alert::CertificateExpired) => {
            "our certificate has expired: have `cert_file` renewed, or set the clock of the broker"
        }
        Error::AlertReceived(Alert::CertificateRevoked) => {
            "our certificate was revoked: have `cert_file` renewed"
        }
        Error::AlertReceived(Alert::HandshakeFailure | Alert::ProtocolVersion) => {
            "let the broker speak TLS 1.2 or 1.3; it may also want a client certificate: set `cert_file` and `key_file`"
        }
        Error::InvalidMessage(_) => {
            "what answers there does not speak TLS: use the port of the broker's encrypted listener, or mqtt://"
        }
        Error::General(words) if words.starts_with(NOT_PINNED) => {
            "if the broker's certificate was renewed, compare this with its operator and write it to `fingerprint`"
        }
        _ => "compare `ca_file`, the broker's certificate and the clocks of both",
    }
}

fn of_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "set `ca_file` to the certificate of the authority that signed the broker's certificate"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "use in `address` a name that stands in the broker's certificate"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "have the broker's certificate renewed, or set the clock of this box"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "set the clock of this box: the broker's certificate is still to become valid"
        }
        CertificateError::Other(why) if is_version_1(why) => {
            "the broker's certificate is X.509 version 1; have it issued as version 3, with the broker's name in it"
        }
        CertificateError::Other(why) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
            "the broker shows the certificate of an authority; have one issued for the broker itself, or write its `fingerprint`"
        }
        _ => "compare `ca_file`, the broker's certificate and the clocks of both",
    }
}

/// The library keeps this reason as an opaque error whose name is all there is.
fn is_version_1(why: &rustls::OtherError) -> bool {
    format!("{why:?}").contains("UnsupportedCertVersion")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn a_fingerprint_is_read_as_written() {
        let hash: [u8; 32] = Sha256::digest(b"x").into();
        let text = fingerprint(&hash);
        assert_eq!(parse_fingerprint(&text), Some(hash));
        let with_colons: Vec<String> = text
            .trim_start_matches("sha256:")
            .as_bytes()
            .chunks(2)
            .map(|p| String::from_utf8_lossy(p).to_uppercase())
            .collect();
        assert_eq!(parse_fingerprint(&format!("sha256:{}", with_colons.join(":"))), Some(hash));
        for bad in ["", "sha256:", &text[7..], &text[..70], &text.replace("sha256", "sha1"), "sha256:+1"] {
            assert_eq!(parse_fingerprint(bad), None, "{bad}");
        }
    }
}

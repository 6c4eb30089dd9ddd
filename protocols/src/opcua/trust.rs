//! Whose certificate is whose: the agent's own, made once, and the servers', trusted by an explicit step.
//!
//! ```text
//! <pki_dir>/own/cert.der             this agent's certificate: to be trusted on the servers
//! <pki_dir>/private/private.pem      its key, readable by the owner only
//! <pki_dir>/trusted/*.der            servers' certificates somebody has compared and moved here
//! <pki_dir>/rejected/<SHA-1>.der     servers' certificates seen but not trusted
//! ```
//! Trust is that very certificate, byte by byte; there is no "trust on first use" and no certificate authority.
//! The step from `rejected/` to `trusted/` is [`super::accept`]'s.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io};

use observation::Utc;
use opcua::crypto::{CertificateStore, PrivateKey, X509, X509Data};
use opcua::types::{ByteString, DateTime};
use sha2::{Digest, Sha256};

use super::chain;
use super::settings::Settings;

/// Ten years: longer than the commitments of a subsidised project, so that no audit meets an expired link.
const VALID_DAYS: u32 = 3650;
const KEY_BITS: u32 = 2048;
/// Between 1601-01-01 and 1970-01-01, ms, and ticks of 100 ns in a millisecond (OPC 10000-6 5.2.2.5).
const MS_1601_TO_1970: i64 = 11_644_473_600_000;
const TICKS_PER_MS: i64 = 10_000;

/// Held while a certificate is looked for or made: several links may share a folder.
static MAKING: Mutex<()> = Mutex::new(());

/// This agent's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The file to give to servers.
    pub path: PathBuf,
    /// SHA-256 of its DER form, upper-case hex in pairs.
    pub fingerprint: String,
    /// SHA-1 of its DER form, lower-case hex, which OPC UA tools call the thumbprint.
    pub thumbprint: String,
}

/// Why the agent has no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum OwnCertificateError {
    /// A file or folder cannot be used.
    #[error("cannot use {}: {source}; make `pki_dir` a folder this program may write to", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate is there, its key is not.
    #[error(
        "{} is there but its key {} cannot be read; restore the key from a backup, or move the certificate \
         away to have a new pair made, which every server must then trust anew",
        .certificate.display(), .key.display()
    )]
    Key {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The file is no certificate.
    #[error("{} is no certificate in DER form; restore it from a backup, or move it away to have it made anew", .0.display())]
    Unreadable(PathBuf),
    /// The certificate names another application.
    #[error("{} does not carry the URI {uri:?}; set `application_uri` to the URI it carries", .path.display())]
    Uri {
        /// The certificate's file.
        path: PathBuf,
        /// The configured URI.
        uri: String,
    },
    /// The pair could not be made.
    #[error("cannot make a certificate: {0}")]
    Making(String),
}

/// Why a server's certificate is not accepted, and the exact step that changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Distrust {
    pub detail: String,
    pub advice: String,
    /// Nothing is known to be wrong with it; nobody has trusted it yet.
    pub only_unknown: bool,
}

/// Finds this agent's certificate, or makes one if there is none. It takes seconds the first time.
pub fn own_certificate(pki_dir: &Path, application_uri: &str) -> Result<OwnCertificate, OwnCertificateError> {
    let _making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let store = CertificateStore::new(pki_dir);
    let (path, key) = (store.own_certificate_path(), store.own_private_key_path());
    if !path.exists() {
        make(pki_dir, application_uri, &path, &key)?;
        tracing::info!(certificate = %path.display(), "made this agent's OPC UA certificate");
    }
    let certificate =
        CertificateStore::read_cert(&path).map_err(|_| OwnCertificateError::Unreadable(path.clone()))?;
    if PrivateKey::read_pem_file(&key).is_err() {
        return Err(OwnCertificateError::Key { certificate: path, key });
    }
    if certificate.is_application_uri_valid(application_uri).is_err() {
        return Err(OwnCertificateError::Uri { path, uri: application_uri.to_owned() });
    }
    let (fingerprint, thumbprint) = prints(&certificate);
    Ok(OwnCertificate { path, fingerprint, thumbprint })
}

/// Makes key and certificate. A crash leaves a folder nobody looks at, or the key without its certificate,
/// which is then made for that key.
fn make(pki_dir: &Path, uri: &str, certificate: &Path, key: &Path) -> Result<(), OwnCertificateError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| OwnCertificateError::File { path, source }
    };
    for folder in [Some(pki_dir), certificate.parent(), key.parent()].into_iter().flatten() {
        folder_like_its_parent(folder).map_err(file(folder))?;
    }
    key.parent().map_or(Ok(()), |folder| only_owner(folder, 0o700)).map_err(file(key))?;
    let scratch = pki_dir.join(format!(".making-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(file(&scratch))?;
    only_owner(&scratch, 0o700).map_err(file(&scratch))?;
    let (new_certificate, new_key) = (scratch.join("cert.der"), scratch.join("private.pem"));
    let made = if let Ok(known) = PrivateKey::read_pem_file(key) {
        let made = X509::from_pkey(&known, &description(uri)).map_err(OwnCertificateError::Making)?;
        let der = made.to_der().map_err(|e| OwnCertificateError::Making(e.to_string()))?;
        fs::write(&new_certificate, der).map_err(file(&new_certificate))
    } else {
        CertificateStore::create_certificate_and_key(&description(uri), true, &new_certificate, &new_key)
            .map_err(OwnCertificateError::Making)?;
        only_owner(&new_key, 0o600).and_then(|()| durable(&new_key, key)).map_err(file(key))
    };
    made.and_then(|()| durable(&new_certificate, certificate).map_err(file(certificate)))?;
    fs::remove_dir_all(&scratch).map_err(file(&scratch))
}

fn description(application_uri: &str) -> X509Data {
    X509Data {
        key_size: KEY_BITS,
        common_name: "Plumbline agent".to_owned(),
        organization: "Plumbline".to_owned(),
        organizational_unit: String::new(),
        country: "CN".to_owned(),
        state: String::new(),
        alt_host_names: X509Data::alt_host_names(application_uri, None, true, true, true),
        certificate_duration_days: VALID_DAYS,
    }
}

/// Moves a file to its place, on disk before and after.
pub(super) fn durable(from: &Path, to: &Path) -> io::Result<()> {
    fs::File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    like_its_folder(to);
    to.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

pub(super) fn folder_like_its_parent(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            folder_like_its_parent(parent)?;
        }
        fs::create_dir_all(folder)?;
        like_its_folder(folder);
    }
    Ok(())
}

fn write_like_its_folder(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)?;
    like_its_folder(path);
    Ok(())
}

/// What root makes by a command belongs to the agent's user, as the folder does; nobody but root can do this,
/// and nobody else needs it.
#[cfg(unix)]
fn like_its_folder(path: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    if let Some(Ok(folder)) = path.parent().map(fs::metadata) {
        // For everybody but root it is refused, and right already.
        let _ = chown(path, Some(folder.uid()), Some(folder.gid()));
    }
}

#[cfg(not(unix))]
fn like_its_folder(_path: &Path) {}

#[cfg(unix)]
fn only_owner(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn only_owner(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Checks a server's certificate. One that is not trusted is written to `rejected/`, so that trusting it is
/// one move of one file.
pub(super) fn check_server(
    settings: &Settings,
    certificate: &ByteString,
    server_uri: &str,
    now: Utc,
) -> Result<(), Distrust> {
    if let count @ 2.. = chain::count(certificate.as_ref()) {
        let (detail, advice) = chain::words(count);
        return Err(Distrust { detail, advice, only_unknown: false });
    }
    let certificate = X509::from_byte_string(certificate).map_err(|_| Distrust {
        detail: "the server shows no certificate that can be read".to_owned(),
        advice: "have the server make or be given a single X.509 certificate".to_owned(),
        only_unknown: false,
    })?;
    pinned(settings, &certificate)?;
    named(settings, &certificate, server_uri)?;
    let ticks = now.0.saturating_add(MS_1601_TO_1970).saturating_mul(TICKS_PER_MS);
    if settings.check_validity && certificate.is_time_valid(&DateTime::from(ticks).as_chrono()).is_err() {
        let date = |date: Option<String>| date.unwrap_or_else(|| "?".to_owned());
        return Err(Distrust {
            detail: format!(
                "the server's certificate is valid from {} to {} only",
                date(certificate.not_before().ok().map(|d| d.to_string())),
                date(certificate.not_after().ok().map(|d| d.to_string())),
            ),
            advice: "check this machine's clock, have the server make a new certificate, or set \
                     check_validity = false for this link; the certificate stays pinned"
                .to_owned(),
            only_unknown: false,
        });
    }
    Ok(())
}

fn pinned(settings: &Settings, certificate: &X509) -> Result<(), Distrust> {
    let store = CertificateStore::new(&settings.pki_dir);
    let trusted = store.trusted_certs_dir();
    let (fingerprint, thumbprint) = prints(certificate);
    let rejected = store.rejected_certs_dir().join(format!("{thumbprint}.der"));
    let unwritable = |path: &Path, error: &io::Error| Distrust {
        detail: format!("cannot use {}: {error}", path.display()),
        advice: "make `pki_dir` a folder this program may write to".to_owned(),
        only_unknown: false,
    };
    for folder in [&trusted, &store.rejected_certs_dir()] {
        folder_like_its_parent(folder).map_err(|e| unwritable(folder, &e))?;
    }
    let der = certificate.to_der().unwrap_or_default();
    if lies_in(&trusted, &der) {
        // The OPC UA stack looks for the certificate again under a name of its own, first among the rejected
        // ones: a copy left there would outweigh the trust just found.
        let name = CertificateStore::cert_file_name(certificate);
        let left = store.rejected_certs_dir().join(&name);
        for left in [&rejected, &left].into_iter().filter(|left| left.exists()) {
            fs::remove_file(left).map_err(|e| unwritable(left, &e))?;
        }
        let again = trusted.join(name);
        return if again.exists() {
            Ok(())
        } else {
            write_like_its_folder(&again, &der).map_err(|e| unwritable(&again, &e))
        };
    }
    write_like_its_folder(&rejected, &der).map_err(|e| unwritable(&rejected, &e))?;
    Err(Distrust {
        detail: format!(
            "its certificate is not trusted yet: {:?}, SHA-256 {fingerprint}, SHA-1 {thumbprint}",
            certificate.subject_name()
        ),
        advice: format!(
            "compare the fingerprint with what the server itself shows, then trust it with: \
             plumbline-agent trust --pki {} {fingerprint}",
            quoted(&settings.pki_dir),
        ),
        only_unknown: true,
    })
}

/// Whether the folder has this very certificate, under whatever name.
fn lies_in(folder: &Path, der: &[u8]) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let mut files = entries.flatten().map(|entry| entry.path());
    files.any(|path| match path.extension().and_then(|extension| extension.to_str()) {
        Some("pem") => {
            CertificateStore::read_cert(&path).ok().and_then(|c| c.to_der().ok()).is_some_and(|d| d == der)
        }
        _ => fs::read(&path).is_ok_and(|bytes| bytes == der),
    })
}

fn named(settings: &Settings, certificate: &X509, server_uri: &str) -> Result<(), Distrust> {
    let host = settings.address.host.trim_matches(['[', ']']);
    if !settings.check_hostname {
        return Ok(());
    }
    let what = if certificate.is_hostname_valid(host).is_err() {
        format!("the host {host:?} of the address")
    } else if certificate.is_application_uri_valid(server_uri).is_err() {
        format!("the URI {server_uri:?} by which the server calls itself")
    } else {
        return Ok(());
    };
    Err(Distrust {
        detail: format!("the server's certificate does not name {what}"),
        advice:
            "have the server make a certificate with its network names, or set check_hostname = false for \
                 this link; the certificate stays pinned"
                .to_owned(),
        only_unknown: false,
    })
}

pub(super) fn prints(certificate: &X509) -> (String, String) {
    let der = certificate.to_der().unwrap_or_default();
    let mut fingerprint = String::with_capacity(95);
    for (n, byte) in Sha256::digest(&der).iter().enumerate() {
        let colon = if n == 0 { "" } else { ":" };
        // Writing to a String cannot fail.
        let _ = write!(fingerprint, "{colon}{byte:02X}");
    }
    (fingerprint, certificate.thumbprint().as_hex_string())
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(pki_dir: &Path, host: &str, more: &[(&str, bool)]) -> Settings {
        let mut table = json!({
            "address": format!("opc.tcp://{host}:4840"), "security": "Basic256Sha256/Sign", "pki_dir": pki_dir,
        });
        for (key, value) in more {
            table[key] = json!(value);
        }
        Settings::read(&table).unwrap()
    }

    /// A server's certificate; the agent's own serves as one here.
    fn server(dir: &Path) -> (ByteString, Vec<u8>) {
        let own = own_certificate(dir, "urn:server").unwrap();
        let der = fs::read(own.path).unwrap();
        (ByteString::from(&der), der)
    }

    fn now() -> Utc {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Utc(i64::try_from(since.as_millis()).unwrap())
    }

    #[test]
    fn pain_22_the_certificate_is_made_once_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = own_certificate(dir.path(), "urn:a").unwrap();
        let bytes = fs::read(&first.path).unwrap();
        let second = own_certificate(dir.path(), "urn:a").unwrap();
        assert_eq!(first, second);
        assert_eq!(fs::read(&second.path).unwrap(), bytes);
        assert_eq!((first.fingerprint.len(), first.thumbprint.len()), (95, 40));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode("private"), mode("private/private.pem")), (0o700, 0o600));
        }
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "nothing but own and private: {left:?}");
    }

    #[test]
    fn a_crash_between_key_and_certificate_is_repaired_with_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let first = own_certificate(dir.path(), "urn:a").unwrap();
        let key = fs::read(dir.path().join("private/private.pem")).unwrap();
        fs::remove_file(&first.path).unwrap();
        own_certificate(dir.path(), "urn:a").unwrap();
        assert_eq!(fs::read(dir.path().join("private/private.pem")).unwrap(), key);
    }

    #[test]
    fn a_lost_key_or_another_uri_is_told_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let own = own_certificate(dir.path(), "urn:a").unwrap();
        let before = fs::read(&own.path).unwrap();
        let error = own_certificate(dir.path(), "urn:b").unwrap_err().to_string();
        assert!(error.contains("application_uri") && error.contains("urn:b"), "{error}");
        fs::remove_file(dir.path().join("private/private.pem")).unwrap();
        let error = own_certificate(dir.path(), "urn:a").unwrap_err().to_string();
        assert!(error.contains("restore the key"), "{error}");
        assert_eq!(fs::read(&own.path).unwrap(), before);
    }

    #[test]
    fn pain_22_an_unknown_server_is_trusted_by_one_printed_command() {
        let (pki, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (certificate, der) = server(theirs.path());
        let settings = settings(pki.path(), "localhost", &[]);
        let check = || check_server(&settings, &certificate, "urn:server", now());
        let distrust = check().unwrap_err();
        assert!(distrust.detail.contains("SHA-256 "), "{distrust:?}");
        let command = distrust.advice.split("with: ").nth(1).unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        let ["plumbline-agent", "trust", "--pki", folder, fingerprint] = words[..] else {
            panic!("{command}")
        };
        assert!(distrust.detail.contains(fingerprint));
        super::super::accept::accept(Path::new(folder), fingerprint).unwrap();
        assert_eq!(check(), Ok(()));
        assert_eq!(check(), Ok(()), "and stays trusted");
        assert!(lies_in(&pki.path().join("trusted"), &der));
    }

    /// As root this gives the folder away first; as anybody else it says only what is so anyway.
    #[cfg(unix)]
    #[test]
    fn what_a_command_of_root_makes_belongs_to_the_user_whose_folder_it_is() {
        use std::os::unix::fs::{MetadataExt, chown};
        let (dir, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let _ = chown(dir.path(), Some(65_534), Some(65_534));
        let owner = fs::metadata(dir.path()).unwrap().uid();
        let pki = dir.path().join("pki");
        let (certificate, _) = server(theirs.path());
        check_server(&settings(&pki, "localhost", &[]), &certificate, "urn:server", now()).unwrap_err();
        own_certificate(&pki, "urn:a").unwrap();
        let mut open = vec![pki];
        while let Some(path) = open.pop() {
            assert_eq!(fs::metadata(&path).unwrap().uid(), owner, "{}", path.display());
            open.extend(fs::read_dir(&path).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
    }

    #[test]
    fn names_and_dates_are_checked_unless_switched_off() {
        let (pki, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (certificate, der) = server(theirs.path());
        fs::create_dir_all(pki.path().join("trusted")).unwrap();
        fs::write(pki.path().join("trusted/plc.der"), der).unwrap();
        let check = |host: &str, uri: &str, now, more: &[(&str, bool)]| {
            check_server(&settings(pki.path(), host, more), &certificate, uri, now)
                .map_err(|d| d.detail + &d.advice)
        };
        assert_eq!(check("localhost", "urn:server", now(), &[]), Ok(()));
        assert!(
            check("192.0.2.99", "urn:server", now(), &[]).unwrap_err().contains("check_hostname = false")
        );
        assert!(check("localhost", "urn:other", now(), &[]).unwrap_err().contains("urn:other"));
        assert_eq!(check("192.0.2.99", "urn:other", now(), &[("check_hostname", false)]), Ok(()));
        let error = check("localhost", "urn:server", Utc(0), &[]).unwrap_err();
        assert!(error.contains("check_validity = false"), "{error}");
        assert_eq!(check("localhost", "urn:server", Utc(0), &[("check_validity", false)]), Ok(()));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let pki = tempfile::tempdir().unwrap();
        let settings = settings(pki.path(), "localhost", &[]);
        for bytes in [ByteString::null(), ByteString::from(b"no certificate")] {
            assert!(check_server(&settings, &bytes, "urn:x", now()).is_err());
        }
    }

    #[test]
    fn a_path_with_spaces_is_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("/var/lib/pki")), "/var/lib/pki");
        assert_eq!(quoted(Path::new("/my pki/it's")), r"'/my pki/it'\''s'");
    }
}

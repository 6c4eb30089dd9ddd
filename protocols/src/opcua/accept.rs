//! The step by which a person trusts a server: its certificate is moved from `rejected/` to `trusted/`, and only
//! that one whose fingerprint the person gives.
//!
//! It changes files and asks servers for what they show; it never decides.

use std::path::{Path, PathBuf};
use std::{fs, io};

use observation::Clock;
use opcua::crypto::{CertificateStore, X509};

use super::chain;
use super::session::Opening;
use super::settings::{Security, Settings};
use super::trust::{self, durable, folder_like_its_parent, prints};
use crate::LinkError;

/// A server's certificate, as a person compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it names.
    pub subject: String,
    /// SHA-256 of its DER form, upper-case hex in pairs.
    pub fingerprint: String,
    /// SHA-1 of its DER form, lower-case hex, which OPC UA tools call the thumbprint.
    pub thumbprint: String,
    /// The first and last moment of its validity.
    pub valid: (String, String),
}

impl Certificate {
    pub(super) fn of(certificate: &X509) -> Self {
        let (fingerprint, thumbprint) = prints(certificate);
        let date = |date: Option<String>| date.unwrap_or_else(|| "?".to_owned());
        Self {
            subject: certificate.subject_name(),
            fingerprint,
            thumbprint,
            valid: (
                date(certificate.not_before().ok().map(|d| d.to_string())),
                date(certificate.not_after().ok().map(|d| d.to_string())),
            ),
        }
    }

    /// Whether a person's fingerprint, in whatever spacing and case, is this whole one: SHA-256, or the SHA-1
    /// that some devices show alone. Another certificate with the same SHA-1 as a given one cannot be made today.
    fn is(&self, given: &str) -> bool {
        let plain = |text: &str| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        };
        let given = plain(given);
        given == plain(&self.fingerprint) || given == self.thumbprint
    }
}

/// What a server shows, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The link has security "none": there is nothing to trust.
    Nothing,
    /// Already among the trusted ones, and nothing else is wrong with it.
    Trusted(Certificate),
    /// Not trusted yet; it lies in `rejected/` now.
    Untrusted(Certificate),
    /// Something else is wrong with it, whether it is trusted or not: detail and advice.
    Unfit(Certificate, String),
}

/// Asks the server of a link which certificate it shows. It makes no certificate of the agent's own and opens
/// no session.
pub async fn shown(settings: Settings, clock: std::sync::Arc<dyn Clock>) -> Result<Shown, LinkError> {
    if settings.security == Security::NONE {
        return Ok(Shown::Nothing);
    }
    let now = clock.now().utc;
    let opening = Opening::without_points(settings, clock);
    let endpoint = opening.endpoint().await?;
    if let count @ 2.. = chain::count(endpoint.server_certificate.as_ref()) {
        return Err(chain::refused(&opening.settings.address.url, count));
    }
    let certificate =
        X509::from_byte_string(&endpoint.server_certificate).map_err(|_| LinkError::Protocol {
            address: opening.settings.address.url.clone(),
            detail: "the server shows no certificate that can be read".to_owned(),
        })?;
    let seen = Certificate::of(&certificate);
    let uri = endpoint.server.application_uri.as_ref();
    Ok(match trust::check_server(&opening.settings, &endpoint.server_certificate, uri, now) {
        Ok(()) => Shown::Trusted(seen),
        Err(distrust) if distrust.only_unknown => Shown::Untrusted(seen),
        Err(distrust) => Shown::Unfit(seen, format!("{}; {}", distrust.detail, distrust.advice)),
    })
}

/// A certificate that is trusted from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Which.
    pub certificate: Certificate,
    /// Where it lies now.
    pub path: PathBuf,
}

/// Why nothing was trusted.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// No rejected certificate has this fingerprint.
    #[error(
        "no certificate in {} has this fingerprint; it is not the one the server shows, or the server has not been \
         asked yet", .folder.display()
    )]
    Unknown {
        /// Where was looked.
        folder: PathBuf,
        /// What lies there.
        waiting: Vec<Certificate>,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {}: {source}; run this as the agent's user or as root", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Trusts the rejected certificate with this fingerprint. One that is trusted already stays so.
pub fn accept(pki_dir: &Path, fingerprint: &str) -> Result<Accepted, NotAccepted> {
    let store = CertificateStore::new(pki_dir);
    let (rejected, trusted) = (store.rejected_certs_dir(), store.trusted_certs_dir());
    let of = |found: &(PathBuf, Certificate)| found.1.is(fingerprint);
    let waiting = certificates(&rejected)?;
    let Some((path, certificate)) = waiting.iter().find(|found| of(found)) else {
        if let Some((path, certificate)) = certificates(&trusted)?.into_iter().find(of) {
            return Ok(Accepted { certificate, path });
        }
        let waiting = waiting.into_iter().map(|(_, certificate)| certificate).collect();
        return Err(NotAccepted::Unknown { folder: rejected, waiting });
    };
    folder_like_its_parent(&trusted).map_err(|source| NotAccepted::File { path: trusted.clone(), source })?;
    let to = trusted.join(format!("{}.der", certificate.thumbprint));
    durable(path, &to).map_err(|source| NotAccepted::File { path: to.clone(), source })?;
    // The stack may have left copies under names of its own, and would heed those first.
    for (copy, _) in waiting.iter().filter(|found| of(found)).filter(|(copy, _)| copy != path) {
        fs::remove_file(copy).map_err(|source| NotAccepted::File { path: copy.clone(), source })?;
    }
    Ok(Accepted { certificate: certificate.clone(), path: to })
}

/// The certificates in a folder; what is none is passed over.
fn certificates(folder: &Path) -> Result<Vec<(PathBuf, Certificate)>, NotAccepted> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(NotAccepted::File { path: folder.to_owned(), source }),
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<_> = paths
        .filter_map(|path| {
            let certificate = CertificateStore::read_cert(&path).ok()?;
            let certificate = Certificate::of(&certificate);
            Some((path, certificate))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opcua::own_certificate;

    /// Two servers' certificates wait; the agents' own serve as theirs.
    fn two_waiting(dir: &Path) -> Vec<Certificate> {
        fs::create_dir_all(dir.join("rejected")).unwrap();
        for name in ["a", "b"] {
            let own = own_certificate(&dir.join(name), &format!("urn:{name}")).unwrap();
            fs::copy(&own.path, dir.join("rejected").join(format!("{name}.der"))).unwrap();
        }
        certificates(&dir.join("rejected")).unwrap().into_iter().map(|(_, c)| c).collect()
    }

    fn count(dir: &Path, folder: &str) -> usize {
        fs::read_dir(dir.join(folder)).map_or(0, Iterator::count)
    }

    #[test]
    fn pain_22_only_the_certificate_with_the_whole_fingerprint_is_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let waiting = two_waiting(dir.path());
        let (first, second) = (&waiting[0], &waiting[1]);
        for wrong in ["", "AB:CD", &first.fingerprint[..92], &first.thumbprint[..39]] {
            let error = accept(dir.path(), wrong).unwrap_err();
            assert!(
                matches!(&error, NotAccepted::Unknown { waiting, .. } if waiting.len() == 2),
                "{wrong}: {error}"
            );
        }
        assert_eq!((count(dir.path(), "rejected"), count(dir.path(), "trusted")), (2, 0));

        let as_typed = second.fingerprint.to_lowercase().replace(':', " ");
        let done = accept(dir.path(), &as_typed).unwrap();
        assert_eq!(&done.certificate, second);
        assert_eq!((count(dir.path(), "rejected"), count(dir.path(), "trusted")), (1, 1));
        assert_eq!(fs::read(&done.path).unwrap(), fs::read(dir.path().join("b/own/cert.der")).unwrap());
        assert_eq!(accept(dir.path(), &as_typed).unwrap(), done, "doing it again changes nothing");
        let done = accept(dir.path(), &first.thumbprint.to_uppercase()).unwrap();
        assert_eq!(&done.certificate, first);
    }

    #[test]
    fn copies_under_other_names_leave_the_rejected_ones_too() {
        let dir = tempfile::tempdir().unwrap();
        let waiting = two_waiting(dir.path());
        fs::copy(dir.path().join("rejected/a.der"), dir.path().join("rejected/Peer [x].der")).unwrap();
        accept(dir.path(), &waiting[0].fingerprint).unwrap();
        assert_eq!((count(dir.path(), "rejected"), count(dir.path(), "trusted")), (1, 1));
    }

    #[test]
    fn where_nothing_was_ever_rejected_the_answer_is_no_and_no_folder_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let error = accept(dir.path(), "AB").unwrap_err().to_string();
        assert!(error.contains("has not been asked yet"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

//! The table of an MQTT link: where the broker is, who we are there, and whom we trust.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::{session, wire};
use crate::fields::Fields;
use crate::{LinkConfigError, LinkError};

/// Keys of a link's table.
pub const KEYS: &[&str] = &[
    "address",
    "version",
    "client_id",
    "user",
    "password_file",
    "ca_file",
    "cert_file",
    "key_file",
    "clean",
    "keep_alive",
    "timeout",
];
/// The ports registered for MQTT, plain and over TLS.
const DEFAULT_PORTS: (u16, u16) = (1883, 8883);

/// A password, which no message ever shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub(super) String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

/// The two versions of the protocol in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1, which calls itself 4 on the wire.
    V4,
    /// MQTT 5.
    V5,
}

/// A link's table, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// As configured, for messages.
    pub address: String,
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// Version of the protocol.
    pub version: Version,
    /// Names our session at the broker.
    pub client_id: String,
    /// User name.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Password>,
    /// Certificates of the authorities that may vouch for the broker; those of the system without it.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether the broker forgets us when we go.
    pub clean: bool,
    /// Longest silence on the wire before the broker is asked whether it is there, s.
    pub keep_alive_s: u16,
    /// How long to wait for a connection, and for the answer to a subscription.
    pub timeout: Duration,
}

impl Settings {
    /// Reads a link's table. `None` if it has a mistake; the mistakes are then appended to `errors`.
    pub fn read(table: &Value, errors: &mut Vec<LinkConfigError>) -> Option<Self> {
        let mut fields = Fields::new(None, table, KEYS);
        let settings = read(&mut fields);
        let failed = fields.failed();
        errors.extend(fields.into_errors());
        settings.filter(|_| !failed)
    }

    pub(super) fn timeout_ms(&self) -> u64 {
        session::millis(self.timeout)
    }

    /// What is needed for an encrypted connection. Files are read anew for each, so that a renewed
    /// certificate needs no restart.
    pub(super) fn tls(&self) -> Result<Option<rumqttc_v4::TlsConfiguration>, LinkError> {
        if !self.encrypted {
            return Ok(None);
        }
        let refused = |detail: String| wire::untrusted(self, &detail);
        let Some(ca_file) = &self.ca_file else {
            let system = rumqttc_v4::TlsConfiguration::try_default_rustls();
            return system.map(Some).map_err(|e| refused(e.to_string()));
        };
        let config = client_config(ca_file, self.identity.as_ref()).map_err(refused)?;
        Ok(Some(rumqttc_v4::TlsConfiguration::Rustls(Arc::new(config))))
    }
}

/// Trusts the authorities in one file, and shows a certificate of our own if there is one.
fn client_config(ca_file: &PathBuf, identity: Option<&(PathBuf, PathBuf)>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_file)? {
        roots.add(certificate).map_err(|e| format!("{}: {e}", ca_file.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots);
    let Some((cert_file, key_file)) = identity else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|e| format!("{}: {e}", key_file.display()))?;
    builder.with_client_auth_cert(certificates(cert_file)?, key).map_err(|e| {
        let name = cert_file.display();
        if format!("{e:?}").contains("UnsupportedCertVersion") {
            return format!("{name} is an X.509 certificate of version 1; have it issued as version 3");
        }
        format!("{name}: {e}")
    })
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

fn read(fields: &mut Fields<'_>) -> Option<Settings> {
    let address = fields.required_text("address", "mqtts://192.0.2.30:8883");
    let target = address.and_then(|address| {
        let target = host_and_port(address);
        if target.is_none() {
            let message = format!(
                "{address:?} must be mqtt:// or mqtts:// with a host, such as \"mqtts://192.0.2.30:8883\""
            );
            fields.refuse("address", &message);
        }
        target
    });
    let version = match fields.integer("version", 4..=5) {
        Some(4) => Version::V4,
        _ => Version::V5,
    };
    let client_id = fields.required_text("client_id", "plumbline-edge-07");
    if client_id.is_some_and(|id| id.is_empty() || id.len() > usize::from(u16::MAX)) {
        fields.refuse("client_id", "a name of our own is needed, so that the broker knows us again");
    }
    let user = fields.text("user").map(ToOwned::to_owned);
    let password = fields.secret_file("password_file").map(Password);
    if fields.has("password_file") && !fields.has("user") {
        fields.refuse("user", "is missing; whose password is in `password_file`?");
    }
    let encrypted = target.as_ref().is_none_or(|(encrypted, ..)| *encrypted);
    let (ca_file, identity) = read_certificates(fields, encrypted);
    let second = Duration::from_secs(1);
    let keep_alive = fields.duration("keep_alive", 10 * second, second..=Duration::from_hours(1));
    let timeout = fields.duration("timeout", 5 * second, Duration::from_millis(100)..=Duration::from_mins(1));
    let clean = fields.flag("clean", false);
    let (encrypted, host, port) = target?;
    Some(Settings {
        address: address?.to_owned(),
        host,
        port,
        encrypted,
        version,
        client_id: client_id?.to_owned(),
        user,
        password,
        ca_file,
        identity,
        clean,
        keep_alive_s: u16::try_from(keep_alive.as_secs()).ok()?,
        timeout,
    })
}

type Certificates = (Option<PathBuf>, Option<(PathBuf, PathBuf)>);

/// The files are tried once here, so that a check without network finds what is wrong with them.
fn read_certificates(fields: &mut Fields<'_>, encrypted: bool) -> Certificates {
    let mut file = |key: &str| fields.text(key).map(PathBuf::from);
    let (ca_file, cert_file, key_file) = (file("ca_file"), file("cert_file"), file("key_file"));
    if !encrypted {
        for key in ["ca_file", "cert_file", "key_file"] {
            if fields.has(key) {
                fields.refuse(key, "an mqtt:// connection is not encrypted; write mqtts:// or leave it out");
            }
        }
    }
    let identity = match (cert_file, key_file) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (Some(_), None) => {
            fields.refuse("key_file", "is missing; the certificate in `cert_file` needs its key");
            None
        }
        (None, Some(_)) => {
            fields.refuse("cert_file", "is missing; the key in `key_file` needs its certificate");
            None
        }
        (None, None) => None,
    };
    match &ca_file {
        Some(path) => {
            if let Err(problem) = client_config(path, None) {
                fields.refuse("ca_file", &problem);
            } else if let Err(problem) = client_config(path, identity.as_ref()) {
                fields.refuse("cert_file", &problem);
            }
        }
        None if identity.is_some() => {
            fields.refuse("ca_file", "is missing; a connection with a certificate of our own needs it");
        }
        None => {}
    }
    (ca_file, identity)
}

/// `mqtt://host`, `mqtts://host:port` or `mqtt://[v6]:port`; whether it is encrypted comes first.
fn host_and_port(address: &str) -> Option<(bool, String, u16)> {
    let (encrypted, rest, default) = match address.split_once("://")? {
        ("mqtt", rest) => (false, rest, DEFAULT_PORTS.0),
        ("mqtts", rest) => (true, rest, DEFAULT_PORTS.1),
        _ => return None,
    };
    let (host, port) = crate::fields::host_and_port(rest, default)?;
    Some((encrypted, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn refused(table: &Value, want: &[(&str, &str)]) {
        let mut errors = Vec::new();
        assert_eq!(Settings::read(table, &mut errors), None);
        assert_eq!(errors.len(), want.len(), "{errors:?}");
        for (error, (key, words)) in errors.iter().zip(want) {
            assert!(
                error.key == *key && error.message.contains(words),
                "{error:?} should say {words:?} of {key}"
            );
        }
    }

    #[test]
    fn pain_23_every_mistake_of_a_link_is_listed_at_once() {
        let table = json!({
            "adress": "x", "address": "tcp://a", "version": 3, "password_file": "/nonexistent",
            "keep_alive": "0s", "clean": "no",
        });
        refused(
            &table,
            &[
                ("adress", "no such key"),
                ("address", "mqtt:// or mqtts://"),
                ("version", "from 4 to 5"),
                ("client_id", "is missing"),
                ("password_file", "cannot read"),
                ("user", "whose password"),
                ("keep_alive", "not within"),
                ("clean", "true or false"),
            ],
        );
    }

    #[test]
    fn certificates_without_encryption_are_refused() {
        let table =
            json!({"address": "mqtt://a", "client_id": "c", "ca_file": "/nonexistent", "cert_file": "/x"});
        refused(
            &table,
            &[
                ("ca_file", "not encrypted"),
                ("cert_file", "not encrypted"),
                ("key_file", "is missing"),
                ("ca_file", "/nonexistent"),
            ],
        );
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password("secret".into())), "(not shown)");
    }
}

//! The table of an MQTT link: where the broker is, who we are there, and whom we trust.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;

use super::filter::Filter;
use super::trust::{self, Identity, Trust};
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
    "fingerprint",
    "cert_file",
    "key_file",
    "subscribe",
    "in_flight",
    "rate",
    "clean",
    "keep_alive",
    "timeout",
];
/// The ports registered for MQTT, plain and over TLS.
const DEFAULT_PORTS: (u16, u16) = (1883, 8883);
/// What mosquitto allows if nothing is set; others allow more.
const DEFAULT_IN_FLIGHT: i64 = 20;

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
    /// Who may vouch for the broker.
    pub trust: Trust,
    /// Our own certificate and its key.
    pub identity: Option<Identity>,
    /// Subscriptions to many topics at once; topics that none of them covers get one each.
    pub subscribe: Vec<Filter>,
    /// Messages that the broker sends beyond those acknowledged.
    pub in_flight: u16,
    /// Messages to expect, each second; reckoned from the points without it.
    pub rate: Option<u64>,
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

    /// What is needed for an encrypted connection. Files are read anew for each.
    pub(super) fn tls(&self) -> Result<Option<Arc<ClientConfig>>, LinkError> {
        if !self.encrypted {
            return Ok(None);
        }
        match trust::client_config(&self.trust, self.identity.as_ref()) {
            Ok(config) => Ok(Some(Arc::new(config))),
            Err(detail) => {
                let advice = "correct the file or its path; it is read again at the next attempt";
                Err(wire::tls_failed(self, &detail, advice))
            }
        }
    }
}

/// Reads the keys of a broker from a table that may have others as well.
pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Settings> {
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
    let (trust, identity) = read_certificates(fields, encrypted);
    let subscribe = read_filters(fields);
    let in_flight = fields.integer("in_flight", 1..=i64::from(u16::MAX)).unwrap_or(DEFAULT_IN_FLIGHT);
    let rate = fields.integer("rate", 1..=1_000_000).and_then(|rate| u64::try_from(rate).ok());
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
        trust: trust?,
        identity,
        subscribe,
        in_flight: u16::try_from(in_flight).ok()?,
        rate,
        clean,
        keep_alive_s: u16::try_from(keep_alive.as_secs()).ok()?,
        timeout,
    })
}

/// The files are tried once here, so that a check without network finds what is wrong with them.
fn read_certificates(fields: &mut Fields<'_>, encrypted: bool) -> (Option<Trust>, Option<Identity>) {
    let mut file = |key: &str| fields.text(key).map(PathBuf::from);
    let (ca_file, cert_file, key_file) = (file("ca_file"), file("cert_file"), file("key_file"));
    if !encrypted {
        for key in ["ca_file", "fingerprint", "cert_file", "key_file"] {
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
    let trust = read_trust(fields, ca_file);
    if let Some(trust @ (Trust::Authority(_) | Trust::Certificate(_))) = &trust {
        if let Err(problem) = trust::client_config(trust, None) {
            fields.refuse("ca_file", &problem);
        } else if let Err(problem) = trust::client_config(trust, identity.as_ref()) {
            fields.refuse("cert_file", &problem);
        }
    } else if trust.is_some() && identity.is_some() {
        fields.refuse("ca_file", "is missing; with a certificate of our own write it, or `fingerprint`");
    }
    (trust, identity)
}

fn read_trust(fields: &mut Fields<'_>, ca_file: Option<PathBuf>) -> Option<Trust> {
    if !fields.has("fingerprint") {
        return Some(ca_file.map_or(Trust::System, Trust::Authority));
    }
    if ca_file.is_some() {
        fields.refuse(
            "fingerprint",
            "with it exactly one certificate is accepted; leave `ca_file` out, or this",
        );
    }
    let text = fields.text("fingerprint")?;
    let parsed = trust::parse_fingerprint(text);
    if parsed.is_none() {
        fields.refuse("fingerprint", &format!("{text:?} must be \"sha256:\" and 64 hexadecimal digits"));
    }
    parsed.map(Trust::Certificate)
}

fn read_filters(fields: &mut Fields<'_>) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    let texts = match fields.value("subscribe") {
        None => return filters,
        Some(Value::Array(texts)) if !texts.is_empty() => texts,
        Some(_) => {
            fields.refuse("subscribe", "must be a list of topic filters, such as [\"plant/+/power\"]");
            return filters;
        }
    };
    for text in texts {
        let Some(text) = text.as_str() else {
            fields.refuse("subscribe", &format!("{text} must be a text in quotes"));
            continue;
        };
        match Filter::parse(text) {
            Err(problem) => fields.refuse("subscribe", &format!("{text:?}: {problem}")),
            Ok(filter) => {
                if let Some(other) = filters.iter().find(|other| other.overlaps(&filter)) {
                    let problem = format!(
                        "{text:?} and \"{other}\" cover topics in common, whose messages a broker may send twice; leave one out"
                    );
                    fields.refuse("subscribe", &problem);
                }
                filters.push(filter);
            }
        }
    }
    filters
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
    fn filters_fingerprint_and_limits_are_checked() {
        let with = |more: Value| {
            let mut table = json!({"address": "mqtts://a", "client_id": "c"});
            table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            table
        };
        let sub = |filters: Value| with(json!({"subscribe": filters}));
        refused(&sub(json!("plant/+/power")), &[("subscribe", "a list of topic filters")]);
        refused(&sub(json!([])), &[("subscribe", "a list of topic filters")]);
        refused(&sub(json!([7, "a/b#"])), &[("subscribe", "in quotes"), ("subscribe", "stands alone")]);
        refused(&sub(json!(["plant/#", "plant/+/power"])), &[("subscribe", "in common")]);
        refused(&with(json!({"fingerprint": "sha256:12"})), &[("fingerprint", "64 hexadecimal")]);
        let pin = format!("sha256:{}", "0f".repeat(32));
        let both = with(json!({"fingerprint": pin, "ca_file": "/nonexistent"}));
        refused(&both, &[("fingerprint", "leave `ca_file` out")]);
        refused(&with(json!({"in_flight": 0, "rate": 0})), &[("in_flight", "from 1"), ("rate", "from 1")]);
        let mut errors = Vec::new();
        let table = with(json!({"fingerprint": pin, "subscribe": ["a/+", "b/#"], "in_flight": 65535}));
        let settings = Settings::read(&table, &mut errors).unwrap();
        assert_eq!((settings.subscribe.len(), settings.in_flight), (2, 65535));
        assert_eq!(settings.trust, Trust::Certificate([0x0f; 32]));
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password("secret".into())), "(not shown)");
    }
}

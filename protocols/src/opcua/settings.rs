//! What a link and its points may be configured with, read from their tables. No network, no certificate.

use std::path::PathBuf;
use std::time::Duration;

use observation::{Decimal, PointId};
use opcua::crypto::SecurityPolicy;
use opcua::types::MessageSecurityMode;
use serde_json::Value;

use super::address::NodeAddress;
use super::user::{self, User};
use crate::LinkConfigError;
use crate::fields::Fields;

/// Keys of a link's table.
pub const SETTINGS: &[&str] = &[
    "address",
    "security",
    "user",
    "password_file",
    "user_cert_file",
    "user_key_file",
    "pki_dir",
    "application_uri",
    "check_hostname",
    "check_validity",
    "publish",
    "sampling",
    "keep_alive",
    "timeout",
];

/// Keys of a point's table.
pub const POINT: &[&str] = &["node", "scale", "index", "sampling"];

/// Where certificates are kept unless `pki_dir` says otherwise.
pub const DEFAULT_PKI_DIR: &str = "/var/lib/plumbline-agent/pki";
/// Names this program to servers; the agent's own certificate carries it.
pub const DEFAULT_APPLICATION_URI: &str = "urn:plumbline:agent";
/// The port of OPC 10000-6 7.2 when the address has none.
const DEFAULT_PORT: u16 = 4840;

const PUBLISH: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(5);
const MS_10: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_hours(1);

/// A link's table.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server listens.
    pub address: ServerAddress,
    /// How messages are protected.
    pub security: Security,
    /// Who asks.
    pub user: User,
    /// Folder of certificates: `own/`, `private/`, `trusted/`, `rejected/`.
    pub pki_dir: PathBuf,
    /// The URI in the agent's own certificate.
    pub application_uri: String,
    /// Whether the server's certificate must name the host of the address and the server's URI.
    pub check_hostname: bool,
    /// Whether the server's certificate must be within its dates.
    pub check_validity: bool,
    /// How often the server is asked to send what has changed.
    pub publish: Duration,
    /// How often the server is asked to look at a variable.
    pub sampling: Option<Duration>,
    /// The longest silence of a healthy subscription.
    pub keep_alive: Option<Duration>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A point's table.
#[derive(Clone, Debug)]
pub struct PointConfig {
    /// Which point.
    pub id: PointId,
    /// Which variable.
    pub node: NodeAddress,
    /// Multiplies the number, exactly.
    pub scale: Option<Decimal>,
    /// Element of an array, counted from 0.
    pub index: Option<usize>,
    /// How often the server is asked to look at this variable.
    pub sampling: Option<Duration>,
}

/// `opc.tcp://host[:port][/path]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// As configured, for messages.
    pub url: String,
    /// Name or IP address; an IPv6 address stands in brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl ServerAddress {
    /// Reads `opc.tcp://host[:port][/path]`.
    pub fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("opc.tcp://")?;
        let authority = rest.split('/').next()?;
        let (host, port) = match authority.rfind(':') {
            Some(colon) if !authority.ends_with(']') => {
                (authority.get(..colon)?, authority.get(colon + 1..)?.parse().ok()?)
            }
            _ => (authority, DEFAULT_PORT),
        };
        let plain = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "@?#".contains(c));
        (plain && port != 0).then(|| Self { url: url.to_owned(), host: host.to_owned(), port })
    }

    /// The same place with the path of a URL the server gave: the server may know itself by a host name
    /// that means nothing on this network.
    pub fn with_path_of(&self, server_url: &str) -> String {
        let path = server_url
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').and_then(|slash| rest.get(slash..)))
            .unwrap_or("");
        format!("opc.tcp://{}:{}{path}", self.host, self.port)
    }
}

/// Security policy and message security mode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Security {
    /// Algorithms.
    pub policy: SecurityPolicy,
    /// Whether messages are signed, or signed and encrypted.
    pub mode: MessageSecurityMode,
}

impl Security {
    /// Neither signed nor encrypted.
    pub const NONE: Self = Self { policy: SecurityPolicy::None, mode: MessageSecurityMode::None };

    /// Every word `security` may be, with its meaning.
    pub const WORDS: &[(&str, Self)] = &[
        ("none", Self::NONE),
        ("Basic256Sha256/Sign", Self::signed(SecurityPolicy::Basic256Sha256)),
        ("Basic256Sha256/SignAndEncrypt", Self::encrypted(SecurityPolicy::Basic256Sha256)),
        ("Aes128_Sha256_RsaOaep/Sign", Self::signed(SecurityPolicy::Aes128Sha256RsaOaep)),
        ("Aes128_Sha256_RsaOaep/SignAndEncrypt", Self::encrypted(SecurityPolicy::Aes128Sha256RsaOaep)),
        ("Aes256_Sha256_RsaPss/Sign", Self::signed(SecurityPolicy::Aes256Sha256RsaPss)),
        ("Aes256_Sha256_RsaPss/SignAndEncrypt", Self::encrypted(SecurityPolicy::Aes256Sha256RsaPss)),
    ];

    const fn signed(policy: SecurityPolicy) -> Self {
        Self { policy, mode: MessageSecurityMode::Sign }
    }

    const fn encrypted(policy: SecurityPolicy) -> Self {
        Self { policy, mode: MessageSecurityMode::SignAndEncrypt }
    }

    /// The word of the configuration, or a description of what the configuration has no word for.
    pub fn word(self) -> String {
        let known = Self::WORDS.iter().find(|(_, security)| *security == self);
        known.map_or_else(|| format!("{}/{:?}", self.policy, self.mode), |(word, _)| (*word).to_owned())
    }
}

impl Settings {
    /// Reads a link's table, noting every mistake in it.
    pub fn read(table: &Value) -> Result<Self, Vec<LinkConfigError>> {
        let mut fields = Fields::new(None, table, SETTINGS);
        let address = read_address(&mut fields);
        let security = read_security(&mut fields);
        let user = user::read(&mut fields, security);
        let publish = fields.duration("publish", PUBLISH, MS_10..=HOUR);
        let settings = Self {
            user,
            pki_dir: fields.text("pki_dir").unwrap_or(DEFAULT_PKI_DIR).into(),
            application_uri: fields.text("application_uri").unwrap_or(DEFAULT_APPLICATION_URI).to_owned(),
            check_hostname: fields.flag("check_hostname", true),
            check_validity: fields.flag("check_validity", true),
            publish,
            sampling: read_sampling(&mut fields),
            keep_alive: fields
                .has("keep_alive")
                .then(|| fields.duration("keep_alive", publish, publish..=HOUR)),
            timeout: fields.duration("timeout", TIMEOUT, MS_10..=Duration::from_mins(2)),
            security: security.unwrap_or(Security::NONE),
            address: match address {
                Some(address) if !fields.failed() => address,
                _ => return Err(fields.into_errors()),
            },
        };
        Ok(settings)
    }
}

impl PointConfig {
    /// Reads a point's table, noting every mistake in it.
    pub fn read(id: PointId, table: &Value) -> Result<Self, Vec<LinkConfigError>> {
        let mut fields = Fields::new(Some(id), table, POINT);
        let node = fields.required_text("node", "nsu=urn:example:cnc;s=Channel1.ProgramStatus");
        let node = node.and_then(|text| noted(&mut fields, "node", text.parse::<NodeAddress>()));
        let scale =
            fields.text("scale").and_then(|text| noted(&mut fields, "scale", text.parse::<Decimal>()));
        if scale == Some(Decimal::ZERO) {
            fields.refuse("scale", "a scale of 0 would make every value 0");
        }
        let index = fields.integer("index", 0..=1_000_000).and_then(|index| usize::try_from(index).ok());
        let sampling = read_sampling(&mut fields);
        match node {
            Some(node) if !fields.failed() => Ok(Self { id, node, scale, index, sampling }),
            _ => Err(fields.into_errors()),
        }
    }
}

fn noted<T, E: std::fmt::Display>(fields: &mut Fields<'_>, key: &str, result: Result<T, E>) -> Option<T> {
    result.map_err(|error| fields.refuse(key, &error.to_string())).ok()
}

fn read_sampling(fields: &mut Fields<'_>) -> Option<Duration> {
    fields.has("sampling").then(|| fields.duration("sampling", PUBLISH, MS_10..=HOUR))
}

fn read_address(fields: &mut Fields<'_>) -> Option<ServerAddress> {
    let text = fields.required_text("address", "opc.tcp://192.0.2.21:4840")?;
    let address = ServerAddress::parse(text);
    if address.is_none() {
        fields.refuse("address", &format!("{text:?} must be like \"opc.tcp://192.0.2.21:4840\""));
    }
    address
}

fn read_security(fields: &mut Fields<'_>) -> Option<Security> {
    let text = fields.required_text("security", "Basic256Sha256/SignAndEncrypt")?;
    if text.starts_with("Basic128Rsa15") || text.starts_with("Basic256/") {
        let message =
            format!("{text:?} rests on SHA-1 and is withdrawn; have the server offer Basic256Sha256");
        fields.refuse_with("security", &message, Some("Basic256Sha256/SignAndEncrypt".to_owned()));
        return None;
    }
    fields.word("security", Security::WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn mistakes(table: &Value, want: &[(&str, &str)]) {
        let got: Vec<String> =
            Settings::read(table).unwrap_err().iter().map(|e| format!("{}: {}", e.key, e.message)).collect();
        assert_eq!(got.len(), want.len(), "{got:#?}");
        for (got, (key, part)) in got.iter().zip(want) {
            assert!(
                got.starts_with(&format!("{key}: ")) && got.contains(part),
                "{got:?} wants {key} and {part}"
            );
        }
    }

    #[test]
    fn the_smallest_table_is_an_address_and_an_explicit_security() {
        let settings =
            Settings::read(&json!({"address": "opc.tcp://192.0.2.21", "security": "none"})).unwrap();
        assert_eq!((settings.address.host.as_str(), settings.address.port), ("192.0.2.21", 4840));
        assert_eq!(settings.security, Security::NONE);
        assert_eq!(settings.publish, Duration::from_millis(500));
        assert!(
            settings.check_hostname && settings.check_validity && matches!(settings.user, User::Anonymous)
        );
    }

    #[test]
    fn pain_23_every_mistake_of_a_link_is_listed_at_once() {
        let table = json!({
            "address": "http://192.0.2.21", "security": "Basic256Sha256/Encrypt", "user": "plumbline",
            "publish": "fast", "keep_alive": "0s", "check_hostname": "no", "pasword_file": "/x",
        });
        mistakes(
            &table,
            &[
                ("pasword_file", "no such key"),
                ("address", "opc.tcp://192.0.2.21:4840"),
                ("security", "is none of none, Basic256Sha256/Sign"),
                ("password_file", "is missing"),
                ("publish", "not a duration"),
                ("check_hostname", "true or false"),
                ("keep_alive", "not within"),
            ],
        );
    }

    #[test]
    fn security_is_never_off_by_omission_and_never_outdated() {
        mistakes(&json!({"address": "opc.tcp://x"}), &[("security", "is missing")]);
        mistakes(
            &json!({"address": "opc.tcp://x", "security": "Basic128Rsa15/Sign"}),
            &[("security", "withdrawn")],
        );
        mistakes(
            &json!({"address": "opc.tcp://x", "security": "Basic256/Sign"}),
            &[("security", "withdrawn")],
        );
    }

    #[test]
    fn a_password_never_crosses_an_open_wire() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "pass\n").unwrap();
        let table = |security: &str| json!({"address": "opc.tcp://x", "security": security, "user": "u", "password_file": secret});
        mistakes(&table("none"), &[("user", "without protection")]);
        let settings = Settings::read(&table("Aes256_Sha256_RsaPss/SignAndEncrypt")).unwrap();
        assert!(matches!(&settings.user, User::Name(_, password) if password.0 == "pass"));
        assert!(!format!("{settings:?}").contains("pass\""), "the password is not printed");
    }

    #[test]
    fn addresses_are_taken_apart() {
        let parse = |url| ServerAddress::parse(url).map(|a| (a.host, a.port));
        assert_eq!(parse("opc.tcp://plc:4841/UA/x"), Some(("plc".to_owned(), 4841)));
        assert_eq!(parse("opc.tcp://[2001:db8::1]:4841"), Some(("[2001:db8::1]".to_owned(), 4841)));
        assert_eq!(parse("opc.tcp://[2001:db8::1]"), Some(("[2001:db8::1]".to_owned(), 4840)));
        for bad in [
            "opc.tcp://",
            "opc.tcp://:1",
            "opc.tcp://x:70000",
            "opc.tcp://x:0",
            "opc.https://x",
            "x",
            "opc.tcp://a b",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_servers_own_host_name_is_not_used() {
        let address = ServerAddress::parse("opc.tcp://10.0.0.7:14840").unwrap();
        assert_eq!(
            address.with_path_of("opc.tcp://PLC-3:4840/UA/Server"),
            "opc.tcp://10.0.0.7:14840/UA/Server"
        );
        assert_eq!(address.with_path_of("opc.tcp://PLC-3:4840"), "opc.tcp://10.0.0.7:14840");
    }

    #[test]
    fn points_with_mistakes_name_the_key() {
        let read = |table: Value| PointConfig::read(PointId(3), &table);
        let point = read(json!({"node": "nsu=urn:cnc;s=x", "scale": "0.01", "index": 2, "sampling": "50ms"}))
            .unwrap();
        assert_eq!((point.index, point.sampling), (Some(2), Some(Duration::from_millis(50))));
        for (table, key, part) in [
            (json!({}), "node", "is missing"),
            (json!({"node": "ns=2;s=x"}), "node", "nsu=<URI>;s=x"),
            (json!({"node": "i=1", "scale": 0.01}), "scale", "text in quotes"),
            (json!({"node": "i=1", "scale": "0"}), "scale", "every value 0"),
            (json!({"node": "i=1", "index": -1}), "index", "whole number"),
            (json!({"nodes": "i=1", "node": "i=1"}), "nodes", "no such key"),
        ] {
            let errors = read(table.clone()).unwrap_err();
            assert_eq!(
                (errors.len(), errors[0].key.as_str(), errors[0].point),
                (1, key, Some(PointId(3))),
                "{table}"
            );
            assert!(errors[0].message.contains(part), "{errors:?}");
        }
    }
}

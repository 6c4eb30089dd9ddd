//! As whom the agent introduces itself to a server: nobody, a user name, or a user's certificate.
//!
//! The user's certificate is another one than the agent's own: it stands for a person or a role the server's
//! administrator has entered. It is never made here.

use std::path::Path;

use opcua::client::{IdentityToken, Password};
use opcua::crypto::{KeySize, PrivateKey, X509};
use opcua::types::UserTokenType;

use super::settings::Security;
use crate::fields::Fields;

/// Who asks.
#[derive(Clone, Debug, Default)]
pub enum User {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A name and its password.
    Name(String, Password),
    /// A user's certificate and its key. Neither is printed.
    Certificate(Box<X509>, Box<PrivateKey>),
}

impl User {
    pub(super) fn token(&self) -> IdentityToken {
        match self {
            Self::Anonymous => IdentityToken::Anonymous,
            Self::Name(user, password) => IdentityToken::UserName(user.clone(), password.clone()),
            Self::Certificate(certificate, key) => IdentityToken::X509(certificate.clone(), key.clone()),
        }
    }

    pub(super) fn token_type(&self) -> UserTokenType {
        match self {
            Self::Anonymous => UserTokenType::Anonymous,
            Self::Name(..) => UserTokenType::UserName,
            Self::Certificate(..) => UserTokenType::Certificate,
        }
    }
}

/// Reads the keys of a link that say who asks, noting every mistake.
pub(super) fn read(fields: &mut Fields<'_>, security: Option<Security>) -> User {
    both(fields, "user", "password_file", "put the password of `user` into a file");
    both(fields, "user_cert_file", "user_key_file", "name the file with the key of that certificate");
    let (named, certified) = (fields.has("user"), fields.has("user_cert_file"));
    if named && certified {
        fields.refuse("user_cert_file", "a server knows one user at a time; leave out this or `user`");
    }
    if security == Some(Security::NONE) && (named || certified) {
        let (key, what) = if named {
            ("user", "the password would cross the network without protection")
        } else {
            (
                "user_cert_file",
                "nobody could tell whether the server that is given the signature is the right one",
            )
        };
        fields.refuse(
            key,
            &format!(
                "with security = \"none\" {what}; write security = \"Basic256Sha256/SignAndEncrypt\", or leave `{key}` out"
            ),
        );
    }
    if certified {
        return certificate(fields).unwrap_or_default();
    }
    let user = fields.text("user").map(str::to_owned);
    let password = fields.secret_file("password_file").map(Password);
    user.zip(password).map_or(User::Anonymous, |(user, password)| User::Name(user, password))
}

fn both(fields: &mut Fields<'_>, first: &str, second: &str, how: &str) {
    match (fields.has(first), fields.has(second)) {
        (true, false) => fields.refuse(second, &format!("is missing; {how}")),
        (false, true) => fields.refuse(first, &format!("is missing; whose is `{second}`?")),
        _ => {}
    }
}

fn certificate(fields: &mut Fields<'_>) -> Option<User> {
    let (certificate, key) = (fields.text("user_cert_file"), fields.text("user_key_file"));
    let certificate = certificate.and_then(|path| {
        let read = read_certificate(Path::new(path));
        read.map_err(|why| fields.refuse("user_cert_file", &why)).ok()
    });
    let key = key.and_then(|path| {
        let read = std::fs::read(path).map_err(|e| format!("cannot read {path}: {e}"));
        let read = read.and_then(|bytes| {
            PrivateKey::from_pem(&bytes).map_err(|_| {
                format!("{path} is no RSA key in PEM form without a password (-----BEGIN PRIVATE KEY-----)")
            })
        });
        read.map_err(|why| fields.refuse("user_key_file", &why)).ok()
    });
    let (certificate, key) = certificate.zip(key)?;
    if !belongs(&certificate, &key) {
        fields.refuse("user_key_file", "is not the RSA key of the certificate in `user_cert_file`");
        return None;
    }
    Some(User::Certificate(Box::new(certificate), Box::new(key)))
}

fn read_certificate(path: &Path) -> Result<X509, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let read = if bytes.starts_with(b"-----") { X509::from_pem(&bytes) } else { X509::from_der(&bytes) };
    read.map_err(|_| format!("{} is no X.509 certificate in PEM or DER form", path.display()))
}

/// Whether what the key signs is verified by the certificate.
fn belongs(certificate: &X509, key: &PrivateKey) -> bool {
    let text = b"whose key is this";
    let mut signature = vec![0; key.size()];
    let signed = key.sign_sha256(text, &mut signature).is_ok();
    signed
        && certificate
            .public_key()
            .is_ok_and(|public| matches!(public.verify_sha256(text, &signature), Ok(true)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opcua::trust::own_certificate;
    use crate::opcua::{SETTINGS, Settings};
    use serde_json::{Value, json};

    fn table(security: &str, more: &[(&str, &Path)]) -> Value {
        let mut table = json!({"address": "opc.tcp://x", "security": security});
        for (key, path) in more {
            table[key] = json!(path);
        }
        table
    }

    #[track_caller]
    fn refused(table: &Value, key: &str, part: &str) {
        let errors = Settings::read(table).unwrap_err();
        let said: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.key, e.message)).collect();
        assert!(said.iter().any(|text| text.starts_with(key) && text.contains(part)), "{said:#?}");
    }

    const SAFE: &str = "Aes256_Sha256_RsaPss/SignAndEncrypt";

    #[test]
    fn a_certificate_and_its_own_key_are_a_user() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own = own_certificate(dir.path(), "urn:a").unwrap();
        own_certificate(other.path(), "urn:b").unwrap();
        let key = dir.path().join("private/private.pem");
        let good = table(SAFE, &[("user_cert_file", &own.path), ("user_key_file", &key)]);
        let settings = Settings::read(&good).unwrap();
        assert!(matches!(settings.user, User::Certificate(..)));
        assert!(!format!("{settings:?}").contains("BEGIN"), "the key is not printed");

        let strange = other.path().join("private/private.pem");
        let wrong = table(SAFE, &[("user_cert_file", &own.path), ("user_key_file", &strange)]);
        refused(&wrong, "user_key_file", "is not the RSA key of the certificate");
        let swapped = table(SAFE, &[("user_cert_file", &key), ("user_key_file", &own.path)]);
        refused(&swapped, "user_cert_file", "no X.509 certificate");
        refused(&swapped, "user_key_file", "no RSA key in PEM form");
    }

    #[test]
    fn half_a_user_two_users_and_an_open_wire_are_refused() {
        let file = Path::new("/nonexistent");
        refused(&table(SAFE, &[("user_cert_file", file)]), "user_key_file", "is missing");
        refused(&table(SAFE, &[("user_key_file", file)]), "user_cert_file", "is missing");
        refused(&table(SAFE, &[("user", file)]), "password_file", "is missing");
        let all = ["user", "password_file", "user_cert_file", "user_key_file"].map(|key| (key, file));
        refused(&table(SAFE, &all), "user_cert_file", "one user at a time");
        refused(&table("none", &all[2..]), "user_cert_file", "security = \"none\"");
        assert!(all.iter().all(|(key, _)| SETTINGS.contains(key)));
    }
}

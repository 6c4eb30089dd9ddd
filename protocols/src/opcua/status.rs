//! What a status code means to the person who has to do something about it.
//!
//! It decides which codes say "no" ([`LinkError::Refused`]), which mean that the connection is gone and which
//! that the server breaks the protocol. Codes of single values are not its business; they stay numbers.

use std::time::Duration;

use opcua::types::{Error, StatusCode};

use super::settings::ServerAddress;
use crate::LinkError;

/// How advice names the certificate the server sees.
const OWN: &str = "this agent's certificate";
const USER: &str = "check `user` and the content of `password_file`; a user with a certificate (`user_cert_file`) \
                    must be among the server's trusted users";

/// Codes with which a server or this program refuses a session, and the next step for each.
const REFUSALS: &[(StatusCode, &str)] = &[
    (
        StatusCode::BadUserAccessDenied,
        "check that the user may read on the server, and the content of `password_file`; a user with a certificate \
         (`user_cert_file`) must be among the server's trusted users",
    ),
    (StatusCode::BadIdentityTokenInvalid, USER),
    (StatusCode::BadIdentityTokenRejected, USER),
    (StatusCode::BadUserSignatureInvalid, USER),
    (
        StatusCode::BadIdentityChangeNotSupported,
        "have the server accept this user from the start of a session",
    ),
    (
        StatusCode::BadSecurityChecksFailed,
        "the server most likely does not trust this agent's certificate yet: move it to the trusted \
         certificates on the server",
    ),
    (
        StatusCode::BadCertificateUntrusted,
        "move this agent's certificate to the trusted certificates on the server",
    ),
    (
        StatusCode::BadCertificateInvalid,
        "the server cannot use the certificate: check its key length and algorithm against the policy",
    ),
    (
        StatusCode::BadCertificatePolicyCheckFailed,
        "the key is too short or the signature too old for the policy: make a new certificate, or use another `security`",
    ),
    (
        StatusCode::BadCertificateTimeInvalid,
        "check the clocks of both sides and the dates of both certificates",
    ),
    (
        StatusCode::BadCertificateIssuerTimeInvalid,
        "the certificate of the issuing authority is out of date: renew it, or check the clocks",
    ),
    (
        StatusCode::BadCertificateHostNameInvalid,
        "write the address with a name the certificate has, or set check_hostname = false for this link",
    ),
    (StatusCode::BadCertificateUriInvalid, "set `application_uri` to the URI in this agent's certificate"),
    (
        StatusCode::BadCertificateUseNotAllowed,
        "the certificate was issued for something else: make one for OPC UA applications",
    ),
    (
        StatusCode::BadCertificateIssuerUseNotAllowed,
        "the issuing certificate may not issue: have the authority issue the certificate anew",
    ),
    (
        StatusCode::BadCertificateRevocationUnknown,
        "put the authority's revocation list where the server looks for it",
    ),
    (
        StatusCode::BadCertificateIssuerRevocationUnknown,
        "put the authority's revocation list where the server looks for it",
    ),
    (StatusCode::BadCertificateRevoked, "the certificate was revoked: have a new one issued"),
    (StatusCode::BadCertificateIssuerRevoked, "the issuing authority was revoked: use another one"),
    (
        StatusCode::BadCertificateChainIncomplete,
        "put the certificates of the issuing authorities where the server looks for them",
    ),
    (
        StatusCode::BadNoValidCertificates,
        "move this agent's certificate to the trusted certificates on the server",
    ),
    (
        StatusCode::BadApplicationSignatureInvalid,
        "the key does not belong to the certificate: restore `private/` and `own/` of `pki_dir` together",
    ),
    (
        StatusCode::BadNonceInvalid,
        "the server's random number is too short for the policy: use another `security`",
    ),
    (StatusCode::BadSecurityModeRejected, "use a `security` the server offers, or enable this one on it"),
    (StatusCode::BadSecurityPolicyRejected, "use a `security` the server offers, or enable this one on it"),
    (
        StatusCode::BadSecurityModeInsufficient,
        "the server wants a better protected channel: write security = \"Basic256Sha256/SignAndEncrypt\"",
    ),
    (
        StatusCode::BadTooManySessions,
        "close other clients of the server, or raise its limit of sessions; sessions left behind end by themselves",
    ),
    (
        StatusCode::BadTooManySubscriptions,
        "close other clients of the server, or raise its limit of subscriptions",
    ),
    (
        StatusCode::BadTooManyMonitoredItems,
        "configure fewer points on this link, or raise the server's limit of monitored items",
    ),
    (
        StatusCode::BadServiceUnsupported,
        "the server cannot send changes (no subscriptions): it cannot be read by this version",
    ),
];

/// Codes that mean: what arrived was not OPC UA.
const NONSENSE: &[StatusCode] = &[
    StatusCode::BadDecodingError,
    StatusCode::BadEncodingError,
    StatusCode::BadEncodingLimitsExceeded,
    StatusCode::BadUnknownResponse,
    StatusCode::BadTcpMessageTypeInvalid,
    StatusCode::BadTcpMessageTooLarge,
    StatusCode::BadSequenceNumberInvalid,
];

/// The next step for a code that refuses a session.
pub(super) fn advice(status: StatusCode) -> Option<&'static str> {
    let code = status.bits() & 0xFFFF_0000;
    REFUSALS.iter().find(|(known, _)| known.bits() == code).map(|(_, advice)| *advice)
}

/// Where in a session's life something went wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// Nothing has been heard from the server yet.
    Reaching,
    /// The server has answered before.
    Talking,
}

/// A failure as the agent's operator is to read it. `own` describes this agent's certificate, if it has shown one.
pub(super) fn link_error(
    address: &ServerAddress,
    stage: Stage,
    doing: &str,
    error: &Error,
    waited: Duration,
    own: Option<&str>,
) -> LinkError {
    let status = error.status();
    let address = address.url.clone();
    let detail = format!("{doing}: {}", describe(error));
    if let Some(advice) = advice(status) {
        let which =
            own.filter(|_| advice.contains(OWN)).map_or_else(String::new, |own| format!(" (it is {own})"));
        return LinkError::Refused { address, detail, advice: format!("{advice}{which}") };
    }
    if status == StatusCode::BadTimeout {
        return timeout(address, format!("({doing})"), waited);
    }
    if NONSENSE.contains(&status) {
        return LinkError::Protocol { address, detail };
    }
    match (stage, own) {
        (Stage::Reaching, _) => LinkError::Connect { address, detail },
        (Stage::Talking, None) => LinkError::Broken { address, detail },
        (Stage::Talking, Some(own)) => LinkError::Broken {
            address,
            detail: format!("{detail}; a server may hang up like this while it does not trust {OWN} ({own})"),
        },
    }
}

/// No answer within `waited`.
pub(super) fn timeout(address: String, request: String, waited: Duration) -> LinkError {
    LinkError::Timeout { address, request, waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX) }
}

/// The name and number of a code, as server manuals index them.
pub(super) fn name(status: StatusCode) -> String {
    format!("{status} (0x{:08X})", status.bits())
}

fn describe(error: &Error) -> String {
    let (text, code) = (error.to_string(), error.status().to_string());
    let more = text.strip_prefix(&code).map_or(text.as_str(), |rest| rest.trim_start_matches([':', ' ']));
    let separator = if more.is_empty() { "" } else { ", " };
    format!("{}{separator}{more}", name(error.status()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::status_code::SubStatusCode;

    fn address() -> ServerAddress {
        ServerAddress::parse("opc.tcp://192.0.2.21:4840").unwrap()
    }

    fn error(status: StatusCode, stage: Stage) -> LinkError {
        let error = Error::new(status, "seen");
        link_error(&address(), stage, "opening a session", &error, Duration::from_secs(5), None)
    }

    /// The standard has no list of them, so they are found by their names among all codes it numbers.
    #[test]
    fn pain_22_every_code_about_security_is_explained() {
        let about = ["Security", "Certificate", "IdentityToken", "UserAccess", "UserSignature", "Nonce"];
        // About a message or a service other than opening a session.
        let elsewhere = ["BadSecureChannelTokenUnknown", "BadTcpSecureChannelUnknown", "BadSecurityConfig"];
        let codes = (0x8001..=0x81FF).filter_map(|high: u32| SubStatusCode::from_value(high << 16));
        let named: Vec<&str> = codes
            .filter(|code| about.iter().any(|word| code.name().contains(word)))
            .filter(|code| !elsewhere.contains(&code.name()))
            .filter(|code| advice(StatusCode::from_category(*code)).is_none())
            .map(|code| code.name())
            .collect();
        assert_eq!(named, [] as [&str; 0], "codes without advice");
        assert!(REFUSALS.len() > 20);
    }

    #[test]
    fn a_refusal_says_where_what_and_the_next_step() {
        let text = error(StatusCode::BadUserAccessDenied, Stage::Talking).to_string();
        for part in ["opc.tcp://192.0.2.21:4840", "BadUserAccessDenied (0x801F0000), seen; ", "password_file"]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_agents_certificate_is_named_only_where_it_matters() {
        let said = |status| {
            let error = Error::new(status, "");
            let own = Some("/pki/own/cert.der, SHA-256 AB");
            link_error(&address(), Stage::Talking, "opening a session", &error, Duration::ZERO, own)
                .to_string()
        };
        assert!(said(StatusCode::BadSecurityChecksFailed).contains("(it is /pki/own/cert.der, SHA-256 AB)"));
        assert!(said(StatusCode::BadConnectionClosed).contains("(/pki/own/cert.der, SHA-256 AB)"));
        assert!(!said(StatusCode::BadUserAccessDenied).contains("SHA-256"));
    }

    #[test]
    fn other_codes_are_sorted_by_who_is_to_blame() {
        use StatusCode as S;
        assert!(matches!(error(S::BadTimeout, Stage::Talking), LinkError::Timeout { waited_ms: 5000, .. }));
        assert!(matches!(error(S::BadDecodingError, Stage::Reaching), LinkError::Protocol { .. }));
        assert!(matches!(error(S::BadCommunicationError, Stage::Reaching), LinkError::Connect { .. }));
        assert!(matches!(error(S::BadConnectionClosed, Stage::Talking), LinkError::Broken { .. }));
    }
}

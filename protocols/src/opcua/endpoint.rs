//! Which of a server's endpoints is used: the one with exactly the configured security, never a weaker one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use opcua::client::transport::TransportPollResult;
use opcua::client::{ClientConfig, SessionBuilder};
use opcua::core::ResponseMessage;
use opcua::crypto::{CertificateStore, SecurityPolicy};
use opcua::sync::RwLock;
use opcua::types::{DateTime, EndpointDescription, Error, GetEndpointsRequest, RequestHeader, StatusCode};

use super::guard::Guard;
use super::settings::{Security, Settings};
use super::user::User;
use crate::LinkError;

/// The endpoint with exactly the configured security; anything else would be a downgrade.
pub(super) fn choose(
    settings: &Settings,
    offered: Vec<EndpointDescription>,
) -> Result<EndpointDescription, LinkError> {
    let security = |endpoint: &EndpointDescription| Security {
        policy: SecurityPolicy::from_uri(endpoint.security_policy_uri.as_ref()),
        mode: endpoint.security_mode,
    };
    let refused = |detail: String, advice: String| LinkError::Refused {
        address: settings.address.url.clone(),
        detail,
        advice,
    };
    let words: BTreeSet<String> = offered.iter().map(|endpoint| security(endpoint).word()).collect();
    let fitting: Vec<EndpointDescription> = offered
        .into_iter()
        .filter(|endpoint| endpoint.endpoint_url.as_ref().starts_with("opc.tcp://"))
        .filter(|endpoint| security(endpoint) == settings.security)
        .collect();
    if fitting.is_empty() {
        return Err(refused(
            format!(
                "it does not offer security {}, only {}",
                settings.security.word(),
                Vec::from_iter(words).join(", ")
            ),
            "set `security` to one of these, or enable the configured one on the server".to_owned(),
        ));
    }
    let Some(mut endpoint) = fitting.into_iter().find_map(|endpoint| admitting(settings, endpoint)) else {
        let (detail, advice) = not_admitted(&settings.user);
        return Err(refused(detail.to_owned(), advice.to_owned()));
    };
    endpoint.endpoint_url = settings.address.with_path_of(endpoint.endpoint_url.as_ref()).into();
    Ok(endpoint)
}

/// The endpoint with only those ways to introduce a user that fit ours, or none if there is no such way.
///
/// A way without a policy of its own takes that of the channel (OPC 10000-4 7.42); the stack would then not sign
/// with the user's certificate at all, so the policy is written out for it.
fn admitting(settings: &Settings, mut endpoint: EndpointDescription) -> Option<EndpointDescription> {
    let channel = endpoint.security_policy_uri.clone();
    let certified = matches!(settings.user, User::Certificate(..));
    let tokens = endpoint.user_identity_tokens.get_or_insert_default();
    tokens.retain(|token| token.token_type == settings.user.token_type());
    for token in tokens.iter_mut().filter(|token| certified && token.security_policy_uri.is_empty()) {
        token.security_policy_uri = channel.clone();
    }
    tokens.retain(|token| {
        let uri = token.security_policy_uri.as_ref();
        uri.is_empty()
            || match quietly(|| SecurityPolicy::from_uri(uri)) {
                // SHA-1: neither a password nor a signature is entrusted to the first two.
                SecurityPolicy::Basic128Rsa15 | SecurityPolicy::Basic256 | SecurityPolicy::Unknown => false,
                SecurityPolicy::None => !certified,
                _ => true,
            }
    });
    (!tokens.is_empty()).then_some(endpoint)
}

fn not_admitted(user: &User) -> (&'static str, &'static str) {
    match user {
        User::Anonymous => (
            "it admits nobody without a user",
            "set `user` and `password_file`, or `user_cert_file` and `user_key_file`",
        ),
        User::Name(..) => (
            "it does not take user names at this endpoint, or only in a withdrawn way (Basic128Rsa15, Basic256)",
            "leave out `user` and `password_file`, or enable user names on the server",
        ),
        User::Certificate(..) => (
            "it does not take user certificates at this endpoint, or only in a withdrawn way (Basic128Rsa15, Basic256)",
            "use `user` and `password_file` instead of `user_cert_file`, or enable certificates of users on the server",
        ),
    }
}

/// `GetEndpoints` over an open channel of its own.
pub(super) async fn get_endpoints(
    config: &ClientConfig,
    guard: Guard,
    store: Arc<RwLock<CertificateStore>>,
    url: &str,
    timeout: Duration,
) -> Result<Vec<EndpointDescription>, Error> {
    let channel = quietly(|| {
        SessionBuilder::new(config)
            .connect_to_endpoint_directly(EndpointDescription::from(url))?
            .build_channel(store)
    })?;
    let mut transport = channel.connect_no_retry(&guard).await?;
    let request = GetEndpointsRequest {
        request_header: RequestHeader {
            timestamp: DateTime::now(),
            request_handle: channel.request_handle(),
            timeout_hint: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            ..Default::default()
        },
        endpoint_url: url.into(),
        ..Default::default()
    };
    let mut asking = std::pin::pin!(channel.send(request, timeout));
    let response = loop {
        tokio::select! {
            response = &mut asking => break response?,
            polled = transport.poll() => if let TransportPollResult::Closed(code) = polled {
                return Err(Error::new(code, "the connection was closed"));
            },
        }
    };
    channel.close_channel().await;
    while !matches!(transport.poll().await, TransportPollResult::Closed(_)) {}
    match response {
        ResponseMessage::GetEndpoints(answer) if answer.response_header.service_result.is_good() => {
            Ok(answer.endpoints.unwrap_or_default())
        }
        ResponseMessage::GetEndpoints(answer) => Err(Error::new(answer.response_header.service_result, "")),
        ResponseMessage::ServiceFault(fault) => Err(Error::new(fault.response_header.service_result, "")),
        _ => Err(Error::new(StatusCode::BadUnknownResponse, "")),
    }
}

/// Runs something short of the stack without its log lines.
pub(super) fn quietly<T>(run: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), run)
}

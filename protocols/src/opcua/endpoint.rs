//! Which of a server's endpoints is used: the one with exactly the configured security, never a weaker one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use opcua::client::transport::{TcpConnector, TransportPollResult};
use opcua::client::{ClientConfig, SessionBuilder};
use opcua::core::ResponseMessage;
use opcua::crypto::{CertificateStore, SecurityPolicy};
use opcua::sync::RwLock;
use opcua::types::{
    DateTime, EndpointDescription, Error, GetEndpointsRequest, RequestHeader, StatusCode, UserTokenType,
};

use super::settings::{Security, Settings};
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
    let mut fitting: Vec<EndpointDescription> = offered
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
    let wanted = if settings.user.is_some() { UserTokenType::UserName } else { UserTokenType::Anonymous };
    fitting.retain(|endpoint| {
        endpoint
            .user_identity_tokens
            .as_ref()
            .is_some_and(|tokens| tokens.iter().any(|t| t.token_type == wanted))
    });
    let Some(mut endpoint) = fitting.into_iter().next() else {
        return Err(match wanted {
            UserTokenType::Anonymous => refused(
                "it admits nobody without a user name".to_owned(),
                "set `user` and `password_file`".to_owned(),
            ),
            _ => refused(
                "it does not take user names at this endpoint".to_owned(),
                "leave out `user` and `password_file`, or enable user names on the server".to_owned(),
            ),
        });
    };
    endpoint.endpoint_url = settings.address.with_path_of(endpoint.endpoint_url.as_ref()).into();
    Ok(endpoint)
}

/// `GetEndpoints` over an open channel of its own.
pub(super) async fn get_endpoints(
    config: &ClientConfig,
    store: Arc<RwLock<CertificateStore>>,
    url: &str,
    timeout: Duration,
) -> Result<Vec<EndpointDescription>, Error> {
    let channel = quietly(|| {
        SessionBuilder::new(config)
            .connect_to_endpoint_directly(EndpointDescription::from(url))?
            .build_channel(store)
    })?;
    let mut transport = channel.connect_no_retry(&TcpConnector::new(url)?).await?;
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

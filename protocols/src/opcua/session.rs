//! Opens a session: endpoint, trust, user, namespaces, subscription, monitored items; and drives it.
//!
//! The stack's own reconnection is never used. It would subscribe the old namespace indices at a restarted
//! server, stop publishing (in async-opcua 0.19 a recreated subscription sends no Publish until it is
//! triggered), and hide from the windows that the machine was out of reach. The first lost connection ends
//! the session; the agent opens a new one, which starts from the namespaces again.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use observation::{Clock, Observation, Reason};
use opcua::client::transport::{TcpConnector, TransportPollResult};
use opcua::client::{
    ClientBuilder, ClientConfig, IdentityToken, Session, SessionBuilder, SessionPollResult,
    SubscriptionActivity,
};
use opcua::core::ResponseMessage;
use opcua::crypto::{CertificateStore, SecurityPolicy};
use opcua::sync::RwLock;
use opcua::types::{
    AttributeId, DateTime, EndpointDescription, Error, GetEndpointsRequest, MonitoredItemCreateRequest,
    MonitoringMode, MonitoringParameters, NodeId, ReadValueId, RequestHeader, StatusCode, TimestampsToReturn,
    UserTokenType, VariableId, Variant,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::feed::{self, Fault, Feed, Heard, Sequence, Tally};
use super::plan::{Plan, Revision};
use super::settings::{PointConfig, Security, Settings};
use super::source::Subscribed;
use super::status::{self, Stage};
use super::trust::{self, OwnCertificate};
use crate::{Batch, LinkError};

/// Monitored items of one request; the smallest controllers take no more.
const ITEMS_PER_REQUEST: usize = 100;
/// How often points the server refused are offered to it again: their program may be loaded by then.
const OFFER_AGAIN: Duration = Duration::from_secs(60);
/// The server keeps a session nobody talks on for this long, ms.
const SESSION_MS: u32 = 60_000;
/// Life of a channel's keys, ms; they are renewed before.
const CHANNEL_MS: u32 = 600_000;
/// How often the stack asks for the server's own state.
const STATE_INTERVAL: Duration = Duration::from_secs(5);
/// Bounds for what a server may send: generous for real arrays, small for an edge box.
const MAX_MESSAGE: usize = 8 << 20;
const MAX_CHUNKS: usize = 256;
const MAX_TEXT: usize = 1 << 20;
const MAX_ARRAY: usize = 1 << 16;

/// What every step of opening a session needs.
pub(super) struct Opening {
    pub settings: Arc<Settings>,
    pub points: Arc<[PointConfig]>,
    pub plan: Arc<Plan>,
    pub tally: Arc<Tally>,
    pub clock: Arc<dyn Clock>,
}

/// A session that is being driven, before anything is subscribed.
struct Live {
    session: Arc<Session>,
    fault: Arc<Fault>,
    open: CancellationToken,
}

impl Opening {
    pub(super) async fn open(self) -> Result<Subscribed, LinkError> {
        let own = self.own_certificate().await?;
        let config = self.config();
        let endpoints = self.endpoints(&config).await?;
        let endpoint = choose(&self.settings, endpoints)?;
        self.check_trust(&endpoint)?;
        let (fault, raised) = Fault::new();
        let open = CancellationToken::new();
        let guard = open.clone().drop_guard();
        let session = self.session(&config, endpoint, own.as_ref(), &fault, &open).await?;
        let live = Live { session, fault, open };
        let namespaces = self.namespaces(&live.session).await?;
        let (heard, receiver) = mpsc::channel(feed::WAITING);
        let subscription = self.subscribe(&live, heard).await?;
        let everything: Vec<usize> = (0..self.points.len()).collect();
        let refused = self.observe(&live.session, subscription, &namespaces, &everything).await?;
        let now = self.clock.now();
        let first = (!refused.is_empty()).then(|| {
            Batch::of(refused.iter().filter_map(|(i, code)| self.refusal(*i, *code, now)).collect())
        });
        let subscribed = Subscribed {
            address: self.settings.address.url.clone(),
            points: self.points.iter().map(|point| point.id).collect(),
            clock: self.clock.clone(),
            heard: receiver,
            fault: raised,
            first,
            last: tokio::time::Instant::now(),
            dead_after: self.plan.dead_after(),
            failed: None,
            _open: guard,
        };
        let refused = refused.into_iter().map(|(index, _)| index).collect();
        self.offer_again(live, subscription, refused);
        Ok(subscribed)
    }

    async fn own_certificate(&self) -> Result<Option<OwnCertificate>, LinkError> {
        if self.settings.security == Security::NONE {
            return Ok(None);
        }
        let settings = self.settings.clone();
        let made = tokio::task::spawn_blocking(move || {
            trust::own_certificate(&settings.pki_dir, &settings.application_uri)
        });
        let refused = |detail: String| LinkError::Refused {
            address: self.settings.address.url.clone(),
            detail: "this agent has no certificate to show".to_owned(),
            advice: detail,
        };
        match made.await {
            Ok(own) => own.map(Some).map_err(|error| refused(error.to_string())),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    fn config(&self) -> ClientConfig {
        let timeout = self.settings.timeout;
        ClientBuilder::new()
            .application_name("Plumbline agent")
            .application_uri(&*self.settings.application_uri)
            .product_uri("urn:plumbline")
            .session_name("plumbline-agent")
            .pki_dir(&*self.settings.pki_dir)
            .session_retry_limit(0)
            .recreate_subscriptions(false)
            .keep_alive_interval(STATE_INTERVAL)
            .max_failed_keep_alive_count(2)
            .request_timeout(timeout)
            .publish_timeout(self.plan.dead_after() + timeout)
            .min_publish_interval(Duration::from_millis(self.plan.publish_ms))
            .session_timeout(SESSION_MS)
            .channel_lifetime(CHANNEL_MS)
            .max_message_size(MAX_MESSAGE)
            .max_chunk_count(MAX_CHUNKS)
            .max_string_length(MAX_TEXT)
            .max_byte_string_length(MAX_MESSAGE)
            .max_array_length(MAX_ARRAY)
            .into_config()
    }

    /// A store that reads certificates but makes and trusts none; that is [`trust`]'s work. What the stack
    /// says about a missing certificate is silenced, because security "none" needs none.
    fn store(&self) -> Arc<RwLock<CertificateStore>> {
        let mut store = CertificateStore::new(&self.settings.pki_dir);
        store.set_trust_unknown_certs(false);
        // Names and dates have been checked with better messages; the pinned bytes are still compared.
        store.set_skip_verify_certs(true);
        Arc::new(RwLock::new(store))
    }

    async fn endpoints(&self, config: &ClientConfig) -> Result<Vec<EndpointDescription>, LinkError> {
        let doing = "asking for its endpoints";
        let url = self.settings.address.url.as_str();
        let limit = self.settings.timeout;
        let asked = tokio::time::timeout(limit, get_endpoints(config, self.store(), url, limit)).await;
        let answered = asked.map_err(|_| status::timeout(url.to_owned(), doing, limit))?;
        answered.map_err(|error| self.error(Stage::Reaching, doing, &error, None))
    }

    fn check_trust(&self, endpoint: &EndpointDescription) -> Result<(), LinkError> {
        if self.settings.security == Security::NONE {
            return Ok(());
        }
        let server_uri = endpoint.server.application_uri.as_ref();
        let now = self.clock.now().utc;
        trust::check_server(&self.settings, &endpoint.server_certificate, server_uri, now).map_err(
            |distrust| LinkError::Refused {
                address: self.settings.address.url.clone(),
                detail: distrust.detail,
                advice: distrust.advice,
            },
        )
    }

    /// Builds the session and waits until it is activated.
    async fn session(
        &self,
        config: &ClientConfig,
        endpoint: EndpointDescription,
        own: Option<&OwnCertificate>,
        fault: &Arc<Fault>,
        open: &CancellationToken,
    ) -> Result<Arc<Session>, LinkError> {
        let doing = "opening a session";
        let identity = match &self.settings.user {
            None => IdentityToken::Anonymous,
            Some((user, password)) => IdentityToken::UserName(user.clone(), password.clone()),
        };
        let failed = |error: &Error| self.error(Stage::Talking, doing, error, own);
        let (session, events) = quietly(|| {
            SessionBuilder::new(config)
                .connect_to_endpoint_directly(endpoint)?
                .user_identity_token(identity)
                .build(self.store())
        })
        .map_err(|error| failed(&error))?;
        let (ready, opened) = oneshot::channel();
        let driver = Driver {
            address: self.settings.address.url.clone(),
            session: session.clone(),
            fault: fault.clone(),
            patience: self.settings.timeout,
        };
        tokio::spawn(driver.drive(events.enter(), ready, open.clone()));
        let limit = self.settings.timeout * 2;
        match tokio::time::timeout(limit, opened).await {
            Ok(Ok(Ok(()))) => Ok(session),
            Ok(Ok(Err(code))) => Err(failed(&Error::new(code, ""))),
            Ok(Err(_)) => Err(failed(&Error::new(StatusCode::BadConnectionClosed, ""))),
            Err(_) => Err(status::timeout(self.settings.address.url.clone(), doing, limit)),
        }
    }

    /// The URIs behind the namespace indices of this session.
    async fn namespaces(&self, session: &Session) -> Result<Vec<String>, LinkError> {
        let doing = "reading its NamespaceArray";
        let node: NodeId = VariableId::Server_NamespaceArray.into();
        let read = session.read(&[ReadValueId::from(node)], TimestampsToReturn::Neither, 0.0).await;
        let values = read.map_err(|error| self.error(Stage::Talking, doing, &error, None))?;
        let Some(Variant::Array(array)) = values.into_iter().next().and_then(|data| data.value) else {
            return Err(LinkError::Protocol {
                address: self.settings.address.url.clone(),
                detail: format!("{doing}: it is no array"),
            });
        };
        Ok(array.values.iter().map(ToString::to_string).collect())
    }

    async fn subscribe(&self, live: &Live, heard: mpsc::Sender<Heard>) -> Result<u32, LinkError> {
        let doing = "creating a subscription";
        let plan = &self.plan;
        let feed = Feed {
            address: self.settings.address.url.clone(),
            points: self.points.clone(),
            clock: self.clock.clone(),
            heard,
            fault: live.fault.clone(),
            tally: self.tally.clone(),
            sequence: Sequence::default(),
        };
        let every = Duration::from_millis(plan.publish_ms);
        let id = live
            .session
            .create_subscription(every, plan.lifetime_count, plan.keep_alive_count, 0, 0, true, feed)
            .await
            .map_err(|error| self.error(Stage::Talking, doing, &error, None))?;
        self.judge(&live.session, id)?;
        Ok(id)
    }

    /// What the server made of the intervals asked for.
    fn judge(&self, session: &Session, subscription: u32) -> Result<(), LinkError> {
        let revised = session.subscription_state().lock().get(subscription).map(|s| {
            let publish_ms = u64::try_from(s.publishing_interval().as_millis()).unwrap_or(u64::MAX);
            (publish_ms, s.max_keep_alive_count())
        });
        let Some((publish_ms, count)) = revised else { return Ok(()) };
        let address = &self.settings.address.url;
        let asked = self.plan.publish_ms;
        match self.plan.judge(publish_ms, count) {
            Revision::AsAsked => Ok(()),
            Revision::Slower => {
                self.tally.count_slower();
                tracing::warn!(link = %address, asked, publish_ms, count, "the server publishes more slowly than asked, ms");
                Ok(())
            }
            Revision::TooSlow => {
                self.tally.count_slower();
                Err(LinkError::Refused {
                    address: address.clone(),
                    detail: format!(
                        "it would publish every {publish_ms} ms and show signs of life every {} ms, asked were {asked} ms and {} ms",
                        publish_ms.saturating_mul(u64::from(count)),
                        self.plan.keep_alive_ms
                    ),
                    advice: format!(
                        "write publish = \"{publish_ms}ms\" for this link, or lower the server's limit"
                    ),
                })
            }
        }
    }

    /// Asks the server to observe these points; gives back those it refuses, with its codes.
    async fn observe(
        &self,
        session: &Session,
        subscription: u32,
        namespaces: &[String],
        indices: &[usize],
    ) -> Result<Vec<(usize, StatusCode)>, LinkError> {
        let mut refused = Vec::new();
        let mut wanted = Vec::new();
        for (index, point) in indices.iter().filter_map(|index| Some((*index, self.points.get(*index)?))) {
            match point.node.resolve(namespaces) {
                Some(node) => wanted.push((index, node)),
                // What OPC 10000-4 7.16 has a server say about a namespace it does not know.
                None => refused.push((index, StatusCode::BadNodeIdUnknown)),
            }
        }
        for some in wanted.chunks(ITEMS_PER_REQUEST) {
            let items = some.iter().map(|(index, node)| self.item(*index, node)).collect();
            let created = session
                .create_monitored_items(subscription, TimestampsToReturn::Both, items)
                .await
                .map_err(|error| self.error(Stage::Talking, "creating monitored items", &error, None))?;
            for ((index, _), made) in some.iter().zip(created) {
                if made.result.status_code.is_bad() {
                    refused.push((*index, made.result.status_code));
                } else {
                    self.judge_item(
                        *index,
                        made.result.revised_sampling_interval,
                        made.result.revised_queue_size,
                    );
                }
            }
        }
        Ok(refused)
    }

    fn item(&self, index: usize, node: &NodeId) -> MonitoredItemCreateRequest {
        let (sampling_ms, queue_size) =
            self.plan.items.get(index).map_or((0, 2), |i| (i.sampling_ms, i.queue));
        MonitoredItemCreateRequest {
            item_to_monitor: ReadValueId {
                node_id: node.clone(),
                attribute_id: AttributeId::Value as u32,
                ..Default::default()
            },
            monitoring_mode: MonitoringMode::Reporting,
            requested_parameters: MonitoringParameters {
                client_handle: feed::handle(index),
                // Below 2^32 ms, exactly a double.
                sampling_interval: u32::try_from(sampling_ms).map_or(f64::from(u32::MAX), f64::from),
                queue_size,
                discard_oldest: true,
                ..Default::default()
            },
        }
    }

    fn judge_item(&self, index: usize, sampling_ms: f64, queue: u32) {
        let Some((item, point)) = self.plan.items.get(index).zip(self.points.get(index)) else { return };
        let asked_ms = u32::try_from(item.sampling_ms).map_or(f64::from(u32::MAX), f64::from);
        if sampling_ms > asked_ms || (queue < item.queue && queue != 0) {
            self.tally.count_slower();
            tracing::warn!(
                link = %self.settings.address.url, node = %point.node, asked_ms, sampling_ms,
                asked_queue = item.queue, queue, "the server looks more rarely or keeps less than asked"
            );
        }
    }

    fn refusal(&self, index: usize, code: StatusCode, now: observation::Instant) -> Option<Observation> {
        let point = self.points.get(index)?;
        self.tally.count_refused();
        tracing::warn!(
            link = %self.settings.address.url, node = %point.node, code = %status::name(code),
            "the server does not observe this point; the others go on"
        );
        Some(Observation::bad(point.id, Reason::Status(code.bits()), now))
    }

    /// Offers refused points again while the session lives; their values then come like all others.
    fn offer_again(self, live: Live, subscription: u32, mut refused: Vec<usize>) {
        let open = live.open.clone();
        tokio::spawn(open.run_until_cancelled_owned(async move {
            while !refused.is_empty() {
                tokio::time::sleep(OFFER_AGAIN).await;
                let Ok(namespaces) = self.namespaces(&live.session).await else { continue };
                if let Ok(still) = self.observe(&live.session, subscription, &namespaces, &refused).await {
                    refused = still.into_iter().map(|(index, _)| index).collect();
                }
            }
        }));
    }

    fn error(&self, stage: Stage, doing: &str, error: &Error, own: Option<&OwnCertificate>) -> LinkError {
        let whose = own.map_or_else(String::new, |own| {
            format!(" (it is {}, SHA-256 {}, SHA-1 {})", own.path.display(), own.fingerprint, own.thumbprint)
        });
        status::link_error(&self.settings.address, stage, doing, error, self.settings.timeout, &whose)
    }
}

/// Runs the stack's event loop until the session is over or nobody wants it any more.
struct Driver {
    address: String,
    session: Arc<Session>,
    fault: Arc<Fault>,
    patience: Duration,
}

impl Driver {
    async fn drive(
        self,
        events: impl Stream<Item = Result<SessionPollResult, StatusCode>>,
        ready: oneshot::Sender<Result<(), StatusCode>>,
        open: CancellationToken,
    ) {
        let mut events = std::pin::pin!(events);
        let mut ready = Some(ready);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = open.cancelled() => {
                    self.close(events).await;
                    return;
                }
            };
            let over = match event {
                Some(Ok(SessionPollResult::Reconnected(_))) if ready.is_some() => {
                    // Whoever waited may have given up; the token says so.
                    let _ = ready.take().map(|ready| ready.send(Ok(())));
                    continue;
                }
                Some(Ok(
                    SessionPollResult::ConnectionLost(code) | SessionPollResult::ReconnectFailed(code),
                ))
                | Some(Err(code)) => code,
                Some(Ok(SessionPollResult::Subscription(activity))) => match activity {
                    SubscriptionActivity::FatalFailure(code) => code,
                    SubscriptionActivity::PublishFailed(code) if code == StatusCode::BadNoSubscription => {
                        code
                    }
                    _ => continue,
                },
                Some(Ok(_)) => continue,
                None => StatusCode::BadConnectionClosed,
            };
            match ready.take() {
                Some(ready) => drop(ready.send(Err(over))),
                None => self.fault.raise(LinkError::Broken {
                    address: self.address.clone(),
                    detail: format!("the session ended: {}", status::name(over)),
                }),
            }
            return;
        }
    }

    /// Tells the server that the session is over, so that it does not keep one of its few for us.
    async fn close(&self, mut events: impl Stream<Item = Result<SessionPollResult, StatusCode>> + Unpin) {
        let closing = async {
            tokio::join!(self.session.disconnect(), async { while let Some(Ok(_)) = events.next().await {} })
        };
        if tokio::time::timeout(self.patience, closing).await.is_err() {
            tracing::debug!(link = %self.address, "the server did not confirm the end of the session");
        }
    }
}

/// The endpoint with exactly the configured security; anything else would be a downgrade.
fn choose(settings: &Settings, offered: Vec<EndpointDescription>) -> Result<EndpointDescription, LinkError> {
    let security = |endpoint: &EndpointDescription| Security {
        policy: SecurityPolicy::from_uri(endpoint.security_policy_uri.as_ref()),
        mode: endpoint.security_mode,
    };
    let refused = |detail: String, advice: String| LinkError::Refused {
        address: settings.address.url.clone(),
        detail,
        advice,
    };
    let words = list(offered.iter().map(|endpoint| security(endpoint).word()));
    let mut fitting: Vec<EndpointDescription> = offered
        .into_iter()
        .filter(|endpoint| endpoint.endpoint_url.as_ref().starts_with("opc.tcp://"))
        .filter(|endpoint| security(endpoint) == settings.security)
        .collect();
    if fitting.is_empty() {
        return Err(refused(
            format!("it does not offer security {}, only {words}", settings.security.word()),
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

fn list(items: impl Iterator<Item = impl Display>) -> String {
    let mut words: Vec<String> = items.map(|item| item.to_string()).collect();
    words.sort();
    words.dedup();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// `GetEndpoints` over an open channel of its own.
async fn get_endpoints(
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
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), run)
}

//! Opens a session: endpoint, trust, user, namespaces, subscription, monitored items; and lets it run.
//!
//! The stack's own reconnection is never used. It would subscribe the old namespace indices at a restarted
//! server, stop publishing (in async-opcua 0.19 a recreated subscription sends no Publish until it is
//! triggered), and hide from the windows that the machine was out of reach. The first lost connection ends
//! the session; the agent opens a new one, which starts from the namespaces again.

use std::sync::Arc;
use std::time::Duration;

use observation::{Clock, Observation, Reason};
use opcua::client::{ClientBuilder, ClientConfig, Session, SessionBuilder};
use opcua::crypto::CertificateStore;
use opcua::sync::RwLock;
use opcua::types::{
    AttributeId, EndpointDescription, Error, MonitoredItemCreateRequest, MonitoringMode,
    MonitoringParameters, NodeId, ReadValueId, StatusCode, TimestampsToReturn, VariableId, Variant,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::endpoint::{choose, get_endpoints, quietly};
use super::feed::{self, Fault, Feed, Heard, Sequence, Tally, Waiting};
use super::guard::{Finding, Guard, MAX_MESSAGE};
use super::life::Life;
use super::opaque::{MAX_ARRAY, MAX_CHUNKS, MAX_TEXT};
use super::plan::{Plan, Revision, plan};
use super::settings::{PointConfig, Security, Settings};
use super::source::Subscribed;
use super::status::{self, Stage};
use super::trust::{self, OwnCertificate};
use crate::{Batch, LinkError};

/// Monitored items of one request; the smallest controllers take no more.
const ITEMS_PER_REQUEST: usize = 100;
/// The server keeps a session nobody talks on for this long, ms.
const SESSION_MS: u32 = 60_000;
/// Life of a channel's keys, ms; they are renewed before.
const CHANNEL_MS: u32 = 600_000;
/// How often the stack asks for the server's own state.
const STATE_INTERVAL: Duration = Duration::from_secs(5);
/// Changes asked for in one publish response. Without a bound a server that has more than fits its own largest
/// message answers `BadResponseTooLarge` and the changes are gone (OPC 10000-4 7.38.2, 5.14.2); what is over the bound
/// comes with the next response, which the stack asks for at once.
const MAX_CHANGES: u32 = 1000;

/// What every step of opening a session needs.
pub(super) struct Opening {
    pub settings: Arc<Settings>,
    pub points: Arc<[PointConfig]>,
    pub plan: Arc<Plan>,
    pub tally: Arc<Tally>,
    pub clock: Arc<dyn Clock>,
    pub finding: Finding,
}

/// A session that is running, before anything is subscribed.
struct Live {
    session: Arc<Session>,
    fault: Arc<Fault>,
    open: CancellationToken,
}

/// A session that stands, with the URIs of its namespaces. Dropping it closes it on the server.
pub(super) struct Reached {
    pub session: Arc<Session>,
    pub namespaces: Vec<String>,
    fault: Arc<Fault>,
    raised: watch::Receiver<Option<LinkError>>,
    open: CancellationToken,
    guard: DropGuard,
}

impl Reached {
    /// Waits until the server knows that the session is over, or for as long as that may take. A server has few.
    pub(super) async fn close(self) {
        let Self { fault, mut raised, guard, .. } = self;
        drop((guard, fault));
        // The session's task holds the other end until it is done.
        while raised.changed().await.is_ok() {}
    }
}

impl Opening {
    /// For asking a server about itself; nothing will be subscribed.
    pub(super) fn without_points(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            plan: Arc::new(plan(&settings, &[])),
            settings: Arc::new(settings),
            points: Arc::default(),
            tally: Arc::default(),
            clock,
            finding: Finding::default(),
        }
    }

    fn guard(&self) -> Guard {
        Guard { address: self.settings.address.clone(), finding: self.finding.clone() }
    }

    /// The server's endpoint that fits the link.
    pub(super) async fn endpoint(&self) -> Result<EndpointDescription, LinkError> {
        choose(&self.settings, self.endpoints(&self.config()).await?)
    }

    /// Opens a session and reads its namespaces.
    pub(super) async fn reach(&self) -> Result<Reached, LinkError> {
        let own = self.own_certificate().await?;
        let endpoint = self.endpoint().await?;
        self.check_trust(&endpoint)?;
        let (fault, raised) = Fault::new();
        let open = CancellationToken::new();
        let guard = open.clone().drop_guard();
        let session = self.session(&self.config(), endpoint, own.as_ref(), &fault, &open).await?;
        let namespaces = self.namespaces(&session).await?;
        Ok(Reached { session, namespaces, fault, raised, open, guard })
    }

    pub(super) async fn open(self) -> Result<Subscribed, LinkError> {
        let Reached { session, namespaces, fault, raised, open, guard } = self.reach().await?;
        let live = Live { session, fault, open };
        let (heard, receiver) = mpsc::channel(feed::WAITING);
        let waiting = Waiting::default();
        let subscription = self.subscribe(&live, heard, waiting.clone()).await?;
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
            waiting,
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
        let asked =
            tokio::time::timeout(limit, get_endpoints(config, self.guard(), self.store(), url, limit)).await;
        let answered = asked.map_err(|_| self.late(doing, limit))?;
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
        let failed = |error: &Error| self.error(Stage::Talking, doing, error, own);
        let (session, events) = quietly(|| {
            SessionBuilder::new(config)
                .with_connector(self.guard())
                .connect_to_endpoint_directly(endpoint)?
                .user_identity_token(self.settings.user.token())
                .build(self.store())
        })
        .map_err(|error| failed(&error))?;
        let (ready, opened) = oneshot::channel();
        let life = Life {
            address: self.settings.address.url.clone(),
            session: session.clone(),
            fault: fault.clone(),
            finding: self.finding.clone(),
            patience: self.settings.timeout,
        };
        tokio::spawn(life.run(events.enter(), ready, open.clone()));
        let limit = self.settings.timeout * 2;
        match tokio::time::timeout(limit, opened).await {
            Ok(Ok(Ok(()))) => Ok(session),
            Ok(Ok(Err(code))) => Err(failed(&Error::new(code, ""))),
            Ok(Err(_)) => Err(failed(&Error::new(StatusCode::BadConnectionClosed, ""))),
            Err(_) => Err(self.late(doing, limit)),
        }
    }

    /// The URIs behind the namespace indices of this session.
    async fn namespaces(&self, session: &Session) -> Result<Vec<String>, LinkError> {
        let doing = "reading its NamespaceArray";
        let node: NodeId = VariableId::Server_NamespaceArray.into();
        let nodes = [ReadValueId::from(node)];
        let values = self.within(doing, session.read(&nodes, TimestampsToReturn::Neither, 0.0)).await?;
        let Some(Variant::Array(array)) = values.into_iter().next().and_then(|data| data.value) else {
            return Err(LinkError::Protocol {
                address: self.settings.address.url.clone(),
                detail: format!("{doing}: it is no array"),
            });
        };
        let uri = |entry: &Variant| match entry {
            Variant::String(text) => text.value().clone().unwrap_or_default(),
            _ => String::new(),
        };
        Ok(array.values.iter().map(uri).collect())
    }

    async fn subscribe(
        &self,
        live: &Live,
        heard: mpsc::Sender<Heard>,
        waiting: Waiting,
    ) -> Result<u32, LinkError> {
        let doing = "creating a subscription";
        let plan = &self.plan;
        let feed = Feed {
            address: self.settings.address.url.clone(),
            points: self.points.clone(),
            clock: self.clock.clone(),
            heard,
            waiting,
            fault: live.fault.clone(),
            tally: self.tally.clone(),
            sequence: Sequence::default(),
        };
        let every = Duration::from_millis(plan.publish_ms);
        let creating = live.session.create_subscription(
            every,
            plan.lifetime_count,
            plan.keep_alive_count,
            MAX_CHANGES,
            0,
            true,
            feed,
        );
        let id = self.within(doing, creating).await?;
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
            let creating = session.create_monitored_items(subscription, TimestampsToReturn::Both, items);
            let created = self.within("creating monitored items", creating).await?;
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
                tokio::time::sleep(self.plan.offer_again()).await;
                let Ok(namespaces) = self.namespaces(&live.session).await else { continue };
                if let Ok(still) = self.observe(&live.session, subscription, &namespaces, &refused).await {
                    refused = still.into_iter().map(|(index, _)| index).collect();
                }
            }
        }));
    }

    /// A request of an open session. The stack's own limit comes first, unless its transport is stuck.
    async fn within<T>(
        &self,
        doing: &str,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, LinkError> {
        let limit = self.settings.timeout * 2;
        match tokio::time::timeout(limit, request).await {
            Ok(answer) => answer.map_err(|error| self.error(Stage::Talking, doing, &error, None)),
            Err(_) => Err(self.late(doing, limit)),
        }
    }

    /// An error of an open session.
    pub(super) fn talking(&self, doing: &str, error: &Error) -> LinkError {
        self.error(Stage::Talking, doing, error, None)
    }

    fn late(&self, doing: &str, limit: Duration) -> LinkError {
        status::timeout(self.settings.address.url.clone(), format!("({doing})"), limit)
    }

    fn error(&self, stage: Stage, doing: &str, error: &Error, own: Option<&OwnCertificate>) -> LinkError {
        if let Some(found) = self.finding.get() {
            return found;
        }
        let own = own.map(|own| {
            format!("{}, SHA-256 {}, SHA-1 {}", own.path.display(), own.fingerprint, own.thumbprint)
        });
        status::link_error(&self.settings.address, stage, doing, error, self.settings.timeout, own.as_deref())
    }
}

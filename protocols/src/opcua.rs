//! OPC UA over TCP: one subscription a link, variables addressed by namespace URI, certificates trusted by hand.
//!
//! Services used, all of them reading:
//! ```text
//! GetEndpoints  OpenSecureChannel  CloseSecureChannel  CreateSession  ActivateSession  CloseSession
//! Read (NamespaceArray; the server's state, which is the stack's own keep-alive)
//! CreateSubscription  CreateMonitoredItems  Publish
//! Browse  BrowseNext (only for [`browse`], which a person asks for)
//! ```
//! The services that write values, call methods or change nodes and history are not called anywhere here.
//!
//! What it does not do: it keeps no last value, opens nothing again by itself, and reads no variable by polling.

mod accept;
mod address;
mod browse;
mod chain;
mod decode;
mod endpoint;
mod feed;
mod guard;
mod life;
mod opaque;
mod plan;
mod session;
mod settings;
mod shapes;
mod source;
mod status;
mod trust;
mod user;
mod weigh;

use std::sync::Arc;

use async_trait::async_trait;
use observation::{Clock, PointId};
use serde_json::Value;

pub use accept::{Accepted, Certificate, NotAccepted, Shown, accept, shown};
pub use address::{AddressError, NodeAddress};
pub use browse::{Browsed, Limits, Node, Reading, Search, browse};
pub use decode::decode;
pub use feed::Tally;
pub use opaque::{answer, data_value};
pub use settings::{
    DEFAULT_APPLICATION_URI, DEFAULT_PKI_DIR, POINT, PointConfig, SETTINGS, Security, ServerAddress, Settings,
};
pub use trust::{OwnCertificate, OwnCertificateError, own_certificate};
pub use user::User;

use crate::{Configured, Expectation, Link, LinkConfigError, LinkError, Source};
use plan::Plan;

/// One OPC UA server as configured.
#[derive(Clone, Debug)]
pub struct OpcUaLink {
    settings: Arc<Settings>,
    points: Arc<[PointConfig]>,
    ids: Vec<PointId>,
    plan: Arc<Plan>,
    tally: Arc<Tally>,
}

impl OpcUaLink {
    /// Reads the tables of a link and its points, or lists every mistake in them.
    pub fn read(settings: &Value, points: &[(PointId, Value)]) -> Result<Self, Vec<LinkConfigError>> {
        let read = Settings::read(settings);
        let (good, mut errors) = points.iter().map(|(id, table)| PointConfig::read(*id, table)).fold(
            (Vec::new(), Vec::new()),
            |(mut good, mut errors), point| {
                match point {
                    Ok(point) => good.push(point),
                    Err(mistakes) => errors.extend(mistakes),
                }
                (good, errors)
            },
        );
        match read {
            Ok(settings) if errors.is_empty() => Ok(Self::new(settings, good)),
            Ok(_) => Err(errors),
            Err(mut mistakes) => {
                mistakes.append(&mut errors);
                Err(mistakes)
            }
        }
    }

    fn new(settings: Settings, points: Vec<PointConfig>) -> Self {
        Self {
            plan: Arc::new(plan::plan(&settings, &points)),
            ids: points.iter().map(|point| point.id).collect(),
            settings: Arc::new(settings),
            points: points.into(),
            tally: Arc::default(),
        }
    }

    /// What the sessions of this link have met so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The certificate servers must trust, made if it is not there yet; none if the link is not secured.
    pub fn own_certificate(&self) -> Result<Option<OwnCertificate>, OwnCertificateError> {
        if self.settings.security == Security::NONE {
            return Ok(None);
        }
        own_certificate(&self.settings.pki_dir, &self.settings.application_uri).map(Some)
    }
}

#[async_trait]
impl Link for OpcUaLink {
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
        let opening = session::Opening {
            settings: self.settings.clone(),
            points: self.points.clone(),
            plan: self.plan.clone(),
            tally: self.tally.clone(),
            clock,
            finding: guard::Finding::default(),
        };
        Ok(Box::new(opening.open().await?))
    }

    fn points(&self) -> &[PointId] {
        &self.ids
    }

    fn expectation(&self, _point: PointId) -> Expectation {
        Expectation::Subscribed { keep_alive_ms: self.plan.keep_alive_ms }
    }
}

/// Builds a link from its tables.
pub fn link(settings: &Value, points: &[(PointId, Value)]) -> Configured {
    OpcUaLink::read(settings, points).map(|link| Box::new(link) as Box<dyn Link>)
}

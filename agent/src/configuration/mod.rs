//! The agent's configuration: TOML into types, every mistake reported at once with file, line and the nearest
//! right word. What cannot be measured truthfully is refused here, before anything runs.
//!
//! Reads the configuration file and nothing else; no network, no clock. Protocols read their own keys.

mod check;
mod derive;
mod links;
mod machines;
mod one_link;
mod points;
mod profile;
mod quantity;
mod read;
mod rules;
mod templates;

pub use check::RawBudget;
pub use derive::{PlanError, RosterEntry};
pub use machines::{Machine, MachineKind, RosterFacts};
pub use one_link::{OneLinkError, one_link};
pub use points::{Point, Role};
pub use profile::{
    Confidence, Header as ProfileHeader, Profile, ProfilePoint, ProfileUse, names as profile_names,
    unknown as unknown_profile,
};
pub use quantity::{Dimension, Measure, power_unit};

use config::{ConfigErrors, Document, Problem};
use evidence::Hash;
use observation::PointId;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A configuration that can be run.
#[derive(Debug)]
pub struct Configuration {
    /// The box.
    pub agent: AgentSettings,
    /// One a project.
    pub uplinks: Vec<Uplink>,
    /// Windows.
    pub window: WindowSettings,
    /// The store of statements.
    pub spool: SpoolSettings,
    /// The store of observations.
    pub raw: RawSettings,
    /// Connections; a point's link is a position here.
    pub links: Vec<LinkConfiguration>,
    /// Machines of all projects.
    pub machines: Vec<Machine>,
    /// SHA-256 of what is configured, whatever its order of keys, spacing and comments.
    pub hash: Hash,
    /// What works but is probably not meant.
    pub warnings: Vec<Problem>,
}

/// `[agent]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// In the genesis roster.
    pub id: String,
    /// Key, spool, raw store.
    pub data_dir: PathBuf,
    /// Local status page.
    pub status_listen: Option<SocketAddr>,
}

/// `[[uplink]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Project id.
    pub project: String,
    /// Base address of the gateway, without a slash at its end.
    pub gateway: String,
    /// SHA-256 of the gateway's certificate.
    pub fingerprint: Option<Hash>,
    /// Certificate authority of the gateway's certificate.
    pub ca_file: Option<PathBuf>,
    /// The signed genesis.
    pub genesis: PathBuf,
    /// The registrar's public key: pins who may say what the project measures.
    pub registrar: evidence::key::PublicKey,
}

/// `[window]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSettings {
    /// Length of a window, s.
    pub step_s: u32,
    /// Windows in a statement.
    pub per_statement: u32,
}

/// `[spool]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Most bytes of statements kept.
    pub max_bytes: u64,
}

/// `[raw]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSettings {
    /// Commit interval of the journal.
    pub journal: Duration,
    /// How long observations are kept.
    pub retention: Duration,
    /// Most bytes of observations kept.
    pub max_bytes: u64,
}

/// `[[link]]`
pub struct LinkConfiguration {
    /// Its id.
    pub id: String,
    /// Its protocol.
    pub protocol: String,
    /// Its address, for display.
    pub address: String,
    /// The connection as its protocol understands it.
    pub link: Arc<dyn protocols::Link>,
    /// Every point it reads.
    pub points: Vec<PointId>,
    /// Over everything that its session rests on: protocol, keys, files they name, addresses of its points in
    /// order. A link with the same one may keep its session when the configuration changes.
    pub identity: Hash,
}

impl fmt::Debug for LinkConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, protocol, address, points, link: _, identity: _ } = self;
        let mut shown = f.debug_struct("LinkConfiguration");
        shown.field("id", id).field("protocol", protocol).field("address", address).field("points", points);
        shown.finish_non_exhaustive()
    }
}

impl Configuration {
    /// Reads a configuration file.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let beside = path.parent().unwrap_or(Path::new("")).to_path_buf();
        read::configuration(Document::load(path)?, &beside)
    }

    /// Reads a configuration from a text. `file` is used in messages; paths in it are taken to be relative to
    /// `beside`.
    pub fn parse(file: &str, text: &str, beside: &Path) -> Result<Self, ConfigErrors> {
        read::configuration(Document::parse(file, text)?, beside)
    }

    /// The machine and point of an id.
    pub fn point(&self, id: PointId) -> Option<(&Machine, &Point)> {
        self.machines.iter().find_map(|m| m.points.iter().find(|p| p.id == id).map(|p| (m, p)))
    }

    /// The machines of a project, in the order of the file.
    pub fn machines_of<'a>(&'a self, project: &'a str) -> impl Iterator<Item = &'a Machine> {
        self.machines.iter().filter(move |m| m.project == project)
    }
}

#[cfg(test)]
mod tests;

//! One project as its genesis describes it, checked against the registrar's key that the configuration pins.

use super::clock::GatewayClock;
use crate::configuration::{Configuration, Uplink};
use crate::statement::{Shape, roster};
use crate::window::Plan;
use evidence::key::{Kid, PublicKey};
use evidence::note::{NoteError, VerifierKey};
use evidence::payload::Genesis;
use evidence::statement::{self, Payload, Role};
use evidence::{DecodeError, Hash};
use observation::Utc;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A project that this agent takes part in.
#[derive(Debug)]
pub struct Project {
    /// What the configuration says.
    pub uplink: Uplink,
    /// What the genesis says.
    pub genesis: Genesis,
    /// Key of the log's checkpoints.
    pub log_key: VerifierKey,
    /// Key of the operator's time line.
    pub time_key: Option<VerifierKey>,
    /// What the engine measures.
    pub plan: Arc<Plan>,
    /// How statements are cut and scaled.
    pub shape: Shape,
    /// Field 10 of window statements.
    pub definitions: Hash,
    /// The agent's key stands in the genesis; otherwise a later statement of the registrar has to enrol it.
    pub enrolled: bool,
    /// What the last push said of the clocks.
    pub gateway_clock: GatewayClock,
}

/// Why a project cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The genesis cannot be read.
    #[error("{}: the genesis of {project} cannot be read: {cause}; copy it from the registrar, and check uplink.genesis", path.display())]
    File {
        /// As configured.
        path: PathBuf,
        /// Project id.
        project: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It is no statement.
    #[error("{}: no genesis: {cause}; copy the file again, it must stay byte for byte the same", path.display())]
    Decode {
        /// As configured.
        path: PathBuf,
        /// What is wrong.
        cause: DecodeError,
    },
    /// Signed by somebody else.
    #[error("{}: not signed by the registrar that uplink.registrar names; do not use it before you know why", path.display())]
    Registrar {
        /// As configured.
        path: PathBuf,
    },
    /// Another project's.
    #[error("{}: this is the genesis of {found}, the configuration asks for {wanted}; check uplink.project", path.display())]
    Project {
        /// As configured.
        path: PathBuf,
        /// In the file.
        found: String,
        /// In the configuration.
        wanted: String,
    },
    /// A key in it is unusable.
    #[error("{}: a key of the log is unusable: {cause}; ask the registrar for a new genesis", path.display())]
    Key {
        /// As configured.
        path: PathBuf,
        /// What is wrong.
        cause: NoteError,
    },
    /// Configuration and genesis do not go together.
    #[error(transparent)]
    Plan(#[from] crate::configuration::PlanError),
    /// The genesis' statement length differs.
    #[error(
        "window.per_statement is {configured}, and the genesis of {project} fixes {genesis}; write per_statement = {genesis}"
    )]
    PerStatement {
        /// Project id.
        project: String,
        /// In the configuration.
        configured: u32,
        /// In the genesis.
        genesis: u32,
    },
}

impl Project {
    /// Reads and checks the genesis, and plans what is measured under it.
    pub fn load(
        configuration: &Configuration,
        uplink: &Uplink,
        own: &PublicKey,
    ) -> Result<Self, ProjectError> {
        let (genesis, iat) = read(uplink)?;
        let path = &uplink.genesis;
        let key = |vkey: &str| vkey.parse::<VerifierKey>();
        let unusable = |cause| ProjectError::Key { path: path.clone(), cause };
        let log_key = key(&genesis.log_vkey).map_err(unusable)?;
        let time_key = genesis.operator_time_vkey.as_deref().map(key).transpose().map_err(unusable)?;
        let agent = &configuration.agent.id;
        let roster = roster(&genesis, agent);
        let plan = configuration.plan(&uplink.project, genesis.step_s, Utc::from_secs(iat), &roster)?;
        let configured = configuration.window.per_statement;
        if configured != genesis.windows_per_statement {
            let (project, genesis) = (uplink.project.clone(), genesis.windows_per_statement);
            return Err(ProjectError::PerStatement { project, configured, genesis });
        }
        for machine in configuration.not_in_roster(&uplink.project, &roster) {
            tracing::warn!(
                machine = machine.id,
                project = uplink.project,
                "not in the roster; nothing is signed of it"
            );
        }
        for machine in configuration.unapproved(&genesis) {
            tracing::warn!(
                machine = machine.id,
                "its mapping is not the one in the genesis; its time counts as UNKNOWN until the registrar approves"
            );
        }
        let definitions = configuration.definitions(&genesis);
        let shape = configuration.shape(&uplink.project);
        let enrolled = genesis.keys.iter().any(|k| k.role == Role::Agent && k.id == *agent && k.key == *own);
        let plan = Arc::new(plan);
        let gateway_clock = GatewayClock::default();
        Ok(Self {
            uplink: uplink.clone(),
            genesis,
            log_key,
            time_key,
            plan,
            shape,
            definitions,
            enrolled,
            gateway_clock,
        })
    }

    /// Project id.
    pub fn id(&self) -> &str {
        &self.uplink.project
    }
}

fn read(uplink: &Uplink) -> Result<(Genesis, i64), ProjectError> {
    let path: &Path = &uplink.genesis;
    let bytes = std::fs::read(path).map_err(|cause| ProjectError::File {
        path: path.to_owned(),
        project: uplink.project.clone(),
        cause,
    })?;
    let opened =
        statement::open(&bytes).map_err(|cause| ProjectError::Decode { path: path.to_owned(), cause })?;
    let registrar = || ProjectError::Registrar { path: path.to_owned() };
    let pinned: Kid = uplink.registrar.kid();
    if opened.header.kid != pinned || opened.header.role != Role::Registrar {
        return Err(registrar());
    }
    let iat = opened.header.iat;
    let statement = opened.verify(&uplink.registrar).map_err(|_| registrar())?;
    let Payload::Genesis(genesis) = statement.payload() else { return Err(registrar()) };
    if genesis.project != uplink.project {
        let (found, wanted) = (genesis.project.clone(), uplink.project.clone());
        return Err(ProjectError::Project { path: path.to_owned(), found, wanted });
    }
    Ok(((**genesis).clone(), iat))
}

//! The JSON interface: routes, limits, time-outs. Paths are those of the `uplink` crate.
//!
//! Handlers read and answer; they decide nothing about evidence. Pages for people will stand beside this
//! module as `portal`, over the same queries.

mod figures;
mod ingest;
mod log;
mod projects;
mod reply;

use crate::error::StorageError;
use crate::identity::Identity;
use crate::ops::Ops;
use crate::project::{self as running, Project, Surroundings};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use observation::Clock;
use reply::Refused;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower_http::timeout::TimeoutLayer;
use uplink::path;

/// Bodies held in memory at once; with the limit of a body this bounds them all.
const BODIES: usize = 32;
/// Time a request may take, body included.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// What every handler shares.
pub(crate) struct App {
    pub(crate) data: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) ops: Arc<Ops>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) credit: u32,
    pub(crate) around: Surroundings,
    /// Guards the list of running projects; held to look up or to add, never while a request is served.
    pub(crate) projects: RwLock<BTreeMap<String, Arc<Project>>>,
    /// Serialises opening, so that no log is opened twice; holds the projects' tasks.
    pub(crate) tasks: tokio::sync::Mutex<JoinSet<()>>,
    pub(crate) bodies: Semaphore,
}

impl App {
    pub(crate) fn new(data: PathBuf, identity: Identity, credit: u32, around: Surroundings) -> Self {
        Self {
            data,
            identity,
            ops: Arc::clone(&around.ops),
            clock: Arc::clone(&around.clock),
            credit,
            around,
            projects: RwLock::default(),
            tasks: tokio::sync::Mutex::default(),
            bodies: Semaphore::new(BODIES),
        }
    }

    pub(crate) fn running(&self) -> Vec<Arc<Project>> {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn find(&self, id: &str) -> Option<Arc<Project>> {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// A running project; one that was imported since the start is opened now.
    pub(crate) async fn open(&self, id: &str) -> Result<Option<Arc<Project>>, StorageError> {
        if let Some(project) = self.find(id) {
            return Ok(Some(project));
        }
        let known =
            running::check_id(id).is_ok() && running::directory(&self.data, id).join(running::LOG).exists();
        if !known {
            return Ok(None);
        }
        let mut tasks = self.tasks.lock().await;
        if let Some(project) = self.find(id) {
            return Ok(Some(project));
        }
        let signers = self.identity.signers(id).map_err(|e| StorageError::new(&self.data, "open", &e))?;
        let project = Arc::new(Project::start(&self.data, id, signers, &self.around, &mut tasks)?);
        self.projects
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), Arc::clone(&project));
        Ok(Some(project))
    }
}

/// A project by its id, or the refusal that says what to do.
async fn project(app: &App, id: &str) -> Result<Arc<Project>, Refused> {
    app.open(id).await?.ok_or_else(|| {
        Refused::not_found(format!(
            "this gateway has no project `{id}`; the operator imports its genesis with `plumbline-gateway \
             project import`"
        ))
    })
}

/// Every route of the interface.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(path::HEALTH, get(projects::health))
        .route(path::PROJECTS, get(projects::list))
        .route(path::PROJECT, get(projects::one))
        .route(path::ENROL, post(projects::enrol))
        .route(path::STATEMENTS, post(ingest::push))
        .route(path::STREAM, get(log::stream))
        .route(path::CHECKPOINT, get(log::checkpoint).post(log::show_checkpoint))
        .route(path::TILE, get(log::tile))
        .route(path::RECEIPT, get(log::receipt))
        .route(path::CONSISTENCY, get(log::consistency))
        .route(path::PROOF, get(log::proof))
        .route(path::GENESIS, get(log::genesis))
        .route(path::WINDOWS, get(figures::windows))
        .route(path::KPIS, get(figures::kpis))
        .fallback(|| async { Refused::not_found("there is no such path; the paths begin with /v1/") })
        .layer(DefaultBodyLimit::max(uplink::MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME))
        .with_state(app)
}

//! The JSON interface: routes, limits, time-outs. Paths are those of the `uplink` crate.
//!
//! Handlers read and answer; they decide nothing about evidence. Pages for people will stand beside this
//! module as `portal`, over the same queries.

mod figures;
pub(crate) mod ingest;
mod log;
mod projects;
mod reply;

use crate::error::StorageError;
use crate::identity::Identity;
use crate::ops::Ops;
use crate::project::{self as running, Project, Surroundings};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderValue;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use observation::Clock;
use reply::Refused;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uplink::{ProblemKind, path};

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
    /// Projects that could not be opened at the start, and why. Guards the map alone.
    broken: Mutex<BTreeMap<String, String>>,
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
            broken: Mutex::default(),
            tasks: tokio::sync::Mutex::default(),
            bodies: Semaphore::new(BODIES),
        }
    }

    pub(crate) fn running(&self) -> Vec<Arc<Project>> {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Opens every project of the data directory, so that logs are sealed although nobody asks. One that cannot
    /// be opened stops no other; it shows in the gateway's health.
    pub(crate) async fn open_all(&self) -> Result<(), StorageError> {
        let (before, mut broken) = (self.broken(), BTreeMap::new());
        for id in running::ids(&self.data)? {
            if let Err(error) = self.open(&id).await {
                let error = error.to_string();
                if before.get(&id) != Some(&error) {
                    tracing::error!(project = id, "cannot be opened: {error}");
                }
                broken.insert(id, error);
            }
        }
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = broken;
        Ok(())
    }

    pub(crate) fn broken(&self) -> BTreeMap<String, String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

/// Ends a request that takes too long. What it asked for may still happen; the sender asks again.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::new(
            ProblemKind::Slow,
            format!("the request took more than {} s; send it again", REQUEST_TIME.as_secs()),
        )
        .into_response(),
    }
}

/// Says by this gateway's clock when the request came and when its answer left; see [`uplink::time`].
async fn stamped(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let received_ms = app.clock.now().utc.0;
    let mut response = next.run(request).await;
    let stamps = uplink::Stamps { received_ms, answered_ms: app.clock.now().utc.0 };
    if let Ok(value) = HeaderValue::try_from(stamps.to_string()) {
        response.headers_mut().insert(uplink::TIME_HEADER, value);
    }
    response
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
        .layer(middleware::from_fn(reply::as_problem))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), stamped))
        .with_state(app)
}

//! Projects, the gateway's health, and the queue of enrolment requests.

use super::reply::{Refused, blocking};
use super::{App, project};
use crate::derived::{MachineRow, StreamRow};
use crate::enrol;
use crate::ops::{AlarmRow, QuarantineCount};
use crate::project::Project;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use uplink::{Enrolled, Problem, ProblemKind};

/// Whether the gateway takes statements.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    /// `ok`, or `degraded` when a project cannot seal.
    status: &'static str,
    version: &'static str,
    projects: usize,
    /// Projects that cannot be opened or sign no checkpoints, and why.
    faults: Vec<ProjectFault>,
}

#[derive(Debug, Serialize)]
struct ProjectFault {
    project: String,
    fault: String,
}

/// `GET /v1/health`
pub(crate) async fn health(State(app): State<Arc<App>>) -> Json<Health> {
    refresh(&app).await;
    let running = app.running();
    let fault = |p: &Arc<Project>| {
        p.state().seal_fault.map(|fault| ProjectFault { project: p.id().to_owned(), fault })
    };
    let broken = app.broken().into_iter().map(|(project, fault)| ProjectFault { project, fault });
    let faults: Vec<_> = running.iter().filter_map(fault).chain(broken).collect();
    Json(Health {
        status: if faults.is_empty() { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        projects: running.len(),
        faults,
    })
}

/// Takes up what was imported since.
async fn refresh(app: &App) {
    if let Err(error) = app.open_all().await {
        tracing::error!("the list of projects cannot be read: {error}");
    }
}

/// A project in the list.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    id: String,
    origin: String,
    demonstration: bool,
    machines: usize,
    /// Entries in the log.
    size: u64,
    /// Entries under the newest checkpoint.
    sealed: u64,
    /// Time of the newest checkpoint, UTC s.
    sealed_at: Option<i64>,
}

impl Summary {
    fn of(project: &Project) -> Self {
        let state = project.state();
        let genesis = project.genesis();
        Self {
            id: project.id().to_owned(),
            origin: genesis.origin.clone(),
            demonstration: genesis.demo,
            machines: genesis.machines.len(),
            size: state.head.size,
            sealed: state.sealed.as_ref().map_or(0, |sealed| sealed.size),
            sealed_at: state.sealed.map(|sealed| sealed.time_s),
        }
    }
}

/// `GET /v1/projects`
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Vec<Summary>> {
    refresh(&app).await;
    Json(app.running().iter().map(|project| Summary::of(project)).collect())
}

/// One project in full.
#[derive(Debug, Serialize)]
pub(crate) struct Detail {
    #[serde(flatten)]
    summary: Summary,
    step_s: u32,
    max_lag_s: u32,
    utc_offset_min: i32,
    /// Why no checkpoint is signed, if none is.
    seal_fault: Option<String>,
    /// How many entries the rows below rest on.
    through: u64,
    machines: Vec<MachineRow>,
    streams: Vec<StreamRow>,
    alarms: Vec<AlarmRow>,
    quarantine: QuarantineCount,
}

/// `GET /v1/projects/{project}`
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Detail>, Refused> {
    let project = project(&app, &id).await?;
    let ops = Arc::clone(&app.ops);
    let detail = blocking(move || {
        let (through, machines, streams) = project.derived().with(|derived| derived.status())?;
        let genesis = project.genesis();
        Ok(Detail {
            summary: Summary::of(&project),
            step_s: genesis.step_s,
            max_lag_s: genesis.max_lag_s,
            utc_offset_min: genesis.utc_offset_min,
            seal_fault: project.state().seal_fault,
            through,
            machines,
            streams,
            alarms: ops.alarms(&id)?,
            quarantine: ops.quarantined(&id)?,
        })
    })
    .await?;
    Ok(Json(detail))
}

/// `POST /v1/enrol`
pub(crate) async fn enrol(
    State(app): State<Arc<App>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Enrolled>), Refused> {
    let at_ms = app.clock.now().utc.0;
    let ops = Arc::clone(&app.ops);
    let row = blocking(move || {
        enrol::queue(&ops, body.to_vec(), at_ms).map_err(|e| match e {
            enrol::EnrolError::Request(detail) => Refused::malformed(detail),
            enrol::EnrolError::Many => Refused::from(Problem {
                retry_after_s: Some(3600),
                ..Problem::new(ProblemKind::Busy, "too many enrolment requests wait; ask the operator")
            }),
            enrol::EnrolError::Storage(e) => Refused::from(e),
        })
    })
    .await?;
    let next = format!(
        "the request of `{}` waits; the operator makes a draft of {} and the registrar signs it",
        row.agent, row.project
    );
    Ok((StatusCode::ACCEPTED, Json(Enrolled { kid: row.kid, next })))
}

//! `project create`: collects this gateway's keys and the agents' enrolment requests into a draft, which the
//! registrar reads, completes and signs elsewhere. Nothing here becomes part of a log.

use crate::error::StorageError;
use crate::identity::Identity;
use crate::ops::Ops;
use crate::project;
use evidence::enrol::Enrolment;
use evidence::key::Kid;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;
use verify::draft::Draft;

/// Longest lag that is not late, s, until the registrar says otherwise: two hours, because field 7 of a window
/// statement is refreshed hourly.
const MAX_LAG_S: u32 = 7200;
/// China Standard Time, minutes east of UTC.
const UTC_OFFSET_MIN: i32 = 480;
/// How far a window's end may lie behind its own cosignature, s (evidence format, genesis field 20).
const CLOCK_TOLERANCE_S: u32 = 60;
/// How long raw blocks are kept, days (evidence format, raw audit).
const RAW_RETENTION_DAYS: u32 = 400;

/// Why there is no draft.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The id cannot be one.
    #[error("{0}")]
    Id(String),
    /// A request that is none, or is for another project.
    #[error("{}: {detail}", path.display())]
    Request {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        detail: String,
    },
    /// Nobody asked to be enrolled.
    #[error(
        "no agent has asked to be enrolled in `{0}`; run `plumbline-agent init` on the box and pass its \
         enrol.cbor with --enrolment, or queue it with `plumbline-gateway agent enrol`"
    )]
    NoAgent(String),
    /// The draft cannot be made.
    #[error("the draft cannot be made: {0}")]
    Draft(String),
    /// A store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The text of a draft from the requests that wait and those given as (file, bytes).
pub fn draft(
    identity: &Identity,
    ops: &Ops,
    id: &str,
    given: Vec<(PathBuf, Vec<u8>)>,
) -> Result<String, CreateError> {
    project::check_id(id).map_err(CreateError::Id)?;
    let mut requests = waiting(ops, id)?;
    for (path, bytes) in given {
        let (agent, kid) = read(&path, id, &bytes)?;
        requests.insert((agent, kid), (path, bytes));
    }
    let mut draft = empty(identity, id).map_err(CreateError::Draft)?;
    let Some((path, first)) = requests.values().next() else {
        return Err(CreateError::NoAgent(id.to_owned()));
    };
    let first = open(path, first)?;
    (draft.step_s, draft.windows_per_statement) = (first.step_s, first.windows_per_statement);
    for (path, bytes) in requests.into_values() {
        draft.collect(&bytes).map_err(|e| CreateError::Request { path, detail: e.to_string() })?;
    }
    let text = toml::to_string_pretty(&draft).map_err(|e| CreateError::Draft(e.to_string()))?;
    Ok(format!("{HEAD}\n{text}"))
}

/// Stands at the top of every draft.
const HEAD: &str = "\
# Draft of a project, for its registrar to read, correct and sign:
#     plumbline-verify genesis draft.toml
# Check every machine against the shop floor: what is signed here decides what counts.
# 项目草稿：请登记方逐台核对设备后签署，签署内容即为计量依据。
";

type Requests = BTreeMap<(String, Kid), (PathBuf, Vec<u8>)>;

/// Requests queued for this project, by agent and key.
fn waiting(ops: &Ops, id: &str) -> Result<Requests, CreateError> {
    let queued = ops.queued(id)?.into_iter();
    Ok(queued.map(|row| ((row.agent, Kid(row.kid)), (PathBuf::from("queue"), row.bytes))).collect())
}

fn open(path: &Path, bytes: &[u8]) -> Result<Enrolment, CreateError> {
    Enrolment::open(bytes).map_err(|e| CreateError::Request {
        path: path.to_owned(),
        detail: format!("is no enrolment request: {e}; make one with `plumbline-agent init`"),
    })
}

fn read(path: &Path, id: &str, bytes: &[u8]) -> Result<(String, Kid), CreateError> {
    let enrolment = open(path, bytes)?;
    if enrolment.project != id {
        return Err(CreateError::Request {
            path: path.to_owned(),
            detail: format!(
                "asks to join `{}`, this is `{id}`; correct `project` in the agent's uplink",
                enrolment.project
            ),
        });
    }
    Ok((enrolment.agent.clone(), enrolment.key.kid()))
}

fn empty(identity: &Identity, id: &str) -> Result<Draft, String> {
    let signers = identity.signers(id).map_err(|e| e.to_string())?;
    Ok(Draft {
        project: id.to_owned(),
        origin: signers.origin().to_owned(),
        log_vkey: signers.log_vkey(),
        receipt_key: signers.receipt_key().to_string(),
        operator_time_vkey: Some(signers.time_vkey()),
        witness_policy: None,
        step_s: 60,
        windows_per_statement: 5,
        max_lag_s: MAX_LAG_S,
        utc_offset_min: UTC_OFFSET_MIN,
        clock_tolerance_s: CLOCK_TOLERANCE_S,
        raw_retention_days: RAW_RETENTION_DAYS,
        demo: false,
        agent: vec![],
        key: vec![],
        machine: vec![],
        period: vec![],
        definition: vec![],
    })
}

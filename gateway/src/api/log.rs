//! Reading a project's log: streams, checkpoints, tiles, receipts and proofs. Everything here can be checked
//! by whoever asks; nothing here is trusted.

use super::reply::{Refused, blocking, bytes};
use super::{App, project};
use crate::error::StorageError;
use crate::project::Project;
use crate::sequencer::Order;
use crate::tiles;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use evidence::key::Kid;
use evidence::tile::Tile;
use serde::Deserialize;
use std::sync::Arc;
use tlog::{Newer, Read as _, Sealed};
use tokio::sync::oneshot;
use uplink::{ConsistencyProof, InclusionProof, ProblemKind, StreamState};

/// `GET /v1/projects/{project}/streams/{kid}`
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    Path((id, kid)): Path<(String, String)>,
) -> Result<Json<StreamState>, Refused> {
    let project = project(&app, &id).await?;
    let kid = kid_of(&kid)?;
    if project.keys().get(&kid).is_none() {
        return Err(Refused::not_found(format!(
            "key {kid} is not enrolled in {id}; the registrar signs its enrolment, then the agent starts at 0"
        )));
    }
    let log = project.log();
    let head = blocking(move || Ok(log.with(|log| Ok(log.stream(&kid.0)?))?)).await?;
    Ok(Json(match head {
        Some(head) => StreamState { next_seq: head.next_seq, head: head.head, frozen: head.frozen },
        None => StreamState { next_seq: 0, head: None, frozen: false },
    }))
}

fn kid_of(text: &str) -> Result<Kid, Refused> {
    let bad = || Refused::malformed(format!("`{text}` is no key thumbprint: 64 lower-case hex digits"));
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(bad());
    }
    let bytes = hex::decode(text).map_err(|_| bad())?;
    Ok(Kid(bytes.try_into().map_err(|_| bad())?))
}

/// `GET /v1/projects/{project}/checkpoint`
pub(crate) async fn checkpoint(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let project = project(&app, &id).await?;
    let sealed = newest(&project)?;
    Ok(bytes("text/plain; charset=utf-8", sealed.note))
}

fn newest(project: &Project) -> Result<Sealed, Refused> {
    let state = project.state();
    state.sealed.ok_or_else(|| {
        let why = state.seal_fault.unwrap_or_else(|| "ask again within a minute".to_owned());
        Refused::new(ProblemKind::NotYet, format!("this log has no checkpoint yet: {why}"))
    })
}

/// `POST /v1/projects/{project}/checkpoint`: somebody shows a checkpoint that carries our signature. If it is
/// newer than the log, the log was restored from an old backup and signs nothing until it is refilled.
pub(crate) async fn show_checkpoint(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    note: String,
) -> Result<Json<serde_json::Value>, Refused> {
    let project = project(&app, &id).await?;
    let checkpoint = project
        .signers()
        .own_checkpoint(note.as_bytes())
        .map_err(|e| Refused::malformed(format!("this is no checkpoint signed by this gateway: {e}")))?;
    let known = Newer { size: checkpoint.size, root: checkpoint.root };
    let (reply, answer) = oneshot::channel();
    let ending = || Refused::new(ProblemKind::Unavailable, "the gateway is ending; send again");
    project.orders().send(Order::Learn { known, reply }).await.map_err(|_| ending())?;
    answer
        .await
        .map_err(|_| ending())?
        .map_err(|e| Refused::new(ProblemKind::Unavailable, format!("{e:?}")))?;
    Ok(Json(serde_json::json!({ "size": project.state().head.size, "shown": checkpoint.size })))
}

/// `GET /v1/projects/{project}/tile/…`
pub(crate) async fn tile(
    State(app): State<Arc<App>>,
    Path((id, tile)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let project = project(&app, &id).await?;
    let path = Tile::from_path(&format!("tile/{tile}")).ok_or_else(|| {
        Refused::malformed(format!(
            "`tile/{tile}` is no tile path; C2SP tlog-tiles says how they are written"
        ))
    })?;
    let sealed = newest(&project)?;
    let log = project.log();
    let found = blocking(move || Ok(log.with(|log| tiles::read(log, path, sealed.size))?)).await?;
    found
        .map(|found| bytes("application/octet-stream", found))
        .ok_or_else(|| Refused::not_found("no tile of this place and width is sealed yet"))
}

/// Which tree a proof is for; the newest checkpoint's when absent.
#[derive(Debug, Deserialize)]
pub(crate) struct At {
    size: Option<u64>,
}

/// `GET /v1/projects/{project}/receipts/{index}`
pub(crate) async fn receipt(
    State(app): State<Arc<App>>,
    Path((id, index)): Path<(String, u64)>,
    Query(at): Query<At>,
) -> Result<Response, Refused> {
    let project = project(&app, &id).await?;
    let sealed = sealed_at(&project, at.size).await?;
    covered(index, &sealed)?;
    let (log, signing) = (project.log(), Arc::clone(&project));
    let receipt = blocking(move || {
        let proof = log.with(|log| Ok(tlog::proof::inclusion(log, index, sealed.size)?))?;
        Ok(signing.signers().receipt(index, &sealed, &proof))
    })
    .await?;
    Ok(bytes(uplink::path::COSE_TYPE, receipt))
}

/// `GET /v1/projects/{project}/proof/{index}`
pub(crate) async fn proof(
    State(app): State<Arc<App>>,
    Path((id, index)): Path<(String, u64)>,
    Query(at): Query<At>,
) -> Result<Json<InclusionProof>, Refused> {
    let project = project(&app, &id).await?;
    let sealed = sealed_at(&project, at.size).await?;
    covered(index, &sealed)?;
    let log = project.log();
    let proof = blocking(move || {
        Ok(log.with(|log| {
            let hashes = tlog::proof::inclusion(log, index, sealed.size)?;
            let leaf = tlog::proof::leaf(log, index)?;
            let checkpoint = String::from_utf8_lossy(&sealed.note).into_owned();
            Ok(InclusionProof { index, leaf, size: sealed.size, root: sealed.root, hashes, checkpoint })
        })?)
    })
    .await?;
    Ok(Json(proof))
}

async fn sealed_at(project: &Project, size: Option<u64>) -> Result<Sealed, Refused> {
    let Some(size) = size else { return newest(project) };
    let log = project.log();
    let sealed = blocking(move || Ok(log.with(|log| Ok(log.sealed_from(size)?))?)).await?;
    sealed.filter(|sealed| sealed.size == size).ok_or_else(|| {
        Refused::not_found(format!("no checkpoint of size {size}; leave `size` out for the newest"))
    })
}

fn covered(index: u64, sealed: &Sealed) -> Result<(), Refused> {
    if index < sealed.size {
        return Ok(());
    }
    Err(Refused::new(
        ProblemKind::NotYet,
        format!(
            "entry {index} is not sealed yet, the checkpoint covers {} entries; ask again later",
            sealed.size
        ),
    ))
}

/// Two tree sizes.
#[derive(Debug, Deserialize)]
pub(crate) struct Between {
    from: u64,
    to: u64,
}

/// `GET /v1/projects/{project}/consistency?from=&to=`
pub(crate) async fn consistency(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(Between { from, to }): Query<Between>,
) -> Result<Json<ConsistencyProof>, Refused> {
    let project = project(&app, &id).await?;
    let size = project.state().head.size;
    if from > to {
        return Err(Refused::malformed(format!("from {from} is larger than to {to}")));
    }
    if to > size {
        return Err(Refused::new(
            ProblemKind::NotYet,
            format!("this log has {size} entries, less than {to}; if you hold a checkpoint of {to}, show it"),
        ));
    }
    let log = project.log();
    let hashes = blocking(move || Ok(log.with(|log| Ok(tlog::proof::consistency(log, from, to)?))?)).await?;
    Ok(Json(ConsistencyProof { from, to, hashes }))
}

/// `GET /v1/projects/{project}/genesis`
pub(crate) async fn genesis(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let project = project(&app, &id).await?;
    let log = project.log();
    let first = blocking(move || Ok(log.with(|log| Ok::<_, StorageError>(log.entries(0, 1)?))?)).await?;
    let entry = first.into_iter().next().ok_or_else(|| Refused::not_found("the log is empty"))?;
    Ok(bytes(uplink::path::COSE_TYPE, entry.bytes))
}

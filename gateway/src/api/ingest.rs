//! Pushing statements: body in, acknowledgement or problem out. What may be logged is decided in `tlog`.

use super::reply::{Refused, blocking};
use super::{App, project};
use crate::project::Project;
use crate::sequencer::{Order, Refusal};
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, header};
use std::sync::Arc;
use tlog::{Answer, Arrival};
use tokio::sync::{mpsc, oneshot};
use uplink::{Problem, ProblemKind, Stored, StoredEntry};

/// Seconds after which a sender tries again when the store is full or busy.
const RETRY_S: u32 = 5;

/// `POST /v1/projects/{project}/statements`
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Json<Stored>, Refused> {
    media_type(request.headers())?;
    let project = project(&app, &id).await?;
    // Bounds the memory of all bodies together; waiting here holds no body.
    let _permit = app.bodies.acquire().await.map_err(|_| ending())?;
    let body = to_bytes(request.into_body(), uplink::MAX_BODY).await.map_err(|_| {
        Refused::new(
            ProblemKind::TooLarge,
            format!("the body is longer than {} bytes or broke off; send fewer statements", uplink::MAX_BODY),
        )
    })?;
    let keys = project.keys();
    let arrivals = blocking(move || {
        let statements = uplink::split(&body).map_err(|e| Refused::from(body_problem(&e)))?;
        Ok(statements.into_iter().map(|s| Arrival::check(s.to_vec(), &keys)).collect::<Vec<_>>())
    })
    .await?;
    let answers = submit(&project, arrivals).await?;
    Ok(Json(answer(project.id(), &answers, app.credit).map_err(|problem| *problem)?))
}

fn media_type(headers: &HeaderMap) -> Result<(), Refused> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if given == uplink::STATEMENTS_TYPE {
        return Ok(());
    }
    Err(Refused::new(
        ProblemKind::MediaType,
        format!("content-type is `{given}`, this path takes `{}`", uplink::STATEMENTS_TYPE),
    ))
}

pub(crate) fn body_problem(error: &uplink::BodyError) -> Problem {
    let kind = match error {
        uplink::BodyError::TooLong { .. } | uplink::BodyError::TooMany => ProblemKind::TooLarge,
        _ => ProblemKind::Malformed,
    };
    Problem::new(kind, error.to_string())
}

fn ending() -> Refused {
    Refused::from(Problem {
        retry_after_s: Some(RETRY_S),
        ..Problem::new(ProblemKind::Unavailable, "the gateway is ending; send again after its restart")
    })
}

async fn submit(project: &Project, arrivals: Vec<Arrival>) -> Result<Vec<Answer>, Refused> {
    let (reply, answer) = oneshot::channel();
    match project.orders().try_send(Order::Ingest { arrivals, reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            return Err(Refused::from(Problem {
                retry_after_s: Some(1),
                ..Problem::new(
                    ProblemKind::Busy,
                    "too many requests wait for this log; send again in a second",
                )
            }));
        }
        Err(mpsc::error::TrySendError::Closed(_)) => return Err(ending()),
    }
    // No answer means that the sequencer ended between commit and acknowledgement: nothing is known.
    answer.await.map_err(|_| ending())?.map_err(|refusal| Refused::from(refused(&refusal)))
}

/// What is said when nothing was ruled on.
pub(crate) fn refused(refusal: &Refusal) -> Problem {
    // Paths and what the system said are in the gateway's log, not on the network.
    let (kind, detail) = match refusal {
        Refusal::Full(_) => {
            (ProblemKind::Full, "the gateway's disk is full; keep the statements and send them again")
        }
        Refusal::Unavailable(_) => {
            (ProblemKind::Unavailable, "the log cannot take statements now; send them again")
        }
        Refusal::Unknown(_) => (
            ProblemKind::Unavailable,
            "it is unknown whether the statements were written; send them again after the restart",
        ),
    };
    Problem { retry_after_s: Some(RETRY_S), ..Problem::new(kind, detail) }
}

/// The acknowledgement, or the problem of the first statement that was not stored with what came before it.
pub(crate) fn answer(project: &str, answers: &[Answer], credit: u32) -> Result<Stored, Box<Problem>> {
    let mut stored = vec![];
    for answer in answers {
        let Answer::Stored { seq, index, leaf, .. } = answer else {
            return Err(Box::new(Problem { stored, ..problem(project, answer) }));
        };
        stored.push(StoredEntry { seq: *seq, index: *index, leaf: *leaf });
    }
    Ok(Stored { stored, credit })
}

fn problem(project: &str, answer: &Answer) -> Problem {
    match answer {
        Answer::Gap { seq, expected, head } => Problem {
            seq: Some(*seq),
            expected_seq: Some(*expected),
            head: *head,
            ..Problem::new(
                ProblemKind::Gap,
                format!("statement {seq} came, the stream goes on with {expected}; send from there"),
            )
        },
        Answer::Frozen { kid, seq } => Problem {
            seq: Some(*seq),
            ..Problem::new(
                ProblemKind::Frozen,
                format!(
                    "the stream of key {kid} is frozen since two different statements carried one number; keep \
                     the statements, the registrar of {project} must unfreeze the stream or hand it over",
                ),
            )
        },
        Answer::Equivocation { kid, seq, index } => Problem {
            seq: Some(*seq),
            ..Problem::new(
                ProblemKind::Frozen,
                format!(
                    "another statement of key {kid} is already logged as number {seq}; this one is logged as \
                     entry {index} and the stream is frozen. Was the box cloned or its spool restored? The \
                     registrar must unfreeze the stream or hand it over"
                ),
            )
        },
        Answer::Never { defect, claim } => Problem {
            seq: claim.map(|(_, seq)| seq),
            reason: Some(defect.word().to_owned()),
            ..Problem::new(ProblemKind::Quarantined, defect.to_string())
        },
        Answer::Stored { .. } => Problem::new(ProblemKind::Internal, "the statement is stored"),
    }
}

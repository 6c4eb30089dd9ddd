//! Answers and refusals as HTTP responses. Every refusal is a problem document (RFC 9457).

use crate::error::StorageError;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uplink::{Problem, ProblemKind};

/// Bytes of a refusal's text that are taken over.
const LONGEST_REASON: usize = 4096;

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Refused(pub(crate) Box<Problem>);

impl Refused {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(kind, detail)))
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Malformed, detail)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

/// A store that cannot be read. What it says goes to the program's log, not to the network.
impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        tracing::error!("{error}");
        Self::new(
            ProblemKind::Internal,
            "the gateway cannot read its store; the operator finds the reason in the gateway's log",
        )
    }
}

impl From<tokio::task::JoinError> for Refused {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!("a request failed: {error}");
        Self::new(ProblemKind::Internal, "the gateway failed at this request; it is in the gateway's log")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem = *self.0;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A problem is made of texts and numbers; its serialisation cannot fail.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(uplink::PROBLEM_TYPE));
        if let Some(seconds) = problem.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Gives refusals that the framework makes (a number that is none, a method that is not taken) the form of all
/// others.
pub(crate) async fn as_problem(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| v == uplink::PROBLEM_TYPE);
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), LONGEST_REASON).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let (kind, otherwise) = match status {
        StatusCode::NOT_FOUND => (ProblemKind::NotFound, "there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => (ProblemKind::Method, "this path takes another method"),
        StatusCode::PAYLOAD_TOO_LARGE => (ProblemKind::TooLarge, "the body is over the limit"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (ProblemKind::MediaType, "another media type is expected"),
        _ if status.is_client_error() => (ProblemKind::Malformed, "the request cannot be read"),
        _ => (ProblemKind::Internal, "the gateway failed at this request"),
    };
    let detail = if text.is_empty() { otherwise.to_owned() } else { text };
    Refused::new(kind, detail).into_response()
}

/// Bytes of a media type.
pub(crate) fn bytes(media: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// Runs reading work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work).await?
}

//! The local status page: text for people, JSON, and metrics. Reading only.

use super::board::Board;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use observation::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The page cannot be served.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for the status page: {cause}; change agent.status_listen or stop what uses it"
)]
pub(crate) struct ListenError {
    /// As configured.
    pub(crate) address: SocketAddr,
    /// What the system said.
    pub(crate) cause: std::io::Error,
}

#[derive(Clone)]
struct Page {
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
}

/// Serves until stopped. Gives the address with its real port.
pub(crate) async fn serve(
    address: SocketAddr,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<SocketAddr, ListenError> {
    let failed = |cause| ListenError { address, cause };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let pages = Router::new()
        .route("/", get(text))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .with_state(Page { board, clock });
    tokio::spawn(async move {
        let serving = axum::serve(listener, pages).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "the status page ended");
        }
    });
    Ok(bound)
}

impl Page {
    fn status(&self) -> crate::status::Status {
        self.board.status(self.clock.now().utc)
    }
}

async fn text(State(page): State<Page>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], page.status().text()).into_response()
}

/// JSON for programs, text for a browser.
async fn status(State(page): State<Page>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    if accept.starts_with("text/") {
        return text(State(page)).await;
    }
    axum::Json(page.status()).into_response()
}

async fn metrics(State(page): State<Page>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page.status().metrics()).into_response()
}

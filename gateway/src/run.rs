//! Starting and ending the gateway within a process: data directory lock, projects, listener.

use crate::api::{App, router};
use crate::error::StorageError;
use crate::identity::{Identity, IdentityError};
use crate::ops::Ops;
use crate::project::Surroundings;
use crate::settings::{self, Settings};
use config::ConfigErrors;
use observation::{Clock, Instant, Mono, Utc};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// How to run a gateway.
pub struct GatewayOptions {
    /// The data directory made by `init`.
    pub data: PathBuf,
    /// Another listen address than the configured one; port 0 takes a free port. Loopback only.
    pub listen: Option<SocketAddr>,
    /// Another interval between checkpoints than the configured one.
    pub seal_every: Option<Duration>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl GatewayOptions {
    /// As configured in a data directory, with the system's clock.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), listen: None, seal_every: None, clock: Arc::new(SystemClock::new()) }
    }
}

/// Why a gateway cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A listen address that is not allowed.
    #[error("{0}")]
    Listen(String),
    /// The keys cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A store cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Another gateway uses the directory.
    #[error("{}: another gateway runs on this data directory; end it first", .0.display())]
    Locked(PathBuf),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {detail}; another program may use the port, choose another `listen`"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// It ran and had to end: what is on disk must be read again.
    #[error("{0}. Nobody was acknowledged; start the gateway again, it reads the log anew")]
    Fatal(String),
}

/// A running gateway.
#[derive(Debug)]
pub struct GatewayHandle {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl GatewayHandle {
    /// Ends it: no new requests, what is under way is answered, everything committed is sealed.
    pub async fn shutdown(self) -> Result<(), RunError> {
        self.stop.cancel();
        self.ended().await
    }

    /// A switch that ends it; see [`Self::ended`].
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits until it has ended, by [`Self::stopper`] or because it had to.
    pub async fn ended(self) -> Result<(), RunError> {
        match self.task.await {
            Ok(result) => result,
            Err(error) => Err(RunError::Fatal(format!("the gateway failed: {error}"))),
        }
    }
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Its monotonic zero is now.
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let since = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        let utc = match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => since(after),
            Err(before) => -since(before.duration()),
        };
        let mono = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Instant { utc: Utc(utc), mono: Mono(mono) }
    }
}

/// Held as long as the gateway runs; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock(#[expect(dead_code, reason = "held, never read")] std::fs::File);

pub(crate) fn lock(data: &Path) -> Result<DirectoryLock, RunError> {
    let path = data.join("gateway.lock");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|e| StorageError::new(&path, "open", &e))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(RunError::Locked(data.to_owned())),
        Err(std::fs::TryLockError::Error(e)) => Err(StorageError::new(&path, "lock", &e).into()),
    }
}

/// Starts a gateway in this runtime and returns once it listens.
pub async fn run(options: GatewayOptions) -> Result<GatewayHandle, RunError> {
    let settings = Settings::load(&options.data.join(settings::FILE))?;
    let address = options.listen.unwrap_or(settings.listen);
    settings::loopback(&address.to_string()).map_err(RunError::Listen)?;
    let lock = lock(&options.data)?;
    let identity = Identity::load(&options.data, &settings.name)?;
    let ops = Arc::new(Ops::open(&options.data.join(crate::OPS))?);
    let (fatal, told) = mpsc::unbounded_channel();
    let around = Surroundings {
        ops,
        clock: options.clock,
        gather: settings.gather,
        seal_every: options.seal_every.unwrap_or(settings.seal_every),
        fatal,
    };
    let app = Arc::new(App::new(options.data.clone(), identity, settings.credit, around));
    app.open_all().await?;
    let listener =
        TcpListener::bind(address).await.map_err(|e| RunError::Bind { address, detail: e.to_string() })?;
    let addr = listener.local_addr().map_err(|e| RunError::Bind { address, detail: e.to_string() })?;
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(app, listener, stop.clone(), told, lock));
    Ok(GatewayHandle { addr, stop, task })
}

async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: CancellationToken,
    mut told: mpsc::UnboundedReceiver<String>,
    lock: DirectoryLock,
) -> Result<(), RunError> {
    let stopping = stop.clone();
    let server = axum::serve(listener, router(Arc::clone(&app)))
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    let fatal = tokio::select! {
        ended = server => ended.err().map(|e| format!("the listener failed: {e}")),
        // Whoever still waits for this log gets a refusal, never an acknowledgement.
        told = told.recv() => told,
    };
    stop.cancel();
    let mut tasks = std::mem::replace(&mut *app.tasks.lock().await, JoinSet::new());
    // With the projects go the senders of orders; the sequencers seal what is left and end.
    app.projects.write().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    drop(app);
    if fatal.is_some() {
        tasks.shutdown().await;
    } else {
        while tasks.join_next().await.is_some() {}
    }
    drop(lock);
    fatal.map_or(Ok(()), |text| Err(RunError::Fatal(text)))
}

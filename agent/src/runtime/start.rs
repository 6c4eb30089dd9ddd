//! Starts an agent: key, projects, spool, streams, and then every task.
//!
//! It starts whatever the links and gateways do: each failure of theirs is a status of its own. Only what would
//! make the evidence wrong keeps it from starting: no key, a genesis that does not fit, a spool in use.

use super::board::Board;
use super::core::{Core, CoreError, Work};
use super::listener;
use super::progress::Progress;
use super::project::{Project, ProjectError};
use super::reload::{Running, Spawner, keep};
use super::stream::{self, Stream, StreamError};
use super::tasks::Tasks;
use super::uplink::UplinkTask;
use super::{AgentHandle, SharedSpool, SystemClock, facts};
use crate::configuration::Configuration;
use crate::journal::Row;
use crate::keys::{self, KeyFileError};
use crate::uplink_client::{Client, ClientError};
use crate::window::{Boot, Record, What};
use evidence::key::SigningKey;
use observation::{Clock, Utc};
use spool::{Damage, Spool, StoreError};
use std::fmt;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What an agent is started with.
pub struct AgentOptions {
    /// The configuration.
    pub configuration: Configuration,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for AgentOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentOptions").field("configuration", &self.configuration).finish_non_exhaustive()
    }
}

impl AgentOptions {
    /// With the system's clocks.
    pub fn new(configuration: Configuration) -> Self {
        Self { configuration, clock: Arc::new(SystemClock::new()) }
    }
}

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The spool.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The gateway's client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No thread.
    #[error("the system gives no thread: {0}")]
    Thread(std::io::Error),
}

impl RunError {
    /// Whether the configuration is at fault rather than the environment.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Project(_)
                | Self::Key(KeyFileError::Missing { .. })
                | Self::Client(ClientError::CaFile { .. })
        )
    }
}

/// File of the spool in the data directory.
pub(crate) const SPOOL_FILE: &str = "spool.db";

/// Starts an agent. It runs until [`AgentHandle::shutdown`].
pub async fn run(options: AgentOptions) -> Result<AgentHandle, RunError> {
    let AgentOptions { configuration, clock } = options;
    let key = Arc::new(keys::load(&configuration.agent.data_dir)?);
    let projects = projects(&configuration, &key)?;
    let board = Arc::new(Board::new(&configuration, clock.now().utc));
    for project in &projects {
        board.mappings(&configuration, project);
    }
    let all_stop = CancellationToken::new();
    // The page comes first: when the rest takes its time, somebody may be looking.
    let status_address = status_page(&configuration, &board, &clock, &all_stop).await;
    let clients: Vec<Client> = projects
        .iter()
        .map(|p| Client::new(&p.uplink.gateway, p.uplink.fingerprint, p.uplink.ca_file.as_ref()))
        .collect::<Result<_, _>>()?;
    let boot = boot(&configuration, &*clock);
    let opened = {
        let (projects, boot, max) = (projects.clone(), boot.clone(), configuration.spool.max_bytes);
        let data_dir = configuration.agent.data_dir.clone();
        let open = tokio::task::spawn_blocking(move || open_streams(&data_dir, max, &projects, &boot));
        open.await.map_err(|e| RunError::Thread(std::io::Error::other(e)))??
    };
    let parts = Parts { configuration, clock, key, projects, board, all_stop, status_address, clients, boot };
    start(parts, opened)
}

/// Without its page an agent measures all the same: nobody shall lose evidence to a port in use.
async fn status_page(
    configuration: &Configuration,
    board: &Arc<Board>,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
) -> Option<std::net::SocketAddr> {
    let address = configuration.agent.status_listen?;
    match listener::serve(address, Arc::clone(board), Arc::clone(clock), stop.clone()).await {
        Ok(address) => Some(address),
        Err(error) => {
            tracing::error!(%error, "no status page");
            None
        }
    }
}

struct Parts {
    configuration: Configuration,
    clock: Arc<dyn Clock>,
    key: Arc<SigningKey>,
    projects: Vec<Arc<Project>>,
    board: Arc<Board>,
    all_stop: CancellationToken,
    status_address: Option<std::net::SocketAddr>,
    clients: Vec<Client>,
    boot: Boot,
}

pub(super) struct OpenedStreams {
    pub(super) spool: Spool,
    pub(super) streams: Vec<Stream>,
    /// The rows of the start.
    pub(super) first: Vec<(usize, Row)>,
    pub(super) progress: Progress,
    /// The newest cosigned time, UTC s.
    pub(super) trusted_s: i64,
}

pub(super) fn projects(
    configuration: &Configuration,
    key: &SigningKey,
) -> Result<Vec<Arc<Project>>, RunError> {
    let mut projects = vec![];
    for uplink in &configuration.uplinks {
        let project = Project::load(configuration, uplink, key.public())?;
        if !project.enrolled {
            tracing::warn!(
                project = project.id(),
                "this box's key is not in the genesis; statements wait until the registrar enrols it"
            );
        }
        projects.push(Arc::new(project));
    }
    Ok(projects)
}

fn boot(configuration: &Configuration, clock: &dyn Clock) -> Boot {
    let program = std::env::current_exe().ok().and_then(|path| hash_of(&path).ok());
    Boot {
        at: clock.now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        binary: program.unwrap_or_default(),
        configuration: configuration.hash,
    }
}

/// SHA-256 of a file, without holding it in memory.
fn hash_of(path: &Path) -> std::io::Result<evidence::Hash> {
    use sha2::Digest as _;
    use std::io::Read as _;

    let mut file = std::fs::File::open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Opens the spool and rebuilds every stream.
fn open_streams(
    data_dir: &Path,
    max_bytes: u64,
    projects: &[Arc<Project>],
    boot: &Boot,
) -> Result<OpenedStreams, RunError> {
    let intact = |bytes: &[u8], leaf: &spool::Hash| evidence::hash::leaf(bytes) == *leaf;
    let opened = spool::open(&data_dir.join(SPOOL_FILE), max_bytes, &intact)?;
    let spool = Spool::new(Box::new(opened.store))?;
    rebuild(spool, opened.damage.as_ref(), Progress::open(data_dir), projects, boot)
}

/// Rebuilds every stream; everything that has to be said about it is among the first rows.
pub(super) fn rebuild(
    mut spool: Spool,
    damage: Option<&Damage>,
    progress: Progress,
    projects: &[Arc<Project>],
    boot: &Boot,
) -> Result<OpenedStreams, RunError> {
    let (mut streams, mut first, mut trusted_s) = (vec![], vec![], 0);
    for (i, project) in projects.iter().enumerate() {
        let id = project.id();
        let mark = progress.mark(id);
        let stale = stream::is_stale(&mut spool, id, mark)?;
        let damage = damage.map(|damage| assess(damage, id));
        let unanchored = stale || damage.as_ref().is_some_and(|d| !d.end_known);
        // A full disk keeps no agent from starting: the note then waits with the rows of the start.
        let unsaid = unanchored && !said(&mut spool, id)?;
        let rebuilt = Stream::open(Arc::clone(project), &mut spool, mark, boot.at.utc)?;
        if rebuilt.lost || stale || damage.as_ref().is_some_and(|d| !d.journal_kept) {
            tracing::error!(
                project = id,
                "the open window could not be rebuilt; the missing time is signed as lost"
            );
            first.push((i, Row::Resume(boot.clone())));
        }
        first.push((i, Row::Record(Record::Boot(boot.clone()))));
        first.extend(damage.map(|d| (i, Row::Said(What::Note { text: d.text }))));
        let seen = spool.fact(id, facts::SEEN)?.as_deref().and_then(facts::read_seen);
        trusted_s = trusted_s.max(seen.map_or(0, |seen| seen.time));
        let mut stream = rebuilt.stream;
        stream.unanchored = unsaid;
        let cosigned = seen.map(|seen| Utc(seen.time.saturating_mul(1000)));
        if let Some(text) = far_ahead(boot.at.utc, stream.end.map(Utc).max(cosigned)) {
            tracing::warn!(project = id, text);
            stream.restepped = true;
            first.push((i, Row::Said(What::Note { text })));
        }
        streams.push(stream);
    }
    Ok(OpenedStreams { spool, streams, first, progress, trusted_s })
}

/// Notes that a stream's end is not known. Says whether the disk has taken it.
fn said(spool: &mut Spool, stream: &str) -> Result<bool, StoreError> {
    match spool.commit(&[facts::set(stream, facts::UNANCHORED, b"1")]) {
        Ok(()) => Ok(true),
        Err(error) if error.is_passing() => {
            tracing::error!(stream, %error, "nothing is signed until the disk takes what is known of the stream");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A start at which the wall clock is this far ahead of all that is known, ms, is signed as such: nothing here can
/// tell a box that was off for so long from a clock that is wrong.
const FAR_AHEAD_MS: i64 = 86_400_000;

/// What is to be said about the wall clock at a start; `known` is the newest time that is known to have passed.
fn far_ahead(shown: Utc, known: Option<Utc>) -> Option<String> {
    let known = known?;
    let ahead = shown.0.saturating_sub(known.0);
    (ahead > FAR_AHEAD_MS).then(|| {
        let hours = ahead / 3_600_000;
        format!(
            "at this start the clock showed {shown}, {hours} h after {known}, the newest time known; unless the box \
             was off so long, its clock was wrong"
        )
    })
}

/// What a damaged spool means for one stream.
struct Assessed {
    end_known: bool,
    journal_kept: bool,
    text: String,
}

fn assess(damage: &Damage, stream: &str) -> Assessed {
    // SQLite words damage in lines; a note is one.
    let cause = damage.cause.split_whitespace().collect::<Vec<_>>().join(" ");
    let kept_as = damage.kept_as.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(saved) = damage.streams.iter().find(|s| s.stream == stream) else {
        let text =
            format!("the store was damaged ({cause}) and is kept as {kept_as}; nothing could be saved");
        tracing::error!(stream, text);
        return Assessed { end_known: false, journal_kept: false, text };
    };
    let missing: Vec<String> = saved.missing.iter().map(|(a, b)| format!("{a}-{b}")).collect();
    let missing = if missing.is_empty() { "none".to_owned() } else { missing.join(", ") };
    let text = format!(
        "the store was damaged ({cause}) and is kept as {kept_as}; {} statements saved, missing: {missing}; journal {}",
        saved.statements,
        if saved.journal_kept { "saved" } else { "lost" }
    );
    tracing::error!(stream, text);
    // A hole in what waits to be sent makes the end as unknown as a missing end: the gateway's head decides.
    Assessed {
        end_known: saved.end_known && saved.missing.is_empty(),
        journal_kept: saved.journal_kept,
        text,
    }
}

fn start(parts: Parts, opened: OpenedStreams) -> Result<AgentHandle, RunError> {
    let Parts { configuration, clock, key, projects, board, all_stop, status_address, clients, boot } = parts;
    let OpenedStreams { spool, streams, first, progress, trusted_s } = opened;
    let store: SharedSpool = Arc::new(Mutex::new(spool));
    let (core_sender, incoming) = mpsc::channel();
    let (generation, generations) = watch::channel(0);
    let (trusted_sender, trusted) = watch::channel(trusted_s);
    let (ended_sender, ended) = watch::channel(None);
    let (links_stop, uplinks_closing) = (CancellationToken::new(), CancellationToken::new());
    let (link_tasks, uplink_tasks) = (TaskTracker::new(), TaskTracker::new());
    let signed: Vec<Arc<Notify>> = projects.iter().map(|_| Arc::new(Notify::new())).collect();
    let (on_link, of_point) = places(&configuration, &projects);
    let keep = keep(&configuration);
    let (every, agent) = (configuration.raw.journal, configuration.agent.id.clone());
    let data_dir = configuration.agent.data_dir.clone();
    let tasks = Tasks::new(configuration.links.len());
    let spawner = Spawner {
        clock: Arc::clone(&clock),
        core: core_sender.clone(),
        board: Arc::clone(&board),
        generation: generations,
        stop: links_stop.clone(),
        tracker: link_tasks.clone(),
    };
    let (mut receipts, mut links) = (vec![], vec![]);
    for link in 0..configuration.links.len() {
        let (receipt_sender, receipt_receiver) = tokio::sync::mpsc::unbounded_channel();
        receipts.push(receipt_sender);
        links.push(spawner.spawn(&configuration, link, link, receipt_receiver));
    }
    for (index, (project, client)) in projects.iter().zip(clients).enumerate() {
        let task = UplinkTask {
            index,
            project: Arc::clone(project),
            kid: key.public().kid(),
            client,
            store: Arc::clone(&store),
            core: core_sender.clone(),
            board: Arc::clone(&board),
            clock: Arc::clone(&clock),
            signed: Arc::clone(&signed[index]),
            trusted: trusted_sender.clone(),
            closing: uplinks_closing.clone(),
            stop: all_stop.clone(),
        };
        uplink_tasks.spawn(task.run());
    }
    let core = Core {
        streams,
        store,
        clock: Arc::clone(&clock),
        board: Arc::clone(&board),
        incoming,
        tasks: tasks.clone(),
        receipts,
        on_link,
        of_point,
        key: Arc::clone(&key),
        agent,
        every,
        keep,
        progress,
        generation,
        signed,
        boot,
        trusted,
        work: Work { awake: Some(super::clock::awake_ms), ..Work::default() },
    };
    let thread = std::thread::Builder::new().name("core".to_owned());
    let begun = thread.spawn(move || {
        let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| core.run(first)));
        let failure = match end {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(failure(&data_dir, &error)),
            Err(_) => Some("its core ended by a panic, which is a fault of this program".to_owned()),
        };
        if let Some(failure) = failure {
            tracing::error!(failure, "the agent cannot go on");
            ended_sender.send_replace(Some(failure));
        }
    });
    begun.map_err(RunError::Thread)?;
    let running = Running { configuration, projects, key, tasks, links, spawner };
    Ok(AgentHandle {
        running: tokio::sync::Mutex::new(running),
        board,
        clock,
        status_address,
        core: core_sender,
        ended,
        links_stop,
        uplinks_closing,
        all_stop,
        link_tasks,
        uplink_tasks,
    })
}

/// Words for an end of the core. A damaged spool is condemned, so that the next start moves it aside even if
/// its first look does not see the damage.
fn failure(data_dir: &Path, error: &CoreError) -> String {
    let store = match error {
        CoreError::Store(e) | CoreError::Stream(StreamError::Store(e)) => Some(e),
        _ => None,
    };
    if let Some(StoreError::Damaged { path, detail }) = store
        && let Err(e) = spool::condemn(&data_dir.join(SPOOL_FILE), detail)
    {
        tracing::error!(path = %path.display(), error = %e, "the damaged spool cannot be marked");
    }
    error.to_string()
}

/// Streams on each link, and the stream of each point.
pub(super) fn places(
    configuration: &Configuration,
    projects: &[Arc<Project>],
) -> (Vec<Vec<usize>>, Vec<Option<usize>>) {
    let mut on_link = vec![vec![]; configuration.links.len()];
    let mut of_point = vec![];
    for (i, project) in projects.iter().enumerate() {
        for machine in &project.plan.machines {
            for point in &machine.points {
                let link = usize::try_from(point.link.0).unwrap_or(usize::MAX);
                if let Some(streams) = on_link.get_mut(link)
                    && !streams.contains(&i)
                {
                    streams.push(i);
                }
                let at = usize::try_from(point.id.0).unwrap_or(usize::MAX);
                if of_point.len() <= at {
                    of_point.resize(at + 1, None);
                }
                of_point[at] = Some(i);
            }
        }
    }
    (on_link, of_point)
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;

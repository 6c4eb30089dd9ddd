//! Owns a link as the agent does: connects, reads, acknowledges, drops at the first error, pauses, connects again.

use observation::{Clock, Instant, Mono, Observation, PointId, Quality, Utc};
use protocols::backoff::Backoff;
use protocols::{Link, LinkError, Source};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::task::AbortOnDropHandle;

/// Longest wait for anything; only failures ever wait that long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// No pause is longer: a foreign server takes seconds to come back, and a test has no half a minute to find it there.
const PAUSE: Duration = Duration::from_secs(1);

/// Something the link has said.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Number of the attempt to connect.
    pub(crate) session: usize,
    pub(crate) told: Told,
}

/// What.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Observed(Observation),
    Over(LinkError),
    /// The protocol's code panicked where nothing catches it.
    Panicked,
}

impl Heard {
    /// An observation that is good, and its point.
    pub(crate) fn good(&self) -> Option<&Observation> {
        match &self.told {
            Told::Observed(o) if o.quality.is_good() => Some(o),
            _ => None,
        }
    }

    /// It says that this point is not known any more.
    pub(crate) fn tells_bad(&self, point: u32) -> bool {
        match &self.told {
            Told::Observed(o) => o.point == PointId(point) && matches!(o.quality, Quality::Bad(_)),
            Told::Over(_) | Told::Panicked => true,
        }
    }
}

/// Everything the link has said, in order.
#[derive(Default)]
pub(crate) struct Book {
    lines: Mutex<Vec<Heard>>,
    more: Condvar,
}

impl Book {
    fn add(&self, session: usize, told: Told) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(Heard { session, told });
        self.more.notify_all();
    }

    pub(crate) fn length(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn all(&self) -> Vec<Heard> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until what was heard from line `from` on is what is waited for.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, from: usize, holds: impl Fn(&[Heard]) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        while !holds(&lines[from.min(lines.len())..]) {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            assert!(
                !left.is_zero(),
                "never: {what}; heard last: {:#?}",
                &lines[lines.len().saturating_sub(6)..]
            );
            // What is waited for may also depend on what is not in the book.
            let pause = left.min(Duration::from_millis(50));
            lines = self.more.wait_timeout(lines, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The system's clocks.
struct Wall(std::time::Instant);

/// UTC, µs.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

impl Clock for Wall {
    fn now(&self) -> Instant {
        let mono = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        Instant { utc: Utc(now_us().div_euclid(1000)), mono: Mono(mono) }
    }
}

/// A link at work. It ends with this value.
pub(crate) struct Owner {
    runtime: Option<tokio::runtime::Runtime>,
    pub(crate) book: Arc<Book>,
}

impl Owner {
    pub(crate) fn start(link: Box<dyn Link>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let book = Arc::new(Book::default());
        runtime.spawn(own(Arc::from(link), Arc::clone(&book)));
        Self { runtime: Some(runtime), book }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(PATIENCE);
        }
    }
}

async fn own(link: Arc<dyn Link>, book: Arc<Book>) {
    let clock: Arc<dyn Clock> = Arc::new(Wall(std::time::Instant::now()));
    let mut backoff = Backoff::new(7);
    for session in 0.. {
        let before = book.length();
        let (theirs, clock, lines) = (Arc::clone(&link), Arc::clone(&clock), Arc::clone(&book));
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            match theirs.connect(clock).await {
                Ok(source) => read(source, session, &lines).await,
                Err(error) => error,
            }
        }));
        let told = task.await.map_or(Told::Panicked, Told::Over);
        if book.all()[before..].iter().any(|h| h.good().is_some()) {
            // The agent wants a session to prove itself for longer; a test has not so much time.
            backoff.succeeded();
        }
        book.add(session, told);
        tokio::time::sleep(backoff.failed().min(PAUSE)).await;
    }
}

async fn read(mut source: Box<dyn Source>, session: usize, book: &Book) -> LinkError {
    loop {
        let batch = match source.next().await {
            Ok(batch) => batch,
            Err(error) => return error,
        };
        for observation in batch.observations {
            book.add(session, Told::Observed(observation));
        }
        if let Some(receipt) = batch.receipt
            && let Err(error) = source.acknowledge(receipt).await
        {
            return error;
        }
    }
}

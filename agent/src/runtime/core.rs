//! The core thread: the only one that feeds the window engines, numbers statements and writes the journal.
//!
//! ```text
//!  news of links ─▶ inputs ─(step)─▶ row ─commit 1─▶ engine ─▶ outputs ─(sign)─commit 2─▶ uplink
//!                                          │
//!                                          └─▶ receipts go back to their links
//! ```
//!
//! *Commit 1*, every `raw.journal`: a crash before it loses what came in since the last; the points are unknown
//! for that time. A crash after it loses nothing. *Commit 2*: a crash before it leaves the windows unsigned and
//! all their rows in place; the same windows are signed again at the next start, and nobody has seen the first
//! signature. A crash after it leaves a statement that is sent at the next start.
//!
//! When a commit fails because the disk is full, rows wait in memory up to [`BACKLOG_BYTES`]. Beyond that they
//! are given up, and as soon as something can be written again the loss is written first.

use super::SharedSpool;
use super::board::Board;
use super::facts;
use super::links::{Input as Incoming, Message, News};
use super::progress::Progress;
use super::stream::{Stream, StreamError};
use super::tasks::Tasks;
use crate::failpoint;
use crate::journal::{self, Row};
use crate::window::{Boot, Input, LinkIndex, Output, Record, What};
use evidence::key::SigningKey;
use observation::{Clock, Instant, Utc};
use protocols::Receipt;
use spool::keep::Keep;
use spool::{Change, StoreError};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Rows that wait for the disk, bytes.
const BACKLOG_BYTES: usize = 4 << 20;
/// Inputs gathered before a step is made early.
const EARLY_STEP: usize = 20_000;
/// From this on, ms, time in which the box was not awake is a suspension; less is how the clocks are read.
const SUSPENDED_MS: u64 = 1000;
/// How often what may go is pruned.
const MAINTENANCE: Duration = Duration::from_mins(1);

/// Why the core ended.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A statement cannot be made: a fault of this program.
    #[error("a statement cannot be sealed: {0}; this is a fault of the program")]
    Seal(#[from] evidence::EncodeError),
}

/// Everything the thread owns.
pub(crate) struct Core {
    pub(crate) streams: Vec<Stream>,
    pub(crate) store: SharedSpool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) board: Arc<Board>,
    pub(crate) incoming: mpsc::Receiver<Incoming>,
    /// Where news of links belongs.
    pub(crate) tasks: Tasks,
    /// One a task.
    pub(crate) receipts: Vec<tokio::sync::mpsc::UnboundedSender<Receipt>>,
    /// Streams that have a point on the link, by link.
    pub(crate) on_link: Vec<Vec<usize>>,
    /// Stream of each point, by point id.
    pub(crate) of_point: Vec<Option<usize>>,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) agent: String,
    pub(crate) every: Duration,
    pub(crate) keep: Keep,
    pub(crate) progress: Progress,
    pub(crate) generation: watch::Sender<u64>,
    /// Woken when a stream has a new statement, by project.
    pub(crate) signed: Vec<Arc<Notify>>,
    /// The start, for resumptions.
    pub(crate) boot: Boot,
    /// The newest cosigned time of any log, UTC s: what pruning by age trusts.
    pub(crate) trusted: watch::Receiver<i64>,
    pub(crate) work: Work,
}

/// What the thread is in the middle of.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Rows that are not committed, in order, by stream.
    pub(super) rows: Vec<(usize, Row, Vec<u8>)>,
    pub(super) row_bytes: usize,
    /// Receipts to give back after the commit.
    pub(super) owed: Vec<(usize, Receipt)>,
    pub(super) buffered: usize,
    /// A peer sends nothing more before it is acknowledged.
    pub(super) pressing: bool,
    /// The start stands in the journal.
    pub(super) begun: bool,
    /// Observations are being lost since this moment.
    pub(super) losing: Option<Utc>,
    pub(super) lost: u64,
    pub(super) trouble: Option<String>,
    /// Tells how long the box has been awake, ms; none where monotonic time does not count suspensions.
    pub(super) awake: Option<fn() -> u64>,
    /// The monotonic clock and the time awake, ms, at the last step.
    pub(super) seen_awake: Option<(u64, u64)>,
}

impl Core {
    /// Runs until it is told to stop, or the store fails for good. `first` are the rows of the start.
    pub(crate) fn run(mut self, first: Vec<(usize, Row)>) -> Result<(), CoreError> {
        self.begin(first)?;
        let mut next_step = std::time::Instant::now() + self.every;
        let mut next_maintenance = std::time::Instant::now() + self.every;
        loop {
            let wait = next_step.saturating_duration_since(std::time::Instant::now());
            match self.incoming.recv_timeout(wait) {
                Ok(Incoming::Link(message)) => self.take(message),
                Ok(Incoming::Switch(switch)) => self.switch(*switch)?,
                Ok(Incoming::Command(command)) => {
                    if let Some(done) = self.obey(command)? {
                        self.finish()?;
                        // Nobody may be waiting any more.
                        let _ = done.send(true);
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
            let now = std::time::Instant::now();
            if now >= next_step || self.work.buffered >= EARLY_STEP || self.work.pressing {
                self.step()?;
                next_step = now + self.every;
            }
            if now >= next_maintenance {
                self.maintain()?;
                next_maintenance = now + MAINTENANCE;
            }
        }
    }

    pub(super) fn begin(&mut self, first: Vec<(usize, Row)>) -> Result<(), CoreError> {
        for (stream, row) in first {
            self.queue(stream, row);
        }
        self.commit_rows()
    }

    /// Sorts a link's news to the streams it concerns.
    pub(super) fn take(&mut self, message: Message) {
        // A task that was replaced has nothing to say any more.
        let Some(link) = self.tasks.link(message.task) else { return };
        let index = LinkIndex(u32::try_from(link).unwrap_or(u32::MAX));
        let everybody = |core: &mut Self, input: &dyn Fn() -> Input| {
            for &stream in &core.on_link[link] {
                core.streams[stream].inputs.push(input());
            }
        };
        match message.news {
            News::Up(at) => everybody(self, &|| Input::Up(index, at)),
            News::Down(at, lost) => {
                everybody(self, &|| Input::Down(index, at));
                self.observe(index, self.tasks.translated(message.task, lost));
            }
            News::Batch(batch) => {
                self.observe(index, self.tasks.translated(message.task, batch.observations));
                if let Some(at) = batch.alive {
                    everybody(self, &|| Input::Alive(index, at));
                }
                self.work.pressing |= batch.receipt.is_some_and(Receipt::is_at_once);
                self.work.owed.extend(batch.receipt.map(|receipt| (message.task, receipt)));
            }
        }
    }

    fn observe(&mut self, link: LinkIndex, observations: Vec<observation::Observation>) {
        self.work.buffered += observations.len();
        for observation in observations {
            let stream = usize::try_from(observation.point.0).ok().and_then(|i| *self.of_point.get(i)?);
            if let Some(stream) = stream {
                self.streams[stream].inputs.push(Input::Observed(link, observation));
            }
        }
    }

    /// Makes one record of everything since the last step and commits it.
    pub(super) fn step(&mut self) -> Result<(), CoreError> {
        let until = self.clock.now();
        self.work.buffered = 0;
        self.work.pressing = false;
        self.notice_suspension(until);
        for i in 0..self.streams.len() {
            let inputs = std::mem::take(&mut self.streams[i].inputs);
            let observed = inputs.iter().filter_map(|input| match input {
                Input::Observed(_, observation) => Some(observation),
                _ => None,
            });
            self.board.observed(observed);
            match self.work.losing {
                None => self.queue(i, Row::Record(Record::Step { inputs, until })),
                Some(_) => self.work.lost += count(inputs.len()),
            }
        }
        if let Some(since) = self.work.losing {
            self.queue_resumption(since, until);
        }
        self.commit_rows()?;
        for i in 0..self.streams.len() {
            self.archive(i)?;
            self.sign(i, false)?;
        }
        self.tell_board();
        Ok(())
    }

    /// Time that passed while the box was suspended is down time: nothing was read, and nothing heard before it is
    /// believed after it. Every session begins anew.
    fn notice_suspension(&mut self, now: Instant) {
        let Some(awake) = self.work.awake.map(|awake| awake()) else { return };
        let Some((mono, before)) = self.work.seen_awake.replace((now.mono.0, awake)) else { return };
        let suspended = now.mono.0.saturating_sub(mono).saturating_sub(awake.saturating_sub(before));
        if suspended < SUSPENDED_MS || !self.work.begun || self.work.losing.is_some() {
            return;
        }
        let text = format!("the box was suspended for {} s until {}", suspended / 1000, now.utc);
        tracing::warn!(text);
        for i in 0..self.streams.len() {
            self.queue(i, Row::Suspended(Boot { at: now, ..self.boot.clone() }));
            self.queue(i, Row::Said(What::Note { text: text.clone() }));
        }
        self.generation.send_modify(|generation| *generation += 1);
    }

    pub(super) fn queue(&mut self, stream: usize, row: Row) {
        let mut bytes = vec![];
        journal::encode(&row, &mut bytes);
        self.work.row_bytes += bytes.len();
        self.work.rows.push((stream, row, bytes));
    }

    /// The rows that begin anew after a loss, in place of all that could not be kept.
    fn queue_resumption(&mut self, since: Utc, now: Instant) {
        self.work.rows.clear();
        self.work.row_bytes = 0;
        let text = format!("observations from {since} to {} could not be kept: the disk was full", now.utc);
        for i in 0..self.streams.len() {
            let boot = Boot { at: now, ..self.boot.clone() };
            self.queue(i, Row::Resume(boot.clone()));
            if !self.work.begun {
                self.queue(i, Row::Record(Record::Boot(boot)));
            }
            self.queue(i, Row::Said(What::Note { text: text.clone() }));
        }
    }

    /// Commits the rows that wait, applies them, and gives receipts back.
    pub(super) fn commit_rows(&mut self) -> Result<(), CoreError> {
        let rows = std::mem::take(&mut self.work.rows);
        failpoint::hit("journal.before_commit");
        let result = self.write_rows(&rows, &[]);
        failpoint::hit("journal.after_commit");
        match result {
            Ok(()) => {
                self.applied(rows);
                self.work.trouble = None;
                if self.work.losing.take().is_some() {
                    self.board.keeping(None, std::mem::take(&mut self.work.lost), false);
                    tracing::warn!("observations can be kept again");
                    self.generation.send_modify(|generation| *generation += 1);
                }
                Ok(())
            }
            Err(error) if error.is_passing() => {
                self.keep_waiting(rows, &error);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_rows(&self, rows: &[(usize, Row, Vec<u8>)], more: &[Change<'_>]) -> Result<(), StoreError> {
        let mut next: Vec<u64> = self.streams.iter().map(|s| s.next).collect();
        let mut changes = more.to_vec();
        let unanchored = self.streams.iter().filter(|s| s.unanchored);
        changes.extend(unanchored.map(|s| facts::set(s.project.id(), facts::UNANCHORED, b"1")));
        for (stream, _, row) in rows {
            let position = next[*stream];
            next[*stream] += 1;
            changes.push(Change::Journal { stream: self.streams[*stream].project.id(), position, row });
        }
        if changes.is_empty() { Ok(()) } else { lock(&self.store).commit(&changes) }
    }

    fn applied(&mut self, rows: Vec<(usize, Row, Vec<u8>)>) {
        for (i, row, bytes) in rows {
            let stream = &mut self.streams[i];
            stream.raw.push(&bytes, stream.moment(&row));
            stream.apply(&row);
            stream.next += 1;
            if let Row::Record(Record::Step { mut inputs, .. }) = row {
                // The buffer is used again, so that a steady state allocates none.
                inputs.clear();
                if stream.inputs.capacity() < inputs.capacity() && stream.inputs.is_empty() {
                    stream.inputs = inputs;
                }
            }
        }
        for stream in &mut self.streams {
            stream.unanchored = false;
        }
        self.work.begun = true;
        self.work.row_bytes = 0;
        for (task, receipt) in self.work.owed.drain(..) {
            // A link that is gone has nobody to acknowledge to; its peer delivers again.
            let _ = self.receipts[task].send(receipt);
        }
    }

    /// Keeps the rows for the next attempt, or gives them up when they are too many.
    fn keep_waiting(&mut self, rows: Vec<(usize, Row, Vec<u8>)>, error: &StoreError) {
        if self.work.trouble.is_none() {
            tracing::error!(%error, "observations cannot be written; they wait in memory");
        }
        self.work.trouble = Some(error.to_string());
        if self.work.losing.is_some() {
            return;
        }
        if self.work.row_bytes <= BACKLOG_BYTES {
            self.work.rows = rows;
            return;
        }
        let oldest = rows.first().map(|(stream, row, _)| self.streams[*stream].moment(row));
        self.work.losing = Some(Utc(oldest.unwrap_or(self.clock.now().utc.0)));
        for (_, row, _) in &rows {
            if let Row::Record(Record::Step { inputs, .. }) = row {
                self.work.lost += count(inputs.len());
            }
        }
        self.work.row_bytes = 0;
        // What was never kept is not acknowledged; the sessions begin anew after the loss.
        self.work.owed.clear();
        tracing::error!("observations are being lost; the loss will be signed");
    }

    /// Prunes what may go, and signs what went before its time.
    pub(super) fn maintain(&mut self) -> Result<(), CoreError> {
        if !self.work.rows.is_empty() || self.work.losing.is_some() {
            return Ok(());
        }
        // Age is told by the log's cosigned time alone: a wall clock that jumps must not delete anything.
        let trusted_ms = self.trusted.borrow().saturating_mul(1000);
        let prunable = lock(&self.store).prunable(&self.keep, trusted_ms)?;
        let usage = lock(&self.store).usage()?;
        self.board.store(&usage);
        if prunable.is_empty() {
            return Ok(());
        }
        let mut rows = vec![];
        for lost in &prunable.lost_raw {
            let Some(stream) = self.streams.iter().position(|s| s.project.id() == lost.stream) else {
                continue;
            };
            let text = format!(
                "raw blocks {} to {} ({} to {}) were deleted before their retention: raw.max_bytes was reached",
                lost.first,
                lost.last,
                Utc(lost.from_ms),
                Utc(lost.to_ms)
            );
            tracing::warn!(project = lost.stream, text);
            let row = Row::Said(What::Note { text });
            let mut bytes = vec![];
            journal::encode(&row, &mut bytes);
            rows.push((stream, row, bytes));
        }
        match self.write_rows(&rows, &prunable.changes()) {
            Ok(()) => self.applied(rows),
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Writes and signs everything there is: the last observations, a shorter batch, events of the open window.
    /// The open window itself stays in the engine's memory and is closed at the next start.
    pub(super) fn finish(mut self) -> Result<(), CoreError> {
        while let Ok(incoming) = self.incoming.try_recv() {
            if let Incoming::Link(message) = incoming {
                self.take(message);
            }
        }
        self.step()?;
        for i in 0..self.streams.len() {
            self.streams[i].engine.finish();
            self.sign(i, true)?;
            let stream = &mut self.streams[i];
            let events: Vec<Output> =
                stream.engine.take_pending_events().into_iter().map(Output::Event).collect();
            stream.engine.put_back(events);
            self.sign(i, true)?;
            self.remember(i)?;
        }
        Ok(())
    }

    fn tell_board(&self) {
        let mut disbelieved = false;
        for stream in &self.streams {
            let ids = stream.project.plan.machines.iter().map(|m| m.id.as_str());
            self.board.states(stream.project.id(), ids.zip(stream.engine.current()));
            disbelieved |= stream.engine.disbelieves_wall_clock();
        }
        let trouble = match (&self.work.trouble, self.work.losing) {
            (Some(trouble), Some(since)) => {
                Some(format!("{trouble} (正在丢失观测值 · losing observations since {since})"))
            }
            (trouble, _) => trouble.clone(),
        };
        let trouble = trouble.or_else(|| self.streams.iter().find_map(|s| s.trouble.clone()));
        self.board.keeping(trouble, 0, disbelieved);
    }
}

/// A panic of another thread leaves the spool as its last commit did; it may be used on.
pub(super) fn lock(store: &SharedSpool) -> std::sync::MutexGuard<'_, spool::Spool> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;

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

use super::board::Board;
use super::facts;
use super::links::{Input as Incoming, Message, News};
use super::progress::{Mark, Progress};
use super::stream::{Stream, StreamError};
use super::{SharedSpool, clock};
use crate::failpoint;
use crate::journal::{self, Row};
use crate::statement::{self, Context};
use crate::window::{Boot, Input, LinkIndex, Output, Record, What};
use evidence::key::SigningKey;
use evidence::payload::{Place, RawCommitment};
use evidence::statement::{Payload, Role, seal};
use observation::{Clock, Instant, Utc};
use protocols::Receipt;
use spool::keep::Keep;
use spool::{Change, StoreError};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};

/// Rows that wait for the disk, bytes.
const BACKLOG_BYTES: usize = 4 << 20;
/// Inputs gathered before a step is made early.
const EARLY_STEP: usize = 20_000;
/// Windows times machines that may wait to be signed, while nothing can be signed.
const WAITING_WINDOWS: usize = 20_000;
/// The engine's memory is stored without a statement when the journal has grown by this, bytes.
const JOURNAL_BYTES: u64 = 32 << 20;
/// How often what may go is pruned.
const MAINTENANCE: Duration = Duration::from_mins(1);
/// Longest pause between attempts to store a statement, ms.
const RETRY_MS: u64 = 60_000;

/// What an uplink asks the core to do; answered when it is durable.
#[derive(Debug)]
pub(crate) struct Command {
    /// Position of the project.
    pub(crate) project: usize,
    /// What.
    pub(crate) order: Order,
    /// Whether it was done.
    pub(crate) done: oneshot::Sender<bool>,
}

/// See [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The gateway's head decides where the stream goes on; what is lost by that is signed.
    GoOn(GoOn),
    /// The stream's end is what the spool says.
    Anchored,
    /// Stop after writing everything.
    Stop,
}

/// Where a stream goes on, and what is lost by that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GoOn {
    /// The next number.
    pub(crate) seq: u64,
    /// Leaf of the statement before it.
    pub(crate) prev: Option<spool::Hash>,
    /// The first number to send.
    pub(crate) send_from: u64,
    /// What is signed about it.
    pub(crate) note: String,
    /// Windows of statements that cannot be sent, UTC ms.
    pub(crate) lost: Option<(i64, i64)>,
    /// End of the last window before the break, UTC ms: from there to the first that is still to be signed all
    /// is lost.
    pub(crate) lost_from: Option<i64>,
}

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
    /// One a link.
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
    rows: Vec<(usize, Row, Vec<u8>)>,
    row_bytes: usize,
    /// Receipts to give back after the commit.
    owed: Vec<(usize, Receipt)>,
    buffered: usize,
    /// The start stands in the journal.
    begun: bool,
    /// Observations are being lost since this moment.
    losing: Option<Utc>,
    lost: u64,
    trouble: Option<String>,
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
            if now >= next_step || self.work.buffered >= EARLY_STEP {
                self.step()?;
                next_step = now + self.every;
            }
            if now >= next_maintenance {
                self.maintain()?;
                next_maintenance = now + MAINTENANCE;
            }
        }
    }

    fn begin(&mut self, first: Vec<(usize, Row)>) -> Result<(), CoreError> {
        for (stream, row) in first {
            self.queue(stream, row);
        }
        self.commit_rows()
    }

    /// Sorts a link's news to the streams it concerns.
    fn take(&mut self, message: Message) {
        let link = message.link;
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
                self.observe(index, lost);
            }
            News::Batch(batch) => {
                self.observe(index, batch.observations);
                if let Some(at) = batch.alive {
                    everybody(self, &|| Input::Alive(index, at));
                }
                self.work.owed.extend(batch.receipt.map(|receipt| (link, receipt)));
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
    fn step(&mut self) -> Result<(), CoreError> {
        let until = self.clock.now();
        self.work.buffered = 0;
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

    fn queue(&mut self, stream: usize, row: Row) {
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
    fn commit_rows(&mut self) -> Result<(), CoreError> {
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
        self.work.begun = true;
        self.work.row_bytes = 0;
        for (link, receipt) in self.work.owed.drain(..) {
            // A link that is gone has nobody to acknowledge to; its peer delivers again.
            let _ = self.receipts[link].send(receipt);
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

    /// Closes a raw block when enough rows wait for one.
    fn archive(&mut self, i: usize) -> Result<(), CoreError> {
        let stream = &mut self.streams[i];
        if !stream.raw.is_full() {
            return Ok(());
        }
        let Some(block) = stream.block()? else { return Ok(()) };
        let leaves = stream.leaves_with(Some(&block));
        let fact = facts::raw(stream.next, &leaves);
        let id = stream.project.id();
        let mut spool = lock(&self.store);
        let number = spool.stream(id)?.raw_next;
        let changes = [raw_change(id, number, &block), facts::set(id, facts::RAW, &fact)];
        match spool.commit(&changes) {
            Ok(()) => {
                stream.raw.clear();
                stream.leaves = leaves;
                Ok(())
            }
            // The rows stay in the journal; they are archived later.
            Err(error) if error.is_passing() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Signs and stores every statement that is due, and takes care that what cannot be stored stays bounded.
    fn sign(&mut self, i: usize, flush: bool) -> Result<(), CoreError> {
        let now = self.clock.now();
        if self.streams[i].retry_at > now.mono.0 && !flush {
            return self.bound(i);
        }
        while let Some(result) = self.sign_one(i, flush, now)? {
            let stream = &mut self.streams[i];
            match result {
                Ok(()) => {
                    (stream.failures, stream.retry_at, stream.trouble) = (0, 0, None);
                    self.signed[i].notify_one();
                }
                Err(error) => {
                    stream.failures = stream.failures.saturating_add(1);
                    let pause = 1000_u64.saturating_mul(1 << stream.failures.min(6)).min(RETRY_MS);
                    stream.retry_at = now.mono.0.saturating_add(pause);
                    stream.trouble = Some(error.to_string());
                    tracing::error!(project = stream.project.id(), %error, "a statement cannot be stored; its windows wait");
                    break;
                }
            }
        }
        self.bound(i)
    }

    /// One statement, if one is due: drafted, sealed and stored in one commit with everything it rests on.
    fn sign_one(
        &mut self,
        i: usize,
        flush: bool,
        now: Instant,
    ) -> Result<Option<Result<(), StoreError>>, CoreError> {
        let stream = &mut self.streams[i];
        let project = Arc::clone(&stream.project);
        let id = project.id();
        let mut context = Context {
            place: Place::default(),
            boot_epoch: stream.boot_epoch,
            clock: clock::claim(now.mono, stream.restepped || stream.engine.disbelieves_wall_clock()),
            checkpoint: None,
            raw: RawCommitment::default(),
            definitions: project.definitions,
        };
        if statement::next(stream.engine.outputs(), &project.shape, &context, flush).is_none() {
            return Ok(None);
        }
        let mut spool = lock(&self.store);
        if spool.fact(id, facts::UNANCHORED)?.is_some() {
            return Ok(None);
        }
        let head = spool.stream(id)?;
        context.place = Place { seq: head.next_seq, prev: head.head };
        context.checkpoint = spool.fact(id, facts::SEEN)?.as_deref().and_then(facts::read_seen);
        let block = stream.block()?;
        let leaves = stream.leaves_with(block.as_ref());
        context.raw = Stream::commitment(&leaves);
        let Some(draft) = statement::next(stream.engine.outputs(), &project.shape, &context, flush) else {
            return Ok(None);
        };
        // Only window statements commit to raw blocks; after an event statement the leaves still wait.
        let kept = if matches!(draft.payload, Payload::Window(_)) { vec![] } else { leaves };
        let bytes =
            seal(&self.key, Role::Agent, &self.agent, id, now.utc.0.div_euclid(1000), &draft.payload)?;
        let leaf = evidence::hash::leaf(&bytes);
        let taken = stream.engine.take(draft.outputs);
        let end = taken.iter().rev().find_map(end_of(i64::from(project.plan.step_ms)));
        let snapshot = facts::memory(stream.next, &stream.engine.snapshot().map_err(StreamError::from)?);
        let raw_fact = facts::raw(stream.next, &kept);
        let end_fact = end.map(i64::to_be_bytes);
        let epoch = stream.boot_epoch.to_be_bytes();
        let mut changes = vec![
            Change::Statement {
                stream: id,
                seq: head.next_seq,
                prev: head.head,
                leaf,
                at_ms: now.utc.0,
                bytes: &bytes,
            },
            facts::set(id, facts::MEMORY, &snapshot),
            facts::set(id, facts::RAW, &raw_fact),
            facts::set(id, facts::EPOCH, &epoch),
        ];
        changes.extend(end_fact.as_ref().map(|end| facts::set(id, facts::END, end)));
        changes.extend(block.as_ref().map(|block| raw_change(id, head.raw_next, block)));
        changes.extend(stream.next.checked_sub(1).map(|through| Change::Trim { stream: id, through }));
        let before = self.progress.mark(id);
        let mark = Mark { next_seq: head.next_seq + 1, end_ms: end.or(before.and_then(|m| m.end_ms)) };
        if let Err(error) = self.progress.note(id, mark) {
            tracing::warn!(%error, "progress.json cannot be written");
        }
        failpoint::hit("statement.before_spool");
        let result = spool.commit(&changes);
        failpoint::hit("statement.after_spool");
        match result {
            Ok(()) => {
                stream.raw.clear();
                stream.leaves = kept;
                stream.restepped = false;
                stream.end = end.or(stream.end);
                self.board.project(id, |p| {
                    p.next_seq = head.next_seq + 1;
                    p.signed_until = end.map_or(p.signed_until, |end| end / 1000);
                });
                Ok(Some(Ok(())))
            }
            Err(error) if error.is_passing() => {
                stream.engine.put_back(taken);
                Ok(Some(Err(error)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps memory and journal bounded while nothing can be signed: the oldest windows are given up and signed
    /// as lost, and the engine's memory is stored so that the journal can be trimmed.
    fn bound(&mut self, i: usize) -> Result<(), CoreError> {
        let stream = &mut self.streams[i];
        let waiting = stream.waiting();
        let lossy = waiting > WAITING_WINDOWS;
        if lossy {
            let windows = stream.engine.outputs().len() / 2;
            tracing::error!(
                project = stream.project.id(),
                windows,
                "windows are given up; the loss will be signed"
            );
            stream.lose_oldest(windows);
        }
        let id = stream.project.id().to_owned();
        let journal_bytes = lock(&self.store).stream(&id)?.journal_bytes;
        if lossy || journal_bytes > JOURNAL_BYTES { self.remember(i) } else { Ok(()) }
    }

    /// Stores the engine's memory without a statement.
    fn remember(&mut self, i: usize) -> Result<(), CoreError> {
        self.remember_with(i, &[]).map(|_| ())
    }

    /// Stores the engine's memory together with other changes. Says whether the disk took it.
    fn remember_with(&mut self, i: usize, more: &[Change<'_>]) -> Result<bool, CoreError> {
        let stream = &mut self.streams[i];
        let project = Arc::clone(&stream.project);
        let id = project.id();
        let block = stream.block()?;
        let leaves = stream.leaves_with(block.as_ref());
        let snapshot = facts::memory(stream.next, &stream.engine.snapshot().map_err(StreamError::from)?);
        let raw_fact = facts::raw(stream.next, &leaves);
        let mut spool = lock(&self.store);
        let number = spool.stream(id)?.raw_next;
        let mut changes = more.to_vec();
        changes.extend([facts::set(id, facts::MEMORY, &snapshot), facts::set(id, facts::RAW, &raw_fact)]);
        changes.extend(block.as_ref().map(|block| raw_change(id, number, block)));
        changes.extend(stream.next.checked_sub(1).map(|through| Change::Trim { stream: id, through }));
        match spool.commit(&changes) {
            Ok(()) => {
                stream.raw.clear();
                stream.leaves = leaves;
                Ok(true)
            }
            Err(error) if error.is_passing() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Prunes what may go, and signs what went before its time.
    fn maintain(&mut self) -> Result<(), CoreError> {
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

    /// Does what an uplink asks. Gives the answer's sender back when it was the order to stop.
    fn obey(&mut self, command: Command) -> Result<Option<oneshot::Sender<bool>>, CoreError> {
        let Command { project, order, done } = command;
        let answer = match order {
            Order::Stop => return Ok(Some(done)),
            Order::Anchored => {
                let id = self.streams[project].project.id();
                match lock(&self.store).commit(&[facts::unset(id, facts::UNANCHORED)]) {
                    Err(error) if !error.is_passing() => return Err(error.into()),
                    result => result.is_ok(),
                }
            }
            Order::GoOn(go_on) => self.go_on(project, &go_on)?,
        };
        // Nobody may be waiting any more.
        let _ = done.send(answer);
        Ok(None)
    }

    /// Lets a stream go on where the gateway's head allows. The engine's memory is stored in the same commit, so
    /// that what is lost is said exactly once, whatever happens next.
    fn go_on(&mut self, i: usize, go_on: &GoOn) -> Result<bool, CoreError> {
        self.commit_rows()?;
        if !self.work.rows.is_empty() || self.work.losing.is_some() {
            return Ok(false);
        }
        let project = Arc::clone(&self.streams[i].project);
        let stream = &mut self.streams[i];
        let before = stream.engine.snapshot().map_err(StreamError::from)?;
        let again = stream.take_over(go_on, &Boot { at: self.clock.now(), ..self.boot.clone() });
        let end = stream.end.max(go_on.lost_from);
        let end_fact = end.map(i64::to_be_bytes);
        let GoOn { seq, prev, send_from, .. } = *go_on;
        let mut changes = vec![
            Change::Continue { stream: project.id(), seq, prev, send_from },
            facts::unset(project.id(), facts::UNANCHORED),
        ];
        changes.extend(end_fact.as_ref().map(|end| facts::set(project.id(), facts::END, end)));
        let stored = self.remember_with(i, &changes)?;
        let stream = &mut self.streams[i];
        if !stored {
            stream.put_back(&before)?;
            return Ok(false);
        }
        stream.end = end;
        if again {
            self.generation.send_modify(|generation| *generation += 1);
        }
        Ok(true)
    }

    /// Writes and signs everything there is: the last observations, a shorter batch, events of the open window.
    /// The open window itself stays in the engine's memory and is closed at the next start.
    fn finish(mut self) -> Result<(), CoreError> {
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

fn raw_change<'a>(stream: &'a str, number: u64, block: &'a crate::raw::Block) -> Change<'a> {
    let crate::raw::Block { leaf, from_ms, to_ms, bytes } = block;
    Change::Raw { stream, number, leaf: *leaf, from_ms: *from_ms, to_ms: *to_ms, bytes }
}

fn end_of(step_ms: i64) -> impl Fn(&Output) -> Option<i64> {
    move |output| match output {
        Output::Window(window) => Some(window.start.0 + step_ms),
        Output::Event(event) => match event.what {
            What::Loss { to, .. } => Some(to.0),
            _ => None,
        },
    }
}

/// A panic of another thread leaves the spool as its last commit did; it may be used on.
fn lock(store: &SharedSpool) -> std::sync::MutexGuard<'_, spool::Spool> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;

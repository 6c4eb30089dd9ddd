//! One project's stream on this box: its window engine, what is not archived yet, and how both are rebuilt
//! from the spool after any end of the program.
//!
//! ```text
//!            archived ≤ applied ≤ next
//!  journal rows …│…………│…………│          archived: in raw blocks · applied: in the engine's snapshot
//! ```
//!
//! Everything a statement rests on (the statement, its raw blocks, the engine's memory, the trimmed journal)
//! changes in one commit, so a crash leaves either the windows unsigned with all their rows, or signed with
//! none of them to be signed again.

use super::facts;
use super::order::GoOn;
use super::progress::Mark;
use super::project::Project;
use crate::journal::{self, Row};
use crate::raw::{self, Block, RawError, Unarchived};
use crate::window::{Boot, Engine, Input, MemoryError, Output, Record, Restored, What};
use evidence::Hash;
use observation::Utc;
use spool::{Limit, Spool, StoreError};
use std::sync::Arc;

/// Rows read at a time while rebuilding.
const REPLAY: Limit = Limit { items: 512, bytes: 4 << 20 };

/// See the module.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) project: Arc<Project>,
    pub(crate) engine: Engine,
    /// What has come in since the last step.
    pub(crate) inputs: Vec<Input>,
    pub(crate) raw: Unarchived,
    /// Leaves of raw blocks that no statement commits to yet.
    pub(crate) leaves: Vec<Hash>,
    /// Position of the next journal row.
    pub(crate) next: u64,
    pub(crate) boot_epoch: u64,
    /// End of the last window that was signed or declared lost, UTC ms.
    pub(crate) end: Option<i64>,
    /// The clock stepped since the last statement.
    pub(crate) restepped: bool,
    /// Nothing is signed before this, ms of the monotonic clock: a commit failed.
    pub(crate) retry_at: u64,
    pub(crate) failures: u32,
    /// The spool is older than what was signed, or lacks its end, and the disk has not taken the note of it yet.
    /// Nothing is signed before it has.
    pub(crate) unanchored: bool,
    /// Why the last statement could not be stored.
    pub(crate) trouble: Option<String>,
}

/// Why a stream cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The spool.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine's memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A raw block.
    #[error(transparent)]
    Raw(#[from] RawError),
}

/// Whether the spool lacks statements that were signed: it was lost, or put back from an old copy. The file is
/// written before the commit it tells of, so one statement more is what a crash leaves.
pub(crate) fn is_stale(spool: &mut Spool, stream: &str, mark: Option<Mark>) -> Result<bool, StoreError> {
    let Some(mark) = mark else { return Ok(false) };
    let place = spool.stream(stream)?;
    let lost = place == spool::Stream::default() && mark.next_seq > 0;
    let behind = lost || mark.next_seq > place.next_seq + 1;
    let settled = facts::number(&mut **spool, stream, facts::SETTLED)?;
    Ok(behind && settled != i64::try_from(mark.next_seq).ok())
}

/// A stream that was rebuilt.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    /// Rows could not be used: the time since then is lost, not down.
    pub(crate) lost: bool,
}

impl Stream {
    /// Rebuilds a stream from the spool. `mark` is what the progress file knows, for when the spool does not.
    pub(crate) fn open(
        project: Arc<Project>,
        spool: &mut Spool,
        mark: Option<Mark>,
        now: Utc,
    ) -> Result<Opened, StreamError> {
        let id = project.id().to_owned();
        let place = spool.stream(&id)?;
        let next = place.journal_next;
        let stale = is_stale(spool, &id, mark)?;
        let end = facts::number(&mut **spool, &id, facts::END)?;
        let marked = mark.and_then(|m| m.end_ms).filter(|_| stale || (end.is_none() && next == 0));
        let end = end.max(marked).map(Utc);
        let memory = spool.fact(&id, facts::MEMORY)?;
        let (archived, leaves) =
            spool.fact(&id, facts::RAW)?.as_deref().and_then(facts::read_raw).unwrap_or_default();
        let epoch = facts::number(&mut **spool, &id, facts::EPOCH)?.unwrap_or(0);
        let (engine, start) = restore(&project, memory.as_deref(), end);
        let mut stream = Self {
            engine,
            inputs: vec![],
            raw: Unarchived::default(),
            leaves,
            next,
            boot_epoch: u64::try_from(epoch.saturating_add(1).max(now.0 / 1000)).unwrap_or(1),
            end: end.map(|end| end.0),
            restepped: false,
            retry_at: 0,
            failures: 0,
            unanchored: false,
            trouble: None,
            project,
        };
        if let Some(end) = end {
            stream.engine.forget_signed(end);
        }
        let lost = stream.replay(spool, &start, archived)?;
        Ok(Opened { stream, lost })
    }

    /// Applies the rows behind the snapshot and takes those that are in no block yet. Says whether rows had to
    /// be passed over.
    fn replay(&mut self, spool: &mut Spool, start: &Start, archived: u64) -> Result<bool, StreamError> {
        let id = self.project.id().to_owned();
        let Start { mut due, known } = *start;
        let mut from = archived.min(due.unwrap_or(archived));
        loop {
            let rows = spool.journal(&id, from, REPLAY)?;
            let Some(last) = rows.last() else { break };
            from = last.position + 1;
            for row in rows {
                let decoded = journal::decode(&row.row);
                if row.position >= archived {
                    let moment = decoded.as_ref().map_or(self.engine.reached().0, |d| self.moment(d));
                    self.raw.push(&row.row, moment);
                }
                if due == Some(row.position) {
                    due = decoded.is_ok().then_some(row.position + 1);
                    if let Ok(row) = decoded {
                        self.apply(&row);
                    }
                }
            }
        }
        let reached = due.or(known).unwrap_or(0);
        Ok(reached < self.next || (due.is_none() && known.is_none()))
    }

    /// A row's own time, UTC ms; what is said has none and takes the engine's. Never before window time: pruning by
    /// age must not take what was read while the wall clock showed 1970 for old.
    pub(crate) fn moment(&self, row: &Row) -> i64 {
        let own = match row {
            Row::Record(Record::Boot(boot)) | Row::Resume(boot) | Row::Suspended(boot) => boot.at.utc.0,
            Row::Record(Record::Step { until, .. }) => until.utc.0,
            Row::Said(_) => i64::MIN,
        };
        own.max(self.engine.reached().0)
    }

    /// Applies a committed row.
    pub(crate) fn apply(&mut self, row: &Row) {
        let before = self.engine.outputs().len();
        match row {
            Row::Record(record) => self.engine.apply(record),
            Row::Resume(boot) => self.engine.resume_after_loss(boot),
            Row::Suspended(boot) => self.engine.resume_after_suspension(boot),
            Row::Said(what) => self.engine.say(what.clone()),
        }
        let stepped = |o: &Output| matches!(o, Output::Event(e) if matches!(e.what, What::ClockStep { .. }));
        self.restepped |= self.engine.outputs().iter().skip(before).any(stepped);
    }

    /// The block that is due, if anything waits for one.
    pub(crate) fn block(&self) -> Result<Option<Block>, StreamError> {
        if self.raw.is_empty() { Ok(None) } else { Ok(Some(self.raw.block()?)) }
    }

    /// All leaves the next statement commits to.
    pub(crate) fn leaves_with(&self, block: Option<&Block>) -> Vec<Hash> {
        self.leaves.iter().copied().chain(block.map(|b| b.leaf)).collect()
    }

    /// What a statement with these leaves says of raw blocks.
    pub(crate) fn commitment(leaves: &[Hash]) -> evidence::payload::RawCommitment {
        raw::commitment(leaves)
    }

    /// Takes over where the stream goes on, and says what is lost by that. Says whether every session has to
    /// begin anew.
    pub(crate) fn take_over(&mut self, go_on: &GoOn, now: &Boot) -> bool {
        let loss = |(from, to)| What::Loss { from: Utc(from), to: Utc(to) };
        // Before its first window the engine itself says what is missing up to there, given where it resumes.
        let again = self.end.is_none() && self.engine.open_window().is_none() && go_on.lost_from.is_some();
        if again {
            self.engine.resume_after_loss(now);
        }
        let begun = self.end.is_some() || self.engine.open_window().is_some();
        let until = self.end.or_else(|| self.engine.next_to_sign().map(|start| start.0));
        let unsigned = go_on.lost_from.zip(until).filter(|(from, until)| begun && from < until);
        // No window that the gateway has already is made again.
        if let Some(end) = go_on.lost_from {
            self.engine.forget_signed(Utc(end));
            self.engine.cut_gaps(Utc(end));
        }
        self.engine.say(What::Note { text: go_on.note.clone() });
        for lost in go_on.lost.into_iter().chain(unsigned) {
            self.engine.say(loss(lost));
        }
        again
    }

    /// Goes back to a snapshot that was taken a moment ago.
    pub(crate) fn put_back(&mut self, snapshot: &[u8]) -> Result<(), StreamError> {
        let restored = Engine::restore(Arc::clone(&self.project.plan), snapshot)?;
        let (Restored::Whole(engine) | Restored::OtherPlan(engine)) = restored;
        self.engine = engine;
        Ok(())
    }

    /// Drops the oldest windows that cannot be stored and says so. Events among them are kept.
    pub(crate) fn lose_oldest(&mut self, windows: usize) {
        let step = i64::from(self.project.plan.step_ms);
        let mut count = 0;
        let position = self.engine.outputs().iter().position(|output| {
            count += usize::from(matches!(output, Output::Window(_)));
            count > windows
        });
        let taken = self.engine.take(position.unwrap_or(self.engine.outputs().len()));
        let mut kept: Vec<Output> = vec![];
        for output in taken {
            match output {
                Output::Window(w) => extend_loss(&mut kept, w.start.0, w.start.0 + step),
                event @ Output::Event(_) => kept.push(event),
            }
        }
        self.engine.put_back(kept);
    }

    /// Windows that wait to be signed, times machines: what they take in memory.
    pub(crate) fn waiting(&self) -> usize {
        let size = |output: &Output| match output {
            Output::Window(w) => w.machines.len().max(1),
            Output::Event(_) => 1,
        };
        self.engine.outputs().iter().map(size).sum()
    }
}

/// Joins a lost window to the loss before it, if they touch.
fn extend_loss(kept: &mut Vec<Output>, from: i64, to: i64) {
    if let Some(Output::Event(event)) = kept.last_mut()
        && let What::Loss { to: end, .. } = &mut event.what
        && end.0 == from
    {
        (*end, event.at) = (Utc(to), Utc(to));
        return;
    }
    let what = What::Loss { from: Utc(from), to: Utc(to) };
    kept.push(Output::Event(crate::window::Event { at: Utc(to), machine: None, what }));
}

/// Where rows are to be applied from.
struct Start {
    /// The next position to apply; none when the journal's rows do not follow what the engine knows.
    due: Option<u64>,
    /// In that case, how far the engine had come, if it is known.
    known: Option<u64>,
}

fn restore(project: &Project, memory: Option<&[u8]>, end: Option<Utc>) -> (Engine, Start) {
    let fresh = || Engine::new(Arc::clone(&project.plan), end);
    let Some((applied, snapshot)) = memory.and_then(facts::read_memory) else {
        // A stream that has never signed has all its rows in the journal.
        return (fresh(), Start { due: end.is_none().then_some(0), known: None });
    };
    match Engine::restore(Arc::clone(&project.plan), &snapshot) {
        Ok(Restored::Whole(engine)) => (engine, Start { due: Some(applied), known: None }),
        Ok(Restored::OtherPlan(engine)) => {
            tracing::warn!(
                project = project.id(),
                "the configuration gives points another meaning; the open window is closed"
            );
            (engine, Start { due: None, known: Some(applied) })
        }
        Err(error) => {
            tracing::error!(project = project.id(), %error, "starting without the engine's memory");
            (fresh(), Start { due: None, known: None })
        }
    }
}

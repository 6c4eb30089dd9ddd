//! One task a project: brings its statements to the gateway, learns what became of them, and verifies it.
//!
//! *Commit point 3* lies at the gateway: a crash here before the answer is stored sends the same statements
//! again, which the gateway acknowledges without appending them. *Commit point 4* is the stored receipt: a crash
//! before it fetches the receipt again.

use super::board::Board;
use super::core::{Command, GoOn, Order};
use super::cursor::{Cursor, Pusher, Sent, Standing, first_look};
use super::facts;
use super::links::Input as Incoming;
use super::project::Project;
use super::seal::{self, SealError, Verified};
use super::{SharedSpool, with_spool};
use crate::failpoint;
use crate::uplink_client::{Client, ClientError};
use evidence::Hash;
use evidence::key::Kid;
use evidence::statement::{Payload, open};
use observation::Clock;
use protocols::backoff::Backoff;
use spool::{Change, Limit, Spool, Statement, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uplink::{BodyWriter, StreamState};

/// Receipts fetched in one round; the rest follows at the next.
const RECEIPTS: usize = 64;
/// Statements read from the spool at a time, bytes.
const BODY: usize = 4 << 20;
/// How often the log is looked at when nothing waits for a receipt.
const CALM: Duration = Duration::from_mins(1);

/// Everything an uplink's task needs.
pub(crate) struct UplinkTask {
    pub(crate) index: usize,
    pub(crate) project: Arc<Project>,
    pub(crate) kid: Kid,
    pub(crate) client: Client,
    pub(crate) store: SharedSpool,
    pub(crate) core: mpsc::Sender<Incoming>,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signed: Arc<Notify>,
    pub(crate) trusted: watch::Sender<i64>,
    /// Nothing new will be signed: send what there is and end.
    pub(crate) closing: CancellationToken,
    /// End now.
    pub(crate) stop: CancellationToken,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the agent is ending")]
    Ending,
}

/// The agent is ending.
struct Ending;

/// What a push round came to.
enum Round {
    /// Nothing waits.
    Idle,
    /// Go on at once, or after a while; `None`: after a growing pause.
    Again(Option<Duration>),
}

impl UplinkTask {
    /// Runs until it is stopped, or until everything is sent once the agent is closing.
    pub(crate) async fn run(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = self.work() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn work(&self) {
        let mut backoff = Backoff::new(u64::from_be_bytes(self.kid.0[..8].try_into().unwrap_or_default()));
        let mut pusher = Pusher::default();
        let mut looked = false;
        let mut next_seal = Instant::now();
        // When to push next; none while nothing waits.
        let mut next_push = Some(Instant::now());
        let mut closing = false;
        loop {
            if next_push.is_some_and(|at| at <= Instant::now()) {
                let round = if looked { self.push(&mut pusher).await } else { self.first(&mut looked).await };
                match self.pause(round, &mut backoff) {
                    Ok(pause) => next_push = pause.map(|pause| Instant::now() + pause),
                    Err(Ending) => return,
                }
            }
            if looked && next_seal <= Instant::now() {
                next_seal = Instant::now() + self.seal_and_report().await;
            }
            if closing && next_push.is_none_or(|at| at > Instant::now() + super::CLOSING) {
                return;
            }
            let wake = match next_push {
                Some(at) if looked => at.min(next_seal),
                Some(at) => at,
                None => next_seal,
            };
            tokio::select! {
                () = self.signed.notified(), if next_push.is_none() => next_push = Some(Instant::now()),
                () = tokio::time::sleep_until(wake) => {}
                () = self.closing.cancelled(), if !closing => {
                    closing = true;
                    next_push = next_push.or(Some(Instant::now()));
                }
            }
        }
    }

    async fn first(&self, looked: &mut bool) -> Result<Round, RoundError> {
        let standing = self.look().await?;
        *looked = standing == Standing::Fine;
        self.board.standing(self.project.id(), &standing);
        Ok(Round::Again(looked.then_some(Duration::ZERO)))
    }

    /// How long to wait after a round; none while nothing waits.
    fn pause(
        &self,
        round: Result<Round, RoundError>,
        backoff: &mut Backoff,
    ) -> Result<Option<Duration>, Ending> {
        match round {
            Ok(Round::Again(Some(pause))) => {
                backoff.succeeded();
                Ok(Some(pause))
            }
            Ok(Round::Again(None)) => Ok(Some(backoff.failed())),
            Ok(Round::Idle) => {
                backoff.succeeded();
                Ok(None)
            }
            Err(RoundError::Ending) => Err(Ending),
            Err(error) => {
                if backoff.failures() == 0 {
                    tracing::warn!(project = self.project.id(), %error, "uplink");
                }
                self.board.standing(self.project.id(), &Standing::Waiting(error.to_string()));
                Ok(Some(backoff.failed()))
            }
        }
    }

    /// Asks the gateway where the stream stands, before anything is sent.
    async fn look(&self) -> Result<Standing, RoundError> {
        let gateway = self.client.stream(self.project.id(), &self.kid.0).await?;
        let id = self.project.id().to_owned();
        let before = gateway.next_seq.checked_sub(1);
        let (place, unanchored, before) = with_spool(&self.store, move |spool| {
            let before = match before {
                Some(seq) => {
                    spool.statements(&id, seq, ONE)?.into_iter().find(|s| s.seq == seq).map(|s| s.leaf)
                }
                None => None,
            };
            Ok((spool.stream(&id)?, spool.fact(&id, facts::UNANCHORED)?.is_some(), before))
        })
        .await?;
        if unanchored {
            let order = self.anchor(&gateway).await?;
            return self.ask(order).await;
        }
        let (cursor, standing) = first_look(&gateway, place.next_seq, place.send_from, before);
        self.move_cursor(cursor).await?;
        Ok(standing)
    }

    /// Where a stream goes on whose end this box does not know: behind what the gateway has and what was saved
    /// without a hole.
    async fn anchor(&self, gateway: &StreamState) -> Result<Order, RoundError> {
        let (id, first) = (self.project.id().to_owned(), gateway.next_seq);
        let mut last = Last { seq: first, leaf: gateway.head, end_ms: None };
        let (place, mut last) = with_spool(&self.store, move |spool| {
            last.end_ms =
                first.checked_sub(1).map(|seq| find(spool, &id, seq)).transpose()?.flatten().and_then(end);
            while let Some(next) = find(spool, &id, last.seq)? {
                if evidence::hash::leaf(&next.bytes) != next.leaf || !follows(&next, last.leaf) {
                    break;
                }
                let (seq, leaf) = (next.seq + 1, Some(next.leaf));
                last = Last { seq, leaf, end_ms: end(next).or(last.end_ms) };
            }
            Ok((spool.stream(&id)?, last))
        })
        .await?;
        if place.next_seq == last.seq && place.head == last.leaf {
            return Ok(Order::Anchored);
        }
        if last.end_ms.is_none() && first > 0 {
            let end_s = self.client.windows_end(self.project.id(), &self.kid.0, first - 1).await?;
            last.end_ms = end_s.and_then(|s| s.checked_mul(1000));
        }
        let note = format!(
            "the store of this box was damaged or lost; the gateway holds statements below {first}, the stream goes on at {}",
            last.seq
        );
        let send_from = first.min(last.seq);
        Ok(Order::GoOn(GoOn {
            seq: last.seq,
            prev: last.leaf,
            send_from,
            note,
            lost: None,
            lost_from: last.end_ms,
        }))
    }

    /// The gateway holds statements of this stream that this box does not: what waits here cannot be sent any
    /// more, and its windows are lost.
    async fn ahead(&self, seq: u64, head: Option<Hash>) -> Result<Order, RoundError> {
        let id = self.project.id().to_owned();
        let waiting = with_spool(&self.store, move |spool| {
            let mut range: Option<(i64, i64)> = None;
            let mut from = spool.stream(&id)?.send_from;
            while let Some(next) = spool.statements(&id, from, ONE)?.into_iter().next() {
                from = next.seq + 1;
                if let Some((a, b)) = windows_of(&next.bytes) {
                    range = Some(range.map_or((a, b), |(x, y)| (x.min(a), y.max(b))));
                }
            }
            Ok(range)
        })
        .await?;
        let note = format!("the gateway is ahead of this box's store; the stream goes on at {seq}");
        tracing::error!(project = self.project.id(), note);
        let end = self.client.windows_end(self.project.id(), &self.kid.0, seq.saturating_sub(1)).await?;
        let end = end.and_then(|s| s.checked_mul(1000));
        let (lost, lost_from) = match (waiting, end) {
            // What waits follows what the gateway has: between the two nothing was kept either.
            (Some((_, to)), Some(end)) if end < to => (Some((end, to)), None),
            (waiting, end) => (waiting, end),
        };
        Ok(Order::GoOn(GoOn { seq, prev: head, send_from: seq, note, lost, lost_from }))
    }

    async fn ask(&self, order: Order) -> Result<Standing, RoundError> {
        let (done, answer) = oneshot::channel();
        let command = Command { project: self.index, order, done };
        self.core.send(Incoming::Command(command)).map_err(|_| RoundError::Ending)?;
        match answer.await {
            Ok(true) => Ok(Standing::Unknown),
            Ok(false) => Ok(Standing::Waiting("the store cannot be written at the moment".to_owned())),
            Err(_) => Err(RoundError::Ending),
        }
    }

    async fn move_cursor(&self, cursor: Cursor) -> Result<(), RoundError> {
        match cursor {
            Cursor::Stay => Ok(()),
            Cursor::Rewind(seq) => {
                tracing::warn!(
                    project = self.project.id(),
                    seq,
                    "the gateway lost statements; they are sent again"
                );
                let id = self.project.id().to_owned();
                Ok(with_spool(&self.store, move |spool| spool.commit(&[Change::Rewind { stream: &id, seq }]))
                    .await?)
            }
            Cursor::Ahead { seq, head } => {
                let order = self.ahead(seq, head).await?;
                self.ask(order).await.map(|_| ())
            }
        }
    }

    /// Sends what waits, as much as there is credit for, and stores the answer.
    async fn push(&self, pusher: &mut Pusher) -> Result<Round, RoundError> {
        let (id, count) = (self.project.id().to_owned(), pusher.count());
        let (place, statements) = with_spool(&self.store, move |spool| {
            let place = spool.stream(&id)?;
            Ok((
                spool.stream(&id)?,
                spool.statements(&id, place.send_from, Limit { items: count, bytes: BODY })?,
            ))
        })
        .await?;
        self.report_backlog(place.next_seq.saturating_sub(place.send_from)).await?;
        let Some(first) = statements.first() else { return Ok(Round::Idle) };
        if first.seq != place.send_from {
            let detail = format!(
                "statement {} is asked for and is not on this box any more; the registrar has to decide",
                place.send_from
            );
            self.board.standing(self.project.id(), &Standing::Forked(detail));
            return Ok(Round::Again(None));
        }
        let (body, sent) = body(&statements);
        failpoint::hit("push.before_send");
        let outcome = self.client.push(self.project.id(), body).await?;
        failpoint::hit("push.after_send");
        let next = pusher.after(&sent, outcome, place.next_seq);
        let id = self.project.id().to_owned();
        let stored = next.stored.clone();
        with_spool(&self.store, move |spool| mark_stored(spool, &id, &stored)).await?;
        failpoint::hit("push.after_ack");
        if !next.stored.is_empty() {
            let now = self.clock.now().utc.0;
            self.board.project(self.project.id(), |p| p.acknowledged_ms = now);
        }
        self.board.standing(self.project.id(), &next.standing);
        self.move_cursor(next.cursor).await?;
        Ok(Round::Again(next.pause))
    }

    async fn report_backlog(&self, waiting: u64) -> Result<(), RoundError> {
        let id = self.project.id().to_owned();
        let unsealed = with_spool(&self.store, move |spool| Ok(spool.unsealed(&id, 10_000)?.len())).await?;
        self.board.project(self.project.id(), |p| {
            p.waiting = waiting;
            p.unsealed = waiting.saturating_add(u64::try_from(unsealed).unwrap_or(0));
        });
        if waiting == 0 {
            self.board.standing(self.project.id(), &Standing::Fine);
        }
        Ok(())
    }

    /// One look at the log. Gives the time until the next.
    async fn seal_and_report(&self) -> Duration {
        let per_statement =
            u64::from(self.project.shape.step_s) * u64::from(self.project.shape.per_statement);
        let busy = Duration::from_secs(per_statement.clamp(1, 15));
        match self.seal().await {
            Ok(true) => busy,
            Ok(false) => CALM.min(busy * 60),
            Err(RoundError::Seal(error)) => {
                tracing::error!(project = self.project.id(), %error, "the log cannot be believed");
                self.board.project(self.project.id(), |p| p.alarm = Some(error.to_string()));
                CALM
            }
            Err(error) => {
                tracing::debug!(project = self.project.id(), %error, "sealing");
                busy
            }
        }
    }

    /// Verifies the newest checkpoint and the receipts it covers. Says whether more are waited for.
    async fn seal(&self) -> Result<bool, RoundError> {
        let project = self.project.id();
        let Some(verified) = self.checkpoint().await? else { return Ok(true) };
        let id = project.to_owned();
        let unsealed = with_spool(&self.store, move |spool| spool.unsealed(&id, RECEIPTS)).await?;
        let mut trees: HashMap<u64, Hash> = HashMap::from([(verified.size, verified.root)]);
        let mut fetched: Vec<(u64, Vec<u8>)> = vec![];
        for stored in unsealed.iter().filter(|s| s.index < verified.size) {
            let Some(bytes) = self.client.receipt(project, stored.index).await? else { continue };
            failpoint::hit("receipt.after_fetch");
            let (size, root) = seal::receipt(&self.project, stored, &bytes)?;
            // A newer tree than the one verified: the next look will know it.
            if size > verified.size {
                continue;
            }
            if trees.get(&size) != Some(&root) {
                let proof = self.client.consistency(project, size, verified.size).await?;
                seal::consistent((size, &root), (verified.size, &verified.root), &proof)?;
                trees.insert(size, root);
            }
            fetched.push((stored.seq, bytes));
        }
        let more = fetched.len() < unsealed.len() || unsealed.len() == RECEIPTS;
        let id = project.to_owned();
        with_spool(&self.store, move |spool| {
            let changes: Vec<Change<'_>> = fetched
                .iter()
                .map(|(seq, receipt)| Change::Sealed { stream: &id, seq: *seq, receipt })
                .collect();
            if changes.is_empty() { Ok(()) } else { spool.commit(&changes) }
        })
        .await?;
        Ok(more)
    }

    /// The newest checkpoint, shown to continue the one verified before.
    async fn checkpoint(&self) -> Result<Option<Verified>, RoundError> {
        let project = self.project.id();
        let Some(note) = self.client.checkpoint(project).await? else { return Ok(None) };
        let verified = seal::checkpoint(&self.project, &note)?;
        let id = project.to_owned();
        let (old, seen) = with_spool(&self.store, move |spool| {
            Ok((spool.fact(&id, facts::NOTE)?, spool.fact(&id, facts::SEEN)?))
        })
        .await?;
        let old = old.map(|note| seal::checkpoint(&self.project, &note)).transpose()?;
        if let Some(old) = &old {
            if verified.size < old.size {
                let detail = format!("the log has {} entries, {} were seen", verified.size, old.size);
                self.board.project(project, |p| p.detail = detail);
                return Ok(None);
            }
            let proof = if old.size < verified.size {
                self.client.consistency(project, old.size, verified.size).await?
            } else {
                vec![]
            };
            seal::consistent((old.size, &old.root), (verified.size, &verified.root), &proof)?;
        }
        self.remember(&verified, seen.as_deref()).await?;
        Ok(Some(verified))
    }

    async fn remember(&self, verified: &Verified, seen: Option<&[u8]>) -> Result<(), RoundError> {
        let newer = verified.seen();
        let seen = seen.and_then(facts::read_seen);
        let named = newer.filter(|newer| seal::refreshes(seen.as_ref(), newer)).map(|n| facts::seen(&n));
        let (id, note) = (self.project.id().to_owned(), verified.note.clone());
        with_spool(&self.store, move |spool| {
            if spool.fact(&id, facts::NOTE)?.as_deref() == Some(&note[..]) && named.is_none() {
                return Ok(());
            }
            let mut changes = vec![facts::set(&id, facts::NOTE, &note)];
            changes.extend(named.as_ref().map(|named| facts::set(&id, facts::SEEN, named)));
            spool.commit(&changes)
        })
        .await?;
        if let Some(time) = verified.time {
            self.trusted.send_if_modified(|trusted| {
                let newer = time > *trusted;
                *trusted = time.max(*trusted);
                newer
            });
        }
        self.board.project(self.project.id(), |p| {
            p.checkpoint_size = verified.size;
            p.checkpoint_time = verified.time.unwrap_or(p.checkpoint_time);
            p.alarm = None;
        });
        Ok(())
    }
}

const ONE: Limit = Limit { items: 1, bytes: usize::MAX };

/// How far a stream can be followed.
struct Last {
    seq: u64,
    leaf: Option<Hash>,
    end_ms: Option<i64>,
}

fn mark_stored(spool: &mut Spool, stream: &str, stored: &[uplink::StoredEntry]) -> Result<(), StoreError> {
    if stored.is_empty() {
        return Ok(());
    }
    let change =
        |e: &uplink::StoredEntry| Change::Stored { stream, seq: e.seq, leaf: e.leaf, index: e.index };
    spool.commit(&stored.iter().map(change).collect::<Vec<_>>())
}

/// A body of as many statements as fit, and what is in it.
fn body(statements: &[Statement]) -> (Vec<u8>, Vec<Sent>) {
    let (mut writer, mut sent) = (BodyWriter::new(), vec![]);
    for statement in statements {
        let follows = sent.last().is_none_or(|last: &Sent| last.seq + 1 == statement.seq);
        if !follows || writer.push(&statement.bytes).is_err() {
            break;
        }
        sent.push(Sent { seq: statement.seq, leaf: statement.leaf });
    }
    (writer.finish(), sent)
}

/// The time that a statement's windows and downs cover, UTC ms.
fn windows_of(bytes: &[u8]) -> Option<(i64, i64)> {
    let Payload::Window(batch) = open(bytes).ok()?.payload else { return None };
    Some((batch.t0.checked_mul(1000)?, batch.end().checked_mul(1000)?))
}

/// The statement of this number, if it is held.
fn find(spool: &mut Spool, stream: &str, seq: u64) -> Result<Option<Statement>, StoreError> {
    Ok(spool.statements(stream, seq, ONE)?.into_iter().find(|s| s.seq == seq))
}

/// End of a statement's windows, UTC ms.
#[expect(clippy::needless_pass_by_value, reason = "handed over by `Option::and_then`")]
fn end(statement: Statement) -> Option<i64> {
    windows_of(&statement.bytes).map(|(_, to)| to)
}

/// Whether a statement names this leaf as its predecessor.
fn follows(statement: &Statement, leaf: Option<Hash>) -> bool {
    open(&statement.bytes).is_ok_and(|opened| opened.payload.prev() == leaf)
}

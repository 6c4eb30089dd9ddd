//! One task a project: brings its statements to the gateway, learns what became of them, and verifies it.
//!
//! *Commit point 3* lies at the gateway: a crash here before the answer is stored sends the same statements
//! again, which the gateway acknowledges without appending them.

use super::anchor::find;
use super::board::Board;
use super::cursor::{Cursor, Pusher, Sent, Standing, first_look};
use super::facts;
use super::links::Input as Incoming;
use super::order::{Command, Order};
use super::project::Project;
use super::seal::SealError;
use super::{SharedSpool, with_spool};
use crate::failpoint;
use crate::uplink_client::{Client, ClientError};
use evidence::key::Kid;
use observation::Clock;
use protocols::backoff::Backoff;
use spool::{Change, Limit, Spool, Statement, StoreError};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uplink::BodyWriter;

/// Statements without a receipt are counted up to this, for display.
const COUNTED: usize = 1000;
/// Statements read from the spool at a time, bytes.
const BODY: usize = 4 << 20;

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
pub(super) enum RoundError {
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
pub(super) struct Ending;

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
                match self.round(&mut pusher, &mut looked, &mut backoff).await {
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

    /// One round, and how long to wait after it; none while nothing waits.
    pub(super) async fn round(
        &self,
        pusher: &mut Pusher,
        looked: &mut bool,
        backoff: &mut Backoff,
    ) -> Result<Option<Duration>, Ending> {
        let round = if *looked { self.push(pusher).await } else { self.first(looked).await };
        self.pause(round, backoff)
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
        if let stuck @ Standing::Waiting(_) = self.ask(Order::Begun).await? {
            return Ok(stuck);
        }
        let gateway = self.client.stream(self.project.id(), &self.kid.0).await?;
        let id = self.project.id().to_owned();
        let before = gateway.next_seq.checked_sub(1);
        let (place, unanchored, before) = with_spool(&self.store, move |spool| {
            let before = before.map(|seq| find(spool, &id, seq)).transpose()?.flatten().map(|s| s.leaf);
            Ok((spool.stream(&id)?, spool.fact(&id, facts::UNANCHORED)?.is_some(), before))
        })
        .await?;
        if unanchored {
            let order = self.anchor(&gateway).await?;
            return self.ask(order).await;
        }
        let (cursor, standing) = first_look(&gateway, place.next_seq, place.send_from, before);
        // A stream that could not be moved must not be sent: its next statement would take a number twice.
        Ok(self.move_cursor(cursor).await?.unwrap_or(standing))
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

    /// Moves the cursor. Says how the stream stands if it could not be moved.
    async fn move_cursor(&self, cursor: Cursor) -> Result<Option<Standing>, RoundError> {
        match cursor {
            Cursor::Stay => Ok(None),
            Cursor::Rewind(seq) => {
                tracing::warn!(
                    project = self.project.id(),
                    seq,
                    "the gateway lost statements; they are sent again"
                );
                let id = self.project.id().to_owned();
                with_spool(&self.store, move |spool| spool.commit(&[Change::Rewind { stream: &id, seq }]))
                    .await?;
                Ok(None)
            }
            Cursor::Ahead { seq, head } => {
                let order = self.ahead(seq, head).await?;
                let answer = self.ask(order).await?;
                Ok(matches!(answer, Standing::Waiting(_)).then_some(answer))
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
        let (outcome, offset) = self.client.push(self.project.id(), body, &*self.clock).await?;
        failpoint::hit("push.after_send");
        if let Some(offset) = offset {
            self.project.gateway_clock.measured(offset, self.clock.now());
            self.board.project(self.project.id(), |p| {
                (p.clock_offset_ms, p.clock_error_ms) = (Some(offset.offset_ms), offset.error_ms);
            });
        }
        let next = pusher.after(&sent, outcome, place.next_seq);
        if let Some(text) = moved(&statements, &next.stored) {
            tracing::error!(project = self.project.id(), text);
            if let stuck @ Standing::Waiting(_) = self.ask(Order::Say(text)).await? {
                self.board.standing(self.project.id(), &stuck);
                return Ok(Round::Again(None));
            }
        }
        let id = self.project.id().to_owned();
        let stored = next.stored.clone();
        with_spool(&self.store, move |spool| mark_stored(spool, &id, &stored)).await?;
        failpoint::hit("push.after_ack");
        if !next.stored.is_empty() {
            let now = self.clock.now().utc.0;
            self.board.project(self.project.id(), |p| p.acknowledged_ms = now);
        }
        let stuck = self.move_cursor(next.cursor).await?;
        self.board.standing(self.project.id(), stuck.as_ref().unwrap_or(&next.standing));
        Ok(Round::Again(if stuck.is_some() { None } else { next.pause }))
    }

    /// Notes what waits. What is stored and not sealed is counted only when nothing else is to be done.
    async fn report_backlog(&self, waiting: u64) -> Result<(), RoundError> {
        self.board.project(self.project.id(), |p| p.waiting = waiting);
        if waiting > 0 {
            return Ok(());
        }
        self.board.standing(self.project.id(), &Standing::Fine);
        self.report_unsealed().await
    }

    /// Notes what waits for receipts.
    pub(super) async fn report_unsealed(&self) -> Result<(), RoundError> {
        let id = self.project.id().to_owned();
        let unsealed = with_spool(&self.store, move |spool| Ok(spool.unsealed(&id, COUNTED)?.len())).await?;
        self.board.project(self.project.id(), |p| p.unsealed = u64::try_from(unsealed).unwrap_or(0));
        Ok(())
    }
}

/// What is to be said when the gateway has put a statement elsewhere than it told before: only a log that was put
/// back to a backup, and filled again in another order, does that.
fn moved(sent: &[Statement], stored: &[uplink::StoredEntry]) -> Option<String> {
    let before = |entry: &uplink::StoredEntry| sent.iter().find(|s| s.seq == entry.seq)?.index;
    let (entry, before) =
        stored.iter().find_map(|e| before(e).filter(|index| *index != e.index).map(|index| (e, index)))?;
    Some(format!(
        "the log holds statement {} as entry {}, and it was acknowledged as entry {before}: the gateway was put \
         back to a backup and its log is another than before",
        entry.seq, entry.index
    ))
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

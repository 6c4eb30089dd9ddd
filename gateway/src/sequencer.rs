//! The shell around one project's log: gathers requests, lets the log commit them on a blocking thread, then
//! answers; signs checkpoints on a timer. One task a log, so a log has exactly one writer.
//!
//! What may be logged is decided in `tlog`; this file only keeps order, time and bounds. Commit point 3 of a
//! window's life is here: see [`Sequencer::take`].

use crate::identity::ProjectSigners;
use crate::ops::{Ops, Quarantined};
use evidence::key::Kid;
use observation::Clock;
use std::sync::Arc;
use std::time::Duration;
use tlog::{
    Alarm, Answer, Arrival, Aside, Head, IngestError, Keyring, Log, Newer, SealError, Sealed, SqliteLog,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Statements in one commit.
const MAX_BATCH: usize = 8192;
/// Requests that wait for the sequencer.
pub(crate) const MAX_WAITING: usize = 256;

/// Why a request was not answered with rulings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The store is full; nothing was written.
    Full(String),
    /// Nothing was written for another reason that may pass.
    Unavailable(String),
    /// It is unknown whether the statements were written; the gateway is about to end.
    Unknown(String),
}

/// What the sequencer is asked to do.
pub(crate) enum Order {
    /// Log these statements.
    Ingest { arrivals: Vec<Arrival>, reply: oneshot::Sender<Result<Vec<Answer>, Refusal>> },
    /// Somebody showed a checkpoint with our signature.
    Learn { known: Newer, reply: oneshot::Sender<Result<(), Refusal>> },
}

/// What others see of a log, replaced after each commit.
#[derive(Clone, Debug)]
pub(crate) struct LogState {
    pub(crate) head: Head,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) sealed: Option<Sealed>,
    /// Why no checkpoint is signed, if none is.
    pub(crate) seal_fault: Option<String>,
}

impl LogState {
    pub(crate) fn of(log: &Log<SqliteLog>) -> Self {
        Self {
            head: log.head(),
            keys: Arc::new(log.keys().clone()),
            sealed: log.sealed().cloned(),
            seal_fault: None,
        }
    }
}

/// The task's parts.
pub(crate) struct Sequencer {
    pub(crate) project: String,
    /// Absent only while a blocking thread works with it, and for good after an unknown commit.
    pub(crate) log: Option<Log<SqliteLog>>,
    pub(crate) signers: Arc<ProjectSigners>,
    pub(crate) ops: Arc<Ops>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gather: Duration,
    pub(crate) seal_every: Duration,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) state: watch::Sender<LogState>,
    /// Told when a commit's outcome is unknown: the process must end and read everything again.
    pub(crate) fatal: mpsc::UnboundedSender<String>,
}

type Waiting = (Vec<Arrival>, oneshot::Sender<Result<Vec<Answer>, Refusal>>);

impl Sequencer {
    /// Runs until every sender of orders is gone, then seals what is left.
    pub(crate) async fn run(mut self) {
        let mut tick = interval(self.seal_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.log.is_some() {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.order(order).await,
                    None => break,
                },
                _ = tick.tick() => self.seal().await,
            }
        }
        self.seal().await;
    }

    async fn order(&mut self, first: Order) {
        let mut batch: Vec<Waiting> = vec![];
        let mut statements = 0;
        let mut next = Some(first);
        let deadline = Instant::now() + self.gather;
        while let Some(order) = next.take() {
            match order {
                Order::Ingest { arrivals, reply } => {
                    statements += arrivals.len();
                    batch.push((arrivals, reply));
                }
                Order::Learn { known, reply } => self.learn(known, reply).await,
            }
            if statements < MAX_BATCH {
                next = timeout_at(deadline, self.orders.recv()).await.ok().flatten();
            }
        }
        if !batch.is_empty() {
            self.take(batch).await;
        }
    }

    /// Commit, then acknowledge. A crash before the commit leaves nothing, after it stored statements that
    /// nobody was told of; either way the agents send again and each statement is logged once.
    async fn take(&mut self, batch: Vec<Waiting>) {
        let (requests, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let Some(result) = self.blocking(move |log| log.ingest(requests)).await else { return };
        match result {
            Ok(ingested) => {
                self.report(ingested.aside, &ingested.alarms).await;
                self.publish();
                tlog::kill::hit("ingest.before_ack");
                for (reply, answers) in replies.into_iter().zip(ingested.answers) {
                    // A sender that went away will send again.
                    let _ = reply.send(Ok(answers));
                }
            }
            Err(error) => {
                let refusal = self.failed(&error);
                for reply in replies {
                    let _ = reply.send(Err(refusal.clone()));
                }
            }
        }
    }

    async fn learn(&mut self, known: Newer, reply: oneshot::Sender<Result<(), Refusal>>) {
        let Some(result) = self.blocking(move |log| log.learn(known)).await else { return };
        let answer = result.map_err(|error| self.failed(&error));
        let _ = reply.send(answer);
    }

    fn failed(&mut self, error: &IngestError) -> Refusal {
        tracing::error!(project = self.project, "{error}");
        if error.is_fatal() {
            // The log in memory no longer mirrors the store. Nobody is acknowledged from here on.
            self.log = None;
            let _ = self.fatal.send(format!("project {}: {error}", self.project));
        }
        refusal(error)
    }

    async fn seal(&mut self) {
        let signers = Arc::clone(&self.signers);
        let now_s = self.clock.now().utc.0.div_euclid(1000);
        let sign = move |head: &Head, time_s: i64| signers.checkpoint(head, time_s);
        let Some(result) = self.blocking(move |log| log.seal(now_s, sign)).await else { return };
        let fault = match result {
            Ok(_) => None,
            Err(error) => Some(self.seal_failed(&error).await),
        };
        self.publish();
        self.state.send_modify(|state| state.seal_fault = fault);
    }

    async fn seal_failed(&mut self, error: &SealError) -> String {
        let text = error.to_string();
        tracing::error!(project = self.project, "{text}");
        if matches!(error, SealError::Commit(e) if matches!(e, tlog::CommitError::Unknown { .. } | tlog::CommitError::Conflict { .. }))
        {
            self.log = None;
            let _ = self.fatal.send(format!("project {}: {text}", self.project));
        }
        self.alarm(vec![("no-checkpoint", text.clone())]).await;
        text
    }

    fn publish(&self) {
        let Some(log) = &self.log else { return };
        let fault = self.state.borrow().seal_fault.clone();
        self.state.send_replace(LogState { seal_fault: fault, ..LogState::of(log) });
    }

    /// Runs `work` with the log on a blocking thread. Nothing when the log is gone.
    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Log<SqliteLog>) -> T + Send + 'static,
    ) -> Option<T> {
        let mut log = self.log.take()?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut log);
            (log, result)
        });
        match done.await {
            Ok((log, result)) => {
                self.log = Some(log);
                Some(result)
            }
            Err(panic) => {
                let _ = self.fatal.send(format!("project {}: the sequencer failed: {panic}", self.project));
                None
            }
        }
    }

    /// Puts aside what can never be logged and raises alarms. A fault of the operational store is written to
    /// the program's own log and stops nothing.
    async fn report(&mut self, aside: Vec<Aside>, alarms: &[Alarm]) {
        let mut words: Vec<_> = aside.iter().map(|a| ("quarantine", a.defect.to_string())).collect();
        words.extend(alarms.iter().map(describe));
        if !aside.is_empty() {
            let rows = quarantined(aside);
            let (ops, project, at) = (Arc::clone(&self.ops), self.project.clone(), self.clock.now().utc.0);
            let put = tokio::task::spawn_blocking(move || ops.quarantine(&project, at, &rows)).await;
            if let Ok(Err(error)) = put {
                tracing::error!(project = self.project, "quarantine: {error}");
            }
        }
        self.alarm(words).await;
    }

    async fn alarm(&mut self, alarms: Vec<(&'static str, String)>) {
        if alarms.is_empty() {
            return;
        }
        for (kind, detail) in &alarms {
            tracing::warn!(project = self.project, kind, "{detail}");
        }
        let (ops, project, at) = (Arc::clone(&self.ops), self.project.clone(), self.clock.now().utc.0);
        let raise =
            move || alarms.iter().try_for_each(|(kind, detail)| ops.alarm(&project, at, kind, detail));
        if let Ok(Err(error)) = tokio::task::spawn_blocking(raise).await {
            tracing::error!(project = self.project, "alarm: {error}");
        }
    }
}

/// What is told to whoever sent.
pub(crate) fn refusal(error: &IngestError) -> Refusal {
    let text = error.to_string();
    match error {
        _ if error.is_fatal() => Refusal::Unknown(text),
        IngestError::Commit(tlog::CommitError::Full { .. }) => Refusal::Full(text),
        _ => Refusal::Unavailable(text),
    }
}

fn quarantined(aside: Vec<Aside>) -> Vec<Quarantined> {
    let row = |aside: Aside| Quarantined {
        reason: aside.defect.word().to_owned(),
        detail: aside.defect.to_string(),
        kid: aside.claim.map(|(kid, _)| kid.0),
        seq: aside.claim.map(|(_, seq)| seq),
        bytes: aside.bytes,
    };
    aside.into_iter().map(row).collect()
}

fn describe(alarm: &Alarm) -> (&'static str, String) {
    let who = |kid: &Kid| format!("key {kid}");
    match alarm {
        Alarm::Equivocation { kid, seq, index } => (
            "equivocation",
            format!(
                "{} has signed two different statements with number {seq}; the second is entry {index}. The \
                 stream is frozen: find out whether the box was cloned, then have the registrar unfreeze it or \
                 hand it over",
                who(kid)
            ),
        ),
        Alarm::Behind { kid, size } => (
            "behind",
            format!(
                "{} holds a checkpoint of size {size} that this log has not come to. After a restored backup \
                 the agents refill it; nothing is signed until then",
                who(kid)
            ),
        ),
        Alarm::ForeignCheckpoint { kid, size } => (
            "foreign-checkpoint",
            format!(
                "{} names a checkpoint of size {size} that this log does not contain. Nothing is signed any more: \
                 restore the copy of the log that contains it, see `Backups` in the operator's guide",
                who(kid)
            ),
        ),
    }
}

#[cfg(test)]
mod tests;

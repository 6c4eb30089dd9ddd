//! What an uplink asks the core to do, because only the core may change where a stream stands.

use super::core::{Core, CoreError, lock};
use super::facts;
use super::stream::StreamError;
use crate::journal::Row;
use crate::window::{Boot, What};
use spool::Change;
use std::sync::Arc;
use tokio::sync::oneshot;

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
    /// The stream's end is what the spool says; given as for [`Self::GoOn`], since what this box remembers to have
    /// signed may have gone further.
    Anchored(GoOn),
    /// Whether the start stands in the spool: before, it cannot be read there whether the stream's end is known.
    Begun,
    /// Something that has to be signed.
    Say(String),
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

impl Core {
    /// Does what an uplink asks. Gives the answer's sender back when it was the order to stop.
    pub(super) fn obey(&mut self, command: Command) -> Result<Option<oneshot::Sender<bool>>, CoreError> {
        let Command { project, order, done } = command;
        let answer = match order {
            Order::Stop => return Ok(Some(done)),
            // The spool was put back, and nobody has what was signed after that: it is lost like any other.
            Order::Anchored(go_on)
                if go_on.lost_from.is_some() && self.streams[project].end > go_on.lost_from =>
            {
                self.go_on(project, &go_on)?
            }
            Order::Anchored(_) => {
                let id = self.streams[project].project.id();
                match lock(&self.store).commit(&[facts::unset(id, facts::UNANCHORED)]) {
                    Err(error) if !error.is_passing() => return Err(error.into()),
                    result => result.is_ok(),
                }
            }
            Order::GoOn(go_on) => self.go_on(project, &go_on)?,
            Order::Begun => {
                if self.streams[project].unanchored {
                    self.commit_rows()?;
                }
                !self.streams[project].unanchored
            }
            Order::Say(text) => self.say(project, text)?,
        };
        // Nobody may be waiting any more.
        let _ = done.send(answer);
        Ok(None)
    }

    /// Journals something that has to be signed. Says whether the disk took it.
    fn say(&mut self, i: usize, text: String) -> Result<bool, CoreError> {
        self.commit_rows()?;
        if !self.work.rows.is_empty() || self.work.losing.is_some() {
            return Ok(false);
        }
        self.queue(i, Row::Said(What::Note { text }));
        self.commit_rows()?;
        Ok(self.work.rows.is_empty())
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
        // Without this a crash before the next statement would find the same loss, and say it twice.
        let settled = self.progress.mark(project.id()).map(|mark| mark.next_seq.to_be_bytes());
        changes.extend(settled.as_ref().map(|settled| facts::set(project.id(), facts::SETTLED, settled)));
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
}

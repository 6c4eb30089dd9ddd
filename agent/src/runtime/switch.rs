//! The core's part of a change of the configuration: everything is written, every engine goes on under its new
//! plan, and all of it is one commit. Until that commit the old configuration is in force, after it the new one;
//! a crash between leaves one of the two.
//!
//! What may change, and what becomes of the links' tasks, is decided in `reload.rs`.

use super::board::Next;
use super::core::{Core, CoreError, lock};
use super::facts;
use super::project::Project;
use super::stream::StreamError;
use super::tasks::Tasks;
use crate::journal::{self, Row};
use crate::window::{Replan, What};
use protocols::Receipt;
use spool::Change;
use spool::keep::Keep;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A change of the configuration, ready to be made.
#[derive(Debug)]
pub(crate) struct Switch {
    /// In the order of the streams.
    pub(crate) projects: Vec<Arc<Project>>,
    pub(crate) replan: Replan,
    pub(crate) tasks: Tasks,
    /// Of the tasks that begin.
    pub(crate) receipts: Vec<tokio::sync::mpsc::UnboundedSender<Receipt>>,
    pub(crate) on_link: Vec<Vec<usize>>,
    pub(crate) of_point: Vec<Option<usize>>,
    pub(crate) every: Duration,
    pub(crate) keep: Keep,
    pub(crate) board: Next,
    /// Told why it was not made, or that it was.
    pub(crate) done: oneshot::Sender<Result<(), String>>,
}

const NO_ROOM: &str = "the store cannot be written at the moment; send SIGHUP again when `status` is well";

/// What one stream's commit is made of.
struct Written {
    row: Vec<u8>,
    memory: Vec<u8>,
    raw: Vec<u8>,
    leaves: Vec<evidence::Hash>,
    block: Option<crate::raw::Block>,
    number: u64,
}

impl Core {
    /// Makes a change of the configuration, or leaves everything as it is.
    pub(super) fn switch(&mut self, switch: Switch) -> Result<(), CoreError> {
        let mut refused = self.prepare(&switch)?.err();
        if refused.is_none() {
            let before = self.engines()?;
            refused = self.commit_switch(&switch)?.err();
            if refused.is_some() {
                for (stream, snapshot) in self.streams.iter_mut().zip(&before) {
                    stream.put_back(snapshot)?;
                }
            }
        }
        let Switch { projects, tasks, receipts, on_link, of_point, every, keep, board, done, replan } =
            switch;
        if let Some(refused) = refused {
            // Nobody may be waiting any more.
            let _ = done.send(Err(refused));
            return Ok(());
        }
        for (stream, project) in self.streams.iter_mut().zip(projects) {
            stream.project = project;
        }
        self.boot.configuration = replan.configuration;
        (self.tasks, self.on_link, self.of_point) = (tasks, on_link, of_point);
        (self.every, self.keep) = (every, keep);
        self.receipts.extend(receipts);
        self.board.switch(board);
        let _ = done.send(Ok(()));
        Ok(())
    }

    fn engines(&self) -> Result<Vec<Vec<u8>>, StreamError> {
        self.streams.iter().map(|stream| Ok(stream.engine.snapshot()?)).collect()
    }

    /// Writes what has come in so far and, where windows would be signed with another meaning, signs them first.
    fn prepare(&mut self, switch: &Switch) -> Result<Result<(), String>, CoreError> {
        self.step()?;
        if !self.work.rows.is_empty() || self.work.losing.is_some() {
            return Ok(Err(NO_ROOM.to_owned()));
        }
        for (i, project) in switch.projects.iter().enumerate() {
            let old = Arc::clone(&self.streams[i].project);
            if old.definitions == project.definitions && old.shape == project.shape {
                continue;
            }
            self.sign(i, true)?;
            if !self.streams[i].engine.outputs().is_empty() {
                let id = project.id();
                return Ok(Err(format!(
                    "{id}: windows made under the present mapping wait to be signed; send SIGHUP again later"
                )));
            }
        }
        Ok(Ok(()))
    }

    /// Goes on under the new plans and commits that; the engines have gone on even if the commit is refused.
    fn commit_switch(&mut self, switch: &Switch) -> Result<Result<(), String>, CoreError> {
        let mut written = vec![];
        for (stream, project) in self.streams.iter_mut().zip(&switch.projects) {
            if let Err(unfit) = stream.engine.replan(Arc::clone(&project.plan), &switch.replan) {
                return Ok(Err(format!("{}: {unfit}", project.id())));
            }
            let what =
                What::Configuration { before: self.boot.configuration, after: switch.replan.configuration };
            let mut row = vec![];
            journal::encode(&Row::Said(what), &mut row);
            let block = stream.block()?;
            let leaves = stream.leaves_with(block.as_ref());
            written.push(Written {
                // The row stands in the journal for the raw blocks; the engine has taken it already.
                memory: facts::memory(stream.next + 1, &stream.engine).map_err(StreamError::from)?,
                raw: facts::raw(stream.next, &leaves),
                number: lock(&self.store).stream(project.id())?.raw_next,
                row,
                leaves,
                block,
            });
        }
        let mut changes = vec![];
        for (stream, w) in self.streams.iter().zip(&written) {
            let id = stream.project.id();
            changes.extend([facts::set(id, facts::MEMORY, &w.memory), facts::set(id, facts::RAW, &w.raw)]);
            changes.extend(w.block.as_ref().map(|block| super::sign::raw_change(id, w.number, block)));
            changes.extend(stream.next.checked_sub(1).map(|through| Change::Trim { stream: id, through }));
            changes.push(Change::Journal { stream: id, position: stream.next, row: &w.row });
        }
        match lock(&self.store).commit(&changes) {
            Ok(()) => {}
            Err(error) if error.is_passing() => return Ok(Err(format!("{error}; {NO_ROOM}"))),
            Err(error) => return Err(error.into()),
        }
        for (stream, w) in self.streams.iter_mut().zip(written) {
            stream.raw.clear();
            stream.leaves = w.leaves;
            stream.raw.push(&w.row, stream.engine.reached().0);
            stream.next += 1;
        }
        Ok(Ok(()))
    }
}

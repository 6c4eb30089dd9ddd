//! Signing: from a window engine's outputs to statements in the spool, and everything that changes with them.
//!
//! *Commit point 2* is here; `core.rs` says what a crash round it leaves. Journal rows are the core's.

use super::core::{Core, CoreError, lock};
use super::progress::Mark;
use super::stream::{Stream, StreamError};
use super::{clock, facts};
use crate::failpoint;
use crate::statement::{self, Context};
use crate::window::{Output, What};
use evidence::payload::{Place, RawCommitment};
use evidence::statement::{Payload, Role, seal};
use observation::Instant;
use spool::{Change, StoreError};
use std::sync::Arc;

/// Windows times machines that may wait to be signed, while nothing can be signed.
const WAITING_WINDOWS: usize = 20_000;
/// The engine's memory is stored without a statement when the journal has grown by this, bytes.
const JOURNAL_BYTES: u64 = 32 << 20;
/// Longest pause between attempts to store a statement, ms.
const RETRY_MS: u64 = 60_000;

impl Core {
    /// Closes a raw block when enough rows wait for one.
    pub(super) fn archive(&mut self, i: usize) -> Result<(), CoreError> {
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
    pub(super) fn sign(&mut self, i: usize, flush: bool) -> Result<(), CoreError> {
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
            clock: clock::claim(
                now.mono,
                stream.restepped || stream.engine.disbelieves_wall_clock(),
                project.gateway_clock.last(now),
            ),
            checkpoint: None,
            raw: RawCommitment::default(),
            definitions: project.definitions,
        };
        if stream.unanchored {
            return Ok(None);
        }
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
        let snapshot = facts::memory(stream.next, &stream.engine).map_err(StreamError::from)?;
        let raw_fact = facts::raw(stream.next, &kept);
        let end_fact = end.map(i64::to_be_bytes);
        let epoch = stream.boot_epoch.to_be_bytes();
        let mut changes = vec![
            Change::Statement {
                stream: id,
                seq: head.next_seq,
                prev: head.head,
                leaf,
                // Window time: pruning by age must not take a statement signed in 1970 for an old one.
                at_ms: stream.engine.reached().0,
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
    pub(super) fn remember(&mut self, i: usize) -> Result<(), CoreError> {
        self.remember_with(i, &[]).map(|_| ())
    }

    /// Stores the engine's memory together with other changes. Says whether the disk took it.
    pub(super) fn remember_with(&mut self, i: usize, more: &[Change<'_>]) -> Result<bool, CoreError> {
        let stream = &mut self.streams[i];
        let project = Arc::clone(&stream.project);
        let id = project.id();
        let block = stream.block()?;
        let leaves = stream.leaves_with(block.as_ref());
        let snapshot = facts::memory(stream.next, &stream.engine).map_err(StreamError::from)?;
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
}

pub(super) fn raw_change<'a>(stream: &'a str, number: u64, block: &'a crate::raw::Block) -> Change<'a> {
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

//! One project of a gateway without threads, sockets or clocks, for the simulation under `tests/simulation`.
//!
//! Ingest, rulings, the log in SQLite, checkpoints, receipts, proofs, derived tables and the words of every
//! answer are the product's. What stands here instead of the router and the sequencer's task is only which of
//! them a request reaches, and when.

#![expect(clippy::result_large_err, reason = "answers are few here, and plain values are easier to compare")]

use crate::api::ingest;
use crate::derived::Derived;
use crate::error::StorageError;
use crate::identity::{Identity, ProjectSigners};
use crate::import::{ImportError, import};
use crate::project::{DERIVED, LOG, directory};
use crate::sequencer;
use evidence::Hash;
use std::path::Path;
use tlog::{Alarm, Arrival, Head, Log, Newer, Read as _, SealError, Sealed, SqliteLog};
use uplink::{ConsistencyProof, Problem, ProblemKind, StreamState};

/// Status, `retry-after`, body.
pub type Answer = (u16, Option<u32>, Vec<u8>);

/// Statements an agent may have on its way.
const CREDIT: u32 = 64;

/// A running project. Dropping it is the end of the gateway's process.
#[derive(Debug)]
pub struct Gateway {
    id: String,
    log: Log<SqliteLog>,
    reader: SqliteLog,
    derived: Derived,
    signers: ProjectSigners,
    /// What an operator was told, in order.
    pub alarms: Vec<Alarm>,
    /// What was put aside, in words.
    pub aside: Vec<String>,
    /// Why no checkpoint is signed, if none is.
    pub seal_fault: Option<SealError>,
}

/// The process has to end: what is on disk must be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fatal;

impl Gateway {
    /// Makes the project from its genesis.
    pub fn create(data: &Path, identity: &Identity, genesis: Vec<u8>) -> Result<String, ImportError> {
        std::fs::create_dir_all(data.join("projects"))
            .map_err(|e| StorageError::new(data, "make the directory", &e))?;
        import(data, identity, genesis)
    }

    /// Starts as the program does.
    pub fn open(data: &Path, identity: &Identity, id: &str) -> Result<Self, StorageError> {
        let directory = directory(data, id);
        let path = directory.join(LOG);
        let log = Log::open(SqliteLog::open(&path)?).map_err(|e| StorageError::new(&path, "open", &e))?;
        let reader = SqliteLog::open_reader(&path)?;
        let derived = Derived::open(&directory.join(DERIVED))?;
        let signers = identity.signers(id).map_err(|e| StorageError::new(data, "open", &e))?;
        let id = id.to_owned();
        Ok(Self { id, log, reader, derived, signers, alarms: vec![], aside: vec![], seal_fault: None })
    }

    /// Answers a request.
    pub fn handle(&mut self, path: &str, body: Option<&[u8]>) -> Result<Answer, Fatal> {
        let answer = match body {
            Some(body) if path == uplink::path::statements(&self.id) => self.push(body)?,
            Some(_) => Err(Problem::new(ProblemKind::NotFound, path)),
            None => self.read(path),
        };
        Ok(match answer {
            Ok(body) => (200, None, body),
            Err(problem) => {
                (problem.status, problem.retry_after_s, serde_json::to_vec(&problem).unwrap_or_default())
            }
        })
    }

    fn push(&mut self, body: &[u8]) -> Result<Result<Vec<u8>, Problem>, Fatal> {
        let statements = match uplink::split(body) {
            Ok(statements) => statements,
            Err(error) => return Ok(Err(ingest::body_problem(&error))),
        };
        let keys = self.log.keys().clone();
        let arrivals = statements.into_iter().map(|s| Arrival::check(s.to_vec(), &keys)).collect();
        match self.log.ingest(vec![arrivals]) {
            Ok(ingested) => {
                self.aside.extend(ingested.aside.iter().map(|aside| aside.defect.to_string()));
                self.alarms.extend(ingested.alarms);
                tlog::kill::hit("ingest.before_ack");
                let answers = ingested.answers.into_iter().next().unwrap_or_default();
                let answer = ingest::answer(&self.id, &answers, CREDIT);
                Ok(answer.map(|stored| json(&stored)).map_err(|problem| *problem))
            }
            Err(error) if error.is_fatal() => Err(Fatal),
            Err(error) => Ok(Err(ingest::refused(&sequencer::refusal(&error)))),
        }
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, Problem> {
        let project = format!("/v1/projects/{}", uplink::path::segment(&self.id));
        let none = || Problem::new(ProblemKind::NotFound, path);
        let rest = path.strip_prefix(&project).ok_or_else(none)?;
        if rest.is_empty() {
            let (_, _, streams) = self.derived.status().map_err(|e| internal(&e))?;
            return Ok(json(&serde_json::json!({ "streams": streams })));
        }
        if rest == "/checkpoint" {
            return Ok(self.newest()?.note);
        }
        if let Some(kid) = rest.strip_prefix("/streams/") {
            let kid: Hash = hex::decode(kid).ok().and_then(|k| k.try_into().ok()).ok_or_else(none)?;
            let head = self.reader.stream(&kid).map_err(|e| internal(&e))?;
            let start = StreamState { next_seq: 0, head: None, frozen: false };
            let state =
                head.map_or(start, |h| StreamState { next_seq: h.next_seq, head: h.head, frozen: h.frozen });
            return Ok(json(&state));
        }
        if let Some(index) = rest.strip_prefix("/receipts/") {
            return self.receipt(index.parse().map_err(|_| none())?);
        }
        let between = rest.strip_prefix("/consistency?from=").and_then(|q| q.split_once("&to="));
        let (from, to) = between.ok_or_else(none)?;
        self.consistency(from.parse().map_err(|_| none())?, to.parse().map_err(|_| none())?)
    }

    fn newest(&self) -> Result<Sealed, Problem> {
        let sealed = self.log.sealed().cloned();
        sealed.ok_or_else(|| Problem::new(ProblemKind::NotYet, "this log has no checkpoint yet"))
    }

    fn receipt(&mut self, index: u64) -> Result<Vec<u8>, Problem> {
        let sealed = self.newest()?;
        if index >= sealed.size {
            return Err(Problem::new(ProblemKind::NotYet, "not sealed yet"));
        }
        let proof = tlog::proof::inclusion(&mut self.reader, index, sealed.size).map_err(|e| internal(&e))?;
        Ok(self.signers.receipt(index, &sealed, &proof))
    }

    fn consistency(&mut self, from: u64, to: u64) -> Result<Vec<u8>, Problem> {
        if from > to || to > self.log.head().size {
            return Err(Problem::new(ProblemKind::NotYet, "the log has not come so far"));
        }
        let hashes = tlog::proof::consistency(&mut self.reader, from, to).map_err(|e| internal(&e))?;
        Ok(json(&ConsistencyProof { from, to, hashes }))
    }

    /// The timer of checkpoints. Gives a new one.
    pub fn seal(&mut self, now_s: i64) -> Result<Option<Sealed>, Fatal> {
        let signers = &self.signers;
        match self.log.seal(now_s, |head, time_s| signers.checkpoint(head, time_s)) {
            Ok(sealed) => {
                self.seal_fault = None;
                Ok(sealed)
            }
            Err(SealError::Commit(
                tlog::CommitError::Unknown { .. } | tlog::CommitError::Conflict { .. },
            )) => Err(Fatal),
            Err(error) => {
                self.seal_fault = Some(error);
                Ok(None)
            }
        }
    }

    /// The derived tables follow the log.
    pub fn derive(&mut self) -> Result<(), StorageError> {
        let size = self.log.head().size;
        self.derived.catch_up(&mut self.reader, size)
    }

    /// Somebody shows a checkpoint with this gateway's signature.
    pub fn show(&mut self, note: &[u8]) -> Result<(), String> {
        let checkpoint = self.signers.own_checkpoint(note)?;
        let known = Newer { size: checkpoint.size, root: checkpoint.root };
        self.log.learn(known).map_err(|e| e.to_string())
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        self.log.head()
    }

    /// The log, to read.
    pub fn reader(&mut self) -> &mut SqliteLog {
        &mut self.reader
    }

    /// Lets the disk be full beyond so many pages.
    pub fn limit_pages(&mut self, pages: u32) -> Result<(), tlog::StoreError> {
        self.log.store().limit_pages(pages)
    }

    /// Lets no commit to the log succeed, or all again.
    pub fn refuse_writes(&mut self, refuse: bool) -> Result<(), tlog::StoreError> {
        self.log.store().refuse_writes(refuse)
    }
}

fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn internal(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::Internal, error.to_string())
}

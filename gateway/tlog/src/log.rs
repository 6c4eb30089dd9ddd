//! The sequencer of one project's log: takes checked statements in order, decides, commits, and only then
//! tells what is stored. Signs checkpoints over what is committed.
//!
//! No clock, no network, no threads: the shell around it (the gateway) gathers requests and passes the time
//! in. The order of steps and what a crash after each of them leaves behind stands in [`Log::ingest`] and
//! [`Log::seal`].

use crate::answer::{Answer, Ingested};
use crate::arrival::{Arrival, Checked};
use crate::draft::Draft;
use crate::keys::{Defect, Keyring};
use crate::kill;
use crate::store::{CommitError, Head, Loaded, Newer, Sealed, Store, StoreError, StreamHead};
use crate::tree::Tree;
use evidence::Hash;
use evidence::key::Kid;
use evidence::statement::{self, Payload, Statement};
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a batch was not ingested. Nothing of it may be acknowledged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The store could not be read.
    #[error("statements cannot be taken: {0}")]
    Read(#[from] StoreError),
    /// The commit did not succeed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl IngestError {
    /// Whether the log must be read again before anything else is done with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Commit(CommitError::Unknown { .. } | CommitError::Conflict { .. }))
    }
}

/// Why a log cannot be made or opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store cannot be read.
    #[error("the log cannot be read: {0}")]
    Read(#[from] StoreError),
    /// The genesis could not be written.
    #[error("the genesis cannot be written: {0}")]
    Commit(#[from] CommitError),
    /// The genesis is not one.
    #[error("the genesis is not valid: {0}")]
    Genesis(String),
    /// What is stored contradicts itself.
    #[error("the log is damaged: {0}; restore a backup, the agents refill what came after it")]
    Damaged(String),
}

/// Why no checkpoint was signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// A newer checkpoint of this log is known.
    #[error(
        "a checkpoint of size {known} is known and this log has {size} entries: it was restored from an old \
         backup. Nothing is signed until the agents have refilled it to the same root"
    )]
    Behind {
        /// Size of the known checkpoint.
        known: u64,
        /// Size of this log.
        size: u64,
    },
    /// A known checkpoint is not a beginning of this log.
    #[error(
        "a checkpoint of size {known} is known whose root this log does not have: two histories would be \
         signed. Restore the backup that contains it"
    )]
    Forked {
        /// Size of the known checkpoint.
        known: u64,
    },
    /// The clock is behind the newest checkpoint.
    #[error("the clock says {now_s} s, the newest checkpoint was signed at {last_s} s; set the clock right")]
    ClockBehind {
        /// The clock, UTC seconds.
        now_s: i64,
        /// Time of the newest checkpoint, UTC seconds.
        last_s: i64,
    },
    /// The note could not be made.
    #[error("the checkpoint cannot be signed: {0}")]
    Sign(String),
    /// The store could not be read.
    #[error("the checkpoint cannot be made: {0}")]
    Read(#[from] StoreError),
    /// The checkpoint could not be written.
    #[error("the checkpoint cannot be written: {0}")]
    Commit(#[from] CommitError),
}

/// What the sequencer keeps in memory; replaced as a whole after a commit.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) root: Hash,
    pub(crate) streams: BTreeMap<Kid, StreamHead>,
    pub(crate) keys: Keyring,
    pub(crate) newer: Option<Newer>,
    /// Note hashes per agent that were found among our own checkpoints.
    pub(crate) seen: BTreeMap<Kid, Hash>,
}

impl State {
    pub(crate) fn stream(&self, kid: &Kid) -> StreamHead {
        let empty = || StreamHead { kid: kid.0, next_seq: 0, head: None, frozen: false };
        self.streams.get(kid).cloned().unwrap_or_else(empty)
    }

    pub(crate) fn head(&self) -> Head {
        Head { size: self.tree.size(), root: self.root }
    }
}

/// One project's log, open for writing.
#[derive(Debug)]
pub struct Log<S> {
    store: S,
    state: State,
    sealed: Option<Sealed>,
}

impl<S: Store> Log<S> {
    /// Begins a log in an empty store: the genesis becomes entry 0.
    pub fn create(mut store: S, genesis: Vec<u8>) -> Result<Self, OpenError> {
        let (statement, keys) = open_genesis(&genesis)?;
        if store.head()?.size > 0 {
            return Err(OpenError::Genesis("this log has entries already".to_owned()));
        }
        let tree = Tree::default();
        let root = tree.root();
        let state = State { tree, root, streams: BTreeMap::new(), keys, newer: None, seen: BTreeMap::new() };
        let mut log = Self { store, state, sealed: None };
        let arrival = Arrival { bytes: genesis, checked: Checked::Verified(Box::new(statement)) };
        let ingested = log.ingest(vec![vec![arrival]]).map_err(|e| match e {
            IngestError::Read(e) => OpenError::Read(e),
            IngestError::Commit(e) => OpenError::Commit(e),
        })?;
        match ingested.answers.first().and_then(|answers| answers.first()) {
            Some(Answer::Stored { .. }) => Ok(log),
            other => Err(OpenError::Genesis(format!("it cannot be entry 0: {other:?}"))),
        }
    }

    /// Opens a log and checks that its right edge has the stored root.
    pub fn open(mut store: S) -> Result<Self, OpenError> {
        let Loaded { head, streams, control, sealed, newer } = store.load()?;
        let tree = Tree::load(head.size, |level, number| store.tile(level, number))?
            .map_err(|(level, number)| OpenError::Damaged(format!("tile {level}/{number} is missing")))?;
        let root = tree.root();
        if root != head.root {
            return Err(OpenError::Damaged("the tiles do not have the stored root".to_owned()));
        }
        let keys = replay(control)?;
        let streams = streams.into_iter().map(|stream| (Kid(stream.kid), stream)).collect();
        let state = State { tree, root, streams, keys, newer, seen: BTreeMap::new() };
        Ok(Self { store, state, sealed })
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        self.state.head()
    }

    /// The keys as they are at the end of the log.
    pub fn keys(&self) -> &Keyring {
        &self.state.keys
    }

    /// The newest checkpoint.
    pub fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref()
    }

    /// The store.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Takes requests, each a row of statements, and commits what may be logged in one transaction.
    ///
    /// 1. Decide in memory, on a copy. A crash leaves nothing; the agents send again.
    /// 2. Commit. A crash inside leaves all or nothing (the store's promise); nobody was answered, the agents
    ///    send again and what was written is acknowledged from the log.
    /// 3. Replace the state in memory and answer. A crash leaves stored statements without acknowledgement:
    ///    the same as the second half of 2.
    ///
    /// After an error for which [`IngestError::is_fatal`] holds, this value no longer mirrors the store and
    /// must be dropped.
    pub fn ingest(&mut self, requests: Vec<Vec<Arrival>>) -> Result<Ingested, IngestError> {
        let mut draft = Draft::new(&self.state, &mut self.store);
        for request in requests {
            draft.request(request)?;
        }
        let (state, batch, ingested) = draft.finish();
        if let Some(batch) = batch {
            self.store.commit(&batch)?;
            kill::hit("ingest.after_commit");
            self.state = state;
        }
        Ok(ingested)
    }

    /// Remembers that somebody holds a checkpoint of ours of this size and root, whose signature the caller
    /// has checked. Until the log contains it, nothing is signed; if it has grown past it without containing it,
    /// never again.
    pub fn learn(&mut self, known: Newer) -> Result<(), IngestError> {
        let head = self.head();
        let fits =
            known.size <= head.size && crate::proof::root_at(&mut self.store, known.size)? == known.root;
        if fits || outweighs(&mut self.store, head.size, self.state.newer, known.size)? {
            return Ok(());
        }
        let batch = crate::store::Batch {
            from: head,
            to: head,
            entries: vec![],
            streams: vec![],
            tiles: vec![],
            newer: Some(known),
        };
        self.store.commit(&batch)?;
        self.state.newer = Some(known);
        Ok(())
    }

    /// Signs and writes a checkpoint over everything committed; nothing when there is nothing new.
    ///
    /// 1. Refuse while a newer checkpoint is known or the clock runs backwards.
    /// 2. Sign. A crash leaves nothing: the note was shown to nobody.
    /// 3. Write. A crash inside leaves all or nothing; a note that was written is published at the restart.
    ///    Signing the same size again would be harmless too: the root is the same.
    pub fn seal(
        &mut self,
        now_s: i64,
        sign: impl FnOnce(&Head, i64) -> Result<Vec<u8>, String>,
    ) -> Result<Option<Sealed>, SealError> {
        let head = self.head();
        if self.sealed.as_ref().is_some_and(|sealed| sealed.size >= head.size) {
            return Ok(None);
        }
        self.refuse_behind()?;
        if let Some(last_s) = self.sealed.as_ref().map(|sealed| sealed.time_s).filter(|last| now_s < *last) {
            return Err(SealError::ClockBehind { now_s, last_s });
        }
        let note = sign(&head, now_s).map_err(SealError::Sign)?;
        let sealed = Sealed { size: head.size, root: head.root, time_s: now_s, note };
        kill::hit("checkpoint.before_write");
        self.store.seal(&sealed)?;
        kill::hit("checkpoint.after_write");
        self.sealed = Some(sealed.clone());
        Ok(Some(sealed))
    }

    fn refuse_behind(&mut self) -> Result<(), SealError> {
        let Some(newer) = self.state.newer else { return Ok(()) };
        let size = self.state.tree.size();
        if newer.size > size {
            return Err(SealError::Behind { known: newer.size, size });
        }
        if crate::proof::root_at(&mut self.store, newer.size)? != newer.root {
            return Err(SealError::Forked { known: newer.size });
        }
        // The next commit writes this down; until then a restart finds the same answer again.
        self.state.newer = None;
        Ok(())
    }
}

/// Whether `known` forbids checkpoints of a log of `size` entries for at least as long as a checkpoint of size
/// `other` would: it contradicts the log already, or the log has farther to go to it.
pub(crate) fn outweighs<R: crate::store::Read>(
    store: &mut R,
    size: u64,
    known: Option<Newer>,
    other: u64,
) -> Result<bool, StoreError> {
    let Some(known) = known else { return Ok(false) };
    if known.size > size {
        return Ok(known.size >= other);
    }
    Ok(crate::proof::root_at(store, known.size)? != known.root)
}

/// Reads a genesis and checks that a registrar it names has signed it.
pub fn open_genesis(bytes: &[u8]) -> Result<(Statement, Keyring), OpenError> {
    let bad = |e: &dyn std::fmt::Display| OpenError::Genesis(e.to_string());
    let unverified = statement::open(bytes).map_err(|e| bad(&e))?;
    let Payload::Genesis(genesis) = &unverified.payload else {
        return Err(OpenError::Genesis("this is a statement of another kind".to_owned()));
    };
    let keys = Keyring::of_genesis(genesis);
    keys.admit(&unverified.header, 0).map_err(|e| bad(&e))?;
    let kid = unverified.header.kid;
    let row = keys.get(&kid).ok_or_else(|| bad(&Defect::UnknownKey(kid)))?;
    let key = row.key.clone();
    let statement = unverified.verify(&key).map_err(|e| bad(&e))?;
    Ok((statement, keys))
}

/// The keyring at the end of the log, from its control entries.
fn replay(control: Vec<crate::store::Entry>) -> Result<Keyring, OpenError> {
    let mut entries = control.into_iter();
    let first = entries.next().ok_or_else(|| OpenError::Damaged("there is no genesis".to_owned()))?;
    let (_, mut keys) = open_genesis(&first.bytes)?;
    for entry in entries {
        let damaged =
            |e: &dyn std::fmt::Display| OpenError::Damaged(format!("control entry {}: {e}", entry.index));
        let unverified = statement::open(&entry.bytes).map_err(|e| damaged(&e))?;
        let signer = unverified.header.kid;
        apply_control(&mut keys, entry.index, &unverified.payload, &signer, |_, _, _| {
            // Whatever the log accepted then is in the log now.
            true
        })
        .map_err(|e| damaged(&e))?;
    }
    Ok(keys)
}

/// Applies a control statement (key, close) to the keyring; other kinds change nothing.
pub(crate) fn apply_control(
    keys: &mut Keyring,
    index: u64,
    payload: &Payload,
    signer: &Kid,
    logged: impl FnMut(&Kid, u64, &Hash) -> bool,
) -> Result<Option<crate::keys::Unfrozen>, Defect> {
    match payload {
        Payload::Key(change) => keys.change(index, change, signer, logged),
        Payload::Close(close) => {
            let ended = close.stream.unwrap_or(*signer);
            keys.close(index, &ended).map(|()| None)
        }
        _ => Ok(None),
    }
}

/// Whether a statement changes who may sign.
pub(crate) fn is_control(payload: &Payload) -> bool {
    matches!(payload, Payload::Genesis(_) | Payload::Key(_) | Payload::Close(_))
}

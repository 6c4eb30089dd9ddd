//! Reads a whole log again and recomputes everything that is stored beside the entries: leaf hashes, tiles,
//! root, stream heads, roster, and the root of every checkpoint. Signatures are checked too.
//!
//! For tests after each fault, for `rebuild`, and for whoever restored a backup. It changes nothing.

use crate::arrival::{Arrival, Checked};
use crate::keys::Keyring;
use crate::log::{apply_control, is_control, open_genesis};
use crate::rules::{Ruling, rule};
use crate::store::{Entry, Head, Part, Read, Sealed, StoreError, StreamHead};
use crate::tree::{HashTile, Tree};
use evidence::Hash;
use evidence::key::Kid;
use evidence::statement::Statement;
use std::collections::BTreeMap;
use thiserror::Error;

/// How many entries are held in memory at once.
const CHUNK: u64 = 512;

/// The first thing that does not hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecheckError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] StoreError),
    /// An entry is missing, or is not what it is stored as.
    #[error("entry {index}: {detail}")]
    Entry {
        /// Its index.
        index: u64,
        /// What does not hold.
        detail: String,
    },
    /// A tile is not that of the entries.
    #[error("tile {level}/{number} does not fit the entries")]
    Tile {
        /// Tile level.
        level: u32,
        /// Tile number.
        number: u64,
    },
    /// The head is not that of the entries.
    #[error("the head says {stored:?}, the entries give {computed:?}")]
    Head {
        /// What is stored.
        stored: Head,
        /// What the entries give.
        computed: Head,
    },
    /// A stream's head is not that of its entries.
    #[error("the head of stream {kid} does not fit its entries")]
    Stream {
        /// The stream's key.
        kid: Kid,
    },
    /// A checkpoint's root is not the log's root at that size.
    #[error("the checkpoint of size {size} has a root that the log never had")]
    Checkpoint {
        /// Its size.
        size: u64,
    },
}

/// What a log is when read from entry 0; also the source of everything derived from it.
#[derive(Debug, Default)]
pub struct Replay {
    tree: Tree,
    keys: Option<Keyring>,
    streams: BTreeMap<Kid, StreamHead>,
    /// Leaves by stream and number, to tell equivocations from repetitions.
    logged: BTreeMap<(Kid, u64), Vec<(u64, Hash)>>,
}

impl Replay {
    /// Takes the next entry; yields the statement. Errors are in words, without the index.
    pub fn step(&mut self, entry: &Entry, full: &mut Vec<HashTile>) -> Result<Statement, String> {
        let index = self.tree.size();
        if entry.index != index {
            return Err(format!("entry {index} is missing"));
        }
        let statement = self.checked(entry)?;
        let (kid, seq, leaf) = (statement.header().kid, statement.payload().seq(), statement.leaf());
        if (entry.kid, entry.seq, entry.leaf) != (kid.0, seq, leaf) {
            return Err("key, number or leaf hash are not those of the statement".to_owned());
        }
        let part = self.decide(index, &statement)?;
        if part != entry.part {
            return Err(format!("it is stored as {:?} and is {part:?}", entry.part));
        }
        self.logged.entry((kid, seq)).or_default().push((index, leaf));
        self.tree.append(leaf, full);
        Ok(statement)
    }

    /// Size and root so far.
    pub fn head(&self) -> Head {
        Head { size: self.tree.size(), root: self.tree.root() }
    }

    fn checked(&mut self, entry: &Entry) -> Result<Statement, String> {
        let Some(keys) = &self.keys else {
            let (statement, keys) = open_genesis(&entry.bytes).map_err(|e| e.to_string())?;
            self.keys = Some(keys);
            return Ok(statement);
        };
        match Arrival::check(entry.bytes.clone(), keys).checked {
            Checked::Verified(statement) => Ok(*statement),
            Checked::UnknownKey(unverified) => Err(format!("key {} is unknown", unverified.header.kid)),
            Checked::Never { defect, .. } => Err(defect.to_string()),
        }
    }

    fn decide(&mut self, index: u64, statement: &Statement) -> Result<Part, String> {
        let (kid, seq, leaf) = (statement.header().kid, statement.payload().seq(), statement.leaf());
        let Some(keys) = &mut self.keys else { return Err("there is no genesis before it".to_owned()) };
        keys.admit(statement.header(), index).map_err(|e| e.to_string())?;
        let empty = StreamHead { kid: kid.0, next_seq: 0, head: None, frozen: false };
        let stream = self.streams.entry(kid).or_insert(empty);
        let none = vec![];
        let known = self.logged.get(&(kid, seq)).unwrap_or(&none);
        match rule(stream, known, seq, statement.payload().prev(), &leaf) {
            Ruling::Equivocation => {
                stream.frozen = true;
                Ok(Part::Second)
            }
            Ruling::Append => {
                stream.next_seq = seq + 1;
                stream.head = Some(leaf);
                self.control(index, statement)
            }
            other => Err(format!("by the rules it could not have been logged ({other:?})")),
        }
    }

    fn control(&mut self, index: u64, statement: &Statement) -> Result<Part, String> {
        if !is_control(statement.payload()) {
            return Ok(Part::Plain);
        }
        let Some(keys) = &mut self.keys else { return Ok(Part::Control) };
        let logged = &self.logged;
        let holds = |kid: &Kid, seq: u64, leaf: &Hash| {
            logged.get(&(*kid, seq)).is_some_and(|all| all.iter().any(|(_, known)| known == leaf))
        };
        let signer = statement.header().kid;
        let effect = apply_control(keys, index, statement.payload(), &signer, holds);
        if let Some(unfrozen) = effect.map_err(|e| e.to_string())? {
            let stream = StreamHead {
                kid: unfrozen.kid.0,
                next_seq: unfrozen.last.map_or(0, |(seq, _)| seq + 1),
                head: unfrozen.last.map(|(_, leaf)| leaf),
                frozen: false,
            };
            self.streams.insert(unfrozen.kid, stream);
        }
        Ok(Part::Control)
    }
}

/// Re-verifies a whole log.
pub fn recheck<R: Read>(store: &mut R) -> Result<Head, RecheckError> {
    let loaded = store.load()?;
    let mut replay = Replay::default();
    let mut checkpoint = store.sealed_from(0)?;
    while replay.tree.size() < loaded.head.size {
        let from = replay.tree.size();
        for entry in &store.entries(from, (from + CHUNK).min(loaded.head.size))? {
            let mut full = vec![];
            replay
                .step(entry, &mut full)
                .map_err(|detail| RecheckError::Entry { index: entry.index, detail })?;
            same_tiles(store, &full)?;
            checkpoint = same_checkpoint(store, &replay, checkpoint)?;
        }
        if replay.tree.size() == from {
            return Err(RecheckError::Entry { index: from, detail: "it is missing".to_owned() });
        }
    }
    same_tiles(store, &replay.tree.unfinished(0))?;
    if let Some(beyond) = checkpoint {
        return Err(RecheckError::Checkpoint { size: beyond.size });
    }
    let computed = replay.head();
    if computed != loaded.head {
        return Err(RecheckError::Head { stored: loaded.head, computed });
    }
    same_streams(&replay, loaded.streams)?;
    Ok(computed)
}

fn same_tiles<R: Read>(store: &mut R, tiles: &[HashTile]) -> Result<(), RecheckError> {
    for tile in tiles {
        if store.tile(tile.level, tile.number)?.as_ref() != Some(&tile.bytes) {
            return Err(RecheckError::Tile { level: tile.level, number: tile.number });
        }
    }
    Ok(())
}

/// Compares the next checkpoint when the tree has come to its size; yields the one to wait for.
fn same_checkpoint<R: Read>(
    store: &mut R,
    replay: &Replay,
    waiting: Option<Sealed>,
) -> Result<Option<Sealed>, RecheckError> {
    let Some(sealed) = waiting else { return Ok(None) };
    if replay.tree.size() != sealed.size {
        return Ok(Some(sealed));
    }
    if replay.tree.root() != sealed.root {
        return Err(RecheckError::Checkpoint { size: sealed.size });
    }
    Ok(store.sealed_from(sealed.size + 1)?)
}

fn same_streams(replay: &Replay, stored: Vec<StreamHead>) -> Result<(), RecheckError> {
    let stored: BTreeMap<Kid, StreamHead> = stored.into_iter().map(|s| (Kid(s.kid), s)).collect();
    let kids = stored.keys().chain(replay.streams.keys());
    for kid in kids {
        if stored.get(kid) != replay.streams.get(kid) {
            return Err(RecheckError::Stream { kid: *kid });
        }
    }
    Ok(())
}

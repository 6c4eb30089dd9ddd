//! `export`: the whole bundle of a project's newest checkpoint. The same log and checkpoint give the same
//! bytes, whoever exports and whenever.
//!
//! Reads beside a running gateway. Memory is one file at a time and the list of paths.

use crate::error::StorageError;
use crate::project::{self, LOG};
use crate::readers::each_entry;
use crate::tiles;
use evidence::Hash;
use evidence::bundle::{BagInfo, BundleWriter, WriteError, path as place};
use evidence::payload::Genesis;
use evidence::statement::{self, Payload};
use evidence::tile::{Tile, hash_tiles, tiles_of};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tlog::{Read as _, Sealed, SqliteLog};

/// Why there is no bundle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// No such project.
    #[error("{}: there is no project here; `plumbline-gateway project import` makes one", .0.display())]
    Unknown(PathBuf),
    /// The file is there already.
    #[error("{}: exists already; a bundle is never written over another file", .0.display())]
    Exists(PathBuf),
    /// Nothing is sealed.
    #[error("project {0} has no checkpoint yet; run the gateway until the first one is signed")]
    Unsealed(String),
    /// The bundle could not be written.
    #[error("{}: {source}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: WriteError,
    },
    /// A store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Entries of the log.
    pub entries: u64,
    /// Checkpoints beside the newest.
    pub checkpoints: usize,
    /// Files under `data/`.
    pub files: usize,
    /// Length of the bundle.
    pub bytes: u64,
}

/// Writes a project's bundle to a new file. It has its name only once it is complete.
pub fn export(data: &Path, id: &str, out: &Path) -> Result<Exported, ExportError> {
    if out.exists() {
        return Err(ExportError::Exists(out.to_owned()));
    }
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let file = std::fs::File::create(&partial).map_err(|e| StorageError::new(&partial, "create", &e))?;
    let written = write(data, id, BufWriter::new(file), out).and_then(|(writer, mut exported)| {
        let file = writer.into_inner().map_err(|e| StorageError::new(&partial, "write", &e))?;
        file.sync_all().map_err(|e| StorageError::new(&partial, "write", &e))?;
        exported.bytes = file.metadata().map_err(|e| StorageError::new(&partial, "read", &e))?.len();
        std::fs::rename(&partial, out).map_err(|e| StorageError::new(out, "put in place", &e))?;
        Ok(exported)
    });
    if written.is_err() {
        // What is left of a failed export says nothing; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// Writes a project's bundle to any writer; `name` stands for it in messages.
pub fn write<W: Write>(data: &Path, id: &str, out: W, name: &Path) -> Result<(W, Exported), ExportError> {
    let directory = project::directory(data, id);
    let path = directory.join(LOG);
    if project::check_id(id).is_err() || !path.exists() {
        return Err(ExportError::Unknown(directory));
    }
    let mut log = SqliteLog::open_reader(&path).map_err(StorageError::from)?;
    let newest = log.sealed().map_err(StorageError::from)?;
    let newest = newest.ok_or_else(|| ExportError::Unsealed(id.to_owned()))?;
    let fault = |source| ExportError::Bundle { path: name.to_owned(), source };
    let mut plan = Plan::of(&mut log, &newest)?;
    let info = BagInfo { origin: plan.origin.clone(), partial: false };
    let mut bundle = BundleWriter::new(out, &plan.folder, &info).map_err(fault)?;
    let files = std::mem::take(&mut plan.files);
    let exported =
        Exported { entries: newest.size, checkpoints: plan.checkpoints, files: files.len(), bytes: 0 };
    for (path, content) in files {
        let bytes = match content {
            Content::Bytes(bytes) => bytes,
            Content::Tile(tile) => tiles::read(&mut log, tile, newest.size)?.ok_or_else(|| {
                StorageError::new(&directory, "read the log", &format!("{path} is missing"))
            })?,
        };
        bundle.add(&path, &bytes).map_err(fault)?;
    }
    Ok((bundle.finish().map_err(fault)?, exported))
}

/// A file's content, or where it comes from when its turn comes.
enum Content {
    Bytes(Vec<u8>),
    Tile(Tile),
}

/// The files of a bundle in the order of their paths.
struct Plan {
    folder: String,
    origin: String,
    files: BTreeMap<String, Content>,
    checkpoints: usize,
}

impl Plan {
    fn of(log: &mut SqliteLog, newest: &Sealed) -> Result<Self, StorageError> {
        let mut named = BTreeSet::new();
        let mut first: Option<Genesis> = None;
        each_entry(log, 0, newest.size, |entry| {
            match statement::open(&entry.bytes).map(|unverified| unverified.payload) {
                Ok(Payload::Genesis(genesis)) if entry.index == 0 => first = Some(*genesis),
                Ok(Payload::Window(window)) => named.extend(window.checkpoint.map(|seen| seen.note_hash)),
                _ => {}
            }
            Ok(())
        })?;
        let genesis = first
            .ok_or_else(|| StorageError::new(Path::new(LOG), "read entry 0", &"the log has no genesis"))?;
        let mut files = BTreeMap::new();
        for sealed in named_checkpoints(log, named.iter(), newest)? {
            files.insert(place::note(&sealed.hash()), Content::Bytes(sealed.note));
        }
        let checkpoints = files.len();
        files.insert(place::CHECKPOINT.to_owned(), Content::Bytes(newest.note.clone()));
        for tile in hash_tiles(newest.size).chain(tiles_of(None, newest.size)) {
            files.insert(place::tile(&tile), Content::Tile(tile));
        }
        if let Some(policy) = &genesis.witness_policy {
            let path = format!("{}witness-policy.txt", place::POLICY);
            files.insert(path, Content::Bytes(policy.clone().into_bytes()));
        }
        Ok(Self {
            folder: format!("plumbline-{}", genesis.project),
            origin: genesis.origin,
            files,
            checkpoints,
        })
    }
}

/// Every checkpoint of ours that a window statement names, and the first after each; without the newest.
pub(crate) fn named_checkpoints<'a>(
    log: &mut SqliteLog,
    named: impl Iterator<Item = &'a Hash>,
    newest: &Sealed,
) -> Result<Vec<Sealed>, StorageError> {
    let mut found = BTreeMap::new();
    for hash in named {
        // A note that is not ours cannot be shown; the verifier says so.
        let Some(sealed) = log.sealed_by_hash(hash)? else { continue };
        let next = log.sealed_from(sealed.size + 1)?;
        for one in [Some(sealed), next].into_iter().flatten() {
            found.insert(one.size, one);
        }
    }
    Ok(found.into_values().filter(|sealed| sealed.size < newest.size).collect())
}

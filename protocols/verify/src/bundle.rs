//! Verification of a bundle from its first byte to the report. One walk over the log in order; what can be
//! checked of an entry by itself runs ahead of it on other threads, and the result does not depend on how many.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use evidence::bundle::path::{self, CHECKPOINT, CHECKPOINTS, LOG, RECEIPTS};
use evidence::bundle::{BundleError, BundleReader};
use evidence::hash::sha256;
use evidence::key::{Kid, PublicKey};
use evidence::note::{Checkpoint, Note};
use evidence::statement::{self, Kind, Payload, Statement};
use evidence::tile::{Tile, WIDTH, decode_entries, tiles_of};
use evidence::{DecodeError, Hash, receipt};
use kpi::Calendars;

use crate::assemble::assemble;
use crate::attest::Attest;
use crate::checked::{AHEAD, Checked, Outcome};
use crate::code::DefectCode;
use crate::defects::Defects;
use crate::error::VerifyError;
use crate::ledger::{Asking, Ledger};
use crate::project::{Cutoff, Project};
use crate::report::{Defect, Report};
use crate::roster::contradictions;
use crate::tree::Tree;
use crate::trust::Trust;
use crate::verified::Verified;

/// How far a verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The bundle is open: its form and the list of its files are right.
    Opened,
    /// Entries of the log checked.
    Entries {
        /// Done.
        done: u64,
        /// To do.
        total: u64,
    },
}

/// Verifies a bundle on all cores. An error says that no verdict could be reached, for reasons outside the
/// bundle; whatever is wrong with the bundle itself is in the report.
pub fn verify_bundle<R: Read + Seek>(
    bundle: R,
    trust: &Trust,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified<Report>, VerifyError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    verify_bundle_on(threads, bundle, trust, progress)
}

/// [`verify_bundle`] on so many threads beside the caller's.
pub fn verify_bundle_on<R: Read + Seek>(
    threads: usize,
    bundle: R,
    trust: &Trust,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified<Report>, VerifyError> {
    let walked = walk(threads, bundle, trust, None, progress)?;
    Ok(Verified::new(assemble(walked, trust).0))
}

/// [`verify_bundle`], keeping the totals for further questions. There are none unless the bundle is authentic.
pub fn verify_bundle_asking<R: Read + Seek>(
    bundle: R,
    trust: &Trust,
    asking: &Asking,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Verified<Report>, Option<Verified<Ledger>>), VerifyError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (report, ledger) = assemble(walk(threads, bundle, trust, Some(asking), progress)?, trust);
    Ok((Verified::new(report), ledger.map(Verified::new)))
}

fn walk<R: Read + Seek>(
    threads: usize,
    mut bundle: R,
    trust: &Trust,
    asking: Option<&Asking>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Walked, VerifyError> {
    let mut cutoffs = BTreeSet::new();
    let mut walked = loop {
        let walked = Walk::new(threads, trust, asking, &cutoffs).bundle(&mut bundle, progress)?;
        // The registrar disowned statements that this walk had counted: walk again, knowing it.
        if walked.cutoffs.is_subset(&cutoffs) {
            break walked;
        }
        cutoffs.extend(walked.cutoffs);
    };
    // A retroactive plan: the second row needs every window in the slots of the calendars as changed.
    if let Some(changed) = walked.project.as_ref().and_then(|p| p.as_changed.clone()) {
        let again = Walk { calendars: Some(&changed), ..Walk::new(threads, trust, asking, &cutoffs) };
        walked.changed = again.bundle(&mut bundle, &mut |_| {})?.project;
    }
    Ok(walked)
}

/// What a walk has found.
pub(crate) struct Walked {
    pub(crate) defects: Defects,
    pub(crate) attest: Attest,
    pub(crate) checkpoint: Option<(Checkpoint, Hash)>,
    /// The one folder inside the archive.
    pub(crate) folder: String,
    pub(crate) project: Option<Project>,
    /// The same by the calendars as changed retroactively, if they make others.
    pub(crate) changed: Option<Project>,
    pub(crate) kinds: BTreeMap<String, u64>,
    pub(crate) entries: u64,
    /// Every entry was there to be walked.
    pub(crate) whole: bool,
    cutoffs: BTreeSet<Cutoff>,
}

struct Walk<'t> {
    threads: usize,
    trust: &'t Trust,
    asking: Option<&'t Asking>,
    known_cutoffs: &'t BTreeSet<Cutoff>,
    /// Calendars that hold from first to last; else those that were planned as the log went on.
    calendars: Option<&'t Calendars>,
    tree: Tree,
    keys: Arc<BTreeMap<Kid, PublicKey>>,
    receipts: BTreeMap<u64, Vec<(u64, Hash)>>,
    out: Walked,
}

/// A tile of entries whose checks run on other threads.
struct Ahead<'scope> {
    tile: Tile,
    file: String,
    workers: Vec<ScopedJoinHandle<'scope, Result<Vec<Checked>, DecodeError>>>,
}

impl<'t> Walk<'t> {
    fn new(
        threads: usize,
        trust: &'t Trust,
        asking: Option<&'t Asking>,
        known_cutoffs: &'t BTreeSet<Cutoff>,
    ) -> Self {
        let out = Walked {
            defects: Defects::within(trust.period),
            attest: Attest::default(),
            checkpoint: None,
            folder: String::new(),
            project: None,
            changed: None,
            kinds: BTreeMap::new(),
            entries: 0,
            whole: false,
            cutoffs: BTreeSet::new(),
        };
        Self {
            threads: threads.max(1),
            trust,
            asking,
            known_cutoffs,
            calendars: None,
            tree: Tree::default(),
            keys: Arc::default(),
            receipts: BTreeMap::new(),
            out,
        }
    }

    fn bundle<R: Read + Seek>(
        mut self,
        bundle: &mut R,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Walked, VerifyError> {
        let opened = BundleReader::open(bundle);
        let Some(mut reader) = self.noted(opened)? else { return Ok(self.out) };
        if reader.info().partial {
            return Err(VerifyError::Kind { kind: "a partial one" });
        }
        reader.top().clone_into(&mut self.out.folder);
        progress(Progress::Opened);
        let Some(checkpoint) = self.checkpoint(&mut reader)? else { return Ok(self.out) };
        self.notes(&mut reader, checkpoint.size)?;
        self.out.whole = self.entries(&mut reader, checkpoint.size, progress)?;
        if checkpoint.size == 0 {
            self.out.defects.file(DefectCode::GenesisMissing, CHECKPOINT, "the log is empty");
        }
        if self.out.whole {
            self.edge(&mut reader, &checkpoint)?;
        }
        let rest = reader.check_rest();
        self.noted(rest)?;
        Ok(self.out)
    }

    /// Sorts a bundle's defect from a failing disk.
    fn noted<T>(&mut self, result: Result<T, BundleError>) -> Result<Option<T>, VerifyError> {
        let error = match result {
            Ok(value) => return Ok(Some(value)),
            Err(BundleError::Io(source)) => {
                return Err(VerifyError::Read { what: "the zip file".to_owned(), source });
            }
            Err(error) => error,
        };
        let code = match error {
            // What zip programs write of their own accord: folders, and modes without a type.
            BundleError::NotPlain { mode, .. } if matches!(mode >> 12, 0 | 0o04) => DefectCode::BundleZip,
            BundleError::Name { .. }
            | BundleError::OutsideTop(_)
            | BundleError::Duplicate(_)
            | BundleError::CaseDuplicate(_)
            | BundleError::NotPlain { .. }
            | BundleError::Foreign(_) => DefectCode::BundleName,
            BundleError::Missing(_)
            | BundleError::TagFile(_)
            | BundleError::Manifest { .. }
            | BundleError::Unlisted(_)
            | BundleError::ListedOnly(_)
            | BundleError::Digest(_)
            | BundleError::NotFound(_) => DefectCode::BundleManifest,
            _ => DefectCode::BundleZip,
        };
        self.out.defects.add(code, Defect { detail: error.to_string(), ..Defect::default() });
        Ok(None)
    }

    fn read<R: Read + Seek>(
        &mut self,
        reader: &mut BundleReader<R>,
        file: &str,
        missing: DefectCode,
    ) -> Result<Option<Vec<u8>>, VerifyError> {
        if !reader.contains(file) {
            self.out.defects.file(missing, file, "is not in the bundle");
            return Ok(None);
        }
        let content = reader.read(file);
        self.noted(content)
    }

    fn checkpoint<R: Read + Seek>(
        &mut self,
        reader: &mut BundleReader<R>,
    ) -> Result<Option<Checkpoint>, VerifyError> {
        let Some(bytes) = self.read(reader, CHECKPOINT, DefectCode::BundleFile)? else { return Ok(None) };
        let defects = &mut self.out.defects;
        let parsed = Note::parse(&bytes).and_then(|note| Ok((Checkpoint::parse(note.text())?, note)));
        let (checkpoint, note) = match parsed {
            Ok(parsed) => parsed,
            Err(e) => {
                defects.file(DefectCode::CheckpointNote, CHECKPOINT, e.to_string());
                return Ok(None);
            }
        };
        match note.verify(&self.trust.log) {
            Ok(_) => self.out.attest.add(CHECKPOINT, &bytes, self.trust, defects),
            Err(e) => defects.file(DefectCode::CheckpointSignature, CHECKPOINT, e.to_string()),
        }
        self.out.checkpoint = Some((checkpoint.clone(), sha256(&bytes)));
        Ok(Some(checkpoint))
    }

    fn notes<R: Read + Seek>(&mut self, reader: &mut BundleReader<R>, size: u64) -> Result<(), VerifyError> {
        let files: Vec<String> = reader
            .files()
            .map(|(file, _)| file.to_owned())
            .filter(|file| file.starts_with(CHECKPOINTS))
            .collect();
        for file in files {
            let Some(bytes) = self.read(reader, &file, DefectCode::SeenNote)? else { continue };
            if path::note(&sha256(&bytes)) == file {
                self.out.attest.add(&file, &bytes, self.trust, &mut self.out.defects);
            } else {
                self.out.defects.file(DefectCode::SeenNote, &file, "is not named by its SHA-256");
            }
        }
        self.out.attest.settle(size, &mut self.out.defects);
        Ok(())
    }

    /// Walks every entry. Whether all of them were there.
    fn entries<R: Read + Seek>(
        &mut self,
        reader: &mut BundleReader<R>,
        size: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bool, VerifyError> {
        std::thread::scope(|scope| {
            let mut tiles = tiles_of(None, size);
            let mut ahead = match tiles.next() {
                Some(tile) => self.start(scope, reader, tile)?,
                None => None,
            };
            let mut done = 0;
            while let Some(current) = ahead {
                // The next tile is checked on other threads while this one is walked here.
                let next = tiles.next();
                ahead = match next {
                    Some(tile) => self.start(scope, reader, tile)?,
                    None => None,
                };
                let Some(checked) = self.join(current) else { return Ok(false) };
                done += checked.len() as u64;
                self.grow(reader, &checked)?;
                for (index, entry) in (done - checked.len() as u64..).zip(checked) {
                    self.entry(index, entry)?;
                }
                progress(Progress::Entries { done, total: size });
                if next.is_some() && ahead.is_none() {
                    return Ok(false);
                }
            }
            Ok(done == size)
        })
    }

    /// Starts checking a tile's entries by themselves.
    fn start<'scope, R: Read + Seek>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        reader: &mut BundleReader<R>,
        tile: Tile,
    ) -> Result<Option<Ahead<'scope>>, VerifyError> {
        let file = path::tile(&tile);
        let Some(bytes) = self.read(reader, &file, DefectCode::LogTile)? else { return Ok(None) };
        if tile.index == 0 {
            self.keys = Arc::new(genesis_keys(&bytes, tile.width));
        } else if let Some(project) = &self.out.project {
            self.keys = project.public_keys(&self.keys);
        }
        let bytes = Arc::new(bytes);
        let workers = (0..self.threads).map(|worker| {
            let (bytes, keys, threads) = (Arc::clone(&bytes), Arc::clone(&self.keys), self.threads);
            scope.spawn(move || {
                let entries = decode_entries(&bytes, tile.width)?;
                let chunk = entries.len().div_ceil(threads);
                let own = entries.chunks(chunk.max(1)).nth(worker).unwrap_or(&[]);
                let mut room = AHEAD / threads;
                Ok(own.iter().map(|entry| Checked::new(entry, &keys, &mut room)).collect())
            })
        });
        Ok(Some(Ahead { tile, file, workers: workers.collect() }))
    }

    fn join(&mut self, ahead: Ahead<'_>) -> Option<Vec<Checked>> {
        let mut checked = Vec::with_capacity(ahead.tile.width.into());
        for worker in ahead.workers {
            match worker.join() {
                Ok(Ok(part)) => checked.extend(part),
                Ok(Err(e)) => {
                    if checked.is_empty() {
                        self.out.defects.file(DefectCode::LogTile, &ahead.file, e.to_string());
                    }
                    return None;
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Some(checked)
    }

    /// Adds a tile's leaves to the tree and compares what becomes known thereby.
    fn grow<R: Read + Seek>(
        &mut self,
        reader: &mut BundleReader<R>,
        checked: &[Checked],
    ) -> Result<(), VerifyError> {
        for entry in checked {
            let index = self.tree.size();
            self.receipt(reader, index, entry.leaf)?;
            self.tree.append(entry.leaf);
            let size = index + 1;
            let tree = &self.tree;
            self.out.attest.grown(size, || tree.root(), &mut self.out.defects);
            for (of, root) in self.receipts.remove(&size).unwrap_or_default() {
                if root != self.tree.root() {
                    let detail = "proves a root that is not the log's at that size";
                    self.out.defects.file(DefectCode::Receipt, &path::receipt(of), detail);
                }
            }
        }
        for (tile, hashes) in self.tree.completed() {
            self.hash_tile(reader, tile, &hashes)?;
        }
        Ok(())
    }

    fn receipt<R: Read + Seek>(
        &mut self,
        reader: &mut BundleReader<R>,
        index: u64,
        leaf: Hash,
    ) -> Result<(), VerifyError> {
        let file = path::receipt(index);
        if !reader.contains(&file) {
            return Ok(());
        }
        let Some(bytes) = self.read(reader, &file, DefectCode::Receipt)? else { return Ok(()) };
        let origin = self.out.checkpoint.as_ref().map_or("", |(c, _)| c.origin.as_str());
        match receipt::open(&bytes, &self.trust.receipt, origin, leaf) {
            Ok(receipt) if receipt.index == index && receipt.size > index => {
                self.receipts.entry(receipt.size).or_default().push((index, receipt.root));
            }
            Ok(receipt) => {
                let detail = format!("is for entry {} of {}", receipt.index, receipt.size);
                self.out.defects.file(DefectCode::Receipt, &file, detail);
            }
            Err(e) => self.out.defects.file(DefectCode::Receipt, &file, e.to_string()),
        }
        Ok(())
    }

    fn hash_tile<R: Read + Seek>(
        &mut self,
        reader: &mut BundleReader<R>,
        tile: Tile,
        hashes: &[Hash],
    ) -> Result<(), VerifyError> {
        let file = path::tile(&tile);
        if let Some(bytes) = self.read(reader, &file, DefectCode::LogHashTile)?
            && bytes != hashes.concat()
        {
            self.out.defects.file(DefectCode::LogHashTile, &file, "differs from the hashes of the entries");
        }
        Ok(())
    }

    /// What is known once every entry was walked.
    fn edge<R: Read + Seek>(
        &mut self,
        reader: &mut BundleReader<R>,
        checkpoint: &Checkpoint,
    ) -> Result<(), VerifyError> {
        for (tile, hashes) in self.tree.partial() {
            self.hash_tile(reader, tile, &hashes)?;
        }
        if self.tree.root() != checkpoint.root {
            let (want, got) = (hex::encode(checkpoint.root), hex::encode(self.tree.root()));
            let detail = format!("the checkpoint says {want}, the entries hash to {got}");
            self.out.defects.file(DefectCode::LogRoot, CHECKPOINT, detail);
        }
        for (size, of) in std::mem::take(&mut self.receipts) {
            for (index, _) in of {
                let detail = format!("is for a tree of {size} entries, larger than the checkpoint's");
                self.out.defects.file(DefectCode::Receipt, &path::receipt(index), detail);
            }
        }
        self.strangers(reader, checkpoint.size);
        Ok(())
    }

    /// Files among log and receipts that no tree of this size has.
    fn strangers<R: Read + Seek>(&mut self, reader: &BundleReader<R>, size: u64) {
        for (file, _) in reader.files() {
            if let Some(name) = file.strip_prefix(LOG) {
                let own = Tile::from_path(name).is_some_and(|tile| is_tile_of(tile, size));
                if !own && file != CHECKPOINT {
                    let detail = format!("is no tile of a log of {size} entries");
                    self.out.defects.file(DefectCode::LogTile, file, detail);
                }
            } else if file.starts_with(RECEIPTS)
                && path::index_of(file, RECEIPTS).is_none_or(|index| index >= size)
            {
                self.out.defects.file(DefectCode::Receipt, file, "belongs to no entry of the log");
            }
        }
    }

    fn entry(&mut self, index: u64, checked: Checked) -> Result<(), VerifyError> {
        self.out.entries += 1;
        let leaf = checked.leaf;
        let outcome = checked.outcome(&self.keys);
        if let Some(kind) = outcome.kind() {
            *self.out.kinds.entry(kind_name(kind).to_owned()).or_default() += 1;
        }
        if index == 0 {
            self.genesis(leaf, outcome)?;
        } else if let Some(project) = &mut self.out.project {
            let cutoff = project.entry(index, leaf, outcome, &self.out.attest, &mut self.out.defects);
            self.out.cutoffs.extend(cutoff);
        }
        Ok(())
    }

    /// The first entry must be a genesis that the trusted registrar signed for this log. Without one nobody says
    /// what this project measures, so nothing behind it is judged.
    fn genesis(&mut self, leaf: Hash, outcome: Outcome) -> Result<(), VerifyError> {
        let outcome = match outcome {
            Outcome::Unknown(unverified) => Outcome::of(*unverified, &self.trust.registrar),
            other => other,
        };
        let defects = &mut self.out.defects;
        let statement = match outcome {
            Outcome::Signed(statement, _) => statement,
            Outcome::Coding(e) => {
                defects.entry(DefectCode::EntryCoding, 0, e.to_string());
                return Ok(());
            }
            Outcome::Forged(header, _) if header.kid == self.trust.registrar.kid() => {
                defects.entry(DefectCode::EntrySignature, 0, "the signature does not verify");
                return Ok(());
            }
            Outcome::Forged(header, _) => {
                defects.entry(DefectCode::TrustRegistrar, 0, format!("is signed by {}", header.kid));
                return Ok(());
            }
            Outcome::Unknown(_) => return Ok(()),
        };
        self.trusted(&statement, leaf)
    }

    fn trusted(&mut self, statement: &Statement, leaf: Hash) -> Result<(), VerifyError> {
        let defects = &mut self.out.defects;
        let header = statement.header();
        let Payload::Genesis(genesis) = statement.payload() else {
            defects.entry(DefectCode::GenesisMissing, 0, format!("is a {}", kind_name(header.kind)));
            return Ok(());
        };
        if header.kid != self.trust.registrar.kid() {
            defects.entry(DefectCode::TrustRegistrar, 0, format!("is signed by {}", header.kid));
            return Ok(());
        }
        if header.project != genesis.project {
            defects.entry(DefectCode::EntryProject, 0, "header and genesis name different projects");
        }
        let mut compare = |code, ours: Option<String>, theirs: Option<&str>| {
            if ours.as_deref() != theirs {
                let detail = format!("names {theirs:?}, the trust file {ours:?}");
                defects.entry(code, 0, detail);
            }
        };
        compare(DefectCode::TrustLog, Some(self.trust.log.to_string()), Some(&genesis.log_vkey));
        let receipt = genesis.receipt_key.to_string();
        compare(DefectCode::TrustReceipt, Some(self.trust.receipt.to_string()), Some(&receipt));
        if let Some(key) = &self.trust.operator_time {
            let theirs = genesis.operator_time_vkey.as_deref();
            compare(DefectCode::TrustOperatorTime, Some(key.to_string()), theirs);
        }
        if let Some((checkpoint, _)) = &self.out.checkpoint
            && checkpoint.origin != genesis.origin
        {
            let detail = format!("is of {:?}, the genesis names {:?}", checkpoint.origin, genesis.origin);
            defects.file(DefectCode::CheckpointOrigin, CHECKPOINT, detail);
        }
        let wrong = contradictions(genesis, Some(header));
        let usable = wrong.is_empty();
        for (code, detail) in wrong {
            defects.entry(code, 0, detail);
        }
        if !usable {
            return Ok(());
        }
        let known = self.known_cutoffs.clone();
        // The genesis' own periods were checked with it, so that what is refused here is the trust file's or
        // what else was asked.
        let project = Project::new(genesis.clone(), header, leaf, self.trust, known)?.planned(self.calendars);
        self.out.project = Some(match self.asking {
            Some(asking) => project.asked(asking)?,
            None => project,
        });
        Ok(())
    }
}

/// Keys that the first entry names. A thumbprint names its key by itself, so this needs no trust: whether a key
/// may sign is decided in order, later.
fn genesis_keys(tile: &[u8], width: u16) -> BTreeMap<Kid, PublicKey> {
    let first = decode_entries(tile, width).ok().and_then(|entries| entries.first().copied());
    match first.and_then(|entry| statement::open(entry).ok()).map(|opened| opened.payload) {
        Some(Payload::Genesis(genesis)) => {
            genesis.keys.iter().map(|k| (k.key.kid(), k.key.clone())).collect()
        }
        _ => BTreeMap::new(),
    }
}

fn is_tile_of(tile: Tile, size: u64) -> bool {
    let count = size.checked_shr(8 * u32::from(tile.level.unwrap_or(0))).unwrap_or(0);
    let first = tile.index.saturating_mul(WIDTH);
    first < count && u64::from(tile.width) == (count - first).min(WIDTH)
}

fn kind_name(kind: Kind) -> &'static str {
    let name = kind.content_type();
    name.strip_prefix("application/vnd.plumbline.").and_then(|n| n.strip_suffix("+cbor")).unwrap_or(name)
}

//! What cosigned checkpoints say of time and history. A statement is not older than a checkpoint it names, and
//! not younger than the first cosigned checkpoint that covers it; and every checkpoint that anybody saw must be
//! in this log's history.

use std::collections::BTreeMap;

use evidence::Hash;
use evidence::hash::sha256;
use evidence::note::{Checkpoint, Note, NoteError};
use evidence::payload::SeenCheckpoint;

use crate::code::DefectCode;
use crate::defects::Defects;
use crate::report::TimeGrade;
use crate::trust::Trust;

/// A checkpoint note of the bundle whose log signature was checked.
#[derive(Clone, Debug)]
struct Known {
    file: String,
    checkpoint: Checkpoint,
    time: Option<i64>,
}

/// All checkpoints of the bundle.
#[derive(Debug, Default)]
pub(crate) struct Attest {
    notes: BTreeMap<Hash, Known>,
    /// Roots recomputed at the sizes of the notes.
    roots: BTreeMap<u64, Option<Hash>>,
    /// Notes by the size they cover: there may be as many as statements.
    by_size: BTreeMap<u64, Vec<Hash>>,
    /// Sizes of cosigned checkpoints, ascending, each with the earliest time at which it was covered.
    uppers: Vec<(u64, i64)>,
}

impl Attest {
    /// Adds a note. `file` is its name in the bundle.
    pub(crate) fn add(&mut self, file: &str, bytes: &[u8], trust: &Trust, defects: &mut Defects) {
        let (checkpoint, note) = match Checkpoint::open(bytes, &trust.log) {
            Ok(opened) => opened,
            Err(e) => {
                defects.file(DefectCode::SeenNote, file, e.to_string());
                return;
            }
        };
        let time = cosigned(&note, file, trust, defects);
        let (size, hash) = (checkpoint.size, sha256(bytes));
        self.roots.insert(size, None);
        // The bundle's checkpoint is often one of the notes, too.
        if self.notes.insert(hash, Known { file: file.to_owned(), checkpoint, time }).is_none() {
            self.by_size.entry(size).or_default().push(hash);
        }
    }

    /// Orders the cosigned checkpoints, once all notes are added.
    pub(crate) fn settle(&mut self, size: u64, defects: &mut Defects) {
        for known in self.notes.values().filter(|k| k.checkpoint.size > size) {
            let detail =
                format!("covers {} entries, the bundle's checkpoint only {size}", known.checkpoint.size);
            defects.file(DefectCode::SeenNote, &known.file, detail);
        }
        let mut uppers: Vec<(u64, i64)> =
            self.notes.values().filter_map(|k| Some((k.checkpoint.size, k.time?))).collect();
        uppers.sort_unstable();
        // A larger tree covers all that a smaller one does: its earlier time bounds the smaller one's too.
        let mut earliest = i64::MAX;
        for (_, time) in uppers.iter_mut().rev() {
            earliest = earliest.min(*time);
            *time = earliest;
        }
        self.uppers = uppers;
    }

    /// The tree has grown to `size`. The root is computed only where a note wants it.
    pub(crate) fn grown(&mut self, size: u64, root: impl FnOnce() -> Hash, defects: &mut Defects) {
        let Some(wanted) = self.roots.get_mut(&size) else { return };
        let root = *wanted.insert(root());
        let covering = self.by_size.get(&size).into_iter().flatten();
        let wrong = covering.filter_map(|hash| self.notes.get(hash)).filter(|k| k.checkpoint.root != root);
        for known in wrong {
            let detail = format!("its root at size {size} is not that of the entries");
            defects.file(DefectCode::SeenRoot, &known.file, detail);
        }
    }

    /// The time by which the entry at `index` was logged, UTC s.
    pub(crate) fn upper(&self, index: u64) -> Option<i64> {
        let at = self.uppers.partition_point(|(size, _)| *size <= index);
        self.uppers.get(at).map(|(_, time)| *time)
    }

    /// The newest cosigned time.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.notes.values().filter_map(|k| k.time).max()
    }

    /// Checks what a statement at `index` says it saw. Whether that bounds its age from below.
    pub(crate) fn seen(&self, index: u64, seen: &SeenCheckpoint) -> Result<bool, (DefectCode, String)> {
        if seen.size > index {
            let detail = format!("saw a checkpoint of {} entries and is itself entry {index}", seen.size);
            return Err((DefectCode::SeenSize, detail));
        }
        if let Some(Some(root)) = self.roots.get(&seen.size)
            && *root != seen.root
        {
            let detail = format!("the root it saw at size {} is not in this log's history", seen.size);
            return Err((DefectCode::SeenRoot, detail));
        }
        let name = hex::encode(seen.note_hash);
        let Some(known) = self.notes.get(&seen.note_hash) else {
            return Err((
                DefectCode::SeenNote,
                format!("the note {name} that it names is not in the bundle"),
            ));
        };
        let same = (known.checkpoint.size, known.checkpoint.root) == (seen.size, seen.root);
        if !same || known.time.is_some_and(|time| time != seen.time) {
            return Err((DefectCode::SeenNote, format!("says otherwise than the note {name} that it names")));
        }
        let Some(time) = known.time else { return Ok(false) };
        if let Some(upper) = self.upper(index).filter(|&upper| upper < time) {
            let detail = format!("saw a checkpoint of {time} and was covered by one of {upper} already");
            return Err((DefectCode::TimeOrder, detail));
        }
        Ok(true)
    }

    /// Who attests the time. Witnesses join here once a policy can name them.
    pub(crate) fn grade(&self) -> TimeGrade {
        if self.uppers.is_empty() { TimeGrade::None } else { TimeGrade::OperatorOnly }
    }
}

/// The operator's time on a note. A wrong line of a known key is a defect; lines of unknown keys say nothing.
fn cosigned(note: &Note, file: &str, trust: &Trust, defects: &mut Defects) -> Option<i64> {
    match note.verify(trust.operator_time.as_ref()?) {
        Ok(time) => time.and_then(|time| i64::try_from(time).ok()),
        Err(NoteError::Unsigned(_)) => None,
        Err(e) => {
            defects.file(DefectCode::CheckpointCosignature, file, e.to_string());
            None
        }
    }
}

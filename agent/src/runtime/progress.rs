//! How far signing has come, in a small file of its own beside the spool: should the spool be lost as a whole,
//! this still tells where the lost windows begin.
//!
//! The file is written before the commit it tells of. It may therefore be one statement ahead of the spool and
//! never behind it: no window is ever made a second time because of it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// One stream's progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Number of the next statement.
    pub(crate) next_seq: u64,
    /// End of the last window in statements before it, UTC ms.
    pub(crate) end_ms: Option<i64>,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Progress {
    path: PathBuf,
    marks: BTreeMap<String, Mark>,
}

impl Progress {
    /// Reads the file; a missing or damaged one knows nothing.
    pub(crate) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join("progress.json");
        let marks = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, marks: marks.unwrap_or_default() }
    }

    pub(crate) fn mark(&self, project: &str) -> Option<Mark> {
        self.marks.get(project).copied()
    }

    /// Notes a mark durably. A failure is told to the caller, who goes on: the file only helps after a loss.
    pub(crate) fn note(&mut self, project: &str, mark: Mark) -> std::io::Result<()> {
        self.marks.insert(project.to_owned(), mark);
        let new = self.path.with_extension("json.new");
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(&self.marks)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        // The new name is durable only with its folder.
        self.path.parent().map_or(Ok(()), |dir| std::fs::File::open(dir)?.sync_all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_again_and_a_damaged_file_knows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mark = Mark { next_seq: 7, end_ms: Some(60_000) };
        Progress::open(dir.path()).note("SY-1", mark).unwrap();
        assert_eq!(Progress::open(dir.path()).mark("SY-1"), Some(mark));
        std::fs::write(dir.path().join("progress.json"), b"{\"SY-1\":").unwrap();
        assert_eq!(Progress::open(dir.path()).mark("SY-1"), None);
    }
}

//! Where things lie in a bundle, and which paths a bundle may have at all.
//!
//! The rules are those under which a path means one and the same file on every system: no way out of the
//! folder, nothing a shell or a file system reads as something else.

use super::MAX_PATH;
use crate::Hash;
use crate::tile::Tile;
use std::collections::HashSet;

/// The newest checkpoint: `data/log/checkpoint`.
pub const CHECKPOINT: &str = "data/log/checkpoint";
/// Folder of the notes that statements name.
pub const CHECKPOINTS: &str = "data/checkpoints/";
/// Folder of the entries of a partial bundle.
pub const ENTRIES: &str = "data/entries/";
/// Folder of the receipts.
pub const RECEIPTS: &str = "data/receipts/";
/// Folder of the log's own files.
pub const LOG: &str = "data/log/";
/// Folder of policies.
pub const POLICY: &str = "data/policy/";
/// Folder of time-stamp tokens.
pub const TST: &str = "data/tst/";
/// Folder of raw blocks.
pub const RAW: &str = "data/raw/";
/// Folder of reports.
pub const REPORT: &str = "data/report/";

/// `data/log/tile/…`
pub fn tile(tile: &Tile) -> String {
    format!("{LOG}{}", tile.path())
}

/// `data/checkpoints/<sha256 of the note>.note`
pub fn note(hash: &Hash) -> String {
    format!("{CHECKPOINTS}{}.note", hex::encode(hash))
}

/// `data/entries/<index>.cose`
pub fn entry(index: u64) -> String {
    format!("{ENTRIES}{index}.cose")
}

/// `data/receipts/<index>.cose`
pub fn receipt(index: u64) -> String {
    format!("{RECEIPTS}{index}.cose")
}

/// The index in a path of [`entry`] or [`receipt`], in the one spelling those write.
pub fn index_of(path: &str, folder: &str) -> Option<u64> {
    let digits = path.strip_prefix(folder)?.strip_suffix(".cose")?;
    let index: u64 = digits.parse().ok()?;
    (index.to_string() == digits).then_some(index)
}

/// Checks a path of the zip, top folder included; the error says why it is none.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if path.len() > MAX_PATH {
        return Err("too long");
    }
    path.split('/').try_for_each(check_segment)
}

/// Checks one segment of a path.
pub(super) fn check_segment(segment: &str) -> Result<(), &'static str> {
    if segment.is_empty() {
        return Err("an empty part, or a / at an end");
    }
    // Combining marks are not alphanumeric, so that no name has two spellings that look the same.
    if let Some(bad) = segment.chars().find(|c| !c.is_alphanumeric() && !"-_.".contains(*c)) {
        return Err(match bad {
            '\\' => "a backslash",
            ':' => "a colon",
            c if c.is_control() => "a control character",
            _ => "a character other than letters, digits, - _ and .",
        });
    }
    if segment.starts_with('.') || segment.ends_with('.') {
        return Err("a part that begins or ends with a dot");
    }
    let stem = segment.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n.chars().all(|c| c.is_ascii_digit()))
    };
    if ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
        return Err("a device name of Windows");
    }
    Ok(())
}

/// The names seen so far, as a system sees them where case does not count.
#[derive(Debug, Default)]
pub(super) struct Names {
    files: HashSet<String>,
    folders: HashSet<String>,
}

/// Why a further name does not go with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// The same but for case.
    Case,
    /// A file in the place of a folder.
    Folder,
}

impl Names {
    /// Adds a file that is no duplicate byte for byte.
    pub(super) fn add(&mut self, path: &str) -> Result<(), Clash> {
        let lower = path.to_lowercase();
        if self.folders.contains(&lower) {
            return Err(Clash::Folder);
        }
        for (at, _) in lower.match_indices('/') {
            let folder = &lower[..at];
            if self.files.contains(folder) {
                return Err(Clash::Folder);
            }
            if !self.folders.contains(folder) {
                self.folders.insert(folder.to_owned());
            }
        }
        if self.files.insert(lower) { Ok(()) } else { Err(Clash::Case) }
    }
}

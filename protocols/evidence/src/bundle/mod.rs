//! Bundles: everything an assessor needs, as a BagIt bag (RFC 8493) in a zip of one canonical form.
//!
//! ```text
//! <top>/bag-info.txt          External-Identifier, Plumbline-Bundle, Plumbline-Format
//! <top>/bagit.txt             BagIt 1.0, UTF-8
//! <top>/data/…                the payload, sorted by path
//! <top>/manifest-sha256.txt   one line a payload file, in the same order
//! <top>/tagmanifest-sha256.txt
//! ```
//!
//! The same content gives the same bytes: STORED, sorted names, the stamp 1980-01-01 00:00, no extra fields, no
//! descriptors, no directories, no comments. The reader refuses whatever the writer would not have written and
//! hands out no byte that it has not checked. What the files mean is not known here.

mod error;
pub mod path;
mod reader;
#[cfg(test)]
mod tests;
mod writer;
mod zip;

pub use error::{BundleError, WriteError};
pub use reader::BundleReader;
pub use writer::BundleWriter;

use std::fmt::Write as _;

/// Largest file that is handed over as one piece, bytes: a full entries tile has at most 256 × 48 002.
pub const MAX_FILE: u64 = 16 << 20;
/// Most files in a bundle.
pub const MAX_FILES: u64 = 400_000;
/// Longest path in the zip, the top folder included, bytes.
pub const MAX_PATH: usize = 240;

const BAG_INFO: &str = "bag-info.txt";
const BAGIT: &str = "bagit.txt";
const MANIFEST: &str = "manifest-sha256.txt";
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// RFC 8493, 2.1.1.
const BAGIT_TEXT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// What a bundle says of itself, unsigned and therefore only a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BagInfo {
    /// Origin of the log.
    pub origin: String,
    /// Only a part of the log's entries.
    pub partial: bool,
}

impl BagInfo {
    fn text(&self) -> String {
        let kind = if self.partial { "partial" } else { "full" };
        format!("External-Identifier: {}\nPlumbline-Bundle: {kind}\nPlumbline-Format: 1\n", self.origin)
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, _) = text.split_once('\n')?;
        let origin = first.strip_prefix("External-Identifier: ")?.to_owned();
        let fits = !origin.is_empty() && !origin.chars().any(char::is_control);
        [false, true]
            .map(|partial| Self { origin: origin.clone(), partial })
            .into_iter()
            .find(|info| fits && info.text() == text)
    }
}

/// One line of a manifest (RFC 8493, 2.1.3).
fn manifest_line(hash: &crate::Hash, path: &str) -> String {
    let mut line = String::with_capacity(64 + 3 + path.len());
    for byte in hash {
        let _ = write!(line, "{byte:02x}");
    }
    line.push_str("  ");
    line.push_str(path);
    line.push('\n');
    line
}

//! Bundles: a BagIt bag (RFC 8493) in a zip of which there is only one for the same content.
//!
//! ```text
//! <folder>/bag-info.txt            who, which note
//! <folder>/bagit.txt
//! <folder>/data/…                  the files, sorted by path
//! <folder>/manifest-sha256.txt     every file under data/
//! <folder>/tagmanifest-sha256.txt  the three files above
//! ```
//!
//! Entries are stored, sorted, stamped 1980-01-01, without directories, data descriptors, comments or extra
//! fields (zip64 only where a number reaches its limit). The reader rebuilds every header from what it read and compares: any
//! byte that the writer would not have written is refused.

mod reader;
mod writer;
mod zip;

pub use reader::BundleReader;
pub use writer::BundleWriter;

/// Largest file in a bundle, bytes: a full entries tile of largest statements is smaller.
pub const MAX_FILE: usize = 16 << 20;
/// Longest path, bytes.
pub const MAX_PATH: usize = 240;
/// Most files in a bundle.
pub const MAX_FILES: u64 = 4_000_000;

/// Name of the payload manifest.
pub const MANIFEST: &str = "manifest-sha256.txt";
/// Name of the manifest of the other files.
pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// Content of `bagit.txt`.
pub const BAGIT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// Why a file is no bundle, or cannot be written as one.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Reading or writing failed; says nothing about the bundle.
    #[error("the bundle cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// No zip at all, or cut off.
    #[error("not a zip file, or its end is missing ({0}); copy the bundle again")]
    NotZip(&'static str),
    /// A path twice.
    #[error("the path {0:?} stands in the bundle twice")]
    Duplicate(String),
    /// Paths not in bytewise order.
    #[error("the path {0:?} is out of order")]
    Order(String),
    /// A path that could lead out of the folder, or is not plain.
    #[error("the path {0:?} is not a plain relative path inside the bundle's folder")]
    Path(String),
    /// A symbolic link, directory or other special entry.
    #[error("{0:?} is not a regular file")]
    Special(String),
    /// Compressed, encrypted, or otherwise not stored as it is.
    #[error("{0:?} is not stored plainly")]
    NotStored(String),
    /// A header or gap differs from the one zip of this content.
    #[error("the zip is not in its one canonical form: {what} at byte {at}")]
    NotCanonical {
        /// Which part.
        what: &'static str,
        /// Offset in the file.
        at: u64,
    },
    /// Over a limit.
    #[error("{path:?} has {size} bytes, more than a bundle's file may have")]
    TooLarge {
        /// Path.
        path: String,
        /// Bytes.
        size: u64,
    },
    /// Too many files.
    #[error("{0} files are more than a bundle may have")]
    TooMany(u64),
    /// The checksum in the zip does not fit the content.
    #[error("the content of {0:?} does not fit its checksum; the file is damaged")]
    Crc(String),
    /// The manifest names another digest.
    #[error("{0:?} differs from its digest in the manifest")]
    Digest(String),
    /// A file the manifest does not list.
    #[error("{0:?} is not listed in the manifest")]
    Unlisted(String),
    /// A file the manifest lists is not there.
    #[error("{0:?} is missing")]
    Missing(String),
    /// `bagit.txt` or a manifest is malformed.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}

/// Whether a path inside the folder is plain: relative, `/`-separated, no dot segments, nothing a file system
/// could take for something else.
fn is_plain(path: &str) -> bool {
    let segment = |s: &str| {
        !s.is_empty()
            && s != "."
            && s != ".."
            && s.chars().all(|c| c.is_ascii_graphic() && !r#"\:*?"<>|"#.contains(c))
    };
    path.len() <= MAX_PATH && path.split('/').all(segment)
}

#[cfg(test)]
mod tests;

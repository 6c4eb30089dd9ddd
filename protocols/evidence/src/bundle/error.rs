//! Every trick a zip can play and every way in which a bag can be wrong, by name.

use std::io;

/// Why a file is no bundle, or why a file in it is not to be believed. Paths are as in the zip.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file cannot be read.
    #[error("the bundle cannot be read")]
    Io(#[from] io::Error),
    /// There is no end record in the very last 22 bytes.
    #[error("no zip ends at the end of the file: it is cut, has a comment, or bytes follow it")]
    End,
    /// A zip of several disks.
    #[error("the zip claims to have several disks")]
    Disks,
    /// zip64 records where they are not needed, or none where they are, or malformed ones.
    #[error("the zip64 records are not as the canonical form has them")]
    Zip64,
    /// More files than a bundle may have, or none.
    #[error("the zip claims {0} files; a bundle has at least 4 and at most {max}", max = super::MAX_FILES)]
    Count(u64),
    /// The directory is cut, or holds another number of files than the end record says.
    #[error("the zip's directory is not where or what the end record says")]
    Directory,
    /// A name that could be something else on another system.
    #[error("{name:?} is no path of a bundle: {reason}")]
    Name {
        /// The name; bytes that are no UTF-8 are replaced.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// Not under the one top folder.
    #[error("{0} is outside the bundle's folder")]
    OutsideTop(String),
    /// The same name twice.
    #[error("{0} is in the zip twice")]
    Duplicate(String),
    /// Two names that are one file where case does not count.
    #[error("{0} is in the zip twice but for upper and lower case")]
    CaseDuplicate(String),
    /// A file and a folder of one name.
    #[error("{0} would have to be a file and a folder at once")]
    FileAndFolder(String),
    /// Names are not in byte order.
    #[error("{0} stands out of order")]
    Order(String),
    /// Not a plain file: a directory, a symbolic link, a device.
    #[error("{path} is no plain file (mode {mode:o})")]
    NotPlain {
        /// The path.
        path: String,
        /// The Unix mode.
        mode: u32,
    },
    /// Encrypted.
    #[error("{0} is encrypted")]
    Encrypted(String),
    /// Sizes behind the data.
    #[error("{0} has a data descriptor")]
    Descriptor(String),
    /// Other flags than the canonical form has.
    #[error("{0} has flags of the zip that a bundle does not have")]
    Flags(String),
    /// Compressed.
    #[error("{0} is compressed")]
    Compressed(String),
    /// Another time stamp than 1980-01-01 00:00.
    #[error("{0} has a time stamp")]
    Stamp(String),
    /// Other versions, attributes or disk numbers.
    #[error("{0} has another maker, version or attribute than a bundle has")]
    Maker(String),
    /// An extra field.
    #[error("{0} has an extra field")]
    Extra(String),
    /// A comment.
    #[error("{0} has a comment")]
    Comment(String),
    /// Stored and claimed size differ.
    #[error("{0} has two sizes")]
    Sizes(String),
    /// It begins before or behind the end of the file before it.
    #[error("{0} does not begin where the file before it ends")]
    Offset(String),
    /// The header before the data says something else than the directory.
    #[error("{0} has another header before its data than in the directory")]
    LocalHeader(String),
    /// The data has another CRC-32.
    #[error("{0} has another checksum than the zip says")]
    Crc(String),
    /// A file of the bag's own is missing.
    #[error("the bundle has no {0}")]
    Missing(String),
    /// A file that is neither the bag's own nor under data.
    #[error("{0} does not belong into a bundle")]
    Foreign(String),
    /// bagit.txt or bag-info.txt is not as the canonical form has it.
    #[error("{0} is not as a bundle has it")]
    TagFile(String),
    /// A manifest line that is none.
    #[error("{file} is not a manifest in canonical form at line {line}")]
    Manifest {
        /// Which manifest.
        file: String,
        /// Line, from 1.
        line: u64,
    },
    /// In the zip, not in the manifest.
    #[error("{0} is in the bundle but not in its manifest")]
    Unlisted(String),
    /// In the manifest, not in the zip.
    #[error("{0} is in the manifest but not in the bundle")]
    ListedOnly(String),
    /// Another SHA-256 than the manifest says.
    #[error("{0} has another SHA-256 than its manifest says")]
    Digest(String),
    /// No such file.
    #[error("the bundle has no file {0}")]
    NotFound(String),
    /// Too large to be handed over as one piece.
    #[error("{path} has {size} bytes; {limit} is the most for this kind of file")]
    TooLarge {
        /// The path.
        path: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
}

/// Why a file cannot be put into a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The bundle cannot be written.
    #[error("the bundle cannot be written")]
    Io(#[from] io::Error),
    /// The source of a file cannot be read.
    #[error("the source of {path} cannot be read")]
    Source {
        /// The path in the bundle.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The source of a file gave other bytes the second time.
    #[error("the source of {0} changed while the bundle was written; export again")]
    Changed(String),
    /// A path no bundle may have.
    #[error("{name:?} is no path of a bundle: {reason}")]
    Name {
        /// The path.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// Files must be added in ascending byte order of their paths.
    #[error("{0} must be added before the file added last: files go in ascending order of their paths")]
    Order(String),
    /// On some systems two files of the bundle would be one, or a file and a folder.
    #[error("{0} and a file added before cannot both exist where case does not count; rename one")]
    Clash(String),
    /// Over 4 GiB.
    #[error("{0} is too large for a bundle (4 GiB or more)")]
    TooLarge(String),
    /// Too many files.
    #[error("a bundle has at most {max} files", max = super::MAX_FILES)]
    TooMany,
    /// The label is empty or has control characters.
    #[error("{0:?} is no origin of a log")]
    Origin(String),
}

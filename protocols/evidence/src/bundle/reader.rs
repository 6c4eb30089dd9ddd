//! Reads a bundle and believes nothing: the directory is checked as a whole when it is opened, every file when
//! it is read.
//!
//! Memory grows with the directory that is really there, never with a size that is merely claimed: records are
//! read one by one, files are handed over only up to [`MAX_FILE`], and larger ones in pieces.

use super::zip::{Directory, END_SIZE, END64_SIZE, ENTRY_SIZE, MODE, RawEntry, Record};
use super::{BAG_INFO, BAGIT, BAGIT_TEXT, BagInfo, BundleError, MANIFEST, MAX_FILE, MAX_FILES, MAX_PATH};
use super::{TAG_MANIFEST, manifest_line, path};
use crate::Hash;
use sha2::{Digest as _, Sha256};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

/// Records of the bag's own files: bag-info, bagit, manifest, tag manifest.
const TAG_FILES: usize = 4;

#[derive(Debug)]
struct File {
    record: Record,
    hash: Hash,
    checked: bool,
}

/// An open bundle.
#[derive(Debug)]
pub struct BundleReader<R> {
    inner: R,
    top: String,
    info: BagInfo,
    /// The payload, ascending by path.
    files: Vec<File>,
}

impl<R: Read + Seek> BundleReader<R> {
    /// Checks the zip's form, the bag's own files and that manifest and content name the same files.
    pub fn open(mut inner: R) -> Result<Self, BundleError> {
        let directory = find_directory(&mut inner)?;
        let records = read_directory(&mut inner, directory)?;
        if records.last().map_or(0, |r| r.offset + r.extent()) != directory.offset {
            return Err(BundleError::Directory);
        }
        let top = records[0].name.split('/').next().unwrap_or_default().to_owned();
        let (mut payload, tags) = sort_out(&top, records)?;
        let [info, bagit, manifest, tag_manifest] = tags;
        let listed = TagManifest::read(&mut inner, tag_manifest)?;
        let text = listed.checked(&mut inner, 0, &info)?;
        let info = BagInfo::parse(&text).ok_or_else(|| BundleError::TagFile(info.name.to_string()))?;
        if listed.checked(&mut inner, 1, &bagit)? != BAGIT_TEXT {
            return Err(BundleError::TagFile(bagit.name.to_string()));
        }
        listed.check_line(2, &manifest, &read_record(&mut inner, &manifest, |_| ())?)?;
        read_manifest(&mut inner, &top, &manifest, &mut payload)?;
        Ok(Self { inner, top, info, files: payload })
    }

    /// The bundle's folder.
    pub fn top(&self) -> &str {
        &self.top
    }

    /// What the bundle says of itself.
    pub fn info(&self) -> &BagInfo {
        &self.info
    }

    /// Paths and sizes in bytes of the payload, ascending: `data/…`.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        let cut = self.top.len() + 1;
        self.files.iter().map(move |f| (&f.record.name[cut..], u64::from(f.record.size)))
    }

    /// Whether there is such a file.
    pub fn contains(&self, path: &str) -> bool {
        self.find(path).is_ok()
    }

    /// A file's bytes, up to [`MAX_FILE`], checked against header, CRC-32 and manifest.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, BundleError> {
        let at = self.find(path)?;
        let size = u64::from(self.files[at].record.size);
        if size > MAX_FILE {
            return Err(BundleError::TooLarge { path: path.to_owned(), size, limit: MAX_FILE });
        }
        let mut bytes = Vec::new();
        self.check(at, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// A file of any size in pieces. They are to be believed only when this returns `Ok`.
    pub fn stream(&mut self, path: &str, each: impl FnMut(&[u8])) -> Result<(), BundleError> {
        let at = self.find(path)?;
        self.check(at, each)
    }

    /// Checks every file that has not been read so far. Afterwards every byte of the bundle is proven to be the
    /// canonical form of its content.
    pub fn check_rest(&mut self) -> Result<(), BundleError> {
        for at in 0..self.files.len() {
            if !self.files[at].checked {
                self.check(at, |_| ())?;
            }
        }
        Ok(())
    }

    fn find(&self, path: &str) -> Result<usize, BundleError> {
        let cut = self.top.len() + 1;
        self.files
            .binary_search_by(|f| f.record.name[cut..].cmp(path))
            .map_err(|_| BundleError::NotFound(path.to_owned()))
    }

    fn check(&mut self, at: usize, each: impl FnMut(&[u8])) -> Result<(), BundleError> {
        let hash = read_record(&mut self.inner, &self.files[at].record, each)?;
        if hash != self.files[at].hash {
            return Err(BundleError::Digest(self.files[at].record.name.to_string()));
        }
        self.files[at].checked = true;
        Ok(())
    }
}

/// Reads the end records and compares everything behind the directory with the canonical form.
fn find_directory<R: Read + Seek>(inner: &mut R) -> Result<Directory, BundleError> {
    let length = inner.seek(SeekFrom::End(0))?;
    let end_at = length.checked_sub(END_SIZE).ok_or(BundleError::End)?;
    inner.seek(SeekFrom::Start(end_at))?;
    let mut end = [0; 22];
    inner.read_exact(&mut end)?;
    let mut directory = Directory::parse_end(&end).ok_or(BundleError::End)?;
    let mut tail = end.to_vec();
    let mut tail_at = end_at;
    if directory.points_on() {
        tail_at = end_at.checked_sub(END64_SIZE).ok_or(BundleError::Zip64)?;
        inner.seek(SeekFrom::Start(tail_at))?;
        let mut records = [0; 76];
        inner.read_exact(&mut records)?;
        directory = Directory::parse_end64(&records).ok_or(BundleError::Zip64)?;
        tail.splice(0..0, records);
    }
    if directory.count > MAX_FILES || directory.count < TAG_FILES as u64 {
        return Err(BundleError::Count(directory.count));
    }
    if directory.offset.checked_add(directory.size) != Some(tail_at) {
        return Err(BundleError::Directory);
    }
    if directory.end() != tail {
        return Err(if end[4..8] == [0; 4] { BundleError::Zip64 } else { BundleError::Disks });
    }
    Ok(directory)
}

/// Reads the directory record by record; each must be the canonical one and begin where the last ended.
fn read_directory<R: Read + Seek>(inner: &mut R, directory: Directory) -> Result<Vec<Record>, BundleError> {
    inner.seek(SeekFrom::Start(directory.offset))?;
    let mut input = BufReader::new(inner.take(directory.size));
    let mut records: Vec<Record> = Vec::new();
    let mut next = 0;
    for _ in 0..directory.count {
        let record = read_entry(&mut input)?;
        if record.offset != next {
            return Err(BundleError::Offset(record.name.to_string()));
        }
        next += record.extent();
        if let Some(last) = records.last() {
            match last.name.cmp(&record.name) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(BundleError::Duplicate(record.name.to_string())),
                std::cmp::Ordering::Greater => return Err(BundleError::Order(record.name.to_string())),
            }
        }
        records.push(record);
    }
    if input.fill_buf()?.is_empty() { Ok(records) } else { Err(BundleError::Directory) }
}

fn read_entry(input: &mut impl Read) -> Result<Record, BundleError> {
    let cut = |_| BundleError::Directory;
    let mut fixed = [0; ENTRY_SIZE];
    input.read_exact(&mut fixed).map_err(cut)?;
    let raw = RawEntry::parse(&fixed).ok_or(BundleError::Directory)?;
    let mut name = vec![0; usize::from(raw.name)];
    input.read_exact(&mut name).map_err(cut)?;
    let name = String::from_utf8(name).map_err(|e| BundleError::Name {
        name: String::from_utf8_lossy(e.as_bytes()).into_owned(),
        reason: "not UTF-8",
    })?;
    let mode = raw.mode;
    if mode != MODE && (mode >> 12 != 0o10 || name.ends_with('/')) {
        return Err(BundleError::NotPlain { path: name, mode });
    }
    path::check(&name).map_err(|reason| BundleError::Name { name: name.clone(), reason })?;
    debug_assert!(name.len() <= MAX_PATH);
    let mut extra = vec![0; usize::from(raw.extra)];
    input.read_exact(&mut extra).map_err(cut)?;
    let offset = match (raw.offset, extra.as_slice()) {
        (u32::MAX, [1, 0, 8, 0, wide @ ..]) if wide.len() == 8 => {
            wide.iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte))
        }
        (short, _) => short.into(),
    };
    let record = Record { name: name.into(), crc: raw.crc, size: raw.size, offset };
    let came = [&fixed[..], record.name.as_bytes(), &extra].concat();
    if raw.comment == 0 && record.size != u32::MAX && record.entry() == came {
        return Ok(record);
    }
    Err(name_defect(&raw, record.name.into()))
}

/// Which part of a directory entry is not canonical.
fn name_defect(raw: &RawEntry, path: String) -> BundleError {
    match raw {
        _ if raw.flags & 1 != 0 => BundleError::Encrypted(path),
        _ if raw.flags & 8 != 0 => BundleError::Descriptor(path),
        _ if raw.method != 0 => BundleError::Compressed(path),
        _ if raw.flags != if path.is_ascii() { 0 } else { 0x800 } => BundleError::Flags(path),
        _ if !raw.has_fixed_stamp() => BundleError::Stamp(path),
        _ if raw.comment != 0 => BundleError::Comment(path),
        _ if raw.stored != raw.size => BundleError::Sizes(path),
        _ if raw.size == u32::MAX => BundleError::Zip64,
        _ if raw.extra != 0 => BundleError::Extra(path),
        _ => BundleError::Maker(path),
    }
}

type Tags = [Record; TAG_FILES];

/// Separates the bag's own files from the payload; everything must lie in one folder.
fn sort_out(top: &str, records: Vec<Record>) -> Result<(Vec<File>, Tags), BundleError> {
    let (mut payload, mut own) = (Vec::with_capacity(records.len()), Vec::new());
    let mut names = path::Names::default();
    for record in records {
        let inside = record.name.strip_prefix(top).and_then(|rest| rest.strip_prefix('/'));
        let inside = inside.ok_or_else(|| BundleError::OutsideTop(record.name.to_string()))?;
        names.add(&record.name).map_err(|clash| match clash {
            path::Clash::Case => BundleError::CaseDuplicate(record.name.to_string()),
            path::Clash::Folder => BundleError::FileAndFolder(record.name.to_string()),
        })?;
        match inside {
            BAG_INFO | BAGIT | MANIFEST | TAG_MANIFEST => own.push(record),
            _ if inside.starts_with("data/") => {
                payload.push(File { record, hash: [0; 32], checked: false });
            }
            _ => return Err(BundleError::Foreign(record.name.to_string())),
        }
    }
    let missing = |own: &[Record]| {
        let has = |name: &str| own.iter().any(|r| r.name[top.len() + 1..] == *name);
        [BAG_INFO, BAGIT, MANIFEST, TAG_MANIFEST].into_iter().find(|name| !has(name)).unwrap_or(BAGIT)
    };
    let tags = own.try_into().map_err(|own: Vec<Record>| BundleError::Missing(missing(&own).to_owned()))?;
    Ok((payload, tags))
}

/// Reads a record's data, checking local header and CRC-32 on the way; gives its SHA-256.
fn read_record<R: Read + Seek>(
    inner: &mut R,
    record: &Record,
    mut each: impl FnMut(&[u8]),
) -> Result<Hash, BundleError> {
    inner.seek(SeekFrom::Start(record.offset))?;
    let expected = record.local();
    let mut header = vec![0; expected.len()];
    inner.read_exact(&mut header)?;
    if header != expected {
        return Err(BundleError::LocalHeader(record.name.to_string()));
    }
    let (mut crc, mut sha) = (crc32fast::Hasher::new(), Sha256::new());
    let mut left = usize::try_from(record.size).unwrap_or(usize::MAX);
    let mut buffer = vec![0; left.min(256 * 1024)];
    while left > 0 {
        let piece = &mut buffer[..left.min(256 * 1024)];
        inner.read_exact(piece)?;
        crc.update(piece);
        sha.update(&*piece);
        each(piece);
        left -= piece.len();
    }
    if crc.finalize() != record.crc {
        return Err(BundleError::Crc(record.name.to_string()));
    }
    Ok(sha.finalize().into())
}

/// The tag manifest: three lines, for the three other files of the bag's own.
struct TagManifest {
    record: Record,
    bytes: Vec<u8>,
}

impl TagManifest {
    fn read<R: Read + Seek>(inner: &mut R, record: Record) -> Result<Self, BundleError> {
        let bytes = read_small(inner, &record)?.0;
        let listed = Self { record, bytes };
        match listed.lines().count() {
            3 => Ok(listed),
            other => Err(listed.wrong(other.min(3))),
        }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|byte| *byte == b'\n')
    }

    fn wrong(&self, line: usize) -> BundleError {
        BundleError::Manifest { file: self.record.name.to_string(), line: line as u64 + 1 }
    }

    /// The text of a small file that a line vouches for.
    fn checked<R: Read + Seek>(
        &self,
        inner: &mut R,
        line: usize,
        record: &Record,
    ) -> Result<String, BundleError> {
        let (bytes, hash) = read_small(inner, record)?;
        self.check_line(line, record, &hash)?;
        String::from_utf8(bytes).map_err(|_| BundleError::TagFile(record.name.to_string()))
    }

    fn check_line(&self, line: usize, record: &Record, hash: &Hash) -> Result<(), BundleError> {
        let name = record.name.rsplit('/').next().unwrap_or_default();
        let expected = manifest_line(hash, name);
        let came = self.lines().nth(line).unwrap_or_default();
        if came == expected.as_bytes() {
            return Ok(());
        }
        // The same line but for its digits: the file is wrong, not the manifest.
        let same_name = came.len() == expected.len() && came[64..] == expected.as_bytes()[64..];
        let hexadecimal = came.iter().take(64).all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if same_name && hexadecimal {
            Err(BundleError::Digest(record.name.to_string()))
        } else {
            Err(self.wrong(line))
        }
    }
}

fn read_small<R: Read + Seek>(inner: &mut R, record: &Record) -> Result<(Vec<u8>, Hash), BundleError> {
    const LIMIT: u64 = 4096;
    let size = u64::from(record.size);
    if size > LIMIT {
        return Err(BundleError::TooLarge { path: record.name.to_string(), size, limit: LIMIT });
    }
    let mut bytes = Vec::new();
    let hash = read_record(inner, record, |piece| bytes.extend_from_slice(piece))?;
    Ok((bytes, hash))
}

/// Reads the manifest line by line beside the payload: both must name the same files in the same order.
fn read_manifest<R: Read + Seek>(
    inner: &mut R,
    top: &str,
    manifest: &Record,
    payload: &mut [File],
) -> Result<(), BundleError> {
    inner.seek(SeekFrom::Start(manifest.offset + manifest.extent() - u64::from(manifest.size)))?;
    let mut lines = Lines {
        input: BufReader::new(inner.take(manifest.size.into())),
        number: 0,
        file: manifest.name.to_string(),
    };
    for file in payload {
        let name = &file.record.name[top.len() + 1..];
        match lines.next()? {
            Some((hash, path)) if path == name => file.hash = hash,
            Some((_, path)) if *path < *name => return Err(BundleError::ListedOnly(path)),
            _ => return Err(BundleError::Unlisted(file.record.name.to_string())),
        }
    }
    match lines.next()? {
        None => Ok(()),
        Some((_, path)) => Err(BundleError::ListedOnly(path)),
    }
}

struct Lines<B> {
    input: B,
    number: u64,
    file: String,
}

impl<B: BufRead> Lines<B> {
    fn next(&mut self) -> Result<Option<(Hash, String)>, BundleError> {
        const LONGEST: u64 = 64 + 2 + MAX_PATH as u64 + 1;
        self.number += 1;
        let mut line = Vec::new();
        (&mut self.input).take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let wrong = || BundleError::Manifest { file: self.file.clone(), line: self.number };
        let text = std::str::from_utf8(&line).map_err(|_| wrong())?;
        let (digits, path) = text.split_once("  ").ok_or_else(wrong)?;
        let path = path.strip_suffix('\n').ok_or_else(wrong)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(digits, &mut hash).map_err(|_| wrong())?;
        if manifest_line(&hash, path) == text { Ok(Some((hash, path.to_owned()))) } else { Err(wrong()) }
    }
}

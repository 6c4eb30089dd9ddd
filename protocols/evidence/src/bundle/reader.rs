//! Reads a bundle, refusing any byte the writer would not have written.
//!
//! Memory is the list of paths and one file at a time. Nothing is allocated by a claimed size before the file
//! has been seen to hold it.

use super::zip::{self, CENTRAL_LEN, END_LEN, END64_LEN, Entry, LOCAL_LEN};
use super::{BAGIT, BundleError, MANIFEST, MAX_FILE, MAX_FILES, MAX_PATH, TAG_MANIFEST, is_plain};
use crate::hash::{Hash, sha256};
use std::io::{BufReader, Read, Seek, SeekFrom};

/// An open bundle whose zip is canonical. [`Self::check_manifest`] checks the contents.
#[derive(Debug)]
pub struct BundleReader<R> {
    input: R,
    folder: String,
    entries: Vec<Entry>,
}

/// What the end of the file says of the directory.
struct Directory {
    count: u64,
    size: u64,
    offset: u64,
}

impl<R: Read + Seek> BundleReader<R> {
    /// Opens a bundle and compares every header with the canonical one.
    pub fn open(mut input: R) -> Result<Self, BundleError> {
        let length = input.seek(SeekFrom::End(0))?;
        let directory = find_directory(&mut input, length)?;
        let entries = read_directory(&mut input, &directory)?;
        let mut reader = Self { input, folder: top_folder(&entries)?, entries };
        reader.check_order()?;
        reader.check_layout(&directory, length)?;
        Ok(reader)
    }

    /// Name of the one top folder.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Paths inside the top folder, ascending.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| self.inner(e))
    }

    fn inner<'a>(&self, entry: &'a Entry) -> &'a str {
        entry.path.get(self.folder.len() + 1..).unwrap_or_default()
    }

    fn find(&self, path: &str) -> Option<usize> {
        let full = format!("{}/{path}", self.folder);
        self.entries.binary_search_by(|e| e.path.as_str().cmp(&full)).ok()
    }

    /// Whether a file is there.
    pub fn contains(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// Reads a file inside the top folder whole, checking its CRC.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, BundleError> {
        let at = self.find(path).ok_or_else(|| BundleError::Missing(path.to_owned()))?;
        self.read_entry(at)
    }

    fn read_entry(&mut self, at: usize) -> Result<Vec<u8>, BundleError> {
        let entry = &self.entries[at];
        let start = entry.offset + LOCAL_LEN + entry.path.len() as u64;
        self.input.seek(SeekFrom::Start(start))?;
        let mut content = Vec::new();
        (&mut self.input).take(u64::from(entry.size)).read_to_end(&mut content)?;
        if content.len() as u64 != u64::from(entry.size) || crc32fast::hash(&content) != entry.crc {
            return Err(BundleError::Crc(entry.path.clone()));
        }
        Ok(content)
    }

    /// Compares every file with the manifests, and the manifests with the files. `progress` is told the number of
    /// files done and to do.
    pub fn check_manifest(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<(), BundleError> {
        if self.read("bagit.txt")? != BAGIT.as_bytes() {
            return Err(BundleError::Malformed("bagit.txt"));
        }
        let tags = parse_manifest(&self.read(TAG_MANIFEST)?, "tagmanifest-sha256.txt")?;
        let payload = parse_manifest(&self.read(MANIFEST)?, "manifest-sha256.txt")?;
        let mut listed = tags;
        listed.extend(payload);
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        let total = listed.len() as u64;
        let mut listed = listed.into_iter();
        for at in 0..self.entries.len() {
            let path = self.inner(&self.entries[at]).to_owned();
            if path == TAG_MANIFEST {
                continue;
            }
            match listed.next() {
                Some((name, digest)) if name == path => {
                    if sha256(&self.read_entry(at)?) != digest {
                        return Err(BundleError::Digest(path));
                    }
                }
                Some((name, _)) if name < path => return Err(BundleError::Missing(name)),
                _ => return Err(BundleError::Unlisted(path)),
            }
            progress(at as u64 + 1, total);
        }
        listed.next().map_or(Ok(()), |(name, _)| Err(BundleError::Missing(name)))
    }

    fn check_order(&self) -> Result<(), BundleError> {
        for pair in self.entries.windows(2) {
            match pair[0].path.cmp(&pair[1].path) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(BundleError::Duplicate(pair[1].path.clone())),
                std::cmp::Ordering::Greater => return Err(BundleError::Order(pair[1].path.clone())),
            }
        }
        Ok(())
    }

    /// Walks the file from its first byte: local headers and contents must follow each other without a gap,
    /// then the directory, then its end, and nothing else.
    fn check_layout(&mut self, directory: &Directory, length: u64) -> Result<(), BundleError> {
        let mut at = 0;
        for entry in &self.entries {
            if entry.offset != at {
                return Err(BundleError::NotCanonical { what: "a gap before a file", at });
            }
            let expected = zip::local(entry);
            if read_at(&mut self.input, at, expected.len())? != expected {
                return Err(BundleError::NotCanonical { what: "a file's header", at });
            }
            at += expected.len() as u64 + u64::from(entry.size);
        }
        if at != directory.offset {
            return Err(BundleError::NotCanonical { what: "a gap before the directory", at });
        }
        let end = zip::end(directory.count, directory.size, directory.offset);
        let at = directory.offset + directory.size;
        if at + end.len() as u64 != length || read_at(&mut self.input, at, end.len())? != end {
            return Err(BundleError::NotCanonical { what: "the end of the directory", at });
        }
        Ok(())
    }
}

/// Reads up to `len` bytes (`len` is one we computed, never one the file claims).
fn read_at(input: &mut (impl Read + Seek), at: u64, len: usize) -> Result<Vec<u8>, BundleError> {
    input.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(len);
    input.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn le(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes.get(at..at + len).unwrap_or_default().iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn find_directory(input: &mut (impl Read + Seek), length: u64) -> Result<Directory, BundleError> {
    let at = length.checked_sub(END_LEN).ok_or(BundleError::NotZip("too short"))?;
    let end = read_at(input, at, 22)?;
    if end.get(..4) != Some(&zip::END) {
        return Err(BundleError::NotZip("no end record"));
    }
    let mut directory = Directory { count: le(&end, 10, 2), size: le(&end, 12, 4), offset: le(&end, 16, 4) };
    if zip::needs64(directory.count, directory.size, directory.offset) {
        let at = at.checked_sub(END64_LEN).ok_or(BundleError::NotZip("no zip64 record"))?;
        let end64 = read_at(input, at, 76)?;
        directory =
            Directory { count: le(&end64, 32, 8), size: le(&end64, 40, 8), offset: le(&end64, 48, 8) };
    }
    if directory.count > MAX_FILES {
        return Err(BundleError::TooMany(directory.count));
    }
    match directory.offset.checked_add(directory.size) {
        Some(end) if end <= length => Ok(directory),
        _ => Err(BundleError::NotZip("the directory lies outside the file")),
    }
}

fn read_directory(input: &mut (impl Read + Seek), directory: &Directory) -> Result<Vec<Entry>, BundleError> {
    input.seek(SeekFrom::Start(directory.offset))?;
    let mut bytes = BufReader::new(input.take(directory.size));
    let mut entries = Vec::new();
    let mut at = directory.offset;
    for _ in 0..directory.count {
        let entry = read_central(&mut bytes, at)?;
        at += zip::central(&entry).len() as u64;
        entries.push(entry);
    }
    if at == directory.offset + directory.size {
        Ok(entries)
    } else {
        Err(BundleError::NotCanonical { what: "the size of the directory", at })
    }
}

fn read_central(bytes: &mut impl Read, at: u64) -> Result<Entry, BundleError> {
    let cut = |_| BundleError::NotZip("the directory is cut off");
    let mut header = vec![0; CENTRAL_LEN];
    bytes.read_exact(&mut header).map_err(cut)?;
    if header.get(..4) != Some(&zip::CENTRAL) {
        return Err(BundleError::NotCanonical { what: "a directory entry", at });
    }
    let name_len = usize::try_from(le(&header, 28, 2)).unwrap_or(usize::MAX);
    if name_len > MAX_PATH {
        return Err(BundleError::Path(format!("a path of {name_len} bytes")));
    }
    let mut name = vec![0; name_len];
    bytes.read_exact(&mut name).map_err(cut)?;
    let path = String::from_utf8(name)
        .map_err(|e| BundleError::Path(String::from_utf8_lossy(e.as_bytes()).into_owned()))?;
    if !is_plain(&path) || !path.contains('/') {
        return Err(BundleError::Path(path));
    }
    // The upper half of the external attributes is the Unix mode; 0100000 marks a regular file.
    if le(&header, 40, 2) & 0o170_000 != 0o100_000 {
        return Err(BundleError::Special(path));
    }
    let (flags, method) = (le(&header, 8, 2), le(&header, 10, 2));
    if method != 0 || flags & 1 != 0 || le(&header, 20, 4) != le(&header, 24, 4) {
        return Err(BundleError::NotStored(path));
    }
    let extra_len = usize::try_from(le(&header, 30, 2)).unwrap_or(usize::MAX).min(64);
    let mut extra = vec![0; extra_len];
    bytes.read_exact(&mut extra).map_err(cut)?;
    let size = u32::try_from(le(&header, 24, 4)).unwrap_or(u32::MAX);
    if size as usize > MAX_FILE && !path.ends_with("-sha256.txt") {
        return Err(BundleError::TooLarge { path, size: u64::from(size) });
    }
    let offset = match le(&header, 42, 4) {
        0xffff_ffff => le(&extra, 4, 8),
        near => near,
    };
    let crc = u32::try_from(le(&header, 16, 4)).unwrap_or(0);
    let entry = Entry { path, crc, size, offset };
    let came = [&header[..], entry.path.as_bytes(), &extra].concat();
    if zip::central(&entry) == came {
        Ok(entry)
    } else {
        Err(BundleError::NotCanonical { what: "a directory entry", at })
    }
}

fn top_folder(entries: &[Entry]) -> Result<String, BundleError> {
    let first = entries.first().ok_or(BundleError::NotZip("no files"))?;
    let folder = first.path.split('/').next().unwrap_or_default().to_owned();
    match entries.iter().find(|e| !e.path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/'))) {
        Some(other) => Err(BundleError::Path(other.path.clone())),
        None => Ok(folder),
    }
}

fn parse_manifest(bytes: &[u8], name: &'static str) -> Result<Vec<(String, Hash)>, BundleError> {
    let malformed = || BundleError::Malformed(name);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let mut listed = Vec::new();
    for line in text.split_terminator('\n') {
        let (digest, path) = line.split_once("  ").ok_or_else(malformed)?;
        let hash = hex::decode(digest).ok().and_then(|b| Hash::try_from(b).ok()).ok_or_else(malformed)?;
        if hex::encode(hash) != digest {
            return Err(malformed());
        }
        listed.push((path.to_owned(), hash));
    }
    let ends = bytes.is_empty() || bytes.ends_with(b"\n");
    if ends && listed.is_sorted_by(|a, b| a.0 < b.0) { Ok(listed) } else { Err(malformed()) }
}

//! Writes a bundle front to back, holding no more than one file and the directory in memory.

use super::zip::{Directory, Record};
use super::{BAG_INFO, BAGIT, BAGIT_TEXT, BagInfo, MANIFEST, MAX_FILES, TAG_MANIFEST, WriteError};
use super::{manifest_line, path};
use crate::Hash;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};

/// A bundle being written.
#[derive(Debug)]
pub struct BundleWriter<W> {
    out: W,
    at: u64,
    top: String,
    last: String,
    names: path::Names,
    count: u64,
    directory: Vec<u8>,
    manifest: String,
    tags: String,
}

impl<W: Write> BundleWriter<W> {
    /// Begins a bundle in the folder `top`.
    pub fn new(out: W, top: &str, info: &BagInfo) -> Result<Self, WriteError> {
        path::check_segment(top).map_err(|reason| WriteError::Name { name: top.to_owned(), reason })?;
        if BagInfo::parse(&info.text()).as_ref() != Some(info) {
            return Err(WriteError::Origin(info.origin.clone()));
        }
        let mut writer = Self {
            out,
            at: 0,
            top: top.to_owned(),
            last: String::new(),
            names: path::Names::default(),
            count: 0,
            directory: Vec::new(),
            manifest: String::new(),
            tags: String::new(),
        };
        writer.tag_file(BAG_INFO, info.text().as_bytes())?;
        writer.tag_file(BAGIT, BAGIT_TEXT.as_bytes())?;
        Ok(writer)
    }

    /// Adds a file under `data/`. Files come in ascending byte order of their paths.
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), WriteError> {
        self.begin(path)?;
        let hash = self.write_file(path, bytes)?;
        self.manifest.push_str(&manifest_line(&hash, path));
        Ok(())
    }

    /// Adds a file too large for memory. It is read twice, because the zip has checksum and size before the
    /// data: `open` is called for each pass and must give the same bytes.
    pub fn add_stream<R: Read>(
        &mut self,
        path: &str,
        mut open: impl FnMut() -> io::Result<R>,
    ) -> Result<(), WriteError> {
        self.begin(path)?;
        let source = |source| WriteError::Source { path: path.to_owned(), source };
        let first = Pass::run(&mut open().map_err(source)?, &mut io::sink()).map_err(source)?;
        let record = self.record(path, first.size, first.crc)?;
        self.out.write_all(&record.local())?;
        let second = Pass::run(&mut open().map_err(source)?.take(first.size), &mut self.out)?;
        if second != first {
            return Err(WriteError::Changed(path.to_owned()));
        }
        self.close(&record);
        self.manifest.push_str(&manifest_line(&first.hash, path));
        Ok(())
    }

    /// Writes the manifests and the directory. Gives the sink back; it is flushed, not synchronised.
    pub fn finish(mut self) -> Result<W, WriteError> {
        let manifest = std::mem::take(&mut self.manifest);
        self.tag_file(MANIFEST, manifest.as_bytes())?;
        let tags = std::mem::take(&mut self.tags);
        self.write_file(TAG_MANIFEST, tags.as_bytes())?;
        let size = u64::try_from(self.directory.len()).unwrap_or(u64::MAX);
        let directory = Directory { count: self.count, size, offset: self.at };
        self.out.write_all(&self.directory)?;
        self.out.write_all(&directory.end())?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Checks a payload path and its order.
    fn begin(&mut self, path: &str) -> Result<(), WriteError> {
        let wrong = |reason| WriteError::Name { name: path.to_owned(), reason };
        path::check(&format!("{}/{path}", self.top)).map_err(wrong)?;
        if !path.starts_with("data/") {
            return Err(wrong("not under data/"));
        }
        if *path <= *self.last {
            return Err(WriteError::Order(path.to_owned()));
        }
        // The two manifests are still to come.
        if self.count + 2 >= MAX_FILES {
            return Err(WriteError::TooMany);
        }
        self.names.add(path).map_err(|_| WriteError::Clash(path.to_owned()))?;
        path.clone_into(&mut self.last);
        Ok(())
    }

    fn tag_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), WriteError> {
        let hash = self.write_file(path, bytes)?;
        self.tags.push_str(&manifest_line(&hash, path));
        Ok(())
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> Result<Hash, WriteError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let record = self.record(path, size, crc32fast::hash(bytes))?;
        self.out.write_all(&record.local())?;
        self.out.write_all(bytes)?;
        self.close(&record);
        Ok(crate::hash::sha256(bytes))
    }

    fn record(&self, path: &str, size: u64, crc: u32) -> Result<Record, WriteError> {
        let size = u32::try_from(size).ok().filter(|size| *size != u32::MAX);
        let size = size.ok_or_else(|| WriteError::TooLarge(path.to_owned()))?;
        Ok(Record { name: format!("{}/{path}", self.top).into(), crc, size, offset: self.at })
    }

    fn close(&mut self, record: &Record) {
        self.directory.extend_from_slice(&record.entry());
        self.at += record.extent();
        self.count += 1;
    }
}

/// What one pass over a source saw.
#[derive(PartialEq, Eq)]
struct Pass {
    size: u64,
    crc: u32,
    hash: Hash,
}

impl Pass {
    fn run(source: &mut impl Read, out: &mut impl Write) -> io::Result<Self> {
        let (mut crc, mut sha, mut size) = (crc32fast::Hasher::new(), Sha256::new(), 0u64);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let n = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            crc.update(&buffer[..n]);
            sha.update(&buffer[..n]);
            out.write_all(&buffer[..n])?;
            size += n as u64;
        }
        Ok(Self { size, crc: crc.finalize(), hash: sha.finalize().into() })
    }
}

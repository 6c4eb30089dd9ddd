//! Writes a bundle in one pass; memory is one file and the list of paths.

use super::zip::{self, Entry};
use super::{BAGIT, BundleError, MANIFEST, MAX_FILE, TAG_MANIFEST, is_plain};
use crate::hash::sha256;
use std::fmt::Write as _;
use std::io::Write;

/// A bundle being written.
#[derive(Debug)]
pub struct BundleWriter<W> {
    out: W,
    at: u64,
    folder: String,
    entries: Vec<Entry>,
    manifest: String,
    tag_manifest: String,
}

impl<W: Write> BundleWriter<W> {
    /// Starts a bundle with its one top folder and the lines of `bag-info.txt`.
    pub fn new(out: W, folder: &str, info: &[(&str, &str)]) -> Result<Self, BundleError> {
        if !is_plain(folder) || folder.contains('/') {
            return Err(BundleError::Path(folder.to_owned()));
        }
        let mut writer = Self {
            out,
            at: 0,
            folder: folder.to_owned(),
            entries: vec![],
            manifest: String::new(),
            tag_manifest: String::new(),
        };
        let mut text = String::new();
        for (label, value) in info {
            if label.contains([':', '\n']) || value.contains(['\n', '\r']) {
                return Err(BundleError::Malformed("bag-info.txt"));
            }
            let _ = writeln!(text, "{label}: {value}");
        }
        writer.tag_file("bag-info.txt", text.as_bytes())?;
        writer.tag_file("bagit.txt", BAGIT.as_bytes())?;
        Ok(writer)
    }

    /// Adds a file under `data/`; `path` must be greater than the one before.
    pub fn add(&mut self, path: &str, content: &[u8]) -> Result<(), BundleError> {
        let path = format!("data/{path}");
        let _ = writeln!(self.manifest, "{}  {path}", hex::encode(sha256(content)));
        self.store(&path, content)
    }

    /// Writes manifests and directory and gives back the output.
    pub fn finish(mut self) -> Result<W, BundleError> {
        let manifest = std::mem::take(&mut self.manifest);
        self.tag_file(MANIFEST, manifest.as_bytes())?;
        let tag_manifest = std::mem::take(&mut self.tag_manifest);
        self.store(TAG_MANIFEST, tag_manifest.as_bytes())?;
        let offset = self.at;
        for entry in &self.entries {
            let header = zip::central(entry);
            self.out.write_all(&header)?;
            self.at += header.len() as u64;
        }
        let end = zip::end(self.entries.len() as u64, self.at - offset, offset);
        self.out.write_all(&end)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn tag_file(&mut self, path: &str, content: &[u8]) -> Result<(), BundleError> {
        let _ = writeln!(self.tag_manifest, "{}  {path}", hex::encode(sha256(content)));
        self.store(path, content)
    }

    fn store(&mut self, path: &str, content: &[u8]) -> Result<(), BundleError> {
        let path = format!("{}/{path}", self.folder);
        if !is_plain(&path) {
            return Err(BundleError::Path(path));
        }
        match self.entries.last() {
            Some(last) if last.path == path => return Err(BundleError::Duplicate(path)),
            Some(last) if last.path > path => return Err(BundleError::Order(path)),
            _ => {}
        }
        // Manifests grow with the number of files and may be larger than any of them.
        let limit = if path.ends_with("-sha256.txt") { u32::MAX as usize - 1 } else { MAX_FILE };
        if content.len() > limit {
            return Err(BundleError::TooLarge { path, size: content.len() as u64 });
        }
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let entry = Entry { path, crc: crc32fast::hash(content), size, offset: self.at };
        let header = zip::local(&entry);
        self.out.write_all(&header)?;
        self.out.write_all(content)?;
        self.at += header.len() as u64 + u64::from(size);
        self.entries.push(entry);
        Ok(())
    }
}

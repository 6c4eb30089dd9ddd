//! Bundles changed behind the log's back and put together again in canonical form, so that only what they say
//! can give them away.

use evidence::bundle::{BundleReader, BundleWriter, path};
use evidence::note::{Checkpoint, Note};
use evidence::tile::{decode_entries, encode_entries, tiles_of};
use std::fs::File;
use std::path::Path;

/// The bundle with one entry of its log replaced; archive, manifests and everything else are in order.
pub(crate) fn with_entry(bundle: &Path, index: usize, entry: &[u8]) -> Vec<u8> {
    let mut reader = BundleReader::open(File::open(bundle).unwrap()).unwrap();
    let note = Note::parse(&reader.read(path::CHECKPOINT).unwrap()).unwrap();
    let size = Checkpoint::parse(note.text()).unwrap().size;
    let tile = tiles_of(None, size).nth(index / 256).unwrap();
    let changed = path::tile(&tile);
    let bytes = reader.read(&changed).unwrap();
    let mut entries = decode_entries(&bytes, tile.width).unwrap();
    entries[index % 256] = entry;
    let replaced = encode_entries(entries);

    let info = reader.info().clone();
    let top = reader.top().to_owned();
    let mut writer = BundleWriter::new(vec![], &top, &info).unwrap();
    let files: Vec<String> = reader.files().map(|(name, _)| name.to_owned()).collect();
    for file in files.iter().filter(|f| f.starts_with("data/")) {
        let content = if *file == changed { replaced.clone() } else { reader.read(file).unwrap() };
        writer.add(file, &content).unwrap();
    }
    writer.finish().unwrap()
}

/// The bytes of one entry of a bundle's log.
pub(crate) fn entry(bundle: &Path, index: usize) -> Vec<u8> {
    let mut reader = BundleReader::open(File::open(bundle).unwrap()).unwrap();
    let note = Note::parse(&reader.read(path::CHECKPOINT).unwrap()).unwrap();
    let size = Checkpoint::parse(note.text()).unwrap().size;
    let tile = tiles_of(None, size).nth(index / 256).unwrap();
    let bytes = reader.read(&path::tile(&tile)).unwrap();
    decode_entries(&bytes, tile.width).unwrap()[index % 256].to_vec()
}

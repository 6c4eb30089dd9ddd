//! Bundles survive the round trip; each trick is refused by its own name; nothing makes the reader panic.

use super::*;
use crate::hash::sha256;
use proptest::prelude::*;
use std::io::Cursor;

fn info() -> BagInfo {
    BagInfo { origin: "example.cn/log/SY-1".into(), partial: false }
}

fn bundle(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = BundleWriter::new(Vec::new(), "SY-1", &info()).unwrap();
    for (path, bytes) in files {
        writer.add(path, bytes).unwrap();
    }
    writer.finish().unwrap()
}

/// A zip written by hand, so that every part of it can be wrong.
#[derive(Clone)]
struct Part {
    name: Vec<u8>,
    data: Vec<u8>,
    local_name: Option<Vec<u8>>,
    needed: u16,
    flags: u16,
    method: u16,
    date: u16,
    mode: u32,
    extra: Vec<u8>,
    comment: Vec<u8>,
    crc: Option<u32>,
    stored: Option<u32>,
    offset_by: i64,
}

impl Part {
    fn new(name: &str, data: &[u8]) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            data: data.to_vec(),
            local_name: None,
            needed: 20,
            flags: if name.is_ascii() { 0 } else { 0x800 },
            method: 0,
            date: 0x21,
            mode: 0o100_644,
            extra: vec![],
            comment: vec![],
            crc: None,
            stored: None,
            offset_by: 0,
        }
    }

    fn shared(&self, name: usize) -> Vec<u8> {
        let crc = self.crc.unwrap_or_else(|| crc32fast::hash(&self.data));
        let size = u32::try_from(self.data.len()).unwrap();
        let mut out = Vec::new();
        for n in [self.needed, self.flags, self.method, 0, self.date] {
            out.extend(n.to_le_bytes());
        }
        for n in [crc, self.stored.unwrap_or(size), size] {
            out.extend(n.to_le_bytes());
        }
        out.extend(u16::try_from(name).unwrap().to_le_bytes());
        out
    }
}

fn zip(parts: &[Part]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for part in parts {
        let offset = i64::try_from(out.len()).unwrap() + part.offset_by;
        let local = part.local_name.as_ref().unwrap_or(&part.name);
        out.extend(b"PK\x03\x04");
        out.extend(part.shared(local.len()));
        out.extend([0, 0]);
        out.extend(local);
        out.extend(&part.data);
        directory.extend(b"PK\x01\x02");
        directory.extend(0x0314u16.to_le_bytes());
        directory.extend(part.shared(part.name.len()));
        directory.extend(u16::try_from(part.extra.len()).unwrap().to_le_bytes());
        directory.extend(u16::try_from(part.comment.len()).unwrap().to_le_bytes());
        directory.extend([0; 4]);
        directory.extend((part.mode << 16).to_le_bytes());
        directory.extend(u32::try_from(offset).unwrap().to_le_bytes());
        directory.extend(&part.name);
        directory.extend(&part.extra);
        directory.extend(&part.comment);
    }
    let (offset, size) = (u32::try_from(out.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    out.extend(count);
    out.extend(count);
    out.extend(size.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// The parts of a right bag around these files.
fn parts(files: &[(&str, &[u8])]) -> Vec<Part> {
    let mut manifest = String::new();
    for (path, bytes) in files {
        manifest.push_str(&manifest_line(&sha256(bytes), path));
    }
    let own = [(BAG_INFO, info().text()), (BAGIT, BAGIT_TEXT.to_owned()), (MANIFEST, manifest)];
    let tags: String = own.iter().map(|(name, text)| manifest_line(&sha256(text.as_bytes()), name)).collect();
    let mut parts: Vec<Part> =
        files.iter().map(|(path, bytes)| Part::new(&format!("T/{path}"), bytes)).collect();
    parts.extend(own.iter().map(|(name, text)| Part::new(&format!("T/{name}"), text.as_bytes())));
    parts.push(Part::new(&format!("T/{TAG_MANIFEST}"), tags.as_bytes()));
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    parts
}

const FILES: [(&str, &[u8]); 2] = [("data/log/checkpoint", b"note"), ("data/log/tile/0/000.p/1", &[7; 32])];

fn open_all(bytes: &[u8]) -> Result<(), BundleError> {
    BundleReader::open(Cursor::new(bytes))?.check_rest()
}

/// The first word of the error's debug form: its name.
#[track_caller]
fn refused(bytes: &[u8], name: &str) {
    let error = open_all(bytes).expect_err("the reader accepted it");
    let text = format!("{error:?}");
    assert_eq!(text.split([' ', '(', '{']).next(), Some(name), "{text}");
}

#[track_caller]
fn refused_part(change: impl FnOnce(&mut Part), name: &str) {
    let mut parts = parts(&FILES);
    change(&mut parts[2]);
    refused(&zip(&parts), name);
}

#[track_caller]
fn refused_extra(extra: Part, name: &str) {
    let mut parts = parts(&FILES);
    parts.push(extra);
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    refused(&zip(&parts), name);
}

#[test]
fn what_was_written_is_read() {
    let bytes = bundle(&FILES);
    let mut reader = BundleReader::open(Cursor::new(&bytes)).unwrap();
    assert_eq!((reader.top(), reader.info()), ("SY-1", &info()));
    let files: Vec<_> = reader.files().map(|(path, size)| (path.to_owned(), size)).collect();
    assert_eq!(files, [("data/log/checkpoint".to_owned(), 4), ("data/log/tile/0/000.p/1".to_owned(), 32)]);
    assert_eq!(reader.read("data/log/checkpoint").unwrap(), b"note");
    assert!(matches!(reader.read("data/nothing"), Err(BundleError::NotFound(_))));
    assert!(reader.contains("data/log/checkpoint") && !reader.contains("bagit.txt"));
    reader.check_rest().unwrap();
}

#[test]
fn the_hand_written_zip_is_the_canonical_one() {
    let mut writer = BundleWriter::new(Vec::new(), "T", &info()).unwrap();
    for (path, bytes) in FILES {
        writer.add(path, bytes).unwrap();
    }
    assert_eq!(zip(&parts(&FILES)), writer.finish().unwrap());
}

#[test]
fn a_streamed_file_gives_the_same_bytes_as_one_in_memory() {
    let data = vec![5u8; 200_000];
    let mut writer = BundleWriter::new(Vec::new(), "SY-1", &info()).unwrap();
    writer.add_stream("data/raw/0", || Ok(data.as_slice())).unwrap();
    assert_eq!(writer.finish().unwrap(), bundle(&[("data/raw/0", &data)]));
    let mut reader = BundleReader::open(Cursor::new(bundle(&[("data/raw/0", &data)]))).unwrap();
    let mut seen = Vec::new();
    reader.stream("data/raw/0", |piece| seen.extend_from_slice(piece)).unwrap();
    assert_eq!(seen, data);
}

#[test]
fn a_source_that_changes_between_its_passes_is_noticed() {
    let mut writer = BundleWriter::new(Vec::new(), "SY-1", &info()).unwrap();
    let mut pass = 0u8;
    let changed = writer.add_stream("data/raw/0", || {
        pass += 1;
        Ok(Cursor::new(vec![pass; 9]))
    });
    assert!(matches!(changed, Err(WriteError::Changed(_))));
}

#[test]
fn the_writer_refuses_disorder_and_odd_paths() {
    let mut writer = BundleWriter::new(Vec::new(), "SY-1", &info()).unwrap();
    writer.add("data/b", b"").unwrap();
    assert!(matches!(writer.add("data/b", b""), Err(WriteError::Order(_))));
    assert!(matches!(writer.add("data/a", b""), Err(WriteError::Order(_))));
    for path in
        ["data/../x", "/data/x", "data//x", "data/x/", "other/x", "data/a:b", "data/c\\d", "data/NUL.txt"]
    {
        assert!(matches!(writer.add(path, b""), Err(WriteError::Name { .. })), "{path}");
    }
    assert!(matches!(BundleWriter::new(Vec::new(), "a/b", &info()), Err(WriteError::Name { .. })));
    assert!(matches!(writer.add("data/b/c", b""), Err(WriteError::Clash(_))));
    let odd = BagInfo { origin: "a\nb".into(), partial: false };
    assert!(matches!(BundleWriter::new(Vec::new(), "T", &odd), Err(WriteError::Origin(_))));
}

#[test]
fn a_chinese_name_is_marked_as_utf8_and_survives() {
    let bytes = bundle(&[("data/report/验收报告.html", b"x")]);
    let mut reader = BundleReader::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(reader.read("data/report/验收报告.html").unwrap(), b"x");
    let mut parts = parts(&[("data/report/验收报告.html", b"x")]);
    parts[2].flags = 0;
    refused(&zip(&parts), "Flags");
}

#[test]
fn every_trick_of_a_directory_entry_has_its_name() {
    refused_part(|p| p.flags = 1, "Encrypted");
    refused_part(|p| p.flags = 8, "Descriptor");
    refused_part(|p| p.flags = 0x800, "Flags");
    refused_part(|p| p.method = 8, "Compressed");
    refused_part(|p| p.date = 0x5821, "Stamp");
    refused_part(|p| p.mode = 0o120_777, "NotPlain");
    refused_part(|p| p.mode = 0o040_755, "NotPlain");
    refused_part(|p| p.mode = 0o100_755, "Maker");
    refused_part(|p| p.needed = 45, "Maker");
    refused_part(|p| p.extra = vec![0x75, 0x70, 0, 0], "Extra");
    refused_part(|p| p.comment = b"hello".to_vec(), "Comment");
    refused_part(|p| p.stored = Some(3), "Sizes");
    refused_part(|p| p.crc = Some(1), "Crc");
    refused_part(|p| p.local_name = Some(b"T/data/log/checkpoinT".to_vec()), "LocalHeader");
    refused_part(|p| p.offset_by = 1, "Offset");
}

#[test]
fn every_trick_of_a_name_is_refused() {
    for name in [
        "T/data/../evil",
        "/T/data/x",
        "T//data/x",
        "T/data/x/",
        "T/data/a\\b",
        "T/data/C:",
        "T/data/a\0b",
        "T/data/.hidden",
        "T/data/dot.",
        "T/data/aux",
        "T/data/com1.txt",
        "T/data/a b",
        "T/data/e\u{301}",
    ] {
        let mut extra = Part::new(name, b"");
        if name.ends_with('/') {
            extra.mode = 0o100_644;
        }
        refused_extra(extra, "Name");
    }
    let mut bytes = Part::new("T/data/x", b"");
    bytes.name = b"T/data/\xff".to_vec();
    refused_extra(bytes, "Name");
    refused_extra(Part::new(&format!("T/data/{}", "x".repeat(240)), b""), "Name");
    refused_extra(Part::new("U/data/x", b""), "OutsideTop");
    refused_extra(Part::new("T/readme.txt", b""), "Foreign");
    refused_extra(Part::new("T/data/log/Checkpoint", b""), "CaseDuplicate");
    refused_extra(Part::new("T/data/log/checkpoint", b""), "Duplicate");
    refused_extra(Part::new("T/data/log/checkpoint/x", b""), "FileAndFolder");
    refused_extra(Part::new("T/data/log/Tile", b""), "FileAndFolder");
}

#[test]
fn order_and_completeness_of_the_directory_are_checked() {
    let mut swapped = parts(&FILES);
    swapped.swap(2, 3);
    refused(&zip(&swapped), "Order");
    refused_extra(Part::new("T/data/log/unlisted", b"x"), "Unlisted");
    let mut without = parts(&FILES);
    without.remove(3);
    refused(&zip(&without), "ListedOnly");
    for (at, name) in [(0, BAG_INFO), (1, BAGIT), (4, MANIFEST), (5, TAG_MANIFEST)] {
        let mut without = parts(&FILES);
        without.remove(at);
        assert!(matches!(open_all(&zip(&without)), Err(BundleError::Missing(missing)) if missing == name));
    }
}

#[test]
fn content_that_differs_from_its_manifest_is_refused() {
    refused_part(|p| p.data = b"nope".to_vec(), "Digest");
    let mut tags = parts(&FILES);
    tags[0].data = info().text().replace("SY-1", "SY-2").into_bytes();
    refused(&zip(&tags), "Digest");
    let mut manifest = parts(&FILES);
    manifest[4].data = b"x".to_vec();
    refused(&zip(&manifest), "Digest");
    let mut tag_manifest = parts(&FILES);
    tag_manifest[5].data = b"x\n".to_vec();
    refused(&zip(&tag_manifest), "Manifest");
}

#[track_caller]
fn refused_manifest(change: impl FnOnce(String) -> String, name: &str) {
    let mut parts = parts(&FILES);
    let manifest = change(String::from_utf8(parts[4].data.clone()).unwrap());
    let tags = String::from_utf8(parts[5].data.clone()).unwrap();
    let cut = tags.lines().next_back().unwrap().len() + 1;
    let tags =
        format!("{}{}", &tags[..tags.len() - cut], manifest_line(&sha256(manifest.as_bytes()), MANIFEST));
    (parts[4].data, parts[5].data) = (manifest.into_bytes(), tags.into_bytes());
    refused(&zip(&parts), name);
}

#[test]
fn a_manifest_has_one_spelling() {
    refused_manifest(|m| m.to_uppercase(), "Manifest");
    refused_manifest(|m| m.replace("  ", " *"), "Manifest");
    refused_manifest(|m| m.replace('\n', "\r\n"), "Unlisted");
    refused_manifest(|m| m.trim_end().to_owned(), "Manifest");
    refused_manifest(|m| m.split_inclusive('\n').rev().collect(), "Unlisted");
    refused_manifest(|m| format!("{m}{m}"), "ListedOnly");
}

#[test]
fn tag_files_have_one_content() {
    for (at, bad) in [
        (0, "External-Identifier: x\nPlumbline-Bundle: some\nPlumbline-Format: 1\n"),
        (
            0,
            "External-Identifier: x\nPlumbline-Bundle: full\nPlumbline-Format: 1\nBagging-Date: 2026-01-01\n",
        ),
        (1, "BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"),
    ] {
        let mut parts = parts(&FILES);
        let old = manifest_line(&sha256(&parts[at].data), &String::from_utf8_lossy(&parts[at].name[2..]));
        let new = manifest_line(&sha256(bad.as_bytes()), &String::from_utf8_lossy(&parts[at].name[2..]));
        parts[at].data = bad.as_bytes().to_vec();
        parts[5].data = String::from_utf8(parts[5].data.clone()).unwrap().replace(&old, &new).into_bytes();
        refused(&zip(&parts), "TagFile");
    }
}

#[test]
fn bytes_before_between_and_behind_are_refused() {
    let good = bundle(&FILES);
    refused(&[b"x", &good[..]].concat(), "Directory");
    refused(&[&good[..], b"x"].concat(), "End");
    refused(&good[..good.len() - 1], "End");
    refused(b"", "End");
    refused(&[0; 22], "End");
    // A gap before the directory, with all offsets right.
    let directory_at = u32::from_le_bytes(good[good.len() - 6..good.len() - 2].try_into().unwrap());
    let at = usize::try_from(directory_at).unwrap();
    let mut gap = [&good[..at], b"gap", &good[at..]].concat();
    let field = gap.len() - 6;
    gap[field..field + 4].copy_from_slice(&(directory_at + 3).to_le_bytes());
    refused(&gap, "Directory");
    let mut disks = good.clone();
    let disk = disks.len() - 18;
    disks[disk] = 1;
    refused(&disks, "Disks");
    let mut count = good.clone();
    let field = count.len() - 14;
    count[field] += 1;
    refused(&count, "Zip64");
}

#[test]
fn a_claimed_count_or_size_allocates_nothing() {
    // zip64 records that claim 2^60 files of 2^60 bytes.
    let mut records = Vec::new();
    records.extend(b"PK\x06\x06");
    records.extend(44u64.to_le_bytes());
    records.extend([0x14, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for n in [1u64 << 60, 1 << 60, 1 << 60, 0] {
        records.extend(n.to_le_bytes());
    }
    records.extend(b"PK\x06\x07\0\0\0\0");
    records.extend((1u64 << 60).to_le_bytes());
    records.extend(1u32.to_le_bytes());
    records.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    refused(&records, "Count");
    // A file that claims 4 GiB in a zip of a few bytes: the next offset gives it away.
    let mut parts = parts(&FILES);
    parts[2].stored = Some(0xffff_fffe);
    refused(&zip(&parts), "Sizes");
}

#[test]
fn zip64_records_appear_at_the_limit_and_not_before() {
    use super::zip::{Directory, Record};
    let record = |offset| Record { name: "T/data/x".into(), crc: 1, size: 2, offset };
    assert_eq!(record(0xffff_fffe).entry().len(), 46 + 8);
    let large = record(0xffff_ffff).entry();
    assert_eq!(large.len(), 46 + 8 + 12);
    assert_eq!(&large[54..], [1, 0, 8, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    let directory = |count, offset| Directory { count, size: 5, offset }.end().len();
    assert_eq!(directory(0xfffe, 0xffff_fffe), 22);
    assert_eq!(directory(0xffff, 0), 22 + 76);
    assert_eq!(directory(4, 0xffff_ffff), 22 + 76);
}

#[test]
fn more_files_than_the_old_end_record_can_count_are_read() {
    let mut writer = BundleWriter::new(Vec::new(), "T", &info()).unwrap();
    for i in 0..66_000 {
        writer.add(&format!("data/entries/{i:06}"), b"").unwrap();
    }
    let bytes = writer.finish().unwrap();
    let mut reader = BundleReader::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(reader.files().count(), 66_000);
    reader.check_rest().unwrap();
    let end64 = bytes.len() - 22 - 76;
    let mut changed = bytes.clone();
    changed[end64 + 4] = 45;
    refused(&changed, "Zip64");
}

#[test]
fn any_changed_byte_is_noticed() {
    let good = bundle(&FILES);
    open_all(&good).unwrap();
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut changed = good.clone();
            changed[at] ^= bit;
            assert!(open_all(&changed).is_err(), "byte {at} may change");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = open_all(&bytes);
    }

    #[test]
    fn a_damaged_bundle_never_panics(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = bundle(&FILES);
        for (at, value) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = open_all(&bytes);
        bytes.truncate(end.index(bytes.len()));
        prop_assert!(open_all(&bytes).is_err());
    }

    #[test]
    fn any_content_survives(files in prop::collection::btree_map("data/[a-z]{1,8}(/[a-z0-9]{1,8}){0,3}", prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let mut writer = BundleWriter::new(Vec::new(), "T", &info()).unwrap();
        let mut files = files;
        files.retain(|path, bytes| writer.add(path, bytes).is_ok());
        let mut reader = BundleReader::open(Cursor::new(writer.finish().unwrap())).unwrap();
        for (path, bytes) in &files {
            prop_assert_eq!(&reader.read(path).unwrap(), bytes);
        }
    }
}

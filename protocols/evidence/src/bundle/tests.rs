//! What a bundle is and what it is not.

use super::*;
use proptest::prelude::*;
use std::io::Cursor;

fn bundle(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut w = BundleWriter::new(Vec::new(), "plumbline-SY-1", &[("External-Identifier", "SY-1")]).unwrap();
    for (path, content) in files {
        w.add(path, content).unwrap();
    }
    w.finish().unwrap()
}

fn open(bytes: &[u8]) -> Result<BundleReader<Cursor<Vec<u8>>>, BundleError> {
    let mut reader = BundleReader::open(Cursor::new(bytes.to_vec()))?;
    reader.check_manifest(|_, _| ())?;
    Ok(reader)
}

const FILES: &[(&str, &[u8])] =
    &[("log/checkpoint", b"c"), ("log/tile/0/000.p/1", &[7; 32]), ("policy/x", b"")];

#[test]
fn what_was_written_is_read_back() {
    let bytes = bundle(FILES);
    let mut reader = open(&bytes).unwrap();
    assert_eq!(reader.folder(), "plumbline-SY-1");
    assert_eq!(
        reader.files().collect::<Vec<_>>(),
        [
            "bag-info.txt",
            "bagit.txt",
            "data/log/checkpoint",
            "data/log/tile/0/000.p/1",
            "data/policy/x",
            "manifest-sha256.txt",
            "tagmanifest-sha256.txt"
        ]
    );
    assert_eq!(reader.read("data/log/checkpoint").unwrap(), b"c");
    assert!(matches!(reader.read("data/none"), Err(BundleError::Missing(_))));
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    assert_eq!(bundle(FILES), bundle(FILES));
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let mut w = BundleWriter::new(Vec::new(), "b", &[]).unwrap();
    w.add("m", b"").unwrap();
    assert!(matches!(w.add("m", b""), Err(BundleError::Duplicate(_))));
    assert!(matches!(w.add("a", b""), Err(BundleError::Order(_))));
    for path in ["../x", "/x", "x//y", "x/./y", "x\\y", "c:x", "x\0", "", "é"] {
        assert!(matches!(w.add(path, b""), Err(BundleError::Path(_))), "{path:?}");
    }
    assert!(BundleWriter::new(Vec::new(), "a/b", &[]).is_err());
}

/// Every single byte of a bundle matters: whatever is changed is noticed.
#[test]
fn no_byte_can_be_changed_unnoticed() {
    let bytes = bundle(FILES);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        assert!(open(&changed).is_err(), "byte {at}");
    }
}

#[test]
fn no_byte_can_be_added_or_cut_unnoticed() {
    let bytes = bundle(FILES);
    for at in 0..=bytes.len() {
        let mut longer = bytes.clone();
        longer.insert(at, 0);
        assert!(open(&longer).is_err(), "added at {at}");
        assert!(open(&bytes[..bytes.len().saturating_sub(at + 1)]).is_err());
    }
}

/// Rewrites a bundle through its own headers, as a forger with a zip library would.
fn forge(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut listed) = (Vec::new(), Vec::new());
    for (path, content) in entries {
        let entry = zip::Entry {
            path: (*path).to_owned(),
            crc: crc32fast::hash(content),
            size: u32::try_from(content.len()).unwrap(),
            offset: out.len() as u64,
        };
        out.extend(zip::local(&entry));
        out.extend(*content);
        listed.push(entry);
    }
    let offset = out.len() as u64;
    for entry in &listed {
        out.extend(zip::central(entry));
    }
    let end = zip::end(listed.len() as u64, out.len() as u64 - offset, offset);
    out.extend(end);
    out
}

#[test]
fn hostile_paths_duplicates_and_unlisted_files_are_named() {
    let manifest = format!("{}  data/a\n", hex::encode(crate::hash::sha256(b"x")));
    let tag = format!(
        "{}  bagit.txt\n{}  manifest-sha256.txt\n",
        hex::encode(crate::hash::sha256(BAGIT.as_bytes())),
        hex::encode(crate::hash::sha256(manifest.as_bytes()))
    );
    let good: Vec<(&str, &[u8])> = vec![
        ("b/bagit.txt", BAGIT.as_bytes()),
        ("b/data/a", b"x"),
        ("b/manifest-sha256.txt", manifest.as_bytes()),
        ("b/tagmanifest-sha256.txt", tag.as_bytes()),
    ];
    assert!(open(&forge(&good)).is_ok());
    let with = |extra: (&'static str, &'static [u8])| {
        let mut all = good.clone();
        all.push(extra);
        all.sort_by_key(|(path, _)| *path);
        open(&forge(&all)).map(|_| ())
    };
    assert!(matches!(with(("b/data/a", b"x")), Err(BundleError::Duplicate(_))));
    assert!(matches!(with(("b/data/b", b"")), Err(BundleError::Unlisted(_))));
    assert!(matches!(with(("b/../../etc/passwd", b"")), Err(BundleError::Path(_))));
    assert!(matches!(with(("c/data/b", b"")), Err(BundleError::Path(_))));
    let mut missing = good.clone();
    missing.remove(1);
    assert!(matches!(open(&forge(&missing)), Err(BundleError::Missing(_))));
    let mut swapped = good.clone();
    swapped[1].1 = b"y";
    assert!(matches!(open(&forge(&swapped)), Err(BundleError::Digest(_))));
    let mut unsorted = good.clone();
    unsorted.swap(0, 1);
    assert!(matches!(open(&forge(&unsorted)), Err(BundleError::Order(_))));
}

#[test]
fn links_and_compression_are_named() {
    let bytes = bundle(FILES);
    let central = bytes.windows(4).position(|w| w == zip::CENTRAL).unwrap();
    let mut link = bytes.clone();
    link[central + 41] = 0o12 << 4;
    assert!(matches!(open(&link), Err(BundleError::Special(_))));
    let mut deflated = bytes.clone();
    deflated[central + 10] = 8;
    assert!(matches!(open(&deflated), Err(BundleError::NotStored(_))));
}

#[test]
fn offsets_beyond_4_gib_use_zip64_and_only_then() {
    let near = zip::Entry { path: "b/x".into(), crc: 0, size: 1, offset: 0xffff_fffe };
    assert_eq!(zip::central(&near).len(), zip::CENTRAL_LEN + 3);
    let far = zip::Entry { offset: 0xffff_ffff, ..near };
    assert_eq!(zip::central(&far).len(), zip::CENTRAL_LEN + 3 + 12);
    assert_eq!(zip::end(0xfffe, 0, 0).len(), 22);
    assert_eq!(zip::end(0xffff, 0, 0).len(), 22 + 76);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = open(&bytes);
    }

    #[test]
    fn mutated_bundles_never_panic_and_never_pass(at in 0usize..900, value in any::<u8>()) {
        let bytes = bundle(FILES);
        let mut changed = bytes.clone();
        let at = at % bytes.len();
        changed[at] = value;
        prop_assert_eq!(open(&changed).is_ok(), changed == bytes);
    }
}

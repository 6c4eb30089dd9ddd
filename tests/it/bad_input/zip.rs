//! Bundles made to hurt the assessor's program: every one is an answer (exit 1) or a wrong use (exit 2), said in
//! words, never a panic, never a hang, never a file written.

use crate::programs::PROGRAMS;
use plumbline_tests::harness::chain::Chain;
use plumbline_tests::harness::forger::Forger;
use std::path::{Path, PathBuf};
use uplink::Outcome;

/// A bundle that is in order, and its trust file.
fn good() -> (Chain, PathBuf, PathBuf) {
    let mut chain = Chain::without_agent(PROGRAMS);
    let mut forger = Forger::new("ZIP-1", 22);
    let request = chain.path("forger.cbor");
    forger.write_enrolment(&request);
    chain.found("ZIP-1", &request);
    forger.read_genesis(&chain.genesis("ZIP-1"));
    chain.start_gateway(&[]);
    let statements: Vec<_> = (0..5).map(|_| forger.following()).collect();
    assert!(matches!(forger.push(chain.gateway_address(), &statements), Some(Outcome::Stored(_))));
    chain.stop_gateway();
    let (bundle, trust) = (chain.export("ZIP-1"), chain.trust("ZIP-1", None));
    let (_, json) = chain.verify(&bundle, &trust);
    assert_eq!(json["authentic"]["verdict"], "yes", "{:#}", json["defects"]);
    (chain, bundle, trust)
}

/// The program says no or "wrong use" in words.
#[track_caller]
fn refused(chain: &Chain, bytes: &[u8], trust: &Path, what: &str) {
    let file = chain.path("hostile.zip");
    std::fs::write(&file, bytes).unwrap();
    let (file, trust) = (file.display().to_string(), trust.display().to_string());
    let ended = chain.run(PROGRAMS.verify, &["bundle", &file, "--trust", &trust, "--lang", "en"]);
    let said = format!("{}{}", ended.out, ended.err);
    assert!(matches!(ended.code, Some(1 | 2)), "{what}: exit {:?}\n{said}", ended.code);
    assert!(said.contains("E-") || said.contains("error"), "{what} is not explained:\n{said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
}

/// A local file header and its central record for a stored file (PKWARE APPNOTE 4.3.7, 4.3.12), sizes as given.
fn entry(name: &[u8], data: &[u8], offset: u32, claimed: u32) -> (Vec<u8>, Vec<u8>) {
    let fixed = |v: &mut Vec<u8>| {
        v.extend([0, 0, 0, 0, 0, 0, 0x21, 0]); // flags, method, time, date
        v.extend(0_u32.to_le_bytes());
        v.extend(claimed.to_le_bytes());
        v.extend(claimed.to_le_bytes());
        v.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        v.extend([0, 0]);
    };
    let mut local = b"PK\x03\x04\x14\x00".to_vec();
    fixed(&mut local);
    local.extend(name);
    local.extend(data);
    let mut central = b"PK\x01\x02\x14\x03\x14\x00".to_vec();
    fixed(&mut central);
    central.extend([0; 6]); // comment, disk, internal attributes
    central.extend([0, 0, 0xa4, 0x81]);
    central.extend(offset.to_le_bytes());
    central.extend(name);
    (local, central)
}

fn archive(entries: &[(&[u8], &[u8], u32)]) -> Vec<u8> {
    let (mut zip, mut directory) = (vec![], vec![]);
    for (name, data, claimed) in entries {
        let (local, central) = entry(name, data, u32::try_from(zip.len()).unwrap(), *claimed);
        zip.extend(local);
        directory.extend(central);
    }
    let (count, at) = (u16::try_from(entries.len()).unwrap(), u32::try_from(zip.len()).unwrap());
    let size = u32::try_from(directory.len()).unwrap();
    zip.extend(directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend(size.to_le_bytes());
    zip.extend(at.to_le_bytes());
    zip.extend([0, 0]);
    zip
}

#[test]
fn a_hostile_archive_is_an_answer_and_not_a_crash() {
    let (chain, bundle, trust) = good();
    let good = std::fs::read(&bundle).unwrap();
    let outside = chain.folder().parent().unwrap().join("plumbline-escaped");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an empty file", vec![]),
        ("a text", b"this is no archive".to_vec()),
        ("zeros", vec![0; 100_000]),
        ("an archive without files", archive(&[])),
        ("a path that climbs", archive(&[(b"x/../../../plumbline-escaped", b"x", 1)])),
        ("an absolute path", archive(&[(b"/tmp/plumbline-escaped", b"x", 1)])),
        ("the same name twice", archive(&[(b"b/bagit.txt", b"x", 1), (b"b/bagit.txt", b"y", 1)])),
        ("a size of 4 GiB", archive(&[(b"b/bagit.txt", b"x", u32::MAX)])),
        ("a name of 60 000 bytes", archive(&[(&[b'a'; 60_000], b"x", 1)])),
        ("60 000 empty files", archive(&vec![(&b"b/x"[..], &b""[..], 0); 60_000])),
        ("the first half", good[..good.len() / 2].to_vec()),
        ("the last half", good[good.len() / 2..].to_vec()),
        ("a byte before it", [b"x", &good[..]].concat()),
        ("a byte behind it", [&good[..], b"x"].concat()),
        ("twice itself", [&good[..], &good[..]].concat()),
    ];
    for (what, bytes) in cases {
        refused(&chain, &bytes, &trust, what);
    }
    assert!(!outside.exists() && !Path::new("/tmp/plumbline-escaped").exists(), "something was unpacked");
}

#[test]
fn no_byte_of_a_bundle_can_be_changed_without_an_answer_of_no() {
    let (chain, bundle, trust) = good();
    let good = std::fs::read(&bundle).unwrap();
    // A prime stride walks through headers, names, signatures, tiles and the directory alike.
    let stride = (good.len() / 40) | 1;
    for at in (0..good.len()).step_by(stride) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x41;
        refused(&chain, &bytes, &trust, &format!("byte {at} of {}", good.len()));
    }
}

#[test]
fn hostile_statements_inside_a_canonical_archive_are_named() {
    let (chain, bundle, trust) = good();
    let deep = [vec![0x81; 40_000], vec![0x00]].concat();
    let endless = vec![0x9f; 40_000];
    let huge = [&[0x9b][..], &[0xff; 8], &[0; 100]].concat();
    for (what, entry) in
        [("nested forty thousand deep", deep), ("never ended", endless), ("2^64 items", huge)]
    {
        let bytes = crate::tamper::with_entry(&bundle, 2, &entry);
        refused(&chain, &bytes, &trust, what);
    }
}

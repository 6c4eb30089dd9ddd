//! Bytes that two programs could read in two ways. The tricks of archives are tried one by one where the reader
//! of archives is tested; here stands that the verifier refuses each family of them, and what a statement inside
//! a perfect archive could try.

use std::collections::BTreeMap;

use evidence::bundle::path;
use evidence::statement::Payload;
use verify::DefectCode as D;
use verify::testing::{START, TestProject, pack};

use super::{Attack, attack, bent};
use crate::judge::Bundle;

pub(super) const ATTACKS: &[Attack] = &[
    attack("parser tricks", "bytes behind the archive", || archive(|b| b.extend(b"PK")), &[D::BundleZip]),
    attack("parser tricks", "an archive inside an archive's comment", commented, &[D::BundleZip]),
    attack("parser tricks", "a file marked as a symbolic link", symbolic_link, &[D::BundleName]),
    attack("parser tricks", "a name that climbs out of its folder", climbing, &[D::BundleName]),
    attack("parser tricks", "one name twice", twice, &[D::BundleName]),
    attack("parser tricks", "directory and header name different files", two_names, &[D::BundleZip]),
    attack("parser tricks", "a file of the archive not in the manifest", unlisted, &[D::BundleManifest]),
    attack("parser tricks", "another time stamp", stamped, &[D::BundleZip]),
    attack("parser tricks", "a tile of a size that the log does not have", other_tile, &[D::LogTile]),
    attack("parser tricks", "a note under another name than its hash", misnamed_note, &[D::SeenNote]),
    attack("parser tricks", "a receipt with leading zeros in its name", zero_receipt, &[D::Receipt]),
    attack("parser tricks", "a byte behind a statement", || entry(|b| b.push(0)), &[D::EntryCoding]),
    attack("parser tricks", "a length in more bytes than needed", || entry(longer_length), &[D::EntryCoding]),
    attack("parser tricks", "an unprotected header", || entry(unprotected), &[D::EntryCoding]),
    attack("parser tricks", "another tag", || entry(|b| b[0] = 0xd1), &[D::EntryCoding]),
    attack("parser tricks", "an endless array", || entry(|b| b[1] = 0x9f), &[D::EntryCoding]),
    attack("parser tricks", "an empty entry", || entry(Vec::clear), &[D::EntryCoding]),
    attack("parser tricks", "an unknown algorithm", || entry(|b| algorithm(b)), &[D::EntryCoding]),
    attack(
        "parser tricks",
        "the other number of the same algorithm",
        || entry(|b| alias(b)),
        &[D::EntrySignature],
    ),
];

/// The honest archive, changed byte by byte.
fn archive(change: impl FnOnce(&mut Vec<u8>)) -> Bundle {
    let project = TestProject::running(3);
    let mut bytes = project.bundle();
    change(&mut bytes);
    Bundle { bytes, trust: project.trust() }
}

/// The honest files, changed and packed in canonical form.
fn files(change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> Bundle {
    let mut project = TestProject::running(3);
    project.receipt(1);
    let mut files = project.files();
    change(&mut files);
    Bundle { bytes: pack(&files), trust: project.trust() }
}

/// A further statement of the registrar whose bytes are changed before it is logged.
fn entry(change: impl FnOnce(&mut Vec<u8>)) -> Bundle {
    bent(|p| {
        p.registrar_says(START, |place| {
            use evidence::payload::{Plan, PlanBody};
            let body = PlanBody::Change { text: "a change".into() };
            Payload::Plan(Box::new(Plan { place, effective_from: START, body, document: None }))
        });
        change(p.entries.last_mut().unwrap());
    })
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|w| w == what).unwrap()
}

fn rename(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
}

fn commented() -> Bundle {
    archive(|b| {
        let inner = b.clone();
        let length = u16::try_from(inner.len().min(60_000)).unwrap();
        let end = b.len() - 2;
        b[end..].copy_from_slice(&length.to_le_bytes());
        b.extend_from_slice(&inner[..usize::from(length)]);
    })
}

/// The mode stands in the upper half of the external attributes, 38 bytes into a directory entry, eight bytes
/// before the name (APPNOTE 4.3.12).
fn symbolic_link() -> Bundle {
    archive(|b| {
        let first = find(b, b"PK\x01\x02");
        b[first + 40..first + 42].copy_from_slice(&0o120_777u16.to_le_bytes());
    })
}

fn climbing() -> Bundle {
    archive(|b| rename(b, b"/data/log/checkpoint", b"/data/../checkpoints"))
}

/// Names of notes have one length: the second takes the name of the first.
fn twice() -> Bundle {
    let mut project = TestProject::running(2);
    project.windows();
    project.seal();
    let files = project.files();
    let names: Vec<&String> = files.keys().filter(|f| f.starts_with(path::CHECKPOINTS)).collect();
    let mut bytes = pack(&files);
    rename(
        &mut bytes,
        format!("SY-TEST/{}", names[1]).as_bytes(),
        format!("SY-TEST/{}", names[0]).as_bytes(),
    );
    Bundle { bytes, trust: project.trust() }
}

fn two_names() -> Bundle {
    archive(|b| {
        let at = find(b, b"checkpoint");
        b[at..at + 10].copy_from_slice(b"checkpoinT");
    })
}

/// The name in both headers changed and not in the manifest.
fn unlisted() -> Bundle {
    archive(|b| {
        let name = b"SY-TEST/data/log/checkpoint";
        rename(b, name, b"SY-TEST/data/log/checkpoins");
    })
}

fn stamped() -> Bundle {
    archive(|b| {
        let first = find(b, b"PK\x01\x02");
        b[first + 12] ^= 1;
    })
}

fn other_tile() -> Bundle {
    files(|f| {
        f.insert("data/log/tile/0/000.p/3".into(), vec![0; 96]);
    })
}

fn misnamed_note() -> Bundle {
    files(|f| {
        let note = f[path::CHECKPOINT].clone();
        f.insert(format!("data/checkpoints/{}.note", "0".repeat(64)), note);
    })
}

fn zero_receipt() -> Bundle {
    files(|f| {
        let receipt = f["data/receipts/1.cose"].clone();
        f.insert("data/receipts/01.cose".into(), receipt);
    })
}

/// The protected header's length: 0x58 n becomes 0x59 0x00 n.
fn longer_length(bytes: &mut Vec<u8>) {
    assert_eq!(bytes[2], 0x58);
    bytes.splice(2..4, [0x59, 0, bytes[3]]);
}

fn unprotected(bytes: &mut Vec<u8>) {
    let at = 4 + usize::from(bytes[3]);
    assert_eq!(bytes[at], 0xa0);
    bytes.splice(at..=at, [0xa1, 0x18, 0x63, 0x00]);
}

/// Parameter 1, the algorithm, stands first in the protected header: A4 01 27 is -8.
fn algorithm(bytes: &mut [u8]) {
    assert_eq!(bytes[4..7], [0xa4, 0x01, 0x27]);
    bytes[6] = 0x26;
}

/// -19 names the same algorithm (RFC 9864), but the header is signed with it.
fn alias(bytes: &mut [u8]) {
    bytes[6] = 0x32;
}
